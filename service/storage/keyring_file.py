"""Where keyrings are kept: in a file beside or apart from the database, or in the environment."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final, TextIO

from service.domain.keyring import Keyring, KeyringInvalid, new_key_line, parse_keyring

KEYS_VARIABLE: Final = "TIDINGS_KEYRING_KEYS"
_FILE_BYTES_MAX: Final = 1024 * 1024
# A line of a keyring, whole or cut off, or the key alone. No path looks like that by accident.
_KEY: Final = re.compile(
    r"^\s*(?:[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[A-Za-z0-9+/]{32,}={0,2}|[A-Za-z0-9+/]{42,43}=)\s*$", re.MULTILINE
)
_HEADER: Final = """\
# The keys that seal the secrets in a Tidings database. Whoever has the database and this file can read them; without
# this file nobody can. Keep a copy, apart from the database and its backups.
"""


def default_path(database: Path) -> Path:
    """Return where a database has its keyring unless another is named."""
    return Path(f"{database.resolve()}.keyring")


def keyring_source(database: Path, *, path: Path | None, keys: str | None, rng: Random) -> "KeyringFile | KeyringText":
    """Return where the keyring of a database is: what was given, or the file beside it, which may be made.

    Raises:
        KeyringInvalid: both a file and keys were given.
    """
    if keys is not None and path is not None:
        raise KeyringInvalid(f"--keyring names {path}, and {KEYS_VARIABLE} has keys too: give one of them")
    if keys is not None:
        return KeyringText(keys)
    return KeyringFile(path or default_path(database), rng=rng, may_be_made=path is None)


class KeyringText:
    """The keys themselves, from the environment. They are read once: a running process cannot be given others."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "KeyringText()"

    def read(self) -> Keyring:
        """Return the keyring."""
        return parse_keyring(self._text, source=KEYS_VARIABLE)

    def begin(self) -> Keyring:
        """Return the keyring."""
        return self.read()


class KeyringFile:
    """A file with a keyring.

    Args:
        rng: where new keys come from.
        may_be_made: whether `begin` writes a new one where there is none.
    """

    def __init__(self, path: Path, *, rng: Random, may_be_made: bool = False) -> None:
        if _KEY.search(str(path)):
            # Without what was given: it would stand in a log.
            raise KeyringInvalid(f"--keyring: that is a key, not a file: give it as {KEYS_VARIABLE}")
        self.path = path
        self.was_made = False
        self._rng = rng
        self._may_be_made = may_be_made

    def read(self) -> Keyring:
        """Return the keyring as it is now.

        Raises:
            KeyringInvalid: it cannot be read, or makes no sense.
        """
        return self._parsed(self._text())

    def begin(self) -> Keyring:
        """Return the keyring, after making one with a new key if there is none and one may be made.

        Raises:
            KeyringInvalid: as `read`; or it cannot be written.
        """
        if self._may_be_made and not os.path.lexists(self.path):
            with self._writing():
                self.was_made = _make(self.path, *new_key_line(self._rng))
        if not self.path.exists():
            raise KeyringInvalid(
                f"there is no keyring {self.path}: make one with `tidings-server key new --keyring {self.path}`"
            )
        return self.read()

    def add_key(self) -> str:
        """Add a new key at the end, making the file if there is none, and return the key's id.

        Whoever reads it meanwhile finds the file as it was or as it will be. Its owner and its rights stay.

        Raises:
            KeyringInvalid: what is there makes no sense, another command writes it, or it cannot be written.
        """
        key_id, line = new_key_line(self._rng)
        with self._writing():
            if os.path.lexists(self.path) or not _make(self.path, key_id, line):
                self._append(line)
        return key_id

    @property
    def is_open_to_others(self) -> bool:
        """Whether somebody beside its owner may read it."""
        with suppress(OSError):
            return bool(self.path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
        return False

    def _text(self) -> str:
        try:
            with self.path.open("rb") as file:
                data = file.read(_FILE_BYTES_MAX + 1)
        except OSError as error:
            raise KeyringInvalid(f"the keyring {self.path} cannot be read: {error.strerror}") from error
        if len(data) > _FILE_BYTES_MAX or not data.isascii():
            raise KeyringInvalid(f"the keyring {self.path} is not a keyring: it must be ASCII, and at most 1 MiB")
        return data.decode("ascii")

    def _parsed(self, text: str) -> Keyring:
        return parse_keyring(text, source=f"the keyring {self.path}")

    def _append(self, line: str) -> None:
        path = self.path.resolve()
        partial = path.with_name(f"{path.name}.partial")
        # Taken before anything is read: whoever adds a key at the same time would write over this one.
        descriptor = _create(partial)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                text = self._text()
                # Nothing is added to what could not be read again.
                self._parsed(text)
                _write(file, f"{text.rstrip()}\n{line}\n")
            _allow_as(path, partial)
            partial.replace(path)
        except (OSError, KeyringInvalid):
            partial.unlink()
            raise
        _sync_folder(path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyringInvalid(f"the keyring {self.path} cannot be written: {error.strerror}") from error


def _make(path: Path, key_id: str, line: str) -> bool:
    """Make a keyring with one key; False, and nothing is done, if there is one by now.

    It gets its name once it is complete, so no start ever meets half of it. Its name before that is another one each
    time, so what a killed process left is in nobody's way.
    """
    partial = path.with_name(f"{path.name}.{key_id}")
    descriptor = _create(partial)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            _write(file, f"{_HEADER}{line}\n")
        # Unlike a rename, this never replaces anything.
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    _sync_folder(path)
    return True


def _create(partial: Path) -> int:
    """Create a file for its owner alone."""
    try:
        return os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyringInvalid(
            f"{partial} is there: another command is writing it, or one was killed; remove it"
        ) from error


def _write(file: TextIO, text: str) -> None:
    """Write to stable storage."""
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _allow_as(path: Path, partial: Path) -> None:
    """Allow with one file what is allowed with another."""
    found = path.stat()
    # The server may run as somebody else than whoever adds a key, and must still be able to read it.
    if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(partial, found.st_uid, found.st_gid)
    os.chmod(partial, stat.S_IMODE(found.st_mode))


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
