"""What every Transport must make of receivers at their worst. Another transport joins by one line in TRANSPORTS."""

import asyncio
import os
import re
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from service.delivery.transport import RESPONSE_HEADERS_BYTES_MAX, HttpTransport, Transport
from service.domain.destinations import parse_destination_policy
from service.domain.outcomes import Reply, Request, Unreachable, UnreachableKind
from tests.hostile import (
    BEHAVIOURS,
    CHUNKED,
    CONTINUE,
    LARGE_BODY,
    TIMED_OUT,
    UNTIL_CLOSED,
    Behaviour,
    good_certificate,
    refusing_unread,
    trusting,
)
from tests.raw_receivers import (
    OK,
    Receiver,
    Serve,
    answering,
    hang_up,
    held_connections,
    never_read,
    read_request,
    receiving,
    repeating,
    reset,
    stall,
)

BUDGET_S = 5.0
SHORT_BUDGET_S = 0.3
GRACE_S = 0.5
BODY_TIME_S = 0.2
BODY_BYTES_KEPT = 4 * 1024

Build = Callable[[], Transport]


def http_transport() -> Transport:
    return HttpTransport(
        parse_destination_policy(dev=True), user_agent="Tidings/1.2.3", body_time_s=BODY_TIME_S, tls=trusting()
    )


TRANSPORTS: dict[str, Build] = {"http": http_transport}


@pytest.fixture(params=TRANSPORTS)
def build(request: pytest.FixtureRequest) -> Build:
    """What builds a transport, inside a running loop."""
    return TRANSPORTS[request.param]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """A runner whose loop has nothing to complain of, and leaves no file open."""
    complaints: list[dict[str, Any]] = []
    # From its first loop on, uvloop keeps two files for good.
    with asyncio.Runner(loop_factory=request.param) as first:
        first.run(asyncio.sleep(0))
    open_before = len(os.listdir("/proc/self/fd"))
    with asyncio.Runner(loop_factory=request.param) as runner:
        runner.get_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        yield runner
    assert [] == complaints
    assert open_before >= len(os.listdir("/proc/self/fd"))


def request_to(url: str, *, body: bytes = b"{}", timeout_s: float = BUDGET_S) -> Request:
    return Request(url=url, headers=(), body=body, timeout_s=timeout_s)


async def post_within_budget(transport: Transport, request: Request) -> Reply | Unreachable:
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    outcome = await transport.post(request)
    assert loop.time() - start_s <= request.timeout_s + GRACE_S
    return outcome


async def status_of(transport: Transport, receiver: Receiver, **options: Any) -> int | UnreachableKind:
    outcome = await post_within_budget(transport, request_to(receiver.url(), **options))
    return outcome.http_status if isinstance(outcome, Reply) else outcome.kind


async def until_none_is_held(port: int) -> None:
    async with asyncio.timeout(BUDGET_S):
        while held_connections(port) > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def check_reply(reply: Reply) -> None:
    assert len(reply.body) <= BODY_BYTES_KEPT
    assert RESPONSE_HEADERS_BYTES_MAX >= sum(len(name) + len(value) for name, value in reply.headers)


def check_sentence(error: str) -> None:
    """Plain words: no URL, no secret, nothing of the program's own."""
    assert re.fullmatch(r"(the receiver|no (response|connection) within|TLS failed: ).*", error)
    assert not re.search(r"secret|http:|https:|Error|Exception|object at|\\x|\n", error)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)
def test_outcome_is_classified_within_the_budget(behaviour: Behaviour, build: Build, runner: asyncio.Runner) -> None:
    """And the connection is closed at once, before the transport is; the next receiver is served by the same one."""

    async def scenario() -> None:
        transport = build()
        certificate = behaviour.certificate
        async with (
            receiving(answering(OK)) as healthy,
            receiving(behaviour.serve, tls=certificate and certificate(), scheme=behaviour.scheme) as hostile,
        ):
            budget_s = SHORT_BUDGET_S if behaviour.expected is TIMED_OUT else BUDGET_S

            outcome = await post_within_budget(
                transport, request_to(hostile.url(), body=behaviour.body, timeout_s=budget_s)
            )

            assert behaviour.expected == (outcome.http_status if isinstance(outcome, Reply) else outcome.kind)
            assert hostile.address == outcome.remote_address
            if isinstance(outcome, Reply):
                check_reply(outcome)
            else:
                check_sentence(outcome.error)
            # None is told of a handshake that failed.
            assert hostile.connections <= 1
            if not behaviour.is_kept:
                await until_none_is_held(hostile.port)
            assert 200 == await status_of(transport, healthy)
            await transport.close()

    runner.run(scenario())


