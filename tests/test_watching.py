"""Watching: what a watch tells, where it goes on, when it ends, and what wakes it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from service.domain.errors import Draining, ResourceNotFound, ResumeTokenExpired, StorageUnavailable
from service.domain.model import NotificationState
from service.domain.names import Workspace
from service.storage import changes, interventions
from service.storage.sqlite import SqliteDatabase
from service.watching import ChangeFeed, Told, Watches, WatchFilter, WatchPosition
from tests.fakes import (
    HOUR_MS,
    NOW_MS,
    WAIT_S,
    WORKSPACE,
    FakeClock,
    HookedDatabase,
    event_of,
    log_again,
    owe,
    subscribe,
    subscription_of,
    unsubscribe,
)

EVERYTHING = WatchFilter()
# Longer than any test waits: what comes is not owed to it.
NEVER_S = 1_000.0


@dataclass
class Watching:
    """What watches need, and the database behind them."""

    database: HookedDatabase
    draining: asyncio.Event
    feed: ChangeFeed
    watches: Watches

    def watch(
        self, only: WatchFilter = EVERYTHING, *, after: WatchPosition | None = None, workspace: Workspace = WORKSPACE
    ) -> AsyncGenerator[Told]:
        """Begin a watch."""
        return self.watches.watch(workspace, only, after=after)

    async def cancel(self, *ids: str) -> None:
        """Change notifications, and say so."""
        await self.database.write(lambda tx: interventions.cancel(tx, ids, now_ms=NOW_MS))
        self.feed.wake()


@asynccontextmanager
async def watching(
    database: SqliteDatabase, *, poll_s: float = NEVER_S, has_feed: bool = True, **limits: Any
) -> AsyncIterator[Watching]:
    """Run a feed, and yield it with watches that send no checkpoint of their own accord.

    Without a feed, only watches read.
    """
    hooked, draining = HookedDatabase(database), asyncio.Event()
    feed = ChangeFeed(hooked, draining=draining, poll_s=poll_s)
    running = asyncio.create_task(feed.run() if has_feed else asyncio.sleep(0))
    try:
        yield Watching(hooked, draining, feed, Watches(hooked, feed, **{"checkpoint_s": NEVER_S, **limits}))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def owed(database: SqliteDatabase, count: int = 1) -> list[str]:
    """Store a subscription that is owed an event a number of times; return the notifications' ids."""
    await subscribe(database, subscription_of("a"))
    return await owe(database, event_of(), ["a"] * count)


async def take(watch: AsyncGenerator[Told], count: int) -> list[Told]:
    """Return the next messages of a watch."""
    async with asyncio.timeout(WAIT_S):
        return [await anext(watch) for _ in range(count)]


def seen(told: Told) -> tuple[int, str, str]:
    """Return the number, the notification and the state of what was told."""
    assert told.notification is not None
    return told.position.number, told.notification.id, told.notification.state


async def test_watch_begins_with_a_checkpoint_of_now_and_tells_of_what_comes_after(database: SqliteDatabase) -> None:
    [first, second] = await owed(database, 2)

    async with watching(database) as all_, aclosing(all_.watch()) as watch:
        [checkpoint] = await take(watch, 1)
        await all_.cancel(second, first)
        told = await take(watch, 2)

    assert Told(WatchPosition(2)) == checkpoint
    assert [(3, second, "CANCELLED"), (4, first, "CANCELLED")] == [seen(each) for each in told]


async def test_what_was_committed_between_two_messages_is_not_lost(database: SqliteDatabase) -> None:
    """The watch is told while its reader thinks, and finds it when the reader comes back."""
    [first, second] = await owed(database, 2)

    async with watching(database) as all_, aclosing(all_.watch()) as watch:
        await take(watch, 1)
        await all_.cancel(first)
        assert [first] == [seen(each)[1] for each in await take(watch, 1)]
        await all_.cancel(second)
        assert [second] == [seen(each)[1] for each in await take(watch, 1)]


async def test_commit_right_after_a_look_at_the_log_wakes_the_watch(database: SqliteDatabase) -> None:
    """The order "follow, clear, read, wait" is what makes no wake-up get lost."""
    ids = await owed(database, 50)

    async with watching(database) as all_, aclosing(all_.watch()) as watch:
        await take(watch, 1)
        for each in ids:
            next_told = asyncio.ensure_future(take(watch, 1))
            # Each time a little later, so that the commit falls into every step of the watch and of the feed.
            for _ in range(ids.index(each)):
                await asyncio.sleep(0)
            await all_.cancel(each)
            assert [each] == [seen(told)[1] for told in await next_told]


