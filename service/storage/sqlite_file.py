"""The SQLite file on its disk: who may have it open, with which settings, and why it cannot be opened.

It knows nothing of works, threads or tables.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import sqlite_utils

from service.storage.database import OpenError
from service.storage.sqlite_disk import Disk, is_no_room

BUSY_TIMEOUT_S: Final = 5.0
_STATEMENTS_CACHED: Final = 512
SETTINGS: Final = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "mmap_size = 0",
    # Savepoints and sorting would spill into files elsewhere, whose disk could be full while the database's is not.
    "temp_store = MEMORY",
    # What is deleted is overwritten with zeros: an erased signing key must not stay behind in the file.
    "secure_delete = ON",
    "wal_autocheckpoint = 0",
)
"""The PRAGMAs of every connection, which durability and what is written where rest on."""


class ServerLock:
    """The right to be the only server, or the only migration, of a database: an flock on `<database>.lock`.

    The kernel drops it with the process, however that ends. The file stays, but for a start that failed beside a file
    that is perhaps not ours. Whoever had it open then has a lock on nothing, and notices.
    """

    def __init__(self, descriptor: int, lock_path: str, *, is_new: bool) -> None:
        self._descriptor: int | None = descriptor
        self._lock_path = lock_path
        self._is_new = is_new

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock of the database at `path`, at once or not at all.

        Raises:
            OpenError: another process holds it, or the lock file cannot be written.
        """
        refuse_unusable(path)
        # Two names of one file are one database, so the lock goes by the file that links lead to.
        lock_path = f"{path.resolve()}.lock"
        is_new = not os.path.exists(lock_path)
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OpenError(f"the lock file {lock_path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another start may have failed, and removed this file, before the lock was ours.
            if not os.path.samestat(os.fstat(descriptor), os.stat(lock_path)):
                raise FileNotFoundError(lock_path)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise OpenError(f"{path} is in use by another tidings-server{holder}; stop it first") from error
        # Only the message above needs the number, so a full disk is no reason not to start.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor, lock_path, is_new=is_new)

    def discard(self) -> None:
        """Let the next process have the database, and leave no file where there was none before."""
        if self._is_new and self._descriptor is not None:
            with suppress(OSError):
                os.unlink(self._lock_path)
        self.release()

    def release(self) -> None:
        """Let the next process have the database. May be called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holder(descriptor: int) -> str:
    written = os.pread(descriptor, 20, 0).strip()
    return f" (process {written.decode()})" if written.isdigit() else ""


def refuse_unusable(path: Path) -> None:
    """Check what the file system says about a path, for SQLite reports most of it as "unable to open".

    Raises:
        OpenError: a folder, no such folder, not permitted, or only its log is there.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise OpenError(f"{path} is a folder; the database must be a file")
    if not folder.is_dir():
        raise OpenError(f"{path} cannot be opened: there is no folder {folder}")
    if not _allowed(folder, os.W_OK | os.X_OK):
        raise OpenError(f"the folder {folder} is read-only; the database keeps its log and its lock there")
    log_path = Path(f"{path.resolve()}-wal")
    if not path.exists() and log_path.exists() and log_path.stat().st_size:
        # SQLite would take the log for a leftover, and empty it.
        raise OpenError(
            f"there is no {path}, but {log_path} holds what belongs to it: put the database back beside it, or move "
            "the log away to begin anew"
        )
    if path.exists() and not _allowed(path, os.R_OK):
        raise OpenError(f"{path} cannot be opened: permission denied")
    if path.exists() and not _allowed(path, os.W_OK):
        raise OpenError(f"{path} is read-only; the server must be able to write it")


def _allowed(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says while a database is being opened into an OpenError."""
    try:
        yield
    except sqlite3.Error as error:
        raise OpenError(_sentence(path, error)) from error


def _sentence(path: Path, error: sqlite3.Error) -> str:
    match primary_code(error):
        case sqlite3.SQLITE_NOTADB:
            return f"{path} is not an SQLite database"
        case sqlite3.SQLITE_CORRUPT:
            return f"{path} is damaged ({error}); restore it from a backup"
        case sqlite3.SQLITE_READONLY:
            return f"{path} is read-only; the server must be able to write it"
        case sqlite3.SQLITE_BUSY:
            return f"{path} is locked by another program; try again when that has finished"
        case sqlite3.SQLITE_FULL:
            return f"{path} cannot be opened: the disk is full"
        case sqlite3.SQLITE_IOERR if is_no_room(Disk(path).refusal()):
            return f"{path} cannot be opened: the disk is full"
        case _:
            return f"{path} cannot be opened: {error}"


def primary_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code, or None for an error that SQLite did not raise."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def connect(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a connection that may write, creating the file if there is none. It never checkpoints by itself.

    Two connections that checkpoint one log can corrupt it (SQLite before 3.51.3), so only the server's writer does, by
    asking for it. Transactions are ours to begin and end.

    Raises:
        OpenError: see `refuse_unusable`, and whatever SQLite finds in the file.
    """
    refuse_unusable(path)
    _create_private(path)
    with plain_errors(path):
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rwc",
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_CACHED,
        )
        try:
            _set_up(connection)
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    # sqlite-utils would let every plugin that the operator has installed change this connection.
    sqlite_utils.Database(connection, execute_plugins=False)
    for setting in SETTINGS:
        connection.execute(f"PRAGMA {setting}")


def _create_private(path: Path) -> None:
    """Create the file, if there is none, for its owner alone: it holds events. Its log gets the same rights."""
    # A file that is there must not be opened here: to close it again would drop every lock that this process has on it
    # (POSIX), and the next administrative command would take itself for the last user and delete the log.
    with suppress(OSError):  # What is wrong with the file is SQLite's to say.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def connect_reader(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a connection that cannot write.

    Raises:
        OpenError: as `connect`.
    """
    connection = connect(path, busy_timeout_s=busy_timeout_s)
    connection.execute("PRAGMA query_only = ON")
    return connection


def keep_log(connection: sqlite3.Connection, path: Path) -> None:
    """Put the database into write-ahead mode, where readers and the writer do not wait for each other.

    Raises:
        OpenError: the file system cannot share memory between processes, as most network ones.
    """
    with plain_errors(path):
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise OpenError(f"{path} cannot have a write-ahead log; put it on a local disk")
