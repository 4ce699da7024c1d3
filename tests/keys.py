"""The keyring that tests use where none is beside the database, and a look at what is sealed."""

from pathlib import Path
from random import Random
from typing import Final

from service.domain.keyring import SealingKey, parse_keyring
from service.storage import sealing
from service.storage.keyring_file import KeyringText
from service.storage.sealer import Sealer
from service.storage.sqlite_connections import SqliteWriter
from tests.fakes import NOW_MS

KEYS: Final = "first:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def sealer(keys: str = KEYS) -> Sealer:
    """Return what seals with the tests' keys, and with nonces that are the same each time."""
    return Sealer(KeyringText(keys), rng=Random(4711))


def prepare(writer: SqliteWriter) -> None:
    """Let the last of a writer's keys seal from now on, as opening a database does."""
    [result] = writer.run_batch([lambda tx: sealing.prepare(tx, now_ms=NOW_MS)])
    assert result.error is None, result.error


def last_key(keyring: Path) -> SealingKey:
    """Return the key that was added last to a file."""
    return parse_keyring(keyring.read_text(), source=str(keyring)).last
