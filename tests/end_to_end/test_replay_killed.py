"""A replay goes on where it stood, although the server dies again and again while it runs."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.harness import (
    EVENT_TYPE,
    PARENT,
    Client,
    Receiver,
    ServerProcess,
    eventually,
    read_rows,
    running_process,
    running_receiver,
)
from tidings.v1.notifications_pb2 import CreateReplayRequest, GetReplayRequest, Replay, ReplayState
from tidings.v1.subscriptions_pb2 import Subscription, UpdateSubscriptionRequest

BATCH = 1_000
NOTIFIED = 500
EVENTS = 10_000
RATE = 2_000.0
SLICE_MAX = 500
KILLED_AT = (2_000, 4_500, 7_000)
SUBSCRIPTION = f"{PARENT}/subscriptions/receiver"
WITHIN_S = 60.0

MADE = "SELECT count(*) AS count FROM notifications WHERE replay_id IS NOT NULL"
OWED = "SELECT event_id, create_time FROM notifications WHERE replay_id = :replay_id ORDER BY id"


async def test_kill_9_during_a_replay_neither_loses_nor_doubles_anything(tmp_path: Path) -> None:
    """Each event is owed once, at no time faster than the replay's rate, and arrives with the id that it always had."""
    async with running_receiver() as receiver, running_process(tmp_path / "tidings.db") as server:
        notified, unmatched = await _accept_events(server.client, receiver)
        replay = await _create_replay(server.client)

        made_at_the_kills = [await _kill_when_made(server, made) for made in KILLED_AT]
        await eventually(lambda: _has_ended(server.client, replay.name), within_s=WITHIN_S)
        ended = (await server.client.notifications.GetReplay(GetReplayRequest(name=replay.name))).replay
        await eventually(
            lambda: {*notified, *unmatched} == _webhook_ids(receiver, after=NOTIFIED).keys(), within_s=WITHIN_S
        )
        assert await server.stop() == 0

    assert all(0 < made < EVENTS for made in made_at_the_kills)
    assert (ReplayState.REPLAY_STATE_SUCCEEDED, EVENTS, EVENTS) == (
        ended.state,
        ended.examined_count,
        ended.created_count,
    )
    owed = read_rows(server.database, OWED, replay_id=replay.name.rpartition("/")[2])
    assert dict.fromkeys([*notified, *unmatched], 1) == Counter(row["event_id"] for row in owed)
    _check_rate([row["create_time"] for row in owed])
    # Those that were delivered before the replay came a second time under the same id.
    assert set(notified) == {each.headers["webhook-id"] for each in receiver.received[:NOTIFIED]}


async def _accept_events(client: Client, receiver: Receiver) -> tuple[list[str], list[str]]:
    """Publish some events that are delivered, and many while the subscription is disabled; return the ids of both."""
    await client.create_event_type(EVENT_TYPE)
    await client.subscribe(receiver.url)
    notified = await client.publish_at_once(NOTIFIED)
    await receiver.wait_for(NOTIFIED)
    await _enable(client, False)
    unmatched = [each for _ in range(EVENTS // BATCH - 1) for each in await client.publish_at_once(BATCH)]
    unmatched += await client.publish_at_once(BATCH - NOTIFIED)
    await _enable(client, True)
    return notified, unmatched


async def _enable(client: Client, enabled: bool) -> None:
    await client.subscriptions.UpdateSubscription(
        UpdateSubscriptionRequest(
            subscription=Subscription(name=SUBSCRIPTION, enabled=enabled), update_mask=FieldMask(paths=["enabled"])
        )
    )


async def _create_replay(client: Client) -> Replay:
    wanted = Replay(start_time=Timestamp(seconds=1), include_unmatched=True, max_rate_per_second=RATE)
    response = await client.notifications.CreateReplay(CreateReplayRequest(parent=SUBSCRIPTION, replay=wanted))
    return response.replay


async def _kill_when_made(server: ServerProcess, made: int) -> int:
    """Kill the server once so many notifications are made, start it again, and return how many were made by then."""
    await eventually(lambda: _made(server) >= made, within_s=WITHIN_S)
    await server.kill()
    made_by_then = _made(server)
    await server.start()
    return made_by_then


def _made(server: ServerProcess) -> int:
    return int(read_rows(server.database, MADE)[0]["count"])


async def _has_ended(client: Client, name: str) -> bool:
    found = await client.notifications.GetReplay(GetReplayRequest(name=name))
    return found.replay.state != ReplayState.REPLAY_STATE_RUNNING


def _webhook_ids(receiver: Receiver, *, after: int) -> Counter[str]:
    return Counter(each.headers["webhook-id"] for each in receiver.received[after:])


def _check_rate(times_ms: Sequence[int]) -> None:
    """In any window, restarts or not, are at most as many as the rate allows and one slice."""
    at = Counter(times_ms)
    moments = sorted(at)
    for index, start_ms in enumerate(moments):
        made = 0
        for end_ms in moments[index:]:
            made += at[end_ms]
            assert made <= RATE * (end_ms - start_ms) / 1000 + SLICE_MAX
