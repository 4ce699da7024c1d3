"""Making one HTTP request, and saying as a value what came of it.

Failures of connections are translated here, once. It does not know notifications, retries or signatures.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from typing import Protocol

from aiohttp.abc import AbstractResolver

from service.delivery.connections import Connection
from service.delivery.egress import Call, DestinationRefused, GuardedConnector
from service.delivery.pool import NotConnected, Origin, Pool
from service.delivery.responses import AnswerUnreadable, Response
from service.delivery.targets import HeadWriter, read_target
from service.delivery.trust import trusting
from service.domain.destinations import DestinationPolicy
from service.domain.outcomes import KEPT_BODY_BYTES_MAX, Reply, Request, Unreachable, UnreachableKind

RESPONSE_HEADERS_BYTES_MAX = 8 * 1024


class Transport(Protocol):
    """Makes HTTP requests."""

    async def post(self, request: Request) -> Reply | Unreachable:
        """Make one request. Whatever the receiver does is a value; only CancelledError is raised."""
        ...

    async def close(self) -> None:
        """Close every connection. The transport cannot be used afterwards."""
        ...


class HttpTransport:
    """HTTP/1.1: no redirects, cookies, proxies or decompression, and no address that the policy forbids.

    Must be built inside a running event loop. Connections are kept alive and reused. It is made for what webhooks need
    and takes a third of the CPU of aiohttp's client, whose parser it shares.

    Args:
        policy: the destinations that are allowed.
        user_agent: the `User-Agent` of every request.
        connect_timeout_s: the limit for name resolution, TCP and TLS together.
        body_bytes_max: how much of a response's body is read; the connection of a longer one is closed.
        body_bytes_kept: how much of it a Reply has.
        body_time_s: the limit for reading it, after the headers and within the request's own limit.
        resolver: answers for names, in place of the system's. It is not closed here.
        tls: the context that verifies receivers, in place of one with the system's authorities.
    """

    def __init__(
        self,
        policy: DestinationPolicy,
        *,
        user_agent: str,
        connect_timeout_s: float = 5.0,
        body_bytes_max: int = 16 * 1024,
        body_bytes_kept: int = KEPT_BODY_BYTES_MAX,
        body_time_s: float = 1.0,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._body_bytes_kept = body_bytes_kept
        self._body_time_s = body_time_s
        self._heads = HeadWriter(user_agent)
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(
            GuardedConnector(policy, resolver=resolver),
            tls=tls or _system_authorities(),
            connect_timeout_s=connect_timeout_s,
            body_bytes_max=body_bytes_max,
        )

    async def post(self, request: Request) -> Reply | Unreachable:
        """Make one request, with at most `request.timeout_s` for everything.

        A response whose body breaks off, stalls or does not end is still a Reply, with `body_truncated`. Of the headers
        those are kept that fit into 8 KiB together. A receiver may close a kept connection while the request is on its
        way: the request is then sent once more on a new one, unless a byte of a response came.
        """
        deadline_s = self._loop.time() + request.timeout_s
        limit = asyncio.timeout_at(deadline_s)
        call = Call()
        try:
            target = read_target(request.url)
            head = self._heads.write(target, request.headers, body_bytes=len(request.body))
            async with limit:
                connection, response = await self._send_or_send_again(target.origin, head, request.body, call)
        except (AnswerUnreadable, OSError, ValueError) as error:
            if limit.expired():
                sentence = f"no response within {request.timeout_s:g} s"
                return Unreachable(UnreachableKind.TIMED_OUT, sentence, call.remote_address)
            return _unreachable(error, call)
        try:
            return await self._reply(connection, response, deadline_s)
        finally:
            self._pool.give_back(target.origin, connection)

    async def close(self) -> None:
        """Close every connection. Requests under way fail."""
        await self._pool.close()

    async def _send_or_send_again(
        self, origin: Origin, head: bytes, body: bytes, call: Call
    ) -> tuple[Connection, Response]:
        kept = self._pool.take(origin)
        if kept is not None:
            call.remote_address = kept.remote_address
            try:
                return kept, await self._send(origin, kept, head, body)
            except OSError:
                if kept.has_heard:
                    raise
        # Others of the pool were probably closed with it.
        connection = await self._pool.connect(origin, call)
        return connection, await self._send(origin, connection, head, body)

    async def _send(self, origin: Origin, connection: Connection, head: bytes, body: bytes) -> Response:
        try:
            return await connection.exchange(head, body)
        except BaseException:
            self._pool.give_back(origin, connection)
            raise

    async def _reply(self, connection: Connection, response: Response, deadline_s: float) -> Reply:
        assert response.head is not None
        body_deadline_s = min(deadline_s, self._loop.time() + self._body_time_s)
        body, is_whole = await connection.read_body(response, deadline_s=body_deadline_s)
        return Reply(
            http_status=response.head.code,
            headers=_kept_headers(response.head.raw_headers),
            body=body[: self._body_bytes_kept],
            body_truncated=not is_whole or len(body) > self._body_bytes_kept,
            remote_address=connection.remote_address,
        )


def _kept_headers(raw_headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    kept = []
    room = RESPONSE_HEADERS_BYTES_MAX
    for name, value in raw_headers:
        # One that does not fit is left out by itself: a Retry-After may come after it.
        if len(name) + len(value) <= room:
            room -= len(name) + len(value)
            kept.append((name.decode("latin-1"), value.decode("latin-1")))
    return tuple(kept)


def _unreachable(error: Exception, call: Call) -> Unreachable:
    kind, sentence = _diagnosis(error)
    return Unreachable(kind, sentence, call.remote_address)


def _diagnosis(error: Exception) -> tuple[UnreachableKind, str]:
    """Return what a failed request means, as a sentence without the URL's path and query."""
    match error:
        case DestinationRefused():
            return UnreachableKind.DESTINATION_FORBIDDEN, error.strerror or ""
        case NotConnected():
            return UnreachableKind.TIMED_OUT, str(error)
        case ssl.SSLError():
            return UnreachableKind.TLS_FAILED, _tls_problem(error)
        case socket.gaierror():
            return UnreachableKind.CONNECT_FAILED, f"the host name does not resolve: {error.strerror}"
        case TimeoutError():
            return UnreachableKind.TIMED_OUT, "the receiver stopped answering"
        case ConnectionRefusedError():
            return UnreachableKind.CONNECT_FAILED, "the receiver refused the connection"
        case ConnectionError():
            return UnreachableKind.CONNECT_FAILED, "the receiver closed the connection before it answered"
        case AnswerUnreadable():
            return UnreachableKind.CONNECT_FAILED, "the receiver's answer is not HTTP, or its headers are too large"
        case OSError():
            problem = error.strerror or "none of the receiver's addresses could be connected to"
            return UnreachableKind.CONNECT_FAILED, f"the connection failed: {problem}"
        case _:
            return UnreachableKind.CONNECT_FAILED, f"the request could not be made: {type(error).__name__}"


def _tls_problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the receiver's certificate is not accepted: {error.verify_message}"
    return f"TLS failed: {error.reason or error.strerror}"


@cache
def _system_authorities() -> ssl.SSLContext:
    """Return what verifies receivers where nothing else is said."""
    return trusting()
