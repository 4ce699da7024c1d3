"""Event type patterns: which event types a subscription asks for.

`agent.created` is that type. `*` alone is every type. `*` in place of a segment is exactly one segment, except at the
end: `agent.*` is one or more segments below `agent`. `*` and patterns that begin with `*` do not match the reserved
types, those below `tidings`: who wants these names them (`tidings.*`).

`matches` is the rule; `PatternIndex` answers it for many patterns at once. Both expect checked patterns and ids.
"""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.domain.errors import InvalidField, quoted
from service.domain.names import EVENT_TYPE_CHARACTERS_MAX, OPERATIONAL_EVENT_TYPES, RESERVED_EVENT_TYPE_PREFIX

PATTERN_CHARACTERS_MAX = EVENT_TYPE_CHARACTERS_MAX
WILDCARD = "*"

_PATTERN = re.compile(r"(\*|[A-Za-z0-9_-]+)(\.(\*|[A-Za-z0-9_-]+))*")

T = TypeVar("T", bound=Hashable)


def check_pattern(field: str, pattern: str) -> None:
    """Refuse a pattern that is not dot-separated segments, each `*` or `[A-Za-z0-9_-]+`, at most 128 characters.

    Raises:
        InvalidField: with the rule and the pattern.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX or not _PATTERN.fullmatch(pattern):
        raise InvalidField(
            field,
            'must be an event type or a pattern: segments of letters, digits, "_" and "-", or "*" in place of a whole '
            f'segment, joined by dots, at most {PATTERN_CHARACTERS_MAX} characters, such as "agent.*"; '
            f"got {quoted(pattern)}",
        )


def is_exact(pattern: str) -> bool:
    """Say whether a pattern names one event type rather than a family of them."""
    return WILDCARD not in pattern


def matches(pattern: str, event_type: str) -> bool:
    """Say whether a pattern matches an event type."""
    if pattern.startswith(WILDCARD) and _is_reserved(event_type):
        return False
    path, is_open = _parse(pattern)
    segments = event_type.split(".")
    long_enough = len(segments) > len(path) if is_open else len(segments) == len(path)
    return long_enough and all(wanted in (WILDCARD, segment) for wanted, segment in zip(path, segments, strict=False))


def may_match_operational(patterns: Iterable[str]) -> bool:
    """Say whether one of these patterns matches an operational event type."""
    return any(matches(pattern, event_type) for pattern in patterns for event_type in OPERATIONAL_EVENT_TYPES)


@dataclass(slots=True)
class _Node(Generic[T]):
    """A place in the trie. A `*` segment is an ordinary child: no event type has a segment of that name."""

    children: dict[str, "_Node[T]"] = field(default_factory=dict)
    here: dict[T, None] = field(default_factory=dict)
    below: dict[T, None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.children or self.here or self.below)


class PatternIndex(Generic[T]):
    """Values by pattern, found by event type, in a trie of segments.

    A lookup visits only the places whose path so far matches the event type, so patterns that cannot match cost
    nothing. Values are kept in the order they were added (dicts as ordered sets): equal histories give equal answers.
    """

    def __init__(self) -> None:
        self._named: _Node[T] = _Node()
        # Patterns that begin with "*" stand apart, because reserved event types must not meet them.
        self._unnamed: _Node[T] = _Node()

    def add(self, pattern: str, value: T) -> None:
        """Add a value under a pattern; adding the same pair again changes nothing."""
        path, is_open = _parse(pattern)
        node = self._root(pattern)
        for segment in path:
            node = node.children.setdefault(segment, _Node())
        (node.below if is_open else node.here)[value] = None

    def remove(self, pattern: str, value: T) -> None:
        """Remove a value from under a pattern, and every place that is empty then.

        Raises:
            KeyError: the pair is not in the index.
        """
        path, is_open = _parse(pattern)
        nodes = [self._root(pattern)]
        for segment in path:
            nodes.append(nodes[-1].children[segment])
        del (nodes[-1].below if is_open else nodes[-1].here)[value]
        for parent, segment in reversed(list(zip(nodes, path, strict=False))):
            if not parent.children[segment].is_empty:
                return
            del parent.children[segment]

    def candidates(self, event_type: str) -> list[T]:
        """Return the values with at least one pattern that matches, each once."""
        found: dict[T, None] = {}
        level = [self._named] if _is_reserved(event_type) else [self._named, self._unnamed]
        for segment in event_type.split("."):
            for node in level:
                found.update(node.below)
            children = (node.children.get(key) for node in level for key in (segment, WILDCARD))
            level = [child for child in children if child is not None]
        for node in level:
            found.update(node.here)
        return list(found)

    def _root(self, pattern: str) -> _Node[T]:
        return self._unnamed if pattern.startswith(WILDCARD) else self._named


def _parse(pattern: str) -> tuple[list[str], bool]:
    """Return the segments to go through, and whether one or more further segments must follow (a last `*`)."""
    path = pattern.split(".")
    is_open = path[-1] == WILDCARD
    return (path[:-1] if is_open else path), is_open


def _is_reserved(event_type: str) -> bool:
    return event_type.startswith(RESERVED_EVENT_TYPE_PREFIX)
