"""One simulated run: everything that happens in it follows from its seed.

For a while publishers publish, receivers do what they like, an operator meddles, the disk is away or full, the clock
jumps, and the process is killed or stopped and started again. Then all faults stop, what is owed is delivered, and
the invariants are asked.
"""

import asyncio
import hashlib
import sqlite3
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import structlog

from service.domain.errors import StorageUnavailable
from tests.direct import DirectDatabase
from tests.invariants import (
    Violations,
    database_violations,
    doubled,
    garbled,
    hurried,
    invented,
    lost,
    misattributed,
    misdirected,
    overfull,
    revived,
    undrained,
    unlogged,
    unowed,
    unreceived,
)
from tests.simulation.callers import Ledger, Operator, Publisher
from tests.simulation.receivers import Behaviour, Receivers
from tests.simulation.storage import Disk
from tests.simulation.virtual_time import VirtualClock, VirtualTimeLoop
from tests.simulation.world import DRAIN_TIMEOUT_S, Process, UseCases, lane_max

DRAINED_WITHIN_S = 1_500.0
# What the engine allows, and what the simulated commit of a claim may take.
RATE_TOLERANCE_S = 0.1 + 0.01
# The drain timeout, and what the last commits may take.
STOPPED_WITHIN_S = DRAIN_TIMEOUT_S + 5.5
# Most runs are short, for what goes wrong mostly does so soon, and many short ones meet more different storms.
SHORT_STORM_S, LONG_STORM_S = 5.0, 25.0
LONG_STORM_SHARE = 0.05
EVENTS_PER_SECOND = 0.9

