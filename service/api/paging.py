"""Pages of a list: how many rows, and where the next page begins.

A page token is the position of the last row, bound by a digest to the list that it was made for. It holds no secret: a
position only says where to go on within a list that the caller may read, so there is nothing to gain by forging one.
"""

import base64
import hashlib
import hmac
from typing import Any, TypeAlias, TypeVar, overload

import orjson

from service.domain.errors import InvalidField, InvalidPageToken

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1000

_DIGEST_BYTES = 12
_TOKEN_CHARACTERS_MAX = 4096
_BIGINTS = range(-(2**63), 2**63)

Position: TypeAlias = tuple[str | int, ...]
Scope: TypeAlias = tuple[object, ...]

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


def encode(position: Position, *, scope: Scope) -> str:
    """Return the page_token for the rows after a position.

    Args:
        position: the sort key of the last row of the page.
        scope: what the list was asked for: method, parent and every filter, as strings, integers, None and tuples of
            these. The page size is not part of it.
    """
    body = orjson.dumps(position)
    return base64.urlsafe_b64encode(_digest(body, scope) + body).decode().rstrip("=")


@overload
def decode(token: str, *, scope: Scope, shape: tuple[type[_A]]) -> tuple[_A] | None: ...
@overload
def decode(token: str, *, scope: Scope, shape: tuple[type[_A], type[_B]]) -> tuple[_A, _B] | None: ...
@overload
def decode(token: str, *, scope: Scope, shape: tuple[type[str] | type[int], ...]) -> Position | None: ...
def decode(token: str, *, scope: Scope, shape: tuple[Any, ...]) -> Position | None:
    """Return the position to go on after, or None for the first page (an empty token).

    Args:
        token: the request's page_token.
        scope: as for `encode`.
        shape: the types of the position's parts.

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
    return tuple(position)


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


def _has_shape(position: Any, shape: tuple[type[str] | type[int], ...]) -> bool:
    return (
        isinstance(position, list)
        and tuple(type(part) for part in position) == shape
        and all(part in _BIGINTS for part in position if isinstance(part, int))
    )


def _refusal() -> InvalidPageToken:
    return InvalidPageToken(
        "page_token", "must be a next_page_token of the same method with the same parent and filters, unchanged"
    )
