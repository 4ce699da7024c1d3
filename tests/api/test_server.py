"""Where the server listens, how it starts, and how it ends."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from structlog.testing import capture_logs

from service.api.addresses import ListenError, is_loopback, parse_address
from service.api.authentication import Authentication
from service.api.calls import Calls
from service.api.limits import CallLimits
from service.api.server import SERVICES, ApiServer, Servicers
from service.domain.clock import SystemClock
from service.domain.ids import Uuid7Ids
from service.settings import CALLS_MAX
from tidings.v1.event_types_pb2_grpc import EventTypeServiceServicer
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer
from tidings.v1.publishing_pb2 import PublishRequest, PublishResponse
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer, PublishServiceStub
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceServicer

ANY_PORT = "127.0.0.1:0"
PATIENCE_S = 10
REQUEST_BYTES_MAX = 4 * 1024 * 1024

Publish = Callable[[PublishRequest], Awaitable[PublishResponse]]


async def accept(request: PublishRequest) -> PublishResponse:
    """Answer a publish at once."""
    return PublishResponse(matched_count=7)


class Publishing(PublishServiceServicer):
    """A Publish that does as told."""

    def __init__(self, answer: Publish) -> None:
        self._answer = answer

    async def Publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        """Do what the test has asked for."""
        return await self._answer(request)


def server_on(*listen: str, answer: Publish = accept) -> ApiServer:
    """Make a server that is not started."""
    clock = SystemClock()
    servicers = Servicers(
        subscriptions=SubscriptionServiceServicer(),
        event_types=EventTypeServiceServicer(),
        publishing=Publishing(answer),
        notifications=NotificationServiceServicer(),
    )
    calls = Calls(
        clock=clock,
        ids=Uuid7Ids(clock, Random(0)),
        authentication=Authentication(None),
        limits=CallLimits(CALLS_MAX),
        request_bytes_max=REQUEST_BYTES_MAX,
    )
    return ApiServer(listen=listen, calls=calls, servicers=servicers)


@asynccontextmanager
async def channel_to(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Connect to a server, over a connection of its own."""
    async with grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        yield channel


@pytest.fixture
async def running() -> AsyncIterator[tuple[ApiServer, grpc.aio.Channel]]:
    """A server that was started, and a connection to it."""
    server = server_on(ANY_PORT)
    [address] = await server.start()
    async with channel_to(address) as channel:
        yield server, channel
    await server.stop(0)


def health(channel: grpc.aio.Channel) -> Any:
    """Make a client of the health service."""
    return HealthStub(channel)


async def health_of(channel: grpc.aio.Channel, service: str = "") -> int:
    """Ask for the health of a service."""
    request = HealthCheckRequest(service=service)
    response: HealthCheckResponse = await health(channel).Check(request, timeout=PATIENCE_S)
    return response.status


async def publish(channel: grpc.aio.Channel) -> PublishResponse:
    """Publish something."""
    call: Any = PublishServiceStub(channel).Publish
    response: PublishResponse = await call(PublishRequest(), timeout=PATIENCE_S)
    return response


async def test_server_answers_on_every_address_it_was_given(tmp_path: Path) -> None:
    """Ports that were left open come back as they are."""
    server = server_on(ANY_PORT, "localhost:0", f"unix:{tmp_path}/tidings.sock")

    addresses = await server.start()

    assert ["127.0.0.1", "localhost", "unix"] == [address.split(":")[0] for address in addresses]
    for address in addresses:
        assert not address.endswith(":0")
        async with channel_to(address) as channel:
            assert 7 == (await publish(channel)).matched_count
    await server.stop(0)


async def test_port_of_a_running_server_is_refused() -> None:
    """grpc would share it, and give each server half of the calls."""
    first = server_on(ANY_PORT)
    [address] = await first.start()

    with pytest.raises(ListenError) as caught:
        await server_on(address).start()

    assert f"cannot listen on {address}: address already in use" == str(caught.value)
    await first.stop(0)


