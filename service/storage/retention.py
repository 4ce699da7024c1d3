"""What nobody needs any more, in SQL: looked at oldest first, in slices, and deleted where nothing refers to it.

What is old but still needed stays, so each slice says how far it looked, and the next one goes on from there. A slice
is bounded by what it reads, by what it deletes and by the payload in that, whatever else there is: every byte deleted
is written once more (`secure_delete`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from service.storage import changes, lanes, signing_keys
from service.storage.database import Row, Transaction

DELETE_PUBLISH_REQUESTS: Final[LiteralString] = """
    DELETE FROM publish_requests
    WHERE (workspace, request_id) IN (
        SELECT workspace, request_id FROM publish_requests
        WHERE create_time < :before ORDER BY create_time LIMIT :limit {skip_locked}
    )
"""

DELETE_MANAGEMENT_REQUESTS: Final[LiteralString] = """
    DELETE FROM management_requests
    WHERE (workspace, method, request_id) IN (
        SELECT workspace, method, request_id FROM management_requests
        WHERE create_time < :before ORDER BY create_time LIMIT :limit {skip_locked}
    )
"""

DELETE_AUDIT_ENTRIES: Final[LiteralString] = """
    DELETE FROM audit_log
    WHERE number IN (
        SELECT number FROM audit_log WHERE time < :before ORDER BY time, number LIMIT :limit {skip_locked}
    )
"""

SELECT_OLDEST_REQUEST: Final[LiteralString] = "SELECT min(create_time) AS create_time FROM publish_requests"

# A replay has passed everything before the event that it looked at last. What it will not look at any more because its
# time range ends before is kept too: it is about to end.
SELECT_OLD_EVENTS: Final[LiteralString] = """
    SELECT workspace, id, create_time,
        CASE WHEN EXISTS (
            SELECT 1 FROM replays
            WHERE replays.workspace = events.workspace AND state = 'RUNNING' AND position_time <= events.create_time
        ) THEN 1 ELSE 0 END AS is_needed
    FROM events
    WHERE (create_time, workspace, id) > (:time, :workspace, :id) AND create_time < :before
    ORDER BY create_time, workspace, id LIMIT :limit {skip_locked}
"""

# The last change of one that has ended says so, and changes are pruned in their order: where no such one is left, none
# is. An attempt that is under way has a lease, also when it was cancelled.
SELECT_NOTIFICATIONS_OF: Final[LiteralString] = """
    SELECT id, attempt_count,
        CASE WHEN complete_time IS NULL OR lease_owner IS NOT NULL OR EXISTS (
            SELECT 1 FROM changes
            WHERE changes.notification_id = notifications.id AND changes.complete_time IS NOT NULL
        ) THEN 1 ELSE 0 END AS is_needed
    FROM notifications
    WHERE workspace = :workspace AND event_id = :event_id
    ORDER BY id LIMIT :limit {skip_locked}
"""

SELECT_PAYLOAD_CHARS: Final[LiteralString] = """
    SELECT payload_size + length(context_json) AS chars FROM events WHERE workspace = :workspace AND id = :id
"""

DELETE_ATTEMPTS: Final[LiteralString] = "DELETE FROM attempts WHERE notification_id = :id"

DELETE_NOTIFICATION: Final[LiteralString] = "DELETE FROM notifications WHERE id = :id"

# A notification that another process has locked was passed over above.
DELETE_EVENT: Final[LiteralString] = """
    DELETE FROM events
    WHERE workspace = :workspace AND id = :id AND NOT EXISTS (
        SELECT 1 FROM notifications
        WHERE notifications.workspace = events.workspace AND notifications.event_id = events.id
    )
"""

SELECT_OLD_REPLAYS: Final[LiteralString] = """
    SELECT id, complete_time,
        CASE WHEN EXISTS (SELECT 1 FROM notifications WHERE replay_id = replays.id) THEN 1 ELSE 0 END AS is_needed
    FROM replays
    WHERE (complete_time, id) > (:time, :id) AND complete_time < :before
    ORDER BY complete_time, id LIMIT :limit {skip_locked}
