"""Signature schemes: the keys they need, and what they add to a request.

Pure: time and randomness are passed in. Nothing here puts a key into a message or a log.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from random import Random
from typing import assert_never

from service.domain.errors import InvalidField
from service.domain.model import SignatureScheme, SigningKey

_STANDARD_WEBHOOKS_PREFIX = "whsec_"
_STANDARD_WEBHOOKS_BYTES_MIN = 24
_STANDARD_WEBHOOKS_BYTES_MAX = 64
_NEW_KEY_BYTES = 32


def check_key(field: str, scheme: SignatureScheme, key: str) -> None:
    """Refuse a key that is not in the form of its scheme.

    STANDARD_WEBHOOKS: `whsec_` and the standard base64 (RFC 4648, section 4, padded) of 24 to 64 bytes, as the
    Standard Webhooks specification says under "Signature scheme".

    Raises:
        InvalidField: with the form that is needed, and nothing of the key.
    """
    match scheme:
        case SignatureScheme.STANDARD_WEBHOOKS:
            _check_standard_webhooks_key(field, key)
        case _:
            assert_never(scheme)


def new_key(scheme: SignatureScheme, rng: Random) -> str:
    """Return a new key of 32 random bytes in the form of its scheme.

    Args:
        rng: where the secret comes from. Production passes `random.SystemRandom()`; a seeded one is for tests only.
    """
    match scheme:
        case SignatureScheme.STANDARD_WEBHOOKS:
            return _STANDARD_WEBHOOKS_PREFIX + base64.b64encode(rng.randbytes(_NEW_KEY_BYTES)).decode("ascii")
        case _:
            assert_never(scheme)


def signature_headers(
    scheme: SignatureScheme, keys: Sequence[SigningKey], *, webhook_id: str, timestamp_s: int, body: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the headers that let a receiver check who sent a request, and that nothing of it was changed.

    STANDARD_WEBHOOKS: `webhook-id`, `webhook-timestamp`, and `webhook-signature` with one signature per key, separated
    by spaces, the newest key's first.

    Args:
        keys: the keys that sign now, in any order, at least one.
        timestamp_s: when this attempt is made, in seconds since the Unix epoch.
    """
    match scheme:
        case SignatureScheme.STANDARD_WEBHOOKS:
            return _standard_webhooks_headers(keys, webhook_id=webhook_id, timestamp_s=timestamp_s, body=body)
        case _:
            assert_never(scheme)


def _check_standard_webhooks_key(field: str, key: str) -> None:
    if not _STANDARD_WEBHOOKS_BYTES_MIN <= len(_standard_webhooks_bytes(key)) <= _STANDARD_WEBHOOKS_BYTES_MAX:
        raise InvalidField(
            field,
            f'must be "{_STANDARD_WEBHOOKS_PREFIX}" followed by the base64 (with padding) of '
            f"{_STANDARD_WEBHOOKS_BYTES_MIN} to {_STANDARD_WEBHOOKS_BYTES_MAX} bytes",
        )


def _standard_webhooks_bytes(key: str) -> bytes:
    """Return the bytes that a key stands for; none at all if it is malformed."""
    encoded = key.removeprefix(_STANDARD_WEBHOOKS_PREFIX)
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Python also decodes text with stray bits in its last character. Not every receiver does, so there is one spelling.
    is_canonical = base64.b64encode(secret).decode("ascii") == encoded
    return secret if is_canonical and key.startswith(_STANDARD_WEBHOOKS_PREFIX) else b""


def _standard_webhooks_headers(
    keys: Sequence[SigningKey], *, webhook_id: str, timestamp_s: int, body: bytes
) -> tuple[tuple[str, str], ...]:
    if not keys:
        raise ValueError("STANDARD_WEBHOOKS cannot sign without a key")
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    newest_first = sorted(keys, key=lambda key: key.create_time_ms, reverse=True)
    return (
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(timestamp_s)),
        ("webhook-signature", " ".join(_standard_webhooks_signature(key, signed) for key in newest_first)),
    )


def _standard_webhooks_signature(key: SigningKey, signed: bytes) -> str:
    digest = hmac.digest(_standard_webhooks_bytes(key.secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode("ascii")
