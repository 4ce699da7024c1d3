"""`make chaos`: faults of every class against real server processes, and what became of what was acknowledged.

Each class has a server, publishers and a receiver of its own, and a schedule of faults that its seed reproduces. When
the faults are over and everything is delivered, the ledgers of publishers and receiver are held against the database.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests import invariants
from tests.chaos import faults
from tests.chaos.backlog import FIRST_WITHIN_S, promptness
from tests.chaos.faults import CannotRun, Fault, Stage
from tests.chaos.load import delivered, loaded, undelivered
from tests.harness import ServerProcess
from tests.invariants import Violations

PUBLISHERS = 4
BACKLOG = 100_000
DELIVERED_WITHIN_S = 180.0
# Later than any retry that was scheduled under a clock that was set forward.
_AT_LAST_S = 3 * 3600


@dataclass(frozen=True, slots=True)
class FaultClass:
    """A class of faults: what is done, how often, and on which stage."""

    name: str
    fault: Fault
    every_s: tuple[float, float]
    disk_megabytes: int = 0
    has_proxy: bool = False
    moves_clock: bool = False
    attempt_timeout_s: float = 15
    # A long run has a fault that takes so long by itself.
    long_fault_s: float = 0


CLASSES = (
    FaultClass("kill -9", faults.kill, (0.2, 1.5)),
    FaultClass("SIGSTOP", faults.freeze, (0.2, 1.0), long_fault_s=faults.LONG_FREEZE_S),
    FaultClass("full disk", faults.fill_disk, (0.2, 1.5), disk_megabytes=96),
    FaultClass("clock jumps", faults.jump, (0.1, 0.8), moves_clock=True),
    FaultClass("receivers", faults.upset_receiver, (0.2, 1.5), attempt_timeout_s=3),
    FaultClass("cut clients", faults.cut_clients, (0.02, 0.3), has_proxy=True),
)


@dataclass(frozen=True, slots=True)
class Toll:
    """What a class of faults cost. `bound` is how many duplicates G4 allows."""

    name: str
    faults: int
    acknowledged: int
    accepted: int
    duplicates: int
    bound: int
    refusals: dict[str, int]
    lost: Violations = field(default_factory=list)
    invented: Violations = field(default_factory=list)
    mismatched: Violations = field(default_factory=list)
    broken: Violations = field(default_factory=list)
    notes: Sequence[str] = ()

    @property
    def violations(self) -> Violations:
        """Everything that must not be."""
        excess = self.duplicates - self.bound
        too_many = [f"{self.duplicates} duplicates, where G4 allows {self.bound}"] if excess > 0 else []
        return [*self.lost, *self.invented, *self.mismatched, *self.broken, *too_many]


async def strike(fault_class: FaultClass, folder: Path, *, seed: str, duration_s: float, long: bool = False) -> Toll:
    """Let faults of one class happen under load for a while, and return the toll.

    Raises:
        CannotRun: this machine lacks what the class needs.
    """
    dice = Random(f"{seed} {fault_class.name}")
    # Two sets of dice: how fast publishers are must not change the schedule of the faults.
    async with _staged(
        fault_class, folder, rng=Random(dice.random()), load_rng=Random(dice.random()), long=long
    ) as stage:
        count = 0
        async with stage.load.publishers.running(PUBLISHERS):
            ends_s = time.monotonic() + duration_s + (fault_class.long_fault_s if long else 0)
            while time.monotonic() < ends_s:
                await asyncio.sleep(stage.rng.uniform(*fault_class.every_s))
                await fault_class.fault(stage)
                count += 1
        if fault_class.moves_clock:
            stage.offset_s = _AT_LAST_S
            faults.set_clock(stage)
        await delivered(stage.server, within_s=DELIVERED_WITHIN_S)
        code = await stage.server.stop()
        return _toll(fault_class, stage, count, code)


@asynccontextmanager
async def _staged(
    fault_class: FaultClass, folder: Path, *, rng: Random, load_rng: Random, long: bool
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        disk = folder
        if fault_class.disk_megabytes:
            disk = stack.enter_context(faults.small_disk(folder, megabytes=fault_class.disk_megabytes))
        environment = faults.movable_clock(folder) if fault_class.moves_clock else {}
        server = ServerProcess(disk / "tidings.db")
        stack.push_async_callback(server.end)
        await server.start(**environment)
        proxy = None
        if fault_class.has_proxy:
            proxy = faults.ResettingProxy(lambda: server.address)
            await stack.enter_async_context(proxy.running())
        address = (lambda: proxy.address) if proxy else None
        load = await stack.enter_async_context(
            loaded(server, folder, rng=load_rng, address=address, attempt_timeout_s=fault_class.attempt_timeout_s)
        )
        yield Stage(server, load, folder, rng, long=long, proxy=proxy)


def _toll(fault_class: FaultClass, stage: Stage, count: int, code: int) -> Toll:
    publications = stage.load.publishers.ledger.publications()
    answered = stage.load.receiver.ledger.receipts()
    receipts = [each.receipt for each in answered]
    accepted = [each.receipt for each in answered if each.is_accepted]
    with invariants.reading(stage.server.database) as database:
        return Toll(
            name=fault_class.name,
            faults=count,
            acknowledged=len({each.event_id for each in publications if each.event_id}),
            accepted=len({each.event_id for each in accepted}),
            duplicates=invariants.duplicates(accepted).total(),
            bound=stage.at_risk,
            refusals=dict(stage.load.publishers.refusals),
            lost=[
                *invariants.lost(database, publications),
                *invariants.unreceived(database, accepted),
                *undelivered(publications, accepted),
            ],
            invented=[
                *invariants.invented(database, publications),
                *invariants.doubled(database, publications),
                *invariants.misdirected(database, publications),
                *invariants.unowed(database, receipts),
            ],
            mismatched=[
                *invariants.garbled(receipts, publications),
                *invariants.misattributed(receipts, stage.load.keys),
            ],
            broken=[
                *invariants.database_violations(database),
                *invariants.unlogged(database),
                *invariants.undrained(database),
                *_complaints(stage.server, code),
            ],
            notes=tuple(stage.notes),
        )


def _complaints(server: ServerProcess, code: int) -> Violations:
    """The server met nothing that it calls a fault of its own, and ended well."""
    errors = [f"the server logged {line}" for line in server.log if line.get("level") in ("error", "critical")]
    other = [f"the server wrote {line}" for line in server.other_output]
    return [*errors, *other, *([f"the server ended with {code}"] if code else [])]


HEADINGS = ("faults", "acked", "arrived", "lost", "invented", "mismatched", "broken", "doubles", "/1,000", "bound")


def table(tolls: Sequence[Toll]) -> str:
    """Return a table for people, a line for each class."""
    lines = [f"{'class':<12}" + "".join(f"{heading:>11}" for heading in HEADINGS)]
    for toll in tolls:
        figures = (
            *(toll.faults, toll.acknowledged, toll.accepted, len(toll.lost), len(toll.invented)),
            *(len(toll.mismatched), len(toll.broken), toll.duplicates),
            *(f"{1000 * toll.duplicates / max(1, toll.acknowledged):.2f}", toll.bound),
        )
        lines.append(f"{toll.name:<12}" + "".join(f"{figure:>11}" for figure in figures))
    return "\n".join(lines)


async def _run(seed: str, duration_s: float, names: Sequence[str]) -> list[Toll]:
    tolls = []
    for fault_class in CLASSES:
        if names and fault_class.name not in names:
            continue
        with TemporaryDirectory(prefix="tidings-chaos-") as folder:
            try:
                toll = await strike(fault_class, Path(folder), seed=seed, duration_s=duration_s, long=True)
            except CannotRun as reason:
                print(f"{fault_class.name}: not run: {reason}", flush=True)
                continue
        tolls.append(toll)
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(toll.refusals.items()))
        print(
            f"{toll.name}: {toll.faults} faults; repeated after {refused or 'nothing'}",
            *toll.notes,
            sep="; ",
            flush=True,
        )
    return tolls


async def _wait_beside_backlog() -> Violations:
    """Print how long a new subscription waits beside one that is owed 100,000; return what is wrong with that."""
    with TemporaryDirectory(prefix="tidings-chaos-") as folder:
        found = await promptness(Path(folder), backlog=BACKLOG)
    print(
        f"beside a backlog of {BACKLOG:,}: a new subscription's first event after {found.first_s * 1000:.0f} ms, the "
        f"next after {found.median_s * 1000:.0f} ms (median)"
    )
    late = f"a new subscription waited {found.first_s:.1f} s beside a backlog of {BACKLOG:,}"
    return [late] if found.first_s > FIRST_WITHIN_S else []


def main() -> None:
    """Run the classes as the command line says; exit with 1 if something is lost, invented or mismatched."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("classes", nargs="*", help=f"of {', '.join(each.name for each in CLASSES)}; all by default")
    parser.add_argument("--seed", default=f"{random.SystemRandom().getrandbits(32):08x}")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each class")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}; to repeat the schedule of faults: make chaos SEED={arguments.seed}", flush=True)
    tolls = asyncio.run(_run(arguments.seed, arguments.seconds, arguments.classes))
    print(table(tolls))
    violations = [f"{toll.name}: {sentence}" for toll in tolls for sentence in toll.violations]
    if not arguments.classes:
        violations += asyncio.run(_wait_beside_backlog())
    for sentence in violations[:50]:
        print(sentence, file=sys.stderr)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
