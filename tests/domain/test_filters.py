"""Filters: what compiles, what an evaluation comes to, and what keeps it short."""

import sys
from collections.abc import Iterator
from itertools import count

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import ErrorReason, InvalidFilter
from service.domain.filter_text import GUARD, FilterText
from service.domain.filters import (
    EVALUATION_CPU_MAX_S,
    FILTER_BYTES_MAX,
    FILTERED_BYTES_MAX,
    FilterInput,
    Verdict,
    VerdictKind,
    compile_filter,
    evaluate,
)
from service.domain.model import Event
from tests.fakes import event_of

TRUE, FALSE, ERROR, TOO_SLOW = VerdictKind.TRUE, VerdictKind.FALSE, VerdictKind.ERROR, VerdictKind.TOO_SLOW
EVENT = event_of(
    event_type="agent.created",
    source="agents/a-17",
    subject="s",
    attributes={"team": "support"},
    payload=orjson.dumps(
        {"agent": "a-17", "priority": 5, "ratio": 2.0, "tags": ["x", "y"], "items": [{"n": 1}, {"n": 7}], "none": None}
    ),
    context_json='{"tenant":"t1"}',
    occur_time_ms=1_767_225_600_123,
)


def verdict_of(text: str, event: Event = EVENT) -> Verdict:
    """Evaluate a filter that must compile, on a CPU clock that stands still: nothing is too slow."""
    return compile_filter("filter", text).evaluate(FilterInput(event), lambda: 0.0)


def refusal_of(text: str) -> str:
    """Return the message that a filter is refused with."""
    with pytest.raises(InvalidFilter) as caught:
        compile_filter("subscription.filter", text)
    assert (ErrorReason.INVALID_FILTER, "subscription.filter") == (caught.value.reason, caught.value.field)
    assert caught.value.__context__ is None
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('event.id == "event-1"', TRUE),
        ('event.type == "agent.created"', TRUE),
        ('event.source.startsWith("agents/") && event.subject == "s"', TRUE),
        ('event.attributes["team"] == "support"', TRUE),
        ('event.attributes.team == "sales"', FALSE),
        ('event.attributes.region == "eu"', ERROR),
        ('"region" in event.attributes', FALSE),
        ('event.time == timestamp("2026-01-01T00:00:00.123Z")', TRUE),
        ('event.time.getHours("Europe/Berlin") == 1', TRUE),
        ('event.data.agent == "a-17"', TRUE),
        ("event.data.priority > 3", TRUE),
        ("event.data.priority == 5.0 && event.data.ratio == 2", TRUE),
        ("event.data.none == null", TRUE),
        ("event.data.missing == 1", ERROR),
        ("has(event.data.missing)", FALSE),
        ("event.data.missing == 1 || true", TRUE),
        ("event.data.items.exists(i, i.n > 5)", TRUE),
        ("event.data.items.all(i, i.n > 5)", FALSE),
        ("event.data.items.exists(i, event.data.tags.all(t, t != string(i.n)))", TRUE),
        ("event.data.items.all((i), i.n > 0 // a comment, with (brackets\n)", TRUE),
        ('event.data.agent.matches(r"^a-\\d{2}$")', TRUE),
        ('matches(event.data.agent, "^a-\\\\d{3}$")', FALSE),
        ('event.context.tenant == "t1"', TRUE),
        ("event.data.agent > 3", ERROR),
        ("event.data.priority / 0 == 1", ERROR),
        ("event.data.agent", ERROR),
        ("event.data.none", ERROR),
    ],
)
def test_filter_sees_the_event(text: str, expected: VerdictKind) -> None:
    """Whatever is not true or false is an error that says what it was."""
    verdict = verdict_of(text)

    assert expected is verdict.kind
    assert (expected is ERROR) == bool(verdict.problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1, column 1"),
        ("event.data.priority >", "line 1, column 22"),
        ("true\n  && foo", "undeclared reference to 'foo'; at line 2, column 6"),
        ('event.typ == "a"', "undeclared reference to 'event.typ'; at line 1, column 6"),
        ("event == 1", "undeclared reference to 'event'"),
        ("event.type == 1", "no matching overload for '_==_' applied to '(string, int)'; at line 1, column 12"),
        ("event.type", "got type STRING, at line 1, column 1"),
        ("null", "got type NULL, at line 1, column 1"),
        ("1 + 1 == 2", "filters have no +; at line 1, column 3"),
        ("event.data.map(x, x) == []", "filters have no map()"),
        ("event.data.filter(x, true) == []", "filters have no filter()"),
        ("event.data.exists_one(x, true)", "filters have no exists_one()"),
        ("true\x00 && nonsense", "line 1, column 5"),
        ("\u00e9 == 1", "token recognition error at: '\\xe9'"),
        ("(" * 100 + "true" + ")" * 100, "nested too deeply"),
        ("x.all(" * 300, "nested too deeply"),
        ("'\\U00110000' == ''", "Unicode limit"),
        ("99999999999999999999 == 1", "invalid int literal"),
        (f"true //{'x' * FILTER_BYTES_MAX}", f"at most {FILTER_BYTES_MAX} bytes; got {FILTER_BYTES_MAX + 7}"),
        (f"true //{'é' * (FILTER_BYTES_MAX // 2)}", f"got {FILTER_BYTES_MAX + 7}"),
        ("event.id.matches(event.type)", "as one string, best as a raw one: r'...'; at line 1, column 10"),
        ("event.id.matches(event.type == 'a' ? 'b' : 'c')", "as one string"),
        ("matches('a', event.type)", "as one string"),
        (r"event.id.matches('a\x7b1000\x7d')", "as one string"),
        ("event.id.matches(r'(a{20}){20}')", "may have 128 parts in all"),
        ("event.id.matches(r'a{200}') || event.id.matches(r'b{200}')", "may have 128 parts in all"),
        ("event.id.matches(r'[\\pL\\pN]{9}')", "may have 128 parts in all"),
        ("event.id.matches(r'(a+')", "must be one that RE2 knows; at line 1, column 10"),
        ("true || matches(event.id, '(?=a)')", "must be one that RE2 knows; at line 1, column 9"),
        ("event.time.getHours('Europe/Nowhere') == 1", "there is no such time zone; at line 1, column 12"),
        ("event.time.getHours(event.source) == 1", "a time zone is given as one string"),
        ("event.time.getHours('/etc/passwd') == 1", "a time zone is given as one string"),
        ("event.time.getHours('file:x') == 1", "a time zone is given as one string"),
        ("||".join(["event.id.contains(event.source)"] * 5), "at most 4 times; at line 1, column 142"),
        ("has(event.data)", "event.data is always there, if need be as null"),
        ("true && has( (.event.context) )", "such as has(event.context.x); at line 1, column 9"),
        ("{1.5: true}", "Unsupported map key type: DOUBLE"),
        ("[event.data].all(x, x == x)", "may hold constants only; at line 1, column 1"),
        ("event.data.all(x, [x, x] == [])", "may hold constants only"),
        ("event.data.all(x, {'a': x} == {})", "may hold constants only"),
        ("event.data.all(x, 1 in[x])", "may hold constants only"),
        (f"{GUARD}()", "is reserved"),
    ],
)
def test_filter_is_refused_with_its_problem_and_the_place(text: str, problem: str) -> None:
    message = refusal_of(text)

    assert problem in message
    assert message.isascii()
    assert message.isprintable()
    assert len(message) <= 400


