"""Random histories with retention at random times under a clock that jumps: nothing that is needed ever goes.

What is needed is said here in plain SQL over what was there before a slice and what is there after it, and in none of
the words of the statements that delete.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from service.delivery.replayer import Replayer
from service.delivery.retention import Retained, Retention
from service.delivery.sweeper import Sweeper
from service.domain.errors import ResourceNotFound, StateConflict
from service.domain.model import Attempt, AttemptOutcome
from service.domain.replays import ReplayRequest
from service.matching import Matchers
from service.notifying import Interventions
from service.publishing import EventDraft, Publisher
from service.replaying.replays import Replays
from service.storage import attempts, queue, subscriptions, workspaces
from service.storage.database import T, Transaction
from service.storage.migrations import migrate
from service.storage.queue import Claimed, Finished, Postponed
from service.storage.retention import Limits
from service.storage.sqlite_connections import SqliteWriter
from service.storage.sqlite_file import connect
from service.validating import Definitions
from tests.fakes import (
    HOUR_MS,
    TESTER,
    WORKSPACE,
    CountingIds,
    FakeClock,
    backlog_of,
    claim_ready,
    promote_ready,
    subscribe,
    subscription_of,
)

DAY_MS: Final = 24 * HOUR_MS
STEPS: Final = 300
RETAINED: Final = Retained(events_ms=2 * DAY_MS, request_ids_ms=3 * DAY_MS, changes_ms=DAY_MS, audit_ms=5 * DAY_MS)
# Small, so that slices end in the middle of things.
LIMITS: Final = Limits(looked_at=4, rows=6, payload_bytes=50, small_rows=6)
TABLES: Final = (
    "events",
    "notifications",
    "attempts",
    "changes",
    "publish_requests",
    "replays",
    "subscriptions",
    "signing_keys",
    "lanes",
)


class UnsyncedDatabase:
    """A Database whose works run in the calling thread, and that waits for no disk: a history is thousands of works."""

    def __init__(self, path: Path) -> None:
        migrate(path)
        self._connection = connect(path)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._writer = SqliteWriter(self._connection, path, log_bytes_max=1 << 30)

    @property
    def total_changes(self) -> int:
        """How many rows were changed so far."""
        return self._connection.total_changes

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a work in a transaction of its own."""
        [result] = self._writer.run_batch([work])
        if result.error is not None:
            raise result.error
        value: T = result.value
        return value

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work that only reads."""
        return await self.write(work)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()


@pytest.fixture
async def unsynced(tmp_path: Path) -> AsyncIterator[UnsyncedDatabase]:
    """An empty database with today's schema."""
    opened = UnsyncedDatabase(tmp_path / "tidings.db")
    yield opened
    await opened.close()