async def test_watch_goes_on_after_its_position_without_gap_or_repetition(database: SqliteDatabase) -> None:
    ids = await owed(database, 450)
    numbers: list[int] = []
    after = WatchPosition(0)

    async with watching(database) as all_:
        while after.number < len(ids):
            async with aclosing(all_.watch(after=after)) as watch:
                checkpoint, *told = await take(watch, 51)
            assert Told(after) == checkpoint
            numbers += [seen(each)[0] for each in told]
            after = told[-1].position

    assert list(range(1, 451)) == numbers


async def test_every_message_is_the_notification_as_it_was_then(database: SqliteDatabase) -> None:
    """Also when it has long moved on."""
    [notification_id] = await owed(database)
    await database.write(lambda tx: interventions.cancel(tx, [notification_id], now_ms=NOW_MS + 1))
    await database.write(lambda tx: interventions.retry_now(tx, notification_id, now_ms=NOW_MS + 2))

    async with watching(database) as all_, aclosing(all_.watch(after=WatchPosition(0))) as watch:
        _, *told = await take(watch, 4)

    assert [("PENDING", NOW_MS, None), ("CANCELLED", None, NOW_MS + 1), ("PENDING", NOW_MS + 2, None)] == [
        (was.state, was.next_attempt_time_ms, was.complete_time_ms)
        for was in (each.notification for each in told)
        if was
    ]


async def test_filters_leave_out_other_subscriptions_states_and_workspaces(database: SqliteDatabase) -> None:
    await subscribe(database, *map(subscription_of, "ab"), subscription_of("c", workspace=Workspace("acme", "other")))
    [of_a, of_b] = await owe(database, event_of(), ["a", "b"])
    cancelled = frozenset({NotificationState.CANCELLED})
    start = WatchPosition(0)

    async with watching(database) as all_:
        await all_.cancel(of_a, of_b)
        async with aclosing(all_.watch(WatchFilter(states=cancelled), after=start)) as watch:
            assert [of_a, of_b] == [seen(each)[1] for each in (await take(watch, 3))[1:]]
        async with aclosing(all_.watch(WatchFilter("b"), after=WatchPosition(0, "b"))) as watch:
            assert [(2, of_b, "PENDING"), (4, of_b, "CANCELLED")] == [seen(each) for each in (await take(watch, 3))[1:]]
    async with (
        watching(database, checkpoint_s=0.01) as all_,
        aclosing(all_.watch(after=start, workspace=Workspace("acme", "other"))) as watch,
    ):
        assert [Told(start), Told(WatchPosition(4))] == await take(watch, 2)


async def test_subscription_is_looked_up_once_and_its_history_told_to_the_end(database: SqliteDatabase) -> None:
    """A position carries the uid, so a watch goes on after the subscription was deleted, and not with its successor."""
    ids = await owed(database, 2)

    async with watching(database) as all_:
        async with aclosing(all_.watch(WatchFilter("a"))) as watch:
            [checkpoint] = await take(watch, 1)
        await unsubscribe(database, "a")
        await subscribe(database, subscription_of("successor", id="a"))
        [of_successor] = await owe(database, event_of(), ["successor"], is_new=False)
        await all_.cancel(*ids)
        async with aclosing(all_.watch(WatchFilter("a"), after=checkpoint.position)) as watch:
            assert ids == [seen(each)[1] for each in (await take(watch, 3))[1:]]
        async with aclosing(all_.watch(WatchFilter("a"))) as watch:
            await take(watch, 1)
            await all_.cancel(of_successor)
            assert [of_successor] == [seen(each)[1] for each in await take(watch, 1)]
        with pytest.raises(ResourceNotFound, match="no subscription named"):
            await take(all_.watch(WatchFilter("nobody")), 1)


async def test_checkpoint_comes_when_nothing_else_does(database: SqliteDatabase) -> None:
    [notification_id] = await owed(database)

    async with (
        watching(database, checkpoint_s=0.01) as all_,
        aclosing(all_.watch(WatchFilter(states=frozenset({NotificationState.FAILED})))) as watch,
    ):
        assert [Told(WatchPosition(1))] * 3 == await take(watch, 3)
        await database.write(lambda tx: interventions.cancel(tx, [notification_id], now_ms=NOW_MS))
        async with asyncio.timeout(WAIT_S):
            while (await anext(watch)) != Told(WatchPosition(2)):
                pass


async def test_checkpoint_comes_after_each_page_in_which_nothing_matched(database: SqliteDatabase) -> None:
    """So that a reader whom little concerns does not read the same pages again after every cut."""
    await owed(database, 500)
    only = WatchFilter(states=frozenset({NotificationState.FAILED}))

    async with watching(database) as all_, aclosing(all_.watch(only, after=WatchPosition(0))) as watch:
        told = await take(watch, 3)

    assert [Told(WatchPosition(number)) for number in (0, 200, 400)] == told


