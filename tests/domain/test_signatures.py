"""Signatures, checked against published vectors and against verifiers that others wrote."""

import base64
import hashlib
import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any, Final

import jwt
import pytest
import stripe
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from service.domain.clock import SystemClock
from service.domain.model import SignatureScheme, SigningKey
from service.domain.signatures import Signable, keys_that_sign, signature_headers
from service.domain.signing import new_key, public_key

VECTORS: Final = json.loads((Path(__file__).parent.parent / "vectors" / "signatures.json").read_text())["vectors"]
STANDARD: Final = SignatureScheme.STANDARD_WEBHOOKS
ED25519: Final = SignatureScheme.STANDARD_WEBHOOKS_ED25519
VONAGE: Final = SignatureScheme.VONAGE_JWT
STRIPE: Final = SignatureScheme.STRIPE
UNSIGNED: Final = SignatureScheme.UNSIGNED
ONE_SIGNATURE: Final = (VONAGE, SignatureScheme.MESSAGEBIRD, SignatureScheme.GITHUB)
KEYED: Final = tuple(scheme for scheme in SignatureScheme if scheme is not UNSIGNED)
SIGNABLE: Final = Signable("e1", "agent.created", "https://a.example/hooks?x=1", 1_700_000_000, b"{}")


def key_of(scheme: SignatureScheme, age: int = 0) -> SigningKey:
    """Return a key of a scheme. The larger its age, the older it is."""
    secret = new_key(scheme, Random(f"{scheme} {age}"))
    return SigningKey(f"key-{age}", secret, create_time_ms=1_000 - age, scheme=scheme)


def signed(*keys: SigningKey, signable: Signable = SIGNABLE) -> dict[str, str]:
    """Return the headers of a request whose scheme is that of the first key."""
    return dict(signature_headers(keys[0].scheme, keys, signable))


def signed_now(body: bytes = b"{}") -> Signable:
    """Verifiers read the real clock and allow five minutes."""
    return replace(SIGNABLE, timestamp_s=SystemClock().now_ms() // 1000, body=body)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["scheme"])
def test_vector_is_reproduced(vector: dict[str, Any]) -> None:
    """The figures come from outside: `origin` says which the scheme's own author published."""
    scheme = SignatureScheme(vector["scheme"])
    signable = Signable(
        event_id=vector.get("webhook_id", "e1"),
        event_type="agent.created",
        url=vector.get("url", "https://a.example/hooks"),
        timestamp_s=vector.get("timestamp", 1),
        body=vector["body"].encode(),
    )

    headers = signed(SigningKey("key-1", vector["signing_key"], 0, scheme=scheme), signable=signable)

    assert vector["headers"].items() <= headers.items()


def test_every_scheme_has_a_vector() -> None:
    """A scheme without figures from outside would be checked against itself only."""
    assert set(KEYED) == {vector["scheme"] for vector in VECTORS}


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (STANDARD, ["webhook-signature"]),
        (ED25519, ["webhook-signature"]),
        (VONAGE, ["Vonage-Signature"]),
        (SignatureScheme.MESSAGEBIRD, ["messagebird-signature", "messagebird-request-timestamp"]),
        (SignatureScheme.GITHUB, ["X-Hub-Signature-256", "X-GitHub-Event", "X-GitHub-Delivery"]),
        (STRIPE, ["Stripe-Signature"]),
    ],
)
def test_headers_of_each_scheme(scheme: SignatureScheme, expected: list[str]) -> None:
    """Behind the id and the time, in whole seconds, which come with all of them."""
    headers = signature_headers(scheme, [key_of(scheme)], SIGNABLE)

    assert (("webhook-id", "e1"), ("webhook-timestamp", "1700000000")) == headers[:2]
    assert expected == [name for name, _ in headers[2:]]


def test_unsigned_request_has_an_id_and_a_time() -> None:
    """A receiver drops duplicates by the one, and old requests by the other."""
    assert (("webhook-id", "e1"), ("webhook-timestamp", "1700000000")) == signature_headers(UNSIGNED, [], SIGNABLE)


@given(body=st.binary(max_size=200), age=st.integers(0, 1_000))
def test_verifiers_of_others_accept_every_signature(body: bytes, age: int) -> None:
    """What receivers install, and cryptography where there is no such library."""
    signable = signed_now(body)
    standard, ed25519, vonage, striped = (key_of(scheme, age) for scheme in (STANDARD, ED25519, VONAGE, STRIPE))

    verify_ed25519(ed25519, signed(ed25519, signable=signable), body)
    verify_vonage(vonage, signed(vonage, signable=signable), body)
    # These two take text.
    text = body.decode("latin-1")
    signable = signed_now(text.encode())
    Webhook(standard.secret).verify(text, signed(standard, signable=signable), json_parse=False)
    stripe.WebhookSignature.verify_header(
        text, signed(striped, signable=signable)["Stripe-Signature"], striped.secret, tolerance=300
    )


@pytest.mark.parametrize("scheme", [STANDARD, ED25519])
@pytest.mark.parametrize("change", ["webhook-id", "webhook-timestamp", "webhook-signature", "body"])
def test_verifiers_of_others_refuse_what_was_changed(scheme: SignatureScheme, change: str) -> None:
    """Id, time and body are all under the signature."""
    signable, key = signed_now(), key_of(scheme)
    request = signed(key, signable=signable) | {"body": "{}"}
    request[change] = {
        "webhook-id": "other",
        "webhook-timestamp": str(signable.timestamp_s + 1),
        "webhook-signature": signed(key_of(scheme, 1), signable=signable)["webhook-signature"],
        "body": "{} ",
    }[change]
    body = request.pop("body")

    with pytest.raises((WebhookVerificationError, InvalidSignature)):
        VERIFIERS[scheme](key, request, body.encode())


