"""How a notification moves: lanes, claims and their fence, leases, holds, sweeps."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Final

import pytest

from service.domain.model import Attempt, AttemptOutcome, FailureReason
from service.storage import attempts, events, interventions, queue, subscriptions, sweeps
from service.storage.database import Database, Transaction
from service.storage.dialect import Dialect, for_postgres, render
from service.storage.queue import Claimed, Demand, Ended, Finished, Postponed
from service.storage.sweeps import SweepKind
from tests.fakes import (
    LEASE_MS,
    NOW_MS,
    claim_lane,
    event_of,
    outcomes,
    owe,
    promote_due,
    states,
    stored,
    subscribe,
    subscription_of,
)
from tests.storage.test_portability import statements_of

ME: Final = "me"
OTHER: Final = "other"


async def claim(
    database: Database, uid: str, *, limit: int = 100, owner: str = ME, now_ms: int = NOW_MS
) -> list[Claimed]:
    """Claim from one lane."""
    return await claim_lane(database, uid, limit=limit, owner=owner, now_ms=now_ms)


async def succeed(database: Database, claimed: Claimed) -> bool:
    """End a claim as succeeded, and record its attempt; say whether the claim was still held."""

    def work(tx: Transaction) -> bool:
        end = Finished(claimed.notification_id, claimed.claim, succeeded=True, attempted=True)
        [ended] = queue.end_claims(tx, [end], now_ms=NOW_MS)
        assert ended.attempt_number is not None
        attempt = Attempt(ended.attempt_number, AttemptOutcome.SUCCEEDED, NOW_MS, 1)
        attempts.insert(tx, [(claimed.notification_id, attempt)])
        return ended.was_current

    return await database.write(work)


async def abandoned_ids(database: Database, owner: str, due_until_ms: int) -> list[str]:
    """Return what an owner may take over."""
    left = await database.read(lambda tx: queue.abandoned(tx, owner=owner, due_until_ms=due_until_ms, limit=100))
    return [each.notification_id for each in left]


async def next_due_ms(database: Database, owner: str = ME) -> int | None:
    """Return when the next one is due, for an owner."""
    return await database.read(lambda tx: queue.next_due_ms(tx, owner=owner))


async def postpone(database: Database, claimed: Claimed, due_at_ms: int, **more: Any) -> list[bool]:
    """End a claim with a later attempt."""
    later = Postponed(claimed.notification_id, claimed.claim, due_at_ms, schedule_step=1, **more)
    ended = await database.write(lambda tx: queue.end_claims(tx, [later], now_ms=NOW_MS))
    return [each.was_current for each in ended]


async def hold(database: Database, uid: str, hold_end_ms: int, *, limit: int = 100) -> int:
    """Hold what is ready in a lane."""
    return await database.write(lambda tx: queue.hold(tx, uid, hold_end_ms=hold_end_ms, limit=limit))


@pytest.fixture
async def three_lanes(database: Database) -> list[str]:
    """Subscriptions a, b and c are owed one event, twice each."""
    await subscribe(database, *map(subscription_of, "cab"))
    return await owe(database, event_of(), ["b", "a", "c", "c", "a", "b"])


# --- lanes and claims


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [("", 9, ["a", "b", "c"]), ("", 2, ["a", "b"]), ("a", 9, ["b", "c"]), ("aa", 1, ["b"]), ("c", 9, [])],
)
@pytest.mark.usefixtures("three_lanes")
async def test_lanes_come_in_order_each_once_after_a_cursor(
    database: Database, after: str, limit: int, expected: list[str]
) -> None:
    """However much stands in them."""
    found = await database.read(lambda tx: queue.lanes_after(tx, after, now_ms=NOW_MS, limit=limit))
    assert [(uid, False) for uid in expected] == found


async def test_there_are_no_lanes_where_nothing_is_ready(database: Database, three_lanes: list[str]) -> None:
    """What is under way is not in a lane."""
    for uid in "abc":
        await claim(database, uid)

    assert [] == await database.read(lambda tx: queue.lanes_after(tx, "", now_ms=NOW_MS, limit=9))
    assert ["WAITING"] * 6 == await states(database, three_lanes)


async def test_claim_takes_what_has_been_due_longest_up_to_its_limit(database: Database) -> None:
    """Not what has the smallest id."""
    await subscribe(database, subscription_of("a"))
    late = await owe(database, event_of("1", create_time_ms=NOW_MS), ["a", "a"])
    early = await owe(database, event_of("2", create_time_ms=NOW_MS - 5), ["a", "a"])

    first = await claim(database, "a", limit=3)
    rest = await claim(database, "a", limit=3)

    assert [*late[:1], *early] == sorted(each.notification_id for each in first)
    assert late[1:] == [each.notification_id for each in rest]


async def test_what_is_ready_comes_lane_by_lane(database: Database, three_lanes: list[str]) -> None:
    """One list per lane asked for, an empty one too."""
    demands = [Demand("c", 1), Demand("unknown", 5), Demand("a", 5)]

    ready = await database.read(lambda tx: queue.ready(tx, demands, tier=0))

    assert [["c"], [], ["a", "a"]] == [[each.subscription_uid for each in lane] for lane in ready]
    assert ["READY"] * 6 == await states(database, three_lanes)


@pytest.mark.usefixtures("three_lanes")
async def test_claim_leases_and_is_numbered(database: Database) -> None:
    """The number goes up with every claim, and the lease says whose it is and until when."""
    [one] = await claim(database, "a", limit=1)
    row = await stored(database, one.notification_id)

    assert 1 == one.claim
    assert (ME, NOW_MS + LEASE_MS, NOW_MS) == (row["lease_owner"], row["due_at"], row["claim_time"])


@pytest.mark.usefixtures("three_lanes")
async def test_claim_numbers_only_grow(database: Database) -> None:
    """Through retries, releases, takings-over and a cancel."""
    numbers = []
    [one] = await claim(database, "a", limit=1)
    numbers.append(one.claim)
    assert [True] == await postpone(database, one, NOW_MS)
    claimed = {each.notification_id: each for each in await claim(database, "a")}
    numbers.append(claimed[one.notification_id].claim)
    await database.write(lambda tx: queue.release_leases(tx, list(claimed.values()), now_ms=NOW_MS))
    numbers.append((await stored(database, one.notification_id))["claim"])
    await claim(database, "a", owner=OTHER)
    numbers.append((await stored(database, one.notification_id))["claim"])
    await database.write(lambda tx: interventions.sweep(tx, SweepKind.CANCEL, "a", "", now_ms=NOW_MS, limit=9))
    numbers.append((await stored(database, one.notification_id))["claim"])

    assert sorted(set(numbers)) == numbers


@pytest.mark.usefixtures("three_lanes")
async def test_stale_outcome_is_recorded_and_changes_no_state(database: Database) -> None:
    """Recording is fenced by the claim number, so a slow worker loses."""
    [stale] = await claim(database, "a", limit=1)
    await database.write(lambda tx: queue.release_leases(tx, [stale], now_ms=NOW_MS - 1))
    [fresh] = await claim(database, "a", limit=1, owner=OTHER)
    before = await stored(database, fresh.notification_id)

    held = await succeed(database, stale)

    assert (stale.notification_id, False) == (fresh.notification_id, held)
    assert {**before, "attempt_count": 1} == await stored(database, fresh.notification_id)
    assert [(1, "SUCCEEDED")] == await outcomes(database, fresh.notification_id)
    assert await succeed(database, fresh)


@pytest.mark.usefixtures("three_lanes")
async def test_ended_claim_cannot_be_ended_again(database: Database) -> None:
    """The number is the same, but nobody holds it."""
    [one] = await claim(database, "a", limit=1)
    assert await succeed(database, one)

    assert [False] == await postpone(database, one, NOW_MS + 5)
    assert not await succeed(database, one)
    assert ["SUCCEEDED"] == await states(database, [one.notification_id])


@pytest.mark.usefixtures("three_lanes")
async def test_claims_that_end_together_are_each_fenced_by_their_own_number(database: Database) -> None:
    """The number of another one in the same statement is as stale as any."""
    one, other = await claim(database, "a")
    await database.write(lambda tx: queue.release_leases(tx, [one], now_ms=NOW_MS))
    [again] = await claim(database, "a")

    def end(tx: Transaction, *numbers: int) -> list[Ended]:
        ids = (one.notification_id, other.notification_id)
        ends = [Finished(*each, succeeded=True) for each in zip(ids, numbers, strict=True)]
        return queue.end_claims(tx, ends, now_ms=NOW_MS)

    assert [Ended(False, None)] * 2 == await database.write(lambda tx: end(tx, other.claim, again.claim))
    assert [Ended(True, None)] * 2 == await database.write(lambda tx: end(tx, again.claim, other.claim))


@pytest.mark.usefixtures("three_lanes")
async def test_failed_notification_keeps_its_reason(database: Database) -> None:
    """An end state has a time and a reason, and nothing brings it back into a lane."""
    [one] = await claim(database, "a", limit=1)
    end = Finished(one.notification_id, one.claim, succeeded=False, failure_reason=FailureReason.GONE)

    assert [Ended(True, None)] == await database.write(lambda tx: queue.end_claims(tx, [end], now_ms=NOW_MS + 7))

    row = await stored(database, one.notification_id)
    assert ("FAILED", "GONE", NOW_MS + 7) == (row["state"], row["failure_reason"], row["complete_time"])
    assert one.notification_id not in [each.notification_id for each in await claim(database, "a")]


# --- time


@pytest.mark.usefixtures("three_lanes")
async def test_claimed_notification_becomes_due_again_when_its_lease_ends(database: Database) -> None:
    """For another process, and not a millisecond before."""
    [one] = await claim(database, "a", limit=1)

    assert [] == await abandoned_ids(database, OTHER, NOW_MS + LEASE_MS - 1)
    assert [one.notification_id] == await abandoned_ids(database, OTHER, NOW_MS + LEASE_MS)


async def test_process_never_takes_over_its_own_claims(database: Database, three_lanes: list[str]) -> None:
    """Nor does time alone make them ready, whatever the clock says."""
    await claim(database, "a")
    await claim(database, "b")
    await claim(database, "c")
    much_later_ms = NOW_MS + 1_000 * LEASE_MS

    assert [] == await abandoned_ids(database, ME, much_later_ms)
    assert 0 == await promote_due(database, now_ms=much_later_ms, limit=9)
    assert three_lanes == sorted(await abandoned_ids(database, OTHER, much_later_ms))


@pytest.mark.usefixtures("three_lanes")
async def test_retry_is_promoted_when_its_time_has_come(database: Database) -> None:
    """Not a millisecond before, and the one that is due first goes first."""
    one, two = await claim(database, "a")
    await postpone(database, one, NOW_MS + 20)
    await postpone(database, two, NOW_MS + 10)
    both = [one.notification_id, two.notification_id]

    assert 0 == await promote_due(database, now_ms=NOW_MS + 9, limit=9)
    assert 1 == await promote_due(database, now_ms=NOW_MS + 20, limit=1)
    assert ["WAITING", "READY"] == await states(database, both)
    assert 1 == await promote_due(database, now_ms=NOW_MS + 20, limit=9)
    assert ["READY", "READY"] == await states(database, both)


@pytest.mark.usefixtures("three_lanes")
async def test_next_due_leaves_own_leases_out(database: Database) -> None:
    """They end when this process records their outcome; other leases, retries and holds end by time."""
    assert await next_due_ms(database) is None
    one, _ = await claim(database, "a")
    assert await next_due_ms(database) is None
    assert NOW_MS + LEASE_MS == await next_due_ms(database, OTHER)

    await postpone(database, one, NOW_MS + 2 * LEASE_MS)
    assert NOW_MS + 2 * LEASE_MS == await next_due_ms(database)
    await claim(database, "b", owner=OTHER, now_ms=NOW_MS + 5)
    assert NOW_MS + LEASE_MS + 5 == await next_due_ms(database)
    await hold(database, "c", NOW_MS + 30)
    assert NOW_MS + 30 == await next_due_ms(database)


@pytest.mark.usefixtures("three_lanes")
async def test_released_lease_burns_no_attempt(database: Database) -> None:
    """It is ready at once, its schedule stands where it stood, and the late outcome of the claim is stale."""
    [one] = await claim(database, "a", limit=1)

    await database.write(lambda tx: queue.release_leases(tx, [one], now_ms=NOW_MS + 3))

    row = await stored(database, one.notification_id)
    assert ("READY", None, 0, 0, 0) == tuple(
        row[key] for key in ("state", "lease_owner", "attempt_count", "schedule_step", "interruptions")
    )
    assert not await succeed(database, one)


@pytest.mark.usefixtures("three_lanes")
async def test_release_of_a_claim_that_is_no_longer_held_changes_nothing(database: Database) -> None:
    """A process that drains too late must not take a claim from the next one."""
    [one] = await claim(database, "a", limit=1)
    await succeed(database, one)
    before = await stored(database, one.notification_id)

    await database.write(lambda tx: queue.release_leases(tx, [one], now_ms=NOW_MS + 3))

    assert before == await stored(database, one.notification_id)


# --- holds and sweeps


async def test_hold_parks_the_ready_ones_of_one_lane_in_slices(database: Database, three_lanes: list[str]) -> None:
    """What is under way and the other lanes stay as they are; when the hold ends they are ready again."""
    await claim(database, "a", limit=1)

    held = [await hold(database, uid, NOW_MS + 30, limit=1) for uid in ("a", "c", "c", "c")]

    assert [1, 1, 1, 0] == held
    assert [("b", False)] == await database.read(lambda tx: queue.lanes_after(tx, "", now_ms=NOW_MS, limit=9))
    assert 3 == await promote_due(database, now_ms=NOW_MS + 30, limit=9)
    assert [0] * 6 == [(await stored(database, each))["held"] for each in three_lanes]


async def sweep_all(database: Database, kind: SweepKind, uid: str, *, limit: int) -> list[str | None]:
    """Sweep slice by slice to the end; return where each slice came to."""
    reached: list[str | None] = [""]
    while (after := reached[-1]) is not None:
        last = await database.write(lambda tx: interventions.sweep(tx, kind, uid, after, now_ms=NOW_MS, limit=limit))
        reached.append(last)
    return reached[1:]


async def test_sweep_releases_held_ones_and_nothing_else(database: Database) -> None:
    """A retry that waits for its time, and what is under way, are not held."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    waiting, under_way, *held = await owe(database, event_of(), ["a"] * 5)
    other = await owe(database, event_of("other"), ["b"])
    claimed = {each.notification_id: each for each in await claim(database, "a", limit=2)}
    await postpone(database, claimed[waiting], NOW_MS + 50)
    for uid in ("a", "b"):
        await hold(database, uid, NOW_MS + LEASE_MS)

    await sweep_all(database, SweepKind.RELEASE, "a", limit=2)

    assert ["WAITING", "WAITING", "READY", "READY", "READY"] == await states(database, [waiting, under_way, *held])
    assert ["WAITING"] == await states(database, other)
    assert [0] * 3 == [(await stored(database, each))["held"] for each in held]


