"""A receiver that does as little as it can: it counts requests, answers 204, and keeps the first ones as they came.

It says where it listens on a line of its output. To each line of its input, the path of a file to put the kept
requests into or nothing, it answers with the count. It ends with its input.
"""

import asyncio
import base64
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class _Seen:
    keep: int
    count: int = 0
    kept: list[bytes] = field(default_factory=list)


class _Counting(asyncio.Protocol):
    """Reads just enough HTTP to tell one request from the next: a head, and as many bytes as its length says."""

    def __init__(self, seen: _Seen) -> None:
        self._seen = seen
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of no such class

    def data_received(self, data: bytes) -> None:
        self._rest = self._rest + data if self._rest else data
        while self._rest and (end := _end_of_request(self._rest)):
            seen = self._seen
            seen.count += 1
            if len(seen.kept) < seen.keep:
                seen.kept.append(self._rest[:end])
            self._rest = self._rest[end:]
            self._transport.write(_ANSWER)


def _end_of_request(data: bytes) -> int:
    """Return where the first request ends, 0 if it has not all come yet."""
    head_end = data.find(b"\r\n\r\n") + 4
    if head_end < 4:
        return 0
    length = _LENGTH.search(data, 0, head_end)
    end = head_end + (int(length[1]) if length else 0)
    return end if len(data) >= end else 0


async def _run(keep: int) -> None:
    seen = _Seen(keep)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: _Counting(seen), "127.0.0.1", 0, backlog=1024)
    _say({"port": listener.sockets[0].getsockname()[1]})
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while line := await questions.readline():
        if path := line.decode().strip():
            _put(Path(path), seen.kept)
        _say({"count": seen.count})


def _put(file: Path, requests: list[bytes]) -> None:
    file.write_text("\n".join(base64.b64encode(each).decode() for each in requests))


def _say(fact: dict[str, int]) -> None:
    print(json.dumps(fact), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(keep=int(sys.argv[1])))
