"""What a caller can send wrong: each gets an answer that says what, where and what is allowed, and changes nothing."""

import math
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.errors import CODES
from service.domain.errors import ErrorReason
from tests.harness import Client, running_server
from tests.tools import CONTRACT, Method, Refusal, Tenant, call, new_id, refusal_of, send

pytestmark = pytest.mark.asyncio(loop_scope="module")

P = "organizations/acme/workspaces/bad"
SUBSCRIPTION = f"{P}/subscriptions/known"
URL = "https://receiver.example/hooks"
UUID = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"
PAYLOAD_BYTES_MAX = 256 * 1024
CORPUS = Path(__file__).parents[1] / "corpora" / "destinations.txt"
# What a stream can get wrong is in the tests of its own.
BUILT_METHODS = [method for method in CONTRACT.values() if method.is_built and method.is_unary]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server without --dev, on loopback, that knows one event type and one subscription."""
    async with running_server(tmp_path_factory.mktemp("bad_input"), dev=False) as client:
        tenant = Tenant(client, "bad")
        await tenant.event_type("known")
        await tenant.subscribe("known", url=URL, enabled=False)
        yield client


async def contents(client: Client) -> list[Any]:
    """Return everything that the workspace and the catalogue hold."""
    tenant = Tenant(client, "bad")
    return [
        *await tenant.events(),
        *await tenant.notifications(),
        *await tenant.subscriptions(),
        *await tenant.event_types(),
    ]


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that is refused: with this reason, at this field, with these words in the message."""

    method: str
    request: dict[str, Any] = field(repr=False)
    field: str
    words: str = ""
    reason: str = "INVALID_FIELD"


def event(**changes: Any) -> dict[str, Any]:
    """Return a Publish request whose event has these fields."""
    return {"parent": P, "event": {"event_type": "known", "json": "{}", **changes}}


def publish(at: str, words: str, reason: str = "INVALID_FIELD", /, **changes: Any) -> Bad:
    """Return a bad event, with the path of the field inside it."""
    return Bad("Publish", event(**changes), f"event.{at}", words, reason)


def subscribe(at: str, words: str, reason: str = "INVALID_FIELD", /, **changes: Any) -> Bad:
    """Return a bad subscription, with the path of the field inside it."""
    given = {"display_name": "Display", "url": URL, "event_types": ["known"], **changes}
    return Bad("CreateSubscription", {"parent": P, "subscription": given}, f"subscription.{at}", words, reason)


def policy(at: str, words: str, /, **changes: Any) -> Bad:
    """Return a subscription with a bad retry policy."""
    return subscribe(f"retry_policy{at}", words, retry_policy=changes)


def create_type(at: str, words: str, reason: str = "INVALID_FIELD", /, **changes: Any) -> Bad:
    """Return a bad event type."""
    given = {"display_name": "Display", **changes}
    return Bad("CreateEventType", {"event_type_id": "new", "event_type": given}, f"event_type.{at}", words, reason)


def bad_names() -> Iterator[Bad]:
    """Yield malformed names in every field that holds one."""
    workspace = "organizations/{organization}/workspaces/{workspace}"
    parents = ["", "x", "organizations/a", f"{P}/", f"/{P}", "organizations//workspaces/b", "projects/a/workspaces/b"]
    for method in ("ListEvents", "ListNotifications", "ListSubscriptions", "Publish", "BatchPublish", "ExplainPublish"):
        yield from (Bad(method, {"parent": name}, "parent") for name in parents)
        yield Bad(method, {"parent": "x"}, "parent", f'must have the form "{workspace}"; got "x"')
        yield Bad(method, {"parent": P.upper().lower().replace("acme", "Acme")}, "parent", '"Acme"')
        yield Bad(method, {"parent": P.replace("acme", "a\0b")}, "parent", "a\\x00b")
        yield Bad(method, {"parent": P.replace("acme", "a" * 64)}, "parent", "1 to 63 lower-case letters")
        yield Bad(method, {"parent": P.replace("acme", "-a")}, "parent", '"-a"')
        yield Bad(method, {"parent": "x" * 100_000}, "parent", 'xxx..."')
        yield Bad(method, {"parent": "😀" * 5_000}, "parent", "\\U0001f600")
    for method, collection, at in [
        ("GetEvent", "events", "name"),
        ("GetNotification", "notifications", "name"),
        ("ListAttempts", "notifications", "parent"),
        ("GetSubscription", "subscriptions", "name"),
        ("DeleteSubscription", "subscriptions", "name"),
        ("ResumeSubscription", "subscriptions", "name"),
        ("RotateSigningKey", "subscriptions", "name"),
        ("TestSubscription", "subscriptions", "name"),
        ("RetryNotification", "notifications", "name"),
        ("CancelNotification", "notifications", "name"),
        ("CreateReplay", "subscriptions", "parent"),
        ("ListReplays", "subscriptions", "parent"),
    ]:
        form = f"{workspace}/{collection}/{{{collection[:-1]}}}"
        yield from (Bad(method, {at: name}, at, form) for name in ("", P, f"{P}/things/x", f"{P}/{collection}/x/y"))
        yield Bad(method, {at: f"{P}/{collection}/"}, at, '""')
        yield Bad(method, {at: f"{P}/{collection}/A"}, at, '"A"')
        yield Bad(method, {at: f"{P}/{collection}/a\n"}, at, "a\\n")
        yield Bad(method, {at: f"{P}/{collection}/%2e%2e"}, at, "%2e%2e")
    for method in ("GetReplay", "CancelReplay"):
        for name in (
            "",
            SUBSCRIPTION,
            f"{SUBSCRIPTION}/replays",
            f"{SUBSCRIPTION}/replay/x",
            f"{SUBSCRIPTION}/replays/x/y",
        ):
            yield Bad(method, {"name": name}, "name", f"{workspace}/subscriptions/{{subscription}}/replays/{{replay}}")
        yield Bad(method, {"name": f"{SUBSCRIPTION}/replays/A"}, "name", '"A"')
    for method in ("GetEventType", "DeleteEventType"):
        for name in ("", "known", "eventTypes", "eventTypes/", "eventtypes/known"):
            yield Bad(method, {"name": name}, "name")
        for id in ("a..b", ".a", "a.", "a b", "a/b", "*", "a.*", "é", "a\0", "a\n", "a" * 129):
            yield Bad(method, {"name": f"eventTypes/{id}"}, "name", "segments of letters")
    yield Bad("UpdateEventType", {"event_type": {}}, "event_type.name", "eventTypes/{event_type}")
    yield Bad("UpdateSubscription", {"subscription": {}}, "subscription.name", "subscriptions/{subscription}")
    for at in ("subscription", "event"):
        collection = f"{at}s"
        yield Bad("ListNotifications", {"parent": P, at: "x"}, at, collection)
        foreign = f"organizations/acme/workspaces/other/{collection}/x"
        yield Bad("ListNotifications", {"parent": P, at: foreign}, at, f'must be in the parent, "{P}"')


