"""Replays over the API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from tests.harness import Client, Received, Receiver, eventually, running_receiver
from tests.tools import Refusal, Tenant, refusal_of
from tidings.v1.notifications_pb2 import Notification, NotificationState, Replay, ReplayState

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
FAILED = NotificationState.NOTIFICATION_STATE_FAILED
PENDING = NotificationState.NOTIFICATION_STATE_PENDING
LONG_AGO = Timestamp(seconds=1_500_000_000)
FUTURE = Timestamp(seconds=250_000_000_000)


def answer(received: Received) -> web.Response:
    """Answer with the status that the path names."""
    return web.Response(status=int(received.path.rpartition("/")[2]))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that the tests of this module share."""
    async with running_receiver(answer) as receiver:
        yield receiver


async def create(tenant: Tenant, subscription: str, *, validate_only: bool = False, **replay: Any) -> Replay:
    """Begin a replay of everything, unless it says otherwise."""
    response = await tenant.call(
        "CreateReplay",
        parent=subscription,
        replay={"start_time": LONG_AGO, **replay},
        validate_only=validate_only,
    )
    created: Replay = response.replay
    return created


async def get(tenant: Tenant, name: str) -> Replay:
    """Return a replay."""
    found: Replay = (await tenant.call("GetReplay", name=name)).replay
    return found


async def ended(tenant: Tenant, replay: Replay) -> Replay:
    """Wait until a replay has ended, and return it as it is then."""

    async def has_ended() -> bool:
        return (await get(tenant, replay.name)).state != ReplayState.REPLAY_STATE_RUNNING

    await eventually(has_ended)
    return await get(tenant, replay.name)


async def settled(tenant: Tenant, count: int) -> list[Notification]:
    """Wait until so many notifications are there and none is pending, and return them, newest first."""
    found: list[Notification] = []

    async def is_settled() -> bool:
        found[:] = await tenant.notifications()
        return count == len(found) and PENDING not in {each.state for each in found}

    await eventually(is_settled)
    return found


async def test_failed_notifications_are_sent_again_with_the_same_webhook_id(tenant: Tenant, receiver: Receiver) -> None:
    """Once the receiver is well again. The new notification names its replay."""
    subscription = await tenant.subscribe("mine", url=f"{receiver.url}/400", retry_policy={"max_attempts": 1})
    event = (await tenant.publish("a")).event
    [failed] = await settled(tenant, 1)
    await tenant.call("UpdateSubscription", subscription={"name": subscription.name, "url": f"{receiver.url}/204"})

    replay = await ended(tenant, await create(tenant, subscription.name, states=[FAILED]))
    again, first = await settled(tenant, 2)

    assert (failed, FAILED, "") == (first, first.state, first.replay)
    assert (SUCCEEDED, replay.name, event.name, 1) == (again.state, again.replay, again.event, again.attempt_count)
    assert replay.name.startswith(f"{subscription.name}/replays/")
    assert (ReplayState.REPLAY_STATE_SUCCEEDED, 1, 1) == (replay.state, replay.examined_count, replay.created_count)
    assert replay.create_time.ToNanoseconds() <= replay.complete_time.ToNanoseconds()
    event_id = event.name.rpartition("/")[2]
    requests = [each for each in receiver.received if each.headers["webhook-id"] == event_id]
    assert ["/hooks/400", "/hooks/204"] == [each.path for each in requests]
    assert requests[0].body == requests[1].body


async def test_created_replay_is_shown_as_it_was_asked_for(tenant: Tenant) -> None:
    """Output fields of the request are ignored; the time of the request is the end of what it means."""
    subscription = await tenant.subscribe()

    replay = await create(
        tenant,
        subscription.name,
        end_time=FUTURE,
        states=[FAILED, SUCCEEDED, FAILED],
        include_unmatched=True,
        max_rate_per_second=0.5,
        name="nonsense",
        state=ReplayState.REPLAY_STATE_CANCELLED,
        created_count=7,
    )

    assert (LONG_AGO, replay.create_time) == (replay.start_time, replay.end_time)
    assert ([FAILED, SUCCEEDED], True, 0.5) == (
        sorted(replay.states, reverse=True),
        replay.include_unmatched,
        replay.max_rate_per_second,
    )
    assert (ReplayState.REPLAY_STATE_RUNNING, 0) == (replay.state, replay.created_count)
    without_rate = await create(tenant, subscription.name)
    assert not without_rate.HasField("max_rate_per_second")
    assert not without_rate.HasField("complete_time")


