"""A whole server among all hostile receivers at once: it classifies what each does, and others notice nothing."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from service.domain.model import AttemptOutcome
from tests.harness import (
    Client,
    Receiver,
    ServerProcess,
    eventually,
    read_rows,
    retry_policy,
    running_process,
    running_receiver,
)
from tests.hostile import BEHAVIOURS, LARGE_BODY, TLS_FAILED, Behaviour, good_certificate
from tests.raw_receivers import OK, held_connections, read_request, receiving
from tests.raw_receivers import Receiver as RawReceiver

LARGE_PAYLOAD = f'"{"x" * 100_000}"'
SLOW_ROUNDS = 3
BUDGET_S = 2.0
GRACE_S = 0.5
SLOW_S = 0.5
GROWTH_KIB_MAX = 5 * 1024


def peak_memory_kib(pid: int) -> int:
    """Return the most resident memory that a process has had: proc(5), VmHWM, which misses nothing between looks."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@asynccontextmanager
async def all_hostile() -> AsyncIterator[list[tuple[Behaviour, RawReceiver]]]:
    async with AsyncExitStack() as stack:
        receivers = []
        for behaviour in BEHAVIOURS:
            tls = behaviour.certificate and behaviour.certificate()
            receiver = await stack.enter_async_context(receiving(behaviour.serve, tls=tls, scheme=behaviour.scheme))
            receivers.append((behaviour, receiver))
        yield receivers


@asynccontextmanager
async def all_slow() -> AsyncIterator[list[tuple[Behaviour, RawReceiver]]]:
    """Run a well-behaved receiver in place of each hostile one, which takes its time, so that all are met at once.

    Where the hostile one speaks TLS it does so too, for a handshake takes memory by itself.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(SLOW_S)
        writer.write(OK)

    async with receiving(serve) as plain, receiving(serve, tls=good_certificate()) as encrypted:
        yield [(behaviour, encrypted if behaviour.certificate else plain) for behaviour in BEHAVIOURS]


async def subscribe(client: Client, receivers: list[tuple[Behaviour, RawReceiver]], *, kind: str) -> None:
    await client.create_event_type(f"{kind}.small")
    await client.create_event_type(f"{kind}.large")
    for number, (behaviour, receiver) in enumerate(receivers):
        await client.subscribe(
            receiver.url(),
            subscription_id=f"{kind}-{number}",
            display_name=f"{kind}: {behaviour.name}",
            event_types=[f"{kind}.large" if behaviour.body is LARGE_BODY else f"{kind}.small"],
            retry_policy=retry_policy(600, attempt_timeout_s=BUDGET_S),
        )


async def meet(server: ServerProcess, healthy: Receiver, *, kind: str, rounds: int = 1) -> int:
    """Send an event to every receiver at once, round by round; return how many the healthy one got meanwhile."""
    client = server.client
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        deliveries = tasks.create_task(deliver_one_by_one(client, healthy, done))
        for round_number in range(1, rounds + 1):
            await client.publish(event_type=f"{kind}.small")
            await client.publish(LARGE_PAYLOAD, event_type=f"{kind}.large")
            await eventually(partial(all_are_attempted, server, kind, round_number), within_s=30)
        done.set()
    return deliveries.result()


def all_are_attempted(server: ServerProcess, kind: str, rounds: int) -> bool:
    """Look into the database, which costs the server nothing."""
    sql = "SELECT attempt_count FROM notifications WHERE event_type IN (:small, :large)"
    rows = read_rows(server.database, sql, small=f"{kind}.small", large=f"{kind}.large")
    return [1] * len(BEHAVIOURS) * rounds == [row["attempt_count"] for row in rows]


def attempts_of(server: ServerProcess, behaviour: Behaviour) -> list[dict[str, Any]]:
    """Return the attempts at one hostile receiver; listing them for each would cost the server memory of its own."""
    sql = """
        SELECT outcome, http_status, duration FROM attempts
        JOIN notifications ON notifications.id = attempts.notification_id
        JOIN subscriptions ON subscriptions.uid = notifications.subscription_uid
        WHERE subscriptions.display_name = :display_name
    """
    return read_rows(server.database, sql, display_name=f"hostile: {behaviour.name}")


def expected_of(behaviour: Behaviour) -> tuple[str, int | None]:
    """Return outcome and status. The server trusts no authority of these tests, so TLS never comes about."""
    if behaviour.certificate is not None:
        return TLS_FAILED.value, None
    if not isinstance(behaviour.expected, int):
        return behaviour.expected.value, None
    accepted = 200 <= behaviour.expected <= 299
    return (AttemptOutcome.SUCCEEDED if accepted else AttemptOutcome.REJECTED).value, behaviour.expected


async def deliver_one_by_one(client: Client, healthy: Receiver, done: asyncio.Event) -> int:
    """Publish for the healthy receiver and wait for each to arrive, until told to stop; return how many did."""
    count = len(healthy.received)
    first = count
    while not done.is_set():
        await client.publish()
        count += 1
        await healthy.wait_for(count, within_s=BUDGET_S)
    return count - first


async def test_server_among_all_hostile_receivers_keeps_its_memory_its_files_and_its_word(tmp_path: Path) -> None:
    """Every attempt has its outcome within its budget; a healthy receiver gets every event in time meanwhile.

    The peak of memory is compared with that of the same load on receivers that are only slow, for what is in flight
    takes memory whatever receivers do.
    """
    async with (
        all_hostile() as receivers,
        running_receiver() as healthy,
        running_process(tmp_path / "tidings.db") as server,
    ):
        client, pid = server.client, server.process.pid
        await client.create_event_type()
        await client.subscribe(healthy.url)
        async with all_slow() as slow:
            await subscribe(client, slow, kind="slow")
            await meet(server, healthy, kind="slow", rounds=SLOW_ROUNDS)
        await subscribe(client, receivers, kind="hostile")
        files_before, peak_before = open_files(pid), peak_memory_kib(pid)

        delivered = await meet(server, healthy, kind="hostile")

        growth_kib = peak_memory_kib(pid) - peak_before
        print(f"the peak grew by {growth_kib} KiB from {peak_before}; {delivered} were delivered meanwhile")
        assert growth_kib < GROWTH_KIB_MAX
        assert delivered > 0
        for behaviour, receiver in receivers:
            attempts = attempts_of(server, behaviour)
            outcomes = [(each["outcome"], each["http_status"]) for each in attempts]
            assert [expected_of(behaviour)] == outcomes, behaviour.name
            assert all(each["duration"] <= 1000 * (BUDGET_S + GRACE_S) for each in attempts), behaviour.name
            assert behaviour.is_kept or 0 == held_connections(receiver.port), behaviour.name
        kept = sum(held_connections(receiver.port) for _, receiver in receivers)
        assert open_files(pid) <= files_before + kept
        # The one warning of a first start: the keyring is to be kept.
        reported = {entry["event"] for entry in server.log if entry["level"] not in ("info", "debug")}
        assert set() == reported - {"keyring.created"}
        assert [] == server.other_output
