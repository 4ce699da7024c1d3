"""What the text of a filter must keep to beyond CEL's grammar, so that no filter can hold up the server for long.

The CEL library bounds how often a loop turns, not what a turn costs, and nothing can interrupt it: it holds the GIL. So
every loop is made to ask before each turn whether its time is up, and what can be slow in one turn is not allowed:
regular expressions that come from the event or grow large, more than a few searches for a text of the event (the
library compares at every place: 20 ms), and, beside a loop, lists that hold copies of the event.

Works on the tokens of a text that CEL has parsed already; what CEL refuses never comes here.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

GUARD = "tidings_is_late"
"""The function that every guarded loop calls before each turn: true ends the loop."""

PATTERNS_WEIGHT_MAX = 128
SEARCHES_MAX = 4

_LOOPS = frozenset({"all", "exists"})
_TIMESTAMP_PARTS = re.compile(r"get[A-Z]\w*")
_TIME_ZONE = re.compile(r"UTC|[+-]?\d\d:\d\d|[A-Z][A-Za-z]+(/[A-Z][A-Za-z0-9_+-]*){1,2}")
_CONSTANTS = frozenset({"true", "false", "null"})
_DYNAMIC_VARIABLES = frozenset({"event.data", "event.context"})
_CLOSING = {"(": ")", "[": "]", "{": "}"}

# The lexer of CEL's grammar (cel-spec, doc/langdef.md). Longest first: a triple quote before two quotes.
_STRING = r"""
    [bB]?[rR](?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\r\n]*"|'[^'\r\n]*')
  | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\r\n])*"|'(?:\\.|[^'\\\r\n])*')
