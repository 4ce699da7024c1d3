"""Time as a dependency: everything that needs to know the time is handed a clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Wall time for what is stored and signed, monotonic time for durations."""

    def now_ms(self) -> int:
        """Return the wall time in milliseconds since the Unix epoch."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...


CpuClock = Callable[[], float]
"""Returns the seconds of CPU that the calling thread has used: what others use does not count."""


def thread_cpu_s() -> float:
    """Return the seconds of CPU that the calling thread has used, from an arbitrary start."""
    return time.thread_time()


class SystemClock:
    """The machine's clocks. The only place that reads them."""

    def now_ms(self) -> int:
        """Return the wall time in milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        return time.monotonic()


def rfc3339(time_ms: int) -> str:
    """Return a time as RFC 3339 text in UTC with milliseconds, `2026-11-20T09:30:00.000Z`.

    Args:
        time_ms: milliseconds since the Unix epoch, within the years 1 to 9999.

    Raises:
        OverflowError: the time is in no such year.
    """
    # Whole numbers only: datetime.fromtimestamp rounds floats, and refuses negative times on some platforms.
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