def bad_ids() -> Iterator[Bad]:
    """Yield malformed ids."""
    for id in ("A", "-a", "a-", "a_b", "a.b", "é", "a" * 64, "a\0", "a\n", " "):
        request = {**subscribe("", "").request, "subscription_id": id}
        yield Bad("CreateSubscription", request, "subscription_id", "1 to 63 lower-case letters")
    for id in ("", "a..b", "*", "a.*", "a b", "a\0", "a\n", "a" * 129):
        request = {"event_type_id": id, "event_type": {"display_name": "Display"}}
        yield Bad("CreateEventType", request, "event_type_id", "segments of letters")
    request = {"event_type_id": "tidings.x", "event_type": {"display_name": "Display"}}
    yield Bad("CreateEventType", request, "event_type_id", 'begin with "tidings." are reserved; got "tidings.x"')
    for id in ("x", UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"{UUID}\n", "a" * 36, "\0"):
        yield Bad("Publish", {**event(), "event_id": id}, "event_id", "must be a UUID in lower case")
    for id in (" ", "a b", "é", "a\0", "a\n", "x" * 129):
        yield Bad("Publish", {**event(), "request_id": id}, "request_id", "1 to 128 visible ASCII characters")
    for id in (" ", "a b", "é", "a\0", "a\n", "x" * 129):
        for method, request in {
            "CreateSubscription": subscribe("", "").request,
            "RotateSigningKey": {"name": SUBSCRIPTION},
        }.items():
            yield Bad(method, {**request, "request_id": id}, "request_id", "1 to 128 visible ASCII characters")
    for method in ("ListEvents", "ListNotifications", "ListSubscriptions"):
        yield Bad(method, {"parent": P, "event_type": "a.*"}, "event_type", "must be an event type id")


def bad_pages() -> Iterator[Bad]:
    """Yield malformed page sizes, page tokens and bounds."""
    lists: dict[str, dict[str, Any]] = {
        "ListEvents": {"parent": P},
        "ListNotifications": {"parent": P},
        "ListAttempts": {"parent": f"{P}/notifications/x"},
        "ListSubscriptions": {"parent": P},
        "ListReplays": {"parent": SUBSCRIPTION},
        "ListEventTypes": {},
    }
    for method, request in lists.items():
        for size in (-1, -(2**31)):
            yield Bad(method, {**request, "page_size": size}, "page_size", f"must not be negative; got {size}")
        for token in ("x", "====", "é", "a\0b", "AAAAAAAAAAAAAAAAWyJhIl0", "A" * 5000, "\n"):
            request_ = {**request, "page_token": token}
            yield Bad(method, request_, "page_token", "unchanged", "INVALID_PAGE_TOKEN")
    for method in ("ListEvents", "ListNotifications"):
        for at in ("start_time", "end_time"):
            for time in ({"seconds": 253_402_300_800}, {"seconds": -62_135_596_801}, {"nanos": -1}, {"nanos": 10**9}):
                yield Bad(method, {"parent": P, at: time}, at, "years 1 to 9999")
        backwards = {"parent": P, "start_time": {"seconds": 2}, "end_time": {"seconds": 1}}
        yield Bad(method, backwards, "end_time", "must not be before start_time")
    for method in ("ListNotifications", "ListSubscriptions"):
        for number in (0, 99, -1):
            yield Bad(method, {"parent": P, "states": [1, number]}, "states[1]", f"_STATE_ACTIVE, got {number}"[-6:])
    yield Bad("ListEventTypes", {"service": "x" * 65}, "service", "at most 64 characters; got 65")
    yield Bad("ListEventTypes", {"service": "a\0"}, "service", "U+0000")


