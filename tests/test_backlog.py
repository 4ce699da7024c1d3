"""Limits on what is owed: what is known of it, who is refused, and that refusing costs nothing."""

import asyncio
from dataclasses import replace
from typing import Final

import pytest

from service.backlog import Backlog
from service.domain.errors import BacklogFull, DiskFull, RequestIdReused, StorageUnavailable
from service.domain.model import Format
from service.domain.names import Workspace
from service.matching import Matchers
from service.publishing import EventDraft, Publisher
from service.storage.database import Database
from service.storage.sqlite import SqliteDatabase
from service.validating import Definitions
from tests.fakes import (
    WORKSPACE,
    CountingIds,
    FakeClock,
    HookedDatabase,
    backlog_of,
    change,
    subscribe,
    subscription_of,
)

OTHER: Final = Workspace("acme", "other")
DRAFT: Final = EventDraft(
    event_type="agent.created",
    source="agents/a-17",
    subject="",
    attributes={},
    payload=b"{}",
    payload_is_json=True,
    content_type="application/json",
    context_json="",
    occur_time_ns=None,
    event_id=None,
    request_id=None,
)
FINISH_ALL: Final = "UPDATE notifications SET state = 'SUCCEEDED', complete_time = 1"
COUNT_PENDING: Final = "SELECT count(*) AS pending FROM notifications WHERE complete_time IS NULL"


class SlowClock(FakeClock):
    """A clock by which whatever is timed takes a tenth of a second."""

    def monotonic_s(self) -> float:
        self.advance(100)
        return super().monotonic_s()


def publisher_of(database: Database, backlog: Backlog) -> Publisher:
    """Return a publisher that takes every event type."""
    return Publisher(
        database,
        Matchers(database, clock=FakeClock(), workspaces_max=10),
        Definitions(database),
        backlog=backlog,
        clock=FakeClock(),
        ids=CountingIds(),
        on_accepted=lambda _: None,
        allow_unknown_event_types=True,
    )


async def subscribe_both(database: Database) -> None:
    """Subscribe two in one workspace, and one in another."""
    await subscribe(
        database, subscription_of("a"), subscription_of("b"), subscription_of("c", workspace=OTHER, id="other")
    )


async def pending(database: Database) -> int:
    """Return how many notifications are really PENDING."""
    return int((await database.read(lambda tx: tx.rows(COUNT_PENDING)))[0]["pending"])


async def test_full_workspace_is_refused_and_others_are_not(database: SqliteDatabase, clock: FakeClock) -> None:
    """What was accepted counts at once, without waiting for the next count."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock, workspace_notifications_max=4)
    publisher = publisher_of(database, backlog)
    for _ in range(2):
        await publisher.publish(WORKSPACE, [DRAFT])

    with pytest.raises(BacklogFull) as refused:
        await publisher.publish(WORKSPACE, [DRAFT])

    assert "organizations/acme/workspaces/main" == refused.value.subject
    assert refused.value.message == (
        "organizations/acme/workspaces/main has about 4 notifications PENDING, and may have 4; publish again once some "
        "of them have been delivered"
    )
    await publisher.publish(OTHER, [DRAFT])
    assert (4, 1, 5) == (backlog.pending(WORKSPACE), backlog.pending(OTHER), await pending(database))


async def test_full_server_refuses_every_workspace(database: SqliteDatabase, clock: FakeClock) -> None:
    await subscribe_both(database)
    backlog = backlog_of(database, clock, notifications_max=2)
    publisher = publisher_of(database, backlog)
    await publisher.publish(WORKSPACE, [DRAFT])

    with pytest.raises(BacklogFull, match="this server may have 2 notifications PENDING") as refused:
        await publisher.publish(OTHER, [DRAFT])

    assert "server" == refused.value.subject


async def test_refused_publish_does_no_database_work(database: SqliteDatabase, clock: FakeClock) -> None:
    """Also the first one of a process, whose subscriptions and event types are not loaded yet."""
    await subscribe_both(database)
    hooked = HookedDatabase(database)
    backlog = backlog_of(database, clock, workspace_notifications_max=1)
    await publisher_of(database, backlog).publish(WORKSPACE, [DRAFT])
    publisher = publisher_of(hooked, backlog)

    for _ in range(10):
        with pytest.raises(BacklogFull):
            await publisher.publish(WORKSPACE, [DRAFT] * 100)

    assert (0, 0) == (hooked.reads, hooked.writes)
    assert 2 == (await publisher.preview(WORKSPACE, DRAFT)).event.matched_count


async def test_publishes_are_accepted_again_after_the_count_that_finds_room(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    await subscribe_both(database)
    backlog = backlog_of(database, clock, workspace_notifications_max=2)
    publisher = publisher_of(database, backlog)
    await publisher.publish(WORKSPACE, [DRAFT])
    await database.write(lambda tx: tx.execute(FINISH_ALL))
    assert backlog.is_full(WORKSPACE)

    await backlog.count()

    assert (False, 0) == (backlog.is_full(WORKSPACE), backlog.pending())
    await publisher.publish(WORKSPACE, [DRAFT])


async def test_backlog_of_an_earlier_process_counts(database: SqliteDatabase, clock: FakeClock) -> None:
    await subscribe_both(database)
    await publisher_of(database, backlog_of(database, clock)).publish(WORKSPACE, [DRAFT])
    backlog = backlog_of(database, clock, workspace_notifications_max=2)

    await backlog.count()

    with pytest.raises(BacklogFull):
        backlog.check(WORKSPACE)


async def test_of_many_publishes_at_once_one_goes_beyond_the_limit(database: SqliteDatabase, clock: FakeClock) -> None:
    """What is under way counts, or all of them would pass before the first was committed."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock, workspace_notifications_max=9)
    publisher = publisher_of(database, backlog)

    results = await asyncio.gather(*(publisher.publish(WORKSPACE, [DRAFT]) for _ in range(50)), return_exceptions=True)

    assert 45 == sum(isinstance(result, BacklogFull) for result in results)
    assert 10 == await pending(database) == backlog.pending()


