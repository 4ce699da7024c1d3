"""What event types say about their events: category and code, and the schema that payloads must match.

Definitions are kept with their compiled schemas, so that a publish reads nothing before its transaction. They may be
out of date; the accepting transaction compares their revisions. Nothing is compiled or validated in a transaction.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from service.domain.model import EventType, SchemaEnforcement
from service.domain.schemas import NOT_JSON, Schema, Violation, compile_schema
from service.storage import event_types
from service.storage.database import Database, Transaction

_DEFINITIONS_MAX = 1_000
_KEPT_SCHEMA_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Definition:
    """What an event type says as of one revision. There is no event type of this id when `revision` is None."""

    revision: int | None = None
    category: int | None = None
    code: int | None = None
    enforcement: SchemaEnforcement = SchemaEnforcement.OFF
    schema: Schema | None = None

    async def violations(self, payload: bytes, *, payload_is_json: bool) -> tuple[Violation, ...]:
        """Return where a payload does not match the schema, however that is enforced; nothing without a schema."""
        if self.schema is None:
            return ()
        return await violations_of(self.schema, payload) if payload_is_json else NOT_JSON


NO_DEFINITION = Definition()


class Definitions:
    """The definitions of the event types that were used last, also of those that do not exist.

    Args:
        definitions_max: how many are kept.
        schema_bytes_max: how large their schemas may be together, as text.
    """

    def __init__(
        self,
        database: Database,
        *,
        definitions_max: int = _DEFINITIONS_MAX,
        schema_bytes_max: int = _KEPT_SCHEMA_BYTES_MAX,
    ) -> None:
        self._database = database
        self._definitions_max = definitions_max
        self._schema_bytes_max = schema_bytes_max
        self._schema_bytes = 0
        self._kept: OrderedDict[str, Definition] = OrderedDict()
        self._loading = asyncio.Lock()

    async def loaded(self, event_type_ids: Collection[str]) -> dict[str, Definition]:
        """Return definitions as they were left, which may be behind, by event type; new ones are loaded.

        Raises:
            InvalidField: an event type's schema cannot be compiled any more; `json_schema` of that type is the field.
            DiskFull, StorageUnavailable: see Database.read.
        """
        found = self._left(event_type_ids)
        if len(found) == len(event_type_ids):
            return found
        async with self._loading:
            # Somebody who waited before may have loaded them by now.
            found |= self._left([each for each in event_type_ids if each not in found])
            return found | await self._load([each for each in event_type_ids if each not in found])

    async def newer(self, known: Mapping[str, Definition]) -> dict[str, Definition]:
        """Return definitions that take the place of those that an accepting transaction found out of date.

        Publishes that find the same ones out of date share one read.

        Raises:
            InvalidField, DiskFull, StorageUnavailable: as for loaded.
        """
        async with self._loading:
            left = self._left(known)
            found = {each: kept for each, kept in left.items() if kept is not known[each]}
            return found | await self._load([each for each in known if each not in found])

    async def refresh(self, event_type_ids: Collection[str]) -> dict[str, Definition]:
        """Return definitions with every change that is committed by now.

        Raises:
            InvalidField, DiskFull, StorageUnavailable: as for loaded.
        """
        async with self._loading:
            return await self._load(event_type_ids)

    def _left(self, event_type_ids: Collection[str]) -> dict[str, Definition]:
        found = {each: self._kept[each] for each in event_type_ids if each in self._kept}
        for each, definition in found.items():
            self._kept.move_to_end(each, last=definition is not NO_DEFINITION)
        return found

    async def _load(self, event_type_ids: Collection[str]) -> dict[str, Definition]:
        if not event_type_ids:
            return {}
        stored = await self._database.read(lambda tx: _find(tx, event_type_ids))
        loaded = {}
        for event_type_id, event_type in stored.items():
            loaded[event_type_id] = await self._definition(event_type_id, event_type)
            self._keep(event_type_id, loaded[event_type_id])
        return loaded

    async def _definition(self, event_type_id: str, event_type: EventType | None) -> Definition:
        if event_type is None:
            return NO_DEFINITION
        kept = self._kept.get(event_type_id)
        if kept is not None and kept.revision == event_type.revision:
            return kept
        return Definition(
            revision=event_type.revision,
            category=event_type.category,
            code=event_type.code,
            enforcement=event_type.schema_enforcement,
            schema=await _compiled(event_type),
        )

    def _keep(self, event_type_id: str, definition: Definition) -> None:
        self._forget(event_type_id)
        self._kept[event_type_id] = definition
        # What was never created goes first: names that somebody makes up do not push compiled schemas out.
        self._kept.move_to_end(event_type_id, last=definition is not NO_DEFINITION)
        self._schema_bytes += _schema_bytes(definition)
        while len(self._kept) > self._definitions_max or self._schema_bytes > self._schema_bytes_max:
            self._forget(next(iter(self._kept)))

    def _forget(self, event_type_id: str) -> None:
        forgotten = self._kept.pop(event_type_id, None)
        if forgotten is not None:
            self._schema_bytes -= _schema_bytes(forgotten)


async def compiled(field: str, json_schema: str) -> Schema:
    """Compile a schema in a thread: one with many patterns takes half a second.

    Raises:
        InvalidField: see compile_schema.
    """
    return await asyncio.to_thread(compile_schema, field, json_schema)


async def violations_of(schema: Schema, payload: bytes) -> tuple[Violation, ...]:
    """Return where a JSON payload does not match a schema. The event loop goes on while it is validated."""
    if schema.is_quick(payload):
        return schema.violations(payload)
    return await asyncio.to_thread(schema.violations, payload)


async def _compiled(event_type: EventType) -> Schema | None:
    if not event_type.json_schema:
        return None
    return await compiled(f"{event_type.name}.json_schema", event_type.json_schema)


def _schema_bytes(definition: Definition) -> int:
    return definition.schema.size if definition.schema is not None else 0


def _find(tx: Transaction, event_type_ids: Collection[str]) -> dict[str, EventType | None]:
    return {each: event_types.find(tx, each) for each in event_type_ids}
