"""What tests of a whole server share: a server in this process, one in its own process, and a receiver."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any, Final, Self, TypeVar

import grpc
from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status as RpcStatus

from service.app import serve
from service.domain.access import Actor, Binding, Grant, Scope
from service.domain.clock import SystemClock
from service.domain.credentials import grantable, make_token
from service.granting import Terms, create, token_credential
from service.settings import Settings
from service.storage.sqlite import run_beside
from tidings.v1 import (
    event_types_pb2,
    event_types_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    publishing_pb2,
    publishing_pb2_grpc,
    subscriptions_pb2,
    subscriptions_pb2_grpc,
)

PARENT = "organizations/acme/workspaces/main"
EVENT_TYPE = "agent.status.changed"
STARTED_WITHIN_S = 20.0
# What receivers of tests need of a server without --dev. Below are the ports that a system gives out to nobody.
LOOPBACK: Final[dict[str, Any]] = {
    "allow_destinations": ("127.0.0.0/8",),
    "allow_ports": tuple(range(1_024, 65_536)),
}

M = TypeVar("M", bound=Message)


class _Metadata:
    """Adds metadata to every call of a channel."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    async def add(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()), *self._metadata)
        return await continuation(details._replace(metadata=metadata), request)


class _OnUnaryUnary(_Metadata, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary: Any = _Metadata.add


class _OnUnaryStream(_Metadata, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream: Any = _Metadata.add


class _OnStreamStream(_Metadata, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream: Any = _Metadata.add


def sending(*metadata: tuple[str, str]) -> list[Any]:
    """Return the interceptors of a channel whose calls all carry some metadata."""
    return [kind(*metadata) for kind in (_OnUnaryUnary, _OnUnaryStream, _OnStreamStream)]


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata in which a token travels; none for no token."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def grant(
    database: Path,
    *scopes: Scope,
    organization: str | None = None,
    workspace: str | None = None,
    lifetime: timedelta | None = None,
) -> str:
    """Make a token as the command line does, beside a server or not, and return its text. Without scopes it has all."""
    binding = Binding(organization, workspace)
    token = make_token(SystemRandom())
    terms = Terms(grant=Grant(frozenset(scopes) or grantable(binding), binding), lifetime=lifetime)
    credential = token_credential(token, terms, now_ms=SystemClock().now_ms())
    run_beside(database, lambda tx: create(tx, credential, actor=Actor("command-line:tests")))
    return token.text


class Client:
    """The stubs of all four services over one channel, and the calls that most tests make.

    Args:
        token: what every call shows; empty for calls that show nothing.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self.address = address
        self.token = token
        self.channel = grpc.aio.insecure_channel(address, interceptors=sending(*bearer(token)) if token else None)
        self.subscriptions = subscriptions_pb2_grpc.SubscriptionServiceStub(self.channel)
        self.event_types = event_types_pb2_grpc.EventTypeServiceStub(self.channel)
        self.publishing = publishing_pb2_grpc.PublishServiceStub(self.channel)
        self.notifications = notifications_pb2_grpc.NotificationServiceStub(self.channel)

    async def list_attempts(self, notification: str) -> list[notifications_pb2.Attempt]:
        """Return the attempts of a notification."""
        request = notifications_pb2.ListAttemptsRequest(parent=notification, page_size=1000)
        return list((await self.notifications.ListAttempts(request)).attempts)

    async def publish_at_once(self, count: int, *, event_type: str = EVENT_TYPE) -> list[str]:
        """Publish many equal events in one transaction; return their ids."""
        request = publishing_pb2.PublishRequest(event=notifications_pb2.Event(event_type=event_type, json="{}"))
        response = await self.publishing.BatchPublish(
            publishing_pb2.BatchPublishRequest(parent=PARENT, requests=[request] * count)
        )
        return [each.event.name.rpartition("/")[2] for each in response.responses]

    async def create_event_type(self, event_type: str = EVENT_TYPE) -> None:
        """Create an event type."""
        await self.event_types.CreateEventType(
            event_types_pb2.CreateEventTypeRequest(
                event_type_id=event_type, event_type=event_types_pb2.EventType(display_name=event_type)
            )
        )

    async def subscribe(
        self, url: str, *, subscription_id: str = "receiver", signing_key: str = "", **fields: Any
    ) -> subscriptions_pb2.CreateSubscriptionResponse:
        """Create a subscription to EVENT_TYPE, unless `event_types` says otherwise."""
        fields = {"display_name": f"Subscription {subscription_id}", "event_types": [EVENT_TYPE], **fields}
        return await self.subscriptions.CreateSubscription(
            subscriptions_pb2.CreateSubscriptionRequest(
                parent=PARENT,
                subscription_id=subscription_id,
                signing_key=signing_key,
                subscription=subscriptions_pb2.Subscription(url=url, **fields),
            )
        )

    async def publish(
        self, json_text: str = "{}", *, request_id: str = "", event_id: str = "", **event: Any
    ) -> publishing_pb2.PublishResponse:
        """Publish one event of EVENT_TYPE, unless `event_type` says otherwise."""
        event = {"event_type": EVENT_TYPE, **({} if "data" in event else {"json": json_text}), **event}
        return await self.publishing.Publish(
            publishing_pb2.PublishRequest(
                parent=PARENT,
                event=notifications_pb2.Event(**event),
                request_id=request_id,
                event_id=event_id,
            )
        )

    async def list_notifications(self, **filters: Any) -> list[notifications_pb2.Notification]:
        """Return all notifications of the workspace."""
        found: list[notifications_pb2.Notification] = []
        token = ""
        while True:
            page = await self.notifications.ListNotifications(
                notifications_pb2.ListNotificationsRequest(parent=PARENT, page_size=1000, page_token=token, **filters)
            )
            found += page.notifications
            token = page.next_page_token
            if not token:
                return found


@asynccontextmanager
async def running_server(folder: Path, **settings: Any) -> AsyncIterator[Client]:
    """Run a whole server inside this process, on a free port, and yield a client of it that may do everything.

    It is a `--dev` server. With `dev=False` the client shows a token; let it call receivers with `**LOOPBACK`.
    """
    settings = {"database": folder / "tidings.db", "listen": ("127.0.0.1:0",), "dev": True, **settings}
    token = "" if settings["dev"] else grant(settings["database"])
    stopping = asyncio.Event()
    started: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(Settings(**settings), stopping=stopping, on_started=started.set_result))
    server.add_done_callback(lambda _: started.done() or started.cancel())
    await asyncio.wait([started])
    if started.cancelled():
        await server
    client = Client(started.result()[0], token)
    try:
        yield client
    finally:
        await client.channel.close()
        stopping.set()
        await server


class ServerProcess:
    """`tidings-server serve` in a process of its own, which can be stopped, killed and started again."""

    def __init__(self, database: Path, *arguments: str, dev: bool = True) -> None:
        self.database = database
        self.log: list[dict[str, Any]] = []
        self.other_output: list[str] = []
        self._arguments = [*(["--dev"] if dev else []), *arguments]
        self._dev = dev

    @classmethod
    async def started(cls, database: Path, *arguments: str, dev: bool = True) -> Self:
        """Start a server and wait until it serves."""
        server = cls(database, *arguments, dev=dev)
        await server.start()
        return server

    async def start(self, **environment: str) -> None:
        """Start the process, with some environment of its own, and wait until it says `server.started`."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "service",
            "serve",
            *("--database", str(self.database), "--listen", "127.0.0.1:0", *self._arguments),
            stderr=asyncio.subprocess.PIPE,
            env={**{key: value for key, value in os.environ.items() if not key.startswith("TIDINGS_")}, **environment},
        )
        serving: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read_log(serving))
        async with asyncio.timeout(STARTED_WITHIN_S):
            self.address = await serving
        self.client = Client(self.address, "" if self._dev else grant(self.database))

    async def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.process.kill()
        await self._ended()

    async def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self._ended()

    async def end(self) -> None:
        """Leave no process behind, whether it was stopped, killed, never came up or still runs."""
        if hasattr(self, "process") and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        if hasattr(self, "_reading"):
            await self._reading
        if hasattr(self, "client"):
            await self.client.channel.close()

    async def _ended(self) -> int:
        code = await self.process.wait()
        await self._reading
        await self.client.channel.close()
        return code

    async def _read_log(self, serving: asyncio.Future[str]) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                self.other_output.append(line.decode())
                continue
            self.log.append(entry)
            if entry["event"] == "server.started" and not serving.done():
                serving.set_result(entry["listen"][0])
        if not serving.done():
            serving.set_exception(AssertionError(f"the server did not start: {self.log} {self.other_output}"))


