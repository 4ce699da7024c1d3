"""What SQLite adds: group commit, one writer, a lock, and files that cannot be opened."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from service.domain.errors import StorageUnavailable
from service.storage.database import FatalStorageError, Long, OpenError, Transaction
from service.storage.migrations import migrate
from service.storage.sqlite import SqliteDatabase, run_beside
from service.storage.sqlite_connections import SqliteReader, SqliteWriter, WorkResult
from service.storage.sqlite_file import ServerLock, connect, connect_reader
from tests.storage.works import (
    PAGE_BYTES,
    REPOSITORY,
    WAIT_S,
    Gate,
    Open,
    as_one_group,
    insert,
    log_bytes,
    names,
)

# --- groups


async def test_waiting_works_share_one_commit(open_database: Open) -> None:
    """This is where the throughput comes from: a commit costs the same for one work and for many."""
    database = open_database()

    await as_one_group(database, *(partial(insert, workspace=str(number)) for number in range(100)))

    assert (2, 101) == (database.stats.commits, database.stats.works)


async def test_group_is_bounded(open_database: Open) -> None:
    """No work waits for more than `batch_works_max` others to be run before its own commit."""
    database = open_database(batch_works_max=4)

    await as_one_group(database, *(partial(insert, workspace=str(number)) for number in range(10)))

    assert (1 + 3, 11) == (database.stats.commits, database.stats.works)


async def test_work_that_raises_is_undone_alone_within_its_group(open_database: Open) -> None:
    """Each work has its own savepoint."""
    database = open_database()

    def fail(tx: Transaction) -> None:
        insert(tx, "undone")
        raise ValueError("of this work")

    first, failed, last = await as_one_group(
        database, partial(insert, workspace="first"), fail, partial(insert, workspace="last")
    )

    assert (None, None) == (first, last)
    assert isinstance(failed, ValueError)
    assert ["first", "last"] == await database.read(names)
    assert 2 == database.stats.commits


async def test_work_sees_what_the_works_before_it_wrote(open_database: Open) -> None:
    """Writes are serial, within a group too."""
    database = open_database()

    results = await as_one_group(database, partial(insert, workspace="a"), names, partial(insert, workspace="b"), names)

    assert [None, ["a"], None, ["a", "b"]] == results


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_works_that_may_wait_are_bounded(open_database: Open, kind: str) -> None:
    """Memory does not grow with what the disk cannot keep up with; and the bound is on what waits, not for ever."""
    database = open_database(waiting_works_max=2, readers=1)
    run = database.write if kind == "write" else database.read
    begun, released = threading.Event(), threading.Event()

    def hold_up(tx: Transaction) -> None:
        begun.set()
        assert released.wait(WAIT_S)

    waiting = [asyncio.create_task(run(hold_up)) for _ in range(2)]
    assert await asyncio.to_thread(begun.wait, WAIT_S)
    with pytest.raises(StorageUnavailable, match="2 works wait"):
        await run(names)
    released.set()
    await asyncio.gather(*waiting)

    assert [] == await run(names)


async def test_write_holds_the_write_lock_from_its_start(open_database: Open, path: Path) -> None:
    """What a work has read cannot change before it writes; a deferred transaction would fail there instead."""
    database = open_database()

    def read_and_look_outside(tx: Transaction) -> None:
        names(tx)
        run_beside(path, names, busy_timeout_s=0)

    with pytest.raises(StorageUnavailable):
        await database.write(read_and_look_outside)


async def test_many_cancelled_callers_do_not_disturb_their_group(open_database: Open) -> None:
    """A deadline that passes while a work waits is nobody else's business, and the place in the queue is given back."""
    database = open_database(waiting_works_max=11)
    gate = Gate()
    held_up = await gate.closed_for(database)
    group = [asyncio.create_task(database.write(partial(insert, workspace=str(number)))) for number in range(10)]
    await asyncio.sleep(0)
    for task in group[::2]:
        task.cancel()
    gate.open()
    results = await asyncio.gather(held_up, *group, return_exceptions=True)

    assert 5 == sum(isinstance(result, asyncio.CancelledError) for result in results)
    assert [str(number) for number in range(10)] == await database.read(names)
    await as_one_group(database, *[names] * 10)


