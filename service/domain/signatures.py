"""Signature schemes: what keys add to a request.

Each key signs by its own scheme, so during a rotation from one scheme to another a request carries both. Pure: time is
passed in. Nothing here puts a key into a message or a log.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from service.domain.model import SignatureScheme, SigningKey
from service.domain.signing import base64_bytes, ed25519_key, standard_webhooks_bytes

_JWT_LIFETIME_S = 300
# Their headers hold one signature.
_ONE_KEY_SCHEMES = (SignatureScheme.VONAGE_JWT, SignatureScheme.MESSAGEBIRD, SignatureScheme.GITHUB)
_JWT_HEADER = b'{"alg":"HS256","typ":"JWT"}'

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Signable:
    """What is signed: a request before it has its signatures.

    `url` is the URL that is requested, byte for byte. `timestamp_s` is when the attempt is made, in seconds since the
    Unix epoch.
    """

    event_id: str
    event_type: str
    url: str = field(repr=False)
    timestamp_s: int
    body: bytes = field(repr=False)


def keys_that_sign(keys: Sequence[SigningKey]) -> tuple[SigningKey, ...]:
    """Return the keys that a request can carry the signatures of, newest first.

    The headers of VONAGE_JWT, MESSAGEBIRD and GITHUB hold one signature, so of their keys only the newest signs.
    """
    signing: list[SigningKey] = []
    for key in sorted(keys, key=lambda key: (key.create_time_ms, key.key_id), reverse=True):
        if key.scheme not in _ONE_KEY_SCHEMES or all(each.scheme is not key.scheme for each in signing):
            signing.append(key)
    return tuple(signing)


def signature_headers(scheme: SignatureScheme, keys: Sequence[SigningKey], signable: Signable) -> tuple[Header, ...]:
    """Return the headers that let a receiver check who sent a request, and that nothing of it was changed.

    `webhook-id` and `webhook-timestamp` come with every scheme, also with UNSIGNED. Then the headers of each scheme of
    which there is a key, newest first; where they hold several signatures, the newest key's comes first.

    Args:
        scheme: the scheme in force, of which there must be a key unless it is UNSIGNED.
        keys: the keys that sign now, in any order.
    """
    signing = keys_that_sign(keys)
    by_scheme: dict[SignatureScheme, list[SigningKey]] = {}
    for key in signing:
        by_scheme.setdefault(key.scheme, []).append(key)
    if scheme is not SignatureScheme.UNSIGNED and scheme not in by_scheme:
        raise ValueError(f"{scheme} cannot sign without a key")
    always = (("webhook-id", signable.event_id), ("webhook-timestamp", str(signable.timestamp_s)))
    return (*always, *_standard_webhooks(signing, signable), *_others(by_scheme, signable))


def _others(by_scheme: Mapping[SignatureScheme, Sequence[SigningKey]], signable: Signable) -> list[Header]:
    return [
        header
        for scheme, keys in by_scheme.items()
        if scheme in _HEADERS
        for header in _HEADERS[scheme]([key.secret for key in keys], signable)
    ]


def _standard_webhooks(keys: Sequence[SigningKey], signable: Signable) -> list[Header]:
    """`v1,` and `v1a,` side by side in one header: Standard Webhooks, "Signature scheme" and "Multiple signatures"."""
    keys = [key for key in keys if key.scheme in _STANDARD_WEBHOOKS_SIGNATURES]
    if not keys:
        return []
    signed = f"{signable.event_id}.{signable.timestamp_s}.".encode() + signable.body
    signatures = (_STANDARD_WEBHOOKS_SIGNATURES[key.scheme](key.secret, signed) for key in keys)
    return [("webhook-signature", " ".join(signatures))]


def _hmac_sha256(key: bytes, signed: bytes) -> bytes:
    # Not hmac.digest, which lets go of the GIL, however short the text, and waits for its turn to have it back.
    return hmac.new(key, signed, "sha256").digest()


def _hmac_signature(secret: str, signed: bytes) -> str:
    return "v1," + _base64(_hmac_sha256(standard_webhooks_bytes(secret), signed))


def _ed25519_signature(secret: str, signed: bytes) -> str:
    return "v1a," + _base64(ed25519_key(secret).sign(signed))


def _vonage_jwt(secrets: Sequence[str], signable: Signable) -> list[Header]:
    """A JWT (RFC 7519) by HS256 over the hash of the body: Vonage, "Signed webhooks"."""
    # Not by PyJWT: it warns of keys under 32 bytes, and fails for those that look like PEM. Both are keys here.
    claims = {
        "iat": signable.timestamp_s,
        "exp": signable.timestamp_s + _JWT_LIFETIME_S,
        "payload_hash": hashlib.sha256(signable.body).hexdigest(),
    }
    signed = _base64url(_JWT_HEADER) + b"." + _base64url(orjson.dumps(claims))
    token = signed + b"." + _base64url(_hmac_sha256(base64_bytes(secrets[0]), signed))
    return [("Vonage-Signature", "Bearer " + token.decode("ascii"))]


def _messagebird(secrets: Sequence[str], signable: Signable) -> list[Header]:
    """HMAC over time, URL and the body's hash, a line each: Bird, "Verifying a webhook subscription"."""
    timestamp = str(signable.timestamp_s)
    signed = f"{timestamp}\n{signable.url}\n".encode() + hashlib.sha256(signable.body).digest()
    return [
        ("messagebird-signature", _base64(_literal_digest(secrets[0], signed))),
        ("messagebird-request-timestamp", timestamp),
    ]


def _github(secrets: Sequence[str], signable: Signable) -> list[Header]:
    """HMAC over the body alone: GitHub, "Validating webhook deliveries"."""
    return [
        ("X-Hub-Signature-256", "sha256=" + _literal_digest(secrets[0], signable.body).hex()),
        ("X-GitHub-Event", signable.event_type),
        ("X-GitHub-Delivery", signable.event_id),
    ]


def _stripe(secrets: Sequence[str], signable: Signable) -> list[Header]:
    """HMAC over time and body, a `v1` for each key: Stripe, "Verify webhook signatures manually"."""
    signed = f"{signable.timestamp_s}.".encode() + signable.body
    signatures = (f"v1={_literal_digest(secret, signed).hex()}" for secret in secrets)
    return [("Stripe-Signature", ",".join((f"t={signable.timestamp_s}", *signatures)))]


def _literal_digest(secret: str, signed: bytes) -> bytes:
    return _hmac_sha256(secret.encode("ascii"), signed)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _base64url(data: bytes) -> bytes:
    """RFC 7515, section 2: with the alphabet for URLs and without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_STANDARD_WEBHOOKS_SIGNATURES: Mapping[SignatureScheme, Callable[[str, bytes], str]] = {
    SignatureScheme.STANDARD_WEBHOOKS: _hmac_signature,
    SignatureScheme.STANDARD_WEBHOOKS_ED25519: _ed25519_signature,
}
_HEADERS: Mapping[SignatureScheme, Callable[[Sequence[str], Signable], list[Header]]] = {
    SignatureScheme.VONAGE_JWT: _vonage_jwt,
    SignatureScheme.MESSAGEBIRD: _messagebird,
    SignatureScheme.GITHUB: _github,
    SignatureScheme.STRIPE: _stripe,
}
