"""The log of changes in SQL: what watches read, one row per notification made, attempt recorded and change of state.

A row keeps what later changes overwrite. The rest is in the notification's own row, which never loses it. Rows are
written in the transaction of the change, by whoever makes it, so the log leaves nothing out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from service.domain.model import FailureReason, NotificationState
from service.domain.names import Workspace
from service.storage.database import Row, Transaction, Value

# What a statement that changes notifications returns of each. The columns as they are, for some versions of SQLite
# (3.40) take IS NULL for false in a RETURNING.
CHANGED: Final[LiteralString] = """
    workspace, id, subscription_uid, state, due_at, held, lease_owner, attempt_count, complete_time, failure_reason
"""

APPEND: Final[LiteralString] = """
    INSERT INTO changes (
        workspace, notification_id, subscription_uid, state, attempt_count, next_attempt_time, complete_time,
        failure_reason, attempt_number, create_time
    ) VALUES (
        :workspace, :notification_id, :subscription_uid, :state, :attempt_count, :next_attempt_time, :complete_time,
        :failure_reason, :attempt_number, :create_time
    )
"""

# The horizon counts where every row has been pruned.
SELECT_LAST_NUMBER: Final[LiteralString] = """
    SELECT coalesce((SELECT max(number) FROM changes), number) AS number FROM change_horizon WHERE id = 1
"""

SELECT_HORIZON: Final[LiteralString] = "SELECT number FROM change_horizon WHERE id = 1"

# number + 0 is what changes_by_workspace has, and what the primary key cannot be searched by.
SELECT_AFTER: Final[LiteralString] = """
    SELECT
        number, notification_id, subscription_uid, state, attempt_count, next_attempt_time, complete_time,
        failure_reason, attempt_number
    FROM changes
    WHERE workspace = :workspace AND number + 0 > :after AND number + 0 <= :until
    ORDER BY number + 0 LIMIT :limit
"""

SELECT_WORKSPACES_AFTER: Final[LiteralString] = """
    SELECT number, workspace FROM changes WHERE number > :after AND number <= :until ORDER BY number LIMIT :limit
"""

SELECT_PRUNABLE: Final[LiteralString] = """
    SELECT max(number) AS number FROM (
        SELECT number, create_time FROM changes ORDER BY number LIMIT :limit
    ) AS oldest
    WHERE create_time < :before
"""

ADVANCE_HORIZON: Final[LiteralString] = """
    UPDATE change_horizon SET number = :number WHERE id = 1 AND number < :number
"""

DELETE_UP_TO: Final[LiteralString] = "DELETE FROM changes WHERE number <= :number"


_PENDING: Final = frozenset({"READY", "WAITING"})


@dataclass(frozen=True, slots=True)
class NewChange:
    """A notification as a change left it: a row of `CHANGED`, which the statement that made the change returns.

    `is_attempt` says that it is the outcome of the notification's last attempt.
    """

    row: Row
    time_ms: int
    is_attempt: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What changes of a notification, as it was after one change. `attempt_number` is that of the change itself."""

    number: int
    notification_id: str
    subscription_uid: str
    state: NotificationState
    attempt_count: int
    next_attempt_time_ms: int | None
    complete_time_ms: int | None
    failure_reason: FailureReason | None
    attempt_number: int | None


@dataclass(frozen=True, slots=True)
class ChangedWorkspaces:
    """The keys of workspaces in which something changed, and up to which number that was looked at."""

    keys: frozenset[str]
    number: int


def shown_state(notification: Row) -> NotificationState:
    """Return the state that the API shows of a notification's row."""
    state: str = notification["state"]
    return NotificationState.PENDING if state in _PENDING else NotificationState(state)


def next_attempt_time_ms(notification: Row) -> int | None:
    """Return when a notification's next attempt is due; None while one is under way, or it is held or has ended."""
    due_at_ms: int = notification["due_at"]
    has_a_time = notification["state"] in _PENDING and notification["lease_owner"] is None and not notification["held"]
    return due_at_ms if has_a_time else None


def append(tx: Transaction, new: Sequence[NewChange]) -> None:
    """Log changes, in the transaction in which they were made."""
    tx.each(APPEND, [_params(each) for each in new])


def last_number(tx: Transaction) -> int:
    """Return the number up to which every change is committed, so that no smaller one can still appear.

    SQLite gives numbers out in the order of commits. Where a database does not, this is the place that stops at the
    oldest transaction still open.
    """
    return int(tx.rows(SELECT_LAST_NUMBER)[0]["number"])


def horizon(tx: Transaction) -> int:
    """Return the number up to which changes may have been pruned."""
    return int(tx.rows(SELECT_HORIZON)[0]["number"])


def after(tx: Transaction, workspace: Workspace, number: int, *, until: int, limit: int) -> list[Change]:
    """Return a workspace's changes in their order, those after `number` and up to `until`."""
    rows = tx.rows(SELECT_AFTER, workspace=workspace.key, after=number, until=until, limit=limit)
    return [_change(row) for row in rows]


def workspaces_after(tx: Transaction, number: int, *, limit: int) -> ChangedWorkspaces:
    """Return the workspaces of the next changes after a number, from at most `limit` rows."""
    rows = tx.rows(SELECT_WORKSPACES_AFTER, after=number, until=last_number(tx), limit=limit)
    return ChangedWorkspaces(frozenset(row["workspace"] for row in rows), rows[-1]["number"] if rows else number)


def prune(tx: Transaction, *, before_ms: int, limit: int) -> int:
    """Delete the oldest changes, from at most `limit` rows, up to the last one made before a time.

    By their order and not each by its own time: what is left has no gap, whatever the clock did.

    Returns:
        How many were deleted; there may be more unless it is 0.
    """
    number = tx.rows(SELECT_PRUNABLE, before=before_ms, limit=limit)[0]["number"]
    if number is None:
        return 0
    tx.execute(ADVANCE_HORIZON, number=number)
    return tx.execute(DELETE_UP_TO, number=number)


def _params(new: NewChange) -> Mapping[str, Value]:
    row = new.row
    return {
        "workspace": row["workspace"],
        "notification_id": row["id"],
        "subscription_uid": row["subscription_uid"],
        "state": shown_state(row).value,
        "attempt_count": row["attempt_count"],
        "next_attempt_time": next_attempt_time_ms(row),
        "complete_time": row["complete_time"],
        "failure_reason": row["failure_reason"],
        "attempt_number": row["attempt_count"] if new.is_attempt else None,
        "create_time": new.time_ms,
    }


def _change(row: Row) -> Change:
    return Change(
        number=row["number"],
        notification_id=row["notification_id"],
        subscription_uid=row["subscription_uid"],
        state=NotificationState(row["state"]),
        attempt_count=row["attempt_count"],
        next_attempt_time_ms=row["next_attempt_time"],
        complete_time_ms=row["complete_time"],
        failure_reason=FailureReason(row["failure_reason"]) if row["failure_reason"] else None,
        attempt_number=row["attempt_number"],
    )