def test_messagebird_signs_the_url_that_is_requested() -> None:
    """With its query: a proxy that changes it is noticed."""
    key = key_of(SignatureScheme.MESSAGEBIRD)
    other = replace(SIGNABLE, url=SIGNABLE.url + "&y=2")

    assert signed(key)["messagebird-signature"] != signed(key, signable=other)["messagebird-signature"]


def test_github_names_the_type_and_the_delivery() -> None:
    """The same delivery at every attempt, so that a receiver can drop duplicates."""
    headers = signed(key_of(SignatureScheme.GITHUB))

    assert ("agent.created", "e1") == (headers["X-GitHub-Event"], headers["X-GitHub-Delivery"])


@pytest.mark.parametrize("secret", ["-----BEGIN PUBLIC KEY-----", "ssh-rsa AAAAB3Nza", "exactly 16 bytes"])
def test_vonage_secret_may_be_any_bytes(secret: str) -> None:
    """Short ones, and ones that libraries take for a public key by mistake."""
    key = SigningKey("key-1", base64.b64encode(secret.encode()).decode(), 0, scheme=VONAGE)

    assert 3 == len(signed(key)["Vonage-Signature"].removeprefix("Bearer ").split("."))


@pytest.mark.parametrize("scheme", [STANDARD, ED25519, STRIPE])
def test_each_key_signs_and_the_newest_comes_first(scheme: SignatureScheme) -> None:
    """During a rotation, receivers that know either key can verify; those that read one signature get the new one."""
    newest_first = [key_of(scheme, age) for age in range(3)]

    alone = [only_signature(signed(key)) for key in newest_first]

    for keys in permutations(newest_first):
        headers = signed(*keys)
        signatures = headers.get("webhook-signature", "").split() or headers["Stripe-Signature"].split(",")[1:]
        assert alone == signatures


@pytest.mark.parametrize("scheme", ONE_SIGNATURE)
def test_newest_key_alone_signs_where_one_signature_fits(scheme: SignatureScheme) -> None:
    """So the receiver changes over at once."""
    old, new = key_of(scheme, 1), key_of(scheme)

    assert signed(new) == signed(old, new) == signed(new, old)
    assert (new,) == keys_that_sign([old, new])


@pytest.mark.parametrize(("old", "new"), [(old, new) for old in KEYED for new in SignatureScheme if old is not new])
def test_each_key_signs_by_its_own_scheme(old: SignatureScheme, new: SignatureScheme) -> None:
    """While a rotation from one scheme to another goes on, receivers that know either can verify."""
    keys = [key_of(scheme, age) for age, scheme in enumerate((new, old)) if scheme is not UNSIGNED]
    expected: dict[str, str] = {}
    for alone in map(signed, keys):
        both = f"{expected.get('webhook-signature', '')} {alone.get('webhook-signature', '')}".strip()
        expected |= alone | ({"webhook-signature": both} if both else {})

    headers = dict(signature_headers(new, keys, SIGNABLE))

    assert expected == headers


def test_keys_of_one_moment_are_told_apart_by_their_ids() -> None:
    """So that each attempt has them in the same order."""
    one, two = replace(key_of(STANDARD), key_id="1"), replace(key_of(STANDARD), key_id="2")

    assert (two, one) == keys_that_sign([one, two]) == keys_that_sign([two, one])


@pytest.mark.parametrize("scheme", KEYED)
def test_signing_without_a_key_of_the_scheme_is_a_bug(scheme: SignatureScheme) -> None:
    """A request without a signature would look to a receiver like an attack."""
    others = [key_of(other) for other in KEYED if other is not scheme]

    for keys in ([], others):
        with pytest.raises(ValueError, match=f"{scheme} cannot sign without a key"):
            signature_headers(scheme, keys, SIGNABLE)


def test_repr_of_what_is_signed_shows_neither_body_nor_url() -> None:
    """Reprs end up in logs."""
    shown = repr(replace(SIGNABLE, body=b"hunter2", url="https://a.example/?token=hunter2"))

    assert "hunter2" not in shown


def only_signature(headers: dict[str, str]) -> str:
    return headers.get("webhook-signature") or headers["Stripe-Signature"].partition(",")[2]


def verify_standard(key: SigningKey, headers: dict[str, str], body: bytes) -> None:
    Webhook(key.secret).verify(body, headers, json_parse=False)


def verify_ed25519(key: SigningKey, headers: dict[str, str], body: bytes) -> None:
    """By the text of the Standard Webhooks specification: `v1a`, over id, time and body with full stops between."""
    version, signature = headers["webhook-signature"].split(",")
    assert "v1a" == version
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(key).removeprefix("whpk_")))
    public.verify(
        base64.b64decode(signature), f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    )


def verify_vonage(key: SigningKey, headers: dict[str, str], body: bytes) -> None:
    """PyJWT checks the signature and the times; the claim says what was sent."""
    token = headers["Vonage-Signature"].removeprefix("Bearer ")
    claims = jwt.decode(token, base64.b64decode(key.secret), algorithms=["HS256"], options={"require": ["exp", "iat"]})
    assert hashlib.sha256(body).hexdigest() == claims["payload_hash"]
    assert 300 == claims["exp"] - claims["iat"]


VERIFIERS: Final = {STANDARD: verify_standard, ED25519: verify_ed25519}
