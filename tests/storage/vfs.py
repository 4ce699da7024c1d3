"""File systems between SQLite and the real one: one fails at the n-th write or sync, one loses what was not synced.

Neither really syncs, for what is on the real disk plays no part.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeAlias

import apsw

SECTOR_BYTES: Final = 512
Kind: TypeAlias = Literal["write", "sync", "full"]
_numbers = count(1)


class FaultyVfs(apsw.VFS):
    """Fails at the n-th write or sync, and for as long as `is_broken`: a bad disk stays bad, and a full one full.

    Args:
        kind: what fails. "write" and "sync" fail with an input/output error, "full" is a write that finds no room.
        n: the first that fails, counted from 1.
    """

    def __init__(self, kind: Kind, n: int) -> None:
        self.kind = kind
        self.is_broken = False
        self._countdown = n
        self.name_of_vfs = f"faulty-{next(_numbers)}"
        super().__init__(self.name_of_vfs, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _FaultyFile(self, name, flags)

    def mend(self) -> None:
        """Let everything go well from now on."""
        self.is_broken = False

    def fails(self, call: Literal["write", "sync"]) -> bool:
        """Count a call, and say whether it is to fail."""
        if call != ("sync" if self.kind == "sync" else "write"):
            return False
        self._countdown -= 1
        self.is_broken = self.is_broken or self._countdown == 0
        return self.is_broken


class _FaultyFile(apsw.VFSFile):
    def __init__(self, vfs: FaultyVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._vfs.fails("write"):
            # What a disk was in the middle of may be there in part.
            super().xWrite(bytes(data)[: len(data) // 2], offset)
            raise (
                _error(apsw.FullError, apsw.SQLITE_FULL)
                if self._vfs.kind == "full"
                else _error(apsw.IOError, apsw.SQLITE_IOERR_WRITE)
            )
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if self._vfs.fails("sync"):
            raise _error(apsw.IOError, apsw.SQLITE_IOERR_FSYNC)


def _error(kind: type[apsw.Error], code: int) -> apsw.Error:
    error: Any = kind("injected")
    error.extendedresult = code
    injected: apsw.Error = error
    return injected


@dataclass
class _Entry:
    """A file as it is on the disk, and what was done to it since it was last synced."""

    exists: bool = False
    content: bytes = b""
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes at an offset; None in place of bytes: the file was cut off there."""
    before: bytes | None = None
    """The file of this name that was deleted, as long as that may come undone."""


class LosingVfs(apsw.VFS):
    """Knows at every moment which bytes a loss of power would leave.

    Args:
        files: those that are on the disk at the beginning.
        on_change: called before each write, sync, cut and deletion: a moment at which the power may fail.
    """

    def __init__(self, files: list[Path], on_change: Callable[[], None]) -> None:
        self.name_of_vfs = f"losing-{next(_numbers)}"
        self.on_change = on_change
        self._entries = {str(each): _Entry(exists=True, content=each.read_bytes()) for each in files}
        super().__init__(self.name_of_vfs, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        assert name is not None, "SQLite makes no temporary files, for they would be on another disk"
        filename = name if isinstance(name, str) else name.filename()
        return _LosingFile(self, self._entries.setdefault(filename, _Entry()), name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.on_change()
        super().xDelete(filename, syncdir)
        old = self._entries[filename]
        self._entries[filename] = _Entry(before=None if syncdir or not old.exists else old.content)

    def after_power_loss(self, rng: Random) -> dict[str, bytes]:
        """Return the files that a loss of power leaves now, each with its content."""
        kept = {filename: _left_of(entry, rng) for filename, entry in self._entries.items()}
        return {filename: content for filename, content in kept.items() if content is not None}


class _LosingFile(apsw.VFSFile):
    def __init__(self, vfs: LosingVfs, entry: _Entry, name: str | apsw.URIFilename, flags: list[int]) -> None:
        self._vfs = vfs
        self._entry = entry
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._vfs.on_change()
        super().xWrite(data, offset)
        self._entry.unsynced.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        self._vfs.on_change()
        super().xTruncate(newsize)
        self._entry.unsynced.append((newsize, None))

    def xSync(self, flags: int) -> None:
        self._vfs.on_change()
        entry = self._entry
        entry.content = _applied(entry.content, entry.unsynced)
        # SQLite syncs the folder with the first sync of a log or a journal that it has made.
        entry.exists, entry.unsynced, entry.before = True, [], None


def _left_of(entry: _Entry, rng: Random) -> bytes | None:
    """Return what a loss of power leaves of a file; None if it is not there."""
    if not entry.exists and rng.random() < 0.5:
        return entry.before
    chance = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    return _applied(
        entry.content, [part for change in entry.unsynced for part in _parts(*change) if rng.random() < chance]
    )


def _parts(offset: int, data: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """Split a write into the sectors that reach the disk each by itself."""
    if data is None:
        yield offset, None
        return
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES)
        yield offset + start, data[start:end]
        start = end


def _applied(content: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    applied = bytearray(content)
    for offset, data in changes:
        if data is None:
            del applied[offset:]
            continue
        applied.extend(bytes(max(0, offset + len(data) - len(applied))))
        applied[offset : offset + len(data)] = data
    return bytes(applied)
