"""Pages of a keyset list that filters as it reads, without ever reading more than a bounded number of rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_SCANNED_MAX = 1_000
# A small page of a list in which little is wanted would else take hundreds of queries.
_SLICE_MIN = 100

Item = TypeVar("Item")
Position = TypeVar("Position")
ItemOfPage = TypeVar("ItemOfPage", covariant=True)
PositionOfPage = TypeVar("PositionOfPage", covariant=True)


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemOfPage, PositionOfPage]):
    """Some items, and where the next page goes on; None at the end of the list."""

    items: Sequence[ItemOfPage]
    next_position: PositionOfPage | None


def take(
    read: Callable[[Position, int], list[Item]],
    *,
    start: Position,
    position_of: Callable[[Item], Position],
    wanted: Callable[[Item], bool],
    page_size: int,
) -> Page[Item, Position]:
    """Read on from a position until the page is full, the list ends, or enough rows were looked at.

    Args:
        read: returns at most so many items that come after a position, in the order of the list.
    """
    items: list[Item] = []
    position = start
    scanned = 0
    while scanned < _SCANNED_MAX:
        limit = min(max(page_size + 1, _SLICE_MIN), _SCANNED_MAX - scanned)
        slice_ = read(position, limit)
        for item in slice_:
            if len(items) == page_size:
                return Page(items, position)
            if wanted(item):
                items.append(item)
            position = position_of(item)
        if len(slice_) < limit:
            return Page(items, None)
        scanned += len(slice_)
    return Page(items, position)
