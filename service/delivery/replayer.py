"""Carries replays out in the background: makes their notifications, slice by slice.

What a slice made and how far it came are committed together, so a replay that is interrupted goes on where it stood.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from service.backlog import Backlog
from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.clock import Clock
from service.domain.errors import Unavailable
from service.domain.ids import Ids, uuid7_time_ms
from service.domain.model import Subscription
from service.domain.replays import PAUSE_MS_MAX, pause_ms, slice_notifications_max
from service.matching import shut_filter
from service.replaying.selection import Selected, Selections, select
from service.storage import announcements, notifications, replays, subscriptions
from service.storage.database import Database, Transaction
from service.storage.notifications import NewNotification
from service.storage.replays import Progress, RunningReplay
from service.turns import Turns

_POLL_S = 1.0
_CRASH_PAUSE_MS = 60_000
_FULL_PAUSE_MS = 5_000
_WAIT_MS_MAX = max(PAUSE_MS_MAX, _CRASH_PAUSE_MS)

_log = structlog.get_logger()


class Replayer:
    """Carries out the replays that are RUNNING, in turns: one slice of one of them at a time.

    A slice is one transaction of at most 500 notifications, so that publishes go on in between. Of a replay with a
    max_rate_per_second it is at most the notifications of one second, and the next slice comes when that time is over;
    when that is, is stored, so the rate is kept across restarts too.

    Where the backlog is full, a replay waits until there is room.

    A slice that a fault of this server ends is logged, and tried again after a minute; the other replays go on.
    """

    def __init__(
        self,
        database: Database,
        *,
        backlog: Backlog,
        clock: Clock,
        ids: Ids,
        on_made: Callable[[frozenset[str]], None],
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._backlog = backlog
        self._clock = clock
        self._ids = ids
        self._on_made = on_made
        self._turns = turns or Turns()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for replays now."""
        self._wake.set()

    async def run(self) -> None:
        """Replay until cancelled."""
        await work_in_slices(self.take_turn, name="replay", poll_s=_POLL_S, wake=self._wake)

    async def take_turn(self) -> float:
        """Carry out one slice of the replay whose turn it is; return in how many seconds the next one may come."""
        now_ms = self._clock.now_ms()
        running = await self._database.read(
            lambda tx: replays.next_running(tx, now_ms=now_ms, wait_ms_max=_WAIT_MS_MAX)
        )
        if running is None:
            return NOTHING_LEFT
        if running.next_time_ms > now_ms:
            return (running.next_time_ms - now_ms) / 1000
        if self._backlog.is_full(running.replay.workspace):
            await self._put_off(running, _FULL_PAUSE_MS)
            return AT_ONCE
        try:
            await self._go_on_with(running)
        except Unavailable:
            raise
        except Exception:
            # The boundary of one slice: a bug that one event triggers must not stop the others.
            _log.exception("replay.crashed", replay=running.replay.name)
            await self._put_off(running, _CRASH_PAUSE_MS)
        return AT_ONCE

    async def _go_on_with(self, running: RunningReplay) -> None:
        subscription = await self._database.read(lambda tx: _subscription(tx, running))
        if subscription is None:
            now_ms = self._clock.now_ms()
            await self._database.write(lambda tx: replays.cancel(tx, running.replay.id, now_ms=now_ms))
            return
        await self._make_slice(running, subscription)

    async def _put_off(self, running: RunningReplay, wait_ms: int) -> None:
        next_time_ms = self._clock.now_ms() + wait_ms
        await self._database.write(lambda tx: replays.put_off(tx, running, next_time_ms=next_time_ms))

    async def _make_slice(self, running: RunningReplay, subscription: Subscription) -> None:
        found = await select(
            self._database,
            running.replay,
            subscription,
            running.position,
            selected_max=slice_notifications_max(running.replay.max_rate_per_second),
            turns=self._turns,
        )
        if found.filter_is_too_slow:
            await self._shut_filter(subscription)
        work = SliceWork(running, found, ids=self._ids, clock=self._clock)
        with self._backlog.adding(running.replay.workspace, len(found.selected)) as adding:
            is_done = await self._database.write(work)
            adding.notifications = len(found.selected) if is_done else 0
        if is_done and found.selected:
            self._on_made(frozenset((running.replay.subscription_uid,)))

    async def _shut_filter(self, subscription: Subscription) -> None:
        uid, text, now_ms = subscription.uid, subscription.filter, self._clock.now_ms()
        if await self._database.write(lambda tx: shut_filter(tx, uid, text, now_ms=now_ms)):
            _log.warning("subscription.filter_shut", subscription=subscription.name, reason="FILTER_TOO_SLOW")


@dataclass(frozen=True, slots=True)
class SliceWork:
    """One slice of a replay as a work; says whether it was done.

    It is fenced by the replay's state and position: a slice that another process has done, or whose replay was
    cancelled meanwhile, is not done.
    """

    running: RunningReplay
    found: Selections
    ids: Ids
    clock: Clock

    def __call__(self, tx: Transaction) -> bool:
        """Make the notifications, and note how far the replay came."""
        # The subscription is locked before the replay, as by whoever deletes it.
        if not replays.lock_living(tx, self.running.replay.subscription_uid):
            replays.cancel(tx, self.running.replay.id, now_ms=self.clock.now_ms())
            return False
        made = [self._owed(each) for each in self.found.selected]
        if not replays.advance(tx, self.running, self._progress(len(made))):
            return False
        notifications.insert(tx, made)
        announcements.insert(tx, notifications.failures(made, self.ids))
        return True

    def _owed(self, selected: Selected) -> NewNotification:
        notification_id = self.ids.new()
        return NewNotification(
            id=notification_id,
            workspace=self.running.replay.workspace,
            event_id=selected.event.id,
            event_type=selected.event.event_type,
            subscription_uid=self.running.replay.subscription_uid,
            subscription_id=self.running.replay.subscription_id,
            # Lists go by the id and filter by the time, so the two must say the same.
            create_time_ms=uuid7_time_ms(notification_id),
            replay_id=self.running.replay.id,
            failure_reason=selected.failure_reason,
            payload_size=selected.event.payload_size,
        )

    def _progress(self, made: int) -> Progress:
        # As it is now that they are made, for this transaction may have waited for the writer. By the clock and not by
        # their ids, which keep the time of a clock that was ahead.
        now_ms = self.clock.now_ms()
        return Progress(
            position=self.found.position,
            examined=self.found.examined,
            created=made,
            next_time_ms=now_ms + pause_ms(self.running.replay.max_rate_per_second, made=made),
            is_last=self.found.is_last,
            now_ms=now_ms,
        )


def _subscription(tx: Transaction, running: RunningReplay) -> Subscription | None:
    uid = running.replay.subscription_uid
    return subscriptions.find_by_uid(tx, [uid]).get(uid)
