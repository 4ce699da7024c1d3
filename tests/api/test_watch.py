"""WatchNotifications as its callers see it: tokens, filters, refusals, slow readers and the end of the server."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from aiohttp import web

from service.app import serve
from service.settings import Settings
from tests.harness import Client, Received, Receiver, eventually, read_rows, running_receiver, running_server
from tests.tools import Refusal, Tenant, new_id, refusal_of
from tidings.v1.notifications_pb2 import (
    AttemptOutcome,
    NotificationState,
    WatchNotificationsRequest,
    WatchNotificationsResponse,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING = NotificationState.NOTIFICATION_STATE_PENDING
SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
FAILED = NotificationState.NOTIFICATION_STATE_FAILED
CANCELLED = NotificationState.NOTIFICATION_STATE_CANCELLED
AT_ONCE = {"schedule": [{"nanos": 100_000_000}]}
NEVER = {"schedule": [{"seconds": 3600}]}
WITHIN_S = 20
NUMBER = "SELECT max(number) AS number FROM changes"


def answer(received: Received) -> web.Response:
    """Answer with the status that the path names."""
    return web.Response(status=int(received.path.rpartition("/")[2]))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that the tests of this module share."""
    async with running_receiver(answer) as receiver:
        yield receiver


class Watch:
    """A call of WatchNotifications."""

    def __init__(self, client: Client, parent: str, **filters: Any) -> None:
        self.call = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=parent, **filters))
        self.token = ""

    async def next(self) -> WatchNotificationsResponse:
        """Return the next message."""
        async with asyncio.timeout(WITHIN_S):
            response = await self.call.read()
        if not isinstance(response, WatchNotificationsResponse):
            raise AssertionError(f"the watch has ended: {await self.call.code()}: {await self.call.details()}")
        self.token = response.resume_token
        return response

    async def changes(self, count: int) -> list[WatchNotificationsResponse]:
        """Return the next changes, passing over checkpoints."""
        found: list[WatchNotificationsResponse] = []
        while len(found) < count:
            response = await self.next()
            if response.HasField("notification"):
                found.append(response)
        return found

    async def refusal(self) -> Refusal:
        """Return the error that the call ends with."""
        return await refusal_of(self._to_the_end())

    async def _to_the_end(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self.call.read() is not grpc.aio.EOF:
                pass


@asynccontextmanager
async def watching(tenant: Tenant, **filters: Any) -> AsyncIterator[Watch]:
    """Yield a watch that has begun: its first message was a checkpoint."""
    watch = Watch(tenant.client, tenant.parent, **filters)
    try:
        first = await watch.next()
        assert not first.HasField("notification")
        assert first.resume_token
        yield watch
    finally:
        watch.call.cancel()


async def test_delivery_is_told_from_its_beginning_to_its_end(tenant: Tenant, receiver: Receiver) -> None:
    """One message when it is made, one per attempt, each the notification as it then was."""
    subscription = await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=AT_ONCE)

    async with watching(tenant) as watch:
        event = (await tenant.publish("a")).event
        made, first, last = await watch.changes(3)

    for each in (made, first, last):
        assert (event.name, subscription.name, "a") == (
            each.notification.event,
            each.notification.subscription,
            each.notification.event_type,
        )
    assert [(PENDING, 0, False), (PENDING, 1, True), (FAILED, 2, True)] == [
        (each.notification.state, each.notification.attempt_count, each.HasField("attempt"))
        for each in (made, first, last)
    ]
    assert made.notification.HasField("next_attempt_time")
    assert first.attempt == first.notification.last_attempt
    assert (f"{last.notification.name}/attempts/2", 500) == (last.attempt.name, last.attempt.http_status)
    assert AttemptOutcome.ATTEMPT_OUTCOME_REJECTED == last.attempt.outcome
    assert "ATTEMPTS_EXHAUSTED" == last.notification.failure_reason
    assert last.notification == (await tenant.call("GetNotification", name=last.notification.name)).notification


async def test_retry_cancel_and_deletion_are_told(tenant: Tenant, receiver: Receiver) -> None:
    subscription = await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=NEVER)

    async with watching(tenant) as watch:
        await tenant.publish("a")
        _, attempted = await watch.changes(2)
        name = attempted.notification.name
        await tenant.call("CancelNotification", name=name)
        await tenant.call("RetryNotification", name=name)
        told = await watch.changes(3)
        await tenant.call("DeleteSubscription", name=subscription.name)
        told += await watch.changes(1)

    assert [(CANCELLED, 1, False), (PENDING, 1, False), (PENDING, 2, True), (CANCELLED, 2, False)] == [
        (each.notification.state, each.notification.attempt_count, each.HasField("attempt")) for each in told
    ]


