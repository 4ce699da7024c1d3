"""What tests of SQLite share: small works, a way to make them one group, and how long the log is."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from service.storage.database import Transaction
from service.storage.sqlite import SqliteDatabase

WAIT_S: Final = 10
PAGE_BYTES: Final = 4096
REPOSITORY: Final = Path(__file__).parents[2]

INSERT: Final = "INSERT INTO workspaces (workspace, revision) VALUES (:workspace, 1)"
SELECT_REVISIONS: Final = "SELECT revision FROM workspaces"  # Not in any index, so it reads the table.
SELECT_NAMES: Final = "SELECT workspace FROM workspaces ORDER BY workspace"
LARGE: Final = "x" * 100 * PAGE_BYTES

Open = Callable[..., SqliteDatabase]


def insert(tx: Transaction, workspace: str) -> None:
    """Add a row."""
    tx.execute(INSERT, workspace=workspace)


def names(tx: Transaction) -> list[str]:
    """Return the rows that there are, by name."""
    return [row["workspace"] for row in tx.rows(SELECT_NAMES)]


def revisions(tx: Transaction) -> list[int]:
    """Return the revision of each row."""
    return [row["revision"] for row in tx.rows(SELECT_REVISIONS)]


def log_bytes(path: Path) -> int:
    """Return how long the write-ahead log of a database is; 0 if there is none."""
    log = Path(f"{path}-wal")
    return log.stat().st_size if log.exists() else 0


class Gate:
    """Holds the writer up, so that works gather behind it and become one group."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    async def closed_for(self, database: SqliteDatabase) -> "asyncio.Task[None]":
        """Return the held-up write once the writer has met it."""
        held_up = asyncio.create_task(database.write(self._pass))
        assert await asyncio.to_thread(self._reached.wait, WAIT_S)
        return held_up

    def open(self) -> None:
        """Let the writer go on."""
        self._opened.set()

    def _pass(self, tx: Transaction) -> None:
        self._reached.set()
        assert self._opened.wait(WAIT_S)


async def as_one_group(database: SqliteDatabase, *works: Callable[[Transaction], Any]) -> list[Any]:
    """Run works in one commit and return their results or exceptions."""
    gate = Gate()
    held_up = await gate.closed_for(database)
    group = [asyncio.create_task(database.write(work)) for work in works]
    await asyncio.sleep(0)  # Each task runs as far as handing its work in.
    gate.open()
    await held_up
    return await asyncio.gather(*group, return_exceptions=True)
