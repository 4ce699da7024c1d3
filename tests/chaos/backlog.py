"""How promptly a new subscription is served beside one that is owed a great deal."""

import asyncio
import sqlite3
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.harness import Client, Received, Receiver, read_rows, running_process, running_receiver

BACKLOG_EVENT_TYPE = "agent.backlog"
FIRST_WITHIN_S = 2.0
_SLOW_S = 0.05
_ONE_BY_ONE = 50


@dataclass(frozen=True, slots=True)
class Promptness:
    """How long the events of a new subscription took, in seconds: its first, and the median of those after it."""

    first_s: float
    median_s: float


async def promptness(folder: Path, *, backlog: int) -> Promptness:
    """Owe one subscription so much, start a server, subscribe another one, and publish for it."""

    async def slowly(_: Received) -> web.Response:
        await asyncio.sleep(_SLOW_S)
        return web.Response(status=204)

    async with (
        running_receiver(slowly) as slow,
        running_receiver() as healthy,
        running_process(folder / "tidings.db", "--drain-timeout", "1") as server,
    ):
        await server.client.create_event_type()
        await server.client.create_event_type(BACKLOG_EVENT_TYPE)
        await server.client.subscribe(slow.url, subscription_id="backlog", event_types=[BACKLOG_EVENT_TYPE])
        if backlog:
            await server.client.publish(event_type=BACKLOG_EVENT_TYPE)
            await server.stop()
            multiply(server.database, backlog)
            assert backlog <= len(read_rows(server.database, "SELECT id FROM notifications WHERE state = 'READY'"))
            await server.start()
            await slow.wait_for(2)
        await server.client.subscribe(healthy.url, subscription_id="new")
        first_s, *others_s = [await _latency_s(server.client, healthy) for _ in range(1 + _ONE_BY_ONE)]
        return Promptness(first_s, statistics.median(others_s))


def multiply(database: Path, count: int) -> None:
    """Make the one notification in a database that no server has open so many, all of them due."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(notifications)")]
        new = {
            **{name: name for name in names},
            "id": "id || printf('-%08x', number)",
            "state": "'READY'",
            "lease_owner": "NULL",
            "complete_time": "NULL",
            "attempt_count": "0",
        }
        columns, values = ", ".join(new), ", ".join(new.values())
        connection.execute(
            "WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < ?) "  # noqa: S608
            f"INSERT INTO notifications ({columns}) SELECT {values} FROM notifications, counted",
            (count,),
        )


async def _latency_s(client: Client, receiver: Receiver) -> float:
    """Publish an event; return how long it took to arrive."""
    count = len(receiver.received)
    published_s = time.perf_counter()
    await client.publish()
    await receiver.wait_for(count + 1)
    return time.perf_counter() - published_s