async def test_only_what_was_added_counts(database: SqliteDatabase, clock: FakeClock) -> None:
    """Neither a repetition, nor a request that was refused, nor one that found its matches out of date."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock)
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked, backlog)
    once = replace(DRAFT, request_id="once")

    await publisher.publish(WORKSPACE, [once])
    await publisher.publish(WORKSPACE, [once])
    with pytest.raises(RequestIdReused):
        await publisher.publish(WORKSPACE, [replace(once, payload=b"[]")])
    await change(database, subscription_of("b", url="https://elsewhere.example/"))
    await publisher.publish(WORKSPACE, [DRAFT])

    assert (4, 4) == (backlog.pending(WORKSPACE), await pending(database))


async def test_commit_of_unknown_outcome_counts_until_the_next_count(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    """The database does not answer, but may have done it."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock)
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked, backlog)
    hooked.refused_writes = 1

    with pytest.raises(StorageUnavailable):
        await publisher.publish(WORKSPACE, [DRAFT])

    assert 2 == backlog.pending(WORKSPACE)
    await backlog.count()
    assert 0 == backlog.pending(WORKSPACE)


async def test_publish_that_the_disk_had_no_room_for_does_not_count(database: SqliteDatabase, clock: FakeClock) -> None:
    """It was rolled back for certain: a full disk is not a full backlog."""
    backlog = backlog_of(database, clock)

    with pytest.raises(DiskFull), backlog.adding(WORKSPACE, 5):
        raise DiskFull("the disk of the database is full")

    assert 0 == backlog.pending(WORKSPACE)


async def test_what_is_accepted_while_counting_is_not_forgotten(database: SqliteDatabase, clock: FakeClock) -> None:
    """The count may have begun before it, so it stays on top until the next one."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock)
    publisher = publisher_of(database, backlog)
    await publisher.publish(WORKSPACE, [DRAFT])

    counting = asyncio.create_task(backlog.count())
    await asyncio.sleep(0)
    with backlog.adding(WORKSPACE, 5):
        pass
    await counting

    assert 2 + 5 == backlog.pending(WORKSPACE)
    await backlog.count()
    assert 2 == backlog.pending(WORKSPACE)


async def test_what_is_under_way_over_a_count_is_not_forgotten(database: SqliteDatabase, clock: FakeClock) -> None:
    await subscribe_both(database)
    backlog = backlog_of(database, clock)

    with backlog.adding(WORKSPACE, 5):
        await backlog.count()
        assert 5 == backlog.pending(WORKSPACE) == backlog.pending()

    assert 5 == backlog.pending(WORKSPACE)


async def test_backlog_is_never_thought_smaller_than_it_is(database: SqliteDatabase, clock: FakeClock) -> None:
    """Whatever counts and publishes run at the same time."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock)
    publisher = publisher_of(database, backlog)

    async def publish() -> None:
        for _ in range(20):
            await publisher.publish(WORKSPACE, [DRAFT])

    async def count() -> None:
        for _ in range(40):
            real = await pending(database)
            assert backlog.pending(WORKSPACE) >= real
            await backlog.count()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(publish())
        tasks.create_task(count())

    await backlog.count()
    assert 160 == backlog.pending(WORKSPACE) == await pending(database)


async def test_operational_events_are_not_held_back(database: SqliteDatabase, clock: FakeClock) -> None:
    """What happens to subscriptions is told above all in an overload."""
    await subscribe_both(database)
    backlog = backlog_of(database, clock, workspace_notifications_max=1)
    publisher = publisher_of(database, backlog)
    await publisher.publish(WORKSPACE, [DRAFT])

    [told] = await publisher.publish(WORKSPACE, [DRAFT], only_if_matched=True)

    assert 2 == told.event.matched_count
    assert 4 == backlog.pending(WORKSPACE)


async def test_notifications_that_failed_from_the_start_are_taken_off_by_the_next_count(
    database: SqliteDatabase, clock: FakeClock
) -> None:
    await subscribe(database, subscription_of("a", format=Format.EVENT_CODE))
    backlog = backlog_of(database, clock)
    await publisher_of(database, backlog).publish(WORKSPACE, [replace(DRAFT, payload=b"[]")])
    assert 1 == backlog.pending()

    await backlog.count()

    assert 0 == backlog.pending()


async def test_count_that_takes_long_is_followed_by_a_long_pause(database: SqliteDatabase) -> None:
    """Twenty times as long, so it costs a reader 5 % at most; and callers are told to come back after it."""
    await subscribe_both(database)
    quick, slow = (backlog_of(database, clock, notifications_max=0) for clock in (FakeClock(), SlowClock()))

    retry_after_s = []
    for backlog in (quick, slow):
        await backlog.count()
        with pytest.raises(BacklogFull) as refused:
            backlog.check(WORKSPACE)
        retry_after_s.append(refused.value.retry_after_s)

    assert [1.0, pytest.approx(2.0)] == retry_after_s


async def test_silent_workspaces_take_no_memory(database: SqliteDatabase, clock: FakeClock) -> None:
    """Callers choose their names."""
    backlog = backlog_of(database, clock)
    for number in range(100):
        with backlog.adding(Workspace("acme", f"w{number}"), 1):
            pass

    await backlog.count()

    assert [0, 0] == [len(backlog._added_since), len(backlog._under_way)]
