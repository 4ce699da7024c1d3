"""What happens to subscriptions and notifications is told to those who listen: once, and never in a circle."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks import Webhook

from tests.harness import Client, Received, eventually, read_rows, running_process, running_receiver, running_server
from tests.tools import DEAD_URL, Tenant, new_id
from tidings.v1.notifications_pb2 import Notification, NotificationState
from tidings.v1.subscriptions_pb2 import CreateSubscriptionResponse, Format, SignatureScheme

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAILED: Final = NotificationState.NOTIFICATION_STATE_FAILED
SELECT_WAITING: Final = "SELECT id FROM announcements"
# Two attempts, the second one a tenth of a second after the first.
SOON: Final = {"schedule": [{"nanos": 100_000_000}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database."""
    return tmp_path_factory.mktemp("operational")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(folder: Path) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(folder) as client:
        yield client


@pytest.fixture
def tenant(client: Client) -> Tenant:
    """A workspace of the test's own."""
    return Tenant(client)


async def listen(tenant: Tenant, url: str, **fields: Any) -> str:
    """Subscribe to all operational events and return the signing key."""
    response: CreateSubscriptionResponse = await tenant.call(
        "CreateSubscription",
        parent=tenant.parent,
        subscription_id="listener",
        subscription={"display_name": "Listener", "url": url, "event_types": ["tidings.*"], **fields},
    )
    return response.signing_key


def told(received: list[Received]) -> list[tuple[str, dict[str, str]]]:
    """Return event type and payload of what was received."""
    bodies = [json.loads(each.body) for each in received]
    return [(body["type"], body["data"]) for body in bodies]


async def operational_events(tenant: Tenant) -> list[str]:
    """Return the types of the operational events that are kept, oldest first."""
    return [each.event_type for each in await tenant.events() if each.event_type.startswith("tidings.")][::-1]


async def failed(tenant: Tenant, event_type: str) -> Notification:
    """Wait until a notification of an event type is FAILED and return it."""

    async def notifications() -> list[Notification]:
        return await tenant.notifications(event_type=event_type, states=[FAILED])

    async def is_failed() -> bool:
        return bool(await notifications())

    await eventually(is_failed)
    return (await notifications())[0]


async def test_failed_notification_is_told_of(tenant: Tenant) -> None:
    """With names that can be looked up, signed like any other event; a subscription to `*` does not hear of it."""
    event_type = await tenant.event_type()
    await tenant.subscribe("everything", url=DEAD_URL, event_types=["*"], retry_policy=SOON)
    async with running_receiver() as receiver:
        signing_key = await listen(tenant, receiver.url)

        await tenant.publish(event_type, json='{"customer": "hush"}')
        [received] = await receiver.wait_for(1)

    notification = await failed(tenant, event_type)
    [(told_type, payload)] = told([received])
    Webhook(signing_key).verify(received.body, received.headers)
    time = payload.pop("time")
    assert "tidings.notification.failed" == told_type
    assert {
        "notification": notification.name,
        "event": notification.event,
        "event_type": event_type,
        "subscription": notification.subscription,
        "failure_reason": "ATTEMPTS_EXHAUSTED",
    } == payload
    assert notification.complete_time.ToMilliseconds() == _milliseconds(time)
    [event] = await tenant.events(event_type="tidings.notification.failed")
    assert (notification.subscription, 1) == (event.subject, event.matched_count)


async def test_notification_that_was_born_failed_is_told_of(tenant: Tenant) -> None:
    """An event that a subscription's format cannot carry is never attempted."""
    event_type = await tenant.event_type()
    async with running_receiver() as receiver:
        await listen(tenant, receiver.url)
        await tenant.subscribe(
            "codes",
            event_types=[event_type],
            format=Format.FORMAT_EVENT_CODE,
            signature_scheme=SignatureScheme.SIGNATURE_SCHEME_UNSIGNED,
        )

        await tenant.publish(event_type)
        [(_, payload)] = told(await receiver.wait_for(1))

    assert ("FORMAT_NOT_APPLICABLE", event_type) == (payload["failure_reason"], payload["event_type"])


