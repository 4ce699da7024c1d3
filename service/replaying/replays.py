"""Creating, counting, reading and cancelling replays; `service.delivery.replayer` carries them out."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from service.domain.access import Actor
from service.domain.audit import entry_of
from service.domain.clock import Clock, rfc3339
from service.domain.errors import InvalidField, ResourceNotFound, StateConflict, quoted
from service.domain.ids import Ids, first_uuid7_at
from service.domain.names import ReplayName, Workspace
from service.domain.replays import SLICE_EVENTS_MAX, Replay, ReplayRequest, ReplayState, new_replay
from service.paging import Page, take
from service.replaying.selection import select
from service.storage import audit, replays, subscriptions
from service.storage.database import Database, Long, Transaction
from service.turns import Turns

RUNNING_MAX = 10
COUNTED_EVENTS_MAX = 1_000_000

_COUNTS_AT_ONCE_MAX = 2
_AFTER_ALL_IDS = first_uuid7_at((1 << 48) - 1)


class Replays:
    """Creates, counts, reads and cancels replays. Each change is written to the audit log, with who made it."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        ids: Ids,
        on_created: Callable[[], None],
        counted_events_max: int = COUNTED_EVENTS_MAX,
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._on_created = on_created
        self._counted_events_max = counted_events_max
        self._turns = turns or Turns()
        # Counting reads much and writes nothing: without a bound, a few callers could keep every reader busy.
        self._counting = asyncio.Semaphore(_COUNTS_AT_ONCE_MAX)

    async def create(self, workspace: Workspace, subscription_id: str, request: ReplayRequest, *, by: Actor) -> Replay:
        """Begin a replay; its notifications are made in the background.

        Raises:
            ResourceNotFound: there is no such subscription.
            InvalidField: the time range begins in the future.
            StateConflict: as many replays of the subscription as may be are RUNNING.
            DiskFull, StorageUnavailable: see Database.write.
        """
        now_ms, replay_id = self._clock.now_ms(), self._ids.new()

        def work(tx: Transaction) -> Replay:
            subscription = subscriptions.get(tx, workspace, subscription_id)
            replay = new_replay(subscription, request, id=replay_id, now_ms=now_ms)
            if replays.running_count(tx, subscription.uid) >= RUNNING_MAX:
                raise StateConflict(
                    f"{RUNNING_MAX} replays of {quoted(subscription.name)} are RUNNING, which is as many as may be: "
                    "wait until one has ended, or cancel one"
                )
            replays.insert(tx, replay)
            audit.insert(tx, entry_of(by, "CreateReplay", None, replay, time_ms=now_ms))
            return replay

        try:
            return await self._database.write(work)
        finally:
            # Also for a caller that gave up waiting: the replay may well be committed.
            self._on_created()

    async def count(self, workspace: Workspace, subscription_id: str, request: ReplayRequest) -> Replay:
        """Return what a replay would be, with the counts that it would end with. Nothing is written.

        Raises:
            ResourceNotFound: there is no such subscription.
            InvalidField: the time range begins in the future, or has too many events to count.
        """
        subscription = await self._database.read(lambda tx: subscriptions.get(tx, workspace, subscription_id))
        replay = new_replay(subscription, request, id="", now_ms=self._clock.now_ms())
        position = replays.beginning(replay)
        async with self._counting:
            while True:
                found = await select(
                    self._database, replay, subscription, position, selected_max=SLICE_EVENTS_MAX, turns=self._turns
                )
                position = found.position
                subscription = replace(
                    subscription, filter_is_shut=subscription.filter_is_shut or found.filter_is_too_slow
                )
                replay = replace(
                    replay,
                    examined_count=replay.examined_count + found.examined,
                    created_count=replay.created_count + len(found.selected),
                )
                self._check_countable(replay)
                if found.is_last:
                    return replay

    async def get(self, name: ReplayName) -> Replay:
        """Return a replay. That of a deleted subscription is still there.

        Raises:
            ResourceNotFound: there is none of this name.
        """
        return await self._database.read(lambda tx: _existing(tx, name))

    async def page(
        self, workspace: Workspace, subscription_id: str, *, before: str | None, page_size: int
    ) -> Page[Replay, str]:
        """Return a subscription's replays, newest first.

        Raises:
            ResourceNotFound: there is no such subscription.
        """

        def work(tx: Transaction) -> Page[Replay, str]:
            uid = subscriptions.get(tx, workspace, subscription_id).uid
            return take(
                lambda position, limit: replays.of_subscription(tx, uid, position, limit=limit),
                start=before or _AFTER_ALL_IDS,
                position_of=lambda replay: replay.id,
                wanted=lambda replay: True,
                page_size=page_size,
            )

        return await self._database.read(Long(work))

    async def cancel(self, name: ReplayName, *, by: Actor) -> Replay:
        """End a replay; the notifications that it made stay. One that is CANCELLED already stays as it is.

        Raises:
            ResourceNotFound: there is none of this name.
            StateConflict: it has made every notification.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> Replay:
            before = _existing(tx, name)
            was_running = replays.cancel(tx, before.id, now_ms=now_ms)
            replay = _existing(tx, name)
            if replay.state is ReplayState.SUCCEEDED:
                raise StateConflict(f"{quoted(replay.name)} is SUCCEEDED: it has made every notification")
            if was_running:
                audit.insert(tx, entry_of(by, "CancelReplay", before, replay, time_ms=now_ms))
            return replay

        return await self._database.write(work)

    def _check_countable(self, replay: Replay) -> None:
        if replay.examined_count > self._counted_events_max:
            raise InvalidField(
                "replay.end_time",
                f"must be such that at most {self._counted_events_max} events are counted; from "
                f"{rfc3339(replay.start_time_ms)} to {rfc3339(replay.end_time_ms)} there are more",
            )


def _existing(tx: Transaction, name: ReplayName) -> Replay:
    found = replays.find(tx, name)
    if found is None:
        raise ResourceNotFound("replay", name.name)
    return found
