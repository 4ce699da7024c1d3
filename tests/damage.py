"""What somebody may do to the rows of a database by hand: put any value into any column."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from service.storage import schema
from service.storage.dialect import Dialect, render

VALUES: Final = {
    "null": "NULL",
    "empty": "''",
    "garbage": "'garbage'",
    "bytes": "x'00ff'",
    "another": "(SELECT {column} FROM {table} WHERE {owner} = :other)",
}

# Where anything else must be noticed. The other columns are plain: what has their form is believed.
SEALED: Final = {
    ("subscriptions", "url"),
    ("subscriptions", "url_rest"),
    ("subscriptions", "headers"),
    ("subscriptions", "api_key_value"),
    ("subscriptions", "sealed_with"),
    ("signing_keys", "subscription_uid"),
    ("signing_keys", "key_id"),
    ("signing_keys", "secret"),
    ("signing_keys", "scheme"),
    ("signing_keys", "sealed_with"),
}

# Which column of a table says whose a row is.
_OWNERS: Final = {"subscriptions": "uid", "signing_keys": "subscription_uid"}


class Column(NamedTuple):
    """A column of a table that keeps something of a subscription."""

    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"

    def set(self, database: Path, value: str, *, uid: str, other: str) -> bool:
        """Set it to one of VALUES, or to what another subscription has there. False if nothing changes.

        Be it that the value was the same, or that the database itself refuses it.
        """
        table, column, owner = *self, _OWNERS[self.table]
        text = VALUES[value].format(table=table, column=column, owner=owner)
        sql = f"UPDATE {table} SET {column} = {text} WHERE {owner} = :uid AND {column} IS NOT {text}"  # noqa: S608
        with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
            try:
                return connection.execute(sql, {"uid": uid, "other": other}).rowcount > 0
            except sqlite3.IntegrityError:
                return False


def columns() -> list[Column]:
    """Return all of them, as the schema has them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in (*schema.V1, *schema.V2, *schema.V3, *schema.V4):
            connection.execute(render(statement, Dialect.SQLITE))
        return [
            Column(table, name)
            for table in _OWNERS
            for _, name, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall()
        ]
