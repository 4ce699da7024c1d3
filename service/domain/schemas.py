"""JSON Schemas (2020-12): what payloads of an event type must look like.

Schemas are somebody else's, and so are payloads. Nothing is ever fetched, patterns match in linear time, and a schema
that could make the validator work for long is refused when it is given: see `schema_bounds`. `format` is an annotation,
as the standard has it. Pure.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

import jsonschema_rs

from service.domain.errors import InvalidField, quoted
from service.domain.json_text import check_json
from service.domain.schema_bounds import Bounds, bounds_of

SCHEMA_BYTES_MAX: Final = 256 * 1024
VIOLATIONS_MAX: Final = 20
MESSAGE_CHARACTERS_MAX: Final = 256
# Keys of a payload may be long, and an instance path is made of them.
PATH_CHARACTERS_MAX: Final = 512

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PATTERNS_MAX: Final = 256
# Of one compiled pattern. `^.{1,200}$` fits in it; a class of Unicode letters repeated a hundred times does not.
_PATTERN_BYTES_MAX: Final = 256 * 1024
# A number with more digits takes seconds to divide by. A double has 17 of them, and 309 is its largest integer's count.
_DIGITS_MAX: Final = 400
_EXACT_CHARACTERS_MAX: Final = 100
# The interpreter's lock is held while violations are listed, all of them before the first, and each copies the value
# that it is about: this many take 0.8 s with a schema made for it, and milliseconds with others.
_DESCRIPTION_COST_MAX: Final = 100_000
# So much text of enum and const, compared or copied, counts as one subschema.
_LITERAL_BYTES: Final = 16
# What may be validated at once without anybody noticing.
_QUICK_COST_MAX: Final = 50_000

_Path: TypeAlias = list[str | int]


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a payload does not match a schema. `instance_path` is a JSON Pointer (RFC 6901) into it."""

    instance_path: str
    message: str

    @property
    def text(self) -> str:
        """Where and what, for an error message: `at "/status", …`, or without a place if it is the whole payload."""
        return f"at {quoted(self.instance_path)}, {self.message}" if self.instance_path else self.message


