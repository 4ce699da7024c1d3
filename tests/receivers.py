"""What receivers do with a request: they verify it and read it, with programs that were not written here.

Where there is no such program, what the scheme's author published is followed, and not what `service` does.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
import stripe
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from service.domain.model import Format, SignatureScheme
from tests.harness import EVENT_TYPE, Received

SOURCE: Final = 'Agent "17", caf\u00e9 100% \U0001f99c'
SUBJECT: Final = "\u65e5\u672c\u8a9e 50%"
CONTEXT: Final = '{ "room": 12345678901234567890 }'
OCCUR_TIME: Final = "2026-11-20T09:30:00.789Z"
CATEGORY: Final = 3
CODE: Final = 1201
BINARY_TYPE: Final = "application/x-agent"
REFUSALS: Final = (InvalidSignature, WebhookVerificationError, stripe.SignatureVerificationError)


@dataclass(frozen=True)
class Delivered:
    """One request as it was received, with what its receiver knows: the URL it gave, and the key it was shown."""

    url: str
    key: str
    payload: bytes
    event_id: str
    request: Received


# Verifiers. Each raises if the request is not what the scheme says.


def verify_standard_webhooks(delivered: Delivered) -> None:
    """`standardwebhooks` takes text only, so for other bodies the specification's text is followed."""
    headers, body = delivered.request.headers, delivered.request.body
    if is_text(body):
        Webhook(delivered.key).verify(body, headers, json_parse=False)
        return
    secret = base64.b64decode(delivered.key.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(secret, signed_content(delivered), "sha256")).decode()
    if headers["webhook-signature"] != f"v1,{expected}":
        raise InvalidSignature


def verify_ed25519(delivered: Delivered) -> None:
    version, _, signature = delivered.request.headers["webhook-signature"].partition(",")
    if version != "v1a":
        raise InvalidSignature
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(delivered.key.removeprefix("whpk_")))
    key.verify(base64.b64decode(signature), signed_content(delivered))


def verify_vonage(delivered: Delivered) -> None:
    scheme, _, token = delivered.request.headers["vonage-signature"].partition(" ")
    claims = jwt.decode(
        token, base64.b64decode(delivered.key), algorithms=["HS256"], options={"require": ["iat", "exp"]}
    )
    if (scheme, claims["payload_hash"]) != ("Bearer", hashlib.sha256(delivered.request.body).hexdigest()):
        raise InvalidSignature


def verify_messagebird(delivered: Delivered) -> None:
    headers = delivered.request.headers
    signed = f"{headers['messagebird-request-timestamp']}\n{delivered.url}\n".encode()
    signed += hashlib.sha256(delivered.request.body).digest()
    expected = base64.b64encode(hmac.digest(delivered.key.encode(), signed, "sha256")).decode()
    if headers["messagebird-signature"] != expected:
        raise InvalidSignature


def verify_github(delivered: Delivered) -> None:
    headers = delivered.request.headers
    expected = hmac.new(delivered.key.encode(), delivered.request.body, hashlib.sha256).hexdigest()
    if headers["x-hub-signature-256"] != f"sha256={expected}":
        raise InvalidSignature
    if (headers["x-github-event"], headers["x-github-delivery"]) != (EVENT_TYPE, delivered.event_id):
        raise InvalidSignature


def verify_stripe(delivered: Delivered) -> None:
    """`stripe` takes text only, so for other bodies the text of Stripe's manual is followed."""
    header, body = delivered.request.headers["stripe-signature"], delivered.request.body
    if is_text(body):
        stripe.WebhookSignature.verify_header(body.decode(), header, delivered.key, tolerance=300)
        return
    fields = dict(field.split("=", 1) for field in header.split(","))
    signed = fields["t"].encode() + b"." + body
    if fields["v1"] != hmac.new(delivered.key.encode(), signed, hashlib.sha256).hexdigest():
        raise InvalidSignature


def verify_unsigned(delivered: Delivered) -> None:
    found = [name for name in delivered.request.headers if "signature" in name or name.startswith("x-hub-")]
    if found or delivered.key:
        raise InvalidSignature


