"""A copy of a SQLite database that a server may be writing to, in a file of its own.

The backup API copies all pages in one step, out of one snapshot. In several steps it would begin anew whenever the
server writes in between: with 300 MB beside a busy writer it was not over after 30 s, where one step took 1.5 s.
VACUUM INTO took 3.6 s, and the longer a snapshot is held, the longer the server's log grows.

The connection can neither write nor checkpoint, so the server notices nothing but the load on the disk.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from service.storage.sqlite_file import BUSY_TIMEOUT_S, primary_code

_NO_ROOM: Final = "there is no room for it"


class BackupError(Exception):
    """A backup that was not made; nothing is left of it. The message is one sentence for the operator."""


def back_up(database: Path, target: Path) -> int:
    """Copy a database to a new file, for its owner alone, and return the copy's size in bytes.

    The file is there only once the copy is complete, was checked and is on stable storage. Until then it is
    `<target>.partial`.

    Raises:
        BackupError: there is no database, or it cannot be read; there is a file already; the disk is full; the copy
            is damaged.
    """
    _refuse_unusable(database, target)
    partial = target.with_name(f"{target.name}.partial")
    with _reported(database, target), _removed_on_failure(partial):
        _copy(database, partial)
        _check(partial)
        _sync(partial)
        size_bytes = partial.stat().st_size
        partial.rename(target)
        _sync(target.absolute().parent)
    return size_bytes


def _refuse_unusable(database: Path, target: Path) -> None:
    if not database.exists():
        raise BackupError(f"there is no database {database}")
    if target.is_dir():
        raise BackupError(f"{target} is a folder; name the file to write")
    if os.path.lexists(target):
        raise BackupError(f"{target} is there already; name a file that is not")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise BackupError(f"{target} cannot be written: there is no folder {folder}")
    needed, free = database.stat().st_size, shutil.disk_usage(folder).free
    if needed > free:
        raise BackupError(f"{target} cannot be written: it needs {needed} bytes, and {folder} has {free} left")


@contextmanager
def _removed_on_failure(partial: Path) -> Iterator[None]:
    """Create a file for its owner alone, since it will hold events; remove it if the block fails."""
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        raise BackupError(f"{partial} is there: another backup is writing it, or one was killed; remove it") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def _reported(database: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        reason = _NO_ROOM if primary_code(error) == sqlite3.SQLITE_FULL else str(error)
        raise BackupError(f"{database} could not be copied to {target}: {reason}") from error
    except OSError as error:
        raise BackupError(f"{database} could not be copied to {target}: {error.strerror}") from error


def _copy(database: Path, partial: Path) -> None:
    with (
        closing(_connect(database, "mode=ro")) as source,
        closing(_connect(partial, "mode=rw")) as copy,
    ):
        # From here on a snapshot is held: what the server writes meanwhile is not in it, and restarts nothing.
        source.execute("BEGIN")
        (tables,) = source.execute("SELECT count(*) FROM sqlite_master WHERE name = 'subscriptions'").fetchone()
        if not tables:
            raise BackupError(f"{database} is not a Tidings database")
        # If this fails, the file is removed; if it does not, it is synchronised below.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy)


def _check(partial: Path) -> None:
    # Nobody else has it open; without this, reading it would make a log beside it.
    with closing(_connect(partial, "mode=ro&immutable=1")) as copy:
        (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"the copy is damaged, and so may the database be: {found}")


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?{parameters}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
