"""What happens around every call, seen by a client of a real server and in its log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from structlog.testing import capture_logs

from service.api.authentication import Authentication
from service.api.calls import Calls
from service.api.errors import DETAILS_KEY
from service.api.limits import CallLimits
from service.domain.clock import SystemClock
from service.domain.errors import EtagMismatch
from service.domain.ids import Uuid7Ids
from service.settings import CALLS_MAX
from service.storage.database import Database, Transaction
from service.storage.sqlite import SqliteDatabase
from tests.servicers import EndlessWatch
from tidings.v1.notifications_pb2 import WatchNotificationsRequest
from tidings.v1.notifications_pb2_grpc import NotificationServiceStub, add_NotificationServiceServicer_to_server
from tidings.v1.publishing_pb2 import (
    ExplainPublishRequest,
    PublishRequest,
    PublishResponse,
    StreamPublishItem,
    StreamPublishRequest,
    StreamPublishResponse,
    StreamPublishResult,
)
from tidings.v1.publishing_pb2_grpc import (
    PublishServiceServicer,
    PublishServiceStub,
    add_PublishServiceServicer_to_server,
)

Log: TypeAlias = list[MutableMapping[str, Any]]
Answer: TypeAlias = Callable[[PublishRequest], Awaitable[PublishResponse]]

PUBLISH = "tidings.v1.PublishService/Publish"
# Longer than anything here takes; a call that hangs ends as DEADLINE_EXCEEDED, which no test expects.
PATIENCE_S = 10
REQUEST_BYTES_MAX = 4 * 1024 * 1024


async def accept(request: PublishRequest) -> PublishResponse:
    """Answer as if the event had matched seven subscriptions."""
    return PublishResponse(matched_count=7)


class Publishing(PublishServiceServicer):
    """Publish as the test wants it, a StreamPublish that echoes, and nothing else."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def Publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        """Do what the test has asked for."""
        return await self._answer(request)

    async def StreamPublish(
        self, request_iterator: AsyncIterator[StreamPublishRequest], context: Any
    ) -> AsyncIterator[StreamPublishResponse]:
        """Return each item's sequence, until one is negative."""
        async for request in request_iterator:
            for item in request.items:
                if item.sequence < 0:
                    raise EtagMismatch("a negative sequence")
                yield StreamPublishResponse(results=[StreamPublishResult(sequence=item.sequence)])


@dataclass(frozen=True)
class Served:
    """A running server, as its client and its tests see it."""

    calls: Calls
    log: Log
    channel: grpc.aio.Channel
    watching: EndlessWatch

    @property
    def publishing(self) -> Any:
        """A client of PublishService."""
        return PublishServiceStub(self.channel)

    async def finished(self) -> Log:
        """Wait until all calls have ended, and return the log."""
        await asyncio.wait_for(self.calls.drained(), PATIENCE_S)
        return self.log

    async def publish(self, request: PublishRequest | None = None) -> PublishResponse:
        """Make the one call that most tests are about."""
        response: PublishResponse = await self.publishing.Publish(request or PublishRequest(), timeout=PATIENCE_S)
        return response

    async def send(self, message: bytes, method: str = PUBLISH) -> bytes:
        """Send a message of any bytes to any method."""
        call: Callable[..., Awaitable[bytes]] = self.channel.unary_unary(f"/{method}")
        return await call(message, timeout=PATIENCE_S)


