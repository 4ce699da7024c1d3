"""What moves notifications from outside of the delivery engine, in SQL: a caller's retry or cancel, and sweeps.

Retry and cancel count the claim up, so that an attempt which is under way cannot change the state any more. A cancel
leaves the lease: until that attempt is recorded, by its own process or by one that takes it over, there is no retry.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from service.storage import changes, lanes
from service.storage.changes import CHANGED, NewChange
from service.storage.database import Transaction
from service.storage.sweeps import SweepKind

RETRY_NOW: Final[LiteralString] = f"""
    UPDATE notifications SET
        state = 'READY', due_at = :now, held = 0, tier = 0, claim = claim + 1, schedule_step = 0, schedule_time = :now,
        interruptions = 0, complete_time = NULL, failure_reason = NULL
    WHERE id = :id AND lease_owner IS NULL
    RETURNING {CHANGED}
"""

SELECT_PENDING_AFTER: Final[LiteralString] = """
    SELECT id FROM notifications
    WHERE subscription_uid = :subscription_uid AND complete_time IS NULL AND id > :after
    ORDER BY id LIMIT :limit
"""

CANCEL_PENDING: Final[LiteralString] = f"""
    UPDATE notifications SET
        state = 'CANCELLED', complete_time = :now, held = 0, claim = claim + 1
    WHERE id = :id AND complete_time IS NULL
    RETURNING {CHANGED}
"""

RELEASE_HELD: Final[LiteralString] = """
    UPDATE notifications SET state = 'READY', due_at = :now, held = 0, tier = 1 WHERE id = :id AND held = 1
"""


def sweep(
    tx: Transaction, kind: SweepKind, subscription_uid: str, after: str, *, now_ms: int, limit: int
) -> str | None:
    """Cancel, or release from hold, the next pending notifications of a subscription.

    Returns:
        The last id looked at, to go on from; None when there is none left.
    """
    rows = tx.rows(SELECT_PENDING_AFTER, subscription_uid=subscription_uid, after=after, limit=limit)
    ids = [str(row["id"]) for row in rows]
    if kind is SweepKind.CANCEL:
        cancel(tx, ids, now_ms=now_ms)
    else:
        tx.each(RELEASE_HELD, [{"id": each, "now": now_ms} for each in ids])
    return ids[-1] if len(ids) == limit else None


def cancel(tx: Transaction, notification_ids: Sequence[str], *, now_ms: int) -> list[bool]:
    """End pending notifications; say of each whether it was pending.

    An attempt that is under way will be recorded, but change no state any more.
    """
    cancelled = tx.each(CANCEL_PENDING, [{"id": each, "now": now_ms} for each in notification_ids])
    changes.append(tx, [NewChange(row, now_ms) for rows in cancelled for row in rows])
    return [bool(rows) for rows in cancelled]


def retry_now(tx: Transaction, notification_id: str, *, now_ms: int) -> bool:
    """Make a notification ready, whatever came of it, with its retry schedule from the beginning.

    If its lane is open, a probe is due now: whoever asks for an attempt has reason to believe that it will succeed.

    Returns:
        Whether it could be done: not while an attempt is under way, also of one that was cancelled.
    """
    retried = tx.rows(RETRY_NOW, id=notification_id, now=now_ms)
    if not retried:
        return False
    lanes.probe_now(tx, retried[0]["subscription_uid"], now_ms=now_ms)
    changes.append(tx, [NewChange(retried[0], now_ms)])
    return True
