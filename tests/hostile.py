"""Receivers at their worst, as a table: what each does with a connection, and what an attempt must make of it."""

import asyncio
import gzip
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random

import trustme

from service.domain.outcomes import UnreachableKind
from tests.raw_receivers import OK, Serve, answering, hang_up, never_read, repeating, reset, stall

CONNECT_FAILED = UnreachableKind.CONNECT_FAILED
TIMED_OUT = UnreachableKind.TIMED_OUT
TLS_FAILED = UnreachableKind.TLS_FAILED

DRIP_S = 0.01
LARGE_BODY = b"x" * 16_000_000

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
STATUS = b"HTTP/1.1 200 OK\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n"


@dataclass(frozen=True)
class Behaviour:
    """What a receiver does, and the status or the kind of failure that an attempt ends in.

    `certificate` makes it speak TLS. `scheme` is that of its URL where it is another than what it speaks. The request
    carries `body`. A connection that the transport may use again is the exception, and `is_kept` says so.
    """

    name: str
    serve: Serve
    expected: int | UnreachableKind
    certificate: Callable[[], ssl.SSLContext] | None = None
    scheme: str = ""
    body: bytes = b"{}"
    is_kept: bool = False


def with_length(*lengths: bytes | int) -> bytes:
    """Return a head with a Content-Length for each length given."""
    values = (length if isinstance(length, bytes) else b"%d" % length for length in lengths)
    return b"HTTP/1.1 200 OK\r\n" + b"".join(b"Content-Length: %b\r\n" % value for value in values) + b"\r\n"


def refusing_unread(then: Serve, *, header: bytes = b"") -> Serve:
    """Return a server that answers 413 by the head alone, and leaves the body where it is."""
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n%b\r\n" % header

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        await then(reader, writer)

    return serve


def redirecting(status: int) -> Serve:
    """Return a server that sends whoever asks back to itself."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("sockname")
        head = f"HTTP/1.1 {status} Again\r\nLocation: http://{host}:{port}/\r\nContent-Length: 0\r\n\r\n"
        await answering(head.encode())(reader, writer)

    return serve


async def close_one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that nothing will be said, and read on."""
    if writer.can_write_eof():
        writer.write_eof()
    await stall(reader, writer)


# TLS


@cache
def authority() -> trustme.CA:
    """The one that the client trusts."""
    return trustme.CA()


