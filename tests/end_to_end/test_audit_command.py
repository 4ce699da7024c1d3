"""`tidings-server audit`: what it says, beside a server and without one, and that it leaves everything as it is."""

import asyncio
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from service.__main__ import main
from service.commands.audit import json_line, line, show
from service.domain.access import Actor
from service.domain.audit import AuditEntry
from service.domain.clock import SystemClock
from service.domain.errors import StorageUnavailable
from service.storage import audit
from service.storage.sqlite import SqliteDatabase, run_beside
from tests.fakes import HOUR_MS, NOW_MS, WORKSPACE
from tests.harness import PARENT, running_server
from tests.schemas.dumps import DUMPS, load
from tests.tools import DEAD_URL, Tenant

NAME: Final = WORKSPACE.subscription("board")
FROM_THE_FUTURE: Final = """
    INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('tidings', '9999_future', 'then')
"""


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, ["audit", *arguments])


def entry(**changes: Any) -> AuditEntry:
    """Return an entry, with a field or two of its own."""
    plain: dict[str, Any] = {
        "actor": Actor("token:t-1", "call-1"),
        "action": "UpdateSubscription",
        "workspace": WORKSPACE,
        "resource": NAME,
        "time_ms": NOW_MS,
        "before": {"name": NAME, "url": "https://a.example/[redacted]", "enabled": True},
        "after": {"name": NAME, "url": "https://a.example/[redacted] (changed)", "enabled": False},
        "request_id": "r-1",
    }
    return AuditEntry(**plain | changes)


def logged(folder: Path, *entries: AuditEntry) -> str:
    """Make a database with these entries, and return its path."""
    database = folder / "tidings.db"

    def work(tx: Any) -> None:
        for each in entries:
            audit.insert(tx, each)

    run_beside(database, work)
    return str(database)


def test_line_says_when_who_what_to_what_and_which_fields() -> None:
    """For a person; all on one line."""
    started = f"2026-11-20T09:30:00.000Z  token:t-1  UpdateSubscription  {NAME}  changed: url, enabled"

    assert started == line(entry())
    assert line(entry(before=None)).endswith(f"{NAME}  created")
    assert line(entry(after=None)).endswith(f"{NAME}  deleted")
    assert line(entry(after=entry().before)).endswith(f"{NAME}  changed: nothing")


def test_line_has_no_character_that_a_terminal_obeys() -> None:
    """A certificate may be called anything."""
    shown = line(entry(actor=Actor("certificate:cn:\x1b[2Ja\nb\N{RIGHT-TO-LEFT OVERRIDE}é")))

    assert r"certificate:cn:\x1b[2Ja\nb\u202e\xe9" in shown
    assert shown.isascii()
    assert shown.isprintable()


def test_json_line_has_all_of_it() -> None:
    """One object, that programs can read."""
    assert {
        "time": "2026-11-20T09:30:00.000Z",
        "actor": "token:t-1",
        "action": "UpdateSubscription",
        "workspace": WORKSPACE.name,
        "resource": NAME,
        "request_id": "r-1",
        "call_id": "call-1",
        "changed_fields": ["url", "enabled"],
        "before": entry().before,
        "after": entry().after,
    } == json.loads(json_line(entry()))
    assert None is json.loads(json_line(entry(workspace=None)))["workspace"]


def test_last_changes_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    """Of more than are read at once; 100 unless it says otherwise."""
    database = logged(tmp_path, *(entry(action=f"action-{number}", time_ms=NOW_MS + number) for number in range(450)))

    said = [run("--database", database, *limit).output.splitlines() for limit in ([], ["--limit", "300"])]

    expected = [f"action-{number}" for number in reversed(range(450))]
    assert [expected[:100], expected[:300]] == [[line.split("  ")[2] for line in lines] for lines in said]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "dcba"),
        (["--workspace", WORKSPACE.name], "cba"),
        (["--resource", NAME], "ba"),
        (["--actor", "server"], "db"),
        (["--actor", "server", "--workspace", WORKSPACE.name, "--json"], "b"),
        (["--since", "2h"], "dc"),
        (["--since", "0s"], ""),
        (["--resource", "eventTypes/none"], ""),
    ],
)
def test_options_say_which_changes_are_wanted(tmp_path: Path, arguments: list[str], expected: str) -> None:
    """All of them that are given; one that nothing fits says nothing."""
    now_ms = SystemClock().now_ms()
    database = logged(
        tmp_path,
        entry(action="a", time_ms=now_ms - 4 * HOUR_MS),
        entry(action="b", time_ms=now_ms - 3 * HOUR_MS, actor=Actor("server")),
        entry(action="c", time_ms=now_ms - HOUR_MS, resource=WORKSPACE.subscription("other")),
        entry(action="d", time_ms=now_ms - 1_000, workspace=None, resource="eventTypes/t", actor=Actor("server")),
    )

    result = run("--database", database, *arguments)

    said = [
        json.loads(each)["action"] if "--json" in arguments else each.split("  ")[2]
        for each in result.output.splitlines()
    ]
    assert (0, list(expected)) == (result.exit_code, said)


