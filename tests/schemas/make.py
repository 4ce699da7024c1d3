"""Writes the dump of a database as today's version leaves it behind: every later version must go on with it.

Run with `make dump` when a migration was added. A server lives through what can happen to notifications and is killed
in the middle of it, so that the rows are those that it really writes. Dumps of released versions stay as they are.
"""

import asyncio
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from service.domain.clock import SystemClock
from service.storage.migrations import latest
from tests.fakes import SECRET
from tests.harness import (
    EVENT_TYPE,
    PARENT,
    Client,
    Received,
    eventually,
    read_rows,
    retry_policy,
    running_process,
    running_receiver,
)
from tests.schemas.dumps import DUMPS, RECEIVER, move, write_keyring
from tests.tools import call

# Longer than a lane is wide at first, so that some are ready and not claimed.
HANGING = 12
STATES = """
    SELECT count(*) FILTER (WHERE lease_owner IS NOT NULL) AS leased, count(*) FILTER (WHERE held = 1) AS held,
        count(*) FILTER (WHERE state = 'READY') AS ready
    FROM notifications
"""


async def answer(request: Received) -> web.Response:
    """Answer as the path says."""
    match request.path.rpartition("/")[2]:
        case "fails":
            return web.Response(status=500, text="not today")
        case "gone":
            return web.Response(status=410)
        case "hangs":
            await asyncio.Event().wait()
    return web.Response(status=204)


async def live(client: Client, url: str, database: Path) -> None:
    """Bring about every state that a row can be in, and leave it at that."""
    await client.create_event_type()
    await client.subscribe(f"{url}/ok", subscription_id="ok", signing_key=SECRET)
    await client.subscribe(
        f"{url}/fails", subscription_id="failing", signing_key=SECRET, retry_policy=retry_policy(3_600, 3_600)
    )
    await client.subscribe(
        f"{url}/fails", subscription_id="exhausted", signing_key=SECRET, retry_policy=retry_policy(0.1)
    )
    await client.subscribe(f"{url}/gone", subscription_id="gone", signing_key=SECRET)
    await client.subscribe(f"{url}/ok", subscription_id="deleted", signing_key=SECRET)
    await client.publish('{"first": true}', request_id="request-1", source="agents/a-17", attributes={"team": "a"})
    await settled(client, pending=1)
    await call(client, "DeleteSubscription", name=f"{PARENT}/subscriptions/deleted")
    # Of the suspended one it is held.
    await client.publish('{"second": true}')
    await settled(client, pending=3)
    await changed_since_the_first_version(client, url)
    for name in ("hanging", "paused"):
        await client.create_event_type(f"{name}.one")
        await client.subscribe(f"{url}/hangs", subscription_id=name, signing_key=SECRET, event_types=[f"{name}.one"])
        await client.publish_at_once(HANGING, event_type=f"{name}.one")
    await eventually(lambda: 2 <= counted(database, "ready") and HANGING <= counted(database, "leased"))
    await call(
        client,
        "UpdateSubscription",
        subscription={"name": f"{PARENT}/subscriptions/paused", "enabled": False},
        update_mask=FieldMask(paths=["enabled"]),
    )
    await eventually(lambda: counted(database, "held") > 1)


async def changed_since_the_first_version(client: Client, url: str) -> None:
    """What the second version has added."""
    await client.subscribe(
        f"{url}/ok",
        subscription_id="listener",
        signing_key=SECRET,
        event_types=["tidings.*"],
        filter="event.type.startsWith('tidings.')",
        api_key={"value": "an-api-key"},
    )
    day = Duration()
    day.FromTimedelta(timedelta(days=1))
    await call(client, "RotateSigningKey", name=f"{PARENT}/subscriptions/ok", request_id="rotation-1", overlap=day)
    failing = await client.list_notifications(subscription=f"{PARENT}/subscriptions/failing")
    await call(client, "CancelNotification", name=failing[0].name)
    await call(
        client,
        "CreateReplay",
        parent=f"{PARENT}/subscriptions/ok",
        replay={"start_time": {"seconds": 0}, "max_rate_per_second": 0.01},
    )
    await settled(client, pending=2, within_s=30)


async def settled(client: Client, *, pending: int, within_s: float = 10.0) -> None:
    """Wait until only so many notifications wait, and each of them for long."""

    async def are_settled() -> bool:
        waiting = [each for each in await client.list_notifications() if each.state == 1]
        return pending == len(waiting)

    await eventually(are_settled, within_s=within_s)


def counted(database: Path, state: str) -> int:
    """Return how many notifications are in a state."""
    count: int = read_rows(database, STATES)[0][state]
    return count


async def made_dump() -> str:
    """Return the dump of a database whose server was killed."""
    with TemporaryDirectory() as folder:
        database = Path(folder) / "tidings.db"
        key = write_keyring(database)
        async with running_receiver(answer) as receiver, running_process(database) as server:
            base = receiver.url.removesuffix("/hooks")
            await live(server.client, base, database)
            made_at_ms = SystemClock().now_ms()
            await server.kill()
        with closing(sqlite3.connect(database)) as connection:
            move(connection, key, base, RECEIVER)
            connection.row_factory = None
            lines = "\n".join(connection.iterdump())
    return f"-- {EVENT_TYPE} and others, by {latest()}, at {made_at_ms}\n{lines.replace(base, RECEIVER)}\n"


if __name__ == "__main__":
    path = DUMPS / f"{latest()[:4]}.sql"
    path.write_text(asyncio.run(made_dump()))
    sys.stdout.write(f"{path}\n")
