"""What is this transport's own: what it sends, what it keeps, how its parser is fed.

What every transport must make of hostile receivers is in test_hostile_receivers.py.
"""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from service.delivery.responses import Response
from service.delivery.transport import RESPONSE_HEADERS_BYTES_MAX, HttpTransport
from service.domain.destinations import DestinationPolicy, parse_destination_policy
from service.domain.outcomes import Reply, Request, Unreachable, UnreachableKind
from tests.hostile import CHUNKED, CONTINUE, EARLY_HINTS, authority, server_context, trusting
from tests.raw_receivers import OK, answering, hang_up, read_request, receiving, stall

LOOPBACK = parse_destination_policy(dev=True)


class FixedResolver(AbstractResolver):
    """Answers every name with one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self.address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


class UnknownName(FixedResolver):
    """Knows no name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class SilentResolver(FixedResolver):
    """Never answers."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return await asyncio.Future[list[ResolveResult]]()


@asynccontextmanager
async def transporting(policy: DestinationPolicy = LOOPBACK, **options: Any) -> AsyncIterator[HttpTransport]:
    transport = HttpTransport(policy, user_agent="Tidings/1.2.3", **options)
    try:
        yield transport
    finally:
        await transport.close()


def request_to(
    url: str, *, headers: tuple[tuple[str, str], ...] = (), body: bytes = b"{}", timeout_s: float = 10.0
) -> Request:
    return Request(url=url, headers=headers, body=body, timeout_s=timeout_s)


async def post(url: str, *, timeout_s: float = 10.0, **options: Any) -> Reply | Unreachable:
    async with transporting(**options) as transport:
        return await transport.post(request_to(url, timeout_s=timeout_s))


async def replied(url: str, **options: Any) -> Reply:
    reply = await post(url, **options)
    assert isinstance(reply, Reply), reply
    return reply


# What is sent


@pytest.mark.parametrize(
    ("target", "requested"),
    [
        ("", "/"),
        ("/", "/"),
        ("?a=1", "/?a=1"),
        ("/a%20b%2Fc%2f%7e~", "/a%20b%2Fc%2f%7e~"),
        ("/a/./b/../c//d/", "/a/./b/../c//d/"),
        ("/a;b=c,d/@team:1!$&'()*+", "/a;b=c,d/@team:1!$&'()*+"),
        ("/x?a[]=1&a[]=2&b=%5B%5d&c=+%2B&d==&&e?f/g", "/x?a[]=1&a[]=2&b=%5B%5d&c=+%2B&d==&&e?f/g"),
        ("/x?next=http://127.0.0.1/%23", "/x?next=http://127.0.0.1/%23"),
    ],
)
async def test_url_is_requested_byte_for_byte(target: str, requested: str) -> None:
    """No escaping, unescaping or normalising: receivers sign and route by the bytes."""
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        heads.append(head)
        writer.write(OK)

    async with receiving(serve) as receiver:
        LOOPBACK.check_url("url", receiver.url(target))

        await replied(receiver.url(target))

    assert f"POST {requested} HTTP/1.1".encode() == heads[0].partition(b"\r\n")[0]


@pytest.mark.parametrize("body", [b"", b'{"a": 1.0}\n', bytes(range(256)), b"\xff\x00" * 1_500_000], ids=len)
async def test_body_arrives_byte_for_byte(body: bytes) -> None:
    """Text, binary, nothing, and more than goes out in one write."""
    bodies = []

    async def receive(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=202)

    application = web.Application(client_max_size=8 * 1024 * 1024)
    application.router.add_post("/", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with transporting() as transport:
            reply = await transport.post(request_to(f"http://127.0.0.1:{runner.addresses[0][1]}/", body=body))
    finally:
        await runner.cleanup()

    assert isinstance(reply, Reply)
    assert 202 == reply.http_status
    assert [body] == bodies


async def test_headers_are_those_of_the_request_and_ours_last() -> None:
    """Nothing is guessed, and nothing in the request replaces what the transport has to say."""
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        heads.append(head)
        writer.write(OK)

    others = (("user-agent", "other"), ("Accept-Encoding", "gzip"), ("host", "a.b"), ("Content-Length", "9"))
    headers = (("X-Foo", "1"), ("webhook-id", "e1"), *others)
    async with receiving(serve) as receiver, transporting() as transport:
        await transport.post(request_to(receiver.url(), headers=headers))

    assert {
        f"Host: {receiver.address}",
        "X-Foo: 1",
        "webhook-id: e1",
        "User-Agent: Tidings/1.2.3",
        "Accept-Encoding: identity",
        "Accept: */*",
        "Content-Length: 2",
    } == set(heads[0].decode().strip().split("\r\n")[1:])


async def test_cookies_are_neither_kept_nor_sent() -> None:
    """Two notifications to one receiver have nothing to do with each other."""
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await read_request(reader)
            heads.append(head.lower())
            writer.write(b"HTTP/1.1 204 No Content\r\nSet-Cookie: session=1; Path=/\r\n\r\n")

    async with receiving(serve) as receiver, transporting(resolver=FixedResolver("127.0.0.1")) as transport:
        for _ in range(2):
            await transport.post(request_to(f"http://localhost:{receiver.port}/"))

    assert 2 == len(heads)
    assert not any(b"cookie" in head for head in heads)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect wherever it likes, past the guard."""
    async with receiving(answering(OK)) as proxy, receiving(answering(OK)) as receiver:
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://{proxy.address}")

        reply = await replied(receiver.url())

        assert 200 == reply.http_status
        assert (0, 1) == (proxy.connections, receiver.connections)


