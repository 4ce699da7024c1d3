"""How a retry policy is kept in a TEXT column."""

from typing import Any

from service.domain.model import ExponentialBackoff, FixedSchedule, RetryPolicy
from service.storage.encoding import from_text, to_text


def policy_text(policy: RetryPolicy | None) -> str | None:
    """Return a retry policy as JSON text; None stays None, which means the default."""
    if policy is None:
        return None
    limits: dict[str, Any] = {"attempt_timeout_s": policy.attempt_timeout_s, "max_age_s": policy.max_age_s}
    match policy.backoff:
        case FixedSchedule(delays_s):
            return to_text({"delays_s": delays_s, **limits})
        case ExponentialBackoff(max_attempts, initial_delay_s, max_delay_s, multiplier):
            exponential = {
                "max_attempts": max_attempts,
                "initial_delay_s": initial_delay_s,
                "max_delay_s": max_delay_s,
                "multiplier": multiplier,
            }
            return to_text({"exponential": exponential, **limits})


def policy_of(text: str | None) -> RetryPolicy | None:
    """Return the retry policy of a text that `policy_text` made."""
    if text is None:
        return None
    stored = from_text(text)
    backoff: FixedSchedule | ExponentialBackoff
    if "delays_s" in stored:
        backoff = FixedSchedule(tuple(stored["delays_s"]))
    else:
        backoff = ExponentialBackoff(**stored["exponential"])
    return RetryPolicy(backoff, attempt_timeout_s=stored["attempt_timeout_s"], max_age_s=stored["max_age_s"])
