"""The databases that the storage tests run on."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.storage import schema
from service.storage.database import Database, FatalStorageError
from service.storage.dialect import Dialect, render
from service.storage.sealer import Sealer
from service.storage.sqlite import SqliteDatabase
from tests.storage.psql import PsqlTransaction
from tests.storage.works import Open


def no_fatal_error_expected(error: FatalStorageError) -> None:
    """Fail the test that met a fatal error without wanting one."""
    raise AssertionError(error)


@pytest.fixture(params=["sqlite"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with today's schema, on each engine in turn."""
    opened = SqliteDatabase.open(tmp_path / "tidings.db", on_fatal=no_fatal_error_expected)
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be."""
    return tmp_path / "tidings.db"


@pytest.fixture
def fatal_errors() -> list[FatalStorageError]:
    """The fatal errors that were told."""
    return []


@pytest.fixture
async def open_database(path: Path, fatal_errors: list[FatalStorageError]) -> AsyncIterator[Open]:
    """Opens the database at `path`, and closes it at the end."""
    opened: list[SqliteDatabase] = []

    def open_it(at: Path = path, **limits: Any) -> SqliteDatabase:
        opened.append(SqliteDatabase.open(at, on_fatal=fatal_errors.append, **limits))
        return opened[-1]

    yield open_it
    for database in opened:
        await database.close()


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL server that listens on a unix socket only."""

    binaries: Path
    socket_folder: Path

    def run(self, script: Path) -> list[str]:
        """Run an SQL script and return the errors, each `psql:<script>:<line>: ERROR:  …`. Errors do not end it."""
        command: list[str | Path] = [self.binaries / "psql", "--no-psqlrc", "--quiet"]
        command += ["--host", self.socket_folder, "--dbname", "postgres", "--file", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, user=_user(), cwd="/")
        return [line for line in done.stderr.splitlines() if " ERROR: " in line]

    def begin(self, sealer: Sealer) -> PsqlTransaction:
        """Begin a transaction, beside others."""
        command = [str(self.binaries / "psql"), "--no-psqlrc", "--csv", "--host", str(self.socket_folder)]
        return PsqlTransaction([*command, "--dbname", "postgres"], user=_user(), sealer=sealer)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A throw-away PostgreSQL server. Skips where none is installed, except in CI, where it fails."""
    binaries = _binaries()
    if binaries is None:
        missing = "no PostgreSQL server found: looked for initdb in /usr/lib/postgresql/*/bin and on PATH"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Not below pytest's own folder: that one is closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="tidings-postgres-"))
    try:
        if (user := _user()) is not None:
            shutil.chown(folder, user)
        _run(binaries / "initdb", "--pgdata", folder / "data", "--username", _superuser(), "--auth", "trust", "-N")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        log = folder / "log"
        _run(binaries / "pg_ctl", "start", "--wait", "--pgdata", folder / "data", "--log", log, "--options", options)
        try:
            yield Postgres(binaries, folder)
        finally:
            _run(binaries / "pg_ctl", "stop", "--mode", "immediate", "--pgdata", folder / "data")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def script(postgres: Postgres) -> Iterator[Path]:
    """Where to write an SQL script that the server's user can read."""
    path = postgres.socket_folder / f"script-{os.getpid()}.sql"
    yield path
    path.unlink()


@pytest.fixture
def prepared_schema(postgres: Postgres, script: Path) -> Postgres:
    """The server, with an empty database that has today's tables."""
    tables = [render(each, Dialect.POSTGRES) for each in (*schema.V1, *schema.V2, *schema.V3, *schema.V4)]
    script.write_text("DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n" + ";\n".join(tables) + ";\n")
    assert [] == [line for line in postgres.run(script) if "does not exist" not in line]
    return postgres


def _binaries() -> Path | None:
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_major_version, reverse=True)
    on_path = shutil.which("initdb")
    found = [*newest_first, *([Path(on_path)] if on_path else [])]
    return found[0].parent if found else None


def _major_version(initdb: Path) -> int:
    version = initdb.parent.parent.name
    return int(version) if version.isdigit() else 0


def _user() -> str | None:
    # PostgreSQL refuses to run as root.
    return "postgres" if os.geteuid() == 0 else None


def _superuser() -> str:
    return _user() or os.environ.get("USER") or "postgres"


def _run(*command: str | Path) -> None:
    # Not captured through a pipe: the server inherits it, and keeps it open.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=_user(), cwd="/")
