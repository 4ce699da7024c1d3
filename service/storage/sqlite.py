"""SQLite as a `Database`: one thread that writes in groups, a few that read, and the event loop that waits for neither.

`SqliteWriter` and `SqliteReader` run works on a connection and know nothing of threads, so that a simulation can call
them itself; `SqliteDatabase` gives each its thread and carries results back to the event loop.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, LiteralString, NamedTuple, Self, TypeAlias, TypeVar

from sqlite_utils import Migrations

from service.domain.errors import DiskFull, StorageUnavailable
from service.storage.database import FatalStorageError, Row, T, Transaction, Value
from service.storage.dialect import Dialect, render
from service.storage.migrations import MIGRATIONS, latest, migrate, schema_version, upgrade
from service.storage.sqlite_file import BUSY_TIMEOUT_S, ServerLock, connect, connect_reader, primary_code

Work: TypeAlias = Callable[[Transaction], Any]
_E = TypeVar("_E", bound=Exception)

_LOG_BYTES_MAX: Final = 4 * 1024 * 1024  # 1,000 pages, as SQLite's own default
_BROKEN: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NOT_NOW: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM})


class WorkResult(NamedTuple):
    """What came of one work: its result, or the exception for its caller."""

    value: Any
    error: BaseException | None = None


@dataclass(slots=True)
class WriterStats:
    """What the writer has done since it was made."""

    commits: int = 0
    works: int = 0
    checkpoints: int = 0


class SqliteTransaction:
    """A `Transaction` on a connection that is inside one."""

    __slots__ = ("_cursor",)

    def __init__(self, connection: sqlite3.Connection) -> None:
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
        """Run one statement once per entry, in order, and return the rows of each run."""
        statement, cursor = render(sql, Dialect.SQLITE), self._cursor
        return [cursor.execute(statement, params).fetchall() for params in params_list]

    def _changes(self) -> int:
        # sqlite3 counts rows only for a statement whose first word says that it changes some, and WITH does not.
        changes: int = self._cursor.execute("SELECT changes()").fetchall()[0][0]
        return changes


class _GroupLost(Exception):
    """A work met an error that ends the whole group's transaction; the error is the cause."""


