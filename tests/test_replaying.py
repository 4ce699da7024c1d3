"""Replays: what they send, in what slices, how fast, and that none of it is done twice."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from service.backlog import Backlog
from service.delivery.replayer import Replayer
from service.domain.errors import InvalidField, ResourceNotFound, StateConflict
from service.domain.ids import Uuid7Ids
from service.domain.model import Event, Format, NotificationState
from service.domain.names import ReplayName
from service.domain.replays import Replay, ReplayRequest, ReplayState
from service.replaying.replays import RUNNING_MAX, Replays
from service.storage import audit, events, queue, subscriptions
from service.storage.audit import NEWEST, AuditFilter
from service.storage.database import Database
from service.storage.sqlite import SqliteDatabase
from service.turns import Turns
from tests.fakes import (
    HOUR_MS,
    NOW_MS,
    SECOND_MS,
    TESTER,
    WAIT_S,
    WORKSPACE,
    FakeClock,
    HookedDatabase,
    backlog_of,
    change,
    event_of,
    listen,
    owe,
    subscribe,
    subscription_of,
    unsubscribe,
)

SELECT_MADE: Final = "SELECT * FROM notifications WHERE replay_id IS NOT NULL ORDER BY id"
SELECT_ANNOUNCED: Final = "SELECT event_type, payload FROM announcements"
END: Final = "UPDATE notifications SET state = :state, complete_time = 1 WHERE event_id = :event_id"
FINISH_ALL: Final = "UPDATE notifications SET state = 'SUCCEEDED', complete_time = 1"
BACKLOG_MAX: Final = 5_000
EVERYTHING: Final = ReplayRequest(0, None, frozenset(), include_unmatched=False, max_rate_per_second=None)
UNMATCHED_TOO: Final = replace(EVERYTHING, include_unmatched=True)


@dataclass
class FakeCpu:
    """A CPU of which looking at the clock takes as long as is set."""

    seconds_per_look: float = 0.0
    is_broken: bool = False
    looks: int = 0
    _used_s: float = 0.0

    def __call__(self) -> float:
        if self.is_broken:
            raise ZeroDivisionError
        self.looks += 1
        self._used_s += self.seconds_per_look
        return self._used_s


@dataclass
class Replaying:
    """Replays on one database, with their clock."""

    database: Database
    clock: FakeClock
    replays: Replays
    replayer: Replayer
    cpu: FakeCpu
    backlog: Backlog
    woken: int = 0

    async def create(self, request: ReplayRequest = EVERYTHING, uid: str = "a") -> ReplayName:
        """Begin a replay."""
        replay = await self.replays.create(WORKSPACE, uid, request, by=TESTER)
        return ReplayName(WORKSPACE, uid, replay.id)

    async def finish(self, *names: ReplayName) -> list[Replay]:
        """Let time pass until every replay has ended, and return them."""
        for _ in range(1_000):
            wait_s = await self.replayer.take_turn()
            if wait_s == math.inf:
                return [await self.replays.get(name) for name in names]
            self.clock.advance(math.ceil(wait_s * 1000))
        raise AssertionError("the replays do not end")

    async def replay(self, request: ReplayRequest = EVERYTHING, uid: str = "a") -> Replay:
        """Begin a replay and let it end."""
        [ended] = await self.finish(await self.create(request, uid))
        return ended

    async def made(self) -> list[dict[str, Any]]:
        """Return the notifications that replays made, in the order in which they were made."""
        return [dict(row) for row in await self.database.read(lambda tx: tx.rows(SELECT_MADE))]

    async def sent(self) -> list[str]:
        """Return the events of these notifications."""
        return [row["event_id"] for row in await self.made()]


@pytest.fixture
def replaying_on(clock: FakeClock) -> Callable[[Database], Replaying]:
    """Makes the parts for a database, as if each were a process of its own."""
    seeds = count()

    def make(database: Database) -> Replaying:
        ids = Uuid7Ids(clock, Random(next(seeds)))
        made: Replaying

        def on_made(_: frozenset[str]) -> None:
            made.woken += 1

        cpu = FakeCpu()
        backlog = backlog_of(database, clock, workspace_notifications_max=BACKLOG_MAX)
        turns = Turns(cpu)
        replayer = Replayer(database, backlog=backlog, clock=clock, ids=ids, on_made=on_made, turns=turns)
        replays = Replays(
            database, clock=clock, ids=ids, on_created=replayer.wake, counted_events_max=1_500, turns=turns
        )
        made = Replaying(database, clock, replays, replayer, cpu, backlog)
        return made

    return make


@pytest.fixture
async def replaying(database: SqliteDatabase, replaying_on: Callable[[Database], Replaying]) -> Replaying:
    """Replays in a workspace with the subscriptions a and b."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    return replaying_on(database)


