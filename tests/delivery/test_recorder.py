"""Recording attempts: many in one commit, none lost, each with its line in the log."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from structlog.testing import capture_logs

from service.delivery.claiming import Claim
from service.delivery.courier import Courier, Delivery
from service.delivery.recorder import Recorded, Recorder, record_attempts
from service.domain.model import Format, SuspendReason, Suspension
from service.domain.names import Workspace
from service.domain.outcomes import Reply, Unreachable, UnreachableKind
from service.storage import announcements, interventions, queue, subscriptions
from service.storage.database import Database
from service.storage.queue import Finished
from service.storage.sqlite import SqliteDatabase
from service.storage.sweeps import SweepKind
from tests.fakes import (
    NOW_MS,
    TWO_RETRIES,
    WAIT_S,
    CountingIds,
    FakeClock,
    FakeTransport,
    HookedDatabase,
    event_of,
    listen,
    outcomes,
    owe,
    reply_of,
    states,
    stored,
    subscribe,
    subscription_of,
    tick_work,
)

TIMED_OUT: Final = Unreachable(UnreachableKind.TIMED_OUT, "no response within 15 s")


async def claims_of(database: SqliteDatabase, count: int) -> list[Claim]:
    """Claim this many notifications, of 200 subscriptions in turn."""
    uids = [f"s{number % 200:03}" for number in range(count)]
    await subscribe(database, *(subscription_of(uid, retry_policy=TWO_RETRIES) for uid in sorted(set(uids))))
    await owe(database, event_of(), uids)
    tick = await database.write(tick_work())
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
        recorder = Recorder(database, clock=clock, ids=CountingIds(), on_recorded=on_recorded)
        for delivery in deliveries:
            recorder.add(delivery)
        running = asyncio.create_task(recorder.run())
        async with asyncio.timeout(WAIT_S):
            await all_recorded.wait()
        running.cancel()
        await asyncio.wait([running])
    assert list(deliveries) == recorded
    return [dict(entry) for entry in logs]


def number_of(recorded: Recorded) -> int | None:
    """Return the number under which an attempt was stored."""
    return recorded.attempt.attempt_number if recorded.attempt else None


async def announced(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Return the operational events that are to be published, in order: type and payload."""
    found = await database.read(lambda tx: announcements.after(tx, "", limit=100))
    return [(each.event_type, json.loads(each.payload)) for each in found]


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

    recorded = await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS + 1, ids=CountingIds()))

    ids = [each.claimed.notification_id for each in deliveries]
    assert ["WAITING", "SUCCEEDED", "FAILED", "WAITING"] == await states(database, ids)
    assert [(1, True)] * 4 == [(number_of(each), each.was_current) for each in recorded]
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
    older = Finished(claim.claimed.notification_id, claim.claimed.claim - 1, succeeded=True, attempted=True)
    await database.write(lambda tx: queue.end_claims(tx, [older], now_ms=NOW_MS))
    await database.write(lambda tx: interventions.sweep(tx, cancel, "s000", "", now_ms=NOW_MS, limit=9))

    [entry] = await record(database, [await delivered(claim, reply_of(204), clock)], clock)

    assert (2, "SUCCEEDED", True, None) == tuple(entry.get(key) for key in ("attempt", "outcome", "stale", "state"))
    assert "CANCELLED" == (await stored(database, claim.claimed.notification_id))["state"]


async def test_two_outcomes_of_one_notification_are_both_recorded(database: SqliteDatabase, clock: FakeClock) -> None:
    """A claim that was lost and the one after it may end in the same batch; only the one that is held counts."""
    [claim] = await claims_of(database, 1)
    lost = replace(claim, claimed=replace(claim.claimed, claim=claim.claimed.claim - 1))
    deliveries = [await delivered(lost, reply_of(410), clock), await delivered(claim, reply_of(204), clock)]

    recorded = await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS, ids=CountingIds()))

    assert [(1, False), (2, True)] == [(number_of(each), each.was_current) for each in recorded]
    assert ["SUCCEEDED"] == await states(database, [claim.claimed.notification_id])
    assert [(1, "GONE"), (2, "SUCCEEDED")] == await outcomes(database, claim.claimed.notification_id)