def bad_masks() -> Iterator[Bad]:
    """Yield masks that name no field, or one that must not change."""
    resources: dict[str, tuple[str, str]] = {
        "UpdateSubscription": ("subscription", SUBSCRIPTION),
        "UpdateEventType": ("event_type", "eventTypes/known"),
    }
    for method, (resource, name) in resources.items():
        for path, words in {
            "displayname": "is no field of",
            "": "is no field of",
            "display_name ": "is no field of",
            "DisplayName": "is no field of",
            "subscription.display_name": "is no field of",
            "name": "cannot be changed",
            "etag": "cannot be changed",
            "createTime": "cannot be changed",
            "display_name.x": "a field is replaced as a whole",
            "x" * 10_000: 'xxx..."',
            "a\0b": "a\\x00b",
        }.items():
            request = {resource: {"name": name}, "update_mask": {"paths": ["display_name", path]}}
            yield Bad(method, request, "update_mask.paths[1]", words)


def bad_subscriptions() -> Iterator[Bad]:
    """Yield subscriptions with one bad field."""
    yield Bad("CreateSubscription", {"parent": P}, "subscription", "is required")
    yield Bad("UpdateSubscription", {}, "subscription", "is required")
    for name in ("", "ab", "x" * 129, " abc", "abc ", "a\0bc", "a\nbc", "abc\x85d"):
        yield subscribe("display_name", "", display_name=name)
    yield subscribe("display_name", '3 to 128 characters; got "ab"', display_name="ab")
    yield subscribe("display_name", "U+0000 at character 2", display_name="a\0bc")
    yield subscribe("url", "absolute", url="")
    yield subscribe("url", "at most 2048 characters; got 2049", url=f"{URL}/".ljust(2049, "x"))
    yield subscribe("url", "character 27", url=f"{URL[:26]}\0")
    yield subscribe("url", "8080, 8443; got port 81", "DESTINATION_FORBIDDEN", url="https://receiver.example:81/")
    yield subscribe("event_types", "1 to 100 patterns", event_types=[])
    yield subscribe("event_types", "got 101", event_types=["known"] * 101)
    for pattern in ("", "a..b", "a.", "a*", "**", "a.b*.c", "a b", "a\0", "a\n", "é", "a/b", "x" * 129):
        yield subscribe("event_types[1]", "", event_types=["known", pattern])
    yield subscribe("event_types[0]", "tidings.subscription.suspended", event_types=["tidings.subscription.suspendet"])
    yield subscribe("event_types", '"unknown"; create it', "EVENT_TYPE_UNKNOWN", event_types=["known", "unknown"])
    for name in ("attribute_filters", "annotations"):
        yield subscribe(name, "at most 64", **{name: {str(n): "" for n in range(65)}})
        for key in ("", "a b", "é", "a\0", "a\n", "x" * 65):
            yield subscribe(name, "keys must be 1 to 64 letters", **{name: {key: ""}})
        yield subscribe(f"{name}[k]", "at most 1024 characters; got 1025", **{name: {"k": "x" * 1025}})
    for concurrency in (0, -1, 257, 2**31 - 1):
        yield subscribe("max_concurrency", f"from 1 to 256; got {concurrency}", max_concurrency=concurrency)
    for rate in BAD_RATES:
        yield subscribe("max_rate_per_second", "must be 0.01 to 10,000; got", max_rate_per_second=rate)
    for key in ("x", "whsec_", "whsec_****", "whsec_QUFBQQ==", f"whsec_{'QUFB' * 22}", "a\0", "\n"):
        request = {**subscribe("", "").request, "signing_key": key}
        yield Bad("CreateSubscription", request, "signing_key", "the base64 (with padding) of 24 to 64 bytes")
    for at, number in {"notification_type": 2, "format": 7, "signature_scheme": 8}.items():
        yield subscribe(at, f"got {number}", **{at: number})
        yield subscribe(at, "got -1", **{at: -1})


