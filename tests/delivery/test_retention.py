"""What is kept, what goes, and what a slice of it costs."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from service.delivery.retention import Retained, Retention
from service.domain.audit import AuditEntry
from service.domain.model import Attempt, AttemptOutcome, NotificationState
from service.domain.replays import ReplayRequest
from service.matching import Matchers
from service.publishing import EventDraft, Publisher
from service.replaying.replays import Replays
from service.storage import attempts, audit, events, interventions, notifications, queue, replays, sweeps
from service.storage.audit import NEWEST, AuditFilter
from service.storage.database import Database, Transaction
from service.storage.events import PublishRequest
from service.storage.notifications import NewNotification
from service.storage.queue import Finished
from service.storage.replays import Progress
from service.storage.retention import Limits
from service.validating import Definitions
from tests.fakes import (
    HOUR_MS,
    NOW_MS,
    TESTER,
    WORKSPACE,
    CountingIds,
    FakeClock,
    backlog_of,
    claim_lane,
    claim_ready,
    event_of,
    owe,
    subscribe,
    subscription_of,
    unsubscribe,
)

DAY_MS: Final = 24 * HOUR_MS
RETAINED: Final = Retained(events_ms=30 * DAY_MS, request_ids_ms=3 * DAY_MS, changes_ms=DAY_MS, audit_ms=365 * DAY_MS)
ATTEMPT: Final = Attempt(1, AttemptOutcome.SUCCEEDED, NOW_MS, 1)
SELECT_EVENTS: Final = "SELECT id FROM events ORDER BY id"
SELECT_NOTIFICATIONS: Final = "SELECT id FROM notifications ORDER BY id"
COUNTS: Final = """
    SELECT
        (SELECT count(*) FROM events) AS events,
        (SELECT count(*) FROM notifications) AS notifications,
        (SELECT count(*) FROM attempts) AS attempts,
        (SELECT count(*) FROM changes) AS changes,
        (SELECT count(*) FROM publish_requests) AS publish_requests,
        (SELECT count(*) FROM management_requests) AS management_requests,
        (SELECT count(*) FROM replays) AS replays,
        (SELECT count(*) FROM subscriptions) AS subscriptions,
        (SELECT count(*) FROM audit_log) AS audit_entries
"""


async def ids_of(database: Database, sql: Any) -> list[str]:
    """Return the ids that a query finds."""
    return [row["id"] for row in await database.read(lambda tx: tx.rows(sql))]


async def left(database: Database) -> dict[str, int]:
    """Return how many rows of each kind there are, without those of which there are none."""
    [row] = await database.read(lambda tx: tx.rows(COUNTS))
    return {kind: count for kind, count in dict(row).items() if count}


async def round_of(retention: Retention, *, turns_max: int = 10_000) -> int:
    """Run one round; return how many slices it took."""
    for turn in range(1, turns_max + 1):
        if await retention.take_turn() == float("inf"):
            return turn
    raise AssertionError(f"a round was not over after {turns_max} slices")


async def finish(database: Database, uid: str, now_ms: int = NOW_MS) -> None:
    """Claim all that is ready in a lane, and record that it succeeded."""

    def work(tx: Transaction) -> None:
        for each in claim_ready(tx, uid, limit=10_000, now_ms=now_ms):
            end = Finished(each.notification_id, each.claim, succeeded=True, attempted=True)
            [ended] = queue.end_claims(tx, [end], now_ms=now_ms)
            assert ended.attempt_number is not None
            attempts.insert(tx, [(each.notification_id, replace(ATTEMPT, attempt_number=ended.attempt_number))])

    await database.write(work)


def old_event(number: int, **fields: Any) -> Any:
    """Return an event that was accepted at the beginning, so many milliseconds after the first."""
    return event_of(f"event-{number:04}", create_time_ms=NOW_MS + number, **fields)


@pytest.fixture
def retention(database: Database, clock: FakeClock) -> Retention:
    """Retention as a server has it by default."""
    return Retention(database, clock=clock, retained=RETAINED)


# --- what goes


async def test_event_goes_with_everything_that_came_of_it(
    database: Database, clock: FakeClock, retention: Retention
) -> None:
    """At its age and not before; the subscription stays, for it is not deleted."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    await owe(database, old_event(1), ["a", "b"])
    await finish(database, "a")
    await finish(database, "b")

    clock.advance(30 * DAY_MS)
    await round_of(retention)
    assert {"events": 1, "notifications": 2, "attempts": 2, "subscriptions": 2} == await left(database)

    clock.advance(2)
    await round_of(retention)
    assert {"subscriptions": 2} == await left(database)