async def test_connection_is_reused_and_its_address_still_known() -> None:
    """Keep-alive saves a handshake per notification; the record names the address either way."""
    async with receiving(answering(OK)) as receiver, transporting() as transport:
        replies = [await transport.post(request_to(receiver.url())) for _ in range(3)]

        assert 1 == receiver.connections
        assert [receiver.address] * 3 == [reply.remote_address for reply in replies]


# What comes back


async def test_reply_has_status_headers_body_and_address() -> None:
    """Header values are text by ISO-8859-1, which maps every byte."""
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-Name: caf\xe9\r\nContent-Length: 4\r\n\r\n\x00\xffhi"
    async with receiving(answering(answer)) as receiver:
        reply = await replied(receiver.url())

    assert (
        Reply(
            http_status=503,
            headers=(("Retry-After", "7"), ("X-Name", "café"), ("Content-Length", "4")),
            body=b"\x00\xffhi",
            body_truncated=False,
            remote_address=receiver.address,
        )
        == reply
    )


async def test_compressed_body_is_kept_as_it_came() -> None:
    """A small body that unpacks to gigabytes stays small."""
    packed = gzip.compress(b"x" * 1_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with receiving(answering(head, packed)) as receiver:
        reply = await replied(receiver.url())

    assert (packed, False) == (reply.body, reply.body_truncated)


@pytest.mark.parametrize(
    ("size", "kept", "truncated"),
    [(0, 0, False), (4096, 4096, False), (4097, 4096, True), (16384, 4096, True), (16385, 4096, True)],
)
async def test_body_is_kept_up_to_4_kib(size: int, kept: int, truncated: bool) -> None:
    """And says so when there was more."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    async with receiving(answering(answer, b"x" * size)) as receiver:
        reply = await replied(receiver.url())

    assert (b"x" * kept, truncated) == (reply.body, reply.body_truncated)


@pytest.mark.parametrize(("size", "connections"), [(16384, 1), (1_000_000, 2)])
async def test_connection_is_closed_when_its_body_is_too_long_to_read(size: int, connections: int) -> None:
    """16 KiB are read for the sake of the connection, and no more."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    async with receiving(answering(answer, b"x" * size)) as receiver, transporting() as transport:
        for _ in range(2):
            await transport.post(request_to(receiver.url()))

        assert connections == receiver.connections


FAULTS = [
    pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"hello", id="204 with a body"),
    pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"hello", id="204 with a length and a body"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\r\n\r\noops\r\n\r\n", id="200 with stray bytes"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok, and more", id="200 with more than its length"),
    pytest.param(b"HTTP/1.1 202 Accepted\nContent-Length: 0\n\n", b"oops\n\n", id="202 with bare line feeds"),
    pytest.param(CHUNKED, b"not a chunk\r\n", id="200 with a bad chunk"),
    pytest.param(CHUNKED, b"2\r\nok\r\nnot a chunk\r\n", id="200 with a bad second chunk"),
    pytest.param(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", b"oops", id="410"),
    pytest.param(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", b"oops", id="503"),
    pytest.param(CONTINUE + b"HTTP/1.1 204 No Content\r\n\r\n", b"hello", id="204 after 100"),
    pytest.param(CONTINUE + EARLY_HINTS + b"HTTP/1.1 204 No Content\r\n\r\n", b"hello", id="204 after 100 and 103"),
]


def head_of(answer: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Return the status and the headers of the last head in an answer."""
    status, *lines = answer.strip().replace(b"\r\n", b"\n").split(b"\n\n")[-1].decode().split("\n")
    return int(status.split()[1]), tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))


@pytest.mark.parametrize(("head", "rest"), FAULTS)
async def test_head_decides_although_a_fault_comes_with_it(head: bytes, rest: bytes) -> None:
    """In the same segment; the receiver is told nothing twice, and the connection is not trusted again.

    Nor is the body waited for, which is at its end with the fault.
    """
    async with receiving(answering(head + rest)) as receiver, transporting(body_time_s=10) as transport:
        async with asyncio.timeout(5):
            replies = [await transport.post(request_to(receiver.url())) for _ in range(2)]

        for reply in replies:
            assert isinstance(reply, Reply), reply
            assert head_of(head) == (reply.http_status, reply.headers)
        assert 2 == receiver.connections


@pytest.mark.parametrize(("head", "rest"), FAULTS)
async def test_head_decides_wherever_it_is_cut(head: bytes, rest: bytes) -> None:
    """In two segments, the second with the fault; the cut may go through the blank line."""
    for cut in range(len(head)):
        response = Response(asyncio.get_running_loop(), body_bytes_max=100)

        response.feed(head[:cut])
        response.feed(head[cut:] + rest)

        assert response.head is not None
        assert head_of(head)[0] == response.head.code
        assert (True, False) == (response.has_ended, response.leaves_open)


@pytest.mark.parametrize("interim", [CONTINUE, CONTINUE + EARLY_HINTS, EARLY_HINTS * 3, CONTINUE * 64])
async def test_interim_responses_are_passed_over(interim: bytes) -> None:
    """Up to 64 in one segment with the last one, whose body is read and whose connection is kept."""
    async with receiving(answering(interim + OK)) as receiver, transporting() as transport:
        replies = [await transport.post(request_to(receiver.url())) for _ in range(2)]

        assert [(200, b"ok")] * 2 == [(reply.http_status, reply.body) for reply in replies if isinstance(reply, Reply)]
        assert 1 == receiver.connections


async def test_blank_lines_of_a_body_are_the_bodys() -> None:
    """The head ends once."""
    body = b"\r\n\r\n\n\nHTTP/1.1 500 No\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with receiving(answering(answer)) as receiver, transporting() as transport:
        replies = [await transport.post(request_to(receiver.url())) for _ in range(2)]

        assert [(200, body)] * 2 == [(reply.http_status, reply.body) for reply in replies if isinstance(reply, Reply)]
        assert 1 == receiver.connections


async def test_headers_are_kept_up_to_8_kib_together() -> None:
    """One that does not fit is left out, the next one that fits is kept."""
    large = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 4000) for number in range(4))
    answer = b"HTTP/1.1 503 Busy\r\n" + large + b"Retry-After: 7\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answering(answer)) as receiver:
        reply = await replied(receiver.url())

    assert ["X-0", "X-1", "Retry-After", "Content-Length"] == [name for name, _ in reply.headers]
    assert RESPONSE_HEADERS_BYTES_MAX >= sum(len(name) + len(value) for name, value in reply.headers)


# What does not come back


async def test_ipv6_address_is_written_in_brackets() -> None:
    """Else its port could not be told from it."""
    try:
        server = await asyncio.start_server(hang_up, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    port = server.sockets[0].getsockname()[1]
    server.close()

    outcome = await post(f"http://[::1]:{port}/")

    assert f"[::1]:{port}" == outcome.remote_address


async def test_unknown_name_is_a_failed_connection_without_address() -> None:
    """Nothing was tried, so nothing is named."""
    outcome = await post("http://nowhere.example/", resolver=UnknownName(""))

    expected = Unreachable(UnreachableKind.CONNECT_FAILED, "the host name does not resolve: Name or service not known")
    assert expected == outcome


async def test_connect_timeout_covers_name_resolution() -> None:
    """A slow name server holds a slot no longer than a slow receiver."""
    outcome = await post("http://ok.example/", resolver=SilentResolver(""), connect_timeout_s=0.05)

    assert Unreachable(UnreachableKind.TIMED_OUT, "no connection within 0.05 s") == outcome


async def test_connect_timeout_covers_the_tls_handshake() -> None:
    """A port that accepts and says nothing is not a connection."""
    async with receiving(stall) as receiver:
        outcome = await post(f"https://{receiver.address}/", connect_timeout_s=0.05)

    assert Unreachable(UnreachableKind.TIMED_OUT, "no connection within 0.05 s", receiver.address) == outcome


@pytest.mark.parametrize("host", ["127.0.0.1", "localtest.me", "[::1]", "169.254.169.254"])
async def test_forbidden_destination_is_unreachable_without_address_or_connection(host: str) -> None:
    """The record does not say where the name leads: a subscriber could map the network with it."""
    async with receiving(answering(OK)) as receiver:
        outcome = await post(
            f"http://{host}:{receiver.port}/secret", policy=DestinationPolicy(), resolver=FixedResolver("127.0.0.1")
        )

        assert isinstance(outcome, Unreachable)
        assert (UnreachableKind.DESTINATION_FORBIDDEN, "") == (outcome.kind, outcome.remote_address)
        assert "secret" not in outcome.error
        assert 0 == receiver.connections


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://", "http://ok.example:99999/", "http://[::1/", "ftp://a.b/", "http://a.b/c d"]
)
async def test_url_that_cannot_be_requested_is_an_outcome(url: str) -> None:
    """Stored by an older, laxer version, say."""
    outcome = await post(url)

    assert isinstance(outcome, Unreachable)
    assert UnreachableKind.CONNECT_FAILED is outcome.kind


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0"], ids=repr)
@pytest.mark.parametrize("header", ["X-Foo: a{}X-Bar: b", "X-Foo{}X-Bar: b"])
async def test_header_that_cannot_be_sent_is_an_outcome_and_not_sent(header: str, break_: str) -> None:
    """A line break in a name or a value never reaches the wire."""
    name, value = header.format(break_).split(": ", 1)
    async with receiving(answering(OK)) as receiver, transporting() as transport:
        outcome = await transport.post(request_to(receiver.url(), headers=((name, value),)))

        assert isinstance(outcome, Unreachable)
        assert UnreachableKind.CONNECT_FAILED is outcome.kind
        assert 0 == receiver.connections


async def test_cancellation_leaves_post() -> None:
    """Shutdown cancels attempts; they must not turn into failures of the receiver."""
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await stall(reader, writer)

    async with receiving(serve) as receiver, transporting() as transport:
        attempt = asyncio.create_task(transport.post(request_to(receiver.url())))
        await arrived.wait()
        attempt.cancel()

        with pytest.raises(asyncio.CancelledError):
            await attempt


# TLS


async def test_receiver_of_a_trusted_authority_is_reached() -> None:
    """A private authority can be added, and the name in the URL is the one that is verified."""
    certificate = server_context(authority().issue_cert("receiver.example"))
    async with receiving(answering(OK), tls=certificate) as receiver:
        reply = await replied(
            f"https://receiver.example:{receiver.port}/", tls=trusting(), resolver=FixedResolver("127.0.0.1")
        )

    assert (200, receiver.address) == (reply.http_status, reply.remote_address)