async def test_sweep_cancels_all_that_is_pending_in_slices(database: Database, three_lanes: list[str]) -> None:
    """Ready, waiting, held or under way; what is finished stays finished, and other lanes stay."""
    more = await owe(database, event_of("more"), ["a"] * 5)
    [done, *_] = await claim(database, "a", limit=3)
    await succeed(database, done)
    mine = [each for each in (*three_lanes, *more) if each.endswith("-a")]

    reached = await sweep_all(database, SweepKind.CANCEL, "a", limit=2)

    expected = ["SUCCEEDED" if each == done.notification_id else "CANCELLED" for each in mine]
    assert expected == await states(database, mine)
    assert [True, True, True, False] == [each is not None for each in reached]
    assert ["READY"] * 4 == await states(database, [each for each in three_lanes if not each.endswith("-a")])


@pytest.mark.usefixtures("three_lanes")
async def test_attempt_under_way_when_its_notification_is_cancelled_is_recorded(database: Database) -> None:
    """The request was made, so it stands in the history; the state stays CANCELLED."""
    [one] = await claim(database, "a", limit=1)
    await sweep_all(database, SweepKind.CANCEL, "a", limit=9)

    held = await succeed(database, one)

    row = await stored(database, one.notification_id)
    assert (False, "CANCELLED", 1, None) == (held, row["state"], row["attempt_count"], row["lease_owner"])
    assert [(1, "SUCCEEDED")] == await outcomes(database, one.notification_id)


