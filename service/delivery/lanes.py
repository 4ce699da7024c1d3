"""How many requests may be under way: in all, and for one subscription.

A lane is what is owed to one subscription. What a lane may hold shrinks with the free slots, so that slow subscriptions
leave room for the others: while fewer than 32 slots are free, no lane gets a second one.
"""

from collections import Counter
from collections.abc import Mapping

LANE_LIMIT = 8
_SHARE_OF_FREE_SLOTS = 16
FREE_SLOTS_FOR_ALL = LANE_LIMIT * _SHARE_OF_FREE_SLOTS
"""With as many free slots every lane may have its limit; with fewer a lane may have got less than it could use."""


def lane_room(*, limit: int, free_slots: int, in_flight: int) -> int:
    """Return how many more requests a lane may start: never beyond its limit.

    Nor beyond a sixteenth of the free slots; but a lane with nothing under way may have one as long as a slot is free.
    """
    allowed = min(limit, max(1, free_slots // _SHARE_OF_FREE_SLOTS), in_flight + free_slots)
    return max(0, allowed - in_flight)


def lane_limit(max_concurrency: int | None) -> int:
    """Return how many requests of a subscription may be under way at once."""
    return LANE_LIMIT if max_concurrency is None else min(LANE_LIMIT, max_concurrency)


class Slots:
    """The requests that are under way, counted by lane."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._in_flight: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """How many more requests may be started."""
        return self._total - self._in_flight.total()

    def in_flight_by_lane(self) -> Mapping[str, int]:
        """Return a copy of the counts, by subscription uid."""
        return dict(self._in_flight)

    def take(self, subscription_uid: str) -> None:
        """Count a request of a lane in."""
        self._in_flight[subscription_uid] += 1

    def give_back(self, subscription_uid: str) -> None:
        """Count a request of a lane out."""
        self._in_flight[subscription_uid] -= 1
        if not self._in_flight[subscription_uid]:
            del self._in_flight[subscription_uid]
