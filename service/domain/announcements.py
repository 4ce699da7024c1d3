"""Operational events: what Tidings itself has to tell a workspace. docs/operational-events.md shows each payload.

An announcement is kept with the change that it tells of and becomes an event later. It names things by their resource
names; no secret, no URL and nothing of a customer's payload is ever in one. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from service.domain.clock import rfc3339
from service.domain.model import FailureReason, SigningKey, Subscription, SuspendReason
from service.domain.names import RESERVED_EVENT_TYPE_PREFIX, Workspace


@dataclass(frozen=True, slots=True)
class Announcement:
    """An operational event that is still to be published. `id` becomes the event's id, `payload` is JSON text."""

    id: str
    workspace: Workspace
    event_type: str
    subject: str
    payload: str = field(repr=False)
    create_time_ms: int


def notification_failed(
    workspace: Workspace,
    *,
    id: str,
    now_ms: int,
    notification_id: str,
    event_id: str,
    event_type: str,
    subscription_id: str,
    reason: FailureReason,
) -> Announcement | None:
    """Tell that a notification is FAILED; None for one of an operational event, or each failure would cause the next.

    Args:
        event_type: that of the event whose notification failed.
    """
    if event_type.startswith(RESERVED_EVENT_TYPE_PREFIX):
        return None
    subscription = workspace.subscription(subscription_id)
    facts = {
        "notification": workspace.notification(notification_id),
        "event": workspace.event(event_id),
        "event_type": event_type,
        "subscription": subscription,
        "failure_reason": reason.value,
        "time": rfc3339(now_ms),
    }
    return Announcement(id, workspace, "tidings.notification.failed", subscription, _text(facts), now_ms)


def subscription_suspended(subscription: Subscription, *, id: str, now_ms: int, reason: SuspendReason) -> Announcement:
    """Tell that the server stopped serving a subscription."""
    return _about(subscription, "tidings.subscription.suspended", {"reason": reason.value}, id=id, now_ms=now_ms)


def subscription_resumed(subscription: Subscription, *, id: str, now_ms: int) -> Announcement:
    """Tell that a suspension has ended."""
    return _about(subscription, "tidings.subscription.resumed", {}, id=id, now_ms=now_ms)


def signing_key_rotated(
    subscription: Subscription, *, id: str, now_ms: int, new_key: SigningKey | None
) -> Announcement:
    """Tell that a subscription is signed for by another key, or by none any more.

    Args:
        subscription: as it is since the rotation.
    """
    facts = {
        "signature_scheme": subscription.signature_scheme.value,
        "key_id": "" if new_key is None else new_key.key_id,
    }
    return _about(subscription, "tidings.signing_key.rotated", facts, id=id, now_ms=now_ms)


def sample(event_type: str, subscription: Subscription, *, id: str, now_ms: int) -> Announcement | None:
    """Return what an operational event looks like, told of this subscription although it did not happen to it.

    None if there is no operational event of this type.
    """
    match event_type:
        case "tidings.notification.failed":
            return notification_failed(
                subscription.workspace,
                id=id,
                now_ms=now_ms,
                notification_id=id,
                event_id=id,
                event_type="example",
                subscription_id=subscription.id,
                reason=FailureReason.ATTEMPTS_EXHAUSTED,
            )
        case "tidings.subscription.suspended":
            return subscription_suspended(subscription, id=id, now_ms=now_ms, reason=SuspendReason.GONE)
        case "tidings.subscription.resumed":
            return subscription_resumed(subscription, id=id, now_ms=now_ms)
        case "tidings.signing_key.rotated":
            return signing_key_rotated(subscription, id=id, now_ms=now_ms, new_key=None)
        case _:
            return None


def _about(
    subscription: Subscription, event_type: str, facts: Mapping[str, str], *, id: str, now_ms: int
) -> Announcement:
    payload = _text({"subscription": subscription.name, **facts, "time": rfc3339(now_ms)})
    return Announcement(id, subscription.workspace, event_type, subscription.name, payload, now_ms)


def _text(facts: Mapping[str, str]) -> str:
    return orjson.dumps(facts).decode()