def signed_content(delivered: Delivered) -> bytes:
    """Id, timestamp and body, with full stops between: Standard Webhooks, "Signature scheme"."""
    headers = delivered.request.headers
    return f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivered.request.body


def is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


VERIFIERS: Final[Mapping[SignatureScheme, tuple[str, Callable[[Delivered], None]]]] = {
    SignatureScheme.STANDARD_WEBHOOKS: (
        "`standardwebhooks`; the specification's text where a body is not UTF-8, which that library does not take",
        verify_standard_webhooks,
    ),
    SignatureScheme.STANDARD_WEBHOOKS_ED25519: ("the specification's text, with `cryptography`", verify_ed25519),
    SignatureScheme.VONAGE_JWT: ("`PyJWT`, and the hash of the body", verify_vonage),
    SignatureScheme.MESSAGEBIRD: ("Bird's published text, recomputed", verify_messagebird),
    SignatureScheme.GITHUB: ("GitHub's published text, recomputed", verify_github),
    SignatureScheme.STRIPE: (
        "`stripe`; Stripe's published text where a body is not UTF-8, which that library does not take",
        verify_stripe,
    ),
    SignatureScheme.UNSIGNED: ("there is no signature and no key", verify_unsigned),
}


# Readers. Each returns the payload as a program gets it that was told the format: parsed JSON, or bytes.


def read_standard_webhooks(delivered: Delivered) -> Any:
    body = json_of(delivered)
    assert (EVENT_TYPE, OCCUR_TIME) == (body["type"], body["timestamp"])
    return data_of(body)


def read_cloud_event(delivered: Delivered) -> Any:
    event = from_http_event(HTTPMessage(delivered.request.headers, delivered.request.body))
    assert (delivered.event_id, EVENT_TYPE, SUBJECT) == (event.get_id(), event.get_type(), event.get_subject())
    assert "1.0" == event.get_specversion()
    assert OCCUR_TIME == f"{event.get_time():%Y-%m-%dT%H:%M:%S.789Z}"
    assert "Agent%20%2217%22,%20caf%C3%A9%20100%25%20%F0%9F%A6%9C" == event.get_source()
    return event.get_data()


def read_event_context(delivered: Delivered) -> Any:
    body = json_of(delivered)
    assert (OCCUR_TIME, EVENT_TYPE) == (body["event_time"], body["event_type"])
    assert json.loads(CONTEXT) == body["current_context"]
    assert f'"current_context":{CONTEXT},'.encode() in delivered.request.body
    return data_of(body)


def read_event_code(delivered: Delivered) -> Any:
    body = json_of(delivered)
    own = {"Id": delivered.event_id, "CreationDateUtc": "20261120093000", "Category": CATEGORY, "Code": CODE}
    assert own == {key: body.pop(key) for key in own}
    return body


def read_raw(delivered: Delivered) -> Any:
    is_binary = delivered.request.headers["content-type"] == BINARY_TYPE
    return delivered.request.body if is_binary else json_of(delivered)


def json_of(delivered: Delivered) -> Any:
    assert "application/json" == delivered.request.headers["content-type"]
    return json.loads(delivered.request.body)


def data_of(body: dict[str, Any]) -> Any:
    return base64.b64decode(body["data_base64"], validate=True) if "data_base64" in body else body["data"]


READERS: Final[Mapping[Format, tuple[str, Callable[[Delivered], Any]]]] = {
    Format.STANDARD_WEBHOOKS: ("a JSON parser", read_standard_webhooks),
    Format.CLOUDEVENTS_STRUCTURED: ("`cloudevents`", read_cloud_event),
    Format.CLOUDEVENTS_BINARY: ("`cloudevents`", read_cloud_event),
    Format.EVENT_CONTEXT: ("a JSON parser", read_event_context),
    Format.EVENT_CODE: ("a JSON parser", read_event_code),
    Format.RAW: ("a JSON parser, or none", read_raw),
}
