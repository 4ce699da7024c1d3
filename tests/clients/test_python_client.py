"""The Python client against a real server and a real receiver, and what its README says."""

import asyncio
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from aiohttp import web
from google.protobuf.message import Message
from tidings_client import Client, connect, connect_async, verify
from tidings_client.outgoing import identified

from tests.harness import EVENT_TYPE, PARENT, Received, eventually, running_receiver, running_server
from tidings.v1.notifications_pb2 import Event, NotificationState, WatchNotificationsRequest
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer, add_NotificationServiceServicer_to_server
from tidings.v1.publishing_pb2 import (
    BatchPublishRequest,
    BatchPublishResponse,
    PublishRequest,
    PublishResponse,
    StreamPublishItem,
    StreamPublishRequest,
)
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer, add_PublishServiceServicer_to_server
from tidings.v1.subscriptions_pb2 import CreateSubscriptionRequest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients" / "python"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
TOKEN = "tdg_id_secret"
NOTHING: tuple[Message, ...] = ()
PUBLISH = PublishRequest(parent=PARENT, event=Event(event_type=EVENT_TYPE, json="{}"))


def code_under(heading: str) -> str:
    """Return the Python code under a heading of the README."""
    found = re.search(rf"^## {heading}\n.*?^```python\n(.*?)^```$", README, re.M | re.S)
    assert found is not None
    return found[1]


# --- the README, with a real server and a real receiver


async def test_readme_publishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is pasted, but for the address."""
    async with running_server(tmp_path) as server:
        await server.create_event_type()
        await server.subscribe("http://127.0.0.1:9/hooks")
        program = code_under("Publish").replace("127.0.0.1:50051", server.address)

        await asyncio.to_thread(exec, program, {})

        [notification] = await server.list_notifications()
    assert f"{notification.event} 1\n" in capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["STANDARD_WEBHOOKS", "STANDARD_WEBHOOKS_ED25519"])
async def test_readme_verifies_what_tidings_sends(tmp_path: Path, scheme: str) -> None:
    """And refuses it when it was changed on the way."""
    names: dict[str, Any] = {}
    exec(code_under("Verify"), names)  # noqa: S102
    key: list[str] = []

    def answer(received: Received) -> web.Response:
        assert 400 == names["receive"](received.headers, received.body + b" ", key[0])
        return web.Response(status=names["receive"](received.headers, received.body, key[0]))

    async with running_server(tmp_path) as server, running_receiver(answer) as receiver:
        await server.create_event_type()
        created = await server.subscribe(receiver.url, signature_scheme=f"SIGNATURE_SCHEME_{scheme}")
        key.append(created.signing_key)
        event = (await server.publish('{"status":"READY"}')).event
        [received] = await receiver.wait_for(1)

        async def is_delivered() -> bool:
            [notification] = await server.list_notifications()
            return notification.state == NotificationState.NOTIFICATION_STATE_SUCCEEDED

        await eventually(is_delivered)
    webhook = verify(received.headers, received.body, key[0])
    assert event.name.endswith(f"/{webhook.webhook_id}")
    assert f"{webhook.timestamp_s}" == received.headers["webhook-timestamp"]


# --- what is added to calls


@dataclass
class Recorder(PublishServiceServicer, NotificationServiceServicer):
    """A server that keeps what it gets, and is unavailable for the first `refusals` calls of Publish."""

    refusals: int = 0
    requests: list[Message] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    timeouts_s: list[float | None] = field(default_factory=list)
    names: list[tuple[str, ...]] = field(default_factory=list)

    async def Publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        """Answer, or refuse."""
        self._keep(request, context)
        if len(self.requests) <= self.refusals:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
        return PublishResponse(matched_count=7)

    async def BatchPublish(self, request: BatchPublishRequest, context: Any) -> BatchPublishResponse:
        """Answer."""
        self._keep(request, context)
        return BatchPublishResponse()

    async def StreamPublish(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        """Read everything and answer nothing."""
        async for request in request_iterator:
            self._keep(request, context)
        for nothing in NOTHING:
            yield nothing

    async def WatchNotifications(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Answer nothing."""
        self._keep(request, context)
        for nothing in NOTHING:
            yield nothing

    def _keep(self, request: Message, context: Any) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.timeouts_s.append(context.time_remaining())
        self.names.append(tuple(name.decode() for name in context.auth_context().get("x509_common_name", ())))


