"""The commands for the keys that seal the database's secrets: `tidings-server key new|rotate|list`."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Final

import click

from service.commands.acting import operator
from service.commands.failing import fail
from service.commands.options import database_option, keyring_option
from service.domain.audit import AuditEntry
from service.domain.clock import SystemClock
from service.domain.errors import Unavailable
from service.domain.keyring import KeyringInvalid, SealingKey
from service.storage import audit, resealing, sealing
from service.storage.database import FatalStorageError, OpenError, Transaction
from service.storage.keyring_file import KEYS_VARIABLE, KeyringFile, KeyringText, default_path, keyring_source
from service.storage.resealing import Progress
from service.storage.sqlite import run_beside

_SLICE_MAX: Final = 100
# SQLite looks for a lock that it waits for every 100 ms at last: a server gets its turn in each pause. Without pauses
# its publishes waited up to 5 s.
_PAUSE_S: Final = 0.11
_TELL_EVERY_S: Final = 1.0
_RNG: Final = SystemRandom()
_CLOCK: Final = SystemClock()

_database = database_option(help="The SQLite file whose secrets are sealed.")
_keyring = keyring_option(help="The file with the keys. Without it, the one beside the database.")


@click.group()
def key() -> None:
    """The keys that seal the secrets in a database."""


@key.command()
@_keyring
@database_option(help="The SQLite file beside which the keyring is, unless --keyring names one.")
def new(keyring: Path | None, database: Path) -> None:
    """Add a new key to the keyring, making the file if there is none, and print the key's id.

    It seals nothing yet, unless the database has sealed nothing so far: then the last key of its keyring will.
    """
    try:
        file = KeyringFile(keyring or default_path(database), rng=_RNG)
        key_id = file.add_key()
    except KeyringInvalid as error:
        fail(error)
    click.echo(f"added to {file.path}:", err=True)
    click.echo(key_id)
    _warn_if_open(file)


@key.command()
@_keyring
@_database
@click.option("--to", "key_id", metavar="KEY_ID", help="The key that is to seal, of the keyring; by default a new one.")
def rotate(keyring: Path | None, database: Path, key_id: str | None) -> None:
    """Let another key seal, and seal anew all that was sealed before, while a server uses the database or not.

    What was broken off is gone on with by the server, or with --to and the id of the key that seals. When the keys
    come from TIDINGS_KEYRING_KEYS, --to is needed, and every server must have that key first.
    """
    try:
        _refuse_missing(database)
        source = _source(database, keyring)
        # First, so that no key is added for a database that cannot be opened.
        before = run_beside(database, _needed, keyring=source)
        chosen = _chosen(source, key_id)
        was_changed = run_beside(database, partial(_activate, chosen), keyring=source)
        click.echo(f"{chosen.id}: {'seals from now on' if was_changed else 'seals already'}")
        _warn_if_open(source)
        click.echo(f"if this is broken off, a server goes on, or `key rotate --to {chosen.id}` does", err=True)
        progress = _seal_all(database, source)
        # The server may have sealed the rest meanwhile, so progress does not tell of all of them.
        after = run_beside(database, _needed, keyring=source)
        _report(progress, given_up=[key_id for key_id in before if key_id not in after])
    except (KeyringInvalid, OpenError, FatalStorageError, Unavailable) as error:
        fail(error)


@key.command(name="list")
@_keyring
@_database
def list_keys(keyring: Path | None, database: Path) -> None:
    """Print the id of each key and what it is: active, retiring or unused.

    One that the database needs, and that is not in the keyring, is MISSING; one that is another key of that id there is
    WRONG. Either is an exit code of 1.
    """
    try:
        source = _source(database, keyring)
        _refuse_missing(database)
        states, unusable = run_beside(database, _states, keyring=source)
        held = _held(source)
    except (KeyringInvalid, OpenError, FatalStorageError, Unavailable) as error:
        fail(error)
    for key_id in dict.fromkeys((*states, *held)):
        fault = "" if key_id not in unusable else " WRONG" if key_id in held else " MISSING"
        click.echo(f"{key_id} {states.get(key_id, 'UNUSED').lower()}{fault}")
    if unusable:
        sys.exit(1)


def _states(tx: Transaction) -> tuple[dict[str, str], set[str]]:
    return sealing.states(tx), sealing.unusable(tx)


def _warn_if_open(source: KeyringFile | KeyringText) -> None:
    if isinstance(source, KeyringFile) and source.is_open_to_others:
        click.echo(f"{source.path} can be read by others than its owner: chmod 600 it", err=True)


def _source(database: Path, path: Path | None) -> KeyringFile | KeyringText:
    return keyring_source(database, path=path, keys=os.environ.get(KEYS_VARIABLE), rng=_RNG)


def _refuse_missing(database: Path) -> None:
    if not database.exists():
        raise OpenError(f"there is no database {database}")


def _held(source: KeyringFile | KeyringText) -> list[str]:
    """Return the ids of the keyring's keys; none where it is not there, for then all of them are missing."""
    if isinstance(source, KeyringFile) and not source.path.exists():
        return []
    return list(source.read())


