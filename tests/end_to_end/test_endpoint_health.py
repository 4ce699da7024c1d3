"""A receiver that is down: its subscription says so, little is sent to it, and all is delivered when it is back."""

import asyncio
from pathlib import Path

from tests.harness import (
    PARENT,
    Client,
    eventually,
    retry_policy,
    running_process,
    running_receiver,
)
from tidings.v1.notifications_pb2 import NotificationState, RetryNotificationRequest
from tidings.v1.subscriptions_pb2 import GetSubscriptionRequest, Subscription, UpdateSubscriptionRequest

BACKLOG = 100


async def subscription(client: Client) -> Subscription:
    """Return the subscription."""
    request = GetSubscriptionRequest(name=f"{PARENT}/subscriptions/receiver")
    return (await client.subscriptions.GetSubscription(request)).subscription


async def attempts_made(client: Client) -> int:
    """Return how many attempts were made in all."""
    return sum(each.attempt_count for each in await client.list_notifications())


async def all_succeeded(client: Client) -> bool:
    """Say whether nothing is left to deliver."""
    states = {each.state for each in await client.list_notifications()}
    return states == {NotificationState.NOTIFICATION_STATE_SUCCEEDED}


async def test_receiver_that_is_down_is_left_alone_until_it_is_asked_for(tmp_path: Path) -> None:
    """At most 8 + 4 + 2 + 1 of a hundred are tried, a restart forgets nothing, and a retry by hand brings it back."""
    async with running_receiver() as placeholder:
        url = placeholder.url
    async with running_process(tmp_path / "tidings.db") as server:
        client = server.client
        await client.create_event_type()
        await client.subscribe(url, retry_policy=retry_policy(0.1, 0.1, 0.1, 0.1, 0.1))
        before = await subscription(client)
        await client.publish_at_once(BACKLOG)

        async def is_backing_off() -> bool:
            return "BACKING_OFF" == (await subscription(client)).state_reason

        await eventually(is_backing_off)
        down = await subscription(client)
        made = await attempts_made(client)
        await server.kill()
        await server.start()
        client = server.client
        restarted = await subscription(client)
        looks: list[int] = []

        async def has_looked_for_longer_than_retries_wait() -> bool:
            looks.append(await attempts_made(client))
            return len(looks) == 20

        await eventually(has_looked_for_longer_than_retries_wait)

        port = int(url.rpartition(":")[2].partition("/")[0])
        async with running_receiver(port=port) as receiver:
            waiting = (await client.list_notifications())[0]
            await client.notifications.RetryNotification(RetryNotificationRequest(name=waiting.name))
            await eventually(lambda: all_succeeded(client))
            received = {each.headers["webhook-id"] for each in receiver.received}
        back = await subscription(client)

    assert ("", False, False) == (
        before.state_reason,
        before.HasField("failing_since"),
        before.HasField("last_success_time"),
    )
    assert down.HasField("failing_since")
    assert 4 <= made <= 8 + 4 + 2 + 1
    assert ("BACKING_OFF", down.failing_since) == (restarted.state_reason, restarted.failing_since)
    assert {made} == set(looks)
    assert ("", False, True) == (
        back.state_reason,
        back.HasField("failing_since"),
        back.HasField("last_success_time"),
    )
    assert BACKLOG == len(received)


async def test_another_url_gets_what_is_owed_at_once(tmp_path: Path) -> None:
    """What is known of the old one says nothing of it."""
    async with running_receiver() as placeholder:
        dead_url = placeholder.url
    async with running_process(tmp_path / "tidings.db") as server, running_receiver() as receiver:
        client = server.client
        await client.create_event_type()
        await client.subscribe(dead_url, retry_policy=retry_policy(0.1, 0.1, 0.1, 0.1, 0.1))
        await client.publish_at_once(BACKLOG)

        async def is_backing_off() -> bool:
            return "BACKING_OFF" == (await subscription(client)).state_reason

        await eventually(is_backing_off)
        moved = Subscription(name=f"{PARENT}/subscriptions/receiver", url=receiver.url)
        changed = await client.subscriptions.UpdateSubscription(UpdateSubscriptionRequest(subscription=moved))
        await eventually(lambda: all_succeeded(client))

    assert ("", False) == (changed.subscription.state_reason, changed.subscription.HasField("failing_since"))


async def test_rate_of_a_subscription_is_kept_under_load(tmp_path: Path) -> None:
    """Another one beside it is not slowed."""
    async with (
        running_process(tmp_path / "tidings.db") as server,
        running_receiver() as slow,
        running_receiver() as fast,
    ):
        client = server.client
        await client.create_event_type()
        await client.subscribe(slow.url, subscription_id="slow", max_rate_per_second=40)
        await client.subscribe(fast.url, subscription_id="fast")
        started_s = asyncio.get_running_loop().time()
        await client.publish_at_once(100)
        await fast.wait_for(100)
        slow_meanwhile = len(slow.received)
        await slow.wait_for(100)
        took_s = asyncio.get_running_loop().time() - started_s

    assert slow_meanwhile < 100
    # 40 · (t + 0.1) + 1 have been started after t seconds, at most.
    assert took_s >= (100 - 1) / 40 - 0.1
