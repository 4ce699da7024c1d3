"""Identifiers: UUIDs that sort by time, and the ids that people may choose."""

import threading
import time
import uuid
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.ids import Uuid7Ids, check_request_id, check_resource_id, check_uuid, first_uuid7_at

TIMES_MS = st.integers(0, (1 << 48) - 2)


class SettableClock:
    """A clock that stands where it is put."""

    def __init__(self, time_ms: int) -> None:
        self.time_ms = time_ms

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_s(self) -> float:
        return self.time_ms / 1000


@given(time_ms=TIMES_MS, seed=st.integers())
def test_id_is_a_uuid_of_version_7_that_carries_its_time(time_ms: int, seed: int) -> None:
    """RFC 9562, section 5.7: 48 bits of milliseconds first."""
    made = uuid.UUID(Uuid7Ids(SettableClock(time_ms), Random(seed)).new())

    assert 7 == made.version
    assert uuid.RFC_4122 == made.variant
    assert time_ms == made.int >> 80


@given(steps_ms=st.lists(st.integers(-5000, 5000), max_size=50), seed=st.integers())
def test_ids_sort_in_the_order_they_were_made_whatever_the_clock_does(steps_ms: list[int], seed: int) -> None:
    """Within a millisecond, and also when the clock is set back."""
    clock = SettableClock(1_795_167_000_000)
    ids = Uuid7Ids(clock, Random(seed))
    made = [ids.new()]
    for step_ms in steps_ms:
        clock.time_ms += step_ms
        made.append(ids.new())

    assert sorted(set(made)) == made


def test_ids_sort_when_a_millisecond_needs_more_of_them_than_its_counter_holds() -> None:
    """The counter has 12 bits; the id after its last borrows the next millisecond."""
    ids = Uuid7Ids(SettableClock(1_795_167_000_000), Random(0))
    made = [ids.new() for _ in range(10_000)]

    assert sorted(set(made)) == made


class TickingClock(SettableClock):
    """A clock that goes on by a millisecond at every fourth look."""

    def now_ms(self) -> int:
        self.time_ms += 1
        return self.time_ms // 4


class YieldingRandom(Random):
    """Dice that let another thread run while they roll, as a switch of the interpreter may at any time."""

    def getrandbits(self, k: int, /) -> int:
        time.sleep(0)
        return super().getrandbits(k)


def test_ids_that_several_threads_make_are_different_and_each_sees_its_own_in_order() -> None:
    """The event loop makes ids, and so do works in the writer's thread."""
    ids = Uuid7Ids(TickingClock(1_795_167_000_000), YieldingRandom(0))
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(ids.new() for _ in range(1_500))) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [sorted(mine) for mine in made] == made
    places = {uuid.UUID(each).int >> 62 for mine in made for each in mine}
    assert 6_000 == len(places)
    assert {7} == {uuid.UUID(each).version for mine in made for each in mine}


def test_two_processes_with_one_clock_make_different_ids() -> None:
    """74 random bits, less what the counter takes, keep nodes apart."""
    clock = SettableClock(1_795_167_000_000)
    one, other = Uuid7Ids(clock, Random(1)), Uuid7Ids(clock, Random(2))

    assert 2000 == len({ids.new() for _ in range(1000) for ids in (one, other)})


@given(time_ms=TIMES_MS, seed=st.integers(), count=st.integers(1, 20))
def test_first_id_of_a_millisecond_bounds_the_ids_made_in_it(time_ms: int, seed: int, count: int) -> None:
    """From first(t) inclusive to first(t + 1) exclusive is exactly the millisecond t."""
    ids = Uuid7Ids(SettableClock(time_ms), Random(seed))

    for _ in range(count):
        assert first_uuid7_at(time_ms) <= ids.new() < first_uuid7_at(time_ms + 1)


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [
        (-1, "00000000-0000-7000-8000-000000000000"),
        (0, "00000000-0000-7000-8000-000000000000"),
        (1_795_167_000_000, "01a1f84a-95c0-7000-8000-000000000000"),
        (1 << 60, "ffffffff-ffff-7000-8000-000000000000"),
    ],
)
def test_first_id_of_a_time_outside_the_48_bits_is_that_of_the_nearest(time_ms: int, expected: str) -> None:
    """Callers may ask for lists from any time to any time."""
    assert expected == first_uuid7_at(time_ms)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (check_resource_id, "a"),
        (check_resource_id, "0"),
        (check_resource_id, "billing-1"),
        (check_resource_id, "a--b"),
        (check_resource_id, "a" * 63),
        (check_resource_id, "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"),
        (check_request_id, "!"),
        (check_request_id, "order/42:created~1"),
        (check_request_id, "x" * 128),
        (check_uuid, "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"),
        (check_uuid, "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_id_of_the_right_form_is_accepted(check: Callable[[str, str], None], value: str) -> None:
    """The shortest, the longest, and those with every kind of character."""
    check("field", value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (check_resource_id, ""),
        (check_resource_id, "-a"),
        (check_resource_id, "a-"),
        (check_resource_id, "A"),
        (check_resource_id, "a_b"),
        (check_resource_id, "a.b"),
        (check_resource_id, "a\n"),
        (check_resource_id, "é"),
        (check_resource_id, "a" * 64),
        (check_request_id, ""),
        (check_request_id, "a b"),
        (check_request_id, "a\n"),
        (check_request_id, "é"),
        (check_request_id, "\x7f"),
        (check_request_id, "x" * 129),
        (check_uuid, ""),
        (check_uuid, "0199C3E2-8F3A-7CC1-B7A5-2F6F7E1B9D10"),
        (check_uuid, "0199c3e28f3a7cc1b7a52f6f7e1b9d10"),
        (check_uuid, "{0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10}"),
        (check_uuid, "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10\n"),
        (check_uuid, "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d1g"),
    ],
)
def test_id_of_another_form_is_refused(check: Callable[[str, str], None], value: str) -> None:
    """With the field, the rule and the value."""
    with pytest.raises(InvalidField, match=r"^field: must be .*; got ") as caught:
        check("field", value)

    assert "field" == caught.value.field


def test_made_ids_are_among_those_that_people_may_give() -> None:
    """A server-made subscription id must pass where a chosen one does."""
    made = Uuid7Ids(SettableClock(1_795_167_000_000), Random(0)).new()

    check_resource_id("subscription_id", made)
    check_uuid("event_id", made)
