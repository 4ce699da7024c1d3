"""RetryNotification and CancelNotification: from which states, what stays, and attempts that are under way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.harness import Received, Receiver, eventually, running_receiver
from tests.tools import Refusal, Tenant, refusal_of, without_names
from tidings.v1.notifications_pb2 import AttemptOutcome, Notification, NotificationState

pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING = NotificationState.NOTIFICATION_STATE_PENDING
SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
FAILED = NotificationState.NOTIFICATION_STATE_FAILED
CANCELLED = NotificationState.NOTIFICATION_STATE_CANCELLED
NEVER = {"schedule": [{"seconds": 3600}]}
ONCE = {"max_attempts": 1, "initial_delay": {"seconds": 1}, "max_delay": {"seconds": 1}, "multiplier": 1}


class Gate:
    """Answers each path with the status at its end; requests to `/slow/…` wait until the gate is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def answer(self, received: Received) -> web.Response:
        """Answer, at once or when the gate is open."""
        if "/slow/" in received.path:
            await self.open.wait()
        return web.Response(status=int(received.path.rpartition("/")[2]))


@pytest.fixture
def gate() -> Gate:
    """A gate that is closed."""
    return Gate()


@pytest_asyncio.fixture(loop_scope="module")
async def receiver(gate: Gate) -> AsyncIterator[Receiver]:
    """A receiver behind the gate."""
    async with running_receiver(gate.answer) as receiver:
        yield receiver
        gate.open.set()


async def published(tenant: Tenant, url: str, **fields: Any) -> str:
    """Subscribe, publish one event and return its notification's name."""
    await tenant.subscribe("receiver", url=url, **fields)
    await tenant.publish("a")
    [notification] = await tenant.notifications()
    return notification.name


async def get(tenant: Tenant, name: str) -> Notification:
    """Return a notification."""
    found: Notification = (await tenant.call("GetNotification", name=name)).notification
    return found


async def attempted(tenant: Tenant, name: str, count: int) -> Notification:
    """Wait for so many recorded attempts, and return the notification."""
    found = [await get(tenant, name)]

    async def is_attempted() -> bool:
        found.append(await get(tenant, name))
        return found[-1].attempt_count == count

    await eventually(is_attempted)
    return found[-1]


async def outcomes(tenant: Tenant, name: str) -> list[tuple[int, int]]:
    """Return number and status of each attempt."""
    found = await tenant.everything("ListAttempts", "attempts", parent=name)
    return [(each.attempt_number, each.http_status) for each in found]


async def refused(tenant: Tenant, method: str, name: str) -> Refusal:
    """Return what a call is refused with."""
    return await refusal_of(tenant.call(method, name=name))


