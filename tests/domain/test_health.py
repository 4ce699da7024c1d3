"""What outcomes say of a receiver: the ramp, the breaker, and when it is beyond hope."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.health import after_attempt, concurrency_now, is_beyond_hope
from service.domain.model import Attempt, AttemptOutcome, Health
from tests.fakes import NOW_MS, subscription_of

DAY_MS: Final = 24 * 3_600_000
SUCCEEDED: Final = Attempt(1, AttemptOutcome.SUCCEEDED, NOW_MS, 5, http_status=204)
REJECTED: Final = Attempt(1, AttemptOutcome.REJECTED, NOW_MS, 5, http_status=500)
TIMED_OUT: Final = Attempt(1, AttemptOutcome.TIMED_OUT, NOW_MS, 5)
REFUSED: Final = Attempt(1, AttemptOutcome.CONNECT_FAILED, NOW_MS, 5)


def after(health: Health, *attempts: Attempt, max_concurrency: int | None = None) -> Health:
    """Return how a receiver does after these attempts, one second each, begun one after the other."""
    for number, attempt in enumerate(attempts):
        start_ms = NOW_MS + 1_000 * number
        health = after_attempt(
            health,
            replace(attempt, start_time_ms=start_ms),
            max_concurrency=max_concurrency,
            now_ms=start_ms + 999,
        )
    return health


@pytest.mark.parametrize(
    ("successes", "max_concurrency", "expected"),
    [(9, None, 8), (10, None, 9), (560, None, 64), (2_000, None, 64), (2_000, 100, 100), (100, 5, 8)],
)
def test_ten_successes_add_one_until_the_most_that_is_allowed(
    successes: int, max_concurrency: int | None, expected: int
) -> None:
    """One that began above it stays where it is; what may be under way is the smaller of the two."""
    health = after(Health(), *[SUCCEEDED] * successes, max_concurrency=max_concurrency)
    now = concurrency_now(subscription_of("a", health=health, max_concurrency=max_concurrency), now_ms=NOW_MS)

    assert (expected, min(expected, max_concurrency or 64)) == (health.concurrency, now)


@pytest.mark.parametrize(
    "overload",
    [
        TIMED_OUT,
        REFUSED,
        replace(REJECTED, http_status=429),
        replace(REJECTED, http_status=503),
    ],
)
def test_each_sign_of_overload_halves_and_the_fourth_opens(overload: Attempt) -> None:
    """From 8 over 4, 2 and 1 to none."""
    seen = [after(Health(), *[overload] * times).concurrency for times in range(1, 5)]

    assert [4, 2, 1, 0] == seen
    opened = after(Health(), *[overload] * 4)
    assert NOW_MS + 3_999 + 30_000 == opened.open_until_ms


@pytest.mark.parametrize("failure", [REJECTED, replace(REJECTED, outcome=AttemptOutcome.TLS_FAILED, http_status=None)])
def test_receiver_that_answers_with_errors_is_not_sent_less(failure: Attempt) -> None:
    """It is not overloaded; but it is failing, and since when is told."""
    health = after(Health(), *[failure] * 30)

    assert (8, NOW_MS + 999, 30, None) == (
        health.concurrency,
        health.failing_since_ms,
        health.failures,
        health.open_until_ms,
    )


def test_requests_that_were_under_way_together_halve_once() -> None:
    """Eight that time out at the same moment are one overload."""
    health = Health()
    for number in range(8):
        health = after_attempt(health, TIMED_OUT, max_concurrency=None, now_ms=NOW_MS + 15_000 + number)

    assert (4, 8) == (health.concurrency, health.failures)


def test_probes_come_ever_later_up_to_ten_minutes() -> None:
    """And begin anew once one has been answered."""
    health = after(Health(), *[REFUSED] * 4)
    delays_s = []
    for _ in range(7):
        assert health.open_until_ms is not None
        now_ms = health.open_until_ms
        health = after_attempt(health, replace(REFUSED, start_time_ms=now_ms), max_concurrency=None, now_ms=now_ms)
        assert health.open_until_ms is not None
        delays_s.append((health.open_until_ms - now_ms) / 1000)
    answered = after_attempt(health, SUCCEEDED, max_concurrency=None, now_ms=NOW_MS + DAY_MS)
    again = after_attempt(
        answered, replace(REFUSED, start_time_ms=NOW_MS + DAY_MS + 1), max_concurrency=None, now_ms=NOW_MS + DAY_MS + 2
    )

    assert [60, 120, 240, 480, 600, 600, 600] == delays_s
    assert (1, None, None) == (answered.concurrency, answered.open_until_ms, answered.failing_since_ms)
    assert NOW_MS + DAY_MS + 2 + 30_000 == again.open_until_ms


@pytest.mark.parametrize("answer", [SUCCEEDED, REJECTED])
def test_any_answer_to_a_probe_closes_the_lane_to_one(answer: Attempt) -> None:
    """From there it grows as ever. An error is an answer too."""
    opened = after(Health(), *[REFUSED] * 4)

    closed = after_attempt(opened, answer, max_concurrency=None, now_ms=NOW_MS + DAY_MS)

    assert (1, False) == (closed.concurrency, closed.is_open)


def test_what_this_server_interrupted_says_nothing() -> None:
    """The receiver may have done everything right."""
    health = after(Health(), REFUSED)

    assert health == after_attempt(
        health, replace(REFUSED, outcome=AttemptOutcome.INTERRUPTED), max_concurrency=None, now_ms=NOW_MS + DAY_MS
    )


def test_steady_success_changes_nothing_within_a_second() -> None:
    """So that it need not be written."""
    health = Health(concurrency=64, last_success_time_ms=NOW_MS)

    soon = after_attempt(health, SUCCEEDED, max_concurrency=None, now_ms=NOW_MS + 999)
    later = after_attempt(health, SUCCEEDED, max_concurrency=None, now_ms=NOW_MS + 1_000)

    assert (health, NOW_MS + 1_000) == (soon, later.last_success_time_ms)


@pytest.mark.parametrize(
    ("failing_ms", "failures", "expected"),
    [
        (5 * DAY_MS, 20, True),
        (5 * DAY_MS - 1, 20_000, False),
        (50 * DAY_MS, 19, False),
    ],
)
def test_receiver_is_beyond_hope_after_five_days_and_twenty_attempts(
    failing_ms: int, failures: int, expected: bool
) -> None:
    """Both: neither a short outage under load nor a rare notification is enough."""
    health = Health(failing_since_ms=NOW_MS - failing_ms, failures=failures)

    assert expected == is_beyond_hope(health, now_ms=NOW_MS)


def test_one_success_is_hope() -> None:
    """However long it failed before."""
    health = Health(failing_since_ms=NOW_MS - 50 * DAY_MS, failures=500)

    assert not is_beyond_hope(
        after_attempt(health, SUCCEEDED, max_concurrency=None, now_ms=NOW_MS), now_ms=NOW_MS + 50 * DAY_MS
    )


@given(
    outcomes=st.lists(
        st.tuples(st.sampled_from([SUCCEEDED, REJECTED, TIMED_OUT, REFUSED]), st.integers(-5_000, 700_000)),
        max_size=200,
    ),
    max_concurrency=st.none() | st.integers(1, 256),
)
def test_lane_is_open_exactly_when_nothing_is_left_and_never_for_longer_than_ten_minutes(
    outcomes: list[tuple[Attempt, int]], max_concurrency: int | None
) -> None:
    """Whatever comes, and whatever the clock does."""
    health, now_ms = Health(), NOW_MS
    for attempt, passes_ms in outcomes:
        now_ms += passes_ms
        health = after_attempt(
            health, replace(attempt, start_time_ms=now_ms), max_concurrency=max_concurrency, now_ms=now_ms
        )
        assert health.is_open == (health.concurrency == 0)
        assert 0 <= health.concurrency <= max(8, max_concurrency or 64)
        subscription = subscription_of("a", health=health, max_concurrency=max_concurrency)
        assert concurrency_now(subscription, now_ms=now_ms + 600_000) >= 1
