"""Running works on SQLite connections: the one that writes and commits in groups, and those that only read.

What stands here knows nothing of threads and event loops, so that a simulation can call it itself. Driver errors are
translated here, once.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any, Final, TypeAlias, TypeVar

from service.domain.clock import Clock, SystemClock
from service.domain.errors import DiskFull, StorageUnavailable
from service.domain.points import AtPoint, pass_by
from service.storage.database import Essential, FatalStorageError, Transaction
from service.storage.sealer import NoKeyring, Sealer
from service.storage.sqlite_disk import Disk, OpenFiles, is_no_room
from service.storage.sqlite_file import primary_code
from service.storage.sqlite_transaction import SqliteTransaction

Work: TypeAlias = Callable[[Transaction], Any]
_E = TypeVar("_E", bound=Exception)

LOG_BYTES_MAX: Final = 4 * 1024 * 1024  # 1,000 pages, as SQLite's own default
_BROKEN: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NOT_NOW: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_REFUSED_WRITES: Final = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
_LOOK_EVERY_S: Final = 1.0
_CLOCK: Final = SystemClock()
NO_KEYS: Final = Sealer(NoKeyring(), rng=SystemRandom())
"""What has no keyring neither seals nor opens."""


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What came of one work: its result, or the exception for its caller."""

    value: Any = field(repr=False)
    error: BaseException | None = None


@dataclass(slots=True)
class WriterStats:
    """What the writer has done since it was made."""

    commits: int = 0
    works: int = 0
    checkpoints: int = 0


class _GroupLost(Exception):
    """A work met an error that ends the whole group's transaction; the error is the cause."""


