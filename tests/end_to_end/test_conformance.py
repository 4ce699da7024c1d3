"""Every format with every signature scheme, checked at the receiver by something that was not written here.

docs/conformance.md says what is checked and with what; it is compared with what the checks found.
"""

import asyncio
import base64
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from service.domain.model import Format, SignatureScheme
from tests.harness import EVENT_TYPE, Client, Received, running_receiver, running_server
from tests.receivers import (
    BINARY_TYPE,
    CATEGORY,
    CODE,
    CONTEXT,
    OCCUR_TIME,
    READERS,
    REFUSALS,
    SOURCE,
    SUBJECT,
    VERIFIERS,
    Delivered,
    is_text,
)
from tidings.v1 import event_types_pb2, notifications_pb2, subscriptions_pb2

TABLE: Final = Path(__file__).parent.parent.parent / "docs" / "conformance.md"
LARGE_BYTES: Final = 256 * 1024


def large_object(size: int) -> bytes:
    """Return a JSON object of so many bytes."""
    start, end = b'{"text":"', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


# Sent as `json`, but for the last, which is sent as `data` of BINARY_TYPE.
PAYLOADS: Final[Mapping[str, bytes]] = {
    "object": b'{ "agent" : "a-17", "n": 12345678901234567890, "z":1.0, "a":[ ] }',
    "array": b' [1, {"a":null}, "x"]\n',
    "scalar": b"1.10",
    "Unicode": '{"text":"na\u00efve \u65e5\u672c\u8a9e \U0001f99c \u2028 \\u0000 \\ud83e\\udd9c"}'.encode(),
    # The most that may be published, with the context.
    "256 KiB": large_object(LARGE_BYTES - len(CONTEXT)),
    "binary": Random(7).randbytes(1_000) + b"\xff",
}
OBJECTS: Final = ("object", "Unicode", "256 KiB")


@dataclass(frozen=True)
class Everything:
    """What was received, by format, scheme and payload; and why the other notifications failed, by the same."""

    delivered: dict[tuple[Format, SignatureScheme, str], Delivered]
    failures: dict[tuple[Format, SignatureScheme, str], str]

    def of_scheme(self, scheme: SignatureScheme) -> list[tuple[Format, Delivered]]:
        """Return what was signed by a scheme, with the format of each."""
        return [(key[0], each) for key, each in self.delivered.items() if key[1] is scheme]

    def of_format(self, format: Format) -> list[tuple[str, Delivered]]:
        """Return what was sent in a format, with the name of its payload."""
        return [(key[2], each) for key, each in self.delivered.items() if key[0] is format]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """Publish each payload once to a subscription for each format and scheme. One run serves all tests."""
    return asyncio.run(deliver_everything(tmp_path_factory.mktemp("conformance")))


async def deliver_everything(folder: Path) -> Everything:
    async with running_receiver() as receiver, running_server(folder) as client:
        await create_event_type(client)
        keys = {
            (format, scheme): await subscribe(client, f"{receiver.url}/{format}/{scheme}?a=%20&b=1", format, scheme)
            for format in Format
            for scheme in SignatureScheme
        }
        events = {await publish(client, name): name for name in PAYLOADS}
        fitting = sum(fits(format, name) for format in Format for name in PAYLOADS) * len(SignatureScheme)
        received = await receiver.wait_for(fitting)
        failed = await client.list_notifications(states=[notifications_pb2.NOTIFICATION_STATE_FAILED])
    delivered = {}
    for request in received:
        format, scheme = sent_as(request)
        name = events[request.headers["webhook-id"]]
        url = receiver.url.removesuffix("/hooks") + request.path
        delivered[format, scheme, name] = Delivered(
            url, keys[format, scheme], PAYLOADS[name], request.headers["webhook-id"], request
        )
    return Everything(delivered, {failure_key(each, events): each.failure_reason for each in failed})


async def create_event_type(client: Client) -> None:
    await client.event_types.CreateEventType(
        event_types_pb2.CreateEventTypeRequest(
            event_type_id=EVENT_TYPE,
            event_type=event_types_pb2.EventType(display_name="Status", category=CATEGORY, code=CODE),
        )
    )


async def subscribe(client: Client, url: str, format: Format, scheme: SignatureScheme) -> str:
    """Create a subscription and return the key that it is shown."""
    response = await client.subscribe(
        url,
        subscription_id=f"{format}-{scheme}".lower().replace("_", "-"),
        format=subscriptions_pb2.Format.Value(f"FORMAT_{format}"),
        signature_scheme=subscriptions_pb2.SignatureScheme.Value(f"SIGNATURE_SCHEME_{scheme}"),
    )
    return response.signing_key


async def publish(client: Client, name: str) -> str:
    """Publish a payload and return the event's id."""
    payload = PAYLOADS[name]
    content: dict[str, Any] = (
        {"data": payload, "content_type": BINARY_TYPE} if name == "binary" else {"json_text": payload.decode()}
    )
    occur_time = Timestamp()
    occur_time.FromJsonString(OCCUR_TIME)
    response = await client.publish(
        source=SOURCE, subject=SUBJECT, context_json=CONTEXT, occur_time=occur_time, **content
    )
    return response.event.name.rpartition("/")[2]


