"""`make demo`: a real Tidings server delivers webhooks to a real receiver, and every claim is checked.

It needs free loopback ports, a temporary folder and a few seconds. Exit code 0 means that everything was verified.
"""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from standardwebhooks import Webhook

from tidings.v1 import event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2
from tidings.v1.event_types_pb2_grpc import EventTypeServiceStub
from tidings.v1.notifications_pb2_grpc import NotificationServiceStub
from tidings.v1.publishing_pb2_grpc import PublishServiceStub
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceStub

WORKSPACE: Final = "organizations/acme/workspaces/main"
EVENT_TYPE: Final = "agent.status.changed"
# Spaces, a tab, an escape and a number that no double can hold: any re-encoding on the way would show.
READY: Final = r'{"status":"READY",  "agent": "a-17", "session":9007199254740993, "note":"caf\u00e9"}'
BUSY: Final = '{"status":"BUSY",\t"agent": "a-18"}'
TIME_LIMIT_S: Final = 14.0

TO_TRY: Final = """\
grpcurl -plaintext 127.0.0.1:50051 list
grpcurl -plaintext 127.0.0.1:50051 describe tidings.v1.PublishService.Publish
grpcurl -plaintext -d '{"event_type_id": "order.shipped", "event_type": {"display_name": "Order shipped"}}' \
127.0.0.1:50051 tidings.v1.EventTypeService/CreateEventType
grpcurl -plaintext -d '{"parent": "organizations/acme/workspaces/main", "event": {"event_type": "order.shipped", \
"json": "{\\"order\\":4711}"}}' 127.0.0.1:50051 tidings.v1.PublishService/Publish
grpcurl -plaintext -d '{"parent": "organizations/acme/workspaces/main"}' \
127.0.0.1:50051 tidings.v1.NotificationService/ListEvents"""


class BrokenPromise(Exception):
    """Something that Tidings promises did not happen."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as the receiver got it, and how it was answered."""

    at_s: float
    headers: dict[str, str]
    body: bytes
    answer: int


class Receiver:
    """An HTTP server like a subscriber's, but it fails the first request about agent a-17."""

    def __init__(self) -> None:
        self.arrivals: asyncio.Queue[Arrival] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        at_s, body = time.monotonic(), await request.read()
        answer = 500 if b"a-17" in body and request.headers["tidings-attempt"] == "1" else 204
        self.arrivals.put_nowait(Arrival(at_s, dict(request.headers), body, answer))
        return web.Response(status=answer)


async def demonstrate(channel: grpc.aio.Channel, url: str, receiver: Receiver) -> None:
    """Subscribe, publish, watch, read back and publish again."""
    title("Somebody wants to know")
    verifier = Webhook(await subscribe(channel, url))
    title("Something happens: two events are published")
    started_s = time.monotonic()
    first = await publish(channel, READY, request_id="demo-1")
    await publish(channel, BUSY, request_id="demo-2")
    title("What the receiver gets, verified with standardwebhooks; it fails a-17's first request on purpose")
    await watch(receiver, verifier, started_s)
    title("What Tidings noted about a-17, read back over gRPC")
    await read_back(channel, first.event.name)
    title("The publisher is not sure that it was heard, and repeats its first request")
    second = await publish(channel, READY, request_id="demo-1")
    require(second.deduplicated and second.event.name == first.event.name, "a repeated request makes no new event")
    await finished_notification(channel, first.event.name)
    show("deduplicated", "yes: the same event, and still one notification")


async def subscribe(channel: grpc.aio.Channel, url: str) -> str:
    """Create the event type and the subscription, and return the signing key."""
    event_type = event_types_pb2.EventType(display_name="Agent status changed")
    await EventTypeServiceStub(channel).CreateEventType(
        event_types_pb2.CreateEventTypeRequest(event_type_id=EVENT_TYPE, event_type=event_type)
    )
    show("event type", EVENT_TYPE)
    subscription = subscriptions_pb2.Subscription(
        display_name="Wallboard",
        url=url,
        event_types=["agent.*"],
        retry_policy=subscriptions_pb2.RetryPolicy(schedule=[Duration(seconds=1)]),
    )
    created = await SubscriptionServiceStub(channel).CreateSubscription(
        subscriptions_pb2.CreateSubscriptionRequest(parent=WORKSPACE, subscription=subscription)
    )
    show("subscription", "Wallboard: every agent.* event, one retry after 1 s (±20 %)")
    show("signing key", f"whsec_…{created.subscription.signing_keys[0].hint}, shown to the subscriber only now")
    return created.signing_key


async def publish(channel: grpc.aio.Channel, payload: str, *, request_id: str) -> publishing_pb2.PublishResponse:
    """Publish one event, which the one subscription must match."""
    event = notifications_pb2.Event(event_type=EVENT_TYPE, json=payload)
    response = await PublishServiceStub(channel).Publish(
        publishing_pb2.PublishRequest(parent=WORKSPACE, event=event, request_id=request_id)
    )
    show(request_id, f"{payload.expandtabs(1)}  matched {response.matched_count}")
    require(response.matched_count == 1, "each publish matches the one subscription")
    return response


