"""Who waits for whom, in virtual time: minutes and hours of load, to the millisecond, without noise."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.domain.model import FixedSchedule, RetryPolicy
from service.publishing import EventDraft
from tests.direct import DirectDatabase
from tests.fakes import WORKSPACE, subscribe, subscription_of
from tests.invariants import InFlight
from tests.simulation.receivers import Behaviour, Receivers
from tests.simulation.storage import Disk
from tests.simulation.virtual_time import VirtualClock, VirtualTimeLoop
from tests.simulation.world import Process

SLOTS = 1_024
MINUTE_S = 60.0


@dataclass
class Town:
    """A server and its receivers; each subscription wants events of its own type only."""

    database: DirectDatabase
    receivers: Receivers
    process: Process
    published_at: dict[str, float] = field(default_factory=dict)

    async def subscribe(self, uid: str, behaviour: Behaviour = Behaviour.ACCEPT, **fields: Any) -> None:
        """Add a subscription whose receiver behaves so."""
        fields = {"event_types": (f"to.{uid}",), "url": f"https://{uid}.example/hooks", **fields}
        await subscribe(self.database, subscription_of(uid, **fields))
        self.behave(uid, behaviour)

    def behave(self, uid: str, behaviour: Behaviour) -> None:
        """Let a receiver do something else from now on."""
        self.receivers.behaviours[f"{uid}.example"] = behaviour

    async def publish(self, uid: str, count: int = 1) -> list[str]:
        """Publish events for a subscription; return their ids."""
        drafts = [_draft(f"to.{uid}") for _ in range(count)]
        published = await self.process.call(lambda use: use.publisher.publish(WORKSPACE, drafts))
        ids = [each.event.id for each in published]
        self.published_at |= dict.fromkeys(ids, _now_s())
        return ids

    def latencies_s(self, ids: list[str]) -> list[float]:
        """Return how long events took to arrive for the first time; all of them must have."""
        arrived_at: dict[str, float] = {}
        for receipt in self.receivers.receipts:
            arrived_at.setdefault(receipt.event_id, receipt.at_s)
        return [arrived_at[each] - self.published_at[each] for each in ids]

    def requests(self, *, from_s: float, to_s: float) -> list[InFlight]:
        """Return what was under way whenever a request was made in a span of time."""
        return [sample for sample in self.receivers.samples if from_s <= sample.at_s < to_s]


def _draft(event_type: str) -> EventDraft:
    return EventDraft(
        event_type=event_type,
        source="",
        subject="",
        attributes={},
        payload=b"{}",
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=None,
        event_id=None,
        request_id=None,
    )


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def live(folder: Path, story: Callable[[Town], Awaitable[None]]) -> None:
    """Let a story happen in virtual time."""
    with capture_logs(), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        clock = VirtualClock(runner.get_loop().time)
        database = DirectDatabase(folder / "tidings.db", clock=clock)

        async def day() -> None:
            receivers = Receivers(Random(1))
            process = Process(
                Disk(database), receivers, clock=clock, rng=Random(2), slots=SLOTS, backlog_max=(100_000, 100_000)
            )
            process.start()
            await story(Town(database, receivers, process))
            await process.stop()

        runner.run(day())
        runner.run(database.close())


def test_outage_of_ten_minutes_costs_few_requests_and_ends_without_a_burst(tmp_path: Path) -> None:
    """Two events a second go on meanwhile. Afterwards a receiver gets one more at once for every ten that it took."""

    async def story(town: Town) -> None:
        await town.subscribe("a")
        published: list[str] = []
        accepted_before = 0
        for second in range(35 * 60):
            if second == 5 * 60:
                town.behave("a", Behaviour.REFUSE)
            if second == 15 * 60:
                town.behave("a", Behaviour.ACCEPT)
                accepted_before = sum(town.receivers.accepted.values())
            if second < 25 * 60:
                published += await town.publish("a", 2)
            await asyncio.sleep(1)

        outage = town.requests(from_s=5 * MINUTE_S + 1, to_s=15 * MINUTE_S)
        recovery = town.requests(from_s=15 * MINUTE_S, to_s=35 * MINUTE_S)
        # 8 + 4 + 2 + 1, and then probes after 30 s, 1, 2, 4 and 8 minutes.
        assert 4 <= len(outage) <= 15 + 5
        assert 2 * 25 * 60 == len(town.latencies_s(published)) == sum(town.receivers.accepted.values())
        # The probe is the first; by the n-th request at most n - 1 were accepted, and each ten allow one more at once.
        assert [] == [
            (number, sample.by_lane)
            for number, sample in enumerate(recovery)
            if sample.by_lane["a.example"] > 1 + number // 10
        ]
        # The longest wait for a probe is eight minutes; the backlog is gone soon after.
        assert max(town.latencies_s(published)) < 20 * MINUTE_S
        assert town.latencies_s(published[-60:]) < [1.0] * 60
        assert accepted_before == 2 * 5 * 60

    live(tmp_path, story)


@pytest.mark.parametrize("stalled", [60, 200])
def test_receiver_that_works_is_not_delayed_by_any_number_that_stall(tmp_path: Path, stalled: int) -> None:
    """G7. 130 that stall take all the slots of 1,024 that receivers may have which are not known to work."""

    async def story(town: Town) -> None:
        await town.subscribe("well")
        await town.publish("well")
        await asyncio.sleep(1)
        for number in range(stalled):
            await town.subscribe(f"stalled{number}", Behaviour.STALL)
        for number in range(stalled):
            await town.publish(f"stalled{number}", 10)
        published: list[str] = []
        for _ in range(300):
            published += await town.publish("well")
            await asyncio.sleep(0.1)

        under_way = max(sum(sample.by_lane.values()) for sample in town.receivers.samples)
        assert max(town.latencies_s(published)) < 0.1
        assert min(stalled, SLOTS // 4) <= under_way <= SLOTS // 2 + 64

    live(tmp_path, story)


def test_new_events_do_not_wait_for_a_backlog_of_retries(tmp_path: Path) -> None:
    """400 retries are due at once at a receiver that takes one second for each, two at a time: over three minutes."""
    policy = RetryPolicy(FixedSchedule((60.0,) * 20))

    async def story(town: Town) -> None:
        await town.subscribe("a", Behaviour.FAIL, retry_policy=policy, max_concurrency=2)
        old = await town.publish("a", 400)
        await asyncio.sleep(2 * MINUTE_S)
        before = len(town.receivers.receipts)
        town.behave("a", Behaviour.SLOW)
        new: list[str] = []
        for _ in range(10):
            new += await town.publish("a")
            await asyncio.sleep(5)
        await asyncio.sleep(10 * MINUTE_S)

        assert before > 400
        assert max(town.latencies_s(new)) < 5
        # And the retries are not starved either: all of them are made while the new ones come.
        assert set(old) <= {receipt.event_id for receipt in town.receivers.receipts[before:]}

    live(tmp_path, story)


def test_rate_is_kept_while_a_backlog_drains(tmp_path: Path) -> None:
    """5 per second: over every span of t seconds at most 5 · (t + 0.1) + 1 requests begin, and nearly as many do."""
    rate = 5.0

    async def story(town: Town) -> None:
        await town.subscribe("a", max_rate_per_second=rate)
        await town.publish("a", 300)
        await asyncio.sleep(300 / rate + 5)

        began_s = [sample.at_s for sample in town.receivers.samples]
        assert 300 == len(began_s)
        for first in range(300):
            for last in range(first, min(300, first + 50)):
                # What the simulated commit of a claim takes comes on top, as it does in the engine.
                assert last - first + 1 <= rate * (began_s[last] - began_s[first] + 0.11) + 1
        assert began_s[-1] - began_s[0] < 300 / rate * 1.1

    live(tmp_path, story)
