"""Announcements become events: once, only where somebody subscribed, and none is held up by another."""

import asyncio
from typing import Any, Final

import pytest
import structlog

from service.delivery.announcer import Announcer
from service.domain.announcements import Announcement, subscription_resumed
from service.domain.names import Workspace
from service.storage import announcements
from service.storage.database import Database
from tests.fakes import NOW_MS, WAIT_S, WORKSPACE, CountingIds, HookedDatabase, listen, subscribe, subscription_of
from tests.test_publishing import draft_of, publisher_of

SELECT_EVENTS: Final = "SELECT id, workspace, event_type, subject, payload, occur_time, matched_count FROM events"
TRIES: Final = 10


def announcement_of(number: int = 1, *, workspace: Workspace = WORKSPACE) -> Announcement:
    """Return an announcement, the earlier the lower its number."""
    id = f"01900000-0000-7000-9000-{number:012x}"
    return subscription_resumed(subscription_of("a", workspace=workspace), id=id, now_ms=NOW_MS - 5)


async def announce(database: Database, *told: Announcement) -> None:
    """Keep announcements to be published."""
    await database.write(lambda tx: announcements.insert(tx, told))


async def waiting(database: Database) -> list[str]:
    """Return the ids of the announcements that are still to be published."""
    return [each.id for each in await database.read(lambda tx: announcements.after(tx, "", limit=1000))]


async def events(database: Database) -> list[dict[str, Any]]:
    """Return the rows of all events."""
    return [dict(row) for row in await database.read(lambda tx: tx.rows(SELECT_EVENTS))]


def announcer_of(database: Database) -> Announcer:
    """Return an announcer whose publisher knows no event types: operational ones are not created."""
    return Announcer(database, publisher_of(database, allow_unknown_event_types=False, ids=CountingIds()))


async def test_announcement_becomes_an_event_of_its_workspace(database: Database) -> None:
    """With its own id, and the time at which it happened."""
    await listen(database)
    told = announcement_of()
    await announce(database, told)

    assert await announcer_of(database).publish_all()

    [event] = await events(database)
    assert [] == await waiting(database)
    assert {
        "id": told.id,
        "workspace": WORKSPACE.key,
        "event_type": "tidings.subscription.resumed",
        "subject": told.subject,
        "payload": told.payload.encode(),
        "occur_time": NOW_MS - 5,
        "matched_count": 1,
    } == event


@pytest.mark.parametrize("patterns", [("*",), ("agent.*", "*.subscription.resumed"), ("tidings.notification.*",)])
async def test_nothing_is_kept_of_what_nobody_subscribed_to(database: Database, patterns: tuple[str, ...]) -> None:
    """Patterns that begin with a star do not match operational events."""
    await subscribe(database, subscription_of("told", event_types=patterns))
    await announce(database, announcement_of())

    assert await announcer_of(database).publish_all()

    assert ([], []) == (await events(database), await waiting(database))


async def test_workspaces_hear_only_of_themselves(database: Database) -> None:
    """A subscription to everything in one is none in another."""
    await listen(database)
    other = Workspace("acme", "other")
    await announce(database, announcement_of(1), announcement_of(2, workspace=other))

    await announcer_of(database).publish_all()

    assert [WORKSPACE.key] == [event["workspace"] for event in await events(database)]


async def test_more_than_one_slice_is_published_in_one_go(database: Database) -> None:
    """A slice of 100 bounds what is in memory, not what is published."""
    await listen(database)
    await announce(database, *map(announcement_of, range(250)))

    assert await announcer_of(database).publish_all()

    assert (250, []) == (len(await events(database)), await waiting(database))


async def test_crash_between_publishing_and_forgetting_makes_no_second_event(database: Database) -> None:
    """The next process publishes it again under the same event_id, which is recognised."""
    await listen(database)
    told = announcement_of()
    await announce(database, told)
    await announcer_of(database).publish_all()
    await announce(database, told)

    assert await announcer_of(database).publish_all()

    assert (1, []) == (len(await events(database)), await waiting(database))


