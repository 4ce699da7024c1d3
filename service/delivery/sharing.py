"""Shares out what may be started, lane by lane, by what each lane may have and really has.

Knows no SQL: what is ready is asked of a function, for as many lanes at a time as could fill what is free.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Final, TypeAlias

from service.delivery.lanes import Rates, Room, alternating
from service.domain.health import concurrency_now
from service.domain.model import Subscription
from service.storage.queue import Claimed, Demand

TIERS: Final = (0, 1)

LookUp: TypeAlias = Callable[[Sequence[Demand]], Sequence[Sequence[Sequence[Claimed]]]]
"""Returns what is ready of the lanes, tier by tier, and in each tier lane by lane."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A lane and how much it could start: by its own limit, by its rate, and by the room as it is now."""

    subscription: Subscription
    by_limit: int
    by_rate: int
    most: int


class Sharing:
    """One sharing out, and what came of it.

    `chosen` are the notifications to start. `short` are lanes that would have started more with more room,
    `rated` those that would but for their rate. `unreached` are lanes that were not looked at, for there was no slot
    left after `last`.
    """

    def __init__(
        self,
        room: Room,
        *,
        in_flight: Mapping[str, int],
        rates: Rates,
        now_ms: int,
        monotonic_s: float,
        rng: Random,
    ) -> None:
        self.chosen: list[Claimed] = []
        self.short: set[str] = set()
        self.rated: set[str] = set()
        self.unreached: list[str] = []
        self.last = ""
        self._room = room
        self._in_flight = in_flight
        self._rates = rates
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._rng = rng

    def run(self, candidates: Sequence[Subscription], look_up: LookUp) -> None:
        """Choose from the lanes in their order, until no slot is left."""
        waiting = deque(candidates)
        while waiting and self._room.slots:
            wishes = self._next_wishes(waiting)
            tiers = look_up([Demand(wish.subscription.uid, wish.most) for wish in wishes])
            left = deque(zip(wishes, *tiers, strict=True))
            while left and self._room.slots:
                wish, *ready = left.popleft()
                self._choose(wish, ready)
            waiting.extendleft(wish.subscription for wish, *_ in reversed(left))
        self.unreached = [each.uid for each in waiting]

    def _next_wishes(self, waiting: deque[Subscription]) -> list[_Wish]:
        wishes: list[_Wish] = []
        wanted = 0
        while waiting and wanted < self._room.slots:
            wish = self._wish(waiting.popleft())
            if wish is not None:
                wishes.append(wish)
                wanted += wish.most
        return wishes

    def _wish(self, subscription: Subscription) -> _Wish | None:
        """Return what a lane could start if it came next; None, having noted why, if nothing."""
        in_flight = self._in_flight.get(subscription.uid, 0)
        by_limit = concurrency_now(subscription, now_ms=self._now_ms) - in_flight
        if by_limit <= 0:
            return None
        by_rate = self._by_rate(subscription, otherwise=by_limit)
        by_room = self._by_room(subscription)
        if not by_rate:
            self.rated.add(subscription.uid)
        elif not by_room:
            self.short.add(subscription.uid)
        most = min(by_rate, by_room)
        return _Wish(subscription, by_limit, by_rate, most) if most else None

    def _by_rate(self, subscription: Subscription, *, otherwise: int) -> int:
        rate = subscription.max_rate_per_second
        return otherwise if rate is None else self._rates.allowed(subscription.uid, rate, now_s=self._monotonic_s)

    def _by_room(self, subscription: Subscription) -> int:
        return self._room.requests(
            limit=concurrency_now(subscription, now_ms=self._now_ms),
            in_flight=self._in_flight.get(subscription.uid, 0),
            is_proven=subscription.health.is_proven,
        )

    def _choose(self, wish: _Wish, tiers: Sequence[Sequence[Claimed]]) -> None:
        """Choose from the tiers of one lane in turns, so that neither waits for all of the other."""
        subscription = wish.subscription
        # With room for one alone, it is not always the same tier that waits.
        first, second = tiers if self._rng.random() < 0.5 else reversed(tiers)
        found = list(islice(alternating(first, second), min(wish.most, self._by_room(subscription))))
        taken = self._room.take([each.payload_size for each in found], is_proven=subscription.health.is_proven)
        self.chosen += found[:taken]
        self.last = subscription.uid
        # As many as were asked for: there may be more.
        has_more = taken < sum(map(len, tiers)) or taken == wish.most
        if not has_more or taken == wish.by_limit:
            return
        if taken == wish.by_rate:
            self.rated.add(subscription.uid)
        else:
            self.short.add(subscription.uid)
