"""Quotas of workspaces as callers meet them: refusals that say when to come back, and streams that slow down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure, RetryInfo

from tests.harness import Client, error_detail, eventually, running_server
from tests.tools import Tenant, new_id, refusal_of
from tidings.v1.publishing_pb2 import StreamPublishRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 60
EVENTS_PER_SECOND = 100
# So many come at once before anybody waits.
BURST = 2 * EVENTS_PER_SECOND
BYTES_PER_SECOND = 256 * 1024
BATCH_MAX = 1_000


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server with small quotas."""
    async with running_server(
        tmp_path_factory.mktemp("quotas"),
        allow_unknown_event_types=True,
        delivery_slots=1,
        workspace_events_per_second=EVENTS_PER_SECOND,
        workspace_bytes_per_second=BYTES_PER_SECOND,
        workspace_subscriptions_max=3,
        workspace_filters_max=1,
    ) as client:
        yield client


async def publish_many(tenant: Tenant, events: int, json: str = "{}", **request: Any) -> Any:
    """Publish equal events in one batch."""
    requests = [{"event": {"event_type": "a", "json": json}, **request}] * events
    return await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)


async def refused(call: Awaitable[object], tenant: Tenant) -> float:
    """Return after how many seconds a call that is refused for a quota of the workspace says to try again."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return retry_after_s(caught.value, tenant)


async def refused_until_there_is_room(call: Awaitable[object], tenant: Tenant) -> None:
    """See that a call is refused for a quota of the workspace, and that nothing says that time would help."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert "QUOTA_EXCEEDED" == error_detail(caught.value, ErrorInfo).reason
    assert tenant.parent == error_detail(caught.value, QuotaFailure).violations[0].subject
    with pytest.raises(AssertionError):
        error_detail(caught.value, RetryInfo)


def retry_after_s(error: grpc.aio.AioRpcError, tenant: Tenant) -> float:
    """Return what the refusal for a quota of the workspace says, having checked all else that it must say."""
    assert grpc.StatusCode.RESOURCE_EXHAUSTED is error.code(), error
    assert "QUOTA_EXCEEDED" == error_detail(error, ErrorInfo).reason
    [violation] = error_detail(error, QuotaFailure).violations
    assert (tenant.parent, error.details()) == (violation.subject, violation.description)
    return error_detail(error, RetryInfo).retry_delay.ToMilliseconds() / 1_000


async def refused_at_last(tenant: Tenant) -> float:
    """Publish until that is refused; return when it is time to try again, on the clock of the event loop."""
    while True:
        asked_s = asyncio.get_running_loop().time()
        try:
            await publish_many(tenant, EVENTS_PER_SECOND)
        except grpc.aio.AioRpcError as error:
            return asked_s + retry_after_s(error, tenant)


async def accepted_at_last(call: Callable[[], Awaitable[Any]], tenant: Tenant) -> Any:
    """Call again and again while the workspace's quota is in the way; return what it is answered then."""
    answers: list[Any] = []

    async def is_accepted() -> bool:
        try:
            answers.append(await call())
        except grpc.aio.AioRpcError as error:
            # Fails for any other error.
            retry_after_s(error, tenant)
        return bool(answers)

    await eventually(is_accepted, within_s=PATIENCE_S)
    return answers[0]


async def test_largest_batch_passes_and_what_follows_is_refused(tenant: Tenant) -> None:
    """1,000 events at 100 per second, of which 200 may come at once: the next one is 8 s early."""
    assert BATCH_MAX == len((await publish_many(tenant, BATCH_MAX)).responses)

    early_s = await refused(tenant.publish("a"), tenant)

    assert 0 < early_s <= 8.001


async def test_largest_request_in_bytes_passes_and_what_follows_is_refused(tenant: Tenant) -> None:
    """Nearly 4 MiB at 256 KiB per second, of which 512 KiB may come at once: the next one is 14 s early."""
    large = f'"{"x" * (200 * 1024)}"'
    await publish_many(tenant, 20, large)

    early_s = await refused(tenant.publish("a"), tenant)

    assert 0 < early_s <= 14.001


async def test_whoever_was_refused_is_accepted_when_its_time_has_come(tenant: Tenant) -> None:
    """No sooner than it was told. A repetition too: that it was accepted before is not forgotten meanwhile."""
    first = await tenant.publish("a", request_id="once")
    time_s = asyncio.get_running_loop().time

    early_until_s = await refused_at_last(tenant)
    await accepted_at_last(lambda: publish_many(tenant, EVENTS_PER_SECOND), tenant)
    early_s = early_until_s - time_s()
    await refused_at_last(tenant)
    again = await accepted_at_last(lambda: tenant.publish("a", request_id="once"), tenant)

    # The wait is told in whole milliseconds, rounded up.
    assert early_s <= 0.002
    assert (first.event.name, True) == (again.event.name, again.deduplicated)


