"""Redaction: a receiver that repeats what it got makes nobody else's secret of what readers of attempts see."""

import base64
import json
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.masking import MASK
from service.domain.model import Attempt, AttemptOutcome, SignatureScheme, SigningKey
from service.domain.outcomes import KEPT_BODY_BYTES_MAX, Request
from service.domain.redaction import redact
from service.domain.signatures import Signable, signature_headers
from service.domain.signing import new_key
from tests.fakes import NOW_MS, SECRET

API_KEY: Final = 'sk/live+0123"4567<89>&\\abc'
OWN: Final = "tenant=blue-17"
KEY: Final = SigningKey("key-1", SECRET, NOW_MS)
TARGET: Final = "/services/T0001/abcdefghijklmnop?token=qrstuvwxyz%2F0123"
HEADERS: Final = (("X-Tenant", OWN), ("X-API-Key", API_KEY), ("webhook-id", "event-1"), ("content-type", "text/plain"))
REQUEST: Final = Request(f"https://hooks.example.com{TARGET}", HEADERS, b"", 15.0)


def attempt_of(body: bytes = b"", *headers: tuple[str, str], is_cut: bool = False) -> Attempt:
    """Return an attempt that was answered so."""
    return Attempt(1, AttemptOutcome.REJECTED, NOW_MS, 5, 400, headers, body, is_cut)


def body_after(body: bytes, request: Request = REQUEST, *, is_cut: bool = False) -> bytes:
    """Return what is kept of a response's body."""
    return redact(attempt_of(body, is_cut=is_cut), request=request, keys=(KEY,)).response_body


def php(text: str) -> str:
    """Return JSON as PHP writes it."""
    return json.dumps(text).replace("/", "\\/")


def go(text: str) -> str:
    """Return JSON as Go writes it."""
    return json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def dot_net(text: str) -> str:
    """Return JSON as .NET writes it."""
    return go(text).replace("+", "\\u002B").replace('\\"', "\\u0022")


def html(text: str) -> str:
    """Return text as it stands on a page."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&#34;")
        .replace("+", "&#x2B;")
    )


@pytest.mark.parametrize(
    "spelled",
    [str, json.dumps, php, go, dot_net, html, quote, lambda text: quote(quote(text)), lambda text: php(php(text))],
    ids=["as it is", "JSON", "PHP", "Go", ".NET", "HTML", "percent", "percent twice", "JSON in JSON"],
)
def test_api_key_is_redacted_however_the_receiver_writes_it(spelled: Any) -> None:
    """All but the secret stays, byte for byte."""
    text = spelled(API_KEY)
    opening, closing = text[: text.index("sk")], text[text.index("abc") + 3 :]

    kept = body_after(f"<\\\\ got %41 \xe9 {text} &amp; more".encode("latin-1"))

    assert f"<\\\\ got %41 \xe9 {opening}{MASK}{closing} &amp; more".encode("latin-1") == kept


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        SECRET.removeprefix("whsec_"),
        base64.b64decode(SECRET.removeprefix("whsec_")).decode("latin-1"),
        base64.b64decode(SECRET.removeprefix("whsec_")).hex(),
        base64.b64decode(SECRET.removeprefix("whsec_")).hex().upper(),
        OWN,
        TARGET,
        "abcdefghijklmnop",
        "qrstuvwxyz%2F0123",
        "qrstuvwxyz/0123",
    ],
)
def test_every_secret_of_a_request_is_redacted(secret: str) -> None:
    """Signing keys and their bytes, the owner's headers, path and query of the URL and what is long in them."""
    assert b"before " + MASK.encode() + b" after" == body_after(f"before {secret} after".encode("latin-1"))


@pytest.mark.parametrize("scheme", [scheme for scheme in SignatureScheme if scheme is not SignatureScheme.UNSIGNED])
def test_signatures_are_redacted_whole_and_by_themselves(scheme: SignatureScheme, rng: Any) -> None:
    """With one, somebody else could send what we sent."""
    key = SigningKey("key-1", new_key(scheme, rng), NOW_MS, scheme=scheme)
    signed = signature_headers(scheme, [key], Signable("event-1", "a.b", REQUEST.url, 1_795_167_000, b"{}"))
    values = [value for name, value in signed if "signature" in name.lower()]
    request = replace(REQUEST, headers=signed)

    kept = redact(attempt_of(json.dumps(dict(signed)).encode(), *signed), request=request, keys=(key,))

    assert 1 == len(values)
    for secret in (values[0], values[0].replace("=", ",").replace(" ", ",").split(",")[-1] or values[0]):
        assert secret not in repr((kept.response_body, kept.response_headers))
    assert ("webhook-id", "event-1") in kept.response_headers


