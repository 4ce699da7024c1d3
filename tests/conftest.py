"""What every test may ask for: time, dice and ids that it controls, and a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

from service.storage.database import FatalStorageError
from service.storage.sqlite import SqliteDatabase
from tests.fakes import CountingIds, FakeClock

# How long an example may take depends on what else the machine does: that is no property of the code.
settings.register_profile("tidings", deadline=None)
settings.load_profile("tidings")


def _fail(error: FatalStorageError) -> None:
    raise error


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until it is moved."""
    return FakeClock()


@pytest.fixture
def rng() -> Random:
    """Dice that fall the same way each time."""
    return Random(4711)


@pytest.fixture
def ids() -> CountingIds:
    """Ids that count up."""
    return CountingIds()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """An empty SQLite database with today's schema."""
    opened = SqliteDatabase.open(tmp_path / "tidings.db", on_fatal=_fail)
    yield opened
    await opened.close()
