"""Event types: the use cases behind EventTypeService."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from service.domain.access import Actor
from service.domain.attributes import check_attributes, check_display_name, check_text
from service.domain.audit import entry_of
from service.domain.clock import Clock
from service.domain.errors import (
    EtagMismatch,
    EventTypeUnknown,
    InvalidField,
    ResourceExists,
    ResourceNotFound,
    StorageUnavailable,
    quoted,
)
from service.domain.etags import check_etag
from service.domain.json_text import check_json
from service.domain.model import EventType, SchemaEnforcement
from service.domain.names import check_event_type_id, check_event_type_not_reserved
from service.domain.schemas import Violation
from service.paging import Page, take
from service.storage import audit, event_types
from service.storage.database import Database, Long, Transaction
from service.validating import Definitions, compiled, violations_of

_DESCRIPTION_CHARACTERS_MAX = 4_096
SERVICE_CHARACTERS_MAX = 64
_EXAMPLES_MAX = 16
_EXAMPLE_BYTES_MAX = 64 * 1024
_ATTRIBUTE_KEYS_MAX = 64
_TRIES_MAX = 20


class EventTypeFields(TypedDict, total=False):
    """The fields of an event type that a caller sets."""

    display_name: str
    description: str
    service: str
    category: int | None
    code: int | None
    json_schema: str
    schema_enforcement: SchemaEnforcement
    examples: tuple[str, ...]
    attribute_keys: tuple[str, ...]
    deprecated: bool


class EventTypes:
    """Creates, reads, changes and deletes event types, and checks payloads against their schemas.

    Each change is written to the audit log, with who made it.
    """

    def __init__(self, database: Database, definitions: Definitions, *, clock: Clock) -> None:
        self._database = database
        self._definitions = definitions
        self._clock = clock

    async def create(self, event_type_id: str, fields: EventTypeFields, *, by: Actor) -> EventType:
        """Create an event type from a complete set of fields.

        Raises:
            InvalidField: a field, or the id, is not allowed, or an example does not match the schema.
            ResourceExists: the id is taken.
        """
        check_event_type_id("event_type_id", event_type_id)
        check_event_type_not_reserved("event_type_id", event_type_id)
        _check(fields)
        await _check_examples_match(fields["json_schema"], fields["examples"])
        now_ms = self._clock.now_ms()
        # Not 1: an event type that was deleted and made again must not have the etag of its predecessor.
        event_type = EventType(
            id=event_type_id, create_time_ms=now_ms, update_time_ms=now_ms, revision=now_ms, **fields
        )

        def work(tx: Transaction) -> bool:
            if not event_types.insert(tx, event_type):
                return False
            audit.insert(tx, entry_of(by, "CreateEventType", None, event_type, time_ms=now_ms))
            return True

        if not await self._database.write(work):
            raise ResourceExists(
                f"event_type_id: there is an event type {quoted(event_type_id)} already",
                resource_type="event type",
                resource_name=event_type.name,
                field="event_type_id",
            )
        return event_type

    async def get(self, event_type_id: str) -> EventType:
        """Return an event type.

        Raises:
            ResourceNotFound: there is none of this id.
        """
        return await self._database.read(lambda tx: _existing(tx, event_type_id))

    async def list(self, *, after: str, page_size: int, service: str) -> Page[EventType, str]:
        """Return event types in the order of their ids, those of one service only if it is given."""

        def page(tx: Transaction) -> Page[EventType, str]:
            return take(
                lambda position, limit: event_types.after(tx, position, limit=limit),
                start=after,
                position_of=lambda event_type: event_type.id,
                wanted=lambda event_type: service in ("", event_type.service),
                page_size=page_size,
            )

        return await self._database.read(Long(page))

    async def update(self, event_type_id: str, fields: EventTypeFields, *, etag: str, by: Actor) -> EventType:
        """Change some fields.

        Raises:
            InvalidField: a field is not allowed, or an example does not match the schema, whichever of them changes.
            ResourceNotFound: there is none of this id.
            EtagMismatch: an etag is given and not the current one, or another change came between.
            StorageUnavailable: other changes came between again and again; or see Database.write.
        """
        _check(fields)
        if "json_schema" not in fields and "examples" not in fields:
            return await self._change(event_type_id, fields, etag=etag, by=by)
        for _ in range(_TRIES_MAX):
            seen = await self.get(event_type_id)
            check_etag(seen.name, seen.etag, given=etag)
            await _check_examples_match(
                fields.get("json_schema", seen.json_schema), fields.get("examples", seen.examples)
            )
            changed = await self._change_from(seen, fields, by=by)
            if changed is not None:
                return changed
        raise StorageUnavailable(f"eventTypes/{event_type_id} is being changed by others all the time")

    async def _change(self, event_type_id: str, fields: EventTypeFields, *, etag: str, by: Actor) -> EventType:
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> EventType:
            current = _existing(tx, event_type_id)
            check_etag(current.name, current.etag, given=etag)
            changed = _changed(current, fields, now_ms)
            if not _update(tx, current, changed, by=by):
                raise _changed_meanwhile(current)
            return changed

        return await self._database.write(work)

    async def _change_from(self, seen: EventType, fields: EventTypeFields, *, by: Actor) -> EventType | None:
        """Change an event type as it was seen; None if it is another by now, so that its examples are checked again."""
        changed = _changed(seen, fields, self._clock.now_ms())
        is_changed = await self._database.write(lambda tx: _update(tx, seen, changed, by=by))
        return changed if is_changed else None

    async def violations_of_type(self, event_type_id: str, payload: bytes) -> Sequence[Violation]:
        """Return where a JSON payload does not match the schema of an event type; nothing if it has none.

        Raises:
            EventTypeUnknown: there is no such event type.
        """
        definition = (await self._definitions.refresh([event_type_id]))[event_type_id]
        if definition.revision is None:
            raise EventTypeUnknown("event_type", event_type_id)
        return await definition.violations(payload, payload_is_json=True)

    async def violations_of_schema(self, json_schema: str, payload: bytes) -> Sequence[Violation]:
        """Return where a JSON payload does not match a schema.

        Raises:
            InvalidField: it is no schema, see compile_schema.
        """
        return await violations_of(await compiled("json_schema", json_schema), payload)

    async def delete(self, event_type_id: str, *, etag: str, allow_missing: bool, by: Actor) -> None:
        """Delete an event type.

        Raises:
            ResourceNotFound: there is none of this id, unless that is allowed.
            EtagMismatch: an etag is given and not the current one, or another change came between.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> None:
            current = _existing(tx, event_type_id)
            check_etag(current.name, current.etag, given=etag)
            if not event_types.delete(tx, event_type_id, old_revision=current.revision):
                raise _changed_meanwhile(current)
            audit.insert(tx, entry_of(by, "DeleteEventType", current, None, time_ms=now_ms))

        try:
            await self._database.write(work)
        except ResourceNotFound:
            if not allow_missing:
                raise


