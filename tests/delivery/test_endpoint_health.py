"""What becomes of outcomes: lanes that narrow and open, suspensions after days of failure, holds that run out."""

import json
from random import Random
from typing import Any, Final

import pytest

from service.delivery.courier import Courier, Delivery
from service.delivery.recorder import record_attempts
from service.delivery.sweeper import Sweeper
from service.domain.model import Health, Subscription, SubscriptionState, SuspendReason, Suspension
from service.domain.outcomes import Reply, Unreachable, UnreachableKind
from service.storage import announcements, interventions, lanes, subscriptions, sweeps
from service.storage.sqlite import SqliteDatabase
from tests.fakes import (
    NOW_MS,
    SECOND_MS,
    CountingIds,
    FakeClock,
    FakeTransport,
    change,
    event_of,
    listen,
    owe,
    reply_of,
    set_health,
    states,
    stored,
    subscribe,
    subscription_of,
    tick_work,
    unsubscribe,
)

DAY_MS: Final = 24 * 3_600_000
TIMED_OUT: Final = Unreachable(UnreachableKind.TIMED_OUT, "no response within 15 s")
NEARLY_HOPELESS: Final = Health(failing_since_ms=NOW_MS - 5 * DAY_MS, failures=19)


async def attempts(
    database: SqliteDatabase, clock: FakeClock, *answers: Reply | Unreachable, uid: str = "a"
) -> list[Delivery]:
    """Claim as many notifications of a subscription as there are answers, and make an attempt of each."""
    await owe(database, event_of(f"event-{clock.now_ms()}-{uid}"), [uid] * len(answers))
    found = await database.write(tick_work(now_ms=clock.now_ms(), lanes=(uid,)))
    return [
        await Courier(FakeTransport(lambda _, answer=answer: answer), clock=clock, rng=Random(1)).attempt(claim)  # type: ignore[misc]
        for claim, answer in zip(found.claims, answers, strict=True)
    ]


async def record(database: SqliteDatabase, clock: FakeClock, deliveries: list[Delivery]) -> None:
    """Store attempts, a moment after they were made."""
    clock.advance(SECOND_MS)
    now_ms = clock.now_ms()
    await database.write(lambda tx: record_attempts(tx, deliveries, now_ms=now_ms, ids=CountingIds()))


async def subscription(database: SqliteDatabase, uid: str = "a") -> Subscription:
    """Return a subscription as it is stored."""
    return (await database.read(lambda tx: subscriptions.find_by_uid(tx, [uid])))[uid]


async def announced(database: SqliteDatabase) -> list[dict[str, Any]]:
    """Return what operational events say, with their types."""
    found = await database.read(lambda tx: announcements.after(tx, "", limit=100))
    return [{"type": each.event_type, **json.loads(each.payload)} for each in found]


