"""An event loop whose time is made up: when nothing is ready, it is at once as late as the next timer says."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes import NOW_MS

_TURNS_PER_INSTANT_MAX = 100_000


class SimulationStuck(Exception):
    """Every task waits for something that will never happen, or some spin without time passing."""


class VirtualTimeLoop(asyncio.base_events.BaseEventLoop):
    """Single-threaded, without sockets and signals. What would wait for the outside world ends the simulation."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._turns = 0
        self._clock_resolution = 1e-9
        self._selector = self

    def time(self) -> float:
        """Return the seconds since the loop was made, all of them virtual."""
        return self._now_s

    def select(self, timeout_s: float | None) -> Sequence[Any]:
        """Let the time pass that the loop would have slept. Called by the loop, as its selector."""
        if timeout_s is None:
            raise SimulationStuck("every task waits, and no timer runs")
        self._turns = self._turns + 1 if timeout_s == 0 else 0
        if self._turns > _TURNS_PER_INSTANT_MAX:
            raise SimulationStuck(f"{self._turns} turns of the loop at {self._now_s} s")
        self._now_s += timeout_s
        return ()

    def _write_to_self(self) -> None:
        # What `call_soon_threadsafe` wakes the loop with: nothing here may know of threads.
        raise SimulationStuck("something runs in a thread")

    def _process_events(self, event_list: Sequence[Any]) -> None:
        return


class VirtualClock:
    """A Clock by the loop's time; its wall time can jump, as that of a machine can."""

    def __init__(self, loop_time_s: Callable[[], float]) -> None:
        self._loop_time_s = loop_time_s
        self._jumped_ms = 0

    def now_ms(self) -> int:
        """Return the wall time, jumps included."""
        return NOW_MS + self._jumped_ms + int(self._loop_time_s() * 1000)

    def monotonic_s(self) -> float:
        """Return the loop's time, which never jumps."""
        return self._loop_time_s()

    def jump(self, milliseconds: int) -> None:
        """Set the wall clock forward, or back."""
        self._jumped_ms += milliseconds