async def cancel(database: Database, claimed: Claimed) -> None:
    """Cancel what is claimed."""
    await database.write(lambda tx: interventions.cancel(tx, [claimed.notification_id], now_ms=NOW_MS))


@pytest.mark.usefixtures("three_lanes")
async def test_cancelled_notification_keeps_its_lease_until_its_claim_ends(database: Database) -> None:
    """For another process it is abandoned when the lease ends, and due then; without an attempt too it comes free."""
    [one] = await claim(database, "a", limit=1)
    before = await stored(database, one.notification_id)

    for _ in range(2):
        await cancel(database, one)

    row = await stored(database, one.notification_id)
    assert {**before, "state": "CANCELLED", "complete_time": NOW_MS, "claim": one.claim + 1} == row
    assert [[], [one.notification_id]] == [await abandoned_ids(database, who, NOW_MS + LEASE_MS) for who in (ME, OTHER)]
    assert [None, NOW_MS + LEASE_MS] == [await next_due_ms(database, who) for who in (ME, OTHER)]
    misfit = Finished(one.notification_id, one.claim, succeeded=False, failure_reason=FailureReason.GONE)
    assert [Ended(False, None)] == await database.write(lambda tx: queue.end_claims(tx, [misfit], now_ms=NOW_MS + 7))
    assert {**row, "lease_owner": None} == await stored(database, one.notification_id)


