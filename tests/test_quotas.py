"""Quotas of workspaces: how fast one may publish, and how many subscriptions and filters it may have."""

import asyncio
from dataclasses import replace
from typing import Final, LiteralString

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.errors import Quota, QuotaExceeded
from service.domain.model import Subscription
from service.domain.names import Workspace
from service.quotas import BURST_S, STREAM_BURST_S, PublishRates, SubscriptionQuotas
from service.storage import subscriptions
from service.storage.sqlite import SqliteDatabase
from tests.fakes import WORKSPACE, FakeClock, change, subscribe, subscription_of, unsubscribe

OTHER: Final = Workspace("acme", "other")
EVENTS_MAX: Final = 1_000
SIZE_MAX: Final = 4 * 1024 * 1024

REQUESTS = st.tuples(st.integers(0, 3_000), st.integers(1, EVENTS_MAX), st.integers(1, SIZE_MAX))
# Whatever the command line lets through.
EVENT_RATES = st.integers(1, 100_000)
BYTE_RATES = st.integers(4_096, 1 << 30)


def rates_of(clock: FakeClock, *, events: float = 1e9, size: float = 1e12) -> PublishRates:
    """Return rates of which only those that are given are ever reached."""
    return PublishRates(clock=clock, events_per_second=events, bytes_per_second=size)


def refused(rates: PublishRates, workspace: Workspace = WORKSPACE, *, events: int = 1, size: int = 1) -> float | None:
    """Publish; return None, or after how many seconds to try again."""
    try:
        rates.take(workspace, events=events, size=size)
    except QuotaExceeded as error:
        return error.retry_after_s
    return None


@given(events=EVENT_RATES, size=BYTE_RATES, requests=st.lists(REQUESTS, max_size=60))
def test_in_no_span_more_is_taken_than_the_rate_the_burst_and_one_request(
    events: int, size: int, requests: list[tuple[int, int, int]]
) -> None:
    """Of events and of bytes, from any request to any later one."""
    clock = FakeClock()
    rates = rates_of(clock, events=events, size=size)
    taken: list[tuple[float, int, int]] = []
    for pause_ms, request_events, request_size in requests:
        clock.advance(pause_ms)
        if refused(rates, events=request_events, size=request_size) is None:
            taken.append((clock.monotonic_s(), request_events, request_size))

    for first, (began_s, _, _) in enumerate(taken):
        # What came before the last one: that one may have any size.
        sum_events = sum_size = 0
        for at_s, request_events, request_size in taken[first:]:
            assert sum_events <= events * (at_s - began_s + BURST_S) * (1 + 1e-9)
            assert sum_size <= size * (at_s - began_s + BURST_S) * (1 + 1e-9)
            sum_events += request_events
            sum_size += request_size


@given(events=EVENT_RATES, size=BYTE_RATES, requests=st.lists(REQUESTS, max_size=60))
def test_who_keeps_to_the_rates_is_never_refused(events: int, size: int, requests: list[tuple[int, int, int]]) -> None:
    """However large the requests are: what is paid for before the next one comes is never too much."""
    clock = FakeClock()
    rates = rates_of(clock, events=events, size=size)

    for pause_ms, request_events, request_size in requests:
        assert refused(rates, events=request_events, size=request_size) is None
        pays_for_itself_ms = 1_000 * max(request_events / events, request_size / size)
        clock.advance(int(pays_for_itself_ms) + 1 + pause_ms)


@given(events=EVENT_RATES, size=BYTE_RATES, requests=st.lists(REQUESTS, min_size=1, max_size=60))
# 763 events at 280 per second take 2.725 s: seconds in floats were a little less than that, and then a little more.
@example(events=280, size=143_203, requests=[(0, 503, 317_337), (0, 260, 1), (0, 1, 1)])
def test_who_waits_as_long_as_it_is_told_is_taken_and_no_sooner(
    events: int, size: int, requests: list[tuple[int, int, int]]
) -> None:
    """To two milliseconds; and nobody is told to wait for longer than a whole batch costs."""
    clock = FakeClock()
    rates = rates_of(clock, events=events, size=size)

    for _, request_events, request_size in requests:
        wait_s = refused(rates, events=request_events, size=request_size)
        if wait_s is None:
            continue
        wait_ms = round(wait_s * 1_000)
        assert 1 <= wait_ms <= 1_000 * max(EVENTS_MAX / events, SIZE_MAX / size) + 1
        too_soon_ms = max(0, wait_ms - 2)
        clock.advance(too_soon_ms)
        assert refused(rates) is not None
        clock.advance(wait_ms - too_soon_ms)
        assert refused(rates, events=request_events, size=request_size) is None


