"""Subscriptions in SQL, each with its signing keys, and with what its lane knows of its receiver.

What is secret of them is sealed: see `receivers` and `signing_keys`. Where that does not open, or another column makes
no sense, a subscription is read as damaged and without any secret, so that those beside it go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, LiteralString, TypedDict

from service.domain.errors import ResourceNotFound
from service.domain.keyring import SealBroken
from service.domain.model import (
    ApiKey,
    Format,
    Health,
    SignatureScheme,
    SigningKey,
    Subscription,
    SuspendReason,
    Suspension,
)
from service.domain.names import Workspace
from service.domain.patterns import may_match_operational
from service.storage import lanes, receivers, signing_keys, workspaces
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import Columns, flag, number, text, text_map, texts, to_text, whole
from service.storage.receivers import Receiver
from service.storage.retry_policies import policy_of, policy_text

_COLUMNS: Final[LiteralString] = """
    uid, workspace, id, display_name, url, event_types, attribute_filters, enabled, format, signature_scheme,
    headers, retry_policy, max_concurrency, max_rate_per_second, annotations, create_time, update_time, revision,
    filter, filter_is_shut, api_key_header, api_key_value, suspend_time, suspend_reason, url_rest, sealed_with
"""

INSERT_SUBSCRIPTION: Final[LiteralString] = f"""
    INSERT INTO subscriptions ({_COLUMNS}, wants_operational_events, sweep_after) VALUES (
        :uid, :workspace, :id, :display_name, :url, :event_types, :attribute_filters, :enabled, :format,
        :signature_scheme, :headers, :retry_policy, :max_concurrency, :max_rate_per_second, :annotations,
        :create_time, :update_time, :revision, :filter, :filter_is_shut, :api_key_header, :api_key_value,
        :suspend_time, :suspend_reason, :url_rest, :sealed_with, :wants_operational_events, ''
    )
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

COUNT_LIVE: Final[LiteralString] = """
    SELECT count(*) AS count FROM (
        SELECT workspace FROM subscriptions WHERE workspace = :workspace AND delete_time IS NULL LIMIT :limit
    ) AS living
"""

COUNT_FILTERS: Final[LiteralString] = """
    SELECT count(*) AS count FROM (
        SELECT workspace FROM subscriptions
        WHERE workspace = :workspace AND filter <> '' AND delete_time IS NULL LIMIT :limit
    ) AS filtering
"""

SELECT_RULES_SINCE: Final[LiteralString] = """
    SELECT uid, id, event_types, attribute_filters, filter, filter_is_shut, format, enabled, delete_time, revision
    FROM subscriptions WHERE workspace = :workspace AND revision > :revision ORDER BY revision LIMIT :limit
"""

UPDATE_SUBSCRIPTION: Final[LiteralString] = """
    UPDATE subscriptions SET
        display_name = :display_name, url = :url, event_types = :event_types, attribute_filters = :attribute_filters,
        enabled = :enabled, format = :format, signature_scheme = :signature_scheme, headers = :headers,
        retry_policy = :retry_policy, max_concurrency = :max_concurrency,
        max_rate_per_second = :max_rate_per_second, annotations = :annotations, update_time = :update_time,
        revision = :revision, filter = :filter, filter_is_shut = :filter_is_shut, api_key_header = :api_key_header,
        api_key_value = :api_key_value, suspend_time = :suspend_time, suspend_reason = :suspend_reason,
        url_rest = :url_rest, sealed_with = :sealed_with, wants_operational_events = :wants_operational_events
    WHERE uid = :uid
"""

SUSPEND: Final[LiteralString] = f"""
    UPDATE subscriptions SET
        suspend_time = :suspend_time, suspend_reason = :suspend_reason, update_time = :suspend_time,
        revision = :revision
    WHERE uid = :uid AND suspend_time IS NULL AND delete_time IS NULL
    RETURNING {_COLUMNS}
"""

SHUT_FILTER: Final[LiteralString] = f"""
    UPDATE subscriptions SET filter_is_shut = 1, revision = :revision
    WHERE uid = :uid AND filter = :filter AND filter_is_shut = 0 AND delete_time IS NULL
    RETURNING {_COLUMNS}
"""

LOCK_UNSERVED: Final[LiteralString] = """
    SELECT uid FROM subscriptions
    WHERE uid = :uid AND delete_time IS NULL AND (enabled = 0 OR suspend_time IS NOT NULL) {skip_locked}
"""

