"""G9: a server that is told to stop says so, finishes what it can in time, loses nothing and burns no attempt."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
import sqlite_utils
from aiohttp import web
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from sqlite_utils import Migrations

from service.storage.migrations import MIGRATIONS, migrate
from tests import invariants
from tests.chaos.load import PENDING, Mood, acknowledged, check, delivered, duplicates, loaded, reason_of, stalled
from tests.harness import (
    PARENT,
    Client,
    Received,
    ServerProcess,
    eventually,
    read_rows,
    running_process,
    running_receiver,
)
from tidings.v1.notifications_pb2 import Event, WatchNotificationsRequest, WatchNotificationsResponse
from tidings.v1.publishing_pb2 import StreamPublishItem, StreamPublishRequest

DRAIN_TIMEOUT_S = 1.5
# What a stop may take beyond the drain timeout: the last answers and commits, on a busy machine.
BEYOND_S = 4.0
PATIENCE_S = 30.0
PUBLISHERS = 4

INTERRUPTED = "SELECT notification_id FROM attempts WHERE outcome = 'INTERRUPTED'"
LEASED = "SELECT id FROM notifications WHERE lease_owner IS NOT NULL"
LEFT = """
    SELECT lease_owner IS NOT NULL AS leased, interruptions, count(*) AS count
    FROM notifications GROUP BY leased, interruptions
