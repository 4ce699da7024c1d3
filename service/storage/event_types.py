"""Event types in SQL."""

from collections.abc import Iterable
from typing import Final, LiteralString

from service.domain.model import EventType, SchemaEnforcement
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import from_text, to_text

_COLUMNS: Final[LiteralString] = """
    id, display_name, description, service, category, code, json_schema, schema_enforcement, examples, attribute_keys,
    deprecated, create_time, update_time, revision
"""

INSERT_EVENT_TYPE: Final[LiteralString] = f"""
    INSERT INTO event_types ({_COLUMNS}) VALUES (
        :id, :display_name, :description, :service, :category, :code, :json_schema, :schema_enforcement,
        :examples, :attribute_keys, :deprecated, :create_time, :update_time, :revision
    )
    ON CONFLICT (id) DO NOTHING
"""

SELECT_EVENT_TYPE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM event_types WHERE id = :id
"""

SELECT_EVENT_TYPES_AFTER: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM event_types WHERE id > :after ORDER BY id LIMIT :limit
"""

EVENT_TYPE_EXISTS: Final[LiteralString] = "SELECT id FROM event_types WHERE id = :id"

LOCK_EVENT_TYPE: Final[LiteralString] = "SELECT revision FROM event_types WHERE id = :id {for_share}"

UPDATE_EVENT_TYPE: Final[LiteralString] = """
    UPDATE event_types SET
        display_name = :display_name, description = :description, service = :service, category = :category,
        code = :code, json_schema = :json_schema, schema_enforcement = :schema_enforcement, examples = :examples,
        attribute_keys = :attribute_keys, deprecated = :deprecated, create_time = :create_time,
        update_time = :update_time, revision = :revision
    WHERE id = :id AND revision = :old_revision
"""

DELETE_EVENT_TYPE: Final[LiteralString] = "DELETE FROM event_types WHERE id = :id AND revision = :old_revision"


def insert(tx: Transaction, event_type: EventType) -> bool:
    """Add an event type; False when the id is taken."""
    return tx.execute(INSERT_EVENT_TYPE, **_params(event_type)) == 1


def find(tx: Transaction, event_type_id: str) -> EventType | None:
    """Return an event type, or None."""
    found = tx.rows(SELECT_EVENT_TYPE, id=event_type_id)
    return _event_type(found[0]) if found else None


def after(tx: Transaction, event_type_id: str, *, limit: int) -> list[EventType]:
    """Return event types in the order of their ids, from the one after `event_type_id` on."""
    return [_event_type(row) for row in tx.rows(SELECT_EVENT_TYPES_AFTER, after=event_type_id, limit=limit)]


def missing(tx: Transaction, event_type_ids: Iterable[str]) -> set[str]:
    """Return those of the ids that name no event type."""
    wanted = sorted(set(event_type_ids))
    found = tx.each(EVENT_TYPE_EXISTS, [{"id": event_type_id} for event_type_id in wanted])
    return {event_type_id for event_type_id, rows in zip(wanted, found, strict=True) if not rows}


def locked_revisions(tx: Transaction, event_type_ids: Iterable[str]) -> dict[str, int]:
    """Return the revisions of those of the event types that exist, as they stay until this transaction ends.

    For a write. One that does not exist cannot be locked: it may be created before this transaction is committed.
    """
    wanted = sorted(set(event_type_ids))
    found = tx.each(LOCK_EVENT_TYPE, [{"id": event_type_id} for event_type_id in wanted])
    return {event_type_id: rows[0]["revision"] for event_type_id, rows in zip(wanted, found, strict=True) if rows}


def update(tx: Transaction, event_type: EventType, *, old_revision: int) -> bool:
    """Replace an event type's fields; False, and no change, when it is not at its old revision any more."""
    return tx.execute(UPDATE_EVENT_TYPE, **_params(event_type), old_revision=old_revision) == 1


def delete(tx: Transaction, event_type_id: str, *, old_revision: int) -> bool:
    """Remove an event type; False, and no change, when it is not at its old revision any more."""
    return tx.execute(DELETE_EVENT_TYPE, id=event_type_id, old_revision=old_revision) == 1


def _params(event_type: EventType) -> dict[str, Value]:
    return {
        "id": event_type.id,
        "display_name": event_type.display_name,
        "description": event_type.description,
        "service": event_type.service,
        "category": event_type.category,
        "code": event_type.code,
        "json_schema": event_type.json_schema,
        "schema_enforcement": event_type.schema_enforcement.value,
        "examples": to_text(event_type.examples),
        "attribute_keys": to_text(event_type.attribute_keys),
        "deprecated": int(event_type.deprecated),
        "create_time": event_type.create_time_ms,
        "update_time": event_type.update_time_ms,
        "revision": event_type.revision,
    }


def _event_type(row: Row) -> EventType:
    return EventType(
        id=row["id"],
        display_name=row["display_name"],
        description=row["description"],
        service=row["service"],
        category=row["category"],
        code=row["code"],
        json_schema=row["json_schema"],
        schema_enforcement=SchemaEnforcement(row["schema_enforcement"]),
        examples=tuple(from_text(row["examples"])),
        attribute_keys=tuple(from_text(row["attribute_keys"])),
        deprecated=bool(row["deprecated"]),
        create_time_ms=row["create_time"],
        update_time_ms=row["update_time"],
        revision=row["revision"],
    )
