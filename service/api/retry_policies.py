"""Retry policies, from messages and back."""

from service.api.convert import duration, seconds
from service.domain.errors import InvalidField
from service.domain.model import DEFAULT_RETRY_POLICY, ExponentialBackoff, FixedSchedule, RetryPolicy
from tidings.v1 import subscriptions_pb2 as pb

_PATH = "subscription.retry_policy"
_DEFAULT_INITIAL_DELAY_S = 5.0
_DEFAULT_MAX_DELAY_S = 24 * 3600.0
_DEFAULT_MULTIPLIER = 2.0


def policy_of(message: pb.RetryPolicy) -> RetryPolicy:
    """Return the policy that a message asks for, its defaults filled in. Limits are not checked here.

    Raises:
        InvalidField: a duration is none, or the message has both a schedule and a backoff.
    """
    return RetryPolicy(
        _backoff(message),
        attempt_timeout_s=(
            seconds(f"{_PATH}.attempt_timeout", message.attempt_timeout)
            if message.HasField("attempt_timeout")
            else DEFAULT_RETRY_POLICY.attempt_timeout_s
        ),
        max_age_s=seconds(f"{_PATH}.max_age", message.max_age) if message.HasField("max_age") else None,
    )


def _backoff(message: pb.RetryPolicy) -> FixedSchedule | ExponentialBackoff:
    is_exponential = (
        message.max_attempts or message.multiplier or message.HasField("initial_delay") or message.HasField("max_delay")
    )
    if message.schedule and is_exponential:
        raise InvalidField(
            _PATH, "must have either schedule, or max_attempts with initial_delay, max_delay and multiplier; got both"
        )
    if message.schedule:
        return FixedSchedule(
            tuple(seconds(f"{_PATH}.schedule[{index}]", delay) for index, delay in enumerate(message.schedule))
        )
    if not is_exponential:
        return DEFAULT_RETRY_POLICY.backoff
    if not message.max_attempts:
        raise InvalidField(f"{_PATH}.max_attempts", "is required with initial_delay, max_delay or multiplier")
    return ExponentialBackoff(
        max_attempts=message.max_attempts,
        initial_delay_s=(
            seconds(f"{_PATH}.initial_delay", message.initial_delay)
            if message.HasField("initial_delay")
            else _DEFAULT_INITIAL_DELAY_S
        ),
        max_delay_s=(
            seconds(f"{_PATH}.max_delay", message.max_delay) if message.HasField("max_delay") else _DEFAULT_MAX_DELAY_S
        ),
        multiplier=message.multiplier or _DEFAULT_MULTIPLIER,
    )


def policy_message(policy: RetryPolicy | None) -> pb.RetryPolicy | None:
    """Return a policy as a message; None stays None, which leaves the field unset."""
    if policy is None:
        return None
    attempt_timeout = duration(policy.attempt_timeout_s)
    max_age = None if policy.max_age_s is None else duration(policy.max_age_s)
    match policy.backoff:
        case FixedSchedule(delays_s):
            return pb.RetryPolicy(schedule=map(duration, delays_s), attempt_timeout=attempt_timeout, max_age=max_age)
        case ExponentialBackoff(max_attempts, initial_delay_s, max_delay_s, multiplier):
            return pb.RetryPolicy(
                max_attempts=max_attempts,
                initial_delay=duration(initial_delay_s),
                max_delay=duration(max_delay_s),
                multiplier=multiplier,
                attempt_timeout=attempt_timeout,
                max_age=max_age,
            )
