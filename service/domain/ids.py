"""Identifiers: the ones that people choose, and the UUIDs that are made here."""

import re
from random import Random
from threading import Lock
from typing import Protocol

from service.domain.clock import Clock
from service.domain.errors import InvalidField, quoted

_RESOURCE_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Ids(Protocol):
    """Makes identifiers."""

    def new(self) -> str:
        """Return a new UUID in its canonical lower-case form."""
        ...


class Uuid7Ids:
    """UUIDs of version 7 (RFC 9562, 6.2 method 1): they sort by the time they were made, also within a millisecond.

    May be used from several threads: the event loop makes ids, and so do works in the writer's thread.
    """

    def __init__(self, clock: Clock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self._last_ms = 0
        self._counter = 0
        self._lock = Lock()

    def new(self) -> str:
        """Return a UUID greater than every one returned before."""
        with self._lock:
            number = self._next()
        return _text(number)

    def _next(self) -> int:
        now_ms = self._clock.now_ms()
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            # Half of the counter's range is left free to count up in.
            self._counter = self._rng.getrandbits(11)
        else:
            self._counter += 1
            if self._counter == 1 << 12:
                self._last_ms += 1
                self._counter = 0
        return _uuid7(self._last_ms, self._counter, self._rng.getrandbits(62))


def _text(number: int) -> str:
    # What str(uuid.UUID(int=number)) says, in a quarter of the time: every event and notification has one.
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def first_uuid7_at(time_ms: int) -> str:
    """Return the smallest version 7 UUID of a millisecond: the lower bound for a range over ids."""
    return _text(_uuid7(max(0, min(time_ms, (1 << 48) - 1)), 0, 0))


def uuid7_time_ms(uuid7: str) -> int:
    """Return the time in a version 7 UUID, in milliseconds since the Unix epoch."""
    return int(uuid7[:8] + uuid7[9:13], 16)


def _uuid7(time_ms: int, rand_a: int, rand_b: int) -> int:
    return time_ms << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b


def check_resource_id(field: str, value: str) -> None:
    """Refuse an id that people may not give to a resource."""
    if not _RESOURCE_ID.fullmatch(value):
        raise InvalidField(
            field,
            f'must be 1 to 63 lower-case letters, digits and inner hyphens, such as "billing-1"; got {quoted(value)}',
        )


def check_request_id(field: str, value: str) -> None:
    """Refuse a request_id that is not 1 to 128 visible ASCII characters."""
    if not _REQUEST_ID.fullmatch(value):
        raise InvalidField(field, f"must be 1 to 128 visible ASCII characters; got {quoted(value)}")


def check_uuid(field: str, value: str) -> None:
    """Refuse an event_id that is not a UUID in lower-case 8-4-4-4-12 form."""
    if not _UUID.fullmatch(value):
        raise InvalidField(
            field,
            f'must be a UUID in lower case, such as "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"; got {quoted(value)}',
        )
