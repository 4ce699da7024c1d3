"""When attempts are made: the loop that claims, waits, and ends in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from service.delivery.courier import Courier
from service.delivery.dispatcher import Dispatcher
from service.domain.outcomes import Reply, Request, Unreachable
from service.storage import interventions
from service.storage.database import Database
from service.storage.sqlite import SqliteDatabase
from tests.fakes import (
    HOUR_MS,
    NOW_MS,
    SECOND_MS,
    TWO_RETRIES,
    WAIT_S,
    CountingIds,
    FakeClock,
    FakeTransport,
    HookedDatabase,
    claim_lane,
    event_of,
    outcomes,
    owe,
    prove,
    reply_of,
    states,
    stored,
    subscribe,
    subscription_of,
    unsubscribe,
)

NEVER_S: Final = 3_600.0


def dispatcher_of(database: Database, transport: FakeTransport, clock: FakeClock, **given: Any) -> Dispatcher:
    """Return a dispatcher that looks for work only when it is woken, or when something is due."""
    plain: dict[str, Any] = {"ids": CountingIds(), "owner": "me", "lease_s": 60.0, "slots": 64, "poll_s": NEVER_S}
    courier = Courier(transport, clock=clock, rng=Random(1))
    return Dispatcher(database, courier, clock=clock, rng=Random(2), **plain | given)


@asynccontextmanager
async def running(dispatcher: Dispatcher, *, drain_timeout_s: float = WAIT_S) -> AsyncIterator[None]:
    """Run a dispatcher; at the end let what is under way finish."""
    run = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        dispatcher.stop(drain_timeout_s=drain_timeout_s)
        async with asyncio.timeout(WAIT_S):
            await run


class Gate:
    """A receiver that answers once it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, _: Request) -> Reply | Unreachable:
        await self.opened.wait()
        return reply_of(204)


async def test_what_is_published_is_delivered_after_a_wake(database: SqliteDatabase, clock: FakeClock) -> None:
    """To each subscription once."""
    await subscribe(database, *map(subscription_of, "ab"))
    transport = FakeTransport()
    dispatcher = dispatcher_of(database, transport, clock)
    async with running(dispatcher):
        ids = await owe(database, event_of(), ["a", "b", "a"])
        dispatcher.wake()
        await transport.sent(3)

    assert ["SUCCEEDED"] * 3 == await states(database, ids)
    assert [[(1, "SUCCEEDED")]] * 3 == [await outcomes(database, each) for each in ids]


