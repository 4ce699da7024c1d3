"""Announcements in the database: written only where some subscription may want one, at the cost of one probe."""

from typing import Any, Final

import pytest

from service.domain.announcements import Announcement, notification_failed, subscription_suspended
from service.domain.model import FailureReason, SuspendReason, Suspension
from service.domain.names import Workspace
from service.storage import announcements
from service.storage.announcements import INSERT_IF_WANTED
from service.storage.database import Database, Transaction
from service.storage.dialect import for_postgres
from tests.fakes import NOW_MS, WORKSPACE, change, listen, subscribe, subscription_of, unsubscribe

OTHER: Final = Workspace("acme", "other")
COUNT_WRITTEN: Final = "SELECT count(*) AS count FROM announcements"
EXPLAIN: Final[Any] = "EXPLAIN QUERY PLAN " + INSERT_IF_WANTED


def failure_of(id: str, *, workspace: Workspace = WORKSPACE) -> Announcement:
    """Return the announcement that a notification has failed."""
    told = notification_failed(
        workspace,
        id=id,
        now_ms=NOW_MS,
        notification_id="n",
        event_id="e",
        event_type="agent.created",
        subscription_id="s",
        reason=FailureReason.GONE,
    )
    assert told is not None
    return told


async def written(database: Database, *told: Announcement) -> int:
    """Announce, and return how many rows there are then."""
    await database.write(lambda tx: announcements.insert(tx, told))
    [row] = await database.read(lambda tx: tx.rows(COUNT_WRITTEN))
    return int(row["count"])


async def test_nothing_is_written_without_a_subscription(database: Database) -> None:
    """Whatever is announced."""
    suspended = subscription_suspended(subscription_of("a"), id="1", now_ms=NOW_MS, reason=SuspendReason.GONE)

    assert 0 == await written(database, suspended, failure_of("2"))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("tidings.notification.failed",), 1),
        (("tidings.*",), 1),
        (("tidings.notification.*",), 1),
        (("tidings.*.failed",), 1),
        (("tidings.*.*",), 1),
        (("agent.*", "tidings.*"), 1),
        # Which of the types it is matters only when it is published.
        (("tidings.signing_key.rotated",), 1),
        (("*",), 0),
        (("*.notification.failed",), 0),
        (("*.*", "agent.*"), 0),
        (("tidings",), 0),
        (("tidings.*.*.*",), 0),
        (("tidings.nothing.*",), 0),
        (("Tidings.*",), 0),
    ],
)
async def test_announcement_is_written_only_where_a_pattern_could_match_one(
    database: Database, patterns: tuple[str, ...], expected: int
) -> None:
    """Of a new subscription, and of one that was changed."""
    await subscribe(database, subscription_of("a", event_types=patterns))
    assert expected == await written(database, failure_of("1"))

    await change(database, subscription_of("a", event_types=("agent.*",) if expected else ("tidings.*",)))
    assert 1 == await written(database, failure_of("2"))
    await change(database, subscription_of("a", event_types=patterns))
    assert 1 + expected == await written(database, failure_of("3"))


@pytest.mark.parametrize("changes", [{"suspension": Suspension(NOW_MS, SuspendReason.GONE)}, {"enabled": False}])
async def test_listener_that_is_not_served_has_announcements_written(
    database: Database, changes: dict[str, Any]
) -> None:
    """A suspended one still matches; of a disabled one it is found out when they are published."""
    await subscribe(database, subscription_of("a", event_types=("tidings.*",), **changes))

    assert 1 == await written(database, failure_of("1"))


async def test_deleted_listener_has_nothing_written(database: Database) -> None:
    """Its row stays as a tombstone."""
    await subscribe(database, subscription_of("a", event_types=("tidings.*",)))
    await unsubscribe(database, "a")

    assert 0 == await written(database, failure_of("1"))


async def test_listener_of_another_workspace_does_not_count(database: Database) -> None:
    """Of what is announced together, only that workspace's is written; and each comes back as it was."""
    await listen(database, workspace=OTHER)
    told = failure_of("2", workspace=OTHER)

    assert 1 == await written(database, failure_of("1"), told)
    assert [told] == await database.read(lambda tx: announcements.after(tx, "", limit=9))


@pytest.mark.parametrize("listeners", [0, 1, 200])
@pytest.mark.parametrize("in_one_workspace", [True, False])
async def test_announcement_costs_one_probe_of_its_index(
    database: Database, listeners: int, *, in_one_workspace: bool
) -> None:
    """Also with statistics that an operator had made, of whichever few subscriptions there were then."""

    async def plan() -> list[str]:
        params: dict[str, Any] = dict.fromkeys(for_postgres(INSERT_IF_WANTED).parameters, 1)
        rows = await database.read(lambda tx: tx.rows(EXPLAIN, **params))
        return [row["detail"] for row in rows if "subscriptions" in row["detail"]]

    def workspace(number: int) -> Workspace:
        return WORKSPACE if in_one_workspace else Workspace("acme", f"w{number}")

    def analyze(tx: Transaction) -> None:
        tx.execute("ANALYZE")

    patterns = [("tidings.*",) if number < listeners else ("*",) for number in range(200)]
    new = [subscription_of(f"s{n}", workspace=workspace(n), event_types=each) for n, each in enumerate(patterns)]
    await subscribe(database, *new)
    before = await plan()
    await database.write(analyze)

    probe = "SEARCH subscriptions USING COVERING INDEX subscriptions_to_tell "
    assert [True, True] == [each.startswith(probe) for [each] in (before, await plan())]