NOT_JSON: Final = (Violation("", "the payload is not JSON"),)


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled JSON Schema. May be used by several threads at once."""

    size: int
    _validator: jsonschema_rs.Draft202012Validator = field(repr=False)
    _bounds: Bounds

    def is_quick(self, payload: bytes) -> bool:
        """Say whether validating a payload takes so little that it need not be done in a thread."""
        bounds = self._bounds
        applied = max(bounds.applied_max, bounds.literal_bytes // _LITERAL_BYTES)
        return len(payload) * applied * bounds.ways_max <= _QUICK_COST_MAX

    def violations(self, payload: bytes) -> tuple[Violation, ...]:
        """Return where a payload does not match, at most 20 places, with messages of at most 256 characters.

        Nothing of the payload is in the messages but names of fields. Where naming all places would take long, because
        the payload is large for this schema, the first is named, or none: the path is then empty, the whole payload.

        Args:
            payload: strict JSON. Of fields with the same name the last one counts.
        """
        instance = _parsed(payload)
        # Far cheaper than listing violations, and with the interpreter's lock released.
        if self._validator.is_valid(instance):
            return ()
        if self._description_cost(payload, instance) <= _DESCRIPTION_COST_MAX:
            return tuple(map(_violation, islice(self._validator.iter_errors(instance), VIOLATIONS_MAX)))
        return (self._first(instance),)

    def _description_cost(self, payload: bytes, instance: object) -> int:
        bounds = self._bounds
        values = payload.count(b",") + payload.count(b":") + 1
        depth = _depth(instance)
        copied = max(depth * bounds.applied_max, bounds.literal_bytes // _LITERAL_BYTES)
        return int(values * copied * bounds.ways_max * max(bounds.branches, 1) ** depth)

    def _first(self, instance: Any) -> Violation:
        if not self._bounds.has_alternatives and not self._bounds.branches:
            try:
                self._validator.validate(instance)
            except jsonschema_rs.ValidationError as error:
                return _violation(error)
        return Violation("", "the payload does not match the schema, and is too large for it to be said where")


def compile_schema(field: str, text: str) -> Schema:
    """Compile a JSON Schema of draft 2020-12.

    Args:
        field: the path of the text in the caller's message, for errors.

    Raises:
        InvalidField: it is too large, no strict JSON, no schema of this draft, refers to anything outside of itself,
            or could make the validator work for too long.
    """
    size = len(text.encode())
    if size > SCHEMA_BYTES_MAX:
        raise InvalidField(field, f"must be at most {SCHEMA_BYTES_MAX} bytes; got {size}")
    check_json(field, text.encode())
    number = partial(_short_number, field)
    document = json.loads(text, parse_int=number, parse_float=number)
    _check_keywords(field, document)
    bounds = bounds_of(field, document)
    return Schema(size, _validator(field, text), bounds)


def _validator(field: str, text: str) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            text,
            validate_formats=False,
            offline=True,
            mask="the value",
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES_MAX),
        )
    except jsonschema_rs.ValidationError as error:
        raise InvalidField(field, _why_no_schema(error)) from None


def _why_no_schema(error: jsonschema_rs.ValidationError) -> str:
    at = quoted(_pointer(error.instance_path))
    if error.kind.name == "format" and "pattern" in "".join(map(str, error.instance_path[-2:])):
        return (
            f"the pattern at {at} must be a regular expression without look-around and back-references, "
            f"at most {_PATTERN_BYTES_MAX} bytes when compiled"
        )
    return f"must be a JSON Schema of draft 2020-12; at {at}: {_shown(error.message)}"


def _check_keywords(field: str, document: object) -> None:
    """Refuse other drafts, and more patterns than can be compiled quickly, wherever in the document they are."""
    patterns = 0
    values: list[object] = [document]
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        if not isinstance(value, dict):
            continue
        values += value.values()
        dialect = value.get("$schema")
        if isinstance(dialect, str) and dialect.removesuffix("#") != _DIALECT:
            raise InvalidField(field, f'$schema must be absent or "{_DIALECT}"; got {quoted(dialect)}')
        patterns += isinstance(value.get("pattern"), str)
        patterns += len(found) if isinstance(found := value.get("patternProperties"), dict) else 0
    if patterns > _PATTERNS_MAX:
        raise InvalidField(field, f"must have at most {_PATTERNS_MAX} patterns; got {patterns}")


def _short_number(field: str, text: str) -> float:
    if len(text) > _DIGITS_MAX:
        raise InvalidField(field, f"numbers must have at most {_DIGITS_MAX} digits; got {len(text)}")
    return float(text)


def _parsed(payload: bytes) -> Any:
    """Parse strict JSON without losing digits: integers of any size, and fractions as they are written."""
    return json.loads(payload.decode(), parse_float=_fraction)


def _fraction(text: str) -> Decimal | float:
    if len(text) > _EXACT_CHARACTERS_MAX:
        return float(text)
    try:
        return Decimal(text)
    except InvalidOperation:  # An exponent of twenty digits is too much for a Decimal; a double rounds to zero.
        return float(text)


def _depth(value: object) -> int:
    """Return how many values stand in each other; payloads have at most 96."""
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 1


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    return Violation(_cut(_pointer(error.instance_path), PATH_CHARACTERS_MAX), _shown(error.message))


def _pointer(path: _Path) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _shown(message: str) -> str:
    """Return a message in printable ASCII, and cut."""
    return _cut("".join(_printable(message[: MESSAGE_CHARACTERS_MAX + 1])), MESSAGE_CHARACTERS_MAX)


def _printable(text: str) -> Iterator[str]:
    for character in text:
        yield character if " " <= character <= "~" else ascii(character)[1:-1]


def _cut(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else f"{text[: characters_max - 3]}..."
