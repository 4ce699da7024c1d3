"""What becomes of works, and of what was acknowledged, when the disk is full or the file broken or out of place."""

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from service.domain.errors import DiskFull, StorageUnavailable
from service.storage.database import Essential, FatalStorageError, OpenError, Transaction
from service.storage.migrations import migrate
from service.storage.sqlite import SqliteDatabase, run_beside
from service.storage.sqlite_connections import SqliteReader, SqliteWriter
from service.storage.sqlite_disk import Disk
from service.storage.sqlite_file import connect, connect_reader
from tests.disks import fill, small_disk
from tests.fakes import SECOND_MS, FakeClock
from tests.harness import eventually
from tests.storage.works import INSERT, LARGE, PAGE_BYTES, Open, as_one_group, insert, log_bytes, names, revisions

KIB: Final = 1024
BALLAST_BYTES: Final = 256 * KIB
ROOM_BYTES: Final = 64 * KIB
INSERT_MANY: Final = """
    WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < :count)
    INSERT INTO workspaces (workspace, revision) SELECT :prefix || number, number FROM numbers
"""
DELETE: Final = "DELETE FROM workspaces WHERE workspace < :before"
SELECT_ROOT_PAGE: Final = "SELECT rootpage FROM sqlite_master WHERE name = 'workspaces'"
FEW_PAGES: Final = "PRAGMA max_page_count = 1"  # SQLite makes it the number of pages that there are.
MANY_PAGES: Final = "PRAGMA max_page_count = 1000000"


def delete(tx: Transaction, before: str) -> None:
    """Delete the first rows."""
    tx.execute(DELETE, before=before)


class Beside:
    """A writer and a reader on a disk of 2 MiB, without threads, and a clock that says when the disk is looked at."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.path = folder / "tidings.db"
        self.filler = folder / "filler"
        self.clock = clock
        self.disk = Disk(self.path, ballast_bytes=BALLAST_BYTES, room_bytes=ROOM_BYTES)
        self.disk.before_open()
        migrate(self.path)
        self.disk.after_open()
        self.ballast = folder / "tidings.db.ballast"
        self.writer = SqliteWriter(
            connect(self.path), self.path, log_bytes_max=64 * KIB, disk=self.disk, clock=self.clock
        )
        self.reader = SqliteReader(connect_reader(self.path), self.path)

    def write(self, *works: Any) -> list[str]:
        """Run works as one batch and return the name of each one's error, "" for none; then checkpoint as a server."""
        results = self.writer.run_batch(works)
        self.writer.checkpoint_if_due()
        return [type(result.error).__name__ if result.error else "" for result in results]

    def write_until_full(self) -> list[str]:
        """Write until the disk is full and return the rows that were acknowledged."""
        acknowledged: list[str] = []
        for number in range(100_000):
            row = f"{number:06}" + "x" * 500
            if self.write(partial(insert, workspace=row)) != [""]:
                return acknowledged
            acknowledged.append(row)
        raise AssertionError("the disk was never full")

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Let another program use up the disk."""
        fill(self.filler, leave_bytes=leave_bytes)

    def names(self) -> list[str]:
        """Return the rows, as a reader sees them."""
        rows: list[str] = self.reader.run(names).value
        return rows

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def on_small_disk(tmp_path: Path, clock: FakeClock) -> Iterator[Beside]:
    """A writer on a disk of 2 MiB of its own."""
    with small_disk(tmp_path / "disk", "2m") as folder, closing(Beside(folder, clock)) as beside:
        yield beside


# --- a full disk


def test_ballast_takes_real_room_for_its_owner_alone(on_small_disk: Beside) -> None:
    """A file with a hole in it would keep nothing."""
    found = on_small_disk.ballast.stat()

    assert (BALLAST_BYTES, BALLAST_BYTES, 0o600) == (found.st_size, found.st_blocks * 512, stat.S_IMODE(found.st_mode))


def test_outcomes_are_recorded_on_a_full_disk_and_new_work_is_refused(on_small_disk: Beside) -> None:
    """The ballast's room is for them alone."""
    acknowledged = on_small_disk.write_until_full()
    on_small_disk.fill(leave_bytes=BALLAST_BYTES)
    essentials = [f"essential-{number}" for number in range(50)]

    first = on_small_disk.write(partial(insert, workspace="new"), Essential(partial(insert, workspace=essentials[0])))
    others = [on_small_disk.write(Essential(partial(insert, workspace=each))) for each in essentials[1:]]

    assert ["DiskFull", ""] == first
    assert [[""]] * 49 == others
    assert ["DiskFull"] == on_small_disk.write(partial(insert, workspace="new"))
    assert sorted([*acknowledged, *essentials]) == on_small_disk.names()
    assert on_small_disk.writer.fatal is None


