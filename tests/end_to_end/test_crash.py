"""What a publisher was told is kept, although the server dies in the middle of its work."""

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import grpc
from aiohttp import web

from service.domain.health import CONCURRENCY_DEFAULT_MAX
from tests.harness import (
    Client,
    Received,
    Receiver,
    ServerProcess,
    eventually,
    read_rows,
    running_process,
    running_receiver,
)
from tests.invariants import (
    Publication,
    Receipt,
    check,
    database_violations,
    doubled,
    duplicates,
    garbled,
    invented,
    lost,
    misattributed,
    reading,
    undrained,
    unlogged,
    unowed,
    unreceived,
)
from tidings.v1.publishing_pb2 import PublishResponse

EVENTS = 2_000
KILLED_AFTER_ACKS = 1_000
PUBLISHERS = 16
REPEATED = 50
LANES = 8
SLOW_S = 0.1
FIRST_DELIVERY_WITHIN_S = 2.0
DELIVERED_WITHIN_S = 40.0

WORKSPACE = "acme/main"
PENDING = "SELECT id FROM notifications WHERE complete_time IS NULL LIMIT 1"


@dataclass
class SlowReceiver:
    """Answers 204 after `delay_s`, and knows at every moment which webhook-ids it is at work on."""

    delay_s: float = SLOW_S
    under_way: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    arrived_at: list[float] = field(default_factory=list)

    async def __call__(self, received: Received) -> web.Response:
        """Take the time, then accept."""
        webhook_id = received.headers["webhook-id"]
        self.arrived_at.append(time.monotonic())
        self.under_way[webhook_id] += 1
        await asyncio.sleep(self.delay_s)
        self.under_way[webhook_id] -= 1
        self.answered.add(webhook_id)
        return web.Response(status=204)