"""


class Callers:
    """A stream of events, a watch of notifications and one of health, and in which order they were told the end."""

    def __init__(self, client: Client) -> None:
        self.told: list[str] = []
        self.items: dict[int, str] = {}
        self._client = client
        self._draining = asyncio.Event()

    async def run(self) -> None:
        """Call until the server ends every call."""
        await asyncio.gather(self._stream(), self._watch(), self._watch_health())

    async def _stream(self) -> None:
        stub: Any = self._client.publishing
        call = stub.StreamPublish(self._items(), timeout=PATIENCE_S)
        async for response in call:
            self.items.update({result.sequence: result.event for result in response.results})
            if response.draining:
                self.told.append("stream draining")
                self._draining.set()
        assert grpc.StatusCode.OK == await call.code()
        self.told.append("stream ended")

    async def _items(self) -> AsyncIterator[StreamPublishRequest]:
        number = 0
        while not self._draining.is_set():
            number += 1
            event = Event(event_type="agent.status.changed", json="{}", attributes={"lane": "0"})
            item = StreamPublishItem(sequence=number, event=event, request_id=f"s-{number}")
            yield StreamPublishRequest(parent=PARENT, items=[item])
            await asyncio.sleep(0.01)

    async def _watch(self) -> None:
        call = self._client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT))
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            self.told.append(f"watch {reason_of(error)}")

    async def _watch_health(self) -> None:
        stub: Any = HealthStub(self._client.channel)
        call = stub.Watch(HealthCheckRequest())
        try:
            async for response in call:
                self.told.append(f"health {HealthCheckResponse.ServingStatus.Name(response.status)}")
        except grpc.aio.AioRpcError as error:
            self.told.append(f"end of health {reason_of(error)}")


async def test_sigterm_under_load_ends_everything_in_order_and_in_time(tmp_path: Path) -> None:
    """With publishers, a stream, watches, and a receiver of which nothing comes back before the drain timeout.

    Health says so first; nothing is claimed any more; streams and watches are told; what does not finish is given back
    without an attempt; what was acknowledged is delivered after the restart.
    """
    rng = Random(1)
    async with (
        running_process(tmp_path / "tidings.db", "--drain-timeout", str(DRAIN_TIMEOUT_S)) as server,
        loaded(server, tmp_path, rng=rng) as load,
    ):
        callers = Callers(server.client)
        async with load.publishers.running(PUBLISHERS):
            calling = asyncio.create_task(callers.run())
            await eventually(lambda: len(load.receiver.accepted) > 100 and len(callers.items) > 10)
            await stalled(load)
            code, took_s = await timed_stop(server)
            await calling
            stopped = server.log[-1]["event"], {line["event"] for line in server.log}
            leased, interrupted = read_rows(server.database, LEASED), read_rows(server.database, INTERRUPTED)
            load.receiver.mood = Mood.WELL
            await server.start()
        await delivered(server)
        assert 0 == await server.stop()

    print(f"stopped in {took_s:.2f} s; refused while it stopped: {dict(load.publishers.refusals)}; {callers.told}")
    assert 0 == code
    assert DRAIN_TIMEOUT_S <= took_s <= DRAIN_TIMEOUT_S + BEYOND_S
    assert ("server.stopped", True) == (stopped[0], "claims.released" in stopped[1])
    assert ([], []) == (leased, interrupted)
    assert ["health SERVING", "health NOT_SERVING"] == [told for told in callers.told if told.startswith("health")]
    assert callers.told.index("health NOT_SERVING") < callers.told.index("stream draining")
    assert {"stream draining", "stream ended", "watch DRAINING"} < set(callers.told)
    assert load.publishers.refusals["DRAINING"] > 0
    check(server, load)


async def test_nothing_is_sent_once_the_server_stops(tmp_path: Path) -> None:
    """What is under way goes on, and what is accepted meanwhile waits for the next process."""
    async with (
        running_process(tmp_path / "tidings.db", "--drain-timeout", "5") as server,
        loaded(server, tmp_path, rng=Random(2), delay_s=0.5) as load,
    ):
        async with load.publishers.running(PUBLISHERS):
            await eventually(lambda: len(load.receiver.accepted) > 50)
            stopping = asyncio.create_task(timed_stop(server))
            await eventually(lambda: any(line["event"] == "server.stopping" for line in server.log))
            # What was claimed just before is on its way; a receiver here takes half a second at most.
            told_s = time.monotonic() + 0.4
            code, took_s = await stopping
            late = [at_s for at_s in load.receiver.arrived_at_s if at_s > told_s]
            left = read_rows(server.database, PENDING)
            interrupted = read_rows(server.database, INTERRUPTED)
            await server.start()
        await delivered(server)
        assert 0 == await server.stop()

    assert (0, [], []) == (code, late, interrupted)
    assert took_s < 0.5 + BEYOND_S
    assert left, "everything had been delivered already"
    assert 0 == duplicates(load)
    check(server, load)


async def test_server_stopped_and_started_again_and_again_under_load_sends_everything_once(tmp_path: Path) -> None:
    """No attempt is burnt by it: each notification has one, and it is the first."""
    async with (
        running_process(tmp_path / "tidings.db") as server,
        loaded(server, tmp_path, rng=Random(3)) as load,
    ):
        async with load.publishers.running(PUBLISHERS):
            for cycle in range(3):
                before = len(load.publishers.acknowledged)
                await acknowledged(load, before + 40 * cycle)
                assert 0 == await server.stop()
                await server.start()
        await delivered(server)
        assert 0 == await server.stop()

    attempts = read_rows(server.database, "SELECT attempt_count, count(*) AS n FROM notifications GROUP BY 1")
    assert [{"attempt_count": 1, "n": len(load.publishers.acknowledged)}] == attempts
    assert 0 == duplicates(load)
    check(server, load)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
    ],
    ids=lambda number: number.name,
)
async def test_second_signal_ends_the_process_at_once_and_loses_nothing(
    tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    """By the signal itself, which is what a supervisor sees, although a receiver would keep it for 25 s."""
    async with (
        running_process(tmp_path / "tidings.db") as server,
        loaded(server, tmp_path, rng=Random(4)) as load,
    ):
        async with load.publishers.running(PUBLISHERS):
            await stalled(load)
            server.process.send_signal(first)
            # Twice at once is once: a shell signals a process and its group.
            server.process.send_signal(first)
            await eventually(lambda: any(line["event"] == "server.stopping" for line in server.log))
            stopping_s = time.monotonic()
            await eventually(lambda: time.monotonic() > stopping_s + 0.5)
            still_runs = server.process.returncode is None
            signalled_s = time.monotonic()
            server.process.send_signal(second)
            code = await server.process.wait()
            took_s = time.monotonic() - signalled_s
            load.receiver.mood = Mood.WELL
            await server.end()
            await server.start()
        await delivered(server)
        assert 0 == await server.stop()

    assert still_runs
    assert -second == code
    assert took_s < 1
    check(server, load)


async def test_watch_that_is_not_read_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    """It could never be told. Before, it took up all of the time that the last answers have, 5 s."""
    async with (
        running_receiver(lambda _: web.Response(body=b"x" * 4096)) as receiver,
        running_process(tmp_path / "tidings.db") as server,
    ):
        await server.client.create_event_type()
        await server.client.subscribe(receiver.url)
        idle = Client(server.address)
        call = idle.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT))
        assert isinstance(await call.read(), WatchNotificationsResponse)
        # More than what grpc takes in for a caller who does not ask for it, some 4 MiB.
        for _ in range(3):
            await server.client.publish_at_once(600)
        await delivered(server)
        code, took_s = await timed_stop(server)
        await idle.channel.close()

    print(f"stopped in {took_s:.2f} s")
    assert 0 == code
    assert 1 <= took_s < 4


async def test_sigterm_while_the_server_starts_leaves_a_database_that_the_next_one_opens(tmp_path: Path) -> None:
    """At any moment: while Python loads, the database is created or migrated, claims are taken over, ports opened."""
    began_s = time.monotonic()
    async with running_process(tmp_path / "first.db") as server:
        start_s = time.monotonic() - began_s
        assert 0 == await server.stop()
    databases = [tmp_path / f"{number}.db" for number in range(4)]
    for database in databases[::2]:
        old_database(database)

    # Python itself takes the first half. Then come the database, at first an old one, the ports and the first claims.
    fractions = (0.3, 0.75, 0.85, 0.95)
    codes = [
        await stopped_early(database, fraction * start_s)
        for database, fraction in zip(databases, fractions, strict=True)
    ]

    print(f"exit codes: {codes}")
    assert set(codes) <= {0, -signal.SIGTERM}
    for database in databases:
        migrate(database)
        with invariants.reading(database) as connection:
            assert [] == invariants.database_violations(connection)


async def test_sigterm_during_the_takeover_of_a_killed_servers_claims_loses_none(tmp_path: Path) -> None:
    """What was taken over is due again, what was not is still leased; the next server sends all of it."""
    release = asyncio.Event()

    async def answer(_: Received) -> web.Response:
        await release.wait()
        return web.Response(status=204)

    async with (
        running_receiver(answer) as receiver,
        running_process(tmp_path / "tidings.db", "--drain-timeout", "0") as server,
    ):
        await server.client.create_event_type()
        await server.client.subscribe(receiver.url)
        published = [id for _ in range(3) for id in await server.client.publish_at_once(400)]
        await server.kill()
        lease_what_is_owed(server.database)
        await server.start()
        assert 0 == await server.stop()
        left = read_rows(server.database, LEFT)
        release.set()
        await server.start()
        await delivered(server)
        assert 0 == await server.stop()

    print(f"after the stop: {left}")
    assert all((row["leased"], row["interruptions"]) in ((1, 0), (0, 1)) for row in left)
    assert len(published) == sum(row["count"] for row in left)
    assert set(published) == {each.headers["webhook-id"] for each in receiver.received}
    with invariants.reading(server.database) as database:
        invariants.check(invariants.database_violations(database), invariants.undrained(database))


async def timed_stop(server: ServerProcess) -> tuple[int, float]:
    """Send SIGTERM; return the exit code and how long the end took."""
    began_s = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        code = await server.stop()
    return code, time.monotonic() - began_s


async def stopped_early(database: Path, after_s: float) -> int:
    """Start a server, send SIGTERM after a while, and return how it ended."""
    server = ServerProcess(database)
    starting = asyncio.create_task(server.start())
    await eventually(lambda: hasattr(server, "process"))
    await asyncio.sleep(after_s)
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_S):
        code = await server.process.wait()
    await asyncio.gather(starting, return_exceptions=True)
    await server.end()
    assert [] == [line for line in server.log if line["level"] == "error"]
    assert [] == server.other_output
    return code


def old_database(path: Path) -> None:
    """Make a database with the first tables only."""
    first, *_ = MIGRATIONS.pending(sqlite_utils.Database(memory=True))
    migrations = Migrations(MIGRATIONS.name)
    migrations(name=first.name)(first.fn)
    migrate(path, migrations=migrations)


def lease_what_is_owed(database: Path) -> None:
    """Lease all that is pending to a process that is gone."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("""
            UPDATE notifications
            SET state = 'WAITING', lease_owner = 'gone', claim = claim + 1, claim_time = create_time
            WHERE complete_time IS NULL
        """)
