"""Replays as they are stored: progress behind a fence, whose turn it is, and the past events that they look at."""

import re
from dataclasses import replace
from functools import partial
from typing import Any, Final

import pytest

from service.domain.model import NotificationState
from service.domain.names import ReplayName
from service.domain.replays import Replay, ReplayState
from service.storage import replays
from service.storage.database import Database, Transaction
from service.storage.dialect import Dialect, for_postgres, render
from service.storage.replays import Position, Progress, RunningReplay, SliceLimits
from tests.fakes import (
    NOW_MS,
    SECOND_MS,
    WORKSPACE,
    event_of,
    owe,
    subscribe,
    subscription_of,
    unsubscribe,
)
from tests.storage.test_portability import statements_of

NO_LIMITS: Final = SliceLimits(events=1_000, matches=1_000_000)

FINISH_NOTIFICATION: Final = "UPDATE notifications SET state = 'FAILED', complete_time = 1 WHERE id = :id"


def replay_of(id: str = "replay-1", uid: str = "a", **changes: Any) -> Replay:
    """Return a replay of the last ten seconds, with a field or two of its own."""
    plain = Replay(
        workspace=WORKSPACE,
        id=id,
        subscription_uid=uid,
        subscription_id=uid,
        start_time_ms=NOW_MS - 10 * SECOND_MS,
        end_time_ms=NOW_MS,
        states=frozenset(),
        include_unmatched=False,
        max_rate_per_second=None,
        state=ReplayState.RUNNING,
        examined_count=0,
        created_count=0,
        create_time_ms=NOW_MS,
        complete_time_ms=None,
    )
    return replace(plain, **changes)


def progress_to(position: Position, **changes: Any) -> Progress:
    """Return the progress of a slice of ten events of which three were sent."""
    plain = Progress(position, examined=10, created=3, next_time_ms=NOW_MS + 1, is_last=False, now_ms=NOW_MS)
    return replace(plain, **changes)


async def begin(database: Database, *new: Replay) -> None:
    """Store replays of subscriptions that are there."""
    for each in new:
        await database.write(partial(replays.insert, replay=each))


async def find_next(database: Database, now_ms: int = NOW_MS) -> RunningReplay | None:
    """Return the replay whose turn it is, if there is one. None waits longer than a minute."""
    return await database.read(lambda tx: replays.next_running(tx, now_ms=now_ms, wait_ms_max=60 * SECOND_MS))


async def next_running(database: Database, now_ms: int = NOW_MS) -> RunningReplay:
    """Return the replay whose turn it is, which must be there."""
    running = await find_next(database, now_ms)
    assert running is not None
    return running


async def advance(database: Database, running: RunningReplay, progress: Progress) -> bool:
    """Note what a slice did."""
    return await database.write(lambda tx: replays.advance(tx, running, progress))


async def find(database: Database, replay: Replay) -> Replay | None:
    """Read a replay back by its name."""
    name = ReplayName(replay.workspace, replay.subscription_id, replay.id)
    return await database.read(lambda tx: replays.find(tx, name))