async def test_two_processes_publish_an_announcement_once(database: Database) -> None:
    """On one database, both may take the same one."""
    await listen(database)
    await announce(database, *map(announcement_of, range(50)))

    await asyncio.gather(announcer_of(database).publish_all(), announcer_of(database).publish_all())

    assert (50, []) == (len(await events(database)), await waiting(database))


async def test_announcement_that_cannot_be_published_holds_up_no_other(database: Database) -> None:
    """Somebody may have taken its id for an event of his own; the others are published at once."""
    await listen(database)
    bad = announcement_of(1)
    await publisher_of(database).publish(WORKSPACE, [draft_of(event_id=bad.id)])
    await announce(database, bad, announcement_of(2))

    assert not await announcer_of(database).publish_all()

    assert [bad.id] == await waiting(database)
    assert {bad.id, announcement_of(2).id} == {event["id"] for event in await events(database)}


async def test_announcement_that_fails_again_and_again_is_dropped_into_the_log(database: Database) -> None:
    """Nothing is lost in silence: the line says what the event would have said."""
    await listen(database)
    bad = announcement_of(1)
    await publisher_of(database).publish(WORKSPACE, [draft_of(event_id=bad.id)])
    await announce(database, bad)
    announcer = announcer_of(database)

    with structlog.testing.capture_logs() as lines:
        tried = [await announcer.publish_all() for _ in range(TRIES)]

    assert [False] * (TRIES - 1) + [True] == tried
    assert ["announcement.failed"] * (TRIES - 1) + ["announcement.dropped"] == [line["event"] for line in lines]
    assert bad.payload == lines[-1]["announcement"]
    assert [] == await waiting(database)


async def test_database_that_does_not_answer_loses_nothing(database: Database) -> None:
    """However often: an outage is nobody's fault, so it does not count as a failure."""
    await listen(database)
    await announce(database, announcement_of())
    hooked = HookedDatabase(database)
    hooked.refused_writes = TRIES + 5
    announcer = Announcer(database, publisher_of(hooked))

    tried = [await announcer.publish_all() for _ in range(TRIES + 6)]

    assert [False] * (TRIES + 5) + [True] == tried
    assert (1, []) == (len(await events(database)), await waiting(database))


async def run_until(announcer: Announcer, event: asyncio.Event) -> None:
    """Run an announcer until something has happened."""
    running = asyncio.create_task(announcer.run())
    try:
        async with asyncio.timeout(WAIT_S):
            await event.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_running_announcer_publishes_what_waited_from_before(database: Database) -> None:
    """Announcements survive a restart, for they are rows."""
    await listen(database)
    await announce(database, announcement_of())
    published = asyncio.Event()

    await run_until(Announcer(database, publisher_of(database, on_accepted=lambda _: published.set())), published)

    assert 1 == len(await events(database))


async def test_running_announcer_publishes_when_woken(database: Database) -> None:
    """It looks again after the wake that came while it was looking."""
    await listen(database)
    published = asyncio.Event()
    announcer = Announcer(database, publisher_of(database, on_accepted=lambda _: published.set()))

    async def announce_and_wake() -> None:
        await announce(database, announcement_of())
        announcer.wake()

    waking = asyncio.create_task(announce_and_wake())
    await run_until(announcer, published)
    await waking

    assert 1 == len(await events(database))


async def test_running_announcer_outlives_a_database_that_does_not_answer(database: Database) -> None:
    """It tries again a second later."""
    await listen(database)
    await announce(database, announcement_of())
    hooked = HookedDatabase(database)
    hooked.refused_writes = 1
    forgotten = asyncio.Event()

    async def look() -> None:
        if not await waiting(database):
            forgotten.set()

    hooked.after_write = look

    await run_until(Announcer(hooked, publisher_of(hooked)), forgotten)

    assert 1 == len(await events(database))


async def test_announcements_are_read_in_the_order_of_their_ids(database: Database) -> None:
    """So that a slice after the last one looked at meets each once."""
    await listen(database)
    told = [announcement_of(number) for number in (3, 1, 2)]
    await announce(database, *told)

    found = await database.read(lambda tx: announcements.after(tx, announcement_of(1).id, limit=10))

    assert [told[2], told[0]] == found