class Snapshot:
    """All rows of the database at one moment."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            self._rows = {
                table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608
                for table in TABLES
            }

    def __getitem__(self, table: str) -> list[dict[str, Any]]:
        return self._rows[table]

    def ids(self, table: str, column: str = "id") -> set[str]:
        """Return what a column says."""
        return {row[column] for row in self._rows[table]}

    def left(self) -> dict[str, int]:
        """Return how many rows each table has, without those that have none."""
        return {table: len(rows) for table, rows in self._rows.items() if rows}


class History:
    """One random history: what callers, receivers, operators and time do to a database."""

    def __init__(self, database: UnsyncedDatabase, path: Path, seed: int) -> None:
        self.database, self.path, self.rng = database, path, Random(seed)
        self.clock, self.ids = FakeClock(), CountingIds()
        self.claims: list[Claimed] = []
        self.published: dict[str, str] = {}
        self.backlog = backlog_of(database, self.clock)
        self.publishers = [self._publisher(), self._publisher()]
        self.interventions = Interventions(database, clock=self.clock, on_changed=lambda _: None)
        self.replays = Replays(database, clock=self.clock, ids=self.ids, on_created=lambda: None)
        self.replayer = Replayer(database, backlog=self.backlog, clock=self.clock, ids=self.ids, on_made=lambda _: None)
        self.sweeper = Sweeper(database, clock=self.clock, on_released=lambda _: None)
        self.retention = self.fresh_retention()
        self.uids: list[str] = []
        self.deleted = 0

    def fresh_retention(self, limits: Limits = LIMITS) -> Retention:
        """Return retention as it is after a restart."""
        return Retention(self.database, clock=self.clock, retained=RETAINED, limits=limits)

    def _publisher(self) -> Publisher:
        # Two processes, as it were: each has matchers of its own, and does not hear of everything at once.
        return Publisher(
            self.database,
            Matchers(self.database, clock=self.clock, workspaces_max=10),
            Definitions(self.database),
            backlog=self.backlog,
            clock=self.clock,
            ids=self.ids,
            on_accepted=lambda _: None,
            allow_unknown_event_types=True,
        )

    async def publish(self) -> None:
        """Publish a batch, of which some repeat earlier requests: these are answered with the first event."""
        known = Snapshot(self.path).ids("publish_requests", "request_id")
        some = self.rng.sample(sorted(self.published), min(len(self.published), self.rng.randrange(3)))
        request_ids = [*some, *(f"r-{self.ids.new()}" for _ in range(self.rng.randrange(1, 4)))]
        publisher = self.rng.choice(self.publishers)
        for request_id, each in zip(
            request_ids, await publisher.publish(WORKSPACE, list(map(draft, request_ids))), strict=True
        ):
            assert each.deduplicated == (request_id in known)
            assert not each.deduplicated or self.published[request_id] == each.event.id
            self.published[request_id] = each.event.id

    async def subscribe(self) -> None:
        """Create a subscription, up to four at once."""
        living = await self._living()
        if len(living) < 4:
            uid = f"s{len(self.uids)}"
            self.uids.append(uid)
            await subscribe(self.database, subscription_of(uid))

    async def unsubscribe(self) -> None:
        """Delete a subscription, now and then."""
        living = await self._living()
        if len(living) > 1 and self.rng.random() < 0.3:
            await self._delete(self.rng.choice(living))

    async def _delete(self, uid: str) -> None:
        now_ms = self.clock.now_ms()

        def work(tx: Transaction) -> None:
            revision = workspaces.bump_revision(tx, WORKSPACE.key)
            subscriptions.delete(tx, uid, revision=revision, now_ms=now_ms)

        await self.database.write(work)

    async def _living(self) -> list[str]:
        found = await self.database.read(lambda tx: subscriptions.find_by_uid(tx, self.uids))
        return sorted(found)

    async def claim(self) -> None:
        """Begin attempts."""
        now_ms, limits = self.clock.now_ms(), {uid: self.rng.randrange(1, 6) for uid in await self._living()}

        def work(tx: Transaction) -> list[Claimed]:
            promote_ready(tx, now_ms=now_ms)
            return [each for uid, limit in limits.items() for each in claim_ready(tx, uid, limit=limit, now_ms=now_ms)]

        self.claims += await self.database.write(work)

    async def record(self, *, may_fail: bool = True) -> None:
        """End some attempts, in any order: they succeed, fail for good or are made again."""
        self.rng.shuffle(self.claims)
        ending = [self.claims.pop() for _ in range(self.rng.randrange(len(self.claims) + 1))]
        now_ms = self.clock.now_ms()

        def end_of(claimed: Claimed) -> Finished | Postponed:
            if may_fail and self.rng.random() < 0.3:
                due_at_ms = now_ms + self.rng.randrange(2 * DAY_MS)
                return Postponed(claimed.notification_id, claimed.claim, due_at_ms, 1, attempted=True)
            succeeded = self.rng.random() < 0.7
            return Finished(claimed.notification_id, claimed.claim, succeeded=succeeded, attempted=True)

        def work(tx: Transaction) -> None:
            ended = queue.end_claims(tx, [end_of(each) for each in ending], now_ms=now_ms)
            numbers = [each.attempt_number for each in ended if each.attempt_number is not None]
            made = [Attempt(number, AttemptOutcome.SUCCEEDED, now_ms, 1) for number in numbers]
            attempts.insert(tx, [(each.notification_id, one) for each, one in zip(ending, made, strict=True)])

        await self.database.write(work)

    async def intervene(self) -> None:
        """Retry or cancel any notification; some cannot be."""
        ids = sorted(Snapshot(self.path).ids("notifications"))
        if ids:
            act = self.rng.choice((self.interventions.retry, self.interventions.cancel))
            try:
                await act(WORKSPACE, self.rng.choice(ids), by=TESTER)
            except StateConflict:
                return

    async def replay(self) -> None:
        """Begin a replay of a part of the past."""
        start_ms = self.clock.now_ms() - self.rng.randrange(10 * DAY_MS)
        end_ms = start_ms + self.rng.randrange(1, 10 * DAY_MS)
        rate = self.rng.choice((None, 1.0))
        request = ReplayRequest(start_ms, end_ms, frozenset(), self.rng.random() < 0.5, rate)
        try:
            await self.replays.create(WORKSPACE, self.rng.choice(self.uids or ["none"]), request, by=TESTER)
        except (ResourceNotFound, StateConflict):
            return

    async def go_on(self) -> None:
        """Carry replays and sweeps out, a little."""
        for _ in range(self.rng.randrange(8)):
            await self.replayer.take_turn()
            await self.sweeper.sweep_slice()

    async def pass_time(self) -> None:
        """Let time pass, or jump: seconds, hours, days, and back."""
        self.clock.advance(
            self.rng.choice((1, HOUR_MS, 9 * HOUR_MS, DAY_MS, 2 * DAY_MS, 4 * DAY_MS, -HOUR_MS, -DAY_MS))
        )

    async def retain(self) -> None:
        """Delete some slices, and check after each that nothing went that is needed."""
        if self.rng.random() < 0.1:
            self.retention = self.fresh_retention()
        before = Snapshot(self.path)
        for _ in range(self.rng.randrange(20)):
            changes_before = self.database.total_changes
            await self.retention.take_turn()
            if self.database.total_changes == changes_before:
                continue
            after = Snapshot(self.path)
            self.deleted += len(before["events"]) - len(after["events"])
            check_slice(before, after, now_ms=self.clock.now_ms())
            before = after

    async def end(self) -> None:
        """Let everything that is owed come to its end, and time pass until nothing need be kept."""
        for uid in await self._living():
            await self._delete(uid)
        while self.claims:
            await self.record(may_fail=False)
        while await self.sweeper.sweep_slice():
            pass
        while await self.replayer.take_turn() != float("inf"):
            self.clock.advance(1_000)
        # Beyond every jump: first what tells of them goes, then they themselves, then what they referred to.
        for _ in range(3):
            self.clock.advance(30 * DAY_MS)
            retention = self.fresh_retention(Limits())
            while await retention.take_turn() != float("inf"):
                pass


def draft(request_id: str) -> EventDraft:
    """Return an event to publish, a few bytes long."""
    return EventDraft(
        event_type="agent.created",
        source="",
        subject="",
        attributes={},
        payload=b'{"request": "' + request_id.encode() + b'"}',
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=None,
        event_id=None,
        request_id=request_id,
    )


def check_slice(before: Snapshot, after: Snapshot, *, now_ms: int) -> None:
    """Check that everything that went was old, and needed by nothing."""
    gone = before.ids("events") - after.ids("events")
    for event in (row for row in before["events"] if row["id"] in gone):
        assert event["create_time"] < now_ms - RETAINED.events_ms
        for replay in before["replays"]:
            is_passed = (event["create_time"], event["id"]) <= (replay["position_time"], replay["position_id"])
            is_in_window = replay["start_time"] <= event["create_time"] < replay["end_time"]
            assert replay["state"] != "RUNNING" or is_passed or not is_in_window
    deleted = before.ids("notifications") - after.ids("notifications")
    for row in (row for row in before["notifications"] if row["id"] in deleted or row["event_id"] in gone):
        assert row["complete_time"] is not None
        assert row["lease_owner"] is None
        assert row["id"] in deleted
    for row in before["publish_requests"]:
        is_kept = row["request_id"] in after.ids("publish_requests", "request_id")
        assert is_kept or row["create_time"] < now_ms - RETAINED.request_ids_ms
    assert after.ids("publish_requests", "event_id") <= after.ids("events")
    assert after.ids("changes", "notification_id") <= after.ids("notifications")
    assert {row["replay_id"] for row in after["notifications"]} - {None} <= after.ids("replays")
    counted = {row["id"]: row["attempt_count"] for row in after["notifications"]}
    kept = [row["notification_id"] for row in after["attempts"]]
    assert counted == {notification_id: kept.count(notification_id) for notification_id in counted}
    for row in before["subscriptions"]:
        is_kept = row["uid"] in after.ids("subscriptions", "uid")
        assert is_kept or (row["delete_time"] is not None and row["delete_time"] < now_ms - RETAINED.events_ms)


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_that_is_needed_ever_goes_and_in_the_end_nothing_is_left(
    unsynced: UnsyncedDatabase, tmp_path: Path, seed: int
) -> None:
    """Foreign keys are checked by the database; a publish that fails ends the history."""
    history = History(unsynced, tmp_path / "tidings.db", seed)
    steps: list[Callable[[], Awaitable[None]]] = [
        *[history.publish] * 4,
        *[history.subscribe, history.unsubscribe] * 2,
        *[history.claim, history.record] * 4,
        *[history.intervene] * 1,
        history.replay,
        *[history.go_on] * 6,
        *[history.pass_time] * 4,
        *[history.retain] * 5,
    ]
    await history.subscribe()
    done = 0
    # Some histories keep nearly all that they have for long, and would be tests of an idle loop.
    while done < STEPS or (history.deleted <= 10 and done < 10 * STEPS):
        await history.rng.choice(steps)()
        done += 1

    assert history.deleted > 10
    await history.end()

    assert {} == Snapshot(history.path).left()
