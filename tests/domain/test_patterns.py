"""Event type patterns: the rule, and the index that must agree with it."""

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.patterns import (
    PATTERN_CHARACTERS_MAX,
    PatternIndex,
    check_pattern,
    is_exact,
    matches,
    may_match_operational,
)

# Few names, so that generated patterns and types meet often.
SEGMENTS = st.sampled_from(["a", "b", "tidings"])
EVENT_TYPES = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(SEGMENTS | st.just("*"), min_size=1, max_size=4).map(".".join)
ENTRIES = st.lists(st.tuples(PATTERNS, st.integers(0, 4)), max_size=12)


@pytest.mark.parametrize(
    "pattern",
    ["*", "agent", "agent.status.changed", "agent.*", "*.created", "a.*.c", "*.*", "A_1.b-2", "tidings.*", "a" * 128],
)
def test_pattern_of_segments_and_wildcards_is_accepted(pattern: str) -> None:
    """Every form that DESIGN names, up to 128 characters."""
    check_pattern("subscription.event_types[0]", pattern)


@pytest.mark.parametrize(
    "pattern",
    ["", ".", "a.", ".a", "a..b", "a*", "*a", "**", "a.**", "a b", "a/b", "é", "a.*\n", "a" * 129, "*." * 64 + "*"],
)
def test_pattern_of_any_other_form_is_refused(pattern: str) -> None:
    """A wildcard stands for whole segments only; nothing is repaired."""
    with pytest.raises(InvalidField, match=r"^subscription\.event_types\[0\]: must be an event type or a pattern"):
        check_pattern("subscription.event_types[0]", pattern)


@pytest.mark.parametrize(("pattern", "expected"), [("a.b", True), ("*", False), ("a.*", False), ("a.*.b", False)])
def test_pattern_without_a_wildcard_is_exact(pattern: str, expected: bool) -> None:
    """Exact patterns must name a known event type, so they are told apart."""
    assert expected == is_exact(pattern)


@pytest.mark.parametrize(
    ("pattern", "event_type", "expected"),
    [
        ("agent.created", "agent.created", True),
        ("agent.created", "agent", False),
        ("agent.created", "agent.created.late", False),
        ("agent.created", "Agent.created", False),
        ("*", "agent", True),
        ("*", "agent.status.changed", True),
        ("agent.*", "agent.created", True),
        ("agent.*", "agent.status.changed", True),
        ("agent.*", "agent", False),
        ("agent.*", "agents.created", False),
        ("agent.*.changed", "agent.status.changed", True),
        ("agent.*.changed", "agent.changed", False),
        ("agent.*.changed", "agent.status.mood.changed", False),
        ("*.created", "agent.created", True),
        ("*.created", "created", False),
        ("*.created", "agent.status.created", False),
        ("*.*", "agent", False),
        ("*.*", "agent.status.changed", True),
        ("*.status.*", "agent.status.changed", True),
        ("*", "tidings.subscription.suspended", False),
        ("*.*", "tidings.subscription.suspended", False),
        ("*.subscription.suspended", "tidings.subscription.suspended", False),
        ("tidings.*", "tidings.subscription.suspended", True),
        ("tidings.*.suspended", "tidings.subscription.suspended", True),
        ("tidings.subscription.suspended", "tidings.subscription.suspended", True),
        ("*", "tidings", True),
        ("*", "tidingsx.created", True),
    ],
)
def test_pattern_matches_exactly_what_the_rule_says(pattern: str, event_type: str, expected: bool) -> None:
    """One line per sentence of the rule, and one per way to misread it. The index answers alike."""
    index = PatternIndex[str]()
    index.add(pattern, "subscription")

    assert expected == matches(pattern, event_type)
    assert (["subscription"] if expected else []) == index.candidates(event_type)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["tidings.subscription.suspended"], True),
        (["tidings.*"], True),
        (["tidings.subscription.*"], True),
        (["tidings.*.failed"], True),
        (["*", "agent.*", "tidings.*.rotated"], True),
        (["*"], False),
        (["*.*", "*.subscription.suspended"], False),
        (["tidings", "tidings.*.*.*", "tidings.*.lost", "tidingsx.*"], False),
        ([], False),
    ],
)
def test_operational_events_are_wanted_by_name(patterns: list[str], expected: bool) -> None:
    """By one pattern or another that does not begin with a star."""
    assert expected == may_match_operational(patterns)


