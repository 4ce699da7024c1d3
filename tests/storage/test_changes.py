"""The log of changes: what is written with each change, how it is read, and how it is pruned."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest

from service.delivery.claiming import TakeOverWork
from service.domain.model import Attempt, AttemptOutcome, FailureReason, NotificationState
from service.domain.names import Workspace
from service.storage import attempts, changes, interventions, notifications, queue
from service.storage.changes import Change
from service.storage.database import Database, Transaction
from service.storage.notifications import NewNotification
from service.storage.queue import Claimed, Demand, Ended, Finished, Postponed
from service.storage.sweeps import SweepKind
from tests.fakes import (
    NOW_MS,
    WORKSPACE,
    CountingIds,
    FakeClock,
    claim_lane,
    event_of,
    log_again,
    owe,
    stored,
    subscribe,
    subscription_of,
    tick_work,
)

OTHER = Workspace("acme", "other")
PENDING, SUCCEEDED = NotificationState.PENDING, NotificationState.SUCCEEDED
FAILED, CANCELLED = NotificationState.FAILED, NotificationState.CANCELLED
ATTEMPT = Attempt(1, AttemptOutcome.REJECTED, NOW_MS, 5, http_status=500)


async def log_of(database: Database, workspace: Workspace = WORKSPACE, *, after: int = 0) -> list[Change]:
    """Return the changes of a workspace after a number."""

    def work(tx: Transaction) -> list[Change]:
        return changes.after(tx, workspace, after, until=changes.last_number(tx), limit=10_000)

    return await database.read(work)


async def told_by(database: Database, work: Callable[[Transaction], object]) -> list[Change]:
    """Run a work and return the changes that it has written."""
    before = await database.read(changes.last_number)
    await database.write(work)
    return await log_of(database, after=before)


async def one_owed(database: Database) -> str:
    """Store a subscription that is owed one event; return the notification's id."""
    await subscribe(database, subscription_of("a"))
    [notification_id] = await owe(database, event_of(), ["a"])
    return notification_id


async def claim_one(database: Database, *, owner: str = "me") -> Claimed:
    """Claim the one notification that is ready."""
    [claimed] = await claim_lane(database, "a", owner=owner)
    return claimed


def recorded(tx: Transaction, end: Finished | Postponed) -> None:
    """Store an attempt, and end its claim."""
    [ended] = queue.end_claims(tx, [replace(end, attempted=True)], now_ms=NOW_MS + 7)
    assert ended.attempt_number is not None
    attempts.insert(tx, [(end.notification_id, replace(ATTEMPT, attempt_number=ended.attempt_number))])


async def test_new_notification_is_one_change(database: Database) -> None:
    notification_id = await one_owed(database)

    assert [Change(1, notification_id, "a", PENDING, 0, NOW_MS, None, None, None)] == await log_of(database)


async def test_notification_that_failed_from_the_start_is_one_change_and_never_due(database: Database) -> None:
    """It is stored as the failure that it is, with the replay that made it, and no lane has it."""
    await one_owed(database)
    reason = FailureReason.FORMAT_NOT_APPLICABLE
    new = NewNotification("n", WORKSPACE, "event-1", "agent.created", "a", "a", NOW_MS + 3, "r", reason)

    told = await told_by(database, lambda tx: notifications.insert(tx, [new]))

    assert [Change(2, "n", "a", FAILED, 0, None, NOW_MS + 3, reason, None)] == told
    found = await database.read(lambda tx: notifications.find(tx, WORKSPACE, "n"))
    assert found is not None
    assert (FAILED, reason, "r", NOW_MS + 3) == (
        found.state,
        found.failure_reason,
        found.replay_id,
        found.complete_time_ms,
    )
    claimed = await claim_lane(database, "a")
    assert "n" not in [each.notification_id for each in claimed]


