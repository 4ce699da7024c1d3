"""How a notification moves: due, claimed, recorded, held, cancelled. The SQL of the delivery engine.

A lane is the READY rows of one subscription. A claim turns a READY row into a WAITING one that is leased to this
process; `claim` is its fencing token, which every claim, release and cancel counts up and which is never given back.
Lanes, timer and leases are a partial index each, so that no query here looks at a row that it does not want.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from service.domain.model import FailureReason
from service.domain.names import Workspace
from service.storage.database import Row, Transaction
from service.storage.subscriptions import SweepKind

PROMOTE_DUE: Final[LiteralString] = """
    UPDATE notifications SET state = 'READY', held = 0
    WHERE id IN (
        SELECT id FROM notifications
        WHERE state = 'WAITING' AND due_at <= :now AND lease_owner IS NULL
        ORDER BY due_at LIMIT :limit {skip_locked}
    )
"""

SELECT_ABANDONED: Final[LiteralString] = """
    SELECT id, subscription_uid, claim, claim_time, schedule_step, interruptions, create_time
    FROM notifications
    WHERE lease_owner IS NOT NULL AND lease_owner <> :owner AND due_at <= :due_until
    ORDER BY due_at LIMIT :limit {skip_locked}
"""

SELECT_NEXT_DUE: Final[LiteralString] = """
    SELECT min(due_at) AS due_at FROM (
        SELECT due_at FROM (
            SELECT due_at FROM notifications WHERE state = 'WAITING' AND lease_owner IS NULL ORDER BY due_at LIMIT 1
        ) AS timer
        UNION ALL
        SELECT due_at FROM (
            SELECT due_at FROM notifications WHERE lease_owner IS NOT NULL AND lease_owner <> :owner
            ORDER BY due_at LIMIT 1
        ) AS leases
    ) AS next_due
"""

# A loose index scan: each step is one probe of the lane index, so the cost is that of the lanes, not of the backlog.
SELECT_LANES_AFTER: Final[LiteralString] = """
    WITH RECURSIVE lane (subscription_uid) AS (
        SELECT min(subscription_uid) FROM notifications WHERE state = 'READY' AND subscription_uid > :after
        UNION ALL
        SELECT (
            SELECT min(notifications.subscription_uid) FROM notifications
            WHERE notifications.state = 'READY' AND notifications.subscription_uid > lane.subscription_uid
        )
        FROM lane WHERE lane.subscription_uid IS NOT NULL
    )
    SELECT subscription_uid FROM lane WHERE subscription_uid IS NOT NULL LIMIT :limit
"""

CLAIM_FROM_LANE: Final[LiteralString] = """
    UPDATE notifications SET
        state = 'WAITING', due_at = :lease_end, lease_owner = :owner, claim = claim + 1, claim_time = :now
    WHERE id IN (
        SELECT id FROM notifications
        WHERE state = 'READY' AND subscription_uid = :subscription_uid
        ORDER BY due_at LIMIT :limit {skip_locked}
    )
    RETURNING id, workspace, event_id, subscription_uid, claim, attempt_count, schedule_step, create_time
"""

HOLD_LANE: Final[LiteralString] = """
    UPDATE notifications SET state = 'WAITING', due_at = :hold_end, held = 1
    WHERE id IN (
        SELECT id FROM notifications
        WHERE state = 'READY' AND subscription_uid = :subscription_uid
        ORDER BY due_at LIMIT :limit {skip_locked}
    )
"""

COUNT_ATTEMPT: Final[LiteralString] = """
    UPDATE notifications SET attempt_count = attempt_count + 1 WHERE id = :id RETURNING attempt_count
"""

FINISH: Final[LiteralString] = """
    UPDATE notifications SET
        state = :state, complete_time = :now, failure_reason = :failure_reason, lease_owner = NULL, interruptions = 0
    WHERE id = :id AND claim = :claim AND lease_owner IS NOT NULL
    RETURNING id
"""

RETRY_LATER: Final[LiteralString] = """
    UPDATE notifications SET
        state = :state, due_at = :due_at, schedule_step = :schedule_step, interruptions = :interruptions,
        lease_owner = NULL
    WHERE id = :id AND claim = :claim AND lease_owner IS NOT NULL
    RETURNING id
"""

RELEASE_LEASE: Final[LiteralString] = """
    UPDATE notifications SET state = 'READY', due_at = :now, lease_owner = NULL, claim = claim + 1
    WHERE id = :id AND claim = :claim AND lease_owner IS NOT NULL
"""

SELECT_PENDING_AFTER: Final[LiteralString] = """
    SELECT id FROM notifications
    WHERE subscription_uid = :subscription_uid AND complete_time IS NULL AND id > :after
    ORDER BY id LIMIT :limit
"""

CANCEL_PENDING: Final[LiteralString] = """
    UPDATE notifications SET
        state = 'CANCELLED', complete_time = :now, held = 0, lease_owner = NULL, claim = claim + 1
    WHERE id = :id AND complete_time IS NULL
"""

RELEASE_HELD: Final[LiteralString] = """
    UPDATE notifications SET state = 'READY', due_at = :now, held = 0 WHERE id = :id AND held = 1
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification that this process may attempt until its lease ends."""

    notification_id: str
    workspace: Workspace
    event_id: str
    subscription_uid: str
    claim: int
    attempt_count: int
    schedule_step: int
    create_time_ms: int


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A notification whose claim ended without an outcome: its process is gone, or lost its lease."""

    notification_id: str
    subscription_uid: str
    claim: int
    claim_time_ms: int
    schedule_step: int
    interruptions: int
    create_time_ms: int