@asynccontextmanager
async def running_process(database: Path, *arguments: str, dev: bool = True) -> AsyncIterator[ServerProcess]:
    """Run a server in a process of its own, which is gone at the end, whatever a test did with it."""
    server = ServerProcess(database, *arguments, dev=dev)
    try:
        await server.start()
        yield server
    finally:
        await server.end()


@dataclass(frozen=True, slots=True)
class Received:
    """One request as a receiver saw it. Header names are lower-case."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received], Awaitable[web.Response] | web.Response]


@dataclass
class Receiver:
    """An HTTP server that keeps what it gets, and answers 204 or what `answer` says."""

    answer: Answer = field(default=lambda _: web.Response(status=204))
    received: list[Received] = field(default_factory=list)
    url: str = ""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        """Keep a request and answer it."""
        received = Received(
            request.raw_path, {name.lower(): value for name, value in request.headers.items()}, await request.read()
        )
        async with self._changed:
            self.received.append(received)
            self._changed.notify_all()
        answer = self.answer(received)
        return answer if isinstance(answer, web.Response) else await answer

    async def wait_for(self, count: int, *, within_s: float = 20.0) -> list[Received]:
        """Wait until so many requests have come, and return all of them."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
            return list(self.received)


@dataclass
class Held:
    """Answers nobody before `release` is set, then everybody with 204."""

    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: Received) -> web.Response:
        """Wait, then accept."""
        await self.release.wait()
        return web.Response(status=204)