def bad_keys_and_filters() -> Iterator[Bad]:
    """Yield API keys, signing keys and filters that a subscription may not have."""
    for header in ("a b", "é", "a:", "a\0", "Host", "Webhook-Id", "proxy-authorization", "x" * 257):
        yield subscribe("api_key.header", "", api_key={"header": header, "value": "k"})
    for value in ("a\0", "a\r\nX: 1", "é", " a", "a ", "x" * 4097):
        yield subscribe("api_key.value", "", api_key={"value": value})
    yield subscribe("api_key.value", "is required while none is stored", api_key={})
    yield subscribe('headers["x-api-key"]', "header of the api_key", api_key={"value": "k"}, headers={"x-api-key": ""})
    renamed = {"name": SUBSCRIPTION, "api_key": {"header": "X-Key"}}
    yield Bad("UpdateSubscription", {"subscription": renamed}, "subscription.api_key.value", "while none is stored")
    for scheme in range(1, 8):
        for key in ("short", "é" * 20, "x" * 257):
            request = {**subscribe("", "", signature_scheme=scheme).request, "signing_key": key}
            yield Bad("CreateSubscription", request, "signing_key", "must be ")
    for scheme in range(2, 8):
        other = {"name": SUBSCRIPTION, "signature_scheme": scheme}
        at = "subscription.signature_scheme"
        yield Bad("UpdateSubscription", {"subscription": other}, at, "with RotateSigningKey", "STATE_CONFLICT")
    for text in ("event.", "nothing", "event.type == 1", "1", '"text"', "event.typo", "x" * 2049, "(" * 500, "\0"):
        yield subscribe("filter", "", "INVALID_FILTER", filter=text)
        update = {"name": SUBSCRIPTION, "filter": text}
        yield Bad("UpdateSubscription", {"subscription": update}, "subscription.filter", "", "INVALID_FILTER")
    for request_id in (" ", "a b", "é", "a\0", "x" * 129):
        request = {**subscribe("", "").request, "request_id": request_id}
        yield Bad("CreateSubscription", request, "request_id", "1 to 128 visible ASCII characters")


def bad_headers() -> Iterator[Bad]:
    """Yield headers that a subscription may not add."""
    for header in ("", "a b", "é", "a:", "a\0", "a\n", "(a)"):
        yield subscribe(_header(header), "a header name must be", headers={header: ""})
    for header in ("Host", "webhook-id", "Content-Type", "AUTHORIZATION", "x-amz-x", "Tidings-Attempt", "cookie"):
        yield subscribe(f'headers["{header}"]', f'got "{header}"', headers={header: ""})
    for value in ("a\0", "a\r\nX-Evil: 1", "é", "\t", "\x7f"):
        yield subscribe('headers["X-A"]', "visible ASCII", headers={"X-A": value})
    yield subscribe('headers["X-A"]', "must not begin or end with a space", headers={"X-A": " a"})
    yield subscribe('headers["X-A"]', "at most 4096 bytes", headers={"X-A": "x" * 4096})
    yield subscribe("headers", "at most 32 headers; got 33", headers={f"x-{n}": "" for n in range(33)})


def _header(name: str) -> str:
    return f'headers["{ascii(name)[1:-1]}"]'


def bad_policies() -> Iterator[Bad]:
    """Yield retry policies out of their limits."""
    week = {"seconds": 7 * 24 * 3600}
    delays: list[dict[str, int]] = [{}, {"nanos": 99_999_999}, {"seconds": -1}, {**week, "nanos": 1_000_000}]
    timeouts: list[dict[str, int]] = [{}, {"nanos": 999_000_000}, {"seconds": 31}]
    yield policy("", "got both", schedule=[{"seconds": 1}], max_attempts=1)
    yield policy(".max_attempts", "is required with", initial_delay={"seconds": 1})
    yield policy(".max_attempts", "1 to 50; got 51", max_attempts=51)
    yield policy(".max_attempts", "1 to 50; got -1", max_attempts=-1)
    yield policy(".schedule", "1 to 32 delays; got 33", schedule=[{"seconds": 1}] * 33)
    yield policy(".initial_delay", "got 0.0 s", max_attempts=2, initial_delay={})
    yield policy(".max_delay", "at least initial_delay", max_attempts=2, initial_delay=week, max_delay={"seconds": 1})
    for multiplier in (0.5, -2.0, 10.1, float("inf"), float("nan")):
        yield policy(".multiplier", f"1 to 10; got {multiplier}", max_attempts=2, multiplier=multiplier)
    for delay in delays:
        yield policy(".schedule[1]", "0.1 s to 604800 s", schedule=[{"seconds": 1}, delay])
    for timeout in timeouts:
        yield policy(".attempt_timeout", "1 s to 30 s", attempt_timeout=timeout)
    for age in ({"seconds": 59}, {"seconds": 30 * 24 * 3600 + 1}):
        yield policy(".max_age", "60 s to 2592000 s", max_age=age)
    invalid = (
        {"seconds": 315_576_000_001},
        {"seconds": -(2**63)},
        {"seconds": 5, "nanos": -1},
        {"seconds": -5, "nanos": 1},
        {"nanos": 10**9},
        {"nanos": -(2**31)},
    )
    for duration in invalid:
        yield policy(".schedule[0]", "must be a duration", schedule=[duration])
        yield policy(".max_age", "must be a duration", max_age=duration)


