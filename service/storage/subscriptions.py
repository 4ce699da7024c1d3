"""Subscriptions and their signing keys in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, LiteralString

from service.domain.model import (
    ApiKey,
    ExponentialBackoff,
    FixedSchedule,
    Format,
    RetryPolicy,
    SignatureScheme,
    SigningKey,
    Subscription,
    SuspendReason,
    Suspension,
)
from service.domain.names import Workspace
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import from_text, to_text

_COLUMNS: Final[LiteralString] = """
    uid, workspace, id, display_name, url, event_types, attribute_filters, enabled, format, signature_scheme,
    headers, retry_policy, max_concurrency, annotations, create_time, update_time, revision, filter, filter_is_shut,
    api_key_header, api_key_value, suspend_time, suspend_reason
"""

INSERT_SUBSCRIPTION: Final[LiteralString] = f"""
    INSERT INTO subscriptions ({_COLUMNS}, sweep_after) VALUES (
        :uid, :workspace, :id, :display_name, :url, :event_types, :attribute_filters, :enabled, :format,
        :signature_scheme, :headers, :retry_policy, :max_concurrency, :annotations, :create_time, :update_time,
        :revision, :filter, :filter_is_shut, :api_key_header, :api_key_value, :suspend_time, :suspend_reason, ''
    )
"""

INSERT_SIGNING_KEY: Final[LiteralString] = """
    INSERT INTO signing_keys (subscription_uid, key_id, secret, create_time, expire_time, scheme)
    VALUES (:subscription_uid, :key_id, :secret, :create_time, :expire_time, :scheme)
"""

SELECT_SIGNING_KEYS: Final[LiteralString] = """
    SELECT key_id, secret, create_time, expire_time, scheme FROM signing_keys
    WHERE subscription_uid = :subscription_uid ORDER BY create_time DESC, key_id DESC LIMIT 100
"""

SELECT_SUBSCRIPTION: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM subscriptions WHERE workspace = :workspace AND id = :id AND delete_time IS NULL
"""

SELECT_LIVE_BY_UID: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM subscriptions WHERE uid = :uid AND delete_time IS NULL
"""

SELECT_SUBSCRIPTIONS_AFTER: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM subscriptions
    WHERE workspace = :workspace AND id > :after AND delete_time IS NULL
    ORDER BY id LIMIT :limit
"""

SELECT_ID_OF_DISPLAY_NAME: Final[LiteralString] = """
    SELECT id FROM subscriptions
    WHERE workspace = :workspace AND display_name = :display_name AND delete_time IS NULL
"""

SELECT_RULES_SINCE: Final[LiteralString] = """
    SELECT uid, id, event_types, attribute_filters, filter, filter_is_shut, format, enabled, delete_time, revision
    FROM subscriptions WHERE workspace = :workspace AND revision > :revision ORDER BY revision LIMIT :limit
"""

UPDATE_SUBSCRIPTION: Final[LiteralString] = """
    UPDATE subscriptions SET
        display_name = :display_name, url = :url, event_types = :event_types, attribute_filters = :attribute_filters,
        enabled = :enabled, format = :format, signature_scheme = :signature_scheme, headers = :headers,
        retry_policy = :retry_policy, max_concurrency = :max_concurrency, annotations = :annotations,
        update_time = :update_time, revision = :revision, filter = :filter, filter_is_shut = :filter_is_shut,
        api_key_header = :api_key_header, api_key_value = :api_key_value, suspend_time = :suspend_time,
        suspend_reason = :suspend_reason
    WHERE uid = :uid
"""

DELETE_SUBSCRIPTION: Final[LiteralString] = """
    UPDATE subscriptions SET delete_time = :now, revision = :revision, sweep = 'CANCEL', sweep_after = ''
    WHERE uid = :uid
"""

DELETE_SIGNING_KEYS: Final[LiteralString] = "DELETE FROM signing_keys WHERE subscription_uid = :subscription_uid"

START_RELEASE: Final[LiteralString] = """
    UPDATE subscriptions SET sweep = 'RELEASE', sweep_after = '' WHERE uid = :uid AND delete_time IS NULL
"""

SELECT_NEXT_SWEEP: Final[LiteralString] = """
    SELECT uid, sweep, sweep_after FROM subscriptions WHERE sweep IS NOT NULL AND uid > :after ORDER BY uid LIMIT 1
"""

