"""Running statements inside a transaction on an SQLite connection."""

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Final, LiteralString, NamedTuple

from service.storage.database import Row, Value
from service.storage.dialect import Dialect, render
from service.storage.sealer import Sealer

# An INSERT of one row, of parameters and numbers, that returns nothing.
_PLAIN_INSERT: Final = re.compile(r"\s*(INSERT INTO \w+ \([\w\s,]+\)\s+VALUES)\s*(\([\w\s,:]+\))\s*")
_PARAMETER: Final = re.compile(r":(\w+)")
# Few sizes, so that each is prepared once and kept.
_ROWS_AT_ONCE: Final = (64, 16, 4, 1)


class SqliteTransaction:
    """A `Transaction` on a connection that is inside one."""

    __slots__ = ("_cursor", "sealer")

    def __init__(self, connection: sqlite3.Connection, sealer: Sealer) -> None:
        self.sealer = sealer
        # One cursor for all statements: every method below leaves it without rows that are still to be fetched.
        self._cursor = connection.cursor()

    def rows(self, sql: LiteralString, **params: Value) -> list[Row]:
        """Run one statement and return all its rows."""
        return self._cursor.execute(render(sql, Dialect.SQLITE), params).fetchall()

    def execute(self, sql: LiteralString, **params: Value) -> int:
        """Run one INSERT, UPDATE or DELETE and return how many rows it changed."""
        cursor = self._cursor.execute(render(sql, Dialect.SQLITE), params)
        cursor.fetchall()
        return cursor.rowcount if cursor.rowcount >= 0 else self._changes()

    def each(self, sql: LiteralString, params_list: Sequence[Mapping[str, Value]]) -> list[list[Row]]:
        """Run one statement once per entry, in order, and return the rows of each run.

        What only inserts is run for many entries at a time, for each run costs SQLite and Python by itself, and lets go
        of the interpreter's lock.
        """
        cursor, insert = self._cursor, plain_insert(sql)
        if insert is None:
            statement = render(sql, Dialect.SQLITE)
            return [cursor.execute(statement, params).fetchall() for params in params_list]
        for many, values in insert.statements(params_list):
            cursor.execute(many, values)
        return [[] for _ in params_list]

    def _changes(self) -> int:
        # sqlite3 counts rows only for a statement whose first word says that it changes some, and WITH does not.
        changes: int = self._cursor.execute("SELECT changes()").fetchall()[0][0]
        return changes


class PlainInsert(NamedTuple):
    """An INSERT of one row, taken apart."""

    beginning: str
    row: str
    parameters: tuple[str, ...]

    def statements(self, params_list: Sequence[Mapping[str, Value]]) -> Iterator[tuple[str, list[Value]]]:
        """Yield statements that together insert a row per entry, in order, each with its values."""
        start = 0
        while left := len(params_list) - start:
            count = next(each for each in _ROWS_AT_ONCE if each <= left)
            rows = ([params[name] for name in self.parameters] for params in params_list[start : start + count])
            yield _many_rows(self, count), list(chain.from_iterable(rows))
            start += count


@cache  # One entry per INSERT of this package and size.
def _many_rows(insert: PlainInsert, count: int) -> str:
    return f"{insert.beginning} {', '.join([insert.row] * count)}"


@cache  # As `render`.
def plain_insert(sql: str) -> PlainInsert | None:
    """Return a statement taken apart if all that it does is to insert one row, else None."""
    found = _PLAIN_INSERT.fullmatch(sql)
    if found is None:
        return None
    beginning, row = found.groups()
    return PlainInsert(beginning, _PARAMETER.sub("?", row), tuple(_PARAMETER.findall(row)))
