"""Where keyrings are kept: in a file beside or apart from the database, or in the environment."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from service.domain.keyring import Keyring, KeyringInvalid, new_key_line, parse_keyring

KEYS_VARIABLE: Final = "TIDINGS_KEYRING_KEYS"
_FILE_BYTES_MAX: Final = 1024 * 1024
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
        self.path = path
        self.was_made = False
        self._rng = rng
        self._may_be_made = may_be_made

    def read(self) -> Keyring:
        """Return the keyring as it is now.

        Raises:
            KeyringInvalid: it cannot be read, or makes no sense.
        """
        return parse_keyring(self._text(), source=f"the keyring {self.path}")

    def begin(self) -> Keyring:
        """Return the keyring, after making one with a new key if there is none and one may be made.

        Raises:
            KeyringInvalid: as `read`; or it cannot be written.
        """
        if self._may_be_made and not os.path.lexists(self.path):
            _, line = new_key_line(self._rng)
            with self._writing():
                _write_new(self.path, f"{_HEADER}{line}\n")
            self.was_made = True
        return self.read()

    def add_key(self) -> str:
        """Add a new key at the end, making the file if there is none, and return the key's id.

        Whoever reads it meanwhile finds the file as it was or as it will be. Its owner and its rights stay.

        Raises:
            KeyringInvalid: what is there makes no sense, or it cannot be written.
        """
        key_id, line = new_key_line(self._rng)
        if not os.path.lexists(self.path):
            with self._writing():
                _write_new(self.path, f"{_HEADER}{line}\n")
            return key_id
        # Nothing is added to what could not be read again.
        self.read()
        text = self._text()
        with self._writing():
            _replace(self.path.resolve(), f"{text.rstrip()}\n{line}\n")
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

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyringInvalid(f"the keyring {self.path} cannot be written: {error.strerror}") from error


def _write_new(path: Path, text: str) -> None:
    """Create a file for its owner alone, on stable storage."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        _sync_folder(path)
    except OSError:
        path.unlink()
        raise


def _replace(path: Path, text: str) -> None:
    found = path.stat()
    partial = path.with_name(f"{path.name}.partial")
    if partial.exists():
        raise KeyringInvalid(f"{partial} is there: another command is writing it, or one was killed; remove it")
    _write_new(partial, text)
    try:
        # The server may run as somebody else than whoever adds a key, and must still be able to read it.
        if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(partial, found.st_uid, found.st_gid)
        os.chmod(partial, stat.S_IMODE(found.st_mode))
        partial.replace(path)
    except OSError:
        partial.unlink()
        raise
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
