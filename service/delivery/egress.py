"""The guard on the way out: it judges every address at every connect, whatever name or literal led to it.

It knows the policy and sockets. It does not know HTTP; `service.delivery.pool` builds its connections with it.
"""

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult

from service.delivery.resolver import SystemResolver
from service.domain.destinations import DestinationPolicy

_UNACKNOWLEDGED_MS_MAX = 30_000
# Of a response 16 KiB are read; the system would keep megabytes for each, and hand them over at once.
_RECEIVE_BUFFER_BYTES = 32 * 1024
# What RFC 8305, section 5, recommends.
_NEXT_ADDRESS_AFTER_S = 0.25


class DestinationRefused(OSError):
    """The policy does not allow this address. An OSError, so that it is passed on like any failed connect."""

    def __init__(self, host: str) -> None:
        super().__init__(errno.EACCES, f"the destination {host} is at an address that is not allowed")


@dataclass(slots=True)
class Call:
    """One request on its way, and the last address that was tried for it, as `ip:port`.

    A refused address is never tried, so it is not told.
    """

    remote_address: str = ""


class GuardedResolver(AbstractResolver):
    """Passes a name's addresses on only if the policy allows every one of them.

    One forbidden answer refuses the name: a receiver has no reason to mix, a rebinding attack does.
    """

    def __init__(self, policy: DestinationPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            DestinationRefused: an address is forbidden.
            OSError: the name does not resolve.
        """
        answers = await self._resolver.resolve(host, port, family)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        if not all(_is_allowed(self._policy, host, answer["host"]) for answer in answers):
            raise DestinationRefused(host)
        return answers

    async def close(self) -> None:
        """Close the resolver behind the guard."""
        await self._resolver.close()


class GuardedConnector:
    """Makes sockets, each of which has passed the policy.

    Resolvers are not asked about IP literals: so the address is judged once more where the socket is made. Answers are
    not kept, for connections are. Must be built inside a running event loop.

    Args:
        policy: the destinations that are allowed.
        resolver: answers for names, in place of the system's. It is closed by who made it.
    """

    def __init__(self, policy: DestinationPolicy, *, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        # Costs nothing until it is asked.
        self._system_resolver = SystemResolver()
        self._resolver = GuardedResolver(policy, resolver or self._system_resolver)

    async def connect(self, host: str, port: int, call: Call) -> socket.socket:
        """Return a socket that is connected to a host, and note in the Call which addresses were tried.

        Of several addresses the next one is tried a quarter of a second after the last, or once that failed. `host` is
        a name or an IP literal, without brackets.

        Raises:
            DestinationRefused: an address is forbidden.
            OSError: the name does not resolve, or no address could be connected to.
            ValueError: what looks like an IP literal and is none.
        """
        connected = await aiohappyeyeballs.start_connection(
            await self._addresses(host, port),
            happy_eyeballs_delay=_NEXT_ADDRESS_AFTER_S,
            socket_factory=partial(self._guarded_socket, host, call),
        )
        # The one that was tried last need not be the one that won. A connection that was reset has no peer any more.
        with suppress(OSError):
            call.remote_address = _written(*connected.getpeername()[:2])
        return connected

    async def close(self) -> None:
        """Close the system's resolver."""
        await self._system_resolver.close()

    async def _addresses(self, host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
        if _is_literal(host):
            return [_address_info(host, port)]
        answers = await self._resolver.resolve(host, port, socket.AF_UNSPEC)
        return [_address_info(answer["host"], port) for answer in answers]

    def _guarded_socket(self, host: str, call: Call, address_info: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (address, port, *_) = address_info
        if not _is_allowed(self._policy, host, address):
            raise DestinationRefused(host)
        call.remote_address = _written(address, port)
        guarded = socket.socket(family, kind, protocol)
        guarded.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A receiver that never reads would keep the unsent bytes, and so the socket, long after we gave up.
            guarded.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS_MAX)
        return guarded


def _is_literal(host: str) -> bool:
    """Say whether a host is an IP literal.

    Raises:
        ValueError: it looks like one and is none, such as 127.1, which some read as an address all the same.
    """
    if ":" not in host and not host.replace(".", "").isdigit():
        return False
    ip_address(host)
    return True


def _address_info(address: str, port: int) -> aiohappyeyeballs.AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def _is_allowed(policy: DestinationPolicy, host: str, address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        # What is not one canonical address is read differently by different parsers.
        return False
    return policy.allows_address(host, parsed)


def _written(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