@asynccontextmanager
async def serving(recorder: Recorder, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[str]:
    """Run a gRPC server with a recorder behind it, and yield its address."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    add_PublishServiceServicer_to_server(recorder, server)
    add_NotificationServiceServicer_to_server(recorder, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def call_every_kind(client: Client) -> None:
    """Make one call with one response, one with a stream of them, and one with streams both ways."""
    client.publishing.Publish(PUBLISH)
    list(client.notifications.WatchNotifications(WatchNotificationsRequest()))
    list(client.publishing.StreamPublish(iter([StreamPublishRequest(items=[StreamPublishItem(sequence=1)])])))


async def test_token_goes_with_every_call() -> None:
    """Of both clients, whatever streams."""
    recorder = Recorder()
    async with serving(recorder) as address:
        with connect(address, token=TOKEN) as client:
            await asyncio.to_thread(call_every_kind, client)
        async with connect_async(address, token=TOKEN) as asynchronous:
            await asynchronous.publishing.Publish(PUBLISH, metadata=(("x-mine", "1"),))
            watched: Any = asynchronous.notifications.WatchNotifications(WatchNotificationsRequest())
            assert [] == [each async for each in watched]
            streamed: Any = asynchronous.publishing.StreamPublish(iter([StreamPublishRequest()]))
            assert [] == [each async for each in streamed]

    assert [f"Bearer {TOKEN}"] * 6 == [each.get("authorization") for each in recorder.metadata]
    assert "1" == recorder.metadata[3]["x-mine"]


async def test_client_without_a_token_sends_none() -> None:
    """An empty one would be refused."""
    recorder = Recorder()
    async with serving(recorder) as address:
        with connect(address) as client:
            await asyncio.to_thread(client.publishing.Publish, PUBLISH)

    assert "authorization" not in recorder.metadata[0]


async def test_tls_with_a_private_authority_carries_the_token() -> None:
    """Encrypted because it was asked for, for the server is on loopback."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    roots = authority.cert_pem.bytes()
    recorder = Recorder()
    async with serving(recorder, credentials) as address:
        with connect(address, token=TOKEN, tls=True, root_certificates=roots) as client:
            await asyncio.to_thread(client.publishing.Publish, PUBLISH)
        async with connect_async(address, token=TOKEN, tls=True, root_certificates=roots) as asynchronous:
            await asynchronous.publishing.Publish(PUBLISH)

    assert [f"Bearer {TOKEN}"] * 2 == [each["authorization"] for each in recorder.metadata]


@pytest.mark.parametrize(
    "target", ["tidings:50051", "192.0.2.1:50051", "[2001:db8::1]:50051", "dns:///localhost.example"]
)
async def test_token_is_not_sent_unencrypted_over_a_network(target: str) -> None:
    """Before anything is connected."""
    for connect_any in (connect, connect_async):
        with pytest.raises(ValueError, match="could read the token"):
            connect_any(target, token=TOKEN, tls=False)


def test_token_goes_unencrypted_over_a_network_where_that_is_asked_for() -> None:
    """For a network that encrypts by itself."""
    connect("tidings:50051", token=TOKEN, tls=False, allow_plaintext_token=True).close()


async def test_certificate_of_the_client_is_shown() -> None:
    """The server asks for one, and takes no connection without it."""
    authority = trustme.CA()
    certificate, own = authority.issue_cert("127.0.0.1"), authority.issue_cert("client", common_name="orders")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    roots = authority.cert_pem.bytes()
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), chain)], roots, require_client_auth=True
    )
    shown: dict[str, Any] = {
        "certificate_chain": b"".join(blob.bytes() for blob in own.cert_chain_pems),
        "private_key": own.private_key_pem.bytes(),
    }
    recorder = Recorder()
    async with serving(recorder, credentials) as address:
        with connect(address, tls=True, root_certificates=roots, **shown) as client:
            await asyncio.to_thread(client.publishing.Publish, PUBLISH)
        async with connect_async(address, tls=True, root_certificates=roots, **shown) as asynchronous:
            await asynchronous.publishing.Publish(PUBLISH)
        with (
            connect(address, tls=True, root_certificates=roots, timeout_s=1) as stranger,
            pytest.raises(grpc.RpcError),
        ):
            await asyncio.to_thread(stranger.publishing.Publish, PUBLISH)

    assert [("orders",)] * 2 == recorder.names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"certificate_chain": b"c"}, "need each other"),
        ({"private_key": b"k"}, "need each other"),
        ({"certificate_chain": b"c", "private_key": b"k"}, "over TLS only"),
    ],
)
async def test_certificate_that_cannot_be_shown_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    """Or the server would say that nobody is known, and nobody would know why."""
    for connect_any in (connect, connect_async):
        with pytest.raises(ValueError, match=words):
            connect_any("127.0.0.1:1", **arguments)


async def test_option_that_there_is_not_is_refused() -> None:
    """A misspelt `tls` would leave a connection unencrypted."""
    misspelt: dict[str, Any] = {"tsl": True}
    for connect_any in (connect, connect_async):
        with pytest.raises(TypeError, match="unexpected keyword argument 'tsl'"):
            connect_any("127.0.0.1:1", **misspelt)


@pytest.mark.parametrize("target", ["127.0.0.2:1", "[::1]:1", "localhost:1", "unix:/tmp/tidings.sock"])
def test_token_may_stay_unencrypted_on_this_machine(target: str) -> None:
    """There the server allows it too."""
    connect(target, token=TOKEN, tls=False).close()


