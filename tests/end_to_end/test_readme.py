"""README.md and the last lines of the demo say what is so, and what they tell people to paste works."""

import asyncio
import os
import re
import runpy
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory

from service.__main__ import main
from tests.harness import ServerProcess, eventually
from tests.tools import grpcurl_path
from tidings.v1 import notifications_pb2, publishing_pb2  # noqa: F401  # they fill the descriptor pool

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DEMO_LINES: str = runpy.run_path(str(ROOT / "docs" / "demo.py"))["TO_TRY"]
ADDRESS = "127.0.0.1:50051"
RECEIVER_PORT = "8080"

# In single quotes, JSON with line ends and all; a variable of the shell between two such parts may stand for text.
GRPCURL_CALL = re.compile(
    r"grpcurl -plaintext (?:-expand-headers -H '[^']*' )?"
    r"-d (?P<json>(?:'[^']*'|\"[^\"]*\")+)[\s\\]+\S+ (?P<method>tidings\.[\w./]+)"
)


def section(title: str) -> str:
    """Return what stands under a heading of README.md, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", README, re.M | re.S)
    assert found is not None, title
    return found[1]


def code(title: str, language: str) -> str:
    """Return all code of one language under a heading."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section(title), re.M | re.S)
    return "".join(block for name, block in blocks if name == language)


def rows(title: str) -> list[list[str]]:
    """Return the body of the first table under a heading."""
    table = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", section(title), re.M)
    assert table is not None, title
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def options_of(command: str) -> Iterator[list[str]]:
    """Yield the first three cells of each option's row, as the command line has it."""
    # What the command would be called with when it is given nothing.
    defaults = main.commands[command].make_context(command, []).params
    for option in main.commands[command].params:
        assert isinstance(option, click.Option)
        if option.hidden:
            continue
        # An age is written in units of its own, and converted.
        default = option.default if isinstance(option.default, str) else defaults[str(option.name)]
        yield [f"`{option.opts[0]}`", f"`{option.envvar}`", default_cell(default)]


def default_cell(default: object) -> str:
    """Return a default as the table writes it."""
    if isinstance(default, tuple):
        return " ".join(f"`{value}`" for value in default) or "none"
    return {"False": "off", "True": "on", "None": "none"}.get(str(default), f"`{default}`")


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDINGS_")]:
        monkeypatch.delenv(name)


def test_every_option_of_serve_is_documented_and_no_other() -> None:
    """Name, variable and default agree with the command line, in the order of --help."""
    assert list(options_of("serve")) == [row[:3] for row in rows("Configuration")]


def test_migrate_takes_the_option_that_readme_names() -> None:
    """It has no table of its own."""
    assert ["`--database`"] == [option for option, _, _ in options_of("migrate")]
    assert "`tidings-server migrate` takes `--database`," in section("Configuration")


def test_backup_takes_what_readme_names() -> None:
    """It has no table of its own either."""
    assert ["--database", "path"] == sorted(parameter.opts[0] for parameter in main.commands["backup"].params)
    assert "`tidings-server backup PATH` takes `--database`," in section("Configuration")


def test_status_lists_every_method_of_the_contract() -> None:
    """Service by service, and none that is not there."""
    expected = {
        service: sorted(re.findall(r"^  rpc (\w+)", body, re.M))
        for path in (ROOT / "proto/tidings/v1").glob("*.proto")
        for service, body in re.findall(r"^service (\w+) \{\n(.*?)^\}", path.read_text(), re.M | re.S)
    }

    documented = {service: sorted(methods.split(", ")) for service, methods in rows("Status: 0.1.0")}

    assert expected == documented


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, id=f"{call['method'].rpartition('/')[2]}-{number}")
        for number, call in enumerate(GRPCURL_CALL.finditer(README + DEMO_LINES), 1)
    ],
)
def test_json_of_every_grpcurl_call_is_a_request_of_its_method(call: re.Match[str]) -> None:
    """Unknown fields, wrong types and bad JSON are refused by the parser."""
    method = descriptor_pool.Default().FindMethodByName(call["method"].replace("/", "."))

    request = json_format.Parse(shlex.split(call["json"])[0], message_factory.GetMessageClass(method.input_type)())

    assert request.ByteSize() > 0


def test_no_grpcurl_call_escapes_that_check() -> None:
    """Whatever has a -d is one of the calls above."""
    text = README + DEMO_LINES
    assert len(re.findall(r"grpcurl\b.* -d", text)) == len(GRPCURL_CALL.findall(text)) > 0


def test_links_of_readme_lead_somewhere() -> None:
    """Those within this repository: to files, or to headings of this page."""
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", README)
    headings = {f"#{title.lower().replace(' ', '-')}" for title in re.findall(r"^#+ (.+)$", README, re.M)}

    assert targets
    assert [] == [target for target in targets if target not in headings and not (ROOT / target).exists()]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """Run what `make run` runs, on another port."""
    server = await ServerProcess.started(tmp_path / "tidings.db")
    yield server
    await server.end()