# What is known of the receiver goes with the keys: nothing will be sent any more.
DELETE_SUBSCRIPTION: Final[LiteralString] = """
    UPDATE subscriptions SET
        delete_time = :now, revision = :revision, sweep = 'CANCEL', sweep_after = '', url = '', url_rest = NULL,
        headers = '{}', api_key_header = NULL, api_key_value = NULL, sealed_with = NULL
    WHERE uid = :uid
"""


# Of a damaged subscription: every event fits it, so nothing fails for good until somebody looks after it.
_FORMAT_THAT_FITS: Final = Format.RAW
_NOWHERE: Final = Workspace("", "")


@dataclass(frozen=True, slots=True)
class Rule:
    """As much of a subscription as matching needs. `active` is False once it is disabled or deleted."""

    uid: str
    id: str
    event_types: tuple[str, ...]
    attribute_filters: Mapping[str, str]
    filter: str
    filter_is_shut: bool
    format: Format
    active: bool
    revision: int

    @classmethod
    def of(cls, subscription: Subscription) -> "Rule":
        """Return the rule of a living subscription."""
        return cls(
            uid=subscription.uid,
            id=subscription.id,
            event_types=subscription.event_types,
            attribute_filters=subscription.attribute_filters,
            filter=subscription.filter,
            filter_is_shut=subscription.filter_is_shut,
            format=subscription.format,
            active=subscription.enabled,
            revision=subscription.revision,
        )


def insert(tx: Transaction, subscription: Subscription) -> None:
    """Add a subscription and its signing keys. Its id and display name must be free."""
    tx.execute(
        INSERT_SUBSCRIPTION,
        uid=subscription.uid,
        workspace=subscription.workspace.key,
        id=subscription.id,
        create_time=subscription.create_time_ms,
        **_changeable(tx, subscription),
    )
    signing_keys.insert(tx, subscription.uid, subscription.signing_keys)


def find(tx: Transaction, workspace: Workspace, subscription_id: str) -> Subscription | None:
    """Return the living subscription of this name, or None."""
    found = tx.rows(SELECT_SUBSCRIPTION, workspace=workspace.key, id=subscription_id)
    return _whole(tx, found)[0] if found else None


def get(tx: Transaction, workspace: Workspace, subscription_id: str) -> Subscription:
    """Return the living subscription of this name.

    Raises:
        ResourceNotFound: there is none.
    """
    found = find(tx, workspace, subscription_id)
    if found is None:
        raise ResourceNotFound("subscription", workspace.subscription(subscription_id))
    return found


def find_by_uid(tx: Transaction, uids: Sequence[str]) -> dict[str, Subscription]:
    """Return the living ones among these subscriptions, by uid."""
    found = tx.each(SELECT_LIVE_BY_UID, [{"uid": uid} for uid in uids])
    return {each.uid: each for each in _whole(tx, [row for rows in found for row in rows])}


def after(tx: Transaction, workspace: Workspace, subscription_id: str, *, limit: int) -> list[Subscription]:
    """Return living subscriptions in the order of their ids, from the one after `subscription_id` on."""
    rows = tx.rows(SELECT_SUBSCRIPTIONS_AFTER, workspace=workspace.key, after=subscription_id, limit=limit)
    return _whole(tx, rows)


def id_of_display_name(tx: Transaction, workspace: Workspace, display_name: str) -> str | None:
    """Return the id of the living subscription with this display name, or None."""
    found = tx.rows(SELECT_ID_OF_DISPLAY_NAME, workspace=workspace.key, display_name=display_name)
    return str(found[0]["id"]) if found else None


def count(tx: Transaction, workspace: Workspace, *, at_most: int) -> int:
    """Return how many living subscriptions there are, or `at_most` if there are more."""
    return int(tx.rows(COUNT_LIVE, workspace=workspace.key, limit=at_most)[0]["count"])


def count_filters(tx: Transaction, workspace: Workspace, *, at_most: int) -> int:
    """Return how many living subscriptions have a filter, or `at_most` if there are more."""
    return int(tx.rows(COUNT_FILTERS, workspace=workspace.key, limit=at_most)[0]["count"])


def rules_since(tx: Transaction, workspace: Workspace, revision: int, *, limit: int) -> list[Rule]:
    """Return the rules that changed after a revision, deleted ones too, in the order of their changes."""
    rows = tx.rows(SELECT_RULES_SINCE, workspace=workspace.key, revision=revision, limit=limit)
    # SQLite has any text behind all numbers: whoever goes on after the last of these has missed none.
    return [_rule(row) for row in rows if isinstance(row["revision"], int) and isinstance(row["uid"], str)]


