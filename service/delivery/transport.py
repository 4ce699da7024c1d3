"""Making one HTTP request, and saying as a value what came of it.

The only module that knows aiohttp's failures: each is translated here, once. It does not know notifications, retries
or signatures.
"""

import asyncio
import io
import socket
import ssl
from collections.abc import Iterable
from itertools import islice
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from service.delivery.egress import Call, DestinationRefused, GuardedConnector, calling
from service.delivery.responses import HeadFirst
from service.domain.destinations import DestinationPolicy
from service.domain.outcomes import Reply, Request, Unreachable, UnreachableKind

RESPONSE_HEADERS_BYTES_MAX = 8 * 1024

_READ_BYTES = 4 * 1024
_CAUSES_MAX = 8


class Transport(Protocol):
    """Makes HTTP requests."""

    async def post(self, request: Request) -> Reply | Unreachable:
        """Make one request. Whatever the receiver does is a value; only CancelledError is raised."""
        ...

    async def close(self) -> None:
        """Close every connection. The transport cannot be used afterwards."""
        ...


class AiohttpTransport:
    """HTTP/1.1 by aiohttp: no redirects, cookies, proxies or decompression, and no address that the policy forbids.

    Must be built inside a running event loop. Connections are kept alive and reused. aiohttp by itself sends only
    idempotent requests again when a kept connection turns out to be closed, so that is done here.

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
        body_bytes_kept: int = 4 * 1024,
        body_time_s: float = 1.0,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._connect_timeout_s = connect_timeout_s
        self._body_bytes_max = body_bytes_max
        self._body_bytes_kept = body_bytes_kept
        self._body_time_s = body_time_s
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(policy, resolver=resolver, tls=tls, protocol=HeadFirst),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=body_bytes_max,
            # A content type is the caller's to say; aiohttp would guess one.
            skip_auto_headers=("Content-Type",),
            # The total is kept by post(): aiohttp rounds it up to whole seconds and counts the body in.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout_s),
        )

    async def post(self, request: Request) -> Reply | Unreachable:
        """Make one request, with at most `request.timeout_s` for everything.

        A response whose body breaks off, stalls or does not end is still a Reply, with `body_truncated`. Of the headers
        those are kept that fit into 8 KiB together. A receiver may close a kept connection while the request is on its
        way: the request is then sent once more on a new one, unless a byte of a response came.
        """
        deadline_s = asyncio.get_running_loop().time() + request.timeout_s
        with calling(_host(request.url)) as call:
            try:
                async with asyncio.timeout_at(deadline_s):
                    response = await self._send_or_send_again(request, call)
            except aiohttp.ConnectionTimeoutError:
                return _timed_out(f"no connection within {self._connect_timeout_s:g} s", call)
            except TimeoutError:
                return _timed_out(f"no response within {request.timeout_s:g} s", call)
            except (aiohttp.ClientError, OSError, ValueError) as error:  # aiohttp refuses some URLs by ValueError
                return _unreachable(error, call)
        try:
            return await self._reply(response, call, deadline_s)
        finally:
            # Gives a connection whose body was read to its end back to the pool, and closes every other one.
            response.close()

    async def close(self) -> None:
        """Close every connection. Requests under way fail."""
        await self._session.close()

    async def _send_or_send_again(self, request: Request, call: Call) -> aiohttp.ClientResponse:
        try:
            return await self._send(request)
        except aiohttp.ClientConnectionError:
            if not isinstance(call.reused, HeadFirst) or call.reused.has_heard:
                raise
        # Others of the pool were probably closed with it.
        call.must_connect = True
        return await self._send(request)

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        headers = CIMultiDict(request.headers)
        # Last, so that nothing in the request can replace them.
        headers["Accept-Encoding"] = "identity"
        headers["User-Agent"] = self._user_agent
        return await self._session.post(
            # Encoded: the bytes that were signed are the bytes requested.
            URL(request.url, encoded=True),
            headers=headers,
            # A file is written in slices that let other tasks run; aiohttp warns of large plain bytes.
            data=io.BytesIO(request.body),
            allow_redirects=False,
        )

    async def _reply(self, response: aiohttp.ClientResponse, call: Call, deadline_s: float) -> Reply:
        body_deadline_s = min(deadline_s, asyncio.get_running_loop().time() + self._body_time_s)
        body, complete = await self._read_body(response.content, body_deadline_s)
        return Reply(
            http_status=response.status,
            headers=_kept_headers(response.raw_headers),
            body=body[: self._body_bytes_kept],
            body_truncated=not complete or len(body) > self._body_bytes_kept,
            remote_address=call.remote_address,
        )

    async def _read_body(self, content: aiohttp.StreamReader, deadline_s: float) -> tuple[bytes, bool]:
        """Return the body as far as it came within the limits, and whether that is all of it."""
        body = bytearray()
        try:
            async with asyncio.timeout_at(deadline_s):
                while len(body) < self._body_bytes_max:
                    part = await content.read(min(_READ_BYTES, self._body_bytes_max - len(body)))
                    if not part:
                        return bytes(body), True
                    body += part
                return bytes(body), content.at_eof()
        except (aiohttp.ClientError, OSError):
            # The status has decided the outcome; of the body the record says that some is missing.
            return bytes(body), False


def _host(url: str) -> str:
    """Return the host as the policy knows it, empty for a URL that aiohttp will refuse."""
    try:
        return URL(url, encoded=True).raw_host or ""
    except ValueError:
        return ""


def _kept_headers(raw_headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    kept = []
    room = RESPONSE_HEADERS_BYTES_MAX
    for name, value in raw_headers:
        # One that does not fit is left out by itself: a Retry-After may come after it.
        if len(name) + len(value) <= room:
            room -= len(name) + len(value)
            kept.append((name.decode("latin-1"), value.decode("latin-1")))
    return tuple(kept)


def _timed_out(error: str, call: Call) -> Unreachable:
    return Unreachable(UnreachableKind.TIMED_OUT, error, call.remote_address)


def _unreachable(error: Exception, call: Call) -> Unreachable:
    """Translate a failed request. The innermost cause is the plainest: aiohttp wraps what the system said."""
    causes = reversed(list(islice(_causes(error), _CAUSES_MAX)))
    kind, sentence = next(filter(None, map(_diagnosis, causes)), _unknown(error))
    return Unreachable(kind, sentence, call.remote_address)


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _diagnosis(cause: BaseException) -> tuple[UnreachableKind, str] | None:
    """Return what a cause means, as a sentence without the URL's path and query; None where it says nothing plain."""
    match cause:
        case DestinationRefused():
            return UnreachableKind.DESTINATION_FORBIDDEN, cause.strerror or ""
        case ssl.SSLCertVerificationError(verify_message=str(problem)):
            return UnreachableKind.TLS_FAILED, f"the receiver's certificate is not accepted: {problem}"
        case ssl.SSLError():
            return UnreachableKind.TLS_FAILED, f"TLS failed: {cause.reason or cause.strerror}"
        case socket.gaierror():
            return UnreachableKind.CONNECT_FAILED, f"the host name does not resolve: {cause.strerror}"
        case TimeoutError():
            return UnreachableKind.TIMED_OUT, "the receiver stopped answering"
        case ConnectionRefusedError():
            return UnreachableKind.CONNECT_FAILED, "the receiver refused the connection"
        case ConnectionError() | aiohttp.ServerDisconnectedError():
            return UnreachableKind.CONNECT_FAILED, "the receiver closed the connection before it answered"
        case aiohttp.ClientResponseError():
            return UnreachableKind.CONNECT_FAILED, "the receiver's answer is not HTTP, or its headers are too large"
        case OSError(strerror=str(problem)) if not isinstance(cause, aiohttp.ClientError):
            return UnreachableKind.CONNECT_FAILED, f"the connection failed: {problem}"
        case _:
            return None


def _unknown(error: Exception) -> tuple[UnreachableKind, str]:
    return UnreachableKind.CONNECT_FAILED, f"the request could not be made: {type(error).__name__}"