def bad_event_types() -> Iterator[Bad]:
    """Yield event types with one bad field."""
    yield Bad("CreateEventType", {"event_type_id": "new"}, "event_type", "is required")
    yield Bad("UpdateEventType", {}, "event_type", "is required")
    yield create_type("display_name", "3 to 128 characters", display_name="")
    yield create_type("display_name", "U+0000", display_name="abc\0")
    yield create_type("description", "at most 4096 characters; got 4097", description="x" * 4097)
    yield create_type("description", "U+0000", description="a\0b")
    yield create_type("service", "at most 64 characters; got 65", service="x" * 65)
    yield create_type("service", "U+0000", service="\0")
    yield create_type("examples", "at most 16; got 17", examples=["{}"] * 17)
    for example in ("", "{", "NaN", "{} {}", "[" * 50_000, "\0"):
        yield create_type("examples[1]", "must be strict JSON", examples=["{}", example])
    yield create_type("examples[0]", "at most 65536 bytes; got 65537", examples=[f'"{"x" * 65_535}"'])
    yield create_type("attribute_keys", "at most 64", attribute_keys=[str(n) for n in range(65)])
    yield create_type("attribute_keys", "at most 64", attribute_keys=["same"] * 65)
    for key in ("", "a b", "a\0", "x" * 65):
        yield create_type("attribute_keys[1]", "1 to 64 letters", attribute_keys=["a", key])
    yield create_type("schema_enforcement", "got 99", schema_enforcement=99)


BAD_RATES = (0.0, -1.0, 0.009, 10_001.0, math.nan, math.inf)
BAD_KEYS = {
    1: ("x", "whsec_", "whsec_QUFBQQ=="),
    2: ("x", "whsk_", "whsk_QUFBQQ==", f"whsec_{'QUFB' * 8}"),
    3: ("x", "QUFBQQ==", "QUFB" * 22),
    4: ("1234567", "x" * 257, "12345678\n", "é" * 8),
    5: ("1234567", "x" * 257, "12345678\0"),
    6: ("1234567", "x" * 257, "12345678\x7f"),
    7: ("12345678",),
}
BAD_SCHEMAS = {
    "": "",
    "{": "must be strict JSON",
    "1": "must be a JSON Schema of draft 2020-12",
    '{"type": "strnig\u00e9"}': 'at "/type"',
    '{"multipleOf": 0}': 'at "/multipleOf"',
    '{"items": [{}]}': 'at "/items"',
    '{"$schema": "http://json-schema.org/draft-07/schema#"}': "$schema must be absent or",
    '{"$defs": {"a": {"$schema": "http://127.0.0.1:9/"}}}': "$schema must be absent or",
    '{"$ref": "http://127.0.0.1:9/schema"}': 'in the schema itself; got "http://127.0.0.1:9/schema"',
    '{"properties": {"a": {"$ref": "file:///etc/passwd"}}}': 'in the schema itself; got "file:///etc/passwd"',
    '{"$dynamicRef": "other.json#a"}': 'in the schema itself; got "other.json#a"',
    '{"$ref": "https://json-schema.org/draft/2020-12/schema"}': "in the schema itself",
    '{"$ref": "#/$defs/none"}': 'no subschema at the reference "#/$defs/none"',
    '{"$ref": "#none"}': 'no subschema at the reference "#none"',
    '{"$id": "http://[", "$ref": "#"}': "must be a URI reference",
    '{"$ref": "#"}': "would never end",
    '{"not": {"$ref": "#"}}': "would never end",
    '{"pattern": "(?=a)b"}': 'the pattern at "/pattern"',
    '{"pattern": "(a)\\\\1"}': 'the pattern at "/pattern"',
    '{"patternProperties": {"((a{1,100}){1,100}){1,100}": true}}': "at most 262144 bytes when compiled",
    '{"maximum": ' + "9" * 401 + "}": "",
    '{"multipleOf": 0.' + "1" * 400 + "}": "at most 400 digits; got 402",
    '{"items":' * 97 + "{}" + "}" * 97: "nested more than 96 deep",
    '{"description": "' + "x" * (256 * 1024) + '"}': "at most 262144 bytes; got 262163",
}


def bad_schemas() -> Iterator[Bad]:
    """Yield schemas that are none, and payloads that cannot be checked against one."""
    for schema, words in BAD_SCHEMAS.items():
        if schema:
            yield create_type("json_schema", words, json_schema=schema)
            event_type: dict[str, Any] = {"name": "eventTypes/known", "json_schema": schema}
            yield Bad("UpdateEventType", {"event_type": event_type}, "event_type.json_schema", words)
        yield Bad("ValidatePayload", {"json_schema": schema, "json": "{}"}, "json_schema", words)
    strings = '{"type": "string"}'
    yield create_type("examples[1]", "the value is not of type", json_schema=strings, examples=['"a"', "1"])
    yield Bad("ValidatePayload", {"json": "{}"}, "event_type", "is required, unless json_schema is given")
    for id in ("", "a b", "a..b", "x" * 129, "a\0"):
        yield Bad("ValidatePayload", {"event_type": id, "json": "{}"}, "event_type", "must be an event type id")
    unknown = {"event_type": "unknown", "json": "{}"}
    yield Bad("ValidatePayload", unknown, "event_type", '"unknown"; create it', "EVENT_TYPE_UNKNOWN")
    for json in ("", "{", "NaN", "[" * 50_000):
        yield Bad("ValidatePayload", {"event_type": "known", "json": json}, "json", "must be strict JSON")
    large = {"event_type": "known", "json": f'"{"x" * PAYLOAD_BYTES_MAX}"'}
    yield Bad("ValidatePayload", large, "json", "bytes; got", "PAYLOAD_TOO_LARGE")