def past_event(event_id: str, *, age_s: int = 1, **changes: Any) -> Event:
    """Return an event that was accepted so long ago."""
    return event_of(event_id, create_time_ms=NOW_MS - age_s * SECOND_MS, **changes)


async def accept_many(database: Database, count: int, uids: list[str]) -> list[str]:
    """Store many events, each owed to the same subscriptions; return their ids, oldest first."""
    ids = [f"{number:05}" for number in range(count)]
    for event_id in ids:
        await owe(database, past_event(event_id), uids)
    return ids


async def accept_unmatched(database: Database, *new: Event) -> None:
    """Store events that nobody is notified of."""
    await database.write(lambda tx: events.insert(tx, new))


async def end(database: Database, event_id: str, state: str) -> None:
    """Let all notifications of an event have ended."""
    await database.write(lambda tx: tx.execute(END, event_id=event_id, state=state))


async def fates(database: Database) -> None:
    """Store an event for each state of the newest notification of a, one of b's only, and one of nobody's."""
    for age_s, (event_id, uids) in enumerate(
        [("pending", "a"), ("succeeded", "ab"), ("failed", "a"), ("cancelled", "a"), ("others", "b"), ("nobodys", "")]
    ):
        await owe(database, past_event(event_id, age_s=age_s + 1), list(uids))
    for state in ("succeeded", "failed", "cancelled"):
        await end(database, state, state.upper())


@pytest.mark.parametrize(
    ("states", "include_unmatched", "expected"),
    [
        ("", False, ["cancelled", "failed", "succeeded", "pending"]),
        ("FAILED", False, ["failed"]),
        ("FAILED CANCELLED", False, ["cancelled", "failed"]),
        ("SUCCEEDED", True, ["nobodys", "others", "succeeded"]),
        ("", True, ["nobodys", "others", "cancelled", "failed", "succeeded", "pending"]),
    ],
)
async def test_replay_sends_what_it_was_asked_for_oldest_first(
    replaying: Replaying, states: str, include_unmatched: bool, expected: list[str]
) -> None:
    """And counting it says the same."""
    await fates(replaying.database)
    request = replace(
        EVERYTHING,
        states=frozenset(map(NotificationState, states.split())),
        include_unmatched=include_unmatched,
    )

    counted = await replaying.replays.count(WORKSPACE, "a", request)
    assert [] == await replaying.made()
    ended = await replaying.replay(request)

    assert expected == await replaying.sent()
    assert (ReplayState.SUCCEEDED, 6, len(expected)) == (ended.state, ended.examined_count, ended.created_count)
    assert (6, len(expected)) == (counted.examined_count, counted.created_count)
    assert {("a", ended.id, "READY")} == {
        (row["subscription_uid"], row["replay_id"], row["state"]) for row in await replaying.made()
    }
    assert 1 == replaying.woken


