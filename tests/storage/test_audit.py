"""The audit log as it is kept: whole, in order, found by its indexes, and never changed."""

import re
from functools import partial
from typing import Any, Final

import pytest

from service.domain.access import SERVER, Actor
from service.domain.audit import AuditEntry
from service.domain.names import Workspace
from service.storage import audit
from service.storage.audit import NEWEST, AuditFilter, LoggedEntry
from service.storage.database import Database, Transaction
from service.storage.dialect import Dialect, for_postgres, render
from tests.fakes import NOW_MS, TESTER, WORKSPACE
from tests.storage.test_portability import all_statements, statements_of
from tests.storage.test_retention import execute

OTHER: Final = Workspace("acme", "other")
INDEXES: Final = {
    "SELECT_ENTRIES": "audit_log_by_time",
    "SELECT_ENTRIES_OF_WORKSPACE": "audit_log_by_workspace",
    "SELECT_ENTRIES_OF_RESOURCE": "audit_log_by_resource",
}
# Which of the statements that name the table may do more than read it.
WRITING: Final = {
    "service.storage.audit.INSERT_AUDIT_ENTRY": "INSERT",
    "service.storage.retention.DELETE_AUDIT_ENTRIES": "DELETE",
}


def entry(number: int = 0, **changes: Any) -> AuditEntry:
    """Return an entry of a subscription's change, so many milliseconds later."""
    plain: dict[str, Any] = {
        "actor": TESTER,
        "action": "UpdateSubscription",
        "workspace": WORKSPACE,
        "resource": WORKSPACE.subscription("a"),
        "time_ms": NOW_MS + number,
    }
    return AuditEntry(**plain | changes)


async def log(database: Database, *entries: AuditEntry) -> None:
    """Write entries in this order."""

    def work(tx: Transaction) -> None:
        for each in entries:
            audit.insert(tx, each)

    await database.write(work)


async def found(database: Database, only: AuditFilter = AuditFilter(), *, limit: int = 100) -> list[AuditEntry]:  # noqa: B008
    """Return the wanted ones among the last entries."""
    logged = await database.read(lambda tx: audit.before(tx, NEWEST, only=only, limit=limit))
    return [each.entry for each in logged if only.wants(each.entry)]


@pytest.mark.parametrize(
    "whole",
    [
        entry(before={"enabled": True}, after={"enabled": False, "names": ["é", '"']}, request_id="r-1"),
        entry(before=None, after={}),
        entry(before={"a": None}, after=None, actor=Actor("certificate:cn:a, b\n", "")),
        entry(workspace=None, resource="eventTypes/agent.created", actor=SERVER),
    ],
)
async def test_entry_is_read_as_it_was_written(database: Database, whole: AuditEntry) -> None:
    """All of it, and what there was nothing of."""
    await log(database, whole)

    assert [whole] == await found(database)


async def test_entries_come_last_first_and_page_by_page(database: Database) -> None:
    """Also where a clock went back, and where many were written within one millisecond."""
    entries = [entry(time_ms=NOW_MS + at, action=f"action {number}") for number, at in enumerate((0, 5, 5, 5, 2, 5))]
    await log(database, *entries)
    expected = [entries[number] for number in (5, 3, 2, 1, 4, 0)]

    pages: list[LoggedEntry] = []
    position = NEWEST
    for _ in entries:
        read = partial(audit.before, position=position, only=AuditFilter(), limit=1)
        pages += await database.read(read)
        position = pages[-1].position

    assert expected == await found(database)
    assert expected == [each.entry for each in pages]
    assert [] == await database.read(partial(audit.before, position=position, only=AuditFilter(), limit=1))


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (AuditFilter(), [4, 3, 2, 1, 0]),
        (AuditFilter(workspace=OTHER), [3, 2]),
        (AuditFilter(resource=WORKSPACE.subscription("a")), [1, 0]),
        (AuditFilter(resource="eventTypes/t"), [4]),
        (AuditFilter(actor="server"), [3, 1]),
        (AuditFilter(actor="serve"), []),
        (AuditFilter(since_ms=NOW_MS + 3), [4, 3]),
        (AuditFilter(workspace=OTHER, actor="server", since_ms=NOW_MS + 3), [3]),
        (AuditFilter(workspace=OTHER, resource=WORKSPACE.subscription("a")), []),
    ],
)
async def test_entries_are_found_by_what_is_asked_for(
    database: Database, only: AuditFilter, expected: list[int]
) -> None:
    """A workspace, a resource by its whole name, who it was, and since when; all of what is given."""
    entries = [
        entry(0),
        entry(1, actor=SERVER),
        entry(2, workspace=OTHER, resource=OTHER.subscription("a")),
        entry(3, workspace=OTHER, resource=OTHER.subscription("b"), actor=SERVER),
        entry(4, workspace=None, resource="eventTypes/t"),
    ]
    await log(database, *entries)

    assert [entries[number] for number in expected] == await found(database, only)


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["", "after ANALYZE"])
@pytest.mark.parametrize("name", INDEXES)
async def test_query_of_the_log_reads_its_index(database: Database, name: str, is_analyzed: bool) -> None:
    """None reads what is not asked for, and none sorts."""
    if is_analyzed:
        await log(database, *(entry(number) for number in range(100)))
        await database.write(partial(execute, sql="ANALYZE"))
    statement = getattr(audit, name)
    sql: Any = "EXPLAIN QUERY PLAN " + render(statement, Dialect.SQLITE)
    params = dict.fromkeys(for_postgres(statement).parameters, 1)

    [step] = [row["detail"] for row in await database.read(lambda tx: tx.rows(sql, **params))]

    assert f"SEARCH audit_log USING INDEX {INDEXES[name]}" in step


def test_every_query_of_the_log_is_checked_for_its_index() -> None:
    """A new one must say which it reads."""
    queries = [name.rpartition(".")[2] for name in statements_of(audit)]

    assert {*INDEXES, "INSERT_AUDIT_ENTRY"} == set(queries)


def test_nothing_but_retention_removes_entries_and_nothing_changes_them() -> None:
    """Of all statements that name the table, one adds and one deletes; the others read."""
    touching = {name: sql for name, sql in all_statements().items() if "audit_log" in sql}
    writing = {
        name: kinds
        for name, sql in touching.items()
        if (kinds := re.findall(r"\b(INSERT|UPDATE|DELETE|REPLACE|MERGE)\b", sql))
    }

    assert {name: [kind] for name, kind in WRITING.items()} == writing
    assert len(touching) > len(writing)
    assert all("ON CONFLICT" not in sql for sql in touching.values())
