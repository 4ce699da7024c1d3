"""The HTTP listener for metrics: what it answers, and that no client can hold it up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress

import pytest
from aiohttp import ClientSession

from service.telemetry.exposition import MetricsServer
from service.telemetry.metrics import Metrics
from tests.harness import eventually

PATIENCE_S = 20
ANSWER_BYTES = 64 * 1024 * 1024


class HugeMetrics(Metrics):
    """Metrics that are more than any buffer of a connection holds."""

    def exposition(self) -> bytes:
        return bytes(ANSWER_BYTES)


class BrokenMetrics(Metrics):
    """Metrics with a bug."""

    def exposition(self) -> bytes:
        raise ZeroDivisionError


@pytest.fixture
async def server() -> AsyncIterator[MetricsServer]:
    """A listener that gives a connection half a second for its request, and half a second more."""
    server = MetricsServer(HugeMetrics(version="1"), "127.0.0.1", 0, request_s=0.5, answer_s=0.5)
    yield server
    await server.stop()


@pytest.fixture
async def port(server: MetricsServer) -> int:
    """Its port."""
    return await server.start()


def connections(server: MetricsServer) -> int:
    """Return how many connections a listener has."""
    assert server._runner.server is not None
    return len(server._runner.server.connections)


async def test_metrics_are_answered_in_prometheus_text_format() -> None:
    server = MetricsServer(Metrics(version="1.2.3"), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{await server.start()}"
    async with ClientSession() as session, session.get(f"{url}/metrics") as response:
        body = await response.text()
    await server.stop()

    assert (200, "text/plain") == (response.status, response.content_type)
    assert 'tidings_build_info{version="1.2.3"} 1.0' in body.splitlines()
    assert "close" == response.headers["connection"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405)]
)
async def test_nothing_else_is_answered(port: int, method: str, path: str, status: int) -> None:
    async with ClientSession() as session, session.request(method, f"http://127.0.0.1:{port}{path}") as response:
        assert (status, "close") == (response.status, response.headers["connection"])


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nx-slow: ",
        b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\nslow",
    ],
    ids=["nothing", "half a head", "half a body"],
)
async def test_request_that_does_not_come_ends_its_connection(port: int, sent: bytes) -> None:
    """Whoever sends byte after byte holds a connection for as long as one is given, and no longer."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        client.setblocking(False)

        def has_ended() -> bool:
            with suppress(BlockingIOError):
                try:
                    client.send(b"z" if sent else b"")
                    return client.recv(1024) == b""
                except (BrokenPipeError, ConnectionResetError):
                    return True
            return False

        await eventually(has_ended, within_s=PATIENCE_S)


async def test_answer_that_is_not_read_ends_its_connection(server: MetricsServer, port: int) -> None:
    """It is more than the buffers hold."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        await eventually(lambda: connections(server) == 1)

        await eventually(lambda: connections(server) == 0)


async def test_others_are_answered_meanwhile() -> None:
    """However many connections are held."""
    server = MetricsServer(Metrics(version="1"), "127.0.0.1", 0)
    port = await server.start()
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(socket.create_connection(("127.0.0.1", port)))
        await eventually(lambda: connections(server) == 100)

        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert "tidings_build_info" in await response.text()
    await server.stop()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01 this is TLS, or so\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n"], ids=["TLS", "no host"]
)
async def test_what_is_no_http_is_refused_without_a_word_in_the_log(
    port: int, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """Or whoever scans ports fills the disk with tracebacks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert b"400" == answer.split()[1]
    assert [] == caplog.records


async def test_fault_of_ours_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    server = MetricsServer(BrokenMetrics(version="1"), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{await server.start()}/metrics"
    async with ClientSession() as session, session.get(url) as response:
        assert 500 == response.status
    await server.stop()

    assert [ZeroDivisionError] == [record.exc_info[0] for record in caplog.records if record.exc_info]


async def test_port_is_free_after_the_end_although_a_client_stays(server: MetricsServer, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        await eventually(lambda: connections(server) == 1)
        refused = MetricsServer(Metrics(version="1"), "127.0.0.1", port)
        with pytest.raises(OSError, match="address already in use"):
            await refused.start()
        await refused.stop()

        async with asyncio.timeout(PATIENCE_S):
            await server.stop()

        again = MetricsServer(Metrics(version="1"), "127.0.0.1", port)
        assert port == await again.start()
        await again.stop()
