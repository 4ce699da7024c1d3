"""How a notification comes to its end: retries, answers that mean something and restarts."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.domain.model import LANE_CONCURRENCY_AT_FIRST as AT_FIRST
from tests.harness import (
    Client,
    Held,
    Received,
    ServerProcess,
    error_detail,
    eventually,
    payload_in,
    read_rows,
    retry_policy,
    running_process,
    running_receiver,
)
from tidings.v1.notifications_pb2 import (
    Attempt,
    AttemptOutcome,
    GetNotificationRequest,
    Notification,
    NotificationState,
)
from tidings.v1.subscriptions_pb2 import Subscription, UpdateSubscriptionRequest

RESPONSE_KEPT_BYTES = 4 * 1024
JITTER_MIN = 0.8


async def test_receiver_that_fails_three_times_gets_a_fourth_attempt(tmp_path: Path) -> None:
    """Retries follow the policy: same id, same bytes, counted, and not before their time."""
    arrived_at: list[float] = []

    def answer(_: Received) -> web.Response:
        arrived_at.append(time.monotonic())
        return web.Response(status=500 if len(arrived_at) <= 3 else 200)

    async with running_receiver(answer) as receiver, running_process(tmp_path / "tidings.db") as server:
        await _subscribe(server.client, receiver.url, 0.1, 0.2, 0.3, 0.1)
        await server.client.publish('{"n": 1}')
        notification = await _finished(server.client)
        attempts = await server.client.list_attempts(notification.name)

    assert NotificationState.NOTIFICATION_STATE_SUCCEEDED == notification.state
    assert (4, "") == (notification.attempt_count, notification.failure_reason)
    assert ["1", "2", "3", "4"] == [received.headers["tidings-attempt"] for received in receiver.received]
    assert 1 == len({(received.headers["webhook-id"], received.body) for received in receiver.received})
    assert [1, 2, 3, 4] == [attempt.attempt_number for attempt in attempts]
    assert ["REJECTED"] * 3 + ["SUCCEEDED"] == list(map(_outcome, attempts))
    assert [500, 500, 500, 200] == [attempt.http_status for attempt in attempts]
    pauses_s = [later - earlier for earlier, later in itertools.pairwise(arrived_at)]
    assert all(pause >= JITTER_MIN * delay for pause, delay in zip(pauses_s, (0.1, 0.2, 0.3), strict=True)), pauses_s


async def test_notification_fails_when_the_schedule_is_exhausted(tmp_path: Path) -> None:
    """n delays make n + 1 attempts, and then an end state with a reason."""
    async with (
        running_receiver(lambda _: web.Response(status=503)) as receiver,
        running_process(tmp_path / "tidings.db") as server,
    ):
        await _subscribe(server.client, receiver.url, 0.1, 0.1)
        await server.client.publish()
        notification = await _finished(server.client)

    assert NotificationState.NOTIFICATION_STATE_FAILED == notification.state
    assert ("ATTEMPTS_EXHAUSTED", 3, 3) == (
        notification.failure_reason,
        notification.attempt_count,
        len(receiver.received),
    )


async def test_retry_after_delays_beyond_the_schedule(tmp_path: Path) -> None:
    """429 with Retry-After: 2 on a schedule of 0.1 s: the next attempt comes after two seconds, not before."""
    arrived_at: list[float] = []

    def answer(_: Received) -> web.Response:
        arrived_at.append(time.monotonic())
        return (
            web.Response(status=204) if len(arrived_at) > 1 else web.Response(status=429, headers={"Retry-After": "2"})
        )

    async with running_receiver(answer) as receiver, running_process(tmp_path / "tidings.db") as server:
        await _subscribe(server.client, receiver.url, 0.1, 0.1)
        await server.client.publish()
        notification = await _finished(server.client)

    assert NotificationState.NOTIFICATION_STATE_SUCCEEDED == notification.state
    assert 2 == len(arrived_at)
    # The receiver takes its time before the server takes its own; a few milliseconds lie between.
    assert 1.95 <= arrived_at[1] - arrived_at[0] < 4


async def test_gone_receiver_is_asked_once(tmp_path: Path) -> None:
    """410 ends the notification at once."""
    async with (
        running_receiver(lambda _: web.Response(status=410)) as receiver,
        running_process(tmp_path / "tidings.db") as server,
    ):
        await _subscribe(server.client, receiver.url, 0.1, 0.1)
        await server.client.publish()
        notification = await _finished(server.client)

    assert NotificationState.NOTIFICATION_STATE_FAILED == notification.state
    assert ("GONE", 1, 1) == (notification.failure_reason, notification.attempt_count, len(receiver.received))
    assert "GONE" == _outcome(notification.last_attempt)


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """A 3xx is a rejection, wherever it points to."""
    statuses = [301, 302, 303, 307, 308]

    def answer(received: Received) -> web.Response:
        return web.Response(status=int(payload_in(received.body)), headers={"Location": "/elsewhere"})

    async with running_receiver(answer) as receiver, running_process(tmp_path / "tidings.db") as server:
        await _subscribe(server.client, receiver.url, 0.1)
        for status in statuses:
            await server.client.publish(str(status))
        notifications = await _all_finished(server.client, len(statuses))

    assert {"/hooks"} == {received.path for received in receiver.received}
    assert 2 * len(statuses) == len(receiver.received)
    assert {"REJECTED"} == {_outcome(each.last_attempt) for each in notifications}
    assert {"ATTEMPTS_EXHAUSTED"} == {each.failure_reason for each in notifications}
    assert statuses == sorted(each.last_attempt.http_status for each in notifications)


async def test_changed_url_applies_to_what_is_pending(tmp_path: Path) -> None:
    """The subscription is used as it is at the claim, not as it was at the publish."""
    async with (
        running_receiver(lambda _: web.Response(status=500)) as old,
        running_receiver() as new,
        running_process(tmp_path / "tidings.db") as server,
    ):
        subscription = await _subscribe(server.client, old.url, 1, 1, 1)
        await server.client.publish('{"n": 1}')
        await eventually(lambda: _attempted(server.client, 1))
        await server.client.subscriptions.UpdateSubscription(
            UpdateSubscriptionRequest(
                subscription=Subscription(name=subscription.name, url=new.url),
                update_mask=FieldMask(paths=["url"]),
            )
        )
        notification = await _finished(server.client)

    assert NotificationState.NOTIFICATION_STATE_SUCCEEDED == notification.state
    assert (1, 1) == (len(old.received), len(new.received))
    assert "2" == new.received[0].headers["tidings-attempt"]
    assert old.received[0].body == new.received[0].body


async def test_response_is_kept_up_to_4_kib(tmp_path: Path) -> None:
    """Longer bodies are cut, and say so; one that never ends costs no more than one that does."""
    sizes = [0, 10, RESPONSE_KEPT_BYTES, RESPONSE_KEPT_BYTES + 1, 10_000, 1_000_000]
    whole = b"abcdefgh" * 125_000

    def answer(received: Received) -> web.Response:
        size = int(payload_in(received.body))
        return web.Response(body=whole[:size], headers={"X-Size": str(size)})

    async with running_receiver(answer) as receiver, running_process(tmp_path / "tidings.db") as server:
        await _subscribe(server.client, receiver.url, 0.1)
        for size in sizes:
            await server.client.publish(str(size))
        notifications = await _all_finished(server.client, len(sizes))

    assert {NotificationState.NOTIFICATION_STATE_SUCCEEDED} == {each.state for each in notifications}
    attempts = {int(each.last_attempt.response_headers["x-size"]): each.last_attempt for each in notifications}
    assert {size: whole[: min(size, RESPONSE_KEPT_BYTES)] for size in sizes} == {
        size: attempt.response_body for size, attempt in attempts.items()
    }
    assert {size: size > RESPONSE_KEPT_BYTES for size in sizes} == {
        size: attempt.response_truncated for size, attempt in attempts.items()
    }


async def test_graceful_stop_finishes_what_is_under_way_and_leaves_the_rest(tmp_path: Path) -> None:
    """G9: after SIGTERM nothing new is started, what is under way ends well, and a restart delivers the rest."""
    held = Held()
    async with running_receiver(held) as receiver, running_process(tmp_path / "tidings.db") as server:
        await _subscribe(server.client, receiver.url, 0.1)
        published = await server.client.publish_at_once(AT_FIRST + 4)
        await receiver.wait_for(AT_FIRST)
        stopping = asyncio.create_task(server.stop())
        await eventually(lambda: _logged(server, "server.stopping"))
        held.release.set()

        assert 0 == await stopping
        assert AT_FIRST == len(receiver.received)
        assert {("SUCCEEDED", 1): AT_FIRST, ("READY", 0): 4} == _states(server.database)
        assert not _logged(server, "claims.released")

        await server.start()
        await receiver.wait_for(len(published))
        assert 0 == await server.stop()

    assert sorted(published) == sorted(received.headers["webhook-id"] for received in receiver.received)
    assert {("SUCCEEDED", 1): len(published)} == _states(server.database)


async def test_stopping_server_says_so_while_it_finishes_deliveries(tmp_path: Path) -> None:
    """The port stays open: health lets load balancers turn away, and a publisher is told to go elsewhere."""
    held = Held()
    async with running_receiver(held) as receiver, running_process(tmp_path / "tidings.db") as server:
        await _subscribe(server.client, receiver.url, 0.1)
        await server.client.publish()
        await receiver.wait_for(1)
        stopping = asyncio.create_task(server.stop())
        await eventually(lambda: _logged(server, "server.stopping"))

        stub: Any = HealthStub(server.client.channel)
        health = await stub.Check(HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.client.publish()
        held.release.set()

        assert HealthCheckResponse.NOT_SERVING == health.status
        assert grpc.StatusCode.UNAVAILABLE == refused.value.code()
        assert "DRAINING" == error_detail(refused.value, ErrorInfo).reason
        assert 0 == await stopping


async def test_stop_beyond_the_drain_timeout_gives_claims_back_unattempted(tmp_path: Path) -> None:
    """G9: exits 0 in time; no attempt is burnt, and the restart makes the first one."""
    held = Held()
    async with (
        running_receiver(held) as receiver,
        running_process(tmp_path / "tidings.db", "--drain-timeout", "0.5") as server,
    ):
        await _subscribe(server.client, receiver.url, 0.1)
        published = await server.client.publish_at_once(AT_FIRST)
        await receiver.wait_for(AT_FIRST)

        stopped_at = time.monotonic()
        assert 0 == await server.stop()
        stop_took_s = time.monotonic() - stopped_at

        assert 0.5 <= stop_took_s < 3
        assert _logged(server, "claims.released")
        assert {("READY", 0): AT_FIRST} == _states(server.database)
        assert [] == read_rows(server.database, "SELECT * FROM attempts")

        held.release.set()
        await server.start()
        again = (await receiver.wait_for(2 * AT_FIRST))[AT_FIRST:]
        assert 0 == await server.stop()

    assert sorted(published) == sorted(received.headers["webhook-id"] for received in again)
    assert {"1"} == {received.headers["tidings-attempt"] for received in again}
    assert {("SUCCEEDED", 1): AT_FIRST} == _states(server.database)
    assert [{"outcome": "SUCCEEDED"}] == read_rows(server.database, "SELECT DISTINCT outcome FROM attempts")


async def test_restarted_server_delivers_a_backlog_at_once(tmp_path: Path) -> None:
    """What is due when a server starts does not wait for a publish, a poll or a lease."""
    held = Held()
    async with (
        running_receiver(held) as receiver,
        running_process(tmp_path / "tidings.db", "--drain-timeout", "0") as server,
    ):
        await _subscribe(server.client, receiver.url, 0.1)
        published = await server.client.publish_at_once(300)
        await receiver.wait_for(AT_FIRST)
        assert 0 == await server.stop()
        before = len(receiver.received)

        held.release.set()
        await server.start()
        started_at = time.monotonic()
        await receiver.wait_for(before + 1)
        first_s = time.monotonic() - started_at
        await receiver.wait_for(before + len(published))
        all_s = time.monotonic() - started_at
        assert 0 == await server.stop()

    print(f"backlog of {len(published)}: first after {first_s:.3f} s, all after {all_s:.3f} s")
    assert first_s < 1
    assert all_s < 10
    assert {("SUCCEEDED", 1): len(published)} == _states(server.database)


async def _subscribe(client: Client, url: str, *delays_s: float) -> Subscription:
    """Create the event type and one subscription with this retry schedule."""
    await client.create_event_type()
    return (await client.subscribe(url, retry_policy=retry_policy(*delays_s))).subscription


async def _finished(client: Client) -> Notification:
    """Wait until the only notification has reached an end state; return it with its last attempt."""
    [notification] = await _all_finished(client, 1)
    return notification


async def _all_finished(client: Client, count: int) -> list[Notification]:
    async def done() -> bool:
        notifications = await client.list_notifications()
        return count == sum(each.state != NotificationState.NOTIFICATION_STATE_PENDING for each in notifications)

    await eventually(done)
    return [
        (await client.notifications.GetNotification(GetNotificationRequest(name=each.name))).notification
        for each in await client.list_notifications()
    ]


async def _attempted(client: Client, count: int) -> bool:
    [notification] = await client.list_notifications()
    return notification.attempt_count == count


def _outcome(attempt: Attempt) -> str:
    return AttemptOutcome.Name(attempt.outcome).removeprefix("ATTEMPT_OUTCOME_")


def _logged(server: ServerProcess, event: str) -> bool:
    return any(entry["event"] == event for entry in server.log)


def _states(database: Path) -> dict[tuple[str, int], int]:
    """Return how many notifications are in each state with each number of attempts; nothing may be leased."""
    rows = read_rows(
        database,
        """
        SELECT state, attempt_count, count(*) AS count, count(lease_owner) AS leased
        FROM notifications GROUP BY state, attempt_count
        """,
    )
    assert 0 == sum(row["leased"] for row in rows)
    return {(row["state"], row["attempt_count"]): row["count"] for row in rows}
