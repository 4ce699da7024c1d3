"""Retry: what an answer means, and what happens next.

Three pure steps: `classify` a reply, `decide` what becomes of the notification, and `check_policy` what a subscriber
may ask for. tenacity holds the policy and decides; it never sleeps here, the delay goes into a row of the database.
"""

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random
from typing import assert_never

from tenacity import (
    DoSleep,
    Future,
    RetryCallState,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_chain,
    wait_exponential,
    wait_fixed,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from service.domain.errors import InvalidField
from service.domain.model import AttemptOutcome, ExponentialBackoff, FailureReason, FixedSchedule, RetryPolicy
from service.domain.outcomes import Gone, Interrupted, Outcome, Rejected, Reply, Succeeded, Unreachable

RETRY_AFTER_S_MAX = 24 * 3600.0
JITTER = 0.2

_DAY_S = 24 * 3600
_SCHEDULE_DELAYS_MAX = 32
_ATTEMPTS_MAX = 50
_DELAY_S_MIN = 0.1
_DELAY_S_MAX = 7 * _DAY_S
_MULTIPLIER_MAX = 10
_ATTEMPT_TIMEOUT_S_MAX = 30
_MAX_AGE_S_MIN = 60
_MAX_AGE_S_MAX = 30 * _DAY_S

_RETRY_AFTER_CHARACTERS_MAX = 64
_STATUSES_WITH_RETRY_AFTER = frozenset({429, 503})
_GONE = 410


@dataclass(frozen=True, slots=True)
class Succeed:
    """The notification is SUCCEEDED."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """The notification waits; its next attempt is due at `due_at_ms` and stands at `schedule_step`."""

    due_at_ms: int
    schedule_step: int


@dataclass(frozen=True, slots=True)
class Fail:
    """The notification is FAILED."""

    reason: FailureReason


Decision = Succeed | RetryAt | Fail


def classify(reply: Reply | Unreachable, now_ms: int) -> Outcome:
    """Say what a reply means, by its status and its Retry-After header alone.

    Args:
        now_ms: when the reply came, which a Retry-After given as a date is counted from.
    """
    if isinstance(reply, Unreachable):
        return reply
    if 200 <= reply.http_status <= 299:
        return Succeeded()
    if reply.http_status == _GONE:
        return Gone()
    if reply.http_status in _STATUSES_WITH_RETRY_AFTER:
        return Rejected(retry_after_s=_retry_after_s(reply, now_ms))
    return Rejected()


def attempt_outcome(outcome: Outcome) -> AttemptOutcome:
    """Return an outcome in the word under which its attempt is recorded."""
    match outcome:
        case Succeeded():
            return AttemptOutcome.SUCCEEDED
        case Gone():
            return AttemptOutcome.GONE
        case Rejected():
            return AttemptOutcome.REJECTED
        case Unreachable(kind=kind):
            return AttemptOutcome(kind.value)
        case Interrupted():
            return AttemptOutcome.INTERRUPTED
        case _:
            assert_never(outcome)


def decide(
    outcome: Outcome, *, schedule_step: int, policy: RetryPolicy, create_time_ms: int, now_ms: int, rng: Random
) -> Decision:
    """Say what happens to a notification after one attempt.

    The next attempt comes after the policy's delay ± 20 %, or when Retry-After says if that is later. There is none if
    the policy's attempts are used up, or if it would come when the notification is `max_age_s` old or older.

    An interrupted attempt is decided like a failed one. A caller that does not want it to count does not ask.

    Args:
        schedule_step: how many attempts of this schedule came before this one; 0 at the first.
        create_time_ms: when the notification began to age.
    """
    if isinstance(outcome, Succeeded):
        return Succeed()  # Most end so, and tenacity would take a tenth of a delivery's time to say it.
    attempts_used_up = stop_after_attempt(_attempts_max(policy))

    def give_up(state: RetryCallState) -> Fail:
        is_used_up = attempts_used_up(state)
        return Fail(FailureReason.ATTEMPTS_EXHAUSTED if is_used_up else FailureReason.MAX_AGE_REACHED)

    # A new object each time: tenacity's keep the state of the call that they are in.
    retrying = Retrying(
        retry=retry_if_result(_calls_for_another_attempt),
        wait=_NotBefore(_Jittered(_delays(policy), rng), _least_delay_s(outcome)),
        stop=_or_too_old(attempts_used_up, policy.max_age_s),
        retry_error_callback=give_up,
    )
    retrying.begin()
    age_s = max(0, now_ms - create_time_ms) / 1000
    answer = retrying.iter(_call_state(retrying, outcome, attempt_number=schedule_step + 1, age_s=age_s))
    if isinstance(answer, DoSleep):
        return RetryAt(due_at_ms=now_ms + math.ceil(answer * 1000), schedule_step=schedule_step + 1)
    if isinstance(answer, Fail):
        return answer
    assert isinstance(outcome, Gone), "everything else calls for another attempt"
    return Fail(FailureReason.GONE)


def check_policy(field: str, policy: RetryPolicy) -> None:
    """Refuse a retry policy outside its limits.

    schedule: 1 to 32 delays. Delays: 0.1 s to 7 days. max_attempts: 1 to 50. max_delay: at least initial_delay.
    multiplier: 1 to 10. attempt_timeout: 1 to 30 s. max_age: 60 s to 30 days. NaN and infinity are outside of all.

    Raises:
        InvalidField: with the path of the field below `field`, such as `subscription.retry_policy.schedule[2]`.
    """
    match policy.backoff:
        case FixedSchedule() as schedule:
            _check_schedule(field, schedule)
        case ExponentialBackoff() as backoff:
            _check_exponential(field, backoff)
        case _:
            assert_never(policy.backoff)
    _check_range(f"{field}.attempt_timeout", policy.attempt_timeout_s, 1, _ATTEMPT_TIMEOUT_S_MAX, unit=" s")
    if policy.max_age_s is not None:
        _check_range(f"{field}.max_age", policy.max_age_s, _MAX_AGE_S_MIN, _MAX_AGE_S_MAX, unit=" s")


class _Jittered(wait_base):
    """Another wait, ± 20 %. (tenacity's own jitter rolls the process's global dice.)"""

    def __init__(self, wait: wait_base, rng: Random) -> None:
        self._wait = wait
        self._rng = rng

    def __call__(self, retry_state: RetryCallState) -> float:
        return self._wait(retry_state) * self._rng.uniform(1 - JITTER, 1 + JITTER)


class _NotBefore(wait_base):
    """Another wait, but at least so long."""

    def __init__(self, wait: wait_base, least_s: float) -> None:
        self._wait = wait
        self._least_s = least_s

    def __call__(self, retry_state: RetryCallState) -> float:
        return max(self._wait(retry_state), self._least_s)


def _call_state(retrying: Retrying, outcome: Outcome, *, attempt_number: int, age_s: float) -> RetryCallState:
    """Return the state of a call that began `age_s` ago and has just had its attempt of this number."""
    state = RetryCallState(retrying, fn=None, args=(), kwargs={})
    state.attempt_number = attempt_number
    state.start_time, state.outcome_timestamp = 0.0, age_s
    state.outcome = Future.construct(attempt_number, outcome, has_exception=False)
    return state


def _calls_for_another_attempt(outcome: Outcome) -> bool:
    match outcome:
        case Succeeded() | Gone():
            return False
        case Rejected() | Unreachable() | Interrupted():
            return True
        case _:
            assert_never(outcome)


def _delays(policy: RetryPolicy) -> wait_base:
    match policy.backoff:
        case FixedSchedule(delays_s=delays_s):
            return wait_chain(*map(wait_fixed, delays_s))
        case ExponentialBackoff(initial_delay_s=initial_delay_s, max_delay_s=max_delay_s, multiplier=multiplier):
            return wait_exponential(multiplier=initial_delay_s, exp_base=multiplier, max=max_delay_s)
        case _:
            assert_never(policy.backoff)


def _attempts_max(policy: RetryPolicy) -> int:
    match policy.backoff:
        case FixedSchedule(delays_s=delays_s):
            return len(delays_s) + 1
        case ExponentialBackoff(max_attempts=max_attempts):
            return max_attempts
        case _:
            assert_never(policy.backoff)


def _or_too_old(stop: stop_base, max_age_s: float | None) -> stop_base:
    return stop if max_age_s is None else stop | stop_before_delay(max_age_s)


def _least_delay_s(outcome: Outcome) -> float:
    return outcome.retry_after_s or 0.0 if isinstance(outcome, Rejected) else 0.0


def _retry_after_s(reply: Reply, now_ms: int) -> float | None:
    """Return what the first Retry-After asks for (RFC 9110, section 10.2.3), 0 to 24 h; None if it cannot be read."""
    value = next((value.strip() for name, value in reply.headers if name.lower() == "retry-after"), "")
    if len(value) > _RETRY_AFTER_CHARACTERS_MAX:
        return None
    # isdigit alone is also true of "²", which a header decoded as ISO-8859-1 can hold.
    delay_s = int(value) if value.isascii() and value.isdigit() else _seconds_until(value, now_ms)
    return None if delay_s is None else float(max(0, min(delay_s, RETRY_AFTER_S_MAX)))


def _seconds_until(http_date: str, now_ms: int) -> float | None:
    """Return the seconds until a date in any of the three forms of RFC 9110, section 5.6.7; None if it is not one."""
    try:
        moment = parsedate_to_datetime(http_date)
    except (ValueError, OverflowError):
        return None
    # The oldest of the three forms has no zone, and UTC is meant.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp() - now_ms / 1000


def _check_schedule(field: str, schedule: FixedSchedule) -> None:
    if not 1 <= len(schedule.delays_s) <= _SCHEDULE_DELAYS_MAX:
        raise InvalidField(
            f"{field}.schedule", f"must have 1 to {_SCHEDULE_DELAYS_MAX} delays; got {len(schedule.delays_s)}"
        )
    for index, delay_s in enumerate(schedule.delays_s):
        _check_range(f"{field}.schedule[{index}]", delay_s, _DELAY_S_MIN, _DELAY_S_MAX, unit=" s")


def _check_exponential(field: str, backoff: ExponentialBackoff) -> None:
    _check_range(f"{field}.max_attempts", backoff.max_attempts, 1, _ATTEMPTS_MAX)
    _check_range(f"{field}.initial_delay", backoff.initial_delay_s, _DELAY_S_MIN, _DELAY_S_MAX, unit=" s")
    _check_range(f"{field}.max_delay", backoff.max_delay_s, _DELAY_S_MIN, _DELAY_S_MAX, unit=" s")
    _check_range(f"{field}.multiplier", backoff.multiplier, 1, _MULTIPLIER_MAX)
    if backoff.max_delay_s < backoff.initial_delay_s:
        raise InvalidField(
            f"{field}.max_delay",
            f"must be at least initial_delay, {backoff.initial_delay_s} s; got {backoff.max_delay_s} s",
        )


def _check_range(field: str, value: float, least: float, most: float, *, unit: str = "") -> None:
    # Written so that NaN, which compares with nothing, is refused.
    if not least <= value <= most:
        raise InvalidField(field, f"must be {least}{unit} to {most}{unit}; got {value}{unit}")
