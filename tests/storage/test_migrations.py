"""How a database gets its tables, and which files are refused."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
import sqlite_utils
from sqlite_utils import Migrations

from service.domain.patterns import may_match_operational
from service.storage import schema
from service.storage.database import OpenError
from service.storage.dialect import Dialect, render
from service.storage.encoding import to_text
from service.storage.migrations import MIGRATIONS, latest, migrate, schema_version
from service.storage.sqlite_file import ServerLock


def releases(*names: str) -> Migrations:
    """Return the migrations of an imaginary version, each of which makes a table of its name."""
    migrations = Migrations("tidings")
    for name in names:

        def make_table(database: sqlite_utils.Database, name: str = name) -> None:
            database.execute(f"CREATE TABLE {name} (id TEXT)")

        migrations(name=name)(make_table)
    return migrations


def tables(path: Path) -> set[str]:
    """Return the names of a database's tables, its own bookkeeping left out."""
    with closing(sqlite3.connect(path)) as connection:
        return set(sqlite_utils.Database(connection).table_names()) - {Migrations.migrations_table}


INSERT_INTO_V1: Final = """
    INSERT INTO subscriptions (
        uid, workspace, id, display_name, url, event_types, attribute_filters, enabled, format, signature_scheme,
        headers, annotations, create_time, update_time, revision, sweep_after
    ) VALUES (:uid, 'acme/main', :uid, :uid, '', :event_types, '{}', 1, 'RAW', 'UNSIGNED', '{}', '{}', 1, 1, 1, '')
"""
SELECT_LISTENERS: Final = "SELECT uid FROM subscriptions WHERE wants_operational_events = 1"


def make_first_version(path: Path) -> None:
    """Create a database of the first version."""
    first = Migrations("tidings")

    @first(name="0001_first_tables")
    def first_tables(database: sqlite_utils.Database) -> None:
        for statement in schema.V1:
            database.execute(render(statement, Dialect.SQLITE))

    migrate(path, migrations=first)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be."""
    return tmp_path / "tidings.db"


def test_missing_database_is_created_with_every_table(path: Path) -> None:
    """The first start needs no separate command."""
    applied = migrate(path)

    assert latest() == applied[-1] == schema_version(path)
    assert {"subscriptions", "events", "notifications"} <= tables(path)


def test_empty_file_counts_as_a_missing_database(path: Path) -> None:
    """An operator may have made the file to give it an owner."""
    path.touch()

    assert [latest()] == migrate(path)[-1:]


def test_migrating_twice_changes_nothing(path: Path) -> None:
    """A restart is no migration."""
    migrate(path)

    assert [] == migrate(path)


def test_older_database_gets_only_what_it_lacks(path: Path) -> None:
    """Yesterday's rows stay."""
    migrate(path, migrations=releases("one"))

    assert ["two", "three"] == migrate(path, migrations=releases("one", "two", "three"))
    assert {"one", "two", "three"} == tables(path)


def test_subscriptions_of_the_first_version_keep_hearing_of_operational_events(path: Path) -> None:
    """They are found by their text: one too many does no harm, and none is missed."""
    patterns = {
        "all": ("tidings.*",),
        "exact": ("agent.created", "tidings.notification.failed"),
        "middle": ("tidings.*.suspended",),
        "one-too-many": ("tidings.nothing.*",),
        "everything": ("*", "*.subscription.suspended"),
        "others": ("agent.tidings.created", "tidings", "tidingsx.*"),
    }
    make_first_version(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        for uid, event_types in patterns.items():
            connection.execute(INSERT_INTO_V1, {"uid": uid, "event_types": to_text(event_types)})

    migrate(path)

    with closing(sqlite3.connect(path)) as connection:
        found = {uid for (uid,) in connection.execute(SELECT_LISTENERS)}
    assert {"all", "exact", "middle", "one-too-many"} == found
    assert {uid for uid, event_types in patterns.items() if may_match_operational(event_types)} <= found


def test_failing_migration_undoes_all_of_them(path: Path) -> None:
    """A database is of one version or of the other, never between."""
    migrate(path, migrations=releases("one"))
    broken = releases("one", "two")

    @broken(name="three")
    def three(database: sqlite_utils.Database) -> None:
        database.execute("CREATE TABLE two (id TEXT)")

    with pytest.raises(OpenError, match="table two already exists"):
        migrate(path, migrations=broken)

    assert {"one"} == tables(path)
    assert "one" == schema_version(path, migrations=broken)


def test_database_of_a_newer_version_is_refused(path: Path) -> None:
    """sqlite-utils would take it, and this version would write rows that the newer one does not expect."""
    migrate(path, migrations=releases("one", "two"))

    with pytest.raises(OpenError, match=r"written by a newer version of Tidings \(migration two\)"):
        migrate(path, migrations=releases("one"))


def test_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    """A slip in a path must not put our tables into somebody's data."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (id INTEGER PRIMARY KEY)")
    before = path.read_bytes()

    with pytest.raises(OpenError, match="database of another program"):
        migrate(path)

    assert before == path.read_bytes()


def test_database_with_another_programs_migrations_is_refused(path: Path) -> None:
    """Other programs keep their migrations in the table of the same name."""
    others = Migrations("songs")
    others(name="one")(lambda database: None)
    with closing(sqlite3.connect(path)) as connection:
        others.apply(sqlite_utils.Database(connection))
        connection.execute("CREATE TABLE songs (id INTEGER PRIMARY KEY)")

    with pytest.raises(OpenError, match="database of another program"):
        migrate(path)


def test_database_that_a_server_has_open_is_not_migrated(path: Path) -> None:
    """Tables do not change under a running server."""
    lock = ServerLock.acquire(path)

    with pytest.raises(OpenError, match="in use by another tidings-server"):
        migrate(path)

    lock.release()
    migrate(path)


def test_missing_database_has_no_version_and_is_not_created_by_asking(path: Path) -> None:
    """`migrate` can say what it would do without doing it."""
    assert schema_version(path) is None
    assert not path.exists()


def test_names_of_migrations_are_in_order() -> None:
    """The last one in order is the version, also of a database that is too new."""
    with closing(sqlite3.connect(":memory:")) as empty:
        names = [migration.name for migration in MIGRATIONS.pending(sqlite_utils.Database(empty))]

    assert sorted(names) == names
