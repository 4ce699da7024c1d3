"""Why subscriptions match an event or do not, and what they would be sent: the use case behind ExplainPublish.

Reads only: nothing is written, sent or shut. Reasons come from the rules themselves, one subscription at a time, not
from the matcher's index; tests hold the two against each other.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import assert_never
from weakref import WeakValueDictionary

from service.domain.clock import Clock, CpuClock
from service.domain.errors import EventTypeUnknown, quoted
from service.domain.filters import FilterInput, VerdictKind, evaluate
from service.domain.formats import misfit
from service.domain.masking import MASK
from service.domain.model import Event, Format, SigningKey, Subscription, SubscriptionState
from service.domain.names import OPERATIONAL_EVENT_TYPES, Workspace
from service.domain.patterns import matches
from service.domain.requests import request_of
from service.domain.schemas import Violation
from service.domain.signing import new_key
from service.domain.subscriptions import check_readable
from service.storage import subscriptions
from service.storage.database import Database, Long
from service.turns import CpuSlice, Turns
from service.validating import Definition, Definitions

# At most about 600 bytes each, so that all of them, with two previews, stay below the 4 MiB that clients take.
DECISIONS_MAX = 3_000
PREVIEW_BODY_BYTES_MAX = 64 * 1024
DETAIL_CHARACTERS_MAX = 300

_SUBSCRIPTIONS_PER_READ = 200
# Whoever asks more often at once waits: with slow filters one answer can take many seconds, in slices.
_AT_ONCE_MAX = 4
_KEY_ID = "preview"


class Reason(StrEnum):
    """Why a subscription matches or does not. The first that applies, in this order."""

    DISABLED = "DISABLED"
    EVENT_TYPE = "EVENT_TYPE"
    ATTRIBUTE = "ATTRIBUTE"
    FILTER_FALSE = "FILTER_FALSE"
    FILTER_ERROR = "FILTER_ERROR"
    FILTER_TOO_SLOW = "FILTER_TOO_SLOW"
    MATCHED = "MATCHED"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether one subscription matches, and why: `detail` is printable ASCII, at most 300 characters.

    `subscription` is its name, empty for one that is not saved.
    """

    subscription: str
    reason: Reason
    detail: str

    @property
    def matched(self) -> bool:
        """Whether it matches."""
        return self.reason is Reason.MATCHED


