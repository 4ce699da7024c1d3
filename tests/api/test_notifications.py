"""Events, notifications and attempts as they are read back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from tests.harness import Client, Received, Receiver, eventually, running_receiver
from tests.tools import Refusal, Tenant, in_turn, refusal_of
from tidings.v1.notifications_pb2 import AttemptOutcome, Notification, NotificationState

pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING = NotificationState.NOTIFICATION_STATE_PENDING
SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
FAILED = NotificationState.NOTIFICATION_STATE_FAILED
CANCELLED = NotificationState.NOTIFICATION_STATE_CANCELLED
LARGE_BODY = 4096 * "x"
AT_ONCE = {"schedule": 4 * [{"nanos": 100_000_000}]}
NEVER = {"schedule": [{"seconds": 3600}]}
ONCE = {"max_attempts": 1, "initial_delay": {"seconds": 1}, "max_delay": {"seconds": 1}, "multiplier": 1}


def answer(received: Received) -> web.Response:
    """Answer with the status that the path names; a failure comes with as much body as is kept."""
    status = int(received.path.rpartition("/")[2])
    headers = {"X-Twice": "1"} if status == 204 else {}
    return web.Response(status=status, text=None if status == 204 else LARGE_BODY, headers=headers)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that the tests of this module share."""
    async with running_receiver(answer) as receiver:
        yield receiver


def ids(found: list[Any]) -> list[str]:
    """Return the last part of each name."""
    return [each.name.rpartition("/")[2] for each in found]


async def settled(tenant: Tenant, count: int) -> list[Notification]:
    """Wait until each of so many notifications has had an attempt and none is under way, and return them."""
    found: list[Notification] = []

    async def is_settled() -> bool:
        found[:] = await tenant.notifications()
        return count == len(found) and all(
            each.attempt_count and (each.state != PENDING or each.HasField("next_attempt_time")) for each in found
        )

    await eventually(is_settled)
    return found


async def test_delivered_notification_shows_its_last_attempt(tenant: Tenant, receiver: Receiver) -> None:
    """GetNotification and ListNotifications say the same."""
    subscription = await tenant.subscribe(url=f"{receiver.url}/204")
    event = (await tenant.publish("a")).event
    [listed] = await settled(tenant, 1)

    found = (await tenant.call("GetNotification", name=listed.name)).notification
    [attempt] = await tenant.everything("ListAttempts", "attempts", parent=listed.name)

    assert listed == found
    assert (event.name, subscription.name, "a") == (found.event, found.subscription, found.event_type)
    assert (SUCCEEDED, 1, "", "") == (found.state, found.attempt_count, found.failure_reason, found.replay)
    assert found.create_time.ToNanoseconds() <= found.complete_time.ToNanoseconds()
    assert not found.HasField("next_attempt_time")
    assert attempt == found.last_attempt
    assert (f"{found.name}/attempts/1", 1) == (attempt.name, attempt.attempt_number)
    assert AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED == attempt.outcome
    assert (204, "", b"", False) == (
        attempt.http_status,
        attempt.error,
        attempt.response_body,
        attempt.response_truncated,
    )
    assert "1" == attempt.response_headers["x-twice"]
    assert receiver.url.split("/")[2] == attempt.remote_address
    assert [key.key_id for key in subscription.signing_keys] == attempt.signing_key_ids


async def test_failed_notification_keeps_every_attempt_in_order(tenant: Tenant, receiver: Receiver) -> None:
    """Also when they are listed in pages of two."""
    await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=AT_ONCE)
    await tenant.publish("a")

    async def has_failed() -> bool:
        return FAILED in [each.state for each in await tenant.notifications()]

    await eventually(has_failed)
    [failed] = await tenant.notifications()
    pages = await tenant.pages("ListAttempts", "attempts", parent=failed.name, page_size=2)
    everything = await tenant.everything("ListAttempts", "attempts", parent=failed.name)

    assert ("ATTEMPTS_EXHAUSTED", 5) == (failed.failure_reason, failed.attempt_count)
    assert [[1, 2], [3, 4], [5]] == [[each.attempt_number for each in page] for page in pages]
    assert [each for page in pages for each in page] == everything
    assert failed.last_attempt == everything[-1]
    assert {(500, LARGE_BODY.encode())} == {(each.http_status, each.response_body) for each in everything}