async def test_round_is_one_line_in_the_log_that_says_what_went(
    database: Database, clock: FakeClock, retention: Retention
) -> None:
    """And none when nothing did."""
    await subscribe(database, subscription_of("a"))
    for number in range(3):
        await owe(database, old_event(number), ["a"])
    await finish(database, "a")
    clock.advance(31 * DAY_MS)

    with capture_logs() as logs:
        await round_of(retention)
        await round_of(retention)

    assert [{"event": "retention.deleted", "log_level": "info", "changes": 6, "events": 3, "notifications": 3}] == logs


async def test_finished_replay_goes_with_the_notifications_that_it_made(
    database: Database, clock: FakeClock, ids: CountingIds, retention: Retention
) -> None:
    """One that ended long ago stays while a notification says that it is of it."""
    await subscribe(database, subscription_of("a"))
    await owe(database, old_event(1), ["a"])
    await finish(database, "a")
    clock.advance(HOUR_MS)
    await replayed(database, clock, ids, "event-0001")
    clock.advance(40 * DAY_MS)
    await finish(database, "a", clock.now_ms())

    await round_of(retention)
    assert 1 == (await left(database))["replays"]

    clock.advance(2 * DAY_MS)
    await round_of(retention)
    assert {"subscriptions": 1, "audit_entries": 1} == await left(database)


async def test_deleted_subscription_goes_once_its_history_has_gone(
    database: Database, clock: FakeClock, retention: Retention
) -> None:
    """Not before it is swept, and not before its own age."""
    await subscribe(database, subscription_of("a"), subscription_of("b"), subscription_of("c"))
    await owe(database, old_event(1), ["a"])
    for uid in "ab":
        await unsubscribe(database, uid)
    await database.write(lambda tx: sweeps.advance_sweep(tx, "b", after=None))
    clock.advance(31 * DAY_MS)

    await round_of(retention)
    assert ["a", "c"] == await ids_of(database, "SELECT uid AS id FROM subscriptions ORDER BY uid")

    await database.write(
        lambda tx: interventions.sweep(tx, sweeps.SweepKind.CANCEL, "a", "", now_ms=clock.now_ms(), limit=9)
    )
    await database.write(lambda tx: sweeps.advance_sweep(tx, "a", after=None))
    clock.advance(DAY_MS + 1)
    await round_of(retention)
    assert {"subscriptions": 1} == await left(database)


async def test_request_ids_go_after_72_hours(database: Database, clock: FakeClock, retention: Retention) -> None:
    """Of both kinds; young ones stay."""
    add = """
        INSERT INTO management_requests (workspace, method, request_id, fingerprint, result, create_time)
        VALUES ('acme/main', 'RotateSigningKey', :id, x'', '{}', :time)
    """
    for number, time_ms in enumerate((NOW_MS, NOW_MS + 2)):
        request = PublishRequest(f"r-{number}", b"", "event")
        await database.write(partial(events.insert_requests, workspace=WORKSPACE, requests=[request], now_ms=time_ms))
        await database.write(partial(_execute, sql=add, id=f"m-{number}", time=time_ms))
    clock.advance(3 * DAY_MS)
    await round_of(retention)
    assert {"publish_requests": 2, "management_requests": 2} == await left(database)

    clock.advance(1)
    await round_of(retention)
    assert {"publish_requests": 1, "management_requests": 1} == await left(database)


async def test_audit_entries_go_after_a_year(database: Database, clock: FakeClock, retention: Retention) -> None:
    """More of them than go in one slice; what they tell of may be there or not."""
    logged = [
        AuditEntry(TESTER, "CreateEventType", None, f"eventTypes/t-{number}", NOW_MS + number) for number in range(120)
    ]

    def work(tx: Transaction) -> None:
        for entry in logged:
            audit.insert(tx, entry)

    await database.write(work)
    clock.advance(365 * DAY_MS)
    await round_of(retention)
    assert {"audit_entries": 120} == await left(database)

    clock.advance(119)
    await round_of(retention)
    [youngest] = await database.read(lambda tx: audit.before(tx, NEWEST, only=AuditFilter(), limit=9))
    assert logged[-1] == youngest.entry


