"""What is kept of event types: read once, exact when asked again, and bounded."""

import asyncio
import json
from typing import Final

import pytest

from service.domain.errors import InvalidField
from service.domain.model import SchemaEnforcement
from service.domain.schemas import NOT_JSON
from service.storage import event_types
from service.storage.sqlite import SqliteDatabase
from service.validating import NO_DEFINITION, Definitions
from tests.fakes import HookedDatabase, define

STRINGS: Final = '{"type": "string"}'


async def test_definitions_are_read_once(database: SqliteDatabase) -> None:
    """Also of event types that do not exist, together in one read."""
    await define(database, "a", category=7, code=-1, json_schema=STRINGS, schema_enforcement=SchemaEnforcement.WARN)
    hooked = HookedDatabase(database)
    definitions = Definitions(hooked)

    first = await definitions.loaded(["a", "none"])
    again = await definitions.loaded(["none", "a"])

    assert (1, first) == (hooked.reads, again)
    assert (7, -1, SchemaEnforcement.WARN) == (first["a"].category, first["a"].code, first["a"].enforcement)
    assert NO_DEFINITION == first["none"]
    assert {} == await definitions.loaded([])


async def test_loads_at_the_same_time_share_one_read(database: SqliteDatabase) -> None:
    """And one compilation: after a restart many publishes come at once."""
    await define(database, "a", json_schema=STRINGS)
    hooked = HookedDatabase(database)
    definitions = Definitions(hooked)

    loaded = await asyncio.gather(*(definitions.loaded(["a"]) for _ in range(20)))

    assert (1, 1) == (hooked.reads, len({id(each["a"].schema) for each in loaded}))


async def test_definition_found_out_of_date_is_read_once_by_all_who_found_it(database: SqliteDatabase) -> None:
    """Those who come later find it newer already; what was not named stays as it is."""
    await define(database, "a")
    hooked = HookedDatabase(database)
    definitions = Definitions(hooked)
    known = await definitions.loaded(["a", "later"])
    await define(database, "a", json_schema=STRINGS)
    await define(database, "later")

    newer = await asyncio.gather(*(definitions.newer({"a": known["a"]}) for _ in range(20)))

    assert (2, {2}) == (hooked.reads, {each["a"].revision for each in newer})
    assert NO_DEFINITION == (await definitions.loaded(["later"]))["later"]
    assert {"later": 1} == {key: each.revision for key, each in (await definitions.newer(known)).items() if key != "a"}


async def test_refresh_reads_what_is_committed_and_compiles_what_changed(database: SqliteDatabase) -> None:
    """An unchanged definition stays the same object."""
    await define(database, "a", json_schema=STRINGS)
    await define(database, "b", json_schema=STRINGS)
    definitions = Definitions(database)
    before = await definitions.loaded(["a", "b"])
    await define(database, "b", json_schema="")

    after = await definitions.refresh(["a", "b"])

    assert before["a"] is after["a"]
    assert (2, None) == (after["b"].revision, after["b"].schema)


@pytest.mark.parametrize(
    ("limits", "reads"),
    [
        ({"definitions_max": 2}, 3),
        ({"schema_bytes_max": 2 * len(STRINGS)}, 3),
        ({"schema_bytes_max": 1}, 4),
        ({}, 3),
    ],
)
async def test_those_used_last_are_kept(database: SqliteDatabase, limits: dict[str, int], reads: int) -> None:
    """As many as the limits allow; the others are read again when they are used."""
    hooked = HookedDatabase(database)
    definitions = Definitions(hooked, **limits)
    for each in "abc":
        await define(database, each, json_schema=STRINGS)
    for each in "aba":
        await definitions.loaded([each])
    assert hooked.reads == (3 if limits.get("schema_bytes_max") == 1 else 2)

    await definitions.loaded(["c"])
    assert [1] == [each.revision for each in (await definitions.loaded(["a"])).values()]

    assert reads + (limits.get("schema_bytes_max") == 1) == hooked.reads


async def test_names_that_were_never_created_push_nothing_out(database: SqliteDatabase) -> None:
    """Whoever makes names up has them looked up, and nobody else's schema compiled again."""
    hooked = HookedDatabase(database)
    definitions = Definitions(hooked, definitions_max=3)
    await define(database, "a", json_schema=STRINGS)
    [kept] = (await definitions.loaded(["a"])).values()
    for number in range(10):
        await definitions.loaded([f"made.up.{number}"])
    reads = hooked.reads

    assert [kept] == list((await definitions.loaded(["a"])).values())
    assert reads == hooked.reads


async def test_payload_is_validated_however_the_schema_is_enforced(database: SqliteDatabase) -> None:
    """What follows from it is the publisher's business; a payload that is not JSON matches no schema."""
    await define(database, "off", json_schema=STRINGS, schema_enforcement=SchemaEnforcement.OFF)
    await define(database, "none")
    found = await Definitions(database).loaded(["off", "none"])
    large = json.dumps(["x"] * 50_000).encode()

    assert () == await found["off"].violations(b'"a"', payload_is_json=True)
    assert 1 == len(await found["off"].violations(b"1", payload_is_json=True))
    assert 1 == len(await found["off"].violations(large, payload_is_json=True))
    assert NOT_JSON == await found["off"].violations(b"\xff", payload_is_json=False)
    assert () == await found["none"].violations(b"\xff", payload_is_json=False)


async def test_event_loop_goes_on_while_a_large_payload_is_validated(database: SqliteDatabase) -> None:
    """It takes a thread; a small one is not worth one."""
    await define(database, "a", json_schema=STRINGS)
    [definition] = (await Definitions(database).loaded(["a"])).values()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count_turns())
        await definition.violations(b'"small"', payload_is_json=True)
        assert 0 == turns
        await definition.violations(b'"' + b"x" * 100_000 + b'"', payload_is_json=True)
        counting.cancel()

    assert turns > 0


async def test_stored_schema_that_compiles_no_more_is_named(database: SqliteDatabase) -> None:
    """As it may be after an upgrade; nothing is kept of it."""
    await define(database, "a", json_schema='{"type": "none"}')

    with pytest.raises(InvalidField, match=r"^eventTypes/a\.json_schema: must be a JSON Schema"):
        await Definitions(database).loaded(["a"])


async def test_revisions_are_those_of_the_event_types_that_exist(database: SqliteDatabase) -> None:
    """What is missing is what has none."""
    await define(database, "a")
    await define(database, "a", code=1)

    found, missing = await database.write(
        lambda tx: (event_types.locked_revisions(tx, ["a", "b", "a"]), event_types.missing(tx, ["a", "b", "a"]))
    )

    assert ({"a": 2}, {"b"}) == (found, missing)
