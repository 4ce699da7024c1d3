"""Events, and the requests that published them, in SQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from service.domain.model import Event
from service.domain.names import Workspace
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import from_text, to_text

_SUMMARY_COLUMNS: Final[LiteralString] = """
    workspace, id, event_type, source, subject, attributes, content_type, payload_is_json, occur_time, create_time,
    payload_sha256, payload_size, matched_count
"""

INSERT_EVENT: Final[LiteralString] = f"""
    INSERT INTO events ({_SUMMARY_COLUMNS}, context_json, payload, category, code) VALUES (
        :workspace, :id, :event_type, :source, :subject, :attributes, :content_type, :payload_is_json, :occur_time,
        :create_time, :payload_sha256, :payload_size, :matched_count, :context_json, :payload, :category, :code
    )
"""

SELECT_EVENTS: Final[LiteralString] = f"""
    SELECT {_SUMMARY_COLUMNS}, context_json, payload, category, code FROM {{events_by_key}}
    WHERE workspace = :workspace AND id IN {{ids}}
"""

SELECT_EVENT_SUMMARY: Final[LiteralString] = f"""
    SELECT {_SUMMARY_COLUMNS} FROM events WHERE workspace = :workspace AND id = :id
"""

SELECT_EVENT_SUMMARIES_BEFORE: Final[LiteralString] = f"""
    SELECT {_SUMMARY_COLUMNS} FROM events
    WHERE workspace = :workspace AND (create_time, id) < (:before_time, :before_id) AND create_time >= :start_time
    ORDER BY create_time DESC, id DESC LIMIT :limit
"""

# Locked, or retention might delete the request, and then its event, before the event is read.
SELECT_PUBLISH_REQUEST: Final[LiteralString] = """
    SELECT fingerprint, event_id FROM publish_requests
    WHERE workspace = :workspace AND request_id = :request_id {for_share}
"""

SELECT_TAKEN_IDS: Final[LiteralString] = "SELECT id FROM {events_by_key} WHERE workspace = :workspace AND id IN {ids}"

INSERT_PUBLISH_REQUEST: Final[LiteralString] = """
    INSERT INTO publish_requests (workspace, request_id, fingerprint, event_id, create_time)
    VALUES (:workspace, :request_id, :fingerprint, :event_id, :create_time)
"""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """A request_id that was used: what the request said, and the event that came of it."""

    request_id: str
    fingerprint: bytes
    event_id: str


def insert(tx: Transaction, events: Sequence[Event]) -> None:
    """Add events, whose ids must be free in their workspaces."""
    tx.each(INSERT_EVENT, [_params(event) for event in events])


def find(tx: Transaction, keys: Sequence[tuple[Workspace, str]]) -> list[Event | None]:
    """Return events with their payloads, in the order of the keys; None where there is none."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for workspace, event_id in keys:
        ids[workspace.key].append(event_id)
    found = tx.each(SELECT_EVENTS, [{"workspace": key, "ids": to_text(of_key)} for key, of_key in ids.items()])
    events = {(row["workspace"], row["id"]): _event(row, with_payload=True) for rows in found for row in rows}
    return [events.get((workspace.key, event_id)) for workspace, event_id in keys]


def find_summary(tx: Transaction, workspace: Workspace, event_id: str) -> Event | None:
    """Return an event without its payload and context, or None."""
    found = tx.rows(SELECT_EVENT_SUMMARY, workspace=workspace.key, id=event_id)
    return _event(found[0], with_payload=False) if found else None


def summaries_before(
    tx: Transaction, workspace: Workspace, before: tuple[int, str], *, start_time_ms: int, limit: int
) -> list[Event]:
    """Return events without payloads, newest first, that were accepted before a (create_time_ms, id)."""
    before_time, before_id = before
    rows = tx.rows(
        SELECT_EVENT_SUMMARIES_BEFORE,
        workspace=workspace.key,
        before_time=before_time,
        before_id=before_id,
        start_time=start_time_ms,
        limit=limit,
    )
    return [_event(row, with_payload=False) for row in rows]


def taken_ids(tx: Transaction, workspace: Workspace, event_ids: Sequence[str]) -> set[str]:
    """Return those of the ids that an event of the workspace has already."""
    if not event_ids:
        return set()
    return {row["id"] for row in tx.rows(SELECT_TAKEN_IDS, workspace=workspace.key, ids=to_text(event_ids))}


def find_requests(tx: Transaction, workspace: Workspace, request_ids: Sequence[str]) -> dict[str, PublishRequest]:
    """Return those of the request_ids that were used before, by request_id. For a write: they stay until it ends."""
    found = tx.each(
        SELECT_PUBLISH_REQUEST,
        [{"workspace": workspace.key, "request_id": request_id} for request_id in request_ids],
    )
    return {
        request_id: PublishRequest(request_id, bytes(rows[0]["fingerprint"]), rows[0]["event_id"])
        for request_id, rows in zip(request_ids, found, strict=True)
        if rows
    }


def insert_requests(tx: Transaction, workspace: Workspace, requests: Sequence[PublishRequest], *, now_ms: int) -> None:
    """Remember request_ids, which must not have been used before."""
    tx.each(
        INSERT_PUBLISH_REQUEST,
        [
            {
                "workspace": workspace.key,
                "request_id": request.request_id,
                "fingerprint": request.fingerprint,
                "event_id": request.event_id,
                "create_time": now_ms,
            }
            for request in requests
        ],
    )


def _params(event: Event) -> Mapping[str, Value]:
    return {
        "workspace": event.workspace.key,
        "id": event.id,
        "event_type": event.event_type,
        "source": event.source,
        "subject": event.subject,
        "attributes": to_text(event.attributes),
        "content_type": event.content_type,
        "payload_is_json": int(event.payload_is_json),
        "occur_time": event.occur_time_ms,
        "create_time": event.create_time_ms,
        "payload_sha256": event.payload_sha256,
        "payload_size": event.payload_size,
        "matched_count": event.matched_count,
        "context_json": event.context_json,
        "payload": event.payload,
        "category": event.category,
        "code": event.code,
    }


def _event(row: Row, *, with_payload: bool) -> Event:
    return Event(
        workspace=Workspace.from_key(row["workspace"]),
        id=row["id"],
        event_type=row["event_type"],
        source=row["source"],
        subject=row["subject"],
        attributes=from_text(row["attributes"]),
        payload=bytes(row["payload"]) if with_payload else b"",
        payload_is_json=bool(row["payload_is_json"]),
        content_type=row["content_type"],
        context_json=row["context_json"] if with_payload else "",
        occur_time_ms=row["occur_time"],
        create_time_ms=row["create_time"],
        payload_sha256=bytes(row["payload_sha256"]),
        payload_size=row["payload_size"],
        matched_count=row["matched_count"],
        category=row["category"] if with_payload else None,
        code=row["code"] if with_payload else None,
    )
