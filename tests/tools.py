"""What tests of the API share: the contract as data, refusals, workspaces of their own, and grpcurl."""

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import symbol_database
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status as RpcStatus
from prometheus_client.parser import text_string_to_metric_families

import tidings
from tests.harness import Client
from tidings.v1 import event_types_pb2 as event_types
from tidings.v1 import notifications_pb2 as notifications
from tidings.v1 import publishing_pb2 as publishing
from tidings.v1 import subscriptions_pb2 as subscriptions

DESCRIPTORS = Path(tidings.__path__[0]) / "v1" / "descriptors.binpb"
DETAILS_KEY = "grpc-status-details-bin"
UNBUILT = "This version answers UNIMPLEMENTED"
# Nothing listens there, so an attempt ends at once.
DEAD_URL = "http://127.0.0.1:9/hooks"

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the contract, with its comment."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    comment: str
    is_unary: bool

    @property
    def path(self) -> str:
        """The name that travels."""
        return f"/{self.service}/{self.name}"

    @property
    def is_built(self) -> bool:
        """Whether this version carries it out, by its own comment."""
        return UNBUILT not in self.comment

    @property
    def example(self) -> str:
        """The JSON after "Example:" in the comment; empty when there is none."""
        return self.comment.partition("Example:")[2].strip()


def contract() -> dict[str, Method]:
    """Return every method of the contract by its name, which is unique among the services."""
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    return {method.name: method for file in files if file.package == "tidings.v1" for method in _methods(file)}


def _methods(file: FileDescriptorProto) -> Iterator[Method]:
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    symbols: Any = symbol_database.Default()
    for service_index, service in enumerate(file.service):
        for index, method in enumerate(service.method):
            yield Method(
                service=f"{file.package}.{service.name}",
                name=method.name,
                request=symbols.GetSymbol(method.input_type.removeprefix(".")),
                response=symbols.GetSymbol(method.output_type.removeprefix(".")),
                # The path of a method: field 6 of a file, field 2 of a service.
                comment=comments.get((6, service_index, 2, index), ""),
                is_unary=not (method.client_streaming or method.server_streaming),
            )


CONTRACT: Mapping[str, Method] = contract()


async def call(client: Client, method: str, /, **fields: Any) -> Any:
    """Call a unary method by its name."""
    return await send(client, CONTRACT[method], CONTRACT[method].request(**fields).SerializeToString())


async def send(client: Client, method: Method, message: bytes) -> Any:
    """Call a unary method with bytes."""
    response_type: Any = method.response
    unary: Any = client.channel.unary_unary(method.path, response_deserializer=response_type.FromString)
    return await unary(message, timeout=30)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a caller sees it. `field` is empty when the error is about no field."""

    code: str
    reason: str
    field: str
    message: str


async def refusal_of(call: Awaitable[object]) -> Refusal:
    """Return the error that a call ends with, having checked what every error must have."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    message = error.details() or ""
    metadata: Any = error.trailing_metadata()
    packed: bytes = metadata[DETAILS_KEY]
    assert len(message.encode()) <= 1024
    assert len(packed) <= 8192
    details = {each.TypeName(): each.value for each in RpcStatus.FromString(packed).details}
    info = ErrorInfo.FromString(details["google.rpc.ErrorInfo"])
    assert "tidings.v1" == info.domain
    violations = BadRequest.FromString(details.get("google.rpc.BadRequest", b"")).field_violations
    return Refusal(error.code().name, info.reason, violations[0].field if violations else "", message)


async def in_turn(calls: Iterable[Awaitable[object]], at_once: int = 100) -> None:
    """Await many calls, a hundred at a time: a connection carries 1,000 at once."""
    remaining = iter(calls)
    while some := list(islice(remaining, at_once)):
        await asyncio.gather(*some)


def new_id(prefix: str = "w") -> str:
    """Return an id that no other test of this process has."""
    return f"{prefix}{next(_numbers)}"


