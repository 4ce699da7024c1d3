"""`serve` and `migrate` as processes: what they refuse to start on and how they say it, and how they end."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from aiohttp import web
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.storage.migrations import latest, migrate
from tests.certificates import pair
from tests.harness import Client, Received, ServerProcess, running_process, running_receiver
from tests.keys import KEYS
from tests.tools import Tenant
from tidings.v1.notifications_pb2 import NotificationState

PATIENCE_S = 30
ONE_SENTENCE = re.compile(r"tidings-server: [^\n]+\n")
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str


async def run(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None, before: tuple[str, ...] = ()
) -> Ended:
    """Run `tidings-server` in a folder until it ends by itself."""
    return await python("-m", "service", *arguments, folder=folder, environment=environment, before=before)


async def python(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None, before: tuple[str, ...] = ()
) -> Ended:
    """Run Python with this repository in a folder until it ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *before,
        *(sys.executable, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("TIDINGS_")},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **(environment or {}),
        },
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def serve(*arguments: str, folder: Path, **environment: str) -> Ended:
    """Run `serve`, which is expected to refuse, on a free port unless another is given."""
    listen = () if "--listen" in arguments or "TIDINGS_LISTEN" in environment else ("--listen", "127.0.0.1:0")
    # With keys of its own, so that no word is said of a keyring that was made.
    environment = {"TIDINGS_KEYRING_KEYS": KEYS, **environment}
    return await run("serve", *listen, *arguments, folder=folder, environment=environment)


def no_database(folder: Path) -> None:
    """Make a file that is no database."""
    (folder / "tidings.db").write_bytes(b"This is not a database at all, whatever its name says.\n" * 100)


def database_of_another_program(folder: Path) -> None:
    """Make a database that is not ours."""
    with closing(sqlite3.connect(folder / "tidings.db")) as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
        connection.commit()


def newer_database(folder: Path) -> None:
    """Make a database as a later version leaves it."""
    migrate(folder / "tidings.db")
    with closing(sqlite3.connect(folder / "tidings.db")) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('tidings', '9999_later', '2030')"
        )
        connection.commit()


def damaged_database(folder: Path) -> None:
    """Make a database whose pages after the first are overwritten."""
    migrate(folder / "tidings.db")
    path = folder / "tidings.db"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def folder_instead(folder: Path) -> None:
    """Make a folder where the database should be."""
    (folder / "tidings.db").mkdir()


def nothing(folder: Path) -> None:
    """Make nothing."""


UNUSABLE: list[tuple[Callable[[Path], None], str, str]] = [
    (no_database, "tidings.db", "tidings.db is not an SQLite database"),
    (database_of_another_program, "tidings.db", "is a database of another program"),
    (newer_database, "tidings.db", "was written by a newer version of Tidings (migration 9999_later)"),
    (damaged_database, "tidings.db", "is damaged"),
    (folder_instead, "tidings.db", "is a folder; the database must be a file"),
    (nothing, "missing/tidings.db", "there is no folder"),
    # A folder where even root may not make files.
    (nothing, "/proc/tidings.db", "/proc"),
]


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize(
    ("make", "database", "words"), UNUSABLE, ids=[f"{make.__name__}-{name[:8]}" for make, name, _ in UNUSABLE]
)
async def test_unusable_database_is_refused_in_one_sentence(
    tmp_path: Path, command: str, make: Callable[[Path], None], database: str, words: str
) -> None:
    """And left as it was."""
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and path.suffix == ".db"}

    ended = await (serve if command == "serve" else migrate_process)("--database", database, folder=tmp_path)

    assert (1, "") == (ended.code, ended.out)
    assert ONE_SENTENCE.fullmatch(ended.err), ended.err
    assert words in ended.err
    assert before == {path: path.read_bytes() for path in before}


async def migrate_process(*arguments: str, folder: Path) -> Ended:
    """Run `migrate`."""
    return await run("migrate", *arguments, folder=folder)


async def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    """Root may write anywhere, so as somebody else."""
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may write to every folder, and there is no setpriv to become somebody else")
        before = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        if (await run("--version", folder=Path("/"), before=before)).code:
            pytest.skip("root may write to every folder, and nobody else may read this Python")
    # pytest's own folder above is closed to others.
    folder = Path("/tmp") / f"tidings-read-only-{os.getpid()}"
    folder.mkdir(mode=0o555)
    try:
        ended = await run("serve", "--database", str(folder / "tidings.db"), folder=Path("/"), before=before)
    finally:
        folder.rmdir()

    expected = f"tidings-server: the folder {folder} is read-only; the database keeps its log and its lock there\n"
    assert Ended(1, "", expected) == ended


