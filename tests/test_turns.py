"""Turns at evaluating: one at a time, first come first served, and as much time for all else."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from service.turns import Turns
from tests.simulation.virtual_time import VirtualTimeLoop


class VirtualCpu:
    """A CPU clock that stands still, and a loop whose time goes on with it when something is worked on."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._used_s = 0.0

    def __call__(self) -> float:
        return self._used_s

    def work(self, seconds: float) -> None:
        """Use the CPU, while nobody else can."""
        self._used_s += seconds
        self._loop._now_s += seconds


@pytest.fixture
def loop() -> VirtualTimeLoop:
    """A loop in whose time nothing depends on the machine."""
    return VirtualTimeLoop()


def run(loop: VirtualTimeLoop, work: Coroutine[Any, Any, None]) -> None:
    """Run to the end of it, with all that it left behind."""
    loop.run_until_complete(asyncio.wait_for(work, 1_000))
    loop.close()


def test_whoever_comes_first_has_the_next_turn(loop: VirtualTimeLoop) -> None:
    """Whoever goes on comes after those that wait: workspaces that evaluate at the same time alternate."""
    cpu = VirtualCpu(loop)
    turns = Turns(cpu)
    had: list[str] = []

    async def evaluate(name: str) -> None:
        for _ in range(3):
            async with turns.turn():
                cpu.work(0.020)
                had.append(name)

    async def both() -> None:
        async with turns.turn():
            cpu.work(0.020)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(evaluate("a"))
            tasks.create_task(evaluate("b"))

    run(loop, both())

    assert ["a", "b"] * 3 == had


@pytest.mark.parametrize("slice_s", [0.0001, 0.001, 0.007, 0.020, 0.045])
@pytest.mark.parametrize("evaluating", [1, 5])
def test_evaluations_take_half_of_the_time_however_many_want_it(
    loop: VirtualTimeLoop, slice_s: float, evaluating: int
) -> None:
    """And a timer that runs meanwhile is late by a slice, or by what quick ones may add up to."""
    cpu = VirtualCpu(loop)
    turns = Turns(cpu)
    late_s: list[float] = []

    async def evaluate() -> None:
        while loop.time() < 10:
            async with turns.turn():
                cpu.work(slice_s)

    async def look() -> None:
        while loop.time() < 10:
            due_s = loop.time() + 0.002
            await asyncio.sleep(0.002)
            late_s.append(loop.time() - due_s)

    async def all_at_once() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(evaluating):
                tasks.create_task(evaluate())
            tasks.create_task(look())

    run(loop, all_at_once())

    # Each of them may have begun a turn before the end.
    assert 4.5 < cpu() <= 5 + 0.006 + evaluating * slice_s
    assert max(late_s) < max(slice_s, 0.006) + 0.002


def test_little_work_is_not_held_up(loop: VirtualTimeLoop) -> None:
    """Where evaluations take less than half of the time, nobody pauses after them."""
    cpu = VirtualCpu(loop)
    turns = Turns(cpu)

    async def evaluate() -> None:
        for number in range(100):
            await asyncio.sleep(number * 0.010 - loop.time())
            async with turns.turn():
                assert loop.time() == pytest.approx(number * 0.010)
                cpu.work(0.004)

    run(loop, evaluate())


def test_whoever_gives_up_waiting_takes_no_turn(loop: VirtualTimeLoop) -> None:
    """The next one has it, at the time at which it would have been had."""
    cpu = VirtualCpu(loop)
    turns = Turns(cpu)

    async def take() -> float:
        async with turns.turn():
            cpu.work(0.010)
            return loop.time()

    async def evaluate() -> None:
        assert await take() == pytest.approx(0.010)
        impatient = asyncio.ensure_future(take())
        await asyncio.sleep(0.001)
        impatient.cancel()
        assert await take() == pytest.approx(0.030)

    run(loop, evaluate())


def test_turn_that_ends_with_an_error_is_over(loop: VirtualTimeLoop) -> None:
    """A bug in one evaluation must not end all others."""
    turns = Turns(VirtualCpu(loop))

    async def evaluate() -> None:
        with suppress(ZeroDivisionError):
            async with turns.turn():
                raise ZeroDivisionError
        async with turns.turn():
            pass

    run(loop, evaluate())