class SqliteWriter:
    """The connection that writes and checkpoints. Used by one thread at a time.

    Args:
        connection: from `sqlite_file.connect`, its schema up to date.
        path: the database file.
        log_bytes_max: how long the write-ahead log grows before it is copied into the database. A reader that stays
            on an old snapshot, or one large transaction, can make it longer.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, log_bytes_max: int) -> None:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA journal_size_limit = {int(log_bytes_max)}")
        self.stats = WriterStats()
        self.fatal: FatalStorageError | None = None
        self._connection = connection
        self._transaction = SqliteTransaction(connection)
        self._path = path
        self._log_path = f"{path.resolve()}-wal"
        self._log_bytes_max = log_bytes_max
        self._checkpoint_at_bytes = log_bytes_max

    def run_batch(self, works: Sequence[Work]) -> list[WorkResult]:
        """Run works in one transaction and commit it; return the result of each, in order. Raises nothing.

        A work that raises is undone alone. Where SQLite gives up the transaction, or the commit fails, every work of
        the batch fails. A broken file sets `fatal`, and from then on every work fails.
        """
        if self.fatal is not None:
            return [WorkResult(None, _unavailable(self.fatal)) for _ in works]
        try:
            # Immediate: a deferred transaction that reads first can fail at its first write, and no wait would help.
            self._connection.execute("BEGIN IMMEDIATE")
            results = [self._run(work) for work in works]
            self._connection.execute("COMMIT")
        except _GroupLost as lost:
            return self._lose(works, lost.__cause__ or lost)
        except (sqlite3.Error, MemoryError) as error:
            return self._lose(works, error)
        self.stats.commits += 1
        self.stats.works += len(works)
        return results

    def checkpoint_if_due(self) -> None:
        """Copy the log into the database if it has grown too long. Meant for after the callers have their answers.

        SQLite starts the log from its beginning once all of it is copied and no reader needs it, and cuts the file
        back to `journal_size_limit` then. So the file is longer than that only if there is something to copy.
        """
        log_bytes = self._log_bytes()
        if log_bytes <= self._log_bytes_max:
            self._checkpoint_at_bytes = self._log_bytes_max
        elif log_bytes > self._checkpoint_at_bytes:
            self._checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
            # A reader may have kept the log from starting over; trying again at every commit would only cost.
            self._checkpoint_at_bytes = log_bytes + self._log_bytes_max

    def close(self) -> None:
        """Copy the whole log into the database and close the connection."""
        if self.fatal is None:
            self._checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _run(self, work: Work) -> WorkResult:
        self._connection.execute("SAVEPOINT work")
        try:
            value = work(self._transaction)
        except BaseException as error:  # a thread that serves others must outlive whatever a work does
            self._undo(error)
            return WorkResult(None, _for_caller(error))
        self._connection.execute("RELEASE work")
        return WorkResult(value)

    def _undo(self, error: BaseException) -> None:
        # On FULL, IOERR and NOMEM SQLite may have rolled back everything, the works that went well included. To go on
        # would run the next ones outside any transaction.
        if not self._connection.in_transaction or primary_code(error) in _BROKEN:
            raise _GroupLost from error
        self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _lose(self, works: Sequence[Work], error: BaseException) -> list[WorkResult]:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        self.fatal = self.fatal or _fatal(error, self._path)
        return [WorkResult(None, _disk_full(error) if _is_full(error) else _unavailable(error)) for _ in works]

    def _checkpoint(self, statement: str) -> None:
        try:
            self._connection.execute(statement).fetchall()
            self.stats.checkpoints += 1
        except sqlite3.Error as error:
            # A full disk or a busy file loses nothing: what was committed is in the log, and the log is read too.
            self.fatal = self.fatal or _fatal(error, self._path)

    def _log_bytes(self) -> int:
        try:
            return os.stat(self._log_path).st_size
        except OSError:
            # Mostly there is no log yet. One that cannot be looked at is only copied later, so it is no reason to stop.
            return 0


class SqliteReader:
    """A connection that only reads. Used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        connection.row_factory = sqlite3.Row
        self.fatal: FatalStorageError | None = None
        self._connection = connection
        self._path = path
        self._transaction = SqliteTransaction(connection)

    def run(self, work: Work) -> WorkResult:
        """Run a work on one snapshot: that of its first statement. Raises nothing; a broken file sets `fatal`."""
        try:
            self._connection.execute("BEGIN")
            try:
                return WorkResult(work(self._transaction))
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except BaseException as error:  # as in SqliteWriter._run
            self.fatal = self.fatal or _fatal(error, self._path)
            return WorkResult(None, _for_caller(error))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _for_caller(error: BaseException) -> BaseException:
    """Return what the caller of a work is told of the exception that the work raised."""
    code = primary_code(error)
    if _is_full(error):
        return _disk_full(error)
    if code in _BROKEN or code in _NOT_NOW:
        return _unavailable(error)
    if isinstance(error, StopIteration):
        # A future refuses it, because it would end the coroutine that awaits.
        return _caused_by(error, RuntimeError("a work raised StopIteration"))
    return error


def _disk_full(cause: BaseException) -> DiskFull:
    """Return a new DiskFull for one caller."""
    return _caused_by(cause, DiskFull("the disk of the database is full"))


def _unavailable(cause: BaseException) -> StorageUnavailable:
    """Return a new StorageUnavailable for one caller."""
    return _caused_by(cause, StorageUnavailable("the database does not answer"))


def _fatal(error: BaseException, path: Path) -> FatalStorageError | None:
    """Return the error to stop the process with, or None if this one is no reason to."""
    if primary_code(error) not in _BROKEN:
        return None
    name: str = getattr(error, "sqlite_errorname", "unknown")
    return _caused_by(error, FatalStorageError(f"the database {path} is broken: {error} ({name})"))


def _is_full(error: BaseException) -> bool:
    return primary_code(error) == sqlite3.SQLITE_FULL


def _caused_by(cause: BaseException, error: _E) -> _E:
    error.__cause__ = cause
    return error


_Job: TypeAlias = tuple[Work, "asyncio.Future[Any]"]