async def test_call_has_a_deadline_unless_it_says_otherwise() -> None:
    """A stream has none: it may go on for days."""
    recorder = Recorder()
    async with serving(recorder) as address:
        with connect(address, timeout_s=1000) as client:
            await asyncio.to_thread(call_every_kind, client)
            await asyncio.to_thread(client.publishing.Publish, PUBLISH, timeout=100)

    by_default, watch, stream, given = recorder.timeouts_s
    assert by_default is not None
    assert given is not None
    assert (1000, None, None, 100) == (round(by_default, -2), watch, stream, round(given, -1))


async def test_unavailable_server_gets_the_same_request_again() -> None:
    """With the request_id that was filled in, so that it is accepted once."""
    recorder = Recorder(refusals=2)
    async with serving(recorder) as address:
        with connect(address) as client:
            response = await asyncio.to_thread(client.publishing.Publish, PUBLISH)

    assert 7 == response.matched_count
    assert 3 == len(recorder.requests)
    assert 1 == len({each.SerializeToString() for each in recorder.requests})
    assert "" == PUBLISH.request_id


async def test_server_that_stays_unavailable_is_reported() -> None:
    """After five attempts."""
    recorder = Recorder(refusals=100)
    async with serving(recorder) as address, connect_async(address) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.publishing.Publish(PUBLISH)

    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
    assert 5 == len(recorder.requests)


async def test_same_message_twice_is_two_events(tmp_path: Path) -> None:
    """The client cannot know that they are meant to be one; with a request_id of the caller's they are."""
    mine = PublishRequest(request_id="mine")
    mine.MergeFrom(PUBLISH)
    async with running_server(tmp_path) as server, connect_async(server.address) as client:
        await server.create_event_type()
        names = [(await client.publishing.Publish(each)).event.name for each in (PUBLISH, PUBLISH, mine, mine)]

    assert 3 == len(set(names))
    assert names[2] == names[3]


def test_request_ids_are_filled_in_where_they_are_missing() -> None:
    """One that is there stays, and an event_id without one serves as one already."""
    given = PublishRequest(request_id="mine")
    by_event_id = PublishRequest(event_id="0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10")
    batch: Any = identified(BatchPublishRequest(requests=[PUBLISH, given, by_event_id, PUBLISH]))
    subscription: Any = identified(CreateSubscriptionRequest(parent=PARENT))

    first, second, third, fourth = (each.request_id for each in batch.requests)
    assert ("mine", "") == (second, third)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert re.fullmatch("[0-9a-f]{32}", subscription.request_id)
    assert first != fourth
    assert PARENT == subscription.parent
    for request in (given, by_event_id, WatchNotificationsRequest()):
        assert identified(request) is request


# --- the package


def test_client_works_where_the_server_is_not_installed(tmp_path: Path) -> None:
    """It brings its stubs along and imports nothing of the server."""
    program = (
        "import sys, tidings_client\n"
        "tidings_client.connect('127.0.0.1:1').close()\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('service', 'cryptography')))\n"
        "try:\n    import service\n"
        "except ModuleNotFoundError:\n    print('alone')\n"
    )
    # Named here, the folder of installed packages is read without its .pth files: those lead to the server.
    paths = [PACKAGE, ROOT / "generated", sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    output = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": ":".join(map(str, paths))},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )

    assert "[]\nalone\n" == output.stdout


def test_wheel_from_the_checkout_and_from_the_sdist_bring_the_stubs(tmp_path: Path) -> None:
    """Either way the same files: the client, the stubs, the license, and nothing of the server."""
    sdist = f"import os, hatchling.build; print(hatchling.build.build_sdist({str(tmp_path)!r}))"
    name = subprocess.run(
        [sys.executable, "-c", sdist], cwd=PACKAGE, capture_output=True, check=True, text=True
    ).stdout.split()[-1]

    direct = files_of_wheel(PACKAGE, tmp_path / "direct")
    indirect = files_of_wheel(tmp_path / name, tmp_path / "indirect")

    assert direct == indirect
    assert {"tidings_client/client.py", "tidings_client/py.typed", "tidings/v1/publishing_pb2_grpc.pyi"} <= direct
    assert any(each.endswith("/LICENSE") for each in direct)
    assert {"tidings", "tidings_client", f"tidings_client-{version('tidings-client')}.dist-info"} == {
        each.partition("/")[0] for each in direct
    }


def files_of_wheel(source: Path, folder: Path) -> set[str]:
    """Build a wheel with the hatchling that is installed, and return the names of its files."""
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, capture_output=True)
    [wheel] = folder.iterdir()
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("token", ["", "tdg_x\n", "tdg x", "tdg_é", "tdg_\0"])
def test_token_that_cannot_be_sent_is_refused_at_once(token: str) -> None:
    """A line end comes from reading a file. The message does not show it."""
    with pytest.raises(ValueError, match="visible ASCII") as refusal:
        connect("127.0.0.1:1", token=token)

    assert token.strip() not in str(refusal.value) or not token


def test_client_and_server_have_one_version() -> None:
    """They are released together."""
    client, server = (tomllib.loads((each / "pyproject.toml").read_text())["project"] for each in (PACKAGE, ROOT))

    assert server["version"] == client["version"]
    assert set(client["dependencies"]) <= set(server["dependencies"])
