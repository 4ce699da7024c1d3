"""What the audit log shows of the things that can be changed: the contract's fields as plain values for JSON. Pure.

Nothing in it opens a door. Of a signing key there are its id and hint, of the API key and the other headers their
names, of the URL its scheme and host. Where a masked text is another one than it was, that is said in its place, so
whoever compares before and after sees that it changed, and not what to.

What is long is cut, and its digest tells whether it changed: a row of the log has at most 64 KiB.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, assert_never

import orjson

from service.domain.clock import rfc3339
from service.domain.model import (
    ApiKey,
    EventType,
    ExponentialBackoff,
    FixedSchedule,
    Notification,
    RetryPolicy,
    SigningKey,
    Subscription,
)
from service.domain.names import ReplayName
from service.domain.replays import Replay
from service.domain.signing import hint

Resource: TypeAlias = Subscription | EventType | Notification | Replay
Shown: TypeAlias = dict[str, Any]

MASKED: Final = "***"
MASKED_AND_CHANGED: Final = "*** (changed)"

# Of a subscription, five fields can be this long, each of them once before and once after.
_FIELD_BYTES_MAX: Final = 4 * 1024
_BEGINNING_BYTES: Final = 256
_ORIGIN: Final = re.compile(r"https?://[^/?]*")


def shown(resource: Resource, earlier: Resource | None = None) -> Shown:
    """Return what the log shows of a thing.

    Args:
        earlier: what it was before the change; None if there was nothing, or this is what it was.
    """
    match resource:
        case Subscription():
            fields = _subscription(resource, earlier if isinstance(earlier, Subscription) else resource)
        case EventType():
            fields = _event_type(resource)
        case Notification():
            fields = _notification(resource)
        case Replay():
            fields = _replay(resource)
        case _:
            assert_never(resource)
    return {name: _cut(value) for name, value in fields.items()}


def _subscription(subscription: Subscription, earlier: Subscription) -> Shown:
    return {
        "name": subscription.name,
        "uid": subscription.uid,
        "display_name": subscription.display_name,
        "url": _url(subscription.url, earlier.url),
        "event_types": subscription.event_types,
        "attribute_filters": subscription.attribute_filters,
        "filter": subscription.filter,
        "enabled": subscription.enabled,
        "format": subscription.format,
        "signature_scheme": subscription.signature_scheme,
        "api_key": _api_key(subscription.api_key, earlier.api_key),
        "headers": _headers(subscription.headers, earlier.headers),
        "retry_policy": _retry_policy(subscription.retry_policy),
        "max_concurrency": subscription.max_concurrency,
        "max_rate_per_second": subscription.max_rate_per_second,
        "annotations": subscription.annotations,
        "state": subscription.state,
        "state_reason": subscription.state_reason,
        "signing_keys": [_signing_key(key) for key in subscription.signing_keys],
        "create_time": rfc3339(subscription.create_time_ms),
    }


def _event_type(event_type: EventType) -> Shown:
    return {
        "name": event_type.name,
        "display_name": event_type.display_name,
        "description": event_type.description,
        "service": event_type.service,
        "category": event_type.category,
        "code": event_type.code,
        "json_schema": event_type.json_schema,
        "schema_enforcement": event_type.schema_enforcement,
        "examples": event_type.examples,
        "attribute_keys": event_type.attribute_keys,
        "deprecated": event_type.deprecated,
        "create_time": rfc3339(event_type.create_time_ms),
    }


def _notification(notification: Notification) -> Shown:
    workspace = notification.workspace
    replay_id = notification.replay_id
    return {
        "name": notification.name,
        "event": workspace.event(notification.event_id),
        "subscription": workspace.subscription(notification.subscription_id),
        "event_type": notification.event_type,
        "state": notification.state,
        "attempt_count": notification.attempt_count,
        "next_attempt_time": _time(notification.next_attempt_time_ms),
        "replay": replay_id and ReplayName(workspace, notification.subscription_id, replay_id).name,
        "create_time": rfc3339(notification.create_time_ms),
        "complete_time": _time(notification.complete_time_ms),
        "failure_reason": notification.failure_reason,
    }


def _replay(replay: Replay) -> Shown:
    return {
        "name": replay.name,
        "start_time": rfc3339(replay.start_time_ms),
        "end_time": rfc3339(replay.end_time_ms),
        "states": sorted(replay.states),
        "include_unmatched": replay.include_unmatched,
        "max_rate_per_second": replay.max_rate_per_second,
        "state": replay.state,
        "examined_count": replay.examined_count,
        "created_count": replay.created_count,
        "create_time": rfc3339(replay.create_time_ms),
        "complete_time": _time(replay.complete_time_ms),
    }


def _url(url: str, earlier: str) -> str:
    """Return a URL's scheme, host and port. Its path and query often hold a secret that the receiver has given out."""
    origin, rest = _split(url)
    if rest in ("", "/"):
        return url
    return f"{origin}/{_masked(rest, _split(earlier)[1])}"


def _split(url: str) -> tuple[str, str]:
    found = _ORIGIN.match(url)
    length = found.end() if found else 0
    return url[:length], url[length:]


def _masked(text: str, earlier: str) -> str:
    return MASKED if text == earlier else MASKED_AND_CHANGED


def _headers(headers: Mapping[str, str], earlier: Mapping[str, str]) -> Shown:
    # A header that is new is seen by its name.
    return {name: _masked(value, earlier.get(name, value)) for name, value in headers.items()}


def _api_key(api_key: ApiKey | None, earlier: ApiKey | None) -> Shown | None:
    if api_key is None:
        return None
    return {"header": api_key.header, "value": _masked(api_key.value, (earlier or api_key).value)}


def _signing_key(key: SigningKey) -> Shown:
    return {
        "key_id": key.key_id,
        "scheme": key.scheme,
        "hint": hint(key),
        "create_time": rfc3339(key.create_time_ms),
        "expire_time": _time(key.expire_time_ms),
    }


def _retry_policy(policy: RetryPolicy | None) -> Shown | None:
    if policy is None:
        return None
    limits = {"attempt_timeout_s": policy.attempt_timeout_s, "max_age_s": policy.max_age_s}
    match policy.backoff:
        case FixedSchedule(delays_s):
            return {"schedule_s": delays_s, **limits}
        case ExponentialBackoff() as backoff:
            return {
                "max_attempts": backoff.max_attempts,
                "initial_delay_s": backoff.initial_delay_s,
                "max_delay_s": backoff.max_delay_s,
                "multiplier": backoff.multiplier,
                **limits,
            }
        case _:
            assert_never(policy.backoff)


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)


def _cut(value: Any) -> Any:
    """Return a value as it is, or the beginning, length and SHA-256 of its text: of its JSON, where it is no text."""
    data = value.encode() if isinstance(value, str) else orjson.dumps(value)
    # A text may become longer: JSON writes some characters in six.
    if len(data) <= _FIELD_BYTES_MAX and len(orjson.dumps(value)) <= _FIELD_BYTES_MAX:
        return value
    return {
        "begins_with": data[:_BEGINNING_BYTES].decode(errors="ignore"),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
