"""What keeps two changes at the same time from losing one of them: revisions, as locks and as conditions."""

from dataclasses import replace
from typing import Final

import pytest

from service.domain.model import EventType, SchemaEnforcement
from service.storage import event_types, workspaces
from service.storage.database import Database, Transaction

READ: Final = EventType(
    id="agent.created",
    display_name="",
    description="",
    service="",
    category=None,
    code=None,
    json_schema="",
    schema_enforcement=SchemaEnforcement.REJECT,
    examples=(),
    attribute_keys=(),
    deprecated=False,
    create_time_ms=1,
    update_time_ms=1,
    revision=1,
)
CHANGED: Final = replace(READ, service="first", revision=2)


@pytest.fixture
async def changed_since_read(database: Database) -> Database:
    """A database whose event type was changed since it was `READ`."""

    def work(tx: Transaction) -> None:
        event_types.insert(tx, READ)
        assert event_types.update(tx, CHANGED, old_revision=READ.revision)

    await database.write(work)
    return database


@pytest.mark.parametrize("changes", [0, 1, 2])
async def test_locked_revision_counts_the_changes(database: Database, changes: int) -> None:
    """The first publish of a workspace locks it too, and what changes afterwards is still counted from 1."""

    def work(tx: Transaction) -> list[int]:
        for _ in range(changes):
            workspaces.bump_revision(tx, "acme")
        locked = workspaces.locked_revision(tx, "acme")
        return [locked, workspaces.revision(tx, "acme"), workspaces.bump_revision(tx, "acme")]

    assert [changes, changes, changes + 1] == await database.write(work)


async def test_revision_may_be_read_where_nothing_may_be_locked(database: Database) -> None:
    """Matching reads it outside the accepting transaction."""
    assert 0 == await database.read(lambda tx: workspaces.revision(tx, "acme"))


async def test_event_type_is_not_overwritten_by_a_change_to_what_it_was(changed_since_read: Database) -> None:
    """The change that came between stays."""
    late = replace(READ, service="second", revision=2)

    updated = await changed_since_read.write(lambda tx: event_types.update(tx, late, old_revision=READ.revision))

    assert (False, CHANGED) == (updated, await changed_since_read.read(lambda tx: event_types.find(tx, READ.id)))


async def test_event_type_that_was_changed_since_is_not_deleted(changed_since_read: Database) -> None:
    """Whoever deletes it means what was read."""

    def delete(tx: Transaction, old_revision: int) -> bool:
        return event_types.delete(tx, READ.id, old_revision=old_revision)

    late = await changed_since_read.write(lambda tx: delete(tx, READ.revision))
    current = await changed_since_read.write(lambda tx: delete(tx, CHANGED.revision))

    assert (False, True) == (late, current)
    assert await changed_since_read.read(lambda tx: event_types.find(tx, READ.id)) is None
