"""Strict JSON: what is refused, with which words, and that a second parser agrees."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.json_text import check_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)
# Pieces that are JSON in some orders and near misses in most.
STRUCTURE = ["{", "}", "[", "]", ",", ":", " ", "\n", "true", "null"]
NUMBERS = ["1", "-", "0", ".5", "e9", "E400", "1e308", "18446744073709551616", "9" * 309, "NaN", "-Infinity"]
TEXTS = ['"', '"a"', "\\", "\\ud800", "\\udc00", '"\\ud83d\\ude00"', "é", "\x00", "\x7f", "\u2028", "\ufeff"]
TOKENS = st.lists(st.sampled_from(STRUCTURE + NUMBERS + TEXTS), max_size=8).map("".join)


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b" \t\r\n[1, 2]\n",
        b'"text"',
        b"null",
        b"-0",
        b"1e308",
        b"1e-400",
        b"18446744073709551616",
        b"-" + b"9" * 300,
        b"0." + b"0" * 400 + b"1e500",
        b'{"a":1,"a":2}',
        b'"\\u0000\\ud83d\\ude00\\\\ud800"',
        '"é\u2028\U0001f600\x7f"'.encode(),
    ],
)
def test_strict_json_is_accepted(text: bytes) -> None:
    """Duplicate keys and integers of any width are a receiver's own affair: the bytes reach it as they are."""
    check_json("event.json", text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "the text is empty"),
        (b" \r\n\t", "the text is empty"),
        (b"\xef\xbb\xbf{}", "the text begins with a byte order mark, which JSON does not allow"),
        (b"NaN", "NaN and Infinity are not JSON, at line 1, column 1"),
        (b'{"a":\n Infinity}', "NaN and Infinity are not JSON, at line 2, column 2"),
        (b"[-Infinity]", "NaN and Infinity are not JSON, at line 1, column 3"),
        (b"[1,\n -1e400]", "the number is too large for a double (over about 1.8e308), at line 2, column 2"),
        (b"1" * 400, "the number is too large for a double (over about 1.8e308), at line 1, column 1"),
        (b"{} x", "there is more text after the end of the value, at line 1, column 4"),
        (b"1\n2", "there is more text after the end of the value, at line 2, column 1"),
        (b'["\xc3\xa9",\n"\xc3\xa9\xff"]', "the text is not valid UTF-8, at line 2, column 3"),
        (b'"\xc0\x80"', "the text is not valid UTF-8, at line 1, column 2"),
        (b'"\xed\xa0\x80"', "the text is not valid UTF-8, at line 1, column 2"),
        (
            b'{"\\ud800":1}',
            "a \\u escape stands for half of a surrogate pair, which is not a character, at line 1, col",
        ),
        (b'"\\udc00"', "a \\u escape stands for half of a surrogate pair, which is not a character, at line 1, column"),
        (b'"\\ud800\\u0041"', "a \\u escape stands for half of a surrogate pair, which is not a character, at line 1"),
        (b'{"a": [1, 2', "the text ends too early, at line 1, column 12"),
        (b"+1", 'a number must begin with a digit, or with "-" and a digit, at line 1, column 1'),
        (b"01", "number with leading zero is not allowed, at line 1, column 1"),
        ('["é", x]'.encode(), "unexpected character, expected a JSON value, at line 1, column 7"),
        (b"[1,]", "trailing comma is not allowed, at line 1, column 3"),
        (b'"\n"', "unexpected control character in string, at line 1, column 2"),
        (b"{'a':1}", "unexpected character, expected a string key, at line 1, column 2"),
        (b"/*a*/1", "unexpected character, expected a JSON value, at line 1, column 1"),
    ],
)
def test_anything_else_is_refused_with_its_problem_and_place(text: bytes, problem: str) -> None:
    """The message says what is wrong and where, in characters and lines as an editor counts them."""
    with pytest.raises(InvalidField) as caught:
        check_json("event.json", text)

    assert caught.value.message.startswith(f"event.json: must be strict JSON (RFC 8259): {problem}")


def test_error_carries_nothing_of_the_payload() -> None:
    """A payload may be confidential, and errors are logged with their context."""
    with pytest.raises(InvalidField) as caught:
        check_json("event.json", b'{"card": 4111111111111111 oops}')

    assert "4111" not in caught.value.message
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("opening", "closing", "levels"), [(b"[", b"]", 96), (b'{"a":', b"}", 96), (b'[ {"]":', b"} ]", 48)]
)
def test_nesting_is_limited_at_exactly_96(opening: bytes, closing: bytes, levels: int) -> None:
    """This also notices if orjson ever changes the depth at which it refuses."""
    check_json("event.json", opening * levels + b"1" + closing * levels)

    with pytest.raises(InvalidField, match="nested more than 96 deep"):
        check_json("event.json", opening * levels + b"[1]" + closing * levels)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000])
def test_bottomless_nesting_is_refused_without_recursion(text: bytes) -> None:
    """A hundred thousand levels end neither the stack nor the process."""
    with pytest.raises(InvalidField, match="nested more than 96 deep"):
        check_json("event.json", text)


def test_many_brackets_that_are_not_nested_are_accepted() -> None:
    """Width is not depth, and brackets inside strings are text."""
    check_json("event.json", json.dumps([["[[[[", {"{": "}"}]] * 1000).encode())


@given(JSON_VALUES, st.booleans())
def test_every_serialised_value_is_accepted(value: object, is_ascii: bool) -> None:
    """What a serialiser of good repute writes is strict JSON."""
    check_json("event.json", json.dumps(value, ensure_ascii=is_ascii, allow_nan=False).encode())


@given(
    TOKENS.map(str.encode)
    | st.tuples(JSON_VALUES, st.integers(0, 200), st.binary(max_size=2)).map(lambda parts: damaged(*parts))
)
def test_reference_parser_agrees(text: bytes) -> None:
    """Python's own parser, made strict by its hooks, accepts and refuses the same texts."""
    assert is_strict_json(text) == is_accepted(text)


def damaged(value: object, at: int, put: bytes) -> bytes:
    text = json.dumps(value, ensure_ascii=False).encode()
    return text[:at] + put + text[at + 1 :]


def is_accepted(text: bytes) -> bool:
    try:
        check_json("event.json", text)
    except InvalidField:
        return False
    return True


def is_strict_json(text: bytes) -> bool:
    try:
        parsed = json.loads(
            text.decode("utf-8"),
            parse_constant=refuse,
            parse_float=lambda digits: check_finite(float(digits)),
            parse_int=lambda digits: check_finite(float(digits)),
            object_pairs_hook=list,
        )
        json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except ValueError:
        return False
    return True


def refuse(constant: str) -> float:
    raise ValueError(constant)


def check_finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(number)
    return number
