"""How much may be started now: in all, for one subscription, in bytes, and per second.

A lane is what is owed to one subscription. What a lane may take shrinks with what is free, in slots and in bytes, so
that slow subscriptions leave room for the others. And half of the slots are only for lanes whose last outcome was a
success: however many receivers stall that were never or not lately seen to work, those that do work go on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, TypeVar

T = TypeVar("T")

_SHARE_OF_SLOTS: Final = 16
_SHARE_OF_UNPROVEN_SLOTS: Final = 32
_SHARE_OF_BYTES: Final = 16
_RATE_TOLERANCE_S: Final = 0.1
# What adding floats may lose: a lane that waits until `next_s` must not be told to wait again.
_ROUNDING_S: Final = 1e-6


@dataclass(slots=True)
class Room:
    """What may still be started. `unproven_slots` is how many of the slots lanes may take that are not proven."""

    slots: int
    unproven_slots: int
    bytes: int

    def requests(self, *, limit: int, in_flight: int, is_proven: bool) -> int:
        """Return how many more requests a lane may start: never beyond its limit.

        Nor beyond its share of what is free; but a lane with nothing under way may have one as long as a slot is free.
        """
        free = self.slots if is_proven else min(self.slots, self.unproven_slots)
        share = _SHARE_OF_SLOTS if is_proven else _SHARE_OF_UNPROVEN_SLOTS
        allowed = min(limit, max(1, free // share), in_flight + free)
        return max(0, allowed - in_flight)

    def take(self, sizes: Sequence[int], *, is_proven: bool) -> int:
        """Take as many requests, the first ones, as fit into a lane's share of the bytes; return how many.

        Args:
            sizes: of the payloads, in bytes; as many as the lane may start by `requests`.
        """
        share = self.bytes // _SHARE_OF_BYTES
        taken = taken_bytes = 0
        for size in sizes:
            # One payload may be larger than the share, or nobody would ever send it.
            if taken_bytes + size > (share if taken else self.bytes):
                break
            taken += 1
            taken_bytes += size
        self.slots -= taken
        self.unproven_slots -= 0 if is_proven else taken
        self.bytes -= taken_bytes
        return taken


class Slots:
    """The requests that are under way, counted by lane.

    Args:
        total: how many there may be.
        bytes_max: how many bytes of payload they may have together.
    """

    def __init__(self, total: int, *, bytes_max: int) -> None:
        self.total = total
        self._bytes_max = bytes_max
        self._bytes = 0
        self._unproven = 0
        self._in_flight: Counter[str] = Counter()

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._in_flight.total()

    @property
    def free(self) -> int:
        """How many more requests may be started."""
        return self.total - self.in_flight

    @property
    def bytes_in_flight(self) -> int:
        """How many bytes of payload are under way."""
        return self._bytes

    def room(self) -> Room:
        """Return what may be started now."""
        # At least one slot for the unproven, or no lane could ever prove itself.
        unproven_max = self.total - self.total // 2
        return Room(self.free, max(0, unproven_max - self._unproven), self._bytes_max - self._bytes)

    def in_flight_by_lane(self) -> Mapping[str, int]:
        """Return a copy of the counts, by subscription uid."""
        return dict(self._in_flight)

    def take(self, subscription_uid: str, *, size: int, is_proven: bool) -> None:
        """Count a request of a lane in, with the size of its payload in bytes."""
        self._in_flight[subscription_uid] += 1
        self._bytes += size
        self._unproven += 0 if is_proven else 1

    def give_back(self, subscription_uid: str, *, size: int, is_proven: bool) -> None:
        """Count a request of a lane out, as it was counted in."""
        self._in_flight[subscription_uid] -= 1
        if not self._in_flight[subscription_uid]:
            del self._in_flight[subscription_uid]
        self._bytes -= size
        self._unproven -= 0 if is_proven else 1


class Rates:
    """How much of its `max_rate_per_second` each lane has used up. Times are those of the monotonic clock.

    In any span of t seconds a lane starts at most rate · (t + 0.1) + 1 requests.
    """

    def __init__(self) -> None:
        # When the next request would be exactly in time (the "theoretical arrival time" of GCRA).
        self._next_s: dict[str, float] = {}

    def allowed(self, subscription_uid: str, rate: float, *, now_s: float) -> int:
        """Return how many requests a lane may start now."""
        ahead_s = max(0.0, self._next_s.get(subscription_uid, 0.0) - now_s)
        spare_s = _RATE_TOLERANCE_S - ahead_s
        return int(max(0.0, spare_s) * rate) + 1 if spare_s >= -_ROUNDING_S else 0

    def next_s(self, subscription_uid: str) -> float:
        """Return when a lane that used up what it may start can start more."""
        return self._next_s.get(subscription_uid, 0.0) - _RATE_TOLERANCE_S

    def count(self, subscription_uid: str, rate: float, *, now_s: float) -> None:
        """Count a request that was started."""
        self._next_s[subscription_uid] = max(now_s, self._next_s.get(subscription_uid, 0.0)) + 1 / rate

    def forget_idle(self, *, now_s: float) -> None:
        """Forget the lanes that have nothing used up any more."""
        self._next_s = {uid: next_s for uid, next_s in self._next_s.items() if next_s > now_s}


def alternating(first: Iterable[T], second: Iterable[T]) -> Iterator[T]:
    """Yield from both in turns, and then the rest of the longer one."""
    nothing = object()
    for pair in zip_longest(first, second, fillvalue=nothing):
        for each in pair:
            if each is not nothing:
                yield each  # type: ignore[misc]
