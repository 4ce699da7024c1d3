"""JSON Schemas of event types, as their owners and publishers see them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import Client, running_server
from tests.tools import Tenant, refusal_of
from tidings.v1.event_types_pb2 import (
    SCHEMA_ENFORCEMENT_OFF,
    SCHEMA_ENFORCEMENT_REJECT,
    SCHEMA_ENFORCEMENT_UNSPECIFIED,
    SCHEMA_ENFORCEMENT_WARN,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMA = '{"type": "object", "properties": {"status": {"enum": ["READY", "BUSY"]}}, "required": ["agent"]}'
GOOD = '{"agent": "a-17", "status": "READY"}'
BAD = '{"agent": "a-17", "status": "5ec4e7"}'
VIOLATION = ("/status", 'the value is not one of "READY" or "BUSY"')


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share."""
    async with running_server(tmp_path_factory.mktemp("schemas"), delivery_slots=1) as client:
        yield client


async def violations(tenant: Tenant, **request: Any) -> list[tuple[str, str]]:
    """Return what ValidatePayload finds."""
    found = (await tenant.call("ValidatePayload", **request)).violations
    return [(each.instance_path, each.message) for each in found]


async def update(tenant: Tenant, id: str, **fields: Any) -> Any:
    """Change an event type."""
    return await tenant.call("UpdateEventType", event_type={"name": f"eventTypes/{id}", **fields})


async def shown(tenant: Tenant, id: str) -> tuple[str, int]:
    """Return the schema of an event type, and how it is enforced."""
    found = (await tenant.call("GetEventType", name=f"eventTypes/{id}")).event_type
    return found.json_schema, found.schema_enforcement


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SCHEMA_ENFORCEMENT_UNSPECIFIED, SCHEMA_ENFORCEMENT_REJECT),
        (SCHEMA_ENFORCEMENT_REJECT, SCHEMA_ENFORCEMENT_REJECT),
        (SCHEMA_ENFORCEMENT_WARN, SCHEMA_ENFORCEMENT_WARN),
        (SCHEMA_ENFORCEMENT_OFF, SCHEMA_ENFORCEMENT_OFF),
    ],
)
async def test_schema_is_kept_as_it_was_given(tenant: Tenant, given: int, expected: int) -> None:
    """Character for character; enforced with REJECT unless something else is said, at create and at update."""
    created = await tenant.event_type(json_schema=SCHEMA, schema_enforcement=given, examples=[GOOD])
    updated = await tenant.event_type()
    await update(tenant, updated, json_schema=SCHEMA, schema_enforcement=given)

    assert [(SCHEMA, expected)] * 2 == [await shown(tenant, each) for each in (created, updated)]


async def test_publish_is_refused_with_the_place_that_does_not_match(tenant: Tenant) -> None:
    """In a batch with the place in it; nothing is stored, and no value of the payload is told."""
    event_type = await tenant.event_type(json_schema=SCHEMA)
    requests = [{"event": {"event_type": event_type, "json": each}} for each in (GOOD, BAD)]

    for refused, field in (
        (tenant.publish(event_type, json=BAD), "event.json"),
        (tenant.publish(event_type, json=BAD, validate_only=True), "event.json"),
        (tenant.publish(event_type, data=b"\xff"), "event.data"),
        (tenant.publish(event_type, json_object={"status": 1}), "event.json_object"),
        (tenant.call("BatchPublish", parent=tenant.parent, requests=requests), "requests[1].event.json"),
    ):
        refusal = await refusal_of(refused)
        assert ("INVALID_ARGUMENT", "PAYLOAD_SCHEMA_MISMATCH", field) == (refusal.code, refusal.reason, refusal.field)
        assert f'must match the schema of event type "{event_type}"' in refusal.message
        assert "5ec4e7" not in refusal.message
    assert [] == await tenant.events()


async def test_warning_lists_what_does_not_match_and_accepts(tenant: Tenant) -> None:
    """With validate_only too; in a batch for each event of its own."""
    event_type = await tenant.event_type(json_schema=SCHEMA, schema_enforcement=SCHEMA_ENFORCEMENT_WARN)
    requests = [{"event": {"event_type": event_type, "json": each}} for each in (GOOD, BAD)]

    responses = [
        await tenant.publish(event_type, json=BAD),
        await tenant.publish(event_type, json=BAD, validate_only=True),
        *(await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)).responses,
    ]

    assert [[VIOLATION], [VIOLATION], [], [VIOLATION]] == [
        [(each.instance_path, each.message) for each in response.schema_violations] for response in responses
    ]
    assert 3 == len(await tenant.events())


