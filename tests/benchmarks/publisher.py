"""A publisher in a process of its own: batches of 100 events of the given types in turn, a few batches at once.

Prints when it began and ended, on the machine's monotonic clock in seconds, what it cost, and how much was matched.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import grpc
import uvloop

from tests.harness import PARENT
from tidings.v1.notifications_pb2 import Event
from tidings.v1.publishing_pb2 import BatchPublishRequest, PublishRequest
from tidings.v1.publishing_pb2_grpc import PublishServiceStub

BATCH = 100
BATCHES_IN_FLIGHT = 4
_NOISE = "the quick brown fox jumps over the lazy dog, " * 5


def _batches(count: int, event_types: list[str]) -> Iterator[BatchPublishRequest]:
    for start in range(0, count, BATCH):
        yield BatchPublishRequest(
            parent=PARENT,
            requests=[
                PublishRequest(
                    event=Event(
                        event_type=event_types[number % len(event_types)],
                        source="bench",
                        json=json.dumps({"number": number, "noise": _NOISE}),
                    )
                )
                for number in range(start, min(start + BATCH, count))
            ],
        )


async def _run(address: str, count: int, event_types: list[str]) -> None:
    matched = 0
    # Made beforehand, so that making them is not measured.
    left = iter(list(_batches(count, event_types)))
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = PublishServiceStub(channel)

        async def publish_all() -> None:
            nonlocal matched
            for batch in left:
                response = await stub.BatchPublish(batch)
                matched += sum(each.matched_count for each in response.responses)

        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(BATCHES_IN_FLIGHT):
                tasks.create_task(publish_all())
        ended_s = time.monotonic()
    told = {"began_s": began_s, "ended_s": ended_s, "cpu_s": time.process_time(), "matched": matched}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",")))
