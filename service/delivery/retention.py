"""Deletes what is older than it is kept: slice by slice, in rounds over everything that grows with use."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.clock import Clock
from service.domain.errors import Unavailable
from service.storage import retention
from service.storage.database import Database, Essential
from service.storage.retention import BEGINNING, Limits, Place, Slice

# What was old but needed is looked at again once an hour, however much of it there is.
_POLL_S: Final = 60.0
_LAP_S: Final = 3_600.0
# Between two slices the writer is left alone four times as long as the last one took. That includes its wait for the
# writer, so where others are busy with it the pauses grow. Only as long as that, once a round has so many slices that
# more may be coming than go.
_PAUSE_FACTOR: Final = 4.0
_PAUSE_FACTOR_BEHIND: Final = 1.0
_SLICES_BEHIND: Final = 500
_PAUSE_MIN_S: Final = 0.01

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """How long things are kept, in milliseconds.

    `events_ms` is also for what came of events: notifications with their attempts, replays, deleted subscriptions.
    """

    events_ms: int
    request_ids_ms: int
    changes_ms: int
    audit_ms: int


@dataclass(slots=True)
class _Kind:
    """One kind of thing that grows old, and how far this lap has come in looking at it."""

    name: str
    kept_ms: int
    delete: Callable[..., Slice]
    place: Place = field(default=BEGINNING)


class Retention:
    """Deletes old changes, request_ids, events, replays, deleted subscriptions and audit entries in slices.

    Each slice is one transaction. In this order, for each may be needed by what comes before it: an event by its
    request_id and by changes of its notifications, a replay and a deleted subscription by notifications that refer to
    them. Nothing refers to audit entries, nor they to rows.
    """

    def __init__(self, database: Database, *, clock: Clock, retained: Retained, limits: Limits | None = None) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits or Limits()
        self._kinds = (
            _Kind("changes", retained.changes_ms, retention.delete_changes),
            _Kind("publish_requests", retained.request_ids_ms, retention.delete_publish_requests),
            _Kind("management_requests", retained.request_ids_ms, retention.delete_management_requests),
            _Kind("events", retained.events_ms, retention.delete_events),
            _Kind("replays", retained.events_ms, retention.delete_replays),
            _Kind("subscriptions", retained.events_ms, retention.delete_tombstones),
            _Kind("audit_entries", retained.audit_ms, retention.delete_audit_entries),
        )
        # Those that this round has yet to come to the end of. They take turns: one that is never done stops no other.
        self._left = deque(self._kinds)
        self._slices = 0
        self._lap_ends_s = clock.monotonic_s() + _LAP_S
        self._deleted: Counter[str] = Counter()

    async def run(self) -> None:
        """Delete until cancelled."""
        await work_in_slices(self.take_turn, name="retention", poll_s=_POLL_S)

    async def take_turn(self) -> float:
        """Delete one slice of the kind whose turn it is; return in how many seconds the next one may come."""
        began_s = self._clock.monotonic_s()
        kind = self._left.popleft()
        before_ms = self._clock.now_ms() - kind.kept_ms
        # On a full disk too, for this is what makes room.
        work = Essential(partial(kind.delete, after=kind.place, before_ms=before_ms, limits=self._limits))
        try:
            found = await self._database.write(work)
        except Unavailable:
            self._left.appendleft(kind)
            raise
        kind.place = found.place
        self._deleted[kind.name] += found.deleted
        self._deleted["notifications"] += found.deleted_notifications
        self._slices += 1
        if not found.is_last:
            self._left.append(kind)
            return max(_PAUSE_MIN_S, self._pause_factor() * (self._clock.monotonic_s() - began_s))
        if self._left:
            return AT_ONCE
        self._end_round()
        return NOTHING_LEFT

    def _pause_factor(self) -> float:
        return _PAUSE_FACTOR if self._slices < _SLICES_BEHIND else _PAUSE_FACTOR_BEHIND

    def _end_round(self) -> None:
        if self._deleted.total():
            _log.info("retention.deleted", **{name: count for name, count in self._deleted.items() if count})
        self._deleted.clear()
        self._left.extend(self._kinds)
        self._slices = 0
        if self._clock.monotonic_s() >= self._lap_ends_s:
            self._lap_ends_s = self._clock.monotonic_s() + _LAP_S
            for kind in self._kinds:
                kind.place = BEGINNING
