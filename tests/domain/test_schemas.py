"""JSON Schemas: what they find, what they refuse, and that neither takes long or reaches anything."""

import json
import socket
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.clock import SystemClock
from service.domain.errors import InvalidField
from service.domain.schemas import (
    MESSAGE_CHARACTERS_MAX,
    PATH_CHARACTERS_MAX,
    SCHEMA_BYTES_MAX,
    VIOLATIONS_MAX,
    Schema,
    Violation,
    compile_schema,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# What a slow machine may take for what takes milliseconds; without its bounds each of these would take hours.
SOON_S: Final = 10.0
CLOCK: Final = SystemClock()
TREE: Final = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}


def schema_of(schema: Any) -> Schema:
    """Compile a schema given as text, or as what is to be written as text."""
    return compile_schema("json_schema", schema if isinstance(schema, str) else json.dumps(schema))


def found(schema: Any, payload: Any) -> list[Violation]:
    """Return the violations of a payload given as bytes, or as what is to be written as JSON."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return list(schema_of(schema).violations(data))


def refusal(schema: Any) -> str:
    """Return why a schema is refused."""
    with pytest.raises(InvalidField) as caught:
        schema_of(schema)
    assert "json_schema" == caught.value.field
    return caught.value.message


def doubled(levels: int, *, inside: str = "") -> dict[str, Any]:
    """Return a schema in which each of so many levels refers to the next one twice."""
    definitions: dict[str, Any] = {"a0": {}}
    for level in range(1, levels + 1):
        twice = {"allOf": [{"$ref": f"#/$defs/a{level - 1}"}] * 2}
        definitions[f"a{level}"] = {inside: twice} if inside else twice
    return {"$ref": f"#/$defs/a{levels}", "$defs": definitions}


# --- what is found


def test_violations_say_where_and_what_but_no_values() -> None:
    """Paths are JSON Pointers, with their escapes; names of fields are named."""
    schema = {
        "properties": {"a/b~c": {"items": {"type": "integer"}}, "status": {"enum": ["READY", "BUSY"]}},
        "required": ["agent"],
        "additionalProperties": False,
    }

    violations = found(schema, {"a/b~c": [1, "secret"], "status": "secret", "more": "secret"})

    assert [
        Violation("", '"agent" is a required property'),
        Violation("", "Additional properties are not allowed ('more' was unexpected)"),
        Violation("/a~1b~0c/1", 'the value is not of type "integer"'),
        Violation("/status", 'the value is not one of "READY" or "BUSY"'),
    ] == sorted(violations, key=lambda each: (each.instance_path, each.message))


@pytest.mark.parametrize(
    ("schema", "payload", "is_valid"),
    [
        (True, b"1", True),
        (False, b"1", False),
        ({"$schema": DIALECT, "type": "integer"}, b"1.0", True),
        ({"$schema": f"{DIALECT}#", "type": "integer"}, b"1e2", True),
        ({"type": "integer"}, b"123456789012345678.5", False),
        ({"const": 12345678901234567890123}, b"12345678901234567890123", True),
        ({"const": 12345678901234567890123}, b"12345678901234567890124", False),
        ({"maximum": 9007199254740992}, b"9007199254740993", False),
        ({"type": "integer"}, b"9" * 300, True),
        ({"multipleOf": 0.01}, b"19.99", True),
        ({"multipleOf": 0.01}, b"19.999", False),
        ({"maximum": 1}, b"1e-999999999", True),
        ({"maximum": 1}, b"0." + b"1" * 100_000, True),
        ({"const": 0}, b"-0.0", True),
        ({"required": ["a"]}, b'{"a":1,"a":2}', True),
        ({"properties": {"a": {"const": 2}}}, b'{"a":1,"a":2}', True),
        ({"pattern": r"^\d+$"}, '"٣"'.encode(), False),
        ({"minLength": 2}, '"😀"'.encode(), False),
        ({"format": "email"}, b'"not one"', True),
        ({"uniqueItems": True}, b"[1, 1.0]", False),
        ({"prefixItems": [{"type": "string"}], "items": False}, b'["a", 1]', False),
        ({"minimum": 0}, b"1e-99999999999999999999", True),
        ({"const": 0}, b"-0.0e99999999999999999999", True),
        (TREE, b'{"left": {"right": {}}}', True),
        (TREE, b'{"left": {"right": 1}}', False),
        ({"$id": "https://example.com/a", "$ref": "b", "$defs": {"b": {"$id": "b", "type": "string"}}}, b"1", False),
        ({"$ref": "#here", "$defs": {"b": {"$anchor": "here", "type": "string"}}}, b"1", False),
        ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "string"}}}, b"1", False),
        ({"properties": {"$ref": {"type": "string"}, "$id": {}, "pattern": {}}}, b'{"$ref": 1}', False),
        ({"const": {"$ref": "http://127.0.0.1:9/"}}, b'{"$ref": "http://127.0.0.1:9/"}', True),
    ],
)
def test_payload_is_judged_by_the_digits_that_were_sent(schema: Any, payload: bytes, is_valid: bool) -> None:
    """As the standard has it: 1.0 is an integer, `format` is an annotation, the last of two equal names counts."""
    assert is_valid == (not schema_of(schema).violations(payload))


def test_violations_and_their_texts_are_bounded() -> None:
    """However many there are, and however long the names in a payload."""
    many = found({"items": {"type": "string"}}, list(range(1_000)))
    [long] = found({"additionalProperties": {"type": "string"}}, {"x" * 10_000: 1})
    [named] = found({"properties": {"a": {}}, "additionalProperties": False}, {"\0é\n" * 1_000: 1})

    assert VIOLATIONS_MAX == len(many)
    assert (PATH_CHARACTERS_MAX, "...") == (len(long.instance_path), long.instance_path[-3:])
    assert (MESSAGE_CHARACTERS_MAX, True, True) == (
        len(named.message),
        named.message.isascii(),
        named.message.isprintable(),
    )


@pytest.mark.parametrize(
    "keywords",
    [
        {"type": "integer"},
        {"enum": [1]},
        {"const": 1},
        {"not": {}},
        {"maxLength": 1},
        {"pattern": "^$"},
        {"items": False, "contains": {"type": "null"}},
        {"prefixItems": [True], "unevaluatedItems": False},
        {"uniqueItems": True, "maxItems": 1, "minItems": 9},
        {"properties": {"a": {}}, "unevaluatedProperties": False},
        {"additionalProperties": False},
        {"required": ["b"], "minProperties": 9, "dependentRequired": {"a": ["c"]}},
        {"if": True, "then": {"anyOf": [False]}, "oneOf": [{}, {}]},
    ],
    ids=lambda keywords: ",".join(keywords),
)
def test_values_of_a_payload_are_not_in_messages(keywords: dict[str, Any]) -> None:
    """They travel to logs and to whoever publishes; the names of fields do too, and are needed."""
    secret = "5ec4e7-value"
    payloads = [secret, [secret, secret], {"a": secret, "d": secret}]

    violations = [each for payload in payloads for each in found(keywords, payload)]

    assert violations
    assert not [each for each in violations if secret in each.message]


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab~/é"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab~/é", min_size=1, max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(payload=JSON)
def test_paths_of_violations_lead_to_what_is_wrong(payload: Any) -> None:
    """In a schema that allows strings only, every other value that is a leaf is found at its own path.

    The validator leaves fields whose name is empty out of paths, so there are none here.
    """
    schema = {"type": ["string", "object", "array"], "items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}}

    violations = found(schema, payload)

    wrong = [path for path, value in places(payload) if not isinstance(value, str | dict | list)]
    assert set(wrong) >= {each.instance_path for each in violations}
    assert min(len(wrong), VIOLATIONS_MAX) == len(violations)


def places(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return every value in a value, with its JSON Pointer."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    steps = [(f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}", each) for key, each in items]
    return [(path, value), *(place for step, each in steps for place in places(each, step))]


# --- what is refused


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize(
    "place",
    [
        lambda reference: reference,
        lambda reference: {"properties": {"a": reference}},
        lambda reference: {"$id": "http://{address}/", "items": reference},
        lambda reference: {"anyOf": [True, {"$ref": "#/x-own/a"}], "x-own": {"a": reference}},
    ],
    ids=["root", "inside", "with a base", "referred to"],
)
def test_nothing_is_fetched(keyword: str, place: Any, tmp_path: Path) -> None:
    """Neither from a server that listens nor from a file that is there: the file is fit for use, and is not used."""
    file = tmp_path / "schema.json"
    file.write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for reference in (f"http://{address}/schema", f"//{address}/schema", file.as_uri(), str(file), "schema.json"):
            text = json.dumps(place({keyword: reference})).replace("{address}", address)
            assert "must refer to a place in the schema itself" in refusal(text)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#"}, "would never end"),
        ({"not": {"$ref": "#"}}, "would never end"),
        ({"$dynamicAnchor": "a", "allOf": [{"$dynamicRef": "#a"}]}, "would never end"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "would never end"),
        (doubled(40), "more than 2000 subschemas"),
        (doubled(40, inside="items"), "more than 10000 ways"),
        (doubled(40, inside="additionalProperties"), "more than 10000 ways"),
        ({"allOf": [{}] * 2_000}, "more than 2000 subschemas"),
        ({"$ref": "#/a600", "a0": {}, **{f"a{n}": {"$ref": f"#/a{n - 1}"} for n in range(1, 601)}}, "in each other"),
        ({"allOf": [{"$id": "a"}, {"$id": "a"}]}, 'two subschemas have the $id "a"'),
        ({"allOf": [{"$anchor": "a"}, {"$anchor": "a"}]}, 'two subschemas have the anchor "a"'),
        ({"$ref": "#/$defs/a", "$defs": {"a": 1}}, "no subschema at the reference"),
        ({"$ref": "#/allOf/1", "allOf": [True]}, "no subschema at the reference"),
        ({"allOf": [{"pattern": "a"}] * 257}, "at most 256 patterns; got 257"),
        ('{"description": "' + "x" * SCHEMA_BYTES_MAX + '"}', "at most 262144 bytes"),
    ],
    ids=range(15),
)
def test_schema_that_could_work_for_ever_is_refused(schema: Any, words: str) -> None:
    """Before it is used: the validator cannot be stopped. Within seconds itself."""
    start_s = CLOCK.monotonic_s()

    assert words in refusal(schema)

    assert CLOCK.monotonic_s() - start_s < SOON_S


def test_doubling_between_two_rounds_is_not_hidden_by_them() -> None:
    """Rounds are counted once, but what lies between them as often as it is reached."""
    schema = doubled(40, inside="items")
    schema["$defs"]["a0"] = {"items": {"$ref": "#/$defs/a0"}}
    schema = {"items": {"anyOf": [{"$ref": "#"}, {"$ref": schema["$ref"]}]}, "$defs": schema["$defs"]}

    assert "more than 10000 ways" in refusal(schema)


# --- what may take long does not


HOSTILE: Final[list[tuple[Any, bytes]]] = [
    ({"pattern": "^(a+)+$"}, b'"' + b"a" * 1_000_000 + b'!"'),
    ({"pattern": "(x+x+)+y"}, b'"' + b"x" * 1_000_000 + b'"'),
    ({"uniqueItems": True}, json.dumps([{"a": number} for number in range(80_000)]).encode()),
    ({"items": {"type": "string"}}, json.dumps([1] * 300_000).encode()),
    ({"allOf": [{"type": "string"}] * 1_900}, json.dumps([[number] for number in range(100_000)]).encode()),
    ({"anyOf": [{"items": {"const": number}} for number in range(500)]}, json.dumps([-1] * 100_000).encode()),
    ({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}, b"[" * 96 + b"]" * 96),
    (
        {
            "anyOf": [
                {"properties": {"a": {"$ref": "#"}, "b": {"const": 1}}},
                {"properties": {"a": {"$ref": "#"}, "b": {"const": 2}}},
            ],
        },
        b'{"b":3,"a":' * 95 + b'{"b":3}' + b"}" * 95,
    ),
    ({"multipleOf": 0.01}, b"0." + b"1" * 1_000_000),
    ({"items": {"multipleOf": 3}}, b"[" + b",".join([b"9" * 300] * 3_000) + b"]"),
    (doubled(10, inside="items"), b"[" * 90 + b"]" * 90),
]


@pytest.mark.parametrize(("schema", "payload"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_schema_and_payload_are_judged_soon(schema: Any, payload: bytes) -> None:
    """Where naming all places would take long, one is named, or the whole payload."""
    compiled = schema_of(schema)
    start_s = CLOCK.monotonic_s()

    violations = compiled.violations(payload)

    assert CLOCK.monotonic_s() - start_s < SOON_S
    assert len(violations) <= VIOLATIONS_MAX


def test_long_enum_is_not_copied_for_every_place() -> None:
    """Each violation has the values that are allowed: for a thousand places these would be hundreds of megabytes."""
    schema = schema_of({"items": {"enum": [f"value {number}" for number in range(1_000)]}})
    few, many = json.dumps([0] * 10).encode(), json.dumps([0] * 1_000).encode()

    assert [10, 1] == [len(schema.violations(payload)) for payload in (few, many)]
    assert [True, False] == [schema.is_quick(payload) for payload in (b"[0]", many)]


def test_large_payload_has_one_place_named_where_that_is_quick() -> None:
    """Alternatives are told with all their branches, so then there is none."""
    large = list(range(200_000))

    assert ["/0"] == [each.instance_path for each in found({"items": {"type": "string"}}, large)]
    [whole] = found({"items": {"oneOf": [{"type": "string"}, {"type": "null"}]}}, large)
    assert ("", "too large for it to be said where") == (whole.instance_path, whole.message[-33:])


@given(
    document=st.recursive(
        JSON,
        lambda inner: st.dictionaries(
            st.sampled_from(
                [
                    "$ref",
                    "$id",
                    "$anchor",
                    "$dynamicRef",
                    "allOf",
                    "items",
                    "properties",
                    "not",
                    "$defs",
                    "pattern",
                    "const",
                ]
            ),
            inner | st.sampled_from(["#", "#/$defs", "#a", "a", "//[", "%", "#/%zz", "http://x/y"]),
            max_size=4,
        ),
    )
)
def test_any_document_is_a_schema_or_refused(document: Any) -> None:
    """No other error comes out, and what is accepted can be used."""
    try:
        schema = schema_of(document)
    except InvalidField:
        return
    schema.violations(b'{"a": [1, "b"]}')