async def test_reader_that_takes_nothing_has_nothing_read_for_it(database: SqliteDatabase) -> None:
    """However much is committed, a watch holds one page: it reads the next when that is taken."""
    ids = await owed(database, 600)

    async with watching(database, has_feed=False) as all_, aclosing(all_.watch(after=WatchPosition(0))) as watch:
        await take(watch, 1)
        begun_with = all_.database.reads
        await take(watch, 1)
        await database.write(lambda tx: interventions.cancel(tx, ids, now_ms=NOW_MS))
        await take(watch, 199)
        assert 1 == all_.database.reads - begun_with
        await take(watch, 1)
        assert 2 == all_.database.reads - begun_with


async def test_position_older_than_what_is_kept_is_refused(database: SqliteDatabase, clock: FakeClock) -> None:
    """Also in the middle of a watch whose reader was away for too long; the last number that was pruned will do."""
    [first, second] = await owed(database, 2)
    async with watching(database) as all_, aclosing(all_.watch(after=WatchPosition(0))) as slow:
        await take(slow, 3)
        clock.advance(24 * HOUR_MS + 1)
        await all_.database.write(lambda tx: log_again(tx, first, now_ms=NOW_MS))
        before_ms = clock.now_ms() - 24 * HOUR_MS
        assert 3 == await all_.database.write(lambda tx: changes.prune(tx, before_ms=before_ms, limit=1_000))
        await all_.database.write(lambda tx: log_again(tx, second, now_ms=clock.now_ms()))
        all_.feed.wake()

        for watch in (slow, all_.watch(after=WatchPosition(2)), all_.watch(after=WatchPosition(-1))):
            with pytest.raises(ResumeTokenExpired, match="older than the changes that are kept"):
                await take(watch, 1)
        async with aclosing(all_.watch(after=WatchPosition(3))) as watch:
            assert [second] == [seen(each)[1] for each in (await take(watch, 2))[1:]]


async def test_position_that_the_database_has_not_reached_is_refused(database: SqliteDatabase) -> None:
    """It was restored from a backup: waiting until it gets there would leave changes out."""
    await owed(database)

    async with watching(database) as all_:
        with pytest.raises(ResumeTokenExpired, match="newer than the last change"):
            await take(all_.watch(after=WatchPosition(2)), 1)


async def test_draining_ends_watches_that_wait_and_watches_in_the_middle_of_a_page(database: SqliteDatabase) -> None:
    await owed(database, 10)

    async with (
        watching(database) as all_,
        aclosing(all_.watch()) as idle,
        aclosing(all_.watch(after=WatchPosition(0))) as busy,
    ):
        await take(idle, 1)
        await take(busy, 3)
        waiting = asyncio.ensure_future(take(idle, 1))
        await asyncio.sleep(0)
        all_.draining.set()
        all_.feed.wake()

        for ended in (waiting, take(busy, 1)):
            with pytest.raises(Draining, match="go on with the last resume_token"):
                await ended


async def test_feed_without_a_wake_up_finds_what_others_have_written(database: SqliteDatabase) -> None:
    """As other processes do, on PostgreSQL. And an outage of the database only delays it."""
    [notification_id] = await owed(database)

    async with watching(database, poll_s=0.01) as all_, aclosing(all_.watch()) as watch:
        await take(watch, 1)
        told = asyncio.ensure_future(take(watch, 1))
        await database.write(lambda tx: interventions.cancel(tx, [notification_id], now_ms=NOW_MS))

        assert [notification_id] == [seen(each)[1] for each in await told]


async def test_feed_looks_at_nothing_while_nobody_watches(database: SqliteDatabase) -> None:
    [notification_id] = await owed(database)

    async with watching(database) as all_:
        for _ in range(5):
            all_.feed.wake()
            await asyncio.sleep(0)
        assert 0 == all_.database.reads
        async with aclosing(all_.watch()) as watch:
            await take(watch, 1)
            await all_.cancel(notification_id)
            assert [notification_id] == [seen(each)[1] for each in await take(watch, 1)]


async def test_outage_ends_a_watch_and_leaves_the_feed_running(database: SqliteDatabase) -> None:
    ids = await owed(database, 2)

    async with watching(database, poll_s=0.01) as all_:
        watch = all_.watch()
        await take(watch, 1)
        all_.database.refused_reads = 1_000
        all_.feed.wake()
        with pytest.raises(StorageUnavailable):
            await take(all_.watch(), 1)
        all_.database.refused_reads = 0
        await all_.cancel(ids[0])

        assert [ids[0]] == [seen(each)[1] for each in await take(watch, 1)]
        await watch.aclose()