def test_largest_batch_passes_at_the_smallest_rates(clock: FakeClock) -> None:
    """And the next request waits until it is paid for, but for the burst."""
    rates = rates_of(clock, events=1, size=4_096)

    assert refused(rates, events=EVENTS_MAX, size=SIZE_MAX) is None
    assert refused(rates) == pytest.approx(SIZE_MAX / 4_096 - BURST_S, abs=0.002)


@pytest.mark.parametrize(
    ("events", "size", "quota", "message"),
    [
        (
            10.0,
            1e12,
            Quota.EVENTS_PER_SECOND,
            "organizations/acme/workspaces/main may publish 10 events per second, and is ahead of that; "
            "publish again in 0.501 s",
        ),
        (
            1e9,
            100_000.0,
            Quota.BYTES_PER_SECOND,
            "organizations/acme/workspaces/main may publish 100,000 bytes of requests per second, and is ahead of "
            "that; publish again in 0.501 s",
        ),
    ],
)
def test_refusal_says_which_rate_and_whose(
    clock: FakeClock, events: float, size: float, quota: Quota, message: str
) -> None:
    """It is counted by its quota, and other workspaces know nothing of it."""
    told: list[Quota] = []
    rates = PublishRates(clock=clock, events_per_second=events, bytes_per_second=size, on_refused=told.append)
    rates.take(WORKSPACE, events=25, size=250_000)

    with pytest.raises(QuotaExceeded) as caught:
        rates.take(WORKSPACE, events=1, size=1)

    assert (quota, WORKSPACE.name, message) == (caught.value.quota, caught.value.subject, caught.value.message)
    assert [quota] == told
    assert refused(rates, OTHER, events=25, size=250_000) is None


def test_refused_requests_cost_nothing(clock: FakeClock) -> None:
    """Or whoever asks too often would be refused for ever."""
    rates = rates_of(clock, events=10)
    rates.take(WORKSPACE, events=30, size=1)

    waits = [refused(rates) for _ in range(100)]

    assert [1.001] * 100 == waits


@pytest.mark.parametrize("silent_s", [3, 4])
def test_workspaces_that_are_even_take_no_memory(clock: FakeClock, silent_s: int) -> None:
    """Callers choose their names."""
    rates = rates_of(clock, events=1)
    for number in range(100):
        rates.take(Workspace("acme", f"w{number}"), events=3, size=1)
    clock.advance(1_000 * silent_s)

    rates.take(WORKSPACE, events=1, size=1)

    assert (1 if silent_s >= 3 else 101) == len(rates._accounts)


def test_not_more_workspaces_are_remembered_than_there_is_room_for(clock: FakeClock) -> None:
    """Who published last is remembered, so nobody gets out of it alone."""
    rates = PublishRates(clock=clock, events_per_second=1, bytes_per_second=1e12, workspaces_max=10)
    for number in range(100):
        rates.take(Workspace("acme", f"w{number}"), events=1_000, size=1)

    assert 10 == len(rates._accounts)
    assert refused(rates, Workspace("acme", "w90")) is not None
    assert refused(rates, Workspace("acme", "w89")) is None


async def settled(task: asyncio.Future[None]) -> bool:
    """Let everything run that can, and say whether a task came to its end."""
    for _ in range(10):
        await asyncio.sleep(0)
    return task.done()


async def test_stream_leaves_a_part_of_the_burst_to_calls(clock: FakeClock) -> None:
    """It is not slowed down before, and waits where a call would still be taken."""
    rates = rates_of(clock, events=1_000)
    for _ in range(int(STREAM_BURST_S * 1_000)):
        assert await settled(asyncio.ensure_future(rates.wait(WORKSPACE, size=1)))

    waiting = asyncio.ensure_future(rates.wait(WORKSPACE, size=1))

    assert not await settled(waiting)
    assert refused(rates, events=500) is None
    waiting.cancel()


