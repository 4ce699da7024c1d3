"""Redaction: a receiver that repeats what it got makes nobody else's secret of what readers of attempts see."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Final

import pytest

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


def test_body_does_not_grow_beyond_what_is_kept() -> None:
    """The mask may be longer than the secret."""
    request = replace(REQUEST, headers=(("X-Small", "12345678"),))
    full = attempt_of((b"12345678" + b"." * 24) * (KEPT_BODY_BYTES_MAX // 32))

    kept = redact(full, request=request, keys=())

    assert (KEPT_BODY_BYTES_MAX, True) == (len(kept.response_body), kept.response_truncated)


@pytest.mark.parametrize(
    ("coding", "expected"), [("gzip", MASK.encode()), ("br", MASK.encode()), ("identity", b"\x1f\x8b")]
)
def test_compressed_body_is_not_kept(coding: str, expected: bytes) -> None:
    """Nobody asked for it, and what it holds cannot be searched."""
    answered = attempt_of(b"\x1f\x8b", ("Content-Encoding", coding))

    assert expected == redact(answered, request=REQUEST, keys=(KEY,)).response_body


def test_owner_with_more_secrets_than_can_be_searched_for_keeps_short_answers_only() -> None:
    """However they are cut into parts, which would take long itself."""
    request = replace(REQUEST, headers=tuple((f"X-{number}", "a," * 2_000) for number in range(32)))
    answered = attempt_of(b"no such thing", ("Server", "nginx"), ("ETag", "1"))

    kept = redact(answered, request=request, keys=(KEY,))

    assert (MASK.encode(), (("Server", "nginx"), ("ETag", "1"))) == (kept.response_body, kept.response_headers)


# What answers and the owner's values are made of, to be slow: hardly different, full of escapes, cut into parts.
UNITS: Final = (
    "a",
    "\\",
    "%41",
    "a/",
    "a\\/",
    "a%2F",
    "%61b",
    "\\u0041",
    "&lt;",
    "&#x2B;a",
    "abcdef/",
    "abcdefghijklmnopq,",
    "abcdef/..........",
)
SIZES: Final = ((32, 4_080), (1, 4_000), (32, 180), (25, 120), (10, 200), (32, 8))
ANSWERS: Final = ((0, 4_096), (1_000, 4_096), (8_000, 4_096))


def hostile() -> Iterator[tuple[Attempt, Request]]:
    """Yield answers with the requests that they answer, all within what may be sent and is kept."""
    for said, own, (count, characters), (header_bytes, body_bytes) in product(
        UNITS, ("a", "a/", "%41", "\\", "abcdef/"), SIZES, ANSWERS
    ):
        value = own * (characters // len(own))
        # Each different from the others, and where that is seen last.
        values = [f"{value[:-place]}{place % 10}{value[len(value) - place + 1 :]}" for place in range(1, count + 1)]
        headers = tuple((f"X-{number}", value) for number, value in enumerate(values))
        answered = attempt_of((said * body_bytes)[:body_bytes].encode(), ("X", (said * header_bytes)[:header_bytes]))
        yield (
            replace(answered, response_truncated=True),
            replace(REQUEST, url=f"https://a.example/{value[:1_000]}", headers=headers),
        )


def cpu_s(work: Callable[[], object]) -> float:
    """Return how much of the processor's time a work takes, when nothing comes between."""
    times = []
    for _ in range(3):
        started_s = time.thread_time()
        work()
        times.append(time.thread_time() - started_s)
    return min(times)


def test_no_answer_takes_long_to_redact() -> None:
    """While one is searched everybody waits: so little as to look for a hundred short words in one text, or so."""
    text = "a" * KEPT_BODY_BYTES_MAX
    plain_s = cpu_s(lambda: [text.find("aaaab") for _ in range(100)])

    worst_s = max(cpu_s(partial(redact, answered, request=request, keys=(KEY,))) for answered, request in hostile())

    assert worst_s < 5 * plain_s
