"""The payload of an event, in whichever of its three forms it came: JSON text, bytes, or a Struct."""

import json
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from service.domain.attributes import check_content_type, is_json_content_type
from service.domain.errors import InvalidField, PayloadTooLarge, quoted
from service.domain.json_text import check_json
from tidings.v1.notifications_pb2 import Event

_JSON = "application/json"
_OCTETS = "application/octet-stream"

# From here on neighbouring integers share a double, so a Struct cannot tell which one its sender meant.
_INTEGER_BOUND = 2**53
# What a value takes at least as JSON: one character, and a comma or a bracket.
_VALUE_BYTES_MIN = 2
_PATH_CHARACTERS_MAX = 120
# Each costs some microseconds on the event loop, where `json` is checked a hundred times as fast.
_STRUCT_VALUES_MAX = 10_000
# What a byte of a Struct weighs in the workspace's bytes per second, for the same reason.
_STRUCT_WEIGHT = 128


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload as it is stored, hashed, signed and sent."""

    data: bytes = field(repr=False)
    content_type: str
    is_json: bool


def payload_of(event: Event, *, at: str, bytes_max: int) -> Payload:
    """Return the payload of an event, checked, whichever of the fields it came in.

    Args:
        at: the event's path in the caller's message, `event.`, for errors.
        bytes_max: how large payload and context_json may be together, in bytes.

    Raises:
        InvalidField: there is none, or it is not what its field and content type promise.
        PayloadTooLarge: payload and context_json are over `bytes_max`.
    """
    payload = _payload(event, at=at, bytes_max=bytes_max)
    if event.context_json:
        context = event.context_json.encode()
        _check_size(f"{at}context_json", len(payload.data) + len(context), bytes_max)
        check_json(f"{at}context_json", context)
    return payload


def weight(event: Event) -> int:
    """Return how many bytes an event counts for, beyond those that it has, because of what its payload costs."""
    if event.WhichOneof("payload") != "json_object":
        return 0
    return event.json_object.ByteSize() * (_STRUCT_WEIGHT - 1)


def _payload(event: Event, *, at: str, bytes_max: int) -> Payload:
    if event.content_type:
        check_content_type(f"{at}content_type", event.content_type)
    kind = event.WhichOneof("payload")
    path = f"{at}{kind}"
    match kind:
        case "json":
            payload = Payload(event.json.encode(), _json_content_type(event, kind, at=at), is_json=True)
        case "json_object":
            content_type = _json_content_type(event, kind, at=at)
            payload = Payload(struct_json(path, event.json_object, bytes_max=bytes_max), content_type, is_json=True)
        case "data":
            content_type = event.content_type or _OCTETS
            payload = Payload(event.data, content_type, is_json_content_type(content_type))
        case _:
            raise InvalidField(
                f"{at}json", "a payload is required: set `json`, `json_object`, or `data` with content_type"
            )
    _check_size(path, len(payload.data), bytes_max)
    if payload.is_json:
        check_json(path, payload.data)
    return payload


def _json_content_type(event: Event, kind: str, *, at: str) -> str:
    content_type = event.content_type or _JSON
    if not is_json_content_type(content_type):
        raise InvalidField(
            f"{at}content_type",
            f"must be {_JSON} or a type that ends in +json when the payload is `{kind}`; got {quoted(content_type)}",
        )
    return content_type


def _check_size(path: str, size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise PayloadTooLarge(path, f"payload and context together must be at most {bytes_max} bytes; got {size}")


def struct_json(path: str, struct: Struct, *, bytes_max: int) -> bytes:
    """Return the one JSON text of a Struct: keys sorted, no spaces, whole numbers without a fraction.

    A Struct's own order differs per process, so nothing may depend on it: not even which of two faults is reported.

    Raises:
        InvalidField: a number is not finite or not below 2^53, or a value is none at all.
        PayloadTooLarge: there are more values than may be, or so many that the text must be over `bytes_max`.
    """
    values_max = min(_STRUCT_VALUES_MAX, bytes_max // _VALUE_BYTES_MIN)
    plain = _Plain(path, values_max=values_max).object(struct, None)
    # The standard library's spelling of a double has been the same for ever, so equal Structs stay equal requests.
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


class _Step(NamedTuple):
    """One step on the way from the Struct down to a value. Spelled out only for an error: keys may be long."""

    parent: "_Place"
    key: str | int


_Place: TypeAlias = _Step | None


@dataclass(slots=True)
class _Plain:
    """Turns the values of a Struct into Python's, at most `values_max` of them.

    The recursion is bounded: protobuf's parser refuses messages nested more than 100 deep.
    """

    path: str
    values_max: int
    values: int = 0

    def object(self, struct: Struct, place: _Place) -> dict[str, Any]:
        fields = struct.fields
        self._count(len(fields))
        return {key: self._value(fields[key], _Step(place, key)) for key in sorted(fields)}

    def _list(self, items: ListValue, place: _Place) -> list[Any]:
        self._count(len(items.values))
        return [self._value(each, _Step(place, index)) for index, each in enumerate(items.values)]

    def _count(self, values: int) -> None:
        self.values += values
        if self.values > self.values_max:
            raise PayloadTooLarge(self.path, f"must have at most {self.values_max:,} values; use json for larger ones")

    def _value(self, value: Value, place: _Place) -> Any:
        match value.WhichOneof("kind"):
            case "null_value":
                return None
            case "number_value":
                return self._number(value.number_value, place)
            case "string_value":
                return value.string_value
            case "bool_value":
                return value.bool_value
            case "struct_value":
                return self.object(value.struct_value, place)
            case "list_value":
                return self._list(value.list_value, place)
            case _:
                raise InvalidField(self.path, f"every value must have a kind; the one at {_spelled(place)} has none")

    def _number(self, number: float, place: _Place) -> int | float:
        if not math.isfinite(number) or abs(number) >= _INTEGER_BOUND:
            raise InvalidField(
                self.path,
                "numbers must be finite and smaller than 2^53 (9007199254740992), which is not so "
                f"at {_spelled(place)}: use json",
            )
        return int(number) if number.is_integer() else number


def _spelled(place: _Place) -> str:
    """Spell a place as a path in quotes, `"agents[3].id"`; of one that is long, the end."""
    steps: list[str] = []
    characters = 0
    while place is not None and characters <= _PATH_CHARACTERS_MAX:
        step = f"[{place.key}]" if isinstance(place.key, int) else f".{place.key[:_PATH_CHARACTERS_MAX]}"
        steps.append(step)
        characters += len(step)
        place = place.parent
    spelled = "".join(reversed(steps)).removeprefix(".")
    return quoted(spelled if place is None else f"...{spelled[-_PATH_CHARACTERS_MAX + 3 :]}")
