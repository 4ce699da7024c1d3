"""`make bench`: how fast notifications are delivered end to end, as a ratio to a bare HTTP client on the same machine.

The server, the publisher, the receiver and the bare client are a process each. The clock runs from the first publish
until the last outcome is committed, with the settings that a server has by default. The bare client then posts to the
same receiver what it got from the server, byte for byte, without a database, signing or retries.
"""

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.publisher import BATCH
from tests.harness import Client, read_rows

UNWANTED = "bench.unwanted"
STARTED_WITHIN_S = 30.0
DELIVERED_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.02
_PENDING = "SELECT id FROM notifications WHERE complete_time IS NULL LIMIT 1"
_LATENCIES = "SELECT complete_time - create_time AS ms FROM notifications WHERE create_time >= :after ORDER BY ms"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    notifications: int = 30_000
    lanes: int = 16
    baseline: int = 10_000
    one_by_one: int = 200

    @property
    def event_types(self) -> list[str]:
        """One for each lane, which only that lane's subscription wants."""
        return [f"bench.lane{lane}" for lane in range(self.lanes)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run. Rates are per second, CPU times in seconds, latencies in milliseconds."""

    notifications: int
    received: int
    succeeded: int
    published_rate: float
    delivered_rate: float
    published_alone_rate: float
    baseline_rates: dict[str, float]
    baseline_cpu_s: float
    cpu_s: dict[str, float]
    outcomes_per_commit: float
    latency_loaded_ms: tuple[int, int]
    latency_idle_ms: tuple[int, int]

    @property
    def baseline_rate(self) -> float:
        """The best of the bare client."""
        return max(self.baseline_rates.values())

    @property
    def ratio(self) -> float:
        """How fast deliveries are, the bare client being 1."""
        return self.delivered_rate / self.baseline_rate

    @property
    def cpu_ratio(self) -> float:
        """How little CPU the server takes for a notification, publishing included, the bare client being 1."""
        return self.baseline_cpu_s * self.notifications / self.cpu_s["server"]


class Process:
    """A program of this benchmark, or the server, with what it costs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, *arguments: str, log: Path | None = None) -> AsyncIterator["Process"]:
        """Run `python -m` with these arguments until the end of the block. Its stderr goes to `log`."""
        with (log or Path(os.devnull)).open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr if log else None,
                env={key: value for key, value in os.environ.items() if not key.startswith("TIDINGS_")},
            )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def says(self) -> dict[str, Any]:
        """Return the next line of its output, a JSON object."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the process has ended without a word"
        fact: dict[str, Any] = json.loads(line)
        return fact

    async def answer(self, question: str = "") -> dict[str, Any]:
        """Write a line to its input and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n".encode())
        return await self.says()

    def cpu_s(self) -> float:
        """Return the seconds of CPU used so far; Linux only."""
        _, _, fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def measure(size: Size, folder: Path) -> Figures:
    """Run the benchmark in a folder, which should be on a real disk, and return its figures."""
    database, log, kept = folder / "tidings.db", folder / "server.log", folder / "requests"
    async with (
        Process.running("tests.benchmarks.receiver", str(size.baseline)) as receiver,
        Process.running(
            "service", "serve", "--dev", "--database", str(database), "--listen", "127.0.0.1:0", log=log
        ) as server,
    ):
        url = f"http://127.0.0.1:{(await receiver.says())['port']}"
        client = Client(await _address(log))
        await _subscribe(client, url, size.event_types)
        before = {"server": server.cpu_s(), "receiver": receiver.cpu_s()}
        published = await _publish(client, size.notifications, size.event_types)
        ended_s = await _all_recorded(database)
        cpu_s = {"server": server.cpu_s(), "receiver": receiver.cpu_s()}
        loaded_ms = _percentiles(database, after_ms=0)
        received = (await receiver.answer())["count"]
        rows = read_rows(database, "SELECT state, count(*) AS n, count(DISTINCT complete_time) AS t FROM notifications")
        idle_ms = await _one_by_one(client, database, size)
        await receiver.answer(str(kept))
        published_alone = await _publish(client, size.notifications, [UNWANTED])
        await client.channel.close()
        async with Process.running("tests.benchmarks.baseline", str(kept), url) as baseline:
            bare = await baseline.says()
    return Figures(
        notifications=size.notifications,
        received=received,
        succeeded=rows[0]["n"] if rows[0]["state"] == "SUCCEEDED" else 0,
        published_rate=_rate(published, size),
        delivered_rate=size.notifications / (ended_s - published["began_s"]),
        published_alone_rate=_rate(published_alone, size),
        baseline_rates={in_flight: each["rate"] for in_flight, each in bare.items()},
        baseline_cpu_s=min(each["cpu_s"] for each in bare.values()),
        cpu_s={**{name: cpu_s[name] - before[name] for name in cpu_s}, "publisher": published["cpu_s"]},
        outcomes_per_commit=size.notifications / rows[0]["t"],
        latency_loaded_ms=loaded_ms,
        latency_idle_ms=idle_ms,
    )


