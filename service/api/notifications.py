"""tidings.v1.NotificationService over the use cases in `service.notifying`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from google.protobuf.message import Message

from service.api import paging
from service.api.callers import current_actor
from service.api.convert import bound_ms, duration, enum_members, id_in, time_ns, timestamp
from service.api.methods import Context
from service.api.replays import ReplayMethods
from service.api.resume_tokens import parse_resume_token, resume_token
from service.domain.errors import InvalidField
from service.domain.model import Attempt, Event, Notification, NotificationState
from service.domain.names import ReplayName, Workspace, check_event_type_id, parse_child, parse_workspace
from service.notifying import LATEST_TIME_MS, History, Interventions, NotificationFilter, TimeRange
from service.replaying.replays import Replays
from service.watching import Told, Watches, WatchFilter
from tidings.v1 import notifications_pb2 as pb


class NotificationService(ReplayMethods):
    """Reads events, notifications and attempts back; retries, cancels and watches notifications."""

    def __init__(self, history: History, replays: Replays, *, interventions: Interventions, watches: Watches) -> None:
        super().__init__(replays)
        self._history = history
        self._interventions = interventions
        self._watches = watches

    async def GetEvent(self, request: pb.GetEventRequest, context: Context) -> pb.GetEventResponse:
        """Return an event with its payload."""
        name = parse_child("name", "events", request.name)
        event = await self._history.event(name.workspace, name.id)
        return pb.GetEventResponse(event=event_message(event))

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """List events, newest first."""
        workspace = parse_workspace("parent", request.parent)
        _check_event_type(request.event_type)
        accepted = _time_range(request)
        page_size = paging.page_size(request.page_size)
        scope = ("ListEvents", workspace.name, request.event_type, accepted.start_ms, accepted.end_ms)
        before = paging.decode(request.page_token, scope=scope, shape=(int, str))
        page = await self._history.events(
            workspace, before=before, page_size=page_size, event_type=request.event_type, accepted=accepted
        )
        shown, next_page_token = paging.page_of(
            page, event_summary, position_of=lambda event: (event.create_time_ms, event.id), scope=scope
        )
        return pb.ListEventsResponse(events=shown, next_page_token=next_page_token)

    async def GetNotification(self, request: pb.GetNotificationRequest, context: Context) -> pb.GetNotificationResponse:
        """Return a notification."""
        name = parse_child("name", "notifications", request.name)
        found = await self._history.notification(name.workspace, name.id)
        return pb.GetNotificationResponse(notification=_message(found))

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        """List notifications, newest first."""
        workspace = parse_workspace("parent", request.parent)
        only = _filter(request, workspace)
        page_size = paging.page_size(request.page_size)
        scope = (
            "ListNotifications",
            workspace.name,
            only.subscription_id,
            only.event_id,
            only.event_type,
            *sorted(only.states),
            only.created.start_ms,
            only.created.end_ms,
        )
        before = paging.decode(request.page_token, scope=scope, shape=str)
        page = await self._history.notifications(workspace, before=before, page_size=page_size, only=only)
        shown, next_page_token = paging.page_of(
            page, _message, position_of=lambda notification: notification.id, scope=scope
        )
        return pb.ListNotificationsResponse(notifications=shown, next_page_token=next_page_token)

    async def ListAttempts(self, request: pb.ListAttemptsRequest, context: Context) -> pb.ListAttemptsResponse:
        """List the attempts of a notification."""
        parent = parse_child("parent", "notifications", request.parent)
        page_size = paging.page_size(request.page_size)
        scope = ("ListAttempts", request.parent)
        after = paging.decode(request.page_token, scope=scope, shape=int)
        page = await self._history.attempts(parent.workspace, parent.id, after=after or 0, page_size=page_size)
        shown, next_page_token = paging.page_of(
            page,
            lambda attempt: attempt_message(request.parent, attempt),
            position_of=lambda attempt: attempt.attempt_number,
            scope=scope,
        )
        return pb.ListAttemptsResponse(attempts=shown, next_page_token=next_page_token)

    async def RetryNotification(
        self, request: pb.RetryNotificationRequest, context: Context
    ) -> pb.RetryNotificationResponse:
        """Make a notification due now."""
        name = parse_child("name", "notifications", request.name)
        retried = await self._interventions.retry(name.workspace, name.id, by=current_actor())
        return pb.RetryNotificationResponse(notification=_message(retried))

    async def CancelNotification(
        self, request: pb.CancelNotificationRequest, context: Context
    ) -> pb.CancelNotificationResponse:
        """End a pending notification."""
        name = parse_child("name", "notifications", request.name)
        cancelled = await self._interventions.cancel(name.workspace, name.id, by=current_actor())
        return pb.CancelNotificationResponse(notification=_message(cancelled))

    async def WatchNotifications(
        self, request: pb.WatchNotificationsRequest, context: Context
    ) -> AsyncGenerator[pb.WatchNotificationsResponse]:
        """Stream changes as they are committed. What one write has not taken yet holds up the next read."""
        workspace = parse_workspace("parent", request.parent)
        only = WatchFilter(
            subscription_id=id_in(workspace, "subscription", "subscriptions", request.subscription),
            states=_states(request.states),
        )
        after = parse_resume_token(request.resume_token, workspace, only)
        async with aclosing(self._watches.watch(workspace, only, after=after)) as stream:
            async for told in stream:
                yield _watch_message(told, resume_token(told.position, workspace, only))


def event_receipt(event: Event) -> pb.Event:
    """Return as much of an event as always takes less than 1 KB: no text of the publisher's without a short limit."""
    return pb.Event(
        name=event.name,
        event_type=event.event_type,
        content_type=event.content_type,
        occur_time=timestamp(event.occur_time_ms),
        create_time=timestamp(event.create_time_ms),
        payload_sha256=event.payload_sha256,
        payload_size=event.payload_size,
        matched_count=event.matched_count,
    )