# --- what stays


async def test_event_whose_notification_is_owed_stays_whole(
    database: Database, clock: FakeClock, retention: Retention
) -> None:
    """With the notifications that have ended: its history is not torn apart."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    await owe(database, old_event(1), ["a", "b"])
    await finish(database, "a")
    clock.advance(100 * DAY_MS)

    await round_of(retention)
    assert {"events": 1, "notifications": 2, "attempts": 1, "subscriptions": 2} == await left(database)


async def test_cancelled_notification_whose_attempt_is_under_way_keeps_its_event(
    database: Database, clock: FakeClock, retention: Retention
) -> None:
    """The attempt is still to be recorded, and whoever takes it over needs the event."""
    await subscribe(database, subscription_of("a"))
    [notification_id] = await owe(database, old_event(1), ["a"])
    [claimed] = await claim_lane(database, "a", owner="me")
    await database.write(lambda tx: interventions.cancel(tx, [notification_id], now_ms=NOW_MS))
    clock.advance(31 * DAY_MS)
    await round_of(retention)
    assert ["event-0001"] == await ids_of(database, SELECT_EVENTS)

    def record(tx: Transaction) -> None:
        end = Finished(notification_id, claimed.claim, succeeded=True, attempted=True)
        queue.end_claims(tx, [end], now_ms=clock.now_ms())
        attempts.insert(tx, [(notification_id, ATTEMPT)])

    await database.write(record)
    # The attempt is a change that a watch may still be told of, although the notification ended long ago.
    await restarted(database, clock)
    assert ["event-0001"] == await ids_of(database, SELECT_EVENTS)

    clock.advance(DAY_MS + 1)
    await restarted(database, clock)
    assert [] == await ids_of(database, SELECT_EVENTS)


async def test_notification_stays_while_a_change_tells_of_it(
    database: Database, clock: FakeClock, retention: Retention
) -> None:
    """A watch reads it for each change that is kept; it ended just now although its event is old."""
    await subscribe(database, subscription_of("a"))
    await owe(database, old_event(1), ["a"])
    clock.advance(31 * DAY_MS)
    await finish(database, "a", clock.now_ms())
    await round_of(retention)
    assert {"events": 1, "notifications": 1, "attempts": 1, "changes": 1, "subscriptions": 1} == await left(database)


async def test_revived_notification_keeps_its_event(database: Database, clock: FakeClock, retention: Retention) -> None:
    """RetryNotification may come for what is about to go."""
    await subscribe(database, subscription_of("a"))
    [notification_id] = await owe(database, old_event(1), ["a"])
    await finish(database, "a")
    clock.advance(31 * DAY_MS)
    await database.write(lambda tx: interventions.retry_now(tx, notification_id, now_ms=clock.now_ms()))
    clock.advance(2 * DAY_MS)

    await round_of(retention)
    assert ["event-0001"] == await ids_of(database, SELECT_EVENTS)


async def test_event_that_a_running_replay_has_not_passed_stays(
    database: Database, clock: FakeClock, ids: CountingIds, retention: Retention
) -> None:
    """The replay is slow, and would find nothing to send. What it has passed goes."""
    await subscribe(database, subscription_of("a"))
    for number in range(3):
        await owe(database, old_event(number), ["a"])
    await finish(database, "a")
    clock.advance(HOUR_MS)
    await running_replay(database, clock, ids, passed=old_event(1))
    clock.advance(31 * DAY_MS)

    await round_of(retention)
    assert ["event-0001", "event-0002"] == await ids_of(database, SELECT_EVENTS)


async def test_event_is_kept_as_long_as_its_request_id(database: Database, clock: FakeClock, ids: CountingIds) -> None:
    """Where events are kept for less than request_ids are: a repetition is answered with the event."""
    retention = Retention(database, clock=clock, retained=replace(RETAINED, events_ms=DAY_MS))
    publisher = publisher_of(database, clock, ids)
    [first] = await publisher.publish(WORKSPACE, [draft("r-1")])

    clock.advance(3 * DAY_MS)
    await round_of(retention)
    [repeated] = await publisher.publish(WORKSPACE, [draft("r-1")])
    assert (first.event.id, True) == (repeated.event.id, repeated.deduplicated)

    clock.advance(1)
    await round_of(retention)
    assert {} == await left(database)
    [anew] = await publisher.publish(WORKSPACE, [draft("r-1")])
    assert not anew.deduplicated


async def test_events_of_one_batch_outlive_their_request_ids(
    database: Database, clock: FakeClock, ids: CountingIds
) -> None:
    """Although each was accepted in a millisecond of its own, the last of them even before the first."""
    retention = Retention(database, clock=clock, retained=replace(RETAINED, events_ms=DAY_MS))
    ticking = TickingClock(clock)
    publisher = publisher_of(database, ticking, ids)
    batch = [draft("r-1"), draft("r-2"), draft("r-3")]
    firsts = await publisher.publish(WORKSPACE, batch)
    assert 3 == len({each.event.id for each in firsts})
    clock.advance(3 * DAY_MS)
    for _ in range(6):
        await round_of(retention)
        if "publish_requests" in await left(database):
            assert [True] * 3 == [each.deduplicated for each in await publisher.publish(WORKSPACE, batch)]
        clock.advance(-1)


# --- slices


async def test_event_with_more_notifications_than_a_slice_goes_over_several(
    database: Database, clock: FakeClock
) -> None:
    """No slice is longer than its limit: each deletes a few of them, the event goes with the last."""
    await subscribe(database, subscription_of("a"))
    await owe(database, old_event(1), ["a"] * 25)
    await finish(database, "a")
    clock.advance(31 * DAY_MS)
    retention = Retention(database, clock=clock, retained=RETAINED, limits=Limits(rows=10))

    counts = [25]
    while counts[-1]:
        await retention.take_turn()
        counts.append((await left(database)).get("notifications", 0))

    assert max(before - after for before, after in pairwise(counts)) <= 5
    await round_of(retention)
    assert {"subscriptions": 1} == await left(database)


@pytest.mark.parametrize(
    ("limits", "most_at_once"),
    [
        pytest.param(Limits(looked_at=4), 4, id="rows looked at"),
        pytest.param(Limits(rows=10), 3, id="rows deleted"),
        pytest.param(Limits(payload_bytes=50), 2, id="bytes of payload"),
    ],
)
async def test_slice_deletes_no_more_than_its_limits(
    database: Database, clock: FakeClock, limits: Limits, most_at_once: int
) -> None:
    """Each of the limits ends a slice by itself."""
    await subscribe(database, subscription_of("a"))
    for number in range(12):
        await owe(database, old_event(number), ["a"])
    await finish(database, "a")
    clock.advance(31 * DAY_MS)
    retention = Retention(database, clock=clock, retained=RETAINED, limits=limits)

    counts = [12]
    while counts[-1]:
        await retention.take_turn()
        counts.append((await left(database)).get("events", 0))

    assert most_at_once == max(before - after for before, after in pairwise(counts))


async def test_payload_larger_than_a_slice_may_delete_goes_alone(database: Database, clock: FakeClock) -> None:
    """Or it would stay for ever."""
    for number in range(3):
        await database.write(partial(events.insert, events=[old_event(number, payload_size=900)]))
    clock.advance(31 * DAY_MS)

    await round_of(Retention(database, clock=clock, retained=RETAINED, limits=Limits(payload_bytes=800)))

    assert {} == await left(database)


async def test_events_of_the_same_millisecond_are_all_met(database: Database, clock: FakeClock) -> None:
    """A slice ends among them, and the next goes on behind the last of it."""
    for number in range(10):
        await database.write(partial(events.insert, events=[event_of(f"event-{number}")]))
    clock.advance(31 * DAY_MS)

    await round_of(Retention(database, clock=clock, retained=RETAINED, limits=Limits(looked_at=3)))

    assert {} == await left(database)


async def test_what_is_needed_is_passed_once_an_hour(database: Database, clock: FakeClock) -> None:
    """A backlog of old events that are still owed is not read again by every round; those behind it are met."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    for number in range(30):
        await owe(database, old_event(number), ["a"])
    clock.advance(31 * DAY_MS)
    retention = Retention(database, clock=clock, retained=RETAINED, limits=Limits(looked_at=3))
    first = await round_of(retention)
    await owe(database, replace(old_event(31), create_time_ms=NOW_MS + 31), ["b"])
    await finish(database, "b", NOW_MS)
    clock.advance(1)

    second = await round_of(retention)
    # It is met at once; it stays as long as the change does.
    clock.advance(DAY_MS)
    third = await round_of(retention)
    fourth = await round_of(retention)

    assert first > 15
    assert second < 10
    assert third < 10
    assert fourth > 15
    assert "event-0031" not in await ids_of(database, SELECT_EVENTS)