async def _address(log: Path) -> str:
    """Wait until the server says in its log that it serves, and return where."""
    async with asyncio.timeout(STARTED_WITHIN_S):
        while True:
            for line in log.read_text().splitlines() if log.exists() else ():
                if line.startswith("{") and (entry := json.loads(line))["event"] == "server.started":
                    address: str = entry["listen"][0]
                    return address
            await asyncio.sleep(_LOOK_EVERY_S)


async def _subscribe(client: Client, url: str, event_types: list[str]) -> None:
    await client.create_event_type(UNWANTED)
    for lane, event_type in enumerate(event_types):
        await client.create_event_type(event_type)
        await client.subscribe(f"{url}/hooks/{lane}", subscription_id=f"lane-{lane}", event_types=[event_type])


async def _publish(client: Client, count: int, event_types: list[str]) -> dict[str, Any]:
    arguments = (client.address, str(count), ",".join(event_types))
    async with Process.running("tests.benchmarks.publisher", *arguments) as publisher:
        return await publisher.says()


def _rate(published: dict[str, Any], size: Size) -> float:
    rate: float = size.notifications / (published["ended_s"] - published["began_s"])
    return rate


async def _all_recorded(database: Path) -> float:
    """Wait until no notification is pending; return the monotonic time at which that was so."""
    uri = f"{database.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        async with asyncio.timeout(DELIVERED_WITHIN_S):
            while connection.execute(_PENDING).fetchall():  # noqa: ASYNC110 - no event tells of another process's file
                await asyncio.sleep(_LOOK_EVERY_S)
    return time.monotonic()


def _percentiles(database: Path, *, after_ms: int) -> tuple[int, int]:
    """Return the median and the 99th percentile of the time from accepting to the recorded outcome."""
    found = [row["ms"] for row in read_rows(database, _LATENCIES, after=after_ms)]
    return found[len(found) // 2], found[len(found) * 99 // 100]


async def _one_by_one(client: Client, database: Path, size: Size) -> tuple[int, int]:
    """Publish events to a server that has nothing else to do, each after the outcome of the one before it."""
    began_ms = time.time_ns() // 1_000_000
    for number in range(size.one_by_one):
        await client.publish(event_type=size.event_types[number % size.lanes])
        await _all_recorded(database)
    return _percentiles(database, after_ms=began_ms)


def report(figures: Figures) -> None:
    """Print the figures for people."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    baseline = ", ".join(f"{rate:,.0f}/s at {in_flight}" for in_flight, rate in figures.baseline_rates.items())
    cpu_us = {name: seconds / figures.notifications * 1e6 for name, seconds in figures.cpu_s.items()}
    cost = ", ".join(f"{name} {figures.cpu_s[name]:.2f} s ({cpu_us[name]:.0f} µs each)" for name in cpu_us)
    print(f"machine            {machine}")
    print(f"notifications      {figures.notifications:,} in batches of {BATCH}; {figures.received:,} requests received")
    published, alone = figures.published_rate, figures.published_alone_rate
    print(f"published          {published:,.0f}/s beside deliveries, {alone:,.0f}/s alone")
    print(f"delivered          {figures.delivered_rate:,.0f}/s, from the first publish to the last recorded outcome")
    print(f"bare client        {baseline} in flight")
    print(
        f"ratio              {figures.ratio:.2f}; of CPU {figures.cpu_ratio:.2f}, which other programs do not disturb"
    )
    print(f"CPU                {cost}; bare client {figures.baseline_cpu_s * 1e6:.0f} µs each")
    print(f"outcomes           {figures.outcomes_per_commit:.0f} a commit")
    print("latency            median {} ms, p99 {} ms with all of them queued".format(*figures.latency_loaded_ms))
    print("                   median {} ms, p99 {} ms one by one".format(*figures.latency_idle_ms))


def main() -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notifications", type=int, default=Size().notifications)
    parser.add_argument("--lanes", type=int, default=Size().lanes)
    arguments = parser.parse_args()
    size = Size(notifications=arguments.notifications, lanes=arguments.lanes)
    with TemporaryDirectory(prefix="tidings-bench-") as folder:
        report(asyncio.run(measure(size, Path(folder))))


if __name__ == "__main__":
    main()
