"""A small scenario that crashes at its n-th point and goes on after a restart loses nothing and makes nothing up.

Every n takes seconds. With TIDINGS_CRASH_POINTS=all it is 1, 2, 3, … until the scenario comes to its end untouched,
otherwise 1, 2, 3, 5, 8, … so that the beginning, where the database is made, is looked at closely.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

import grpc
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from tests.harness import (
    EVENT_TYPE,
    PARENT,
    Received,
    Receiver,
    ServerProcess,
    eventually,
    read_rows,
    retry_policy,
    running_receiver,
)
from tidings.v1.notifications_pb2 import (
    CancelNotificationRequest,
    CreateReplayRequest,
    GetReplayRequest,
    ListReplaysRequest,
    NotificationState,
    Replay,
    ReplayState,
)
from tidings.v1.subscriptions_pb2 import DeleteSubscriptionRequest

FLAKY = f"{PARENT}/subscriptions/flaky"
DOOMED = f"{PARENT}/subscriptions/doomed"
REQUEST_IDS = [f"request-{number}" for number in range(5)]
HOUR_S = 3600
AT_ONCE = 2
KILLED = -signal.SIGKILL
PENDING = NotificationState.NOTIFICATION_STATE_PENDING
SUCCEEDED = NotificationState.NOTIFICATION_STATE_SUCCEEDED

SELECT_EVENTS = "SELECT id FROM events WHERE event_type = :event_type"
SELECT_LEASED = "SELECT id FROM notifications WHERE lease_owner IS NOT NULL"
SELECT_ATTEMPTS = """
    SELECT subscription_id, event_id, count(*) AS attempts,
        sum(CASE WHEN outcome = 'INTERRUPTED' THEN 1 ELSE 0 END) AS interrupted
    FROM attempts JOIN notifications ON notifications.id = notification_id GROUP BY subscription_id, event_id
"""
SELECT_STATES = """
    SELECT subscription_id, state, count(*) AS count, count(lease_owner) AS leased
    FROM notifications WHERE replay_id IS NULL GROUP BY subscription_id, state ORDER BY subscription_id, state
"""
SELECT_REPLAYED = """
    SELECT replays.id, replays.state, count(notifications.id) AS made, count(DISTINCT event_id) AS events
    FROM replays LEFT JOIN notifications ON replay_id = replays.id GROUP BY replays.id, replays.state
"""


@dataclass
class FlakyReceiver:
    """Refuses each event at first and accepts it then; what comes for the doomed subscription it never accepts."""

    accepted: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def __call__(self, received: Received) -> web.Response:
        """Answer 500 or 204."""
        webhook_id = received.headers["webhook-id"]
        if received.path.endswith("doomed") or webhook_id not in self._seen:
            self._seen.add(webhook_id)
            return web.Response(status=500)
        self.accepted.add(webhook_id)
        return web.Response(status=204)


@dataclass
class Scenario:
    """What a publisher does, step by step. Each step may be begun again after a crash, as a publisher would."""

    server: ServerProcess
    receiver: Receiver
    answer: FlakyReceiver
    crashes: int = 0
    leased: int = 0
    ledger: dict[str, str] = field(default_factory=dict)

    async def run(self, n: int) -> bool:
        """Carry out every step and stop; say whether no point ended the process."""
        await self._start(TIDINGS_CRASH_AT=str(n))
        for step in (self._subscribe, self._publish, self._deliver, self._cancel, self._delete, self._replay):
            await self._again_until_done(step)
        if await self.server.stop() == KILLED:
            await self._restart()
            await self._again_until_done(self._deliver)
            assert 0 == await self.server.stop()
        assert 0 == self.server.process.returncode
        return self.crashes == 0

    async def _again_until_done(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
                return
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
            async with asyncio.timeout(10):
                assert KILLED == await self.server.process.wait()
            await self._restart()

    async def _start(self, **environment: str) -> None:
        try:
            await self.server.start(**environment)
        except AssertionError:
            assert KILLED == await self.server.process.wait()
            await self._restart()

    async def _restart(self) -> None:
        await self.server.end()
        self.crashes += 1
        self.leased = leased_in_copy(self.server.database)
        await self.server.start()

    async def _subscribe(self) -> None:
        client = self.server.client
        await unless_there(client.create_event_type())
        await unless_there(
            client.subscribe(
                f"{self.receiver.url}/flaky", subscription_id="flaky", retry_policy=retry_policy(*[0.1] * 8)
            )
        )
        await unless_there(
            client.subscribe(f"{self.receiver.url}/doomed", subscription_id="doomed", retry_policy=retry_policy(HOUR_S))
        )

    async def _publish(self) -> None:
        for request_id in REQUEST_IDS:
            response = await self.server.client.publish(f'"{request_id}"', request_id=request_id)
            event_id = response.event.name.rpartition("/")[2]
            # What was acknowledged before a crash is what is answered after it.
            assert event_id == self.ledger.setdefault(request_id, event_id)

    async def _deliver(self) -> None:
        await eventually(self._is_delivered)

    async def _is_delivered(self) -> bool:
        found = await self.server.client.list_notifications(subscription=FLAKY)
        return all(each.state == SUCCEEDED for each in found)

    async def _cancel(self) -> None:
        """Cancel one that waits for its retry, an hour from now."""
        waiting = await self.server.client.list_notifications(subscription=DOOMED, states=[PENDING])
        if len(waiting) == len(REQUEST_IDS):
            request = CancelNotificationRequest(name=waiting[0].name)
            await self.server.client.notifications.CancelNotification(request)

    async def _delete(self) -> None:
        request = DeleteSubscriptionRequest(name=DOOMED, allow_missing=True)
        await self.server.client.subscriptions.DeleteSubscription(request)
        await eventually(self._is_swept)

    async def _is_swept(self) -> bool:
        return [] == await self.server.client.list_notifications(states=[PENDING])

    async def _replay(self) -> None:
        notifications = self.server.client.notifications
        replays = list((await notifications.ListReplays(ListReplaysRequest(parent=FLAKY))).replays)
        if not replays:
            replay = Replay(start_time=Timestamp(seconds=0), states=[SUCCEEDED])
            replay.end_time.GetCurrentTime()
            replays = [(await notifications.CreateReplay(CreateReplayRequest(parent=FLAKY, replay=replay))).replay]

        async def is_made() -> bool:
            found = await notifications.GetReplay(GetReplayRequest(name=replays[0].name))
            return bool(found.replay.state == ReplayState.REPLAY_STATE_SUCCEEDED)

        await eventually(is_made)
        await self._deliver()


async def unless_there(call: Awaitable[object]) -> None:
    """Create something that may have been created before a crash."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise


def leased_in_copy(database: Path) -> int:
    """Return how many attempts had no recorded outcome, from a copy: the restart finds the files untouched."""
    copy = database.parent / "as-it-was"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        shutil.copy(file, copy)
    try:
        return len(read_rows(copy / database.name, SELECT_LEASED))
    except sqlite3.OperationalError:
        return 0  # It came no further than making its tables.


def check(scenario: Scenario) -> None:
    """Check what was acknowledged, delivered, sent twice and stored."""
    database, events = scenario.server.database, set(scenario.ledger.values())
    assert [{"integrity_check": "ok"}] == read_rows(database, "PRAGMA integrity_check")
    assert [] == read_rows(database, "PRAGMA foreign_key_check")
    assert len(REQUEST_IDS) == len(events)
    assert events == {row["id"] for row in read_rows(database, SELECT_EVENTS, event_type=EVENT_TYPE)}
    assert events == scenario.answer.accepted
    assert [
        {"subscription_id": "doomed", "state": "CANCELLED", "count": len(events), "leased": 0},
        {"subscription_id": "flaky", "state": "SUCCEEDED", "count": len(events), "leased": 0},
    ] == read_rows(database, SELECT_STATES)
    [replayed] = read_rows(database, SELECT_REPLAYED)
    assert ("SUCCEEDED", len(events), len(events)) == (replayed["state"], replayed["made"], replayed["events"])
    check_duplicates(scenario)


def check_duplicates(scenario: Scenario) -> None:
    """G4: every request has a recorded attempt, and only those under way at the crash may be without an outcome."""
    sent = Counter(
        (received.path.rpartition("/")[2], received.headers["webhook-id"]) for received in scenario.receiver.received
    )
    rows = read_rows(scenario.server.database, SELECT_ATTEMPTS)
    for row in rows:
        requests = sent.pop((row["subscription_id"], row["event_id"]), 0)
        assert row["attempts"] - row["interrupted"] <= requests <= row["attempts"], row
    assert Counter() == sent
    assert scenario.leased == sum(row["interrupted"] for row in rows)


def passages() -> Iterator[int]:
    """Yield the passages at which the process is to end."""
    if os.environ.get("TIDINGS_CRASH_POINTS") == "all":
        yield from count(1)
    last, this = 1, 1
    while True:
        yield this
        last, this = this, last + this


async def crashed(folder: Path, n: int) -> bool:
    """Let the scenario crash at its n-th point and check what became of it; say whether it came through untouched."""
    folder.mkdir()
    answer = FlakyReceiver()
    async with running_receiver(answer) as receiver:
        scenario = Scenario(ServerProcess(folder / "tidings.db"), receiver, answer)
        try:
            is_untouched = await scenario.run(n)
        finally:
            await scenario.server.end()
        check(scenario)
    named = "".join(scenario.server.other_output)
    print(named.strip() or f"untouched at {n}", f"leased {scenario.leased}", sep=", ")
    assert is_untouched == (not named)
    return is_untouched


async def test_crash_at_any_point_loses_nothing_and_makes_nothing_up(tmp_path: Path) -> None:
    """G1, G2, G4: after the restart the scenario ends as if nothing had happened."""
    remaining = passages()
    is_over = False
    while not is_over:
        some = list(islice(remaining, AT_ONCE))
        is_over = any(await asyncio.gather(*[crashed(tmp_path / str(n), n) for n in some]))