@asynccontextmanager
async def serving(answer: Answer = accept) -> AsyncIterator[Served]:
    """Run a server whose Publish does as told."""
    clock = SystemClock()
    calls = Calls(
        clock=clock,
        ids=Uuid7Ids(clock, Random(0)),
        authentication=Authentication(None),
        limits=CallLimits(CALLS_MAX),
        request_bytes_max=REQUEST_BYTES_MAX,
    )
    options = (("grpc.max_receive_message_length", 8 * 1024 * 1024), ("grpc.so_reuseport", 0))
    server = grpc.aio.server(interceptors=(calls,), options=options)
    watching = EndlessWatch()
    add_PublishServiceServicer_to_server(Publishing(answer), server)
    add_NotificationServiceServicer_to_server(watching, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with capture_logs() as log:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(calls, log, channel, watching)
        await server.stop(None)


async def error_of(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def detail(error: grpc.aio.AioRpcError, kind: type[Message]) -> Any:
    """Return the one detail of a kind that an error carries."""
    trailer: Any = error.trailing_metadata()
    status = RpcStatus.FromString(trailer[DETAILS_KEY])
    [value] = [packed.value for packed in status.details if packed.TypeName() == kind.DESCRIPTOR.full_name]
    return kind.FromString(value)


async def test_answered_call_is_logged_once() -> None:
    """One canonical line per RPC, with what an operator asks for first."""
    async with serving() as served:
        response = await served.publish()

        [line] = await served.finished()

    assert 7 == response.matched_count
    assert ("rpc.finished", "info", PUBLISH, "OK", None) == tuple(
        line[fact] for fact in ("event", "log_level", "method", "code", "reason")
    )
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert 36 == len(line["call_id"])
    assert line["duration_ms"] >= 0


async def test_caller_error_becomes_its_status() -> None:
    """The code, the message and the reason reach the client; the log gets the reason and no traceback."""

    async def answer(request: PublishRequest) -> PublishResponse:
        raise EtagMismatch("the etag is not the current one")

    async with serving(answer) as served:
        error = await error_of(served.publish())
        [line] = await served.finished()

    assert (grpc.StatusCode.ABORTED, "the etag is not the current one") == (error.code(), error.details())
    assert ErrorInfo(reason="ETAG_MISMATCH", domain="tidings.v1") == detail(error, ErrorInfo)
    assert ("info", "ABORTED", "ETAG_MISMATCH") == (line["log_level"], line["code"], line["reason"])
    assert "exc_info" not in line


async def test_bug_shows_its_call_id_to_the_client_and_its_traceback_to_the_log() -> None:
    """The text of an exception may hold a secret, so it does not leave the server."""

    async def answer(request: PublishRequest) -> PublishResponse:
        raise RuntimeError("password hunter2")

    async with serving(answer) as served:
        error = await error_of(served.publish())
        [line] = await served.finished()

    call_id = line["call_id"]
    assert grpc.StatusCode.INTERNAL == error.code()
    assert f"internal error; the server's log has it under call_id {call_id}" == error.details()
    assert RequestInfo(request_id=call_id) == detail(error, RequestInfo)
    assert ("error", "INTERNAL") == (line["log_level"], line["code"])
    assert "password hunter2" == str(line["exc_info"])
    assert line["exc_info"].__traceback__ is not None


async def test_response_that_cannot_be_sent_is_a_bug_like_any_other() -> None:
    """By itself grpc.aio answers UNKNOWN with the exception's text."""

    async def answer(request: PublishRequest) -> Any:
        return {"matched_count": 7}

    async with serving(answer) as served:
        error = await error_of(served.publish())

    assert grpc.StatusCode.INTERNAL == error.code()


async def test_escaped_cancellation_does_not_leave_the_client_waiting() -> None:
    """By itself grpc.aio answers nothing at all when a handler's inner task was cancelled."""

    async def answer(request: PublishRequest) -> PublishResponse:
        inner: asyncio.Future[PublishResponse] = asyncio.get_running_loop().create_future()
        inner.cancel()
        return await inner

    async with serving(answer) as served:
        error = await error_of(served.publish())
        [line] = await served.finished()

    assert grpc.StatusCode.INTERNAL == error.code()
    assert isinstance(line["exc_info"], asyncio.CancelledError)


async def test_client_that_cancels_ends_the_handler() -> None:
    """Nobody waits for the answer any more, so no more is done for it."""
    reached, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: PublishRequest) -> PublishResponse:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with serving(answer) as served:
        call = served.publishing.Publish(PublishRequest())
        await asyncio.wait_for(reached.wait(), PATIENCE_S)
        call.cancel()

        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        [line] = await served.finished()

    assert ("info", "CANCELLED") == (line["log_level"], line["code"])
    assert "exc_info" not in line


async def test_deadline_in_the_middle_of_a_commit_does_not_stop_the_commit(tmp_path: Path) -> None:
    """For the client the outcome is unknown; for the database it is not."""
    begun, go_on = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)
        tx.execute("CREATE TABLE accepted (id BIGINT)")
        tx.execute("INSERT INTO accepted VALUES (1)")

    async def answer(request: PublishRequest) -> PublishResponse:
        await database.write(work)
        return PublishResponse()

    async with opened(tmp_path) as database, serving(answer) as served:
        error = await error_of(served.publishing.Publish(PublishRequest(), timeout=0.2))
        [line] = await served.finished()
        has_begun = begun.is_set()
        go_on.set()
        await database.write(lambda tx: None)
        rows = await database.read(lambda tx: len(tx.rows("SELECT id FROM accepted")))

    assert grpc.StatusCode.DEADLINE_EXCEEDED == error.code()
    assert "CANCELLED" == line["code"]
    assert has_begun
    assert 1 == rows


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    """Open a database and close it again."""
    failures: list[Exception] = []
    database = SqliteDatabase.open(folder / "tidings.db", on_fatal=failures.append)
    yield database
    await database.close()
    assert [] == failures


