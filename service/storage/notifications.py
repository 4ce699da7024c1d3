"""Notifications as they are read back, and as a publish makes them, in SQL. How they move is in `queue`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, LiteralString

from service.domain.announcements import Announcement, notification_failed
from service.domain.ids import Ids
from service.domain.model import FailureReason, Notification
from service.domain.names import Workspace
from service.storage import attempts, changes
from service.storage.changes import NewChange
from service.storage.database import Row, Transaction

_COLUMNS: Final[LiteralString] = """
    id, workspace, event_id, subscription_uid, subscription_id, event_type, state, due_at, held, lease_owner,
    attempt_count, create_time, complete_time, failure_reason, replay_id
"""

INSERT_NOTIFICATION: Final[LiteralString] = """
    INSERT INTO notifications (
        id, workspace, event_id, subscription_uid, subscription_id, event_type, state, due_at, held, claim,
        attempt_count, schedule_step, interruptions, create_time, complete_time, failure_reason, replay_id, tier,
        payload_size
    ) VALUES (
        :id, :workspace, :event_id, :subscription_uid, :subscription_id, :event_type, :state, :create_time, 0, 0,
        0, 0, 0, :create_time, :complete_time, :failure_reason, :replay_id, :tier, :payload_size
    )
"""

SELECT_NOTIFICATION: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM notifications WHERE id = :id AND workspace = :workspace
"""

SELECT_OF_WORKSPACE_BEFORE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM notifications
    WHERE workspace = :workspace AND id < :before AND id >= :start
    ORDER BY id DESC LIMIT :limit
"""

SELECT_OF_EVENT_BEFORE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM notifications
    WHERE workspace = :workspace AND event_id = :event_id AND id < :before AND id >= :start
    ORDER BY id DESC LIMIT :limit
"""

SELECT_OF_SUBSCRIPTION_BEFORE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM notifications
    WHERE subscription_uid = :subscription_uid AND id < :before AND id >= :start
    ORDER BY id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A match that becomes a notification. One with a `failure_reason` is FAILED from the start, without an attempt.

    `payload_size` is the event's, with its context, in bytes.
    """

    id: str
    workspace: Workspace
    event_id: str
    event_type: str
    subscription_uid: str
    subscription_id: str
    create_time_ms: int
    replay_id: str | None = None
    failure_reason: FailureReason | None = None
    payload_size: int = 0


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids from `start` up to, but without, `before`. Ids are UUIDv7, so this is a range of creation times too."""

    start: str
    before: str


def insert(tx: Transaction, notifications: Sequence[NewNotification]) -> None:
    """Add notifications that are due at once, or failed from the start."""
    tx.each(
        INSERT_NOTIFICATION,
        [
            {
                "id": new.id,
                "workspace": new.workspace.key,
                "event_id": new.event_id,
                "subscription_uid": new.subscription_uid,
                "subscription_id": new.subscription_id,
                "event_type": new.event_type,
                "state": "FAILED" if new.failure_reason else "READY",
                "create_time": new.create_time_ms,
                "complete_time": new.create_time_ms if new.failure_reason else None,
                "failure_reason": new.failure_reason,
                "replay_id": new.replay_id,
                # What is sent again can wait for what is new.
                "tier": 0 if new.replay_id is None else 1,
                "payload_size": new.payload_size,
            }
            for new in notifications
        ],
    )
    changes.append(tx, [NewChange(_changed(new), new.create_time_ms) for new in notifications])


def failures(new: Iterable[NewNotification], ids: Ids) -> list[Announcement]:
    """Return what is to be announced of those notifications that failed from the start."""
    told = [
        notification_failed(
            each.workspace,
            id=ids.new(),
            now_ms=each.create_time_ms,
            notification_id=each.id,
            event_id=each.event_id,
            event_type=each.event_type,
            subscription_id=each.subscription_id,
            reason=each.failure_reason,
        )
        for each in new
        if each.failure_reason is not None
    ]
    return [each for each in told if each is not None]


def find(tx: Transaction, workspace: Workspace, notification_id: str) -> Notification | None:
    """Return a notification with its last attempt, or None."""
    found = tx.rows(SELECT_NOTIFICATION, workspace=workspace.key, id=notification_id)
    return with_last_attempts(tx, [_notification(found[0])])[0] if found else None


def find_each(tx: Transaction, workspace: Workspace, notification_ids: Sequence[str]) -> list[Notification | None]:
    """Return notifications without attempts, in the order of the ids; None where there is none."""
    found = tx.each(SELECT_NOTIFICATION, [{"workspace": workspace.key, "id": each} for each in notification_ids])
    return [_notification(rows[0]) if rows else None for rows in found]


def of_workspace(tx: Transaction, workspace: Workspace, ids: IdRange, *, limit: int) -> list[Notification]:
    """Return a workspace's notifications, newest first, without attempts."""
    rows = tx.rows(SELECT_OF_WORKSPACE_BEFORE, workspace=workspace.key, before=ids.before, start=ids.start, limit=limit)
    return [_notification(row) for row in rows]


def of_event(tx: Transaction, workspace: Workspace, event_id: str, ids: IdRange, *, limit: int) -> list[Notification]:
    """Return an event's notifications, newest first, without attempts."""
    rows = tx.rows(
        SELECT_OF_EVENT_BEFORE,
        workspace=workspace.key,
        event_id=event_id,
        before=ids.before,
        start=ids.start,
        limit=limit,
    )
    return [_notification(row) for row in rows]


def of_subscription(tx: Transaction, subscription_uid: str, ids: IdRange, *, limit: int) -> list[Notification]:
    """Return a subscription's notifications, newest first, without attempts."""
    rows = tx.rows(
        SELECT_OF_SUBSCRIPTION_BEFORE,
        subscription_uid=subscription_uid,
        before=ids.before,
        start=ids.start,
        limit=limit,
    )
    return [_notification(row) for row in rows]


def with_last_attempts(tx: Transaction, notifications: Sequence[Notification]) -> list[Notification]:
    """Return the same notifications with their last attempts filled in, in one round trip."""
    numbers = [(each.id, each.attempt_count) for each in notifications]
    found = attempts.find(tx, numbers)
    return [replace(each, last_attempt=last) for each, last in zip(notifications, found, strict=True)]


def _changed(new: NewNotification) -> Row:
    """Return a new notification as `changes.CHANGED` would."""
    return {
        "workspace": new.workspace.key,
        "id": new.id,
        "subscription_uid": new.subscription_uid,
        "state": "FAILED" if new.failure_reason else "READY",
        "due_at": new.create_time_ms,
        "held": 0,
        "lease_owner": None,
        "attempt_count": 0,
        "complete_time": new.create_time_ms if new.failure_reason else None,
        "failure_reason": new.failure_reason,
    }


def _notification(row: Row) -> Notification:
    return Notification(
        workspace=Workspace.from_key(row["workspace"]),
        id=row["id"],
        event_id=row["event_id"],
        subscription_uid=row["subscription_uid"],
        subscription_id=row["subscription_id"],
        event_type=row["event_type"],
        state=changes.shown_state(row),
        attempt_count=row["attempt_count"],
        next_attempt_time_ms=changes.next_attempt_time_ms(row),
        last_attempt=None,
        create_time_ms=row["create_time"],
        complete_time_ms=row["complete_time"],
        failure_reason=FailureReason(row["failure_reason"]) if row["failure_reason"] else None,
        replay_id=row["replay_id"],
    )