@dataclass(frozen=True, slots=True)
class LaneClaim:
    """How many notifications to claim from one lane, at most."""

    subscription_uid: str
    limit: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A claim ends in an end state."""

    notification_id: str
    claim: int
    succeeded: bool
    failure_reason: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class Postponed:
    """A claim ends in a later attempt. READY at once when `due_at_ms` has come, which the caller decides."""

    notification_id: str
    claim: int
    due_at_ms: int
    schedule_step: int
    interruptions: int = 0


def promote_due(tx: Transaction, *, now_ms: int, limit: int) -> int:
    """Make the notifications ready whose time has come; return how many."""
    return tx.execute(PROMOTE_DUE, now=now_ms, limit=limit)


def abandoned(tx: Transaction, *, owner: str, due_until_ms: int, limit: int) -> list[Abandoned]:
    """Return claims of other processes whose leases end by `due_until_ms`; never what `owner` itself has under way."""
    rows = tx.rows(SELECT_ABANDONED, owner=owner, due_until=due_until_ms, limit=limit)
    return [
        Abandoned(
            notification_id=row["id"],
            subscription_uid=row["subscription_uid"],
            claim=row["claim"],
            claim_time_ms=row["claim_time"],
            schedule_step=row["schedule_step"],
            interruptions=row["interruptions"],
            create_time_ms=row["create_time"],
        )
        for row in rows
    ]


def next_due_ms(tx: Transaction, *, owner: str) -> int | None:
    """Return when the next waiting notification is due, leaving out what `owner` has under way; None if none waits."""
    due_at: int | None = tx.rows(SELECT_NEXT_DUE, owner=owner)[0]["due_at"]
    return due_at


def lanes_after(tx: Transaction, subscription_uid: str, *, limit: int) -> list[str]:
    """Return the subscriptions that have READY notifications, in the order of uids, after `subscription_uid`."""
    return [row["subscription_uid"] for row in tx.rows(SELECT_LANES_AFTER, after=subscription_uid, limit=limit)]


def claim(
    tx: Transaction, lanes: Sequence[LaneClaim], *, owner: str, now_ms: int, lease_end_ms: int
) -> list[list[Claimed]]:
    """Lease the notifications of each lane that have been due longest; return them lane by lane."""
    claimed = tx.each(
        CLAIM_FROM_LANE,
        [
            {
                "subscription_uid": lane.subscription_uid,
                "limit": lane.limit,
                "owner": owner,
                "now": now_ms,
                "lease_end": lease_end_ms,
            }
            for lane in lanes
        ],
    )
    return [[_claimed(row) for row in rows] for rows in claimed]


def hold(tx: Transaction, subscription_uid: str, *, hold_end_ms: int, limit: int) -> int:
    """Park ready notifications of a subscription that is not served; return how many."""
    return tx.execute(HOLD_LANE, subscription_uid=subscription_uid, hold_end=hold_end_ms, limit=limit)


def count_attempts(tx: Transaction, notification_ids: Sequence[str]) -> list[int]:
    """Count one more attempt of each notification; return the attempts' numbers."""
    counted = tx.each(COUNT_ATTEMPT, [{"id": notification_id} for notification_id in notification_ids])
    return [int(rows[0]["attempt_count"]) for rows in counted]


def finish(tx: Transaction, finished: Sequence[Finished], *, now_ms: int) -> list[bool]:
    """End claims for good; say of each whether it was current. A stale one changes nothing."""
    changed = tx.each(
        FINISH,
        [
            {
                "id": each.notification_id,
                "claim": each.claim,
                "state": "SUCCEEDED" if each.succeeded else "FAILED",
                "failure_reason": each.failure_reason,
                "now": now_ms,
            }
            for each in finished
        ],
    )
    return [bool(rows) for rows in changed]


def postpone(tx: Transaction, postponed: Sequence[Postponed], *, now_ms: int) -> list[bool]:
    """End claims with a later attempt; say of each whether it was current. A stale one changes nothing."""
    changed = tx.each(
        RETRY_LATER,
        [
            {
                "id": each.notification_id,
                "claim": each.claim,
                "state": "READY" if each.due_at_ms <= now_ms else "WAITING",
                "due_at": each.due_at_ms,
                "schedule_step": each.schedule_step,
                "interruptions": each.interruptions,
            }
            for each in postponed
        ],
    )
    return [bool(rows) for rows in changed]


def release_leases(tx: Transaction, claims: Sequence[Claimed], *, now_ms: int) -> None:
    """Give claims back unattempted: they are ready again, and their count of attempts stays."""
    tx.each(RELEASE_LEASE, [{"id": each.notification_id, "claim": each.claim, "now": now_ms} for each in claims])


def sweep(
    tx: Transaction, kind: SweepKind, subscription_uid: str, after: str, *, now_ms: int, limit: int
) -> str | None:
    """Cancel, or release from hold, the next pending notifications of a subscription.

    Returns:
        The last id looked at, to go on from; None when there is none left.
    """
    rows = tx.rows(SELECT_PENDING_AFTER, subscription_uid=subscription_uid, after=after, limit=limit)
    tx.each(
        CANCEL_PENDING if kind is SweepKind.CANCEL else RELEASE_HELD,
        [{"id": row["id"], "now": now_ms} for row in rows],
    )
    return str(rows[-1]["id"]) if len(rows) == limit else None


def _claimed(row: Row) -> Claimed:
    return Claimed(
        notification_id=row["id"],
        workspace=Workspace.from_key(row["workspace"]),
        event_id=row["event_id"],
        subscription_uid=row["subscription_uid"],
        claim=row["claim"],
        attempt_count=row["attempt_count"],
        schedule_step=row["schedule_step"],
        create_time_ms=row["create_time"],
    )
