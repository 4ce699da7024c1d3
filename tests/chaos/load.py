"""Load for a server that is about to fail: publishers that repeat what got no OK, and a receiver with moods."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random

import grpc
from aiohttp import web
from google.rpc.error_details_pb2 import ErrorInfo

from tests import invariants
from tests.chaos.ledgers import PublisherLedger, ReceiverLedger
from tests.harness import PARENT, Client, ServerProcess, error_detail, eventually, read_rows, retry_policy
from tests.invariants import Publication, Receipt, Violations
from tidings.v1.notifications_pb2 import Event
from tidings.v1.publishing_pb2 import BatchPublishRequest, PublishRequest

LANES = 6
PENDING = "SELECT id FROM notifications WHERE complete_time IS NULL LIMIT 1"
# Enough attempts to outlive every fault, and delays short enough not to outlive the test.
RETRIES_S = (0.1, 0.2, 0.5, *(1.0,) * 29)
CALL_TIMEOUT_S = 5.0
ACKNOWLEDGED_WITHIN_S = 120.0
_PAUSE_AFTER_REFUSAL_S = 0.05
_BATCH = 5

# What a call may end with that was cut off, came too late or was refused for now. Anything else is a bug.
REPEATED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    }
)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason that the server gave, or the code where it gave none."""
    if "grpc-status-details-bin" in dict(error.trailing_metadata() or ()):
        return error_detail(error, ErrorInfo).reason
    return error.code().name


class Publishers:
    """Tasks that publish, singly and in batches, and repeat what got no OK under the same request_ids.

    Args:
        address: where to publish now; it is asked again after each refusal.
        lanes: the uids of the subscriptions, of which each event is for one.
        pause_s: how long a task rests between two calls, at most.
    """

    def __init__(
        self, ledger: PublisherLedger, *, address: Callable[[], str], lanes: Sequence[str], rng: Random, pause_s: float
    ) -> None:
        self.ledger = ledger
        self.acknowledged: dict[str, str] = {}
        self.refusals: Counter[str] = Counter()
        self._address = address
        self._lanes = lanes
        self._rng = rng
        self._pause_s = pause_s
        self._stopping = False

    @asynccontextmanager
    async def running(self, at_once: int) -> AsyncIterator[None]:
        """Publish during the block, and then until all that was begun has its OK."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(at_once):
                tasks.create_task(self._publish(number))
            try:
                yield
            finally:
                self._stopping = True

    async def _publish(self, number: int) -> None:
        count = 0
        while not self._stopping:
            size = 1 if number % 2 else _BATCH
            requests = [self._request(f"r-{number}-{count + offset}") for offset in range(size)]
            count += size
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await self._until_acknowledged(requests)
            await asyncio.sleep(self._rng.uniform(0, self._pause_s))

    def _request(self, request_id: str) -> PublishRequest:
        lane = self._rng.randrange(len(self._lanes))
        payload = json.dumps({"id": request_id, "noise": "é" * self._rng.randrange(1000), "figures": [1, 2.50]})
        self.ledger.sending(request_id, payload, self._lanes[lane])
        event = Event(event_type="agent.status.changed", json=payload, attributes={"lane": str(lane)})
        return PublishRequest(event=event, request_id=request_id)

    async def _until_acknowledged(self, requests: Sequence[PublishRequest]) -> None:
        while True:
            client = Client(self._address())
            try:
                await self._call(client, requests)
            except grpc.aio.AioRpcError as error:
                self.refusals[reason_of(error)] += 1
                if error.code() not in REPEATED:
                    raise
            else:
                return
            finally:
                await client.channel.close()
            await asyncio.sleep(_PAUSE_AFTER_REFUSAL_S)

    async def _call(self, client: Client, requests: Sequence[PublishRequest]) -> None:
        batch = BatchPublishRequest(parent=PARENT, requests=requests)
        response = await client.publishing.BatchPublish(batch, timeout=CALL_TIMEOUT_S)
        for request, published in zip(requests, response.responses, strict=True):
            event_id = published.event.name.rpartition("/")[2]
            self.ledger.acknowledged(request.request_id, event_id)
            self.acknowledged[request.request_id] = event_id


class Mood(StrEnum):
    """How a receiver treats requests."""

    WELL = "well"
    FAILING = "failing"
    RESETTING = "resetting"
    STALLING = "stalling"


class MoodyReceiver:
    """An HTTP server that writes down what it gets, then answers as its mood is. It can go away and come back."""

    def __init__(self, ledger: ReceiverLedger, *, lanes: dict[str, str], rng: Random, delay_s: float) -> None:
        self.ledger = ledger
        self.mood = Mood.WELL
        self.lanes = lanes
        self.arrived_at_s: list[float] = []
        self.accepted: set[str] = set()
        self._rng = rng
        self._delay_s = delay_s
        self._port = 0
        self._site: web.TCPSite | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on a free port of 127.0.0.1 during the block."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/{lane}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.come_back()
        self._port = int(self._runner.addresses[0][1])
        try:
            yield
        finally:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._port}"

    async def go_away(self) -> None:
        """Refuse connections from now on."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def come_back(self) -> None:
        """Listen again, where it did before."""
        if self._site is None:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
            await self._site.start()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.arrived_at_s.append(time.monotonic())
        mood = self.mood
        self._write_down(request, body, is_accepted=mood is Mood.WELL)
        if mood is Mood.STALLING:
            await asyncio.sleep(3600)
        if mood is Mood.RESETTING and request.transport is not None:
            request.transport.abort()
        await asyncio.sleep(self._rng.uniform(0, self._delay_s))
        return web.Response(status=204 if mood is Mood.WELL else 500)

    def _write_down(self, request: web.Request, body: bytes, *, is_accepted: bool) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        lane = self.lanes[request.match_info["lane"]]
        self.ledger.received(lane, headers, body, at_s=time.monotonic(), is_accepted=is_accepted)
        if is_accepted:
            self.accepted.add(headers["webhook-id"])