@cache
def trusting() -> ssl.SSLContext:
    """Return a client's context that knows the authority."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def good_certificate() -> ssl.SSLContext:
    return server_context(authority().issue_cert("127.0.0.1"))


def expired_certificate() -> ssl.SSLContext:
    end = datetime(2020, 1, 1, tzinfo=UTC)
    return server_context(authority().issue_cert("127.0.0.1", not_before=end.replace(year=2019), not_after=end))


def certificate_for_another_name() -> ssl.SSLContext:
    return server_context(authority().issue_cert("other.example"))


def self_signed_certificate() -> ssl.SSLContext:
    """An authority of its own is as much as signing oneself: nothing leads to one that is trusted."""
    return server_context(trustme.CA().issue_cert("127.0.0.1"))


async def answer_hello_in_plain_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def read_hello_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    await reset(reader, writer)


async def read_hello_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


BEHAVIOURS = [
    # Connections that end
    Behaviour("closes at once", hang_up, CONNECT_FAILED),
    Behaviour("resets at once", reset, CONNECT_FAILED),
    Behaviour("closes after the request", answering(then=hang_up), CONNECT_FAILED),
    Behaviour("resets after the request", answering(then=reset), CONNECT_FAILED),
    Behaviour("closes one way", answering(then=close_one_way), CONNECT_FAILED),
    Behaviour("closes within the head", answering(b"HTTP/1.1 200 O", then=hang_up), CONNECT_FAILED),
    Behaviour("resets within the head", answering(b"HTTP/1.1 200 OK\r\nX: ", then=reset), CONNECT_FAILED),
    Behaviour("closes after the head", answering(with_length(5), then=hang_up), 200),
    Behaviour("resets after the head", answering(with_length(5) + b"ab", then=reset), 200),
    Behaviour("closes amid a large body", hang_up, CONNECT_FAILED, body=LARGE_BODY),
    Behaviour("resets amid a large body", reset, CONNECT_FAILED, body=LARGE_BODY),
    Behaviour(
        "answers early and stalls",
        # It says so, or a smaller body that has left us would make it look like a connection to use again.
        refusing_unread(never_read, header=b"Connection: close\r\n"),
        413,
        body=LARGE_BODY,
    ),
    Behaviour("answers early and closes", refusing_unread(hang_up), 413, body=LARGE_BODY),
    Behaviour("answers early and resets", refusing_unread(reset), 413, body=LARGE_BODY),
    # Connections that do not end
    Behaviour("never reads", never_read, TIMED_OUT, body=LARGE_BODY),
    Behaviour("says nothing", stall, TIMED_OUT),
    Behaviour("stalls within the head", answering(b"HTTP/1.1 200 OK\r\nX", then=stall), TIMED_OUT),
    Behaviour("stalls at 100", answering(CONTINUE, then=stall), TIMED_OUT),
    Behaviour("drips a head", answering(b"HTTP/1.1 200 OK\r\nX: ", then=repeating(b"x", every_s=DRIP_S)), TIMED_OUT),
    Behaviour("drips 100", answering(then=repeating(CONTINUE, every_s=0.1)), TIMED_OUT),
    # Bodies
    Behaviour("drips a body", answering(UNTIL_CLOSED, then=repeating(b"x", every_s=DRIP_S)), 200),
    Behaviour("drips chunks", answering(CHUNKED, then=repeating(b"1\r\nx\r\n", every_s=DRIP_S)), 200),
    Behaviour("stalls within a chunk", answering(CHUNKED, b"2\r\nhi\r\n", then=stall), 200),
    Behaviour("stalls before the body", answering(CHUNKED, then=stall), 200),
    Behaviour("closes within the chunks", answering(CHUNKED, b"2\r\nhi\r\n", then=hang_up), 200),
    Behaviour("sends a body without end", answering(UNTIL_CLOSED, then=repeating(b"x" * 65536)), 200),
    Behaviour("sends chunks without end", answering(CHUNKED, then=repeating(b"1\r\nx\r\n" * 10_000)), 200),
    Behaviour("sends a chunk's extension without end", answering(CHUNKED, b"1;x=", then=repeating(b"x" * 65536)), 200),
    Behaviour("sends trailers without end", answering(CHUNKED, b"0\r\n", then=repeating(b"X: v\r\n" * 10_000)), 200),
    Behaviour("sends one trailer without end", answering(CHUNKED, b"0\r\nX: ", then=repeating(b"x" * 65536)), 200),
    Behaviour(
        "sends a gzip bomb",
        answering(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
            then=repeating(b"2800\r\n" + gzip.compress(b"x" * 10_000_000, 1)[:0x2800] + b"\r\n"),
        ),
        200,
    ),
    # Lengths
    Behaviour("has a length that is too long", answering(with_length(50), b"ok", then=hang_up), 200),
    Behaviour("has a length that is too short", answering(with_length(1) + b"ok"), 200),
    Behaviour("has a length in the exabytes", answering(with_length(2**63), then=repeating(b"x" * 65536)), 200),
    Behaviour("has the same length twice", answering(with_length(2, 2) + b"ok"), CONNECT_FAILED),
    Behaviour("has two lengths", answering(with_length(2, 200) + b"ok"), CONNECT_FAILED),
    Behaviour("has a negative length", answering(with_length(-1) + b"ok"), CONNECT_FAILED),
    Behaviour("has a length over 64 bits", answering(with_length(2**64) + b"ok"), CONNECT_FAILED),
    Behaviour("has a length of words", answering(with_length(b"two") + b"ok"), CONNECT_FAILED),
    # Heads
    Behaviour("sends 200,000 headers", answering(STATUS, b"X: v\r\n" * 200_000 + b"\r\n"), CONNECT_FAILED),
    Behaviour("sends 120 headers of 8 KB", answering(STATUS, b"X: %b\r\n" % (b"v" * 8_000) * 120), CONNECT_FAILED),
    Behaviour("sends a header of 10 MB", answering(STATUS, b"X: " + b"v" * 10_000_000 + b"\r\n\r\n"), CONNECT_FAILED),
    Behaviour("sends a name of 10 MB", answering(STATUS, b"X" * 10_000_000 + b": v\r\n\r\n"), CONNECT_FAILED),
    Behaviour("sends a reason of 10 MB", answering(b"HTTP/1.1 200 ", b"O" * 10_000_000 + b"\r\n\r\n"), CONNECT_FAILED),
    Behaviour("sends blank lines without end", answering(then=repeating(b"\r\n" * 10_000)), CONNECT_FAILED),
    Behaviour("has a header without a colon", answering(STATUS + b"no header\r\n\r\n" + OK), CONNECT_FAILED),
    Behaviour("has a bad head after 100", answering(CONTINUE + b"HTTP/1.1 OK\r\n\r\n"), CONNECT_FAILED),
    Behaviour(
        "has a reason that is not UTF-8",
        answering(b"HTTP/1.1 200 \xff\xfe\x80\r\nContent-Length: 0\r\n\r\n"),
        200,
        is_kept=True,
    ),
    Behaviour("sends 2,000 times 100", answering(CONTINUE * 2_000 + OK), CONNECT_FAILED),
    Behaviour("sends 103 without end", answering(then=repeating(EARLY_HINTS * 1_000)), CONNECT_FAILED),
    Behaviour(
        "switches protocols",
        answering(SWITCHING + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", then=repeating(b"x" * 65536)),
        101,
    ),
    Behaviour("switches protocols without a word", answering(SWITCHING + b"\r\n"), 101),
    *(
        Behaviour(f"redirects to itself by {status}", redirecting(status), status, is_kept=True)
        for status in (301, 302, 303, 307, 308)
    ),
    # Other protocols
    Behaviour("answers by HTTP/0.9", answering(b"<html>hello</html>\n", then=hang_up), CONNECT_FAILED),
    Behaviour("answers by HTTP/2", answering(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64", then=stall), CONNECT_FAILED),
    Behaviour("sends HTTP/2's preface", answering(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", then=stall), CONNECT_FAILED),
    Behaviour("claims to speak HTTP/2", answering(b"HTTP/2 200 OK\r\n\r\n", then=stall), CONNECT_FAILED),
    Behaviour("talks SSH", answering(b"SSH-2.0-OpenSSH_9.6\r\n", then=stall), CONNECT_FAILED),
    Behaviour("sends random bytes", answering(Random(1).randbytes(1_000_000), then=stall), CONNECT_FAILED),
    Behaviour("has no status", answering(b"HTTP/1.1 abc\r\n\r\n"), CONNECT_FAILED),
    Behaviour("has a status of 99999", answering(b"HTTP/1.1 99999 No\r\n\r\n"), CONNECT_FAILED),
    # TLS
    Behaviour("has an expired certificate", answering(OK), TLS_FAILED, expired_certificate),
    Behaviour("signed its certificate itself", answering(OK), TLS_FAILED, self_signed_certificate),
    Behaviour("has a certificate for another name", answering(OK), TLS_FAILED, certificate_for_another_name),
    Behaviour("speaks no TLS", answer_hello_in_plain_text, TLS_FAILED, scheme="https"),
    Behaviour("stalls in the handshake", stall, TIMED_OUT, scheme="https"),
    Behaviour("closes in the handshake", read_hello_and_hang_up, CONNECT_FAILED, scheme="https"),
    Behaviour("resets in the handshake", read_hello_and_reset, CONNECT_FAILED, scheme="https"),
    Behaviour("says nothing over TLS", stall, TIMED_OUT, good_certificate),
    Behaviour("never reads over TLS", never_read, TIMED_OUT, good_certificate, body=LARGE_BODY),
    Behaviour(
        "sends a body without end over TLS",
        answering(UNTIL_CLOSED, then=repeating(b"x" * 65536)),
        200,
        good_certificate,
    ),
    Behaviour("closes after the request over TLS", answering(then=hang_up), CONNECT_FAILED, good_certificate),
]