async def test_watch_that_goes_on_with_a_token_neither_loses_nor_repeats(tenant: Tenant, receiver: Receiver) -> None:
    """With that of a change and that of a checkpoint alike, whatever happened while nobody watched."""
    await tenant.subscribe(url=f"{receiver.url}/204")

    async with watching(tenant) as watch:
        from_the_checkpoint = watch.token
        await tenant.publish("a")
        first, second = await watch.changes(2)
    await tenant.publish("b")

    async with watching(tenant, resume_token=first.resume_token) as watch:
        assert [("a", 1), ("b", 0), ("b", 1)] == [
            (each.notification.event_type, each.notification.attempt_count) for each in await watch.changes(3)
        ]
    async with watching(tenant, resume_token=from_the_checkpoint) as watch:
        assert [first, second] == await watch.changes(2)


async def test_filters_choose_a_subscription_and_states(tenant: Tenant, receiver: Receiver) -> None:
    await tenant.subscribe("good", url=f"{receiver.url}/204")
    bad = await tenant.subscribe("bad", url=f"{receiver.url}/500", retry_policy=AT_ONCE)

    async with (
        watching(tenant, subscription=bad.name) as of_bad,
        watching(tenant, states=[SUCCEEDED, FAILED]) as of_ends,
        watching(tenant, subscription=bad.name, states=[PENDING]) as of_bad_while_pending,
    ):
        await tenant.publish("a")
        told_of_bad = await of_bad.changes(3)
        told_of_ends = await of_ends.changes(2)
        told_while_pending = await of_bad_while_pending.changes(2)

    assert {bad.name} == {each.notification.subscription for each in told_of_bad + told_while_pending}
    assert {SUCCEEDED, FAILED} == {each.notification.state for each in told_of_ends}
    assert [told_of_bad[0].notification, told_of_bad[1].notification] == [
        each.notification for each in told_while_pending
    ]


async def test_deleted_subscription_is_watched_to_its_end_with_a_token_from_before(
    tenant: Tenant, receiver: Receiver
) -> None:
    subscription = await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=NEVER)
    async with watching(tenant, subscription=subscription.name) as watch:
        await tenant.publish("a")
        await watch.changes(2)
        token = watch.token
    await tenant.call("DeleteSubscription", name=subscription.name)

    assert "NOT_FOUND" == (await Watch(tenant.client, tenant.parent, subscription=subscription.name).refusal()).code
    async with watching(tenant, subscription=subscription.name, resume_token=token) as watch:
        assert [CANCELLED] == [each.notification.state for each in await watch.changes(1)]


async def test_workspaces_are_not_told_of_each_other(tenant: Tenant, receiver: Receiver) -> None:
    other = Tenant(tenant.client)
    for each in (tenant, other):
        await each.subscribe(url=f"{receiver.url}/204")

    async with watching(tenant) as watch:
        await other.publish("theirs")
        await tenant.publish("ours")
        told = await watch.changes(2)

    assert {"ours"} == {each.notification.event_type for each in told}


async def refusal(tenant: Tenant, **fields: Any) -> tuple[str, str, str]:
    """Return code, reason and field of what a watch is refused with."""
    found = await Watch(tenant.client, fields.pop("parent", tenant.parent), **fields).refusal()
    return found.code, found.reason, found.field


async def test_bad_requests_are_refused_with_their_field(tenant: Tenant) -> None:
    elsewhere = "organizations/acme/workspaces/elsewhere/subscriptions/s"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"parent": ""}, "parent"),
        ({"parent": "workspaces/main"}, "parent"),
        ({"subscription": "s"}, "subscription"),
        ({"subscription": elsewhere}, "subscription"),
        ({"states": [0]}, "states[0]"),
        ({"states": [1, 99]}, "states[1]"),
        ({"states": [1] * 101}, "states"),
        ({"resume_token": "x"}, "resume_token"),
        ({"resume_token": "\u0000\ud7ff"}, "resume_token"),
        ({"resume_token": "A" * 100_000}, "resume_token"),
    ]
    for fields, field in cases:
        assert ("INVALID_ARGUMENT", "INVALID_FIELD", field) == await refusal(tenant, **fields), fields
    nobody = f"{tenant.parent}/subscriptions/nobody"
    assert ("NOT_FOUND", "RESOURCE_NOT_FOUND", "") == await refusal(tenant, subscription=nobody)