def sent_as(request: Received) -> tuple[Format, SignatureScheme]:
    _, _, format, scheme = request.path.partition("?")[0].split("/")
    return Format(format), SignatureScheme(scheme)


def failure_key(
    notification: notifications_pb2.Notification, events: Mapping[str, str]
) -> tuple[Format, SignatureScheme, str]:
    id = notification.subscription.rpartition("/")[2].replace("-", "_").upper()
    format = next(each for each in Format if id.startswith(f"{each}_") and id.removeprefix(f"{each}_") in schemes())
    return format, SignatureScheme(id.removeprefix(f"{format}_")), events[notification.event.rpartition("/")[2]]


def schemes() -> list[str]:
    return [scheme.value for scheme in SignatureScheme]


def fits(format: Format, name: str) -> bool:
    return format is not Format.EVENT_CODE or name in OBJECTS


@pytest.mark.parametrize("scheme", SignatureScheme)
def test_every_signature_is_verified_by_somebody_else(everything: Everything, scheme: SignatureScheme) -> None:
    """In each format, whatever the payload. Each request has the id and the time that the specification asks for."""
    _, verify = VERIFIERS[scheme]
    delivered = everything.of_scheme(scheme)

    for _, each in delivered:
        verify(each)
        assert each.event_id == each.request.headers["webhook-id"]
        assert "1" == each.request.headers["tidings-attempt"]
        assert each.request.headers["webhook-timestamp"].isdigit()
    assert sum(fits(format, name) for format in Format for name in PAYLOADS) == len(delivered)


@pytest.mark.parametrize("scheme", [scheme for scheme in SignatureScheme if scheme is not SignatureScheme.UNSIGNED])
def test_verifiers_notice_a_changed_body(everything: Everything, scheme: SignatureScheme) -> None:
    """They are not a formality."""
    _, verify = VERIFIERS[scheme]

    for _, each in everything.of_scheme(scheme):
        changed = replace(each, request=replace(each.request, body=each.request.body + b" "))
        with pytest.raises(REFUSALS):
            verify(changed)


@pytest.mark.parametrize("format", Format)
def test_every_body_is_read_by_somebody_else(everything: Everything, format: Format) -> None:
    """With the payload in it: the same value to a parser, and the same bytes on the wire."""
    for name, each in everything.of_format(format):
        check_reading(format, name, each)
        is_binary = name == "binary"
        bytes_sent = base64.b64encode(each.payload) if is_binary and is_text(each.request.body) else each.payload
        inside = bytes_sent[1:-1] if format is Format.EVENT_CODE else bytes_sent
        assert inside in each.request.body


def check_reading(format: Format, name: str, delivered: Delivered) -> None:
    """Check that a program which knows the format finds the value that was published."""
    _, read = READERS[format]
    assert (delivered.payload if name == "binary" else json.loads(delivered.payload)) == read(delivered)


def test_what_does_not_fit_its_format_fails_with_a_reason(everything: Everything) -> None:
    """Nothing else fails."""
    assert {
        (Format.EVENT_CODE, scheme, name): "FORMAT_NOT_APPLICABLE"
        for scheme in SignatureScheme
        for name in PAYLOADS
        if name not in OBJECTS
    } == everything.failures


def test_document_says_what_was_verified(everything: Everything) -> None:
    """Its tables are made again from the requests that passed: what was not delivered is missing in them."""
    text = TABLE.read_text(encoding="utf-8")

    tables = re.findall(r"^\|.*\|\n(?:\|.*\|\n)+", text, re.MULTILINE)
    assert [formats_table(everything), schemes_table(everything)] == tables


def formats_table(everything: Everything) -> str:
    rows = [[f"`{format}`", READERS[format][0], *format_cells(everything, format)] for format in Format]
    return table(["format", "read with", *PAYLOADS], rows)


def format_cells(everything: Everything, format: Format) -> list[str]:
    """Say of each payload whether it was read with every scheme, or else why not."""
    read = Counter[str]()
    for name, each in everything.of_format(format):
        check_reading(format, name, each)
        read[name] += 1
    failed = {name: reason for (of, _, name), reason in everything.failures.items() if of is format}
    return ["yes" if read[name] == len(SignatureScheme) else failed.get(name, "no") for name in PAYLOADS]


def schemes_table(everything: Everything) -> str:
    rows = [[f"`{scheme}`", VERIFIERS[scheme][0], *scheme_cells(everything, scheme)] for scheme in SignatureScheme]
    return table(["scheme", "verified with", *(f"`{format}`" for format in Format)], rows)


def scheme_cells(everything: Everything, scheme: SignatureScheme) -> list[str]:
    """Say of each format how many payloads were verified, of those that fit it."""
    _, verify = VERIFIERS[scheme]
    verified = dict.fromkeys(Format, 0)
    for format, each in everything.of_scheme(scheme):
        verify(each)
        verified[format] += 1
    return [f"{verified[format]} of {sum(fits(format, name) for name in PAYLOADS)}" for format in Format]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [head, ["---"] * len(head), *rows])