def update(tx: Transaction, subscription: Subscription) -> None:
    """Replace all of a subscription but its name, its creation time, its keys and how its receiver does."""
    tx.execute(UPDATE_SUBSCRIPTION, uid=subscription.uid, **_changeable(tx, subscription))


def suspend(tx: Transaction, uid: str, suspension: Suspension, *, url: str | None = None) -> Subscription | None:
    """Stop serving a subscription, as a change of its workspace; return it as it is then.

    None, and nothing is changed, when it is not there, or suspended already.

    Args:
        url: the one that the reason was found at. A subscription that has another one by now is not to blame.
    """
    found = _to_suspend(tx, uid, url)
    if found is None:
        return None
    revision = workspaces.bump_revision(tx, found.workspace.key)
    # Once more: what was read before the revision was locked may have changed since.
    if _to_suspend(tx, uid, url) is None:
        return None
    changed = tx.rows(
        SUSPEND,
        uid=uid,
        suspend_time=suspension.time_ms,
        suspend_reason=suspension.reason.value,
        revision=revision,
    )
    return _whole(tx, changed)[0] if changed else None


def _to_suspend(tx: Transaction, uid: str, url: str | None) -> Subscription | None:
    found = find_by_uid(tx, [uid]).get(uid)
    return found if found is not None and found.suspension is None and url in (None, found.url) else None


def shut_filter(tx: Transaction, uid: str, text: str) -> Subscription | None:
    """Shut the filter of a subscription, as a change of its workspace; return the subscription as it is then.

    None, and nothing is changed, when it is not there, has another filter by now, or is shut already.
    """
    found = find_by_uid(tx, [uid]).get(uid)
    if found is None or found.filter_is_shut or found.filter != text:
        return None
    revision = workspaces.bump_revision(tx, found.workspace.key)
    # Once more in the WHERE: what was read before the revision was locked may have changed since.
    changed = tx.rows(SHUT_FILTER, uid=uid, filter=text, revision=revision)
    return _whole(tx, changed)[0] if changed else None


def lock_unserved(tx: Transaction, uid: str) -> bool:
    """Say whether a subscription is disabled or suspended, and keep it so until this transaction ends. For a write.

    What this transaction holds is then met by the release that follows, for that cannot begin before. False also while
    another process changes the subscription: nobody waits here.
    """
    return bool(tx.rows(LOCK_UNSERVED, uid=uid))


def delete(tx: Transaction, uid: str, *, revision: int, now_ms: int) -> None:
    """Turn a subscription into a tombstone without secrets, whose pending notifications are to be cancelled."""
    tx.execute(DELETE_SUBSCRIPTION, uid=uid, revision=revision, now=now_ms)
    signing_keys.delete(tx, uid)
    lanes.forget(tx, [uid])


def _rule(row: Row) -> Rule:
    """Return a rule; one that wants nothing where it cannot be told what it wants."""
    columns = Columns(row)
    rule = Rule(
        uid=row["uid"],
        id=row["id"],
        event_types=columns.read("event_types", texts, instead=()),
        attribute_filters=columns.read("attribute_filters", text_map, instead={}),
        filter=columns.read("filter", text, instead=""),
        filter_is_shut=columns.read("filter_is_shut", flag, instead=True),
        format=columns.read("format", Format, instead=_FORMAT_THAT_FITS),
        active=columns.read("enabled", flag, instead=False) and row["delete_time"] is None,
        revision=row["revision"],
    )
    return replace(rule, active=False) if columns.are_damaged else rule


def _changeable(tx: Transaction, subscription: Subscription) -> dict[str, Value]:
    api_key = subscription.api_key
    receiver = Receiver(subscription.url, subscription.headers, api_key.value if api_key else None)
    return {
        **receivers.seal(tx, subscription.uid, receiver),
        "display_name": subscription.display_name,
        "event_types": to_text(subscription.event_types),
        "attribute_filters": to_text(subscription.attribute_filters),
        "enabled": int(subscription.enabled),
        "format": subscription.format.value,
        "signature_scheme": subscription.signature_scheme.value,
        "retry_policy": policy_text(subscription.retry_policy),
        "max_concurrency": subscription.max_concurrency,
        "max_rate_per_second": subscription.max_rate_per_second,
        "annotations": to_text(subscription.annotations),
        "update_time": subscription.update_time_ms,
        "revision": subscription.revision,
        "filter": subscription.filter,
        "filter_is_shut": int(subscription.filter_is_shut),
        "api_key_header": api_key.header if api_key else None,
        "suspend_time": subscription.suspension.time_ms if subscription.suspension else None,
        "suspend_reason": subscription.suspension.reason.value if subscription.suspension else None,
        "wants_operational_events": int(may_match_operational(subscription.event_types)),
    }