def test_receiver_that_is_gone_refuses(build: Build, runner: asyncio.Runner) -> None:
    """The port was free a moment ago."""

    async def scenario() -> None:
        transport = build()
        async with receiving(hang_up) as receiver:
            pass

        outcome = await post_within_budget(transport, request_to(receiver.url()))

        expected = Unreachable(UnreachableKind.CONNECT_FAILED, "the receiver refused the connection", receiver.address)
        assert expected == outcome
        await transport.close()

    runner.run(scenario())


@pytest.mark.parametrize(
    ("serve", "body"),
    [
        pytest.param(answering(CHUNKED, b"2\r\nhi\r\n", then=stall), b"hi", id="stalls"),
        pytest.param(answering(CHUNKED, b"2\r\nhi\r\n", then=hang_up), b"hi", id="breaks off"),
        pytest.param(answering(UNTIL_CLOSED, then=repeating(b"x" * 65536)), b"x" * 4096, id="never ends"),
    ],
)
def test_what_came_of_a_body_is_kept(serve: Serve, body: bytes, build: Build, runner: asyncio.Runner) -> None:
    """And it is said that some is missing."""

    async def scenario() -> None:
        transport = build()
        async with receiving(serve) as receiver:
            outcome = await post_within_budget(transport, request_to(receiver.url()))

            assert isinstance(outcome, Reply)
            assert (body, True) == (outcome.body, outcome.body_truncated)
        await transport.close()

    runner.run(scenario())


def test_body_has_what_the_head_has_left_of_the_budget(build: Build, runner: asyncio.Runner) -> None:
    """A head at the last moment and a body that drips would take a second more than the attempt has."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nok")
        await repeating(b"x", every_s=0.01)(reader, writer)

    async def scenario() -> None:
        transport = HttpTransport(parse_destination_policy(dev=True), user_agent="t", body_time_s=5.0)
        async with receiving(late) as receiver:
            outcome = await post_within_budget(transport, request_to(receiver.url(), timeout_s=0.5))

            assert isinstance(outcome, Reply)
            assert (200, True, b"ok") == (outcome.http_status, outcome.body_truncated, outcome.body[:2])
        await transport.close()

    runner.run(scenario())


def test_receiver_that_never_reads_makes_nobody_hold_a_copy(build: Build, runner: asyncio.Runner) -> None:
    """Of 16 MB that it does not take, a few slices are on their way, whatever the buffers of the system hold."""

    async def scenario() -> None:
        transport = build()
        async with receiving(never_read) as receiver:
            tracemalloc.start()
            try:
                outcome = await status_of(transport, receiver, body=LARGE_BODY, timeout_s=SHORT_BUDGET_S)
                _, peak_bytes = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

            assert TIMED_OUT == outcome
            assert peak_bytes < 2_000_000
        await transport.close()

    runner.run(scenario())


@contextmanager
def refusing_in_a_thread() -> Iterator[str]:
    """Answer 413 to each head, and leave: not in turns with the transport, as a receiver in its loop would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if not connection.recv(100):
                        return
                    connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        socket.create_connection(listener.getsockname()).close()
        thread.join()


def test_early_answer_is_read_although_writing_failed_first(build: Build, runner: asyncio.Runner) -> None:
    """The reset that follows it stops the writing before the loop has read the answer, in a fifth to all of cases."""

    async def scenario(url: str) -> None:
        transport = build()

        outcomes = [await transport.post(request_to(url, body=LARGE_BODY[:2_000_000])) for _ in range(20)]

        assert [413] * 20 == [outcome.http_status if isinstance(outcome, Reply) else 0 for outcome in outcomes]
        await transport.close()

    with refusing_in_a_thread() as url:
        runner.run(scenario(url))


# Connections that are kept


def test_connection_on_which_a_request_was_not_sent_to_its_end_is_closed(build: Build, runner: asyncio.Runner) -> None:
    """An early answer ends the writing, and what is left would be missing from the next request's way."""

    async def scenario() -> None:
        transport = build()
        async with receiving(refusing_unread(never_read)) as receiver:
            assert 413 == await status_of(transport, receiver, body=LARGE_BODY)
            await until_none_is_held(receiver.port)
        await transport.close()

    runner.run(scenario())


def first_then(then: Serve, *later: Serve) -> Serve:
    """Return a server whose first connections answer a request, and do something else with the second one.

    Connections behave as `later` says once they are so many, and at last as `answering(OK)`.
    """
    following = iter(later)

    async def first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await then(reader, writer)

    behaviours = [first]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behaviour = behaviours.pop() if behaviours else next(following, answering(OK))
        await behaviour(reader, writer)

    return serve


async def take_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def take_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    await reset(reader, writer)


async def take_and_reset_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    await asyncio.sleep(0.3)
    await reset(reader, writer)


