"""Which events a replay sends: slice by slice, without a transaction, with turns for others in between."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from service.domain.formats import misfit
from service.domain.model import Event, FailureReason, Format, Subscription
from service.domain.replays import SLICE_EVENTS_MAX, Replay, is_sent_again, may_match_now
from service.matching import WorkspaceMatcher
from service.storage import events, replays
from service.storage.database import Database
from service.storage.replays import PastEvent, Position, SliceLimits
from service.storage.subscriptions import Rule
from service.turns import Turns

_SLICE_LIMITS = SliceLimits(events=SLICE_EVENTS_MAX, matches=50_000)
_PART_EVENTS_MAX = 50
_PART_PAYLOAD_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Selected:
    """An event that a replay sends. With a `failure_reason` its notification is FAILED from the start."""

    event: PastEvent
    failure_reason: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class Selections:
    """The events of one slice that a replay sends, out of `examined`, and where the next slice begins.

    `filter_is_too_slow` says that the subscription's filter took too long and is to be shut.
    """

    selected: Sequence[Selected]
    examined: int
    position: Position
    is_last: bool
    filter_is_too_slow: bool


async def select(
    database: Database,
    replay: Replay,
    subscription: Subscription,
    after: Position,
    *,
    selected_max: int,
    turns: Turns,
) -> Selections:
    """Look at the next slice of events, oldest first, until it ends or enough of them are selected. Nothing is written.

    Other tasks have their turns in between.
    """
    past = await database.read(lambda tx: replays.past_events(tx, replay, after, _SLICE_LIMITS))
    scan = _Scan(database, replay, subscription, turns)
    for part in _parts(past.events):
        await scan.look_at(part, selected_max=selected_max)
        if len(scan.selected) == selected_max:
            break
    return Selections(
        selected=scan.selected,
        examined=scan.examined,
        position=past.events[scan.examined - 1].position if scan.examined else after,
        is_last=past.is_end and scan.examined == len(past.events),
        filter_is_too_slow=scan.filter_is_too_slow,
    )


class _Scan:
    """A look at one slice, part by part."""

    def __init__(self, database: Database, replay: Replay, subscription: Subscription, turns: Turns) -> None:
        self.selected: list[Selected] = []
        self.examined = 0
        self.filter_is_too_slow = False
        self._database = database
        self._replay = replay
        self._subscription = subscription
        self._turns = turns

    async def look_at(self, part: Sequence[PastEvent], *, selected_max: int) -> None:
        """Select those of the next events that are sent, until enough are."""
        reasons = await self._sent(part)
        for each in part:
            if len(self.selected) == selected_max:
                return
            self.examined += 1
            if each.id in reasons:
                self.selected.append(Selected(each, reasons[each.id]))

    async def _sent(self, part: Sequence[PastEvent]) -> dict[str, FailureReason | None]:
        """Return the ids of the events that are sent, each with the reason why its notification fails at once."""
        again = {each.id for each in part if is_sent_again(self._replay, each.newest_state)}
        unmatched = {
            each.id
            for each in part
            if may_match_now(
                self._replay, self._subscription, event_type=each.event_type, newest_state=each.newest_state
            )
        }
        if not _looks_into_events(self._subscription):
            return dict.fromkeys(again | unmatched)
        loaded = await self._load(again, unmatched)
        sent = again | await self._match([event for event in loaded if event.id in unmatched])
        reasons = await _failure_reasons(self._subscription.format, [event for event in loaded if event.id in sent])
        return dict.fromkeys(sent) | reasons

    async def _load(self, again: set[str], unmatched: set[str]) -> list[Event]:
        """Return those of the events that the decision must look into, with payloads only if it needs them."""
        ids = again | unmatched if self._subscription.format is Format.EVENT_CODE else unmatched
        keys = [(self._subscription.workspace, event_id) for event_id in sorted(ids)]
        if not keys:
            return []
        if _looks_into_payloads(self._subscription):
            found = await self._database.read(lambda tx: events.find(tx, keys))
        else:
            found = await self._database.read(lambda tx: [events.find_summary(tx, *key) for key in keys])
        return [event for event in found if event is not None]

    async def _match(self, candidates: Sequence[Event]) -> set[str]:
        """Return the ids of the events that the subscription wants as it is now, enabled or not."""
        matcher = WorkspaceMatcher(self._note_too_slow, turns=self._turns)
        matcher.apply([replace(Rule.of(self._subscription), active=True)], revision=self._subscription.revision)
        wanting = await matcher.match(candidates)
        return {event.id for event, rules in zip(candidates, wanting, strict=True) if rules}

    async def _note_too_slow(self, rule: Rule) -> None:
        # It is asked of no event that follows.
        self._subscription = replace(self._subscription, filter_is_shut=True)
        self.filter_is_too_slow = True


def _parts(past: Sequence[PastEvent]) -> Iterator[list[PastEvent]]:
    """Cut a slice into parts small enough for their payloads to be held in memory at once."""
    part: list[PastEvent] = []
    payload_bytes = 0
    for each in past:
        payload_bytes += each.payload_size
        if part and (len(part) == _PART_EVENTS_MAX or payload_bytes > _PART_PAYLOAD_BYTES_MAX):
            yield part
            part, payload_bytes = [], each.payload_size
        part.append(each)
    if part:
        yield part


def _looks_into_events(subscription: Subscription) -> bool:
    return bool(subscription.attribute_filters) or _looks_into_payloads(subscription)


def _looks_into_payloads(subscription: Subscription) -> bool:
    return bool(subscription.filter) or subscription.format is Format.EVENT_CODE


async def _failure_reasons(format: Format, sent: Sequence[Event]) -> dict[str, FailureReason | None]:
    """Return the ids of the events that do not fit the format, with that as the reason."""
    reasons: dict[str, FailureReason | None] = {}
    for event in sent:
        if misfit(event, format) is not None:
            reasons[event.id] = FailureReason.FORMAT_NOT_APPLICABLE
        # It may have read a large payload.
        await asyncio.sleep(0)
    return reasons
