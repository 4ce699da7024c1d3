"""What happens to the files of an open database from outside: their disk fills up, or their names lead elsewhere.

It knows nothing of SQLite and of works. Used by one thread at a time.
"""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

BALLAST_BYTES_DEFAULT: Final = 8 * 1024 * 1024
ROOM_BYTES_DEFAULT: Final = 1024 * 1024
_BLOCK: Final = bytes(4096)
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_Identity: TypeAlias = tuple[int, int]


class Disk:
    """The room for a database, and its ballast: a file that keeps some of it for what must be written at any time.

    Where the disk is full, the ballast is given up. It is made anew once there is room for it again, or for half of it
    where room was made inside the database, and only then is the disk no longer full, so that new work cannot use up
    what was kept.

    Args:
        path: the database. The ballast is `<database>.ballast`.
        ballast_bytes: how much is kept. A disk that has less than this to spare goes without. With 0 there is none.
        room_bytes: how much must be free beside the ballast for the disk not to be full any more.
    """

    def __init__(
        self, path: Path, *, ballast_bytes: int = BALLAST_BYTES_DEFAULT, room_bytes: int = ROOM_BYTES_DEFAULT
    ) -> None:
        self.is_full = False
        self._folder = path.resolve().parent
        self._ballast_path = f"{path.resolve()}.ballast"
        self._ballast_bytes = ballast_bytes
        self._room_bytes = room_bytes
        self._kept_bytes = 0

    def look(self, *, unused_bytes: int = 0) -> None:
        """See whether a full disk has room again, and keep some of it as ballast if there is none.

        Args:
            unused_bytes: the room inside the database, where something was deleted. New work can use it; what must be
                written at any time cannot rely on it.
        """
        free_bytes = self._free_bytes()
        if not self.is_full:
            if free_bytes + unused_bytes >= self._ballast_bytes + self._room_bytes:
                self._make_ballast(self._ballast_bytes)
            return
        has_room = free_bytes + unused_bytes >= self._kept_bytes + self._room_bytes
        fits_bytes = min(self._ballast_bytes, free_bytes - self._room_bytes)
        if has_room and (self._kept_bytes == 0 or self._make_ballast(fits_bytes)):
            self.is_full, self._kept_bytes = False, 0

    @property
    def has_ballast(self) -> bool:
        """Whether some room is kept."""
        return os.path.exists(self._ballast_path)

    def ran_out(self) -> None:
        """Note that there was no room for a write, and give the ballast up."""
        self.is_full = True
        if self._ballast_bytes == 0:
            return  # It is another process's to give up.
        with suppress(OSError):
            kept_bytes = os.stat(self._ballast_path).st_size
            os.unlink(self._ballast_path)
            self._kept_bytes = kept_bytes

    def before_open(self) -> None:
        """Give the ballast up where not even opening the database would find room."""
        if self._free_bytes() < self._room_bytes and os.path.exists(self._ballast_path):
            self.ran_out()

    def after_open(self) -> None:
        """Make the ballast."""
        # As if there were room inside: where the last process gave the ballast up, its room may be all that is free.
        self.look(unused_bytes=0 if self.is_full else self._room_bytes)

    def refusal(self) -> OSError | None:
        """Write a block beside the database and return what the file system has against it, which SQLite cannot say."""
        try:
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                file.write(_BLOCK)
                os.fsync(file.fileno())
        except OSError as error:
            return error
        return None

    def _free_bytes(self) -> int:
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return 0  # Moved or unmounted: what lacks is said elsewhere, and nothing is made here.
        return found.f_frsize * (found.f_bfree if os.geteuid() == 0 else found.f_bavail)

    def _make_ballast(self, size: int) -> bool:
        """Keep so many bytes, unless that is less than half of what should be kept; say whether there is a ballast."""
        if self._ballast_bytes == 0:
            return False
        if os.path.exists(self._ballast_path):
            return True
        if size < self._ballast_bytes // 2:
            return False
        try:
            descriptor = os.open(self._ballast_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            # A part of it would take room and be taken for the whole.
            os.unlink(self._ballast_path)
            return False
        finally:
            os.close(descriptor)
        return True


def is_no_room(error: OSError | None) -> bool:
    """Say whether a file system has refused a write for want of room, a quota's included."""
    return error is not None and error.errno in _NO_ROOM


class OpenFiles:
    """The files of an open database: whether their names still lead to them.

    Commits to a file that was moved or deleted go where nobody will find them. The files are looked at by name only:
    to open one and close it again would drop the locks that SQLite holds on it (POSIX).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = Path(f"{path.resolve()}-wal")
        self._lock_path = Path(f"{path.resolve()}.lock")
        self._database = _identity(path)
        self._log = _identity(self._log_path)
        self._lock = _identity(self._lock_path)

    def missing(self) -> str | None:
        """Return a sentence about the file that is not where it was; None if all are."""
        if _is_elsewhere(self._path, self._database):
            return (
                f"the database {self._path} was moved, replaced or deleted while the server ran; put it back beside "
                f"{self._log_path}, which belongs to it, and start the server again"
            )
        if _is_elsewhere(self._lock_path, self._lock):
            return (
                f"the lock {self._lock_path} was moved, replaced or deleted while the server ran, so that a second one "
                "could use the database; leave the files beside the database to the server, and start it again"
            )
        # SQLite makes the log with the first transaction, and keeps it until the last connection closes.
        self._log = self._log or _identity(self._log_path)
        if _is_elsewhere(self._log_path, self._log):
            return (
                f"the log {self._log_path} was moved, replaced or deleted while the server ran; leave the files beside "
                "the database to the server, and start it again"
            )
        return None


def _identity(path: Path) -> _Identity | None:
    """Return device and inode of the file that a path leads to, None if it leads nowhere."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_elsewhere(path: Path, known: _Identity | None) -> bool:
    if known is None:
        return False
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # Not known, so no reason to stop.
    return (found.st_dev, found.st_ino) != known