@dataclass(frozen=True, slots=True)
class Preview:
    """A request as it would be sent, but for its secrets: signed with a key made for this, and with `[redacted]` as the
    values of the API key and of the owner's headers.
    """

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    body_truncated: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that ExplainPublish says. A preview is None when it was not asked for, or the event does not fit."""

    schema_violations: tuple[Violation, ...]
    decisions: tuple[Decision, ...]
    decisions_truncated: bool
    candidate_preview: Preview | None
    preview: Preview | None


class Explainer:
    """Says what a publish would do, and does none of it."""

    def __init__(
        self,
        database: Database,
        definitions: Definitions,
        *,
        clock: Clock,
        rng: Random,
        allow_unknown_event_types: bool,
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._allow_unknown_event_types = allow_unknown_event_types
        self._clock = clock
        self._rng = rng
        self._turns = turns or Turns()
        self._at_once = asyncio.Semaphore(_AT_ONCE_MAX)
        self._workspace_turns: WeakValueDictionary[Workspace, asyncio.Lock] = WeakValueDictionary()

    async def explain(
        self, workspace: Workspace, event: Event, *, candidate: Subscription | None, preview_subscription: str
    ) -> Explanation:
        """Decide for the candidate, then for every living subscription in the order of their ids, at most 3,000.

        The subscription that is to be previewed is always among them. Other tasks have their turns in between, so a
        subscription that changes meanwhile is seen as it was or as it is.

        Args:
            candidate: a subscription that is not saved.
            preview_subscription: the id of a saved one whose request is to be shown, or empty.

        Raises:
            EventTypeUnknown: the event type was never created.
            InvalidField: the event type's schema cannot be compiled any more.
            ResourceNotFound: there is no subscription to be previewed.
            StateConflict: the secrets of the one to be previewed cannot be read.
        """
        definition = await self._definition(event.event_type)
        violations = await definition.violations(event.payload, payload_is_json=event.payload_is_json)
        event = replace(event, category=definition.category, code=definition.code)
        previewed = await self._find(workspace, preview_subscription) if preview_subscription else None
        deciding = _Deciding(event, self._turns.cpu_s)
        decisions = [] if candidate is None else [deciding.decision(candidate)]
        # One that is slow holds up no other workspace.
        workspace_turn = self._workspace_turns.setdefault(workspace, asyncio.Lock())
        async with workspace_turn, self._at_once:
            saved, truncated = await self._decisions(workspace, deciding)
        decisions += saved
        if previewed is not None and all(each.subscription != previewed.name for each in saved):
            decisions.append(deciding.decision(previewed))
        return Explanation(
            schema_violations=violations,
            decisions=tuple(decisions),
            decisions_truncated=truncated,
            candidate_preview=self._preview(event, candidate),
            preview=self._preview(event, previewed),
        )

    async def _definition(self, event_type: str) -> Definition:
        definition = (await self._definitions.refresh([event_type]))[event_type]
        may_be_unknown = self._allow_unknown_event_types or event_type in OPERATIONAL_EVENT_TYPES
        if definition.revision is None and not may_be_unknown:
            raise EventTypeUnknown("event.event_type", event_type)
        return definition

    async def _find(self, workspace: Workspace, subscription_id: str) -> Subscription:
        found = await self._database.read(lambda tx: subscriptions.get(tx, workspace, subscription_id))
        check_readable(found)
        return found

    async def _decisions(self, workspace: Workspace, deciding: "_Deciding") -> tuple[list[Decision], bool]:
        """Return the decisions for saved subscriptions, and whether there are more of them than are shown."""
        decisions: list[Decision] = []
        after = ""
        while page := await self._page(workspace, after):
            after = page[-1].id
            left = deque(page)
            while left:
                if len(decisions) == DECISIONS_MAX:
                    return decisions, True
                async with self._turns.turn() as slice_:
                    decisions += deciding.decisions(left, slice_, decisions_max=DECISIONS_MAX - len(decisions))
        return decisions, False

    async def _page(self, workspace: Workspace, after: str) -> list[Subscription]:
        return await self._database.read(
            Long(lambda tx: subscriptions.after(tx, workspace, after, limit=_SUBSCRIPTIONS_PER_READ))
        )

    def _preview(self, event: Event, subscription: Subscription | None) -> Preview | None:
        """Return what the subscription would be sent, whether it matches or not; None if the event does not fit."""
        if subscription is None or misfit(event, subscription.format) is not None:
            return None
        now_ms = self._clock.now_ms()
        scheme = subscription.signature_scheme
        secret = new_key(scheme, self._rng)
        request = request_of(
            event,
            _without_secrets(subscription),
            [SigningKey(_KEY_ID, secret, now_ms, scheme=scheme)] if secret else [],
            attempt_number=1,
            timestamp_s=now_ms // 1_000,
        )
        return Preview(
            request.url,
            tuple(request.headers),
            request.body[:PREVIEW_BODY_BYTES_MAX],
            body_truncated=len(request.body) > PREVIEW_BODY_BYTES_MAX,
        )


def _without_secrets(subscription: Subscription) -> Subscription:
    api_key = subscription.api_key
    return replace(
        subscription,
        api_key=replace(api_key, value=MASK) if api_key else None,
        headers=dict.fromkeys(subscription.headers, MASK),
    )


class _Deciding:
    """Decides for one event after the other subscription: what is the same for all of them is worked out once."""

    def __init__(self, event: Event, cpu_s: CpuClock) -> None:
        self._event = event
        self._cpu_s = cpu_s
        self._shown = FilterInput(event)
        self._misfits: dict[Format, str | None] = {}

    def decisions(self, left: deque[Subscription], slice_: CpuSlice, *, decisions_max: int) -> list[Decision]:
        """Decide for the next ones, and take them out of `left`, for a slice."""
        decisions: list[Decision] = []
        while left and len(decisions) < decisions_max:
            decisions.append(self.decision(left.popleft()))
            if slice_.is_used_up:
                break
        return decisions

    def decision(self, subscription: Subscription) -> Decision:
        reason, detail = self._reason(subscription)
        # Whatever the reason, for a preview that is missing must not be a riddle.
        unfit = self._misfit(subscription.format)
        if unfit is not None:
            detail += f"; the format cannot carry the event, FORMAT_NOT_APPLICABLE: {unfit}"
        if len(detail) > DETAIL_CHARACTERS_MAX:
            detail = f"{detail[: DETAIL_CHARACTERS_MAX - 3]}..."
        return Decision(subscription.name if subscription.uid else "", reason, detail)

    def _reason(self, subscription: Subscription) -> tuple[Reason, str]:
        event_type = self._event.event_type
        if not subscription.enabled:
            return Reason.DISABLED, "enabled is false"
        pattern = next((each for each in subscription.event_types if matches(each, event_type)), None)
        if pattern is None:
            patterns = ", ".join(map(quoted, subscription.event_types))
            return Reason.EVENT_TYPE, f"none of its patterns matches {quoted(event_type)}: {patterns}"
        for key, wanted in sorted(subscription.attribute_filters.items()):
            if self._event.attributes.get(key) != wanted:
                return Reason.ATTRIBUTE, self._attribute_detail(key, wanted)
        if subscription.filter:
            reason, detail = self._filter_reason(subscription)
            if reason is not Reason.MATCHED:
                return reason, detail
        return Reason.MATCHED, self._matched_detail(subscription, pattern)

    def _attribute_detail(self, key: str, wanted: str) -> str:
        given = self._event.attributes.get(key)
        if given is None:
            return f"the event has no attribute {quoted(key)}, which must be {quoted(wanted)}"
        return f"the event's attribute {quoted(key)} is {quoted(given)}, and must be {quoted(wanted)}"

    def _filter_reason(self, subscription: Subscription) -> tuple[Reason, str]:
        if subscription.filter_is_shut:
            return Reason.FILTER_TOO_SLOW, "its filter took over 20 ms and is shut until the subscription is updated"
        verdict = evaluate(subscription.filter, self._shown, self._cpu_s)
        match verdict.kind:
            case VerdictKind.TRUE:
                return Reason.MATCHED, ""
            case VerdictKind.FALSE:
                return Reason.FILTER_FALSE, f"its filter is false for this event: {quoted(subscription.filter)}"
            case VerdictKind.ERROR:
                return Reason.FILTER_ERROR, f"its filter failed: {verdict.problem}"
            case VerdictKind.TOO_SLOW:
                return Reason.FILTER_TOO_SLOW, "its filter takes over 20 ms for this event, which would shut it"
            case _:
                assert_never(verdict.kind)

    def _matched_detail(self, subscription: Subscription, pattern: str) -> str:
        said = [f"its pattern {quoted(pattern)} matches {quoted(self._event.event_type)}"]
        if subscription.attribute_filters:
            said.append(f"its {len(subscription.attribute_filters)} attribute filters hold")
        if subscription.filter:
            said.append("its filter is true")
        if subscription.state is SubscriptionState.SUSPENDED:
            said.append("it is SUSPENDED, so the notification is held until it is resumed")
        return "; ".join(said)

    def _misfit(self, format: Format) -> str | None:
        if format not in self._misfits:
            self._misfits[format] = misfit(self._event, format)
        return self._misfits[format]
