"""Reading events, notifications and attempts back, retrying and cancelling: use cases behind NotificationService."""

from collections.abc import Callable
from dataclasses import dataclass

from service.domain.access import Actor
from service.domain.audit import entry_of
from service.domain.clock import Clock
from service.domain.errors import ResourceNotFound, StateConflict, quoted
from service.domain.ids import first_uuid7_at
from service.domain.model import Attempt, Event, Notification, NotificationState
from service.domain.names import Workspace
from service.paging import Page, take
from service.storage import attempts, audit, events, interventions, notifications, subscriptions, workspaces
from service.storage.database import Database, Long, Transaction
from service.storage.notifications import IdRange

LATEST_TIME_MS = (1 << 48) - 1
"""Later than every time stored: the end of what a UUIDv7 can say, in the year 10889."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start_ms` up to, but without, `end_ms`."""

    start_ms: int = 0
    end_ms: int = LATEST_TIME_MS

    def holds(self, time_ms: int) -> bool:
        """Say whether a time lies within it."""
        return self.start_ms <= time_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which notifications a list shows. An empty field means any."""

    subscription_id: str = ""
    event_id: str = ""
    event_type: str = ""
    states: frozenset[NotificationState] = frozenset()
    created: TimeRange = TimeRange()

    def wants(self, notification: Notification, *, subscription_uid: str | None) -> bool:
        """Say whether a notification belongs in the list.

        Args:
            subscription_uid: of the subscription that `subscription_id` names today, not of a deleted one of that name.
        """
        return (
            subscription_uid in (None, notification.subscription_uid)
            and self.event_id in ("", notification.event_id)
            and self.event_type in ("", notification.event_type)
            and (not self.states or notification.state in self.states)
            and self.created.holds(notification.create_time_ms)
        )


EventPosition = tuple[int, str]
"""Where a list of events goes on: the (create_time_ms, id) of the last one shown."""


class History:
    """Reads what was published and what came of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def event(self, workspace: Workspace, event_id: str) -> Event:
        """Return an event with its payload.

        Raises:
            ResourceNotFound: there is none of this name.
        """
        (event,) = await self._database.read(lambda tx: events.find(tx, [(workspace, event_id)]))
        if event is None:
            raise ResourceNotFound("event", workspace.event(event_id))
        return event

    async def events(
        self,
        workspace: Workspace,
        *,
        before: EventPosition | None,
        page_size: int,
        event_type: str,
        accepted: TimeRange,
    ) -> Page[Event, EventPosition]:
        """Return events without payloads, newest first; of one type only if it is given."""

        def page(tx: Transaction) -> Page[Event, EventPosition]:
            return take(
                lambda position, limit: events.summaries_before(
                    tx, workspace, position, start_time_ms=accepted.start_ms, limit=limit
                ),
                start=before or (accepted.end_ms, ""),
                position_of=lambda event: (event.create_time_ms, event.id),
                wanted=lambda event: event_type in ("", event.event_type),
                page_size=page_size,
            )

        return await self._database.read(Long(page))

    async def notification(self, workspace: Workspace, notification_id: str) -> Notification:
        """Return a notification with its last attempt.

        Raises:
            ResourceNotFound: there is none of this name.
        """
        return await self._database.read(lambda tx: _find(tx, workspace, notification_id))

    async def notifications(
        self, workspace: Workspace, *, before: str | None, page_size: int, only: NotificationFilter
    ) -> Page[Notification, str]:
        """Return notifications with their last attempts, newest first."""

        def page(tx: Transaction) -> Page[Notification, str]:
            subscription_uid = None
            if only.subscription_id:
                subscription = subscriptions.find(tx, workspace, only.subscription_id)
                if subscription is None:
                    return Page([], None)
                subscription_uid = subscription.uid
            found = take(
                _narrowest_list(tx, workspace, only, subscription_uid),
                start=before or first_uuid7_at(only.created.end_ms),
                position_of=lambda notification: notification.id,
                wanted=lambda notification: only.wants(notification, subscription_uid=subscription_uid),
                page_size=page_size,
            )
            return Page(notifications.with_last_attempts(tx, found.items), found.next_position)

        return await self._database.read(Long(page))

    async def attempts(
        self, workspace: Workspace, notification_id: str, *, after: int, page_size: int
    ) -> Page[Attempt, int]:
        """Return a notification's attempts in the order in which they were recorded.

        Raises:
            ResourceNotFound: there is no such notification.
        """

        def page(tx: Transaction) -> Page[Attempt, int]:
            _find(tx, workspace, notification_id)
            return take(
                lambda position, limit: attempts.after(tx, notification_id, position, limit=limit),
                start=after,
                position_of=lambda attempt: attempt.attempt_number,
                wanted=lambda attempt: True,
                page_size=page_size,
            )

        return await self._database.read(Long(page))


