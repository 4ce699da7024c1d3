"""A receiver that says 410: its subscription is suspended, what comes is kept for it, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import (
    PARENT,
    Client,
    Received,
    Receiver,
    eventually,
    payload_in,
    running_process,
    running_receiver,
    running_server,
)
from tidings.v1.notifications_pb2 import Notification, NotificationState
from tidings.v1.subscriptions_pb2 import (
    DeleteSubscriptionRequest,
    GetSubscriptionRequest,
    ListSubscriptionsRequest,
    ResumeSubscriptionRequest,
    Subscription,
    SubscriptionState,
    UpdateSubscriptionRequest,
)

NAME = f"{PARENT}/subscriptions/receiver"
PENDING = NotificationState.NOTIFICATION_STATE_PENDING
SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
FAILED = NotificationState.NOTIFICATION_STATE_FAILED
SUSPENDED = SubscriptionState.SUBSCRIPTION_STATE_SUSPENDED
ACTIVE = SubscriptionState.SUBSCRIPTION_STATE_ACTIVE
DISABLED = SubscriptionState.SUBSCRIPTION_STATE_DISABLED


@dataclass
class Door:
    """What a receiver answers: 410 until it is opened."""

    is_open: bool = False
    answered: list[int] = field(default_factory=list)

    def __call__(self, _: Received) -> web.Response:
        self.answered.append(204 if self.is_open else 410)
        return web.Response(status=self.answered[-1])


@pytest.fixture
def door() -> Door:
    """What the receiver answers."""
    return Door()


@pytest.fixture
async def receiver(door: Door) -> AsyncIterator[Receiver]:
    """A receiver behind the door."""
    async with running_receiver(door) as receiver:
        yield receiver


async def get(client: Client) -> Subscription:
    """Return the subscription."""
    return (await client.subscriptions.GetSubscription(GetSubscriptionRequest(name=NAME))).subscription


async def update(client: Client, **changes: object) -> Subscription:
    """Change the subscription."""
    request = UpdateSubscriptionRequest(subscription=Subscription(name=NAME, **changes))  # type: ignore[arg-type]
    return (await client.subscriptions.UpdateSubscription(request)).subscription


async def resume(client: Client) -> Subscription:
    """Resume the subscription."""
    request = ResumeSubscriptionRequest(name=NAME)
    return (await client.subscriptions.ResumeSubscription(request)).subscription


async def by_payload(client: Client) -> dict[str, Notification]:
    """Return the notifications by the ids of their events, which the tests choose."""
    return {each.event.rpartition("/")[2]: each for each in await client.list_notifications()}


def event_id(number: int) -> str:
    """Return the id of the event of this number."""
    return f"00000000-0000-4000-8000-{number:012}"


async def publish(client: Client, *numbers: int) -> list[int]:
    """Publish events; return how many subscriptions each matched."""
    return [
        (await client.publish(f'{{"number":{number}}}', event_id=event_id(number))).matched_count for number in numbers
    ]


async def suspended(client: Client, receiver: Receiver) -> Subscription:
    """Create the subscription, publish event 0 to it, and wait until that has suspended it."""
    await client.create_event_type()
    await client.subscribe(receiver.url)
    await publish(client, 0)

    async def is_suspended() -> bool:
        return SUSPENDED == (await get(client)).state

    await eventually(is_suspended)
    return await get(client)


async def all_held(client: Client, *numbers: int) -> None:
    """Wait until these events' notifications are pending with no time for a next attempt, and stay so for a while."""
    looks: list[bool] = []

    async def is_held() -> bool:
        found = await by_payload(client)
        waiting = [found[event_id(number)] for number in numbers]
        looks.append(all(each.state == PENDING and not each.HasField("next_attempt_time") for each in waiting))
        return len(looks) >= 10 and all(looks[-10:])

    await eventually(is_held)


async def delivered(client: Client, receiver: Receiver, *numbers: int) -> None:
    """Wait until these events are delivered, and see that the receiver has them."""

    async def are_delivered() -> bool:
        found = await by_payload(client)
        return all(found[event_id(number)].state == SUCCEEDED for number in numbers)

    await eventually(are_delivered)
    bodies = {payload_in(each.body) for each in receiver.received}
    assert {f'{{"number":{number}}}'.encode() for number in numbers} <= bodies


