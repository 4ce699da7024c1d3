"""Formats: how an event becomes a request body.

Payload bytes are spliced in and never re-encoded, so what was published is what is signed and sent. A body depends on
the event alone: every attempt and every replay sends the same bytes.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

import orjson

from service.domain import cloud_events
from service.domain.clock import rfc3339
from service.domain.model import Event, Format

_JSON = "application/json"
_JSON_WHITESPACE = b" \t\r\n"
_EVENT_CODE_KEYS = ("Id", "CreationDateUtc", "Category", "Code")


@dataclass(frozen=True, slots=True)
class Body:
    """A request body, its media type, and the headers that belong to its format: `ce-*` or none."""

    content_type: str
    data: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def misfit(event: Event, format: Format) -> str | None:
    """Say in a sentence why an event cannot be sent in a format; None if it can.

    EVENT_CODE needs a category and a code of the event type, and a payload that is a JSON object without its own four
    fields. Every event fits the other formats. EVENT_CODE reads the payload, so whoever asks for many subscriptions at
    once asks once per event and format. The sentence quotes nothing of the payload.
    """
    return _event_code_misfit(event) if format is Format.EVENT_CODE else None


def body_of(event: Event, format: Format) -> Body:
    """Return the body that a subscription of this format is sent for an event that fits it: see `misfit`."""
    match format:
        case Format.STANDARD_WEBHOOKS:
            return _standard_webhooks(event)
        case Format.CLOUDEVENTS_STRUCTURED:
            return _cloud_events_structured(event)
        case Format.CLOUDEVENTS_BINARY:
            return Body(event.content_type, event.payload, cloud_events.headers_of(event))
        case Format.EVENT_CONTEXT:
            return _event_context(event)
        case Format.EVENT_CODE:
            return _event_code(event)
        case Format.RAW:
            return Body(event.content_type, event.payload)
        case _:
            assert_never(format)


def _standard_webhooks(event: Event) -> Body:
    """`{"type":…,"timestamp":…,"data":…}`, the payload structure that the Standard Webhooks specification names."""
    head = _head({"type": event.event_type, "timestamp": rfc3339(event.time_ms)})
    return Body(_JSON, head + b"," + _data_member(event) + b"}")


def _cloud_events_structured(event: Event) -> Body:
    """A JSON object with the context attributes and the data: CloudEvents 1.0, "JSON Event Format", section 3."""
    head = _head(cloud_events.attributes_of(event) | {"datacontenttype": event.content_type})
    return Body("application/cloudevents+json", head + b"," + _data_member(event) + b"}")


def _event_context(event: Event) -> Body:
    """`{"event_time":…,"event_type":…,"current_context":…,"data":…}`, the context as it was published."""
    head = _head({"event_time": rfc3339(event.time_ms), "event_type": event.event_type})
    context = event.context_json.encode() or b"null"
    return Body(_JSON, head + b',"current_context":' + context + b"," + _data_member(event) + b"}")


def _event_code(event: Event) -> Body:
    """`{"Id":…,"CreationDateUtc":…,"Category":…,"Code":…,…}`: four fields, then what is inside the payload's braces."""
    values = (event.id, _digits(rfc3339(event.time_ms)), event.category, event.code)
    head = _head(dict(zip(_EVENT_CODE_KEYS, values, strict=True)))
    inside = event.payload.strip(_JSON_WHITESPACE)[1:-1]
    comma = b"," if inside.strip(_JSON_WHITESPACE) else b""
    return Body(_JSON, head + comma + inside + b"}")


def _event_code_misfit(event: Event) -> str | None:
    if event.category is None or event.code is None:
        return "the event's type has no category and code, which EVENT_CODE needs"
    if not event.payload_is_json or not event.payload.lstrip(_JSON_WHITESPACE).startswith(b"{"):
        return "the payload is not a JSON object, which EVENT_CODE needs"
    # Parsed, because a name may be spelt with escapes: the receiver's parser would see it twice.
    fields = orjson.loads(event.payload)
    taken = next((key for key in _EVENT_CODE_KEYS if key in fields), None)
    return None if taken is None else f'the payload has a field "{taken}" of its own, which EVENT_CODE sets'


def _head(members: Mapping[str, object]) -> bytes:
    """Return a JSON object without its closing brace."""
    return orjson.dumps(members).removesuffix(b"}")


def _data_member(event: Event) -> bytes:
    """`"data":<payload>`, or `"data_base64":"…"` (RFC 4648, section 4) for a payload that is not JSON."""
    if event.payload_is_json:
        return b'"data":' + event.payload
    return b'"data_base64":"' + base64.b64encode(event.payload) + b'"'


def _digits(timestamp: str) -> str:
    """Return `yyyyMMddHHmmss` of an RFC 3339 time in UTC: its first fourteen digits. Parts of a second are cut off."""
    return "".join(filter(str.isdigit, timestamp))[:14]
