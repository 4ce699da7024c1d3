"""Requests on their way in: those that do not come, come in parts or too slowly, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from structlog.testing import capture_logs

from service.api.arrivals import Arrivals
from service.api.authentication import Authentication
from service.api.calls import Calls
from service.api.limits import CallLimits
from service.api.server import ApiServer, Servicers
from service.domain.clock import SystemClock
from service.domain.errors import Quota, QuotaExceeded
from service.domain.ids import Uuid7Ids
from service.settings import CALLS_MAX
from tests.harness import error_detail, eventually
from tests.http2 import CANCEL, DATA, RST_STREAM, Connection, connected, frame, head, header_frames, literal
from tidings.v1 import publishing_pb2 as pb
from tidings.v1.event_types_pb2_grpc import EventTypeServiceServicer
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer, PublishServiceStub
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceServicer

PUBLISH: Final = "/tidings.v1.PublishService/Publish"
CHECK: Final = "/grpc.health.v1.Health/Check"
REFLECTION: Final = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
PATIENCE_S: Final = 10
# A message of 100 bytes, of which there is one.
BEGUN: Final = b"\0\0\0\0\x64\x0a"
EXHAUSTED: Final = b"grpc-status\x018"


class Publishing(PublishServiceServicer):
    """A Publish that says whose event it was."""

    async def Publish(self, request: pb.PublishRequest, context: Any) -> pb.PublishResponse:
        return pb.PublishResponse(matched_count=len(request.parent))


@dataclass(frozen=True)
class Served:
    """A running server, and what it logs."""

    server: ApiServer
    address: str
    channel: grpc.aio.Channel
    log: list[MutableMapping[str, Any]]

    async def publish(self, parent: str = "p") -> int:
        """Publish something whole."""
        stub: Any = PublishServiceStub(self.channel)
        response = await stub.Publish(pb.PublishRequest(parent=parent), timeout=PATIENCE_S)
        return int(response.matched_count)

    async def health(self) -> int:
        """Ask for the server's health."""
        stub: Any = HealthStub(self.channel)
        response: HealthCheckResponse = await stub.Check(HealthCheckRequest(), timeout=PATIENCE_S)
        return response.status

    def call(self, path: str) -> Any:
        """Begin a call that takes one message as if it took any number."""
        return self.channel.stream_unary(path)(timeout=PATIENCE_S)

    async def logged(self, count: int = 1) -> list[tuple[str, str | None]]:
        """Wait until so many calls have ended, and return how."""
        await eventually(lambda: len(self.log) >= count, within_s=PATIENCE_S)
        return [(line["code"], line["reason"]) for line in self.log]


@asynccontextmanager
async def serving(arrivals: Arrivals | None = None) -> AsyncIterator[Served]:
    """Run a server that waits for requests in this way."""
    clock = SystemClock()
    calls = Calls(
        clock=clock,
        ids=Uuid7Ids(clock, Random(0)),
        authentication=Authentication(None),
        limits=CallLimits(CALLS_MAX, arrivals=arrivals),
        request_bytes_max=4 * 1024 * 1024,
    )
    servicers = Servicers(
        subscriptions=SubscriptionServiceServicer(),
        event_types=EventTypeServiceServicer(),
        publishing=Publishing(),
        notifications=NotificationServiceServicer(),
    )
    server = ApiServer(listen=("127.0.0.1:0",), calls=calls, servicers=servicers)
    [address] = await server.start()
    server.set_serving()
    with capture_logs() as log:
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                yield Served(server, address, channel, log)
        finally:
            await server.stop(0)


