"""The accepting transaction: stores events, their request_ids and the notifications they cause, all or nothing.

What it stores was matched and validated before it began. It notices when that is out of date, and then stores nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final, TypeAlias

from service.domain.errors import EventTypeUnknown, PayloadSchemaMismatch, RequestIdReused, ResourceExists, quoted
from service.domain.formats import misfit
from service.domain.ids import Ids, uuid7_time_ms
from service.domain.model import Event, FailureReason, Format
from service.domain.names import RESERVED_EVENT_TYPE_PREFIX, Workspace
from service.domain.schemas import Violation
from service.matching import rematch
from service.storage import announcements, event_types, events, notifications, workspaces
from service.storage.database import Transaction
from service.storage.events import PublishRequest
from service.storage.notifications import NewNotification
from service.storage.subscriptions import Rule

# The one format that not every event fits. Whether it does takes parsing the payload, so it is asked outside.
_CHOOSY: Final = Format.EVENT_CODE


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event that is to be accepted, and what its request said.

    `request` is None where nothing makes a repetition recognisable; `request_field` is the field that does. `path` is
    where the request stands in the caller's message, `requests[3].` or empty. `type_revision` is that of the event type
    as of which the event was validated, None if there was no such type. `refusal` is raised if the event is a new one.
    """

    event: Event
    path: str
    has_given_id: bool
    request: PublishRequest | None
    request_field: str
    type_revision: int | None = None
    violations: tuple[Violation, ...] = ()
    refusal: PayloadSchemaMismatch | None = None

    @property
    def needs_type(self) -> bool:
        """Whether somebody has to have created the event type: operational ones are Tidings' own."""
        return not self.event.event_type.startswith(RESERVED_EVENT_TYPE_PREFIX)


