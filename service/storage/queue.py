"""How a notification moves within the delivery engine, in SQL: due, claimed, held, and the ends of claims.

A lane is the READY rows of one subscription, in two tiers: fresh ones, and those that have waited before. A claim turns
a READY row into a WAITING one that is leased to this process; `claim` is its fencing token, which every claim, release,
retry and cancel counts up and which is never given back. The lease lasts until the attempt is recorded, also where the
notification was cancelled meanwhile.
Lanes, timer and leases are a partial index each, so that no query here looks at a row that it does not want.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from service.domain.health import PROBE_DELAY_MS_MAX
from service.domain.model import FailureReason
from service.domain.names import Workspace
from service.storage import changes
from service.storage.changes import CHANGED, NewChange
from service.storage.database import Row, Transaction
from service.storage.encoding import to_text

SELECT_DUE: Final[LiteralString] = """
    SELECT id, workspace, event_id, event_type, subscription_uid, subscription_id, held FROM notifications
    WHERE state = 'WAITING' AND due_at <= :now AND lease_owner IS NULL
    ORDER BY due_at LIMIT :limit {skip_locked}
"""

PROMOTE: Final[LiteralString] = (
    "UPDATE {notifications_by_key} SET state = 'READY', held = 0, tier = 1 WHERE id IN {ids} AND state = 'WAITING'"
)

EXPIRE_HELD: Final[LiteralString] = f"""
    UPDATE notifications SET
        state = 'FAILED', complete_time = :now, failure_reason = :failure_reason, held = 0, claim = claim + 1
    WHERE id = :id AND held = 1 AND complete_time IS NULL
    RETURNING {CHANGED}
"""

SELECT_ABANDONED: Final[LiteralString] = """
    SELECT id, workspace, event_id, event_type, subscription_uid, subscription_id, claim, claim_time, schedule_step,
        interruptions, coalesce(schedule_time, create_time) AS schedule_time
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
# Which lanes are open is said here, for there can be as many as there are receivers that are down.
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
    SELECT subscription_uid, CASE WHEN EXISTS (
        SELECT 1 FROM lanes
        WHERE lanes.subscription_uid = lane.subscription_uid AND open_until > :now AND open_until <= :latest
    ) THEN 1 ELSE 0 END AS is_open
    FROM lane WHERE subscription_uid IS NOT NULL LIMIT :limit
"""

SELECT_READY: Final[LiteralString] = """
    SELECT id, workspace, event_id, subscription_uid, claim, attempt_count, schedule_step,
        coalesce(schedule_time, create_time) AS schedule_time, payload_size
    FROM notifications
    WHERE state = 'READY' AND subscription_uid = :subscription_uid AND tier = :tier
    ORDER BY due_at LIMIT :limit {skip_locked}
"""

CLAIM: Final[LiteralString] = """
    UPDATE {notifications_by_key} SET
        state = 'WAITING', due_at = :lease_end, lease_owner = :owner, claim = claim + 1, claim_time = :now
    WHERE id IN {ids}
"""

HOLD_LANE: Final[LiteralString] = """
    UPDATE notifications SET state = 'WAITING', due_at = :hold_end, held = 1
    WHERE id IN (
        SELECT id FROM notifications
        WHERE state = 'READY' AND subscription_uid = :subscription_uid
        ORDER BY tier, due_at LIMIT :limit {skip_locked}
    )
"""

FINISH: Final[LiteralString] = f"""
    UPDATE {{notifications_by_key}} SET
        state = :state, complete_time = :now, failure_reason = :failure_reason, lease_owner = NULL, interruptions = 0,
        attempt_count = attempt_count + :attempted
    WHERE (id, claim) IN {{claims}} AND lease_owner IS NOT NULL AND complete_time IS NULL
    RETURNING {CHANGED}
"""

RETRY_LATER: Final[LiteralString] = f"""
    UPDATE notifications SET
        state = :state, due_at = :due_at, schedule_step = :schedule_step, interruptions = :interruptions,
        lease_owner = NULL, tier = 1, attempt_count = attempt_count + :attempted
    WHERE id = :id AND claim = :claim AND lease_owner IS NOT NULL AND complete_time IS NULL
    RETURNING {CHANGED}
"""

# For an attempt whose claim was stale: it is counted all the same.
COUNT_ATTEMPT: Final[LiteralString] = f"""
    UPDATE notifications SET attempt_count = attempt_count + 1 WHERE id = :id RETURNING {CHANGED}
"""

# The cancel counted the claim up by one, so it is the attempt's number plus one here; whoever takes over read it so.
# What is older is another attempt's, and must not end this lease.
END_CANCELLED: Final[LiteralString] = """
    UPDATE notifications SET lease_owner = NULL
    WHERE id = :id AND claim - 1 <= :claim AND lease_owner IS NOT NULL AND complete_time IS NOT NULL