def test_headers_of_the_same_names_and_credentials_keep_their_names_only() -> None:
    """However short or changed their values are, and whatever case the names have."""
    given = (
        ("x-api-key", "k"),
        ("Set-Cookie", "session=1"),
        ("WWW-Authenticate", 'Bearer realm="x"'),
        ("Retry-After", "5"),
    )

    kept = redact(attempt_of(b"", *given), request=REQUEST, keys=(KEY,)).response_headers

    assert (("x-api-key", MASK), ("Set-Cookie", MASK), given[2], given[3]) == kept


def test_secret_in_the_value_of_another_header_is_redacted() -> None:
    """A redirect to the same place over TLS is the usual case."""
    location = f"https://hooks.example.com:8443{TARGET}"

    kept = redact(attempt_of(b"", ("Location", location)), request=REQUEST, keys=(KEY,)).response_headers

    assert (("Location", f"https://hooks.example.com:8443{MASK}"),) == kept


def test_answer_without_secrets_stays_as_it_is() -> None:
    """Whatever else is in it: short values, names of our headers, escapes."""
    request = replace(REQUEST, headers=(*HEADERS, ("X-Short", "secret"), ("Accept", "application/json")))
    plain = attempt_of(
        b'{"x-short": "secret \\u0041 %41 &lt; \\\\"}', ("Date", "now"), ("content-type", "application/json")
    )

    assert plain == redact(plain, request=request, keys=(KEY,))


def test_attempt_without_an_answer_is_not_looked_at() -> None:
    """The usual one of a receiver that is down."""
    unanswered = Attempt(1, AttemptOutcome.TIMED_OUT, NOW_MS, 5, error="no response within 15 s")

    assert unanswered is redact(unanswered, request=REQUEST, keys=(KEY,))


@pytest.mark.parametrize("spelled", [str, php])
@pytest.mark.parametrize("kept_characters", [8, 12, len(API_KEY) - 1])
def test_beginning_of_a_secret_at_the_end_of_a_cut_body_is_redacted(spelled: Any, kept_characters: int) -> None:
    """What is kept of a body ends somewhere; escapes are undone before it is compared."""
    beginning = spelled(API_KEY[:kept_characters]).strip('"').rstrip("\\")

    assert b"got " + MASK.encode() == body_after(f"got {beginning}".encode(), is_cut=True)
    assert f"got {beginning}".encode() == body_after(f"got {beginning}".encode())


def test_body_does_not_grow_beyond_what_is_kept() -> None:
    """The mask may be longer than the secret."""
    request = replace(REQUEST, headers=(("X-Small", "12345678"),))
    full = attempt_of(b"12345678" * (KEPT_BODY_BYTES_MAX // 8))

    kept = redact(full, request=request, keys=())

    assert (KEPT_BODY_BYTES_MAX, True) == (len(kept.response_body), kept.response_truncated)


@pytest.mark.parametrize(
    ("coding", "expected"), [("gzip", MASK.encode()), ("br", MASK.encode()), ("identity", b"\x1f\x8b")]
)
def test_compressed_body_is_not_kept(coding: str, expected: bytes) -> None:
    """Nobody asked for it, and what it holds cannot be searched."""
    answered = attempt_of(b"\x1f\x8b", ("Content-Encoding", coding))

    assert expected == redact(answered, request=REQUEST, keys=(KEY,)).response_body


VISIBLE: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@given(
    value=VISIBLE,
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    spell=st.sampled_from([str, json.dumps, php]),
)
def test_any_value_is_found_between_any_bytes(value: str, before: bytes, after: bytes, spell: Any) -> None:
    """Nothing that comes before or after hides it."""
    assume(value not in MASK)
    request = replace(REQUEST, headers=(("X-Any", value),))
    text = spell(value)[1:-1] if spell is not str else value
    assume(not before.endswith(b"\\") and not before.endswith(b"%") and b"&" not in before[-8:])

    kept = body_after(before + text.encode() + after, request)

    assert MASK.encode() in kept
    assert value.encode() not in kept.replace(MASK.encode(), b"")


@given(value=VISIBLE, kept_characters=st.integers(min_value=8, max_value=60))
def test_no_beginning_of_any_value_is_left_at_a_cut(value: str, kept_characters: int) -> None:
    """Wherever it is cut, eight characters or more of a secret are too many."""
    assume(value[:8] not in MASK)
    request = replace(REQUEST, headers=(("X-Any", value),))

    kept = body_after(b"x " + value[:kept_characters].encode(), request, is_cut=True)

    assert value[:8].encode() not in kept