async def test_migrate_brings_a_database_up_to_date_and_says_what_it_did(tmp_path: Path) -> None:
    """A second time there is nothing to do."""
    first = await migrate_process(folder=tmp_path)
    second = await migrate_process("--database", "tidings.db", folder=tmp_path)

    assert (0, "") == (first.code, first.err)
    assert first.out.startswith("tidings.db: applied ")
    assert latest() in first.out
    assert Ended(0, "tidings.db: up to date\n", "") == second


async def test_second_server_and_migration_are_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    """Whatever name they call the file by."""
    (tmp_path / "alias.db").symlink_to(tmp_path / "tidings.db")
    async with running_process(tmp_path / "tidings.db") as first:
        tenant = Tenant(first.client)
        event_type = await tenant.event_type()
        refused = [
            await serve("--database", "tidings.db", folder=tmp_path),
            await serve("--database", "alias.db", folder=tmp_path),
            await migrate_process("--database", "tidings.db", folder=tmp_path),
        ]
        await tenant.publish(event_type)
        pid = first.process.pid

        assert 0 == await first.stop()

    sentence = f"is in use by another tidings-server (process {pid}); stop it first\n"
    assert [1, 1, 1] == [each.code for each in refused]
    assert [
        f"tidings-server: tidings.db {sentence}",
        f"tidings-server: alias.db {sentence}",
        f"tidings-server: tidings.db {sentence}",
    ] == [each.err for each in refused]


