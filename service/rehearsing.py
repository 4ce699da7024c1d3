"""Sending an example on request: the use case behind TestSubscription. Nothing of it is stored."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from service.domain.announcements import sample
from service.domain.clock import Clock
from service.domain.errors import EventTypeUnknown, InvalidField, StateConflict
from service.domain.formats import misfit
from service.domain.ids import Ids
from service.domain.model import Attempt, Event, EventType, Subscription
from service.domain.names import OPERATIONAL_EVENT_TYPES, Workspace, check_event_type_id
from service.domain.patterns import is_exact
from service.domain.subscriptions import check_readable
from service.storage import event_types, subscriptions
from service.storage.database import Database, Transaction

AT_ONCE_MAX: Final = 16

Send = Callable[[Subscription, Event], Awaitable[Attempt]]


class Rehearsals:
    """Sends examples to subscriptions, whatever their state, at most 16 at the same time.

    Args:
        send: makes one attempt, marked as a test, and records nothing.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        ids: Ids,
        send: Send,
        allow_unknown_event_types: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._send = send
        self._allow_unknown_event_types = allow_unknown_event_types
        self._free = asyncio.Semaphore(AT_ONCE_MAX)

    async def rehearse(self, workspace: Workspace, subscription_id: str, event_type: str) -> Attempt:
        """Send the first example of an event type, or `{}`, to a subscription, and return what came of it.

        Args:
            event_type: empty for the subscription's first exact pattern.

        Raises:
            InvalidField: the event type is malformed, or empty and there is no exact pattern.
            ResourceNotFound: there is no subscription of this name.
            EventTypeUnknown: the event type was never created.
            StateConflict: the subscription's format cannot carry the example, or its secrets cannot be read.
        """
        if event_type:
            check_event_type_id("event_type", event_type)
        subscription, known = await self._database.read(
            lambda tx: _subscription_and_type(tx, workspace, subscription_id, event_type)
        )
        check_readable(subscription)
        if event_type and known is None:
            self._check_may_be_unknown(event_type)
        event = self._example(subscription, known, event_type or _first_exact(subscription))
        problem = misfit(event, subscription.format)
        if problem is not None:
            raise StateConflict(
                f"{subscription.name} has the format {subscription.format}, which cannot carry this example: {problem}"
            )
        async with self._free:
            return await self._send(subscription, event)

    def _check_may_be_unknown(self, event_type: str) -> None:
        if event_type not in OPERATIONAL_EVENT_TYPES and not self._allow_unknown_event_types:
            raise EventTypeUnknown("event_type", event_type)

    def _example(self, subscription: Subscription, known: EventType | None, event_type: str) -> Event:
        event_id, now_ms = self._ids.new(), self._clock.now_ms()
        told = sample(event_type, subscription, id=event_id, now_ms=now_ms)
        if told is not None:
            payload = told.payload.encode()
        elif known is not None and known.examples:
            payload = known.examples[0].encode()
        else:
            payload = b"{}"
        return Event(
            workspace=subscription.workspace,
            id=event_id,
            event_type=event_type,
            source="tidings" if told else "",
            subject=told.subject if told else "",
            attributes={},
            payload=payload,
            payload_is_json=True,
            content_type="application/json",
            context_json="",
            occur_time_ms=None,
            create_time_ms=now_ms,
            payload_sha256=hashlib.sha256(payload).digest(),
            payload_size=len(payload),
            matched_count=1,
            category=known.category if known else None,
            code=known.code if known else None,
        )


def _subscription_and_type(
    tx: Transaction, workspace: Workspace, subscription_id: str, event_type: str
) -> tuple[Subscription, EventType | None]:
    subscription = subscriptions.get(tx, workspace, subscription_id)
    # None also for one of its patterns whose event type was deleted since: there is no example then, but still a test.
    return subscription, event_types.find(tx, event_type or _first_exact(subscription))


def _first_exact(subscription: Subscription) -> str:
    exact = next(filter(is_exact, subscription.event_types), None)
    if exact is None:
        raise InvalidField(
            "event_type", "required: the subscription has patterns with * only, so it does not say which type to send"
        )
    return exact
