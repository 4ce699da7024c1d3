"""Replays: which events they send, and how fast."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.model import NotificationState
from service.domain.replays import (
    PAUSE_MS_MAX,
    SLICE_EVENTS_MAX,
    Replay,
    ReplayRequest,
    ReplayState,
    is_sent_again,
    may_match_now,
    new_replay,
    pause_ms,
    slice_notifications_max,
)
from tests.fakes import NOW_MS, SECOND_MS, subscription_of

SUCCEEDED, FAILED, PENDING = NotificationState.SUCCEEDED, NotificationState.FAILED, NotificationState.PENDING


def request_of(**changes: Any) -> ReplayRequest:
    """Return a request for everything up to now."""
    return replace(ReplayRequest(0, None, frozenset(), include_unmatched=False, max_rate_per_second=None), **changes)


def replay_of(**changes: Any) -> Replay:
    """Return a replay as it is when it was just asked for."""
    return new_replay(subscription_of("a"), request_of(**changes), id="replay-1", now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, NOW_MS), (NOW_MS - 1, NOW_MS - 1), (NOW_MS + 1, NOW_MS), (2**62, NOW_MS)]
)
def test_time_range_ends_now_at_the_latest(asked: int | None, expected: int) -> None:
    """What comes later is no past event."""
    replay = replay_of(end_time_ms=asked)

    assert (expected, ReplayState.RUNNING) == (replay.end_time_ms, replay.state)


def test_time_range_may_not_begin_in_the_future() -> None:
    """It says what time it is here, for clocks differ."""
    assert replay_of(start_time_ms=NOW_MS).start_time_ms == NOW_MS
    with pytest.raises(
        InvalidField, match=r"^replay.start_time: must not be in the future; it is 2026-11-20T"
    ) as error:
        replay_of(start_time_ms=NOW_MS + 1)
    assert "replay.start_time" == error.value.field


@pytest.mark.parametrize(
    ("states", "newest", "expected"),
    [
        ((), None, False),
        ((), SUCCEEDED, True),
        ((), PENDING, True),
        ((FAILED,), FAILED, True),
        ((FAILED,), SUCCEEDED, False),
        ((FAILED,), PENDING, False),
        ((FAILED,), None, False),
    ],
)
def test_events_are_sent_again_by_the_state_of_their_newest_notification(
    states: tuple[NotificationState, ...], newest: NotificationState | None, expected: bool
) -> None:
    """No states means any, but there must be a notification."""
    assert expected == is_sent_again(replay_of(states=frozenset(states)), newest)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("include_unmatched", "event_type", "newest", "expected"),
    [
        (True, "agent.created", None, True),
        (True, "channel.created", None, False),
        (True, "agent.created", FAILED, False),
        (False, "agent.created", None, False),
    ],
)
def test_unmatched_events_are_looked_at_only_if_a_pattern_fits(
    include_unmatched: bool, event_type: str, newest: NotificationState | None, expected: bool, enabled: bool
) -> None:
    """Whether the subscription is enabled makes no difference."""
    subscription = subscription_of("a", event_types=("agent.*",), enabled=enabled)
    replay = replay_of(include_unmatched=include_unmatched)

    assert expected == may_match_now(replay, subscription, event_type=event_type, newest_state=newest)


def test_filter_that_is_shut_matches_no_past_event() -> None:
    """As it matches no new one."""
    shut = subscription_of("a", filter="true", filter_is_shut=True)
    replay = replay_of(include_unmatched=True)

    assert not may_match_now(replay, shut, event_type="agent.created", newest_state=None)


@pytest.mark.parametrize(("pattern", "expected"), [("*", False), ("tidings.*", True)])
def test_operational_events_are_matched_like_at_their_publishing(pattern: str, expected: bool) -> None:
    """A `*` does not mean them."""
    subscription = subscription_of("a", event_types=(pattern,))
    replay = replay_of(include_unmatched=True)

    assert expected == may_match_now(replay, subscription, event_type="tidings.notification.failed", newest_state=None)


RATES = st.floats(min_value=0.01, max_value=10_000)


@given(rate=RATES, made=st.lists(st.floats(min_value=0, max_value=1), min_size=2, max_size=30))
def test_no_window_has_more_than_its_rate_allows_and_one_slice(rate: float, made: list[float]) -> None:
    """However full the slices are, if each begins as early as it may."""
    most = slice_notifications_max(rate)
    time_ms, slices = 0, []
    for part in made:
        count = round(part * most)
        slices.append((time_ms, count))
        time_ms += pause_ms(rate, made=count)

    for first in range(len(slices)):
        for last in range(first, len(slices)):
            window_s = (slices[last][0] - slices[first][0]) / SECOND_MS
            assert sum(count for _, count in slices[first : last + 1]) <= rate * window_s + most + 1e-6


@given(rate=RATES)
def test_slice_has_at_most_one_second_worth_of_notifications(rate: float) -> None:
    """But at least one, and never more than a transaction may have."""
    most = slice_notifications_max(rate)

    assert 1 <= most <= SLICE_EVENTS_MAX
    assert most <= max(1, rate)
    assert most * 1000 / rate <= pause_ms(rate, made=most) <= most * 1000 / rate + 1
    assert 0 == pause_ms(rate, made=0)
    assert pause_ms(rate, made=most) <= PAUSE_MS_MAX


def test_replay_without_a_rate_never_pauses() -> None:
    """Its slices are as large as may be."""
    assert (SLICE_EVENTS_MAX, 0) == (slice_notifications_max(None), pause_ms(None, made=SLICE_EVENTS_MAX))
