"""Metrics of a whole server, scraped: they say what was done, and nobody can make them say more."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from aiohttp import ClientSession, web
from structlog.testing import capture_logs

from service.api.addresses import ListenError
from tests.end_to_end.test_overload import Gate, writer_held_up
from tests.harness import (
    EVENT_TYPE,
    PARENT,
    Client,
    eventually,
    retry_policy,
    running_process,
    running_receiver,
    running_server,
)
from tests.tools import Series, Tenant, metric, metrics_of
from tidings.v1.notifications_pb2 import Event, GetEventRequest
from tidings.v1.publishing_pb2 import BatchPublishRequest, PublishRequest, StreamPublishItem, StreamPublishRequest

SCHEMA: Final = '{"type": "object", "required": ["agent"]}'
PUBLISH: Final = "tidings.v1.PublishService/Publish"
STREAM_PUBLISH: Final = "tidings.v1.PublishService/StreamPublish"


async def scrape(address: str) -> str:
    """Return what is exposed."""
    async with ClientSession() as session, session.get(f"http://{address}/metrics") as response:
        assert 200 == response.status
        return await response.text()


@dataclass
class Scraped:
    """A server with metrics, and its client."""

    client: Client
    address: str

    async def metrics(self) -> Series:
        """Scrape."""
        return metrics_of(await scrape(self.address))

    async def eventually(self, name: str, value: float, **labels: str) -> Series:
        """Scrape until a metric has a value: a call is counted when its answer has left, a moment after it came."""
        found: Series = {}

        async def is_so() -> bool:
            nonlocal found
            found = await self.metrics()
            return metric(found, name, **labels) == value

        await eventually(is_so)
        return found


@asynccontextmanager
async def scraped(folder: Path, **settings: Any) -> AsyncIterator[Scraped]:
    """Run a server with metrics on a free port."""
    with capture_logs() as log:
        async with running_server(folder, metrics_listen="127.0.0.1:0", **settings) as client:
            [started] = [entry for entry in log if entry["event"] == "server.started"]
            yield Scraped(client, started["metrics_listen"])


async def test_metrics_move_by_exactly_what_was_done(tmp_path: Path) -> None:
    """Three deliveries of which one needs a second attempt, and a refusal of each kind of publish."""
    answers = iter([web.Response(status=500)])
    async with (
        running_receiver(lambda _: next(answers, web.Response(status=204))) as receiver,
        scraped(tmp_path) as server,
    ):
        client, tenant = server.client, Tenant(server.client, "main")
        await tenant.event_type(EVENT_TYPE, json_schema=SCHEMA, schema_enforcement="SCHEMA_ENFORCEMENT_WARN")
        await tenant.subscribe("receiver", url=receiver.url, retry_policy=retry_policy(0.1))
        for payload in ('{"agent":1}', "{}", '{"agent":2}'):
            await client.publish(payload)
        unknown = PublishRequest(parent=PARENT, event=Event(event_type="no.such.type", json="{}"))
        for refused in (
            client.publishing.Publish(unknown),
            client.publishing.BatchPublish(BatchPublishRequest(parent=PARENT, requests=[unknown] * 3)),
            client.notifications.GetEvent(GetEventRequest(name="nonsense")),
        ):
            with pytest.raises(grpc.aio.AioRpcError):
                await refused
        stream: Any = client.publishing.StreamPublish()
        items = [StreamPublishItem(sequence=number, event=unknown.event) for number in (1, 2)]
        await stream.write(StreamPublishRequest(parent=PARENT, items=items))
        await stream.done_writing()
        assert 2 == sum([len(response.results) async for response in stream])
        await receiver.wait_for(4)

        shown = await server.eventually("tidings_attempts_total", 3, outcome="SUCCEEDED")
        shown = await server.eventually(
            "tidings_rpcs_total", 1, method="tidings.v1.PublishService/StreamPublish", code="OK"
        )

    def total(name: str, **labels: str) -> float:
        return metric(shown, f"tidings_{name}", **labels)

    assert (3, 1) == (
        total("rpcs_total", method=PUBLISH, code="OK"),
        total("rpcs_total", method=PUBLISH, code="NOT_FOUND"),
    )
    assert 1 == total("rpcs_total", method="tidings.v1.NotificationService/GetEvent", code="INVALID_ARGUMENT")
    assert 4 == total("rpc_duration_seconds_count", method=PUBLISH)
    assert 4 == total("publishes_refused_total", reason="EVENT_TYPE_UNKNOWN")
    assert 1 == total("schema_mismatches_total")
    assert (1, 3) == (total("attempts_total", outcome="REJECTED"), total("attempts_total", outcome="SUCCEEDED"))
    assert (4, 3) == (total("attempt_duration_seconds_count"), total("delivery_latency_seconds_count"))
    # The one that was sent again was late by its retry's delay.
    assert 0.08 <= total("delivery_latency_seconds_sum") < 20
    assert 3 <= total("commit_works_count") <= total("commit_works_sum")
    assert total("commit_works_count") == total("commit_duration_seconds_count")
    assert metric(shown, "process_resident_memory_bytes") > 1_000_000
    assert metric(shown, "process_open_fds") > 3


async def test_backlog_and_deliveries_are_shown_while_they_last(tmp_path: Path) -> None:
    """As of the last count, which is a second old at most here."""
    gate = Gate()
    async with running_receiver(gate) as receiver, scraped(tmp_path, delivery_slots=2) as server:
        await server.client.create_event_type()
        await server.client.subscribe(receiver.url)
        await server.client.publish_at_once(5)

        shown = await server.eventually("tidings_backlog_notifications", 4, state="ready")
        shown = await server.eventually("tidings_backlog_notifications", 1, state="under_way")

        assert (1, 2, 2) == (
            metric(shown, "tidings_deliveries_in_flight"),
            metric(shown, "tidings_delivery_slots"),
            metric(shown, "tidings_deliveries_in_flight_bytes"),
        )
        assert 0 < metric(shown, "tidings_backlog_oldest_due_age_seconds") < 20
        assert 0 <= metric(shown, "tidings_backlog_count_age_seconds") < 20
        assert 0 < metric(shown, "tidings_wal_bytes")
        gate.opened.set()
        shown = await server.eventually("tidings_backlog_notifications", 0, state="ready")
        shown = await server.eventually("tidings_backlog_notifications", 0, state="under_way")
        assert 0 == metric(shown, "tidings_backlog_oldest_due_age_seconds")
        await server.eventually("tidings_deliveries_in_flight", 0)


async def test_scrape_waits_for_nobody_who_writes(tmp_path: Path) -> None:
    """Metrics are what one looks at when a database does not answer."""
    async with scraped(tmp_path) as server:
        with writer_held_up(tmp_path / "tidings.db"):
            held = asyncio.ensure_future(server.client.create_event_type())
            for _ in range(5):
                await server.metrics()
            assert not held.done()
        await held


async def test_callers_cannot_make_series(tmp_path: Path) -> None:
    """Neither by names of methods, nor of anything else."""
    async with scraped(tmp_path, allow_unknown_event_types=True) as server:
        await server.client.publish()
        before = await server.eventually("tidings_rpcs_total", 1, method=PUBLISH, code="OK")
        for number in range(20):
            for method in (f"/tidings.v1.PublishService/Secret{number}", f"/secret{number}/Publish"):
                call: Any = server.client.channel.unary_unary(method)
                with pytest.raises(grpc.aio.AioRpcError):
                    await call(b"")
            tenant = Tenant(server.client, f"secret{number}")
            await tenant.subscribe(f"secret{number}", url=f"http://secret{number}.example/hooks")
            await tenant.publish(f"secret{number}")

        after = await server.eventually("tidings_rpcs_total", 40, method="unknown", code="UNIMPLEMENTED")
        text = await scrape(server.address)

    assert {"unknown", "tidings.v1.SubscriptionService/CreateSubscription"} == {
        value for _, labels in set(after) - set(before) for label, value in labels if label == "method"
    }
    assert "secret" not in text.lower()
    assert 21 == metric(after, "tidings_rpcs_total", method=PUBLISH, code="OK")


async def test_port_of_the_metrics_is_free_after_the_end(tmp_path: Path) -> None:
    """Also where the process goes on."""
    async with scraped(tmp_path) as server:
        host, port = server.address.split(":")

    with socket.create_server((host, int(port))):
        pass


async def test_there_are_no_metrics_unless_they_are_asked_for(tmp_path: Path) -> None:
    """Also with --dev."""
    with capture_logs() as log:
        async with running_server(tmp_path):
            pass

    assert [None] == [entry["metrics_listen"] for entry in log if entry["event"] == "server.started"]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (
            "unix:/tmp/metrics.sock",
            '--metrics-listen: cannot serve metrics on "unix:/tmp/metrics.sock": an address is host:port or',
        ),
        ("9464", '--metrics-listen: cannot serve metrics on "9464": an address is host:port or'),
        ("203.0.113.9:9464", "cannot listen on 203.0.113.9:9464: cannot assign requested address"),
    ],
)
async def test_address_that_cannot_be_had_ends_the_start(tmp_path: Path, address: str, problem: str) -> None:
    with pytest.raises(ListenError, match=f"^{re.escape(problem)}"):
        async with running_server(tmp_path, metrics_listen=address):
            raise AssertionError("the server started")


async def test_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match=f"{address}: address already in use"):
            async with running_server(tmp_path, metrics_listen=address):
                raise AssertionError("the server started")


async def test_metrics_are_there_until_the_server_has_drained(tmp_path: Path) -> None:
    """So the last deliveries are seen too; then the port is free."""
    gate = Gate()
    async with (
        running_receiver(gate) as receiver,
        running_process(tmp_path / "tidings.db", "--metrics-listen", "127.0.0.1:0") as server,
    ):
        [address] = [entry["metrics_listen"] for entry in server.log if entry["event"] == "server.started"]
        await server.client.create_event_type()
        await server.client.subscribe(receiver.url)
        await server.client.publish()
        await receiver.wait_for(1)

        stopped = asyncio.create_task(server.stop())
        await eventually(lambda: any(entry["event"] == "server.stopping" for entry in server.log))
        shown = metrics_of(await scrape(address))
        gate.opened.set()

        assert 1 == metric(shown, "tidings_deliveries_in_flight")
        assert 0 == await stopped
    host, port = address.split(":")
    with socket.create_server((host, int(port))):
        pass