@given(entries=ENTRIES, event_type=EVENT_TYPES)
def test_index_finds_what_the_rule_finds(entries: list[tuple[str, int]], event_type: str) -> None:
    """The trie is an optimisation: it must be invisible."""
    index = index_of(entries)

    expected = {value for pattern, value in entries if matches(pattern, event_type)}
    assert sorted(expected) == sorted(index.candidates(event_type))


@given(entries=ENTRIES, data=st.data(), event_type=EVENT_TYPES)
def test_index_forgets_what_is_removed_and_nothing_else(
    entries: list[tuple[str, int]], data: st.DataObject, event_type: str
) -> None:
    """A subscription that is deleted takes only its own patterns away."""
    index = index_of(entries)
    pairs = list(dict.fromkeys(entries))
    removed = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    for pattern, value in removed:
        index.remove(pattern, value)

    expected = {value for pattern, value in set(pairs) - set(removed) if matches(pattern, event_type)}
    assert sorted(expected) == sorted(index.candidates(event_type))


def test_value_with_several_matching_patterns_is_found_once() -> None:
    """A subscription gets one notification, however many of its patterns match."""
    index = index_of([("*", 1), ("agent.*", 1), ("agent.created", 1), ("*.created", 1), ("agent.created", 1)])

    assert [1] == index.candidates("agent.created")


@pytest.mark.parametrize(("pattern", "value"), [("a.b", 2), ("a.*", 1), ("a", 1), ("x.y", 1)])
def test_removing_what_is_not_there_is_an_error(pattern: str, value: int) -> None:
    """An index that differs from what its owner believes is a bug, so it is loud."""
    index = index_of([("a.b", 1)])

    with pytest.raises(KeyError):
        index.remove(pattern, value)


def test_lookup_does_not_meet_patterns_that_cannot_match() -> None:
    """Ten thousand strangers cost a lookup not one call more than ten of them."""
    few = index_of([("agent.created", -1), *((f"stranger{n}.*.x", n) for n in range(10))])
    many = index_of([("agent.created", -1), *((f"stranger{n}.*.x", n) for n in range(10_000))])

    assert calls_of_a_lookup(few, "agent.created") == calls_of_a_lookup(many, "agent.created")


def test_removed_patterns_leave_nothing_behind() -> None:
    """An index that lives for months must not grow with every subscription that ever was."""
    index = index_of([("agent.created", 1), ("agent.*", 1), ("*.created", 1)])
    for pattern in ("agent.created", "agent.*", "*.created"):
        index.remove(pattern, 1)

    assert calls_of_a_lookup(PatternIndex[int](), "agent.created") == calls_of_a_lookup(index, "agent.created")


def test_longest_pattern_of_wildcards_is_answered() -> None:
    """64 segments is what 128 characters can hold."""
    pattern = ".".join(["*"] * 64)
    assert len(pattern) < PATTERN_CHARACTERS_MAX

    index = index_of([(pattern, 1)])

    assert [1] == index.candidates(".".join(["a"] * 64))
    assert [] == index.candidates(".".join(["a"] * 63))


def index_of(entries: list[tuple[str, int]]) -> PatternIndex[int]:
    index = PatternIndex[int]()
    for pattern, value in entries:
        index.add(pattern, value)
    return index


def calls_of_a_lookup(index: PatternIndex[int], event_type: str) -> int:
    """Count the calls, of Python and C functions, that one lookup makes."""
    calls = 0

    def count(_frame: FrameType, kind: str, _argument: object) -> None:
        nonlocal calls
        calls += kind in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        index.candidates(event_type)
    finally:
        sys.setprofile(before)
    return calls
