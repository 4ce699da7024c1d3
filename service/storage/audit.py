"""The audit log in SQL. Rows are only ever added, in the transaction of the change that they tell of.

Nothing changes one; only retention deletes, and only what is old.
"""

from dataclasses import dataclass
from typing import Final, LiteralString

from service.domain.access import Actor
from service.domain.audit import AuditEntry
from service.domain.names import Workspace
from service.storage.database import Row, Transaction
from service.storage.encoding import from_text, to_text

INSERT_AUDIT_ENTRY: Final[LiteralString] = """
    INSERT INTO audit_log (time, actor, action, workspace, resource, request_id, call_id, before, after)
    VALUES (:time, :actor, :action, :workspace, :resource, :request_id, :call_id, :before, :after)
"""

# By the time, which people go by. The number tells apart what was done within one millisecond.
_COLUMNS: Final[LiteralString] = "number, time, actor, action, workspace, resource, request_id, call_id, before, after"
_BEFORE: Final[LiteralString] = """
    (time, number) < (:time, :number) AND time >= :since ORDER BY time DESC, number DESC LIMIT :limit
"""

SELECT_ENTRIES: Final[LiteralString] = f"SELECT {_COLUMNS} FROM audit_log WHERE {_BEFORE}"

SELECT_ENTRIES_OF_WORKSPACE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM audit_log WHERE workspace = :workspace AND {_BEFORE}
"""

SELECT_ENTRIES_OF_RESOURCE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM audit_log WHERE resource = :resource AND {_BEFORE}
"""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list of entries goes on: before the one of this time and number."""

    time_ms: int
    number: int


NEWEST: Final = Position((1 << 63) - 1, (1 << 63) - 1)
"""Before all entries, for a list that begins with the last one."""


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry as it stands in the log."""

    number: int
    entry: AuditEntry

    @property
    def position(self) -> Position:
        """The place of the entry in lists."""
        return Position(self.entry.time_ms, self.number)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted. An empty field means any."""

    workspace: Workspace | None = None
    resource: str = ""
    actor: str = ""
    since_ms: int = 0

    def wants(self, entry: AuditEntry) -> bool:
        """Say whether an entry is wanted."""
        return (
            self.workspace in (None, entry.workspace)
            and self.resource in ("", entry.resource)
            and self.actor in ("", entry.actor.name)
            and entry.time_ms >= self.since_ms
        )


def insert(tx: Transaction, entry: AuditEntry) -> None:
    """Add an entry."""
    tx.execute(
        INSERT_AUDIT_ENTRY,
        time=entry.time_ms,
        actor=entry.actor.name,
        action=entry.action,
        workspace=entry.workspace.key if entry.workspace else "",
        resource=entry.resource,
        request_id=entry.request_id,
        call_id=entry.actor.call_id,
        before=None if entry.before is None else to_text(entry.before),
        after=None if entry.after is None else to_text(entry.after),
    )


def before(tx: Transaction, position: Position, *, only: AuditFilter, limit: int) -> list[LoggedEntry]:
    """Return entries before a position, the last one first, from the index that fits the filter best.

    Not all of them need be wanted: there is no index by actor.
    """
    place = {"time": position.time_ms, "number": position.number, "since": only.since_ms, "limit": limit}
    if only.resource:
        rows = tx.rows(SELECT_ENTRIES_OF_RESOURCE, resource=only.resource, **place)
    elif only.workspace is not None:
        rows = tx.rows(SELECT_ENTRIES_OF_WORKSPACE, workspace=only.workspace.key, **place)
    else:
        rows = tx.rows(SELECT_ENTRIES, **place)
    return [_logged(row) for row in rows]


def _logged(row: Row) -> LoggedEntry:
    entry = AuditEntry(
        actor=Actor(row["actor"], row["call_id"]),
        action=row["action"],
        workspace=Workspace.from_key(row["workspace"]) if row["workspace"] else None,
        resource=row["resource"],
        time_ms=row["time"],
        before=None if row["before"] is None else from_text(row["before"]),
        after=None if row["after"] is None else from_text(row["after"]),
        request_id=row["request_id"],
    )
    return LoggedEntry(row["number"], entry)
