"""The frame of the loops that work in slices."""

import asyncio
from collections.abc import Awaitable, Callable

from structlog.testing import capture_logs

from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.errors import StorageUnavailable
from tests.fakes import WAIT_S

NEVER_S = 3_600.0


async def run_until(done: asyncio.Event, work: Callable[[], Awaitable[float]], *, wake: asyncio.Event) -> None:
    """Run a loop that polls never until the event is set."""
    loop = asyncio.create_task(work_in_slices(work, name="test", poll_s=NEVER_S, wake=wake))
    async with asyncio.timeout(WAIT_S):
        await done.wait()
    loop.cancel()
    await asyncio.wait([loop])


async def test_slices_follow_each_other_at_once_while_there_is_work() -> None:
    """Without a wake-up, and without a poll."""
    waits = [AT_ONCE, AT_ONCE, NOTHING_LEFT]
    done = asyncio.Event()

    async def work() -> float:
        wait_s = waits.pop(0)
        if not waits:
            done.set()
        return wait_s

    await run_until(done, work, wake=asyncio.Event())

    assert [] == waits


async def test_wake_up_during_a_slice_that_finds_nothing_is_not_lost() -> None:
    """The work may have been made after the slice looked."""
    wake, done = asyncio.Event(), asyncio.Event()
    slices = 0

    async def work() -> float:
        nonlocal slices
        slices += 1
        (wake if slices == 1 else done).set()
        return NOTHING_LEFT

    await run_until(done, work, wake=wake)

    assert 2 == slices


async def test_next_slice_comes_when_its_time_has_come() -> None:
    """Earlier than the poll, if the slice says so."""
    done = asyncio.Event()
    slices = 0

    async def work() -> float:
        nonlocal slices
        slices += 1
        if slices == 2:
            done.set()
        return 0.001

    await run_until(done, work, wake=asyncio.Event())

    assert 2 <= slices


async def test_outage_pauses_a_loop_and_is_logged_once_until_it_ends() -> None:
    """It goes on however often the database was away; a second outage is told of anew."""
    wake, done = asyncio.Event(), asyncio.Event()
    outages = [True, True, False, True]

    async def work() -> float:
        if not outages:
            done.set()
            return NOTHING_LEFT
        wake.set()
        if outages.pop(0):
            raise StorageUnavailable("away")
        return NOTHING_LEFT

    with capture_logs() as logs:
        await run_until(done, work, wake=wake)

    paused, resumed = ("test.paused", "STORAGE_UNAVAILABLE"), ("test.resumed", None)
    assert [paused, resumed] * 2 == [(each["event"], each.get("reason")) for each in logs]
