"""The dumps of the schemas of all versions, and how they are brought to life."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

DUMPS: Final = Path(__file__).parent
RECEIVER: Final = "http://127.0.0.1:8080"
"""What subscriptions of a dump are to be sent to, in place of the receiver at the time."""

HOUR_MS: Final = 3_600_000
_TIME: Final = re.compile(r"\b1[789][0-9]{11}\b")
_MADE_AT: Final = re.compile(r"^-- .* at ([0-9]+)$", re.M)


def load(dump: Path, database: Path, *, receiver: str, now_ms: int) -> None:
    """Make a database of a dump, as if it had been made two hours ago: what waited for an hour is due."""
    text = dump.read_text().replace(RECEIVER, receiver)
    found = _MADE_AT.search(text)
    assert found is not None
    shift_ms = now_ms - 2 * HOUR_MS - int(found[1])
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(_TIME.sub(lambda time: str(int(time[0]) + shift_ms), text))
