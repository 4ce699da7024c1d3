"""The guard on the way out, seen from the listener's side: a forbidden address gets no connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.delivery.egress import DestinationRefused, GuardedConnector, GuardedResolver, calling
from service.domain.destinations import DestinationPolicy

PUBLIC = DestinationPolicy()


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
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
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


async def status_of(connector: GuardedConnector, url: str) -> int:
    async with aiohttp.ClientSession(connector=connector) as session, session.post(url) as response:
        return response.status


async def connections_after(listener: Listener) -> int:
    """Return how many came before one that is let through: the kernel hands them over in order."""
    loopback = DestinationPolicy(allowed_networks=(IPv4Network("127.0.0.0/8"),))
    assert await status_of(GuardedConnector(loopback), f"http://127.0.0.1:{listener.port}/") == 204
    return listener.connections - 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104
        "[::ffff:127.0.0.1]",
        "[::1]",
        "[::]",
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

        with pytest.raises(aiohttp.ClientError):
            await status_of(connector, f"http://{host}:{listener.port}/")

        assert 0 == await connections_after(listener)


@pytest.mark.parametrize("resolver", [FixedResolver("127.0.0.1"), FixedResolver("8.8.8.8", "127.0.0.1")])
async def test_refusal_of_a_name_is_the_cause_of_the_failure(resolver: FixedResolver) -> None:
    """aiohttp wraps it; what it wraps says that it was us."""
    with pytest.raises(aiohttp.ClientConnectorError) as failed:
        await status_of(GuardedConnector(PUBLIC, resolver=resolver), "http://localtest.me/")

    assert isinstance(failed.value.os_error, DestinationRefused)
    assert ["localtest.me"] == resolver.asked


async def test_refusal_of_a_literal_is_the_cause_of_the_failure() -> None:
    """Resolvers are not asked about literals: the socket factory is what stops them."""
    resolver = FixedResolver("8.8.8.8")

    with pytest.raises(aiohttp.ClientConnectorError) as failed:
        await status_of(GuardedConnector(PUBLIC, resolver=resolver), "http://169.254.169.254/")

    assert isinstance(failed.value.os_error, DestinationRefused)
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
    """The operator vouched for the name, and the call says that it is for that name."""
    policy = DestinationPolicy(allowed_hosts=("receiver",), allowed_ports=None)
    async with listening() as listener:
        with calling("receiver") as call:
            status = await status_of(
                GuardedConnector(policy, resolver=FixedResolver("127.0.0.1")), f"http://receiver:{listener.port}/"
            )

        assert 204 == status
        assert f"127.0.0.1:{listener.port}" == call.remote_address
        assert 1 == listener.connections


async def test_allowed_host_does_not_open_its_address_to_other_calls() -> None:
    """Without a call for the allowed host, the socket is judged by the address alone."""
    policy = DestinationPolicy(allowed_hosts=("receiver",), allowed_ports=None)
    async with listening() as listener:
        for host in ("receiver", "127.0.0.1", "ok.example"):
            connector = GuardedConnector(policy, resolver=FixedResolver("127.0.0.1"))
            with pytest.raises(aiohttp.ClientConnectorError):
                await status_of(connector, f"http://{host}:{listener.port}/")

        assert 0 == await connections_after(listener)


async def test_names_are_not_looked_up_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its few threads are everybody's; without a resolver of the caller's, the connector asks the system itself."""

    async def look_up(host: str, *args: object, **kwargs: object) -> None:
        raise AssertionError(f"the loop was asked for {host}")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    policy = DestinationPolicy(allowed_networks=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")))
    async with listening() as listener:
        status = await status_of(GuardedConnector(policy), f"http://localhost:{listener.port}/")

        assert 204 == status