@pytest.mark.usefixtures("three_lanes")
async def test_neither_recorder_nor_takeover_revives_a_cancelled_notification(database: Database) -> None:
    """Whichever number they know: that of the claim, or the one that the cancel counted up to."""
    for claimed, number in zip(await claim(database, "a"), (1, 2), strict=True):
        await cancel(database, claimed)
        row = await stored(database, claimed.notification_id)

        held = await postpone(database, replace(claimed, claim=number), NOW_MS)

        assert [False] == held
        assert {**row, "lease_owner": None} == await stored(database, claimed.notification_id)


@pytest.mark.usefixtures("three_lanes")
async def test_late_outcome_of_an_older_claim_leaves_the_lease_of_a_cancelled_notification(database: Database) -> None:
    """That belongs to the attempt which another process has under way."""
    [stale] = await claim(database, "a", limit=1)
    await database.write(lambda tx: queue.release_leases(tx, [stale], now_ms=NOW_MS - 1))
    [fresh] = await claim(database, "a", limit=1, owner=OTHER)
    await cancel(database, fresh)

    await succeed(database, stale)

    assert OTHER == (await stored(database, stale.notification_id))["lease_owner"]
    await succeed(database, fresh)
    assert None is (await stored(database, stale.notification_id))["lease_owner"]


