"""Replays: what may be asked for, which events are sent, and how fast. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

from service.domain.clock import rfc3339
from service.domain.errors import InvalidField
from service.domain.model import NotificationState, Subscription
from service.domain.names import ReplayName, Workspace
from service.domain.patterns import matches

SLICE_EVENTS_MAX = 500
"""How many events are looked at, and how many notifications made, in one transaction."""

RATE_MIN = 0.01
"""The lowest rate that a replay may ask for, in notifications per second."""


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Replay:
    """A bulk request to send past events (again) to one subscription."""

    workspace: Workspace
    id: str
    subscription_uid: str
    subscription_id: str
    start_time_ms: int
    end_time_ms: int
    states: frozenset[NotificationState]
    include_unmatched: bool
    max_rate_per_second: float | None
    state: ReplayState
    examined_count: int
    created_count: int
    create_time_ms: int
    complete_time_ms: int | None

    @property
    def name(self) -> str:
        """The resource name."""
        return ReplayName(self.workspace, self.subscription_id, self.id).name


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What a caller asks for, with its fields checked. `end_time_ms` is None for the time of the request."""

    start_time_ms: int
    end_time_ms: int | None
    states: frozenset[NotificationState]
    include_unmatched: bool
    max_rate_per_second: float | None


def new_replay(subscription: Subscription, request: ReplayRequest, *, id: str, now_ms: int) -> Replay:
    """Return a replay that has not begun.

    Raises:
        InvalidField: the time range begins in the future.
    """
    if request.start_time_ms > now_ms:
        raise InvalidField("replay.start_time", f"must not be in the future; it is {rfc3339(now_ms)} here")
    return Replay(
        workspace=subscription.workspace,
        id=id,
        subscription_uid=subscription.uid,
        subscription_id=subscription.id,
        start_time_ms=request.start_time_ms,
        # What is accepted from now on is not past: the subscription gets it as it comes.
        end_time_ms=now_ms if request.end_time_ms is None else min(request.end_time_ms, now_ms),
        states=request.states,
        include_unmatched=request.include_unmatched,
        max_rate_per_second=request.max_rate_per_second,
        state=ReplayState.RUNNING,
        examined_count=0,
        created_count=0,
        create_time_ms=now_ms,
        complete_time_ms=None,
    )


def is_sent_again(replay: Replay, newest_state: NotificationState | None) -> bool:
    """Say whether an event is sent that the subscription was notified of.

    Args:
        newest_state: of the subscription's newest notification of the event; None when it never had one.
    """
    return newest_state is not None and (not replay.states or newest_state in replay.states)


def may_match_now(
    replay: Replay, subscription: Subscription, *, event_type: str, newest_state: NotificationState | None
) -> bool:
    """Say whether an event that the subscription was not notified of may be one that it wants as it is now.

    That it is disabled makes no difference: then its notifications are held, as others are. A filter that is shut
    matches nothing.
    """
    return (
        replay.include_unmatched
        and newest_state is None
        and not subscription.filter_is_shut
        and any(matches(pattern, event_type) for pattern in subscription.event_types)
    )


def slice_notifications_max(max_rate_per_second: float | None) -> int:
    """Return how many notifications a slice may make: those of one second, but at least one."""
    if max_rate_per_second is None:
        return SLICE_EVENTS_MAX
    return min(SLICE_EVENTS_MAX, max(1, int(max_rate_per_second)))


def pause_ms(max_rate_per_second: float | None, *, made: int) -> int:
    """Return how long after a slice the next one may come at the earliest, so that the rate is kept."""
    return 0 if max_rate_per_second is None else math.ceil(made * 1000 / max_rate_per_second)


PAUSE_MS_MAX = pause_ms(RATE_MIN, made=1)
"""No replay waits longer for its next slice, whatever its rate."""
