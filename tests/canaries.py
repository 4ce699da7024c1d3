"""Canaries: texts that nobody else has, put where secrets are, and a search for them in everything that comes out.

A place is all the bytes of one kind that came out: a log, the responses of a method, what one receiver got.
"""

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import SystemRandom
from typing import Final
from urllib.parse import quote

_DICE: Final = SystemRandom()


def new_canary() -> str:
    """Return a text of 28 lower-case letters and digits that is found nowhere else: an id, a label, part of a path."""
    return f"canary{_DICE.randbytes(11).hex()}"


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret, and the places where it belongs: their names, in which * stands for anything."""

    name: str
    secret: bytes
    belongs: frozenset[str] = frozenset()

    def belongs_to(self, place: str) -> bool:
        """Say whether it may be found in a place."""
        return any(fnmatchcase(place, pattern) for pattern in self.belongs)


@dataclass(frozen=True, slots=True)
class Finding:
    """A canary in a place, in one of its forms, with what stands around it."""

    canary: str
    form: str
    place: str
    around: bytes


def forms_of(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a secret looks like after somebody has encoded it, alone or among other bytes, with names of these."""
    yield "raw", secret
    for offset in range(3):
        yield f"base64, at {offset}", _base64(secret, offset)
        yield f"base64url, at {offset}", _base64(secret, offset).translate(bytes.maketrans(b"+/", b"-_"))
    yield "hex", secret.hex().encode()
    yield "hex, upper case", secret.hex().upper().encode()
    yield "percent-encoded", quote(secret, safe="").encode()
    yield "percent-encoded throughout", b"".join(b"%%%02X" % byte for byte in secret)
    yield "percent-encoded throughout, lower case", b"".join(b"%%%02x" % byte for byte in secret)
    if secret.isascii():
        yield "JSON", json.dumps(secret.decode())[1:-1].encode()
        yield "JSON, with escaped slashes", json.dumps(secret.decode())[1:-1].replace("/", "\\/").encode()
        yield "JSON, escaped throughout", b"".join(b"\\u%04x" % byte for byte in secret)


def _base64(secret: bytes, offset: int) -> bytes:
    """Return the characters that depend on nothing but the secret, if so many bytes come before it (modulo 3)."""
    encoded = base64.b64encode(b"\0" * offset + secret)
    return encoded[math.ceil(offset * 8 / 6) : (offset + len(secret)) * 8 // 6]


def findings(canaries: Iterable[Canary], places: Mapping[str, bytes]) -> list[Finding]:
    """Return where canaries are, in any form."""
    return [
        Finding(canary.name, form, place, _around(content, pattern))
        for canary in canaries
        for pattern, form in _patterns(canary.secret).items()
        for place, content in places.items()
        if pattern in content
    ]


def _patterns(secret: bytes) -> dict[bytes, str]:
    """Return what to look for, each once, with the name of the simplest of the forms that look so."""
    patterns: dict[bytes, str] = {}
    for form, pattern in forms_of(secret):
        patterns.setdefault(pattern, form)
    return patterns


def misplaced(canaries: Iterable[Canary], found: Iterable[Finding]) -> list[Finding]:
    """Return the findings where canaries do not belong."""
    by_name = {canary.name: canary for canary in canaries}
    return [each for each in found if not by_name[each.canary].belongs_to(each.place)]


def missing(canaries: Iterable[Canary], found: Iterable[Finding]) -> list[str]:
    """Return the canaries that belong somewhere and are nowhere: they were never used, or nobody looked."""
    seen = {each.canary for each in found}
    return [canary.name for canary in canaries if canary.belongs and canary.name not in seen]


def _around(content: bytes, pattern: bytes) -> bytes:
    start = content.index(pattern)
    return content[max(0, start - 60) : start + len(pattern) + 20]