async def test_cancelled_read_that_has_not_begun_is_not_run(open_database: Open) -> None:
    """Nobody would see its result, and it has no effect."""
    database = open_database(readers=1)
    begun, released, ran = threading.Event(), threading.Event(), threading.Event()

    def hold_up(tx: Transaction) -> None:
        begun.set()
        assert released.wait(WAIT_S)

    first = asyncio.create_task(database.read(hold_up))
    assert await asyncio.to_thread(begun.wait, WAIT_S)
    second = asyncio.create_task(database.read(lambda tx: ran.set()))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    released.set()
    await first
    await database.read(names)

    assert not ran.is_set()


def test_writer_runs_a_batch_without_any_thread(path: Path) -> None:
    """A simulation calls it itself, and stays deterministic."""
    migrate(path)
    with closing(connect(path)) as connection:
        writer = SqliteWriter(connection, path, log_bytes_max=1 << 20)

        results = writer.run_batch([partial(insert, workspace="a"), lambda tx: 1 // 0, names])

    assert [None, None, ["a"]] == [result.value for result in results]
    assert [False, True, False] == [isinstance(result.error, ZeroDivisionError) for result in results]


async def test_threads_have_names(open_database: Open) -> None:
    """A thread dump says what it shows."""
    database = open_database(readers=2)

    name = await database.write(lambda tx: threading.current_thread().name)

    assert "tidings-writer" == name
    assert {"tidings-reader-1", "tidings-reader-2"} <= {thread.name for thread in threading.enumerate()}


# --- the file


async def test_settings_that_durability_rests_on(open_database: Open) -> None:
    """Asked of the connections that do the work."""
    database = open_database()
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "mmap_size": 0, "wal_autocheckpoint": 0}

    def settings(tx: Transaction) -> dict[str, Any]:
        return {name: dict(tx.rows(f"PRAGMA {name}")[0]).popitem()[1] for name in wanted}

    assert wanted == await database.write(settings)
    assert wanted == await database.read(settings)


async def test_log_is_copied_into_the_database_while_it_runs(open_database: Open, path: Path) -> None:
    """The log stays within about its limit, however much is written."""
    log_bytes_max = 16 * PAGE_BYTES
    database = open_database(log_bytes_max=log_bytes_max)

    for number in range(300):
        await database.write(partial(insert, workspace=str(number)))

    assert database.stats.checkpoints > 5
    assert log_bytes(path) < 2 * log_bytes_max


async def test_reader_that_holds_the_log_back_does_not_make_every_commit_copy(open_database: Open) -> None:
    """While a read keeps an old snapshot the log cannot start over; copying is then tried once per limit."""
    database = open_database(log_bytes_max=16 * PAGE_BYTES)
    looked, released = threading.Event(), threading.Event()

    def look(tx: Transaction) -> None:
        names(tx)
        looked.set()
        assert released.wait(WAIT_S)

    read = asyncio.create_task(database.read(look))
    assert await asyncio.to_thread(looked.wait, WAIT_S)
    for number in range(100):
        await database.write(partial(insert, workspace=str(number)))
    released.set()
    await read

    assert 1 < database.stats.checkpoints < 40


async def test_closed_database_is_one_file(open_database: Open, path: Path) -> None:
    """It can be copied, and the next process starts with nothing to recover."""
    database = open_database()
    await database.write(partial(insert, workspace="a"))
    await database.close()

    assert 0 == log_bytes(path)
    with closing(sqlite3.connect(path)) as connection:
        assert [("a",)] == connection.execute("SELECT workspace FROM workspaces").fetchall()


async def test_database_can_be_opened_again_once_closed(open_database: Open) -> None:
    """Closing gives the lock back."""
    await open_database().close()

    assert [] == await open_database().read(names)


# --- beside a server


async def test_administrative_command_works_beside_the_server(open_database: Open, path: Path) -> None:
    """A token can be created while the server runs, and counts at once."""
    database = open_database()
    await database.write(partial(insert, workspace="a"))

    run_beside(path, partial(insert, workspace="b"))

    assert ["a", "b"] == await database.read(names)


LOOK: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT group_concat(workspace) FROM workspaces").fetchone()[0])
connection.close()
"""


async def test_other_process_that_looks_at_the_database_leaves_the_log_to_the_server(
    open_database: Open, path: Path
) -> None:
    """The last connection to close deletes the log, so the server must hold a lock that says that it is still there."""
    database = open_database()
    await database.write(partial(insert, workspace="a"))
    seen = [await asyncio.to_thread(look, path)]
    await database.write(partial(insert, workspace="b"))
    seen.append(await asyncio.to_thread(look, path))

    assert ["a", "a,b"] == seen


def look(path: Path) -> str:
    """Return the rows as the `sqlite3` command would see them beside the server."""
    looked = subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True)
    return looked.stdout.strip()


def test_administrative_command_creates_the_database_it_needs(path: Path) -> None:
    """The first token is made before the first start."""
    run_beside(path, partial(insert, workspace="a"))

    assert ["a"] == run_beside(path, names)


def test_administrative_command_that_fails_changes_nothing(path: Path) -> None:
    """Its exception comes out as it is."""

    def fail(tx: Transaction) -> None:
        insert(tx, "a")
        raise ValueError("of this work")

    with pytest.raises(ValueError, match="of this work"):
        run_beside(path, fail)

    assert [] == run_beside(path, names)


async def test_write_waits_for_an_administrative_command(open_database: Open, path: Path) -> None:
    """Short commands may hold the write lock; nobody is told of it."""
    database = open_database()
    with closing(connect(path)) as beside:
        beside.execute("BEGIN IMMEDIATE")
        write = asyncio.create_task(database.write(partial(insert, workspace="a")))
        await asyncio.sleep(0)
        beside.execute("COMMIT")
        await write

    assert ["a"] == await database.read(names)


async def test_write_does_not_wait_for_ever(open_database: Open, path: Path) -> None:
    """After the busy timeout its callers are told, and the next write succeeds."""
    database = open_database(busy_timeout_s=0.01)
    with closing(connect(path)) as beside:
        beside.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable):
            await database.write(partial(insert, workspace="a"))

    await database.write(partial(insert, workspace="b"))

    assert ["b"] == await database.read(names)


# --- threads that fail


class FailingWriter(SqliteWriter):
    """Its thread fails after a commit."""

    def checkpoint_if_due(self) -> None:
        """Fail as nothing of SQLite's would."""
        raise ValueError("of the thread")


class FailingReader(SqliteReader):
    """Its thread fails with a read in its hands."""

    def run(self, work: Callable[[Transaction], Any]) -> WorkResult:
        """Fail as nothing of SQLite's would."""
        raise ValueError("of the thread")


def failing_database(path: Path, fatal_errors: list[FatalStorageError]) -> SqliteDatabase:
    """Open a database whose threads fail."""
    migrate(path)
    connection = connect(path)
    return SqliteDatabase(
        lock=ServerLock.acquire(path),
        writer=FailingWriter(connection, path, log_bytes_max=1 << 20),
        readers=[FailingReader(connect_reader(path), path)],
        on_fatal=fatal_errors.append,
        batch_works_max=1,
        waiting_works_max=100,
    )


async def test_writer_thread_that_fails_leaves_nobody_waiting(
    path: Path, fatal_errors: list[FatalStorageError]
) -> None:
    """What was committed is answered so; what waits is told, what comes later is refused, and it can be closed."""
    database = failing_database(path, fatal_errors)
    writes = [asyncio.create_task(database.write(partial(insert, workspace=name))) for name in "abc"]
    await asyncio.sleep(0)  # Each task runs as far as handing its work in.

    async with asyncio.timeout(WAIT_S):
        results = await asyncio.gather(*writes, return_exceptions=True)
        with pytest.raises(StorageUnavailable):
            await database.write(names)
        await database.close()

    assert [type(None), StorageUnavailable, StorageUnavailable] == [type(result) for result in results]
    assert ["a thread of the database failed: ValueError('of the thread')"] == list(map(str, fatal_errors))
    assert ["a"] == run_beside(path, names)


async def test_reader_thread_that_fails_leaves_nobody_waiting(
    path: Path, fatal_errors: list[FatalStorageError]
) -> None:
    """The read in its hands too."""
    database = failing_database(path, fatal_errors)

    async with asyncio.timeout(WAIT_S):
        results = await asyncio.gather(*[database.read(names) for _ in range(3)], return_exceptions=True)
        with pytest.raises(StorageUnavailable):
            await database.write(names)
        await database.close()

    assert [StorageUnavailable] * 3 == [type(result) for result in results]
    assert 1 == len(fatal_errors)


async def test_log_that_cannot_be_looked_at_stops_nothing(path: Path) -> None:
    """It is copied later; here its name is longer than the file system allows."""
    migrate(path)
    with closing(connect(path)) as connection:
        writer = SqliteWriter(connection, path.with_name("x" * 254), log_bytes_max=0)

        writer.checkpoint_if_due()

    assert (None, 0) == (writer.fatal, writer.stats.checkpoints)


async def test_close_does_not_wait_for_the_threads_of_others(open_database: Open) -> None:
    """Name look-ups may hold all the event loop's own threads for as long as they like."""
    database = open_database()
    released = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    held_up = asyncio.create_task(asyncio.to_thread(released.wait, WAIT_S))
    await asyncio.sleep(0)  # The task runs as far as taking the thread.

    async with asyncio.timeout(WAIT_S / 2):
        await database.close()

    assert not held_up.done()
    released.set()
    await held_up


async def test_caller_of_close_that_gives_up_does_not_disturb_the_others(open_database: Open) -> None:
    """Each may have a deadline of its own."""
    database = open_database()
    gate = Gate()
    held_up = await gate.closed_for(database)
    impatient, patient = (asyncio.create_task(database.close()) for _ in range(2))
    await asyncio.sleep(0)  # Both tasks run as far as waiting.

    impatient.cancel()
    await asyncio.wait([impatient])
    gate.open()
    await asyncio.gather(held_up, patient)

    assert impatient.cancelled()


# --- the process


SERVER: Final = """
import asyncio, sys
from pathlib import Path
from service.storage.sqlite import SqliteDatabase
from tests.storage.works import insert

async def serve():
    database = SqliteDatabase.open(Path(sys.argv[1]), on_fatal=print)
    print("ready", flush=True)
    async def publish(publisher):
        for number in range(1_000_000):
            await database.write(lambda tx: insert(tx, f"{publisher}-{number}"))
            print(f"{publisher}-{number}", flush=True)
    await asyncio.gather(*(publish(publisher) for publisher in range(8)))

asyncio.run(serve())
"""


@pytest.fixture
def server(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the database open, and prints every row that it was told is committed."""
    command: list[str | Path] = [sys.executable, "-c", SERVER, path]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment) as process:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        yield process
        process.kill()


def killed(server: "subprocess.Popen[str]", *, after_rows: int) -> list[str]:
    """Kill a server in the middle of its work and return all the rows that it has acknowledged."""
    assert server.stdout is not None
    acknowledged = [server.stdout.readline() for _ in range(after_rows)]
    server.send_signal(signal.SIGKILL)
    # The last line may have been cut off in the middle of its writing.
    return [line.strip() for line in [*acknowledged, *server.stdout.readlines()] if line.endswith("\n")]


def test_second_server_is_refused(server: "subprocess.Popen[str]", path: Path) -> None:
    """Two writers would undo each other's claims; the message says whom to stop."""
    with pytest.raises(OpenError, match=rf"in use by another tidings-server \(process {server.pid}\)"):
        SqliteDatabase.open(path, on_fatal=print)


def test_second_server_is_refused_under_another_name_of_the_file(
    server: "subprocess.Popen[str]", path: Path, tmp_path: Path
) -> None:
    """The lock is on the file, not on how it is called."""
    (tmp_path / "link.db").symlink_to(path)

    with pytest.raises(OpenError, match="in use"):
        SqliteDatabase.open(tmp_path / "link.db", on_fatal=print)


async def test_killed_server_leaves_every_acknowledged_row_and_no_lock(
    server: "subprocess.Popen[str]", open_database: Open
) -> None:
    """OK means committed: G1."""
    acknowledged = killed(server, after_rows=500)
    server.wait(WAIT_S)

    stored = await open_database().read(names)

    assert set() == set(acknowledged) - set(stored)


# --- files that cannot be opened


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up root's right to ignore permissions."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="tidings-test-"))
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


def refusal(path: Path) -> str:
    """Return why a database cannot be opened."""
    with pytest.raises(OpenError) as refused, unprivileged():
        SqliteDatabase.open(path, on_fatal=print)
    return str(refused.value)


def test_read_only_folder_is_refused(open_folder: Path) -> None:
    """SQLite would say that it is unable to open the file."""
    open_folder.chmod(0o555)

    assert f"the folder {open_folder} is read-only" in refusal(open_folder / "tidings.db")


@pytest.mark.parametrize(("mode", "sentence"), [(0o444, "is read-only"), (0o000, "permission denied")])
def test_file_without_permission_is_refused(open_folder: Path, mode: int, sentence: str) -> None:
    """The file's own permissions."""
    path = open_folder / "tidings.db"
    path.touch()
    path.chmod(mode)

    assert sentence in refusal(path)


def test_lock_of_another_user_is_refused(open_folder: Path) -> None:
    """A server that once ran as root has left its lock file behind."""
    (open_folder / "tidings.db.lock").touch()
    (open_folder / "tidings.db.lock").chmod(0o444)

    assert "lock file" in refusal(open_folder / "tidings.db")


def test_folder_is_refused(open_folder: Path) -> None:
    """A path that lacks its last part."""
    assert "is a folder" in refusal(open_folder)


def test_missing_folder_is_refused(open_folder: Path) -> None:
    """It is not created: it may be a disk that is not mounted."""
    assert f"there is no folder {open_folder / 'missing'}" in refusal(open_folder / "missing" / "tidings.db")


@pytest.mark.parametrize("name", ["tidings.db", "with space?and#signs%20.db"])
def test_file_of_another_kind_is_refused(open_folder: Path, name: str) -> None:
    """Whatever its name, and without changing it."""
    (open_folder / name).write_text("a letter " * 1000)
    (open_folder / name).chmod(0o666)

    assert "is not an SQLite database" in refusal(open_folder / name)
    assert "a letter " * 1000 == (open_folder / name).read_text()


async def test_refused_database_can_be_opened_when_the_reason_is_gone(path: Path) -> None:
    """A failed start holds nothing."""
    path.write_text("a letter " * 1000)
    with pytest.raises(OpenError):
        SqliteDatabase.open(path, on_fatal=print)
    path.unlink()

    await SqliteDatabase.open(path, on_fatal=print).close()


@pytest.mark.parametrize("open_it", [lambda path: SqliteDatabase.open(path, on_fatal=print), migrate])
def test_failed_start_leaves_nothing_beside_a_file_that_is_not_ours(path: Path, open_it: Callable[[Path], Any]) -> None:
    """No lock, no ballast, no log: somebody has only mistyped a path."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE letters (letter)")
    with pytest.raises(OpenError, match="database of another program"):
        open_it(path)

    assert [path.name] == os.listdir(path.parent)


async def test_short_reads_do_not_wait_for_long_ones(open_database: Open) -> None:
    """However many there are of these: at most half of the readers are taken by them."""
    database, go_on = open_database(), threading.Event()

    def hold(_: Transaction) -> None:
        assert go_on.wait(WAIT_S)

    long_ones = [asyncio.create_task(database.read(Long(hold))) for _ in range(10)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(WAIT_S / 2):
            assert [[]] * 10 == [await database.read(names) for _ in range(10)]
    finally:
        go_on.set()
        await asyncio.gather(*long_ones)
