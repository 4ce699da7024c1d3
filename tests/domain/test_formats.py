"""Formats: the exact bodies, and that a payload's bytes pass through untouched."""

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.formats import Body, body_of
from service.domain.model import Event, Format
from service.domain.names import Workspace

OCCUR_TIME_MS = 1_795_167_000_000
CREATE_TIME_MS = 1_795_167_001_234


@pytest.mark.parametrize(
    ("payload", "payload_is_json", "expected"),
    [
        (
            b'{"id": 12345678901234567890, "b":1, "a":1.0}',
            True,
            b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z",'
            b'"data":{"id": 12345678901234567890, "b":1, "a":1.0}}',
        ),
        (b" null\n", True, b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z","data": null\n}'),
        (
            b"\x00\xff\xfe",
            False,
            b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z","data_base64":"AP/+"}',
        ),
        (b"", False, b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z","data_base64":""}'),
    ],
)
def test_standard_webhooks_body_is_the_envelope_around_the_payload(
    payload: bytes, payload_is_json: bool, expected: bytes
) -> None:
    """Key order, spacing and numbers of the payload are kept; what is not JSON travels as base64."""
    event = event_with(payload, payload_is_json=payload_is_json)

    assert Body("application/json", expected) == body_of(event, Format.STANDARD_WEBHOOKS)


def test_timestamp_is_when_the_event_was_created_if_nobody_said_when_it_occurred() -> None:
    """Never the time of the attempt: each attempt must send the same bytes."""
    body = body_of(event_with(b"{}", payload_is_json=True, occur_time_ms=None), Format.STANDARD_WEBHOOKS)

    assert "2026-11-20T09:30:01.234Z" == json.loads(body.data)["timestamp"]


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_json_payload_is_in_the_body_byte_for_byte(value: object) -> None:
    """What was published is what is signed and sent, and the body around it is JSON."""
    payload = json.dumps(value, ensure_ascii=False, indent=1).encode()

    body = body_of(event_with(payload, payload_is_json=True), Format.STANDARD_WEBHOOKS)

    assert body.data.endswith(b'"data":' + payload + b"}")
    assert value == json.loads(body.data)["data"]


@given(st.binary())
def test_opaque_payload_is_in_the_body_as_base64(payload: bytes) -> None:
    """A receiver gets back the bytes that were published, whatever they are."""
    body = body_of(event_with(payload, payload_is_json=False), Format.STANDARD_WEBHOOKS)

    received = json.loads(body.data)
    assert payload == base64.b64decode(received["data_base64"], validate=True)
    assert ["type", "timestamp", "data_base64"] == list(received)


def test_repr_of_a_body_does_not_show_it() -> None:
    """Bodies hold payloads, and reprs end up in logs."""
    body = body_of(event_with(b'{"secret":"hunter2"}', payload_is_json=True), Format.STANDARD_WEBHOOKS)

    assert "hunter2" not in repr(body)


def event_with(payload: bytes, *, payload_is_json: bool, occur_time_ms: int | None = OCCUR_TIME_MS) -> Event:
    return Event(
        workspace=Workspace("acme", "main"),
        id="019a7b1e-2c00-7000-8000-000000000000",
        event_type="agent.created",
        source="",
        subject="",
        attributes={},
        payload=payload,
        payload_is_json=payload_is_json,
        content_type="application/json" if payload_is_json else "application/octet-stream",
        context_json="",
        occur_time_ms=occur_time_ms,
        create_time_ms=CREATE_TIME_MS,
        payload_sha256=hashlib.sha256(payload).digest(),
        payload_size=len(payload),
        matched_count=0,
    )