def bad_events() -> Iterator[Bad]:
    """Yield events with one bad field."""
    yield Bad("Publish", {"parent": P}, "event", "is required")
    for id in ("", "*", "known.*", "a..b", "a\0", "x" * 129):
        yield publish("event_type", "must be an event type id", event_type=id)
    yield publish("event_type", 'begin with "tidings." are reserved', event_type="tidings.subscription.suspended")
    yield publish("event_type", '"unknown"; create it', "EVENT_TYPE_UNKNOWN", event_type="unknown")
    for name in ("source", "subject"):
        yield publish(name, "at most 1024 characters; got 1025", **{name: "x" * 1025})
        for text in ("a\0", "a\n", "\x7f", "\x9f"):
            yield publish(name, "control characters", **{name: text})
    yield publish("attributes", "at most 64", attributes={str(n): "" for n in range(65)})
    for key in ("", "a b", "a\0", "a\n", "x" * 65):
        yield publish("attributes", "keys must be 1 to 64 letters", attributes={key: ""})
    yield publish("attributes[k]", "at most 1024 characters; got 1025", attributes={"k": "x" * 1025})
    yield Bad("Publish", {"parent": P, "event": {"event_type": "known"}}, "event.json", "a payload is required")
    for text, words in BAD_JSON.items():
        yield publish("json", f"must be strict JSON (RFC 8259): {words}", json=text)
        yield publish("data", words, json=None, data=text.encode(), content_type="application/x+json")
        if text:
            yield publish("context_json", words, context_json=text)
    for data in (b"\xff", b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf5\x80\x80\x80"', '{"a":1}'.encode("utf-16")):
        yield publish("data", "must be strict JSON", json=None, data=data, content_type="application/json")
    large = "x" * (PAYLOAD_BYTES_MAX - 1)
    limit = f"must be at most {PAYLOAD_BYTES_MAX} bytes; got {PAYLOAD_BYTES_MAX + 1}"
    yield publish("json", limit, "PAYLOAD_TOO_LARGE", json=f'"{large}"')
    yield publish("data", limit, "PAYLOAD_TOO_LARGE", json=None, data=bytes(PAYLOAD_BYTES_MAX + 1))
    yield publish("context_json", limit, "PAYLOAD_TOO_LARGE", context_json=f'"{large[2:]}"')
    yield publish("data", "must be at most", "PAYLOAD_TOO_LARGE", json=None, data=bytes(1024 * 1024 + 1))
    for media_type in ("json", "a/b/c", "a/", "/", "text/plain;", "a/b\0", "a/b\r\nX: 1", "é/a", f"a/{'x' * 127}"):
        yield publish("content_type", "must be a media type", content_type=media_type)
    yield publish("content_type", 'the payload is `json`; got "text/plain"', content_type="text/plain")
    for time in ({"seconds": 253_402_300_800}, {"seconds": -62_135_596_801}, {"nanos": -1}, {"nanos": 10**9}):
        yield publish("occur_time", "years 1 to 9999", occur_time=time)


def bad_objects() -> Iterator[Bad]:
    """Yield events whose `json_object` is none that can be kept."""
    text_object: dict[str, Any] = {"json": None, "json_object": {}, "content_type": "text/plain"}
    yield publish("content_type", 'the payload is `json_object`; got "text/plain"', **text_object)
    for number in (2.0**53, -(2.0**53), 1e300, float("inf"), float("nan")):
        yield publish("json_object", 'at "a[0]": use json', json=None, json_object={"a": [number]})
    large = {"a": "x" * PAYLOAD_BYTES_MAX}
    yield publish("json_object", "must be at most", "PAYLOAD_TOO_LARGE", json=None, json_object=large)


BAD_JSON = {
    "": "the text is empty",
    " \n": "the text is empty",
    "{": "the text ends too early",
    "nul": "",
    "NaN": "NaN and Infinity are not JSON",
    "[-Infinity]": "",
    "1e400": "the number is too large for a double",
    "{} x": "there is more text after the end",
    "{}{}": "there is more text after the end",
    "{'a':1}": "",
    '{"a":1,}': "",
    "01": "",
    "+1": "",
    '"a\nb"': "",
    '"\0"': "",
    "\ufeff{}": "the text begins with a byte order mark",
    '"\\ud800"': "a \\u escape stands for half of a surrogate pair",
    '"\\udc00\\ud800"': "a \\u escape stands for half of a surrogate pair",
    "[" * 97 + "]" * 97: "arrays and objects are nested more than 96 deep",
    "[" * 100_000 + "]" * 100_000: "arrays and objects are nested more than 96 deep",
    '{"a":' * 40_000: "arrays and objects are nested more than 96 deep",
    "// comment\n{}": "",
}


def bad_batches() -> Iterator[Bad]:
    """Yield batches that are refused as a whole."""
    good = event()
    yield Bad("BatchPublish", {"parent": P}, "requests", "must be 1 to 1000; got 0")
    yield Bad("BatchPublish", {"parent": P, "requests": [good] * 1001}, "requests", "must be 1 to 1000; got 1001")
    yield Bad("BatchPublish", {"parent": P, "requests": [good, {}]}, "requests[1].event", "is required")
    other = {**good, "parent": f"{P}x"}
    yield Bad("BatchPublish", {"parent": P, "requests": [good, other]}, "requests[1].parent", f'got "{P}x"')
    for bad in bad_events():
        if "event" in bad.request:
            requests = [good, good, {**bad.request, "parent": ""}]
            yield Bad("BatchPublish", {"parent": P, "requests": requests}, f"requests[2].{bad.field}", "", bad.reason)
    payload = f'"{"x" * (PAYLOAD_BYTES_MAX - 2)}"'
    words = "must be at most 4,194,304 bytes; got 4,2"
    yield Bad("BatchPublish", {"parent": P, "requests": [event(json=payload)] * 16}, "request", "", "PAYLOAD_TOO_LARGE")
    yield Bad("Publish", event(json="x" * 4_200_000), "request", words, "PAYLOAD_TOO_LARGE")


def bad_replays() -> Iterator[Bad]:
    """Yield replays with one bad field."""
    start: dict[str, Any] = {"start_time": {"seconds": 1}}
    yield Bad("CreateReplay", {"parent": SUBSCRIPTION}, "replay", "is required")
    for replay, at, words in [
        ({}, "start_time", "is required"),
        ({"start_time": {"seconds": 253_402_300_800}}, "start_time", "years 1 to 9999"),
        ({"start_time": {"seconds": 253_402_300_799}}, "start_time", "must not be in the future"),
        ({**start, "end_time": {"seconds": 0}}, "end_time", "before start_time"),
        ({**start, "end_time": {"nanos": -1}}, "end_time", "years 1 to 9999"),
        ({**start, "states": [0]}, "states[0]", "got 0"),
        ({**start, "states": [2, 1]}, "states[1]", "PENDING"),
        *(({**start, "max_rate_per_second": rate}, "max_rate_per_second", "0.01 to 10") for rate in BAD_RATES),
    ]:
        yield Bad("CreateReplay", {"parent": SUBSCRIPTION, "replay": replay}, f"replay.{at}", words)


def bad_rotations_and_tests() -> Iterator[Bad]:
    """Yield rotations and tests of a subscription with one bad field."""
    rotate: dict[str, Any] = {"name": SUBSCRIPTION}
    for overlap in ({"seconds": -1}, {"seconds": 604_801}, {"seconds": 604_800, "nanos": 1}):
        yield Bad("RotateSigningKey", {**rotate, "overlap": overlap}, "overlap", "7 d")
    yield Bad("RotateSigningKey", {**rotate, "overlap": {"nanos": 10**9}}, "overlap", "1,000,000,000 nanos")
    for number in (8, -1):
        yield Bad("RotateSigningKey", {**rotate, "signature_scheme": number}, "signature_scheme", f"got {number}")
    for scheme, keys in BAD_KEYS.items():
        for key in keys:
            yield Bad("RotateSigningKey", {**rotate, "signature_scheme": scheme, "signing_key": key}, "signing_key")
    for id in ("a..b", "*", "a.*", "a b", "a\0", "x" * 129):
        yield Bad("TestSubscription", {"name": SUBSCRIPTION, "event_type": id}, "event_type", "segments of letters")
    unknown = {"name": SUBSCRIPTION, "event_type": "unknown"}
    yield Bad("TestSubscription", unknown, "event_type", '"unknown"', "EVENT_TYPE_UNKNOWN")


def bad_explanations() -> Iterator[Bad]:
    """Yield bad events and candidates of ExplainPublish: the same as those of Publish and CreateSubscription.

    Only Tidings' own event types, which nobody may publish, can be explained.
    """
    yield Bad("ExplainPublish", {"parent": P}, "event", "is required")
    for bad in bad_events():
        if bad.method == "Publish" and "reserved" not in bad.words:
            yield replace(bad, method="ExplainPublish")
    for bad in (*bad_headers(), *bad_policies()):
        yield replace(bad, method="ExplainPublish", request={**event(), "subscription": bad.request["subscription"]})
    yield Bad("ExplainPublish", {**event(), "preview_subscription": "x"}, "preview_subscription", "subscriptions/")


def corpus() -> Iterator[Bad]:
    """Yield every destination that must be refused without DNS."""
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#") and not line.endswith(" (R)"):
            url = re.sub(r"\\(?:[trn]|u[0-9a-f]{4})", lambda found: eval(f'"{found[0]}"'), line)  # noqa: S307
            yield subscribe("url", "", "", url=url)


ALL_BAD = [
    *bad_names(),
    *bad_ids(),
    *bad_pages(),
    *bad_masks(),
    *bad_subscriptions(),
    *bad_keys_and_filters(),
    *bad_headers(),
    *bad_policies(),
    *bad_event_types(),
    *bad_schemas(),
    *bad_events(),
    *bad_objects(),
    *bad_batches(),
    *bad_replays(),
    *bad_rotations_and_tests(),
    *bad_explanations(),
    *corpus(),
]
GROUPS: dict[tuple[str, str], list[Bad]] = {}
for _bad in ALL_BAD:
    GROUPS.setdefault((_bad.method, _bad.field), []).append(_bad)


@pytest.mark.parametrize(("method", "at"), GROUPS, ids=lambda value: value)
async def test_bad_input_is_refused_and_changes_nothing(client: Client, method: str, at: str) -> None:
    """With the reason, the path of the field, and a message that says what is allowed."""
    before = await contents(client)

    for bad in GROUPS[method, at]:
        refusal = await refusal_of(call(client, method, **bad.request))

        expected = {bad.reason} if bad.reason else {"INVALID_FIELD", "DESTINATION_FORBIDDEN"}
        assert refusal.reason in expected, (bad, refusal)
        assert CODES[ErrorReason(refusal.reason)].name == refusal.code
        assert bad.field == refusal.field, (bad, refusal)
        assert refusal.message.startswith(bad.field[:100]), (bad, refusal)
        assert bad.words in refusal.message, (bad, refusal)
        assert refusal.message.isascii(), (bad, refusal)
    assert before == await contents(client)


async def test_table_covers_every_built_method() -> None:
    """A new method needs bad input too."""
    assert {method.name for method in BUILT_METHODS} == {bad.method for bad in ALL_BAD}


@pytest.mark.parametrize("method", BUILT_METHODS, ids=lambda each: each.name)
@pytest.mark.parametrize(
    "message",
    [
        b"\xff",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\x7f",
        # Field 1 and field 2, for field 1 of some methods is a number.
        b"\x0a\x02\xff\xfe\x12\x02\xff\xfe",
        b"\x0a\x05\x0a\x03\xed\xa0\x80\x12\x05\x0a\x03\xed\xa0\x80",
        b"\x0b" * 99,
    ],
    ids=["garbage", "cut off", "huge length", "invalid UTF-8", "surrogate", "deep groups"],
)
async def test_bytes_that_are_no_request_are_refused(client: Client, method: Method, message: bytes) -> None:
    """By the server, not by gRPC, which would say UNKNOWN."""
    refusal = await refusal_of(send(client, method, message))

    expected = f"request: must be a request of {method.path[1:]} in protobuf's encoding, its strings in UTF-8"
    assert Refusal("INVALID_ARGUMENT", "INVALID_FIELD", "request", expected) == refusal


async def test_lone_surrogate_in_json_is_no_request(client: Client) -> None:
    """It cannot be written in UTF-8, so protobuf does not let it in."""
    message: Any = CONTRACT["Publish"].request(**event(json='"???"'))

    refusal = await refusal_of(
        send(client, CONTRACT["Publish"], message.SerializeToString().replace(b"???", b"\xed\xa0\x80"))
    )

    assert ("INVALID_FIELD", "request") == (refusal.reason, refusal.field)


async def test_request_above_grpcs_own_limit_is_refused_by_grpc(client: Client) -> None:
    """Over 8 MiB nothing of ours is asked, so there are no details; the message still says the limit."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(client, "Publish", **event(json="x" * (8 * 1024 * 1024)))

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == caught.value.code()
    assert str(8 * 1024 * 1024) in (caught.value.details() or "")


# Random requests: some words are right now and then, so that more than the first check is reached.
WORDS = (
    "",
    P,
    SUBSCRIPTION,
    f"{P}/subscriptions/fuzz",
    f"{P}/events/{UUID}",
    f"{P}/notifications/{UUID}",
    "eventTypes/known",
    "eventTypes/fuzz",
    "known",
    "fuzz",
    "*",
    "known.*",
    "Display name",
    URL,
    UUID,
    "{}",
    "[1]",
    "application/json",
    "text/plain",
    "*",
    "display_name",
    "retryPolicy",
    '"1"',
)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: st.sampled_from(WORDS) | st.text(max_size=20),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-1, 60) | st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-1, 10**10) | st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 9) | st.sampled_from([0, 1]),
}


def values(each: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Return what a field may hold, in the form that a message's constructor takes."""
    if each.message_type is not None and each.message_type.GetOptions().map_entry:
        key, value = each.message_type.fields
        return st.dictionaries(values(key), values(value), max_size=3)
    one: st.SearchStrategy[Any]
    if each.message_type is not None:
        one = st.just({}) if each.message_type.name == "Struct" else requests(each.message_type)
    elif each.type == FieldDescriptor.TYPE_BYTES:
        one = st.binary(max_size=20)
    else:
        one = SCALARS[each.cpp_type]
    return st.lists(one, max_size=3) if each.is_repeated else one


def requests(message: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return messages of a type, each field there or not."""
    return st.fixed_dictionaries({}, optional={each.name: values(each) for each in message.fields})


@pytest.mark.parametrize("method", BUILT_METHODS, ids=lambda each: each.name)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_random_requests_never_break_the_server(client: Client, method: Method, data: st.DataObject) -> None:
    """Each is carried out, or refused for a reason."""
    request: Message = method.request(**data.draw(requests(method.request.DESCRIPTOR)))
    try:
        await send(client, method, request.SerializeToString())
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
            raise AssertionError(f"{request} {error.details()}") from error


async def test_server_is_well_after_all_of_this(client: Client) -> None:
    """What it answers is still right."""
    tenant = Tenant(client)
    event_type = await tenant.event_type(new_id("well."))
    await tenant.subscribe(url=URL, event_types=[event_type])

    assert 1 == (await tenant.publish(event_type)).matched_count