def test_essential_work_of_the_group_that_finds_the_disk_full_is_run_again_at_once(on_small_disk: Beside) -> None:
    """It is not told of it: the room that was kept is there now."""
    on_small_disk.fill()

    assert ["DiskFull", ""] == on_small_disk.write(
        partial(insert, workspace=LARGE), Essential(partial(insert, workspace="essential"))
    )
    assert ["essential"] == on_small_disk.names()
    assert not on_small_disk.ballast.exists()


def test_refused_work_is_not_tried(on_small_disk: Beside) -> None:
    """A publisher that comes again and again costs a full disk nothing."""
    on_small_disk.write_until_full()
    ran: list[str] = []

    for _ in range(10):
        on_small_disk.write(lambda tx: ran.append("ran"))
        on_small_disk.clock.advance(SECOND_MS)

    assert [] == ran


def test_full_disk_is_over_when_there_is_room_for_the_ballast_and_more(on_small_disk: Beside) -> None:
    """The room that the ballast gave up is not taken for room, and the ballast is made anew."""
    on_small_disk.fill()
    new = partial(insert, workspace="new")
    assert ["DiskFull"] == on_small_disk.write(partial(insert, workspace=LARGE))
    on_small_disk.clock.advance(SECOND_MS)
    assert ["DiskFull"] == on_small_disk.write(new)

    on_small_disk.filler.unlink()
    assert ["DiskFull"] == on_small_disk.write(new)
    on_small_disk.clock.advance(SECOND_MS)

    assert [""] == on_small_disk.write(new)
    assert BALLAST_BYTES == on_small_disk.ballast.stat().st_size
    assert ["new"] == on_small_disk.names()


def test_full_disk_is_over_when_enough_is_deleted_in_the_database(on_small_disk: Beside) -> None:
    """A file does not become shorter by what is deleted in it, slice by slice, but there is room in it then."""
    acknowledged = on_small_disk.write_until_full()
    new = partial(insert, workspace="new")
    on_small_disk.clock.advance(SECOND_MS)
    assert ["DiskFull"] == on_small_disk.write(new)

    for before in acknowledged[50:-50:50]:
        assert [""] == on_small_disk.write(Essential(partial(delete, before=before)))
    on_small_disk.clock.advance(SECOND_MS)

    assert [""] == on_small_disk.write(new)
    assert "new" in on_small_disk.names()


def test_ballast_that_was_given_up_is_made_again_at_the_next_start(tmp_path: Path, clock: FakeClock) -> None:
    """Or new work would use up its room, and the outcomes of that work would find none."""
    with small_disk(tmp_path / "disk", "2m") as folder:
        with closing(Beside(folder, clock)) as full:
            full.fill(leave_bytes=PAGE_BYTES)
            full.write(partial(insert, workspace=LARGE))
            assert not full.ballast.exists()
        with closing(Beside(folder, clock)) as again:
            assert again.ballast.exists()


def test_start_on_a_full_disk_uses_the_ballast(tmp_path: Path, clock: FakeClock) -> None:
    """Or a server that dies on a full disk could not even serve reads again. Without a ballast it says why."""
    with small_disk(tmp_path / "disk", "2m") as folder:
        Beside(folder, clock).close()
        fill(folder / "filler")
        with closing(Beside(folder, clock)) as again:
            assert ["DiskFull"] == again.write(partial(insert, workspace="new"))
            assert [""] == again.write(Essential(partial(insert, workspace="essential")))
            assert ["essential"] == again.names()
        fill(folder / "filler")

        with pytest.raises(OpenError, match=r"tidings.db cannot be opened: the disk is full$"):
            SqliteDatabase.open(folder / "tidings.db", on_fatal=print)


def test_disk_without_room_for_a_ballast_is_used_without(tmp_path: Path) -> None:
    """And half of one is not left behind."""
    with small_disk(tmp_path / "disk", "1m") as folder:
        disk = Disk(folder / "tidings.db", ballast_bytes=960 * KIB, room_bytes=0)
        (folder / "other").write_bytes(bytes(128 * KIB))
        disk.look()

        assert (["other"], False) == (os.listdir(folder), disk.is_full)


