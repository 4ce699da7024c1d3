"""Decides when: claims what is due, hands it to the courier, and waits for what comes next.

First try and retry are the same claim. The order "clear the flag, claim, then wait" is what makes no wake-up get lost.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import islice
from random import Random
from typing import Final

import structlog

from service.delivery.claiming import Claim, TakeOverWork, Tick, TickWork
from service.delivery.courier import Courier, Delivery
from service.delivery.lanes import Rates, Slots
from service.delivery.recorder import Recorder
from service.domain.clock import Clock
from service.domain.errors import Unavailable
from service.domain.ids import Ids
from service.storage import queue
from service.storage.database import Database, Essential
from service.storage.queue import Claimed

BYTES_IN_FLIGHT_MAX: Final = 64 * 1024 * 1024

_LANES_MAX: Final = 256
_SHORT_LANES_MAX: Final = 1_000
_SHORT_LANES_PER_SLOT: Final = 2
_PAUSE_PER_ROUND: Final = 10
_STORAGE_PAUSE_S: Final = 0.5
_AFTER_EVERY_LEASE_MS: Final = 1 << 62
_LAST_COMMITS_S: Final = 5.0

_log = structlog.get_logger()


class Dispatcher:
    """Runs the attempts of one process.

    Args:
        owner: names this process in its leases; no other process, and no earlier one, has the same.
        lease_s: how long a claim is kept from other processes; longer than any attempt may take.
        slots: how many requests may be under way at once.
        bytes_max: how many bytes of payload they may have together.
        poll_s: after how long it looks for work although nothing woke it and nothing is due.
        on_recorded: called after attempts were committed, with what was recorded.
    """

    def __init__(
        self,
        database: Database,
        courier: Courier,
        *,
        clock: Clock,
        rng: Random,
        ids: Ids,
        owner: str,
        lease_s: float,
        slots: int,
        bytes_max: int = BYTES_IN_FLIGHT_MAX,
        poll_s: float = 1.0,
        on_recorded: Callable[[Sequence[Delivery]], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._courier = courier
        self._clock = clock
        self._rng = rng
        self._ids = ids
        self._owner = owner
        self._lease_ms = int(lease_s * 1000)
        self._slots = Slots(slots, bytes_max=bytes_max)
        self._poll_s = poll_s
        self._on_recorded = on_recorded
        self._recorder = Recorder(database, clock=clock, ids=ids, on_recorded=self._recorded)
        self._wake = asyncio.Event()
        self._stopping = False
        self._drain_timeout_s = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        self._under_way: dict[Claimed, Claim] = {}
        self._attempts: dict[Claimed, asyncio.Task[None]] = {}
        self._rates = Rates()
        # What is to be looked at: all lanes in a round, of which one goes on at the cursor, or some of them.
        self._round_is_due = True
        self._round_began_s = 0.0
        self._next_round_s = 0.0
        self._cursor: str | None = None
        self._lanes: dict[str, None] = {}
        # Lanes that have more to send once a slot comes free, those first that wait longest, or once their rate allows
        # it, at a monotonic time.
        self._short: dict[str, None] = {}
        self._rated: dict[str, float] = {}
        self._next_due_ms: int | None = None
        self._is_paused = False

    @property
    def slots(self) -> int:
        """How many requests may be under way at once."""
        return self._slots.total

    @property
    def in_flight(self) -> int:
        """How many are, or have yet to be recorded."""
        return self._slots.in_flight

    @property
    def bytes_in_flight(self) -> int:
        """How many bytes of payload these have together."""
        return self._slots.bytes_in_flight

    def wake(self, lanes: Collection[str] | None = None) -> None:
        """Look for work now: something was committed that may be due, in these lanes or, with None, anywhere."""
        if lanes is None or len(lanes) > _LANES_MAX:
            self._round_is_due = True
        else:
            self._lanes.update(dict.fromkeys(sorted(lanes)))
        self._wake.set()

    async def run(self) -> None:
        """Deliver until `stop` is called, then let what is under way finish, as far as the drain timeout allows."""
        async with asyncio.TaskGroup() as tasks:
            recorder = tasks.create_task(self._recorder.run(), name="recorder")
            await self._take_over_everything()
            while not self._stopping:
                self._wake.clear()
                await self._claim(tasks)
                await self._wait()
            await self._drain()
            recorder.cancel()

    def stop(self, *, drain_timeout_s: float) -> None:
        """Claim nothing more, and give what is under way this long to finish."""
        self._stopping = True
        self._drain_timeout_s = drain_timeout_s
        self._wake.set()

    async def _take_over_everything(self) -> None:
        """Take over every claim of an earlier process on this database: it is gone, so its leases are void."""
        while not self._stopping:
            work = TakeOverWork(
                owner=self._owner,
                due_until_ms=_AFTER_EVERY_LEASE_MS,
                now_ms=self._clock.now_ms(),
                rng=self._rng,
                ids=self._ids,
            )
            try:
                taken_over = await self._database.write(work)
            except Unavailable as error:
                await self._pause(error)
                continue
            self._go_on()
            if not taken_over:
                return
            _log.info("claims.taken_over", count=len(taken_over))

    async def _claim(self, tasks: asyncio.TaskGroup) -> None:
        """Claim until no slot is free, or nothing more may go."""
        while self._slots.free and not self._stopping:
            # With each tick: under load there is always a lane to look at, so this may not end for long.
            self._note_time()
            if self._cursor is None and self._round_is_due:
                self._begin_round()
            tick = await self._tick(tasks)
            is_round_to_do = self._round_is_due or self._cursor is not None
            if tick is not None and not (tick.has_more or self._lanes or is_round_to_do):
                return

    def _note_time(self) -> None:
        """Have those lanes looked at whose rate allows more by now, and all of them if that is long ago."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_round_s:
            self._round_is_due = True
        for uid in [uid for uid, at_s in self._rated.items() if at_s <= now_s]:
            del self._rated[uid]
            self._lanes[uid] = None

    def _begin_round(self) -> None:
        self._cursor, self._round_is_due = "", False
        self._round_began_s = self._clock.monotonic_s()
        self._next_round_s = math.inf
        self._rates.forget_idle(now_s=self._round_began_s)
        # All of them are met in the round.
        self._lanes.clear()
        self._short.clear()

    def _end_round(self) -> None:
        """Say when the next round is due by itself: where one takes long, for there are many lanes, later."""
        now_s = self._clock.monotonic_s()
        self._next_round_s = now_s + max(self._poll_s, _PAUSE_PER_ROUND * (now_s - self._round_began_s))

    def _next_lanes(self) -> list[str] | None:
        """Return the lanes to look at next, None in a round. A few at a time: the writer has others to serve too."""
        if self._cursor is not None:
            return None
        some = list(islice(self._lanes, _LANES_MAX))
        for uid in some:
            del self._lanes[uid]
        return some

    async def _tick(self, tasks: asyncio.TaskGroup) -> Tick | None:
        """Claim and start what one transaction finds; None if the database was in the way."""
        lanes = self._next_lanes()
        work = TickWork(
            owner=self._owner,
            now_ms=self._clock.now_ms(),
            monotonic_s=self._clock.monotonic_s(),
            lease_ms=self._lease_ms,
            room=self._slots.room(),
            in_flight=self._slots.in_flight_by_lane(),
            rates=self._rates,
            rng=self._rng,
            ids=self._ids,
            lanes=lanes,
            cursor=self._cursor or "",
        )
        try:
            tick = await self._database.write(work)
            if self._stopping:
                await self._give_back([claim.claimed for claim in tick.claims])
                return None
        except Unavailable as error:
            self._lanes.update(dict.fromkeys(lanes or ()))
            await self._pause(error)
            return None
        self._go_on()
        self._next_due_ms = tick.next_due_ms
        for claim in tick.claims:
            self._start(claim, tasks)
        self._note_unserved(tick)
        return tick

    def _note_unserved(self, tick: Tick) -> None:
        """Note where a round goes on, and which lanes have more to send than they got."""
        if self._cursor is not None:
            self._cursor = tick.cursor or None
            if self._cursor is None:
                self._end_round()
        self._lanes.update(dict.fromkeys(sorted(tick.again)))
        self._short.update(dict.fromkeys(sorted(tick.short)))
        while len(self._short) > _SHORT_LANES_MAX:
            # The next round meets it.
            del self._short[next(iter(self._short))]
        self._rated.update((uid, self._rates.next_s(uid)) for uid in tick.rated)

    async def _wait(self) -> None:
        """Wait to be woken, for what is due next, or for the time to look anyway."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_s()):
                await self._wake.wait()

    def _wait_s(self) -> float | None:
        """Return in how many seconds there is something to do although nothing wakes; None without a free slot.

        Then it is the end of a request that is waited for, and that wakes.
        """
        if not self._slots.free:
            return None
        now_s = self._clock.monotonic_s()
        waits_s = [self._next_round_s - now_s, *(at_s - now_s for at_s in self._rated.values())]
        if self._next_due_ms is not None:
            waits_s.append((self._next_due_ms - self._clock.now_ms()) / 1000)
        return max(0.0, min(waits_s))

    async def _drain(self) -> None:
        """Let what is under way finish, and break off the rest. Ends in time, whatever the database does."""
        try:
            async with asyncio.timeout(self._drain_timeout_s):
                await self._idle.wait()
        except TimeoutError:
            await self._abandon()

    async def _abandon(self) -> None:
        try:
            async with asyncio.timeout(_LAST_COMMITS_S):
                await self._release_unfinished()
                # What was finished in time but not yet recorded is one commit away.
                await self._idle.wait()
        except (TimeoutError, Unavailable) as error:
            # Nothing is lost: the next process takes these claims over, and they are attempted again.
            reason = str(error) or f"the database did not take them within {_LAST_COMMITS_S:g} s"
            _log.warning("claims.left_behind", count=len(self._under_way), error=reason)

    async def _release_unfinished(self) -> None:
        """Break off what is still under way and give its claims back, without counting an attempt."""
        unfinished = list(self._attempts)
        for attempt in self._attempts.values():
            attempt.cancel()
        await self._give_back(unfinished)
        if unfinished:
            _log.warning("claims.released", count=len(unfinished))
        self._ended([self._under_way[claimed] for claimed in unfinished])

    async def _give_back(self, claims: Sequence[Claimed]) -> None:
        now_ms = self._clock.now_ms()
        await self._database.write(Essential(lambda tx: queue.release_leases(tx, claims, now_ms=now_ms)))

    def _start(self, claim: Claim, tasks: asyncio.TaskGroup) -> None:
        subscription = claim.subscription
        self._slots.take(subscription.uid, size=claim.claimed.payload_size, is_proven=subscription.health.is_proven)
        if subscription.max_rate_per_second is not None:
            self._rates.count(subscription.uid, subscription.max_rate_per_second, now_s=self._clock.monotonic_s())
        self._under_way[claim.claimed] = claim
        self._idle.clear()
        task = tasks.create_task(self._attempt(claim), name=f"attempt {claim.claimed.notification_id}")
        self._attempts[claim.claimed] = task

    async def _attempt(self, claim: Claim) -> None:
        try:
            delivery = await self._courier.attempt(claim)
        except Exception:
            # The boundary of one attempt: a bug that one event triggers must not stop the others.
            _log.exception("attempt.crashed", notification=claim.claimed.notification_id)
            delivery = self._courier.crashed(claim)
        # In one step: an attempt is either broken off and its claim released, or recorded.
        del self._attempts[claim.claimed]
        self._recorder.add(delivery)

    def _recorded(self, deliveries: Sequence[Delivery]) -> None:
        self._on_recorded(deliveries)
        self._ended([delivery.claim for delivery in deliveries])

    def _ended(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            subscription = claim.subscription
            self._slots.give_back(
                subscription.uid, size=claim.claimed.payload_size, is_proven=subscription.health.is_proven
            )
            self._lanes[subscription.uid] = None
            del self._under_way[claim.claimed]
        # As many as could share what came free, and not all: there can be more of them than there are slots.
        for uid in list(islice(self._short, _SHORT_LANES_PER_SLOT * len(claims))):
            del self._short[uid]
            self._lanes[uid] = None
        if not self._under_way:
            self._idle.set()
        self._wake.set()

    async def _pause(self, error: Unavailable) -> None:
        if not self._is_paused:
            _log.warning("claiming.paused", reason=error.reason.value, error=error.message)
        self._is_paused = True
        await asyncio.sleep(_STORAGE_PAUSE_S)

    def _go_on(self) -> None:
        if self._is_paused:
            _log.info("claiming.resumed")
        self._is_paused = False
