"""The connections that are kept: who needs one gets the one that was used last, or a new one.

It knows connections and the guard that makes their sockets. It does not know requests or outcomes.
"""

import asyncio
import ssl
from collections import defaultdict
from functools import partial
from typing import NamedTuple

from service.delivery.connections import Connection
from service.delivery.egress import Call, GuardedConnector


class Origin(NamedTuple):
    """Where connections lead to, as URLs name it: RFC 6454. Connections to one origin are alike."""

    scheme: str
    host: str
    port: int


class NotConnected(OSError):
    """There was no connection in time."""


class Pool:
    """Keeps connections alive for the next request to the same origin.

    Must be built inside a running event loop. How many are in use is for the caller to bound.

    Args:
        connector: makes the sockets. Closed with the pool.
        tls: the context that verifies receivers.
        connect_timeout_s: the limit for name resolution, TCP and TLS together.
        body_bytes_max: how much of a response's body a connection reads.
        idle_s: how long a connection that nobody uses is kept.
        idle_max: how many of them are kept; beyond that, the one that was last in use is closed.
    """

    def __init__(
        self,
        connector: GuardedConnector,
        *,
        tls: ssl.SSLContext,
        connect_timeout_s: float,
        body_bytes_max: int,
        idle_s: float = 15.0,
        idle_max: int = 1024,
    ) -> None:
        self._connector = connector
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._body_bytes_max = body_bytes_max
        self._idle_s = idle_s
        self._idle_max = idle_max
        self._loop = asyncio.get_running_loop()
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._idle_count = 0
        self._in_use: set[Connection] = set()
        self._next_look: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection that was kept, None if there is none."""
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            self._idle_count -= 1
            if not kept:
                del self._idle[origin]
            if connection.is_open:
                self._in_use.add(connection)
                return connection
        return None

    async def connect(self, origin: Origin, call: Call) -> Connection:
        """Return a new connection, and note in the Call which addresses were tried.

        Raises:
            NotConnected: the time is up, or the pool is closed.
            OSError: what GuardedConnector raises, or a failure of TLS.
            ValueError: the host is none.
        """
        limit = asyncio.timeout(self._connect_timeout_s)
        try:
            async with limit:
                connection = await self._connect(origin, call)
        except TimeoutError:
            if limit.expired():
                raise NotConnected(f"no connection within {self._connect_timeout_s:g} s") from None
            raise
        if self._is_closed:
            connection.close()
            raise ConnectionAbortedError
        self._in_use.add(connection)
        return connection

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for the next request, if it can be used again."""
        self._in_use.discard(connection)
        connection.end_exchange()
        if not connection.is_open:
            return
        if self._idle_count >= self._idle_max:
            connection.close()
            return
        self._idle[origin].append(connection)
        self._idle_count += 1
        if self._next_look is None:
            self._next_look = self._loop.call_later(self._idle_s, self._close_idle)

    async def close(self) -> None:
        """Close every connection. Requests under way fail."""
        self._is_closed = True
        if self._next_look is not None:
            self._next_look.cancel()
        for connection in (*self._in_use, *(each for kept in self._idle.values() for each in kept)):
            connection.close()
        self._idle.clear()
        await self._connector.close()

    async def _connect(self, origin: Origin, call: Call) -> Connection:
        connected = await self._connector.connect(origin.host, origin.port, call)
        is_tls = origin.scheme == "https"
        _, connection = await self._loop.create_connection(
            partial(Connection, call.remote_address, body_bytes_max=self._body_bytes_max),
            sock=connected,
            ssl=self._tls if is_tls else None,
            server_hostname=origin.host.rstrip(".") if is_tls else None,
        )
        return connection

    def _close_idle(self) -> None:
        """Close what has been idle for too long, and forget what receivers have closed."""
        now_s = self._loop.time()
        for origin, connections in list(self._idle.items()):
            for connection in connections:
                if now_s - connection.idle_since_s >= self._idle_s:
                    connection.close()
            self._idle[origin] = [each for each in connections if each.is_open]
            if not self._idle[origin]:
                del self._idle[origin]
        self._idle_count = sum(map(len, self._idle.values()))
        # The one that was given back first is the first of its list.
        oldest_s = min((kept[0].idle_since_s for kept in self._idle.values()), default=None)
        self._next_look = None if oldest_s is None else self._loop.call_at(oldest_s + self._idle_s, self._close_idle)