async def error_of(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def begin(connection: Connection, path: str, *, stream: int = 1, more: bytes = b"") -> None:
    """Begin a call, and its message."""
    await connection.send(header_frames(stream, head(path, more)) + frame(DATA, stream, BEGUN))
    await connection.settle()


# A message for each call


@pytest.mark.parametrize("path", [PUBLISH, CHECK])
async def test_call_that_ends_without_a_message_is_the_callers_mistake(path: str) -> None:
    """By itself grpc.aio never answers it."""
    async with serving() as served:
        call = served.call(path)
        await call.done_writing()
        error = await error_of(call)

    assert (grpc.StatusCode.INVALID_ARGUMENT, "request: must be one message; got none") == (
        error.code(),
        error.details(),
    )
    assert "INVALID_FIELD" == error_detail(error, ErrorInfo).reason


async def test_first_of_several_messages_counts() -> None:
    """As in every server of gRPC; what follows is not read."""
    async with serving() as served:
        call = served.call(PUBLISH)
        for parent in ("p", "pp"):
            await call.write(pb.PublishRequest(parent=parent).SerializeToString())
        response = pb.PublishResponse.FromString(await call)

    assert 1 == response.matched_count


@pytest.mark.parametrize("path", [PUBLISH, CHECK])
async def test_client_that_cancels_within_its_message_leaves_its_place(path: str) -> None:
    """It is no mistake, and is logged as what it is."""
    async with serving(Arrivals(requests_max=1, questions_max=1)) as served, connected(served.address) as connection:
        await begin(connection, path)
        await connection.send(frame(RST_STREAM, 1, CANCEL.to_bytes(4)))

        cancelled = await served.logged()
        assert 1 == await served.publish()

    assert [("CANCELLED", None)] == cancelled


async def test_client_that_vanishes_within_its_message_leaves_its_place() -> None:
    async with serving(Arrivals(requests_max=1)) as served:
        async with connected(served.address) as connection:
            await begin(connection, PUBLISH)

        cancelled = await served.logged()
        assert 1 == await served.publish()

    assert [("CANCELLED", None)] == cancelled


async def test_deadline_counts_also_within_the_message() -> None:
    async with serving(Arrivals(requests_max=1)) as served, connected(served.address) as connection:
        await begin(connection, PUBLISH, more=literal(b"grpc-timeout", b"50m"))

        ended = await served.logged()
        assert 1 == await served.publish()

    assert [("CANCELLED", None)] == ended


async def test_request_that_comes_too_slowly_is_refused() -> None:
    """A place is not for ever, or few clients could take all of them."""
    refused: list[Quota] = []
    async with serving(Arrivals(within_s=0.05, on_refused=refused.append)) as served:
        error = await error_of(served.call(PUBLISH))

    assert (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the request has not come within 0.05 s; send it again, and faster",
    ) == (error.code(), error.details())
    assert "QUOTA_EXCEEDED" == error_detail(error, ErrorInfo).reason
    assert [Quota.REQUEST_BYTES] == refused


async def test_shutdown_does_not_wait_for_requests_that_do_not_come() -> None:
    """Their clients learn that they may try another server."""
    async with serving() as served:
        call = asyncio.ensure_future(error_of(served.call(PUBLISH)))
        async with connected(served.address) as connection:
            await begin(connection, PUBLISH)
            await served.health()

            await asyncio.wait_for(served.server.stop(3600), PATIENCE_S)
        error = await call

    assert grpc.StatusCode.UNAVAILABLE == error.code()
    assert "DRAINING" == error_detail(error, ErrorInfo).reason
    assert 1 == error_detail(error, RetryInfo).retry_delay.seconds


# Questions of strangers


@pytest.mark.parametrize("path", [CHECK, "/grpc.health.v1.Health/Watch", REFLECTION])
async def test_health_answers_however_many_questions_do_not_come(path: str) -> None:
    """The oldest of the connection that has most is given up, and others are left alone."""
    async with (
        serving(Arrivals(questions_max=4)) as served,
        connected(served.address) as greedy,
        connected(served.address) as modest,
    ):
        await begin(modest, path)
        for number in range(10):
            await begin(greedy, path, stream=2 * number + 1)
            assert HealthCheckResponse.SERVING == await served.health()
        refused = [line for line in served.log if line["code"] == "RESOURCE_EXHAUSTED"]
        peers = {line["peer"] for line in refused}
        await greedy.settle()
        await modest.settle()

    assert 7 <= len(refused) <= 8
    assert {f"ipv4:127.0.0.1:{port_of(greedy)}"} == peers
    assert EXHAUSTED in greedy.heads
    assert b"" == modest.heads


def port_of(connection: Connection) -> int:
    """Return the client's port of a connection."""
    port: int = connection.writer.get_extra_info("sockname")[1]
    return port


# Turns


@dataclass
class Sending:
    """What a call says of its message: there is one once the test says so."""

    is_asked: bool = False
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> bytes:
        """Wait for the message."""
        self.is_asked = True
        await self.sent.wait()
        return b"message"


def asking(arrivals: Arrivals, holder: str | None) -> tuple[Any, asyncio.Future[bytes]]:
    """Begin to wait for a request."""
    sending: Any = Sending()
    return sending, asyncio.ensure_future(arrivals.request(sending, holder))


async def turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_take_turns() -> None:
    """The first that waits is the next."""
    arrivals = Arrivals(requests_max=2)
    calls = [asking(arrivals, None) for _ in range(4)]
    await turns()
    before = [sending.is_asked for sending, _ in calls]
    calls[1][0].sent.set()
    await turns()
    after = [sending.is_asked for sending, _ in calls]
    for sending, _ in calls:
        sending.sent.set()

    assert [b"message"] * 4 == await asyncio.gather(*(request for _, request in calls))
    assert ([True, True, False, False], [True, True, True, False]) == (before, after)


async def test_one_caller_has_half_of_the_places() -> None:
    """However many of its requests wait, another's is asked for at once."""
    arrivals = Arrivals(requests_max=4)
    greedy = [asking(arrivals, "token:greedy") for _ in range(5)]
    other, request = asking(arrivals, "token:other")
    await turns()

    assert [True, True, False, False, False] == [sending.is_asked for sending, _ in greedy]
    assert other.is_asked
    for sending in (other, *(sending for sending, _ in greedy)):
        sending.sent.set()
    await asyncio.gather(request, *(each for _, each in greedy))
    assert 0 == len(arrivals._places_of)


async def test_request_that_took_too_long_leaves_its_place_to_the_next() -> None:
    arrivals = Arrivals(requests_max=1, within_s=0.01)
    _, slow = asking(arrivals, None)
    sending, next_one = asking(arrivals, None)
    sending.sent.set()

    assert b"message" == await next_one
    with pytest.raises(QuotaExceeded):
        await slow
