"""What of an attempt may be kept: not the secrets that a receiver has sent back.

A receiver gets secrets with each request: API key, headers, signature, perhaps a URL with a token in it. Some repeat
what they got in their answer, which is stored and shown to whoever may read attempts. Which values these are is said
here, and how they are found in `echoes`. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final
from urllib.parse import unquote

from service.domain.echoes import SECRET_CHARACTERS_MIN, all_masked, without_echoes
from service.domain.masking import MASK
from service.domain.model import Attempt, SigningKey
from service.domain.outcomes import KEPT_BODY_BYTES_MAX, Request
from service.domain.signing import decoded_key

# Paths and values have words in them, such as "webhooks"; a token is longer.
_PART_CHARACTERS_MIN: Final = 16
# Of one value or URL.
_PARTS_MAX: Final = 16
# Of all values together. HTTP servers refuse headers that are not much longer.
_VALUE_CHARACTERS_MAX: Final = 8 * 1024

# What is sent that is no secret. All other headers of a request are, so that a new one is until somebody thinks of it.
_KNOWN_TO_ALL: Final = frozenset(
    {
        "accept",
        "accept-language",
        "cache-control",
        "content-type",
        "messagebird-request-timestamp",
        "tidings-attempt",
        "tidings-test",
        "webhook-id",
        "webhook-timestamp",
        "x-github-delivery",
        "x-github-event",
    }
)
# Credentials of the receiver's own. WWW-Authenticate is none: it says what is missing, and whoever asks is told.
_CREDENTIALS: Final = frozenset(
    {
        "authentication-info",
        "authorization",
        "cookie",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "set-cookie",
        "set-cookie2",
    }
)

_URL_TARGET: Final = re.compile(r"https?://[^/?]*(.*)")
_BETWEEN_PARTS: Final = re.compile(r"[/?&=;]")
# Between the signatures of a header, and between a scheme and its credential.
_BETWEEN_VALUES: Final = re.compile(r'[\s,;="]+')

Header = tuple[str, str]


def redact(attempt: Attempt, *, request: Request, keys: Sequence[SigningKey]) -> Attempt:
    """Return an attempt with `[redacted]` in the place of every secret that its request carried.

    That is: the values of the API key, of the owner's headers and of signatures, and path and query of the URL, where
    they have 8 characters (parts of the URL: 16) or more, and the signing keys themselves, as they are or escaped as
    in JSON, HTML or a URL. Of the headers of the same names, and of those with which a receiver gives credentials away,
    such as Set-Cookie, nothing is kept but the name. A compressed body, which nobody asked for, is not kept, and of an
    answer that takes long to search only names and status are.

    Args:
        request: what was sent.
        keys: all keys of the subscription.
    """
    if not (attempt.response_headers or attempt.response_body):
        return attempt
    *values, body = _texts(attempt, request, keys)
    names = [name for name, _ in attempt.response_headers]
    hidden = _CREDENTIALS.union(name.lower() for name, _ in _secret_headers(request))
    return replace(
        attempt,
        response_headers=tuple(
            (name, MASK if name.lower() in hidden else value) for name, value in zip(names, values, strict=True)
        ),
        response_body=body.encode("latin-1")[:KEPT_BODY_BYTES_MAX],
        response_truncated=attempt.response_truncated or len(body) > KEPT_BODY_BYTES_MAX,
    )


def _texts(attempt: Attempt, request: Request, keys: Sequence[SigningKey]) -> list[str]:
    """Return the values of an answer's headers, and its body, without secrets."""
    is_compressed = attempt.response_body and _is_compressed(attempt.response_headers)
    body = MASK if is_compressed else attempt.response_body.decode("latin-1")
    texts = [*(value for _, value in attempt.response_headers), body]
    if sum(len(value) for _, value in _secret_headers(request)) > _VALUE_CHARACTERS_MAX:
        return all_masked(texts)
    return without_echoes(texts, _secrets(request, keys), is_cut=attempt.response_truncated)


def _is_compressed(headers: Sequence[Header]) -> bool:
    return any(name.lower() == "content-encoding" and value.lower() != "identity" for name, value in headers)


def _secrets(request: Request, keys: Sequence[SigningKey]) -> set[str]:
    """Return all that must not be found: text of one character for each byte."""
    found = set(_of_url(request.url))
    for _, value in _secret_headers(request):
        found.update(_of_value(value))
    for key in keys:
        found.update(_of_key(key.secret))
    return {secret for secret in found if len(secret) >= SECRET_CHARACTERS_MIN}


def _secret_headers(request: Request) -> Iterator[Header]:
    for name, value in request.headers:
        lower_name = name.lower()
        if lower_name not in _KNOWN_TO_ALL and not lower_name.startswith("ce-"):
            yield lower_name, value


def _of_value(value: str) -> Iterator[str]:
    yield value
    yield from _long_enough(_BETWEEN_VALUES.split(value))


def _of_url(url: str) -> Iterator[str]:
    found = _URL_TARGET.fullmatch(url)
    if found is None or len(found[1]) < _PART_CHARACTERS_MIN:
        return
    yield found[1]
    for part in _long_enough(_BETWEEN_PARTS.split(found[1])):
        yield part
        yield unquote(part, "latin-1")


def _of_key(secret: str) -> Iterator[str]:
    yield secret
    decoded = decoded_key(secret)
    if len(decoded) >= SECRET_CHARACTERS_MIN:
        yield secret.rpartition("_")[2]
        yield decoded.decode("latin-1")
        yield decoded.hex()
        yield decoded.hex().upper()


def _long_enough(parts: Iterable[str]) -> Iterator[str]:
    return islice((part for part in parts if len(part) >= _PART_CHARACTERS_MIN), _PARTS_MAX)
