"""Between the contract's messages and the domain's values: pieces that more than one service needs."""

import hashlib
from collections.abc import Collection
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from service.domain.errors import InvalidField, quoted
from service.domain.names import Workspace, parse_child

_TIMESTAMP_S_MIN = -62_135_596_800
_TIMESTAMP_S_MAX = 253_402_300_799
_ENUM_VALUES_MAX = 100
_DURATION_S_MAX = 315_576_000_000

Member = TypeVar("Member", bound=StrEnum)


def required(message: Message, field: str, *, prefix: str = "") -> None:
    """Refuse a request in which a message field is absent."""
    if not message.HasField(field):
        raise InvalidField(f"{prefix}{field}", "is required")


def check_choice(field: str, wrapper: Any, number: int) -> None:
    """Refuse a value of an enum that does not exist.

    Args:
        wrapper: the enum's generated type.
    """
    if number not in wrapper.values():
        raise _no_choice(field, wrapper, number)


def enum_member(field: str, wrapper: Any, number: int, members: type[Member], *, default: Member) -> Member:
    """Return the domain value of an enum field; the default for its first value, which means that it is not set.

    Args:
        wrapper: the enum's generated type, whose first value is called `…_UNSPECIFIED`.
    """
    check_choice(field, wrapper, number)
    return default if number == 0 else _member(wrapper, number, members)


def fingerprint(request: Message) -> bytes:
    """Return a digest of all that a request says: equal requests have equal ones, whatever the order of their maps."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def timestamp(time_ms: int | None) -> Timestamp | None:
    """Return a time as a message; None stays None, which leaves a field unset."""
    if time_ms is None:
        return None
    seconds, milliseconds = divmod(time_ms, 1000)
    return Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000)


def time_ns(field: str, message: Message, attribute: str) -> int | None:
    """Return the time in a message's field in nanoseconds since the Unix epoch; None when it is absent."""
    if not message.HasField(attribute):
        return None
    value: Timestamp = getattr(message, attribute)
    if not _TIMESTAMP_S_MIN <= value.seconds <= _TIMESTAMP_S_MAX or not 0 <= value.nanos < 1_000_000_000:
        raise InvalidField(
            field,
            "must be a time within the years 1 to 9999, with 0 to 999,999,999 nanos; "
            f"got {value.seconds} seconds and {value.nanos} nanos",
        )
    return value.seconds * 1_000_000_000 + value.nanos


def bound_ms(time_ns: int) -> int:
    """Return a bound of a time range in milliseconds since the Unix epoch, 0 for one before it.

    Stored times are whole milliseconds, so a bound within one is the same as the next one.
    """
    return max(0, -(-time_ns // 1_000_000))


def duration(seconds: float) -> Duration:
    """Return a length of time as a message."""
    nanos = round(seconds * 1_000_000_000)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def seconds(field: str, value: Duration) -> float:
    """Return a length of time in seconds."""
    has_two_signs = value.seconds * value.nanos < 0
    if has_two_signs or abs(value.seconds) > _DURATION_S_MAX or abs(value.nanos) >= 1_000_000_000:
        raise InvalidField(
            field,
            "must be a duration of at most 10,000 years, its seconds and nanos of the same sign, with less than "
            f"1,000,000,000 nanos; got {value.seconds} seconds and {value.nanos} nanos",
        )
    return value.seconds + value.nanos / 1_000_000_000


def enum_members(field: str, wrapper: Any, numbers: Collection[int], members: type[Member]) -> frozenset[Member]:
    """Return the domain values of a repeated enum field, which may not be the first one, `…_UNSPECIFIED`.

    Args:
        wrapper: the enum's generated type.
    """
    if len(numbers) > _ENUM_VALUES_MAX:
        raise InvalidField(field, f"must be at most {_ENUM_VALUES_MAX} values; got {len(numbers)}")
    for index, number in enumerate(numbers):
        if number == 0 or number not in wrapper.values():
            raise _no_choice(f"{field}[{index}]", wrapper, number)
    return frozenset(_member(wrapper, number, members) for number in numbers)


def _no_choice(field: str, wrapper: Any, number: int) -> InvalidField:
    return InvalidField(field, f"must be one of {', '.join(wrapper.keys()[1:])}; got {number}")


def _member(wrapper: Any, number: int, members: type[Member]) -> Member:
    return members(wrapper.Name(number).removeprefix(wrapper.Name(0).removesuffix("UNSPECIFIED")))


def id_in(workspace: Workspace, field: str, collection: str, name: str) -> str:
    """Return the id in the name of something in a workspace; empty for no name."""
    if not name:
        return ""
    child = parse_child(field, collection, name)
    if child.workspace != workspace:
        raise InvalidField(field, f"must be in the parent, {quoted(workspace.name)}; got {quoted(name)}")
    return child.id
