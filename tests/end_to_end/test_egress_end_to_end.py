"""No connection goes to a forbidden address, seen from the side of who would be connected to.

Names that only a hostile resolver makes dangerous, the corpus's "(R)" lines, are in tests/delivery/test_egress.py.
"""

import asyncio
import re
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from tests.harness import error_detail, eventually, read_rows, running_process

CORPUS = Path(__file__).parents[1] / "corpora" / "destinations.txt"
REBOUND = " (R)"
ALLOWED_URL = "https://receiver.example/hooks"
# Beside the corpus: other ways to write what listens here, which no API would let into the database.
LOCAL_TOO = (
    "http://localhost/",
    "http://127.1/",
    "http://127.0.0.2/",
    "http://127.255.255.254/",
    "http://0/",
    "http://2130706433/",
    "http://017700000001/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:0:0]/",
)
# Spellings that the HTTP client itself cannot read, or takes for names that nobody has: no address is ever judged.
UNREADABLE_HOSTS = frozenset(
    {
        *("127.0.1", "127.1", "0", "2130706433", "017700000001", "0177.0.0.1"),
        *("①②⑦.⓪.⓪.①", "%31%32%37.0.0.1", r"ok.example\@127.0.0.1", "127\uff0e0\uff0e0\uff0e1", "lo\u200bcalhost"),
    }
)


def corpus() -> list[str]:
    """Return the corpus's destinations that are forbidden as they stand, with the C-style escapes resolved."""
    lines = [line for line in CORPUS.read_text().splitlines() if line[0] != "#" and not line.endswith(REBOUND)]
    return [re.sub(r"\\(?:[trn]|u[0-9a-f]{4})", lambda escape: _unescaped(escape[0]), line) for line in lines]


def _unescaped(escape: str) -> str:
    return {"\\t": "\t", "\\r": "\r", "\\n": "\n"}.get(escape) or chr(int(escape[2:], 16))


def at_port(url: str, port: int) -> str | None:
    """Return a URL of this machine with a port in it; None if nothing can be listened to where it leads.

    Says where it leads as leniently as any parser would: the dangerous reading is the one that counts.
    """
    parts = urlsplit(url)
    host = unquote(parts.hostname or "").encode("idna").decode()
    flags = 0 if "localhost" in host else socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(host.rstrip("."), port, type=socket.SOCK_STREAM, flags=flags)
    except OSError:
        return None
    return url.replace(parts.netloc, f"{parts.netloc}:{port}", 1) if any(_is_ours(info[4]) for info in found) else None


def _is_ours(address: tuple[Any, ...]) -> bool:
    if ip_address(address[0]).is_multicast:
        return False  # Can be bound, but no TCP connection leads there.
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        try:
            probe.bind((address[0], 0, *address[2:]))
        except OSError:
            return False
    return True


@dataclass
class Listener:
    """Listens on every address of this machine, v4 and v6, on one port, and notes each connection."""

    port: int = 0
    connections: list[object] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Listener"]:
        """Listen on a free port."""
        listener = cls()
        loop = asyncio.get_running_loop()
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as bound:
            listener.port = bound.getsockname()[1]
            async with await loop.create_server(lambda: _Noted(listener.connections), sock=bound):
                yield listener


class _Noted(asyncio.Protocol):
    def __init__(self, connections: list[object]) -> None:
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who came, and hang up."""
        self._connections.append(transport.get_extra_info("peername"))
        transport.close()


def local_urls(port: int) -> list[str]:
    """Return every destination of the corpus, and of the list above, at which this machine can be listened to."""
    return list(filter(None, (_at_port_or_none(url, port) for url in (*corpus(), *LOCAL_TOO))))


def _at_port_or_none(url: str, port: int) -> str | None:
    try:
        return at_port(url, port)
    except ValueError:
        return None  # Not even urlsplit makes sense of it.


async def test_listener_hears_of_every_local_destination_when_nothing_guards_it() -> None:
    """The premise of the tests below: plain connections to these destinations do arrive."""
    async with Listener.running() as listener:
        urls = local_urls(listener.port)
        for url in urls:
            host = unquote(urlsplit(url).hostname or "").encode("idna").decode().rstrip(".")
            _, writer = await asyncio.open_connection(host, listener.port)
            writer.close()
            await writer.wait_closed()
        await eventually(lambda: len(listener.connections) == len(urls))
    print(f"{len(urls)} local destinations: {' '.join(urls)}")
    assert len(urls) >= 20


async def test_create_refuses_every_destination_of_the_corpus(tmp_path: Path) -> None:
    """A server without --dev refuses them as they stand, and those that lead here also at an allowed port."""
    async with Listener.running() as listener:
        forbidden = [*corpus(), *local_urls(listener.port)]
        async with running_process(tmp_path / "tidings.db", "--allow-port", str(listener.port), dev=False) as server:
            await server.client.create_event_type()
            reasons = {}
            for number, url in enumerate(forbidden):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await server.client.subscribe(url, subscription_id=f"s-{number}")
                reasons[url] = error_detail(refused.value, ErrorInfo).reason
            assert await server.stop() == 0
        assert [] == listener.connections
    assert {"DESTINATION_FORBIDDEN", "INVALID_FIELD"} == set(reasons.values())
    assert "DESTINATION_FORBIDDEN" == reasons["http://0.0.0.0/"] == reasons["http://LOCALHOST/"]
    assert [] == read_rows(tmp_path / "tidings.db", "SELECT id FROM subscriptions")


async def test_forbidden_destination_in_the_database_is_never_connected_to(tmp_path: Path) -> None:
    """The API is not the only guard: what came into the table otherwise is judged again at the connect."""
    async with Listener.running() as listener:
        urls = local_urls(listener.port)
        arguments = ("--allow-port", str(listener.port))
        async with running_process(tmp_path / "tidings.db", *arguments, dev=False) as server:
            await server.client.create_event_type()
            for number in range(len(urls)):
                await server.client.subscribe(ALLOWED_URL, subscription_id=f"s-{number}")
            assert await server.stop() == 0
            _put_behind_the_back(server.database, urls)
            await server.start()
            await server.client.publish()
            await eventually(lambda: len(_attempts(server.database)) == len(urls))
            assert await server.stop() == 0
        assert [] == listener.connections

    expected = {(f"s-{number}", _outcome(url), "", None) for number, url in enumerate(urls)}
    assert expected == _attempts(server.database)


def _outcome(url: str) -> str:
    parts = urlsplit(url)
    is_readable = parts.scheme in ("http", "https") and parts.netloc.rpartition(":")[0] not in UNREADABLE_HOSTS
    return "DESTINATION_FORBIDDEN" if is_readable else "CONNECT_FAILED"


def _put_behind_the_back(database: Path, urls: list[str]) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for number, url in enumerate(urls):
            # As an earlier version has kept it: the server does not take another URL for one that it has sealed.
            connection.execute(
                "UPDATE subscriptions SET url = ?, url_rest = NULL, headers = '{}', sealed_with = NULL WHERE id = ?",
                (url, f"s-{number}"),
            )


def _attempts(database: Path) -> set[tuple[str, str, str, int | None]]:
    rows = read_rows(
        database,
        """
        SELECT subscriptions.id, outcome, remote_address, http_status FROM attempts
        JOIN notifications ON notifications.id = notification_id
        JOIN subscriptions ON subscriptions.uid = subscription_uid
        """,
    )
    return {(row["id"], row["outcome"], row["remote_address"], row["http_status"]) for row in rows}
