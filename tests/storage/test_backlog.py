"""Counting the backlog: what is owed, how it stands, and what counting reads."""

from typing import Final

from service.delivery.lanes import Room
from service.domain.names import Workspace
from service.storage import backlog, subscriptions
from service.storage.backlog import BacklogCounts
from service.storage.database import Database, Transaction
from service.storage.sqlite import SqliteDatabase
from tests.fakes import NOW_MS, SECOND_MS, WORKSPACE, event_of, owe, subscribe, subscription_of, tick_work

OTHER: Final = Workspace("acme", "other")
SET_STATE: Final = "UPDATE notifications SET state = :state, due_at = :due_at, complete_time = :complete WHERE id = :id"
CANCEL: Final = "UPDATE notifications SET state = 'CANCELLED', complete_time = :now WHERE id = :id"
OPEN_LANE: Final = "INSERT INTO lanes VALUES (:uid, 0, 0, 0, 1, :open_until, NULL, 3, NULL)"
EXPLAIN: Final = "EXPLAIN QUERY PLAN "


async def count(database: Database, *, now_ms: int = NOW_MS) -> BacklogCounts:
    """Count as the server does."""
    return await database.read(lambda tx: backlog.count(tx, now_ms=now_ms))


async def claim(database: Database, count: int) -> list[str]:
    """Let a dispatcher claim this many notifications; return their ids."""
    tick = await database.write(tick_work(room=Room(32 * count, 32 * count, 1 << 30)))
    return [each.claimed.notification_id for each in tick.claims][:count]


async def move(database: Database, id: str, state: str, *, due_at: int = NOW_MS, complete: int | None = None) -> None:
    """Bring a notification into a state."""
    await database.write(lambda tx: tx.execute(SET_STATE, id=id, state=state, due_at=due_at, complete=complete))


async def test_empty_database_owes_nothing(database: SqliteDatabase) -> None:
    assert BacklogCounts(pending={}, ready=0, leased=0, oldest_due_ms=None, open_lanes=0) == await count(database)


async def test_backlog_is_counted_by_workspace_and_by_state(database: SqliteDatabase) -> None:
    """What has ended is owed no more, and what was cancelled under way is not under way for anybody."""
    await subscribe(database, subscription_of("a"), subscription_of("b"), subscription_of("c", workspace=OTHER))
    ready, later, done, other = await owe(database, event_of(), ["a", "a", "b", "c"])
    await move(database, later, "WAITING", due_at=NOW_MS + SECOND_MS)
    await move(database, done, "SUCCEEDED", complete=NOW_MS)

    assert BacklogCounts({WORKSPACE.key: 2, OTHER.key: 1}, 2, 0, NOW_MS, 0) == await count(database)

    assert {ready, other} == set(await claim(database, 2))
    counted = await count(database)
    assert (BacklogCounts({WORKSPACE.key: 2, OTHER.key: 1}, 0, 2, None, 0), 1) == (counted, counted.waiting)

    await database.write(lambda tx: tx.execute(CANCEL, id=other, now=NOW_MS))
    counted = await count(database)
    assert (BacklogCounts({WORKSPACE.key: 2}, 0, 1, None, 0), 1) == (counted, counted.waiting)


async def test_oldest_due_is_ready_or_should_be_by_now(database: SqliteDatabase) -> None:
    """A retry whose time has come counts also before the next tick makes it ready; one that is leased does not."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    first, second = await owe(database, event_of(), ["a", "b"])
    await move(database, first, "READY", due_at=NOW_MS - 5 * SECOND_MS)
    await move(database, second, "WAITING", due_at=NOW_MS - 9 * SECOND_MS)

    assert NOW_MS - 9 * SECOND_MS == (await count(database)).oldest_due_ms
    assert NOW_MS - 5 * SECOND_MS == (await count(database, now_ms=NOW_MS - 10 * SECOND_MS)).oldest_due_ms


async def test_open_lanes_are_counted(database: SqliteDatabase) -> None:
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    for uid, open_until in (("a", NOW_MS), ("b", None)):
        await database.write(lambda tx, uid=uid, until=open_until: tx.execute(OPEN_LANE, uid=uid, open_until=until))  # type: ignore[misc]

    assert 1 == (await count(database)).open_lanes


async def test_what_a_deleted_subscription_is_still_owed_counts(database: SqliteDatabase) -> None:
    """Until the sweeper has cancelled it, in slices."""
    await subscribe(database, subscription_of("a"))
    await owe(database, event_of(), ["a"])
    await database.write(lambda tx: subscriptions.delete(tx, "a", revision=2, now_ms=NOW_MS))

    assert {WORKSPACE.key: 1} == (await count(database)).pending


async def test_counting_reads_indexes_only(database: SqliteDatabase) -> None:
    """The rows themselves are many times as much, and most of them are of what was delivered long ago."""

    def plans(tx: Transaction) -> list[str]:
        statements = (backlog.COUNT_PENDING, backlog.COUNT_READY, backlog.COUNT_LEASED, backlog.SELECT_FIRST_WAITING)
        return [row["detail"] for sql in statements for row in tx.rows(EXPLAIN + sql)]

    for analyzed in (False, True):
        if analyzed:
            await database.write(lambda tx: tx.rows("ANALYZE"))
        steps = [step for step in await database.read(plans) if "notifications" in step]
        assert 4 == len(steps), steps
        assert "SCAN notifications USING COVERING INDEX notifications_pending" == steps[0]
        assert ["lane", "leases", "timer"] == [
            step.partition("INDEX notifications_")[2].split()[0] for step in steps[1:]
        ]