async def test_log_whose_database_is_gone_is_left_alone(open_database: Open, tmp_path: Path) -> None:
    """SQLite would empty it, and with it all that was acknowledged since it was last copied into the database."""
    path, kept = tmp_path / "tidings.db", tmp_path / "kept"
    database = open_database(path)
    await database.write(partial(insert, workspace="acknowledged"))
    kept.mkdir()
    for file in (path, Path(f"{path}-wal")):
        (kept / file.name).write_bytes(file.read_bytes())
    await database.close()
    path.unlink()
    (kept / f"{path.name}-wal").rename(f"{path}-wal")

    with pytest.raises(OpenError, match=r"there is no .+tidings.db, but .+-wal holds what belongs to it"):
        open_database(path)
    (kept / path.name).rename(path)
    again = open_database(path)

    assert ["acknowledged"] == await again.read(names)
    await again.close()


async def test_server_whose_lock_is_deleted_stops(
    open_database: Open, tmp_path: Path, fatal_errors: list[FatalStorageError]
) -> None:
    """A second one could have the same database."""
    path = tmp_path / "tidings.db"
    database = open_database(path)
    Path(f"{path}.lock").unlink()

    async def has_stopped() -> bool:
        await is_written_at_all(database)
        return bool(fatal_errors)

    await eventually(has_stopped)
    assert "so that a second one could use the database" in str(fatal_errors[0])
    await database.close()


async def is_written_at_all(database: SqliteDatabase) -> None:
    """Give the writer something to do."""
    with suppress(StorageUnavailable):
        await database.write(lambda tx: tx.rows("SELECT 1 AS one"))


def test_full_disk_is_not_over_before_there_is_a_ballast_again(tmp_path: Path) -> None:
    """Room inside the database is for new work. What must be written at any time needs room on the disk."""
    with small_disk(tmp_path / "disk", "2m") as folder:
        disk = Disk(folder / "tidings.db", ballast_bytes=512 * KIB, room_bytes=64 * KIB)
        disk.after_open()
        disk.ran_out()
        fill(folder / "filler", leave_bytes=200 * KIB)
        seen = []
        for leave_bytes in (200 * KIB, 400 * KIB):
            (folder / "filler").unlink()
            fill(folder / "filler", leave_bytes=leave_bytes)
            disk.look(unused_bytes=1024 * KIB)
            seen.append((disk.is_full, (folder / "tidings.db.ballast").exists()))

        assert [(True, False), (False, True)] == seen


async def filled(database: SqliteDatabase) -> list[str]:
    """Write until the disk is full and return the rows that were acknowledged."""
    acknowledged: list[str] = []
    for number in range(10_000):
        workspace = f"{number:05}" + "x" * 500
        if not await is_written(database, workspace):
            return acknowledged
        acknowledged.append(workspace)
    raise AssertionError("the disk was never full")


async def is_written(database: SqliteDatabase, workspace: str) -> bool:
    """Write a row, and say whether there was room for it."""
    try:
        await database.write(partial(insert, workspace=workspace))
    except DiskFull:
        return False
    return True


async def test_server_on_a_full_disk_reads_on_and_resumes_by_itself(
    open_database: Open, tmp_path: Path, fatal_errors: list[FatalStorageError]
) -> None:
    """The same with threads, and with the clock of the machine."""
    with small_disk(tmp_path / "disk", "2m") as folder:
        database = open_database(folder / "tidings.db", ballast_bytes=BALLAST_BYTES, room_bytes=ROOM_BYTES)
        filler = folder / "filler"
        fill(filler, leave_bytes=128 * KIB)
        acknowledged = await filled(database)
        await database.write(Essential(partial(insert, workspace="essential")))

        assert [*acknowledged, "essential"] == await database.read(names)
        filler.unlink()
        await eventually(partial(is_written, database, "later"))
        assert [*acknowledged, "essential", "later"] == await database.read(names)
        assert [] == fatal_errors
        await database.close()


async def test_full_disk_fails_the_whole_group_and_is_over_when_there_is_room(
    open_database: Open, fatal_errors: list[FatalStorageError]
) -> None:
    """SQLite rolls everything back by itself; a work that had gone well must not be answered OK."""
    database = open_database()
    await database.write(lambda tx: tx.rows(FEW_PAGES))

    results = await as_one_group(
        database,
        partial(insert, workspace="before"),
        partial(insert, workspace=LARGE),
        partial(insert, workspace="after"),
    )

    assert [DiskFull] * 3 == [type(result) for result in results]
    assert [] == await database.read(names)
    await database.write(Essential(lambda tx: tx.rows(MANY_PAGES)))
    await eventually(partial(is_written, database, "later"))
    assert ["later"] == await database.read(names)
    assert [] == fatal_errors


