"""`json_object`: a Struct becomes one JSON text, the same everywhere, or is refused."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from service.api.payloads import struct_json, weight
from service.domain.errors import InvalidField, PayloadTooLarge
from tests.harness import Client, running_server
from tests.tools import Tenant, refusal_of
from tidings.v1.notifications_pb2 import Event

PAYLOAD_BYTES_MAX: Final = 256 * 1024
BOUND: Final = 2**53

shared = pytest.mark.asyncio(loop_scope="module")

NUMBERS = st.floats(min_value=-BOUND, max_value=BOUND, exclude_min=True, exclude_max=True)
TEXTS = st.text(max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(tmp_path_factory.mktemp("json_object"), delivery_slots=1) as client:
        await Tenant(client).event_type("a")
        yield client


def struct_of(plain: dict[str, Any]) -> Struct:
    """Return a Struct with these values."""
    return ParseDict(plain, Struct())


def text_of(struct: Struct, *, bytes_max: int = PAYLOAD_BYTES_MAX) -> str:
    """Return the JSON text of a Struct."""
    return struct_json("event.json_object", struct, bytes_max=bytes_max).decode()


async def published(tenant: Tenant, **event: Any) -> str:
    """Publish an event and return its JSON as it is read back."""
    response = await tenant.publish("a", **{"json": None, **event})
    text: str = (await tenant.call("GetEvent", name=response.event.name)).event.json
    return text


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        ({}, "{}"),
        ({"b": 1, "a": 2, "B": 3, "": 4, "é": 5, "😀": 6, "ﬀ": 7}, '{"":4,"B":3,"a":2,"b":1,"é":5,"ﬀ":7,"😀":6}'),
        ({"n": [1.0, -0.0, 1e15, -(BOUND - 1), BOUND - 1]}, f'{{"n":[1,0,1000000000000000,-{BOUND - 1},{BOUND - 1}]}}'),
        ({"n": [0.1, 1e-7, -1.5, 5e-324]}, '{"n":[0.1,1e-07,-1.5,5e-324]}'),
        ({"n": None, "t": True, "f": False, "s": ""}, '{"f":false,"n":null,"s":"","t":true}'),
        ({"l": [[], {}, [[None]], {"z": 1, "a": [2]}]}, '{"l":[[],{},[[null]],{"a":[2],"z":1}]}'),
        ({"s": '"\\/\b\f\n\r\t\x00\x1f\x7f\u2028é😀'}, '{"s":"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028é😀"}'),
    ],
    ids=["empty", "keys", "integers", "fractions", "scalars", "nested", "escapes"],
)
def test_struct_has_one_text(plain: dict[str, Any], text: str) -> None:
    """Keys by code point, no spaces, whole numbers without a fraction."""
    assert text == text_of(struct_of(plain))


@given(OBJECTS)
def test_text_says_what_the_struct_says(plain: dict[str, Any]) -> None:
    """Nothing is lost, and the text's keys are in order."""
    struct = struct_of(plain)
    text = text_of(struct)

    assert MessageToDict(struct) == json.loads(text)
    assert text == json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@given(OBJECTS)
def test_text_does_not_depend_on_how_the_struct_was_made(plain: dict[str, Any]) -> None:
    """Neither the order of insertion nor a way over the wire shows."""
    backwards = struct_of(dict(reversed(list(plain.items()))))
    received = Struct.FromString(backwards.SerializeToString())

    assert text_of(struct_of(plain)) == text_of(backwards) == text_of(received)


def test_text_does_not_depend_on_the_process() -> None:
    """A Struct's own order does, so that a retry by another process would look like another request."""
    program = (
        "from google.protobuf.struct_pb2 import Struct; from service.api.payloads import struct_json; s = Struct();"
        "s.update({f'key-{n}': {f'{m}': m for m in range(9)} for n in range(99)});"
        "print(struct_json('f', s, bytes_max=10**6).decode())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(3)
    }

    assert 1 == len(texts)


@pytest.mark.parametrize("number", [2.0**53, -(2.0**53), 1e300, float("inf"), float("-inf"), float("nan")], ids=str)
def test_number_that_a_struct_cannot_hold_exactly_is_refused_with_its_place(number: float) -> None:
    """And with the way out. The number is not repeated: payloads are nobody else's business."""
    struct = struct_of({"agents": [0, {"id": 1}]})
    struct.fields["agents"].list_value.values[1].struct_value.fields["id"].number_value = number

    with pytest.raises(InvalidField) as caught:
        text_of(struct)

    assert "event.json_object" == caught.value.field
    expected = 'smaller than 2^53 (9007199254740992), which is not so at "agents[1].id": use json'
    assert caught.value.message.endswith(expected)


def test_first_fault_by_key_is_the_one_that_is_told() -> None:
    """So the same request gets the same answer in every process."""
    struct = struct_of({"a": 0, "b": 0, "c": 0})
    for key in ("c", "b"):
        struct.fields[key].number_value = 2.0**60

    with pytest.raises(InvalidField, match=r'at "b": use json'):
        text_of(struct)