class SqliteWriter:
    """The connection that writes and checkpoints. Used by one thread at a time.

    Args:
        connection: from `sqlite_file.connect`, its schema up to date.
        path: the database file.
        log_bytes_max: how long the write-ahead log grows before it is copied into the database. A reader that stays
            on an old snapshot, or one large transaction, can make it longer.
        sealer: has the keys; by default none.
        disk: that of the database; by default one without a ballast.
        clock: tells when it is time to look at disk and files again, once a second.
        at_point: called at points where the process may be made to end; see CONTRIBUTING.md.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        log_bytes_max: int,
        sealer: Sealer = NO_KEYS,
        disk: Disk | None = None,
        clock: Clock = _CLOCK,
        at_point: AtPoint = pass_by,
    ) -> None:
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA journal_size_limit = {int(log_bytes_max)}")
        self.stats = WriterStats()
        self.fatal: FatalStorageError | None = None
        self._connection = connection
        self._transaction = SqliteTransaction(connection, sealer)
        self._path = path
        self._log_path = f"{path.resolve()}-wal"
        self._log_bytes_max = log_bytes_max
        self._checkpoint_at_bytes = log_bytes_max
        self._disk = disk or Disk(path, ballast_bytes=0)
        self._files = OpenFiles(path)
        self._clock = clock
        self._look_at_s = clock.monotonic_s()
        self._at_point = at_point

    def run_batch(self, works: Sequence[Work]) -> list[WorkResult]:
        """Run works in one transaction and commit it; return the result of each, in order. Raises nothing.

        A work that raises is undone alone. Where SQLite gives up the transaction, or the commit fails, every work of
        the batch fails. A broken or missing file sets `fatal`, and from then on every work fails. While the disk is
        full only what is `Essential` is run, in the room that was kept for it.
        """
        self._look_around()
        if self.fatal is not None:
            return [WorkResult(None, unavailable(self.fatal)) for _ in works]
        results = _refuse(works) if self._disk.is_full else self._run_group(works)
        if self._disk.is_full and self.fatal is None:
            self._run_essential(works, results)
        return results

    def checkpoint_if_due(self) -> None:
        """Copy the log into the database if it has grown too long. Meant for after the callers have their answers.

        SQLite starts the log from its beginning once all of it is copied and no reader needs it, and cuts the file
        back to `journal_size_limit` then. So the file is longer than that only if there is something to copy.
        """
        log_bytes = self.log_bytes()
        if self._disk.is_full:
            # What is copied makes room inside the log, and there may be no other.
            self._checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
        elif log_bytes <= self._log_bytes_max:
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

    def _look_around(self) -> None:
        """See how disk and files are, at most once a second."""
        now_s = self._clock.monotonic_s()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_EVERY_S
        self._disk.look(unused_bytes=self._unused_bytes() if self._disk.is_full else 0)
        missing = self._files.missing()
        if missing is not None and self.fatal is None:
            self.fatal = FatalStorageError(missing)

    def _unused_bytes(self) -> int:
        try:
            sizes = [self._connection.execute(f"PRAGMA {each}").fetchall() for each in ("freelist_count", "page_size")]
        except sqlite3.Error:
            return 0
        return int(sizes[0][0][0] * sizes[1][0][0])

    def _run_group(self, works: Sequence[Work]) -> list[WorkResult]:
        try:
            # Immediate: a deferred transaction that reads first can fail at its first write, and no wait would help.
            self._connection.execute("BEGIN IMMEDIATE")
            results = [self._run(work) for work in works]
            self._at_point("commit.before")
            self._connection.execute("COMMIT")
        except _GroupLost as lost:
            return self._lose(works, lost.__cause__ or lost)
        except (sqlite3.Error, MemoryError) as error:
            return self._lose(works, error)
        self._at_point("commit.after")
        self.stats.commits += 1
        self.stats.works += len(works)
        return results

    def _run_essential(self, works: Sequence[Work], results: list[WorkResult]) -> None:
        """Run the essential works among those that found no room, and put what came of them into the results."""
        numbers = [
            number
            for number, (work, result) in enumerate(zip(works, results, strict=True))
            if isinstance(work, Essential) and isinstance(result.error, DiskFull)
        ]
        if numbers:
            again = self._run_group([works[number] for number in numbers])
            for number, result in zip(numbers, again, strict=True):
                results[number] = result

    def _run(self, work: Work) -> WorkResult:
        self._connection.execute("SAVEPOINT work")
        try:
            value = work(self._transaction)
        except FatalStorageError as error:
            self.fatal = self.fatal or error
            raise _GroupLost from error
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
        self._note(error)
        self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _lose(self, works: Sequence[Work], error: BaseException) -> list[WorkResult]:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        is_full = self._note(error)
        return [WorkResult(None, _disk_full(error) if is_full else unavailable(error)) for _ in works]

    def _note(self, error: BaseException) -> bool:
        """Note what an error of SQLite's says about the disk: that it is broken, or that it is full, and return that.

        Some of what a full disk or a quota causes is an input/output error to SQLite, so the file system is asked.
        """
        refusal = self._disk.refusal() if getattr(error, "sqlite_errorcode", None) in _REFUSED_WRITES else None
        is_full = _is_full(error) or is_no_room(refusal)
        if is_full:
            self._disk.ran_out()
        elif primary_code(error) in _BROKEN:
            self.fatal = self.fatal or _fatal(error, self._path, refusal)
        return is_full

    def _checkpoint(self, statement: str) -> None:
        self._at_point("checkpoint.before")
        try:
            self._connection.execute(statement).fetchall()
            self.stats.checkpoints += 1
        except sqlite3.Error as error:
            # A full disk or a busy file loses nothing: what was committed is in the log, and the log is read too.
            self._note(error)
        self._at_point("checkpoint.after")

    @property
    def has_ballast(self) -> bool:
        """Whether room is kept for what must be written on a full disk."""
        return self._disk.has_ballast

    def log_bytes(self) -> int:
        """Return how long the log is now; 0 where there is none."""
        try:
            return os.stat(self._log_path).st_size
        except OSError:
            # Mostly there is no log yet. One that cannot be looked at is only copied later, so it is no reason to stop.
            return 0


class SqliteReader:
    """A connection that only reads. Used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, sealer: Sealer = NO_KEYS) -> None:
        connection.row_factory = sqlite3.Row
        self.fatal: FatalStorageError | None = None
        self._connection = connection
        self._path = path
        self._transaction = SqliteTransaction(connection, sealer)

    def run(self, work: Work) -> WorkResult:
        """Run a work on one snapshot: that of its first statement. Raises nothing; a broken file sets `fatal`."""
        try:
            self._connection.execute("BEGIN")
            try:
                return WorkResult(work(self._transaction))
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except FatalStorageError as error:
            self.fatal = self.fatal or error
            return WorkResult(None, unavailable(error))
        except BaseException as error:  # as in SqliteWriter._run
            if primary_code(error) in _BROKEN:
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
        return unavailable(error)
    if isinstance(error, StopIteration):
        # A future refuses it, because it would end the coroutine that awaits.
        return caused_by(error, RuntimeError("a work raised StopIteration"))
    return error


def _refuse(works: Sequence[Work]) -> list[WorkResult]:
    return [WorkResult(None, DiskFull("the disk of the database is full")) for _ in works]


def _disk_full(cause: BaseException) -> DiskFull:
    """Return a new DiskFull for one caller."""
    return caused_by(cause, DiskFull("the disk of the database is full"))


def unavailable(cause: BaseException) -> StorageUnavailable:
    """Return a new StorageUnavailable for one caller."""
    return caused_by(cause, StorageUnavailable("the database does not answer"))


def _fatal(error: BaseException, path: Path, refusal: OSError | None = None) -> FatalStorageError:
    """Return the error to stop the process with. `refusal` is what the file system has against a write, if anything."""
    name: str = getattr(error, "sqlite_errorname", "unknown")
    if primary_code(error) == sqlite3.SQLITE_IOERR:
        reason = f"{error}, {name}" if refusal is None else f"{error}, {name}: {refusal.strerror}"
        sentence = f"the disk of the database {path} failed ({reason}); mend it and start the server again"
    else:
        sentence = f"the database {path} is damaged ({error}, {name}); restore it from a backup"
    return caused_by(error, FatalStorageError(sentence))


def _is_full(error: BaseException) -> bool:
    return primary_code(error) == sqlite3.SQLITE_FULL


def caused_by(cause: BaseException, error: _E) -> _E:
    """Return an error with its cause set, for one that is handed over and not raised."""
    error.__cause__ = cause
    return error
