"""The audit log in SQL. Rows are only ever added, in the transaction of the change that they tell of."""

from typing import Final, LiteralString

from service.domain.audit import AuditEntry
from service.storage.database import Transaction
from service.storage.encoding import to_text

INSERT_AUDIT_ENTRY: Final[LiteralString] = """
    INSERT INTO audit_log (time, actor, action, workspace, resource, request_id, call_id, before, after)
    VALUES (:time, :actor, :action, :workspace, :resource, :request_id, :call_id, :before, :after)
"""


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