@pytest.mark.parametrize(
    ("struct", "place"),
    [
        (Struct(fields={"a": Value()}), '"a"'),
        (Struct(fields={"a": Value(list_value=ListValue(values=[Value(bool_value=True), Value()]))}), '"a[1]"'),
        (Struct(fields={"": Value(struct_value=Struct(fields={"b\n": Value()}))}), '".b\\n"'),
        (Struct(fields={"k" * 100_000: Value()}), f'"{"k" * 119}'),
    ],
    ids=["field", "item", "odd keys", "long key"],
)
def test_value_without_a_kind_is_refused(struct: Struct, place: str) -> None:
    """It is not null: somebody has set nothing."""
    with pytest.raises(InvalidField, match="must have a kind") as caught:
        text_of(struct)

    assert place in caught.value.message
    assert len(caught.value.message) < 400


def test_more_values_than_could_ever_fit_are_not_even_looked_at() -> None:
    """A few bytes on the wire are an object in memory each."""
    struct = Struct(fields={"a": Value(list_value=ListValue(values=[Value(null_value=0)] * 100))})  # type: ignore[arg-type]

    with pytest.raises(PayloadTooLarge):
        text_of(struct, bytes_max=100)


def test_10_000_values_are_taken_and_one_more_is_not() -> None:
    """Larger ones are for `json`, which costs the server a hundredth."""
    values = [Value(null_value=0)] * 9_999  # type: ignore[arg-type]

    assert 9_999 == text_of(Struct(fields={"a": Value(list_value=ListValue(values=values))}), bytes_max=10**6).count(
        "null"
    )
    with pytest.raises(PayloadTooLarge, match="must have at most 10,000 values"):
        text_of(Struct(fields={"a": Value(list_value=ListValue(values=values + values[:1]))}), bytes_max=10**6)


def test_bytes_of_a_struct_weigh_more_than_others() -> None:
    """128 times as much, and whatever came in another form no more than it is."""
    struct = Struct(fields={"a": Value(string_value="b")})

    assert struct.ByteSize() * 127 == weight(Event(json_object=struct))
    assert 0 == weight(Event(json="{}")) == weight(Event(data=b"{}")) == weight(Event())


# --- through the API


@shared
async def test_event_is_stored_as_the_text(tenant: Tenant) -> None:
    """It reads as `json`, and counts as JSON of the type that was given."""
    plain = {"status": "READY", "n": 3.0}

    assert '{"n":3,"status":"READY"}' == await published(tenant, json_object=plain)
    assert '{"n":3,"status":"READY"}' == await published(tenant, json_object=plain, content_type="application/x+json")
    assert ["application/x+json", "application/json"] == [each.content_type for each in await tenant.events()]


@shared
async def test_same_struct_and_the_same_text_are_the_same_request(tenant: Tenant) -> None:
    """Whichever of the fields it came in."""
    first = await tenant.publish("a", json=None, json_object={"b": 1, "a": 2}, request_id="r")
    again = await tenant.publish("a", json=None, json_object={"a": 2, "b": 1}, request_id="r")
    text = await tenant.publish("a", json='{"a":2,"b":1}', request_id="r")

    assert [False, True, True] == [each.deduplicated for each in (first, again, text)]


@shared
@pytest.mark.parametrize(
    ("event", "reason", "field"),
    [
        ({"json_object": {"n": float(BOUND)}}, "INVALID_FIELD", "event.json_object"),
        ({"json_object": {}, "content_type": "text/plain"}, "INVALID_FIELD", "event.content_type"),
        ({"json_object": {"s": "x" * PAYLOAD_BYTES_MAX}}, "PAYLOAD_TOO_LARGE", "event.json_object"),
        ({"json_object": {"s": "\x01" * (PAYLOAD_BYTES_MAX // 6)}}, "PAYLOAD_TOO_LARGE", "event.json_object"),
        ({"json_object": {"l": [1] * (PAYLOAD_BYTES_MAX // 2)}}, "PAYLOAD_TOO_LARGE", "event.json_object"),
        (
            {"json_object": {}, "context_json": f'"{"x" * PAYLOAD_BYTES_MAX}"'},
            "PAYLOAD_TOO_LARGE",
            "event.context_json",
        ),
    ],
    ids=["number", "content type", "text", "escapes", "values", "context"],
)
async def test_struct_that_is_no_payload_is_refused(
    tenant: Tenant, event: dict[str, Any], reason: str, field: str
) -> None:
    """With the field that says what to change, and nothing is stored."""
    refusal = await refusal_of(tenant.publish("a", **{"json": None, **event}))

    assert ("INVALID_ARGUMENT", reason, field) == (refusal.code, refusal.reason, refusal.field)
    assert [] == await tenant.events()


@shared
async def test_struct_as_deep_as_protobuf_allows_is_published_and_a_deeper_one_refused(tenant: Tenant) -> None:
    """The parser's own limit comes before ours, and is answered like any message that does not parse."""
    deep: Any = 1
    for _ in range(29):
        deep = {"a": deep}
    assert '{"a":' * 29 + "1" + "}" * 29 == await published(tenant, json_object=deep)

    for _ in range(70):
        deep = {"a": deep}
    refusal = await refusal_of(tenant.publish("a", json=None, json_object=deep))

    assert ("INVALID_ARGUMENT", "INVALID_FIELD", "request") == (refusal.code, refusal.reason, refusal.field)