async def test_waiting_notification_says_when_its_next_attempt_is_due(tenant: Tenant, receiver: Receiver) -> None:
    """One hour later, give or take a fifth."""
    await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=NEVER)
    await tenant.publish("a")

    [waiting] = await settled(tenant, 1)

    assert (PENDING, 1) == (waiting.state, waiting.attempt_count)
    assert not waiting.HasField("complete_time")
    assert 0.8 * 3600 <= waiting.next_attempt_time.seconds - waiting.create_time.seconds <= 1.2 * 3600 + 20


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def history(client: Client, receiver: Receiver) -> Tenant:
    """A workspace with six events of two types, and the notifications of three subscriptions with different fates."""
    tenant = Tenant(client)
    await tenant.subscribe("ok", url=f"{receiver.url}/204", event_types=["a", "b"])
    await tenant.subscribe("waits", url=f"{receiver.url}/500", event_types=["b"], retry_policy=NEVER)
    await tenant.subscribe("fails", url=f"{receiver.url}/500", event_types=["a"], retry_policy=ONCE)
    for n in range(6):
        await tenant.publish("ab"[n % 2], source=str(n), event_id=f"0199c3e2-8f3a-7cc1-b7a5-00000000000{n}")
        # Ids and times of the next event are later ones.
        await asyncio.sleep(0.003)
    await settled(tenant, 12)
    return tenant


@pytest.mark.parametrize("page_size", [1, 2, 5, 6, 7, 2**31 - 1])
async def test_pages_hold_every_event_once_newest_first(history: Tenant, page_size: int) -> None:
    """Without payloads."""
    pages = await history.pages("ListEvents", "events", parent=history.parent, page_size=page_size)

    assert list("543210") == [each.source for page in pages for each in page]
    assert all(len(page) <= page_size for page in pages)
    assert {None} == {each.WhichOneof("payload") for page in pages for each in page}
    assert {2} == {each.payload_size for page in pages for each in page}


@pytest.mark.parametrize("page_size", [1, 2, 11, 12, 13, 2**31 - 1])
async def test_pages_hold_every_notification_once_newest_first(history: Tenant, page_size: int) -> None:
    """With their last attempts."""
    pages = await history.pages("ListNotifications", "notifications", parent=history.parent, page_size=page_size)

    found = [each for page in pages for each in page]
    assert [str(n) for n in (5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0)] == [each.event[-1] for each in found]
    assert 12 == len(set(ids(found)))
    assert all(len(page) <= page_size for page in pages)
    assert {1} == {each.last_attempt.attempt_number for each in found}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"subscription": "ok"}, "543210"),
        ({"subscription": "waits"}, "531"),
        ({"subscription": "nobody"}, ""),
        ({"event": 3}, "33"),
        ({"event": 3, "subscription": "waits"}, "3"),
        ({"event": 3, "subscription": "fails"}, ""),
        ({"event_type": "a"}, "442200"),
        ({"event_type": "a", "subscription": "ok"}, "420"),
        ({"event_type": "c"}, ""),
        ({"states": [SUCCEEDED]}, "543210"),
        ({"states": [PENDING]}, "531"),
        ({"states": [FAILED]}, "420"),
        ({"states": [CANCELLED]}, ""),
        ({"states": [FAILED, PENDING]}, "543210"),
        ({"states": [FAILED], "event_type": "b"}, ""),
        ({"states": [PENDING], "event": 5, "event_type": "b", "subscription": "waits"}, "5"),
    ],
    ids=str,
)
@pytest.mark.parametrize("page_size", [1, 1000])
async def test_list_shows_the_notifications_that_are_asked_for(
    history: Tenant, filters: dict[str, Any], expected: str, page_size: int
) -> None:
    """All filters must hold."""
    names = dict(filters)
    if "subscription" in names:
        names["subscription"] = f"{history.parent}/subscriptions/{names['subscription']}"
    if "event" in names:
        names["event"] = f"{history.parent}/events/0199c3e2-8f3a-7cc1-b7a5-00000000000{names['event']}"

    found = await history.notifications(**names, page_size=page_size)

    assert expected == "".join(each.event[-1] for each in found)