async def test_recorded_attempts_are_announced_once_they_are_committed(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """So that watches are told at once."""
    await subscribe(database, subscription_of("a"))
    [one] = await owe(database, event_of(), ["a"])
    recorded = asyncio.Event()
    async with running(dispatcher_of(database, FakeTransport(), clock, on_recorded=lambda _: recorded.set())):
        async with asyncio.timeout(WAIT_S):
            await recorded.wait()
        assert [(1, "SUCCEEDED")] == await outcomes(database, one)


async def test_retry_is_made_when_it_is_due(database: SqliteDatabase, clock: FakeClock) -> None:
    """Not before: the clock stands still until it is moved."""
    await subscribe(database, subscription_of("a", retry_policy=TWO_RETRIES))
    [one] = await owe(database, event_of(), ["a"])
    transport = FakeTransport(lambda _: reply_of(500))
    dispatcher = dispatcher_of(database, transport, clock)
    async with running(dispatcher):
        for sent, pass_s in [(1, 12), (2, 120), (3, 120)]:
            await transport.sent(sent)
            clock.advance(pass_s * SECOND_MS)
            dispatcher.wake()

    assert ["1", "2", "3"] == [dict(each.headers)["tidings-attempt"] for each in transport.requests]
    assert 1 == len({dict(each.headers)["webhook-id"] for each in transport.requests})
    row = await stored(database, one)
    assert ("FAILED", "ATTEMPTS_EXHAUSTED", 3) == (row["state"], row["failure_reason"], row["attempt_count"])


async def test_lane_that_got_a_share_gets_more_when_others_end(database: SqliteDatabase, clock: FakeClock) -> None:
    """Although its own requests go on: a sixteenth of 50 free slots is 3, of 77 it is 4."""
    names = [f"b{number:02}" for number in range(30)]
    await subscribe(database, *map(subscription_of, names), subscription_of("slow"))
    await prove(database, *names, "slow")
    await owe(database, event_of(), names)
    gate, slow = Gate(), Gate()
    transport = FakeTransport(lambda request: slow(request) if "//slow." in request.url else gate(request))
    dispatcher = dispatcher_of(database, transport, clock, slots=80)
    async with running(dispatcher):
        await transport.sent(30)
        await owe(database, event_of("2"), ["slow"] * 5)
        dispatcher.wake()
        await transport.sent(33)
        gate.opened.set()
        await transport.sent(34)
        slow.opened.set()


class CountedClock(FakeClock):
    """A clock that counts how often it is looked at."""

    looks = 0

    def now_ms(self) -> int:
        self.looks += 1
        return super().now_ms()


async def test_full_slots_do_not_spin_while_something_is_due(database: SqliteDatabase) -> None:
    """Looking again finds no slot either: the end of a request is what is waited for."""
    clock = CountedClock()
    await subscribe(database, subscription_of("a", retry_policy=TWO_RETRIES), subscription_of("b"))
    await owe(database, event_of(), ["a"])
    gate = Gate()
    transport = FakeTransport(lambda request: reply_of(500) if "//a." in request.url else gate(request))
    dispatcher = dispatcher_of(database, transport, clock, slots=1)
    async with running(dispatcher):
        await transport.sent(1)
        await owe(database, event_of("2"), ["b"])
        dispatcher.wake()
        await transport.sent(2)
        clock.advance(3_600 * SECOND_MS)
        dispatcher.wake()
        before = clock.looks
        for _ in range(1_000):
            await asyncio.sleep(0)
        looks = clock.looks - before
        gate.opened.set()
        await transport.sent(3)

    assert looks < 20


async def test_retry_that_is_not_due_is_not_made(database: SqliteDatabase, clock: FakeClock) -> None:
    """However often the dispatcher looks."""
    await subscribe(database, subscription_of("a", retry_policy=TWO_RETRIES), subscription_of("b"))
    [one] = await owe(database, event_of(), ["a"])
    transport = FakeTransport(lambda request: reply_of(500 if "//a." in request.url else 204))
    dispatcher = dispatcher_of(database, transport, clock)
    async with running(dispatcher):
        for number in range(2, 6):
            clock.advance(SECOND_MS)
            await owe(database, event_of(f"event-{number}"), ["b"])
            dispatcher.wake()
            await transport.sent(number)

    assert (["WAITING"], [(1, "REJECTED")]) == (await states(database, [one]), await outcomes(database, one))


async def test_wake_up_between_claim_and_wait_is_not_lost(database: SqliteDatabase, clock: FakeClock) -> None:
    """Published when the tick has just found nothing: the flag was cleared before the claim, so it still says so."""
    await subscribe(database, subscription_of("a"))
    hooked = HookedDatabase(database)
    transport = FakeTransport()
    dispatcher = dispatcher_of(hooked, transport, clock)

    async def publish_once() -> None:
        if hooked.writes == 2:  # The first takes over, the second is the tick.
            await owe(database, event_of(), ["a"])
            dispatcher.wake()

    hooked.after_write = publish_once
    async with running(dispatcher):
        await transport.sent(1)

    assert 1 == len(transport.requests)


async def test_lanes_before_the_cursor_are_not_forgotten(database: SqliteDatabase, clock: FakeClock) -> None:
    """A round that began in the middle and found nothing has not looked at them yet."""
    await subscribe(database, *map(subscription_of, "abc"))
    gate = Gate()
    transport = FakeTransport(gate)
    await owe(database, event_of(), ["a", "a", "b"])
    dispatcher = dispatcher_of(database, transport, clock, slots=1)
    async with running(dispatcher):
        await transport.sent(1)
        # The cursor stands at a, and what came after it goes away.
        await unsubscribe(database, "b")
        gate.opened.set()
        await transport.sent(2)

    assert {"https://a.example/hooks"} == {request.url for request in transport.requests}


async def test_rate_is_reached_beside_a_lane_that_is_never_done(database: SqliteDatabase, clock: FakeClock) -> None:
    """Whenever the dispatcher has looked at something, something else has come; the time passes all the same."""
    await subscribe(database, subscription_of("busy"), subscription_of("rated", max_rate_per_second=10.0))
    await owe(database, event_of(), ["rated"] * 11)
    transport = FakeTransport()
    hooked = HookedDatabase(database)
    dispatcher = dispatcher_of(hooked, transport, clock)

    async def come_again() -> None:
        clock.advance(10)
        dispatcher.wake({"busy"})

    hooked.after_write = come_again
    async with running(dispatcher):
        await transport.sent(11)
        took_s = clock.monotonic_s()
        hooked.after_write = None

    # One at once, ten in a second, and whoever is late may make up for a tenth of it.
    assert 0.9 <= took_s <= 1.1


@pytest.mark.parametrize("slots", [1, 5, 20])
async def test_under_way_never_exceeds_slots_or_lane_limits(
    database: SqliteDatabase, clock: FakeClock, slots: int
) -> None:
    """Counted by the receivers at every instant, and all is delivered in the end."""
    await subscribe(database, subscription_of("a"), subscription_of("b", max_concurrency=2), subscription_of("c"))
    rng = Random(7)

    async def answer(_: Request) -> Reply | Unreachable:
        for _turn in range(rng.randrange(6)):
            await asyncio.sleep(0)
        return reply_of(204)

    ids = await owe(database, event_of(), ["a"] * 40 + ["b"] * 20 + ["c"])
    transport = FakeTransport(answer)
    async with running(dispatcher_of(database, transport, clock, slots=slots)):
        await transport.sent(61)

    assert {"SUCCEEDED"} == set(await states(database, ids))
    assert transport.most_in_all <= slots
    limits = {"https://a.example/hooks": 8, "https://b.example/hooks": 2, "https://c.example/hooks": 1}
    assert [] == [url for url, most in transport.most_at_once.items() if most > limits[url]]
    assert 61 == len(transport.requests)


async def test_stalled_receiver_does_not_hold_up_the_others(database: SqliteDatabase, clock: FakeClock) -> None:
    """Its lane is full; theirs are not."""
    await subscribe(database, *map(subscription_of, "ab"))
    gate = Gate()

    def answer(request: Request) -> Any:
        return gate(request) if "//a." in request.url else reply_of(204)

    transport = FakeTransport(answer)
    await owe(database, event_of(), ["a"] * 50 + ["b"] * 50)
    async with running(dispatcher_of(database, transport, clock, slots=20)):
        async with asyncio.timeout(WAIT_S):
            while sum("//b." in each.url for each in transport.requests) < 50:
                await transport.sent(len(transport.requests) + 1)
        stalled = len(transport.requests) - 50
        gate.opened.set()
        await transport.sent(100)

    assert 1 <= stalled <= 8


async def test_crash_of_the_courier_is_recorded_and_retried_and_the_others_go_on(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """A bug that one event triggers is logged once, with its traceback."""
    await subscribe(database, subscription_of("a", retry_policy=TWO_RETRIES), subscription_of("b"))
    [bad, good] = await owe(database, event_of(), ["a", "b"])

    def answer(request: Request) -> Reply:
        if "//a." in request.url and len(transport.requests) <= 2:
            raise ZeroDivisionError
        return reply_of(204)

    transport = FakeTransport(answer)
    dispatcher = dispatcher_of(database, transport, clock)
    with capture_logs() as logs:
        async with running(dispatcher):
            await transport.sent(2)
            clock.advance(12 * SECOND_MS)
            dispatcher.wake()
            await transport.sent(3)

    assert ["SUCCEEDED", "SUCCEEDED"] == await states(database, [bad, good])
    assert [(1, "INTERRUPTED"), (2, "SUCCEEDED")] == await outcomes(database, bad)
    assert [bad] == [entry["notification"] for entry in logs if entry["event"] == "attempt.crashed"]


async def test_stop_finishes_what_is_under_way_and_claims_nothing_more(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """What was not claimed stays ready for the next process."""
    await subscribe(database, subscription_of("a", max_concurrency=1))
    gate = Gate()
    transport = FakeTransport(gate)
    ids = await owe(database, event_of(), ["a", "a"])
    dispatcher = dispatcher_of(database, transport, clock)
    run = asyncio.create_task(dispatcher.run())
    await transport.sent(1)

    dispatcher.stop(drain_timeout_s=WAIT_S)
    gate.opened.set()
    await run

    assert ["READY", "SUCCEEDED"] == sorted(await states(database, ids))
    assert 1 == len(transport.requests)


async def test_drain_timeout_releases_leases_without_an_attempt(database: SqliteDatabase, clock: FakeClock) -> None:
    """What finished in time is recorded, and what did not is ready for the next process at once."""
    await subscribe(database, *map(subscription_of, "ab"))
    gate = Gate()
    ids = await owe(database, event_of(), ["a", "b"])
    transport = FakeTransport(lambda request: gate(request) if "//a." in request.url else reply_of(204))
    dispatcher = dispatcher_of(database, transport, clock)
    with capture_logs() as logs:
        async with running(dispatcher, drain_timeout_s=0.01):
            await transport.sent(2)

    assert ["READY", "SUCCEEDED"] == await states(database, ids)
    row = await stored(database, ids[0])
    assert (0, None, 2) == (row["attempt_count"], row["lease_owner"], row["claim"])
    assert [1] == [entry["count"] for entry in logs if entry["event"] == "claims.released"]


@pytest.mark.parametrize("turns", range(10))
async def test_attempt_that_ends_as_the_drain_times_out_is_recorded_or_released_never_both(
    database: SqliteDatabase, clock: FakeClock, turns: int
) -> None:
    """In whichever turn of the event loop it ends."""
    await subscribe(database, subscription_of("a"))
    gate = Gate()
    transport = FakeTransport(gate)
    [one] = await owe(database, event_of(), ["a"])
    hooked = HookedDatabase(database)
    looked = asyncio.Event()

    async def say_when_nothing_is_left() -> None:
        if hooked.writes == 2:  # The first takes over, the second claims, and nothing is left.
            looked.set()

    hooked.after_write = say_when_nothing_is_left
    dispatcher = dispatcher_of(hooked, transport, clock)
    run = asyncio.create_task(dispatcher.run())
    await looked.wait()
    await transport.sent(1)
    await asyncio.sleep(0)  # The dispatcher goes on to wait.

    dispatcher.stop(drain_timeout_s=0)
    for _ in range(turns):
        await asyncio.sleep(0)
    gate.opened.set()
    async with asyncio.timeout(WAIT_S):
        await run

    row = await stored(database, one)
    assert (row["state"], row["attempt_count"]) in [("SUCCEEDED", 1), ("READY", 0)]
    assert row["lease_owner"] is None


async def test_what_is_claimed_as_the_server_stops_is_given_back(database: SqliteDatabase, clock: FakeClock) -> None:
    """Stopping means that nothing new is begun, not even what a transaction under way has claimed."""
    await subscribe(database, subscription_of("a"))
    [one] = await owe(database, event_of(), ["a"])
    hooked = HookedDatabase(database)
    transport = FakeTransport(lambda _: reply_of(204))
    dispatcher = dispatcher_of(hooked, transport, clock)

    async def stop_after_the_claim() -> None:
        if hooked.writes == 2:  # The first takes over.
            dispatcher.stop(drain_timeout_s=1)

    hooked.after_write = stop_after_the_claim
    async with asyncio.timeout(WAIT_S):
        await dispatcher.run()

    row = await stored(database, one)
    assert ("READY", None, 0) == (row["state"], row["lease_owner"], row["attempt_count"])
    assert [] == transport.requests


async def test_stop_ends_in_time_though_the_database_refuses(database: SqliteDatabase, clock: FakeClock) -> None:
    """The leases are left to the next process, and the log says how many."""
    await subscribe(database, subscription_of("a"))
    hooked = HookedDatabase(database)
    transport = FakeTransport(Gate())
    await owe(database, event_of(), ["a"])
    with capture_logs() as logs:
        async with running(dispatcher_of(hooked, transport, clock), drain_timeout_s=0):
            await transport.sent(1)
            hooked.refused_writes = 1_000

    (left_behind,) = [entry for entry in logs if entry["event"] == "claims.left_behind"]
    assert 1 == left_behind["count"]
    assert "the database does not answer" == left_behind["error"]


async def test_stop_before_the_start_ends_at_once(database: SqliteDatabase, clock: FakeClock) -> None:
    """Nothing is claimed."""
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"])
    dispatcher = dispatcher_of(database, FakeTransport(), clock)
    dispatcher.stop(drain_timeout_s=0)

    await dispatcher.run()

    assert ["READY"] == await states(database, ids)


async def test_clock_that_jumps_forward_takes_over_no_claim_of_its_own_and_does_not_spin(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """Its leases seem to have ended hours ago, but it knows that it has them."""
    await subscribe(database, *map(subscription_of, "ab"))
    gate = Gate()
    transport = FakeTransport(lambda request: gate(request) if "//a." in request.url else reply_of(204))
    [slow] = await owe(database, event_of(), ["a"])
    hooked = HookedDatabase(database)
    dispatcher = dispatcher_of(hooked, transport, clock)
    async with running(dispatcher):
        await transport.sent(1)
        clock.advance(5 * HOUR_MS)
        before = hooked.writes
        for number in range(2, 7):
            await owe(database, event_of(f"event-{number}"), ["b"])
            dispatcher.wake()
            await transport.sent(number)
        writes = hooked.writes - before
        gate.opened.set()

    assert [(1, "SUCCEEDED")] == await outcomes(database, slow)
    # For each of the five: one tick that claims, one or two that find nothing, one record, and the wake after it.
    assert writes <= 5 * 6


async def test_claims_of_an_earlier_process_are_taken_over_at_the_start_however_long_they_run(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """It is gone, so its leases are void: also when its clock was hours ahead."""
    await subscribe(database, subscription_of("a"))
    [one] = await owe(database, event_of(), ["a"])
    await claim_lane(database, "a", owner="earlier", lease_ms=9 * HOUR_MS)
    transport = FakeTransport()
    async with running(dispatcher_of(database, transport, clock)):
        await transport.sent(1)

    assert [(1, "INTERRUPTED"), (2, "SUCCEEDED")] == await outcomes(database, one)


@pytest.mark.parametrize("is_killed", [True, False])
async def test_attempt_of_a_cancelled_notification_that_never_ends_is_recorded_by_the_next_process(
    database: SqliteDatabase, clock: FakeClock, is_killed: bool
) -> None:
    """Whether the process died, or stopped and broke it off: the receiver may have it, and it is not sent again."""
    await subscribe(database, subscription_of("a"))
    [one] = await owe(database, event_of(), ["a"])
    first = FakeTransport(Gate())
    dispatcher = dispatcher_of(database, first, clock, owner="first")
    run = asyncio.create_task(dispatcher.run())
    await first.sent(1)
    await database.write(lambda tx: interventions.cancel(tx, [one], now_ms=NOW_MS))
    if is_killed:
        run.cancel()
    else:
        dispatcher.stop(drain_timeout_s=0)
    await asyncio.wait([run])
    between = await outcomes(database, one)

    next_ = FakeTransport()
    async with running(dispatcher_of(database, next_, clock)):
        await owe(database, event_of("2"), ["a"])
        await next_.sent(1)

    row = await stored(database, one)
    assert ([], [(1, "INTERRUPTED")]) == (between, await outcomes(database, one))
    assert ("CANCELLED", None, 1) == (row["state"], row["lease_owner"], len(next_.requests))


async def test_own_attempt_of_a_cancelled_notification_is_not_taken_over(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """Whatever the clock says. When it ends, what came of it is recorded."""
    await subscribe(database, *map(subscription_of, "ab"))
    [one] = await owe(database, event_of(), ["a"])
    gate = Gate()
    transport = FakeTransport(lambda request: gate(request) if "//a." in request.url else reply_of(204))
    dispatcher = dispatcher_of(database, transport, clock)
    async with running(dispatcher):
        await transport.sent(1)
        await database.write(lambda tx: interventions.cancel(tx, [one], now_ms=NOW_MS))
        clock.advance(5 * HOUR_MS)
        await owe(database, event_of("2"), ["b"])
        dispatcher.wake()
        await transport.sent(2)
        between = await outcomes(database, one)
        gate.opened.set()

    row = await stored(database, one)
    assert ([], [(1, "SUCCEEDED")]) == (between, await outcomes(database, one))
    assert ("CANCELLED", None) == (row["state"], row["lease_owner"])


async def test_dispatcher_goes_on_when_the_database_answers_again(database: SqliteDatabase, clock: FakeClock) -> None:
    """It pauses, and claims nothing meanwhile."""
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"])
    hooked = HookedDatabase(database)
    hooked.refused_writes = 1
    transport = FakeTransport()
    with capture_logs() as logs:
        async with running(dispatcher_of(hooked, transport, clock)):
            await transport.sent(1)

    assert ["SUCCEEDED"] == await states(database, ids)
    assert ["STORAGE_UNAVAILABLE"] == [entry["reason"] for entry in logs if entry["event"] == "claiming.paused"]