@pytest.mark.parametrize("message", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["garbage", "invalid UTF-8"])
async def test_message_that_does_not_parse_is_the_callers_mistake(message: bytes) -> None:
    """By itself grpc.aio answers UNKNOWN, before any handler."""
    async with serving() as served:
        error = await error_of(served.send(message))
        [line] = await served.finished()

    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert f"request: must be a request of {PUBLISH} in protobuf's encoding, its strings in UTF-8" == error.details()
    assert "INVALID_FIELD" == detail(error, ErrorInfo).reason
    assert "request" == detail(error, BadRequest).field_violations[0].field
    assert ("info", "INVALID_FIELD") == (line["log_level"], line["reason"])


async def test_message_over_the_limit_is_refused_with_the_limit() -> None:
    """Up to grpc's own limit, above which it can only say RESOURCE_EXHAUSTED."""
    async with serving() as served:
        error = await error_of(served.send(bytes(REQUEST_BYTES_MAX + 1)))

    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert "request: must be at most 4,194,304 bytes; got 4,194,305" == error.details()
    assert "PAYLOAD_TOO_LARGE" == detail(error, ErrorInfo).reason


async def test_message_of_the_limit_is_accepted() -> None:
    """The limit is the largest size that is allowed."""
    request = PublishRequest()
    request.event.data = b"d" * (REQUEST_BYTES_MAX - 10)
    request.event.data = b"d" * (2 * REQUEST_BYTES_MAX - 10 - request.ByteSize())

    async with serving() as served:
        response = await served.publish(request)

    assert REQUEST_BYTES_MAX == request.ByteSize()
    assert 7 == response.matched_count


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("PublishService/ExplainPublish", lambda channel: PublishServiceStub(channel).ExplainPublish),
        ("NotificationService/GetEvent", lambda channel: NotificationServiceStub(channel).GetEvent),
    ],
)
async def test_method_that_is_left_out_answers_unimplemented(method: str, call: Callable[..., Any]) -> None:
    """A servicer just does not override it. By itself grpc.aio logs a traceback for each such call."""
    async with serving() as served:
        error = await error_of(call(served.channel)(ExplainPublishRequest(), timeout=PATIENCE_S))
        [line] = await served.finished()

    assert grpc.StatusCode.UNIMPLEMENTED == error.code()
    assert f"tidings.v1.{method} is not implemented by this version" == error.details()
    assert "UNIMPLEMENTED" == detail(error, ErrorInfo).reason
    assert ("info", "UNIMPLEMENTED") == (line["log_level"], line["code"])
    assert "exc_info" not in line


