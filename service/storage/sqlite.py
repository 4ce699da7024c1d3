"""SQLite as a `Database`: one thread that writes in groups, a few that read, and the event loop that waits for neither.

The threads run the works on the connections of `sqlite_connections` and carry the results back to the event loop.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from queue import SimpleQueue
from random import Random, SystemRandom
from threading import Thread
from typing import Any, Final, Self, TypeAlias

from sqlite_utils import Migrations

from service.domain.clock import Clock, SystemClock
from service.domain.errors import StorageUnavailable, Unavailable
from service.domain.points import AtPoint, pass_by
from service.storage import sealing
from service.storage.database import FatalStorageError, Long, OpenError, T, Transaction
from service.storage.keyring_file import KeyringFile, default_path
from service.storage.migrations import MIGRATIONS, check_current, latest, migrate, schema_version, upgrade
from service.storage.sealer import KeyringSource, NoKeyring, Sealer
from service.storage.sqlite_connections import (
    LOG_BYTES_MAX,
    SqliteReader,
    SqliteWriter,
    Work,
    WorkResult,
    WriterStats,
    caused_by,
    unavailable,
)
from service.storage.sqlite_disk import BALLAST_BYTES_DEFAULT, ROOM_BYTES_DEFAULT, Disk
from service.storage.sqlite_file import BUSY_TIMEOUT_S, ServerLock, connect, connect_reader

_RNG: Final = SystemRandom()
_CLOCK: Final = SystemClock()

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
            _settle(future, WorkResult(None, unavailable(cause)))
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
        measure_commit: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext(),
        at_point: AtPoint = pass_by,
    ) -> None:
        self._at_point = at_point
        self._lock = lock
        self._measure_commit = measure_commit
        self._writer = writer
        self._on_fatal = on_fatal
        self._batch_works_max = batch_works_max
        self._loop = asyncio.get_running_loop()
        self._writes = _Works(self._loop, works_max=waiting_works_max)
        self._reads = _Works(self._loop, works_max=waiting_works_max)
        self._long_reads = asyncio.Semaphore(max(1, len(readers) // 2))
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
        keyring: KeyringSource | None = None,
        rng: Random = _RNG,
        clock: Clock = _CLOCK,
        migrations: Migrations = MIGRATIONS,
        readers: int = 4,
        batch_works_max: int = 256,
        waiting_works_max: int = 10_000,
        log_bytes_max: int = LOG_BYTES_MAX,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        measure_commit: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext(),
        ballast_bytes: int = BALLAST_BYTES_DEFAULT,
        room_bytes: int = ROOM_BYTES_DEFAULT,
        at_point: AtPoint = pass_by,
    ) -> Self:
        """Open the database at `path`, creating it or bringing its schema up to date first. Blocks; for start-up.

        Args:
            path: the file. `<path>.lock`, `<path>.ballast`, `<path>-wal` and `<path>-shm` are kept beside it.
            on_fatal: called once, on the event loop, when the storage breaks; it should stop the process.
            keyring: where the keys are that its secrets are sealed with; by default in `<path>.keyring`, which is made
                for a database that has sealed nothing yet.
            rng: where nonces and keys come from.
            clock: tells when a key began to seal.
            migrations: the schema.
            readers: how many reads run at the same time.
            batch_works_max: how many writes share one commit.
            waiting_works_max: how many writes, and how many reads, may wait; one more is refused.
            log_bytes_max: see `SqliteWriter`.
            busy_timeout_s: how long to wait for an administrative command that is writing.
            measure_commit: entered around each commit with the number of its works, on the writer's thread.
            ballast_bytes, room_bytes: see `Disk`.
            at_point: see `points`.

        Raises:
            OpenError: it cannot be opened; see `sqlite_file`, `migrations` and `sealing.prepare`.
        """
        sealer = Sealer(keyring or KeyringFile(default_path(path), rng=rng, may_be_made=True), rng=rng)
        with ExitStack() as undo:
            lock = ServerLock.acquire(path)
            undo.callback(lock.discard)
            disk = Disk(path, ballast_bytes=ballast_bytes, room_bytes=room_bytes)
            disk.before_open()
            connection = undo.enter_context(closing(connect(path, busy_timeout_s=busy_timeout_s)))
            upgrade(connection, path, migrations=migrations, at_point=at_point)
            disk.after_open()
            _prepare(connection, path, sealer, now_ms=clock.now_ms())
            writer = SqliteWriter(
                connection, path, log_bytes_max=log_bytes_max, sealer=sealer, disk=disk, at_point=at_point
            )
            reading = [
                undo.enter_context(closing(connect_reader(path, busy_timeout_s=busy_timeout_s))) for _ in range(readers)
            ]
            database = cls(
                lock=lock,
                writer=writer,
                readers=[SqliteReader(connection, path, sealer=sealer) for connection in reading],
                on_fatal=on_fatal,
                batch_works_max=batch_works_max,
                waiting_works_max=waiting_works_max,
                measure_commit=measure_commit,
                at_point=at_point,
            )
            undo.pop_all()
        return database

    @property
    def stats(self) -> WriterStats:
        """What the writer has done since the database was opened."""
        return self._writer.stats

    @property
    def has_ballast(self) -> bool:
        """Whether room is kept for what must be written on a full disk: there was enough when it was opened."""
        return self._writer.has_ballast

    def log_bytes(self) -> int:
        """Return how long the write-ahead log is now."""
        return self._writer.log_bytes()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a work and return its result once it is committed; see `Database.write`."""
        result: T = await self._accepting(self._writes).submit(work)
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work that only reads, on one snapshot; see `Database.read`."""
        async with self._long_reads if isinstance(work, Long) else nullcontext():
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
                with self._measure_commit(len(jobs)):
                    results = self._writer.run_batch([work for work, _ in jobs])
                # Told before the answers, so that no caller learns of it first and comes back to an open door.
                self._report(self._writer.fatal)
                self._writes.hand_back(jobs, results)
                self._at_point("answered")
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
            fatal = caused_by(error, FatalStorageError(f"a thread of the database failed: {error!r}"))
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
    keyring: KeyringSource | None = None,
    rng: Random = _RNG,
    migrations: Migrations = MIGRATIONS,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
) -> T:
    """Run one short work of an administrative command and commit it, whether or not a server has the database open.

    A database that is not there, or is behind, is created or migrated first.

    Args:
        keyring: for a work that seals or opens, which must call `sealing.prepare` first.
        rng: where nonces come from.

    Raises:
        OpenError: as `migrations.migrate`.
        DiskFull, StorageUnavailable: it could not be committed.
        FatalStorageError: the storage is broken, or the work needs a key that is not to be had.
    """
    if schema_version(path, migrations=migrations) != latest(migrations):
        migrate(path, migrations=migrations)
    with closing(connect(path, busy_timeout_s=busy_timeout_s)) as connection:
        sealer = Sealer(keyring or NoKeyring(), rng=rng)
        writer = SqliteWriter(connection, path, log_bytes_max=LOG_BYTES_MAX, sealer=sealer)
        return _value(writer, work)


def _prepare(connection: sqlite3.Connection, path: Path, sealer: Sealer, *, now_ms: int) -> None:
    writer = SqliteWriter(connection, path, log_bytes_max=LOG_BYTES_MAX, sealer=sealer)
    try:
        _value(writer, lambda tx: sealing.prepare(tx, now_ms=now_ms))
    except Unavailable as error:
        raise OpenError(f"{path} cannot be opened: {error.message}") from error


def _value(writer: SqliteWriter, work: Callable[[Transaction], T]) -> T:
    """Run one work, commit it and return its value, or raise what was in its way."""
    [result] = writer.run_batch([work])
    if result.error is not None:
        raise writer.fatal or result.error
    value: T = result.value
    return value


def read_beside(path: Path, work: Callable[[Transaction], T], *, migrations: Migrations = MIGRATIONS) -> T:
    """Run one work of an administrative command that only reads, whether or not a server has the database open.

    Raises:
        OpenError: there is no database, it is not of today's schema, or it is damaged.
        StorageUnavailable: another program has locked it.
    """
    check_current(path, migrations=migrations)
    with closing(SqliteReader(connect_reader(path), path)) as reader:
        result = reader.run(work)
    if reader.fatal is not None:
        raise OpenError(str(reader.fatal)) from result.error
    if result.error is not None:
        raise result.error
    value: T = result.value
    return value
