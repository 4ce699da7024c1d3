"""Servers of raw bytes on loopback, for what no HTTP library would let a receiver do."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """A server of raw bytes on loopback: `serve` is run for each connection."""

    serve: Serve
    port: int = 0
    scheme: str = "http"
    connections: int = 0
    open: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, target: str = "/secret-path?secret=query") -> str:
        return f"{self.scheme}://{self.address}{target}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        try:
            await self.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.open.discard(task)


@asynccontextmanager
async def receiving(serve: Serve, *, tls: ssl.SSLContext | None = None, scheme: str = "") -> AsyncIterator[Receiver]:
    receiver = Receiver(serve, scheme=scheme or ("https" if tls else "http"))
    server = await asyncio.start_server(receiver.accept, "127.0.0.1", ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in receiver.open:
            task.cancel()
        await asyncio.gather(*receiver.open)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return a request's head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head, await reader.readexactly(int(lengths[0].partition(b":")[2]))


def answering(*parts: bytes, then: Serve | None = None) -> Serve:
    """Return a server that reads each request, sends the parts, and then goes on as told, or to the next request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
            if then is not None:
                return await then(reader, writer)

    return serve


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep the connection open and say nothing more, until the client goes away."""
    while await reader.read(65536):
        pass


async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep the connection open and take no more than the first buffers hold."""
    await asyncio.Future[None]()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection."""


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection by a TCP reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def repeating(part: bytes, *, every_s: float = 0.0) -> Serve:
    """Return a server that sends the same bytes without end, as fast as they are taken or in an interval."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # uvloop refuses to write where asyncio ignores it.
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every_s)

    return serve


def held_connections(port: int) -> int:
    """Return how many connections to a port of this machine belong to somebody."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        remote.endswith(f":{port:04X}") and inode != "0" for _, _, remote, *_, inode in (row[:10] for row in rows)
    )