class Tenant:
    """A caller with a workspace of its own on a server that tests share."""

    def __init__(self, client: Client, workspace: str = "") -> None:
        self.client = client
        self.parent = f"organizations/acme/workspaces/{workspace or new_id()}"

    async def event_type(self, event_type: str = "", **fields: Any) -> str:
        """Create an event type, which is everybody's, and return its id."""
        event_type = event_type or new_id("t")
        fields = {"display_name": f"Type {event_type}", **fields}
        await self.call("CreateEventType", event_type_id=event_type, event_type=fields)
        return event_type

    async def subscribe(self, id: str = "", **fields: Any) -> subscriptions.Subscription:
        """Create a subscription, to every type unless `event_types` says otherwise."""
        id = id or new_id("s")
        fields = {"display_name": f"Subscription {id}", "url": DEAD_URL, "event_types": ["*"], **fields}
        created = await self.call("CreateSubscription", parent=self.parent, subscription_id=id, subscription=fields)
        found: subscriptions.Subscription = created.subscription
        return found

    async def publish(
        self, event_type: str, *, request_id: str = "", event_id: str = "", validate_only: bool = False, **event: Any
    ) -> publishing.PublishResponse:
        """Publish an event, with the payload `{}` unless another is given."""
        payload = {} if "data" in event else {"json": "{}"}
        response: publishing.PublishResponse = await self.call(
            "Publish",
            parent=self.parent,
            event={"event_type": event_type, **payload, **event},
            request_id=request_id,
            event_id=event_id,
            validate_only=validate_only,
        )
        return response

    async def events(self, **filters: Any) -> list[notifications.Event]:
        """Return all events of the workspace, newest first."""
        return await self.everything("ListEvents", "events", parent=self.parent, **filters)

    async def notifications(self, **filters: Any) -> list[notifications.Notification]:
        """Return all notifications of the workspace, newest first."""
        return await self.everything("ListNotifications", "notifications", parent=self.parent, **filters)

    async def subscriptions(self, **filters: Any) -> list[subscriptions.Subscription]:
        """Return all subscriptions of the workspace."""
        return await self.everything("ListSubscriptions", "subscriptions", parent=self.parent, **filters)

    async def event_types(self, **filters: Any) -> list[event_types.EventType]:
        """Return all event types of the server."""
        return await self.everything("ListEventTypes", "event_types", **filters)

    async def everything(self, method: str, items: str, **request: Any) -> list[Any]:
        """Return the items of all pages of a list."""
        return [item for page in await self.pages(method, items, **request) for item in page]

    async def pages(self, method: str, items: str, **request: Any) -> list[list[Any]]:
        """Return the pages of a list, each with its items."""
        pages: list[list[Any]] = []
        token = ""
        while token or not pages:
            response = await self.call(method, page_token=token, **request)
            pages.append(list(getattr(response, items)))
            token = response.next_page_token
        return pages

    async def call(self, method: str, /, **fields: Any) -> Any:
        """Call a unary method by its name."""
        return await call(self.client, method, **fields)


def grpcurl_path() -> str:
    """Return the path of grpcurl. Skips where it is not installed, except in CI, where it fails."""
    found = shutil.which("grpcurl") or shutil.which("grpcurl", path=str(Path.home() / "go" / "bin"))
    if found is not None:
        return found
    missing = "grpcurl is not installed: https://github.com/fullstorydev/grpcurl"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def without_names(text: str, *names: str) -> str:
    """Return a text with each of the names replaced, for comparing errors about different resources."""
    return re.sub("|".join(map(re.escape, names)), "<name>", text)


Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def metrics_of(exposition: str) -> Series:
    """Return the values of a scrape, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def metric(series: Series, name: str, **labels: str) -> float:
    """Return one value of a scrape; 0 where there is no such series."""
    return series.get((name, frozenset(labels.items())), 0)