@pytest.mark.parametrize(
    ("status", "policy", "state"), [(204, NEVER, SUCCEEDED), (500, ONCE, FAILED), (500, NEVER, PENDING)]
)
async def test_retry_sends_again_from_any_state(
    tenant: Tenant, receiver: Receiver, status: int, policy: dict[str, Any], state: int
) -> None:
    """The same event with the same webhook-id, and the next number."""
    name = await published(tenant, f"{receiver.url}/{status}", retry_policy=policy)
    assert state == (await attempted(tenant, name, 1)).state

    retried = (await tenant.call("RetryNotification", name=name)).notification

    assert (name, PENDING, 1, "") == (retried.name, retried.state, retried.attempt_count, retried.failure_reason)
    assert not retried.HasField("complete_time")
    assert retried.HasField("next_attempt_time")
    assert status == retried.last_attempt.http_status
    first, second = await receiver.wait_for(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert ["1", "2"] == [each.headers["tidings-attempt"] for each in (first, second)]
    assert state == (await attempted(tenant, name, 2)).state
    assert [(1, status), (2, status)] == await outcomes(tenant, name)


async def test_cancelled_notification_can_be_retried(tenant: Tenant, receiver: Receiver) -> None:
    name = await published(tenant, f"{receiver.url}/500", retry_policy=NEVER)
    await attempted(tenant, name, 1)
    await tenant.call("CancelNotification", name=name)

    await tenant.call("RetryNotification", name=name)

    await attempted(tenant, name, 2)


async def test_retry_begins_the_schedule_and_max_age_again(tenant: Tenant, receiver: Receiver) -> None:
    """After the last attempt of the schedule comes its first delay, not the end."""
    policy = {"schedule": [{"nanos": 100_000_000}, {"seconds": 3600}], "max_age": {"seconds": 60}}
    name = await published(tenant, f"{receiver.url}/500", retry_policy=policy)
    ended = await attempted(tenant, name, 2)
    assert (FAILED, "MAX_AGE_REACHED") == (ended.state, ended.failure_reason)

    await tenant.call("RetryNotification", name=name)

    again = await attempted(tenant, name, 4)
    assert (FAILED, "MAX_AGE_REACHED") == (again.state, again.failure_reason)


async def test_retry_is_refused_while_an_attempt_is_under_way(tenant: Tenant, receiver: Receiver, gate: Gate) -> None:
    name = await published(tenant, f"{receiver.url}/slow/204")
    await receiver.wait_for(1)

    refusal = await refused(tenant, "RetryNotification", name)
    gate.open.set()

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    assert f'"{name}" cannot be retried: an attempt is under way; wait for its outcome' == refusal.message
    assert SUCCEEDED == (await attempted(tenant, name, 1)).state
    assert 1 == len(receiver.received)


async def test_retry_is_refused_once_the_subscription_is_deleted(tenant: Tenant, receiver: Receiver) -> None:
    """A new subscription of its id is another one."""
    name = await published(tenant, f"{receiver.url}/204")
    await attempted(tenant, name, 1)
    await tenant.call("DeleteSubscription", name=f"{tenant.parent}/subscriptions/receiver")
    await tenant.subscribe("receiver", url=f"{receiver.url}/204")

    refusal = await refused(tenant, "RetryNotification", name)

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    assert "its subscription was deleted" in refusal.message
    assert SUCCEEDED == (await get(tenant, name)).state


async def test_retried_notification_of_a_disabled_subscription_is_held(tenant: Tenant, receiver: Receiver) -> None:
    name = await published(tenant, f"{receiver.url}/204")
    await attempted(tenant, name, 1)
    subscription = {"name": f"{tenant.parent}/subscriptions/receiver", "enabled": False}
    await tenant.call("UpdateSubscription", subscription=subscription, update_mask={"paths": ["enabled"]})

    await tenant.call("RetryNotification", name=name)

    async def is_held() -> bool:
        found = await get(tenant, name)
        return found.state == PENDING and not found.HasField("next_attempt_time")

    await eventually(is_held)
    subscription["enabled"] = True
    await tenant.call("UpdateSubscription", subscription=subscription, update_mask={"paths": ["enabled"]})
    await attempted(tenant, name, 2)


async def test_cancelled_notification_is_attempted_no_more_and_stays_so(tenant: Tenant, receiver: Receiver) -> None:
    name = await published(tenant, f"{receiver.url}/500", retry_policy={"schedule": [{"seconds": 1}]})
    await attempted(tenant, name, 1)

    cancelled = (await tenant.call("CancelNotification", name=name)).notification
    again = (await tenant.call("CancelNotification", name=name)).notification

    assert (CANCELLED, 1, "") == (cancelled.state, cancelled.attempt_count, cancelled.failure_reason)
    assert cancelled.HasField("complete_time")
    assert not cancelled.HasField("next_attempt_time")
    assert cancelled == again == await get(tenant, name)


async def test_attempt_under_way_is_recorded_and_does_not_bring_a_cancelled_notification_back(
    tenant: Tenant, receiver: Receiver, gate: Gate
) -> None:
    name = await published(tenant, f"{receiver.url}/slow/204")
    await receiver.wait_for(1)

    cancelled = (await tenant.call("CancelNotification", name=name)).notification
    gate.open.set()
    found = await attempted(tenant, name, 1)

    assert (CANCELLED, 0) == (cancelled.state, cancelled.attempt_count)
    assert not cancelled.HasField("next_attempt_time")
    assert (CANCELLED, AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED) == (found.state, found.last_attempt.outcome)
    assert cancelled.complete_time == found.complete_time


async def test_retry_of_a_cancelled_notification_is_refused_until_its_attempt_is_recorded(
    tenant: Tenant, receiver: Receiver, gate: Gate
) -> None:
    """However often it is cancelled meanwhile; the receiver never has two requests of one notification at once."""
    name = await published(tenant, f"{receiver.url}/slow/204")
    await receiver.wait_for(1)
    for _ in range(2):
        await tenant.call("CancelNotification", name=name)

    refusal = await refused(tenant, "RetryNotification", name)
    gate.open.set()
    cancelled = await attempted(tenant, name, 1)
    await tenant.call("RetryNotification", name=name)

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    assert f'"{name}" cannot be retried: an attempt is under way; wait for its outcome' == refusal.message
    assert CANCELLED == cancelled.state
    assert SUCCEEDED == (await attempted(tenant, name, 2)).state
    assert [(1, 204), (2, 204)] == await outcomes(tenant, name)


@pytest.mark.parametrize(("status", "policy", "state"), [(204, NEVER, "SUCCEEDED"), (500, ONCE, "FAILED")])
async def test_cancel_is_refused_at_the_end(
    tenant: Tenant, receiver: Receiver, status: int, policy: dict[str, Any], state: str
) -> None:
    name = await published(tenant, f"{receiver.url}/{status}", retry_policy=policy)
    before = await attempted(tenant, name, 1)

    refusal = await refused(tenant, "CancelNotification", name)

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    assert f'"{name}" cannot be cancelled: it is {state} already' == refusal.message
    assert before == await get(tenant, name)


@pytest.mark.parametrize("method", ["RetryNotification", "CancelNotification"])
async def test_notification_that_is_not_there_is_the_same_error_as_a_foreign_one(
    tenant: Tenant, receiver: Receiver, method: str
) -> None:
    foreign = await published(Tenant(tenant.client), f"{receiver.url}/204")
    foreign_id = foreign.rpartition("/")[2]
    hidden = f"{tenant.parent}/notifications/{foreign_id}"
    absent = f"{tenant.parent}/notifications/none"

    refusals = [await refused(tenant, method, name) for name in (hidden, absent)]

    assert {("NOT_FOUND", "RESOURCE_NOT_FOUND")} == {(each.code, each.reason) for each in refusals}
    assert 1 == len({without_names(each.message, foreign_id, "none") for each in refusals})
    for malformed in ("", "notifications/1", f"{tenant.parent}/events/none"):
        refusal = await refused(tenant, method, malformed)
        assert ("INVALID_ARGUMENT", "INVALID_FIELD", "name") == (refusal.code, refusal.reason, refusal.field)