@pytest.mark.parametrize("call", ["Publish", "BatchPublish", "dry run"])
async def test_whatever_publishes_counts(tenant: Tenant, call: str) -> None:
    """A dry run costs as much, but for the commit."""
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "Publish": lambda: tenant.publish("a"),
        "BatchPublish": lambda: publish_many(tenant, 1),
        "dry run": lambda: tenant.publish("a", validate_only=True),
    }
    await calls[call]()
    await publish_many(tenant, BATCH_MAX)

    await refused(calls[call](), tenant)


async def test_what_is_no_publish_of_the_workspace_does_not_count(client: Client) -> None:
    """Other workspaces, reads, and ExplainPublish go on."""
    tenant, other = Tenant(client), Tenant(client)
    await publish_many(tenant, BATCH_MAX)
    await refused(tenant.publish("a"), tenant)

    await publish_many(other, BURST)
    await tenant.subscribe()
    explained = await tenant.call("ExplainPublish", parent=tenant.parent, event={"event_type": "a", "json": "{}"})

    assert [True] == [each.matched for each in explained.decisions]


async def test_stream_is_slowed_down_and_loses_nothing(tenant: Tenant) -> None:
    """All of its items are accepted, none is refused, and together they take as long as the rate says."""
    items = 2 * EVENTS_PER_SECOND
    messages = [
        StreamPublishRequest(
            parent=tenant.parent,
            items=[{"sequence": sequence, "event": {"event_type": "a", "json": "{}"}}],  # type: ignore[list-item]
        )
        for sequence in range(items)
    ]
    time_s = asyncio.get_running_loop().time
    began_s = time_s()

    stream: Any = tenant.client.publishing.StreamPublish(iter(messages), timeout=PATIENCE_S)
    results = [result async for response in stream for result in response.results]

    # The first second's worth comes at once, for the other half of the burst is for calls.
    assert time_s() - began_s > 0.95
    assert set(range(items)) == {result.sequence for result in results}
    assert not any(result.HasField("error") for result in results)
    assert items == len(await tenant.events())


async def test_workspace_that_is_full_takes_no_more_subscriptions(client: Client) -> None:
    """Neither in earnest nor as a dry run; a repetition is answered, others go on, and a deletion makes room."""
    tenant, other = Tenant(client), Tenant(client)
    request = {
        "parent": tenant.parent,
        "request_id": "once",
        "subscription": {"display_name": "Once", "url": "https://receiver.example/", "event_types": ["*"]},
    }
    first = (await tenant.call("CreateSubscription", **request)).subscription
    there = [await tenant.subscribe() for _ in range(2)]

    await refused_until_there_is_room(tenant.subscribe(), tenant)
    await refused_until_there_is_room(_dry_run(tenant), tenant)
    repeated = await tenant.call("CreateSubscription", **request)
    await other.subscribe()
    await tenant.call("DeleteSubscription", name=there[0].name)
    await _dry_run(tenant)
    await tenant.subscribe()

    assert first.name == repeated.subscription.name
    assert 3 == len(await tenant.subscriptions())


async def test_workspace_has_as_many_filters_as_it_may_have(client: Client) -> None:
    """Also by update, and as a dry run; what has one may change it, and what gives it up makes room."""
    tenant = Tenant(client)
    filtering, plain = await tenant.subscribe(filter="true"), await tenant.subscribe()

    await refused_until_there_is_room(tenant.subscribe(filter="true"), tenant)
    await refused_until_there_is_room(_dry_run(tenant, filter="true"), tenant)
    for validate_only in (False, True):
        await refused_until_there_is_room(_update(tenant, plain.name, "true", validate_only=validate_only), tenant)
    await _update(tenant, filtering.name, "false")
    await _update(tenant, filtering.name, "")
    await _update(tenant, plain.name, "true")

    assert ["", "true"] == [each.filter for each in await tenant.subscriptions()]


async def test_many_creations_at_once_do_not_go_beyond_the_quota(tenant: Tenant) -> None:
    """They take turns at the workspace's revision."""
    results = await asyncio.gather(*(tenant.subscribe() for _ in range(20)), return_exceptions=True)

    assert 17 == sum(isinstance(result, grpc.aio.AioRpcError) for result in results)
    assert 3 == len(await tenant.subscriptions())


async def test_field_that_is_wrong_is_told_before_the_quota(client: Client) -> None:
    """Waiting would not help."""
    tenant = Tenant(client)
    for _ in range(3):
        await tenant.subscribe()

    refusal = await refusal_of(tenant.subscribe(filter="1"))

    assert ("INVALID_FILTER", "subscription.filter") == (refusal.reason, refusal.field)


async def _dry_run(tenant: Tenant, **fields: Any) -> Any:
    id = new_id("s")
    fields = {"display_name": id, "url": "https://receiver.example/", "event_types": ["*"], **fields}
    return await tenant.call(
        "CreateSubscription", parent=tenant.parent, subscription_id=id, subscription=fields, validate_only=True
    )


async def _update(tenant: Tenant, name: str, filter: str, *, validate_only: bool = False) -> Any:
    return await tenant.call(
        "UpdateSubscription",
        subscription={"name": name, "filter": filter},
        update_mask={"paths": ["filter"]},
        validate_only=validate_only,
    )
