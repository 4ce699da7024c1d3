"""Publishing as a publisher sees it: what is stored, what counts as the same request, and all or nothing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import Client, running_server
from tests.tools import Refusal, Tenant, new_id, refusal_of, without_names
from tidings.v1.notifications_pb2 import Event
from tidings.v1.publishing_pb2 import BatchPublishRequest, PublishRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYLOAD_BYTES_MAX = 256 * 1024
REQUEST_BYTES_MAX = 4 * 1024 * 1024
UUID = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"
OTHER_UUID = "00000000-0000-0000-0000-000000000000"
FULL: dict[str, Any] = {
    "source": "agents/a-17 ⚙",
    "subject": "status",
    "attributes": {"team": "support", "empty": ""},
    "json": '{"status":"READY"}',
    "content_type": "application/vnd.acme+json; charset=utf-8",
    "context_json": ' {"b":1, "b":2} ',
    "occur_time": {"seconds": -62_135_596_800, "nanos": 1_999_999},
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(tmp_path_factory.mktemp("publishing"), delivery_slots=1) as client:
        tenant = Tenant(client)
        for event_type in ("a", "b"):
            await tenant.event_type(event_type)
        yield client


async def get(tenant: Tenant, name: str) -> Event:
    """Return an event with its payload."""
    found: Event = (await tenant.call("GetEvent", name=name)).event
    return found


async def batch(tenant: Tenant, *requests: dict[str, Any]) -> Any:
    """Publish a batch; each request has the type `a` and the payload `{}` unless it says otherwise."""
    defaults = {"event_type": "a", "json": "{}"}
    filled = [{**request, "event": {**defaults, **request.get("event", {})}} for request in requests]
    return await tenant.call("BatchPublish", parent=tenant.parent, requests=filled)


async def test_event_is_returned_as_it_was_published(tenant: Tenant) -> None:
    """By GetEvent with payload and context, by Publish and ListEvents without."""
    response = await tenant.publish("a", event_id=UUID, **FULL)
    found = await get(tenant, response.event.name)

    payload = FULL["json"].encode()
    output = {
        "name": f"{tenant.parent}/events/{UUID}",
        "create_time": found.create_time,
        "payload_sha256": hashlib.sha256(payload).digest(),
        "payload_size": len(payload),
    }
    # Kept to the millisecond, and never later than it was.
    occurred = {"occur_time": {"seconds": -62_135_596_800, "nanos": 1_000_000}}
    assert Event(**{**FULL, **output, **occurred, "event_type": "a"}) == found
    found.ClearField("json")
    found.ClearField("context_json")
    assert found == response.event
    assert [found] == await tenant.events()


async def test_event_without_options_has_none(tenant: Tenant) -> None:
    """Nothing is made up but the content type."""
    response = await tenant.publish("a", json="null")
    found = await get(tenant, response.event.name)

    assert ("", "", {}, "") == (found.source, found.subject, dict(found.attributes), found.context_json)
    assert ("null", "application/json") == (found.json, found.content_type)
    assert not found.HasField("occur_time")
    assert (0, False, []) == (response.matched_count, response.deduplicated, list(response.schema_violations))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '\r\n\t{ "b" : [ 1 ,2]\n}  ',
        "123456789012345678901234567890",
        "[1.0,1e2,-0,0.1000000000000000055511151231257827,9007199254740993]",
        '"\\u0041\\ud83d\\ude00\\/\\u0000"',
        '"é e\u0301 😀 \u2028 \ufffe \u202e"',
        '""',
        f'"{"x" * (PAYLOAD_BYTES_MAX - 2)}"',
        f'"{"é" * (PAYLOAD_BYTES_MAX // 2 - 1)}"',
        f"{'[' * 96}{']' * 96}",
    ],
    ids=lambda text: ascii(text)[:24],
)
async def test_json_comes_back_byte_for_byte(tenant: Tenant, text: str) -> None:
    """As `json`, and also when it came as `data` of a JSON type."""
    as_json = await tenant.publish("a", json=text)
    as_data = await tenant.publish("a", data=text.encode(), content_type="Application/Problem+JSON")

    for response in (as_json, as_data):
        found = await get(tenant, response.event.name)
        assert text == found.json
        assert len(text.encode()) == found.payload_size
        assert hashlib.sha256(text.encode()).digest() == found.payload_sha256


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"", ""),
        (bytes(range(256)), ""),
        (b"{", "text/plain; charset=utf-8"),
        (b"\xff\xfe", "application/jsonp"),
        (bytes(PAYLOAD_BYTES_MAX), "image/png"),
    ],
    ids=["empty", "every byte", "text", "not JSON", "256 KiB"],
)
async def test_data_comes_back_byte_for_byte(tenant: Tenant, data: bytes, content_type: str) -> None:
    """Whatever the bytes are, when their type does not promise JSON."""
    response = await tenant.publish("a", data=data, content_type=content_type)
    found = await get(tenant, response.event.name)

    assert ("data", data) == (found.WhichOneof("payload"), found.data)
    assert (content_type or "application/octet-stream") == found.content_type
    assert hashlib.sha256(data).digest() == found.payload_sha256


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"request_id": "r"}, {"request_id": "r"}),
        ({"request_id": "r"}, {"request_id": "r", "event_id": UUID}),
        ({"request_id": "!~" * 64}, {"request_id": "!~" * 64}),
        ({"event_id": UUID}, {"event_id": UUID}),
        ({"event_id": UUID, "request_id": "r"}, {"request_id": "r"}),
        ({"event_id": UUID}, {"request_id": UUID}),
        ({"request_id": "r", "occur_time": {"nanos": 1}}, {"request_id": "r", "occur_time": {"nanos": 1}}),
        ({"request_id": "r"}, {"request_id": "r", "content_type": "application/json"}),
        ({"request_id": "r"}, {"request_id": "r", "data": b"{}", "content_type": "application/json"}),
        (
            {"request_id": "r", "attributes": {"a": "1", "b": "2"}},
            {"request_id": "r", "attributes": {"b": "2", "a": "1"}},
        ),
    ],
)
async def test_repeated_request_returns_the_first_result(
    tenant: Tenant, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """It makes no event and no notification, and counts the matches of the first time."""
    await tenant.subscribe()
    accepted = await tenant.publish("a", **first)
    await tenant.subscribe()

    again = await tenant.publish("a", **second)

    assert (False, True) == (accepted.deduplicated, again.deduplicated)
    assert accepted.event == again.event
    assert (1, 1) == (accepted.matched_count, again.matched_count)
    assert [accepted.event] == await tenant.events()
    assert 1 == len(await tenant.notifications())


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "b"},
        {"source": "other"},
        {"subject": "other"},
        {"attributes": {"team": "sales", "empty": ""}},
        {"attributes": {"team": "support"}},
        {"json": '{"status": "READY"}'},
        {"content_type": "application/json"},
        {"context_json": "{}"},
        {"occur_time": {"seconds": -62_135_596_800, "nanos": 1_999_998}},
        {"occur_time": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("key", ["request_id", "event_id"])
async def test_used_key_with_another_request_is_refused(tenant: Tenant, key: str, changes: dict[str, Any]) -> None:
    """Also when only the nanoseconds differ, which are not kept."""
    given: dict[str, Any] = {key: UUID}
    await tenant.publish("a", **given, **FULL)
    event = {"event_type": "a", **FULL, **changes}

    refusal = await refusal_of(tenant.publish(**event, **given))

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED", key) == (refusal.code, refusal.reason, refusal.field)
    assert UUID in refusal.message
    assert 1 == len(await tenant.events())


async def test_event_id_that_another_request_has_taken_is_refused(tenant: Tenant) -> None:
    """The request_id says that it is a new request."""
    first = await tenant.publish("a", event_id=UUID, request_id="first")

    refusal = await refusal_of(tenant.publish("a", event_id=UUID, request_id="second"))

    assert ("ALREADY_EXISTS", "RESOURCE_EXISTS", "event_id") == (refusal.code, refusal.reason, refusal.field)
    assert [first.event] == await tenant.events()
    assert not (await tenant.publish("a", request_id="second")).deduplicated


async def test_keys_belong_to_one_workspace(tenant: Tenant, client: Client) -> None:
    """Two tenants may use the same request_id and the same event_id."""
    mine = await tenant.publish("a", request_id="r", event_id=UUID)
    theirs = await Tenant(client).publish("a", request_id="r", event_id=UUID, source="other")

    assert (False, False) == (mine.deduplicated, theirs.deduplicated)


async def test_of_many_equal_requests_at_once_one_is_accepted(tenant: Tenant) -> None:
    """However they race, alone and in batches."""
    await tenant.subscribe()
    singles = [tenant.publish("a", request_id="r") for _ in range(20)]
    batches = [batch(tenant, {"request_id": "r"}, {"request_id": "r"}) for _ in range(5)]

    alone, together = await asyncio.gather(asyncio.gather(*singles), asyncio.gather(*batches))

    responses = [*alone, *(response for each in together for response in each.responses)]
    assert [False, *[True] * 29] == sorted(response.deduplicated for response in responses)
    assert 1 == len({response.event.name for response in responses})
    assert 1 == len(await tenant.notifications())


async def test_batch_is_answered_in_its_order(tenant: Tenant) -> None:
    """With the matches of each, and what is repeated within it marked."""
    await tenant.subscribe(event_types=["a"])
    old = await tenant.publish("a", request_id="old")

    response = await batch(
        tenant,
        {"request_id": "one"},
        {"event": {"event_type": "b"}, "parent": tenant.parent},
        {"request_id": "one"},
        {"event_id": UUID},
        {"request_id": "old"},
        {"event_id": UUID},
    )

    results = response.responses
    assert [False, False, True, False, True, True] == [each.deduplicated for each in results]
    assert [1, 0, 1, 1, 1, 1] == [each.matched_count for each in results]
    assert ["a", "b", "a", "a", "a", "a"] == [each.event.event_type for each in results]
    assert results[0].event == results[2].event
    assert results[3].event == results[5].event
    assert old.event.name == results[4].event.name
    assert f"{tenant.parent}/events/{UUID}" == results[3].event.name
    assert 4 == len(await tenant.events()) == len(await tenant.notifications()) + 1


async def test_thousand_events_are_one_batch(tenant: Tenant) -> None:
    """The largest batch."""
    await tenant.subscribe()
    response = await batch(tenant, *({"event": {"subject": str(n)}} for n in range(1000)))

    subjects = {each.name: each.subject for each in await tenant.events()}
    assert [str(n) for n in range(1000)] == [subjects[each.event.name] for each in response.responses]
    assert 1000 == len(subjects) == len(await tenant.notifications())


async def test_answer_to_a_batch_says_only_what_the_publisher_may_not_know(tenant: Tenant) -> None:
    """Without the texts that may be long, which GetEvent and ListEvents have."""
    response = await batch(tenant, {"event": FULL})

    [listed] = await tenant.events()
    for field in ("source", "subject", "attributes"):
        listed.ClearField(field)
    assert [listed] == [each.event for each in response.responses]


async def test_answer_to_the_largest_batch_is_small_enough_for_every_client(tenant: Tenant) -> None:
    """Also when it is repeated: a client takes 4 MiB by default, and what was accepted must not look like an error."""
    attributes = dict.fromkeys("abcd", "x" * 1024)
    event = Event(event_type="a", json="{}", attributes=attributes)
    requests = [PublishRequest(event=event, request_id=str(n)) for n in range(1000)]
    request = BatchPublishRequest(parent=tenant.parent, requests=requests)
    assert 0.98 * REQUEST_BYTES_MAX < request.ByteSize() <= REQUEST_BYTES_MAX

    first = await tenant.client.publishing.BatchPublish(request)
    again = await tenant.client.publishing.BatchPublish(request)

    assert [each.event for each in first.responses] == [each.event for each in again.responses]
    assert {True} == {each.deduplicated for each in again.responses}
    assert attributes == (await get(tenant, again.responses[999].event.name)).attributes


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"event": {"json": "{"}}, ("INVALID_FIELD", "requests[2].event.json")),
        ({"event": {"event_type": "unknown"}}, ("EVENT_TYPE_UNKNOWN", "requests[2].event.event_type")),
        ({"event": {"json": f'"{"x" * PAYLOAD_BYTES_MAX}"'}}, ("PAYLOAD_TOO_LARGE", "requests[2].event.json")),
        ({"request_id": "old", "event": {"subject": "x"}}, ("REQUEST_ID_REUSED", "requests[2].request_id")),
        ({"request_id": "new", "event": {"subject": "x"}}, ("REQUEST_ID_REUSED", "requests[2].request_id")),
        ({"request_id": "x", "event_id": UUID}, ("RESOURCE_EXISTS", "requests[2].event_id")),
        ({"request_id": "x", "event_id": OTHER_UUID}, ("RESOURCE_EXISTS", "requests[2].event_id")),
        ({"validate_only": True}, ("INVALID_FIELD", "requests[2].validate_only")),
        ({"parent": "organizations/acme/workspaces/other"}, ("INVALID_FIELD", "requests[2].parent")),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_one_bad_event_leaves_nothing_of_its_batch(
    tenant: Tenant, bad: dict[str, Any], expected: tuple[str, str]
) -> None:
    """No event, no notification, and its request_ids are still free."""
    await tenant.subscribe()
    old = await tenant.publish("a", request_id="old", event_id=UUID)
    good = {"request_id": "new", "event_id": OTHER_UUID}

    refusal = await refusal_of(batch(tenant, {}, good, bad, {}))

    assert expected == (refusal.reason, refusal.field)
    assert [old.event] == await tenant.events()
    assert 1 == len(await tenant.notifications())
    assert not (await batch(tenant, good)).responses[0].deduplicated


async def test_batch_shows_at_most_a_thousand_schema_violations(tenant: Tenant) -> None:
    """The first ones: with more, the answer could be larger than clients take."""
    warned = await tenant.event_type(
        json_schema='{"items": {"type": "string"}}', schema_enforcement="SCHEMA_ENFORCEMENT_WARN"
    )
    requests = [{"event": {"event_type": warned, "json": "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]"}}] * 100

    response = await batch(tenant, *requests)

    assert [12] * 83 + [4] + [0] * 16 == [len(each.schema_violations) for each in response.responses]
    assert "/11" == response.responses[0].schema_violations[11].instance_path
    assert 100 == len(await tenant.events())


async def test_validate_only_counts_and_writes_nothing(tenant: Tenant) -> None:
    """Not even the request_id is used."""
    await tenant.subscribe(attribute_filters={"team": "support"})

    response = await tenant.publish("a", validate_only=True, request_id="r", event_id=UUID, **FULL)
    refusal = await refusal_of(tenant.publish("unknown", validate_only=True))

    assert (1, 1, "", False) == (
        response.matched_count,
        response.event.matched_count,
        response.event.name,
        response.deduplicated,
    )
    assert "EVENT_TYPE_UNKNOWN" == refusal.reason
    assert [] == await tenant.events()
    assert [] == await tenant.notifications()
    assert not (await tenant.publish("b", request_id="r", event_id=UUID)).deduplicated


async def test_unknown_event_type_is_refused_until_it_is_created(tenant: Tenant) -> None:
    """It is not remembered as unknown."""
    event_type = new_id("late.")

    refusal = await refusal_of(tenant.publish(event_type, request_id="r"))
    await tenant.event_type(event_type)

    expected = f'event.event_type: there is no event type "{event_type}"; create it with CreateEventType first'
    assert Refusal("NOT_FOUND", "EVENT_TYPE_UNKNOWN", "event.event_type", expected) == refusal
    assert not (await tenant.publish(event_type, request_id="r")).deduplicated


async def test_foreign_event_is_missing_like_one_that_never_was(tenant: Tenant, client: Client) -> None:
    """The error must not tell whether somebody else has it; a filter by it finds nothing either way."""
    other = Tenant(client)
    await tenant.subscribe()
    event = (await tenant.publish("a")).event.name
    [notification] = await tenant.notifications()
    calls: list[tuple[str, Callable[[str], dict[str, str]], str]] = [
        ("GetEvent", lambda name: {"name": name}, event),
        ("GetNotification", lambda name: {"name": name}, notification.name),
        ("ListAttempts", lambda name: {"parent": name}, notification.name),
    ]

    for method, request, own in calls:
        foreign = own.replace(tenant.parent, other.parent)
        missing = f"{foreign.rpartition('/')[0]}/{UUID}"
        refusals = [await refusal_of(other.call(method, **request(name))) for name in (foreign, missing)]

        assert ("NOT_FOUND", "RESOURCE_NOT_FOUND") == (refusals[0].code, refusals[0].reason)
        assert 1 == len({without_names(str(refusal), foreign, missing) for refusal in refusals})
    assert [] == await other.events()
    assert [] == await other.notifications(event=event.replace(tenant.parent, other.parent))


@pytest.mark.parametrize(
    ("payload_bytes_max", "size", "fits"),
    [(10, 10, True), (10, 11, False), (1024 * 1024, 1024 * 1024, True), (1024 * 1024, 1024 * 1024 + 1, False)],
)
async def test_operator_chooses_the_limit_of_payload_and_context_together(
    tmp_path_factory: pytest.TempPathFactory, payload_bytes_max: int, size: int, fits: bool
) -> None:
    """Up to 1 MiB."""
    folder = tmp_path_factory.mktemp("limit")
    async with running_server(
        folder, payload_bytes_max=payload_bytes_max, allow_unknown_event_types=True, dev=False
    ) as client:
        tenant = Tenant(client)
        publish = tenant.publish("a", json="12", context_json=f'"{"x" * (size - 4)}"')
        if fits:
            found = await get(tenant, (await publish).event.name)
            assert size == len(found.json) + len(found.context_json)
        else:
            refusal = await refusal_of(publish)
            assert ("PAYLOAD_TOO_LARGE", "event.context_json") == (refusal.reason, refusal.field)
            assert f"at most {payload_bytes_max} bytes; got {size}" in refusal.message
