"""HTTP/2 by hand (RFC 9113), for what no library would let a client do."""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
NO_ERROR, SETTINGS_TIMEOUT, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 4, 7, 8, 11
FRAME_BYTES_MAX = 16_384
_LAST = b"the last"
_INT7_MAX = 127
_WINDOW_BYTES = 65_535
_INITIAL_WINDOW_SIZE = 4
_PATIENCE_S = 30


def frame(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    """Return one frame."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header that is not put into the table (RFC 7541, 6.2.2)."""
    return b"\0" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    if len(text) < _INT7_MAX:
        return bytes([len(text)]) + text
    rest, digits = len(text) - _INT7_MAX, [_INT7_MAX]
    while rest >= 128:
        digits.append(rest % 128 + 128)
        rest //= 128
    return bytes([*digits, rest]) + text


def head(path: str, more: bytes = b"") -> bytes:
    """Return the headers of a call, and what else is given."""
    fixed = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path.encode(),
        b":authority": b"tidings",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    return b"".join(literal(name, value) for name, value in fixed.items()) + more


def header_frames(stream: int, block: bytes) -> bytes:
    """Return headers as one frame, or with as many after it as they need. The stream stays open."""
    first, *rest = [block[at : at + FRAME_BYTES_MAX] for at in range(0, len(block), FRAME_BYTES_MAX)]
    if not rest:
        return frame(HEADERS, stream, first, flags=END_HEADERS)
    middle = b"".join(frame(CONTINUATION, stream, part) for part in rest[:-1])
    return frame(HEADERS, stream, first) + middle + frame(CONTINUATION, stream, rest[-1], flags=END_HEADERS)


def data_frames(stream: int, data: bytes, *, ends: bool = True) -> bytes:
    """Return data in as many frames as it needs; with it the stream ends."""
    parts = [data[at : at + FRAME_BYTES_MAX] for at in range(0, len(data), FRAME_BYTES_MAX)]
    last = frame(DATA, stream, flags=END_STREAM) if ends else b""
    return b"".join(frame(DATA, stream, part) for part in parts) + last


@dataclass
class Connection:
    """One connection, with all that came back on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    acknowledges: bool = True
    frames: Counter[int] = field(default_factory=Counter)
    resets: Counter[int] = field(default_factory=Counter)
    goaway: int | None = None
    heads: bytes = b""
    # How much may be sent on each stream, and under 0 on all together, beyond what it may be at first.
    windows: Counter[int] = field(default_factory=Counter)
    window_at_first: int = _WINDOW_BYTES
    # Streams that the other end has answered or reset.
    ended: set[int] = field(default_factory=set)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, sent: bytes) -> None:
        """Send bytes, as fast as they are taken. What the other end has closed takes none."""
        if not self.is_closed:
            self.writer.write(sent)
            with suppress(ConnectionError):
                await self.writer.drain()

    async def settle(self) -> None:
        """Wait until the other end has read all that was sent, or has closed the connection."""
        self._answered.clear()
        async with asyncio.timeout(_PATIENCE_S):
            await self.send(frame(PING, 0, _LAST))
            if not self.closed.is_set():
                await self._answered.wait()

    async def fill(self, left: dict[int, memoryview]) -> bool:
        """Send of what is left for each stream as much as the windows allow, and say whether that was anything."""
        has_sent = False
        for stream in left.keys() - self.ended:
            size = min(len(left[stream]), self.window_at_first + self.windows[stream], _WINDOW_BYTES + self.windows[0])
            if size > 0:
                part, left[stream] = left[stream][:size], left[stream][size:]
                self.windows.subtract({stream: size, 0: size})
                await self.send(data_frames(stream, bytes(part), ends=False))
                has_sent = True
        return has_sent

    @property
    def is_closed(self) -> bool:
        """Whether the other end, or nobody, listens."""
        return self.writer.is_closing() or self.closed.is_set()

    async def read(self) -> None:
        """Read until the end."""
        try:
            while True:
                start = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(start[:3]))
                self._note(start[3], start[4], int.from_bytes(start[5:]), payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
            self._answered.set()

    def _note(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.frames[kind] += 1
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ended.add(stream)
        match kind:
            case 1:
                # Enough to see how calls ended.
                self.heads = (self.heads + payload)[-65_536:]
            case 3:
                self.resets[int.from_bytes(payload)] += 1
            case 4 if self.acknowledges and not flags & ACK:
                self._note_settings(payload)
                self.writer.write(frame(SETTINGS, 0, flags=ACK))
            case 6 if flags & ACK and payload == _LAST:
                self._answered.set()
            case 7:
                _, self.goaway = struct.unpack(">II", payload[:8])
            case 8:
                self.windows[stream] += int.from_bytes(payload)

    def _note_settings(self, payload: bytes) -> None:
        for identifier, value in struct.iter_unpack(">HI", payload):
            if identifier == _INITIAL_WINDOW_SIZE:
                self.window_at_first = value


@asynccontextmanager
async def connected(
    address: str, *, opening: bytes = PREFACE + frame(SETTINGS, 0), acknowledges: bool = True
) -> AsyncIterator[Connection]:
    """Connect to a server on this machine. Its settings bind a client once it has acknowledged them."""
    host, _, port = address.rpartition(":")
    connection = Connection(*await asyncio.open_connection(host, int(port)), acknowledges)
    reading = asyncio.ensure_future(connection.read())
    try:
        connection.writer.write(opening)
        yield connection
    finally:
        connection.writer.transport.abort()
        await reading