def _existing(tx: Transaction, event_type_id: str) -> EventType:
    event_type = event_types.find(tx, event_type_id)
    if event_type is None:
        raise ResourceNotFound("event type", f"eventTypes/{event_type_id}")
    return event_type


def _changed(event_type: EventType, fields: EventTypeFields, now_ms: int) -> EventType:
    return replace(event_type, **fields, update_time_ms=now_ms, revision=max(now_ms, event_type.revision + 1))


def _update(tx: Transaction, current: EventType, changed: EventType, *, by: Actor) -> bool:
    """Store a change; False, and no change, when another came between."""
    if not event_types.update(tx, changed, old_revision=current.revision):
        return False
    audit.insert(tx, entry_of(by, "UpdateEventType", current, changed, time_ms=changed.update_time_ms))
    return True


def _changed_meanwhile(event_type: EventType) -> EtagMismatch:
    return EtagMismatch(f"{event_type.name} was changed by another request at the same time: read it again")


def _check(fields: EventTypeFields) -> None:
    if "display_name" in fields:
        check_display_name("event_type.display_name", fields["display_name"])
    if "description" in fields:
        _check_description(fields["description"])
    if "service" in fields:
        check_text("event_type.service", fields["service"], SERVICE_CHARACTERS_MAX)
    if "examples" in fields:
        _check_examples(fields["examples"])
    if "attribute_keys" in fields:
        _check_attribute_keys(fields["attribute_keys"])


def _check_description(description: str) -> None:
    if len(description) > _DESCRIPTION_CHARACTERS_MAX:
        raise InvalidField(
            "event_type.description",
            f"must be at most {_DESCRIPTION_CHARACTERS_MAX} characters; got {len(description)}",
        )
    # It is free text with line breaks, but PostgreSQL's TEXT has no place for this one.
    if "\0" in description:
        raise InvalidField("event_type.description", "must not contain the character U+0000")


def _check_attribute_keys(keys: tuple[str, ...]) -> None:
    if len(keys) > _ATTRIBUTE_KEYS_MAX:
        raise InvalidField("event_type.attribute_keys", f"must be at most {_ATTRIBUTE_KEYS_MAX} keys; got {len(keys)}")
    for index, key in enumerate(keys):
        check_attributes(f"event_type.attribute_keys[{index}]", {key: ""})


def _check_examples(examples: tuple[str, ...]) -> None:
    if len(examples) > _EXAMPLES_MAX:
        raise InvalidField("event_type.examples", f"must be at most {_EXAMPLES_MAX}; got {len(examples)}")
    for index, example in enumerate(examples):
        path = f"event_type.examples[{index}]"
        size = len(example.encode())
        if size > _EXAMPLE_BYTES_MAX:
            raise InvalidField(path, f"must be at most {_EXAMPLE_BYTES_MAX} bytes; got {size}")
        check_json(path, example.encode())


async def _check_examples_match(json_schema: str, examples: Sequence[str]) -> None:
    """Refuse a schema that is none, and examples that do not match it, however it is enforced: they document it."""
    if not json_schema:
        return
    schema = await compiled("event_type.json_schema", json_schema)
    for index, example in enumerate(examples):
        violations = await violations_of(schema, example.encode())
        if violations:
            raise InvalidField(f"event_type.examples[{index}]", f"must match json_schema: {violations[0].text}")
