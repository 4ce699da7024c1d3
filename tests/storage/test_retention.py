"""What finding old rows costs: each statement uses its index, and a slice reads the same whatever else there is."""

import re
import sqlite3
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from service.storage import events, lanes, notifications, retention, subscriptions
from service.storage.database import Database, Transaction
from service.storage.dialect import Dialect, for_postgres, render
from service.storage.migrations import migrate
from service.storage.notifications import NewNotification
from service.storage.retention import BEGINNING, Limits, Place, Slice
from service.storage.sqlite_file import connect
from service.storage.sqlite_transaction import SqliteTransaction
from tests.fakes import NOW_MS, WORKSPACE, event_of, subscription_of
from tests.storage.test_portability import statements_of

STATEMENTS: Final = {
    **{name.rpartition(".")[2]: sql for name, sql in statements_of(retention).items()},
    "FORGET_HEALTH": lanes.FORGET_HEALTH,
}
INDEXES: Final = {
    "DELETE_PUBLISH_REQUESTS": {"publish_requests_by_age", "sqlite_autoindex_publish_requests_1"},
    "DELETE_MANAGEMENT_REQUESTS": {"management_requests_by_age", "sqlite_autoindex_management_requests_1"},
    "DELETE_AUDIT_ENTRIES": {"audit_log_by_time"},
    "SELECT_OLDEST_REQUEST": {"publish_requests_by_age"},
    "SELECT_OLD_EVENTS": {"events_by_age", "replays_running_in"},
    "SELECT_NOTIFICATIONS_OF": {"notifications_by_event", "changes_of_ended"},
    "SELECT_PAYLOAD_CHARS": {"sqlite_autoindex_events_1"},
    "DELETE_ATTEMPTS": {"sqlite_autoindex_attempts_1"},
    "DELETE_NOTIFICATION": {"sqlite_autoindex_notifications_1", "sqlite_autoindex_attempts_1"},
    "DELETE_EVENT": {"sqlite_autoindex_events_1", "notifications_by_event"},
    "SELECT_OLD_REPLAYS": {"replays_by_age", "notifications_by_replay"},
    "DELETE_REPLAY": {"sqlite_autoindex_replays_1"},
    "SELECT_OLD_TOMBSTONES": {
        "subscriptions_by_deletion",
        "notifications_by_subscription",
        "replays_by_subscription",
    },
    "FORGET_REVISION": {"sqlite_autoindex_workspaces_1"},
    "FORGET_HEALTH": {"sqlite_autoindex_lanes_1"},
    # With the indexes by which foreign keys are checked, as for notifications.
    "DELETE_TOMBSTONE": {
        "sqlite_autoindex_subscriptions_1",
        "sqlite_autoindex_signing_keys_1",
        "sqlite_autoindex_lanes_1",
        "notifications_by_subscription",
        "replays_by_subscription",
    },
}


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["", "after ANALYZE"])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_of_retention_uses_its_index(database: Database, name: str, is_analyzed: bool) -> None:
    """None looks through a table, and none sorts."""
    if is_analyzed:
        await database.write(fill)
        await database.write(partial(execute, sql="ANALYZE"))
    sql: Any = "EXPLAIN QUERY PLAN " + render(STATEMENTS[name], Dialect.SQLITE)
    params = dict.fromkeys(for_postgres(STATEMENTS[name]).parameters, 1)

    plan = [row["detail"] for row in await database.read(lambda tx: tx.rows(sql, **params))]

    assert INDEXES[name] == {found for step in plan for found in re.findall(r"INDEX (\w+)", step)}
    assert [] == [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]
    assert [] == [step for step in plan if "TEMP B-TREE" in step]