async def test_validate_only_counts_and_makes_nothing(tenant: Tenant) -> None:
    """What it counts is what a replay then does."""
    subscription = await tenant.subscribe(event_types=["a"])
    for event_type in "aab":
        await tenant.publish(event_type)
    await tenant.call("UpdateSubscription", subscription={"name": subscription.name, "event_types": ["a", "b"]})

    counted = await create(tenant, subscription.name, include_unmatched=True, validate_only=True)
    listed = await tenant.everything("ListReplays", "replays", parent=subscription.name)
    made = await ended(tenant, await create(tenant, subscription.name, include_unmatched=True))

    assert ("", ReplayState.REPLAY_STATE_UNSPECIFIED, []) == (counted.name, counted.state, listed)
    assert (3, 3) == (counted.examined_count, counted.created_count)
    assert not counted.HasField("create_time")
    assert (3, 3) == (made.examined_count, made.created_count)
    assert 3 == len([each for each in await tenant.notifications() if each.replay == made.name])


async def test_replays_are_listed_newest_first_in_pages(tenant: Tenant) -> None:
    """Those of the subscription that is the parent."""
    mine, other = await tenant.subscribe(), await tenant.subscribe()
    names = [(await create(tenant, mine.name)).name for _ in range(5)]
    await create(tenant, other.name)

    pages = await tenant.pages("ListReplays", "replays", parent=mine.name, page_size=2)

    assert [names[4:2:-1], names[2:0:-1], names[:1]] == [[each.name for each in page] for page in pages]


async def test_page_token_belongs_to_its_subscription(tenant: Tenant) -> None:
    """Another one's list has other positions."""
    mine, other = await tenant.subscribe(), await tenant.subscribe()
    for _ in range(2):
        await create(tenant, mine.name)
    token = (await tenant.call("ListReplays", parent=mine.name, page_size=1)).next_page_token

    refusal = await refusal_of(tenant.call("ListReplays", parent=other.name, page_token=token))

    assert ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", "page_token") == (refusal.code, refusal.reason, refusal.field)


async def test_cancelled_replay_makes_nothing_more(tenant: Tenant) -> None:
    """Cancelling it again changes nothing; one that has ended cannot be cancelled."""
    subscription = await tenant.subscribe(enabled=False)
    await tenant.call("UpdateSubscription", subscription={"name": subscription.name, "enabled": True})
    for _ in range(3):
        await tenant.publish("a")
    slow = await create(tenant, subscription.name, max_rate_per_second=0.01)

    async def has_begun() -> bool:
        return (await get(tenant, slow.name)).created_count == 1

    await eventually(has_begun)
    cancelled = (await tenant.call("CancelReplay", name=slow.name)).replay
    again = (await tenant.call("CancelReplay", name=slow.name)).replay
    fast = await ended(tenant, await create(tenant, subscription.name))
    refusal = await refusal_of(tenant.call("CancelReplay", name=fast.name))

    assert (ReplayState.REPLAY_STATE_CANCELLED, 1) == (cancelled.state, cancelled.created_count)
    assert cancelled == again == await get(tenant, slow.name)
    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    assert f'"{fast.name}" is SUCCEEDED: it has made every notification' == refusal.message


async def test_replays_end_with_their_subscription(tenant: Tenant) -> None:
    """At once, and they can still be read; a new subscription of that name has none."""
    subscription = await tenant.subscribe("mine")
    for _ in range(2):
        await tenant.publish("a")
    replay = await create(tenant, subscription.name, max_rate_per_second=0.01)

    await tenant.call("DeleteSubscription", name=subscription.name)
    found = await get(tenant, replay.name)
    refusals = [
        await refusal_of(create(tenant, subscription.name)),
        await refusal_of(create(tenant, subscription.name, validate_only=True)),
        await refusal_of(tenant.call("ListReplays", parent=subscription.name)),
    ]
    await tenant.subscribe("mine")

    assert ReplayState.REPLAY_STATE_CANCELLED == found.state
    not_found = Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", f'no subscription named "{subscription.name}"')
    assert [not_found] * 3 == refusals
    assert [] == await tenant.everything("ListReplays", "replays", parent=subscription.name)
    assert found == await get(tenant, replay.name)


