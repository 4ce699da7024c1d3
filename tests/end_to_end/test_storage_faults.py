"""What publishers, readers and receivers notice of a disk that is full, and of a database that is not where it was."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from service.storage.sqlite_disk import BALLAST_BYTES_DEFAULT
from tests.disks import fill, small_disk
from tests.harness import (
    PARENT,
    Client,
    Held,
    Receiver,
    ServerProcess,
    error_detail,
    eventually,
    read_rows,
    running_process,
    running_receiver,
)
from tidings.v1.notifications_pb2 import GetEventRequest, ListEventsRequest, NotificationState
from tidings.v1.subscriptions_pb2 import ListSubscriptionsRequest

DISK = "24m"
LEFT_BYTES = 3 * 1024 * 1024
PAYLOAD = '"' + "x" * 100_000 + '"'
SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED
DRAIN_S = 1.0


@dataclass
class FullDisk:
    """A server whose disk is full, with attempts under way whose receiver does not answer yet."""

    server: ServerProcess
    receiver: Receiver
    held: Held
    filler: Path
    acknowledged: list[str]
    refused: grpc.aio.AioRpcError
    under_way: int

    @property
    def client(self) -> Client:
        return self.server.client


@asynccontextmanager
async def full_disk(folder: Path, *arguments: str) -> AsyncIterator[FullDisk]:
    """Run a server, and publish until its disk is full."""
    with small_disk(folder / "disk", DISK) as disk:
        held, filler, acknowledged = Held(), disk / "filler", list[str]()
        async with (
            running_receiver(held) as receiver,
            running_process(disk / "tidings.db", *arguments) as server,
        ):
            await server.client.create_event_type()
            await server.client.subscribe(receiver.url)
            fill(filler, leave_bytes=LEFT_BYTES)
            refused = await publish_until_refused(server.client, acknowledged)
            await eventually(lambda: logged(server, "claiming.paused"))
            under_way = len(receiver.received)
            assert 0 < under_way < len(acknowledged)
            yield FullDisk(server, receiver, held, filler, acknowledged, refused, under_way)


async def publish_until_refused(client: Client, acknowledged: list[str]) -> grpc.aio.AioRpcError:
    """Publish again and again, and return what came in place of an OK."""
    while True:
        try:
            acknowledged.append((await client.publish(PAYLOAD)).event.name)
        except grpc.aio.AioRpcError as error:
            return error


async def is_published(client: Client, acknowledged: list[str]) -> bool:
    """Publish, and say whether the server takes events again."""
    try:
        acknowledged.append((await client.publish(PAYLOAD, request_id="again")).event.name)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    return True


async def succeeded(client: Client) -> int:
    """Return how many notifications have ended well."""
    return len([each for each in await client.list_notifications() if each.state == SUCCEEDED])


def logged(server: ServerProcess, event: str) -> bool:
    """Say whether a server has logged an event."""
    return any(entry["event"] == event for entry in server.log)


async def test_full_disk_refuses_new_work_records_outcomes_and_is_over_by_itself(tmp_path: Path) -> None:
    """DISK_FULL with RetryInfo; reads go on; nobody is sent twice what could not be recorded; nothing is lost."""
    async with full_disk(tmp_path) as full:
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == full.refused.code()
        assert "DISK_FULL" == error_detail(full.refused, ErrorInfo).reason
        assert error_detail(full.refused, RetryInfo).retry_delay.ToMilliseconds() > 0

        full.held.release.set()
        await eventually(lambda: is_so(full))
        assert full.under_way == len(full.receiver.received)  # Nothing more was claimed.
        event = (await full.client.notifications.GetEvent(GetEventRequest(name=full.acknowledged[0]))).event
        assert PAYLOAD == event.json
        listed = await full.client.notifications.ListEvents(ListEventsRequest(parent=PARENT, page_size=1000))
        assert set(full.acknowledged) == {each.name for each in listed.events}
        assert not await is_published(full.client, full.acknowledged)

        full.filler.unlink()
        await eventually(lambda: is_published(full.client, full.acknowledged))
        await full.receiver.wait_for(len(full.acknowledged))
        await eventually(lambda: all_succeeded(full))
        assert not logged(full.server, "attempts.not_recorded")
        assert BALLAST_BYTES_DEFAULT == Path(f"{full.server.database}.ballast").stat().st_size
        assert 0 == await full.server.stop()
        assert [{"integrity_check": "ok"}] == read_rows(full.server.database, "PRAGMA integrity_check")
        assert sorted(name.rpartition("/")[2] for name in full.acknowledged) == sorted(
            received.headers["webhook-id"] for received in full.receiver.received
        )


async def is_so(full: FullDisk) -> bool:
    """Say whether the outcome of every attempt that was under way is recorded."""
    return full.under_way == await succeeded(full.client)


async def all_succeeded(full: FullDisk) -> bool:
    """Say whether everything that was acknowledged was delivered."""
    return len(full.acknowledged) == await succeeded(full.client)


async def test_sigterm_on_a_full_disk_ends_in_time_and_gives_the_leases_back(tmp_path: Path) -> None:
    """G9 where there is no room: what is under way is broken off without counting an attempt, and it exits with 0."""
    async with full_disk(tmp_path, "--drain-timeout", str(DRAIN_S)) as full:
        started_at = time.monotonic()
        assert 0 == await full.server.stop()
        took_s = time.monotonic() - started_at

        rows = read_rows(full.server.database, "SELECT state, attempt_count, lease_owner FROM notifications")

    print(f"a full disk took {took_s:.2f} s to stop, with a drain timeout of {DRAIN_S:g} s")
    assert took_s < DRAIN_S + 5
    assert [] == [entry["event"] for entry in full.server.log if entry["event"] == "claims.left_behind"]
    assert logged(full.server, "claims.released")
    assert [{"state": "READY", "attempt_count": 0, "lease_owner": None}] * len(full.acknowledged) == rows


async def test_server_whose_database_is_moved_away_stops_and_says_so(tmp_path: Path) -> None:
    """Put back, it has everything that was acknowledged."""
    database, elsewhere = tmp_path / "tidings.db", tmp_path / "elsewhere.db"
    async with running_process(database) as server:
        await server.client.create_event_type()
        await server.client.subscribe("http://127.0.0.1:9/hooks")
        database.rename(elsewhere)
        async with asyncio.timeout(10):
            code = await server.process.wait()
        await server.end()
        elsewhere.rename(database)
        await server.start()
        request = ListSubscriptionsRequest(parent=PARENT)
        found = (await server.client.subscriptions.ListSubscriptions(request)).subscriptions

    assert 1 == code
    assert (
        f"tidings-server: the database {database} was moved, replaced or deleted while the server ran; put it back "
        f"beside {database}-wal, which belongs to it, and start the server again\n"
    ) in server.other_output
    assert [f"{PARENT}/subscriptions/receiver"] == [each.name for each in found]
