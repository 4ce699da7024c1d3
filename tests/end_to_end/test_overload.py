"""More than a server can take: what is refused, what still works, and that it ends by itself."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from aiohttp import web
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure, RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.settings import CALLS_MAX
from tests.harness import (
    EVENT_TYPE,
    PARENT,
    Client,
    Received,
    error_detail,
    eventually,
    payload_in,
    read_rows,
    running_receiver,
    running_server,
)
from tests.tools import Tenant
from tidings.v1.notifications_pb2 import CreateReplayRequest, Event, GetReplayRequest, Replay, ReplayState
from tidings.v1.publishing_pb2 import (
    BatchPublishRequest,
    ExplainPublishRequest,
    PublishRequest,
    StreamPublishItem,
    StreamPublishRequest,
)

LIMIT: Final = 5
EVENT: Final = Event(event_type=EVENT_TYPE, json="{}")


@dataclass
class Gate:
    """A receiver that answers nobody until it is opened."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: Received) -> web.Response:
        await self.opened.wait()
        return web.Response(status=204)


async def refusal(call: Awaitable[object], reason: str) -> grpc.aio.AioRpcError:
    """Return the error of a call that was refused for this reason, having checked what every such error has."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, reason) == (error.code(), error_detail(error, ErrorInfo).reason)
    assert error_detail(error, RetryInfo).retry_delay.ToMilliseconds() >= 1_000
    assert 1 == len(error_detail(error, QuotaFailure).violations)
    return error


async def health(client: Client) -> int:
    """Ask for the server's health."""
    stub: Any = HealthStub(client.channel)
    response: HealthCheckResponse = await stub.Check(HealthCheckRequest(), timeout=5)
    return response.status


async def publish_until_full(client: Client, url: str) -> list[str]:
    """Subscribe, and publish as much as may wait; return the payloads."""
    await client.create_event_type()
    await client.subscribe(url)
    payloads = [f'{{"number":{number}}}' for number in range(LIMIT)]
    for payload in payloads:
        await client.publish(payload)
    return payloads


