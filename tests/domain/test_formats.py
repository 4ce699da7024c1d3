"""Formats: the exact bodies, and that a payload's bytes pass through untouched."""

import base64
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.attributes import is_json_content_type
from service.domain.formats import Body, body_of, misfit
from service.domain.model import Event, Format
from tests.fakes import event_of

OCCUR_TIME_MS: Final = 1_795_167_000_789
CREATE_TIME_MS: Final = 1_795_167_001_234
WHITESPACE: Final = st.text(" \t\r\n", max_size=3)
ENVELOPES: Final = (Format.STANDARD_WEBHOOKS, Format.CLOUDEVENTS_STRUCTURED, Format.EVENT_CONTEXT)
BARE: Final = (Format.CLOUDEVENTS_BINARY, Format.RAW)
JSON: Final = "application/json"


def event_with(payload: bytes, *, is_json: bool = True, **changes: Any) -> Event:
    """Return an event of agent.created with a time, a category and a code."""
    plain = {
        "source": "",
        "payload": payload,
        "payload_is_json": is_json,
        "content_type": JSON if is_json else "application/x-agent",
        "occur_time_ms": OCCUR_TIME_MS,
        "create_time_ms": CREATE_TIME_MS,
        "category": 3,
        "code": 1201,
    }
    return event_of("019a7b1e-2c00-7000-8000-000000000000", **plain | changes)


def json_texts() -> st.SearchStrategy[str]:
    """JSON as people and programs write it: odd spacing, escapes, repeated keys, numbers that no double holds."""
    numbers = st.integers().map(str) | st.sampled_from(["1.0", "1E+2", "-0.0", "0.1000000000000000055511151231257827"])
    strings = st.text().map(json.dumps) | st.text(st.characters(codec="utf-8")).map(plain_string)
    return st.recursive(spaced(numbers | strings | st.sampled_from(["null", "true"])), json_containers, max_leaves=6)


def json_containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return spaced(st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]") | json_objects(inner))