@pytest.mark.parametrize(
    "text",
    [
        "event.type in ['a', 'b'] && event.data.all(k, k in ['agent', \"x\", r'y'] || true)",
        "[event.type, event.source] == ['a', 'b']",
        "event.data.items[0].n == 1 && event.data.items.all(i, i['n'] > 0 && event.data.tags[0] == 'x')",
        "event.time.getDayOfWeek() == 1 || event.time.getHours('UTC') < 9 || event.time.getHours('-05:30') < 9",
        "event.id.matches(r'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')",
        "'.all(x' == event.type || event.data.all(x, ').exists(' != x)",
        "event.data.all(all, all != 'exists(')",
        "||".join(["event.id.contains('a')"] * 80),
        "event.data.`items`.exists(i, i.n == 1)",
        "event.data.tags . all // twice\n ( t , t != '''it's''' && t != r\"\\d\" && t != b'x' || true )",
    ],
)
def test_ordinary_filter_compiles(text: str) -> None:
    """What is forbidden for its cost leaves room for what people write."""
    assert verdict_of(text).kind in (TRUE, FALSE)


def test_null_leaves_the_count_of_references_to_none_alone() -> None:
    """The library takes one away with each null that it returns; without any left the interpreter aborts."""
    compiled = compile_filter("filter", "event.data.a")
    shown = FilterInput(event_of(payload=b'{"a": null}'))
    before = sys.getrefcount(None)

    verdicts = {compiled.evaluate(shown) for _ in range(1_000)}

    assert {Verdict(ERROR, "its value is neither true nor false, but of type NULL")} == verdicts
    assert sys.getrefcount(None) > before - 500