async def test_subscription_made_again_has_nothing_of_its_predecessor(tenant: Tenant, receiver: Receiver) -> None:
    """Whatever else is asked for; without the filter both are shown."""
    predecessor = await tenant.subscribe("twice", url=f"{receiver.url}/204")
    event = (await tenant.publish("a")).event
    await settled(tenant, 1)
    await tenant.call("DeleteSubscription", name=predecessor.name)
    deleted = [await tenant.notifications(subscription=predecessor.name, event=each) for each in ("", event.name)]
    successor = await tenant.subscribe("twice", url=f"{receiver.url}/204")
    later = (await tenant.publish("a")).event

    async def events_of(event: str) -> list[str]:
        return [each.event for each in await tenant.notifications(subscription=successor.name, event=event)]

    assert predecessor.name == successor.name
    assert [[], []] == deleted
    assert [later.name] == await events_of("")
    assert [] == await events_of(event.name)
    assert [later.name] == await events_of(later.name)
    assert [later.name, event.name] == [each.event for each in await tenant.notifications()]


@pytest.mark.parametrize(("event_type", "expected"), [("a", "420"), ("b", "531"), ("c", "")])
async def test_list_shows_the_events_of_one_type(history: Tenant, event_type: str, expected: str) -> None:
    """In pages that may be empty on the way."""
    found = await history.events(event_type=event_type, page_size=1)

    assert expected == "".join(each.source for each in found)


@pytest.mark.parametrize("items", ["events", "notifications"])
async def test_time_bounds_hold_to_the_millisecond(history: Tenant, items: str) -> None:
    """From start_time on, and before end_time: by the create_time that is shown."""
    lists: dict[str, Callable[..., Awaitable[list[Any]]]] = {
        "events": history.events,
        "notifications": history.notifications,
    }
    listed = lists[items]
    everything = await listed()
    times = sorted({each.create_time.ToNanoseconds() for each in everything})

    for index, time_ns in enumerate(times):
        bound = Timestamp()
        bound.FromNanoseconds(time_ns)
        just_after = Timestamp()
        just_after.FromNanoseconds(time_ns + 1)
        from_here = [each for each in everything if each.create_time.ToNanoseconds() >= time_ns]
        before = [each for each in everything if each.create_time.ToNanoseconds() < time_ns]
        until_here = [each for each in everything if each.create_time.ToNanoseconds() <= time_ns]

        assert from_here == await listed(start_time=bound)
        assert before == await listed(end_time=bound)
        assert until_here == await listed(end_time=just_after, page_size=index + 1)
        assert [] == await listed(start_time=bound, end_time=bound)
        assert ids(until_here)[: len(until_here) - len(before)] == ids(
            await listed(start_time=bound, end_time=just_after)
        )


async def test_time_bounds_may_be_the_first_and_the_last_moment(history: Tenant) -> None:
    """Of what a Timestamp can say."""
    bounds = {
        "start_time": {"seconds": -62_135_596_800},
        "end_time": {"seconds": 253_402_300_799, "nanos": 999_999_999},
    }

    assert 6 == len(await history.events(**bounds))
    assert 12 == len(await history.notifications(**bounds))
    assert [] == await history.events(end_time={"seconds": -1})
    assert [] == await history.notifications(end_time={"seconds": -1})
    assert [] == await history.notifications(start_time={"seconds": 253_402_300_799})
    assert [] == await history.events(start_time={"seconds": 253_402_300_799})


async def test_notification_bounds_by_time_are_those_of_its_event_also_under_load(tenant: Tenant) -> None:
    """Ids are made later than create_time, by as long as the commit takes."""
    await tenant.subscribe(enabled=True)
    requests = [{"event": {"event_type": "a", "json": "{}"}} for _ in range(500)]
    for _ in range(3):
        await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)
    everything = await tenant.notifications()
    middle = everything[len(everything) // 2].create_time

    earlier, later = await tenant.notifications(end_time=middle), await tenant.notifications(start_time=middle)

    assert ids(everything) == ids(later) + ids(earlier)
    assert all(each.create_time.ToNanoseconds() >= middle.ToNanoseconds() for each in later)
    assert all(each.create_time.ToNanoseconds() < middle.ToNanoseconds() for each in earlier)


async def test_page_is_small_enough_for_every_client(tenant: Tenant, receiver: Receiver) -> None:
    """A client takes 4 MiB by default, and a thousand failures with their bodies have more."""
    await tenant.subscribe(url=f"{receiver.url}/500", retry_policy=ONCE)
    requests = [{"event": {"event_type": "a", "json": "{}"}} for _ in range(1000)]
    await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)

    async def all_failed() -> bool:
        return 1000 == len(await tenant.notifications(states=[FAILED], page_size=1000))

    await eventually(all_failed)
    found = await tenant.notifications(page_size=1000)

    assert 1000 == len({each.name for each in found})
    assert sum(each.ByteSize() for each in found) > 4 * 1024 * 1024


