"""Streams that live longer than their connection may: they are cut, and go on without loss over another one."""

import asyncio
from pathlib import Path
from typing import Any

import grpc

from tests.harness import EVENT_TYPE, PARENT, Client, running_server
from tidings.v1.notifications_pb2 import Event, WatchNotificationsRequest
from tidings.v1.publishing_pb2 import StreamPublishItem, StreamPublishRequest

PATIENCE_S = 30
SHORT = {"connection_age_s": 0.1, "connection_age_grace_s": 0.1}
DEAD_URL = "http://127.0.0.1:9/hooks"


async def test_watch_that_is_cut_goes_on_from_its_resume_token(tmp_path: Path) -> None:
    """With UNAVAILABLE in between, and what was owed meanwhile told once."""
    told: list[str] = []
    cuts: list[grpc.StatusCode] = []
    async with running_server(tmp_path, **SHORT) as client, asyncio.timeout(PATIENCE_S):
        await client.create_event_type()
        await client.subscribe(DEAD_URL)
        token = await first_token(client)
        published = []
        while len(cuts) < 3:
            call = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT, resume_token=token))
            try:
                async for response in call:
                    token = response.resume_token
                    if response.HasField("notification") and response.notification.attempt_count == 0:
                        told.append(response.notification.event)
            except grpc.aio.AioRpcError as error:
                cuts.append(error.code())
            published.append((await client.publish()).event.name)
        while len(told) < len(published):
            token, more = await told_after(client, token, len(published) - len(told))
            told += more

    assert [grpc.StatusCode.UNAVAILABLE] * 3 == cuts
    assert published == told


async def first_token(client: Client) -> str:
    """Return where a watch begins that is made now."""
    call = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT))
    response: Any = await call.read()
    call.cancel()
    return str(response.resume_token)


async def told_after(client: Client, token: str, count: int) -> tuple[str, list[str]]:
    """Watch until so many new notifications were told or the call is cut."""
    told: list[str] = []
    call = client.notifications.WatchNotifications(WatchNotificationsRequest(parent=PARENT, resume_token=token))
    try:
        while len(told) < count:
            response: Any = await call.read()
            token = response.resume_token
            if response.HasField("notification") and response.notification.attempt_count == 0:
                told.append(response.notification.event)
    except grpc.aio.AioRpcError:
        pass
    call.cancel()
    return token, told


async def test_publish_stream_that_is_cut_is_sent_again_and_accepted_once(tmp_path: Path) -> None:
    """With UNAVAILABLE in between; what had no result yet is recognised by its request_id."""
    items = [
        StreamPublishItem(sequence=number, event=Event(event_type=EVENT_TYPE, json="{}"), request_id=f"r{number}")
        for number in range(1, 6)
    ]
    cuts: list[grpc.StatusCode] = []
    names: list[dict[int, str]] = []
    async with running_server(tmp_path, **SHORT) as client, asyncio.timeout(PATIENCE_S):
        await client.create_event_type()
        for _ in range(3):
            names.append({})
            call: Any = client.publishing.StreamPublish()
            await call.write(StreamPublishRequest(parent=PARENT, items=items))
            try:
                while True:
                    names[-1] |= {result.sequence: result.event for result in (await call.read()).results}
            except grpc.aio.AioRpcError as error:
                cuts.append(error.code())

    assert [grpc.StatusCode.UNAVAILABLE] * 3 == cuts
    assert 5 == len(set(names[0].values()))
    assert names[0] == names[1] == names[2]