"""

DELETE_REPLAY: Final[LiteralString] = "DELETE FROM replays WHERE id = :id"

SELECT_OLD_TOMBSTONES: Final[LiteralString] = """
    SELECT uid, workspace, revision, delete_time,
        CASE WHEN sweep IS NOT NULL
            OR EXISTS (SELECT 1 FROM notifications WHERE notifications.subscription_uid = subscriptions.uid)
            OR EXISTS (SELECT 1 FROM replays WHERE replays.subscription_uid = subscriptions.uid)
        THEN 1 ELSE 0 END AS is_needed
    FROM subscriptions
    WHERE (delete_time, uid) > (:time, :uid) AND delete_time < :before
    ORDER BY delete_time, uid LIMIT :limit {skip_locked}
"""

FORGET_REVISION: Final[LiteralString] = """
    UPDATE workspaces SET forgotten_revision = :revision
    WHERE workspace = :workspace AND forgotten_revision < :revision
"""

DELETE_TOMBSTONE: Final[LiteralString] = "DELETE FROM subscriptions WHERE uid = :uid"


@dataclass(frozen=True, slots=True)
class Place:
    """Behind what was looked at last, in the order of a time and what tells rows of the same time apart."""

    time_ms: int = -1
    workspace: str = ""
    id: str = ""


BEGINNING: Final = Place()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one transaction may do: how many old rows it looks at, and what it deletes of them and with them.

    `rows` counts events, notifications and attempts; one notification goes with all its attempts, however many, and
    one event with its payload, however large. `small_rows` counts what is small and stands in its order: changes and
    request_ids.

    The defaults are what publishing beside it hardly feels: the slowest hundredth of commits took 12 ms longer. With
    four times as much in a slice it was 60 ms and more, and no more was deleted in all.
    """

    looked_at: int = 50
    rows: int = 120
    payload_bytes: int = 256 * 1024
    small_rows: int = 500


@dataclass(frozen=True, slots=True)
class Slice:
    """What a slice has deleted, and where the next one goes on: `is_last` when there is nothing old behind it."""

    place: Place
    is_last: bool
    deleted: int
    deleted_notifications: int = 0


