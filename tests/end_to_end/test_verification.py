"""What a receiver gets is what was published, and it can prove so with a library that knows nothing of Tidings."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.harness import Received, payload_in, running_process, running_receiver

LARGEST_BYTES = 256 * 1024


def _largest_json() -> str:
    start, end = '{"text": "', 'é"}'
    return start + "x" * (LARGEST_BYTES - len(start) - len(end.encode())) + end


JSON_PAYLOADS = {
    "ascii": '{"agent_id":"a-1","status":"online"}',
    "empty object": "{}",
    "scalar": "null",
    "string": '"text"',
    "unicode": '{"text":"naïve – 日本語 – 🦜 – \u2028\u2029 – ي"}',
    "256 KiB": _largest_json(),
    "duplicate keys": '{"a":1,"a":2,"a":{"a":3,"a":4}}',
    "whitespace": ' \n\t{ "b" : [ 1 ,\r\n 2 ] , "a" : { } }\n ',
    "key order": '{"z":1,"a":2,"m":{"y":1,"b":2}}',
    "big integers": "[9007199254740993,18446744073709551616,-170141183460469231731687303715884105728]",
    "exact decimals": "[1.0,1.10,1e2,1E+2,-0,-0.0,0.1000000000000000055511151231257827]",
    "escapes": r'{"\u0061":"\u00e9\/\"\\\b\f\n\r\t\ud83e\udd9c","\u0000":"\u0000"}',
    "looks like the end": '{"data":"}","timestamp":"\\",\\"data\\":"}',
    "deep": "[" * 96 + "]" * 96,
}

BINARY_PAYLOADS = {
    "one byte": b"\x00",
    "not utf-8": b"\xff\xfe\x80 caf\xe9",
    "looks like JSON": b'{"a": 1}',
    "256 KiB": Random(7).randbytes(LARGEST_BYTES),
}


@dataclass(frozen=True)
class Delivered:
    """What was received, by event, and the key to verify it with."""

    received: dict[str, Received]
    signing_key: str


async def _deliver(folder: Path, published: dict[str, dict[str, Any]]) -> Delivered:
    """Publish each case, and return what the receiver got for it."""
    async with running_receiver() as receiver, running_process(folder / "tidings.db") as server:
        await server.client.create_event_type()
        signing_key = (await server.client.subscribe(receiver.url)).signing_key
        cases: dict[str, str] = {}
        for case, event in published.items():
            response = await server.client.publish(event.get("json", ""), **_without(event, "json"))
            cases[response.event.name.rpartition("/")[2]] = case
        received = await receiver.wait_for(len(cases))
        assert await server.stop() == 0
    assert len(published) == len(received) == len(receiver.received)
    return Delivered({cases[each.headers["webhook-id"]]: each for each in received}, signing_key)


def _without(event: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != field}


async def test_receiver_verifies_and_gets_json_byte_for_byte(tmp_path: Path) -> None:
    """G6: odd spellings, and what a parser would lose, arrive as they were published."""
    delivered = await _deliver(tmp_path, {case: {"json": text} for case, text in JSON_PAYLOADS.items()})

    payloads = {case: payload_in(received.body) for case, received in delivered.received.items()}
    assert {case: text.encode() for case, text in JSON_PAYLOADS.items()} == payloads
    for received in delivered.received.values():
        assert "application/json" == received.headers["content-type"]
        assert received.body.startswith(b'{"type":"agent.status.changed","timestamp":"')
        verified = Webhook(delivered.signing_key).verify(received.body, received.headers)
        assert json.loads(payload_in(received.body)) == verified["data"]


async def test_receiver_verifies_and_gets_binary_data_as_base64(tmp_path: Path) -> None:
    """Bytes that are not JSON by their content type come as `data_base64`, also when they look like JSON."""
    delivered = await _deliver(
        tmp_path,
        {case: {"data": data, "content_type": "application/x-agent"} for case, data in BINARY_PAYLOADS.items()},
    )

    for case, received in delivered.received.items():
        verified = Webhook(delivered.signing_key).verify(received.body, received.headers)
        assert b'"' + base64.b64encode(BINARY_PAYLOADS[case]) + b'"' == payload_in(received.body)
        assert {"type", "timestamp", "data_base64"} == verified.keys()
        assert BINARY_PAYLOADS[case] == base64.b64decode(verified["data_base64"], validate=True)


async def test_receiver_gets_json_that_was_published_as_data_byte_for_byte(tmp_path: Path) -> None:
    """A JSON media type makes `data` JSON: it is spliced in, not encoded."""
    text = b' {"n": 18446744073709551616, "n": 1.0} '
    delivered = await _deliver(tmp_path, {"json": {"data": text, "content_type": "application/vnd.agent+json"}})

    received = delivered.received["json"]
    Webhook(delivered.signing_key).verify(received.body, received.headers)
    assert text == payload_in(received.body)


async def test_receiver_notices_every_change_on_the_way(tmp_path: Path) -> None:
    """The verifier is not a formality: a changed byte, id, time or key fails."""
    delivered = await _deliver(tmp_path, {"case": {"json": '{"amount": 1}'}})
    received = delivered.received["case"]
    later = str(int(received.headers["webhook-timestamp"]) + 1)
    other_key = "whsec_" + base64.b64encode(b"another key of sufficient length").decode()

    Webhook(delivered.signing_key).verify(received.body, received.headers)
    for key, body, headers in (
        (delivered.signing_key, received.body.replace(b"1}", b"2}"), received.headers),
        (delivered.signing_key, received.body, received.headers | {"webhook-id": "another"}),
        (delivered.signing_key, received.body, received.headers | {"webhook-timestamp": later}),
        (other_key, received.body, received.headers),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, headers)
