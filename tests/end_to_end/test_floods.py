"""Floods from clients that have shown no credential: refused or bounded, and health answers all the while.

Each is sent to a server in a process of its own, which all tests of this module share: what one leaves behind counts
for the next. How much memory it takes is said by the kernel.
"""

import asyncio
import os
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.api.server import RECEIVE_BYTES_MAX
from tests.harness import ServerProcess, bearer, eventually, running_process
from tests.http2 import (
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    HEADERS,
    NO_ERROR,
    PING,
    PREFACE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    SETTINGS_TIMEOUT,
    Connection,
    connected,
    data_frames,
    frame,
    head,
    header_frames,
    literal,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Above what the server takes before the first flood. All floods after one another took 260 MiB when this was written.
GROWTH_MIB_MAX = 400
# Health answered within 0.1 s; a machine that runs other tests beside this one takes its time.
HEALTH_WITHIN_S = 5.0
STREAMS = 10_000
PUBLISH = "/tidings.v1.PublishService/Publish"
WATCH = "/grpc.health.v1.Health/Watch"
EMPTY = b"\0\0\0\0\0"
GRPC_STATUS = b"grpc-status"
BOMB_BYTES = 200 * 1024 * 1024
# As much as one message may have. In so many rounds without more room to send, the server has had its turns.
UNFINISHED_BYTES = RECEIVE_BYTES_MAX
IDLE_ROUNDS = 50

Flood = Callable[[str], Awaitable[None]]


@dataclass
class Target:
    """The server, and how much memory it took before anybody flooded it."""

    process: ServerProcess
    idle_mib: int

    def peak_mib(self) -> int:
        """Return the most memory that was taken at once since `forget_peak`."""
        return self._memory_mib("VmHWM")

    def forget_peak(self) -> None:
        """Begin to measure anew."""
        Path(f"/proc/{self.process.process.pid}/clear_refs").write_text("5")

    @classmethod
    def of(cls, process: ServerProcess) -> "Target":
        """Describe a server that has just been started."""
        target = cls(process, 0)
        target.idle_mib = target._memory_mib("VmRSS")
        return target

    def _memory_mib(self, name: str) -> int:
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.M)
        assert found is not None
        return int(found[1]) // 1024


# Without credentials there is less to get past, and what is limited is the same: for those who want to see it.
KINDS = ["production", "dev"] if os.environ.get("TIDINGS_FLOODS") == "all" else ["production"]


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=KINDS)
async def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    """A server; once the tests are through with it, it still runs, and has nothing to report."""
    path = tmp_path_factory.mktemp("server") / "tidings.db"
    async with running_process(path, dev=request.param == "dev") as process:
        yield Target.of(process)
        assert 0 == await process.stop()
        assert [] == process.other_output
        # The one warning of a first start: the keyring is to be kept.
        reported = {line["event"] for line in process.log if line["level"] in ("warning", "error")}
        assert set() == reported - {"keyring.created"}


async def ask_for_health(address: str) -> float:
    """Ask for the health of a server over a connection of its own, and return how long that took."""
    began_s = time.monotonic()
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        health: Any = HealthStub(channel)
        response = await health.Check(HealthCheckRequest(), timeout=HEALTH_WITHIN_S)
    assert HealthCheckResponse.SERVING == response.status
    return time.monotonic() - began_s


@asynccontextmanager
async def probing(address: str) -> AsyncIterator[list[float]]:
    """Ask for health again and again meanwhile, and at the end."""
    took_s: list[float] = []
    ended = asyncio.Event()

    async def probe() -> None:
        while not ended.is_set():
            took_s.append(await ask_for_health(address))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(probe())
        yield took_s
        ended.set()
    took_s.append(await ask_for_health(address))


@asynccontextmanager
async def withstanding(target: Target) -> AsyncIterator[str]:
    """Give the address to flood, and check that the server bears it."""
    target.forget_peak()
    async with probing(target.process.address) as took_s:
        yield target.process.address
    peak_mib = target.peak_mib()
    print(f"peak {peak_mib} MiB, {target.idle_mib} before all floods; health within {max(took_s):.2f} s")
    assert peak_mib <= target.idle_mib + GROWTH_MIB_MAX
    assert target.process.process.returncode is None


# Streams


