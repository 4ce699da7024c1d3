"""A database of any released version goes on with today's: nothing owed is lost, and the past is readable."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from service.domain.clock import SystemClock
from service.storage.keyring_file import default_path
from service.storage.migrations import MIGRATIONS, migrate
from tests.harness import PARENT, eventually, read_rows, running_receiver, running_server
from tests.keys import last_key
from tests.schemas.dumps import DUMPS, load, urls
from tests.tools import Tenant

NAMES = [migration.name for migration in MIGRATIONS.pending(sqlite_utils.Database(memory=True))]
ALL_DUMPS = sorted(DUMPS.glob("*.sql"))

OWED = """
    SELECT notifications.event_id, subscriptions.uid, coalesce(lease_owner, '') <> '' AS is_leased
    FROM notifications JOIN subscriptions ON subscriptions.uid = subscription_uid
    WHERE complete_time IS NULL AND subscriptions.delete_time IS NULL
"""
COUNTS = """
    SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM notifications) AS notifications,
        (SELECT count(*) FROM subscriptions WHERE delete_time IS NULL) AS subscriptions
"""
ATTEMPTS = "SELECT notification_id, count(*) AS attempts FROM attempts GROUP BY notification_id"
FIRST: dict[str, Any] = {"source": "agents/a-17", "attributes": {"team": "a"}}
# Or a dump that has grown old would lose its events.
FOR_EVER = timedelta(days=30_000)


def tables_of(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return the tables and indexes of a database, each with the statement that made it."""
    own = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    return {(name, sql) for name, sql in connection.execute(own) if "_sqlite_migrations" not in name}


def test_every_version_has_a_dump() -> None:
    """`make dump` writes that of the last one, once its migration is there."""
    assert [name[:4] for name in NAMES] == [dump.stem for dump in ALL_DUMPS]


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_migrations_still_make_the_tables_that_the_version_had(number: int) -> None:
    """A migration that was released is never edited; `make dump` again only where it was not."""
    later = NAMES[number + 1 : number + 2]
    with closing(sqlite3.connect(":memory:")) as made, closing(sqlite3.connect(":memory:")) as dumped:
        MIGRATIONS.apply(sqlite_utils.Database(made), stop_before=later or None)
        dumped.executescript((DUMPS / f"{NAMES[number][:4]}.sql").read_text())

        assert tables_of(dumped) == tables_of(made)


@pytest.mark.parametrize("dump", ALL_DUMPS, ids=lambda dump: dump.stem)
async def test_database_of_an_earlier_version_goes_on(tmp_path: Path, dump: Path) -> None:
    """What was ready, leased, to be retried or held is delivered to its receiver; history is all there."""
    database = tmp_path / "tidings.db"
    async with running_receiver() as receiver:
        base = receiver.url.removesuffix("/hooks")
        load(dump, database, receiver=base, now_ms=SystemClock().now_ms())
        owed = read_rows(database, OWED)
        with closing(sqlite3.connect(database)) as connection:
            url_of = urls(connection, last_key(default_path(database)))
        [counts] = read_rows(database, COUNTS)
        attempts = {row["notification_id"]: row["attempts"] for row in read_rows(database, ATTEMPTS)}
        async with running_server(tmp_path, retain_events=FOR_EVER) as client:
            tenant = Tenant(client, PARENT.rpartition("/")[2])
            before = {
                "events": len(await tenant.events()),
                "notifications": len(await tenant.notifications()),
                "subscriptions": len(await tenant.subscriptions()),
            }
            await serve_all(tenant)

            def are_delivered() -> bool:
                got = {(each.headers["webhook-id"], base + each.path) for each in receiver.received}
                return {(row["event_id"], url_of[row["uid"]]) for row in owed} <= got

            await eventually(are_delivered, within_s=30)
            await eventually(lambda: none_is_owed(database), within_s=30)
            repeated = await client.publish('{"first": true}', request_id="request-1", **FIRST)
            listed = {each.name: await client.list_attempts(each.name) for each in await tenant.notifications()}

    assert len(owed) > 20
    assert any(row["is_leased"] for row in owed)
    # An earlier replay may have made one more by now.
    assert counts["events"] <= before["events"]
    assert counts["notifications"] <= before["notifications"]
    assert counts["subscriptions"] == before["subscriptions"]
    assert repeated.deduplicated
    by_id = {name.rpartition("/")[2]: len(found) for name, found in listed.items()}
    assert all(by_id[notification_id] >= count for notification_id, count in attempts.items())
    assert [{"integrity_check": "ok"}] == read_rows(database, "PRAGMA integrity_check")
    assert [] == read_rows(database, "PRAGMA foreign_key_check")


async def serve_all(tenant: Tenant) -> None:
    """Serve every subscription that is not: suspended ones are resumed, disabled ones enabled."""
    for each in await tenant.subscriptions():
        await tenant.call("ResumeSubscription", name=each.name)
        if not each.enabled:
            await tenant.call("UpdateSubscription", subscription={"name": each.name, "enabled": True})


def none_is_owed(database: Path) -> bool:
    """Say whether nothing is pending any more."""
    return [] == read_rows(database, OWED)


def test_migrating_every_dump_keeps_its_rows(tmp_path: Path) -> None:
    """Without a server, as `tidings-server migrate` does it."""
    for dump in ALL_DUMPS:
        database = tmp_path / f"{dump.stem}.db"
        load(dump, database, receiver="http://127.0.0.1:9", now_ms=SystemClock().now_ms())
        [before] = read_rows(database, COUNTS)

        applied = migrate(database)

        assert NAMES[int(dump.stem) :] == applied
        assert [before] == read_rows(database, COUNTS)