async def test_page_of_large_events_is_small_enough_for_every_client(tenant: Tenant) -> None:
    """Even those without a payload can have 256 KiB of attributes."""
    attributes = {f"a{n}": 1024 * "😀" for n in range(64)}
    names = [(await tenant.publish("a", attributes=attributes)).event.name for _ in range(20)]

    found = await tenant.events()

    assert names == [each.name for each in reversed(found)]


async def test_list_is_complete_beside_publishes(tenant: Tenant) -> None:
    """Newest first: what comes in meanwhile is before the first page, and nothing is shown twice."""
    first = {(await tenant.publish("a")).event.name for _ in range(20)}
    listing = asyncio.create_task(tenant.pages("ListEvents", "events", parent=tenant.parent, page_size=1))

    await in_turn((tenant.publish("a") for _ in range(200)), at_once=20)
    found = [event.name for page in await listing for event in page]

    assert len(set(found)) == len(found)
    assert first <= set(found)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListEvents", {"parent": "{parent}"}),
        ("ListNotifications", {"parent": "{parent}"}),
        ("ListSubscriptions", {"parent": "{parent}"}),
    ],
)
async def test_workspace_that_nobody_used_is_empty(tenant: Tenant, method: str, request_: dict[str, Any]) -> None:
    """A workspace needs no creating."""
    response = await tenant.call(method, **{key: value.format(parent=tenant.parent) for key, value in request_.items()})

    assert b"" == response.SerializeToString()


async def test_attempts_of_a_missing_notification_are_an_error(tenant: Tenant) -> None:
    """Not an empty list, which would say that there is one."""
    name = f"{tenant.parent}/notifications/0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d11"

    refusals = [
        await refusal_of(tenant.call("GetNotification", name=name)),
        await refusal_of(tenant.call("ListAttempts", parent=name)),
    ]

    assert 2 * [Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", f'no notification named "{name}"')] == refusals


TOKEN_LISTS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "ListEvents",
        {"event_type": "a"},
        [
            {"event_type": "b"},
            {"event_type": ""},
            {"start_time": {"seconds": 1}},
            {"end_time": {"seconds": 4_000_000_000}},
            {"parent": "organizations/acme/workspaces/other"},
        ],
    ),
    (
        "ListNotifications",
        {"event_type": "a"},
        [
            {"event_type": ""},
            {"states": [SUCCEEDED]},
            {"subscription": "{parent}/subscriptions/ok"},
            {"event": "{parent}/events/0199c3e2-8f3a-7cc1-b7a5-000000000000"},
            {"start_time": {"seconds": 1}},
            {"end_time": {"seconds": 4_000_000_000}},
            {"parent": "organizations/acme/workspaces/other"},
        ],
    ),
    (
        "ListSubscriptions",
        {"event_type": "a"},
        [{"event_type": ""}, {"states": [1]}, {"parent": "organizations/acme/workspaces/other"}],
    ),
]


@pytest.mark.parametrize(("method", "filters", "others"), TOKEN_LISTS, ids=[method for method, *_ in TOKEN_LISTS])
async def test_page_token_belongs_to_its_filters(
    history: Tenant, method: str, filters: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    """Only the page size may change from page to page."""
    request = {"parent": history.parent, "page_size": 1, **filters}
    token = (await history.call(method, **request)).next_page_token
    foreign = "ListEvents" if method != "ListEvents" else "ListNotifications"

    assert await history.call(method, **{**request, "page_size": 7, "page_token": token})
    refusals = [
        await refusal_of(history.call(method, **{**request, **_in(history, changes), "page_token": token}))
        for changes in others
    ]
    refusals.append(await refusal_of(history.call(foreign, **request, page_token=token)))
    assert {("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", "page_token")} == {
        (refusal.code, refusal.reason, refusal.field) for refusal in refusals
    }


def _in(tenant: Tenant, changes: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.format(parent=tenant.parent) if isinstance(value, str) else value for key, value in changes.items()
    }