async def test_replay_sends_events_of_its_time_range_only(replaying: Replaying) -> None:
    """From its start on, up to but without its end."""
    for age_s in range(5):
        await owe(replaying.database, past_event(str(age_s), age_s=age_s), ["a"])

    await replaying.replay(replace(EVERYTHING, start_time_ms=NOW_MS - 3 * SECOND_MS, end_time_ms=NOW_MS - SECOND_MS))

    assert ["3", "2"] == await replaying.sent()


async def test_event_is_sent_once_per_replay(replaying: Replaying) -> None:
    """A second replay finds the notification that the first one made, in its state."""
    await owe(replaying.database, past_event("00001"), ["a"])
    await end(replaying.database, "00001", "FAILED")
    failed = replace(EVERYTHING, states=frozenset({NotificationState.FAILED}))

    counts = [(await replaying.replay(failed)).created_count for _ in range(2)]
    await end(replaying.database, "00001", "FAILED")
    counts += [(await replaying.replay(failed)).created_count]

    assert [1, 0, 1] == counts


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["1", "2", "3"]),
        ({"enabled": False}, ["1", "2", "3"]),
        ({"event_types": ("agent.*",)}, ["1", "2"]),
        ({"attribute_filters": {"team": "x"}}, ["2"]),
        ({"filter": "event.data.n > 1"}, ["2", "3"]),
        ({"filter": "event.data.n > 1", "enabled": False}, ["2", "3"]),
        ({"filter": "event.data.n > 1", "attribute_filters": {"team": "x"}}, ["2"]),
        ({"filter": "event.data.nothing > 1"}, []),
        ({"filter": "true", "filter_is_shut": True}, []),
    ],
)
async def test_unmatched_events_are_sent_if_the_subscription_wants_them_now(
    replaying: Replaying, changes: dict[str, Any], expected: list[str]
) -> None:
    """By its patterns, its attribute filters and its filter; that it is disabled makes no difference."""
    await accept_unmatched(
        replaying.database,
        past_event("1", age_s=3, payload=b'{"n": 1}'),
        past_event("2", age_s=2, payload=b'{"n": 2}', attributes={"team": "x"}),
        past_event("3", age_s=1, payload=b'{"n": 3}', event_type="channel.created"),
    )
    await change(replaying.database, subscription_of("a", **changes))

    await replaying.replay(UNMATCHED_TOO)

    assert expected == await replaying.sent()


async def test_event_that_the_format_cannot_carry_fails_at_once(replaying: Replaying) -> None:
    """Whether the subscription was notified of it before or not; that it failed is announced."""
    code = {"category": 1, "code": 2}
    await owe(replaying.database, past_event("fits", age_s=4, **code), ["a"])
    await owe(replaying.database, past_event("does-not", age_s=3), ["a"])
    await accept_unmatched(
        replaying.database,
        past_event("fits-too", age_s=2, **code),
        past_event("is-no-object", age_s=1, payload=b"[]", **code),
    )
    await change(replaying.database, subscription_of("a", format=Format.EVENT_CODE))
    await listen(replaying.database)

    await replaying.replay(UNMATCHED_TOO)

    assert [
        ("fits", "READY", None),
        ("does-not", "FAILED", "FORMAT_NOT_APPLICABLE"),
        ("fits-too", "READY", None),
        ("is-no-object", "FAILED", "FORMAT_NOT_APPLICABLE"),
    ] == [(row["event_id"], row["state"], row["failure_reason"]) for row in await replaying.made()]
    announced = await replaying.database.read(lambda tx: tx.rows(SELECT_ANNOUNCED))
    assert ["tidings.notification.failed"] * 2 == [row["event_type"] for row in announced]


