"""Making one HTTP request, and saying as a value what came of it.

The only module that knows aiohttp's failures: each is translated here, once. It does not know notifications, retries
or signatures.
"""

import asyncio
import io
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict
from yarl import URL

from service.delivery.egress import Call, DestinationRefused, GuardedConnector, calling
from service.domain.destinations import DestinationPolicy
from service.domain.outcomes import Reply, Request, Unreachable, UnreachableKind

RESPONSE_HEADERS_BYTES_MAX = 8 * 1024

_READ_BYTES = 4 * 1024
_CAUSES_MAX = 8

# The line before it may have come by itself, so one at the start counts; one at the end leaves nothing to cut off.
_BLANK_LINE = re.compile(rb"^\r?\n(?=.)", re.MULTILINE | re.DOTALL)
# Enough for interim responses (RFC 9110, 15.2), which have heads too; a flood of blank lines is read at once.
_INTERIM_HEADS_MAX = 64
_CUTS_MAX = _INTERIM_HEADS_MAX
_SWITCHING_PROTOCOLS = 101


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

    Must be built inside a running event loop. Connections are kept alive and reused. aiohttp sends a POST again
    never by itself: its retries on a closed connection are for idempotent methods.

    Args:
        policy: the destinations that are allowed.
        user_agent: the `User-Agent` of every request.
        connect_timeout_s: the limit for name resolution, TCP and TLS together.
        body_bytes_max: how much of a response's body is read; the connection of a longer one is closed.
        body_bytes_kept: how much of it a Reply has.
        body_time_s: the limit for reading it, after the headers.
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
            # A content type is the caller's to say; aiohttp would guess one.
            skip_auto_headers=("Content-Type",),
            # The total is kept by post(): aiohttp rounds it up to whole seconds and counts the body in.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout_s),
        )

    async def post(self, request: Request) -> Reply | Unreachable:
        """Make one request, with at most `request.timeout_s` until status and headers are there.

        A 2xx whose body breaks off, stalls or does not end is still a Reply, with `body_truncated`. Of the headers
        those are kept that fit into 8 KiB together.
        """
        with calling(_host(request.url)) as call:
            try:
                async with asyncio.timeout(request.timeout_s):
                    response = await self._send(request)
            except aiohttp.ConnectionTimeoutError:
                return _timed_out(f"no connection within {self._connect_timeout_s:g} s", call)
            except TimeoutError:
                return _timed_out(f"no response within {request.timeout_s:g} s", call)
            except (aiohttp.ClientError, OSError, ValueError) as error:  # aiohttp refuses some URLs by ValueError
                return _unreachable(error, call)
        try:
            return await self._reply(response, call)
        finally:
            # Gives a connection whose body was read to its end back to the pool, and closes every other one.
            response.close()

    async def close(self) -> None:
        """Close every connection. Requests under way fail."""
        await self._session.close()

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

    async def _reply(self, response: aiohttp.ClientResponse, call: Call) -> Reply:
        body, complete = await self._read_body(response.content)
        return Reply(
            http_status=response.status,
            headers=_kept_headers(response.raw_headers),
            body=body[: self._body_bytes_kept],
            body_truncated=not complete or len(body) > self._body_bytes_kept,
            remote_address=call.remote_address,
        )

    async def _read_body(self, content: aiohttp.StreamReader) -> tuple[bytes, bool]:
        """Return the body as far as it came within the limits, and whether that is all of it."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_time_s):
                while len(body) < self._body_bytes_max:
                    part = await content.read(min(_READ_BYTES, self._body_bytes_max - len(body)))
                    if not part:
                        return bytes(body), True
                    body += part
                return bytes(body), content.at_eof()
        except (aiohttp.ClientError, OSError):
            # The status has decided the outcome; of the body the record says that some is missing.
            return bytes(body), False


class HeadFirst(ResponseHandler):
    """Gives aiohttp's parser the head of a response by itself, and what follows in a later call.

    In one call the parser forgets a head that it has read when it cannot read what follows: a 204 with a body, bytes
    after a Content-Length of 0, a bad chunk. A receiver that had accepted would be sent the same for days. In two, the
    fault comes too late to undo the answer, and aiohttp closes the connection as it does for a later segment.

    Interim responses (RFC 9110, section 15.2) are bounded: a receiver that never stops sending them would otherwise
    keep the event loop busy parsing, beyond every timeout.
    """

    _interim_heads = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Hand a response's head on to whoever waits for it, unless it is one interim response too many."""
        message, _ = data
        is_interim = message.code < 200 and message.code != _SWITCHING_PROTOCOLS
        self._interim_heads = self._interim_heads + 1 if is_interim else 0
        if self._interim_heads <= _INTERIM_HEADS_MAX:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.close()
            self.set_exception(HttpProcessingError(message="too many interim responses"))

    def data_received(self, data: bytes) -> None:
        """Read what has come, up to the first fault."""
        for piece in _pieces(data):
            super().data_received(piece)
            if self.exception() is not None:
                # aiohttp's parser in Python would read on, and take what follows a bad head for a good one.
                return


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut behind blank lines: one of them ends the head. Cutting the body too is what TCP does all the time."""
    start = 0
    for blank_line in islice(_BLANK_LINE.finditer(data), _CUTS_MAX):
        yield data[start : blank_line.end()]
        start = blank_line.end()
    yield data[start:]


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
