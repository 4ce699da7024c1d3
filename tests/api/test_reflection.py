"""What the server says about itself, to programs and to grpcurl."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from service.api.authentication import Authentication
from service.api.calls import Calls
from service.api.limits import CallLimits
from service.api.reflection import Reflection, described_files
from service.api.server import SERVICES, ApiServer, Servicers
from service.domain.clock import SystemClock
from service.domain.ids import Uuid7Ids
from service.settings import CALLS_MAX
from tests.tools import grpcurl_path
from tidings.v1.event_types_pb2_grpc import EventTypeServiceServicer
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceServicer

ALL_SERVICES = sorted(
    (
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    )
)
PATIENCE_S = 10
REQUEST_BYTES_MAX = 4 * 1024 * 1024
both_versions = pytest.mark.parametrize("version", ["v1", "v1alpha"])


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Where a server listens that implements nothing but what every server has."""
    clock = SystemClock()
    servicers = Servicers(
        subscriptions=SubscriptionServiceServicer(),
        event_types=EventTypeServiceServicer(),
        publishing=PublishServiceServicer(),
        notifications=NotificationServiceServicer(),
    )
    calls = Calls(
        clock=clock,
        ids=Uuid7Ids(clock, Random(0)),
        authentication=Authentication(None),
        limits=CallLimits(CALLS_MAX),
        request_bytes_max=REQUEST_BYTES_MAX,
    )
    server = ApiServer(listen=("127.0.0.1:0",), calls=calls, servicers=servicers)
    [bound] = await server.start()
    server.set_serving()
    yield bound
    await server.stop(0)


async def ask(address: str, request: ServerReflectionRequest, version: str = "v1") -> ServerReflectionResponse:
    """Ask one question over gRPC."""
    async with grpc.aio.insecure_channel(address) as channel:
        method: Any = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        stream = method(timeout=PATIENCE_S)
        await stream.write(request)
        answer: ServerReflectionResponse = await stream.read()
        await stream.done_writing()
    return answer


def files(answer: ServerReflectionResponse) -> list[FileDescriptorProto]:
    """Return the files in an answer."""
    return [FileDescriptorProto.FromString(raw) for raw in answer.file_descriptor_response.file_descriptor_proto]


@both_versions
async def test_services_are_listed(address: str, version: str) -> None:
    """Ours, health, and reflection itself in both versions."""
    answer = await ask(address, ServerReflectionRequest(list_services="*", host="here"), version)

    assert ALL_SERVICES == [service.name for service in answer.list_services_response.service]
    assert ("here", "*") == (answer.valid_host, answer.original_request.list_services)


@both_versions
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("tidings.v1.PublishService", "tidings/v1/publishing.proto"),
        ("tidings.v1.PublishService.Publish", "tidings/v1/publishing.proto"),
        ("tidings.v1.Event", "tidings/v1/notifications.proto"),
        (".tidings.v1.Event.event_type", "tidings/v1/notifications.proto"),
        ("tidings.v1.ErrorReason", "tidings/v1/errors.proto"),
        ("tidings.v1.ERROR_REASON_DRAINING", "tidings/v1/errors.proto"),
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"),
        ("google.protobuf.Duration", "google/protobuf/duration.proto"),
    ],
)
async def test_symbol_is_found_with_its_file_and_all_imports(
    address: str, version: str, symbol: str, file: str
) -> None:
    """A client can build every type from one answer, and it has the comments."""
    found = files(await ask(address, ServerReflectionRequest(file_containing_symbol=symbol), version))

    names = [each.name for each in found]
    assert file == names[0]
    assert len(set(names)) == len(names)
    assert {imported for each in found for imported in each.dependency} <= set(names)
    assert any(place.leading_comments for place in found[0].source_code_info.location)


async def test_file_is_found_by_name(address: str) -> None:
    """As clients do that follow imports themselves."""
    [file] = files(await ask(address, ServerReflectionRequest(file_by_filename="google/protobuf/timestamp.proto")))

    assert "google/protobuf/timestamp.proto" == file.name


