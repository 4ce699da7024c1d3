"""The dumps of the schemas of all versions, and how they are brought to life."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

from service.domain.keyring import Label, SealingKey
from service.storage.keyring_file import default_path
from tests.keys import KEYS, last_key

DUMPS: Final = Path(__file__).parent
RECEIVER: Final = "http://127.0.0.1:8080"
"""What subscriptions of a dump are to be sent to, in place of the receiver at the time."""

SEALED_COLUMNS: Final = {"url": "url_rest", "headers": "headers", "api_key": "api_key_value"}
MOVE: Final = """
    UPDATE subscriptions SET url = :url, url_rest = :url_rest, headers = :headers, api_key_value = :api_key_value
    WHERE uid = :uid
"""
HOUR_MS: Final = 3_600_000
_TIME: Final = re.compile(r"\b1[789][0-9]{11}\b")
_MADE_AT: Final = re.compile(r"^-- .* at ([0-9]+)$", re.M)


def load(dump: Path, database: Path, *, receiver: str, now_ms: int) -> None:
    """Make a database of a dump, as if it had been made two hours ago: what waited for an hour is due.

    Beside it is the keyring that the database of the dump had.
    """
    text = dump.read_text().replace(RECEIVER, receiver)
    found = _MADE_AT.search(text)
    assert found is not None
    shift_ms = now_ms - 2 * HOUR_MS - int(found[1])
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(_TIME.sub(lambda time: str(int(time[0]) + shift_ms), text))
        key = write_keyring(database)
        move(connection, key, RECEIVER, receiver)


def write_keyring(database: Path) -> SealingKey:
    """Give a database the keyring of the dumps, and return the key in it."""
    path = default_path(database)
    path.touch(0o600)
    path.write_text(KEYS)
    return last_key(path)


def move(connection: sqlite3.Connection, key: SealingKey, old: str, new: str) -> None:
    """Send to another receiver what is sealed for one, also where the text of the dump names the other one already."""
    for row in _sealed(connection):
        values = {"uid": row["uid"], "url": new}
        for kind, column in SEALED_COLUMNS.items():
            values[column] = row[column] and key.seal(
                key.open(row[column], Label(kind, row["uid"], old)),
                Label(kind, row["uid"], new),
                rng=Random(f"{kind} {row['uid']}"),
            )
        connection.execute(MOVE, values)
    connection.commit()


def urls(connection: sqlite3.Connection, key: SealingKey) -> dict[str, str]:
    """Return where subscriptions are sent to, by uid."""
    connection.row_factory = sqlite3.Row
    plain = {row["uid"]: row["url"] for row in connection.execute("SELECT uid, url FROM subscriptions")}
    sealed = {
        row["uid"]: row["url"] + key.open(row["url_rest"], Label("url", row["uid"], row["url"]))
        for row in _sealed(connection)
    }
    return plain | sealed


def _sealed(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    connection.row_factory = sqlite3.Row
    columns = {row["name"] for row in connection.execute("PRAGMA table_info (subscriptions)")}
    if "sealed_with" not in columns:
        return []
    return connection.execute("SELECT * FROM subscriptions WHERE sealed_with IS NOT NULL").fetchall()