@dataclass
class Publishers:
    """Publish every payload, many at a time, and keep a ledger of what was OKed.

    A call that ends without an OK is repeated with the same request_id once `server_is_up`.
    """

    payloads: dict[str, str]
    client: Client
    before_the_kill: list[str] = field(default_factory=list)
    ledger: dict[str, str] = field(default_factory=dict)
    deduplicated: int = 0
    resent: set[str] = field(default_factory=set)
    server_is_up: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish everything."""
        self.server_is_up.set()
        left = iter(self.payloads)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(PUBLISHERS):
                tasks.create_task(self._publish_all(left))

    async def repeat(self, request_ids: Iterable[str]) -> None:
        """Publish again what was acknowledged before; it must be answered with the first event."""
        for request_id in request_ids:
            response = await self._call(request_id)
            assert response.deduplicated
            assert self.ledger[request_id] == response.event.name.rpartition("/")[2]

    async def _publish_all(self, left: Iterator[str]) -> None:
        for request_id in left:
            while request_id not in self.ledger:
                await self.server_is_up.wait()
                await self._publish(request_id)

    async def _call(self, request_id: str) -> PublishResponse:
        shard = str(int(request_id.removeprefix("r-")) % LANES)
        return await self.client.publish(self.payloads[request_id], request_id=request_id, attributes={"shard": shard})

    async def _publish(self, request_id: str) -> None:
        try:
            response = await self._call(request_id)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            self.resent.add(request_id)
            self.server_is_up.clear()
            return
        assert response.matched_count == 1
        self.ledger[request_id] = response.event.name.rpartition("/")[2]
        self.deduplicated += response.deduplicated
        if len(self.ledger) == KILLED_AFTER_ACKS:
            self.enough.set()


@dataclass(frozen=True)
class Lane:
    """A subscription, as its receiver knows it."""

    uid: str
    signing_key: str


@dataclass(frozen=True)
class AtTheKill:
    """What the receiver had, and what the database held, when the server died."""

    acked: set[str]
    under_way: set[str]
    leased: set[str]
    receipts: int


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """G1, G3, G4: all that was OKed arrives, few things arrive twice, and nothing was made up."""
    answer = SlowReceiver()
    async with running_receiver(answer) as receiver, running_process(tmp_path / "tidings.db") as server:
        lanes = await _subscribe_lanes(server, receiver)
        async with _publishing(_payloads(), server) as publishers:
            kill = await _kill(server, publishers, answer, receiver, tmp_path)
            first_delivery_s = await _restart(server, publishers, answer)
            await publishers.repeat(publishers.before_the_kill[-REPEATED:])
        acked = set(publishers.ledger.values())
        await eventually(lambda: acked <= answer.answered, within_s=DELIVERED_WITHIN_S)
        await eventually(lambda: [] == read_rows(server.database, PENDING), within_s=DELIVERED_WITHIN_S)
        assert await server.stop() == 0

    receipts, publications = _receipts(receiver, lanes), _publications(publishers)
    _report(kill, publishers, receipts, first_delivery_s)
    assert first_delivery_s <= FIRST_DELIVERY_WITHIN_S
    assert set(publishers.ledger) == set(publishers.payloads)
    check(
        garbled(receipts, publications),
        misattributed(receipts, {lane.uid: [lane.signing_key] for lane in lanes.values()}),
    )
    _check_duplicates(receipts, kill)
    _check_database(server.database, publications, receipts, kill)


async def _subscribe_lanes(server: ServerProcess, receiver: Receiver) -> dict[str, Lane]:
    """Create one subscription per shard; return them by the path that each is called at."""
    await server.client.create_event_type()
    lanes: dict[str, Lane] = {}
    for shard in range(LANES):
        created = await server.client.subscribe(
            f"{receiver.url}/{shard}", subscription_id=f"lane-{shard}", attribute_filters={"shard": str(shard)}
        )
        lanes[f"/hooks/{shard}"] = Lane(created.subscription.uid, created.signing_key)
    return lanes


def _payloads() -> dict[str, str]:
    rng = Random(2026)
    return {
        f"r-{number}": json.dumps({"number": number, "noise": "é" * rng.randrange(200), "figures": [1, 2.50]})
        for number in range(EVENTS)
    }


@asynccontextmanager
async def _publishing(payloads: dict[str, str], server: ServerProcess) -> AsyncIterator[Publishers]:
    """Publish while the block runs, and then until everything is acknowledged."""
    publishers = Publishers(payloads, Client(server.address))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publishers.run())
        yield publishers
    await publishers.client.channel.close()


async def _kill(
    server: ServerProcess, publishers: Publishers, answer: SlowReceiver, receiver: Receiver, folder: Path
) -> AtTheKill:
    """Kill the server once it has acknowledged enough, with requests under way, and look at what it left."""
    await publishers.enough.wait()
    await eventually(lambda: +answer.under_way != Counter())
    acked, under_way = set(publishers.ledger.values()), set(+answer.under_way)
    undelivered = acked - answer.answered
    assert under_way, "no request was under way at the receiver"
    assert undelivered - under_way, "everything that was acknowledged had been delivered"
    publishers.before_the_kill = list(publishers.ledger)
    await server.kill()  # Sends the signal at once: nothing has run since the lines above.
    # The receiver finishes what it was at work on; a 2xx that reaches nobody is what makes a duplicate.
    await eventually(lambda: +answer.under_way == Counter())
    return AtTheKill(acked, under_way, _leased(server.database, folder), len(receiver.received))


def _leased(database: Path, folder: Path) -> set[str]:
    """Return the events whose claims had no recorded outcome, from a copy: the restart finds the files untouched."""
    copy = folder / "as-it-was"
    copy.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        shutil.copy(file, copy)
    leased = read_rows(copy / database.name, "SELECT event_id FROM notifications WHERE lease_owner IS NOT NULL")
    return {row["event_id"] for row in leased}


async def _restart(server: ServerProcess, publishers: Publishers, answer: SlowReceiver) -> float:
    """Start the server again and let the publishers go on; return when the first delivery came after that, in s."""
    answer.delay_s = 0
    before = len(answer.arrived_at)
    await eventually(lambda: len(publishers.resent) == PUBLISHERS)
    await publishers.client.channel.close()
    await server.start()
    started_at = time.monotonic()
    publishers.client = Client(server.address)
    publishers.server_is_up.set()
    await eventually(lambda: len(answer.arrived_at) > before)
    return answer.arrived_at[before] - started_at


def _publications(publishers: Publishers) -> list[Publication]:
    return [
        Publication(WORKSPACE, request, publishers.payloads[request].encode(), event_id=event)
        for request, event in publishers.ledger.items()
    ]


def _receipts(receiver: Receiver, lanes: dict[str, Lane]) -> list[Receipt]:
    return [Receipt(lanes[each.path].uid, each.headers, each.body) for each in receiver.received]


def _check_duplicates(receipts: list[Receipt], kill: AtTheKill) -> None:
    """G4. The bound is what was claimed and had no recorded outcome when the process died.

    A request in flight is claimed, and stays so until its outcome is committed: in flight + unflushed outcomes is the
    number of leased rows. A lane keeps its slots until then, so it is also at most 64 per lane, whatever the load.
    """
    duplicated = duplicates(receipts)
    assert kill.under_way <= kill.leased
    assert {event_id for _, event_id in duplicated} <= kill.leased
    assert duplicated.total() <= len(kill.leased) <= LANES * CONCURRENCY_DEFAULT_MAX


def _check_database(database: Path, publications: list[Publication], receipts: list[Receipt], kill: AtTheKill) -> None:
    with reading(database) as connection:
        check(
            database_violations(connection),
            unlogged(connection),
            undrained(connection),
            lost(connection, publications),
            doubled(connection, publications),
            invented(connection, publications),
            unowed(connection, receipts),
            unreceived(connection, receipts),
        )
    assert [{"state": "SUCCEEDED", "count": EVENTS}] == read_rows(
        database, "SELECT state, count(*) AS count FROM notifications GROUP BY state"
    )
    interrupted = """
        SELECT event_id FROM attempts JOIN notifications ON notifications.id = notification_id
        WHERE outcome = 'INTERRUPTED'
    """
    assert kill.leased == {row["event_id"] for row in read_rows(database, interrupted)}


def _report(kill: AtTheKill, publishers: Publishers, receipts: list[Receipt], first_delivery_s: float) -> None:
    print(
        f"acknowledged at the kill: {len(kill.acked)}, received {kill.receipts}; under way {len(kill.under_way)}, "
        f"leased {len(kill.leased)}; duplicates {duplicates(receipts).total()}; resent {len(publishers.resent)}, of "
        f"which deduplicated {publishers.deduplicated}; first delivery {first_delivery_s:.3f} s after server.started"
    )