async def test_filter_that_is_too_slow_is_shut_and_matches_nothing_more(replaying: Replaying) -> None:
    """It is asked of one event, twice. Counting shuts nothing."""
    await accept_unmatched(replaying.database, *(past_event(f"{n:05}") for n in range(200)))
    await change(replaying.database, subscription_of("a", filter="event.id != ''"))
    replaying.cpu.seconds_per_look = 0.03

    async def is_shut() -> bool:
        found = await replaying.database.read(lambda tx: subscriptions.find_by_uid(tx, ["a"]))
        return found["a"].filter_is_shut

    counted = await replaying.replays.count(WORKSPACE, "a", UNMATCHED_TOO)
    assert (False, 200, 0) == (await is_shut(), counted.examined_count, counted.created_count)
    looks_for_the_count = replaying.cpu.looks
    ended = await replaying.replay(UNMATCHED_TOO)

    assert 2 * looks_for_the_count == replaying.cpu.looks < 40
    assert (True, 200, 0) == (await is_shut(), ended.examined_count, ended.created_count)
    logged = await replaying.database.read(lambda tx: audit.before(tx, NEWEST, only=AuditFilter(), limit=9))
    assert ["ShutFilter", "CreateReplay"] == [each.entry.action for each in logged]


@pytest.mark.parametrize(("payload_size", "reads"), [(1, 3), (1024 * 1024, 30), (3 * 1024 * 1024, 120)])
async def test_few_payloads_are_held_at_once(
    replaying: Replaying, replaying_on: Callable[[Database], Replaying], payload_size: int, reads: int
) -> None:
    """At most 50 events and 4 MiB, whatever the slice has; without a filter none are read."""
    await accept_unmatched(replaying.database, *(past_event(f"{n:05}", payload_size=payload_size) for n in range(120)))
    hooked = HookedDatabase(replaying.database)
    counting = replaying_on(hooked).replays

    await counting.count(WORKSPACE, "a", UNMATCHED_TOO)
    reads_of_the_slice, hooked.reads = hooked.reads, 0
    await change(replaying.database, subscription_of("a", filter="event.id != ''"))
    counted = await counting.count(WORKSPACE, "a", UNMATCHED_TOO)

    assert (120, reads) == (counted.created_count, hooked.reads - reads_of_the_slice)


async def test_slices_are_of_500_events_each_one_transaction(
    replaying: Replaying, replaying_on: Callable[[Database], Replaying]
) -> None:
    """Also where nothing is sent. The last one says that it is the last."""
    ids = await accept_many(replaying.database, 1_001, ["a"])
    hooked = HookedDatabase(replaying.database)
    counted = replaying_on(hooked)
    name = await counted.create()
    hooked.writes = 0

    progress = []
    while await counted.replayer.take_turn() == 0:
        progress.append((await counted.replays.get(name)).created_count)

    assert ([500, 1_000, 1_001], 3) == (progress, hooked.writes)
    assert ids == await counted.sent()


async def test_rate_is_kept(replaying: Replaying) -> None:
    """Three per second come three at once, and then none for a second."""
    await accept_many(replaying.database, 8, ["a"])

    await replaying.replay(replace(EVERYTHING, max_rate_per_second=3))

    times = [row["create_time"] - NOW_MS for row in await replaying.made()]
    assert [0, 0, 0, 1_000, 1_000, 1_000, 2_000, 2_000] == times


async def test_low_rate_does_not_slow_down_what_is_not_sent(replaying: Replaying) -> None:
    """One notification in 100 s, and the events that it passes over at once; the end needs no other 100 s."""
    await accept_many(replaying.database, 3, ["b"])
    await owe(replaying.database, past_event("9", age_s=0), ["a"])
    await owe(replaying.database, past_event("8"), ["a"])

    replaying.clock.advance(1)
    ended = await replaying.replay(replace(EVERYTHING, max_rate_per_second=0.01))

    assert [0, 100_000] == [row["create_time"] - NOW_MS - 1 for row in await replaying.made()]
    assert NOW_MS + 1 + 100_000 == ended.complete_time_ms


