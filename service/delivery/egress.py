"""The guard on the way out: it judges every address at every connect, whatever name or literal led to it.

It knows the policy and sockets. It does not know HTTP; `service.delivery.transport` builds its connections with it.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from ssl import SSLContext
from typing import TYPE_CHECKING

from aiohttp import AddrInfoType, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection

from service.delivery.resolver import SystemResolver
from service.domain.destinations import DestinationPolicy

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

_UNACKNOWLEDGED_MS_MAX = 30_000
# Of a response 16 KiB are read; the system would keep megabytes for each, and hand them over at once.
_RECEIVE_BUFFER_BYTES = 32 * 1024


class DestinationRefused(OSError):
    """The policy does not allow this address. An OSError, so that aiohttp passes it on like any failed connect."""

    def __init__(self, host: str) -> None:
        super().__init__(errno.EACCES, f"the destination {host} is at an address that is not allowed")


@dataclass(slots=True)
class Call:
    """One request on its way: the host of its URL, and the last address that was tried, as `ip:port`.

    A refused address is never tried, so it is not told. `reused` is the connection of the pool that the request took,
    if it took one; while `must_connect`, it takes none.
    """

    host: str
    remote_address: str = ""
    reused: ResponseHandler | None = None
    must_connect: bool = False


# A socket factory is told an address and not which host it is for; tasks that aiohttp starts inherit this.
_current_call: ContextVar[Call | None] = ContextVar("_current_call", default=None)


@contextmanager
def calling(host: str) -> Iterator[Call]:
    """Judge the connections of this block as made for `host`, and note their addresses in the Call.

    Outside such a block no allowed host applies: every address must be allowed by itself.
    """
    call = Call(host)
    token = _current_call.set(call)
    try:
        yield call
    finally:
        _current_call.reset(token)


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


class GuardedConnector(TCPConnector):
    """A connection pool in which every socket has passed the policy.

    Resolvers are not asked about IP literals, and answers are cached: so the address is judged once more where the
    socket is made. Must be built inside a running event loop.

    Args:
        policy: the destinations that are allowed.
        resolver: answers for names, in place of the system's. It is closed by who made it.
        tls: the context that verifies receivers, in place of one with the system's authorities.
        protocol: reads what comes back on a connection.
    """

    def __init__(
        self,
        policy: DestinationPolicy,
        *,
        resolver: AbstractResolver | None = None,
        tls: SSLContext | None = None,
        protocol: type[ResponseHandler] = ResponseHandler,
    ) -> None:
        self._policy = policy
        # Costs nothing until it is asked.
        self._system_resolver = SystemResolver()
        super().__init__(
            resolver=GuardedResolver(policy, resolver or self._system_resolver),
            socket_factory=self._guarded_socket,
            ssl=tls or True,
            # The dispatcher's slots are the limit; the default of 100 would be a second, hidden one.
            limit=0,
        )
        # aiohttp has no argument for it.
        self._factory = partial(protocol, loop=self._loop)

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close every connection, and then the system's resolver. Requests under way fail."""
        await super().close(abort_ssl=abort_ssl)
        await self._system_resolver.close()

    async def connect(  # the base class has the timeout
        self,
        req: ClientRequest,
        traces: list["Trace"],
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Return a connection, and note its address in the Call: one from the pool made no socket."""
        connection = await super().connect(req, traces, timeout)
        call = _current_call.get()
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        if call is not None and peer is not None:
            call.remote_address = _written(*peer[:2])
        return connection

    async def _get(self, key: ConnectionKey, traces: list["Trace"]) -> Connection | None:
        """Return a connection of the pool, and note it in the Call. aiohttp tells nobody whether it reused one."""
        call = _current_call.get()
        if call is not None and call.must_connect:
            return None
        connection = await super()._get(key, traces)
        if call is not None:
            call.reused = None if connection is None else connection.protocol
        return connection

    def _guarded_socket(self, addr_info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (address, port, *_) = addr_info
        call = _current_call.get()
        host = "" if call is None else call.host
        if not _is_allowed(self._policy, host, address):
            raise DestinationRefused(host or address)
        if call is not None:
            call.remote_address = _written(address, port)
        guarded = socket.socket(family, kind, protocol)
        guarded.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A receiver that never reads would keep the unsent bytes, and so the socket, long after we gave up.
            guarded.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS_MAX)
        return guarded


def _is_allowed(policy: DestinationPolicy, host: str, address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        # What is not one canonical address is read differently by different parsers.
        return False
    return policy.allows_address(host, parsed)


def _written(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
