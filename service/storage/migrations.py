"""Which tables a database has, and how an older one gets those of today.

Migrations are append-only: a released one is never edited, for databases exist that have run it. All of them that a
database lacks are applied in one transaction.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlite_utils
from sqlite_utils import Migrations

from service.domain.points import AtPoint, pass_by
from service.storage import schema
from service.storage.database import OpenError
from service.storage.dialect import Dialect, render
from service.storage.sqlite_file import ServerLock, connect, connect_reader, keep_log, plain_errors

MIGRATIONS: Final = Migrations("tidings")


@MIGRATIONS(name="0001_first_tables")
def _first_tables(database: sqlite_utils.Database) -> None:
    for statement in schema.V1:
        database.execute(render(statement, Dialect.SQLITE))


@MIGRATIONS(name="0002_filters_rotation_schemas_replays_changes")
def _second_tables(database: sqlite_utils.Database) -> None:
    for statement in schema.V2:
        database.execute(render(statement, Dialect.SQLITE))


@MIGRATIONS(name="0003_lanes_retention")
def _third_tables(database: sqlite_utils.Database) -> None:
    for statement in schema.V3:
        database.execute(render(statement, Dialect.SQLITE))


@MIGRATIONS(name="0004_credentials_sealing_audit")
def _fourth_tables(database: sqlite_utils.Database) -> None:
    for statement in schema.V4:
        database.execute(render(statement, Dialect.SQLITE))


def migrate(path: Path, *, migrations: Migrations = MIGRATIONS) -> list[str]:
    """Bring the database at `path` to today's schema, creating it if there is none, and return what was applied.

    Raises:
        OpenError: it cannot be opened, a server has it open, or it is not ours or not ours to change.
    """
    lock = ServerLock.acquire(path)
    try:
        with closing(connect(path)) as connection:
            applied = upgrade(connection, path, migrations=migrations)
    except BaseException:
        lock.discard()
        raise
    lock.release()
    return applied


def upgrade(
    connection: sqlite3.Connection,
    path: Path,
    *,
    migrations: Migrations = MIGRATIONS,
    at_point: AtPoint = pass_by,
) -> list[str]:
    """Apply the migrations that a database lacks, all or none, and return their names. The caller holds the lock.

    Raises:
        OpenError: another program's database, one that a newer version has written, or a statement that failed.
    """
    database = sqlite_utils.Database(connection, execute_plugins=False)
    with plain_errors(path):
        # sqlite-utils begins deferred transactions; inside ours, which has the write lock, it makes savepoints.
        connection.execute("BEGIN IMMEDIATE")
        try:
            pending = _pending(database, path, migrations)
            if pending:
                migrations.apply(database)
                at_point("migration.before_commit")
            connection.execute("COMMIT")
        finally:
            database.rollback()
    # Only now is it certain that the file is ours to change.
    keep_log(connection, path)
    at_point("migrated")
    return pending


def schema_version(path: Path, *, migrations: Migrations = MIGRATIONS) -> str | None:
    """Return the name of the last migration that the database at `path` has run; None if there is none.

    Raises:
        OpenError: it cannot be opened.
    """
    if not path.exists():
        return None
    with closing(connect_reader(path)) as connection, plain_errors(path):
        applied = migrations.applied(sqlite_utils.Database(connection, execute_plugins=False))
    return applied[-1].name if applied else None


def check_current(path: Path, *, migrations: Migrations = MIGRATIONS) -> None:
    """Refuse a database that has other tables than this program reads, for whoever must not change them.

    Raises:
        OpenError: there is none, or it is of another version; the message says what to do.
    """
    version = schema_version(path, migrations=migrations)
    if version is None:
        raise OpenError(f"there is no Tidings database {path}")
    if version not in _names(migrations):
        raise OpenError(_newer(path, version))
    if version != latest(migrations):
        raise OpenError(f"{path} was written by an earlier version of Tidings; run tidings-server migrate first")


def latest(migrations: Migrations = MIGRATIONS) -> str:
    """Return the name of the last migration: the schema version that this program works with."""
    return _names(migrations)[-1]


def _pending(database: sqlite_utils.Database, path: Path, migrations: Migrations) -> list[str]:
    """Return the names of the migrations to run, having made sure that this is a database to run them on."""
    applied = [migration.name for migration in migrations.applied(database)]
    if not applied and set(database.table_names()) - {Migrations.migrations_table}:
        raise OpenError(
            f"{path} is a database of another program; name a Tidings database, or a file that is not there"
        )
    # sqlite-utils takes no notice of a migration that it does not know, and this version would write wrong rows.
    unknown = set(applied) - set(_names(migrations))
    if unknown:
        raise OpenError(_newer(path, max(unknown)))
    return [migration.name for migration in migrations.pending(database)]


def _newer(path: Path, migration: str) -> str:
    return (
        f"{path} was written by a newer version of Tidings (migration {migration}); "
        "run that version, or restore the backup from before it"
    )


def _names(migrations: Migrations) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as empty:
        return [migration.name for migration in migrations.pending(sqlite_utils.Database(empty, execute_plugins=False))]
