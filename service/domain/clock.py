"""Time as a dependency: everything that needs to know the time is handed a clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is stored and signed, monotonic time for durations."""

    def now_ms(self) -> int:
        """Return the wall time in milliseconds since the Unix epoch."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...


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
    """
    seconds, milliseconds = divmod(time_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC) if 0 <= seconds else _before_epoch(seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z".rjust(24, "0")


def _before_epoch(seconds: int) -> datetime:
    # datetime.fromtimestamp refuses negative times on some platforms; arithmetic works everywhere.
    from datetime import timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
