"""Masking: what looks like a secret is masked wherever it stands, and what only sounds like one is not."""

from typing import Final

import pytest

from service.domain.errors import CallerError, InvalidField, ResourceNotFound
from service.domain.masking import masked

BASE64: Final = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw/+A="
KEY: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no tdg_0199c3e2_c2VjcmV0LXNlY3JldA- here", "no tdg_[redacted] here"),
        (f"whsec_{BASE64}.", "whsec_[redacted]"),
        (f'{{"key":"whsk_{BASE64}"}}', '{"key":"whsk_[redacted]"}'),
        ("authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "authorization: Bearer [redacted]"),
        ("authorization: bearer 0123456789abcdef", "authorization: bearer [redacted]"),
        ("AUTHORIZATION: BEARER 0123456789ABCDEF", "AUTHORIZATION: BEARER [redacted]"),
        ("authorization: BeArEr 0123456789abcdef", "authorization: BeArEr [redacted]"),
        (f"the keyring k1:{KEY} cannot be read", "the keyring k1:[redacted] cannot be read"),
        (f'{{"error":"a-b.c_d:{KEY}\\nk2:{KEY}"}}', '{"error":"a-b.c_d:[redacted]\\nk2:[redacted]"}'),
        ("postgresql://tidings:hunter2@db/tidings", "postgresql://[redacted]@db/tidings"),
        (f"two: whsec_{BASE64} tdg_a_b", "two: whsec_[redacted] tdg_[redacted]"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, expected: str) -> None:
    """Its beginning stays: it says what it was. Masked again, it stays as it is."""
    assert expected == masked(text)
    assert expected == masked(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rpc.finished",
        'must be "whsec_" followed by the base64 (with padding) of 24 to 64 bytes',
        "authorization: Bearer <token>",
        "a Bearer token is required",
        "the bearer of bad news",
        "https://example.com/path?x=1 was told a@b",
        "mail to ops@example.com",
        f'{{"public_key":"{KEY}","state":"ok"}}',
        f"k1:{KEY[:-2]}",
        f"k1:{KEY[:-1]}A=",
        f"sha256-{KEY}, v1,{KEY}",
        f"https://example.com/{KEY}",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Sentences about secrets must stay readable."""
    assert text == masked(text)


@pytest.mark.parametrize(
    "error",
    [
        InvalidField(f'headers["whsec_{BASE64}"]', f"must not be whsec_{BASE64}"),
        ResourceNotFound("subscription", f"organizations/acme/workspaces/main/subscriptions/whsec_{BASE64}"),
    ],
)
def test_error_masks_a_secret_that_was_put_into_another_field(error: CallerError) -> None:
    """In everything that becomes a part of the answer, and in what a log would say of it."""
    assert BASE64 not in repr([vars(error), str(error), error])
    assert "whsec_[redacted]" in error.message
