"""What an attempt says of its receiver: how much may be sent to it at once, since when it fails, when enough is enough.

One number per subscription, its concurrency, is breaker, half-open state and ramp in one: it grows with successes, is
halved by signs of overload, and at 0 only probes are sent. It delays and never drops. Pure.
"""

from dataclasses import replace
from typing import Final

from service.domain.model import Attempt, AttemptOutcome, Health, Subscription

CONCURRENCY_DEFAULT_MAX: Final = 64
SUCCESSES_PER_STEP: Final = 10
FAILING_MS_MAX: Final = 5 * 24 * 3_600_000
FAILURES_MIN: Final = 20
PROBE_DELAY_MS_MAX: Final = 600_000

_PROBE_DELAY_MS: Final = 30_000
_DOUBLINGS_MAX: Final = 5
_SUCCESS_RESOLUTION_MS: Final = 1_000

_OVERLOAD_OUTCOMES: Final = frozenset({AttemptOutcome.TIMED_OUT, AttemptOutcome.CONNECT_FAILED})
_OVERLOAD_STATUSES: Final = frozenset({429, 503})


def concurrency_max(max_concurrency: int | None) -> int:
    """Return how far a lane may grow: as its subscription says, or to 64."""
    return CONCURRENCY_DEFAULT_MAX if max_concurrency is None else max_concurrency


def concurrency_now(subscription: Subscription, *, now_ms: int) -> int:
    """Return how many requests of a subscription may be under way now: one, as a probe, when an open lane is due."""
    health = subscription.health
    if health.open_until_ms is not None:
        # A clock that was set back must not keep a lane open for longer than a probe may take to come.
        return 0 if now_ms < health.open_until_ms <= now_ms + PROBE_DELAY_MS_MAX else 1
    return min(health.concurrency, concurrency_max(subscription.max_concurrency))


def after_attempt(health: Health, attempt: Attempt, *, max_concurrency: int | None, now_ms: int) -> Health:
    """Return how a receiver does after one more attempt. What this server interrupted says nothing of it.

    Args:
        now_ms: when the attempt is recorded.
    """
    match attempt.outcome:
        case AttemptOutcome.INTERRUPTED:
            return health
        case AttemptOutcome.SUCCEEDED:
            return _after_success(health, most=concurrency_max(max_concurrency), now_ms=now_ms)
        case _:
            failing = replace(
                health, failing_since_ms=health.failing_since_ms or now_ms, failures=health.failures + 1, successes=0
            )
            return _narrowed(failing, attempt, now_ms=now_ms) if _is_overload(attempt) else _closed(failing)


def is_beyond_hope(health: Health, *, now_ms: int) -> bool:
    """Say whether a receiver has done nothing but fail for so long that it is to be left alone."""
    since_ms = health.failing_since_ms
    return since_ms is not None and now_ms - since_ms >= FAILING_MS_MAX and health.failures >= FAILURES_MIN


def _after_success(health: Health, *, most: int, now_ms: int) -> Health:
    last_ms = health.last_success_time_ms
    if last_ms is None or abs(now_ms - last_ms) >= _SUCCESS_RESOLUTION_MS:
        last_ms = now_ms
    concurrency, successes = max(1, health.concurrency), 0
    if not health.is_open and concurrency < most:
        successes = (health.successes + 1) % SUCCESSES_PER_STEP
        concurrency += 0 if successes else 1
    after = Health(concurrency, successes, health.narrowed_at_ms, last_success_time_ms=last_ms)
    return health if after == health else after


def _closed(health: Health) -> Health:
    """A receiver that answers, if only with an error, is sent one request at a time, and then more."""
    return replace(health, concurrency=1, open_until_ms=None, failed_probes=0) if health.is_open else health


def _narrowed(health: Health, attempt: Attempt, *, now_ms: int) -> Health:
    # What was begun before the last reduction belongs to the same overload: it must not count again.
    if attempt.start_time_ms < health.narrowed_at_ms <= now_ms:
        return health
    if health.is_open:
        return replace(
            health,
            narrowed_at_ms=now_ms,
            failed_probes=health.failed_probes + 1,
            open_until_ms=now_ms + _probe_delay_ms(health.failed_probes + 1),
        )
    concurrency = health.concurrency // 2
    open_until_ms = None if concurrency else now_ms + _probe_delay_ms(0)
    return replace(health, concurrency=concurrency, narrowed_at_ms=now_ms, open_until_ms=open_until_ms)


def _probe_delay_ms(failed_probes: int) -> int:
    return min(PROBE_DELAY_MS_MAX, _PROBE_DELAY_MS << min(failed_probes, _DOUBLINGS_MAX))


def _is_overload(attempt: Attempt) -> bool:
    return attempt.outcome in _OVERLOAD_OUTCOMES or attempt.http_status in _OVERLOAD_STATUSES