async def watch(receiver: Receiver, verifier: Webhook, started_s: float) -> None:
    """Show the three requests that must come, and check each of them."""
    tried_s = []
    for _ in range(3):
        arrival = await receiver.arrivals.get()
        agent, payload = ("a-17", READY) if b"a-17" in arrival.body else ("a-18", BUSY)
        # The standardwebhooks package knows nothing of Tidings. It raises when the signature is wrong.
        verifier.verify(arrival.body, arrival.headers)
        require(arrival.body.endswith(b'"data":' + payload.encode() + b"}"), "the payload's bytes arrive as published")
        attempt = f"{agent}  attempt {arrival.headers['tidings-attempt']}"
        after = f"after {arrival.at_s - started_s:.2f} s"
        show(after, f"{attempt}  signature verified  payload identical  answered {arrival.answer}")
        if payload == READY:
            tried_s.append(arrival.at_s)
    require(len(tried_s) == 2 and 0.7 < tried_s[1] - tried_s[0] < 5, "a failed request is repeated after a second")


async def read_back(channel: grpc.aio.Channel, event: str) -> None:
    """Print an event's notification with its attempts."""
    notification = await finished_notification(channel, event)
    state = notifications_pb2.NotificationState.Name(notification.state).removeprefix("NOTIFICATION_STATE_")
    show("notification", f"{state} after {notification.attempt_count} attempts")
    outcomes = []
    request = notifications_pb2.ListAttemptsRequest(parent=notification.name)
    for attempt in (await NotificationServiceStub(channel).ListAttempts(request)).attempts:
        outcomes.append(notifications_pb2.AttemptOutcome.Name(attempt.outcome).removeprefix("ATTEMPT_OUTCOME_"))
        began = attempt.start_time.ToDatetime().isoformat(timespec="milliseconds")
        show(f"attempt {attempt.attempt_number}", f"{began}Z  {outcomes[-1]:9}  {attempt.http_status}  {attempt.error}")
    require(outcomes == ["REJECTED", "SUCCEEDED"], "both attempts are on record, in order")


async def finished_notification(channel: grpc.aio.Channel, event: str) -> notifications_pb2.Notification:
    """Return an event's only notification, once its last outcome is recorded."""
    request = notifications_pb2.ListNotificationsRequest(parent=WORKSPACE, event=event)
    while True:
        found = (await NotificationServiceStub(channel).ListNotifications(request)).notifications
        require(len(found) == 1, "one subscription gets one notification")
        if found[0].state != notifications_pb2.NOTIFICATION_STATE_PENDING:
            return found[0]
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running_receiver(receiver: Receiver) -> AsyncIterator[str]:
    """Run the receiver on a free port and yield its URL."""
    app = web.Application()
    app.router.add_post("/hooks", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def running_server(folder: Path) -> AsyncIterator[str]:
    """Run a server on a free port, logging into `folder`, and yield its address."""
    command = (Path(sys.executable).with_name("tidings-server"), "serve", "--dev", "--listen", "127.0.0.1:0")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    with Path(folder, "log").open("wb") as log:  # noqa: ASYNC230  # nothing else runs yet
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stderr=log, env=environment)
    try:
        while not (started := re.search(r'"listen": ?\["(.+?)"\].*\n', log_of(folder))):
            require(process.returncode is None, "the server starts")
            await asyncio.sleep(0.02)
        yield started[1]
        process.terminate()
        require(await process.wait() == 0, "the server stops with exit code 0")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(folder: Path) -> None:
    """Run the whole demo, and stop everything again."""
    receiver = Receiver()
    async with asyncio.timeout(TIME_LIMIT_S), running_receiver(receiver) as url, running_server(folder) as address:
        title("A server and a receiver, both real")
        show("server", f"{address}  (tidings-server serve --dev, with a temporary database)")
        show("receiver", url)
        # A proxy that the environment names is for the world outside.
        async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            await demonstrate(channel, url, receiver)


def require(claim: bool, promise: str) -> None:
    if not claim:
        raise BrokenPromise(promise)


def log_of(folder: Path) -> str:
    return log.read_text() if (log := folder / "log").exists() else ""


def title(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


def show(label: str, text: str) -> None:
    print(f"  {label:<14}{text}".rstrip(), flush=True)


def main() -> int:
    """Run the demo; 0 when everything was as promised."""
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidings-demo-") as folder:
        try:
            asyncio.run(run(Path(folder)))
        except KeyboardInterrupt:
            return 130
        except Exception as error:
            print(f"\nNOT as promised: {str(error) or type(error).__name__}", file=sys.stderr)
            print(f"\nWhat the server said:\n{Path(folder, 'log').read_text()}", file=sys.stderr)
            return 1
    title(f"Everything was verified, in {time.monotonic() - started_s:.1f} s.")
    print("\nTo go on by hand, leave `make run` in one terminal and paste into another:\n")
    print(f"{TO_TRY}\n\nREADME.md goes on from here, with a receiver.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