def delete_changes(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Delete changes made before a time, oldest first."""
    limit = limits.small_rows
    return _oldest(after, changes.prune(tx, before_ms=before_ms, limit=limit), limit)


def delete_publish_requests(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Forget the request_ids of publishes made before a time, oldest first."""
    limit = limits.small_rows
    return _oldest(after, tx.execute(DELETE_PUBLISH_REQUESTS, before=before_ms, limit=limit), limit)


def delete_management_requests(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Forget the request_ids of everything else that was asked before a time, oldest first."""
    limit = limits.small_rows
    return _oldest(after, tx.execute(DELETE_MANAGEMENT_REQUESTS, before=before_ms, limit=limit), limit)


def delete_audit_entries(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Delete what the audit log says of changes made before a time, oldest first."""
    # Each may have 64 KiB, so these are not small.
    limit = limits.looked_at
    return _oldest(after, tx.execute(DELETE_AUDIT_ENTRIES, before=before_ms, limit=limit), limit)


def _oldest(after: Place, deleted: int, limit: int) -> Slice:
    # None of them is needed, so none stays behind and the place is always the beginning.
    return Slice(after, deleted < limit, deleted)


def delete_events(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Delete events that were accepted before a time, each with its notifications and their attempts.

    An event stays, with all that came of it, while its request_id is kept, while a notification of it is owed, leased
    or still told of by a change, and until running replays have passed it. One with more notifications than a slice
    may delete goes over several slices; should one of the last turn out to be needed, the event stays with those.
    """
    oldest_request_ms: int | None = tx.rows(SELECT_OLDEST_REQUEST)[0]["create_time"]
    # A request is stored with a time no later than that of its event.
    before_ms = before_ms if oldest_request_ms is None else min(before_ms, oldest_request_ms)
    found = tx.rows(
        SELECT_OLD_EVENTS,
        time=after.time_ms,
        workspace=after.workspace,
        id=after.id,
        before=before_ms,
        limit=limits.looked_at,
    )
    work = _EventSlice(tx, limits, after)
    for row in found:
        if not work.take(row):
            break
    is_last = len(found) < limits.looked_at and work.passed == len(found)
    return Slice(work.place, is_last, work.events, work.notifications)


@dataclass(slots=True)
class _EventSlice:
    """The deletions of one slice, counted against its limits."""

    tx: Transaction
    limits: Limits
    place: Place
    passed: int = 0
    events: int = 0
    notifications: int = 0
    rows_read: int = 0
    rows_deleted: int = 0
    payload_bytes: int = 0

    def take(self, event: Row) -> bool:
        """Delete an event, or leave it if it is needed; False when there is no room left for it in this slice."""
        if self.rows_read >= 2 * self.limits.rows:
            return False
        if not event["is_needed"] and not self._delete_unneeded(event):
            return False
        self.place = Place(event["create_time"], event["workspace"], event["id"])
        self.passed += 1
        return True

    def _delete_unneeded(self, event: Row) -> bool:
        found = self.tx.rows(
            SELECT_NOTIFICATIONS_OF,
            workspace=event["workspace"],
            event_id=event["id"],
            limit=self.limits.rows,
        )
        self.rows_read += 1 + len(found)
        if any(row["is_needed"] for row in found):
            return True
        payload_bytes = int(
            self.tx.rows(SELECT_PAYLOAD_CHARS, workspace=event["workspace"], id=event["id"])[0]["chars"]
        )
        is_whole = len(found) < self.limits.rows and self._has_room(_rows_of(found), payload_bytes)
        if not is_whole:
            if not self.rows_deleted:
                self._delete_notifications(_first_of(found, self.limits.rows))
            return False
        self._delete_notifications(found)
        self.events += self.tx.execute(DELETE_EVENT, workspace=event["workspace"], id=event["id"])
        self.rows_deleted += 1
        self.payload_bytes += payload_bytes
        return True

    def _has_room(self, rows: int, payload_bytes: int) -> bool:
        if not self.rows_deleted:
            return rows < self.limits.rows
        return (
            self.rows_deleted + rows < self.limits.rows
            and self.payload_bytes + payload_bytes <= self.limits.payload_bytes
        )

    def _delete_notifications(self, found: Sequence[Row]) -> None:
        ids = [{"id": str(row["id"])} for row in found]
        self.tx.each(DELETE_ATTEMPTS, ids)
        self.tx.each(DELETE_NOTIFICATION, ids)
        self.notifications += len(ids)
        self.rows_deleted += _rows_of(found)


def _rows_of(found: Sequence[Row]) -> int:
    return sum(1 + int(row["attempt_count"]) for row in found)


def _first_of(found: Sequence[Row], rows_max: int) -> Sequence[Row]:
    """Return as many of the notifications as may be deleted at once, at least one."""
    rows = 0
    for index, row in enumerate(found):
        rows += 1 + int(row["attempt_count"])
        if rows > rows_max:
            return found[: max(1, index)]
    return found


def delete_replays(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Delete replays that ended before a time, except those that notifications still refer to."""
    found = tx.rows(SELECT_OLD_REPLAYS, time=after.time_ms, id=after.id, before=before_ms, limit=limits.looked_at)
    unneeded = [{"id": str(row["id"])} for row in found if not row["is_needed"]]
    tx.each(DELETE_REPLAY, unneeded)
    place = Place(found[-1]["complete_time"], id=found[-1]["id"]) if found else after
    return Slice(place, len(found) < limits.looked_at, len(unneeded))


def delete_tombstones(tx: Transaction, after: Place, *, before_ms: int, limits: Limits) -> Slice:
    """Delete what was left of subscriptions deleted before a time, except those that history still refers to."""
    found = tx.rows(SELECT_OLD_TOMBSTONES, time=after.time_ms, uid=after.id, before=before_ms, limit=limits.looked_at)
    unneeded = [row for row in found if not row["is_needed"]]
    # First, for it is the lock that whoever reads the rules of a workspace inside a write has taken too.
    tx.each(FORGET_REVISION, [{"workspace": row["workspace"], "revision": row["revision"]} for row in unneeded])
    for row in unneeded:
        signing_keys.delete(tx, row["uid"])
    uids = [str(row["uid"]) for row in unneeded]
    lanes.forget(tx, uids)
    tx.each(DELETE_TOMBSTONE, [{"uid": uid} for uid in uids])
    place = Place(found[-1]["delete_time"], id=found[-1]["uid"]) if found else after
    return Slice(place, len(found) < limits.looked_at, len(unneeded))
