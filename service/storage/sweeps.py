"""Sweeps in SQL: what is being done, slice by slice, to all pending notifications of a subscription.

A sweep is kept in its subscription's row, so there is at most one, and it survives a restart.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, LiteralString

from service.storage.database import Transaction

START_RELEASE: Final[LiteralString] = """
    UPDATE subscriptions SET sweep = 'RELEASE', sweep_after = '' WHERE uid = :uid AND delete_time IS NULL
"""

# Locked, so that a sweep which is asked for meanwhile begins after this slice and is not taken for its end.
SELECT_NEXT_SWEEP: Final[LiteralString] = """
    SELECT uid, sweep, sweep_after FROM subscriptions
    WHERE sweep IS NOT NULL AND sweep IN ('CANCEL', 'RELEASE') AND uid > :after
    ORDER BY uid LIMIT 1 {skip_locked}
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


def start_release(tx: Transaction, uid: str) -> None:
    """Have the subscription's held notifications brought back."""
    tx.execute(START_RELEASE, uid=uid)


def next_sweep(tx: Transaction, after: str = "") -> Sweep | None:
    """Return the sweep that takes its turn after that of the subscription `after`, round and round; None if none is.

    In a write: what asks for another sweep of the subscription waits until this transaction ends.
    """
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