async def open_streams(connection: Connection, path: str, count: int, *, message: bytes = b"", after: int = 0) -> None:
    """Open streams, after so many others, and leave them open, or send a message on each and end it."""
    block = head(path)
    end = 2 * (after + count)
    for first in range(2 * after + 1, end, 200):
        streams = range(first, min(first + 200, end), 2)
        opened = (header_frames(stream, block) for stream in streams)
        if message:
            opened = (part + data_frames(stream, message) for part, stream in zip(opened, streams, strict=True))
        await connection.send(b"".join(opened))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (PUBLISH, b""),
        ("/tidings.v1.PublishService/StreamPublish", b""),
        (WATCH, EMPTY),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b""),
        ("/no.such.Service/Method", b""),
    ],
    ids=lambda each: each.rpartition("/")[2] if isinstance(each, str) else "",
)
async def test_10000_streams_over_some_connections_are_borne(target: Target, path: str, message: bytes) -> None:
    """Whether they wait for a message or are answered without end, and whether anybody reads them."""
    async with withstanding(target) as address, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(address)) for _ in range(20)]
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(open_streams(connection, path, STREAMS // 20, message=message))
        for connection in connections:
            await connection.settle()


async def test_10000_streams_over_one_connection_are_refused_but_for_1000(target: Target) -> None:
    """By REFUSED_STREAM, which clients take as: not begun, try again. When busy, grpc ends begun ones too."""
    async with withstanding(target) as address, connected(address) as connection:
        await connection.settle()
        await open_streams(connection, PUBLISH, STREAMS)
        await eventually(lambda: connection.resets.total() >= STREAMS - 1_000)

    assert {NO_ERROR, REFUSED_STREAM} >= set(connection.resets)
    # Where a credential is needed, calls may end without one as fast as others begin, and never be too many at once.
    is_open_to_all = not target.process.client.token
    assert connection.resets[REFUSED_STREAM] > 0 or not is_open_to_all


async def test_10000_streams_of_a_client_that_acknowledges_no_settings_are_borne(target: Target) -> None:
    """The limit does not bind it yet; after two seconds the server gives up on it."""
    async with withstanding(target) as address, connected(address, acknowledges=False) as connection:
        await open_streams(connection, PUBLISH, STREAMS)
        await eventually(lambda: connection.is_closed)

    assert SETTINGS_TIMEOUT == connection.goaway


async def test_streams_that_are_reset_as_soon_as_they_are_open_are_borne(target: Target) -> None:
    """CVE-2023-44487: none counts as open, yet each costs something."""
    block = head(PUBLISH)
    async with withstanding(target) as address, connected(address) as connection:
        for first in range(1, 2 * STREAMS, 200):
            await connection.send(
                b"".join(
                    header_frames(stream, block) + frame(RST_STREAM, stream, CANCEL.to_bytes(4))
                    for stream in range(first, first + 200, 2)
                )
            )
        await connection.settle()


# Frames that cost the sender nothing


async def test_pings_end_the_connection(target: Target) -> None:
    """Those that come too early, and nobody else's. What the server has not read by then it never reads."""
    async with withstanding(target) as address, connected(address) as connection:
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                for _ in range(1_000):
                    await connection.send(frame(PING, 0, b"are you?") * 100)
        await eventually(lambda: connection.goaway is not None or connection.is_closed)

    assert connection.goaway in (ENHANCE_YOUR_CALM, None)


async def test_settings_without_end_are_borne(target: Target) -> None:
    """CVE-2019-9515: each wants an answer."""
    settings = b"\0\4" + (65_535).to_bytes(4)
    async with withstanding(target) as address, connected(address) as connection:
        for _ in range(1_000):
            await connection.send(frame(SETTINGS, 0, settings) * 100)
        await connection.settle()


@pytest.mark.parametrize("part", [b"", literal(b"x-more", b"v" * 100)], ids=["empty", "full"])
async def test_headers_without_end_are_cut_off(target: Target, part: bytes) -> None:
    """CVE-2024-27316: what follows in CONTINUATION frames counts with what came before."""
    async with withstanding(target) as address, connected(address) as connection:
        await connection.send(frame(HEADERS, 1, head(PUBLISH)))
        for _ in range(2_000):
            await connection.send(frame(CONTINUATION, 1, part) * 100)
        await connection.send(frame(CONTINUATION, 1, flags=END_HEADERS))
        await connection.settle()

    assert connection.is_closed or GRPC_STATUS + b"\x018" in connection.heads


# Metadata


@pytest.mark.parametrize(
    "more",
    [
        literal(b"x-large", b"v" * 1024 * 1024),
        literal(b"v" * 1024 * 1024, b"x"),
        b"".join(literal(b"x-%d" % number, b"v") for number in range(50_000)),
        # One header of 3.9 KB, put into the table and then named by a byte each time.
        b"\x40" + literal(b"x-large", b"v" * 3_900)[1:] + b"\xbe" * 16_000,
    ],
    ids=["a value of 1 MiB", "a name of 1 MiB", "50,000 headers", "60 MiB in 20 KB"],
)
async def test_metadata_that_is_too_large_is_refused(target: Target, more: bytes) -> None:
    """By RESOURCE_EXHAUSTED, or with the connection; the next call of another client is not."""
    async with withstanding(target) as address, connected(address) as connection:
        for number in range(5):
            await connection.send(header_frames(2 * number + 1, head(PUBLISH, more)))
        await connection.settle()

    assert connection.is_closed or GRPC_STATUS + b"\x018" in connection.heads


# Messages


async def send_messages(connection: Connection, block: bytes, message: bytes, *, count: int) -> None:
    """Open streams and send a message on each, as far as the server lets it in. The streams stay open."""
    await connection.settle()
    left = dict.fromkeys(range(1, 2 * count, 2), memoryview(message))
    for stream in left:
        await connection.send(header_frames(stream, block))
    idle_rounds = 0
    while idle_rounds < IDLE_ROUNDS and not connection.is_closed:
        idle_rounds = 0 if await connection.fill(left) else idle_rounds + 1
        # Not `settle`, for pings without end are a flood of their own.
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_compressed_message_of_200_mib_is_refused_unread(target: Target, algorithm: str) -> None:
    """By UNIMPLEMENTED, which says so to clients; 200 KB must not become 200 MiB for whoever asks."""
    compressor = zlib.compressobj(9, wbits=31 if algorithm == "gzip" else 15)
    bomb = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(200)) + compressor.flush()
    message = b"\1" + len(bomb).to_bytes(4) + bomb

    async with withstanding(target) as address, connected(address) as connection:
        block = head(PUBLISH, literal(b"grpc-encoding", algorithm.encode()))
        await send_messages(connection, block, message, count=5)
        await eventually(lambda: connection.heads.count(GRPC_STATUS) >= 1)

    assert GRPC_STATUS + b"\x0212" in connection.heads
    assert len(message) < 1024 * 1024


@pytest.mark.parametrize(
    ("path", "is_known"),
    [
        (PUBLISH, False),
        (PUBLISH, True),
        ("/grpc.health.v1.Health/Check", False),
        (WATCH, False),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", True),
    ],
    ids=["Publish by strangers", "Publish", "Check", "Watch", "ServerReflectionInfo"],
)
async def test_messages_of_8_mib_that_are_left_unfinished_are_borne(target: Target, path: str, is_known: bool) -> None:
    """800 MiB over five connections. Nobody reads those of strangers, and of others some at a time."""
    token = target.process.client.token if is_known else ""
    block = head(path, b"".join(literal(name.encode(), value.encode()) for name, value in bearer(token)))
    message = b"\0" + UNFINISHED_BYTES.to_bytes(4) + bytes(UNFINISHED_BYTES - 1)
    async with withstanding(target) as address, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(address)) for _ in range(5)]
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(send_messages(connection, block, message, count=20))


# No HTTP/2 at all


async def test_bytes_of_other_protocols_are_refused(target: Target) -> None:
    """HTTP/1, TLS, and nothing that anybody knows; each over many connections."""
    dice = Random(7)
    opening = [
        b"GET / HTTP/1.1\r\nHost: tidings\r\n\r\n" * 100,
        bytes.fromhex("1603010200010001fc0303") + dice.randbytes(512),
        *(dice.randbytes(dice.randint(1, 20_000)) for _ in range(50)),
        *(PREFACE + dice.randbytes(dice.randint(1, 20_000)) for _ in range(50)),
        *(
            PREFACE + frame(SETTINGS, 0) + frame(dice.randrange(16), dice.randrange(5), dice.randbytes(50), flags=flags)
            for flags in range(0, 256, 2)
        ),
    ]

    async with withstanding(target) as address:
        for first in opening:
            async with connected(address, opening=first) as connection:
                await connection.settle()


async def test_connections_that_say_nothing_or_too_little_are_borne(target: Target) -> None:
    """A thousand, half of them within the preface; another client still gets in."""
    async with withstanding(target) as address, AsyncExitStack() as stack:
        for number in range(1_000):
            await stack.enter_async_context(connected(address, opening=PREFACE[: number % 2 * 10]))