"""

RELEASE_LEASE: Final[LiteralString] = """
    UPDATE notifications SET state = 'READY', due_at = :now, lease_owner = NULL, claim = claim + 1
    WHERE id = :id AND claim = :claim AND lease_owner IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification that this process may attempt until its lease ends, under the number `claim`.

    `schedule_time_ms` is when its retry schedule began. `payload_size` is the event's, with its context, in bytes; 0
    where that was not yet noted when the notification was made.
    """

    notification_id: str
    workspace: Workspace
    event_id: str
    subscription_uid: str
    claim: int
    attempt_count: int
    schedule_step: int
    schedule_time_ms: int
    payload_size: int


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A notification whose claim ended without an outcome: its process is gone, or lost its lease."""

    notification_id: str
    workspace: Workspace
    event_id: str
    event_type: str
    subscription_uid: str
    subscription_id: str
    claim: int
    claim_time_ms: int
    schedule_step: int
    interruptions: int
    schedule_time_ms: int


@dataclass(frozen=True, slots=True)
class Due:
    """A waiting notification whose time has come: that of its retry, or the end of its hold."""

    notification_id: str
    workspace: Workspace
    event_id: str
    event_type: str
    subscription_uid: str
    subscription_id: str
    held: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """How many notifications one lane could start, at most."""

    subscription_uid: str
    limit: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A claim ends in an end state. `attempted` says that an attempt was made, which is to be counted."""

    notification_id: str
    claim: int
    succeeded: bool
    failure_reason: FailureReason | None = None
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """A claim ends in a later attempt. READY at once when `due_at_ms` has come, which the caller decides."""

    notification_id: str
    claim: int
    due_at_ms: int
    schedule_step: int
    interruptions: int = 0
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the end of a claim: whether the claim was current, and its attempt's number, if one was made."""

    was_current: bool
    attempt_number: int | None


def due(tx: Transaction, *, now_ms: int, limit: int) -> list[Due]:
    """Return the waiting notifications whose time has come, those first that have been due longest."""
    return [
        Due(
            notification_id=row["id"],
            workspace=Workspace.from_key(row["workspace"]),
            event_id=row["event_id"],
            event_type=row["event_type"],
            subscription_uid=row["subscription_uid"],
            subscription_id=row["subscription_id"],
            held=bool(row["held"]),
        )
        for row in tx.rows(SELECT_DUE, now=now_ms, limit=limit)
    ]


def promote(tx: Transaction, notification_ids: Sequence[str]) -> None:
    """Make waiting notifications ready."""
    if notification_ids:
        tx.execute(PROMOTE, ids=to_text(notification_ids))


def expire_held(tx: Transaction, notification_ids: Sequence[str], *, now_ms: int) -> list[bool]:
    """Fail notifications that were held for too long; say of each whether it was still held."""
    expired = tx.each(
        EXPIRE_HELD,
        [{"id": each, "now": now_ms, "failure_reason": FailureReason.HOLD_EXPIRED.value} for each in notification_ids],
    )
    changes.append(tx, [NewChange(row, now_ms) for rows in expired for row in rows])
    return [bool(rows) for rows in expired]


def abandoned(tx: Transaction, *, owner: str, due_until_ms: int, limit: int) -> list[Abandoned]:
    """Return claims of other processes whose leases end by `due_until_ms`; never what `owner` itself has under way."""
    rows = tx.rows(SELECT_ABANDONED, owner=owner, due_until=due_until_ms, limit=limit)
    return [
        Abandoned(
            notification_id=row["id"],
            workspace=Workspace.from_key(row["workspace"]),
            event_id=row["event_id"],
            event_type=row["event_type"],
            subscription_uid=row["subscription_uid"],
            subscription_id=row["subscription_id"],
            claim=row["claim"],
            claim_time_ms=row["claim_time"],
            schedule_step=row["schedule_step"],
            interruptions=row["interruptions"],
            schedule_time_ms=row["schedule_time"],
        )
        for row in rows
    ]


def next_due_ms(tx: Transaction, *, owner: str) -> int | None:
    """Return when the next waiting notification is due, leaving out what `owner` has under way; None if none waits."""
    due_at: int | None = tx.rows(SELECT_NEXT_DUE, owner=owner)[0]["due_at"]
    return due_at


def lanes_after(tx: Transaction, subscription_uid: str, *, now_ms: int, limit: int) -> list[tuple[str, bool]]:
    """Return the subscriptions that have READY notifications, in the order of uids, after `subscription_uid`.

    With each it says whether its lane is open and not to be probed yet.
    """
    # As in health.concurrency_now: a probe is never further away than its longest delay.
    latest_ms = now_ms + PROBE_DELAY_MS_MAX
    rows = tx.rows(SELECT_LANES_AFTER, after=subscription_uid, now=now_ms, latest=latest_ms, limit=limit)
    return [(row["subscription_uid"], bool(row["is_open"])) for row in rows]


