"""Recording attempts: many in one commit, none lost, each with its line in the log."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from structlog.testing import capture_logs

from service.delivery.claiming import Claim, TickWork
from service.delivery.courier import Courier, Delivery
from service.delivery.recorder import Recorder, record_attempts
from service.domain.outcomes import Reply, Unreachable, UnreachableKind
from service.storage import queue
from service.storage.database import Database
from service.storage.sqlite import SqliteDatabase
from service.storage.subscriptions import SweepKind
from tests.fakes import (
    NOW_MS,
    TWO_RETRIES,
    WAIT_S,
    FakeClock,
    FakeTransport,
    HookedDatabase,
    event_of,
    outcomes,
    owe,
    reply_of,
    states,
    stored,
    subscribe,
    subscription_of,
)

TIMED_OUT: Final = Unreachable(UnreachableKind.TIMED_OUT, "no response within 15 s")


async def claims_of(database: SqliteDatabase, count: int) -> list[Claim]:
    """Claim this many notifications, of 200 subscriptions in turn."""
    uids = [f"s{number % 200:03}" for number in range(count)]
    await subscribe(database, *(subscription_of(uid, retry_policy=TWO_RETRIES) for uid in sorted(set(uids))))
    await owe(database, event_of(), uids)
    tick = await database.write(TickWork("me", NOW_MS, 60_000, 8 * count + 8, {}, Random(1)))
    assert count == len(tick.claims)
    return tick.claims


async def delivered(claim: Claim, answer: Reply | Unreachable, clock: FakeClock) -> Delivery:
    """Make an attempt that is answered so."""
    return await Courier(FakeTransport(lambda _: answer), clock=clock, rng=Random(1)).attempt(claim)


async def record(database: Database, deliveries: Sequence[Delivery], clock: FakeClock) -> list[dict[str, Any]]:
    """Have a Recorder store deliveries that are handed in at once, and return what was logged."""
    recorded: list[Delivery] = []
    all_recorded = asyncio.Event()

    def on_recorded(batch: Sequence[Delivery]) -> None:
        recorded.extend(batch)
        if len(recorded) == len(deliveries):
            all_recorded.set()

    with capture_logs() as logs:
        recorder = Recorder(database, clock=clock, on_recorded=on_recorded)
        for delivery in deliveries:
            recorder.add(delivery)
        running = asyncio.create_task(recorder.run())
        async with asyncio.timeout(WAIT_S):
            await all_recorded.wait()
        running.cancel()
        await asyncio.wait([running])
    assert list(deliveries) == recorded
    return [dict(entry) for entry in logs]


async def test_what_has_piled_up_goes_into_few_commits(database: SqliteDatabase, clock: FakeClock) -> None:
    """256 outcomes share one."""
    deliveries = [await delivered(claim, reply_of(204), clock) for claim in await claims_of(database, 300)]
    commits = database.stats.commits

    await record(database, deliveries, clock)

    assert 2 == database.stats.commits - commits
    assert ["SUCCEEDED"] * 300 == await states(database, [each.claimed.notification_id for each in deliveries])


async def test_each_delivery_moves_its_notification(database: SqliteDatabase, clock: FakeClock) -> None:
    """As it was decided, whatever stands beside it in the batch."""
    answers: list[Reply | Unreachable] = [TIMED_OUT, reply_of(204), reply_of(410), reply_of(500)]
    claims = await claims_of(database, 4)
    deliveries = [await delivered(claim, answer, clock) for claim, answer in zip(claims, answers, strict=True)]

    recorded = await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS + 1))

    ids = [each.claimed.notification_id for each in deliveries]
    assert ["WAITING", "SUCCEEDED", "FAILED", "WAITING"] == await states(database, ids)
    assert [(1, True)] * 4 == [(each.attempt.attempt_number, each.was_current) for each in recorded]
    assert [[(1, name)] for name in ("TIMED_OUT", "SUCCEEDED", "GONE", "REJECTED")] == [
        await outcomes(database, each) for each in ids
    ]


async def test_nothing_is_lost_while_the_database_does_not_answer(database: SqliteDatabase, clock: FakeClock) -> None:
    """The receivers have the requests, so their outcomes are kept until they can be stored."""
    deliveries = [await delivered(claim, reply_of(204), clock) for claim in await claims_of(database, 3)]
    hooked = HookedDatabase(database)
    hooked.refused_writes = 1

    logs = await record(hooked, deliveries, clock)

    assert {"event": "attempts.not_recorded", "error": "the database does not answer", "log_level": "warning"} == logs[
        0
    ]
    assert ["notification.attempted"] * 3 == [entry["event"] for entry in logs[1:]]
    assert ["SUCCEEDED"] * 3 == await states(database, [each.claimed.notification_id for each in deliveries])


async def test_attempt_is_one_line_in_the_log(database: SqliteDatabase, clock: FakeClock) -> None:
    """With all that says whose it is, what came of it, and what follows."""
    first, second, third = await claims_of(database, 3)
    deliveries = [
        await delivered(first, reply_of(204), clock),
        await delivered(second, TIMED_OUT, clock),
        await delivered(third, reply_of(410), clock),
    ]

    succeeded, postponed, failed = await record(database, deliveries, clock)

    assert {
        "event": "notification.attempted",
        "log_level": "info",
        "workspace": "organizations/acme/workspaces/main",
        "notification": first.claimed.notification_id,
        "event_id": "event-1",
        "event_type": "agent.created",
        "subscription": "s000",
        "attempt": 1,
        "outcome": "SUCCEEDED",
        "http_status": 204,
        "duration_ms": 0,
        "error": None,
        "state": "SUCCEEDED",
    } == succeeded
    assert ("TIMED_OUT", None, "no response within 15 s", "PENDING") == tuple(
        postponed[key] for key in ("outcome", "http_status", "error", "state")
    )
    assert "2026-11-20T09:30:08.000Z" <= postponed["next_attempt_time"] <= "2026-11-20T09:30:12.000Z"
    assert ("FAILED", "GONE") == (failed["state"], failed["failure_reason"])


async def test_stale_outcome_is_logged_as_such(database: SqliteDatabase, clock: FakeClock) -> None:
    """With the number under which its attempt was stored, and without a state that the notification does not have."""
    [claim] = await claims_of(database, 1)
    cancel = SweepKind.CANCEL
    await database.write(lambda tx: queue.count_attempts(tx, [claim.claimed.notification_id]))
    await database.write(lambda tx: queue.sweep(tx, cancel, "s000", "", now_ms=NOW_MS, limit=9))

    [entry] = await record(database, [await delivered(claim, reply_of(204), clock)], clock)

    assert (2, "SUCCEEDED", True, None) == tuple(entry.get(key) for key in ("attempt", "outcome", "stale", "state"))
    assert "CANCELLED" == (await stored(database, claim.claimed.notification_id))["state"]


async def test_two_outcomes_of_one_notification_are_both_recorded(database: SqliteDatabase, clock: FakeClock) -> None:
    """A claim that was lost and the one after it may end in the same batch; only the one that is held counts."""
    [claim] = await claims_of(database, 1)
    lost = replace(claim, claimed=replace(claim.claimed, claim=claim.claimed.claim - 1))
    deliveries = [await delivered(lost, reply_of(410), clock), await delivered(claim, reply_of(204), clock)]

    recorded = await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS))

    assert [(1, False), (2, True)] == [(each.attempt.attempt_number, each.was_current) for each in recorded]
    assert ["SUCCEEDED"] == await states(database, [claim.claimed.notification_id])
    assert [(1, "GONE"), (2, "SUCCEEDED")] == await outcomes(database, claim.claimed.notification_id)