async def test_database_that_another_program_writes_to_is_refused(tmp_path: Path) -> None:
    """After five seconds of waiting for it."""
    migrate(tmp_path / "tidings.db")
    with closing(sqlite3.connect(tmp_path / "tidings.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        ended = await serve("--database", "tidings.db", folder=tmp_path)

    expected = "tidings-server: tidings.db is locked by another program; try again when that has finished\n"
    assert Ended(1, "", expected) == ended


async def test_port_in_use_is_refused(tmp_path: Path) -> None:
    """With the reason, also when only the second of two addresses is taken."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        ended = await serve("--listen", "127.0.0.1:0", "--listen", address, folder=tmp_path)

    assert Ended(1, "", f"tidings-server: cannot listen on {address}: address already in use\n") == ended


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "0.0.0.0:0"], "will not listen on 0.0.0.0:0 without encryption"),
        (["--listen", "127.0.0.1:0", "--listen", "[::]:0"], "will not listen on [::]:0 without encryption"),
        (["--listen", "50051"], 'cannot listen on "50051": an address is host:port'),
        (["--listen", "127.0.0.1:65536"], "an address is host:port"),
        (["--listen", "unix:missing/socket"], "its folder does not exist"),
        (["--listen", "192.0.2.1:0", "--dev"], "cannot listen on 192.0.2.1:0"),
        (["--metrics-listen", "foo"], '--metrics-listen: cannot serve metrics on "foo": an address is host:port or'),
        (["--metrics-listen", "unix:/tmp/x"], '--metrics-listen: cannot serve metrics on "unix:/tmp/x": an address is'),
        (["--metrics-listen", "0.0.0.0:0"], "will not serve metrics on 0.0.0.0:0, where others can read them"),
        (
            ["--metrics-listen", "[::]:0", "--tls-cert", "server.pem", "--tls-key", "server.key"],
            "will not serve metrics on [::]:0, where others can read them",
        ),
        (["--tls-cert", "server.pem"], "--tls-cert needs --tls-key beside it"),
        (["--tls-key", "server.key"], "--tls-key needs --tls-cert beside it"),
        (["--tls-client-ca", "clients.pem"], "--tls-client-ca needs --tls-cert and --tls-key beside it"),
        (
            ["--tls-cert", "server.pem", "--tls-key", "server.key"],
            "cannot read server.pem: no such file or directory",
        ),
        (["--egress-ca", "missing.pem"], "--egress-ca: cannot read missing.pem: no such file or directory"),
        (["--egress-ca", "."], "--egress-ca: cannot read .: is a directory"),
        (["--egress-ca", __file__], f"--egress-ca: {__file__} holds no certificate in PEM"),
        (["--allow-destination", "http://receiver"], '"http://receiver" is not a network such as 10.1.0.0/16'),
        (["--allow-destination", "10.0.0.1/8"], "has host bits set"),
        (["--allow-destination", "a_b"], '"a_b" is not a destination'),
        (["--allow-destination", ""], '"" is not a destination'),
    ],
)
async def test_setting_that_makes_no_sense_is_refused_in_one_sentence(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    """With the value and what is allowed."""
    ended = await serve(*arguments, folder=tmp_path)

    assert (1, "") == (ended.code, ended.out)
    assert ONE_SENTENCE.fullmatch(ended.err), ended.err
    assert words in ended.err


async def test_bug_ends_the_server_with_its_traceback_in_the_log(tmp_path: Path) -> None:
    """Whatever its type, also beside an error that an operator can mend: that one comes last."""
    program = textwrap.dedent("""
        import sys
        from service import __main__, app
        from service.storage.database import FatalStorageError

        async def run_server(*_, **__):
            errors = [ValueError("a bug"), ExceptionGroup("nested", [FatalStorageError("the disk is broken")])]
            raise ExceptionGroup("unhandled", errors) if sys.argv.pop() == "both" else errors[0]

        app.serve = run_server
        __main__.main(["serve"])
    """)

    bug, both = [await python("-c", program, which, folder=tmp_path) for which in ("bug", "both")]

    for ended in (bug, both):
        line, *rest = ended.err.splitlines()
        failure = json.loads(line)
        assert (1, "", "server.failed") == (ended.code, ended.out, failure["event"])
        assert "ValueError: a bug" in failure["exception"]
        assert "in run_server" in failure["exception"]
        plain = [each for each in rest if not each.startswith("{")]
        assert ([] if ended is bug else ["tidings-server: the disk is broken"]) == plain


WRONG_USAGE = [
    (["--database", "postgresql://tidings@db/tidings"], "PostgreSQL is not supported"),
    (["--allow-port", "0"], "0 is not in the range 1<=x<=65535"),
    (["--allow-port", "http"], "'http' is not a valid"),
    (["--payload-bytes-max", "1048577"], "1048577 is not in the range 1<=x<=1048576"),
    (["--delivery-slots", "0"], "0 is not in the range 1<=x<=1024"),
    (["--drain-timeout", "-1"], "-1.0 is not in the range"),
    (["--log-level", "loud"], "'loud' is not one of"),
    (["--no-such-option"], "No such option '--no-such-option'"),
    (["unexpected"], "unexpected extra argument (unexpected)"),
]


async def test_wrong_usage_is_refused_with_the_option(tmp_path: Path) -> None:
    """Before anything is opened."""
    all_ended = await asyncio.gather(*(serve(*arguments, folder=tmp_path) for arguments, _ in WRONG_USAGE))

    for (arguments, words), ended in zip(WRONG_USAGE, all_ended, strict=True):
        assert (2, "") == (ended.code, ended.out)
        assert words in ended.err
        assert arguments[0] in ended.err
        assert "Traceback" not in ended.err
    assert [] == list(tmp_path.iterdir())


WRONG_ENVIRONMENT = [
    ("TIDINGS_DATABASE", "postgresql://tidings@db/tidings", 2, "PostgreSQL is not supported"),
    ("TIDINGS_DATABASE", "missing/tidings.db", 1, "there is no folder"),
    ("TIDINGS_LISTEN", "0.0.0.0:0", 1, "will not listen on 0.0.0.0:0 without encryption"),
    ("TIDINGS_LISTEN", "127.0.0.1:0 [::]:0", 1, "will not listen on [::]:0 without encryption"),
    ("TIDINGS_TLS_CLIENT_CA", "missing.pem", 1, "--tls-client-ca needs --tls-cert"),
    ("TIDINGS_REFLECTION", "perhaps", 2, "'perhaps' is not a valid boolean"),
    ("TIDINGS_DEV", "maybe", 2, "'maybe' is not a valid boolean"),
    ("TIDINGS_HTTPS_ONLY", "2", 2, "'2' is not a valid boolean"),
    ("TIDINGS_ALLOW_UNKNOWN_EVENT_TYPES", "x", 2, "'x' is not a valid boolean"),
    ("TIDINGS_ALLOW_DESTINATION", "receiver 10.0.0.1/8", 1, "has host bits set"),
    ("TIDINGS_ALLOW_PORT", "8000 70000", 2, "70000 is not in the range"),
    ("TIDINGS_PAYLOAD_BYTES_MAX", "1e3", 2, "'1e3' is not a valid integer"),
    ("TIDINGS_DELIVERY_SLOTS", "9999", 2, "9999 is not in the range"),
    ("TIDINGS_DRAIN_TIMEOUT", "soon", 2, "'soon' is not a valid float"),
    ("TIDINGS_LOG_LEVEL", "loud", 2, "'loud' is not one of"),
]


async def test_environment_variable_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """Like the option that it stands for."""
    all_ended = await asyncio.gather(
        *(serve(folder=tmp_path, **{variable: value}) for variable, value, _, _ in WRONG_ENVIRONMENT)
    )

    for (_, _, code, words), ended in zip(WRONG_ENVIRONMENT, all_ended, strict=True):
        assert (code, "") == (ended.code, ended.out)
        assert words in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signal_ends_an_idle_server_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """At once: there is nothing to wait for."""
    async with running_process(tmp_path / "tidings.db") as server:
        server.process.send_signal(number)
        code = await asyncio.wait_for(server.process.wait(), 5)

    assert 0 == code
    assert ["keyring.created", "server.started", "server.stopping", "server.stopped"] == [
        line["event"] for line in server.log
    ]
    assert [] == server.other_output


async def test_sigterm_lets_the_attempt_under_way_finish_and_records_it(tmp_path: Path) -> None:
    """The receiver has done its work, so it is not asked again after the restart."""
    go_on = asyncio.Event()

    async def answer(_: Received) -> web.Response:
        await go_on.wait()
        return web.Response(status=204)

    server = ServerProcess(tmp_path / "tidings.db")
    async with running_receiver(answer) as receiver:
        try:
            await server.start()
            tenant = Tenant(server.client)
            event_type = await tenant.event_type()
            await tenant.subscribe(url=receiver.url)
            await tenant.publish(event_type)
            await receiver.wait_for(1)
            ending = asyncio.create_task(server.stop())
            await asyncio.sleep(0.2)
            was_running = server.process.returncode is None
            go_on.set()
            code = await asyncio.wait_for(ending, PATIENCE_S)
            await server.start()
            [notification] = await Tenant(server.client, tenant.parent.rpartition("/")[2]).notifications()
        finally:
            await server.end()

    assert (True, 0) == (was_running, code)
    assert NotificationState.NOTIFICATION_STATE_SUCCEEDED == notification.state
    assert 1 == notification.attempt_count
    assert 1 == len(receiver.received)


async def test_server_listens_on_a_unix_socket_beside_tcp(tmp_path: Path) -> None:
    """Without --dev, for only this machine can reach it. After a kill the socket that is left is no obstacle."""
    address = f"unix:{tmp_path}/tidings.sock"
    server = ServerProcess(tmp_path / "tidings.db", "--listen", address, dev=False)
    try:
        await server.start()
        await server.kill()
        await server.start()
        client = Client(address, server.client.token)
        event_type = await Tenant(client).event_type()
        await client.channel.close()
        found = await Tenant(server.client).event_types()
        code = await server.stop()
    finally:
        await server.end()

    assert [f"eventTypes/{event_type}"] == [each.name for each in found]
    started = next(line for line in server.log if line["event"] == "server.started")
    assert address in started["listen"]
    assert 0 == code


@pytest.mark.parametrize("arguments", [["--allow-plaintext"], ["--dev"], ["--tls"]], ids=lambda each: each[0])
async def test_address_that_others_reach_is_listened_on_with_a_reason(tmp_path: Path, arguments: list[str]) -> None:
    """A proxy that encrypts, development, or encryption here; metrics, which have none, need one of the former."""
    certificate, key = pair(trustme.CA(), "127.0.0.1").write(tmp_path)
    given = {
        "--tls": ["--tls-cert", str(certificate), "--tls-key", str(key)],
    }.get(arguments[0], [*arguments, "--metrics-listen", "0.0.0.0:0"])

    async with running_process(tmp_path / "tidings.db", "--listen", "0.0.0.0:0", *given, dev=False) as server:
        [started] = [line for line in server.log if line["event"] == "server.started"]

    assert started["listen"][1].startswith("0.0.0.0:")
    assert ("--tls" not in arguments) == ("metrics_listen" in started)


async def test_certificate_is_renewed_without_a_restart(tmp_path: Path) -> None:
    """With one line in the log; calls that were under way over the old one are answered."""
    old, new = trustme.CA(), trustme.CA()
    certificate, key = pair(old, "127.0.0.1").write(tmp_path)
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key))

    async def connected_over(authority: trustme.CA, address: str) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        options = (("grpc.use_local_subchannel_pool", 1),)
        channel = grpc.aio.secure_channel(address, credentials, options=options)
        health: Any = HealthStub(channel)
        await health.Check(HealthCheckRequest(), timeout=PATIENCE_S)
        return channel

    async with running_process(tmp_path / "tidings.db", *arguments) as server:
        before = await connected_over(old, server.address)
        pair(new, "127.0.0.1").write(tmp_path)
        after = await connected_over(new, server.address)
        health: Any = HealthStub(before)
        still = (await health.Check(HealthCheckRequest(), timeout=PATIENCE_S)).status
        await before.close()
        await after.close()
        await server.stop()

    assert HealthCheckResponse.SERVING == still
    assert [str(certificate)] == [line["certificate"] for line in server.log if line["event"] == "tls.reloaded"]
    assert [] == server.other_output
