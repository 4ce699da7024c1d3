"""A watch that is cut again and again under load misses nothing and repeats nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

from aiohttp import web

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
from tidings.v1.notifications_pb2 import (
    CancelNotificationRequest,
    NotificationState,
    RetryNotificationRequest,
    WatchNotificationsRequest,
    WatchNotificationsResponse,
)

CUTS = 100
# At these cuts it is the server that goes: once killed, once stopped.
KILLED_AT, STOPPED_AT = 35, 70
ENDS = {"SUCCEEDED", "FAILED", "CANCELLED"}
OWED = "SELECT count(*) AS count FROM notifications WHERE complete_time IS NULL"
CHANGES = """
    SELECT notification_id, state, attempt_count, attempt_number, next_attempt_time, complete_time
    FROM changes ORDER BY number
"""

Seen = tuple[str, str, int, int | None, int | None, int | None]


class Flaky:
    """Fails every third request, so that notifications are retried."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, received: Received) -> web.Response:
        self.requests += 1
        return web.Response(status=500 if self.requests % 3 == 0 else 204)


def seen(response: WatchNotificationsResponse) -> Seen:
    """Return of a message what the log of changes says too."""
    notification = response.notification
    return (
        notification.name.rpartition("/")[2],
        NotificationState.Name(notification.state).removeprefix("NOTIFICATION_STATE_"),
        notification.attempt_count,
        response.attempt.attempt_number if response.HasField("attempt") else None,
        notification.next_attempt_time.ToMilliseconds() if notification.HasField("next_attempt_time") else None,
        notification.complete_time.ToMilliseconds() if notification.HasField("complete_time") else None,
    )


async def some_of(client: Client, token: str, count: int) -> tuple[str, list[Seen]]:
    """Watch until so many changes were told, at most for a second, and cut the call; return the last token."""
    call = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT, resume_token=token))
    found: list[Seen] = []
    try:
        async with asyncio.timeout(1):
            while len(found) < count:
                response = await call.read()
                assert isinstance(response, WatchNotificationsResponse), await call.details()
                token = response.resume_token
                if response.HasField("notification"):
                    found.append(seen(response))
    except TimeoutError:
        pass
    finally:
        call.cancel()
    return token, found


def check_sequence(changes: Sequence[Seen]) -> None:
    """Check that what was told of one notification is a life that it can have had."""
    assert ("PENDING", 0, None) == changes[0][1:4]
    for before, after in pairwise(changes):
        _, state, attempt_count, attempt_number, _, complete_time = after
        assert attempt_count == before[2] + (attempt_number is not None)
        assert attempt_number in (None, attempt_count)
        assert (state in ENDS) == (complete_time is not None)
        if before[1] in ENDS and state != before[1]:
            # Only RetryNotification leads back, and it makes no attempt by itself.
            assert ("PENDING", None) == (state, attempt_number)
    assert changes[-1][1] in ENDS


async def test_watch_cut_100_times_under_load_tells_each_change_once(tmp_path: Path) -> None:
    """Cut by the client after any number of messages, and by a killed and a stopped server too. What all of the watches
    told together is the log of changes, row by row.
    """
    rng = Random(7)
    database = tmp_path / "tidings.db"
    told: list[Seen] = []
    async with running_receiver(Flaky()) as receiver, running_process(database) as server:
        await server.client.create_event_type()
        for number in range(5):
            await server.client.subscribe(
                receiver.url, subscription_id=f"s{number}", retry_policy=retry_policy(0.1, 0.2, 0.3)
            )
        token = await begun(server.client)
        for cut in range(CUTS):
            published = asyncio.ensure_future(server.client.publish_at_once(4, event_type=EVENT_TYPE))
            token, found = await some_of(server.client, token, rng.randrange(60))
            told += found
            await published
            await meddle(server.client, told, rng)
            if cut == KILLED_AT:
                await server.kill()
                await server.start()
            if cut == STOPPED_AT:
                await server.stop()
                await server.start()
        await eventually(lambda: [{"count": 0}] == read_rows(database, OWED))

        expected = [tuple(row.values()) for row in read_rows(database, CHANGES)]
        while len(told) < len(expected):
            token, found = await some_of(server.client, token, len(expected) - len(told))
            assert found
            told += found

    assert expected == told
    lives: defaultdict[str, list[Seen]] = defaultdict(list)
    for each in told:
        lives[each[0]].append(each)
    assert CUTS * 4 * 5 == len(lives)
    for life in lives.values():
        check_sequence(life)


async def begun(client: Client) -> str:
    """Return the token of now."""
    call = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT))
    response = await call.read()
    call.cancel()
    assert isinstance(response, WatchNotificationsResponse)
    return response.resume_token


async def meddle(client: Client, told: Sequence[Seen], rng: Random) -> None:
    """Retry one notification and cancel another, where their states allow it."""
    if not told:
        return
    names = [f"{PARENT}/notifications/{rng.choice(told)[0]}" for _ in range(2)]
    await asyncio.gather(
        client.notifications.RetryNotification(RetryNotificationRequest(name=names[0])),
        client.notifications.CancelNotification(CancelNotificationRequest(name=names[1])),
        return_exceptions=True,
    )