async def test_claims_holds_and_promotions_are_no_changes(database: Database, clock: FakeClock) -> None:
    """The API shows them as PENDING before and after."""
    notification_id = await one_owed(database)

    def move(tx: Transaction) -> None:
        queue.hold(tx, "a", hold_end_ms=NOW_MS + 5, limit=9)
        interventions.sweep(tx, SweepKind.RELEASE, "a", "", now_ms=NOW_MS, limit=9)
        queue.hold(tx, "a", hold_end_ms=NOW_MS + 5, limit=9)
        queue.promote(tx, [each.notification_id for each in queue.due(tx, now_ms=NOW_MS + 5, limit=9)])
        [claims] = queue.ready(tx, [Demand("a", 9)], tier=1)
        queue.claim(tx, claims, owner="me", now_ms=NOW_MS, lease_end_ms=NOW_MS + 9)
        assert [notification_id] == [claimed.notification_id for claimed in claims]
        queue.release_leases(tx, claims, now_ms=NOW_MS)

    assert [] == await told_by(database, move)


async def test_each_attempt_is_a_change_with_the_state_that_followed(database: Database) -> None:
    notification_id = await one_owed(database)
    first = await claim_one(database)
    told = await told_by(
        database, lambda tx: recorded(tx, Postponed(notification_id, first.claim, NOW_MS, schedule_step=1))
    )
    second = await claim_one(database)
    told += await told_by(database, lambda tx: recorded(tx, Finished(notification_id, second.claim, succeeded=True)))

    assert [
        Change(2, notification_id, "a", PENDING, 1, NOW_MS, None, None, 1),
        Change(3, notification_id, "a", SUCCEEDED, 2, None, NOW_MS + 7, None, 2),
    ] == told


async def test_attempt_of_a_stale_claim_is_a_change_that_leaves_the_state(database: Database) -> None:
    """It was recorded, so it is told; what a late recorder says of the state is not."""
    notification_id = await one_owed(database)
    claimed = await claim_one(database)
    told = await told_by(database, lambda tx: interventions.cancel(tx, [notification_id], now_ms=NOW_MS + 1))
    told += await told_by(database, lambda tx: recorded(tx, Finished(notification_id, claimed.claim, succeeded=True)))

    assert [
        Change(2, notification_id, "a", CANCELLED, 0, None, NOW_MS + 1, None, None),
        Change(3, notification_id, "a", CANCELLED, 1, None, NOW_MS + 1, None, 1),
    ] == told


async def test_claim_that_ends_without_an_attempt_is_a_change_unless_it_was_stale(database: Database) -> None:
    notification_id = await one_owed(database)
    claimed = await claim_one(database)
    reason = FailureReason.FORMAT_NOT_APPLICABLE
    end = Finished(notification_id, claimed.claim, succeeded=False, failure_reason=reason)

    told = await told_by(database, lambda tx: queue.end_claims(tx, [end], now_ms=NOW_MS + 7))
    again = await told_by(database, lambda tx: queue.end_claims(tx, [end], now_ms=NOW_MS + 8))

    assert [Change(2, notification_id, "a", FAILED, 0, None, NOW_MS + 7, reason, None)] == told
    assert [] == again


async def claim_that_was_taken_over(database: Database, rng: Random) -> Claimed:
    """Claim the one notification that is ready, as a process that lost its lease; attempt 1 is then INTERRUPTED."""
    stale = await claim_one(database, owner="a process that is slow")
    await database.write(TakeOverWork("me", NOW_MS + 60_000, NOW_MS, rng, CountingIds()))
    return stale


async def test_two_attempts_recorded_at_once_are_told_in_the_order_of_their_numbers(
    database: Database, rng: Random
) -> None:
    """A notification that is claimed again after its lease was lost has two under way."""
    notification_id = await one_owed(database)
    stale = await claim_that_was_taken_over(database, rng)
    fresh = await claim_one(database)
    ends: list[Finished | Postponed] = [
        Postponed(notification_id, stale.claim, NOW_MS + 50, schedule_step=1, attempted=True),
        Finished(notification_id, fresh.claim, succeeded=True, attempted=True),
    ]

    def record(tx: Transaction) -> None:
        assert [Ended(False, 2), Ended(True, 3)] == queue.end_claims(tx, ends, now_ms=NOW_MS)

    told = await told_by(database, record)

    assert [(2, 2), (3, 3)] == [(each.attempt_number, each.attempt_count) for each in told]


async def test_attempt_recorded_beside_another_under_way_names_no_next_attempt(database: Database, rng: Random) -> None:
    """The notification is leased, so what the lease is due at is not for callers."""
    notification_id = await one_owed(database)
    stale = await claim_that_was_taken_over(database, rng)
    await claim_one(database)

    told = await told_by(database, lambda tx: recorded(tx, Finished(notification_id, stale.claim, succeeded=True)))

    assert [Change(3, notification_id, "a", PENDING, 2, None, None, None, 2)] == told