def test_hundreds_of_others_do_not_hide_what_is_wanted(tmp_path: Path) -> None:
    """There is no index by actor, so the log is read on, page by page."""
    entries = [entry(action="wanted", actor=Actor("server"))]
    entries += [entry(time_ms=NOW_MS + number) for number in range(1, 700)]

    result = run("--database", logged(tmp_path, *entries), "--actor", "server")

    assert ["wanted"] == [each.split("  ")[2] for each in result.output.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workspace", "acme/main"], "organizations/{organization}/workspaces/{workspace}"),
        (["--since", "yesterday"], "is not a number up to 99999 and its unit"),
        (["--limit", "0"], "0 is not in the range x>=1"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: list[str], message: str) -> None:
    """With what is allowed."""
    result = run(*arguments)

    assert 2 == result.exit_code
    assert message in " ".join(result.output.split())


async def test_changes_are_seen_beside_the_server_that_makes_them(tmp_path: Path) -> None:
    """By a process of its own."""
    async with running_server(tmp_path) as client:
        tenant = Tenant(client, "main")
        await tenant.subscribe("board", url=DEAD_URL)
        await tenant.call(
            "UpdateSubscription", subscription={"name": f"{PARENT}/subscriptions/board", "enabled": False}
        )
        said = await said_beside(tmp_path / "tidings.db")
        await tenant.call("DeleteSubscription", name=f"{PARENT}/subscriptions/board")

    assert [
        ["development", "UpdateSubscription", NAME, "changed: enabled, state"],
        ["development", "CreateSubscription", NAME, "created"],
    ] == [each.split("  ")[1:] for each in said.splitlines()]


async def said_beside(database: Path) -> str:
    """Run the command in a process of its own, and return what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", "audit", "--database", str(database)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert 0 == process.returncode
    return output.decode()


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """A database file that a server has closed."""
    path = tmp_path / "tidings.db"
    opened = SqliteDatabase.open(path, on_fatal=lambda error: pytest.fail(str(error)))
    await opened.write(lambda tx: audit.insert(tx, entry()))
    await opened.close()
    return path


async def test_nothing_is_written(database: Path) -> None:
    """The file is what it was, and no other stays beside it."""
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in database.parent.iterdir()}

    result = run("--database", str(database))

    assert 0 == result.exit_code
    assert before == {path.name: hashlib.sha256(path.read_bytes()).digest() for path in database.parent.iterdir()}


def test_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Reading a log is no reason for a new one."""
    result = run("--database", str(tmp_path / "none.db"))

    assert (1, []) == (result.exit_code, list(tmp_path.iterdir()))
    assert "there is no Tidings database" in result.output


def test_database_of_another_version_is_left_to_migrate(tmp_path: Path) -> None:
    """Of an earlier one it says how, of a later one what else; neither is touched, nor one that is not ours."""
    earlier, later, strange = (tmp_path / f"{name}.db" for name in ("earlier", "later", "strange"))
    load(DUMPS / "0003.sql", earlier, receiver="http://127.0.0.1:9", now_ms=NOW_MS)
    logged(tmp_path, entry())
    (tmp_path / "tidings.db").rename(later)
    for path, sql in ((later, FROM_THE_FUTURE), (strange, "CREATE TABLE audit_log (a)")):
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql)
    before = [path.read_bytes() for path in (earlier, later, strange)]

    results = [run("--database", str(path)) for path in (earlier, later, strange)]

    assert [1, 1, 1] == [result.exit_code for result in results]
    for result, message in zip(
        results,
        (
            "was written by an earlier version of Tidings; run tidings-server migrate first",
            "was written by a newer version of Tidings (migration 9999_future)",
            "there is no Tidings database",
        ),
        strict=True,
    ):
        assert message in result.output
    assert before == [path.read_bytes() for path in (earlier, later, strange)]


def test_damaged_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    """In a sentence, and with what to do."""
    path = Path(logged(tmp_path, *(entry(time_ms=NOW_MS + number) for number in range(500))))
    whole = path.read_bytes()
    # All but the first pages, which say what the file is.
    path.write_bytes(whole[: 40 * 4_096] + b"\xff" * (len(whole) - 40 * 4_096))

    result = run("--database", str(path), "--limit", "1000")

    assert 1 == result.exit_code
    assert str(path) in result.output
    assert "Traceback" not in result.output


def test_database_that_does_not_answer_is_said_so_after_what_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Another program may lock it between two reads."""

    def entries() -> Iterator[AuditEntry]:
        yield entry()
        raise StorageUnavailable("the database does not answer")

    with pytest.raises(SystemExit) as ended:
        show(entries(), line)

    shown = capsys.readouterr()
    assert (1, f"{line(entry())}\n") == (ended.value.code, shown.out)
    assert "tidings-server: the database does not answer\n" == shown.err
