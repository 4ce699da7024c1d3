"""Where texts repeat secrets, as they are or escaped, and the texts without them. Pure.

Both the secrets and the texts are other people's, and perhaps made to be slow to compare. So everything here has a
bound. Beyond it nothing is searched, and nothing is kept.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final

from service.domain.masking import MASK

SECRET_CHARACTERS_MIN: Final = 8
"""Shorter values are not looked for: they would be found by accident, and are no secrets to rely on."""

# By so much of it a secret is found, and so much of one at the end of a text that was cut is too much.
_BEGINNING_CHARACTERS: Final = 6

# Together they allow 35 secrets in 4.5 KiB of answer, and two milliseconds of search at the worst.
_READ_CHARACTERS_MAX: Final = 160_000
_SECRET_CHARACTERS_MAX: Final = 6 * 1024
_ESCAPES_MAX: Final = 1_024
_BEGINNINGS_MAX: Final = 256

# What no byte decodes to stands between texts, so that nothing is found across it.
_BETWEEN: Final = "\ue000"

_ESCAPE_SIGNS: Final = ("\\", "%", "&")
# Whatever neither JSON nor HTML nor a URL ever escapes stays. All that stands between, escaped or not, once or twice,
# counts as the same.
_MAY_BE_ESCAPED: Final = rf"[^A-Za-z0-9._~{_BETWEEN}-]"
_ESCAPES: Final = re.compile(
    rf"{_MAY_BE_ESCAPED}+(?:(?:"
    r"(?:(?<=\\)|(?<=%5C)|(?<=%5c))u[0-9A-Fa-f]{4}"
    r"|(?<=%)(?:25){0,2}[0-9A-Fa-f]{2}"
    r"|(?:(?<=#)|(?<=%23))x?[0-9A-Fa-f]{2,4}(?=;|%)"
    r"|(?:(?<=&)|(?<=u0026)|(?<=%26)|(?<=amp;))(?:amp|lt|gt|quot|apos)(?=;|%)"
    rf"){_MAY_BE_ESCAPED}*)*"
)
_PLACEHOLDER: Final = "\ue001"
# What is left of \u002B or &quot; when the end of it is missing.
_CUT_ESCAPE_CHARACTERS_MAX: Final = 5
# As in &amp;#x2B;
_ESCAPED_CHARACTERS_MAX: Final = 10

_Span = tuple[int, int]


class _TooLong(Exception):
    """The search would take longer than it may."""


def without_echoes(texts: Sequence[str], secrets: Collection[str], *, is_cut: bool) -> list[str]:
    """Return texts with `[redacted]` in the place of every secret.

    Secrets are found as they are, and escaped as in JSON, HTML or a URL, once or twice, if six characters are left when
    each run of those that may be escaped counts as one. Letters and digits that are escaped are not recognised, nor is
    base64 or any other encoding. Where the search would take too long, every text that could hold a secret is all
    `[redacted]`.

    Args:
        texts: of one character for each byte.
        secrets: of the same. Those with less than 8 characters have no business here.
        is_cut: whether the last text goes on beyond its end. What it ends with may then be the beginning of a secret,
            and is redacted if it has six characters.
    """
    text = _BETWEEN.join(texts)
    possible = {secret[: len(text)] for secret in secrets if is_cut or len(secret) <= len(text)}
    try:
        places = _places(text, possible, is_cut=is_cut)
    except _TooLong:
        return all_masked(texts)
    return _with_masks(text, places).split(_BETWEEN) if places else list(texts)


def all_masked(texts: Sequence[str]) -> list[str]:
    """Return `[redacted]` in the place of every text that could hold a secret, or the beginning of one."""
    return [MASK if len(text) >= _BEGINNING_CHARACTERS else text for text in texts]


def _places(text: str, secrets: Collection[str], *, is_cut: bool) -> list[_Span]:
    if len(secrets) * len(text) > _READ_CHARACTERS_MAX or sum(map(len, secrets)) > _SECRET_CHARACTERS_MAX:
        raise _TooLong
    places = _places_as_they_are(text, secrets, is_cut=is_cut)
    if any(sign in text for sign in _ESCAPE_SIGNS):
        places += _places_escaped(text, secrets, is_cut=is_cut)
    return places


def _places_as_they_are(text: str, secrets: Collection[str], *, is_cut: bool) -> list[_Span]:
    found = list(islice(_beginnings(text, secrets), _BEGINNINGS_MAX))
    if len(found) == _BEGINNINGS_MAX:
        raise _TooLong
    return [
        (start, min(start + len(secret), len(text)))
        for secret, start in found
        if text.startswith(secret, start) or (is_cut and _begins_with(secret, text[start:]))
    ]


def _begins_with(secret: str, beginning: str) -> bool:
    """Say whether the end of a text is the beginning of a secret, or of that and of an escape."""
    if secret.startswith(beginning):
        return True
    before, escape, rest = beginning.rpartition(_PLACEHOLDER)
    return bool(escape) and len(rest) <= _CUT_ESCAPE_CHARACTERS_MAX and secret.startswith(before)


def _beginnings(text: str, secrets: Collection[str]) -> Iterator[tuple[str, int]]:
    """Yield where a secret may begin. The search for few characters takes long in no text, that for many may."""
    for secret in secrets:
        beginning = secret[:_BEGINNING_CHARACTERS]
        start = text.find(beginning)
        while start >= 0:
            yield secret, start
            start = text.find(beginning, start + 1)


def _places_escaped(text: str, secrets: Collection[str], *, is_cut: bool) -> list[_Span]:
    """Return where secrets are when escapes count as what may be escaped."""
    bare_secrets = {bare for bare in _bare_secrets(secrets) if _may_hold(text, bare, is_cut=is_cut)}
    if not bare_secrets:
        return []
    found = _places_as_they_are(_bare(text), bare_secrets, is_cut=is_cut)
    if not found:
        return []
    origins = list(_origins(text))
    return [(origins[start], origins[end]) for start, end in found]


def _bare_secrets(secrets: Collection[str]) -> Iterator[str]:
    """Yield secrets as they are found however they are escaped. Those that are found anyway are left out."""
    # The bytes of a key have no escapes that are known here.
    escapable = [secret for secret in secrets if secret.isascii() and not secret.isalnum()]
    for secret, bare in zip(escapable, _bare(_BETWEEN.join(escapable)).split(_BETWEEN), strict=False):
        if bare != secret:
            yield bare.strip(_PLACEHOLDER)


def _bare(text: str) -> str:
    bare, count = _ESCAPES.subn(_PLACEHOLDER, text, _ESCAPES_MAX)
    if count == _ESCAPES_MAX:
        raise _TooLong
    return bare


def _may_hold(text: str, bare: str, *, is_cut: bool) -> bool:
    """Say whether a secret may be in a text, from what is never escaped: nearly always that is not there at all."""
    if len(bare) < _BEGINNING_CHARACTERS:
        return False
    runs = bare.split(_PLACEHOLDER)
    return max(runs, key=len) in text or (is_cut and runs[0] in text[-len(bare) * _ESCAPED_CHARACTERS_MAX :])


def _origins(text: str) -> Iterator[int]:
    """Yield for each character of a text without escapes, and its end, where that, or what it stands for, began."""
    end = 0
    for escapes in _ESCAPES.finditer(text):
        yield from range(end, escapes.start() + 1)
        end = escapes.end()
    yield from range(end, len(text) + 1)


def _with_masks(text: str, places: Collection[_Span]) -> str:
    pieces: list[str] = []
    end = 0
    for start, secret_end in sorted(places):
        if start >= end:
            pieces += text[end:start], MASK
        end = max(end, secret_end)
    return "".join((*pieces, text[end:]))