async def test_claim_number_grows_with_every_claim_cancel_and_retry(database: Database) -> None:
    """It is the fencing token, and never given back. What comes of a cancelled claim leaves it as it is."""
    notification_id = await one_owed(database)
    numbers = [(await stored(database, notification_id))["claim"]]

    def cancel(tx: Transaction) -> object:
        return interventions.cancel(tx, [notification_id], now_ms=NOW_MS)

    def retry(tx: Transaction) -> object:
        return interventions.retry_now(tx, notification_id, now_ms=NOW_MS)

    def claim(tx: Transaction) -> None:
        [ready] = queue.ready(tx, [Demand("a", 9)], tier=0)
        queue.claim(tx, ready, owner="me", now_ms=NOW_MS, lease_end_ms=NOW_MS + 60_000)

    def end(tx: Transaction) -> None:
        recorded(tx, Finished(notification_id, 1, succeeded=True))

    for work in (claim, cancel, end, retry, claim, cancel):
        await database.write(work)
        numbers.append((await stored(database, notification_id))["claim"])

    assert [0, 1, 2, 2, 3, 4, 5] == numbers


async def test_take_over_is_a_change_with_the_interrupted_attempt(database: Database, rng: Random) -> None:
    notification_id = await one_owed(database)
    await claim_one(database, owner="a process that is gone")

    told = await told_by(database, TakeOverWork("me", NOW_MS + 60_000, NOW_MS + 9, rng, CountingIds()))

    assert [Change(2, notification_id, "a", PENDING, 1, NOW_MS + 9, None, None, 1)] == told


async def test_take_over_of_a_cancelled_notification_is_a_change_that_leaves_the_state(
    database: Database, rng: Random
) -> None:
    """One, with the attempt and without a time for another."""
    notification_id = await one_owed(database)
    await claim_one(database, owner="a process that is gone")
    await database.write(lambda tx: interventions.cancel(tx, [notification_id], now_ms=NOW_MS + 1))

    told = await told_by(database, TakeOverWork("me", NOW_MS + 60_000, NOW_MS + 9, rng, CountingIds()))

    assert [Change(3, notification_id, "a", CANCELLED, 1, None, NOW_MS + 1, None, 1)] == told


async def test_sweep_tells_of_what_it_cancels_and_of_nothing_else(database: Database) -> None:
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"] * 3)
    await database.write(lambda tx: interventions.cancel(tx, [ids[1]], now_ms=NOW_MS))

    told = await told_by(
        database, lambda tx: interventions.sweep(tx, SweepKind.CANCEL, "a", "", now_ms=NOW_MS + 1, limit=9)
    )

    assert [(ids[0], CANCELLED), (ids[2], CANCELLED)] == [(each.notification_id, each.state) for each in told]


async def test_retry_begins_a_new_schedule_from_any_state_and_is_fenced(database: Database, rng: Random) -> None:
    """The claim counts up, so nothing recorded later can end what was made due again."""
    notification_id = await one_owed(database)
    claimed = await claim_one(database)
    assert not await database.write(lambda tx: interventions.retry_now(tx, notification_id, now_ms=NOW_MS))
    await database.write(
        lambda tx: recorded(tx, Finished(notification_id, claimed.claim, False, FailureReason.MAX_AGE_REACHED))
    )

    told = await told_by(database, lambda tx: interventions.retry_now(tx, notification_id, now_ms=NOW_MS + 99))
    late = Finished(notification_id, claimed.claim, succeeded=True)

    assert [Change(3, notification_id, "a", PENDING, 1, NOW_MS + 99, None, None, None)] == told
    assert [Ended(False, None)] == await database.write(lambda tx: queue.end_claims(tx, [late], now_ms=NOW_MS))
    [claim] = (await database.write(tick_work(now_ms=NOW_MS + 99, rng=rng))).claims
    assert (NOW_MS + 99, 0, 1) == (
        claim.claimed.schedule_time_ms,
        claim.claimed.schedule_step,
        claim.claimed.attempt_count,
    )


