"""What of an attempt may be kept: not the secrets that a receiver has sent back.

A receiver gets secrets with each request: API key, headers, signature, perhaps a URL with a token in it. Some repeat
what they got in their answer, which is stored and shown to whoever may read attempts. Pure.
"""

import html
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final
from urllib.parse import unquote

from service.domain.masking import MASK
from service.domain.model import Attempt, SigningKey
from service.domain.outcomes import KEPT_BODY_BYTES_MAX, Request
from service.domain.signing import decoded_key

SECRET_CHARACTERS_MIN: Final = 8
"""Shorter values are not looked for in texts: they would be found by accident, and are no secrets to rely on."""

# Paths and values have words in them, such as "webhooks"; a token is longer.
_PART_CHARACTERS_MIN: Final = 16
# Of one value or URL, so that nobody can make this a long search.
_PARTS_MAX: Final = 16

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
_NEVER_ESCAPED: Final = re.compile(r"[A-Za-z0-9]+")
# As in JSON, in a URL, in HTML. A character that is escaped twice is unescaped twice.
_ESCAPE: Final = re.compile(
    r"\\u00(?P<json>[0-9A-Fa-f]{2})|\\(?P<itself>[^\w\s])|%(?P<url>[0-9A-Fa-f]{2})"
    r"|&(?:#x(?P<hexadecimal>[0-9A-Fa-f]{2})|#(?P<decimal>[0-9]{2})|(?P<name>amp|lt|gt|quot));"
)
_ESCAPE_SIGNS: Final = ("\\", "%", "&")
_ESCAPES_DEEP: Final = 2
_BEGINNINGS_MAX: Final = 64

Header = tuple[str, str]
_Span = tuple[int, int]


def redact(attempt: Attempt, *, request: Request, keys: Sequence[SigningKey]) -> Attempt:
    """Return an attempt with `[redacted]` in the place of every secret that its request carried.

    That is: the values of the API key, of the owner's headers and of signatures, and path and query of the URL, where
    they have 8 characters (parts of the URL: 16) or more, and the signing keys themselves. They are found as they are,
    and escaped as in JSON, HTML or a URL; not in base64, nor otherwise encoded. At the end of a body that was cut, the
    beginning of a secret is one too if it has 8 characters. Of the headers of the same names, and of those with which a
    receiver gives credentials away, such as Set-Cookie, nothing is kept but the name. A compressed body, which nobody
    asked for, is not kept.

    Args:
        request: what was sent.
        keys: all keys of the subscription.
    """
    if not (attempt.response_headers or attempt.response_body):
        return attempt
    secrets = _secrets(request, keys)
    body = _body(attempt, secrets)
    return replace(
        attempt,
        response_headers=_headers(attempt.response_headers, request, secrets),
        response_body=body[:KEPT_BODY_BYTES_MAX],
        response_truncated=attempt.response_truncated or len(body) > KEPT_BODY_BYTES_MAX,
    )


def _body(attempt: Attempt, secrets: Collection[str]) -> bytes:
    if not attempt.response_body:
        return b""
    if _is_compressed(attempt.response_headers):
        return MASK.encode()
    text = attempt.response_body.decode("latin-1")
    return _without(secrets, text, is_cut=attempt.response_truncated).encode("latin-1")


def _is_compressed(headers: Sequence[Header]) -> bool:
    return any(name.lower() == "content-encoding" and value.lower() != "identity" for name, value in headers)


def _headers(headers: Sequence[Header], request: Request, secrets: Collection[str]) -> tuple[Header, ...]:
    hidden = _CREDENTIALS.union(name for name, _ in _secret_headers(request))
    # Nearly always there is none, so all values are looked through at once.
    values = "\n".join(value for _, value in headers)
    if _without(secrets, values) != values:
        headers = [(name, _without(secrets, value)) for name, value in headers]
    return tuple((name, MASK if name.lower() in hidden else value) for name, value in headers)