@asynccontextmanager
async def running_receiver(answer: Answer | None = None, *, port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on 127.0.0.1, on a free port unless one is given."""
    receiver = Receiver() if answer is None else Receiver(answer)
    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}/hooks"
        yield receiver
    finally:
        await runner.cleanup()


_ENVELOPE = re.compile(rb'\{"type":"[^"]*","timestamp":"[^"]*","data(?:_base64)?":(.*)\}', re.DOTALL)


def payload_in(body: bytes) -> bytes:
    """Cut the payload out of a STANDARD_WEBHOOKS body, byte for byte: nothing is parsed. Base64 keeps its quotes."""
    found = _ENVELOPE.fullmatch(body)
    assert found is not None, body[:200]
    return found[1]


def read_rows(database: Path, sql: str, **params: Any) -> list[dict[str, Any]]:
    """Return the rows of a query on a database file, beside a server or after it."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, params)]


def error_detail(error: grpc.aio.AioRpcError, kind: type[M]) -> M:
    """Return the `google.rpc` detail of this kind that an error carries."""
    trailer = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(trailer, bytes)
    for detail in RpcStatus.FromString(trailer).details:
        found = kind()
        if detail.Unpack(found):
            return found
    raise AssertionError(f"no {kind.__name__} in {error!r}")


def retry_policy(*delays_s: float, attempt_timeout_s: float = 15) -> subscriptions_pb2.RetryPolicy:
    """Return a policy with a fixed schedule."""
    return subscriptions_pb2.RetryPolicy(
        schedule=[_duration(delay_s) for delay_s in delays_s], attempt_timeout=_duration(attempt_timeout_s)
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


async def eventually(condition: Callable[[], Awaitable[bool] | bool], *, within_s: float = 20.0) -> None:
    """Ask again and again, until it is so; fail after `within_s`."""
    async with asyncio.timeout(within_s):
        while True:
            so = condition()
            if so if isinstance(so, bool) else await so:
                return
            await asyncio.sleep(0.02)