class Interventions:
    """Retries and cancels single notifications. Each change is written to the audit log, with who made it.

    Args:
        on_changed: called after every commit, with the subscription of the notification, which may be due; None if that
            is not known. Watches have something to tell.
    """

    def __init__(
        self, database: Database, *, clock: Clock, on_changed: Callable[[frozenset[str] | None], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_changed = on_changed

    async def retry(self, workspace: Workspace, notification_id: str, *, by: Actor) -> Notification:
        """Make a notification due now whatever came of it, keeping its attempts. Its retry schedule starts over.

        Raises:
            ResourceNotFound: there is none of this name.
            StateConflict: an attempt is under way, or the subscription was deleted.
        """
        now_ms = self._clock.now_ms()
        return await self._write(lambda tx: _retry(tx, workspace, notification_id, by=by, now_ms=now_ms))

    async def cancel(self, workspace: Workspace, notification_id: str, *, by: Actor) -> Notification:
        """End a pending notification. One that is cancelled already stays as it is.

        Raises:
            ResourceNotFound: there is none of this name.
            StateConflict: it has succeeded or failed.
        """
        now_ms = self._clock.now_ms()
        return await self._write(lambda tx: _cancel(tx, workspace, notification_id, by=by, now_ms=now_ms))

    async def _write(self, work: Callable[[Transaction], Notification]) -> Notification:
        lanes: frozenset[str] | None = None
        try:
            changed = await self._database.write(work)
            lanes = frozenset((changed.subscription_uid,))
            return changed
        finally:
            # Also for a caller that gave up waiting: it may well be committed.
            self._on_changed(lanes)


def _retry(tx: Transaction, workspace: Workspace, notification_id: str, *, by: Actor, now_ms: int) -> Notification:
    # Subscriptions stay as they are until the commit: a sweep that began meanwhile might have passed this one by.
    workspaces.locked_revision(tx, workspace.key)
    found = _find(tx, workspace, notification_id)
    if not subscriptions.find_by_uid(tx, [found.subscription_uid]):
        raise StateConflict(f"{quoted(found.name)} cannot be retried: its subscription was deleted")
    if not interventions.retry_now(tx, found.id, now_ms=now_ms):
        raise StateConflict(f"{quoted(found.name)} cannot be retried: an attempt is under way; wait for its outcome")
    retried = _find(tx, workspace, notification_id)
    audit.insert(tx, entry_of(by, "RetryNotification", found, retried, time_ms=now_ms))
    return retried


def _cancel(tx: Transaction, workspace: Workspace, notification_id: str, *, by: Actor, now_ms: int) -> Notification:
    before = _find(tx, workspace, notification_id)
    [was_pending] = interventions.cancel(tx, [notification_id], now_ms=now_ms)
    found = _find(tx, workspace, notification_id)
    if found.state is not NotificationState.CANCELLED:
        raise StateConflict(f"{quoted(found.name)} cannot be cancelled: it is {found.state} already")
    if was_pending:
        audit.insert(tx, entry_of(by, "CancelNotification", before, found, time_ms=now_ms))
    return found


def _find(tx: Transaction, workspace: Workspace, notification_id: str) -> Notification:
    found = notifications.find(tx, workspace, notification_id)
    if found is None:
        raise ResourceNotFound("notification", workspace.notification(notification_id))
    return found


def _narrowest_list(
    tx: Transaction, workspace: Workspace, only: NotificationFilter, subscription_uid: str | None
) -> Callable[[str, int], list[Notification]]:
    """Choose the index that leaves the fewest rows to pass over."""
    start = first_uuid7_at(only.created.start_ms)
    if only.event_id:
        return lambda before, limit: notifications.of_event(
            tx, workspace, only.event_id, IdRange(start, before), limit=limit
        )
    if subscription_uid is not None:
        return lambda before, limit: notifications.of_subscription(
            tx, subscription_uid, IdRange(start, before), limit=limit
        )
    return lambda before, limit: notifications.of_workspace(tx, workspace, IdRange(start, before), limit=limit)