async def test_full_disk_that_undoes_one_statement_fails_one_work(open_database: Open) -> None:
    """Where SQLite keeps the transaction, so do we."""
    database = open_database()
    await database.write(lambda tx: tx.rows(FEW_PAGES))

    results = await as_one_group(
        database,
        partial(insert, workspace="before"),
        lambda tx: tx.execute(INSERT_MANY, count=1000, prefix="x"),
        partial(insert, workspace="after"),
    )

    assert [type(None), DiskFull, type(None)] == [type(result) for result in results]
    assert ["after", "before"] == await database.read(names)


# --- input/output errors and damage


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Make every write beyond a size fail, as a broken disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_input_output_error_stops_everything(
    open_database: Open, fatal_errors: list[FatalStorageError], path: Path
) -> None:
    """After a write that failed nobody knows what is on the disk: told once, and refused from then on."""
    database = open_database()
    await database.write(partial(insert, workspace="a"))

    with file_size_limit(log_bytes(path) + PAGE_BYTES):
        results = await as_one_group(database, partial(insert, workspace="b"), partial(insert, workspace=LARGE))

    assert [StorageUnavailable] * 2 == [type(result) for result in results]
    sentence = f"the disk of the database {path} failed (disk I/O error, SQLITE_IOERR_WRITE); mend it and start the "
    assert [f"{sentence}server again"] == list(map(str, fatal_errors))
    with pytest.raises(StorageUnavailable):
        await database.write(names)
    with pytest.raises(StorageUnavailable):
        await database.read(names)


def test_checkpoint_that_cannot_write_stops_everything(path: Path) -> None:
    """What was committed is in the log, and the next start finds it there."""
    migrate(path)
    with closing(connect(path)) as connection:
        writer = SqliteWriter(connection, path, log_bytes_max=0)
        writer.run_batch([partial(insert, workspace=LARGE)])
        with file_size_limit(path.stat().st_size):
            writer.checkpoint_if_due()

        assert "SQLITE_IOERR_WRITE" in str(writer.fatal)
        assert ["StorageUnavailable"] == [type(each.error).__name__ for each in writer.run_batch([names])]
    assert [LARGE] == run_beside(path, names)


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_damaged_file_stops_everything(
    open_database: Open, fatal_errors: list[FatalStorageError], path: Path, kind: str
) -> None:
    """Whoever meets the damage first, a write or a read."""
    run_beside(path, partial(insert, workspace="a"))
    root_page = run_beside(path, lambda tx: tx.rows(SELECT_ROOT_PAGE)[0]["rootpage"])
    with path.open("r+b") as file:
        file.seek((root_page - 1) * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)
    database = open_database()

    with pytest.raises(StorageUnavailable):
        await (database.write(revisions) if kind == "write" else database.read(revisions))
    with pytest.raises(StorageUnavailable):
        await database.write(names)

    run_beside(path, lambda tx: None, busy_timeout_s=0)  # The failed write holds no lock.
    [fatal_error] = map(str, fatal_errors)
    assert fatal_error.startswith(f"the database {path} is damaged (database disk image is malformed, SQLITE_CORRUPT")
    assert fatal_error.endswith("restore it from a backup")


# --- a file that others hold, move or delete


def test_file_that_another_process_locks_is_waited_for_and_then_refused(path: Path) -> None:
    """Nothing is lost and nothing stops: the next batch may succeed."""
    migrate(path)
    with closing(connect(path, busy_timeout_s=0.01)) as connection, closing(sqlite3.connect(path)) as other:
        writer = SqliteWriter(connection, path, log_bytes_max=0)
        other.execute("BEGIN IMMEDIATE")
        [refused] = writer.run_batch([partial(insert, workspace="a")])
        other.rollback()
        [done] = writer.run_batch([partial(insert, workspace="b")])

        assert isinstance(refused.error, StorageUnavailable)
        assert (None, None) == (done.error, writer.fatal)


@pytest.fixture
def writer(path: Path, clock: FakeClock) -> Iterator[SqliteWriter]:
    """A writer that has acknowledged a row."""
    migrate(path)
    with closing(connect(path)) as connection:
        writer = SqliteWriter(connection, path, log_bytes_max=1 << 20, clock=clock)
        assert None is writer.run_batch([partial(insert, workspace="a")])[0].error
        yield writer


