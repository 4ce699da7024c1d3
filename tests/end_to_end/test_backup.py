"""A backup under load: server, publishers and receiver go on while it is taken, and it is whole when restored."""

import asyncio
import shutil
import sys
import time
from pathlib import Path

from service.storage.keyring_file import default_path
from tests.harness import Client, Receiver, eventually, read_rows, running_process, running_receiver

EVENTS_BEFORE = 4_000
LARGE_EVENTS = 300
PUBLISHERS = 8
PENDING = "SELECT id FROM notifications WHERE complete_time IS NULL LIMIT 1"
EVENTS = "SELECT id FROM events"
NOTIFIED = "SELECT event_id FROM notifications"
SUCCEEDED = "SELECT event_id FROM notifications WHERE state = 'SUCCEEDED'"


class Ledger:
    """What publishers were told, when, and how long they waited for it."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[float, str]] = []
        self.waits_s: list[tuple[float, float]] = []
        self.stopping = False

    async def publish(self, client: Client) -> None:
        """Publish one event after the other until told to stop. An error ends the test."""
        while not self.stopping:
            began = time.monotonic()
            response = await client.publish('{"agent": "a-17", "padding": "' + "x" * 2_000 + '"}')
            now = time.monotonic()
            self.acknowledged.append((now, response.event.name.rpartition("/")[2]))
            self.waits_s.append((began, now - began))

    def before(self, moment: float) -> set[str]:
        """Return the events that were acknowledged before a moment."""
        return {event_id for at, event_id in self.acknowledged if at < moment}


async def back_up(database: Path, target: Path) -> str:
    """Run the command, and return what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", "backup", "--database", database, target),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert 0 == process.returncode, said
    return said.decode()


async def test_backup_under_load_is_whole_and_holds_nobody_up(tmp_path: Path) -> None:
    """Restored elsewhere it has all that was acknowledged before it began, and delivers what it still owes."""
    database, backup = tmp_path / "tidings.db", tmp_path / "backup.db"
    ledger = Ledger()
    async with running_receiver() as receiver:
        async with running_process(database) as server:
            client = server.client
            await client.create_event_type()
            await client.subscribe(receiver.url)
            for _ in range(EVENTS_BEFORE // 1_000):
                await client.publish_at_once(1_000)
            await client.create_event_type("unwanted")
            for _ in range(LARGE_EVENTS):
                await client.publish('"' + "x" * 250_000 + '"', event_type="unwanted")
            publishers = [asyncio.create_task(ledger.publish(client)) for _ in range(PUBLISHERS)]
            await eventually(lambda: len(ledger.acknowledged) > 100)

            began = time.monotonic()
            said = await back_up(database, backup)
            ended = time.monotonic()

            ledger.stopping = True
            await asyncio.gather(*publishers)
            await server.kill()
        during = [wait_s for at, wait_s in ledger.waits_s if began < at < ended]
        print(said, f"{len(during)} publishes meanwhile, the longest took {max(during):.3f} s")
        in_backup = {row["id"] for row in read_rows(backup, EVENTS)}
        assert len(ledger.before(began)) > 100
        assert ledger.before(began) <= in_backup
        assert len(during) > 10
        assert max(during) < 5
        assert [{"integrity_check": "ok"}] == read_rows(backup, "PRAGMA integrity_check")
        await check_restored(tmp_path / "elsewhere", backup, default_path(database), receiver)


async def check_restored(folder: Path, backup: Path, keyring: Path, receiver: Receiver) -> None:
    """Put a backup and the keyring in place as README says, and check that a server delivers the rest of it."""
    folder.mkdir()
    database = folder / "tidings.db"
    delivered = {row["event_id"] for row in read_rows(backup, SUCCEEDED)}
    shutil.copy(backup, database)
    shutil.copy(keyring, default_path(database))
    receiver.received.clear()
    async with running_process(database) as server:
        await eventually(lambda: [] == read_rows(database, PENDING), within_s=60)
        published = await server.client.publish()
        assert 1 == published.matched_count
        await eventually(lambda: [] == read_rows(database, PENDING))
        assert 0 == await server.stop()
    owed = {row["event_id"] for row in read_rows(database, NOTIFIED)} - delivered
    assert len(owed) > 1
    assert owed == {each.headers["webhook-id"] for each in receiver.received}
    assert [{"integrity_check": "ok"}] == read_rows(database, "PRAGMA integrity_check")
