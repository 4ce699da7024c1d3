"""The examples in the contract's comments, run with grpcurl as a reader would paste them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format

from tests.harness import PARENT, ServerProcess, eventually, running_process
from tests.tools import CONTRACT, Method, grpcurl_path
from tidings.v1.notifications_pb2 import CreateReplayRequest, ListNotificationsRequest
from tidings.v1.publishing_pb2 import BatchPublishRequest, PublishRequest

# What has to be there before it is read, and is deleted last.
ORDER = (
    "CreateEventType",
    "CreateSubscription",
    "Publish",
    "BatchPublish",
    "StreamPublish",
    "CreateReplay",
    "Get",
    "List",
    "Retry",
    "Cancel",
    "ValidatePayload",
    "ExplainPublish",
    "TestSubscription",
    "RotateSigningKey",
    "ResumeSubscription",
    "WatchNotifications",
    "Update",
    "Delete",
)
DELETED_LAST = "DeleteEventType"
EXAMPLE_NOTIFICATION = f"{PARENT}/notifications/0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d11"
EXAMPLE_REPLAY = f"{PARENT}/subscriptions/wallboard/replays/0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d12"
ENDLESS = "WatchNotifications"
ENDED_BY_DEADLINE = 64 + 4
PATIENCE_S = 20
WANTED = {"event": {"event_type": "agent.status.changed", "attributes": {"team": "support"}, "json": "{}"}}
SLOW_REPLAY = {
    "parent": f"{PARENT}/subscriptions/wallboard",
    "replay": {"start_time": "2026-01-01T00:00:00Z", "max_rate_per_second": 0.01},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Output:
    """What grpcurl printed, and its exit code: 0, or 64 and the number of the status."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Grpcurl:
    """grpcurl against one server."""

    path: str
    server: ServerProcess

    async def __call__(self, *arguments: str, data: str = "{}", time_max_s: int = PATIENCE_S) -> Output:
        """Run it and wait for its end, which comes after `time_max_s` at the latest."""
        process = await asyncio.create_subprocess_exec(
            self.path,
            *("-plaintext", "-format-error", "-max-time", str(time_max_s), "-d", data),
            *(self.server.address, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Output(process.returncode, out.decode(), err.decode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grpcurl(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Grpcurl]:
    """A server as `make run` starts it, and grpcurl beside it."""
    path = grpcurl_path()
    async with running_process(tmp_path_factory.mktemp("examples") / "tidings.db") as server:
        yield Grpcurl(path, server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def described(grpcurl: Grpcurl) -> dict[str, str]:
    """What `grpcurl describe` prints of each service."""
    services = sorted({method.service for method in CONTRACT.values()})
    return {service: (await grpcurl("describe", service)).out for service in services}


def position(method: Method) -> tuple[int, bool]:
    """Return where in the order of examples a method comes."""
    [index] = [index for index, name in enumerate(ORDER) if method.name == name] or [
        index for index, name in enumerate(ORDER) if method.name.startswith(name)
    ]
    return index, method.name == DELETED_LAST


async def test_every_method_is_built_and_has_an_example_or_says_that_it_is_not() -> None:
    """The examples are JSON objects."""
    examples = {method.name: method.example for method in CONTRACT.values()}

    assert [] == [name for name, method in CONTRACT.items() if method.is_built != bool(examples[name])]
    for example in filter(None, examples.values()):
        assert isinstance(json.loads(example), dict)


async def test_every_example_works_when_it_is_pasted(grpcurl: Grpcurl) -> None:
    """One after the other on one server. Only two ids are replaced, because the server makes them: those of the example
    notification and of the example replay. The comments say where to take them.
    """
    real = {EXAMPLE_NOTIFICATION: EXAMPLE_NOTIFICATION, EXAMPLE_REPLAY: EXAMPLE_REPLAY}
    for method in sorted((each for each in CONTRACT.values() if each.is_built), key=position):
        example = method.example
        for written, name in real.items():
            example = example.replace(written, name)

        output = await grpcurl(method.path[1:], data=example, time_max_s=2 if method.name == ENDLESS else PATIENCE_S)

        if method.name == ENDLESS:
            assert ENDED_BY_DEADLINE == output.code
        else:
            assert (0, "") == (output.code, output.err), method.name
        response = json_format.ParseDict(first_object(output.out), method.response())
        assert method.name.startswith("Delete") or response.ByteSize() > 0, method.name
        if method.name == "BatchPublish":
            real[EXAMPLE_NOTIFICATION] = await waiting_for_its_last_attempt(grpcurl.server)
        if method.name == "CreateReplay":
            real[EXAMPLE_REPLAY] = await slow_replay(grpcurl.server)


def first_object(text: str) -> Any:
    """Return the first of the JSON objects that grpcurl printed: a stream has several."""
    return json.JSONDecoder().raw_decode(text.lstrip())[0]


async def waiting_for_its_last_attempt(server: ServerProcess) -> str:
    """Return the name of a notification that has had two attempts: its third is a minute away, so none is under way."""
    names: list[str] = []

    async def is_attempted() -> bool:
        request = ListNotificationsRequest(parent=PARENT)
        found = (await server.client.notifications.ListNotifications(request)).notifications
        names[:] = [each.name for each in found if each.attempt_count == 2]
        return bool(names)

    await eventually(is_attempted)
    return names[0]


async def slow_replay(server: ServerProcess) -> str:
    """Return the name of a replay that will run for minutes: it has two events to send, and a very low rate."""
    await server.client.publishing.BatchPublish(
        BatchPublishRequest(parent=PARENT, requests=[json_format.ParseDict(WANTED, PublishRequest())] * 2)
    )
    request = json_format.ParseDict(SLOW_REPLAY, CreateReplayRequest())
    return (await server.client.notifications.CreateReplay(request)).replay.name


async def test_grpcurl_lists_services_and_methods(grpcurl: Grpcurl) -> None:
    """The first thing that a new user does."""
    services = (await grpcurl("list")).out.split()
    methods = [name for service in sorted(services) for name in (await grpcurl("list", service)).out.split()]

    assert {method.service for method in CONTRACT.values()} <= set(services)
    assert {method.path[1:].replace("/", ".") for method in CONTRACT.values()} <= set(methods)


@pytest.mark.parametrize("method", CONTRACT.values(), ids=lambda method: method.name)
async def test_method_is_described_with_its_whole_comment(method: Method, described: dict[str, str]) -> None:
    """The comments of the contract are its manual."""
    text = described[method.service]

    for line in filter(None, map(str.strip, method.comment.splitlines())):
        assert f"// {line}" in text


async def test_grpcurl_decodes_the_details_of_an_error(grpcurl: Grpcurl) -> None:
    """Without any file of ours: the types of google.rpc come by reflection too."""
    request: dict[str, Any] = {"parent": PARENT, "event": {"event_type": "nobody.knows", "json": "{}"}}

    output = await grpcurl("tidings.v1.PublishService/Publish", data=json.dumps(request))

    status = json.loads(output.err)
    message = 'event.event_type: there is no event type "nobody.knows"; create it with CreateEventType first'
    assert (64 + 5, 5, message) == (output.code, status["code"], status["message"])
    details = {each.pop("@type").removeprefix("type.googleapis.com/google.rpc."): each for each in status["details"]}
    assert {"reason": "EVENT_TYPE_UNKNOWN", "domain": "tidings.v1"} == details["ErrorInfo"]
    assert {"resourceType": "event type", "resourceName": "eventTypes/nobody.knows"} == details["ResourceInfo"]
    [violation] = details["BadRequest"]["fieldViolations"]
    assert "event.event_type" == violation["field"]
    assert message.endswith(violation["description"])