async def test_slice_that_crashes_is_logged_and_tried_again_after_a_minute_and_the_others_go_on(
    replaying: Replaying,
) -> None:
    """A bug that one event triggers, here: whoever evaluates a filter meets it. Nothing is made of that slice."""
    await accept_unmatched(replaying.database, past_event("1"))
    await change(replaying.database, subscription_of("a", filter="event.id != ''"))
    replaying.cpu.is_broken = True
    bad, good = await replaying.create(UNMATCHED_TOO), await replaying.create(UNMATCHED_TOO, uid="b")

    with capture_logs() as logs:
        waits = [await replaying.replayer.take_turn() for _ in range(3)]
        between = [(await replaying.replays.get(name)).state for name in (bad, good)]
        replaying.clock.advance(60 * SECOND_MS - 1)
        waits.append(await replaying.replayer.take_turn())
        replaying.clock.advance(1)
        waits += [await replaying.replayer.take_turn() for _ in range(2)]
    replaying.cpu.is_broken = False
    [ended] = await replaying.finish(bad)

    assert [0, 0, 60, 0.001, 0, 60] == waits
    assert [ReplayState.RUNNING, ReplayState.SUCCEEDED] == between
    assert [("replay.crashed", "error", bad.name, True)] * 2 == [
        (each["event"], each["log_level"], each["replay"], each["exc_info"]) for each in logs
    ]
    assert (ReplayState.SUCCEEDED, 1) == (ended.state, ended.created_count)
    assert {"a", "b"} == {row["subscription_uid"] for row in await replaying.made()}


async def test_clock_that_was_ahead_does_not_stall_a_replay_and_the_rate_is_kept_from_then_on(
    replaying: Replaying,
) -> None:
    """By the clock as it is now, although ids keep the time of before; and though others have turns all the time."""
    await accept_many(replaying.database, 8, ["a", "b"])
    replaying.clock.advance(HOUR_MS)
    name = await replaying.create(replace(EVERYTHING, max_rate_per_second=2))
    await replaying.replayer.take_turn()
    replaying.clock.advance(-HOUR_MS)
    other = await replaying.create(replace(EVERYTHING, max_rate_per_second=0.1), uid="b")

    waits, progress = [], []
    for _ in range(5):
        waits.append(await replaying.replayer.take_turn())
        replaying.clock.advance(math.ceil(waits[-1] * 1000))
        progress.append([(await replaying.replays.get(each)).created_count for each in (name, other)])

    assert [0, 0, 1, 0, 1] == waits
    assert [[4, 0], [4, 1], [4, 1], [6, 1], [6, 1]] == progress


async def test_interrupted_replay_goes_on_where_it_stood(
    replaying: Replaying, replaying_on: Callable[[Database], Replaying]
) -> None:
    """With its rate: another process waits as long as the first one would have."""
    ids = await accept_many(replaying.database, 4, ["a"])
    name = await replaying.create(replace(EVERYTHING, max_rate_per_second=2))
    await replaying.replayer.take_turn()

    another = replaying_on(replaying.database)
    assert 1.0 == await another.replayer.take_turn()
    [ended] = await another.finish(name)

    assert (ids, ReplayState.SUCCEEDED, 4) == (await replaying.sent(), ended.state, ended.created_count)


async def test_two_processes_do_a_slice_once(
    replaying: Replaying, replaying_on: Callable[[Database], Replaying]
) -> None:
    """The one that comes second finds that the replay has moved on."""
    ids = await accept_many(replaying.database, 501, ["a"])
    hooked = HookedDatabase(replaying.database)
    slower = replaying_on(hooked)
    name = await replaying.create()

    async def overtake() -> None:
        hooked.before_write = None
        await replaying.replayer.take_turn()

    hooked.before_write = overtake
    await slower.replayer.take_turn()
    between = await replaying.replays.get(name)
    [ended] = await slower.finish(name)

    assert ((500, 500), 0) == ((between.examined_count, between.created_count), slower.woken - 1)
    assert (ids, 501) == (sorted(await replaying.sent()), ended.created_count)


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_replay_that_is_cancelled_during_a_slice_makes_nothing_more(
    replaying: Replaying, replaying_on: Callable[[Database], Replaying], is_deleted: bool
) -> None:
    """By a caller, or because its subscription is deleted; what it made stays."""
    await accept_many(replaying.database, 501, ["a"])
    hooked = HookedDatabase(replaying.database)
    other = replaying_on(hooked)
    name = await other.create()
    await other.replayer.take_turn()

    async def stop() -> None:
        hooked.before_write = None
        if is_deleted:
            await unsubscribe(replaying.database, "a")
        else:
            await replaying.replays.cancel(name, by=TESTER)

    hooked.before_write = stop
    await other.replayer.take_turn()

    ended = await replaying.replays.get(name)
    assert math.inf == await other.replayer.take_turn()
    assert (ReplayState.CANCELLED, 500, NOW_MS) == (ended.state, ended.created_count, ended.complete_time_ms)
    assert 500 == len(await replaying.made())


