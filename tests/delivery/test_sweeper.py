"""Sweeps: pending notifications of a deleted or re-enabled subscription are moved in slices."""

import asyncio
from dataclasses import dataclass, field

import pytest

from service.delivery.sweeper import Sweeper
from service.storage import queue, sweeps
from service.storage.sqlite import SqliteDatabase
from service.storage.sweeps import SweepKind
from tests.fakes import (
    NOW_MS,
    WAIT_S,
    FakeClock,
    HookedDatabase,
    event_of,
    owe,
    states,
    subscribe,
    subscription_of,
    unsubscribe,
)


@dataclass
class Releases:
    """Counts what it is told of."""

    count: int = 0
    lanes: set[str] = field(default_factory=set)

    def __call__(self, lanes: frozenset[str]) -> None:
        self.count += 1
        self.lanes |= lanes


@pytest.fixture
def releases() -> Releases:
    """How often the dispatcher would have been woken."""
    return Releases()


async def hold(database: SqliteDatabase, uid: str) -> None:
    """Hold what is ready in a lane, and then ask for its release."""
    await database.write(lambda tx: queue.hold(tx, uid, hold_end_ms=NOW_MS + 1000, limit=10_000))
    await database.write(lambda tx: sweeps.start_release(tx, uid))


async def test_slice_moves_at_most_500_and_the_sweep_ends(
    database: SqliteDatabase, clock: FakeClock, releases: Releases
) -> None:
    """So that publishes go on between two of them."""
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"] * 1_001)
    await unsubscribe(database, "a")
    sweeper = Sweeper(database, clock=clock, on_released=releases)

    counts = []
    while await sweeper.sweep_slice() is SweepKind.CANCEL:
        counts.append((await states(database, ids[::500])).count("CANCELLED"))

    assert [1, 2, 3] == counts
    assert {"CANCELLED"} == set(await states(database, ids))


async def test_subscriptions_are_swept_one_after_the_other(
    database: SqliteDatabase, clock: FakeClock, releases: Releases
) -> None:
    """Each in its own way, and those without a sweep not at all."""
    await subscribe(database, *map(subscription_of, "abc"))
    ids = await owe(database, event_of(), list("abc"))
    await unsubscribe(database, "a")
    await hold(database, "b")
    sweeper = Sweeper(database, clock=clock, on_released=releases)

    assert [SweepKind.CANCEL, SweepKind.RELEASE, None] == [await sweeper.sweep_slice() for _ in range(3)]
    assert ["CANCELLED", "READY", "READY"] == await states(database, ids)


async def test_running_sweeper_sweeps_when_woken_and_tells_of_what_is_ready(
    database: SqliteDatabase, clock: FakeClock, releases: Releases
) -> None:
    """A cancelled notification is nothing to wake the dispatcher for; a released one is."""
    await subscribe(database, *map(subscription_of, "ab"))
    ids = await owe(database, event_of(), list("ab"))
    released = asyncio.Event()

    def on_released(lanes: frozenset[str]) -> None:
        releases(lanes)
        released.set()

    sweeper = Sweeper(database, clock=clock, on_released=on_released)
    running = asyncio.create_task(sweeper.run())
    await unsubscribe(database, "a")
    await hold(database, "b")

    sweeper.wake()
    async with asyncio.timeout(WAIT_S):
        await released.wait()
    running.cancel()
    await asyncio.wait([running])

    assert (["CANCELLED", "READY"], 1, {"b"}) == (await states(database, ids), releases.count, releases.lanes)


async def test_sweep_goes_on_when_the_database_answers_again(database: SqliteDatabase, clock: FakeClock) -> None:
    """A slice that could not be committed is done again when the sweeper is woken."""
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"])
    await hold(database, "a")
    hooked = HookedDatabase(database)
    hooked.refused_writes = 1
    released = asyncio.Event()
    sweeper = Sweeper(hooked, clock=clock, on_released=lambda _: released.set())

    async def wake() -> None:
        if hooked.writes == 1:
            sweeper.wake()

    hooked.before_write = wake
    running = asyncio.create_task(sweeper.run())
    async with asyncio.timeout(WAIT_S):
        await released.wait()
    running.cancel()
    await asyncio.wait([running])

    assert (["READY"], True) == (await states(database, ids), hooked.writes > 1)


async def test_release_that_is_asked_for_again_begins_again(
    database: SqliteDatabase, clock: FakeClock, releases: Releases
) -> None:
    """What was held behind the first one's back is met by the second."""
    await subscribe(database, subscription_of("a"))
    ids = await owe(database, event_of(), ["a"] * 600)
    await hold(database, "a")
    sweeper = Sweeper(database, clock=clock, on_released=releases)
    await sweeper.sweep_slice()
    between = await states(database, [ids[0], ids[-1]])
    await hold(database, "a")

    while await sweeper.sweep_slice() is not None:
        pass

    assert ["READY", "WAITING"] == between
    assert {"READY"} == set(await states(database, ids))