@both_versions
async def test_reflection_describes_its_own_version(address: str, version: str) -> None:
    """The types of v1 are named v1, though the classes behind it are those of v1alpha."""
    service = f"grpc.reflection.{version}.ServerReflection"

    [file] = files(await ask(address, ServerReflectionRequest(file_containing_symbol=service)))

    assert f"grpc.reflection.{version}" == file.package
    assert f".grpc.reflection.{version}.ServerReflectionRequest" == file.service[0].method[0].input_type


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (
            ServerReflectionRequest(file_containing_symbol="tidings.v1.Nothing"),
            grpc.StatusCode.NOT_FOUND,
            'there is no symbol "tidings.v1.Nothing" here',
        ),
        (
            ServerReflectionRequest(file_by_filename="/etc/passwd"),
            grpc.StatusCode.NOT_FOUND,
            'there is no file "/etc/passwd" here',
        ),
        (
            ServerReflectionRequest(
                file_containing_extension=ExtensionRequest(containing_type="tidings.v1.Event", extension_number=7)
            ),
            grpc.StatusCode.NOT_FOUND,
            'there is no extension 7 of "tidings.v1.Event" here',
        ),
        (
            ServerReflectionRequest(all_extension_numbers_of_type="tidings.v1.Nothing"),
            grpc.StatusCode.NOT_FOUND,
            'there is no message "tidings.v1.Nothing" here',
        ),
        (
            ServerReflectionRequest(),
            grpc.StatusCode.INVALID_ARGUMENT,
            "the request asks for nothing that this server knows",
        ),
    ],
)
async def test_what_is_not_there_is_an_answer_that_keeps_the_stream(
    address: str, request_: ServerReflectionRequest, code: grpc.StatusCode, message: str
) -> None:
    """The protocol has errors as answers, so that the client can go on asking."""
    answer = await ask(address, request_)

    assert (code.value[0], message) == (answer.error_response.error_code, answer.error_response.error_message)
    assert request_ == answer.original_request


async def test_message_without_extensions_has_none(address: str) -> None:
    """That is an empty answer, not an error."""
    answer = await ask(address, ServerReflectionRequest(all_extension_numbers_of_type="tidings.v1.Event"))

    assert "tidings.v1.Event" == answer.all_extension_numbers_response.base_type_name
    assert [] == list(answer.all_extension_numbers_response.extension_number)


async def test_extensions_are_found_by_number() -> None:
    """The contract has none, but files of a later one may."""
    extended, extending = FileDescriptorProto(name="a.proto"), FileDescriptorProto(name="b.proto", package="b")
    extended.message_type.add(name="Open")
    extending.dependency.append("a.proto")
    extending.message_type.add(name="Holder").extension.append(
        FieldDescriptorProto(name="inner", number=200, extendee=".Open")
    )
    extending.extension.append(FieldDescriptorProto(name="outer", number=100, extendee=".Open"))
    reflection = Reflection((), (extended, extending))

    async def questions() -> AsyncIterator[ServerReflectionRequest]:
        yield ServerReflectionRequest(all_extension_numbers_of_type="Open")
        yield ServerReflectionRequest(
            file_containing_extension=ExtensionRequest(containing_type="Open", extension_number=200)
        )

    context: Any = None
    numbers, found = [answer async for answer in reflection.answers(questions(), context)]

    assert [100, 200] == list(numbers.all_extension_numbers_response.extension_number)
    assert ["b.proto", "a.proto"] == [file.name for file in files(found)]


def test_every_import_of_what_is_described_is_described() -> None:
    """A missing one would make every client fail."""
    described = described_files()

    assert {imported for file in described for imported in file.dependency} <= {file.name for file in described}


@pytest.fixture
def grpcurl() -> str:
    """The path of grpcurl."""
    return grpcurl_path()


async def run(*command: str) -> str:
    """Run a program beside the server's event loop, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return output.decode()


async def test_grpcurl_lists_the_services(address: str, grpcurl: str) -> None:
    """The first thing that a new user does."""
    assert ALL_SERVICES == (await run(grpcurl, "-plaintext", address, "list")).split()


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("tidings.v1.PublishService", "// Publishes one event. It is matched with the workspace's subscriptions"),
        ("tidings.v1.PublishService.Publish", '// {"parent": "organizations/acme/workspaces/main"'),
        ("tidings.v1.PublishRequest", "// The publisher's own id for the event: a UUID in lower case"),
        ("tidings.v1.ErrorReason", "// UNAVAILABLE: the server is shutting down."),
        ("google.rpc.ErrorInfo", "// The reason of the error."),
        ("grpc.health.v1.Health", "rpc Check ( .grpc.health.v1.HealthCheckRequest )"),
        ("grpc.reflection.v1.ServerReflection", "rpc ServerReflectionInfo ( stream .grpc.reflection.v1.Server"),
    ],
)
async def test_grpcurl_describes_with_comments(address: str, grpcurl: str, symbol: str, expected: str) -> None:
    """The comments of the contract are its manual."""
    assert expected in await run(grpcurl, "-plaintext", address, "describe", symbol)


async def test_grpcurl_calls_and_shows_error_details(address: str, grpcurl: str) -> None:
    """It finds the types of requests, responses and google.rpc details through reflection."""
    healthy = await run(grpcurl, "-plaintext", address, "grpc.health.v1.Health/Check")
    refused = await run(grpcurl, "-plaintext", "-d", "{}", address, "tidings.v1.PublishService/Publish")

    assert '"status": "SERVING"' in healthy
    assert "Message: tidings.v1.PublishService/Publish is not implemented by this version" in refused
    assert '"@type": "type.googleapis.com/google.rpc.ErrorInfo"' in refused
    assert '"reason": "UNIMPLEMENTED"' in refused