class _Works:
    """Works on their way from the event loop to a thread and back, at most `works_max` of them unanswered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, works_max: int) -> None:
        self._loop = loop
        self._works_max = works_max
        self._unanswered: set[asyncio.Future[Any]] = set()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()

    def submit(self, work: Work) -> "asyncio.Future[Any]":
        """Hand a work in. On the event loop."""
        if len(self._unanswered) >= self._works_max:
            raise StorageUnavailable(f"{self._works_max} works wait for the database already")
        future = self._loop.create_future()
        self._unanswered.add(future)
        self._queue.put((work, future))
        return future

    def take(self, works_max: int) -> list[_Job]:
        """Wait for works and return all that are there, up to a number; none after `end`. On a thread."""
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == works_max or self._queue.empty():
                return jobs
            job = self._queue.get()
        if jobs:
            self.end()  # Taken too early: it is for the next call.
        return jobs

    def hand_back(self, jobs: Sequence[_Job], results: Sequence[WorkResult]) -> None:
        """Bring the results to the callers, waking the event loop once for all of them. On a thread."""
        _call(self._loop, lambda: self._answer(jobs, results))

    def abandon(self, cause: BaseException) -> None:
        """Tell the callers of all unanswered works that the database does not answer. On the event loop."""
        for future in self._unanswered:
            _settle(future, WorkResult(None, _unavailable(cause)))
        self._unanswered.clear()

    def end(self) -> None:
        """Let one thread stop when it has done the works handed in before."""
        self._queue.put(None)

    def _answer(self, jobs: Sequence[_Job], results: Sequence[WorkResult]) -> None:
        for (_, future), result in zip(jobs, results, strict=True):
            self._unanswered.discard(future)
            _settle(future, result)


def _settle(future: "asyncio.Future[Any]", result: WorkResult) -> None:
    if future.done():
        return  # Its caller was cancelled, or has been told already.
    if result.error is None:
        future.set_result(result.value)
    else:
        future.set_exception(result.error)


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # Closed: nobody waits any more.
        loop.call_soon_threadsafe(callback)


class SqliteDatabase:
    """A `Database` in one SQLite file, for one process and for the event loop that it is made on.

    Its threads are daemons: what they have not answered was never promised, so a dying process need not wait for them.
    """

    def __init__(
        self,
        *,
        lock: ServerLock,
        writer: SqliteWriter,
        readers: Sequence[SqliteReader],
        on_fatal: Callable[[FatalStorageError], None],
        batch_works_max: int,
        waiting_works_max: int,
    ) -> None:
        self._lock = lock
        self._writer = writer
        self._on_fatal = on_fatal
        self._batch_works_max = batch_works_max
        self._loop = asyncio.get_running_loop()
        self._writes = _Works(self._loop, works_max=waiting_works_max)
        self._reads = _Works(self._loop, works_max=waiting_works_max)
        self._refused_because: str | None = None
        self._closing = False
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._fatal: FatalStorageError | None = None
        self._reader_threads = [
            Thread(target=self._read_until_closed, args=(reader,), name=f"tidings-reader-{number}", daemon=True)
            for number, reader in enumerate(readers, start=1)
        ]
        self._writer_thread = Thread(target=self._write_until_closed, name="tidings-writer", daemon=True)
        for thread in (*self._reader_threads, self._writer_thread):
            thread.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        on_fatal: Callable[[FatalStorageError], None],
        migrations: Migrations = MIGRATIONS,
        readers: int = 4,
        batch_works_max: int = 256,
        waiting_works_max: int = 10_000,
        log_bytes_max: int = _LOG_BYTES_MAX,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Self:
        """Open the database at `path`, creating it or bringing its schema up to date first. Blocks; for start-up.

        Args:
            path: the file. `<path>.lock`, `<path>-wal` and `<path>-shm` are kept beside it.
            on_fatal: called once, on the event loop, when the storage breaks; it should stop the process.
            migrations: the schema.
            readers: how many reads run at the same time.
            batch_works_max: how many writes share one commit.
            waiting_works_max: how many writes, and how many reads, may wait; one more is refused.
            log_bytes_max: see `SqliteWriter`.
            busy_timeout_s: how long to wait for an administrative command that is writing.

        Raises:
            OpenError: it cannot be opened; see `sqlite_file` and `migrations`.
        """
        with ExitStack() as undo:
            lock = ServerLock.acquire(path)
            undo.callback(lock.release)
            connection = undo.enter_context(closing(connect(path, busy_timeout_s=busy_timeout_s)))
            upgrade(connection, path, migrations=migrations)
            reading = [
                undo.enter_context(closing(connect_reader(path, busy_timeout_s=busy_timeout_s))) for _ in range(readers)
            ]
            database = cls(
                lock=lock,
                writer=SqliteWriter(connection, path, log_bytes_max=log_bytes_max),
                readers=[SqliteReader(connection, path) for connection in reading],
                on_fatal=on_fatal,
                batch_works_max=batch_works_max,
                waiting_works_max=waiting_works_max,
            )
            undo.pop_all()
        return database

    @property
    def stats(self) -> WriterStats:
        """What the writer has done since the database was opened."""
        return self._writer.stats

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a work and return its result once it is committed; see `Database.write`."""
        result: T = await self._accepting(self._writes).submit(work)
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work that only reads, on one snapshot; see `Database.read`."""
        result: T = await self._accepting(self._reads).submit(work)
        return result

    async def close(self) -> None:
        """Finish the works that were accepted, copy the log into the database and let the next process have it."""
        if not self._closing:
            self._closing = True
            self._refused_because = "the database is closed"
            for _ in self._reader_threads:
                self._reads.end()
            self._writes.end()
        # Several may wait for it, so none of them may take it along when it is cancelled.
        await asyncio.shield(self._closed)

    def _accepting(self, works: _Works) -> _Works:
        if self._refused_because is not None:
            raise StorageUnavailable(self._refused_because)
        return works

    def _write_until_closed(self) -> None:
        with self._stopping_on_failure(self._writes):
            while jobs := self._writes.take(self._batch_works_max):
                results = self._writer.run_batch([work for work, _ in jobs])
                # Told before the answers, so that no caller learns of it first and comes back to an open door.
                self._report(self._writer.fatal)
                self._writes.hand_back(jobs, results)
                self._writer.checkpoint_if_due()
                self._report(self._writer.fatal)
        # The last connection to close copies the log, which only the writer may do: it waits for the readers.
        for thread in self._reader_threads:
            thread.join()
        with self._stopping_on_failure(self._writes):
            try:
                self._writer.close()
            finally:
                self._lock.release()
        _call(self._loop, lambda: self._closed.set_result(None))

    def _read_until_closed(self, reader: SqliteReader) -> None:
        with self._stopping_on_failure(self._reads), closing(reader):
            while jobs := self._reads.take(1):
                # A read whose caller has gone would be work for nobody; a write is carried out all the same.
                results = [WorkResult(None) if future.cancelled() else reader.run(work) for work, future in jobs]
                self._report(reader.fatal)
                self._reads.hand_back(jobs, results)

    @contextmanager
    def _stopping_on_failure(self, works: _Works) -> Iterator[None]:
        """Stop the database when its thread fails, for nobody would answer what waits for that thread."""
        try:
            yield
        except BaseException as error:  # whatever it is, it would end the thread in silence
            fatal = _caused_by(error, FatalStorageError(f"a thread of the database failed: {error!r}"))
            self._report(fatal)
            _call(self._loop, lambda: works.abandon(fatal))

    def _report(self, error: FatalStorageError | None) -> None:
        if error is not None:
            self._writer.fatal = error  # What a reader has found stops the works that wait for the writer too.
            _call(self._loop, lambda: self._fail_stop(error))

    def _fail_stop(self, error: FatalStorageError) -> None:
        if self._fatal is not None:
            return
        self._fatal = error
        self._refused_because = "the database does not answer"
        self._on_fatal(error)


def run_beside(
    path: Path,
    work: Callable[[Transaction], T],
    *,
    migrations: Migrations = MIGRATIONS,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
) -> T:
    """Run one short work of an administrative command and commit it, whether or not a server has the database open.

    A database that is not there, or is behind, is created or migrated first.

    Raises:
        OpenError: as `migrations.migrate`.
        DiskFull, StorageUnavailable: it could not be committed.
    """
    if schema_version(path, migrations=migrations) != latest(migrations):
        migrate(path, migrations=migrations)
    with closing(connect(path, busy_timeout_s=busy_timeout_s)) as connection:
        [result] = SqliteWriter(connection, path, log_bytes_max=_LOG_BYTES_MAX).run_batch([work])
    if result.error is not None:
        raise result.error
    value: T = result.value
    return value