async def test_matcher_that_was_not_used_since_a_tombstone_went_matches_what_there_is(
    database: Database, clock: FakeClock, ids: CountingIds, retention: Retention
) -> None:
    """It learns of deletions from tombstones, so it must notice that one is missing, or publishing would fail."""
    publisher = publisher_of(database, clock, ids)
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    [before] = await publisher.publish(WORKSPACE, [draft("r-1")])
    await finish(database, "a")
    await unsubscribe(database, "b")
    await database.write(lambda tx: interventions.sweep(tx, sweeps.SweepKind.CANCEL, "b", "", now_ms=NOW_MS, limit=9))
    await database.write(lambda tx: sweeps.advance_sweep(tx, "b", after=None))
    clock.advance(31 * DAY_MS)
    await round_of(retention)
    assert ["a"] == await ids_of(database, "SELECT uid AS id FROM subscriptions")

    [after] = await publisher.publish(WORKSPACE, [draft("r-2")])

    assert (2, 1) == (before.event.matched_count, after.event.matched_count)


# --- helpers


class TickingClock(FakeClock):
    """A clock that goes back by a millisecond whenever it is asked, beside one that stands still."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock.now_ms() + 10)

    def now_ms(self) -> int:
        self.advance(-1)
        return super().now_ms()


def _execute(tx: Transaction, *, sql: Any, **params: Any) -> int:
    return tx.execute(sql, **params)


def draft(request_id: str) -> EventDraft:
    """Return an event to publish."""
    return EventDraft(
        event_type="agent.created",
        source="",
        subject="",
        attributes={},
        payload=b"{}",
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=None,
        event_id=None,
        request_id=request_id,
    )


def publisher_of(database: Database, clock: FakeClock, ids: CountingIds) -> Publisher:
    """Return a Publisher as a server has it."""
    return Publisher(
        database,
        Matchers(database, clock=clock, workspaces_max=10),
        Definitions(database),
        backlog=backlog_of(database, clock),
        clock=clock,
        ids=ids,
        on_accepted=lambda _: None,
        allow_unknown_event_types=True,
    )


async def restarted(database: Database, clock: FakeClock) -> None:
    """Run a round of a process that has looked at nothing yet."""
    await round_of(Retention(database, clock=clock, retained=RETAINED))


async def running_replay(
    database: Database, clock: FakeClock, ids: CountingIds, *, passed: Any, states: Sequence[NotificationState] = ()
) -> str:
    """Begin a replay of everything, and let it come as far as an event."""
    request = ReplayRequest(0, None, frozenset(states), include_unmatched=False, max_rate_per_second=1.0)
    replay = await Replays(database, clock=clock, ids=ids, on_created=lambda: None).create(
        WORKSPACE, "a", request, by=TESTER
    )

    def work(tx: Transaction) -> None:
        running = replays.next_running(tx, now_ms=clock.now_ms(), wait_ms_max=1_000)
        assert running is not None
        position = replays.Position(passed.create_time_ms, passed.id)
        progress = Progress(position, 2, 0, clock.now_ms(), is_last=False, now_ms=clock.now_ms())
        assert replays.advance(tx, running, progress)

    await database.write(work)
    return replay.id


async def replayed(database: Database, clock: FakeClock, ids: CountingIds, event_id: str) -> None:
    """Make a replay that has sent one event and ended."""
    request = ReplayRequest(0, None, frozenset(), include_unmatched=False, max_rate_per_second=None)
    replay = await Replays(database, clock=clock, ids=ids, on_created=lambda: None).create(
        WORKSPACE, "a", request, by=TESTER
    )

    def work(tx: Transaction) -> None:
        new = NewNotification("replayed", WORKSPACE, event_id, "agent.created", "a", "a", clock.now_ms(), replay.id)
        notifications.insert(tx, [new])
        running = replays.next_running(tx, now_ms=clock.now_ms(), wait_ms_max=1_000)
        assert running is not None
        progress = Progress(running.position, 1, 1, clock.now_ms(), is_last=True, now_ms=clock.now_ms())
        assert replays.advance(tx, running, progress)

    await database.write(work)