def test_string_with_u_0000_is_not_cut_off_but_an_error() -> None:
    """The library takes text up to the first U+0000, which would let "a" stand for what is not "a"."""
    payload = b'{"agent": "a-17\\u0000x"}'
    in_data = verdict_of('event.data.agent == "a-17"', event_of(payload=payload))
    in_key = verdict_of('"agent" in event.data', event_of(payload=b'{"agent\\u0000": [{}]}'))
    in_attribute = verdict_of('event.attributes.a == "b"', event_of(attributes={"a": "b\0c"}))
    only_escaped = verdict_of('event.data.agent == r"\\u0000"', event_of(payload=b'{"agent": "\\\\u0000"}'))

    assert [ERROR, ERROR, ERROR, TRUE] == [each.kind for each in (in_data, in_key, in_attribute, only_escaped)]
    assert "event.data: it holds U+0000, which filters cannot read" == in_data.problem
    assert "event.attributes: one holds U+0000, which filters cannot read" == in_attribute.problem


def test_payload_over_64_kib_is_an_error_only_where_it_is_used() -> None:
    largest = b'"' + b"x" * (FILTERED_BYTES_MAX - 2) + b'"'
    fits, is_too_large = event_of(payload=largest), event_of(payload=largest + b" ")

    assert FALSE is verdict_of("event.data == null", fits).kind
    assert TRUE is verdict_of("event.type == 'agent.created' && event.context == null", is_too_large).kind
    refused = verdict_of("event.data == null", is_too_large)
    assert Verdict(ERROR, "event.data: it is 65537 bytes; filters read at most 65536") == refused


@pytest.mark.parametrize(
    ("payload", "text", "expected"),
    [
        ("9223372036854775807", "event.data == 9223372036854775807", TRUE),
        ("-9223372036854775808", "event.data < 0", TRUE),
        ("9223372036854775808", "event.data == 9223372036854775808u", TRUE),
        ("18446744073709551616", "event.data > 1", TRUE),
        ("-9223372036854775809", "event.data < 0", TRUE),
        ("1" * 300, "event.data > 1", TRUE),
        ("1.0", "event.data == 1", TRUE),
        ('"\\ud83d\\ude00"', "event.data == '\U0001f600' && event.data.size() == 1", TRUE),
        ("[" * 90 + "]" * 90, "event.data == event.data", TRUE),
        ("{}", "event.data == {}", TRUE),
        ("null", "event.data == null", TRUE),
    ],
)
def test_any_json_can_be_filtered(payload: str, text: str, expected: VerdictKind) -> None:
    assert expected is verdict_of(text, event_of(payload=payload.encode())).kind


def test_payload_that_is_not_json_is_null() -> None:
    assert TRUE is verdict_of("event.data == null", event_of(payload=b"\xff", payload_is_json=False)).kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(data=JSON, attributes=st.dictionaries(st.text(), st.text()))
def test_no_event_makes_an_evaluation_raise(data: object, attributes: dict[str, str]) -> None:
    """Whatever the payload, the verdict is one of the four."""
    event = event_of(payload=_dumps(data), attributes=attributes)
    shown = FilterInput(event)

    for text in ("event.data == event.data", "event.data.all(x, x == 1)", "event.attributes.all(k, k == '')"):
        assert evaluate(text, shown, lambda: 0.0).kind in (TRUE, FALSE, ERROR)


def _dumps(data: object) -> bytes:
    try:
        return orjson.dumps(data)
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        return b"1" * 40


def test_stored_filter_that_does_not_compile_is_an_error() -> None:
    """As after an upgrade that takes something away: it must not stop the event."""
    verdict = evaluate("event.nothing", FilterInput(EVENT))

    assert ERROR is verdict.kind
    assert "undeclared reference to 'event.nothing'" in verdict.problem


def test_equal_texts_share_one_program() -> None:
    assert compile_filter("a", "event.id == 'shared'") is compile_filter("b", "event.id == 'shared'")


