"""Operational events that are still to be published, in SQL."""

from collections.abc import Sequence
from typing import Final, LiteralString

from service.domain.announcements import Announcement
from service.domain.names import Workspace
from service.storage.database import Transaction

# One probe of subscriptions_to_tell, so that failures by the thousand cost little where nobody wants to hear of them.
INSERT_IF_WANTED: Final[LiteralString] = """
    INSERT INTO announcements (id, workspace, event_type, subject, payload, create_time)
    SELECT :id, :workspace, :event_type, :subject, :payload, CAST(:create_time AS BIGINT)
    WHERE EXISTS (
        SELECT 1 FROM subscriptions
        WHERE workspace = :workspace AND wants_operational_events = 1 AND delete_time IS NULL
    )
"""

SELECT_ANNOUNCEMENTS_AFTER: Final[LiteralString] = """
    SELECT id, workspace, event_type, subject, payload, create_time FROM announcements
    WHERE id > :after ORDER BY id LIMIT :limit
"""

DELETE_ANNOUNCEMENT: Final[LiteralString] = "DELETE FROM announcements WHERE id = :id"


def insert(tx: Transaction, announcements: Sequence[Announcement]) -> None:
    """Keep announcements until they are published. In the transaction of what they tell of, so that none is lost.

    Only those of workspaces with a subscription that may want one, of any operational type: which ones match is found
    out when they are published. A subscription made later misses what was announced before it, as it does every event.
    """
    tx.each(
        INSERT_IF_WANTED,
        [
            {
                "id": each.id,
                "workspace": each.workspace.key,
                "event_type": each.event_type,
                "subject": each.subject,
                "payload": each.payload,
                "create_time": each.create_time_ms,
            }
            for each in announcements
        ],
    )


def after(tx: Transaction, announcement_id: str, *, limit: int) -> list[Announcement]:
    """Return announcements in the order of their ids, from the one after `announcement_id` on."""
    rows = tx.rows(SELECT_ANNOUNCEMENTS_AFTER, after=announcement_id, limit=limit)
    return [
        Announcement(
            id=row["id"],
            workspace=Workspace.from_key(row["workspace"]),
            event_type=row["event_type"],
            subject=row["subject"],
            payload=row["payload"],
            create_time_ms=row["create_time"],
        )
        for row in rows
    ]


def delete(tx: Transaction, ids: Sequence[str]) -> None:
    """Forget announcements; those that are gone already are no error."""
    tx.each(DELETE_ANNOUNCEMENT, [{"id": each} for each in ids])
