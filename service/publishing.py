"""Accepting events: the use case behind Publish and BatchPublish.

OK means committed: the events, their request_ids and every notification they cause are one transaction.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.domain.clock import Clock
from service.domain.errors import EventTypeUnknown, InvalidField, RequestIdReused, ResourceExists, quoted
from service.domain.ids import Ids, uuid7_time_ms
from service.domain.model import Event
from service.domain.names import Workspace
from service.matching import Matchers, Occurrence, rematch
from service.storage import event_types, events, notifications, workspaces
from service.storage.database import Database, Transaction
from service.storage.events import PublishRequest
from service.storage.notifications import NewNotification
from service.storage.subscriptions import Rule

_MATCHES_OUTSIDE_MAX = 3
BATCH_NOTIFICATIONS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event as a publisher sent it, with its fields checked.

    `occur_time_ns` keeps what the publisher wrote to the nanosecond, for telling whether two requests say the same.
    `path` is where the event's request stands in the caller's message, `requests[3].` or empty, for errors.
    """

    event_type: str
    source: str
    subject: str
    attributes: Mapping[str, str]
    payload: bytes = field(repr=False)
    payload_is_json: bool
    content_type: str
    context_json: str = field(repr=False)
    occur_time_ns: int | None
    event_id: str | None
    request_id: str | None
    path: str = ""

    @property
    def request_key(self) -> str | None:
        """What makes a repeated request recognisable: the request_id, else the publisher's own event_id."""
        return self.request_id or self.event_id

    def fingerprint(self) -> bytes:
        """Return a digest of what the request says; equal requests have equal ones."""
        digest = hashlib.sha256()
        for part in self._said():
            # The length before each part keeps "ab" + "c" apart from "a" + "bc".
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()

    def _said(self) -> Iterator[bytes]:
        yield self.event_type.encode()
        yield self.source.encode()
        yield self.subject.encode()
        yield self.content_type.encode()
        yield b"json" if self.payload_is_json else b"data"
        yield self.payload
        yield self.context_json.encode()
        yield b"" if self.occur_time_ns is None else str(self.occur_time_ns).encode()
        for key, value in sorted(self.attributes.items()):
            yield key.encode()
            yield value.encode()


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one draft. The event is without payload when it is that of an earlier request."""

    event: Event
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    draft: EventDraft
    event: Event
    fingerprint: bytes

    @property
    def occurrence(self) -> Occurrence:
        return Occurrence(self.event.event_type, self.event.attributes)


@dataclass(frozen=True, slots=True)
class _Stale:
    """The subscriptions changed between the match and the transaction."""


class Publisher:
    """Accepts events and makes the notifications that they cause."""

    def __init__(
        self,
        database: Database,
        matchers: Matchers,
        *,
        clock: Clock,
        ids: Ids,
        on_accepted: Callable[[], None],
        allow_unknown_event_types: bool,
        batch_notifications_max: int = BATCH_NOTIFICATIONS_MAX,
    ) -> None:
        self._database = database
        self._matchers = matchers
        self._clock = clock
        self._ids = ids
        self._on_accepted = on_accepted
        self._allow_unknown_event_types = allow_unknown_event_types
        self._batch_notifications_max = batch_notifications_max

    async def publish(self, workspace: Workspace, drafts: Sequence[EventDraft]) -> list[Published]:
        """Accept all drafts, or none; return the results in the order of the drafts.

        Raises:
            EventTypeUnknown: a draft's event type was never created.
            RequestIdReused: a request_id was used before, also earlier in this batch, for a request that said something
                else.
            ResourceExists: an event_id is taken.
            InvalidField: the drafts match too many subscriptions for one transaction.
            DiskFull, StorageUnavailable: see Database.write.
        """
        candidates = [self._candidate(workspace, draft) for draft in drafts]
        matcher = await self._matchers.loaded(workspace)
        for tries_left in reversed(range(_MATCHES_OUTSIDE_MAX + 1)):
            matched = [matcher.match(candidate.occurrence) for candidate in candidates]
            self._check_fan_out(matched)
            accept = _Accept(
                workspace,
                candidates,
                matched,
                revision=matcher.revision,
                may_rematch=tries_left == 0,
                require_known_types=not self._allow_unknown_event_types,
                ids=self._ids,
            )
            try:
                accepted = await self._database.write(accept)
            finally:
                # Also for a caller that gave up waiting: its events may well be committed.
                self._on_accepted()
            if not isinstance(accepted, _Stale):
                return accepted
            matcher = await self._matchers.newer(workspace, accept.revision)
        raise AssertionError("the last try corrects its matches inside the transaction")

    async def preview(self, workspace: Workspace, draft: EventDraft) -> Published:
        """Check a draft and count its matches, without accepting it.

        Raises:
            EventTypeUnknown: as for publish.
        """
        candidate = self._candidate(workspace, draft)
        if not self._allow_unknown_event_types:
            await self._database.read(lambda tx: _check_event_types(tx, [draft]))
        matcher = await self._matchers.refresh(workspace)
        matched = matcher.match(candidate.occurrence)
        return Published(replace(candidate.event, matched_count=len(matched)))

    def _check_fan_out(self, matched: Sequence[list[Rule]]) -> None:
        """Refuse a batch whose commit would hold up every other publish. A single event is never too much."""
        notifications_made = sum(map(len, matched))
        if len(matched) > 1 and notifications_made > self._batch_notifications_max:
            raise InvalidField(
                "requests",
                f"may match {self._batch_notifications_max} subscriptions together; these match {notifications_made}: "
                "send fewer at once",
            )

    def _candidate(self, workspace: Workspace, draft: EventDraft) -> _Candidate:
        event = Event(
            workspace=workspace,
            id=draft.event_id or self._ids.new(),
            event_type=draft.event_type,
            source=draft.source,
            subject=draft.subject,
            attributes=draft.attributes,
            payload=draft.payload,
            payload_is_json=draft.payload_is_json,
            content_type=draft.content_type,
            context_json=draft.context_json,
            occur_time_ms=None if draft.occur_time_ns is None else draft.occur_time_ns // 1_000_000,
            create_time_ms=self._clock.now_ms(),
            payload_sha256=hashlib.sha256(draft.payload).digest(),
            payload_size=len(draft.payload),
            matched_count=0,
        )
        return _Candidate(draft, event, draft.fingerprint() if draft.request_key else b"")


@dataclass(frozen=True, slots=True)
class _Accept:
    """The accepting transaction, as a work: read top to bottom in `__call__`.

    `matched` are the rules that want each candidate, as of `revision`.
    """

    workspace: Workspace
    candidates: Sequence[_Candidate]
    matched: Sequence[list[Rule]]
    revision: int
    may_rematch: bool
    require_known_types: bool
    ids: Ids

    def __call__(self, tx: Transaction) -> list[Published] | _Stale:
        firsts = self._first_uses(tx)
        fresh = [index for index, first in enumerate(firsts) if first is None]
        if not fresh:
            return [self._earlier(tx, first) for first in firsts]
        if self.require_known_types:
            _check_event_types(tx, [self.candidates[index].draft for index in fresh])
        matched = self._matched_now(tx)
        if matched is None:
            return _Stale()
        self._check_event_ids(tx, fresh)
        stored = {index: self._stored(index, matched[index]) for index in fresh}
        self._insert(tx, stored, matched)
        return [
            Published(stored[index]) if index in stored else self._earlier(tx, first)
            for index, first in enumerate(firsts)
        ]

    def _matched_now(self, tx: Transaction) -> Sequence[list[Rule]] | None:
        """Return the matches as of this transaction; None if they are out of date and to be made again outside."""
        if workspaces.locked_revision(tx, self.workspace.key) == self.revision:
            return self.matched
        if not self.may_rematch:
            return None
        occurrences = [candidate.occurrence for candidate in self.candidates]
        return rematch(tx, self.workspace, occurrences, self.matched, self.revision)

    def _first_uses(self, tx: Transaction) -> list[str | None]:
        """Say for each draft which event its request_id stands for already; None for a new request."""
        keys = [candidate.draft.request_key for candidate in self.candidates]
        seen = events.find_requests(tx, self.workspace, [key for key in keys if key is not None])
        firsts: list[str | None] = []
        for candidate, key in zip(self.candidates, keys, strict=True):
            used = seen.get(key) if key is not None else None
            if used is not None:
                _check_same_request(candidate, used)
            elif key is not None:
                seen[key] = PublishRequest(key, candidate.fingerprint, candidate.event.id)
            firsts.append(used.event_id if used is not None else None)
        return firsts

    def _check_event_ids(self, tx: Transaction, fresh: Sequence[int]) -> None:
        given = [self.candidates[index] for index in fresh if self.candidates[index].draft.event_id is not None]
        taken = events.taken_ids(tx, self.workspace, [candidate.event.id for candidate in given])
        for candidate in given:
            if candidate.event.id in taken:
                raise ResourceExists(
                    f"{candidate.draft.path}event_id: there is an event {quoted(candidate.event.id)} already, "
                    "published with another request_id",
                    resource_type="event",
                    resource_name=candidate.event.name,
                    field=f"{candidate.draft.path}event_id",
                )
            taken.add(candidate.event.id)

    def _stored(self, index: int, rules: Sequence[Rule]) -> Event:
        return replace(self.candidates[index].event, matched_count=len(rules))

    def _insert(self, tx: Transaction, stored: Mapping[int, Event], matched: Sequence[list[Rule]]) -> None:
        now_ms = next(iter(stored.values())).create_time_ms
        events.insert(tx, list(stored.values()))
        notifications.insert(
            tx, [self._owed(event, rule) for index, event in stored.items() for rule in matched[index]]
        )
        requests = [
            PublishRequest(candidate.draft.request_key, candidate.fingerprint, stored[index].id)
            for index, candidate in enumerate(self.candidates)
            if index in stored and candidate.draft.request_key is not None
        ]
        events.insert_requests(tx, self.workspace, requests, now_ms=now_ms)

    def _owed(self, event: Event, rule: Rule) -> NewNotification:
        notification_id = self.ids.new()
        return NewNotification(
            id=notification_id,
            workspace=event.workspace,
            event_id=event.id,
            event_type=event.event_type,
            subscription_uid=rule.uid,
            subscription_id=rule.id,
            # Lists go by the id and filter by the time, so the two must say the same.
            create_time_ms=uuid7_time_ms(notification_id),
        )

    def _earlier(self, tx: Transaction, event_id: str | None) -> Published:
        assert event_id is not None, "what is not new has a first use"
        event = events.find_summary(tx, self.workspace, event_id)
        assert event is not None, "a request_id is never kept longer than its event"
        return Published(event, deduplicated=True)


def _check_event_types(tx: Transaction, drafts: Sequence[EventDraft]) -> None:
    missing = event_types.missing(tx, (draft.event_type for draft in drafts))
    for draft in drafts:
        if draft.event_type in missing:
            raise EventTypeUnknown(f"{draft.path}event.event_type", draft.event_type)


def _check_same_request(candidate: _Candidate, first: PublishRequest) -> None:
    if candidate.fingerprint == first.fingerprint:
        return
    name = "request_id" if candidate.draft.request_id else "event_id"
    raise RequestIdReused(
        f"{candidate.draft.path}{name}: {quoted(first.request_id)} was used before, for a request that said something "
        "else; repeat a request unchanged, or give a new request a new id",
        field=f"{candidate.draft.path}{name}",
    )