ADVANCE_SWEEP: Final[LiteralString] = "UPDATE subscriptions SET sweep_after = :sweep_after WHERE uid = :uid"

END_SWEEP: Final[LiteralString] = "UPDATE subscriptions SET sweep = NULL, sweep_after = '' WHERE uid = :uid"


class SweepKind(StrEnum):
    """What is being done, slice by slice, to all pending notifications of a subscription."""

    CANCEL = "CANCEL"
    RELEASE = "RELEASE"


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep under way: it goes on after the notification `after`."""

    subscription_uid: str
    kind: SweepKind
    after: str


@dataclass(frozen=True, slots=True)
class Rule:
    """As much of a subscription as matching needs. `active` is False once it is disabled or deleted."""

    uid: str
    id: str
    event_types: tuple[str, ...]
    attribute_filters: dict[str, str]
    filter: str
    filter_is_shut: bool
    format: Format
    active: bool
    revision: int


def insert(tx: Transaction, subscription: Subscription) -> None:
    """Add a subscription and its signing keys. Its id and display name must be free."""
    tx.execute(
        INSERT_SUBSCRIPTION,
        uid=subscription.uid,
        workspace=subscription.workspace.key,
        id=subscription.id,
        create_time=subscription.create_time_ms,
        **_changeable(subscription),
    )
    for key in subscription.signing_keys:
        tx.execute(
            INSERT_SIGNING_KEY,
            subscription_uid=subscription.uid,
            key_id=key.key_id,
            secret=key.secret,
            create_time=key.create_time_ms,
            expire_time=key.expire_time_ms,
            scheme=key.scheme.value,
        )


def find(tx: Transaction, workspace: Workspace, subscription_id: str) -> Subscription | None:
    """Return the living subscription of this name, or None."""
    found = tx.rows(SELECT_SUBSCRIPTION, workspace=workspace.key, id=subscription_id)
    return _with_keys(tx, found)[0] if found else None


def find_by_uid(tx: Transaction, uids: Sequence[str]) -> dict[str, Subscription]:
    """Return the living ones among these subscriptions, by uid."""
    found = tx.each(SELECT_LIVE_BY_UID, [{"uid": uid} for uid in uids])
    return {each.uid: each for each in _with_keys(tx, [row for rows in found for row in rows])}


def after(tx: Transaction, workspace: Workspace, subscription_id: str, *, limit: int) -> list[Subscription]:
    """Return living subscriptions in the order of their ids, from the one after `subscription_id` on."""
    rows = tx.rows(SELECT_SUBSCRIPTIONS_AFTER, workspace=workspace.key, after=subscription_id, limit=limit)
    return _with_keys(tx, rows)


def id_of_display_name(tx: Transaction, workspace: Workspace, display_name: str) -> str | None:
    """Return the id of the living subscription with this display name, or None."""
    found = tx.rows(SELECT_ID_OF_DISPLAY_NAME, workspace=workspace.key, display_name=display_name)
    return str(found[0]["id"]) if found else None


def rules_since(tx: Transaction, workspace: Workspace, revision: int, *, limit: int) -> list[Rule]:
    """Return the rules that changed after a revision, deleted ones too, in the order of their changes."""
    rows = tx.rows(SELECT_RULES_SINCE, workspace=workspace.key, revision=revision, limit=limit)
    return [
        Rule(
            uid=row["uid"],
            id=row["id"],
            event_types=tuple(from_text(row["event_types"])),
            attribute_filters=from_text(row["attribute_filters"]),
            filter=row["filter"],
            filter_is_shut=bool(row["filter_is_shut"]),
            format=Format(row["format"]),
            active=bool(row["enabled"]) and row["delete_time"] is None,
            revision=row["revision"],
        )
        for row in rows
    ]


def update(tx: Transaction, subscription: Subscription) -> None:
    """Replace all of a subscription but its name, its creation time and its keys."""
    tx.execute(UPDATE_SUBSCRIPTION, uid=subscription.uid, **_changeable(subscription))


def delete(tx: Transaction, uid: str, *, revision: int, now_ms: int) -> None:
    """Turn a subscription into a tombstone, without its keys, whose pending notifications are to be cancelled."""
    tx.execute(DELETE_SUBSCRIPTION, uid=uid, revision=revision, now=now_ms)
    tx.execute(DELETE_SIGNING_KEYS, subscription_uid=uid)


def start_release(tx: Transaction, uid: str) -> None:
    """Have the subscription's held notifications brought back."""
    tx.execute(START_RELEASE, uid=uid)