def _whole(tx: Transaction, rows: Sequence[Row]) -> list[Subscription]:
    uids = [row["uid"] for row in rows]
    parts = zip(rows, signing_keys.of(tx, uids), lanes.health_of(tx, uids), strict=True)
    return [_subscription(tx, row, keys, health) for row, keys, health in parts]


def _subscription(tx: Transaction, row: Row, own_keys: tuple[SigningKey, ...] | None, health: Health) -> Subscription:
    """Return a subscription; a damaged one, and nothing that is secret of it, where anything of it makes no sense."""
    columns = Columns(row)
    scheme = columns.read("signature_scheme", SignatureScheme, instead=SignatureScheme.UNSIGNED)
    return Subscription(
        workspace=columns.read("workspace", Workspace.from_key, instead=_NOWHERE),
        id=columns.read("id", text, instead=""),
        uid=columns.read("uid", text, instead=""),
        display_name=columns.read("display_name", text, instead=""),
        event_types=columns.read("event_types", texts, instead=()),
        attribute_filters=columns.read("attribute_filters", text_map, instead={}),
        filter=columns.read("filter", text, instead=""),
        enabled=columns.read("enabled", flag, instead=True),
        format=columns.read("format", Format, instead=_FORMAT_THAT_FITS),
        signature_scheme=scheme,
        retry_policy=columns.read("retry_policy", policy_of, instead=None),
        max_concurrency=columns.read_if_any("max_concurrency", whole),
        max_rate_per_second=columns.read_if_any("max_rate_per_second", number),
        annotations=columns.read("annotations", text_map, instead={}),
        create_time_ms=columns.read("create_time", whole, instead=0),
        update_time_ms=columns.read("update_time", whole, instead=0),
        revision=columns.read("revision", whole, instead=0),
        filter_is_shut=columns.read("filter_is_shut", flag, instead=True),
        suspension=_suspension(row, columns),
        health=health,
        **_secrets(tx, row, columns, own_keys, scheme),
    )


class _Secrets(TypedDict):
    """What is secret of a subscription, and whether that is to be had."""

    url: str
    api_key: ApiKey | None
    headers: Mapping[str, str]
    signing_keys: tuple[SigningKey, ...]
    is_damaged: bool


def _secrets(
    tx: Transaction, row: Row, columns: Columns, own_keys: tuple[SigningKey, ...] | None, scheme: SignatureScheme
) -> _Secrets:
    """Return what is secret of a subscription, nothing of it if anything makes no sense."""
    receiver = _receiver(tx, row)
    api_key_header = columns.read_if_any("api_key_header", text)
    if (
        receiver is None
        or own_keys is None
        or columns.are_damaged
        or (scheme is not SignatureScheme.UNSIGNED and not _has_current(own_keys))
        or bool(api_key_header) == (receiver.api_key_value is None)
    ):
        # Not for the log here: whoever reads the subscription is told, and so is whoever would send to it.
        origin = columns.read("url", receivers.origin, instead="")
        return _Secrets(url=origin, api_key=None, headers={}, signing_keys=(), is_damaged=True)
    api_key = (
        ApiKey(api_key_header, receiver.api_key_value)
        if api_key_header and receiver.api_key_value is not None
        else None
    )
    return _Secrets(
        url=receiver.url, api_key=api_key, headers=receiver.headers, signing_keys=own_keys, is_damaged=False
    )


def _receiver(tx: Transaction, row: Row) -> Receiver | None:
    try:
        return receivers.open_(tx, row)
    except SealBroken:
        return None


def _has_current(keys: Sequence[SigningKey]) -> bool:
    """Say whether there is a key that does not run out: without it, requests would go out unsigned some day."""
    return any(key.expire_time_ms is None for key in keys)


def _suspension(row: Row, columns: Columns) -> Suspension | None:
    if row["suspend_time"] is None:
        return None
    return Suspension(
        columns.read("suspend_time", whole, instead=0),
        columns.read("suspend_reason", SuspendReason, instead=SuspendReason.FAILING),
    )