@dataclass
class Load:
    """A server's subscriptions with their keys, its publishers and its receiver."""

    publishers: Publishers
    receiver: MoodyReceiver
    keys: dict[str, list[str]] = field(default_factory=dict)


@asynccontextmanager
async def loaded(
    server: ServerProcess,
    folder: Path,
    *,
    rng: Random,
    address: Callable[[], str] | None = None,
    pause_s: float = 0.02,
    delay_s: float = 0.02,
    attempt_timeout_s: float = 15,
) -> AsyncIterator[Load]:
    """Subscribe a receiver's lanes to a running server; yield the load, whose publishers do not run yet."""
    lanes: dict[str, str] = {}
    with (
        closing(ReceiverLedger(folder / "received")) as received,
        closing(PublisherLedger(folder / "published")) as published,
    ):
        receiver = MoodyReceiver(received, lanes=lanes, rng=rng, delay_s=delay_s)
        async with receiver.running():
            await server.client.create_event_type()
            keys: dict[str, list[str]] = {}
            for lane in range(LANES):
                created = await server.client.subscribe(
                    f"{receiver.url}/{lane}",
                    subscription_id=f"lane-{lane}",
                    attribute_filters={"lane": str(lane)},
                    retry_policy=retry_policy(*RETRIES_S, attempt_timeout_s=attempt_timeout_s),
                )
                lanes[str(lane)] = created.subscription.uid
                keys[created.subscription.uid] = [created.signing_key]
            publishers = Publishers(
                published,
                address=address or (lambda: server.address),
                lanes=list(lanes.values()),
                rng=rng,
                pause_s=pause_s,
            )
            yield Load(publishers, receiver, keys)


async def acknowledged(load: Load, count: int) -> None:
    """Wait until more events than that have their OK."""
    await eventually(lambda: len(load.publishers.acknowledged) > count)


async def stalled(load: Load) -> None:
    """Let the receiver answer nothing any more, and wait until some requests have come that it does not answer."""
    load.receiver.mood = Mood.STALLING
    before = len(load.receiver.arrived_at_s)
    await eventually(lambda: len(load.receiver.arrived_at_s) > before + 3)


async def delivered(server: ServerProcess, *, within_s: float = 60) -> None:
    """Wait until nothing is owed any more."""
    await eventually(lambda: [] == read_rows(server.database, PENDING), within_s=within_s)


def duplicates(load: Load) -> int:
    """Return how often something came again that had been accepted."""
    receipts = [each.receipt for each in load.receiver.ledger.receipts() if each.is_accepted]
    return invariants.duplicates(receipts).total()


def undelivered(publications: Iterable[Publication], accepted: Iterable[Receipt]) -> Violations:
    """What was acknowledged, the receiver has accepted: its moods pass, and no schedule here runs out."""
    arrived = {each.event_id for each in accepted}
    return [f"{each.event_id} never arrived" for each in publications if each.event_id and each.event_id not in arrived]


def check(server: ServerProcess, load: Load) -> None:
    """Check that everything acknowledged was delivered, and that nothing else was."""
    publications = [each for each in load.publishers.ledger.publications() if each.event_id]
    answered = load.receiver.ledger.receipts()
    receipts = [each.receipt for each in answered]
    accepted = [each.receipt for each in answered if each.is_accepted]
    with invariants.reading(server.database) as database:
        invariants.check(
            invariants.database_violations(database),
            invariants.unlogged(database),
            invariants.undrained(database),
            invariants.lost(database, publications),
            invariants.doubled(database, publications),
            invariants.misdirected(database, publications),
            invariants.unowed(database, receipts),
            invariants.garbled(receipts, publications),
            invariants.misattributed(receipts, load.keys),
            undelivered(publications, accepted),
        )
