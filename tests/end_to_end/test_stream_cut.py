"""A stream that breaks, or whose server stops, loses nothing: what has no result is sent again and accepted once."""

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import grpc

from tests.harness import EVENT_TYPE, PARENT, running_process, running_server
from tests.tools import Tenant
from tidings.v1.notifications_pb2 import Event
from tidings.v1.publishing_pb2 import StreamPublishItem, StreamPublishRequest, StreamPublishResult
from tidings.v1.publishing_pb2_grpc import PublishServiceStub

CUTS = 100
NEW_ITEMS_A_ROUND = 40
ITEMS_A_MESSAGE = 7
# Of an item with its result, roughly; the preface of a connection comes on top.
BYTES_AN_ITEM = 220
BYTES_BEFORE_A_CUT_MIN = 150
PATIENCE_S = 20
STOPPED_AFTER = 500

# Close by sending RST, not FIN: the peer loses even what has arrived.
RESET = struct.pack("ii", 1, 0)


@dataclass
class Proxy:
    """Carries connections to a server, and resets each after so many bytes, both ways counted together."""

    target: str
    bytes_left: float = float("inf")
    cuts: int = 0
    address: str = ""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is cut or closed."""
        host, _, port = self.target.rpartition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        both = [self._pump(reader, upstream_writer), self._pump(upstream_reader, writer)]
        directions = [asyncio.ensure_future(each) for each in both]
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        for each in (writer, upstream_writer):
            sock: socket.socket = each.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(256):
            if len(data) > self.bytes_left:
                self.bytes_left = float("inf")
                self.cuts += 1
                return
            self.bytes_left -= len(data)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def running_proxy(target: str) -> AsyncIterator[Proxy]:
    """Run a proxy on a free port of 127.0.0.1."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
    proxy.address = "{}:{}".format(*server.sockets[0].getsockname())
    async with server:
        yield proxy


@dataclass
class Publisher:
    """Keeps which items have no result yet, as a client has to."""

    unanswered: dict[int, StreamPublishItem] = field(default_factory=dict)
    events: dict[int, str] = field(default_factory=dict)
    deduplicated: int = 0
    broken: int = 0

    def add(self, count: int) -> None:
        """Have more to send."""
        first = len(self.unanswered) + len(self.events)
        for sequence in range(first, first + count):
            event = Event(event_type=EVENT_TYPE, subject=f"{sequence}", json="{}")
            self.unanswered[sequence] = StreamPublishItem(sequence=sequence, request_id=f"r-{sequence}", event=event)

    async def send_through(self, address: str) -> None:
        """Send what has no result, over a connection of its own, until the stream ends or breaks."""
        async with grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            stub: Any = PublishServiceStub(channel)
            try:
                async for response in stub.StreamPublish(
                    iter(messages_of(self.unanswered.values())), timeout=PATIENCE_S
                ):
                    self.keep(response.results)
            except grpc.aio.AioRpcError as error:
                # grpc.aio calls it INTERNAL when it was just writing; the server's own INTERNAL says something else.
                if error.code() != grpc.StatusCode.UNAVAILABLE and error.details() != "Internal error from Core":
                    raise
                self.broken += 1

    def keep(self, results: Iterable[StreamPublishResult]) -> None:
        """Take the results down. None may come twice, or for nothing."""
        for result in results:
            assert not result.HasField("error"), result
            del self.unanswered[result.sequence]
            self.events[result.sequence] = result.event
            self.deduplicated += result.deduplicated


def messages_of(items: Iterable[StreamPublishItem]) -> list[StreamPublishRequest]:
    """Return items as the messages of a stream."""
    all_items = list(items)
    return [
        StreamPublishRequest(parent=PARENT, items=all_items[start : start + ITEMS_A_MESSAGE])
        for start in range(0, len(all_items), ITEMS_A_MESSAGE)
    ]


async def sent_until(
    draining: asyncio.Event, items: Iterable[StreamPublishItem]
) -> AsyncIterator[StreamPublishRequest]:
    """Yield messages as long as the server takes them."""
    for message in messages_of(items):
        if draining.is_set():
            return
        yield message


async def test_stream_cut_a_hundred_times_accepts_every_item_exactly_once(tmp_path: Path) -> None:
    """G1, G2: no result means unknown, and the same request_id makes the repetition harmless."""
    rng = Random(20)
    publisher = Publisher()
    async with running_server(tmp_path) as client, running_proxy(client.address) as proxy:
        await client.create_event_type()
        while proxy.cuts < CUTS:
            publisher.add(NEW_ITEMS_A_ROUND)
            proxy.bytes_left = rng.randint(BYTES_BEFORE_A_CUT_MIN, len(publisher.unanswered) * BYTES_AN_ITEM)
            await publisher.send_through(proxy.address)
        proxy.bytes_left = float("inf")
        await publisher.send_through(proxy.address)
        stored = await Tenant(client, "main").events()

    assert {} == publisher.unanswered
    assert {event.name: event.subject for event in stored} == {v: f"{k}" for k, v in publisher.events.items()}
    assert len(stored) == len(publisher.events)
    # The cuts were where they hurt: between a commit and its result, and before the items were read.
    assert publisher.deduplicated > CUTS
    assert publisher.broken >= CUTS


async def test_server_that_stops_answers_what_it_took_and_ends_the_stream(tmp_path: Path) -> None:
    """G9: the client is told, reads its remaining results, and sends the rest to the next server."""
    publisher = Publisher()
    publisher.add(20_000)
    drained, is_stopping = 0, False
    async with running_process(tmp_path / "tidings.db") as server:
        await server.client.create_event_type()
        stub: Any = server.client.publishing
        draining = asyncio.Event()
        stream = stub.StreamPublish(sent_until(draining, publisher.unanswered.values()), timeout=PATIENCE_S)
        async for response in stream:
            publisher.keep(response.results)
            if response.draining:
                drained += 1
                draining.set()
            elif len(publisher.events) > STOPPED_AFTER and not is_stopping:
                is_stopping = True
                server.process.send_signal(signal.SIGTERM)
        code = await stream.code()
        assert 0 == await server.process.wait()

        before = dict(publisher.events)
        await server.end()
        await server.start()
        await publisher.send_through(server.address)
        stored = await Tenant(server.client, "main").events()
        assert 0 == await server.stop()

    assert (1, grpc.StatusCode.OK) == (drained, code)
    assert STOPPED_AFTER < len(before) < len(publisher.events)
    # Every item that the first server had accepted was answered by it: the second found none of them.
    assert 0 == publisher.deduplicated
    assert {event.name for event in stored} == set(publisher.events.values())
    assert 20_000 == len(stored)
