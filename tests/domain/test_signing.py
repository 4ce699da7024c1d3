"""Signing keys: their forms, how new ones are made, and what is shown of one."""

import base64
import json
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.model import SignatureScheme, SigningKey
from service.domain.signing import check_key, hint, new_key, public_key, shown_key

VECTORS: Final = json.loads((Path(__file__).parent.parent / "vectors" / "signatures.json").read_text())["vectors"]
STANDARD: Final = SignatureScheme.STANDARD_WEBHOOKS
ED25519: Final = SignatureScheme.STANDARD_WEBHOOKS_ED25519
VONAGE: Final = SignatureScheme.VONAGE_JWT
LITERAL: Final = (SignatureScheme.MESSAGEBIRD, SignatureScheme.GITHUB, SignatureScheme.STRIPE)
KEYED: Final = tuple(scheme for scheme in SignatureScheme if scheme is not SignatureScheme.UNSIGNED)

FORMS: Final = {
    STANDARD: '"whsec_" followed by the base64 (with padding) of 24 to 64 bytes',
    ED25519: (
        '"whsk_" followed by the base64 (with padding) of a 32-byte Ed25519 seed, or of a seed and the public key that '
        "belongs to it"
    ),
    VONAGE: "the base64 (with padding) of 16 to 64 bytes",
    **dict.fromkeys(LITERAL, "8 to 256 characters of printable ASCII"),
    SignatureScheme.UNSIGNED: "empty: UNSIGNED has no key",
}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pair(seed: bytes) -> bytes:
    """Return a seed and its public key, as libraries in other languages keep them."""
    return seed + Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def key_of(scheme: SignatureScheme, secret: str) -> SigningKey:
    return SigningKey("key-1", secret, 0, scheme=scheme)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["scheme"])
def test_key_of_a_vector_is_accepted(vector: dict[str, Any]) -> None:
    """As the schemes' own documents spell them."""
    check_key("signing_key", SignatureScheme(vector["scheme"]), vector["signing_key"])


@given(st.integers())
def test_new_key_is_in_the_form_of_its_scheme(seed: int) -> None:
    """What is made here passes the check for what callers bring, and holds 32 bytes."""
    for scheme in SignatureScheme:
        check_key("signing_key", scheme, new_key(scheme, Random(seed)))
    for scheme in KEYED:
        secret = new_key(scheme, Random(seed)).removeprefix("whsec_").removeprefix("whsk_")
        assert 32 == len(base64.b64decode(secret, validate=True))


def test_unsigned_gets_no_key() -> None:
    """There is nothing to sign with."""
    assert "" == new_key(SignatureScheme.UNSIGNED, Random(1))


@pytest.mark.parametrize("scheme", KEYED)
def test_new_keys_differ(scheme: SignatureScheme) -> None:
    """As production draws them."""
    rng = SystemRandom()

    assert 100 == len({new_key(scheme, rng) for _ in range(100)})


@given(st.binary(min_size=24, max_size=64))
def test_shared_secret_of_24_to_64_bytes_is_accepted(secret: bytes) -> None:
    """The range of the Standard Webhooks specification."""
    check_key("signing_key", STANDARD, "whsec_" + encoded(secret))


@given(st.binary(min_size=16, max_size=64))
def test_vonage_secret_of_16_to_64_bytes_is_accepted(secret: bytes) -> None:
    """Without a prefix."""
    check_key("signing_key", VONAGE, encoded(secret))


@given(st.binary(min_size=32, max_size=32))
def test_ed25519_key_is_a_seed_or_a_seed_with_its_public_key(seed: bytes) -> None:
    """Both stand for the same key."""
    short, long = ("whsk_" + encoded(form) for form in (seed, pair(seed)))

    for key in (short, long):
        check_key("signing_key", ED25519, key)
    assert public_key(key_of(ED25519, short)) == public_key(key_of(ED25519, long))


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=8, max_size=256))
def test_literal_key_is_any_printable_ascii(key: str) -> None:
    """It is used as it is, prefix and padding included."""
    for scheme in LITERAL:
        check_key("signing_key", scheme, key)


@pytest.mark.parametrize(
    ("scheme", "key"),
    [
        (STANDARD, ""),
        (STANDARD, "whsec_"),
        (STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (STANDARD, "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (STANDARD, "whsec_" + encoded(bytes(23))),
        (STANDARD, "whsec_" + encoded(bytes(65))),
        (STANDARD, "whsec_" + encoded(bytes(32)).rstrip("=")),
        (STANDARD, "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode()),
        (STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
        (STANDARD, " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\u00e9"),
        (STANDARD, "whsec_whsec_" + encoded(bytes(24))),
        # Stray bits in the last character: decodes in Python, not in every language.
        (STANDARD, "whsec_" + encoded(bytes(25)).replace("A==", "B==")),
        (STANDARD, "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="),
        (ED25519, ""),
        (ED25519, "whsk_"),
        (ED25519, "whsk_" + encoded(bytes(31))),
        (ED25519, "whsk_" + encoded(bytes(33))),
        (ED25519, "whsk_" + encoded(bytes(63))),
        # A public key that is another's: signatures by it could give the private one away.
        (ED25519, "whsk_" + encoded(bytes(64))),
        (ED25519, "whsk_" + encoded(pair(bytes(32)) + bytes(1))),
        (ED25519, "whpk_" + encoded(bytes(32))),
        (ED25519, encoded(bytes(32))),
        (ED25519, "whsec_" + encoded(bytes(32))),
        (VONAGE, ""),
        (VONAGE, encoded(bytes(15))),
        (VONAGE, encoded(bytes(65))),
        (VONAGE, encoded(bytes(16)).rstrip("=")),
        (VONAGE, encoded(bytes(16)) + "\n"),
        (VONAGE, "not base64 at all, but long"),
        *((scheme, "7 chars") for scheme in LITERAL),
        *((scheme, "x" * 257) for scheme in LITERAL),
        *((scheme, "tab\tinside") for scheme in LITERAL),
        *((scheme, "line ending\n") for scheme in LITERAL),
        *((scheme, "caf\u00e9 caf\u00e9") for scheme in LITERAL),
        *((scheme, "x" * 8 + "\x7f") for scheme in LITERAL),
        (SignatureScheme.UNSIGNED, "x"),
        (SignatureScheme.UNSIGNED, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ],
)
def test_key_in_another_form_is_refused_without_being_shown(scheme: SignatureScheme, key: str) -> None:
    """A mistyped secret is still a secret."""
    with pytest.raises(InvalidField) as caught:
        check_key("signing_key", scheme, key)

    assert f"signing_key: must be {FORMS[scheme]}" == caught.value.message


def test_private_key_is_never_shown() -> None:
    """The receiver verifies with the public one, which stands at the end of the published vector's key."""
    [vector] = [vector for vector in VECTORS if vector["scheme"] == ED25519]
    key = key_of(ED25519, vector["signing_key"])
    published = base64.b64decode(vector["signing_key"].removeprefix("whsk_"))[32:]

    assert "whpk_" + encoded(published) == public_key(key) == shown_key(key)
    assert shown_key(key)[-4:] == hint(key)


@pytest.mark.parametrize("scheme", [scheme for scheme in SignatureScheme if scheme is not ED25519])
def test_shared_secret_is_shown_as_it_is(scheme: SignatureScheme) -> None:
    """There is no public key to it, and its hint is how it ends."""
    secret = new_key(scheme, Random(1))

    assert ("", secret, secret[-4:]) == tuple(show(key_of(scheme, secret)) for show in (public_key, shown_key, hint))
