"""Filters: CEL expressions over one event, through Google's cel-expr-python.

A filter is compiled and type-checked before it is stored. Its evaluation has a verdict, never an exception, and is
bounded: in turns by the library, in time and memory by `service.domain.filter_text`. Not for several threads at once.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any

import orjson

# Ships stubs, but no py.typed.
from cel_expr_python import cel  # type: ignore[import-untyped]

from service.domain.clock import CpuClock, thread_cpu_s
from service.domain.errors import InvalidFilter
from service.domain.filter_messages import compile_problem, evaluation_problem, printable
from service.domain.filter_text import GUARD, FilterText, Problem
from service.domain.model import Event

FILTER_BYTES_MAX = 2_048
FILTERED_BYTES_MAX = 64 * 1024
EVALUATION_CPU_MAX_S = 0.020

# What evaluations allocate is freed with the activation, so one is not used for longer than this.
_ACTIVATION_CPU_MAX_S = 0.020
# A program takes about 85 bytes of memory for each byte of its text.
_KEPT_TEXT_BYTES_MAX = 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUL_ESCAPE = b"\\u0000"

# The library bounds the turns of all loops of an evaluation (10,000), not the bytes that `+`, map and filter make.
_ENVIRONMENT = """
stdlib:
  exclude_macros: [map, filter, exists_one]
  exclude_functions:
    - name: _+_
"""

_MISSING_VARIABLE = re.compile(r'No value with name "event\.(\w+)" found')


class VerdictKind(Enum):
    """What an evaluation came to."""

    TRUE = "TRUE"
    FALSE = "FALSE"
    ERROR = "ERROR"
    TOO_SLOW = "TOO_SLOW"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluation came to. `problem` says what an ERROR was, in printable ASCII, at most 300 characters."""

    kind: VerdictKind
    problem: str = ""


_TRUE = Verdict(VerdictKind.TRUE)
_FALSE = Verdict(VerdictKind.FALSE)
_TOO_SLOW = Verdict(VerdictKind.TOO_SLOW)


class FilterInput:
    """What filters see of one event. It is parsed and converted when the first filter asks, once for all of them.

    A variable that cannot be shown truly (over 64 KiB, or with a U+0000, at which the library cuts text off) is left
    out: using it is an error, which says why.
    """

    def __init__(self, event: Event) -> None:
        self._event = event
        self._variables: dict[str, Any] | None = None
        self._left_out: dict[str, str] = {}
        self._activation: Any = None
        self._used_s = 0.0

    def activation(self) -> Any:
        """Return the variables as the library wants them."""
        if self._activation is None or self._used_s > _ACTIVATION_CPU_MAX_S:
            if self._variables is None:
                self._variables = self._shown()
            self._activation = _environment().cel.Activation(self._variables)
            self._used_s = 0.0
        return self._activation

    def note_use(self, cpu_s: float) -> None:
        """Count how long the activation was used."""
        self._used_s += cpu_s

    def why_left_out(self, variable: str) -> str:
        """Say why a variable is not there."""
        return self._left_out.get(variable, "it cannot be read")

    def _shown(self) -> dict[str, Any]:
        event = self._event
        variables: dict[str, Any] = {
            "id": event.id,
            "type": event.event_type,
            "source": event.source,
            "subject": event.subject,
            "time": _EPOCH + timedelta(milliseconds=event.time_ms),
            "attributes": dict(event.attributes),
            "data": self._parsed("data", event.payload if event.payload_is_json else b"null"),
            "context": self._parsed("context", event.context_json.encode() or b"null"),
        }
        if _holds_nul(variables["attributes"]):
            self._left_out["attributes"] = "one holds U+0000, which filters cannot read"
        return {f"event.{name}": value for name, value in variables.items() if name not in self._left_out}

    def _parsed(self, name: str, text: bytes) -> Any:
        if len(text) > FILTERED_BYTES_MAX:
            self._left_out[name] = f"it is {len(text)} bytes; filters read at most {FILTERED_BYTES_MAX}"
            return None
        # Integers beyond 64 bits become doubles here. U+0000 is always escaped in JSON.
        value = orjson.loads(text)
        if _NUL_ESCAPE in text and _holds_nul(value):
            self._left_out[name] = "it holds U+0000, which filters cannot read"
        return value


class Filter:
    """A compiled filter."""

    def __init__(self, text: str, program: Any) -> None:
        self.text = text
        self._program = program

    def evaluate(self, shown: FilterInput, cpu_s: CpuClock = thread_cpu_s) -> Verdict:
        """Say whether the filter is true for an event.

        An evaluation that takes over 20 ms of CPU is made once more: a garbage collection that happened to fall into it
        is not its fault. TOO_SLOW means that this was so twice.
        """
        verdict, took_s = self._timed(shown, cpu_s)
        if took_s > EVALUATION_CPU_MAX_S:
            verdict, took_s = self._timed(shown, cpu_s)
        return _TOO_SLOW if took_s > EVALUATION_CPU_MAX_S else verdict

    def _timed(self, shown: FilterInput, cpu_s: CpuClock) -> tuple[Verdict, float]:
        start_s = cpu_s()
        _environment().watch(cpu_s, until_s=start_s + EVALUATION_CPU_MAX_S)
        verdict = self._verdict(shown)
        took_s = cpu_s() - start_s
        shown.note_use(took_s)
        return verdict, took_s

    def _verdict(self, shown: FilterInput) -> Verdict:
        try:
            result = self._program.eval(shown.activation())
            kind = result.type().name()
            # Of no other kind: for a null the library returns None without counting the reference, so that some
            # thousands of them would end the process.
            value = result.value() if kind in ("BOOL", "ERROR", "UNKNOWN") else None
        # Whatever the library raises (it has no exceptions of its own) is the verdict on this filter, which
        # ExplainPublish shows: one filter must not stop an event.
        except Exception as error:
            return _error(str(error), shown)
        if value is True:
            return _TRUE
        if value is False:
            return _FALSE
        if kind in ("ERROR", "UNKNOWN"):
            return _error(str(value), shown)
        return Verdict(VerdictKind.ERROR, f"its value is neither true nor false, but of type {kind}")