@pytest.fixture(autouse=True)
async def two_subscriptions(database: Database) -> None:
    """Subscriptions a and b."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))


async def test_replay_is_read_back_as_it_was_stored(database: Database) -> None:
    """With its states, and a rate that is no whole number."""
    replay = replay_of(
        states=frozenset({NotificationState.FAILED, NotificationState.CANCELLED}),
        include_unmatched=True,
        max_rate_per_second=0.25,
    )

    await begin(database, replay)

    assert replay == await find(database, replay)
    assert RunningReplay(replay, Position(replay.start_time_ms, ""), NOW_MS) == await next_running(database)


@pytest.mark.parametrize("changed", [{"id": "replay-2"}, {"subscription_id": "b"}])
async def test_replay_is_found_by_its_whole_name_only(database: Database, changed: dict[str, str]) -> None:
    """Not under another subscription."""
    await begin(database, replay_of())

    assert None is await find(database, replay_of(**changed))


async def test_progress_adds_up(database: Database) -> None:
    """And the last slice completes the replay."""
    await begin(database, replay_of())
    await advance(database, await next_running(database), progress_to(Position(1, "x")))
    assert Position(1, "x") == (await next_running(database)).position

    await advance(database, await next_running(database), progress_to(Position(2, "y"), is_last=True))

    expected = replay_of(examined_count=20, created_count=6, state=ReplayState.SUCCEEDED, complete_time_ms=NOW_MS)
    assert expected == await find(database, replay_of())
    assert None is await find_next(database)


async def test_slice_that_was_done_already_changes_nothing(database: Database) -> None:
    """Two processes may look at the same slice; one of them has it."""
    await begin(database, replay_of())
    one = another = await next_running(database)

    assert [True, False] == [
        await advance(database, one, progress_to(Position(1, "x"))),
        await advance(database, another, progress_to(Position(1, "x"))),
    ]
    assert replay_of(examined_count=10, created_count=3) == await find(database, replay_of())


async def test_cancelled_replay_makes_no_progress(database: Database) -> None:
    """Cancelled again, it stays as it is."""
    await begin(database, replay_of())
    running = await next_running(database)
    for now_ms in (NOW_MS + 1, NOW_MS + 2):
        await database.write(partial(replays.cancel, replay_id="replay-1", now_ms=now_ms))

    assert not await advance(database, running, progress_to(Position(1, "x"), is_last=True))

    assert replay_of(state=ReplayState.CANCELLED, complete_time_ms=NOW_MS + 1) == await find(database, replay_of())


async def test_running_replays_of_one_subscription_are_counted_and_cancelled(database: Database) -> None:
    """What has ended, and what belongs to others, is left alone."""
    await begin(database, *(replay_of(f"replay-{n}", uid) for n, uid in enumerate("aab")))
    await advance(database, await next_running(database), progress_to(Position(1, "x"), is_last=True))
    before = [await database.read(partial(replays.running_count, subscription_uid=uid)) for uid in "ab"]

    await database.write(partial(replays.cancel_of_subscription, subscription_uid="a", now_ms=NOW_MS))

    after = [await database.read(partial(replays.running_count, subscription_uid=uid)) for uid in "ab"]
    listed = await database.read(lambda tx: replays.of_subscription(tx, "a", "s", limit=9))
    assert ([1, 1], [0, 1]) == (before, after)
    assert [("replay-1", ReplayState.CANCELLED), ("replay-0", ReplayState.SUCCEEDED)] == [
        (each.id, each.state) for each in listed
    ]


async def test_replays_take_turns(database: Database) -> None:
    """The one whose time came first goes first, and then stands behind the others."""
    await begin(database, *(replay_of(f"replay-{n}", create_time_ms=NOW_MS + n) for n in range(3)))

    turns = []
    for turn in range(6):
        running = await next_running(database)
        turns.append(running.replay.id)
        await advance(database, running, progress_to(Position(turn, ""), next_time_ms=NOW_MS + 10 + turn))

    assert ["replay-0", "replay-1", "replay-2"] * 2 == turns


@pytest.mark.parametrize(
    ("now_ms", "expected"),
    [
        (NOW_MS, ("replay-1", 0)),
        (NOW_MS - 60 * SECOND_MS, ("replay-1", 60 * SECOND_MS)),
        (NOW_MS - 60 * SECOND_MS - 1, ("replay-1", 0)),
        (NOW_MS + 1, ("replay-1", -1)),
        (NOW_MS - SECOND_MS, ("replay-2", 0)),
    ],
)
async def test_turn_that_is_too_far_ahead_has_come(database: Database, now_ms: int, expected: tuple[str, int]) -> None:
    """It is by a clock that was ahead; not a millisecond earlier, and before that of others."""
    await begin(database, replay_of("replay-1"))
    if expected[0] == "replay-2":
        await begin(database, replay_of("replay-2", create_time_ms=NOW_MS + 60 * SECOND_MS))

    running = await next_running(database, now_ms)

    assert expected == (running.replay.id, running.next_time_ms - now_ms)


async def test_replay_that_is_put_off_waits_unless_it_moved_on(database: Database) -> None:
    """What another process has done meanwhile counts."""
    await begin(database, replay_of())
    before = await next_running(database)

    await database.write(lambda tx: replays.put_off(tx, before, next_time_ms=NOW_MS + 9))
    put_off = await next_running(database)
    await advance(database, put_off, progress_to(Position(1, "x"), next_time_ms=NOW_MS + 10))
    await database.write(lambda tx: replays.put_off(tx, put_off, next_time_ms=NOW_MS + 20))

    assert replace(before, next_time_ms=NOW_MS + 9) == put_off
    assert NOW_MS + 10 == (await next_running(database)).next_time_ms


async def test_replays_are_listed_newest_first_from_a_position_on(database: Database) -> None:
    """Those of one subscription."""
    await begin(database, *(replay_of(f"replay-{n}") for n in range(4)), replay_of("replay-9", "b"))

    listed = await database.read(lambda tx: replays.of_subscription(tx, "a", "replay-3", limit=2))

    assert ["replay-2", "replay-1"] == [each.id for each in listed]


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_only_a_living_subscription_is_locked(database: Database, is_deleted: bool) -> None:
    """A slice asks first."""
    if is_deleted:
        await unsubscribe(database, "a")

    assert is_deleted != await database.write(lambda tx: replays.lock_living(tx, "a"))


async def past(
    database: Database, after: Position, limits: SliceLimits = NO_LIMITS, **changes: Any
) -> tuple[list[str], bool]:
    """Return the ids of the events that come next, and whether they are the last."""
    found = await database.read(lambda tx: replays.past_events(tx, replay_of(**changes), after, limits))
    return [each.id for each in found.events], found.is_end


async def test_past_events_come_by_time_and_then_by_id(database: Database) -> None:
    """From the start on, up to but without the end, also when the ids go the other way."""
    ages_s = {"z": 11, "y": 10, "b": 5, "a": 5, "x": 1, "w": 0}
    for event_id, age_s in ages_s.items():
        await owe(database, event_of(event_id, create_time_ms=NOW_MS - age_s * SECOND_MS), [])
    start = replays.beginning(replay_of())

    assert (["y", "a", "b", "x"], True) == await past(database, start)
    assert (["y", "a"], False) == await past(database, start, SliceLimits(events=2, matches=9))
    assert (["b", "x"], False) == await past(
        database, Position(NOW_MS - 5 * SECOND_MS, "a"), SliceLimits(events=2, matches=9)
    )
    assert ([], True) == await past(database, Position(NOW_MS - SECOND_MS, "x"))
    assert ([], True) == await past(database, start, end_time_ms=NOW_MS - 10 * SECOND_MS)


@pytest.mark.parametrize(
    ("matches_max", "expected"),
    [(0, ["0"]), (3, ["0"]), (6, ["0", "1"]), (8, ["0", "1"]), (9, ["0", "1", "2"])],
)
async def test_events_with_many_notifications_make_short_slices(
    database: Database, matches_max: int, expected: list[str]
) -> None:
    """For all of an event's notifications are read to find one. The first is always looked at."""
    for n in range(3):
        await owe(database, event_of(str(n), matched_count=3, create_time_ms=NOW_MS - 1), [])

    limits = SliceLimits(events=9, matches=matches_max)

    assert (expected, len(expected) == 3) == await past(database, Position(0, ""), limits)


