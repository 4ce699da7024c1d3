"""How receivers do, in SQL: one row per subscription that has had an outcome, beside the subscription's own.

Apart from it, because it changes with every other attempt, and is nothing that its owner has said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, LiteralString

from service.domain.keyring import SealBroken
from service.domain.model import Health
from service.storage import receivers
from service.storage.database import Row, Transaction
from service.storage.encoding import Columns, whole

_COLUMNS: Final[LiteralString] = """
    concurrency, successes, narrowed_at, failed_probes, open_until, failing_since, failures, last_success_time
"""

SELECT_HEALTH: Final[LiteralString] = f"SELECT {_COLUMNS} FROM lanes WHERE subscription_uid = :uid"

SELECT_LANE: Final[LiteralString] = f"""
    SELECT uid, url, url_rest, sealed_with, max_concurrency, {_COLUMNS}
    FROM subscriptions LEFT JOIN lanes ON lanes.subscription_uid = subscriptions.uid
    WHERE uid = :uid AND delete_time IS NULL
"""

STORE_HEALTH: Final[LiteralString] = """
    INSERT INTO lanes (
        subscription_uid, concurrency, successes, narrowed_at, failed_probes, open_until, failing_since, failures,
        last_success_time
    ) VALUES (
        :uid, :concurrency, :successes, :narrowed_at, :failed_probes, :open_until, :failing_since, :failures,
        :last_success_time
    )
    ON CONFLICT (subscription_uid) DO UPDATE SET
        concurrency = excluded.concurrency, successes = excluded.successes, narrowed_at = excluded.narrowed_at,
        failed_probes = excluded.failed_probes, open_until = excluded.open_until,
        failing_since = excluded.failing_since, failures = excluded.failures,
        last_success_time = excluded.last_success_time
"""

PROBE_NOW: Final[LiteralString] = """
    UPDATE lanes SET open_until = :now WHERE subscription_uid = :uid AND open_until > :now
"""

FORGET_HEALTH: Final[LiteralString] = "DELETE FROM lanes WHERE subscription_uid = :uid"


@dataclass(frozen=True, slots=True)
class Lane:
    """As much of a living subscription as an outcome is judged by, and how its receiver does.

    The URL ends before its path where the rest of it is damaged.
    """

    url: str = field(repr=False)
    max_concurrency: int | None
    health: Health


def health_of(tx: Transaction, uids: Sequence[str]) -> list[Health]:
    """Return how the receivers of subscriptions do, in the order of the uids."""
    found = tx.each(SELECT_HEALTH, [{"uid": uid} for uid in uids])
    return [_health(rows[0]) if rows else Health() for rows in found]


def find(tx: Transaction, uids: Sequence[str]) -> dict[str, Lane]:
    """Return the lanes of those among these subscriptions that are living, by uid."""
    found = tx.each(SELECT_LANE, [{"uid": uid} for uid in uids])
    return {uid: _lane(tx, rows[0]) for uid, rows in zip(uids, found, strict=True) if rows}


def store(tx: Transaction, healths: Mapping[str, Health]) -> None:
    """Note how the receivers of living subscriptions do, by uid."""
    tx.each(
        STORE_HEALTH,
        [
            {
                "uid": uid,
                "concurrency": health.concurrency,
                "successes": health.successes,
                "narrowed_at": health.narrowed_at_ms,
                "failed_probes": health.failed_probes,
                "open_until": health.open_until_ms,
                "failing_since": health.failing_since_ms,
                "failures": health.failures,
                "last_success_time": health.last_success_time_ms,
            }
            # In one order everywhere, so that no two processes wait for each other's rows.
            for uid, health in sorted(healths.items())
        ],
    )


def probe_now(tx: Transaction, uid: str, *, now_ms: int) -> None:
    """Have the next probe of a lane made now, if the lane is open."""
    tx.execute(PROBE_NOW, uid=uid, now=now_ms)


def forget(tx: Transaction, uids: Iterable[str]) -> None:
    """Forget what is known of the receivers of subscriptions that were deleted."""
    tx.each(FORGET_HEALTH, [{"uid": uid} for uid in uids])


def _lane(tx: Transaction, row: Row) -> Lane:
    max_concurrency = Columns(row).read_if_any("max_concurrency", whole)
    return Lane(_url(tx, row), max_concurrency, Health() if row["concurrency"] is None else _health(row))


def _url(tx: Transaction, row: Row) -> str:
    try:
        return receivers.open_url(tx, row)
    except SealBroken:
        return str(row["url"])


def _health(row: Row) -> Health:
    return Health(
        concurrency=row["concurrency"],
        successes=row["successes"],
        narrowed_at_ms=row["narrowed_at"],
        failed_probes=row["failed_probes"],
        open_until_ms=row["open_until"],
        failing_since_ms=row["failing_since"],
        failures=row["failures"],
        last_success_time_ms=row["last_success_time"],
    )