async def test_outcomes_are_noted_with_the_subscription(database: SqliteDatabase, clock: FakeClock) -> None:
    """All of a batch, in their order, each lane by itself."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    of_a = await attempts(database, clock, reply_of(204), reply_of(500), TIMED_OUT)
    of_b = await attempts(database, clock, reply_of(500), reply_of(204), uid="b")

    await record(database, clock, [*of_a, *of_b])

    failing, working = (await subscription(database)).health, (await subscription(database, "b")).health
    assert (4, NOW_MS + 1_000, 2, NOW_MS + 1_000) == (
        failing.concurrency,
        failing.failing_since_ms,
        failing.failures,
        failing.last_success_time_ms,
    )
    assert (8, None, 0, NOW_MS + 1_000) == (
        working.concurrency,
        working.failing_since_ms,
        working.failures,
        working.last_success_time_ms,
    )


async def test_receiver_that_keeps_timing_out_opens_its_lane_and_the_subscription_says_so(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """Until a probe is answered."""
    await subscribe(database, subscription_of("a"))
    for _ in range(4):
        await record(database, clock, await attempts(database, clock, TIMED_OUT))
    opened = await subscription(database)
    none = await database.write(tick_work(now_ms=clock.now_ms() + 29_999))
    clock.advance(30_000)
    await record(database, clock, await attempts(database, clock, reply_of(204)))
    closed = await subscription(database)

    assert ("BACKING_OFF", SubscriptionState.ACTIVE, []) == (opened.state_reason, opened.state, none.claims)
    assert ("", 1) == (closed.state_reason, closed.health.concurrency)


async def test_outcome_of_another_url_says_nothing_of_this_one(database: SqliteDatabase, clock: FakeClock) -> None:
    """The attempt was under way when the URL was changed."""
    await subscribe(database, subscription_of("a"))
    deliveries = await attempts(database, clock, TIMED_OUT)
    await change(database, subscription_of("a", url="https://other.example/"))

    await record(database, clock, deliveries)

    assert Health() == (await subscription(database)).health


async def test_outcome_of_a_deleted_subscription_is_recorded_all_the_same(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """Its lane is forgotten, and stays so."""
    await subscribe(database, subscription_of("a"))
    await set_health(database, "a", Health(failures=3))
    deliveries = await attempts(database, clock, reply_of(204))
    await unsubscribe(database, "a")

    await record(database, clock, deliveries)

    assert 1 == (await stored(database, deliveries[0].claimed.notification_id))["attempt_count"]
    assert [Health()] == await database.read(lambda tx: lanes.health_of(tx, ["a"]))


async def test_five_days_of_failures_suspend(database: SqliteDatabase, clock: FakeClock) -> None:
    """And are announced once; what is owed is held, and nothing is lost."""
    await listen(database)
    await subscribe(database, subscription_of("a"))
    await set_health(database, "a", NEARLY_HOPELESS)
    deliveries = await attempts(database, clock, reply_of(500), reply_of(500))

    await record(database, clock, deliveries)

    suspended = await subscription(database)
    assert (SubscriptionState.SUSPENDED, "FAILING") == (suspended.state, suspended.state_reason)
    told = [each for each in await announced(database) if each["type"] == "tidings.subscription.suspended"]
    assert ["FAILING"] == [each["reason"] for each in told]
    assert {"WAITING"} == set(await states(database, [each.claimed.notification_id for each in deliveries]))


@pytest.mark.parametrize("answers", [[reply_of(500), reply_of(204)], [reply_of(204)]])
async def test_success_keeps_a_subscription_going(
    database: SqliteDatabase, clock: FakeClock, answers: list[Reply | Unreachable]
) -> None:
    """Also the one that comes with the last failure that was needed."""
    await subscribe(database, subscription_of("a"))
    await set_health(database, "a", NEARLY_HOPELESS)

    await record(database, clock, await attempts(database, clock, *answers))

    found = await subscription(database)
    assert (SubscriptionState.ACTIVE, None, 0) == (found.state, found.health.failing_since_ms, found.health.failures)


async def held(database: SqliteDatabase, count: int) -> list[str]:
    """Have notifications of a suspended subscription held; return their ids."""
    await listen(database)
    await subscribe(database, subscription_of("a", suspension=Suspension(NOW_MS, SuspendReason.FAILING)))
    ids = await owe(database, event_of(), ["a"] * count)
    await database.write(tick_work())
    return ids


async def test_what_is_held_for_14_days_fails_and_says_why(database: SqliteDatabase) -> None:
    """Not a millisecond earlier."""
    ids = await held(database, 2)

    early = await database.write(tick_work(now_ms=NOW_MS + 14 * DAY_MS - 1))
    before = await states(database, ids)
    late = await database.write(tick_work(now_ms=NOW_MS + 14 * DAY_MS))

    row = await stored(database, ids[0])
    assert (["WAITING"] * 2, ["FAILED"] * 2) == (before, await states(database, ids))
    assert ("HOLD_EXPIRED", NOW_MS + 14 * DAY_MS, 0) == (row["failure_reason"], row["complete_time"], row["held"])
    assert [[], []] == [early.claims, late.claims]
    told = [each for each in await announced(database) if each["type"] == "tidings.notification.failed"]
    assert ["HOLD_EXPIRED"] * 2 == [each["failure_reason"] for each in told]


async def test_hold_that_ends_while_it_is_being_released_is_delivered(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """The subscription is served again, and the sweep has not come so far yet: nothing fails."""
    ids = await held(database, 3)
    await change(database, subscription_of("a"))
    await database.write(lambda tx: sweeps.start_release(tx, "a"))

    found = await database.write(tick_work(now_ms=NOW_MS + 14 * DAY_MS))
    clock.advance(14 * DAY_MS)
    await Sweeper(database, clock=clock, on_released=lambda _: None).sweep_slice()

    assert ids == sorted(each.claimed.notification_id for each in found.claims)
    assert {1} == {(await stored(database, each))["claim"] for each in ids}


async def test_hold_begins_anew_with_each_suspension(database: SqliteDatabase) -> None:
    """14 days of being held, not 14 days of age."""
    ids = await held(database, 1)
    await change(database, subscription_of("a"))
    await database.write(
        lambda tx: interventions.sweep(tx, sweeps.SweepKind.RELEASE, "a", "", now_ms=NOW_MS + 10 * DAY_MS, limit=9)
    )
    await change(database, subscription_of("a", enabled=False))
    await database.write(tick_work(now_ms=NOW_MS + 10 * DAY_MS))

    await database.write(tick_work(now_ms=NOW_MS + 20 * DAY_MS))

    assert ["WAITING"] == await states(database, ids)