def event_summary(event: Event) -> pb.Event:
    """Return an event without its payload and context."""
    message = event_receipt(event)
    message.source = event.source
    message.subject = event.subject
    message.attributes.update(event.attributes)
    return message


def event_message(event: Event) -> pb.Event:
    """Return an event with everything that belongs to it."""
    message = event_summary(event)
    message.context_json = event.context_json
    if event.payload_is_json:
        message.json = event.payload.decode()
    else:
        message.data = event.payload
    return message


def _message(notification: Notification) -> pb.Notification:
    last = notification.last_attempt
    return pb.Notification(
        name=notification.name,
        event=notification.workspace.event(notification.event_id),
        subscription=notification.workspace.subscription(notification.subscription_id),
        event_type=notification.event_type,
        state=pb.NotificationState.Value(f"NOTIFICATION_STATE_{notification.state}"),
        attempt_count=notification.attempt_count,
        next_attempt_time=timestamp(notification.next_attempt_time_ms),
        last_attempt=attempt_message(notification.name, last) if last else None,
        create_time=timestamp(notification.create_time_ms),
        complete_time=timestamp(notification.complete_time_ms),
        failure_reason=notification.failure_reason or "",
        replay=_replay_name(notification),
    )


def _replay_name(notification: Notification) -> str:
    if notification.replay_id is None:
        return ""
    return ReplayName(notification.workspace, notification.subscription_id, notification.replay_id).name


def _watch_message(told: Told, token: str) -> pb.WatchNotificationsResponse:
    if told.notification is None:
        return pb.WatchNotificationsResponse(resume_token=token)
    return pb.WatchNotificationsResponse(
        notification=_message(told.notification),
        attempt=attempt_message(told.notification.name, told.attempt) if told.attempt else None,
        resume_token=token,
    )


def attempt_message(notification_name: str, attempt: Attempt) -> pb.Attempt:
    """Return an attempt of a notification; one of no notification, when its name is empty, has no name itself."""
    headers: dict[str, str] = {}
    for name, value in attempt.response_headers:
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return pb.Attempt(
        name=f"{notification_name}/attempts/{attempt.attempt_number}" if notification_name else "",
        attempt_number=attempt.attempt_number,
        outcome=pb.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{attempt.outcome}"),
        start_time=timestamp(attempt.start_time_ms),
        duration=duration(attempt.duration_ms / 1000),
        http_status=attempt.http_status or 0,
        response_headers=headers,
        response_body=attempt.response_body,
        response_truncated=attempt.response_truncated,
        error=attempt.error,
        remote_address=attempt.remote_address,
        signing_key_ids=attempt.signing_key_ids,
    )


def _filter(request: pb.ListNotificationsRequest, workspace: Workspace) -> NotificationFilter:
    _check_event_type(request.event_type)
    return NotificationFilter(
        subscription_id=id_in(workspace, "subscription", "subscriptions", request.subscription),
        event_id=id_in(workspace, "event", "events", request.event),
        event_type=request.event_type,
        states=_states(request.states),
        created=_time_range(request),
    )


def _states(numbers: Sequence[int]) -> frozenset[NotificationState]:
    return enum_members("states", pb.NotificationState, numbers, NotificationState)


def _check_event_type(event_type: str) -> None:
    if event_type:
        check_event_type_id("event_type", event_type)


def _time_range(request: Message) -> TimeRange:
    start_ns = time_ns("start_time", request, "start_time")
    end_ns = time_ns("end_time", request, "end_time")
    if end_ns is not None and start_ns is not None and end_ns < start_ns:
        raise InvalidField("end_time", "must not be before start_time")
    return TimeRange(
        0 if start_ns is None else bound_ms(start_ns), LATEST_TIME_MS if end_ns is None else bound_ms(end_ns)
    )