async def test_failure_to_tell_of_a_failure_is_told_to_nobody(tenant: Tenant) -> None:
    """Or a listener that does not answer would be owed more and more."""
    event_type = await tenant.event_type()
    await tenant.subscribe("failing", url=DEAD_URL, event_types=[event_type], retry_policy=SOON)
    await listen(tenant, DEAD_URL, retry_policy=SOON)
    await tenant.publish(event_type)
    await failed(tenant, "tidings.notification.failed")

    # What is announced later is published later: if the failure had been, its event would stand before this one.
    await tenant.call("RotateSigningKey", name=f"{tenant.parent}/subscriptions/failing")
    await failed(tenant, "tidings.signing_key.rotated")

    assert ["tidings.notification.failed", "tidings.signing_key.rotated"] == await operational_events(tenant)


async def test_life_of_a_subscription_is_told_of(tenant: Tenant) -> None:
    """Suspended, resumed, rotated: each once, about the subscription that it happened to."""
    event_type = await tenant.event_type()
    async with running_receiver() as receiver, running_receiver(lambda _: web.Response(status=410)) as gone:
        await listen(tenant, receiver.url)
        name = (await tenant.subscribe("gone", url=gone.url, event_types=[event_type])).name

        await tenant.publish(event_type)
        await receiver.wait_for(2)
        await tenant.call("ResumeSubscription", name=name)
        await receiver.wait_for(3)
        rotated = (await tenant.call("RotateSigningKey", name=name)).subscription
        received = told(await receiver.wait_for(4))

    assert {"tidings.notification.failed", "tidings.subscription.suspended"} == {each for each, _ in received[:2]}
    assert ["tidings.subscription.resumed", "tidings.signing_key.rotated"] == [each for each, _ in received[2:]]
    assert {name} == {payload["subscription"] for _, payload in received}
    assert "GONE" == dict(received)["tidings.subscription.suspended"]["reason"]
    assert rotated.signing_keys[0].key_id == received[3][1]["key_id"]


async def test_listener_that_is_gone_is_suspended_and_that_is_the_end_of_it(tenant: Tenant) -> None:
    """Its own suspension is held for it, like all else that it is owed."""
    async with running_receiver(lambda _: web.Response(status=410)) as gone:
        await listen(tenant, gone.url)
        name = f"{tenant.parent}/subscriptions/listener"
        await tenant.call("RotateSigningKey", name=name)

        async def is_told() -> bool:
            return "tidings.subscription.suspended" in await operational_events(tenant)

        await eventually(is_told)

    assert ["tidings.signing_key.rotated", "tidings.subscription.suspended"] == await operational_events(tenant)
    assert 1 == len(gone.received)


async def test_nothing_is_kept_where_nobody_listens(tenant: Tenant, folder: Path) -> None:
    """The event, that is; the failed notification can be listed as ever. Who subscribes later hears of later ones."""
    event_type = await tenant.event_type()
    await tenant.subscribe("failing", url=DEAD_URL, event_types=["*"], retry_policy=SOON)
    await tenant.publish(event_type)
    await failed(tenant, event_type)
    await eventually(lambda: not read_rows(folder / "tidings.db", SELECT_WAITING))

    await listen(tenant, DEAD_URL)
    await tenant.call("RotateSigningKey", name=f"{tenant.parent}/subscriptions/failing")

    async def is_told() -> bool:
        return bool(await operational_events(tenant))

    await eventually(is_told)
    assert ["tidings.signing_key.rotated"] == await operational_events(tenant)


async def test_crash_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """What was announced with a change that was answered OK is told by the next process, if not by this one."""
    database = tmp_path / "tidings.db"
    async with running_receiver() as receiver:
        async with running_process(database) as server:
            tenant = Tenant(server.client, "crash")
            await listen(tenant, receiver.url)
            name = (await tenant.subscribe(new_id(), event_types=["tidings.signing_key.*"], enabled=False)).name
            key_ids = []
            for _ in range(5):
                rotated = await tenant.call("RotateSigningKey", name=name, overlap={})
                key_ids.append(rotated.subscription.signing_keys[0].key_id)
            await server.kill()
        async with running_process(database) as server:
            tenant = Tenant(server.client, "crash")

            async def are_told() -> bool:
                return 5 == len(await operational_events(tenant))

            await eventually(are_told)
            received = told(await receiver.wait_for(5))
            assert 5 == len(await operational_events(tenant))

    assert set(key_ids) == {payload["key_id"] for _, payload in received}


def _milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