@pytest.mark.parametrize("body", [b"{}", LARGE_BODY], ids=len)
@pytest.mark.parametrize("then", [take_and_hang_up, take_and_reset], ids=["closed", "reset"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_request_on_a_kept_connection_that_was_closed_is_sent_again(
    then: Serve, body: bytes, tls: bool, build: Build, runner: asyncio.Runner
) -> None:
    """The receiver had closed before it saw the request: that is nobody's failure, and costs no attempt."""

    async def scenario() -> None:
        transport = build()
        async with receiving(first_then(then), tls=good_certificate() if tls else None) as receiver:
            assert 200 == await status_of(transport, receiver)
            assert 200 == await status_of(transport, receiver, body=body)
            assert 2 == receiver.connections
        await transport.close()

    runner.run(scenario())


def test_connection_that_closes_right_after_its_answer_costs_nothing(build: Build, runner: asyncio.Runner) -> None:
    """Without having said so, at whatever moment the next request is on its way."""

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)

    async def scenario() -> None:
        transport = build()
        async with receiving(answer_once) as receiver:
            assert [200] * 100 == [await status_of(transport, receiver) for _ in range(100)]
        await transport.close()

    runner.run(scenario())


def test_request_is_sent_again_on_a_new_connection(build: Build, runner: asyncio.Runner) -> None:
    """What closed one kept connection closed the others: two are kept, both are dead."""

    async def scenario() -> None:
        transport = build()
        both = asyncio.Barrier(2)

        async def answer_together(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            await both.wait()
            writer.write(OK)
            await take_and_reset(reader, writer)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await (answer_together if receiver.connections <= 2 else answering(OK))(reader, writer)

        async with receiving(serve) as receiver:
            await asyncio.gather(*(status_of(transport, receiver) for _ in range(2)))

            assert 200 == await status_of(transport, receiver)
            assert 3 == receiver.connections
        await transport.close()

    runner.run(scenario())


def test_request_is_sent_again_once(build: Build, runner: asyncio.Runner) -> None:
    """A new connection that closes is a failure like any other."""

    async def scenario() -> None:
        transport = build()
        async with receiving(first_then(take_and_reset, take_and_reset)) as receiver:
            assert 200 == await status_of(transport, receiver)
            assert UnreachableKind.CONNECT_FAILED == await status_of(transport, receiver)
            assert 2 == receiver.connections
        await transport.close()

    runner.run(scenario())


@pytest.mark.parametrize("said", [b"H", b"HTTP/1.1 200 OK\r\nContent-", CONTINUE], ids=["a byte", "half", "100"])
@pytest.mark.parametrize("then", [hang_up, reset], ids=["closed", "reset"])
def test_request_is_not_sent_again_when_a_byte_came_back(
    said: bytes, then: Serve, build: Build, runner: asyncio.Runner
) -> None:
    """Then the receiver has seen it, and may have done what it asks for."""

    async def scenario() -> None:
        transport = build()
        async with receiving(first_then(answering(said, then=then))) as receiver:
            assert 200 == await status_of(transport, receiver)
            assert UnreachableKind.CONNECT_FAILED == await status_of(transport, receiver)
            assert 1 == receiver.connections
        await transport.close()

    runner.run(scenario())


def test_request_is_not_sent_again_when_time_is_up(build: Build, runner: asyncio.Runner) -> None:
    """A receiver that is slow on a kept connection is as slow on a new one."""

    async def scenario() -> None:
        transport = build()
        async with receiving(first_then(stall)) as receiver:
            assert 200 == await status_of(transport, receiver)
            assert TIMED_OUT == await status_of(transport, receiver, timeout_s=SHORT_BUDGET_S)
            assert 1 == receiver.connections
        await transport.close()

    runner.run(scenario())


def test_both_times_share_one_budget(build: Build, runner: asyncio.Runner) -> None:
    """0.3 s until the kept connection breaks leave 0.1 s for the new one, which never answers."""

    async def scenario() -> None:
        transport = build()
        loop = asyncio.get_running_loop()
        async with receiving(first_then(take_and_reset_late, stall)) as receiver:
            assert 200 == await status_of(transport, receiver)
            start_s = loop.time()

            assert TIMED_OUT == await status_of(transport, receiver, timeout_s=0.4)

            assert loop.time() - start_s < 0.65
            assert 2 == receiver.connections
        await transport.close()

    runner.run(scenario())


@pytest.mark.parametrize("stray", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"H"], ids=["answer", "byte"])
def test_bytes_that_nobody_asked_for_end_a_kept_connection(stray: bytes, build: Build, runner: asyncio.Runner) -> None:
    """An answer that came before the request, such as 408 from a proxy, is not the answer to it."""

    async def scenario() -> None:
        transport = build()
        async with receiving(first_then(answering_unasked(stray), answering(b"HTTP/1.1 204 None\r\n\r\n"))) as receiver:
            assert 200 == await status_of(transport, receiver)
            await until_none_is_held(receiver.port)

            assert 204 == await status_of(transport, receiver)
        await transport.close()

    runner.run(scenario())


def answering_unasked(stray: bytes) -> Serve:
    """Return a server that sends bytes after its answer has been read, and stays."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(stray)
        await stall(reader, writer)

    return serve