async def test_replay_of_a_deleted_subscription_is_cancelled(replaying: Replaying) -> None:
    """At its next turn."""
    await accept_many(replaying.database, 1, ["a"])
    name = await replaying.create()
    await unsubscribe(replaying.database, "a")

    [ended] = await replaying.finish(name)

    assert (ReplayState.CANCELLED, []) == (ended.state, await replaying.made())


async def test_long_replay_does_not_hold_up_a_short_one(replaying: Replaying) -> None:
    """They take turns."""
    await accept_many(replaying.database, 1_600, ["a"])
    await owe(replaying.database, past_event("99999"), ["b"])
    long = await replaying.create()
    replaying.clock.advance(1)
    short = await replaying.create(replace(EVERYTHING, start_time_ms=NOW_MS - SECOND_MS), uid="b")

    for _ in range(6):
        replaying.clock.advance(5)
        await replaying.replayer.take_turn()

    progress = [(await replaying.replays.get(name)).examined_count for name in (long, short)]
    assert [1_500, 1_500] == progress


async def test_replayed_notifications_of_a_disabled_subscription_are_held_like_others(replaying: Replaying) -> None:
    """They are in its lane, where the dispatcher meets them."""
    await owe(replaying.database, past_event("1"), ["a"])
    await end(replaying.database, "1", "FAILED")
    await change(replaying.database, subscription_of("a", enabled=False))

    await replaying.replay()

    held = await replaying.database.write(lambda tx: queue.hold(tx, "a", hold_end_ms=NOW_MS + 1, limit=9))
    assert 1 == held


# --- create, count, read, cancel


async def test_only_so_many_replays_of_a_subscription_run_at_once(replaying: Replaying) -> None:
    """Of each; one that has ended makes room."""
    names = [await replaying.create() for _ in range(RUNNING_MAX)]
    with pytest.raises(StateConflict, match=r"^10 replays of .* are RUNNING"):
        await replaying.create()

    await replaying.create(uid="b")
    await replaying.replays.cancel(names[3], by=TESTER)
    await replaying.create()


async def test_more_events_than_may_be_counted_are_refused(replaying: Replaying) -> None:
    """Exactly as many are counted."""
    await accept_many(replaying.database, 1_500, [])
    assert 1_500 == (await replaying.replays.count(WORKSPACE, "a", EVERYTHING)).examined_count
    await owe(replaying.database, past_event("99999"), [])
    await owe(replaying.database, past_event("99998"), [])

    with pytest.raises(InvalidField, match=r"^replay.end_time: must be such that at most 1500 events are counted"):
        await replaying.replays.count(WORKSPACE, "a", EVERYTHING)


async def test_what_is_not_there_is_not_found(replaying: Replaying) -> None:
    """Neither a subscription nor a replay; nothing is cancelled by the way."""
    name = await replaying.create()
    other = replace(name, subscription_id="b")
    for attempt in (
        replaying.replays.create(WORKSPACE, "c", EVERYTHING, by=TESTER),
        replaying.replays.count(WORKSPACE, "c", EVERYTHING),
        replaying.replays.page(WORKSPACE, "c", before=None, page_size=1),
        replaying.replays.get(other),
        replaying.replays.cancel(other, by=TESTER),
    ):
        with pytest.raises(ResourceNotFound):
            await attempt

    assert ReplayState.RUNNING == (await replaying.replays.get(name)).state


