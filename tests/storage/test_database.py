"""What every engine promises as a `Database`."""

import asyncio
import threading
from functools import partial
from typing import Final

import pytest

from service.domain.errors import StorageUnavailable
from service.storage.database import Database, Transaction, Value

WAIT_S: Final = 10

INSERT: Final = "INSERT INTO workspaces (workspace, revision) VALUES (:workspace, :revision)"
INSERT_RETURNING: Final = """
    INSERT INTO workspaces (workspace, revision) VALUES (:workspace, :revision) RETURNING workspace, revision
"""
INSERT_CHANGE: Final = """
    INSERT INTO changes (create_time, notification_id, subscription_uid, state, complete_time, attempt_count, workspace)
    VALUES (:time, :notification_id, :workspace, :workspace, :time, 0, :workspace)
"""
SELECT_CHANGES: Final = """
    SELECT number, workspace, notification_id, create_time, complete_time FROM changes ORDER BY number
"""
SELECT_ALL: Final = "SELECT workspace, revision FROM workspaces ORDER BY workspace"
SELECT_LOCKED: Final = "SELECT workspace FROM workspaces ORDER BY workspace LIMIT :limit {skip_locked}"
RAISE_REVISIONS: Final = "UPDATE workspaces SET revision = revision + 1 WHERE revision < :below"
RAISE_NAMED: Final = """
    WITH named AS (SELECT workspace FROM workspaces WHERE workspace = :workspace)
    UPDATE workspaces SET revision = revision + 1 WHERE workspace IN (SELECT workspace FROM named)
"""
INSERT_SIGNING_KEY: Final = """
    INSERT INTO signing_keys (subscription_uid, key_id, secret, create_time)
    VALUES (:subscription_uid, :key_id, :secret, :create_time)
"""


class Refused(Exception):
    """What a work of these tests raises."""


def insert(tx: Transaction, workspace: str, revision: int = 1) -> None:
    """Add a row."""
    tx.execute(INSERT, workspace=workspace, revision=revision)


def names(tx: Transaction) -> list[str]:
    """Return the rows that there are, by name."""
    return [row["workspace"] for row in tx.rows(SELECT_ALL)]


async def test_write_returns_the_result_of_its_work(database: Database) -> None:
    """The caller gets what the work returned, not a copy of a row."""

    def work(tx: Transaction) -> tuple[str, int]:
        insert(tx, "a")
        return "inserted", len(tx.rows(SELECT_ALL))

    assert ("inserted", 1) == await database.write(work)


async def test_what_was_written_can_be_read(database: Database) -> None:
    """A write that has returned is seen by every read that begins after it."""
    await database.write(lambda tx: insert(tx, "a"))

    assert ["a"] == await database.read(names)


async def test_work_that_raises_leaves_nothing(database: Database) -> None:
    """Its exception reaches its caller as it is."""

    def work(tx: Transaction) -> None:
        insert(tx, "a")
        raise Refused

    with pytest.raises(Refused):
        await database.write(work)

    assert [] == await database.read(names)


async def test_work_that_raises_does_not_harm_the_works_beside_it(database: Database) -> None:
    """Works may share a commit, but not their failures."""

    def work(number: int, tx: Transaction) -> int:
        insert(tx, f"{number:02}")
        if number % 3 == 0:
            raise Refused
        return number

    results = await asyncio.gather(
        *(database.write(partial(work, number)) for number in range(1, 13)), return_exceptions=True
    )

    kept = [number for number in range(1, 13) if number % 3]
    assert kept == [result for result in results if isinstance(result, int)]
    assert 4 == sum(isinstance(result, Refused) for result in results)
    assert [f"{number:02}" for number in kept] == await database.read(names)


async def test_violated_foreign_key_fails_its_work(database: Database) -> None:
    """References are enforced at the statement, so only the work at fault is refused."""

    def work(tx: Transaction) -> None:
        tx.execute(INSERT_SIGNING_KEY, subscription_uid="none", key_id="k", secret="s", create_time=0)

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await database.write(work)

    await database.write(lambda tx: insert(tx, "a"))


