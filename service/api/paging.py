"""Pages of a list: how many rows, how many bytes, and where the next page begins.

A page token is the position of the last row, bound by a digest to the list that it was made for. It holds no secret: a
position only says where to go on within a list that the caller may read, so there is nothing to gain by forging one.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

import orjson
from google.protobuf.message import Message

from service.domain.errors import InvalidField, InvalidPageToken
from service.paging import Page

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1000

# A client takes messages of 4 MiB unless told otherwise, and no item is larger than half of that.
_PAGE_BYTES_MAX = 2 * 1024 * 1024
_DIGEST_BYTES = 12
_TOKEN_CHARACTERS_MAX = 4096
_BIGINTS = range(-(2**63), 2**63)

Position: TypeAlias = str | int | tuple[str | int, ...]
Shape: TypeAlias = type[str] | type[int] | tuple[type[str] | type[int], ...]
Scope: TypeAlias = tuple[object, ...]

Item = TypeVar("Item")
Converted = TypeVar("Converted", bound=Message)
_A = TypeVar("_A", str, int)
_B = TypeVar("_B", str, int)


def page_size(value: int) -> int:
    """Return how many rows a page may have: 0 means 50, and no more than 1,000 are given.

    Raises:
        InvalidField: it is negative.
    """
    if value < 0:
        raise InvalidField("page_size", f"must not be negative; got {value}")
    return min(value or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)


def page_of(
    page: Page[Item, Position],
    convert: Callable[[Item], Converted],
    *,
    position_of: Callable[[Item], Position],
    scope: Scope,
) -> tuple[list[Converted], str]:
    """Return the messages of a page, as many as a client surely takes at once, and the page_token for the rest.

    Args:
        position_of: the sort key of an item.
        scope: as for `encode`.
    """
    shown: list[Converted] = []
    shown_bytes = 0
    for index, item in enumerate(page.items):
        if shown_bytes > _PAGE_BYTES_MAX:
            return shown, encode(position_of(page.items[index - 1]), scope=scope)
        shown.append(convert(item))
        shown_bytes += shown[-1].ByteSize()
    return shown, encode(page.next_position, scope=scope)


def encode(position: Position | None, *, scope: Scope) -> str:
    """Return the page_token for the rows after a position; an empty one for None, the end of the list.

    Args:
        position: the sort key of the last row of the page.
        scope: what the list was asked for: method, parent and every filter, as strings, integers, None and tuples of
            these. The page size is not part of it.
    """
    if position is None:
        return ""
    body = orjson.dumps(position)
    return base64.urlsafe_b64encode(_digest(body, scope) + body).decode().rstrip("=")


@overload
def decode(token: str, *, scope: Scope, shape: type[_A]) -> _A | None: ...
@overload
def decode(token: str, *, scope: Scope, shape: tuple[type[_A], type[_B]]) -> tuple[_A, _B] | None: ...
@overload
def decode(token: str, *, scope: Scope, shape: Shape) -> Position | None: ...
def decode(token: str, *, scope: Scope, shape: Any) -> Position | None:
    """Return the position to go on after, or None for the first page (an empty token).

    Args:
        token: the request's page_token.
        scope: as for `encode`.
        shape: the type of the position, or of each of its parts.

    Raises:
        InvalidPageToken: it was not made by `encode` for this scope and shape.
    """
    if not token:
        return None
    try:
        position = _decode(token, scope)
    except ValueError as error:
        raise _refusal() from error
    if not _has_shape(position, shape):
        raise _refusal()
    return tuple(position) if isinstance(position, list) else position


def _decode(token: str, scope: Scope) -> Any:
    if len(token) > _TOKEN_CHARACTERS_MAX:
        raise ValueError("too long")
    content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if not hmac.compare_digest(digest, _digest(body, scope)):
        raise ValueError("made for another list")
    return orjson.loads(body)


def _digest(body: bytes, scope: Scope) -> bytes:
    # Its own JSON array around both keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.blake2b(orjson.dumps([scope, body.decode()]), digest_size=_DIGEST_BYTES).digest()


def _has_shape(position: Any, shape: Shape) -> bool:
    if isinstance(shape, tuple):
        return (
            isinstance(position, list)
            and len(position) == len(shape)
            and all(_has_shape(part, type_) for part, type_ in zip(position, shape, strict=True))
        )
    # Not isinstance: True is no number here.
    return type(position) is shape and (shape is str or position in _BIGINTS)


def _refusal() -> InvalidPageToken:
    return InvalidPageToken(
        "page_token", "must be a next_page_token of the same method with the same parent and filters, unchanged"
    )