def test_programs_are_forgotten_when_their_texts_are_too_long_together() -> None:
    """1 MiB of text is kept, which is about 90 MiB of programs at most."""
    first = compile_filter("filter", "event.id == 'first'")
    for number in range(1024 * 1024 // 1_900):
        compile_filter("filter", f"event.id == '{number}{'x' * 1_980}'")

    assert first is not compile_filter("filter", "event.id == 'first'")


# --- too slow: a CPU clock that goes on by a given step each time it is read


def ticking(*steps_s: float) -> Iterator[float]:
    """Return the readings of a clock that goes on by these steps, the last one for ever."""
    now_s = 0.0
    for index in count():
        yield now_s
        now_s += steps_s[min(index, len(steps_s) - 1)]


def timed(text: str, *steps_s: float) -> Verdict:
    """Evaluate a filter on a CPU clock that goes on by these steps."""
    readings = ticking(*steps_s)
    return compile_filter("filter", text).evaluate(FilterInput(EVENT), lambda: next(readings))


def test_evaluation_that_is_slow_once_is_a_hiccup() -> None:
    """The second one counts."""
    assert TRUE is timed("event.type == 'agent.created'", 1.0, 0.0, 0.001).kind


def test_evaluation_that_is_slow_twice_is_too_slow() -> None:
    assert TOO_SLOW is timed("event.type == 'agent.created'", 1.0).kind
    assert TRUE is timed("event.type == 'agent.created'", EVALUATION_CPU_MAX_S).kind


@pytest.mark.parametrize(
    "text",
    [
        "event.data.numbers.all(n, n >= 0)",
        "event.data.numbers.exists(n, n < 0)",
        "event.data.numbers.all(n, event.data.numbers.exists(m, m < 0) || true)",
        "event.data.numbers.exists(n, !event.data.numbers.all(m, m >= 0))",
        "event.data.numbers.exists(n, event.data.numbers.exists(m, m < 0))",
        "event.data.numbers.all(n, event.data.numbers.all(m, event.data.numbers.all(o, o >= 0)))",
    ],
)
def test_loop_ends_when_its_time_is_up(text: str) -> None:
    """It asks before each turn: after 20 readings of 1 ms each all loops end, for each of the two evaluations."""
    readings = ticking(0.001)
    read: list[float] = []

    def cpu_s() -> float:
        read.append(next(readings))
        return read[-1]

    event = event_of(payload=orjson.dumps({"numbers": list(range(1_000))}))

    assert TOO_SLOW is compile_filter("filter", text).evaluate(FilterInput(event), cpu_s).kind
    # 20 turns until it is late, and then at most the loops that are open and one new one for each of those, twice.
    assert len(read) <= 2 * (20 + 10)


# Expressions, each with how many loops it has.
OPERANDS = st.recursive(
    st.tuples(
        st.sampled_from(
            [
                '"a.all(x, ("',
                "'.exists(('",
                'r"\\("',
                "'''a' .all(b, '''",
                "b'all('",
                "1",
                "1.5e3",
                "0x1f",
                "2u",
                "true",
                "null",
                "event.data",
                "event.data.`a.all`",
                'event.data["all("]',
                "event.data.all",
                "[1, 'all(x,'][0]",
            ]
        ),
        st.just(0),
    ),
    lambda inner: (
        st.builds(lambda a, b: (f"(dyn({a[0]}) == dyn({b[0]}))", a[1] + b[1]), inner, inner)
        | st.builds(lambda a: (f"event.data . all ( v1 ,dyn({a[0]})==1)", a[1] + 1), inner)
        | st.builds(
            lambda a, b: (f"event.data.exists(v2, dyn({a[0]}) != {b[0]}) // .all(v3, \n", a[1] + b[1] + 1), inner, inner
        )
        | st.builds(lambda a, b: (f"(true ? dyn({a[0]}) : dyn({b[0]}))", a[1] + b[1]), inner, inner)
    ),
    max_leaves=6,
)


@given(operand=OPERANDS)
def test_every_loop_is_guarded_and_the_filter_still_compiles(operand: tuple[str, int]) -> None:
    """Our tokens agree with CEL's, whatever stands in strings and comments."""
    text = f"dyn({operand[0]}\n) == null"

    made = compile_filter("filter", text)

    assert operand[1] == FilterText(text).guarded().count(f"{GUARD}()")
    # In the compiled program CEL itself names this function twice for each loop.
    assert 2 * operand[1] == made._program.serialize().count(b"@not_strictly_false")
    assert made.evaluate(FilterInput(EVENT), lambda: 0.0).kind in (TRUE, FALSE, ERROR)


@pytest.mark.parametrize(
    ("text", "payload", "problem"),
    [
        ("event.data.x == 1", "{}", 'there is no key "x"; has(), or "x" in, asks whether there is one'),
        ("event.data.x.y == 1", '{"x": 1}', "a field is asked of what is no object"),
        ("event.data[5] == 1", "[1]", "there is no element 5 in a list of 1; size() says how many there are"),
        ("event.data.all(x, x > 1)", "1", "all() and exists() need a list or an object"),
        ("event.data.x && true", '{"x": 1}', "&& takes nothing but true and false"),
        ("event.data.x > 1", '{"x": "a"}', "the values are of types that do not go together: >(string, int64)"),
        ("event.data.x in event.data.y", '{"x": 0, "y": 1}', "the values are of types that do not go together: in"),
        ("1 / event.data == 1", "0", "divide by zero"),
    ],
)
def test_evaluation_that_fails_says_why_in_words_of_filters(text: str, payload: str, problem: str) -> None:
    """Not in those of the library."""
    verdict = evaluate(text, FilterInput(event_of(payload=payload.encode())))

    assert Verdict(VerdictKind.ERROR, problem) == verdict
