"""`tidings-server token` and `identity`, beside a real server: what they print, and how fast they count."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from click.testing import CliRunner
from google.rpc.error_details_pb2 import ErrorInfo

from service.__main__ import main
from service.storage.migrations import migrate
from tests.harness import PARENT, Client, error_detail, eventually, read_rows, running_process
from tidings.v1.notifications_pb2 import ListEventsRequest, WatchNotificationsRequest
from tidings.v1.publishing_pb2 import StreamPublishRequest

TOKEN: Final = re.compile(r"tdg_[a-z0-9]{12}_[A-Za-z0-9]{43}\n")
IN_MAIN: Final = ("--organization", "acme", "--workspace", "main")
EFFECTIVE_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a command has written, and how it ended."""

    code: int | None
    out: str
    err: str


async def tidings(*arguments: str, folder: Path, **environment: str) -> Said:
    """Run a command."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TIDINGS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", *arguments),
        cwd=folder,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode, out.decode(), err.decode())


async def made(database: Path, *arguments: str) -> str:
    """Make a token that may do all that is allowed in the workspace, unless the arguments say otherwise."""
    said = await tidings(
        *("token", "create", "--database", str(database), *(arguments or ("--scope", "*", *IN_MAIN))),
        folder=database.parent,
    )
    assert 0 == said.code, said.err
    assert TOKEN.fullmatch(said.out)
    return said.out.strip()


async def reason_of(call: Awaitable[object]) -> str:
    """Return the reason of the error that a call ends with; OK if it does not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error_detail(error, ErrorInfo).reason
    return "OK"


async def list_events(client: Client) -> None:
    """Call something that needs a scope in the workspace."""
    await client.notifications.ListEvents(ListEventsRequest(parent=PARENT), timeout=10)


async def test_first_token_makes_the_database_and_a_server_takes_it(tmp_path: Path) -> None:
    """Alone on standard output, so that a script can take it; a second one is taken while the server runs."""
    database = tmp_path / "tidings.db"
    said = await tidings("token", "create", "--scope", "*", "--all", folder=tmp_path, TIDINGS_DATABASE=str(database))
    assert (0, True) == (said.code, TOKEN.fullmatch(said.out) is not None)
    assert said.out.strip() not in said.err
    async with running_process(database, dev=False) as server:
        for token in (said.out.strip(), await made(database)):
            client = Client(server.address, token)
            await list_events(client)
            await client.channel.close()
        stranger = Client(server.address)
        assert "CREDENTIAL_INVALID" == await reason_of(list_events(stranger))
        await stranger.channel.close()
        assert 0 == await server.stop()


async def test_revocation_beside_a_server_is_effective_within_five_seconds(tmp_path: Path) -> None:
    """For the next call, and for streams that go on."""
    database = tmp_path / "tidings.db"
    token = await made(database)
    async with running_process(database, dev=False) as server:
        client = Client(server.address, token)
        await list_events(client)
        watch: Any = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT))
        await watch.read()
        stream: Any = client.publishing.StreamPublish()
        await stream.write(StreamPublishRequest(parent=PARENT))
        ends = [asyncio.create_task(ended(each)) for each in (watch, stream)]
        # Well within the time for which the server knows the token.
        await list_events(client)

        said = await tidings("token", "revoke", token, "--database", str(database), folder=tmp_path)
        revoked_s = time.monotonic()
        await eventually(lambda: is_refused(client), within_s=EFFECTIVE_WITHIN_S)
        refused_s = time.monotonic() - revoked_s
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + 10):
            ended_after_s = [(reason, at_s - revoked_s) for reason, at_s in await asyncio.gather(*ends)]
        print(f"refused after {refused_s:.2f} s; streams ended after {ended_after_s}")
        await client.channel.close()
        code = await server.stop()

    assert (0, "") == (said.code, said.out)
    assert token not in said.err
    assert ["CREDENTIAL_INVALID"] * 2 == [reason for reason, _ in ended_after_s]
    assert max(after_s for _, after_s in ended_after_s) < EFFECTIVE_WITHIN_S
    assert 0 == code
    assert {f"token:{token.split('_')[1]}"} == {
        line["caller"] for line in server.log if line["event"] == "rpc.finished" and line["code"] == "OK"
    }
    assert token.split("_")[2] not in repr(server.log)


async def is_refused(client: Client) -> bool:
    """Say whether a call is refused by now."""
    return "CREDENTIAL_INVALID" == await reason_of(list_events(client))


async def ended(stream: Any) -> tuple[str, float]:
    """Return why a stream ends, and when."""

    async def read_all() -> None:
        while await stream.read() is not grpc.aio.EOF:
            pass

    return await reason_of(read_all()), time.monotonic()


async def test_list_shows_what_was_granted_and_used_and_no_secret(tmp_path: Path) -> None:
    """For people and for programs; the last use is recorded when the server stops."""
    database = tmp_path / "tidings.db"
    used = await made(database, "--scope", "notifications.read", *IN_MAIN, "--expires", "90d", "--description", "ours")
    unused = await made(database, "--scope", "*", "--organization", "acme")
    async with running_process(database, dev=False) as server:
        client = Client(server.address, used)
        await list_events(client)
        await client.channel.close()
        assert 0 == await server.stop()
    await tidings("token", "revoke", unused.split("_")[1], "--database", str(database), folder=tmp_path)

    for_people = await tidings("token", "list", "--database", str(database), folder=tmp_path)
    for_programs = await tidings("token", "list", "--json", "--database", str(database), folder=tmp_path)

    shown = {each["id"]: each for each in map(json.loads, for_programs.out.splitlines())}
    first, second = (shown[token.split("_")[1]] for token in (used, unused))
    assert ("ACTIVE", "acme", "main", ["notifications.read"], "ours") == tuple(
        first[key] for key in ("state", "organization", "workspace", "scopes", "description")
    )
    assert first["last_used_time"] > first["create_time"]
    assert ("REVOKED", None, None, None) == tuple(
        second[key] for key in ("state", "workspace", "expire_time", "last_used_time")
    )
    for token in (used, unused):
        _, id, secret = token.split("_")
        assert id in for_people.out
        assert secret not in for_people.out + for_programs.out
    assert ["ID", "STATE", "GRANTED FOR", "SCOPES", "EXPIRES", "LAST USED", "DESCRIPTION"] == re.split(
        r"  +", for_people.out.splitlines()[0]
    )
    assert used.split("_")[2].encode() not in database.read_bytes()


