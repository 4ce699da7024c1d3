"""Formats: how an event becomes a request body.

Payload bytes are spliced in and never parsed or re-encoded, so what was published is what is signed and sent. A body
depends on the event alone: every attempt and every replay sends the same bytes.
"""

import base64
from dataclasses import dataclass, field
from typing import assert_never

import orjson

from service.domain.clock import rfc3339
from service.domain.model import Event, Format


@dataclass(frozen=True, slots=True)
class Body:
    """A request body and its media type."""

    content_type: str
    data: bytes = field(repr=False)


def body_of(event: Event, format: Format) -> Body:
    """Return the body that a subscription of this format is sent for an event."""
    match format:
        case Format.STANDARD_WEBHOOKS:
            return _standard_webhooks(event)
        case _:
            assert_never(format)


def _standard_webhooks(event: Event) -> Body:
    """`{"type":…,"timestamp":…,"data":…}`, the payload structure that the Standard Webhooks specification names."""
    head = orjson.dumps({"type": event.event_type, "timestamp": rfc3339(event.time_ms)})
    return Body("application/json", head.removesuffix(b"}") + b"," + _data_member(event) + b"}")


def _data_member(event: Event) -> bytes:
    """`"data":<payload>`, or `"data_base64":"…"` (RFC 4648, section 4) for a payload that is not JSON."""
    if event.payload_is_json:
        return b'"data":' + event.payload
    return b'"data_base64":"' + base64.b64encode(event.payload) + b'"'
