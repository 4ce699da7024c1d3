"""Where deliveries go and what they carry is for the subscription to say: no environment, and no other receiver."""

import netrc
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from tests.certificates import pair
from tests.harness import PARENT, Received, ServerProcess, eventually, retry_policy, running_receiver
from tests.raw_receivers import OK, Receiver, answering, receiving
from tidings.v1 import subscriptions_pb2
from tidings.v1.notifications_pb2 import AttemptOutcome, NotificationState

SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
OUTCOME = AttemptOutcome
COOKIES = (
    "session=secret",
    "everywhere=secret; Path=/; Max-Age=86400",
    "host=secret; Domain=127.0.0.1; Path=/",
    "sites=secret; Domain=localhost; Path=/",
    "dot=secret; Domain=.localhost",
    "all=secret; Domain=.",
)


@asynccontextmanager
async def running_with(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[ServerProcess]:
    """Run a server with an environment of its own."""
    server = ServerProcess(folder / "tidings.db", *arguments)
    try:
        await server.start(**environment)
        yield server
    finally:
        await server.end()


async def deliver(server: ServerProcess, count: int) -> None:
    """Publish an event and wait until each of so many subscribers has it."""
    name = (await server.client.publish()).event.name

    async def all_have() -> bool:
        found = await server.client.list_notifications(event=name)
        return [SUCCEEDED] * count == [each.state for each in found]

    await eventually(all_have)


async def test_no_variable_or_file_of_proxies_and_passwords_changes_a_delivery(tmp_path: Path) -> None:
    """Everything that curl, requests or aiohttp would heed, in either case; the proxy is never called."""
    home = tmp_path / "home"
    home.mkdir()
    for path in (home / ".netrc", home / "netrc"):
        path.write_text("default login user password secret\nmachine 127.0.0.1 login user password secret\n")
    assert netrc.netrc(str(home / ".netrc")).authenticators("127.0.0.1") is not None

    async with receiving(answering(OK)) as proxy, running_receiver() as receiver:
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "FTP_PROXY", "GRPC_PROXY")
        proxies = {case(name): proxy.url("") for name in names for case in (str.upper, str.lower)}
        others = {
            "NO_PROXY": "",
            "no_proxy": "example.com",
            "HOME": str(home),
            "NETRC": str(home / "netrc"),
        }
        # The test's own calls must not go through them.
        async with running_with(tmp_path, **proxies, **others) as server:
            await server.client.create_event_type()
            await server.client.subscribe(receiver.url)
            await deliver(server, 1)

    [received] = receiver.received
    assert 0 == proxy.connections
    assert {"authorization", "proxy-authorization", "proxy-connection"}.isdisjoint(received.headers)
    assert "/hooks" == received.path


async def test_cookies_are_sent_to_nobody(tmp_path: Path) -> None:
    """Neither back to who set them, on the same connection, nor to others of that host, of its name, or elsewhere."""

    def set_cookies(received: Received) -> web.Response:
        response = web.Response(status=204)
        for cookie in COOKIES:
            response.headers.add("Set-Cookie", cookie)
        return response

    async with (
        running_receiver(set_cookies) as first,
        running_receiver(set_cookies) as second,
        running_with(tmp_path) as server,
    ):
        client = server.client
        await client.create_event_type()
        urls = [first.url, f"{first.url}/other", second.url, first.url.replace("127.0.0.1", "localhost")]
        for number, url in enumerate(urls):
            await client.subscribe(url, subscription_id=f"s{number}")
        for _ in range(3):
            await deliver(server, len(urls))
        await client.subscriptions.TestSubscription(
            subscriptions_pb2.TestSubscriptionRequest(name=f"{PARENT}/subscriptions/s0")
        )

    received = [*first.received, *second.received]
    assert 3 * len(urls) + 1 == len(received)
    assert not [each for each in received if "cookie" in each.headers]
    assert b"secret" not in b"".join(repr(each).encode() for each in received)


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A private one."""
    return trustme.CA()


async def outcomes(server: ServerProcess, receiver: Receiver) -> list[int]:
    """Send an event and a test to a receiver, and return what came of both."""
    client = server.client
    await client.create_event_type()
    await client.subscribe(receiver.url(), retry_policy=retry_policy(3600))
    await client.publish()

    async def is_attempted() -> bool:
        return [1] == [each.attempt_count for each in await client.list_notifications()]

    await eventually(is_attempted)
    [notification] = await client.list_notifications()
    tested = await client.subscriptions.TestSubscription(
        subscriptions_pb2.TestSubscriptionRequest(name=f"{PARENT}/subscriptions/receiver")
    )
    return [notification.last_attempt.outcome, tested.attempt.outcome]


@pytest.mark.parametrize("case", ["trusted", "by SSL_CERT_FILE", "not trusted", "expired", "another name"])
async def test_receivers_of_a_private_authority_are_reached_with_it_alone(
    tmp_path: Path, authority: trustme.CA, case: str
) -> None:
    """By deliveries and tests alike. It vouches for who is in the certificate, until the end that is in it.

    SSL_CERT_FILE names the authorities of the whole system, as OpenSSL has it, so it counts too.
    """
    end = datetime(2021, 1, 1, tzinfo=UTC) if case == "expired" else None
    shown = pair(authority, "other.example" if case == "another name" else "127.0.0.1", not_after=end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*shown.write(tmp_path))
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    arguments = [] if case in ("not trusted", "by SSL_CERT_FILE") else ["--egress-ca", str(trusted)]
    environment = {"SSL_CERT_FILE": str(trusted)} if case == "by SSL_CERT_FILE" else {}

    # Libraries that are loaded open the file; what a connection has to hide must not be in it.
    environment["SSLKEYLOGFILE"] = str(tmp_path / "keys")
    (tmp_path / "keys").touch()

    async with (
        receiving(answering(OK), tls=context) as receiver,
        running_with(tmp_path, *arguments, **environment) as server,
    ):
        found = await outcomes(server, receiver)

    accepted = case in ("trusted", "by SSL_CERT_FILE")
    expected = OUTCOME.ATTEMPT_OUTCOME_SUCCEEDED if accepted else OUTCOME.ATTEMPT_OUTCOME_TLS_FAILED
    assert [expected] * 2 == found
    assert "SECRET" not in (tmp_path / "keys").read_text()
