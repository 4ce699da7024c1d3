"""Copies of a database: what is in them, who may read them, and what is left of one that fails."""

import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from service.storage import events
from service.storage.backup import BackupError, back_up
from service.storage.migrations import migrate
from service.storage.sqlite import SqliteDatabase
from service.storage.sqlite_file import connect
from tests.fakes import event_of
from tests.harness import read_rows

IDS = "SELECT id FROM events ORDER BY id"


async def add(database: SqliteDatabase, *ids: str, payload: bytes = b"{}") -> None:
    """Store events."""
    await database.write(partial(events.insert, events=[event_of(each, payload=payload) for each in ids]))


def ids_in(path: Path) -> list[str]:
    """Return the ids of the events in a database."""
    return [row["id"] for row in read_rows(path, IDS)]


async def test_copy_has_what_was_committed_and_nothing_later(database: SqliteDatabase, tmp_path: Path) -> None:
    """Also what is still in the log alone; the database goes on."""
    await add(database, "one", "two")

    size_bytes = back_up(tmp_path / "tidings.db", tmp_path / "copy.db")
    await add(database, "three")

    assert ["one", "two"] == ids_in(tmp_path / "copy.db")
    assert size_bytes == (tmp_path / "copy.db").stat().st_size
    assert [] == migrate(tmp_path / "copy.db")


async def test_copy_is_for_its_owner_alone_and_the_only_new_file(database: SqliteDatabase, tmp_path: Path) -> None:
    """It holds signing keys. No partial file, journal or log stays beside it."""
    await add(database, "one")
    before = {path.name for path in tmp_path.iterdir()}

    back_up(tmp_path / "tidings.db", tmp_path / "copy.db")

    assert {"copy.db"} == {path.name for path in tmp_path.iterdir()} - before
    assert 0o600 == stat.S_IMODE((tmp_path / "copy.db").stat().st_mode)


async def test_backup_does_not_checkpoint(database: SqliteDatabase, tmp_path: Path) -> None:
    """Neither while it runs nor when it closes its connection: only the server's writer does."""
    await add(database, "one", payload=bytes(100_000))
    files = [tmp_path / "tidings.db", tmp_path / "tidings.db-wal"]
    before = [path.read_bytes() for path in files]

    back_up(tmp_path / "tidings.db", tmp_path / "copy.db")

    assert before == [path.read_bytes() for path in files]


def test_database_of_a_dead_server_can_be_copied(tmp_path: Path) -> None:
    """With what its log says: nobody has opened it since."""
    migrate(tmp_path / "tidings.db")
    with closing(connect(tmp_path / "tidings.db")) as connection:
        connection.execute("INSERT INTO workspaces (workspace, revision) VALUES ('acme/main', 7)")
        for path in tmp_path.glob("tidings.db*"):
            (tmp_path / path.name.replace("tidings", "dead")).write_bytes(path.read_bytes())
    (tmp_path / "dead.db-shm").unlink()

    back_up(tmp_path / "dead.db", tmp_path / "copy.db")

    assert [{"revision": 7}] == read_rows(tmp_path / "copy.db", "SELECT revision FROM workspaces")


@pytest.mark.parametrize(
    ("database", "target", "message"),
    [
        ("none.db", "copy.db", "there is no database"),
        ("other.db", "copy.db", "is not a Tidings database"),
        ("tidings.db", "there.db", "is there already"),
        ("tidings.db", "tidings.db", "is there already"),
        ("tidings.db", "link.db", "is there already"),
        ("tidings.db", "folder", "is a folder"),
        ("tidings.db", "nowhere/copy.db", "there is no folder"),
        ("tidings.db", "busy.db", "another backup is writing it"),
    ],
)
def test_backup_that_cannot_be_made_says_why_and_touches_nothing(
    tmp_path: Path, database: str, target: str, message: str
) -> None:
    """One sentence, and every file as it was."""
    migrate(tmp_path / "tidings.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE songs (id TEXT)")
    (tmp_path / "folder").mkdir()
    (tmp_path / "there.db").write_text("precious")
    (tmp_path / "busy.db.partial").write_text("under way")
    (tmp_path / "link.db").symlink_to("gone")
    before = contents(tmp_path)

    with pytest.raises(BackupError, match=message):
        back_up(tmp_path / database, tmp_path / target)

    assert before == contents(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files of a folder say, without the locks and logs of databases."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    }


def test_backup_that_the_disk_has_no_room_for_leaves_nothing(tmp_path: Path) -> None:
    """It fails in the middle of the copy: here at the largest file that the process may write."""
    migrate(tmp_path / "tidings.db")
    with closing(connect(tmp_path / "tidings.db")) as connection:
        connection.execute("INSERT INTO workspaces (workspace, revision) VALUES (:long, 1)", {"long": "x" * 1_000_000})

    failed = subprocess.run(
        [sys.executable, "-m", "service", "backup", "--database", tmp_path / "tidings.db", tmp_path / "copy.db"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == failed.returncode
    assert f"could not be copied to {tmp_path / 'copy.db'}" in failed.stderr
    assert 1 == len(failed.stderr.splitlines())
    assert [] == list(tmp_path.glob("copy*"))


async def test_damaged_database_makes_no_backup(database: SqliteDatabase, tmp_path: Path) -> None:
    """A copy that is not whole would be found out when it is needed."""
    await add(database, *(f"event-{number:03}" for number in range(200)), payload=bytes(1_000))
    await database.close()
    path = tmp_path / "tidings.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 8192)

    with pytest.raises(BackupError, match=r"damaged|malformed"):
        back_up(path, tmp_path / "copy.db")

    assert [] == list(tmp_path.glob("copy*"))
