"""Turns at evaluating filters, so that whoever has none, or quick ones, does not wait for those whose are slow.

An evaluation holds the event loop, and the interpreter, for up to 20 ms. All that evaluate stand in one line, each
workspace with one event at a time, and a turn is one slice. Turns together take half of the loop's time at most: after
slices that took longer than that, nobody evaluates for as long as they took.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from service.domain.clock import CpuClock, thread_cpu_s

# A turn goes on this long before it is somebody else's.
_SLICE_CPU_S: Final = 0.005
_SHARE: Final = 0.5
# More than two evaluations of one filter take, which is what a slice may come to.
_PAUSE_S_MAX: Final = 0.050


class CpuSlice:
    """Counts the CPU that a task uses from now on, without a pause in which others could use it."""

    def __init__(self, cpu_s: CpuClock = thread_cpu_s) -> None:
        self._cpu_s = cpu_s
        self._start_s = cpu_s()

    @property
    def used_s(self) -> float:
        """How much it has used."""
        return self._cpu_s() - self._start_s

    @property
    def is_used_up(self) -> bool:
        """Whether it is time to let others have their turn."""
        return self.used_s > _SLICE_CPU_S

    async def give_way(self) -> None:
        """Let whatever else is ready have its turn, and begin to count anew."""
        await asyncio.sleep(0)
        self._start_s = self._cpu_s()


class Turns:
    """The line in which evaluations wait. The first one to come has the next turn.

    Args:
        cpu_s: by which turns, and the evaluations in them, are measured.
    """

    def __init__(self, cpu_s: CpuClock = thread_cpu_s) -> None:
        self.cpu_s = cpu_s
        self._line = asyncio.Lock()
        # When the loop will have had as much time for all else as evaluations took.
        self._even_at_s = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[CpuSlice]:
        """Wait for a turn. Await nothing in it, and end it once the slice is used up."""
        await self._line.acquire()
        began_s = asyncio.get_running_loop().time()
        used_s = 0.0
        try:
            slice_ = CpuSlice(self.cpu_s)
            yield slice_
            used_s = slice_.used_s
        finally:
            # Also after a bug, which must not end the turns of everybody.
            self._let_the_next(began_s, used_s)

    def _let_the_next(self, began_s: float, used_s: float) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._even_at_s = min(max(self._even_at_s, began_s) + used_s / _SHARE, now_s + _PAUSE_S_MAX)
        # Timers are no finer than a millisecond, so what is owed is put together until it is worth one.
        if self._even_at_s - now_s > _SLICE_CPU_S:
            loop.call_at(self._even_at_s, self._line.release)
        else:
            self._line.release()