def _chosen(source: KeyringFile | KeyringText, key_id: str | None) -> SealingKey:
    if key_id is None:
        if isinstance(source, KeyringText):
            raise KeyringInvalid(f"the keys come from {KEYS_VARIABLE}: add one there and name it with --to")
        key_id = source.add_key()
    keyring = source.read()
    found = keyring.find(key_id)
    if found is None:
        raise KeyringInvalid(f"{keyring.source} has no key {key_id}; it has {', '.join(keyring)}")
    return found


def _activate(chosen: SealingKey, tx: Transaction) -> bool:
    """Let a key seal from this commit on, and say in the audit log who did."""
    now_ms = _CLOCK.now_ms()
    _prepare(tx)
    before = sealing.active_key(tx).id
    if not resealing.activate(tx, chosen, now_ms=now_ms):
        return False
    audit.insert(
        tx,
        AuditEntry(
            actor=operator(),
            action="key rotate",
            workspace=None,
            resource=f"keys/{chosen.id}",
            time_ms=now_ms,
            before={"active_key": before},
            after={"active_key": chosen.id},
        ),
    )
    return True


def _seal_all(database: Path, source: KeyringFile | KeyringText) -> Progress:
    """Seal everything by the active key, a slice per transaction, so that a server has its turns in between."""
    progress, told_s = Progress(), -_TELL_EVERY_S
    while not progress.is_over:
        before = progress.resealed
        progress = run_beside(database, partial(_seal_slice, progress), keyring=source)
        if progress.resealed > before:
            time.sleep(_PAUSE_S)
        if progress.resealed and _CLOCK.monotonic_s() - told_s >= _TELL_EVERY_S:
            told_s = _CLOCK.monotonic_s()
            click.echo(f"{progress.resealed} sealed anew so far", err=True)
    return progress


def _seal_slice(progress: Progress, tx: Transaction) -> Progress:
    _prepare(tx)
    return resealing.reseal_slice(tx, progress, limit=_SLICE_MAX)


def _needed(tx: Transaction) -> dict[str, str]:
    """Return the keys that the database needs, having made sure that they are there."""
    _prepare(tx)
    return sealing.states(tx)


def _prepare(tx: Transaction) -> None:
    sealing.prepare(tx, now_ms=_CLOCK.now_ms())


def _report(progress: Progress, *, given_up: Sequence[str]) -> None:
    click.echo(f"{progress.resealed} sealed anew")
    if progress.unreadable:
        click.echo(
            f"{progress.unreadable} do not open: delete the subscriptions whose state_reason is SECRETS_UNREADABLE, "
            "then rotate again",
            err=True,
        )
    for key_id in given_up:
        click.echo(f"{key_id}: needed no more by this database; backups from before still need it")