@dataclass(frozen=True, slots=True)
class Matched:
    """The rules that want an event, and why it cannot be sent in a format that is choosy, where one of them has it."""

    rules: list[Rule]
    misfits: Mapping[Format, str | None]

    @classmethod
    def of(cls, event: Event, rules: list[Rule]) -> "Matched":
        """Ask whether the event fits what the rules want. Parses the payload once if one of them is choosy."""
        is_asked = any(rule.format is _CHOOSY for rule in rules)
        return cls(rules, {_CHOOSY: misfit(event, _CHOOSY)} if is_asked else {})

    def with_rules(self, rules: list[Rule]) -> "Matched | None":
        """Return this for other rules; None if that takes asking what was not asked before."""
        is_known = all(rule.format is not _CHOOSY or _CHOOSY in self.misfits for rule in rules)
        return Matched(rules, self.misfits) if is_known else None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one candidate. The event is without payload when it is that of an earlier request."""

    event: Event
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class StaleMatches:
    """The subscriptions changed between the match and the transaction."""


@dataclass(frozen=True, slots=True)
class StaleTypes:
    """Event types changed between the validation and the transaction."""

    event_types: frozenset[str]


Stale: TypeAlias = StaleMatches | StaleTypes


@dataclass(frozen=True, slots=True)
class Accept:
    """The accepting transaction, as a work: read top to bottom in `__call__`.

    `matched` is what each candidate matches as of `revision`.
    """

    workspace: Workspace
    candidates: Sequence[Candidate]
    matched: Sequence[Matched]
    revision: int
    may_rematch: bool
    require_known_types: bool
    only_if_matched: bool
    ids: Ids = field(repr=False)

    def __call__(self, tx: Transaction) -> list[Accepted] | Stale:
        """Store what is new, and return what became of each candidate, in their order."""
        firsts = self._first_uses(tx)
        fresh = [index for index, first in enumerate(firsts) if first is None]
        if not fresh:
            return [self._earlier(tx, first) for first in firsts]
        stale_types = self._check_types(tx, [self.candidates[index] for index in fresh])
        if stale_types:
            return StaleTypes(stale_types)
        matched = self._matched_now(tx)
        if matched is None:
            return StaleMatches()
        self._check_event_ids(tx, fresh)
        accepted = {index: self._counted(index, matched[index]) for index in fresh}
        self._insert(tx, self._wanted(accepted), matched)
        return [
            Accepted(accepted[index]) if index in accepted else self._earlier(tx, first)
            for index, first in enumerate(firsts)
        ]

    def _first_uses(self, tx: Transaction) -> list[str | None]:
        """Say for each candidate which event its request_id stands for already; None for a new request."""
        requests = [each.request.request_id for each in self.candidates if each.request is not None]
        seen = events.find_requests(tx, self.workspace, requests)
        firsts: list[str | None] = []
        for candidate in self.candidates:
            request = candidate.request
            used = seen.get(request.request_id) if request is not None else None
            if used is not None:
                _check_same_request(candidate, used)
            elif request is not None:
                seen[request.request_id] = request
            firsts.append(used.event_id if used is not None else None)
        return firsts

    def _check_types(self, tx: Transaction, fresh: Sequence[Candidate]) -> frozenset[str]:
        """Refuse what the event types do not let pass; return those that changed since the events were validated."""
        typed = [candidate for candidate in fresh if candidate.needs_type]
        revisions = event_types.locked_revisions(tx, (candidate.event.event_type for candidate in typed))
        for candidate in typed if self.require_known_types else ():
            if candidate.event.event_type not in revisions:
                raise EventTypeUnknown(f"{candidate.path}event.event_type", candidate.event.event_type)
        stale = frozenset(
            candidate.event.event_type
            for candidate in typed
            if revisions.get(candidate.event.event_type) != candidate.type_revision
        )
        refusal = next((candidate.refusal for candidate in fresh if candidate.refusal is not None), None)
        if refusal is not None and not stale:
            raise refusal
        return stale

    def _matched_now(self, tx: Transaction) -> Sequence[Matched] | None:
        """Return the matches as of this transaction; None if they are out of date and to be made again outside."""
        if workspaces.locked_revision(tx, self.workspace.key) == self.revision:
            return self.matched
        if not self.may_rematch:
            return None
        judged = [candidate.event for candidate in self.candidates]
        corrected = rematch(tx, self.workspace, judged, [each.rules for each in self.matched], self.revision)
        if corrected is None:
            return None
        matched = [each.with_rules(rules) for each, rules in zip(self.matched, corrected, strict=True)]
        known = [each for each in matched if each is not None]
        return known if len(known) == len(matched) else None

    def _check_event_ids(self, tx: Transaction, fresh: Sequence[int]) -> None:
        given = [self.candidates[index] for index in fresh if self.candidates[index].has_given_id]
        taken = events.taken_ids(tx, self.workspace, [candidate.event.id for candidate in given])
        for candidate in given:
            if candidate.event.id in taken:
                raise ResourceExists(
                    f"{candidate.path}event_id: there is an event {quoted(candidate.event.id)} already, "
                    "published with another request_id",
                    resource_type="event",
                    resource_name=candidate.event.name,
                    field=f"{candidate.path}event_id",
                )
            taken.add(candidate.event.id)

    def _counted(self, index: int, matched: Matched) -> Event:
        return replace(self.candidates[index].event, matched_count=len(matched.rules))

    def _wanted(self, accepted: Mapping[int, Event]) -> Mapping[int, Event]:
        """Return those of the events that are to be stored."""
        if not self.only_if_matched:
            return accepted
        return {index: event for index, event in accepted.items() if event.matched_count}

    def _insert(self, tx: Transaction, stored: Mapping[int, Event], matched: Sequence[Matched]) -> None:
        if not stored:
            return
        # Of no event later than its own, so that an event which is older than every request_id has none any more.
        now_ms = min(event.create_time_ms for event in stored.values())
        events.insert(tx, list(stored.values()))
        owed = list(chain.from_iterable(self._owed(event, matched[index]) for index, event in stored.items()))
        notifications.insert(tx, owed)
        announcements.insert(tx, notifications.failures(owed, self.ids))
        requests = [self.candidates[index].request for index in stored]
        events.insert_requests(
            tx, self.workspace, [request for request in requests if request is not None], now_ms=now_ms
        )

    def _owed(self, event: Event, matched: Matched) -> list[NewNotification]:
        return [
            self._notification(event, rule, is_misfit=matched.misfits.get(rule.format) is not None)
            for rule in matched.rules
        ]

    def _notification(self, event: Event, rule: Rule, *, is_misfit: bool) -> NewNotification:
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
            failure_reason=FailureReason.FORMAT_NOT_APPLICABLE if is_misfit else None,
            payload_size=event.payload_size + len(event.context_json),
        )

    def _earlier(self, tx: Transaction, event_id: str | None) -> Accepted:
        assert event_id is not None, "what is not new has a first use"
        event = events.find_summary(tx, self.workspace, event_id)
        assert event is not None, "a request_id is never kept longer than its event"
        return Accepted(event, deduplicated=True)


def _check_same_request(candidate: Candidate, first: PublishRequest) -> None:
    assert candidate.request is not None, "only what has a request_id can repeat one"
    if candidate.request.fingerprint == first.fingerprint:
        return
    field = f"{candidate.path}{candidate.request_field}"
    raise RequestIdReused(
        f"{field}: {quoted(first.request_id)} was used before, for a request that said something "
        "else; repeat a request unchanged, or give a new request a new id",
        field=field,
    )