async def test_change_of_a_schema_counts_for_the_next_publish(tenant: Tenant) -> None:
    """At once, whatever is kept of the schema before."""
    event_type = await tenant.event_type()
    await tenant.publish(event_type, json=BAD)
    await update(tenant, event_type, json_schema=SCHEMA)
    assert "PAYLOAD_SCHEMA_MISMATCH" == (await refusal_of(tenant.publish(event_type, json=BAD))).reason
    await update(tenant, event_type, schema_enforcement=SCHEMA_ENFORCEMENT_OFF)

    await tenant.publish(event_type, json=BAD)

    assert 2 == len(await tenant.events())


@pytest.mark.parametrize("enforcement", [SCHEMA_ENFORCEMENT_REJECT, SCHEMA_ENFORCEMENT_OFF])
async def test_examples_match_the_schema_whichever_of_them_changes(tenant: Tenant, enforcement: int) -> None:
    """However it is enforced: they document it. Both may change together."""
    event_type = await tenant.event_type(examples=["{}", BAD], schema_enforcement=enforcement)
    with_schema = await tenant.event_type(json_schema=SCHEMA, examples=[GOOD], schema_enforcement=enforcement)

    for refused, field in (
        (tenant.event_type(json_schema=SCHEMA, examples=[GOOD, BAD]), "event_type.examples[1]"),
        (update(tenant, event_type, json_schema=SCHEMA), "event_type.examples[0]"),
        (update(tenant, with_schema, examples=[GOOD, BAD]), "event_type.examples[1]"),
        (update(tenant, with_schema, examples=["{}"]), "event_type.examples[0]"),
    ):
        refusal = await refusal_of(refused)
        assert ("INVALID_FIELD", field) == (refusal.reason, refusal.field)
        assert "must match json_schema" in refusal.message
    assert ["", SCHEMA] == [(await shown(tenant, each))[0] for each in (event_type, with_schema)]

    await update(tenant, event_type, json_schema=SCHEMA, examples=[GOOD])
    await update(tenant, with_schema, json_schema="true", examples=["1"])


async def test_schema_and_examples_that_change_at_the_same_time_still_match(tenant: Tenant) -> None:
    """Each change alone is allowed, but not both: one of each two is refused, whichever comes second."""
    for _ in range(10):
        event_type = await tenant.event_type(examples=["{}"], json_schema="true")
        strings = update(tenant, event_type, json_schema='{"type": "object"}')
        numbers = update(tenant, event_type, examples=["1"])

        results = await asyncio.gather(strings, numbers, return_exceptions=True)

        assert 1 == sum(isinstance(each, Exception) for each in results)


async def test_validate_payload_checks_against_a_type_or_a_schema(tenant: Tenant) -> None:
    """However it is enforced; a type without a schema lets everything pass."""
    event_type = await tenant.event_type(json_schema=SCHEMA, schema_enforcement=SCHEMA_ENFORCEMENT_OFF)
    plain = await tenant.event_type()

    assert [VIOLATION] == await violations(tenant, event_type=event_type, json=BAD)
    assert [] == await violations(tenant, event_type=event_type, json=GOOD)
    assert [VIOLATION] == await violations(tenant, json_schema=SCHEMA, json=BAD)
    assert [] == await violations(tenant, json_schema="true", json=BAD)
    assert [] == await violations(tenant, event_type=plain, json=BAD)
    await update(tenant, event_type, json_schema="false")
    assert [""] == [path for path, _ in await violations(tenant, event_type=event_type, json=GOOD)]


async def test_answers_to_the_largest_payloads_and_batches_fit(tenant: Tenant) -> None:
    """20 places of one payload, 1,000 of a batch, with the longest paths and messages there are."""
    names = [f"{number:04}{'é' * 600}" for number in range(30)]
    event_type = await tenant.event_type(
        json_schema='{"additionalProperties": {"type": "string"}}', schema_enforcement=SCHEMA_ENFORCEMENT_WARN
    )
    payload = json.dumps(dict.fromkeys(names, 1), ensure_ascii=False)
    requests = [{"event": {"event_type": event_type, "json": payload}}] * 100

    one = await tenant.publish(event_type, json=payload)
    batch = await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)

    assert 20 == len(one.schema_violations) == len(await violations(tenant, event_type=event_type, json=payload))
    assert 1_000 == sum(len(each.schema_violations) for each in batch.responses)