async def test_event_that_does_not_fit_ends_its_claim_without_an_attempt(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """The log says why, beside attempts that were made."""
    misfit, fit = await claims_of(database, 2)
    misfit = replace(misfit, subscription=replace(misfit.subscription, format=Format.EVENT_CODE))
    deliveries = [await delivered(each, reply_of(204), clock) for each in (misfit, fit)]

    not_attempted, attempted = await record(database, deliveries, clock)

    ids = [each.claimed.notification_id for each in deliveries]
    assert ["FAILED", "SUCCEEDED"] == await states(database, ids)
    assert [[], [(1, "SUCCEEDED")]] == [await outcomes(database, each) for each in ids]
    row = await stored(database, ids[0])
    assert ("FORMAT_NOT_APPLICABLE", 0) == (row["failure_reason"], row["attempt_count"])
    assert {
        "event": "notification.not_attempted",
        "log_level": "info",
        "workspace": "organizations/acme/workspaces/main",
        "notification": ids[0],
        "event_id": "event-1",
        "event_type": "agent.created",
        "subscription": "s000",
        "error": "the event's type has no category and code, which EVENT_CODE needs",
        "state": "FAILED",
        "failure_reason": "FORMAT_NOT_APPLICABLE",
    } == not_attempted
    assert "notification.attempted" == attempted["event"]


async def test_each_failure_is_announced_with_its_reason(database: SqliteDatabase, clock: FakeClock) -> None:
    """What succeeds or is tried again is not."""
    await listen(database)
    succeeded, postponed, exhausted, misfit = await claims_of(database, 4)
    exhausted = replace(exhausted, claimed=replace(exhausted.claimed, schedule_step=2))
    misfit = replace(misfit, subscription=replace(misfit.subscription, format=Format.EVENT_CODE))
    claims = (succeeded, postponed, exhausted, misfit)
    answers: tuple[Reply | Unreachable, ...] = (reply_of(204), TIMED_OUT, reply_of(500), reply_of(204))
    deliveries = [await delivered(claim, answer, clock) for claim, answer in zip(claims, answers, strict=True)]

    await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS, ids=CountingIds()))

    assert [
        ("tidings.notification.failed", exhausted.claimed.notification_id, "s002", "ATTEMPTS_EXHAUSTED"),
        ("tidings.notification.failed", misfit.claimed.notification_id, "s003", "FORMAT_NOT_APPLICABLE"),
    ] == [
        (event_type, *(last_part(told[key]) for key in ("notification", "subscription", "failure_reason")))
        for event_type, told in await announced(database)
    ]


async def test_failure_of_an_operational_event_is_not_announced(database: SqliteDatabase, clock: FakeClock) -> None:
    """It would cause the next one, for ever."""
    await listen(database)
    [claim] = await claims_of(database, 1)
    claim = replace(claim, event=replace(claim.event, event_type="tidings.notification.failed"))
    deliveries = [await delivered(claim, reply_of(410), clock)]

    await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS, ids=CountingIds()))

    assert ["FAILED"] == await states(database, [claim.claimed.notification_id])
    assert ["tidings.subscription.suspended"] == [event_type for event_type, _ in await announced(database)]


async def test_receiver_that_is_gone_suspends_its_subscription_once(database: SqliteDatabase, clock: FakeClock) -> None:
    """Two notifications say so at once; both fail, and one suspension is announced."""
    await listen(database)
    first, second, other = await claims_of_two(database)
    deliveries = [await delivered(claim, reply_of(410), clock) for claim in (first, second)]
    deliveries.append(await delivered(other, reply_of(204), clock))

    await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS + 5, ids=CountingIds()))

    found = await database.read(lambda tx: subscriptions.find_by_uid(tx, ["gone", "other"]))
    assert Suspension(NOW_MS + 5, SuspendReason.GONE) == found["gone"].suspension
    assert found["other"].suspension is None
    assert [
        "tidings.notification.failed",
        "tidings.notification.failed",
        "tidings.subscription.suspended",
    ] == [event_type for event_type, _ in await announced(database)]


async def test_subscriptions_are_suspended_in_the_order_of_their_workspaces(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """Each suspension locks its workspace, so another order lets two processes wait for each other."""
    of_workspaces = {"a": "last", "b": "first", "c": "last"}
    for name in ("first", "last"):
        await listen(database, workspace=Workspace("acme", name))
    await subscribe(
        database, *(subscription_of(uid, workspace=Workspace("acme", name)) for uid, name in of_workspaces.items())
    )
    await owe(database, event_of(), list(of_workspaces))
    tick = await database.write(tick_work())
    deliveries = [await delivered(claim, reply_of(410), clock) for claim in tick.claims]

    await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS, ids=CountingIds()))

    suspended = [told for event_type, told in await announced(database) if event_type.endswith("suspended")]
    assert ["b", "a", "c"] == [last_part(told["subscription"]) for told in suspended]


async def test_late_word_that_a_receiver_is_gone_suspends_nothing(database: SqliteDatabase, clock: FakeClock) -> None:
    """Neither when the claim was lost, nor when the subscription has another URL by now."""
    await listen(database)
    first, second, _ = await claims_of_two(database)
    stale = replace(first, claimed=replace(first.claimed, claim=first.claimed.claim - 1))
    moved = replace(second, subscription=replace(second.subscription, url="https://before.example/"))
    deliveries = [await delivered(claim, reply_of(410), clock) for claim in (stale, moved)]

    await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=NOW_MS, ids=CountingIds()))

    found = await database.read(lambda tx: subscriptions.find_by_uid(tx, ["gone"]))
    assert found["gone"].suspension is None
    assert ["WAITING", "FAILED"] == await states(
        database, [first.claimed.notification_id, second.claimed.notification_id]
    )
    assert ["tidings.notification.failed"] == [event_type for event_type, _ in await announced(database)]


async def claims_of_two(database: SqliteDatabase) -> list[Claim]:
    """Claim two notifications of subscription `gone` and one of `other`."""
    await subscribe(database, subscription_of("gone"), subscription_of("other"))
    await owe(database, event_of(), ["gone", "gone", "other"])
    tick = await database.write(tick_work())
    return sorted(tick.claims, key=lambda claim: claim.claimed.notification_id)


def last_part(name: str) -> str:
    return name.rpartition("/")[2]