async def test_replays_of_other_workspaces_are_not_found(tenant: Tenant, client: Client) -> None:
    """With the same words as those that never were."""
    mine, other = await tenant.subscribe("s"), await Tenant(client).subscribe("s")
    replay = await create(tenant, mine.name, max_rate_per_second=0.01)
    guessed = replay.name.replace(mine.name, other.name)

    for method in ("GetReplay", "CancelReplay"):
        refusal = await refusal_of(tenant.call(method, name=guessed))
        assert Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", f'no replay named "{guessed}"') == refusal


async def test_no_more_than_ten_replays_of_a_subscription_run(tenant: Tenant) -> None:
    """The eleventh is told so."""
    subscription = await tenant.subscribe()
    for _ in range(2):
        await tenant.publish("a")
    for _ in range(10):
        await create(tenant, subscription.name, max_rate_per_second=0.01)

    refusal = await refusal_of(create(tenant, subscription.name))

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    assert refusal.message.startswith(f'10 replays of "{subscription.name}" are RUNNING')


BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"start_time": None}, "replay.start_time", "is required"),
    ({"start_time": FUTURE}, "replay.start_time", "must not be in the future"),
    ({"start_time": Timestamp(seconds=1, nanos=-1)}, "replay.start_time", "must be a time within the years"),
    ({"end_time": Timestamp(seconds=2**60)}, "replay.end_time", "must be a time within the years"),
    ({"end_time": Timestamp(seconds=1_499_999_999)}, "replay.end_time", "must not be before start_time"),
    ({"states": [FAILED, PENDING]}, "replay.states[1]", "must be an end state, not NOTIFICATION_STATE_PENDING"),
    ({"states": [0]}, "replay.states[0]", "must be one of NOTIFICATION_STATE_PENDING"),
    ({"states": [99]}, "replay.states[0]", "must be one of NOTIFICATION_STATE_PENDING"),
    ({"states": [FAILED] * 101}, "replay.states", "must be at most 100 values"),
    ({"max_rate_per_second": 0.0}, "replay.max_rate_per_second", "must be 0.01 to 10,000; got 0.0"),
    ({"max_rate_per_second": 0.009}, "replay.max_rate_per_second", "must be 0.01 to 10,000; got 0.009"),
    ({"max_rate_per_second": -1.0}, "replay.max_rate_per_second", "must be 0.01 to 10,000; got -1.0"),
    ({"max_rate_per_second": 10_000.1}, "replay.max_rate_per_second", "must be 0.01 to 10,000; got 10000.1"),
    ({"max_rate_per_second": float("nan")}, "replay.max_rate_per_second", "must be 0.01 to 10,000; got nan"),
    ({"max_rate_per_second": float("inf")}, "replay.max_rate_per_second", "must be 0.01 to 10,000; got inf"),
]


@pytest.mark.parametrize("validate_only", [True, False])
@pytest.mark.parametrize(("changes", "field", "problem"), BAD_FIELDS, ids=lambda each: str(each)[:40])
async def test_bad_field_is_refused(
    tenant: Tenant, changes: dict[str, Any], field: str, problem: str, validate_only: bool
) -> None:
    """With its path and what is allowed; nothing is begun."""
    subscription = await tenant.subscribe()

    refusal = await refusal_of(create(tenant, subscription.name, validate_only=validate_only, **changes))

    assert ("INVALID_ARGUMENT", "INVALID_FIELD", field) == (refusal.code, refusal.reason, refusal.field)
    assert f"{field}: {problem}" in refusal.message
    assert [] == await tenant.everything("ListReplays", "replays", parent=subscription.name)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("CreateReplay", {}, "parent"),
        ("CreateReplay", {"parent": "organizations/a/workspaces/b"}, "parent"),
        ("CreateReplay", {"parent": "organizations/a/workspaces/b/subscriptions/c"}, "replay"),
        ("GetReplay", {"name": "organizations/a/workspaces/b/subscriptions/c"}, "name"),
        ("CancelReplay", {"name": "organizations/a/workspaces/b/subscriptions/c/replays/*"}, "name"),
        ("ListReplays", {"parent": ""}, "parent"),
        ("ListReplays", {"parent": "organizations/a/workspaces/b/subscriptions/c", "page_size": -1}, "page_size"),
    ],
)
async def test_request_without_what_it_needs_is_refused(
    tenant: Tenant, method: str, request_: dict[str, Any], field: str
) -> None:
    """Before anything is looked for."""
    refusal = await refusal_of(tenant.call(method, **request_))

    assert ("INVALID_ARGUMENT", "INVALID_FIELD", field) == (refusal.code, refusal.reason, refusal.field)