async def test_method_that_does_not_exist_answers_unimplemented() -> None:
    """With the same details as every other error, and whatever the client calls it."""
    async with serving() as served:
        error = await error_of(served.send(b"", "tidings.v1.PublishService/Shout"))

    assert grpc.StatusCode.UNIMPLEMENTED == error.code()
    assert "tidings.v1.PublishService/Shout is no method of this server" == error.details()
    assert "UNIMPLEMENTED" == detail(error, ErrorInfo).reason


async def test_draining_refuses_new_calls_and_waits_for_running_ones() -> None:
    """What was accepted is answered; what comes later goes to another server."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: PublishRequest) -> PublishResponse:
        reached.set()
        await go_on.wait()
        return PublishResponse(matched_count=7)

    async with serving(answer) as served:
        running = asyncio.ensure_future(served.publish())
        await asyncio.wait_for(reached.wait(), PATIENCE_S)
        served.calls.drain()
        drained = asyncio.ensure_future(served.calls.drained())
        error = await error_of(served.publish())
        was_drained = drained.done()
        go_on.set()
        response = await running
        await asyncio.wait_for(drained, PATIENCE_S)

    assert grpc.StatusCode.UNAVAILABLE == error.code()
    assert "DRAINING" == detail(error, ErrorInfo).reason
    assert 1 == detail(error, RetryInfo).retry_delay.seconds
    assert not was_drained
    assert 7 == response.matched_count


async def test_stream_passes_both_ways() -> None:
    """A response leaves as soon as it is yielded, not when the stream ends."""
    async with serving() as served:
        stream = served.publishing.StreamPublish(timeout=PATIENCE_S)
        received = []
        for sequence in (1, 2, 3):
            await stream.write(StreamPublishRequest(items=[StreamPublishItem(sequence=sequence)]))
            received.append((await stream.read()).results[0].sequence)
        await stream.done_writing()
        end = await stream.read()
        [line] = await served.finished()

    assert [1, 2, 3] == received
    assert grpc.aio.EOF == end
    assert ("tidings.v1.PublishService/StreamPublish", "OK") == (line["method"], line["code"])


async def test_error_in_a_stream_comes_after_what_was_sent() -> None:
    """The client keeps the results that it already has."""
    async with serving() as served:
        stream = served.publishing.StreamPublish(timeout=PATIENCE_S)
        await stream.write(StreamPublishRequest(items=[StreamPublishItem(sequence=1), StreamPublishItem(sequence=-1)]))
        first = await stream.read()
        error = await error_of(stream.read())

    assert 1 == first.results[0].sequence
    assert (grpc.StatusCode.ABORTED, "a negative sequence") == (error.code(), error.details())


async def test_message_in_a_stream_that_does_not_parse_ends_it() -> None:
    """With the same error as in a single call."""
    async with serving() as served:
        stream: Any = served.channel.stream_stream("/tidings.v1.PublishService/StreamPublish")(timeout=PATIENCE_S)
        await stream.write(b"\xff\xff\xff")
        error = await error_of(stream.read())

    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert "INVALID_FIELD" == detail(error, ErrorInfo).reason


async def test_stream_whose_client_leaves_is_closed_before_the_call_counts_as_ended() -> None:
    """By itself grpc.aio leaves the handler suspended when the client goes while a response is being written."""
    async with serving() as served:
        stream: Any = NotificationServiceStub(served.channel).WatchNotifications(WatchNotificationsRequest())
        await stream.read()
        stream.cancel()
        [line] = await served.finished()
        closed = served.watching.closed.is_set()

    assert closed
    assert "CANCELLED" == line["code"]