async def test_410_suspends_and_resuming_delivers_what_was_held(tmp_path: Path, door: Door, receiver: Receiver) -> None:
    """It goes on matching meanwhile; the notification that met the 410 has failed, and stays so."""
    async with running_server(tmp_path) as client:
        subscription = await suspended(client, receiver)
        counts = await publish(client, 1, 2, 3)
        await all_held(client, 1, 2, 3)
        requests = len(receiver.received)
        door.is_open = True
        resumed = await resume(client)
        await delivered(client, receiver, 1, 2, 3)
        first = (await by_payload(client))[event_id(0)]

    assert "GONE" == subscription.state_reason
    assert ([1, 1, 1], 1) == (counts, requests)
    assert (ACTIVE, "", True) == (resumed.state, resumed.state_reason, resumed.etag != subscription.etag)
    assert (FAILED, "GONE") == (first.state, first.failure_reason)
    assert [410, 204, 204, 204] == door.answered


async def test_another_url_ends_the_suspension(tmp_path: Path, door: Door, receiver: Receiver) -> None:
    """The same url does not, for nothing says that it is better now."""
    async with running_server(tmp_path) as client, running_receiver() as other:
        await suspended(client, receiver)
        await publish(client, 1)
        await all_held(client, 1)

        same = await update(client, url=receiver.url, display_name="Renamed")
        changed = await update(client, url=other.url)
        await delivered(client, other, 1)

    assert [SUSPENDED, ACTIVE] == [same.state, changed.state]
    assert [410] == door.answered


async def test_subscription_that_is_enabled_again_stays_suspended(
    tmp_path: Path, door: Door, receiver: Receiver
) -> None:
    """Being disabled is its owner's decision, being suspended the server's: each ends by itself."""
    async with running_server(tmp_path) as client:
        await suspended(client, receiver)
        await publish(client, 1)
        states = [(await update(client, enabled=enabled)).state for enabled in (False, True)]
        await publish(client, 2)
        await all_held(client, 1, 2)
        listed = await client.subscriptions.ListSubscriptions(
            ListSubscriptionsRequest(parent=PARENT, states=[SUSPENDED])
        )
        door.is_open = True
        await resume(client)
        await delivered(client, receiver, 1, 2)

    assert [DISABLED, SUSPENDED] == states
    assert [NAME] == [each.name for each in listed.subscriptions]


async def test_suspension_survives_kill_and_restart(tmp_path: Path, door: Door, receiver: Receiver) -> None:
    """And so does all that is held."""
    async with running_process(tmp_path / "tidings.db") as server:
        await suspended(server.client, receiver)
        await publish(server.client, 1, 2)
        await server.kill()
        await server.start()
        await publish(server.client, 3)
        await all_held(server.client, 1, 2, 3)
        state = (await get(server.client)).state
        door.is_open = True
        await resume(server.client)
        await delivered(server.client, receiver, 1, 2, 3)

    assert SUSPENDED == state
    assert 1 == door.answered.count(410)


async def test_late_410_of_the_old_url_does_not_suspend_the_new_one(tmp_path: Path) -> None:
    """The attempt was under way while the url was changed."""
    may_answer = asyncio.Event()

    async def late(_: Received) -> web.Response:
        await may_answer.wait()
        return web.Response(status=410)

    async with running_server(tmp_path) as client, running_receiver(late) as old, running_receiver() as new:
        await client.create_event_type()
        await client.subscribe(old.url)
        await publish(client, 0)
        await old.wait_for(1)
        await update(client, url=new.url)
        may_answer.set()

        async def has_failed() -> bool:
            return (await by_payload(client))[event_id(0)].state == FAILED

        await eventually(has_failed)
        state = (await get(client)).state
        await publish(client, 1)
        await delivered(client, new, 1)

    assert ACTIVE == state


async def test_deleting_a_suspended_subscription_cancels_what_is_held(
    tmp_path: Path, door: Door, receiver: Receiver
) -> None:
    """Nothing waits for a resumption that cannot come."""
    async with running_server(tmp_path) as client:
        await suspended(client, receiver)
        await publish(client, 1)
        await all_held(client, 1)
        await client.subscriptions.DeleteSubscription(DeleteSubscriptionRequest(name=NAME))

        async def is_cancelled() -> bool:
            return (await by_payload(client))[event_id(1)].state == NotificationState.NOTIFICATION_STATE_CANCELLED

        await eventually(is_cancelled)

    assert [410] == door.answered