async def test_name_with_one_busy_ip_address_is_refused() -> None:
    """grpc is content with ::1 when 127.0.0.1 is taken, and clients then reach either server."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match="address already in use"):
            await server_on(f"localhost:{port}").start()


async def test_address_of_another_machine_is_refused() -> None:
    """192.0.2.0/24 belongs to nobody."""
    with pytest.raises(ListenError, match=r"^cannot listen on 192\.0\.2\.1:50051: cannot assign requested address$"):
        await server_on("192.0.2.1:50051").start()


async def test_host_that_does_not_exist_is_refused() -> None:
    """The top-level domain `invalid` never resolves."""
    with pytest.raises(ListenError, match=r"^cannot listen on nowhere\.invalid:50051: there is no such host$"):
        await server_on("nowhere.invalid:50051").start()


async def test_socket_of_a_running_server_is_refused(tmp_path: Path) -> None:
    """grpc would delete its file and leave it running, unreachable."""
    address = f"unix:{tmp_path}/tidings.sock"
    first = server_on(address)
    await first.start()

    with pytest.raises(ListenError, match=r"tidings\.sock: address already in use$"):
        await server_on(address).start()

    async with channel_to(address) as channel:
        assert 7 == (await publish(channel)).matched_count
    await first.stop(0)


async def test_socket_that_a_dead_server_left_behind_is_replaced(tmp_path: Path) -> None:
    """After a crash the next start must not need an operator."""
    path = tmp_path / "tidings.sock"
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    server = server_on(f"unix:{path}")

    await server.start()

    async with channel_to(f"unix:{path}") as channel:
        assert 7 == (await publish(channel)).matched_count
    await server.stop(0)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("missing/tidings.sock", "its folder does not exist"),
        ("file", "there is a file that is no socket"),
        ("s" * 108, "the path of a socket has at most 107 bytes"),
    ],
)
async def test_socket_that_cannot_be_made_is_refused(tmp_path: Path, path: str, problem: str) -> None:
    """With the reason, which grpc only writes to its own log."""
    (tmp_path / "file").write_text("precious")

    with pytest.raises(ListenError) as caught:
        await server_on(f"unix:{tmp_path / path}").start()

    assert f"cannot listen on unix:{tmp_path / path}: {problem}" == str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "50051", ":50051", "localhost", "localhost:", "localhost:65536", "127.0.0.1:-1", "a b:1"),
        *("::1:50051", "[::1]", "[zz]:1", "[1:2]:3", "unix:", "http://localhost:50051", "localhost:50051/"),
    ],
)
def test_text_that_is_no_address_is_refused_with_an_example(text: str) -> None:
    """Before anything is opened."""
    with pytest.raises(ListenError, match=r"an address is host:port, \[ipv6\]:port or unix:path, such as 127"):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["localhost:1", "LOCALHOST:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:a"]
)
def test_address_that_only_this_machine_reaches_is_loopback(text: str) -> None:
    """Plaintext is harmless there."""
    assert is_loopback(text)


@pytest.mark.parametrize(
    "text", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "localhost.example.com:1", "127.example.com:1"]
)
def test_address_that_others_reach_is_not_loopback(text: str) -> None:
    """Names are not resolved: what they mean may change."""
    assert not is_loopback(text)


async def test_health_serves_once_it_is_told_to_and_until_draining(
    running: tuple[ApiServer, grpc.aio.Channel],
) -> None:
    """Started is not yet serving, and draining still answers."""
    server, channel = running

    started = {await health_of(channel, service) for service in ("", *SERVICES)}
    server.set_serving()
    serving = {await health_of(channel, service) for service in ("", *SERVICES)}
    server.drain()
    draining = {await health_of(channel, service) for service in ("", *SERVICES)}

    assert 4 == len(SERVICES)
    assert {HealthCheckResponse.NOT_SERVING} == started
    assert {HealthCheckResponse.SERVING} == serving
    assert {HealthCheckResponse.NOT_SERVING} == draining


async def test_health_does_not_know_other_services(running: tuple[ApiServer, grpc.aio.Channel]) -> None:
    """As the health protocol has it: NOT_FOUND to a check, SERVICE_UNKNOWN to a watch."""
    _, channel = running
    watch = health(channel).Watch

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(channel, "tidings.v9.Nothing")
    watched = await watch(HealthCheckRequest(service="tidings.v9.Nothing")).read()

    assert grpc.StatusCode.NOT_FOUND == caught.value.code()
    assert HealthCheckResponse.SERVICE_UNKNOWN == watched.status


async def test_watchers_of_health_see_each_change_also_after_another_has_left(
    running: tuple[ApiServer, grpc.aio.Channel],
) -> None:
    """The servicer of grpcio-health-checking forgets them all when the first one leaves."""
    server, channel = running
    watch = health(channel).Watch
    leaving, staying = watch(HealthCheckRequest()), watch(HealthCheckRequest())
    first = [(await leaving.read()).status, (await staying.read()).status]
    leaving.cancel()
    await health_of(channel)

    server.set_serving()
    second = (await staying.read()).status
    server.drain()
    third = (await staying.read()).status

    assert [HealthCheckResponse.NOT_SERVING] * 2 == first
    assert [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING] == [second, third]


async def test_questions_about_the_server_are_logged_at_debug(
    running: tuple[ApiServer, grpc.aio.Channel],
) -> None:
    """A probe every second must not fill the log."""
    server, channel = running

    with capture_logs() as log:
        await health_of(channel)
        await publish(channel)
        await server.stop(PATIENCE_S)

    assert [("grpc.health.v1.Health/Check", "debug"), ("tidings.v1.PublishService/Publish", "info")] == [
        (line["method"], line["log_level"]) for line in log
    ]


async def test_stop_lets_running_calls_finish_and_does_not_wait_for_watchers() -> None:
    """The grace is for work that was accepted; a watch of health never ends by itself."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: PublishRequest) -> PublishResponse:
        reached.set()
        await go_on.wait()
        return PublishResponse(matched_count=7)

    server = server_on(ANY_PORT, answer=answer)
    [address] = await server.start()
    server.set_serving()
    async with channel_to(address) as channel:
        watch = health(channel).Watch(HealthCheckRequest())
        await watch.read()
        call = asyncio.ensure_future(publish(channel))
        await asyncio.wait_for(reached.wait(), PATIENCE_S)

        stopping = asyncio.ensure_future(server.stop(3600))
        told = (await watch.read()).status
        go_on.set()
        response = await call
        await asyncio.wait_for(stopping, PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.read()

    assert HealthCheckResponse.NOT_SERVING == told
    assert 7 == response.matched_count
    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
    assert "the server is shutting down; connect again" == caught.value.details()


async def test_stop_ends_calls_that_outlast_the_grace_and_waits_for_their_cleaning_up() -> None:
    """By itself grpc returns while cancelled handlers still run."""
    reached = asyncio.Event()
    steps: list[str] = []

    async def answer(request: PublishRequest) -> PublishResponse:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            # Many turns of the loop: by itself grpc would have returned in one of them.
            for _ in range(1000):
                await asyncio.sleep(0)
            steps.append("cleaned up")
        raise AssertionError

    server = server_on(ANY_PORT, answer=answer)
    [address] = await server.start()
    async with channel_to(address) as channel:
        call = asyncio.ensure_future(publish(channel))
        await asyncio.wait_for(reached.wait(), PATIENCE_S)

        await asyncio.wait_for(server.stop(0.01), PATIENCE_S)
        steps.append("stopped")
        with pytest.raises(grpc.aio.AioRpcError):
            await call

    assert ["cleaned up", "stopped"] == steps


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every port and every folder")
async def test_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    """With the reason."""
    tmp_path.chmod(0o500)

    with pytest.raises(ListenError, match="permission denied"):
        await server_on(f"unix:{tmp_path}/tidings.sock").start()
