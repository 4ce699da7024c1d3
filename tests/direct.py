"""SQLite as a `Database` without threads: a work runs when it is asked for, on the thread that asks.

The connections, the statements and the commits are those of the server. Only durability is left out, for nothing here
ever loses the file: a crash in these tests is that of a process, not of a machine.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from service.domain.clock import Clock
from service.storage.database import T, Transaction
from service.storage.migrations import migrate
from service.storage.sqlite_connections import LOG_BYTES_MAX, SqliteReader, SqliteWriter, Work, WorkResult
from service.storage.sqlite_file import connect, connect_reader
from tests.invariants import Violations, illegal, watch
from tests.keys import prepare, sealer


class DirectDatabase:
    """The database file at `path`, made with today's schema if there is none.

    Every change of a notification is watched: `moves` are the violations. `actor` is the owner, in the words of leases,
    of whatever writes next. By `clock` the writer looks at disk and files, once a second.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        if not path.exists():
            path.write_bytes(_empty_database())
        self.path = path
        self.actor = ""
        self.connection = connect(path)
        self.connection.execute("PRAGMA synchronous = OFF")
        watch(self.connection, actor=lambda: self.actor)
        self._reading = connect_reader(path)
        keys = sealer()
        self._writer = SqliteWriter(self.connection, path, log_bytes_max=LOG_BYTES_MAX, sealer=keys, clock=clock)
        self._reader = SqliteReader(self._reading, path, sealer=keys)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a work, commit it and return its result."""
        value: T = _value(self.commit([work])[0])
        return value

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work that only reads and return its result."""
        value: T = _value(self._reader.run(work))
        return value

    async def close(self) -> None:
        """Let go of the file."""
        self._reader.close()
        self._writer.close()

    def commit(self, works: Sequence[Work]) -> list[WorkResult]:
        """Run works in one transaction, as the writer's thread does with those that wait."""
        results = self._writer.run_batch(works)
        self._writer.checkpoint_if_due()
        return results

    def moves(self) -> Violations:
        """Return the moves of notifications that no rule allows."""
        return illegal(self.connection)

    def look(self) -> sqlite3.Connection:
        """Return the connection that reads, for the invariants."""
        return self._reading


def _value(result: WorkResult) -> Any:
    if result.error is not None:
        raise result.error
    return result.value


def memory_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for a file that is not to outlive the test, in memory where that is to be had."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


@cache
def _empty_database() -> bytes:
    """Return the bytes of a database with keys only: migrating anew for each of thousands would be most of the work."""
    with memory_folder() as folder:
        path = Path(folder) / "empty.db"
        migrate(path)
        writer = SqliteWriter(connect(path), path, log_bytes_max=LOG_BYTES_MAX, sealer=sealer())
        prepare(writer)
        writer.close()
        return path.read_bytes()
