"""How maps and lists are kept in TEXT columns, as JSON; and reading rows in which somebody else may have written."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from service.storage.database import Row

T = TypeVar("T")


def to_text(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return a map or list of plain values as JSON text."""
    return orjson.dumps(value).decode()


def from_text(text: str) -> Any:
    """Return the value of a JSON text that `to_text` made."""
    return orjson.loads(text)


def text(value: object) -> str:
    """Return a value that is a text."""
    if isinstance(value, str):
        return value
    raise TypeError("must be a text")


def whole(value: object) -> int:
    """Return a value that is a whole number."""
    if isinstance(value, int):
        return value
    raise TypeError("must be a whole number")


def number(value: object) -> float:
    """Return a value that is a number."""
    if isinstance(value, int | float):
        return value
    raise TypeError("must be a number")


def flag(value: object) -> bool:
    """Return what is kept as 0 or 1."""
    return bool(whole(value))


def texts(value: str) -> tuple[str, ...]:
    """Return the texts of a JSON list of texts."""
    found = from_text(value)
    if isinstance(found, list):
        return tuple(map(text, found))
    raise TypeError("must be a list")


def text_map(value: str) -> dict[str, str]:
    """Return a JSON map of texts."""
    found = from_text(value)
    if isinstance(found, dict):
        return {name: text(each) for name, each in found.items()}
    raise TypeError("must be a map")


class Columns:
    """The columns of a row, read one by one: what makes no sense in its column is replaced, and noted.

    SQLite keeps any value in any column, so whoever writes the file by hand can put anything there.
    """

    __slots__ = ("_row", "are_damaged")

    def __init__(self, row: Row) -> None:
        self._row = row
        self.are_damaged = False

    def read(self, column: str, meaning: Callable[[Any], T], *, instead: T) -> T:
        """Return what a column means, or what stands in for it."""
        try:
            return meaning(self._row[column])
        except (ValueError, TypeError, LookupError, AttributeError):
            self.are_damaged = True
            return instead

    def read_if_any(self, column: str, meaning: Callable[[Any], T]) -> T | None:
        """Return what a column means; None if it is NULL, or makes no sense."""
        return None if self._row[column] is None else self.read(column, meaning, instead=None)