SELECT_UNFINISHED = """
    SELECT uid || ' is still to be swept' FROM subscriptions WHERE sweep IS NOT NULL
    UNION ALL SELECT 'replay ' || id || ' is still RUNNING' FROM replays WHERE state = 'RUNNING'
    UNION ALL SELECT 'announcement ' || id || ' is still to be published' FROM announcements
"""
# A cancelled one is not given back: whoever takes it over records it.
SELECT_KEPT_LEASES = """
    SELECT id || ' is still leased to a process that has stopped' FROM notifications
    WHERE lease_owner = ? AND complete_time IS NULL
"""
# Claims that ended without an outcome: another process took them over, or their own gave them back.
SELECT_VOIDED = """
    SELECT id FROM temp.moves
    WHERE old_owner IS NOT NULL AND new_owner IS NULL AND (actor <> old_owner OR new_claim > old_claim)
"""
SELECT_OWED = "SELECT id, subscription_id || '.example', event_id FROM notifications"
DIGESTED = tuple(
    f"SELECT * FROM {table} ORDER BY 1, 2"  # noqa: S608 - the names stand on the next line
    for table in ("subscriptions", "events", "notifications", "attempts", "changes", "replays")
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. Two runs of one seed have the same `digest`, which covers all that happened."""

    seed: int
    violations: Violations
    digest: str
    facts: str
    log: list[str]


def run(seed: int, folder: Path) -> Outcome:
    """Simulate one seed, with the database in `folder`, where it is left."""
    with structlog.testing.capture_logs() as log, asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        clock = VirtualClock(runner.get_loop().time)
        database = DirectDatabase(folder / f"{seed}.db", clock=clock)
        simulation = Simulation(seed, database, clock)
        try:
            runner.run(simulation.run())
        except Exception as error:
            # A bug that reaches a caller, or a simulation that got stuck: reported with its seed, as the others are.
            simulation.violations.append("".join(traceback.format_exception(error)))
        outcome = simulation.outcome(log)
        runner.run(database.close())
    return outcome


class Simulation:
    """The file, the processes one after the other, and everybody around them."""

    def __init__(self, seed: int, database: DirectDatabase, clock: VirtualClock) -> None:
        self.seed = seed
        self.violations: Violations = []
        self._time_s = clock.monotonic_s
        self._disk = Disk(database)
        self._clock = clock
        self._ledger = Ledger()
        self._receivers = Receivers(self._rng("receivers"))
        self._dice = self._rng("storm")
        self._storm_s = LONG_STORM_S if self._dice.random() < LONG_STORM_SHARE else SHORT_STORM_S
        self._slots = self._dice.choice((2, 8, 40, 200))
        self._is_full = False
        self._processes = 0
        self._process: Process | None = None
        self._operator = Operator(
            self,
            self._ledger,
            self._receivers,
            self._rng("operator"),
            lambda sql: [tuple(row) for row in database.look().execute(sql)],
            self._behaviours(),
        )

    async def call(self, ask: Callable[[UseCases], Awaitable[T]]) -> T:
        """Ask something of the process that serves at the moment."""
        if self._process is None:
            raise StorageUnavailable("nobody listens")
        return await self._process.call(ask)

    async def run(self) -> None:
        """Let the storm pass, then wait until what is owed is delivered."""
        self._start()
        for _ in range(self._dice.randrange(2, 6)):
            await self._operator.subscribe()
        async with asyncio.TaskGroup() as everybody:
            for number in range(self._dice.randrange(1, 4)):
                everybody.create_task(self._publisher(number).run())
            everybody.create_task(self._meddle())
            everybody.create_task(self._break(self._kill, self._kill, self._stop, self._replace))
            everybody.create_task(self._break(self._disk_away, self._disk_full, self._jump))
        await self._drain()

    def outcome(self, log: list[Any]) -> Outcome:
        """Ask the invariants and sum the run up."""
        connection = self._disk.look()
        self.violations += [f"logged {each}" for each in log if each["log_level"] in ("error", "critical")]
        self.violations += self._asked(connection)
        return Outcome(
            self.seed, self.violations, self._digest(connection), self._facts(connection, log), self._ledger.log
        )

    # The storm.

    async def _meddle(self) -> None:
        while self._time_s() < self._storm_s:
            await asyncio.sleep(self._operator.rng.expovariate(2))
            await self._operator.act()

    async def _break(self, *faults: Callable[[], Awaitable[None]]) -> None:
        """Do one harm after the other: some runs are full of them, in some hardly anything goes wrong."""
        harms_per_second = self._dice.choice((0.1, 0.5, 1.0))
        while self._time_s() < self._storm_s:
            await asyncio.sleep(self._dice.expovariate(harms_per_second))
            await self._dice.choice(faults)()

    async def _kill(self) -> None:
        dying = self._serving()
        self._process = None
        self._note("killed")
        await dying.die()
        await self._start_later()

    async def _stop(self) -> None:
        await self._stop_serving()
        await self._start_later()

    async def _stop_serving(self) -> None:
        """Stop the process as SIGTERM does: in time, and with nothing left leased (G9), unless the disk was away."""
        stopping, began_s, faults = self._serving(), self._time_s(), self._disk.faults
        healthy = not self._disk.is_away and not self._is_full
        self._note("stopping")
        await stopping.stop()
        self._process = None
        took_s = self._time_s() - began_s
        self._note("stopped")
        if took_s > STOPPED_WITHIN_S:
            self.violations.append(f"stopping took {took_s:.3f} s")
        if healthy and faults == self._disk.faults:
            rows = self._disk.look().execute(SELECT_KEPT_LEASES, (stopping.owner,))
            self.violations += [row[0] for row in rows]

    async def _replace(self) -> None:
        """Let a second process begin while the first still works, as where two share a database and one is held up."""
        replaced = self._serving()
        self._note("replaced")
        self._start()
        await asyncio.sleep(self._dice.uniform(0, 5))
        await replaced.die()

    def _serving(self) -> Process:
        assert self._process is not None
        if not self._process.is_running:
            self.violations.append("a process has ended by itself")
        return self._process

    async def _disk_away(self) -> None:
        self._disk.go_away()
        self._note("disk away")
        await asyncio.sleep(self._dice.uniform(0, 2))
        self._disk.come_back()

    async def _disk_full(self) -> None:
        self._disk.fill()
        self._is_full = True
        self._note("disk full")
        await asyncio.sleep(self._dice.uniform(0, 2))
        self._disk.make_room()
        self._is_full = False

    async def _jump(self) -> None:
        milliseconds = self._dice.choice((-30_000, -500, 500, 30_000, 90_000))
        self._note(f"clock jumps by {milliseconds} ms")
        self._clock.jump(milliseconds)

    async def _start_later(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, 1))
        self._start()

    def _start(self) -> None:
        self._processes += 1
        self._process = Process(
            self._disk,
            self._receivers,
            clock=self._clock,
            rng=self._rng(f"process {self._processes}"),
            slots=self._slots,
        )
        self._process.start()
        self._note("started")

    async def _drain(self) -> None:
        """Wait until nothing is owed but what is held. Receivers have made up their minds by now."""
        self._note("the storm is over")
        for host in self._receivers.behaviours:
            self._receivers.behaviours[host] = self._dice.choice((Behaviour.ACCEPT, Behaviour.ACCEPT, Behaviour.FAIL))
        end_s = self._time_s() + DRAINED_WITHIN_S
        while self._owed() and self._time_s() < end_s:  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(2)
        await self._stop_serving()

    def _owed(self) -> Violations:
        connection = self._disk.look()
        return undrained(connection) + [row[0] for row in connection.execute(SELECT_UNFINISHED)]

    # What came of it.

    def _asked(self, connection: sqlite3.Connection) -> Violations:
        ledger = self._ledger
        uids = self._uids(connection)
        receipts = [replace(each, subscription_uid=uids[each.subscription_uid]) for each in self._receivers.receipts]
        matched = self._disk.accepted
        publications = [replace(each, matched=matched.get(each.event_id)) for each in ledger.publications]
        return [
            *database_violations(connection),
            *unlogged(connection),
            *self._disk.database.moves(),
            *revived(connection, retried=set(ledger.retried)),
            *[f"after the storm {each}" for each in self._owed()],
            *lost(connection, publications),
            *misdirected(connection, publications),
            *doubled(connection, publications),
            *invented(connection, publications),
            *unowed(connection, receipts),
            *unreceived(connection, receipts),
            *garbled(
                receipts,
                publications,
                formats={uids[host]: each for host, each in ledger.formats.items() if host in uids},
            ),
            *misattributed(receipts, {uids[host]: each for host, each in ledger.keys.items() if host in uids}),
            *self._sent_too_often(connection),
            *self._sent_too_fast(),
            *overfull(
                self._receivers.samples,
                slots=self._slots,
                lane_max=lambda host: lane_max(ledger.lane_max[host] or None),
            ),
        ]

    def _sent_too_often(self, connection: sqlite3.Connection) -> Violations:
        """G4: what was accepted comes again only if somebody asked for it, or for each claim that had no outcome."""
        voided = Counter(row[0] for row in self._disk.database.connection.execute(SELECT_VOIDED))
        allowed: Counter[tuple[str, str]] = Counter()
        for id, host, event_id in connection.execute(SELECT_OWED):
            allowed[host, event_id] += 1 + self._ledger.retried[id] + voided[id]
        return [
            f"{host} accepted {event_id} {count} times, {allowed[host, event_id]} can be accounted for"
            for (host, event_id), count in self._receivers.accepted.items()
            if count > allowed[host, event_id]
        ]

    def _sent_too_fast(self) -> Violations:
        return [
            f"{host}: {sentence}"
            for (_, host), starts in self._receivers.starts.items()
            if host in self._ledger.rates
            for sentence in hurried(starts, rate=self._ledger.rates[host], tolerance_s=RATE_TOLERANCE_S)
        ]

    def _uids(self, connection: sqlite3.Connection) -> dict[str, str]:
        return {f"{id}.example": uid for id, uid in connection.execute("SELECT id, uid FROM subscriptions")}

    def _digest(self, connection: sqlite3.Connection) -> str:
        digest = hashlib.sha256()
        for line in self._ledger.log:
            digest.update(line.encode())
        for receipt in self._receivers.receipts:
            digest.update(repr((receipt.at_s, sorted(receipt.headers.items()), receipt.body)).encode())
        for query in DIGESTED:
            for row in connection.execute(query):
                digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()

    def _facts(self, connection: sqlite3.Connection, log: list[Any]) -> str:
        counted = [
            f"{state.lower()} {count}"
            for state, count in connection.execute("SELECT state, count(*) FROM notifications GROUP BY state")
        ]
        [(attempts,)] = connection.execute("SELECT count(*) FROM attempts")
        return (
            f"{self._time_s():.0f} s, {self._processes} processes, {len(self._disk.accepted)} events, "
            f"{attempts} attempts, {len(self._receivers.receipts)} received; {', '.join(counted)}; {len(log)} log lines"
        )

    def _publisher(self, number: int) -> Publisher:
        return Publisher(
            f"p{number}",
            self,
            self._ledger,
            self._rng(f"publisher {number}"),
            events=round(self._storm_s * EVENTS_PER_SECOND),
            pause_s=0.5 / EVENTS_PER_SECOND,
        )

    def _behaviours(self) -> tuple[Behaviour, ...]:
        """Choose what receivers do in this run: some runs are all about one or two of them."""
        return tuple(self._dice.choices(list(Behaviour), k=self._dice.randrange(2, 8)))

    def _rng(self, name: str) -> Random:
        return Random(f"{self.seed}/{name}")

    def _note(self, what: str) -> None:
        self._ledger.log.append(f"{self._time_s():.6f} {what}")