def compile_filter(field: str, text: str) -> Filter:
    """Compile and check a filter; the last ones are kept, by their text.

    Raises:
        InvalidFilter: it is over 2,048 bytes, is not CEL, uses something that events do not have, is neither a bool nor
            dyn, or could take too long. With line and column where there is one.
    """
    kept = _environment().kept(text)
    if kept is not None:
        return kept
    size = len(text.encode())
    if size > FILTER_BYTES_MAX:
        raise InvalidFilter(field, f"must be at most {FILTER_BYTES_MAX} bytes; got {size}")
    program = _compiled(field, text)
    kind = _return_kind(field, program)
    if kind not in ("BOOL", "DYN"):
        raise InvalidFilter(field, f"must be true or false for an event; got type {kind}, at line 1, column 1")
    parsed = FilterText(text)
    problem = parsed.problem() or _broken_constant(field, parsed)
    if problem is not None:
        raise InvalidFilter(field, f"{problem.text}; at line {problem.line}, column {problem.column}")
    guarded = parsed.guarded()
    made = Filter(text, program if guarded == text else _compiled(field, guarded))
    _environment().keep(made)
    return made


def evaluate(text: str, shown: FilterInput, cpu_s: CpuClock = thread_cpu_s) -> Verdict:
    """Say whether a stored filter is true for an event. One that does not compile (any more) is an ERROR."""
    try:
        compiled = compile_filter("filter", text)
    except InvalidFilter as error:
        return Verdict(VerdictKind.ERROR, printable(error.message))
    return compiled.evaluate(shown, cpu_s)


class _Environment:
    """What compiled filters share: the library's environment, the time limit of the evaluation under way, a cache."""

    def __init__(self) -> None:
        types = cel.Type
        self.cel = cel.NewEnv(
            config=cel.NewEnvConfigFromYaml(_ENVIRONMENT),
            variables={
                "event.id": types.STRING,
                "event.type": types.STRING,
                "event.source": types.STRING,
                "event.subject": types.STRING,
                "event.time": types.TIMESTAMP,
                "event.attributes": types.Map(types.STRING, types.STRING),
                "event.data": types.DYN,
                "event.context": types.DYN,
            },
            functions=[
                cel.FunctionDecl(
                    GUARD, [cel.Overload(GUARD, return_type=types.BOOL, parameters=[], impl=self._is_late)]
                )
            ],
        )
        self._cpu_s: CpuClock = thread_cpu_s
        self._until_s = 0.0
        self._kept: OrderedDict[str, Filter] = OrderedDict()
        self._kept_bytes = 0

    def watch(self, cpu_s: CpuClock, *, until_s: float) -> None:
        """Have the loops of the evaluation that follows end at a time."""
        self._cpu_s = cpu_s
        self._until_s = until_s

    def kept(self, text: str) -> Filter | None:
        """Return the filter of this text, if it is kept."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        return found

    def keep(self, made: Filter) -> None:
        """Keep a filter, and forget those that were not used for longest."""
        self._kept[made.text] = made
        self._kept_bytes += len(made.text)
        while self._kept_bytes > _KEPT_TEXT_BYTES_MAX:
            forgotten, _ = self._kept.popitem(last=False)
            self._kept_bytes -= len(forgotten)

    def _is_late(self) -> bool:
        return self._cpu_s() > self._until_s


@cache
def _environment() -> _Environment:
    return _Environment()


def _compiled(field: str, text: str) -> Any:
    # The library's exception must not travel on as the context of ours: its text is not for callers.
    try:
        return _environment().cel.compile(text)
    except Exception as error:
        problem = compile_problem(str(error))
    raise InvalidFilter(field, f"does not compile as a CEL expression: {problem}")


def _return_kind(field: str, program: Any) -> str:
    # The library meets a map that CEL cannot have, such as {1.5: true}, only when asked for its type.
    try:
        return str(program.return_type().name())
    except Exception as error:
        problem = evaluation_problem(str(error))
    raise InvalidFilter(field, f"must be true or false for an event: {problem}")


def _broken_constant(field: str, parsed: FilterText) -> Problem | None:
    """Return what would make the filter an error for every event, however the library would only notice then."""
    nothing = _environment().cel.Activation({})
    for expression, problem in parsed.constants():
        try:
            failed = _compiled(field, expression).eval(nothing).type().name() == "ERROR"
        # As in an evaluation: the library has no exceptions of its own.
        except Exception:
            failed = True
        if failed:
            return problem
    return None


def _error(message: str, shown: FilterInput) -> Verdict:
    missing = _MISSING_VARIABLE.search(message)
    if missing:
        return Verdict(VerdictKind.ERROR, f"event.{missing[1]}: {shown.why_left_out(missing[1])}")
    return Verdict(VerdictKind.ERROR, evaluation_problem(message))


def _holds_nul(value: Any) -> bool:
    """Say whether any text in a value of JSON has a U+0000. Values nest at most 96 levels, see `json_text`."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(_holds_nul, value.keys())) or any(map(_holds_nul, value.values()))
    return isinstance(value, list) and any(map(_holds_nul, value))
