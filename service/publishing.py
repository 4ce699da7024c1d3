"""Accepting events: the use case behind Publish, BatchPublish and StreamPublish.

OK means committed: the events, their request_ids and every notification they cause are one transaction. Events are
validated and matched before it, and again as often as it finds that what they were judged by has changed.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from service.accepting import Accept, Accepted, Candidate, Matched, Stale, StaleMatches, StaleTypes
from service.backlog import Backlog
from service.domain.clock import Clock
from service.domain.errors import EventTypeUnknown, InvalidField, PayloadSchemaMismatch, StorageUnavailable, quoted
from service.domain.ids import Ids
from service.domain.model import Event, SchemaEnforcement
from service.domain.names import Workspace
from service.domain.schemas import Violation
from service.matching import Matchers, WorkspaceMatcher
from service.storage.database import Database
from service.storage.events import PublishRequest
from service.storage.subscriptions import Rule
from service.validating import NO_DEFINITION, Definition, Definitions

BATCH_NOTIFICATIONS_MAX: Final = 50_000
# So many events are judged outside the transaction; after that it may correct matches itself, where that is cheap.
_MATCHES_OUTSIDE_MAX: Final = 3
_TRIES_MAX: Final = 20
# Payloads are validated on the event loop in slices of so many bytes.
_SLICE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event as a publisher sent it, with its fields checked.

    `occur_time_ns` keeps what the publisher wrote to the nanosecond, for telling whether two requests say the same.
    `path` is where the event's request stands in the caller's message, `requests[3].` or empty, and `payload_field` the
    field of the event that the payload came in, for errors.
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
    payload_field: str = "json"

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
    """What became of one draft. The event is without payload when it is that of an earlier request.

    `schema_violations` are where its payload does not match a schema that is enforced with WARN.
    """

    event: Event
    deduplicated: bool = False
    schema_violations: tuple[Violation, ...] = ()


class Publisher:
    """Accepts events and makes the notifications that they cause.

    Args:
        backlog: refuses what would be too much, and is told what was accepted.
        on_accepted: called after every write, with the subscriptions for which notifications may be due; None if that
            is not known.
        on_mismatch: called for every event that is accepted although its payload does not match its type's schema, with
            the number of violations.
    """

    def __init__(
        self,
        database: Database,
        matchers: Matchers,
        definitions: Definitions,
        *,
        backlog: Backlog,
        clock: Clock,
        ids: Ids,
        on_accepted: Callable[[frozenset[str] | None], None],
        on_mismatch: Callable[[Event, int], None] | None = None,
        allow_unknown_event_types: bool,
        batch_notifications_max: int = BATCH_NOTIFICATIONS_MAX,
    ) -> None:
        self._database = database
        self._matchers = matchers
        self._definitions = definitions
        self._backlog = backlog
        self._clock = clock
        self._ids = ids
        self._on_accepted = on_accepted
        self._on_mismatch = on_mismatch
        self._allow_unknown_event_types = allow_unknown_event_types
        self._batch_notifications_max = batch_notifications_max

    async def publish(
        self, workspace: Workspace, drafts: Sequence[EventDraft], *, only_if_matched: bool = False
    ) -> list[Published]:
        """Accept all drafts, or none; return the results in the order of the drafts.

        Args:
            only_if_matched: store nothing of a draft that no subscription wants; its matched_count is 0. For what
                Tidings itself has to tell, which no limit of the backlog holds back: an overload is no time to be
                silent, and each of these is caused by a notification that ended, or by a person.

        Raises:
            BacklogFull: too much is PENDING. Nothing was read or written.
            EventTypeUnknown: a draft's event type was never created.
            PayloadSchemaMismatch: a payload does not match its event type's schema, which is enforced with REJECT.
            RequestIdReused: a request_id was used before, also earlier in this batch, for a request that said something
                else.
            ResourceExists: an event_id is taken.
            InvalidField: the drafts match too many subscriptions for one transaction.
            DiskFull, StorageUnavailable: see Database.write. StorageUnavailable also when subscriptions or event types
                change faster than events can be judged by them.
        """
        if not only_if_matched:
            self._backlog.check(workspace)
        unjudged = [self._candidate(workspace, draft) for draft in drafts]
        definitions = await self._definitions.loaded(_types_of(unjudged))
        candidates = await _judged(unjudged, drafts, definitions)
        matcher = await self._matchers.loaded(workspace)
        for tries in range(_TRIES_MAX):
            # Read before the first await: it is what the matches are made at.
            revision = matcher.revision
            accepted = await self._write(
                Accept(
                    workspace,
                    candidates,
                    await self._matched(matcher, candidates),
                    revision=revision,
                    may_rematch=tries >= _MATCHES_OUTSIDE_MAX,
                    require_known_types=not self._allow_unknown_event_types,
                    only_if_matched=only_if_matched,
                    ids=self._ids,
                )
            )
            match accepted:
                case StaleMatches():
                    matcher = await self._matchers.newer(workspace, revision)
                case StaleTypes(event_types):
                    definitions |= await self._definitions.newer({each: definitions[each] for each in event_types})
                    candidates = await _judged(unjudged, drafts, definitions)
                case _:
                    return self._published(accepted, candidates)
        raise StorageUnavailable(
            "subscriptions or event types are changing faster than events can be matched with them"
        )

    async def preview(self, workspace: Workspace, draft: EventDraft) -> Published:
        """Check a draft and count its matches, without accepting it.

        Raises:
            EventTypeUnknown, PayloadSchemaMismatch: as for publish.
        """
        unjudged = self._candidate(workspace, draft)
        definitions = await self._definitions.refresh(_types_of([unjudged]))
        [candidate] = await _judged([unjudged], [draft], definitions)
        if candidate.needs_type and candidate.type_revision is None and not self._allow_unknown_event_types:
            raise EventTypeUnknown(f"{draft.path}event.event_type", draft.event_type)
        if candidate.refusal is not None:
            raise candidate.refusal
        matcher = await self._matchers.refresh(workspace)
        [matched] = await self._matched(matcher, [candidate])
        event = replace(candidate.event, matched_count=len(matched.rules))
        return Published(event, schema_violations=candidate.violations)

    def event_of(self, workspace: Workspace, draft: EventDraft) -> Event:
        """Return the event that a draft would become, without category and code, which its event type has."""
        return self._candidate(workspace, draft).event

    async def _write(self, accept: Accept) -> list[Accepted] | Stale:
        if not accept.only_if_matched:
            # Again, with all that is under way by now: of many publishes at once, only one may go beyond the limit.
            self._backlog.check(accept.workspace)
        try:
            with self._backlog.adding(accept.workspace, sum(len(each.rules) for each in accept.matched)) as adding:
                accepted = await self._database.write(accept)
                adding.notifications = _owed(accepted)
                return accepted
        finally:
            # Also for a caller that gave up waiting: its events may well be committed.
            self._on_accepted(None if accept.may_rematch else _uids(accept.matched))

    async def _matched(self, matcher: WorkspaceMatcher, candidates: Sequence[Candidate]) -> list[Matched]:
        matched = await matcher.match([candidate.event for candidate in candidates])
        self._check_fan_out(matched)
        return [Matched.of(candidate.event, rules) for candidate, rules in zip(candidates, matched, strict=True)]

    def _check_fan_out(self, matched: Sequence[list[Rule]]) -> None:
        """Refuse a batch whose commit would hold up every other publish. A single event is never too much."""
        notifications_made = sum(map(len, matched))
        if len(matched) > 1 and notifications_made > self._batch_notifications_max:
            raise InvalidField(
                "requests",
                f"may match {self._batch_notifications_max} subscriptions together; these match {notifications_made}: "
                "send fewer at once",
            )

    def _published(self, accepted: Sequence[Accepted], candidates: Sequence[Candidate]) -> list[Published]:
        for each, candidate in zip(accepted, candidates, strict=True):
            if candidate.violations and not each.deduplicated and self._on_mismatch is not None:
                self._on_mismatch(each.event, len(candidate.violations))
        # A repetition has the same payload, so it has the same violations.
        return [
            Published(each.event, each.deduplicated, candidate.violations)
            for each, candidate in zip(accepted, candidates, strict=True)
        ]

    def _candidate(self, workspace: Workspace, draft: EventDraft) -> Candidate:
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
        key = draft.request_key
        return Candidate(
            event,
            draft.path,
            has_given_id=draft.event_id is not None,
            request=None if key is None else PublishRequest(key, draft.fingerprint(), event.id),
            request_field="request_id" if draft.request_id else "event_id",
        )


def _uids(matched: Sequence[Matched]) -> frozenset[str]:
    return frozenset(rule.uid for each in matched for rule in each.rules)


def _owed(accepted: list[Accepted] | Stale) -> int:
    """Return how many notifications a transaction has made, with those that failed from the start."""
    if not isinstance(accepted, list):
        return 0
    return sum(each.event.matched_count for each in accepted if not each.deduplicated)


def _types_of(candidates: Sequence[Candidate]) -> frozenset[str]:
    return frozenset(candidate.event.event_type for candidate in candidates if candidate.needs_type)


async def _judged(
    candidates: Sequence[Candidate], drafts: Sequence[EventDraft], definitions: Mapping[str, Definition]
) -> list[Candidate]:
    """Return the candidates as their event types define them, letting other tasks have their turns in between."""
    judged = []
    bytes_since_rest = 0
    for candidate, draft in zip(candidates, drafts, strict=True):
        definition = definitions.get(draft.event_type, NO_DEFINITION)
        judged.append(await _judge(candidate, draft, definition))
        bytes_since_rest += 0 if definition.schema is None else len(draft.payload)
        if bytes_since_rest > _SLICE_BYTES:
            await asyncio.sleep(0)
            bytes_since_rest = 0
    return judged


async def _judge(candidate: Candidate, draft: EventDraft, definition: Definition) -> Candidate:
    event = candidate.event
    if (event.category, event.code) != (definition.category, definition.code):
        event = replace(event, category=definition.category, code=definition.code)
    violations: tuple[Violation, ...] = ()
    if definition.enforcement is not SchemaEnforcement.OFF:
        violations = await definition.violations(draft.payload, payload_is_json=draft.payload_is_json)
    is_refused = bool(violations) and definition.enforcement is SchemaEnforcement.REJECT
    return replace(
        candidate,
        event=event,
        type_revision=definition.revision,
        violations=violations,
        refusal=_mismatch(draft, violations) if is_refused else None,
    )


def _mismatch(draft: EventDraft, violations: Sequence[Violation]) -> PayloadSchemaMismatch:
    more = f" (and at least {len(violations) - 1} more)" if len(violations) > 1 else ""
    return PayloadSchemaMismatch(
        f"{draft.path}event.{draft.payload_field}",
        f"must match the schema of event type {quoted(draft.event_type)}: {violations[0].text}{more}",
    )