async def test_work_that_raises_stop_iteration_reaches_its_caller(database: Database) -> None:
    """A future cannot carry a StopIteration; without care the caller would wait for ever."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await database.write(lambda tx: next(iter(tx.rows(SELECT_ALL))))


async def test_read_sees_one_snapshot(database: Database) -> None:
    """A write that commits between two statements of a read is not seen by the second."""
    looked, written = threading.Event(), threading.Event()

    def look_twice(tx: Transaction) -> tuple[list[str], list[str]]:
        before = names(tx)
        looked.set()
        assert written.wait(WAIT_S)
        return before, names(tx)

    read = asyncio.create_task(database.read(look_twice))
    assert await asyncio.to_thread(looked.wait, WAIT_S)
    await database.write(lambda tx: insert(tx, "a"))
    written.set()

    assert ([], []) == await read
    assert ["a"] == await database.read(names)


async def test_read_cannot_write(database: Database) -> None:
    """A work that writes where it should read is a mistake, and is found at once."""
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        await database.read(lambda tx: insert(tx, "a"))

    assert [] == await database.read(names)


@pytest.mark.parametrize(("below", "changed"), [(0, 0), (2, 1), (3, 2)])
async def test_execute_returns_how_many_rows_changed(database: Database, below: int, changed: int) -> None:
    """The count tells a fenced update whether it still held."""
    await database.write(
        lambda tx: tx.each(INSERT, [{"workspace": str(number), "revision": number} for number in (1, 2)])
    )

    assert changed == await database.write(lambda tx: tx.execute(RAISE_REVISIONS, below=below))


@pytest.mark.parametrize(("workspace", "changed"), [("a", 1), ("z", 0)])
async def test_execute_counts_rows_of_a_statement_that_begins_with_with(
    database: Database, workspace: str, changed: int
) -> None:
    """sqlite3 does not count these by itself."""
    await database.write(lambda tx: insert(tx, "a"))

    assert changed == await database.write(lambda tx: tx.execute(RAISE_NAMED, workspace=workspace))


async def test_each_returns_the_rows_of_every_run_in_order(database: Database) -> None:
    """One list per entry, an empty one included."""
    entries: list[dict[str, Value]] = [{"workspace": name, "revision": number} for number, name in enumerate("cab")]

    returned = await database.write(lambda tx: tx.each(INSERT_RETURNING, entries))
    unreturned = await database.write(lambda tx: tx.each(INSERT, [{"workspace": "d", "revision": 1}]))

    assert [[entry] for entry in entries] == [[dict(row) for row in rows] for rows in returned]
    assert [[]] == unreturned
    assert [] == await database.write(lambda tx: tx.each(INSERT, []))


@pytest.mark.parametrize("count", [1, 2, 15, 16, 64, 149, 150])
async def test_each_inserts_a_row_for_every_entry_in_order(database: Database, count: int) -> None:
    """However many there are; the rows are numbered as they come."""
    entries: list[dict[str, Value]] = [
        {"workspace": str(number), "notification_id": f"n{number}", "time": number} for number in range(count)
    ]

    unreturned = await database.write(lambda tx: tx.each(INSERT_CHANGE, entries))

    assert [[]] * count == unreturned
    assert [(number + 1, str(number), f"n{number}", number, number) for number in range(count)] == await database.read(
        lambda tx: [tuple(dict(row).values()) for row in tx.rows(SELECT_CHANGES)]
    )


async def test_each_that_fails_half_way_leaves_nothing(database: Database) -> None:
    """A batch is one work."""
    twice: list[dict[str, Value]] = [{"workspace": "a", "revision": 1}] * 2

    with pytest.raises(Exception, match=r"(?i)unique"):
        await database.write(lambda tx: tx.each(INSERT, twice))

    assert [] == await database.read(names)


@pytest.mark.parametrize("revision", [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
async def test_integers_keep_their_value(database: Database, revision: int) -> None:
    """64 bits, whole."""
    await database.write(lambda tx: insert(tx, "a", revision))

    assert [{"workspace": "a", "revision": revision}] == await database.read(
        lambda tx: [dict(row) for row in tx.rows(SELECT_ALL)]
    )


@pytest.mark.parametrize("text", ["", "ünïcödé 🚚", "' OR 1 = 1; --", ":workspace", "%s %(name)s $1 {skip_locked}"])
async def test_text_is_a_value_and_never_sql(database: Database, text: str) -> None:
    """What looks like a parameter inside a parameter is text."""
    await database.write(lambda tx: insert(tx, text))

    assert [text] == await database.read(names)


async def test_row_locks_may_be_asked_for_on_every_engine(database: Database) -> None:
    """`{skip_locked}` is rendered, not sent."""
    await database.write(lambda tx: insert(tx, "a"))

    assert 1 == len(await database.write(lambda tx: tx.rows(SELECT_LOCKED, limit=5)))


async def test_cancelled_caller_does_not_stop_its_work(database: Database) -> None:
    """What was handed in is carried out, and nothing breaks because nobody takes the answer."""
    begun, cancelled = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        begun.set()
        assert cancelled.wait(WAIT_S)
        insert(tx, "a")

    write = asyncio.create_task(database.write(work))
    assert await asyncio.to_thread(begun.wait, WAIT_S)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    cancelled.set()
    await database.write(lambda tx: insert(tx, "b"))

    assert ["a", "b"] == await database.read(names)


async def test_close_finishes_what_was_accepted_and_refuses_the_rest(database: Database) -> None:
    """No caller is left waiting."""
    accepted = [asyncio.create_task(database.write(partial(insert, workspace=name))) for name in "abc"]
    reading = asyncio.create_task(database.read(lambda tx: len(tx.rows(SELECT_ALL))))
    await asyncio.sleep(0)  # Each task runs as far as handing its work in.

    await asyncio.gather(database.close(), database.close())

    assert [None, None, None] == await asyncio.gather(*accepted)
    assert await reading in range(4)
    with pytest.raises(StorageUnavailable):
        await database.write(names)
    with pytest.raises(StorageUnavailable):
        await database.read(names)
