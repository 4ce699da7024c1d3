"""ExplainPublish as a caller sees it: what it answers, what it refuses, and that it leaves nothing behind."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import Client, running_server
from tests.tools import DEAD_URL, Refusal, Tenant, new_id, refusal_of, without_names

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAFT: dict[str, Any] = {"display_name": "Draft", "url": DEAD_URL, "event_types": ["a"]}
RESPONSE_BYTES_MAX = 4 * 1024 * 1024


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(tmp_path_factory.mktemp("explain"), delivery_slots=1) as client:
        await Tenant(client).event_type("a")
        yield client


async def explain(tenant: Tenant, *, event: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Explain an event of type `a` with the payload `{}`, unless it says otherwise."""
    payload = {} if event is not None and "data" in event else {"json": "{}"}
    event = {"event_type": "a", **payload, **(event or {})}
    return await tenant.call("ExplainPublish", parent=tenant.parent, event=event, **fields)


async def test_explains_the_unsaved_subscription_first_and_then_all_others_by_id(tenant: Tenant) -> None:
    one = await tenant.subscribe("b", event_types=["a"])
    two = await tenant.subscribe("a", event_types=["*"], filter="event.data.n > 1", attribute_filters={"team": "x"})

    response = await explain(
        tenant,
        event={"json": '{"n":1}', "attributes": {"team": "x"}},
        subscription={**DRAFT, "filter": "event.data.n == 1"},
        preview_subscription=one.name,
    )

    assert [("", True, "MATCHED"), (two.name, False, "FILTER_FALSE"), (one.name, True, "MATCHED")] == [
        (each.subscription, each.matched, each.reason) for each in response.decisions
    ]
    assert [DEAD_URL, DEAD_URL] == [response.candidate_preview.url, response.preview.url]
    assert {"n": 1} == json.loads(response.preview.body)["data"]
    assert "webhook-signature" in response.preview.headers
    assert not response.decisions_truncated


async def test_writes_nothing(tenant: Tenant) -> None:
    await tenant.subscribe("s")
    before = await tenant.subscriptions()

    response = await explain(tenant, preview_subscription=f"{tenant.parent}/subscriptions/s")

    assert [True] == [each.matched for each in response.decisions]
    assert ([], []) == (await tenant.events(), await tenant.notifications())
    assert before == await tenant.subscriptions()


async def test_schema_violations_are_shown_however_the_schema_is_enforced(tenant: Tenant) -> None:
    """A payload that Publish would reject can be explained."""
    schema = '{"properties": {"n": {"type": "integer"}}}'
    shown = []
    for enforcement in ("REJECT", "WARN", "OFF"):
        event_type = await tenant.event_type(json_schema=schema, schema_enforcement=f"SCHEMA_ENFORCEMENT_{enforcement}")
        response = await explain(tenant, event={"event_type": event_type, "json": '{"n":"one"}'})
        shown.append([each.instance_path for each in response.schema_violations])

    assert [["/n"]] * 3 == shown


async def test_format_that_needs_the_event_types_code_is_previewed_with_it(tenant: Tenant) -> None:
    event_type = await tenant.event_type(category=7, code=42)
    coded = {**DRAFT, "event_types": [event_type], "format": "FORMAT_EVENT_CODE"}

    fits = await explain(tenant, event={"event_type": event_type, "json": '{"x":1}'}, subscription=coded)
    does_not = await explain(tenant, event={"event_type": event_type, "json": "[]"}, subscription=coded)

    body = json.loads(fits.candidate_preview.body)
    assert (7, 42, 1) == (body["Category"], body["Code"], body["x"])
    assert not does_not.HasField("candidate_preview")
    [decision] = does_not.decisions
    assert decision.matched
    assert "FORMAT_NOT_APPLICABLE" in decision.detail