async def test_cancelled_stays_cancelled_and_succeeded_cannot_be_cancelled(replaying: Replaying) -> None:
    """The first cancellation counts."""
    succeeded = await replaying.create()
    await replaying.finish()
    cancelled = await replaying.create()
    first = await replaying.replays.cancel(cancelled, by=TESTER)
    replaying.clock.advance(1)

    assert first == await replaying.replays.cancel(cancelled, by=TESTER)
    assert (ReplayState.CANCELLED, NOW_MS) == (first.state, first.complete_time_ms)
    with pytest.raises(StateConflict, match=r"is SUCCEEDED"):
        await replaying.replays.cancel(succeeded, by=TESTER)


async def test_new_subscription_of_the_same_id_has_no_replays(replaying: Replaying) -> None:
    """Those of the old one are found by name."""
    name = await replaying.create()
    await unsubscribe(replaying.database, "a")
    await subscribe(replaying.database, subscription_of("a-2", id="a"))

    page = await replaying.replays.page(WORKSPACE, "a", before=None, page_size=9)

    assert ([], "a") == (page.items, (await replaying.replays.get(name)).subscription_uid)


# --- the loop


async def test_running_replayer_is_woken_by_a_new_replay(
    database: SqliteDatabase, clock: FakeClock, replaying_on: Callable[[Database], Replaying]
) -> None:
    """And goes on when the database answers again."""
    await subscribe(database, subscription_of("a"))
    await owe(database, past_event("1"), ["a"])
    hooked = HookedDatabase(database)
    replaying = replaying_on(hooked)
    finished = asyncio.Event()
    running = asyncio.create_task(replaying.replayer.run())

    async def after_write() -> None:
        if await replaying.sent():
            finished.set()

    async def before_write() -> None:
        if hooked.writes == 2:
            # The slice: refused once.
            hooked.refused_writes = 1
            replaying.replayer.wake()

    hooked.before_write, hooked.after_write = before_write, after_write
    await replaying.create()
    async with asyncio.timeout(WAIT_S):
        await finished.wait()
    running.cancel()
    await asyncio.wait([running])

    assert (["1"], True) == (await replaying.sent(), hooked.writes > 2)


async def test_replay_waits_while_the_backlog_is_full(replaying: Replaying) -> None:
    """It neither fails nor makes more, and goes on by itself; meanwhile the next one has its turn at once."""
    await accept_many(replaying.database, 3, ["a"])
    name = await replaying.create()
    with replaying.backlog.adding(WORKSPACE, BACKLOG_MAX):
        for _ in range(3):
            assert 0 == await replaying.replayer.take_turn()
            assert 5 == await replaying.replayer.take_turn()
            replaying.clock.advance(5 * SECOND_MS)
        assert [] == await replaying.made()
        assert ReplayState.RUNNING == (await replaying.replays.get(name)).state
    await replaying.backlog.count()

    [ended] = await replaying.finish(name)

    assert (ReplayState.SUCCEEDED, 3, 3) == (ended.state, ended.created_count, len(await replaying.made()))


async def test_what_a_replay_makes_counts_at_once(replaying: Replaying) -> None:
    """So it stops within a slice of the limit, and not a second later."""
    await accept_many(replaying.database, 1_200, ["a"])
    await replaying.database.write(lambda tx: tx.execute(FINISH_ALL))
    with replaying.backlog.adding(WORKSPACE, BACKLOG_MAX - 600):
        await replaying.create()
        for _ in range(5):
            await replaying.replayer.take_turn()

        assert 1_000 == len(await replaying.made())
        assert BACKLOG_MAX + 400 == replaying.backlog.pending(WORKSPACE)