async def test_stream_waits_until_it_is_its_time_and_others_do_not(clock: FakeClock) -> None:
    rates = rates_of(clock, events=1_000)
    rates.take(WORKSPACE, events=2_010, size=1)
    waiting = asyncio.ensure_future(rates.wait(WORKSPACE, size=1))

    async with asyncio.timeout(20):
        await rates.wait(OTHER, size=1)
        assert not await settled(waiting)
        clock.advance(11)
        await waiting


async def test_stream_goes_on_beside_calls_that_use_up_the_rate(clock: FakeClock) -> None:
    """Having waited, it is content with what a call is content with."""
    rates = rates_of(clock, events=1_000)
    rates.take(WORKSPACE, events=1_005, size=1)
    waiting = asyncio.ensure_future(rates.wait(WORKSPACE, size=1))
    assert not await settled(waiting)

    rates.take(WORKSPACE, events=900, size=1)

    async with asyncio.timeout(20):
        await waiting


# --- what a workspace has


def check(quotas: SubscriptionQuotas, database: SqliteDatabase, new: Subscription) -> "asyncio.Future[None]":
    """Begin to ask whether there is room for a subscription."""
    return asyncio.ensure_future(database.write(lambda tx: quotas.check_new(tx, new)))


async def test_subscriptions_are_counted_as_they_are(database: SqliteDatabase) -> None:
    """Those of other workspaces and deleted ones are not among them; disabled ones are."""
    quotas = SubscriptionQuotas(subscriptions_max=2, filters_max=9)
    await subscribe(database, subscription_of("a"), subscription_of("o", workspace=OTHER))
    await check(quotas, database, subscription_of("b"))
    await subscribe(database, subscription_of("b", enabled=False))

    with pytest.raises(QuotaExceeded) as caught:
        await check(quotas, database, subscription_of("c"))
    await check(quotas, database, subscription_of("c", workspace=OTHER))
    await unsubscribe(database, "a")
    await check(quotas, database, subscription_of("c"))

    assert (Quota.SUBSCRIPTIONS, WORKSPACE.name) == (caught.value.quota, caught.value.subject)
    assert caught.value.message == (
        "organizations/acme/workspaces/main may have at most 2 subscriptions, and has as many: delete one first"
    )


async def test_filters_are_counted_as_they_are(database: SqliteDatabase) -> None:
    """A subscription without one is always welcome, and so is another filter in place of one."""
    quotas = SubscriptionQuotas(subscriptions_max=9, filters_max=1)
    plain, filtering = subscription_of("a"), subscription_of("b", filter="true", enabled=False)
    await subscribe(database, plain, filtering, subscription_of("o", workspace=OTHER, filter="true"))

    def change_to(current: Subscription, filter: str) -> "asyncio.Future[None]":
        after = replace(current, filter=filter)
        return asyncio.ensure_future(database.write(lambda tx: quotas.check_change(tx, current, after)))

    await check(quotas, database, subscription_of("c"))
    await change_to(filtering, "false")
    await change_to(plain, "")
    for refusal in (check(quotas, database, subscription_of("c", filter="true")), change_to(plain, "true")):
        with pytest.raises(QuotaExceeded, match="may have at most 1 subscriptions with a filter") as caught:
            await refusal
        assert Quota.FILTERS is caught.value.quota
    await change(database, replace(filtering, filter=""))
    await change_to(plain, "true")


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (subscriptions.COUNT_LIVE, "USING COVERING INDEX subscriptions_living (workspace=? AND delete_time=?)"),
        (subscriptions.COUNT_FILTERS, "USING INDEX subscriptions_with_filter (workspace=? AND delete_time=?)"),
    ],
)
async def test_counting_reads_no_more_than_it_counts(database: SqliteDatabase, sql: LiteralString, index: str) -> None:
    """Also of statistics that `ANALYZE` may have left: each creation costs little, whatever else there is."""
    await subscribe(database, *(subscription_of(f"s{number}", filter="true") for number in range(20)))
    await database.write(lambda tx: tx.execute("ANALYZE"))

    plan = await database.read(lambda tx: tx.rows(f"EXPLAIN QUERY PLAN {sql}", workspace="w", limit=2))

    assert any(index in row["detail"] for row in plan), list(map(dict, plan))