async def test_work_that_fails_leaves_no_change(database: Database) -> None:
    notification_id = await one_owed(database)

    def fail(tx: Transaction) -> None:
        interventions.cancel(tx, [notification_id], now_ms=NOW_MS)
        raise ZeroDivisionError

    try:
        await database.write(fail)
    except ZeroDivisionError:
        assert 1 == len(await log_of(database))
    else:
        raise AssertionError("the work must fail")


async def test_workspaces_read_their_own_changes_in_slices(database: Database) -> None:
    await one_owed(database)
    await database.write(lambda tx: log_again(tx, "event-1-0000-a", now_ms=NOW_MS, times=4))

    def slices(tx: Transaction) -> list[list[int]]:
        numbers = [changes.after(tx, WORKSPACE, after, until=4, limit=2) for after in range(6)]
        return [[change.number for change in found] for found in numbers]

    assert [[1, 2], [2, 3], [3, 4], [4], [], []] == await database.read(slices)
    assert [] == await log_of(database, OTHER)
    looked = await database.read(lambda tx: [changes.workspaces_after(tx, number, limit=3) for number in (0, 3, 5)])
    assert [(frozenset({"acme/main"}), 3), (frozenset({"acme/main"}), 5), (frozenset(), 5)] == [
        (each.keys, each.number) for each in looked
    ]


async def test_pruning_advances_the_horizon_and_numbers_are_never_given_out_again(database: Database) -> None:
    """Not even when nothing is left: a resume token made before must not fit what comes after."""
    notification_id = await one_owed(database)
    await database.write(lambda tx: log_again(tx, notification_id, now_ms=NOW_MS, times=4))

    pruned = [await database.write(lambda tx: changes.prune(tx, before_ms=NOW_MS + 1, limit=3)) for _ in range(3)]

    assert [3, 2, 0] == pruned
    assert (5, 5) == await database.read(lambda tx: (changes.horizon(tx), changes.last_number(tx)))
    await database.write(lambda tx: log_again(tx, notification_id, now_ms=NOW_MS))
    assert [6] == [each.number for each in await log_of(database)]


async def test_pruning_leaves_what_is_young_and_leaves_no_gap(database: Database) -> None:
    """A clock that jumped to the future and came back must not keep the log from being pruned for ever."""
    notification_id = await one_owed(database)

    def log(tx: Transaction) -> None:
        for now_ms in (NOW_MS + 10**12, NOW_MS + 1, NOW_MS + 5, NOW_MS + 6):
            log_again(tx, notification_id, now_ms=now_ms)

    await database.write(log)

    assert 3 == await database.write(lambda tx: changes.prune(tx, before_ms=NOW_MS + 5, limit=1_000))

    assert [4, 5] == [each.number for each in await log_of(database)]
    assert 3 == await database.read(changes.horizon)
    assert 0 == await database.write(lambda tx: changes.prune(tx, before_ms=NOW_MS + 5, limit=1_000))


EXPLAIN_AFTER: Final[Any] = "EXPLAIN QUERY PLAN " + changes.SELECT_AFTER


@pytest.mark.parametrize("workspaces", [1, 3, 2000])
@pytest.mark.parametrize("count", [1, 2000])
async def test_workspace_reads_its_log_by_its_index(database: Database, workspaces: int, count: int) -> None:
    """Also with statistics that an operator had made while few workspaces, or one, had changes at all.

    Otherwise, a watch of a quiet workspace that goes on from an old token reads what all others did, for each page.
    """
    await one_owed(database)

    def fill(tx: Transaction) -> None:
        log_again(tx, "event-1-0000-a", now_ms=NOW_MS, times=count)
        tx.execute("UPDATE changes SET workspace = 'acme/' || (number % :workspaces)", workspaces=workspaces)

    async def plan() -> list[str]:
        params: dict[str, Any] = {"workspace": OTHER.key, "after": 0, "until": 10**9, "limit": 100}
        return [row["detail"] for row in await database.read(lambda tx: tx.rows(EXPLAIN_AFTER, **params))]

    def analyze(tx: Transaction) -> None:
        tx.execute("ANALYZE")

    await database.write(fill)
    before = await plan()
    await database.write(analyze)

    expected = ["SEARCH changes USING INDEX changes_by_workspace (workspace=? AND <expr>>? AND <expr><?)"]
    assert expected == before == await plan()
