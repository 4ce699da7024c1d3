"""Signature schemes, checked against published vectors and an independent verifier."""

import base64
import json
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from service.domain.clock import SystemClock
from service.domain.errors import InvalidField
from service.domain.model import SignatureScheme, SigningKey
from service.domain.signing import check_key, new_key, signature_headers

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "signatures.json").read_text())["vectors"]
SCHEME = SignatureScheme.STANDARD_WEBHOOKS
SECRETS = st.binary(min_size=24, max_size=64).map(lambda secret: "whsec_" + base64.b64encode(secret).decode())


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["scheme"] in list(SignatureScheme)],
    ids=lambda vector: vector["scheme"],
)
def test_published_vector_is_reproduced(vector: dict[str, Any]) -> None:
    """The figures come from the scheme's own specification."""
    headers = signature_headers(
        SignatureScheme(vector["scheme"]),
        [signing_key(vector["signing_key"])],
        webhook_id=vector["webhook_id"],
        timestamp_s=vector["timestamp"],
        body=vector["body"].encode(),
    )

    assert vector["headers"].items() <= dict(headers).items()


def test_every_scheme_has_a_vector() -> None:
    """A scheme without figures from outside would be checked against itself only."""
    assert set(SignatureScheme) <= {vector["scheme"] for vector in VECTORS}


def test_headers_are_the_three_of_the_specification() -> None:
    """In lower case, with the time in whole seconds."""
    headers = signature_headers(SCHEME, [signing_key()], webhook_id="e1", timestamp_s=1_700_000_000, body=b"{}")

    assert ["webhook-id", "webhook-timestamp", "webhook-signature"] == [name for name, _ in headers]
    assert ("webhook-id", "e1") == headers[0]
    assert ("webhook-timestamp", "1700000000") == headers[1]


@given(secret=SECRETS, body=st.text().map(str.encode), webhook_id=st.uuids().map(str))
def test_independent_verifier_accepts_every_signature(secret: str, body: bytes, webhook_id: str) -> None:
    """`standardwebhooks` is what receivers install."""
    # The verifier reads the real clock and allows five minutes.
    timestamp_s = SystemClock().now_ms() // 1000
    headers = signature_headers(
        SCHEME, [signing_key(secret)], webhook_id=webhook_id, timestamp_s=timestamp_s, body=body
    )

    Webhook(secret).verify(body, dict(headers), json_parse=False)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": "{later}"},
        {"webhook-signature": "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"body": "{} "},
    ],
)
def test_independent_verifier_refuses_what_was_changed(change: dict[str, str]) -> None:
    """Id, time and body are all under the signature."""
    key = signing_key()
    timestamp_s = SystemClock().now_ms() // 1000
    request = dict(signature_headers(SCHEME, [key], webhook_id="e1", timestamp_s=timestamp_s, body=b"{}"))
    request["body"] = "{}"
    request |= {
        name: value.format(later=timestamp_s + 1) if "later" in value else value for name, value in change.items()
    }

    with pytest.raises(WebhookVerificationError):
        Webhook(key.secret).verify(request.pop("body"), request, json_parse=False)


def test_each_key_signs_and_the_newest_comes_first() -> None:
    """During a rotation, receivers that know either key can verify; those that read one signature get the new one."""
    old, new, middle = (signing_key(new_key(SCHEME, Random(n)), create_time_ms=n) for n in (1, 3, 2))
    arguments: dict[str, Any] = {"webhook_id": "e1", "timestamp_s": 1_700_000_000, "body": b"{}"}

    together = dict(signature_headers(SCHEME, [old, new, middle], **arguments))["webhook-signature"]

    alone = [dict(signature_headers(SCHEME, [key], **arguments))["webhook-signature"] for key in (new, middle, old)]
    assert " ".join(alone) == together


def test_signing_without_a_key_is_a_bug() -> None:
    """An empty signature header would look to a receiver like an attack."""
    with pytest.raises(ValueError, match="without a key"):
        signature_headers(SCHEME, [], webhook_id="e1", timestamp_s=1, body=b"")


@given(st.integers())
def test_new_key_is_in_the_form_of_its_scheme(seed: int) -> None:
    """What is made here passes the check for what callers bring, and holds 32 bytes."""
    key = new_key(SCHEME, Random(seed))

    check_key("signing_key", SCHEME, key)
    assert 32 == len(base64.b64decode(key.removeprefix("whsec_"), validate=True))


def test_new_keys_differ() -> None:
    """As production draws them."""
    rng = SystemRandom()

    assert 100 == len({new_key(SCHEME, rng) for _ in range(100)})


@given(SECRETS)
def test_key_of_24_to_64_bytes_is_accepted(key: str) -> None:
    """The range of the specification."""
    check_key("signing_key", SCHEME, key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_" + base64.b64encode(bytes(32)).decode().rstrip("="),
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\u00e9",
        "whsec_whsec_" + base64.b64encode(bytes(24)).decode(),
        # Stray bits in the last character: decodes in Python, not in every language.
        "whsec_" + base64.b64encode(bytes(25)).decode().replace("A==", "B=="),
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=",
    ],
)
def test_key_in_another_form_is_refused_without_being_shown(key: str) -> None:
    """A mistyped secret is still a secret."""
    with pytest.raises(InvalidField) as caught:
        check_key("signing_key", SCHEME, key)

    assert (
        'signing_key: must be "whsec_" followed by the base64 (with padding) of 24 to 64 bytes' == caught.value.message
    )


def signing_key(secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", *, create_time_ms: int = 0) -> SigningKey:
    return SigningKey(key_id=f"key-{create_time_ms}", secret=secret, create_time_ms=create_time_ms)