def ready(tx: Transaction, demands: Sequence[Demand], *, tier: int) -> list[list[Claimed]]:
    """Return what `claim` may take of one tier, lane by lane, in each lane those first that have been due longest.

    They stay as they are until this transaction ends. Each has the number that its claim would have.
    """
    found = tx.each(
        SELECT_READY,
        [{"subscription_uid": each.subscription_uid, "tier": tier, "limit": each.limit} for each in demands],
    )
    return [[_claimable(row) for row in rows] for rows in found]


def claim(tx: Transaction, ready: Sequence[Claimed], *, owner: str, now_ms: int, lease_end_ms: int) -> None:
    """Lease notifications that this transaction has found ready."""
    if ready:
        ids = to_text([each.notification_id for each in ready])
        tx.execute(CLAIM, ids=ids, owner=owner, now=now_ms, lease_end=lease_end_ms)


def hold(tx: Transaction, subscription_uid: str, *, hold_end_ms: int, limit: int) -> int:
    """Park ready notifications of a subscription that is not served; return how many."""
    return tx.execute(HOLD_LANE, subscription_uid=subscription_uid, hold_end=hold_end_ms, limit=limit)


def end_claims(tx: Transaction, ends: Sequence[Finished | Postponed], *, now_ms: int) -> list[Ended]:
    """End claims and count their attempts, in this order; return what became of each. Stale ones change no state.

    A notification that was cancelled under its claim is such a one: it only comes free of the lease.
    """
    if len({each.notification_id for each in ends}) < len(ends):
        # One by one, or two attempts of a notification would be numbered by which of their claims was current.
        return [ended for each in ends for ended in end_claims(tx, [each], now_ms=now_ms)]
    finished = iter(_finish(tx, [each for each in ends if isinstance(each, Finished)], now_ms=now_ms))
    postponed = iter(_postpone(tx, [each for each in ends if isinstance(each, Postponed)], now_ms=now_ms))
    current = [next(finished if isinstance(each, Finished) else postponed) for each in ends]
    stale = iter(_end_stale(tx, [each for each, rows in zip(ends, current, strict=True) if not rows]))
    changed = [rows or next(stale) for rows in current]
    # An attempt is a change also when its claim was stale and the state stays.
    changes.append(
        tx,
        [
            NewChange(row, now_ms, is_attempt=each.attempted)
            for each, rows in zip(ends, changed, strict=True)
            for row in rows
        ],
    )
    return [
        Ended(bool(was_current), rows[0]["attempt_count"] if each.attempted else None)
        for each, was_current, rows in zip(ends, current, changed, strict=True)
    ]


def _finish(tx: Transaction, finished: Sequence[Finished], *, now_ms: int) -> list[list[Row]]:
    alike: defaultdict[tuple[bool, FailureReason | None, bool], list[tuple[str, int]]] = defaultdict(list)
    for each in finished:
        alike[each.succeeded, each.failure_reason, each.attempted].append((each.notification_id, each.claim))
    changed = tx.each(
        FINISH,
        [
            {
                "claims": to_text(claims),
                "state": "SUCCEEDED" if succeeded else "FAILED",
                "failure_reason": failure_reason,
                "now": now_ms,
                "attempted": int(attempted),
            }
            for (succeeded, failure_reason, attempted), claims in alike.items()
        ],
    )
    by_id = {row["id"]: [row] for rows in changed for row in rows}
    return [by_id.get(each.notification_id, []) for each in finished]


def _postpone(tx: Transaction, postponed: Sequence[Postponed], *, now_ms: int) -> list[list[Row]]:
    return tx.each(
        RETRY_LATER,
        [
            {
                "id": each.notification_id,
                "claim": each.claim,
                "state": "READY" if each.due_at_ms <= now_ms else "WAITING",
                "due_at": each.due_at_ms,
                "schedule_step": each.schedule_step,
                "interruptions": each.interruptions,
                "attempted": int(each.attempted),
            }
            for each in postponed
        ],
    )


def _end_stale(tx: Transaction, stale: Sequence[Finished | Postponed]) -> list[list[Row]]:
    counted = iter(tx.each(COUNT_ATTEMPT, [{"id": each.notification_id} for each in stale if each.attempted]))
    tx.each(END_CANCELLED, [{"id": each.notification_id, "claim": each.claim} for each in stale])
    return [next(counted) if each.attempted else [] for each in stale]


def release_leases(tx: Transaction, claims: Sequence[Claimed], *, now_ms: int) -> None:
    """Give claims back unattempted: they are ready again, and their count of attempts stays.

    One whose notification was cancelled meanwhile is not given back. It is never made again, so whoever takes it over
    records it.
    """
    tx.each(RELEASE_LEASE, [{"id": each.notification_id, "claim": each.claim, "now": now_ms} for each in claims])


def _claimable(row: Row) -> Claimed:
    return Claimed(
        notification_id=row["id"],
        workspace=Workspace.from_key(row["workspace"]),
        event_id=row["event_id"],
        subscription_uid=row["subscription_uid"],
        claim=row["claim"] + 1,
        attempt_count=row["attempt_count"],
        schedule_step=row["schedule_step"],
        schedule_time_ms=row["schedule_time"],
        payload_size=row["payload_size"],
    )
