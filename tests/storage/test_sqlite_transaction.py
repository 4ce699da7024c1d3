"""Which statements SQLite runs for many entries at once, and how they are taken apart."""

import sqlite3
from contextlib import closing

import pytest

from service.storage import attempts, changes, events, lanes, notifications
from service.storage.sqlite_connections import NO_KEYS
from service.storage.sqlite_transaction import PlainInsert, SqliteTransaction, plain_insert


@pytest.mark.parametrize(
    "sql",
    [
        attempts.INSERT_ATTEMPT,
        changes.APPEND,
        events.INSERT_EVENT,
        events.INSERT_PUBLISH_REQUEST,
        notifications.INSERT_NOTIFICATION,
    ],
)
def test_what_each_notification_inserts_is_inserted_many_rows_at_once(sql: str) -> None:
    """A change of these statements' form would cost a run per row again."""
    assert plain_insert(sql) is not None


def test_insert_is_taken_apart_with_its_parameters_in_order() -> None:
    """One that is used twice is there twice; what is no parameter stays."""
    expected = PlainInsert("INSERT INTO t (a, b, c, d)\n VALUES", "(?, 0,\n ?, ?)", ("one", "two", "one"))

    assert expected == plain_insert("\n INSERT INTO t (a, b, c, d)\n VALUES (:one, 0,\n :two, :one)\n")


@pytest.mark.parametrize(
    "sql",
    [
        lanes.STORE_HEALTH,
        "INSERT INTO t (a) VALUES (:a) RETURNING a",
        "INSERT INTO t (a) SELECT :a",
        "INSERT INTO t (a) VALUES (coalesce(:a, 0))",
        "INSERT INTO t (a) VALUES (':a')",
        "UPDATE t SET a = :a",
    ],
)
def test_what_does_more_than_insert_its_values_is_run_for_each_entry(sql: str) -> None:
    """Its runs may answer, or follow from each other."""
    assert plain_insert(sql) is None


def test_many_rows_are_few_statements() -> None:
    """Of few sizes, so that each is prepared once."""
    ran: list[str] = []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.set_trace_callback(ran.append)
        tx = SqliteTransaction(connection, NO_KEYS)
        tx.each("INSERT INTO t (a) VALUES (:a)", [{"a": number} for number in range(150)])
        connection.set_trace_callback(None)

    rows = [statement.count("(") - 1 for statement in ran if statement.startswith("INSERT")]
    assert [64, 64, 16, 4, 1, 1] == rows