@pytest.mark.parametrize(
    ("fields", "code", "reason", "field"),
    [
        ({"event": {"event_type": "a b"}}, "INVALID_ARGUMENT", "INVALID_FIELD", "event.event_type"),
        ({"event": {"event_type": "tidings.other"}}, "INVALID_ARGUMENT", "INVALID_FIELD", "event.event_type"),
        ({"event": {"json": "{"}}, "INVALID_ARGUMENT", "INVALID_FIELD", "event.json"),
        ({"event": {"data": b"x" * 300_000}}, "INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", "event.data"),
        ({"event": {"event_type": "unknown"}}, "NOT_FOUND", "EVENT_TYPE_UNKNOWN", ""),
        (
            {"subscription": {**DRAFT, "filter": "event.typo"}},
            "INVALID_ARGUMENT",
            "INVALID_FILTER",
            "subscription.filter",
        ),
        (
            {"subscription": {**DRAFT, "event_types": []}},
            "INVALID_ARGUMENT",
            "INVALID_FIELD",
            "subscription.event_types",
        ),
        (
            {"subscription": {**DRAFT, "url": "http://10.0.0.1/"}},
            "INVALID_ARGUMENT",
            "DESTINATION_FORBIDDEN",
            "subscription.url",
        ),
        ({"preview_subscription": "s"}, "INVALID_ARGUMENT", "INVALID_FIELD", "preview_subscription"),
    ],
)
async def test_refuses_what_is_wrong(
    tenant: Tenant, fields: dict[str, Any], code: str, reason: str, field: str
) -> None:
    refusal = await refusal_of(explain(tenant, **fields))

    assert (code, reason) == (refusal.code, refusal.reason)
    assert field in ("", refusal.field)


async def test_event_is_refused_in_the_words_of_publish(tenant: Tenant) -> None:
    """Checked by the same code."""
    wrong: list[dict[str, Any]] = [
        {"json": "{"},
        {"source": "\n"},
        {"attributes": {"a b": "c"}},
        {"event_type": "unknown"},
    ]
    for event in wrong:
        explained = await refusal_of(explain(tenant, event=event))
        published = await refusal_of(tenant.publish(**{"event_type": "a", **event}))
        assert published == explained


async def test_subscription_of_another_workspace_is_refused_whether_it_is_there_or_not(
    client: Client, tenant: Tenant
) -> None:
    """As by the lists; one that does not exist in this workspace is not found."""
    other = Tenant(client)
    foreign, missing = (await other.subscribe()).name, f"{other.parent}/subscriptions/{new_id('missing')}"
    here = f"{tenant.parent}/subscriptions/{new_id('missing')}"

    refusals = [await refusal_of(explain(tenant, preview_subscription=each)) for each in (foreign, missing, here)]

    assert ["INVALID_FIELD", "INVALID_FIELD", "RESOURCE_NOT_FOUND"] == [each.reason for each in refusals]
    assert 1 == len({without_names(each.message, foreign, missing) for each in refusals[:2]})


async def test_largest_answer_fits_into_what_clients_take(tenant: Tenant) -> None:
    """Two previews with as many and as long headers as there may be; 3,000 decisions come on top, see below."""
    character = "\U0001f600"
    attributes = {f"{number:02}".ljust(64, "k"): character * 1_024 for number in range(64)}
    large = {
        "format": "FORMAT_CLOUDEVENTS_BINARY",
        "headers": {f"x-{number:02}": "v" * 4_000 for number in range(32)},
        "url": DEAD_URL + "?" + "q" * 1_900,
    }
    event = {"source": character * 1_024, "subject": character * 1_024, "attributes": attributes}
    saved = await tenant.subscribe("s" * 63, **large)

    response = await explain(tenant, event=event, subscription={**DRAFT, **large}, preview_subscription=saved.name)

    decision = response.decisions[1].ByteSize() - len(response.decisions[1].detail) + 300
    longest_name = len("organizations//workspaces//subscriptions/") + 3 * 63
    assert response.ByteSize() + 3_001 * (decision + longest_name - len(saved.name)) < RESPONSE_BYTES_MAX


async def test_parent_must_be_a_workspace(tenant: Tenant) -> None:
    refusal = await refusal_of(tenant.call("ExplainPublish", parent="acme", event={"event_type": "a", "json": "{}"}))

    assert ("INVALID_FIELD", "parent") == (refusal.reason, refusal.field)
    refusal = await refusal_of(tenant.call("ExplainPublish", parent=tenant.parent))
    assert Refusal("INVALID_ARGUMENT", "INVALID_FIELD", "event", "event: is required") == refusal