def next_sweep(tx: Transaction, after: str = "") -> Sweep | None:
    """Return the sweep that takes its turn after that of the subscription `after`, round and round; None if none is."""
    found = tx.rows(SELECT_NEXT_SWEEP, after=after) or tx.rows(SELECT_NEXT_SWEEP, after="")
    if not found:
        return None
    row = found[0]
    return Sweep(subscription_uid=row["uid"], kind=SweepKind(row["sweep"]), after=row["sweep_after"])


def advance_sweep(tx: Transaction, uid: str, *, after: str | None) -> None:
    """Note how far a sweep came; None ends it."""
    if after is None:
        tx.execute(END_SWEEP, uid=uid)
    else:
        tx.execute(ADVANCE_SWEEP, uid=uid, sweep_after=after)


def _changeable(subscription: Subscription) -> dict[str, Value]:
    return {
        "display_name": subscription.display_name,
        "url": subscription.url,
        "event_types": to_text(subscription.event_types),
        "attribute_filters": to_text(subscription.attribute_filters),
        "enabled": int(subscription.enabled),
        "format": subscription.format.value,
        "signature_scheme": subscription.signature_scheme.value,
        "headers": to_text(subscription.headers),
        "retry_policy": _policy_text(subscription.retry_policy),
        "max_concurrency": subscription.max_concurrency,
        "annotations": to_text(subscription.annotations),
        "update_time": subscription.update_time_ms,
        "revision": subscription.revision,
        "filter": subscription.filter,
        "filter_is_shut": int(subscription.filter_is_shut),
        "api_key_header": subscription.api_key.header if subscription.api_key else None,
        "api_key_value": subscription.api_key.value if subscription.api_key else None,
        "suspend_time": subscription.suspension.time_ms if subscription.suspension else None,
        "suspend_reason": subscription.suspension.reason.value if subscription.suspension else None,
    }


def _with_keys(tx: Transaction, rows: Sequence[Row]) -> list[Subscription]:
    keys = tx.each(SELECT_SIGNING_KEYS, [{"subscription_uid": row["uid"]} for row in rows])
    return [_subscription(row, key_rows) for row, key_rows in zip(rows, keys, strict=True)]


def _subscription(row: Row, key_rows: Sequence[Row]) -> Subscription:
    return Subscription(
        workspace=Workspace.from_key(row["workspace"]),
        id=row["id"],
        uid=row["uid"],
        display_name=row["display_name"],
        url=row["url"],
        event_types=tuple(from_text(row["event_types"])),
        attribute_filters=from_text(row["attribute_filters"]),
        filter=row["filter"],
        enabled=bool(row["enabled"]),
        format=Format(row["format"]),
        signature_scheme=SignatureScheme(row["signature_scheme"]),
        api_key=None if row["api_key_header"] is None else ApiKey(row["api_key_header"], row["api_key_value"]),
        headers=from_text(row["headers"]),
        retry_policy=_policy(row["retry_policy"]),
        max_concurrency=row["max_concurrency"],
        annotations=from_text(row["annotations"]),
        signing_keys=tuple(_signing_key(key) for key in key_rows),
        create_time_ms=row["create_time"],
        update_time_ms=row["update_time"],
        revision=row["revision"],
        filter_is_shut=bool(row["filter_is_shut"]),
        suspension=(
            None
            if row["suspend_time"] is None
            else Suspension(row["suspend_time"], SuspendReason(row["suspend_reason"]))
        ),
    )


def _signing_key(row: Row) -> SigningKey:
    return SigningKey(
        key_id=row["key_id"],
        secret=row["secret"],
        create_time_ms=row["create_time"],
        expire_time_ms=row["expire_time"],
        scheme=SignatureScheme(row["scheme"]),
    )


def _policy_text(policy: RetryPolicy | None) -> str | None:
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


def _policy(text: str | None) -> RetryPolicy | None:
    if text is None:
        return None
    stored = from_text(text)
    backoff: FixedSchedule | ExponentialBackoff
    if "delays_s" in stored:
        backoff = FixedSchedule(tuple(stored["delays_s"]))
    else:
        backoff = ExponentialBackoff(**stored["exponential"])
    return RetryPolicy(backoff, attempt_timeout_s=stored["attempt_timeout_s"], max_age_s=stored["max_age_s"])
