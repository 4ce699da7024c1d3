"""The keys of the signature schemes: their forms, how one is made, and what is shown of one.

Pure: randomness is passed in. Nothing here puts a key into a message or a log.
"""

import base64
import binascii
import re
from random import Random
from typing import assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.domain.errors import InvalidField
from service.domain.model import SignatureScheme, SigningKey

_STANDARD_WEBHOOKS_PREFIX = "whsec_"
_STANDARD_WEBHOOKS_BYTES_MIN = 24
_STANDARD_WEBHOOKS_BYTES_MAX = 64
_PRIVATE_KEY_PREFIX = "whsk_"
_PUBLIC_KEY_PREFIX = "whpk_"
_SEED_BYTES = 32
_VONAGE_BYTES_MIN = 16
_VONAGE_BYTES_MAX = 64
_LITERAL_CHARACTERS_MIN = 8
_LITERAL_CHARACTERS_MAX = 256
_LITERAL = re.compile(rf"[\x20-\x7e]{{{_LITERAL_CHARACTERS_MIN},{_LITERAL_CHARACTERS_MAX}}}")
_STRIPE_PREFIX = "whsec_"
_NEW_KEY_BYTES = 32
_HINT_CHARACTERS = 4


def check_key(field: str, scheme: SignatureScheme, key: str) -> None:
    """Refuse a key that is not in the form of its scheme. Base64 is that of RFC 4648, section 4, with padding.

    STANDARD_WEBHOOKS: `whsec_` and base64 of 24 to 64 bytes. STANDARD_WEBHOOKS_ED25519: `whsk_` and base64 of a 32-byte
    seed, or of a seed and its 32-byte public key. VONAGE_JWT: base64 of 16 to 64 bytes. MESSAGEBIRD, GITHUB and STRIPE:
    8 to 256 characters of 0x20 to 0x7E. UNSIGNED: none, the empty string.

    Raises:
        InvalidField: with the form that is needed, and nothing of the key.
    """
    if not _is_in_form(scheme, key):
        raise InvalidField(field, f"must be {_form_of(scheme)}")


def new_key(scheme: SignatureScheme, rng: Random) -> str:
    """Return a new key of 32 random bytes in the form of its scheme; the empty string for UNSIGNED.

    Args:
        rng: where the secret comes from. Production passes `random.SystemRandom()`; a seeded one is for tests only.
    """
    secret = _base64(rng.randbytes(_NEW_KEY_BYTES))
    match scheme:
        case SignatureScheme.STANDARD_WEBHOOKS:
            return _STANDARD_WEBHOOKS_PREFIX + secret
        case SignatureScheme.STANDARD_WEBHOOKS_ED25519:
            return _PRIVATE_KEY_PREFIX + secret
        case SignatureScheme.STRIPE:
            return _STRIPE_PREFIX + secret
        case SignatureScheme.VONAGE_JWT | SignatureScheme.MESSAGEBIRD | SignatureScheme.GITHUB:
            return secret
        case SignatureScheme.UNSIGNED:
            return ""
        case _:
            assert_never(scheme)


def public_key(key: SigningKey) -> str:
    """Return `whpk_…` and the base64 of the public key for STANDARD_WEBHOOKS_ED25519; empty for every other scheme."""
    if key.scheme is not SignatureScheme.STANDARD_WEBHOOKS_ED25519:
        return ""
    return _PUBLIC_KEY_PREFIX + _base64(ed25519_key(key.secret).public_key().public_bytes_raw())


def shown_key(key: SigningKey) -> str:
    """Return what a receiver needs to verify: the shared secret, or the public key. A private key is never shown."""
    return public_key(key) or key.secret


def hint(key: SigningKey) -> str:
    """Return the last four characters of the shown key: enough to tell keys apart, too few to use one."""
    return shown_key(key)[-_HINT_CHARACTERS:]


def standard_webhooks_bytes(key: str) -> bytes:
    """Return the bytes that a `whsec_` key stands for; none at all if it is malformed."""
    return base64_bytes(key, prefix=_STANDARD_WEBHOOKS_PREFIX)


def ed25519_key(key: str) -> Ed25519PrivateKey:
    """Return the private key that a `whsk_` key in the right form stands for."""
    return Ed25519PrivateKey.from_private_bytes(base64_bytes(key, prefix=_PRIVATE_KEY_PREFIX)[:_SEED_BYTES])


def base64_bytes(key: str, *, prefix: str = "") -> bytes:
    """Return the bytes that stand in base64 behind a prefix; none at all if the key is malformed."""
    encoded = key.removeprefix(prefix)
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Python also decodes text with stray bits in its last character. Not every receiver does, so there is one spelling.
    return decoded if _base64(decoded) == encoded and key.startswith(prefix) else b""


def decoded_key(key: str) -> bytes:
    """Return the bytes that a key of any scheme stands for; none at all where it is the literal string."""
    for prefix in (_STANDARD_WEBHOOKS_PREFIX, _PRIVATE_KEY_PREFIX):
        if key.startswith(prefix):
            return base64_bytes(key, prefix=prefix)
    return base64_bytes(key)


def _is_in_form(scheme: SignatureScheme, key: str) -> bool:
    match scheme:
        case SignatureScheme.STANDARD_WEBHOOKS:
            return _STANDARD_WEBHOOKS_BYTES_MIN <= len(standard_webhooks_bytes(key)) <= _STANDARD_WEBHOOKS_BYTES_MAX
        case SignatureScheme.STANDARD_WEBHOOKS_ED25519:
            return _is_ed25519(base64_bytes(key, prefix=_PRIVATE_KEY_PREFIX))
        case SignatureScheme.VONAGE_JWT:
            return _VONAGE_BYTES_MIN <= len(base64_bytes(key)) <= _VONAGE_BYTES_MAX
        case SignatureScheme.MESSAGEBIRD | SignatureScheme.GITHUB | SignatureScheme.STRIPE:
            return _LITERAL.fullmatch(key) is not None
        case SignatureScheme.UNSIGNED:
            return not key
        case _:
            assert_never(scheme)


def _form_of(scheme: SignatureScheme) -> str:
    match scheme:
        case SignatureScheme.STANDARD_WEBHOOKS:
            return (
                f'"{_STANDARD_WEBHOOKS_PREFIX}" followed by the base64 (with padding) of '
                f"{_STANDARD_WEBHOOKS_BYTES_MIN} to {_STANDARD_WEBHOOKS_BYTES_MAX} bytes"
            )
        case SignatureScheme.STANDARD_WEBHOOKS_ED25519:
            return (
                f'"{_PRIVATE_KEY_PREFIX}" followed by the base64 (with padding) of a {_SEED_BYTES}-byte Ed25519 seed, '
                "or of a seed and the public key that belongs to it"
            )
        case SignatureScheme.VONAGE_JWT:
            return f"the base64 (with padding) of {_VONAGE_BYTES_MIN} to {_VONAGE_BYTES_MAX} bytes"
        case SignatureScheme.MESSAGEBIRD | SignatureScheme.GITHUB | SignatureScheme.STRIPE:
            return f"{_LITERAL_CHARACTERS_MIN} to {_LITERAL_CHARACTERS_MAX} characters of printable ASCII"
        case SignatureScheme.UNSIGNED:
            return "empty: UNSIGNED has no key"
        case _:
            assert_never(scheme)


def _is_ed25519(decoded: bytes) -> bool:
    if len(decoded) == _SEED_BYTES:
        return True
    return len(decoded) == 2 * _SEED_BYTES and decoded[_SEED_BYTES:] == _public_bytes(decoded[:_SEED_BYTES])


def _public_bytes(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