"""
_TOKEN = re.compile(
    rf"""
    (?P<blank>[\t\r\n\f ]+|//[^\n]*)
  | (?P<string>{_STRING})
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[uU]?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<quoted>`[^`]*`)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)

# The parts of an RE2 pattern that matter for how large its program gets.
_PATTERN_PART = re.compile(
    r"""
    (?P<verbatim>\\Q.*?(?:\\E|$))
  | (?P<unicode>\\[pP](?:\{[^}]*\}|.))
  | (?P<escape>\\x\{[^}]*\}|\\.)
  | (?P<set>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])
  | (?P<opening>\((?:\?(?:P?<\w+>|[A-Za-z-]*:))?)
  | (?P<closing>\))
  | (?P<repeat>\{(?P<least>\d+)(?:,(?P<most>\d*))?\})
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_UNICODE_CLASS_WEIGHT = 16

# Escapes that mean themselves. The others can hide what a pattern says, and a raw string needs none.
_PLAIN_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a filter, and where: line and column in characters, from 1."""

    text: str
    line: int
    column: int


class FilterText:
    """The tokens of a filter that CEL has parsed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [
            _Token(found.lastgroup or "", found[0], found.start())
            for found in _TOKEN.finditer(text)
            if found.lastgroup != "blank"
        ]
        self._mates = _mates(self._tokens)
        self._loops = [index for index in range(len(self._tokens)) if self._is_loop(index)]

    def problem(self) -> Problem | None:
        """Return the first thing that a filter must not do; None if there is none."""
        rules = (
            self._reserved,
            self._presences,
            self._literals,
            self._patterns,
            self._searches,
            self._time_zones,
        )
        found = [problem for rule in rules for problem in islice(rule(), 1)]
        return min(found, key=lambda problem: (problem.line, problem.column), default=None)

    def _reserved(self) -> Iterator[Problem]:
        for index, token in enumerate(self._tokens):
            if token.text == GUARD:
                yield self._at(index, f"the name {GUARD} is reserved")

    def _presences(self) -> Iterator[Problem]:
        """Yield each has() of a whole variable: the library takes its value for the answer."""
        for index in self._calls_of("has"):
            inside = self._tokens[index + 2 : self._mates[index + 1]]
            variable = "".join(token.text for token in inside if token.text not in "()").lstrip(".")
            if variable in _DYNAMIC_VARIABLES:
                yield self._at(
                    index,
                    f"{variable} is always there, if need be as null: compare it with null, or ask for a field of it, "
                    f"such as has({variable}.x)",
                )

    def _literals(self) -> Iterator[Problem]:
        for index, token in enumerate(self._tokens):
            if token.text in ("[", "{") and self._loops and self._is_variable_literal(index):
                yield self._at(
                    index, "a list or map that is written into a filter with all() or exists() may hold constants only"
                )

    def _patterns(self) -> Iterator[Problem]:
        weight = 0
        for index in self._calls_of("matches"):
            argument = self._last_argument(index)
            pattern = None if argument is None else _plain(argument)
            if pattern is None:
                yield self._at(index, "matches() takes its pattern as one string, best as a raw one: r'...'")
                return
            weight += _weight(pattern)
            if weight > PATTERNS_WEIGHT_MAX:
                yield self._at(
                    index,
                    f"the patterns of matches() may have {PATTERNS_WEIGHT_MAX} parts in all, repetitions {{n}} counted "
                    "n times",
                )

    def _searches(self) -> Iterator[Problem]:
        unwritten = (index for index in self._calls_of("contains") if self._last_argument(index) is None)
        for index in islice(unwritten, SEARCHES_MAX, None):
            yield self._at(
                index, f"contains() may look for what is not written as one string at most {SEARCHES_MAX} times"
            )

    def _time_zones(self) -> Iterator[Problem]:
        for index in range(len(self._tokens)):
            if self._is_bad_time_zone(index):
                yield self._at(
                    index, "a time zone is given as one string: a name such as 'Europe/Berlin', or 'UTC' or '+02:00'"
                )

    def constants(self) -> Iterator[tuple[str, Problem]]:
        """Yield what can be judged without an event, and what is wrong if its evaluation fails: patterns, time zones.

        For a text without a problem(). Each is an expression without variables.
        """
        for index, token in enumerate(self._tokens):
            literal = self._last_argument(index) if self._is_call(index) else None
            if literal is None:
                continue
            if token.text == "matches":
                yield f"''.matches({literal})", self._at(index, "the pattern of matches() must be one that RE2 knows")
            elif _TIMESTAMP_PARTS.fullmatch(token.text):
                yield f"timestamp(0).getHours({literal}) < 24", self._at(index, "there is no such time zone")

    def guarded(self) -> str:
        """Return the filter with a question before each turn of its loops: `x.all(y, p)` stops once it is late."""
        insertions: list[tuple[int, str]] = []
        for index in self._loops:
            body = self._second_argument(index)
            is_all = self._tokens[index].text == "all"
            insertions.append((self._tokens[body].start, f"!{GUARD}() && (" if is_all else f"{GUARD}() || ("))
            insertions.append((self._tokens[self._mates[index + 1]].start, ")"))
        guarded = self._text
        for start, text in sorted(insertions, reverse=True):
            guarded = guarded[:start] + text + guarded[start:]
        return guarded

    def _at(self, index: int, problem: str) -> Problem:
        lines = [0, *(found.end() for found in re.finditer("\n", self._text))]
        start = self._tokens[index].start
        line = bisect_right(lines, start)
        return Problem(problem, line, start - lines[line - 1] + 1)

    def _is_loop(self, index: int) -> bool:
        tokens = self._tokens
        return tokens[index].text in _LOOPS and index > 0 and tokens[index - 1].text == "." and self._is_call(index)

    def _is_call(self, index: int) -> bool:
        return index + 1 < len(self._tokens) and self._tokens[index + 1].text == "("

    def _calls_of(self, function: str) -> Iterator[int]:
        for index, token in enumerate(self._tokens):
            if token.text == function and self._is_call(index):
                yield index

    def _is_variable_literal(self, index: int) -> bool:
        """Say whether a list or map begins here, and holds more than constants."""
        if self._tokens[index].text == "[" and index > 0 and _ends_operand(self._tokens[index - 1]):
            return False
        inside = self._tokens[index + 1 : self._mates[index]]
        return any(
            token.kind == "quoted" or (token.kind == "word" and token.text not in _CONSTANTS) for token in inside
        )

    def _last_argument(self, index: int) -> str | None:
        """Return the last argument of a call as written, if it is one string and nothing else."""
        end = self._mates[index + 1]
        last, before = self._tokens[end - 1], self._tokens[end - 2]
        return last.text if last.kind == "string" and before.text in ("(", ",") else None

    def _second_argument(self, index: int) -> int:
        """Return where the second argument of a call begins."""
        place = index + 2
        while self._tokens[place].text != ",":
            place = self._mates.get(place, place) + 1
        return place + 1

    def _is_bad_time_zone(self, index: int) -> bool:
        if not (_TIMESTAMP_PARTS.fullmatch(self._tokens[index].text) and self._is_call(index)):
            return False
        if self._mates[index + 1] == index + 2:
            return False
        argument = self._last_argument(index)
        zone = None if argument is None else _plain(argument)
        return zone is None or not _TIME_ZONE.fullmatch(zone)


def _mates(tokens: list[_Token]) -> dict[int, int]:
    """Return for each opening bracket the index of its closing one."""
    mates: dict[int, int] = {}
    open_: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind != "sign":
            continue
        if token.text in _CLOSING:
            open_.append(index)
        elif token.text in _CLOSING.values():
            mates[open_.pop()] = index
    return mates


def _ends_operand(token: _Token) -> bool:
    if token.kind == "word":
        return token.text != "in"
    return token.kind in ("number", "string", "quoted") or token.text in (")", "]", "}")


def _plain(literal: str) -> str | None:
    """Return what a string literal says; None if it has an escape that is better written in a raw string."""
    prefix = literal[: len(literal) - len(literal.lstrip("bBrR"))]
    quote = 3 if literal[len(prefix) : len(prefix) + 3] in ('"""', "'''") else 1
    content = literal[len(prefix) + quote : -quote]
    if "r" in prefix.lower():
        return content
    if any(found[1] not in _PLAIN_ESCAPES for found in re.finditer(r"\\(.)", content, re.DOTALL)):
        return None
    return re.sub(r"\\(.)", lambda found: _PLAIN_ESCAPES[found[1]], content, flags=re.DOTALL)


def _weight(pattern: str) -> int:
    """Return about how many instructions RE2 makes of a pattern: one for each part, as often as it is repeated."""
    groups, last = [0], 0
    for part in _PATTERN_PART.finditer(pattern):
        match part.lastgroup:
            case "opening":
                groups.append(0)
                continue
            case "closing" if len(groups) > 1:
                last = groups.pop() + 1
            case "repeat":
                times = max(int(part["least"]), int(part["most"] or 0) + 1)
                groups[-1] += last * (times - 1)
                last *= times
                continue
            case "verbatim":
                last = len(part[0])
            case "unicode":
                last = _UNICODE_CLASS_WEIGHT
            case "set":
                last = 1 + _UNICODE_CLASS_WEIGHT * len(re.findall(r"\\[pP]", part[0]))
            case _:
                last = 1
        groups[-1] += last
    return sum(groups)
