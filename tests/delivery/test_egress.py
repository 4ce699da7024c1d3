"""The guard on the way out, seen from the listener's side: a forbidden address gets no connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.delivery.egress import Call, DestinationRefused, GuardedConnector, GuardedResolver
from service.domain.destinations import DestinationPolicy

PUBLIC = DestinationPolicy()
LOOPBACK = DestinationPolicy(allowed_networks=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")))
ANSWER = b"HTTP/1.1 204 No Content\r\n"


class FixedResolver(AbstractResolver):
    """Answers every name with the same addresses and remembers what it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


@dataclass
class Listener:
    """A server on loopback that answers 204 and counts its connections."""

    port: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER + b"\r\n")
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    # Every local address, so that a request under any disguise would be seen.
    server = await asyncio.start_server(listener.serve, "0.0.0.0")  # noqa: S104
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        await server.wait_closed()


async def answer_of(connector: GuardedConnector, host: str, port: int, call: Call | None = None) -> bytes:
    """Return the first line of what a listener answers. Without a Call of the test's, nobody asks for its address."""
    connected = await connector.connect(host, port, call or Call())
    reader, writer = await asyncio.open_connection(sock=connected)
    writer.write(b"\r\n\r\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def connections_after(listener: Listener) -> int:
    """Return how many came before one that is let through: the kernel hands them over in order."""
    assert await answer_of(GuardedConnector(LOOPBACK), "127.0.0.1", listener.port) == ANSWER
    return listener.connections - 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104
        "::ffff:127.0.0.1",
        "::1",
        "::",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "localtest.me",
        "LOCALTEST.ME.",
    ],
)
async def test_forbidden_destination_sees_no_connection(host: str) -> None:
    """Whatever spelling of loopback got past the grammar, nothing arrives."""
    async with listening() as listener:
        connector = GuardedConnector(PUBLIC, resolver=FixedResolver("127.0.0.1"))

        with pytest.raises((DestinationRefused, ValueError)):
            await answer_of(connector, host, listener.port)

        assert 0 == await connections_after(listener)


@pytest.mark.parametrize("resolver", [FixedResolver("127.0.0.1"), FixedResolver("8.8.8.8", "127.0.0.1")])
async def test_refused_name_is_told_without_its_addresses(resolver: FixedResolver) -> None:
    """A subscriber could map the network with them."""
    call = Call()
    with pytest.raises(DestinationRefused, match=r"the destination localtest\.me is at an address that is not allowed"):
        await GuardedConnector(PUBLIC, resolver=resolver).connect("localtest.me", 80, call)

    assert ["localtest.me"] == resolver.asked
    assert "" == call.remote_address


async def test_literal_is_refused_without_asking_a_resolver() -> None:
    """The making of the socket is what stops it."""
    resolver = FixedResolver("8.8.8.8")

    with pytest.raises(DestinationRefused):
        await GuardedConnector(PUBLIC, resolver=resolver).connect("169.254.169.254", 80, Call())

    assert [] == resolver.asked


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("8.8.8.8", "10.0.0.1"),
        ("2606:4700::1111", "::1"),
        ("fe80::1%1",),
        ("::ffff:8.8.8.8",),
        ("8.8.8.8", "127.1"),
        ("not an address",),
    ],
)
async def test_name_with_any_forbidden_answer_is_refused(addresses: Sequence[str]) -> None:
    """One bad answer is enough: a rebinding attack hides it among good ones."""
    with pytest.raises(DestinationRefused):
        await GuardedResolver(PUBLIC, FixedResolver(*addresses)).resolve("ok.example")


async def test_name_with_public_answers_is_passed_on() -> None:
    """All of them, in the resolver's order."""
    answers = await GuardedResolver(PUBLIC, FixedResolver("8.8.8.8", "2606:4700::1111")).resolve("ok.example", 443)

    assert ["8.8.8.8", "2606:4700::1111"] == [answer["host"] for answer in answers]


async def test_name_without_an_answer_does_not_resolve() -> None:
    """An empty answer is a failed look-up, not an empty list of things to try."""
    with pytest.raises(socket.gaierror):
        await GuardedResolver(PUBLIC, FixedResolver()).resolve("ok.example")


async def test_allowed_host_is_connected_to_wherever_it_resolves() -> None:
    """The operator vouched for the name."""
    policy = DestinationPolicy(allowed_hosts=("receiver",), allowed_ports=None)
    async with listening() as listener:
        call = Call()
        answer = await answer_of(
            GuardedConnector(policy, resolver=FixedResolver("127.0.0.1")), "receiver", listener.port, call
        )

        assert ANSWER == answer
        assert f"127.0.0.1:{listener.port}" == call.remote_address
        assert 1 == listener.connections


async def test_allowed_host_does_not_open_its_address_to_others() -> None:
    """Another name for it, and the address itself, are judged by the address."""
    policy = DestinationPolicy(allowed_hosts=("receiver",), allowed_ports=None)
    async with listening() as listener:
        connector = GuardedConnector(policy, resolver=FixedResolver("127.0.0.1"))
        for host in ("127.0.0.1", "ok.example"):
            with pytest.raises(DestinationRefused):
                await answer_of(connector, host, listener.port)

        assert 0 == await connections_after(listener)


async def test_next_address_is_tried_when_one_fails() -> None:
    """Nothing listens on the first, and the Call names the one that was tried last."""
    async with listening() as listener:
        connector = GuardedConnector(LOOPBACK, resolver=FixedResolver("::1", "127.0.0.1"))
        call = Call()

        assert ANSWER == await answer_of(connector, "ok.example", listener.port, call)
        assert f"127.0.0.1:{listener.port}" == call.remote_address


async def test_names_are_not_looked_up_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its few threads are everybody's; without a resolver of the caller's, the connector asks the system itself."""

    async def look_up(host: str, *args: object, **kwargs: object) -> None:
        raise AssertionError(f"the loop was asked for {host}")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    async with listening() as listener:
        assert ANSWER == await answer_of(GuardedConnector(LOOPBACK), "localhost", listener.port)