@pytest.mark.usefixtures("three_lanes")
async def test_release_leaves_a_cancelled_claim_to_be_taken_over(database: Database) -> None:
    """Its request may have been made, and is never made again: only the taking over can still record it."""
    [one] = await claim(database, "a", limit=1)
    await cancel(database, one)
    before = await stored(database, one.notification_id)

    await database.write(lambda tx: queue.release_leases(tx, [one], now_ms=NOW_MS + 3))

    assert before == await stored(database, one.notification_id)
    assert [one.notification_id] == await abandoned_ids(database, OTHER, NOW_MS + LEASE_MS)


async def test_sweep_that_was_interrupted_goes_on_where_it_stood(database: Database) -> None:
    """How far it came is stored with the subscription, in the transaction of the slice."""
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"] * 5)
    await database.write(lambda tx: subscriptions.delete(tx, "a", revision=2, now_ms=NOW_MS))

    def slice_(tx: Transaction) -> str | None:
        sweep = sweeps.next_sweep(tx)
        assert sweep is not None
        last = interventions.sweep(tx, sweep.kind, sweep.subscription_uid, sweep.after, now_ms=NOW_MS, limit=2)
        sweeps.advance_sweep(tx, sweep.subscription_uid, after=last)
        return sweep.after

    assert "" == await database.write(slice_)
    assert ["CANCELLED"] * 2 + ["READY"] * 3 == await states(database, ids)
    assert [ids[1], ids[3]] == [await database.write(slice_) for _ in range(2)]
    assert ["CANCELLED"] * 5 == await states(database, ids)
    assert await database.write(sweeps.next_sweep) is None


