"""Connections of apsw that look like those of sqlite3, so that a writer runs on a file system that a test makes up.

apsw brings an SQLite of its own, so what it registers does not reach the sqlite3 module; and no file may be open in
both at once, for neither knows of the other's locks.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

import apsw

from service.storage.sqlite_file import SETTINGS


class _Row(dict[Any, Any]):
    """A row by column name, and by number."""

    def __missing__(self, number: int) -> Any:
        return list(self.values())[number]


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    """Turn an error of apsw's into the one that the sqlite3 module would raise."""
    try:
        yield
    except apsw.Error as error:
        translated = sqlite3.OperationalError(str(error))
        code: int = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
        translated.sqlite_errorcode = code
        translated.sqlite_errorname = str(
            apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes[code]
        )
        raise translated from error


class _Cursor:
    """What a transaction uses of a cursor."""

    rowcount = -1

    def __init__(self, connection: apsw.Connection) -> None:
        self._cursor = connection.cursor()
        self._cursor.row_trace = lambda cursor, row: _Row(
            zip((name for name, _ in cursor.get_description()), row, strict=True)
        )

    def execute(self, sql: str, params: Mapping[str, Any] | Sequence[Any] = ()) -> Self:
        with _as_sqlite3():
            self._cursor.execute(sql, dict(params) if isinstance(params, Mapping) else params)
        return self

    def fetchall(self) -> list[Any]:
        with _as_sqlite3():
            return self._cursor.fetchall()


class _Connection:
    """What a writer and a reader use of a connection."""

    row_factory: Any = None

    def __init__(self, path: Path, vfs: str, synchronous: str) -> None:
        with _as_sqlite3():
            self._connection = apsw.Connection(str(path), vfs=vfs)
        for setting in (*SETTINGS, f"synchronous = {synchronous}"):
            self.execute(f"PRAGMA {setting}")

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection)

    def execute(self, sql: str) -> _Cursor:
        return self.cursor().execute(sql)

    def close(self) -> None:
        with _as_sqlite3():
            self._connection.close()


def connect_through(vfs: str, path: Path, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open a database through a registered VFS, with the settings that a server's connections have."""
    return cast(sqlite3.Connection, _Connection(path, vfs, synchronous))
