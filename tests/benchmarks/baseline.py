"""The bare client that the server is measured against: aiohttp on uvloop, posting requests that were made beforehand.

Reads them from the file that the receiver put them into. Prints, for each number in flight, the requests a second and
the seconds of CPU that one takes in this process.
"""

import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop
from multidict import CIMultiDict
from yarl import URL

IN_FLIGHT = (16, 64, 256)

# What aiohttp writes by itself.
_OWN_HEADERS = ("host", "content-length")


@dataclass(frozen=True, slots=True)
class _Prepared:
    url: URL
    headers: CIMultiDict[str]
    body: bytes


def _read(file: Path, base_url: str) -> list[_Prepared]:
    return [_prepared(base64.b64decode(line), base_url) for line in file.read_text().splitlines()]


def _prepared(request: bytes, base_url: str) -> _Prepared:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines))
    for name in _OWN_HEADERS:
        headers.popall(name, None)
    return _Prepared(URL(base_url + first.split(" ")[1], encoded=True), headers, body)


async def _post_all(session: aiohttp.ClientSession, left: Iterator[_Prepared]) -> None:
    for each in left:
        async with session.post(each.url, data=each.body, headers=each.headers, allow_redirects=False) as response:
            await response.read()
            assert response.status == 204


async def _measured(requests: list[_Prepared], in_flight: int) -> dict[str, float]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Content-Type", "Accept", "User-Agent", "Accept-Encoding"),
    ) as session:
        left = iter(requests)
        began_s, cpu_before_s = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(_post_all(session, left))
        rate = len(requests) / (time.perf_counter() - began_s)
        return {"rate": rate, "cpu_s": (time.process_time() - cpu_before_s) / len(requests)}


async def _run(file: Path, base_url: str) -> None:
    requests = _read(file, base_url)
    print(json.dumps({str(in_flight): await _measured(requests, in_flight) for in_flight in IN_FLIGHT}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(Path(sys.argv[1]), sys.argv[2]))