@contextmanager
def writer_held_up(database: Path) -> Iterator[None]:
    """Write to the database from outside, so that the server's writer has to wait; at most 5 s, or it gives up."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_full_backlog_is_refused_in_every_way_of_publishing_and_drains_by_itself(tmp_path: Path) -> None:
    """Meanwhile others publish, and whoever only asks is answered."""
    gate = Gate()
    async with running_receiver(gate) as receiver, running_server(tmp_path, workspace_backlog_max=LIMIT) as client:
        payloads = await publish_until_full(client, receiver.url)
        request = PublishRequest(parent=PARENT, event=EVENT)

        error = await refusal(client.publishing.Publish(request), "BACKLOG_FULL")
        await refusal(
            client.publishing.BatchPublish(BatchPublishRequest(parent=PARENT, requests=[request] * 3)), "BACKLOG_FULL"
        )
        stream: Any = client.publishing.StreamPublish()
        await stream.write(StreamPublishRequest(parent=PARENT, items=[StreamPublishItem(sequence=1, event=EVENT)]))
        [refused] = (await stream.read()).results
        await stream.done_writing()

        assert error.details() == (
            f"{PARENT} has about {LIMIT} notifications PENDING, and may have {LIMIT}; "
            "publish again once some of them have been delivered"
        )
        assert PARENT == error_detail(error, QuotaFailure).violations[0].subject
        assert (1, "BACKLOG_FULL") == (refused.sequence, refused.error.reason)
        request.validate_only = True
        assert 1 == (await client.publishing.Publish(request)).matched_count
        explained = await client.publishing.ExplainPublish(ExplainPublishRequest(parent=PARENT, event=EVENT))
        assert [True] == [each.matched for each in explained.decisions]
        other = Tenant(client, "other")
        await other.subscribe(url=receiver.url)
        assert 1 == (await other.publish(EVENT_TYPE)).matched_count
        assert HealthCheckResponse.SERVING == await health(client)

        gate.opened.set()
        await receiver.wait_for(LIMIT + 1)
        await eventually(lambda: accepted(client))
        received = await receiver.wait_for(LIMIT + 2)

    # Whatever was acknowledged came, and nothing that was refused did.
    assert sorted([*payloads, "{}", "{}"]) == sorted(payload_in(each.body).decode() for each in received)
    assert LIMIT + 2 == read_rows(tmp_path / "tidings.db", "SELECT count(*) AS events FROM events")[0]["events"]


async def accepted(client: Client) -> bool:
    """Publish once, and say whether it was accepted."""
    try:
        await client.publish()
    except grpc.aio.AioRpcError as error:
        return error_detail(error, ErrorInfo).reason != "BACKLOG_FULL"
    return True


async def test_server_that_starts_knows_what_waits_already(tmp_path: Path) -> None:
    """Before it answers its first publish."""
    gate = Gate()
    settings: dict[str, Any] = {"backlog_max": LIMIT, "drain_timeout_s": 0}
    async with running_receiver(gate) as receiver:
        async with running_server(tmp_path, **settings) as client:
            await publish_until_full(client, receiver.url)

        async with running_server(tmp_path, **settings) as client:
            error = await refusal(client.publish(), "BACKLOG_FULL")

        gate.opened.set()
    assert "server" == error_detail(error, QuotaFailure).violations[0].subject


async def test_replay_pauses_while_the_backlog_is_full(tmp_path: Path) -> None:
    """And is carried out to its end once there is room."""
    gate = Gate()
    async with running_receiver(gate) as receiver, running_server(tmp_path, workspace_backlog_max=LIMIT) as client:
        await publish_until_full(client, receiver.url)
        replay = Replay(include_unmatched=True)
        replay.start_time.FromSeconds(1)
        request = CreateReplayRequest(parent=f"{PARENT}/subscriptions/receiver", replay=replay)
        name = (await client.notifications.CreateReplay(request)).replay.name

        async def state() -> tuple[int, int]:
            found = (await client.notifications.GetReplay(GetReplayRequest(name=name))).replay
            return found.state, found.created_count

        # It has had its turn when it was put off.
        await eventually(
            lambda: bool(read_rows(tmp_path / "tidings.db", "SELECT 1 FROM replays WHERE next_time > create_time"))
        )
        assert (ReplayState.REPLAY_STATE_RUNNING, 0) == await state()
        gate.opened.set()

        await receiver.wait_for(2 * LIMIT)
        assert (ReplayState.REPLAY_STATE_SUCCEEDED, LIMIT) == await state()


async def test_health_answers_while_every_publish_that_may_be_is_under_way(tmp_path: Path) -> None:
    """The writer is held up from outside, so nothing is accepted for a while; then all of it is."""
    calls_max = replace(CALLS_MAX, publishes=2)
    async with running_server(tmp_path, calls_max=calls_max, allow_unknown_event_types=True) as client:
        await client.publish()
        with writer_held_up(tmp_path / "tidings.db"):
            publishes = {asyncio.ensure_future(client.publish()) for _ in range(5)}
            refused: set[asyncio.Future[Any]] = set()
            while len(refused) < 3:
                ended, publishes = await asyncio.wait(publishes, return_when=asyncio.FIRST_COMPLETED)
                refused |= ended

            assert HealthCheckResponse.SERVING == await health(client)
            error = await refusal(client.publish(), "QUOTA_EXCEEDED")
            assert 2 == len(publishes)

        for each in refused:
            await refusal(each, "QUOTA_EXCEEDED")
        assert all(response.event.name for response in await asyncio.gather(*publishes))
        await client.publish()
    assert error.details() == (
        "2 calls of tidings.v1.PublishService/Publish are under way on this server already, as many as it takes at "
        "once; try again later"
    )
    assert 4 == read_rows(tmp_path / "tidings.db", "SELECT count(*) AS events FROM events")[0]["events"]