class Counted:
    """A database of which every instruction is counted."""

    def __init__(self, path: Path) -> None:
        migrate(path)
        self.connection = connect(path)
        self.connection.row_factory = sqlite3.Row
        self.tx = SqliteTransaction(self.connection)

    def fill(self, **numbers: int) -> None:
        """Store events, see `fill`."""
        self.connection.execute("BEGIN")
        fill(self.tx, **numbers)
        self.connection.execute("COMMIT")

    def slice(self, after: Place = BEGINNING, *, before_ms: int = NOW_MS + 10**9) -> tuple[Slice, int]:
        """Look at old events; return what was found, and how many instructions it took."""
        steps = count()
        self.connection.execute("BEGIN")
        self.connection.set_progress_handler(lambda: next(steps) < 0, 1)
        try:
            found = retention.delete_events(self.tx, after, before_ms=before_ms, limits=Limits(looked_at=20))
        finally:
            self.connection.set_progress_handler(None, 1)
        self.connection.execute("ROLLBACK")
        return found, next(steps)


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Any]:
    """Makes databases that count."""
    made: list[Counted] = []

    def make() -> Counted:
        made.append(Counted(tmp_path / f"{len(made)}.db"))
        return made[-1]

    yield make
    for each in made:
        each.connection.close()


def test_slice_costs_the_same_beside_whatever_is_young(counted: Any) -> None:
    """What is not old yet is not read."""
    few, many = counted(), counted()
    few.fill(old=40, young=10)
    many.fill(old=40, young=3_000)
    before_ms = NOW_MS + 40

    (of_few, few_steps), (of_many, many_steps) = few.slice(before_ms=before_ms), many.slice(before_ms=before_ms)

    assert 20 == of_few.deleted == of_many.deleted
    assert many_steps <= few_steps + 200


def test_slice_costs_the_same_however_much_is_old_and_needed(counted: Any) -> None:
    """It goes on behind what was looked at, and does not read it again."""
    few, many = counted(), counted()
    few.fill(old=40, owed=40)
    many.fill(old=3_000, owed=3_000)

    (of_few, few_steps), (of_many, many_steps) = few.slice(), many.slice()
    behind, behind_steps = many.slice(Place(NOW_MS + 2_900, WORKSPACE.key, "event-02900"))

    assert (0, False) == (of_few.deleted, of_few.is_last)
    assert (0, False) == (of_many.deleted, of_many.is_last)
    assert (0, False) == (behind.deleted, behind.is_last)
    assert many_steps <= few_steps + 200
    assert behind_steps <= few_steps + 200


def test_slice_reads_a_bounded_part_of_an_event_with_many_notifications(counted: Any) -> None:
    """However many subscriptions it was for."""
    few, many = counted(), counted()
    few.fill(old=1, notifications_each=200)
    many.fill(old=1, notifications_each=6_000)

    (of_few, few_steps), (of_many, many_steps) = few.slice(), many.slice()

    assert 120 == of_few.deleted_notifications == of_many.deleted_notifications
    assert many_steps <= few_steps + 200


def fill(tx: Transaction, *, old: int = 50, young: int = 0, owed: int = 0, notifications_each: int = 1) -> None:
    """Store events a millisecond apart, each with finished notifications; the first `owed` of them are still owed."""
    subscriptions.insert(tx, subscription_of("a"))
    for number in range(old + young):
        event = event_of(f"event-{number:05}", create_time_ms=NOW_MS + number)
        events.insert(tx, [event])
        notifications.insert(
            tx,
            [
                NewNotification(f"n-{number:05}-{each:05}", WORKSPACE, event.id, event.event_type, "a", "a", NOW_MS)
                for each in range(notifications_each if number < old else 1)
            ],
        )
    execute(tx, sql="UPDATE notifications SET state = 'SUCCEEDED', complete_time = create_time")
    execute(
        tx,
        sql="UPDATE notifications SET state = 'READY', complete_time = NULL WHERE event_id < :event_id",
        event_id=f"event-{owed:05}",
    )
    execute(tx, sql="DELETE FROM changes")


def execute(tx: Transaction, *, sql: Any, **params: Any) -> int:
    """Run a statement of a test."""
    return tx.execute(sql, **params)