async def test_sweeps_take_turns(database: Database) -> None:
    """One that is very long must not keep the others waiting."""
    await subscribe(database, *map(subscription_of, "abc"))
    for uid in "abc":
        await database.write(partial(sweeps.start_release, uid=uid))

    def turns(tx: Transaction) -> Iterator[str]:
        uid = ""
        while (sweep := sweeps.next_sweep(tx, uid)) is not None:
            uid = sweep.subscription_uid
            yield uid

    assert list("abcab") == await database.read(lambda tx: list(islice(turns(tx), 5)))


# --- plans

BY_ID: Final = "sqlite_autoindex_notifications_1"
INDEXES: Final = {
    "SELECT_DUE": {"notifications_timer"},
    "SELECT_ABANDONED": {"notifications_leases"},
    "SELECT_NEXT_DUE": {"notifications_timer", "notifications_leases"},
    "SELECT_LANES_AFTER": {"notifications_lane", "sqlite_autoindex_lanes_1"},
    "SELECT_READY": {"notifications_lane"},
    "HOLD_LANE": {"notifications_lane", BY_ID},
    "SELECT_PENDING_AFTER": {"notifications_pending"},
}
STATEMENTS: Final = {name.rpartition(".")[2]: sql for name, sql in statements_of(queue).items()}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_of_the_queue_uses_its_index(database: Database, name: str) -> None:
    """None looks at rows that it does not want, however long the history is, and none sorts."""
    sql: Any = "EXPLAIN QUERY PLAN " + render(STATEMENTS[name], Dialect.SQLITE)
    params = dict.fromkeys(for_postgres(STATEMENTS[name]).parameters, 1)

    plan = [row["detail"] for row in await database.read(lambda tx: tx.rows(sql, **params))]

    used = {found for step in plan for found in re.findall(r"USING (?:COVERING )?INDEX (\w+)", step)}
    # A scan may only be one of what a subquery has found.
    scanned = [step for step in plan if step.startswith("SCAN notifications") and "USING" not in step]
    assert INDEXES.get(name, {BY_ID}) == used
    assert [] == scanned
    assert [] == [step for step in plan if "TEMP B-TREE" in step]


@pytest.mark.parametrize(
    "sql", [queue.PROMOTE, queue.CLAIM, queue.FINISH, events.SELECT_EVENTS, events.SELECT_TAKEN_IDS]
)
@pytest.mark.parametrize("count", [1, 30])
async def test_statement_that_takes_many_ids_goes_by_them_after_an_analyze(
    database: Database, sql: str, count: int
) -> None:
    """Also when it was made while there were few rows, and reading all of them would have been cheaper."""
    explain: Any = "EXPLAIN QUERY PLAN " + render(sql, Dialect.SQLITE)
    params = dict.fromkeys(for_postgres(sql).parameters, "[]")
    await subscribe(database, subscription_of("a"))
    for number in range(count):
        await owe(database, event_of(str(number)), ["a"])
    await database.write(lambda tx: tx.execute("ANALYZE"))

    plan = [row["detail"] for row in await database.write(lambda tx: tx.rows(explain, **params))]

    assert re.match(r"SEARCH (events|notifications) USING (COVERING )?INDEX sqlite_autoindex_\w+ \(.*id=\?\)", plan[0])