def later(writer: SqliteWriter, clock: FakeClock) -> str:
    """Let a second pass, write, and return the fatal error that came of it; "" if none did."""
    clock.advance(SECOND_MS)
    [result] = writer.run_batch([partial(insert, workspace="b")])
    assert isinstance(result.error, StorageUnavailable) == (writer.fatal is not None)
    return str(writer.fatal or "")


def test_database_that_was_moved_stops_everything_and_can_be_put_back(
    writer: SqliteWriter, clock: FakeClock, path: Path
) -> None:
    """What was acknowledged is partly in the file and partly in the log that stayed."""
    moved = path.rename(path.with_name("elsewhere.db"))
    assert f"the database {path} was moved, replaced or deleted while the server ran" in later(writer, clock)
    writer.close()
    moved.rename(path)

    assert ["a"] == run_beside(path, names)


def test_database_that_was_replaced_stops_everything(writer: SqliteWriter, clock: FakeClock, path: Path) -> None:
    """A backup that is copied into place under a server would get none of its commits."""
    path.rename(path.with_name("elsewhere.db"))
    path.touch()

    assert f"the database {path} was moved, replaced or deleted" in later(writer, clock)


@pytest.mark.parametrize("with_its_folder", [False, True])
def test_database_that_was_deleted_stops_everything(
    writer: SqliteWriter, clock: FakeClock, path: Path, with_its_folder: bool
) -> None:
    """Its own file is nowhere any more, whatever is committed to it."""
    if with_its_folder:
        shutil.rmtree(path.parent)
    else:
        path.unlink()

    assert f"the database {path} was moved, replaced or deleted" in later(writer, clock)


def test_log_that_was_deleted_stops_everything_and_nothing_is_lost(
    writer: SqliteWriter, clock: FakeClock, path: Path
) -> None:
    """Somebody tidied up. The open log is copied into the database when it is closed."""
    Path(f"{path}-wal").unlink()
    assert f"the log {path}-wal was moved, replaced or deleted while the server ran" in later(writer, clock)
    writer.close()

    assert ["a"] == run_beside(path, names)


def test_disk_that_is_covered_by_another_stops_everything(tmp_path: Path, clock: FakeClock) -> None:
    """Mounted over, or unmounted lazily: the path leads elsewhere."""
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "tidings.db"
    migrate(path)
    with closing(connect(path)) as connection:
        writer = SqliteWriter(connection, path, log_bytes_max=1 << 20, clock=clock)
        folder.rename(tmp_path / "below")
        with small_disk(folder, "1m"):
            assert "was moved, replaced or deleted" in later(writer, clock)


def test_files_are_looked_at_once_a_second_at_most(writer: SqliteWriter, clock: FakeClock, path: Path) -> None:
    """Not for every commit."""
    path.rename(path.with_name("elsewhere.db"))
    clock.advance(SECOND_MS - 1)
    assert None is writer.run_batch([partial(insert, workspace="b")])[0].error
    clock.advance(1)

    assert [StorageUnavailable] == [type(each.error) for each in writer.run_batch([names])]


def test_file_that_is_made_read_only_under_the_server_stays_writable_to_it(
    writer: SqliteWriter, clock: FakeClock, path: Path
) -> None:
    """Rights are asked at opening; so nothing is lost, and the next start is refused with a sentence."""
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert "" == later(writer, clock)
    finally:
        path.parent.chmod(0o755)
    assert [{"workspace": "a"}, {"workspace": "b"}] == [
        dict(row) for row in writer.run_batch([lambda tx: tx.rows("SELECT workspace FROM workspaces")])[0].value
    ]


@pytest.fixture
def ext4_disk(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 file system, which makes itself read-only after an error. Skips where there can be none."""
    image, folder = tmp_path / "image", tmp_path / "ext4"
    folder.mkdir()
    image.write_bytes(bytes(8 << 20))
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"an ext4 file system cannot be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_file_system_that_became_read_only_stops_everything(ext4_disk: Path, clock: FakeClock) -> None:
    """As ext4 does after an error of the disk. SQLite calls it an input/output error; the sentence says more."""
    path = ext4_disk / "tidings.db"
    migrate(path)
    with closing(connect(path)) as connection:
        writer = SqliteWriter(connection, path, log_bytes_max=1 << 20, clock=clock)
        writer.run_batch([lambda tx: tx.execute(INSERT, workspace="a")])
        subprocess.run(["mount", "-o", "remount,abort", ext4_disk], check=True, capture_output=True)

        assert "SQLITE_IOERR_WRITE: Read-only file system); mend it" in later(writer, clock)