async def test_token_fits_only_the_watch_that_it_was_made_for(tenant: Tenant) -> None:
    """Another workspace, other filters, or a page token: none of them says where this watch was."""
    subscription = await tenant.subscribe()
    async with watching(tenant, states=[FAILED]) as watch:
        token = watch.token
    async with watching(tenant, states=[FAILED, FAILED], resume_token=token):
        pass
    other = Tenant(tenant.client)
    for _ in range(2):
        await tenant.publish("a")
    page = await tenant.call("ListEvents", parent=tenant.parent, page_size=1)

    for someone, fields in (
        (other, {"states": [FAILED], "resume_token": token}),
        (tenant, {"resume_token": token}),
        (tenant, {"states": [FAILED, SUCCEEDED], "resume_token": token}),
        (tenant, {"states": [FAILED], "subscription": subscription.name, "resume_token": token}),
        (tenant, {"states": [FAILED], "resume_token": page.next_page_token}),
        (tenant, {"states": [FAILED], "resume_token": token[:-1]}),
    ):
        assert ("INVALID_ARGUMENT", "INVALID_FIELD", "resume_token") == await refusal(someone, **fields), fields


async def test_token_of_what_was_pruned_is_out_of_range(tmp_path: Path, receiver: Receiver) -> None:
    """The changes after it are not all there any more. The database is moved on while no server has it."""
    workspace = new_id()
    async with running_server(tmp_path, allow_unknown_event_types=True) as client:
        tenant = Tenant(client, workspace)
        await tenant.subscribe(url=f"{receiver.url}/204")
        async with watching(tenant) as watch:
            token = watch.token
            await tenant.publish("a")
            await watch.changes(2)
    age_everything(tmp_path / "tidings.db")

    async with running_server(tmp_path, allow_unknown_event_types=True) as client:
        tenant = Tenant(client, workspace)
        await eventually(lambda: [{"number": None}] == read_rows(tmp_path / "tidings.db", NUMBER))
        assert ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", "resume_token") == await refusal(tenant, resume_token=token)
        async with watching(tenant) as watch:
            await tenant.publish("b")
            assert ["b"] == [each.notification.event_type for each in await watch.changes(1)]


async def test_shutdown_ends_every_watch_at_once_and_says_so(tmp_path: Path) -> None:
    """DRAINING with RetryInfo, and the token goes on at the next server."""
    stopping = asyncio.Event()
    started: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
    settings = Settings(database=tmp_path / "tidings.db", listen=("127.0.0.1:0",), dev=True)
    server = asyncio.create_task(serve(settings, stopping=stopping, on_started=started.set_result))
    client = Client((await started)[0])
    tenants = [Tenant(client) for _ in range(20)]
    watches = [Watch(client, each.parent) for each in tenants]
    for watch in watches:
        await watch.next()

    stopping.set()
    refusals = await asyncio.gather(*(watch.refusal() for watch in watches))
    async with asyncio.timeout(3):
        await server
    await client.channel.close()

    assert {("UNAVAILABLE", "DRAINING")} == {(each.code, each.reason) for each in refusals}
    workspace = tenants[0].parent.rpartition("/")[2]
    async with (
        running_server(tmp_path) as client,
        watching(Tenant(client, workspace), resume_token=watches[0].token),
    ):
        pass


async def test_reader_that_does_not_read_holds_up_its_own_watch_alone(tenant: Tenant, receiver: Receiver) -> None:
    """It is waited for, with one page read for it, while others are told; and when it reads, it has missed nothing."""
    await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=NEVER)
    requests = [{"event": {"event_type": "a", "json": "{}", "source": "s" * 1000}}] * 1_000
    slow = Watch(tenant.client, tenant.parent)
    await slow.next()
    async with watching(tenant, states=[PENDING]) as quick:
        for _ in range(3):
            await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)
        assert 6_000 == len(await quick.changes(6_000))

    told = await slow.changes(6_000)

    slow.call.cancel()
    assert 6_000 == len({each.resume_token for each in told})
    assert 3_000 == len({each.notification.name for each in told})


async def test_watch_that_its_caller_has_left_is_over(tenant: Tenant) -> None:
    """Its place is free again: 1,000 watches are what a server runs, and here are more, one after the other."""
    for _ in range(1_100):
        watch = Watch(tenant.client, tenant.parent)
        await watch.next()
        watch.call.cancel()


def age_everything(database: Path) -> None:
    """Make every change of a database two days older."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE changes SET create_time = create_time - 172800000")
