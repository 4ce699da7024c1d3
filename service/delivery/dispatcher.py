"""Decides when: claims what is due, hands it to the courier, and waits for what comes next.

First try and retry are the same claim. The order "clear the flag, claim, then wait" is what makes no wake-up get lost.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import structlog

from service.delivery.claiming import Claim, TakeOverWork, Tick, TickWork
from service.delivery.courier import Courier, Delivery
from service.delivery.lanes import FREE_SLOTS_FOR_ALL, LANE_LIMIT, Slots
from service.delivery.recorder import Recorder
from service.domain.clock import Clock
from service.domain.errors import Unavailable
from service.domain.ids import Ids
from service.storage import queue
from service.storage.database import Database, Essential
from service.storage.queue import Claimed

_STORAGE_PAUSE_S = 0.5
_AFTER_EVERY_LEASE_MS = 1 << 62
_LAST_COMMITS_S = 5.0

_log = structlog.get_logger()


class Dispatcher:
    """Runs the attempts of one process.

    Args:
        owner: names this process in its leases; no other process, and no earlier one, has the same.
        lease_s: how long a claim is kept from other processes; longer than any attempt may take.
        slots: how many requests may be under way at once.
        poll_s: after how long it looks for work although nothing woke it and nothing is due.
        on_recorded: called after attempts were committed.
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
        poll_s: float = 1.0,
        on_recorded: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._courier = courier
        self._clock = clock
        self._rng = rng
        self._ids = ids
        self._owner = owner
        self._lease_ms = int(lease_s * 1000)
        self._slots = Slots(slots)
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
        self._cursor = ""
        self._look_everywhere = True
        self._looked_at_s = 0.0
        self._freed_lanes: set[str] = set()
        self._next_due_ms: int | None = None
        self._is_paused = False

    def wake(self) -> None:
        """Look for work now: something was committed that may be due."""
        self._look_everywhere = True
        self._wake.set()

    async def run(self) -> None:
        """Deliver until `stop` is called, then let what is under way finish, as far as the drain timeout allows."""
        async with asyncio.TaskGroup() as tasks:
            recorder = tasks.create_task(self._recorder.run(), name="recorder")
            await self._take_over_everything()
            while not self._stopping:
                self._wake.clear()
                freed_lanes, self._freed_lanes = self._freed_lanes, set()
                if self._look_everywhere or self._is_time_to_look() or not self._has_slots_for(freed_lanes):
                    await self._claim_everywhere(tasks)
                else:
                    await self._claim_from(freed_lanes, tasks)
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
            _log.info("claims.taken_over", count=taken_over)

    async def _claim_everywhere(self, tasks: asyncio.TaskGroup) -> None:
        """Claim lane by lane until no slot is free, or no lane has more that may go."""
        self._look_everywhere = False
        self._looked_at_s = self._clock.monotonic_s()
        # A round that begins in the middle has not seen the lanes before that.
        has_more = bool(self._cursor)
        while self._slots.free and not self._stopping:
            tick = await self._tick(tasks)
            if tick is None:
                continue
            has_more = has_more or tick.has_more
            self._cursor = tick.cursor
            if tick.cursor:
                continue
            if not has_more:
                # A lane that got only its share is to be looked at again whichever slot comes free.
                self._look_everywhere = self._look_everywhere or self._slots.free < FREE_SLOTS_FOR_ALL
                return
            has_more = False
        # Whichever slot comes free next, any lane may be waiting for it.
        self._look_everywhere = True

    async def _claim_from(self, lanes: set[str], tasks: asyncio.TaskGroup) -> None:
        """Claim from the lanes in which a request has ended. The others have nothing that may go, or are full."""
        has_more = True
        while has_more and self._slots.free and not self._stopping:
            tick = await self._tick(tasks, tuple(lanes))
            has_more = tick is None or tick.has_more
        self._look_everywhere = self._look_everywhere or has_more

    def _has_slots_for(self, lanes: set[str]) -> bool:
        """Say whether these lanes can be claimed from by themselves: none of them may be cut short for the others."""
        return self._slots.free >= FREE_SLOTS_FOR_ALL + LANE_LIMIT * len(lanes)

    def _is_time_to_look(self) -> bool:
        """Say whether something is due, or was not looked for in a while: requests that end keep the wait short."""
        is_due = self._next_due_ms is not None and self._next_due_ms <= self._clock.now_ms()
        return is_due or self._clock.monotonic_s() - self._looked_at_s >= self._poll_s

    async def _tick(self, tasks: asyncio.TaskGroup, lanes: Sequence[str] | None = None) -> Tick | None:
        """Claim and start what one transaction finds; None if the database was in the way."""
        work = TickWork(
            owner=self._owner,
            now_ms=self._clock.now_ms(),
            lease_ms=self._lease_ms,
            free_slots=self._slots.free,
            in_flight=self._slots.in_flight_by_lane(),
            rng=self._rng,
            ids=self._ids,
            lanes=lanes,
            cursor=self._cursor,
        )
        try:
            tick = await self._database.write(work)
            if self._stopping:
                await self._give_back([claim.claimed for claim in tick.claims])
                return None
        except Unavailable as error:
            await self._pause(error)
            return None
        self._go_on()
        self._next_due_ms = tick.next_due_ms
        for claim in tick.claims:
            self._start(claim, tasks)
        return tick

    async def _wait(self) -> None:
        """Wait to be woken, for the next notification that is due, or for the time to look anyway."""
        timeout_s = self._poll_s
        # Without a free slot it is the end of a request that is waited for, and that wakes.
        if self._next_due_ms is not None and self._slots.free:
            timeout_s = min(timeout_s, max(0, self._next_due_ms - self._clock.now_ms()) / 1000)
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            self._look_everywhere = True

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
        self._slots.take(claim.subscription.uid)
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
        self._on_recorded()
        self._ended([delivery.claim for delivery in deliveries])

    def _ended(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            self._slots.give_back(claim.subscription.uid)
            self._freed_lanes.add(claim.subscription.uid)
            del self._under_way[claim.claimed]
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
