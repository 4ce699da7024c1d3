"""Clocks, and how a time is written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.clock import SystemClock, rfc3339

YEAR_1_MS = -62_135_596_800_000
YEAR_9999_END_MS = 253_402_300_799_999


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_167_000_000, "2026-11-20T09:30:00.000Z"),
        (1_795_167_000_007, "2026-11-20T09:30:00.007Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (YEAR_1_MS, "0001-01-01T00:00:00.000Z"),
        (YEAR_9999_END_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_time_is_written_in_utc_with_milliseconds(time_ms: int, expected: str) -> None:
    """Always the same 24 characters, so texts sort as times do."""
    assert expected == rfc3339(time_ms)


@given(st.integers(YEAR_1_MS, YEAR_9999_END_MS))
def test_written_time_reads_back_as_the_same_millisecond(time_ms: int) -> None:
    """Nothing is rounded on the way."""
    elapsed = datetime.fromisoformat(rfc3339(time_ms)) - datetime(1970, 1, 1, tzinfo=UTC)

    assert time_ms == (elapsed.days * 86_400 + elapsed.seconds) * 1000 + elapsed.microseconds // 1000


@pytest.mark.parametrize("time_ms", [YEAR_1_MS - 1, YEAR_9999_END_MS + 1, 1 << 63])
def test_time_outside_the_years_1_to_9999_cannot_be_written(time_ms: int) -> None:
    """RFC 3339 has four digits for a year."""
    with pytest.raises(OverflowError):
        rfc3339(time_ms)


def test_system_clock_tells_the_time_of_today() -> None:
    """In milliseconds since 1970 rather than seconds or nanoseconds: some year from 2026 to 2999."""
    assert 1_767_225_600_000 < SystemClock().now_ms() < 32_503_680_000_000


def test_monotonic_time_never_runs_backwards() -> None:
    """It is what durations are measured with."""
    clock = SystemClock()
    readings = [clock.monotonic_s() for _ in range(1000)]

    assert sorted(readings) == readings
