"""How much may be started: in all, for one lane, in bytes, and per second."""

from hypothesis import given
from hypothesis import strategies as st

from service.delivery.lanes import Rates, Room, Slots, alternating
from service.domain.model import LANE_CONCURRENCY_AT_FIRST

PLENTY = 1 << 40
SLOTS = st.integers(0, 2_000)
LIMITS = st.integers(1, 256)
# For each lane in turn: its limit, how much it has under way already, and whether it is proven.
LANES = st.lists(st.tuples(LIMITS, st.integers(0, 64), st.booleans()), max_size=200)


@given(slots=SLOTS, unproven=SLOTS, lanes=LANES)
def test_rooms_of_all_lanes_never_exceed_the_free_slots(
    slots: int, unproven: int, lanes: list[tuple[int, int, bool]]
) -> None:
    """Nor those of the unproven ones their part, nor does a lane with its room exceed its limit."""
    room = Room(slots, unproven, PLENTY)
    for limit, in_flight, is_proven in lanes:
        more = room.requests(limit=limit, in_flight=in_flight, is_proven=is_proven)
        assert 0 <= more <= room.slots
        assert is_proven or more <= room.unproven_slots
        assert more == 0 or in_flight + more <= limit
        assert more == room.take([1] * more, is_proven=is_proven)


@given(slots=st.integers(1, 2_000), limit=LIMITS, is_proven=st.booleans())
def test_lane_with_nothing_under_way_gets_at_least_one_while_a_slot_is_free(
    slots: int, limit: int, is_proven: bool
) -> None:
    """However little is left."""
    assert Room(slots, slots, PLENTY).requests(limit=limit, in_flight=0, is_proven=is_proven) >= 1


@given(bytes_=st.integers(0, 10_000), lanes=st.lists(st.lists(st.integers(0, 2_000), max_size=20), max_size=50))
def test_bytes_of_all_lanes_never_exceed_what_is_free(bytes_: int, lanes: list[list[int]]) -> None:
    """Whatever the sizes, in whichever order they come."""
    room = Room(10_000, 10_000, bytes_)
    taken = sum(sum(sizes[: room.take(sizes, is_proven=True)]) for sizes in lanes)

    assert (taken, True) == (bytes_ - room.bytes, taken <= bytes_)


def test_60_stalled_lanes_leave_slots_free_of_256() -> None:
    """Although none of them is proven, and only half of the slots are for such lanes."""
    room = Slots(256, bytes_max=PLENTY).room()
    held = []
    for _ in range(60):
        more = room.requests(limit=LANE_CONCURRENCY_AT_FIRST, in_flight=0, is_proven=False)
        held.append(room.take([1] * more, is_proven=False))

    assert (29, 1) == (room.unproven_slots, min(held))


@given(lanes=st.lists(LIMITS, max_size=500), rounds=st.integers(1, 5), total=st.integers(2, 2_000))
def test_stalled_lanes_that_are_not_proven_leave_half_of_the_slots_to_those_that_are(
    lanes: list[int], rounds: int, total: int
) -> None:
    """However many they are, whatever their limits, and however often they ask."""
    slots = Slots(total, bytes_max=PLENTY)
    for _ in range(rounds):
        for lane, limit in enumerate(lanes):
            uid = str(lane)
            in_flight = slots.in_flight_by_lane().get(uid, 0)
            for _taken in range(slots.room().requests(limit=limit, in_flight=in_flight, is_proven=False)):
                slots.take(uid, size=1, is_proven=False)

    assert slots.free >= total // 2
    assert slots.room().requests(limit=1, in_flight=0, is_proven=True) == 1


def test_slots_are_counted_by_lane() -> None:
    """A lane that has given everything back is forgotten, and a copy of the counts does not change."""
    slots = Slots(10, bytes_max=100)
    for uid, is_proven in (("a", True), ("b", False), ("a", False)):
        slots.take(uid, size=7, is_proven=is_proven)
    before = slots.in_flight_by_lane()
    room = slots.room()
    slots.give_back("b", size=7, is_proven=False)

    assert ({"a": 2, "b": 1}, {"a": 2}) == (before, slots.in_flight_by_lane())
    assert [Room(7, 3, 79), Room(8, 4, 86)] == [room, slots.room()]
    assert (2, 14) == (slots.in_flight, slots.bytes_in_flight)


@given(
    rate=st.floats(0.01, 10_000),
    waits_s=st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=40),
    asked=st.integers(1, 50),
)
def test_rate_is_kept_over_every_span(rate: float, waits_s: list[float], asked: int) -> None:
    """At most rate times the span and a tenth of a second more, and one."""
    rates, now_s = Rates(), 1_000.0
    started: list[tuple[float, int]] = []
    for wait_s in waits_s:
        now_s += wait_s
        count = min(asked, rates.allowed("a", rate, now_s=now_s))
        for _ in range(count):
            rates.count("a", rate, now_s=now_s)
        started.append((now_s, count))

    for first, (from_s, _) in enumerate(started):
        for last in range(first, len(started)):
            span_s = started[last][0] - from_s
            total = sum(count for _, count in started[first : last + 1])
            assert total <= rate * (span_s + 0.1) + 1 + 1e-3


@given(rate=st.floats(0.01, 10_000))
def test_lane_that_waits_as_long_as_it_is_told_may_start_one(rate: float) -> None:
    """Or it would be told to wait again and again."""
    rates, now_s = Rates(), 12_345.678
    for _ in range(50):
        while not rates.allowed("a", rate, now_s=now_s):
            waited_until_s = rates.next_s("a")
            assert waited_until_s > now_s
            now_s = waited_until_s
        rates.count("a", rate, now_s=now_s)

    rates.forget_idle(now_s=now_s + 101)
    assert rates.next_s("a") <= 0


def test_two_take_turns_until_the_longer_one_is_alone() -> None:
    """None of either is left out."""
    assert ["a", 1, "b", 2, "c", "d"] == list(alternating(["a", "b", "c", "d"], [1, 2]))
    assert [] == list(alternating([], []))