async def test_walk_through_works_when_pasted(server: ServerProcess) -> None:
    """Every command of it, in its order, against a new server; then the Python code, and the fields of the log."""
    port = str(free_port())
    places = {
        ADDRESS: server.address,
        f"127.0.0.1:{RECEIVER_PORT}": f"127.0.0.1:{port}",
        f", {RECEIVER_PORT})": f", {port})",
    }

    async with running(moved(code("Receive", "sh"), places)) as receiver:
        described = await paste(moved(code("Look around", "sh"), places))
        published = await paste(moved(code("Subscribe and publish", "sh"), places))
        await eventually(lambda: nothing_pending(server))
        explained = await paste(moved(code("Ask why", "sh"), places))
        looked_back = await paste(moved(code("Look back", "sh"), places))
        refused = await paste(moved(code("Make a mistake", "sh"), places))
        from_python = await shown_by(sys.executable, "-c", moved(code("From Python", "python"), places))
        await eventually(lambda: nothing_pending(server))
        printed = await everything_printed(receiver)

    assert "service SubscriptionService" in described
    assert '"signingKey": "whsec_' in published
    assert '"matchedCount": "1"' in published
    assert without_spaces(code("Ask why", "")) in without_spaces(explained)
    assert '"outcome": "ATTEMPT_OUTCOME_SUCCEEDED"' in looked_back
    assert without_spaces(quoted_error()) in without_spaces(refused)
    assert re.fullmatch(r"organizations/acme/workspaces/main/events/\S+ 1\n", from_python)
    assert '"data":{"agent":"a-17","status":"READY"}}' in printed
    assert header_names(code("Subscribe and publish", "")) == header_names(printed.partition("\n\n")[0])
    assert 0 == await server.stop()
    assert {event: fields_of(server, event) for event in ("rpc.finished", "notification.attempted")} == {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1]))
        - {"failure_reason", "next_attempt_time", "error", "stale"}
        for row in rows("Operations")
    }


async def test_way_to_production_works_when_pasted(tmp_path: Path) -> None:
    """Tokens first, then a server without --dev, then calls and commands beside it."""
    database = tmp_path / "tidings.db"
    granting, calling = re.findall(r"^```sh\n(.*?)^```$", section("In production"), re.M | re.S)
    await paste(here(granting, tmp_path))
    server = await ServerProcess.started(database, dev=False)

    bare = re.sub(" -expand-headers -H '.*?'", "", calling)
    without_token = await paste(here(moved(bare, {ADDRESS: server.address}), tmp_path))
    shown = await paste(here(granting + moved(calling, {ADDRESS: server.address}), tmp_path))

    assert 2 == without_token.count("code = Unauthenticated")
    assert '"name": "eventTypes/order.shipped"' in shown
    assert '"eventType": "order.shipped"' in shown
    assert "organizations/acme/workspaces/main" in shown
    assert "CreateEventType" in shown
    assert 0 == await server.stop()


def here(script: str, folder: Path) -> str:
    """Return a script as it is run in a folder with a database of its own."""
    program = Path(sys.executable).with_name("tidings-server")
    return f"cd {shlex.quote(str(folder))}\n" + script.replace(".venv/bin/tidings-server", shlex.quote(str(program)))


def moved(script: str, places: dict[str, str]) -> str:
    """Return a script with the addresses of a test in place of those that people use."""
    for place, place_here in places.items():
        script = script.replace(place, place_here)
    return script


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def start(*command: str) -> asyncio.subprocess.Process:
    """Start a process that finds grpcurl, with both its outputs in one pipe."""
    path = f"{Path(grpcurl_path()).parent}{os.pathsep}{os.environ['PATH']}"
    return await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def shown_by(*command: str) -> str:
    """Run a process to its end and return everything that it shows."""
    process = await start(*command)
    async with asyncio.timeout(30):
        return (await process.communicate())[0].decode()


async def paste(script: str) -> str:
    """Run lines in a shell like a person's, and return everything that it shows."""
    return await shown_by("bash", "-c", script)


@asynccontextmanager
async def running(script: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a script of the README beside the test, and end it."""
    process = await start("bash", "-c", script.replace("python3 -", f"exec {shlex.quote(sys.executable)} -"))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def everything_printed(process: asyncio.subprocess.Process) -> str:
    """End a process and return what it has printed."""
    process.terminate()
    return (await process.communicate())[0].decode()


async def nothing_pending(server: ServerProcess) -> bool:
    """Say whether every notification has its outcome, and there is one at all."""
    notifications = await server.client.list_notifications()
    return bool(notifications) and all(
        each.state != notifications_pb2.NOTIFICATION_STATE_PENDING for each in notifications
    )


def quoted_error() -> str:
    """Return the error that README shows, up to where it leaves the rest out."""
    return code("Make a mistake", "").removesuffix("}\n")


def without_spaces(text: str) -> str:
    """Return a text as far as it is the same however it is laid out."""
    return "".join(text.split())


def header_names(request: str) -> list[str]:
    """Return the names of the headers before the first empty line."""
    return [line.partition(":")[0] for line in request.partition("\n\n")[0].splitlines() if ": " in line]


def fields_of(server: ServerProcess, event: str) -> set[str]:
    """Return all fields that the lines of one event have, without those that every line has."""
    fields = {field for entry in server.log if entry["event"] == event for field in entry}
    return fields - {"event", "level", "timestamp", "failure_reason", "next_attempt_time"}