async def test_newest_notification_of_the_subscription_counts(database: Database) -> None:
    """Not an older one, and not that of another subscription."""
    event = event_of("1", create_time_ms=NOW_MS - 1)
    first, second, _ = await owe(database, event, ["a", "a", "b"])
    await owe(database, event_of("2", create_time_ms=NOW_MS - 1), ["b"])

    async def newest() -> list[NotificationState | None]:
        found = await database.read(lambda tx: replays.past_events(tx, replay_of(), Position(0, ""), NO_LIMITS))
        return [each.newest_state for each in found.events]

    async def fail(notification_id: str) -> None:
        await database.write(lambda tx: tx.execute(FINISH_NOTIFICATION, id=notification_id))

    await fail(first)
    assert [NotificationState.PENDING, None] == await newest()
    await fail(second)
    assert [NotificationState.FAILED, None] == await newest()


BY_ID: Final = "sqlite_autoindex_replays_1"
INDEXES: Final = {
    "INSERT_REPLAY": set[str](),
    "SELECT_REPLAY": {BY_ID},
    "SELECT_OF_SUBSCRIPTION_BEFORE": {"replays_by_subscription"},
    "COUNT_RUNNING": {"replays_running_of"},
    "SELECT_NEXT_RUNNING": {"replays_running"},
    "SELECT_TOO_FAR_AHEAD": {"replays_running"},
    "ADVANCE": {BY_ID},
    "PUT_OFF": {BY_ID},
    "CANCEL": {BY_ID},
    "CANCEL_OF_SUBSCRIPTION": {"replays_running_of"},
    "LOCK_LIVING": {"sqlite_autoindex_subscriptions_1"},
    "SELECT_PAST_EVENTS": {"events_by_time"},
    "SELECT_NEWEST_STATE": {"notifications_by_event"},
}
STATEMENTS: Final = {name.rpartition(".")[2]: sql for name, sql in statements_of(replays).items()}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_of_replays_uses_its_index(database: Database, name: str) -> None:
    """None reads a history that it does not want, and none sorts."""
    sql: Any = "EXPLAIN QUERY PLAN " + render(STATEMENTS[name], Dialect.SQLITE)
    params: dict[str, Any] = dict.fromkeys(for_postgres(STATEMENTS[name]).parameters, 1)

    def explain(tx: Transaction) -> list[str]:
        return [row["detail"] for row in tx.rows(sql, **params)]

    plan = await database.read(explain)

    assert INDEXES[name] == {found for step in plan for found in re.findall(r"INDEX (\w+)", step)}
    assert [] == [step for step in plan if "TEMP B-TREE" in step or re.fullmatch(r"SCAN \w+", step)]
