"""Strict JSON: whether bytes are one JSON text that every receiver can read.

Only judges. The bytes themselves are stored, signed and sent as they came, so number precision, key order and duplicate
keys are nobody's business here.
"""

import re

import orjson

from service.domain.errors import InvalidField

# Receivers have limits of their own and get the payload one or two levels down in the body: serde_json stops at 127
# levels, Ruby at 100, Jackson at 1,000, Python at about 990.
JSON_DEPTH_MAX = 96

# The depth at which orjson refuses, see "loads" in its README. A test notices if that ever changes.
_ORJSON_DEPTH_MAX = 1024
_PADDING = _ORJSON_DEPTH_MAX - JSON_DEPTH_MAX

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"
_NOT_A_NUMBER = re.compile("NaN|Infinity")
_TOO_DEEP = f"arrays and objects are nested more than {JSON_DEPTH_MAX} deep"
_HALF_A_PAIR = "a \\u escape stands for half of a surrogate pair, which is not a character"

# orjson's words are kept except where ours say more.
_PROBLEMS = {
    "depth limit exceeded": _TOO_DEEP,
    "invalid high surrogate in string": _HALF_A_PAIR,
    "invalid low surrogate in string": _HALF_A_PAIR,
    "no low surrogate in string": _HALF_A_PAIR,
    "no digit after sign": 'a number must begin with a digit, or with "-" and a digit',
    "number is infinity when parsed as double": "the number is too large for a double (over about 1.8e308)",
    "unexpected content after document": "there is more text after the end of the value",
    "unexpected end of data": "the text ends too early",
}


def check_json(field: str, data: bytes) -> None:
    """Refuse bytes that are not exactly one JSON text in UTF-8 (RFC 8259), as strictly as the strictest receiver.

    Refused beyond the grammar: NaN and Infinity, numbers that overflow a double, a byte order mark, escapes of lone
    surrogates, and more than 96 levels of nesting. Allowed: duplicate keys, integers of more than 64 bits.

    Raises:
        InvalidField: with the problem and its line and column (in characters, from 1); never quotes the data.
    """
    problem = _problem_of(data)
    if problem is not None:
        raise InvalidField(field, f"must be strict JSON (RFC 8259): {problem}")


def _problem_of(data: bytes) -> str | None:
    # A JSONDecodeError holds the whole text. It must not travel on as the context of ours, so it becomes a string here.
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _explain(data, error)
    return _TOO_DEEP if _is_too_deep(data) else None


def _is_too_deep(data: bytes) -> bool:
    """Say whether valid JSON has more than JSON_DEPTH_MAX levels."""
    if data.count(b"[") + data.count(b"{") <= JSON_DEPTH_MAX:
        return False
    # Being valid, the text is still one value inside brackets, and orjson does the counting at its own speed: three
    # times faster than cutting out the strings to count brackets here.
    try:
        orjson.loads(b"[" * _PADDING + data + b"]" * _PADDING)
    except orjson.JSONDecodeError:
        return True
    return False


def _explain(data: bytes, error: orjson.JSONDecodeError) -> str:
    if not data.strip(_WHITESPACE):
        return "the text is empty"
    if data.startswith(_BYTE_ORDER_MARK):
        return "the text begins with a byte order mark, which JSON does not allow"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as encoding_error:
        return f"the text is not valid UTF-8, at {_position_after(data[: encoding_error.start].decode('utf-8'))}"
    if _NOT_A_NUMBER.match(text, error.pos):
        problem = "NaN and Infinity are not JSON"
    else:
        problem = _PROBLEMS.get(error.msg, error.msg)
    return f"{problem}, at {_position_after(text[: error.pos])}"


def _position_after(text: str) -> str:
    line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    return f"line {line}, column {column}"