def test_identities_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """Like tokens, but that there is nothing to print; each change is audited."""
    database = str(tmp_path / "tidings.db")
    identity = "uri:spiffe://acme/orders"
    said = [
        CliRunner().invoke(main, ("identity", *arguments, "--database", database))
        for arguments in (
            ("create", identity, "--scope", "publish", *IN_MAIN),
            ("create", identity, "--scope", "publish", "--all"),
            ("list", "--json"),
            ("revoke", identity),
            ("revoke", identity),
            ("list",),
        )
    ]

    assert [0, 1, 0, 0, 1, 0] == [each.exit_code for each in said]
    assert ["", ""] == [said[0].stdout, said[3].stdout]
    assert identity == json.loads(said[2].stdout)["identity"]
    assert (
        f'tidings-server: the identity "{identity}" was granted something already; revoke that first\n'
        == said[1].stderr
    )
    assert f"{identity}  REVOKED  organizations/acme/workspaces/main  publish" in said[5].stdout
    rows = read_rows(Path(database), "SELECT actor, action, resource FROM audit_log ORDER BY number")
    assert [("identity create", f"certificate:{identity}"), ("identity revoke", f"certificate:{identity}")] == [
        (row["action"], row["resource"]) for row in rows
    ]
    assert all(row["actor"].startswith("command-line:") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("token", "create", "--all"), 2, "Missing option '--scope'"),
        (("token", "create", "--scope", "publish"), 2, "--organization, with or without --workspace, or --all"),
        (("token", "create", "--scope", "publish", "--all", "--organization", "a"), 2, "or --all"),
        (("token", "create", "--scope", "publish", "--all", "--workspace", "w"), 2, "needs its --organization"),
        (("token", "create", "--scope", "publish", "--workspace", "w"), 2, "--organization, with or without"),
        (("token", "create", "--scope", "shout", "--all"), 2, "'notifications.write', '*'"),
        (("token", "create", "--scope", "publish", "--all", "--expires", "59s"), 2, "59s is less than 1m"),
        (("token", "create", "--scope", "publish", "--organization", "ACME"), 1, "--organization: must be 1 to 63"),
        (
            ("token", "create", "--scope", "publish", "--organization", "a", "--workspace", "W"),
            1,
            "--workspace: must be 1 to 63",
        ),
        (("token", "create", "--scope", "event_types.write", *IN_MAIN), 1, "only for everything, with --all"),
        (("token", "create", "--scope", "publish", "--all", "--description", "a\tb"), 1, "control characters"),
        (("identity", "create", "orders", "--scope", "publish", "--all"), 1, 'identity: must be "uri:" and a URI'),
        (("token", "list"), 1, "there is no database tidings.db"),
        (("token", "revoke", "x"), 1, "there is no database tidings.db"),
        (("identity", "list"), 1, "there is no database tidings.db"),
    ],
)
def test_what_cannot_be_granted_is_refused_and_makes_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """With what is allowed in its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDINGS_DATABASE", raising=False)

    said = CliRunner().invoke(main, arguments)

    assert (code, "") == (said.exit_code, said.stdout)
    assert words in " ".join(said.stderr.split())
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "create", "--scope", "publish", *IN_MAIN),
        ("token", "list", "--json"),
        ("token", "revoke", "x"),
        ("identity", "create", "cn:orders", "--scope", "publish", "--all"),
        ("identity", "list"),
        ("identity", "revoke", "cn:orders"),
    ],
    ids=" ".join,
)
def test_damaged_database_is_said_to_be_damaged(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """In a sentence, with what to do; and no token is printed that is not stored."""
    path = tmp_path / "tidings.db"
    migrate(path)
    pages = [
        row["rootpage"] for row in read_rows(path, "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'credentials'")
    ]
    content = bytearray(path.read_bytes())
    for page in pages:
        content[(page - 1) * 4_096 : page * 4_096] = b"\xa5" * 4_096
    path.write_bytes(content)

    said = CliRunner().invoke(main, (*arguments, "--database", str(path)))

    assert (1, "") == (said.exit_code, said.stdout)
    assert f"tidings-server: the database {path} is damaged" in said.stderr
    assert 1 == said.stderr.count("\n")


def test_workspace_has_no_more_tokens_than_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever needs another one is told what to do."""
    monkeypatch.setenv("TIDINGS_WORKSPACE_TOKENS_MAX", "1")
    arguments = ("token", "create", "--scope", "publish", *IN_MAIN, "--database", str(tmp_path / "tidings.db"))

    first, second = CliRunner().invoke(main, arguments), CliRunner().invoke(main, arguments)

    assert (0, 1) == (first.exit_code, second.exit_code)
    assert "organizations/acme/workspaces/main may have at most 1 tokens, and has as many: revoke one" in second.stderr
    assert "" == second.stdout
