"""How many requests may be under way: in all, and for one subscription."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.delivery.lanes import LANE_LIMIT, Slots, lane_limit, lane_room

SLOTS = st.integers(0, 2_000)
LIMITS = st.integers(1, 256)
# For each lane in turn: its limit, and how much it has under way already.
LANES = st.lists(st.tuples(LIMITS, st.integers(0, 64)), max_size=200)


@given(free_slots=SLOTS, lanes=LANES)
def test_rooms_of_all_lanes_never_exceed_the_free_slots(free_slots: int, lanes: list[tuple[int, int]]) -> None:
    """Nor does a lane with its room exceed its limit."""
    for limit, in_flight in lanes:
        room = lane_room(limit=limit, free_slots=free_slots, in_flight=in_flight)
        assert 0 <= room <= free_slots
        assert room == 0 or in_flight + room <= limit
        free_slots -= room


@given(free_slots=st.integers(1, 2_000), limit=LIMITS)
def test_lane_with_nothing_under_way_gets_at_least_one_while_a_slot_is_free(free_slots: int, limit: int) -> None:
    """However little is left."""
    assert lane_room(limit=limit, free_slots=free_slots, in_flight=0) >= 1


@given(slots=st.integers(16, 2_000), lanes=st.lists(LIMITS, max_size=13), rounds=st.integers(1, 5))
def test_stalled_lanes_cannot_take_everything(slots: int, lanes: list[int], rounds: int) -> None:
    """Up to 13 that never end a request leave a slot, whatever their limits and however often they ask."""
    held = [0] * len(lanes)
    for _ in range(rounds):
        for lane, limit in enumerate(lanes):
            held[lane] += lane_room(limit=limit, free_slots=slots - sum(held), in_flight=held[lane])

    assert sum(held) < slots


def test_60_stalled_lanes_leave_slots_free_of_256() -> None:
    """First come first served, 32 lanes of 8 would take them all; with an eighth of what is free, 51 would."""
    held: list[int] = []
    for _ in range(60):
        held.append(lane_room(limit=LANE_LIMIT, free_slots=256 - sum(held), in_flight=0))

    assert (12, 1) == (256 - sum(held), min(held))


@pytest.mark.parametrize(
    ("max_concurrency", "expected"), [(None, LANE_LIMIT), (1, 1), (LANE_LIMIT, LANE_LIMIT), (256, LANE_LIMIT)]
)
def test_limit_of_a_lane_is_that_of_its_subscription_if_it_is_smaller(
    max_concurrency: int | None, expected: int
) -> None:
    """A larger one waits for lanes that learn."""
    assert expected == lane_limit(max_concurrency)


def test_slots_are_counted_by_lane() -> None:
    """A lane that has given everything back is forgotten, and a copy of the counts does not change."""
    slots = Slots(3)
    for uid in ("a", "b", "a"):
        slots.take(uid)
    before = slots.in_flight_by_lane()
    slots.give_back("b")

    assert ({"a": 2, "b": 1}, {"a": 2}, 1) == (before, slots.in_flight_by_lane(), slots.free)
