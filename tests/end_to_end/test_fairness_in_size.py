"""A subscription does not pay for how much others are owed, nor for how large that is."""

import asyncio
import statistics
import time
from pathlib import Path

from aiohttp import web

from tests.chaos.backlog import FIRST_WITHIN_S, promptness
from tests.harness import Client, Received, Receiver, ServerProcess, eventually, running_process, running_receiver

BACKLOG = 20_000
LATENCY_RATIO_MAX = 5

LARGE_EVENT_TYPE = "agent.large"
LARGE_BYTES = 1024 * 1024 - 1024
LARGE_EVENTS = 60
SMALL_EVENTS = 100
# Together with the slots' bodies, what the database caches and the sockets hold.
GROWTH_BYTES_MAX = 256 * 1024 * 1024


async def test_new_subscription_is_served_at_once_beside_a_backlog_of_20_000(tmp_path: Path) -> None:
    """In turns and not in the order of arrival: that would take two minutes. `make chaos` does it beside 100,000."""
    for folder in ("alone", "beside"):
        (tmp_path / folder).mkdir()

    alone = await promptness(tmp_path / "alone", backlog=0)
    beside = await promptness(tmp_path / "beside", backlog=BACKLOG)

    print(f"alone: {alone}; beside a backlog of {BACKLOG}: {beside}")
    assert beside.first_s <= FIRST_WITHIN_S
    assert beside.median_s <= LATENCY_RATIO_MAX * alone.median_s


async def test_payloads_of_1_mib_do_not_delay_those_of_1_kib_and_memory_is_bounded(tmp_path: Path) -> None:
    """The median of the small ones beside deliveries of large ones, as a ratio to that of the same server before."""
    release = asyncio.Event()

    async def held(_: Received) -> web.Response:
        await release.wait()
        return web.Response(status=204)

    async with (
        running_receiver(held) as large,
        running_receiver() as small,
        running_process(tmp_path / "tidings.db", "--payload-bytes-max", "1048576") as server,
    ):
        await server.client.create_event_type()
        await server.client.create_event_type(LARGE_EVENT_TYPE)
        await server.client.subscribe(large.url, subscription_id="large", event_types=[LARGE_EVENT_TYPE])
        await server.client.subscribe(small.url, subscription_id="small")
        alone_s = await median_latency_s(server.client, small)
        before_bytes = peak_bytes(server)
        for _ in range(LARGE_EVENTS):
            await server.client.publish('"' + "x" * LARGE_BYTES + '"', event_type=LARGE_EVENT_TYPE)
        await large.wait_for(2)
        release.set()
        arrived_before = len(large.received)
        beside_s = await median_latency_s(server.client, small)
        arrived_meanwhile = len(large.received) - arrived_before
        await eventually(lambda: len(large.received) == LARGE_EVENTS)
        growth_bytes = peak_bytes(server) - before_bytes
        assert 0 == await server.stop()

    print(
        f"small ones: {alone_s * 1000:.1f} ms alone, {beside_s * 1000:.1f} ms beside {arrived_meanwhile} large ones; "
        f"memory grew by {growth_bytes / 2**20:.0f} MiB"
    )
    assert arrived_meanwhile > 0
    assert beside_s <= LATENCY_RATIO_MAX * alone_s
    assert growth_bytes <= GROWTH_BYTES_MAX


async def median_latency_s(client: Client, receiver: Receiver) -> float:
    """Publish events of 1 KiB one by one; return the median of the times until they arrived."""
    latencies_s = []
    for _ in range(SMALL_EVENTS):
        count = len(receiver.received)
        published_s = time.perf_counter()
        await client.publish('"' + "x" * 1022 + '"')
        await receiver.wait_for(count + 1)
        latencies_s.append(time.perf_counter() - published_s)
    return statistics.median(latencies_s)


def peak_bytes(server: ServerProcess) -> int:
    """Return the most memory that a server has had so far; Linux only."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")