def json_objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects, their keys spelt plainly or with an escape."""
    keys = st.sampled_from(['"a"', '"a"', '"b"', r'"\u0061"', '"Data"', '""'])
    members = st.lists(st.tuples(spaced(keys), inner).map(":".join), max_size=3)
    return st.tuples(members, WHITESPACE).map(lambda parts: f"{{{','.join(parts[0]) or parts[1]}}}")


def spaced(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(WHITESPACE, texts, WHITESPACE).map("".join)


def plain_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize(
    ("format", "content_type", "expected"),
    [
        (
            Format.STANDARD_WEBHOOKS,
            JSON,
            '{"type":"agent.created","timestamp":"2026-11-20T09:30:00.789Z","data":{ "n": 1.0 }}',
        ),
        (
            Format.CLOUDEVENTS_STRUCTURED,
            "application/cloudevents+json",
            '{"specversion":"1.0","id":"019a7b1e-2c00-7000-8000-000000000000","source":"agents/a-17",'
            '"type":"agent.created","time":"2026-11-20T09:30:00.789Z","subject":"\N{LATIN SMALL LETTER E WITH ACUTE}",'
            '"datacontenttype":"application/json","data":{ "n": 1.0 }}',
        ),
        (Format.CLOUDEVENTS_BINARY, JSON, '{ "n": 1.0 }'),
        (
            Format.EVENT_CONTEXT,
            JSON,
            '{"event_time":"2026-11-20T09:30:00.789Z","event_type":"agent.created","current_context":[ 1, 2 ],'
            '"data":{ "n": 1.0 }}',
        ),
        (
            Format.EVENT_CODE,
            JSON,
            '{"Id":"019a7b1e-2c00-7000-8000-000000000000","CreationDateUtc":"20261120093000","Category":3,"Code":1201,'
            ' "n": 1.0 }',
        ),
        (Format.RAW, JSON, '{ "n": 1.0 }'),
    ],
)
def test_json_payload_in_each_format(format: Format, content_type: str, expected: str) -> None:
    """Key order, spacing and numbers of the payload are kept."""
    event = event_with(b'{ "n": 1.0 }', source="agents/a-17", subject="\u00e9", context_json="[ 1, 2 ]")

    body = body_of(event, format)

    assert (content_type, expected) == (body.content_type, body.data.decode())


@pytest.mark.parametrize(
    ("format", "content_type", "expected"),
    [
        (
            Format.STANDARD_WEBHOOKS,
            JSON,
            b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.789Z","data_base64":"AP/+"}',
        ),
        (
            Format.CLOUDEVENTS_STRUCTURED,
            "application/cloudevents+json",
            b'{"specversion":"1.0","id":"019a7b1e-2c00-7000-8000-000000000000",'
            b'"source":"/organizations/acme/workspaces/main","type":"agent.created","time":"2026-11-20T09:30:00.789Z",'
            b'"datacontenttype":"application/x-agent","data_base64":"AP/+"}',
        ),
        (Format.CLOUDEVENTS_BINARY, "application/x-agent", b"\x00\xff\xfe"),
        (
            Format.EVENT_CONTEXT,
            JSON,
            b'{"event_time":"2026-11-20T09:30:00.789Z","event_type":"agent.created","current_context":null,'
            b'"data_base64":"AP/+"}',
        ),
        (Format.RAW, "application/x-agent", b"\x00\xff\xfe"),
    ],
)
def test_binary_payload_in_each_format_that_can_carry_it(format: Format, content_type: str, expected: bytes) -> None:
    """What is not JSON travels as base64 where the body is JSON."""
    body = body_of(event_with(b"\x00\xff\xfe", is_json=False), format)

    assert (content_type, expected) == (body.content_type, body.data)


@pytest.mark.parametrize("format", set(Format) - {Format.CLOUDEVENTS_BINARY})
def test_only_binary_cloud_events_have_headers_of_their_own(format: Format) -> None:
    """They are listed with the other attributes of CloudEvents."""
    assert () == body_of(event_with(b"{}"), format).headers


@pytest.mark.parametrize("format", Format)
def test_time_is_when_the_event_was_created_if_nobody_said_when_it_occurred(format: Format) -> None:
    """Never the time of the attempt: each attempt must send the same bytes."""
    body = body_of(event_with(b"{}", occur_time_ms=None), format)

    shown = json.dumps(body.headers).encode() + body.data
    assert format is Format.RAW or b"2026-11-20T09:30:01.234Z" in shown or b"20261120093001" in shown


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [(-62_135_596_800_000, "00010101000000"), (-1, "19691231235959"), (253_402_300_799_999, "99991231235959")],
)
def test_creation_date_has_fourteen_digits_in_every_year(time_ms: int, expected: str) -> None:
    """From the first to the last moment that a Timestamp can hold."""
    body = body_of(event_with(b"{}", occur_time_ms=time_ms), Format.EVENT_CODE)

    assert expected == json.loads(body.data)["CreationDateUtc"]


@given(json_texts(), json_texts())
def test_json_payload_is_in_every_envelope_byte_for_byte(text: str, context: str) -> None:
    """What was published is what is signed and sent, and the body around it is JSON."""
    event = event_with(text.encode(), context_json=context)

    for format in ENVELOPES:
        body = body_of(event, format)
        assert body.data.endswith(b'"data":' + text.encode() + b"}")
        assert parsed(text) == dict(parsed(body.data))["data"]
        assert is_json_content_type(body.content_type)
    assert f'"current_context":{context},"data":'.encode() in body_of(event, Format.EVENT_CONTEXT).data
    assert parsed(context) == dict(parsed(body_of(event, Format.EVENT_CONTEXT).data))["current_context"]


@given(spaced(json_objects(json_texts())))
def test_fields_of_an_object_are_in_an_event_code_body_byte_for_byte(text: str) -> None:
    """Behind the four fields, also when there are none."""
    event = event_with(text.encode())

    body = body_of(event, Format.EVENT_CODE)

    assert misfit(event, Format.EVENT_CODE) is None
    assert body.data.endswith(text.strip(" \t\r\n").encode()[1:])
    received = dict(pairs(body.data)[:4])
    assert {"Id": event.id, "CreationDateUtc": "20261120093000", "Category": 3, "Code": 1201} == received
    assert pairs(text) == pairs(body.data)[4:]


@given(st.binary() | json_texts().map(str.encode))
def test_payload_alone_is_the_body_of_the_bare_formats(payload: bytes) -> None:
    """Whatever it is."""
    for format in BARE:
        assert payload == body_of(event_with(payload, is_json=False), format).data


@given(st.binary())
def test_opaque_payload_is_in_every_envelope_as_base64(payload: bytes) -> None:
    """A receiver gets back the bytes that were published, whatever they are."""
    for format in ENVELOPES:
        received = json.loads(body_of(event_with(payload, is_json=False), format).data)
        assert payload == base64.b64decode(received["data_base64"], validate=True)
        assert "data" not in received


@given(st.text(st.characters(codec="utf-8")))
def test_text_of_an_event_cannot_break_out_of_its_body(text: str) -> None:
    """Quotes, backslashes and line ends are data."""
    event = event_with(b"{}", subject=text, event_type=text, source=text)

    for format in ENVELOPES:
        received = json.loads(body_of(event, format).data)
        assert text == received.get("type", received.get("event_type"))
        assert text == received.get("subject", text)


@pytest.mark.parametrize("payload", [b"{}", b" {\n} ", b'{"id":1,"code":{"Code":1}}', b'{"a":[{"Id":1}]}'])
def test_object_without_the_four_fields_fits_an_event_code(payload: bytes) -> None:
    """Names differ by case, and what is further in is nobody's business."""
    event = event_with(payload)

    assert misfit(event, Format.EVENT_CODE) is None
    assert ["Id", "CreationDateUtc", "Category", "Code"] == list(json.loads(body_of(event, Format.EVENT_CODE).data))[:4]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (event_with(b"{}", category=None), "the event's type has no category and code, which EVENT_CODE needs"),
        (event_with(b"{}", code=None), "the event's type has no category and code, which EVENT_CODE needs"),
        (event_with(b"[{}]"), "the payload is not a JSON object, which EVENT_CODE needs"),
        (event_with(b' "{}"'), "the payload is not a JSON object, which EVENT_CODE needs"),
        (event_with(b"{}", is_json=False), "the payload is not a JSON object, which EVENT_CODE needs"),
        (event_with(b'{"Id":1}'), 'the payload has a field "Id" of its own, which EVENT_CODE sets'),
        (event_with(b'{"a":1,"Code":{}}'), 'the payload has a field "Code" of its own, which EVENT_CODE sets'),
        (
            event_with(rb'{"\u0043ate\u0067ory":null}'),
            'the payload has a field "Category" of its own, which EVENT_CODE sets',
        ),
        (
            event_with(b'{"CreationDateUtc":"x"}'),
            'the payload has a field "CreationDateUtc" of its own, which EVENT_CODE sets',
        ),
    ],
)
def test_event_that_does_not_fit_an_event_code(event: Event, expected: str) -> None:
    """Names are compared after unescaping. The other formats take the same event."""
    assert [expected if format is Format.EVENT_CODE else None for format in Format] == [
        misfit(event, format) for format in Format
    ]


def test_category_and_code_of_zero_are_some() -> None:
    """Zero is a number like any other."""
    event = event_with(b"{}", category=0, code=0)

    assert misfit(event, Format.EVENT_CODE) is None
    assert body_of(event, Format.EVENT_CODE).data.endswith(b'"Category":0,"Code":0}')


def test_repr_of_a_body_does_not_show_it() -> None:
    """Bodies hold payloads, and reprs end up in logs."""
    event = event_with(b'{"secret":"hunter2"}', subject="hunter2")

    assert not [format for format in Format if "hunter2" in repr(body_of(event, format))]
    assert "hunter2" not in repr(Body("text/plain", b"hunter2", (("ce-subject", "hunter2"),)))


def parsed(text: str | bytes) -> Any:
    """Parse JSON, keeping the spelling of numbers and every member of an object."""
    spelling: Callable[[str], str] = str
    return json.loads(text, parse_int=spelling, parse_float=spelling, object_pairs_hook=list)


def pairs(text: str | bytes) -> list[tuple[str, Any]]:
    """Return the members of a JSON object in order, repeated ones too."""
    found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return found