def _secrets(request: Request, keys: Sequence[SigningKey]) -> set[str]:
    """Return all that must not be found: text of one character for each byte."""
    found = set(_of_url(request.url))
    for _, value in _secret_headers(request):
        found.update(_of_value(value))
    for key in keys:
        found.update(_of_key(key.secret))
    return found


def _secret_headers(request: Request) -> Iterator[tuple[str, str]]:
    for name, value in request.headers:
        lower_name = name.lower()
        if lower_name not in _KNOWN_TO_ALL and not lower_name.startswith("ce-"):
            yield lower_name, value


def _of_value(value: str) -> Iterator[str]:
    if len(value) >= SECRET_CHARACTERS_MIN:
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


def _without(secrets: Collection[str], text: str, *, is_cut: bool = False) -> str:
    """Return a text with a mask in the place of each secret, and of the beginning of one at the end of a text cut."""
    pieces: list[str] = []
    end = 0
    for start, secret_end in sorted(_places(secrets, text, is_cut=is_cut)):
        if start >= end:
            pieces += text[end:start], MASK
        end = max(end, secret_end)
    return "".join((*pieces, text[end:])) if pieces else text


def _places(secrets: Collection[str], text: str, *, is_cut: bool) -> Iterator[_Span]:
    """Yield where secrets are, also escaped, in a time that grows with the text and the secrets and no faster."""
    for secret in secrets:
        yield from _found(secret, text, is_cut=is_cut)
    places: Sequence[int] = range(len(text) + 1)
    for _ in range(_ESCAPES_DEEP):
        if not any(sign in text for sign in _ESCAPE_SIGNS):
            return
        secrets = {secret for secret in secrets if is_cut or _may_be_escaped(secret, text)}
        if not secrets:
            return
        text, places = _unescaped(text, places)
        # A secret may itself look like an escape, which is then undone too.
        secrets = {*secrets, *(_unescaped(secret, range(len(secret) + 1))[0] for secret in secrets)}
        for secret in secrets:
            for start, end in _found(secret, text, is_cut=is_cut):
                yield places[start], places[end]


def _may_be_escaped(secret: str, text: str) -> bool:
    """Say whether a secret has characters that are escaped, and the longest run of others is in a text."""
    runs = _NEVER_ESCAPED.findall(secret)
    # Not the bytes of a key: whoever writes those into a text has no escapes for them that are known here.
    return secret.isascii() and runs != [secret] and max(runs, key=len, default="") in text


def _found(secret: str, text: str, *, is_cut: bool) -> Iterator[_Span]:
    start = text.find(secret)
    while start >= 0:
        yield start, start + len(secret)
        start = text.find(secret, start + len(secret))
    if is_cut and (start := _beginning_at_end(secret, text)) >= 0:
        yield start, len(text)


def _beginning_at_end(secret: str, text: str) -> int:
    """Return where the beginning of a secret begins that a text ends with; -1 if there is none."""
    beginning = secret[:SECRET_CHARACTERS_MIN]
    start = text.find(beginning, max(0, len(text) - len(secret) + 1))
    for _ in range(_BEGINNINGS_MAX):
        if start < 0 or secret.startswith(text[start:]):
            return start
        start = text.find(beginning, start + 1)
    # So many beginnings are no text to be read: all the rest counts as one.
    return start


def _unescaped(text: str, places: Sequence[int]) -> tuple[str, list[int]]:
    """Return a text with its escapes undone, and for each character, and the end, the place that it had before."""
    characters: list[str] = []
    kept: list[int] = []
    end = 0
    for escape in _ESCAPE.finditer(text):
        characters += text[end : escape.start()], _meaning(escape)
        kept += places[end : escape.start() + 1]
        end = escape.end()
    characters.append(text[end:])
    kept += places[end:]
    return "".join(characters), kept


def _meaning(escape: re.Match[str]) -> str:
    kind = str(escape.lastgroup)
    match kind:
        case "itself":
            return escape[kind]
        case "name":
            return html.unescape(escape[0])
        case "decimal":
            return chr(int(escape[kind]))
        case _:
            return chr(int(escape[kind], 16))
