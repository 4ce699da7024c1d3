"""The faults: what is done to a server, its disk, its clock, its clients' connections and its receivers, and when.

Each takes a `Stage` and does one fault at it; what it does, and for how long, comes from the stage's dice alone.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.load import Load, Mood
from tests.harness import ServerProcess, eventually, read_rows
from tidings.v1.notifications_pb2 import GetEventRequest

LEASED = "SELECT id FROM notifications WHERE lease_owner IS NOT NULL"
# Longer than a lease, 60 s.
LONG_FREEZE_S = 65.0
_RESUMED_WITHIN_S = 30.0


class CannotRun(Exception):
    """This machine lacks what a class of faults needs; the message says what."""


@dataclass
class Stage:
    """Where a fault happens.

    `at_risk` counts what was claimed and had no recorded outcome at the faults that may double it: the bound of G4.
    """

    server: ServerProcess
    load: Load
    folder: Path
    rng: Random
    long: bool = False
    at_risk: int = 0
    offset_s: int = 0
    proxy: "ResettingProxy | None" = None
    notes: list[str] = field(default_factory=list)


Fault = Callable[[Stage], Awaitable[None]]


async def kill(stage: Stage) -> None:
    """Kill the process with SIGKILL and start it again. Sometimes twice, so that it dies while it starts."""
    await stage.server.kill()
    stage.at_risk += _leased_as_it_lies(stage)
    await asyncio.sleep(stage.rng.uniform(0, 0.3))
    await stage.server.start()
    if stage.rng.random() < 0.3:
        await stage.server.kill()
        stage.at_risk += _leased_as_it_lies(stage)
        await stage.server.start()


def _leased_as_it_lies(stage: Stage) -> int:
    """Count the leases in a copy, so that the restart finds the files untouched."""
    copy = stage.folder / "as-it-was"
    copy.mkdir()
    for file in stage.server.database.parent.glob(f"{stage.server.database.name}*"):
        if file.name.endswith((".db", "-wal")):
            shutil.copy(file, copy)
    count = len(read_rows(copy / stage.server.database.name, LEASED))
    shutil.rmtree(copy)
    return count


async def freeze(stage: Stage) -> None:
    """Stop the process with SIGSTOP for a while, once in a long run for longer than a lease, and let it go on."""
    frozen_s = stage.rng.uniform(0.2, 2)
    if stage.long and not stage.notes:
        frozen_s = LONG_FREEZE_S
        stage.notes.append(f"frozen once for {frozen_s:.0f} s, longer than a lease")
    stage.server.process.send_signal(signal.SIGSTOP)
    # Stopping takes the kernel a moment, in which a last claim may be committed.
    await asyncio.sleep(0.05)
    stage.at_risk += len(read_rows(stage.server.database, LEASED))
    await asyncio.sleep(frozen_s)
    stage.server.process.send_signal(signal.SIGCONT)


async def fill_disk(stage: Stage) -> None:
    """Fill the disk until publishes are refused; see that reads go on; make room, and see that publishes do too."""
    publishers, filler = stage.load.publishers, stage.server.database.parent / "filler"
    await eventually(lambda: bool(publishers.acknowledged))
    refused_before = publishers.refusals["DISK_FULL"]
    _fill(filler)
    try:
        await eventually(lambda: publishers.refusals["DISK_FULL"] > refused_before, within_s=_RESUMED_WITHIN_S)
        # One roll, however much there is to choose from, or the rest of the schedule would depend on it.
        event_id = list(publishers.acknowledged.values())[int(stage.rng.random() * len(publishers.acknowledged))]
        name = f"organizations/acme/workspaces/main/events/{event_id}"
        await stage.server.client.notifications.GetEvent(GetEventRequest(name=name))
        await asyncio.sleep(stage.rng.uniform(0, 1))
    finally:
        filler.unlink()
    acknowledged_before = len(publishers.acknowledged)
    await eventually(lambda: len(publishers.acknowledged) > acknowledged_before, within_s=_RESUMED_WITHIN_S)


def _fill(file: Path) -> None:
    """Make a file as long as its disk allows."""
    with file.open("ab", buffering=0) as growing:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while growing.write(bytes(size)):
                    pass


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a small file system of its own.

    Raises:
        CannotRun: only root may.
    """
    disk = folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        raise CannotRun("needs root: a small file system must be mounted to be filled")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tidings-chaos", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        raise CannotRun(f"needs to mount a small file system: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def jump(stage: Stage) -> None:
    """Set the server's wall clock forward or back, by up to two hours."""
    stage.offset_s = stage.rng.choice((-7200, -90, -3, 3, 90, 7200))
    set_clock(stage)


def set_clock(stage: Stage) -> None:
    """Let the server's wall clock be `offset_s` from the machine's."""
    with _offset_file(stage.folder).open("r+b") as file:
        file.write(stage.offset_s.to_bytes(8, "little", signed=True))


def movable_clock(folder: Path) -> dict[str, str]:
    """Return the environment in which a server's wall clock can be set; compiles what that takes.

    Raises:
        CannotRun: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotRun("needs a C compiler: the server's clock is moved by a preloaded library")
    library = folder / "clock_offset.so"
    source = Path(__file__).with_name("clock_offset.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    _offset_file(folder).write_bytes(bytes(8))
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(_offset_file(folder))}


def _offset_file(folder: Path) -> Path:
    return folder / "clock-offset"


async def upset_receiver(stage: Stage) -> None:
    """Let the receiver fail, reset connections, stall or be away for a while."""
    receiver = stage.load.receiver
    away = stage.rng.random() < 0.3
    receiver.mood = stage.rng.choice((Mood.FAILING, Mood.RESETTING, Mood.STALLING))
    if away:
        await receiver.go_away()
    await asyncio.sleep(stage.rng.uniform(0.2, 2))
    receiver.mood = Mood.WELL
    await receiver.come_back()


async def cut_clients(stage: Stage) -> None:
    """Reset every connection between publishers and server, whatever is on its way."""
    assert stage.proxy is not None
    stage.proxy.reset_all()
    await asyncio.sleep(stage.rng.uniform(0, 0.2))


class ResettingProxy:
    """Passes bytes between clients and a server, until it resets all connections at once."""

    def __init__(self, address: Callable[[], str]) -> None:
        self.address = ""
        self._server_address = address
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ResettingProxy"]:
        """Listen on a free port of 127.0.0.1 during the block."""
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            listener.close()
            self.reset_all()
            await asyncio.gather(*self._passing, return_exceptions=True)

    def reset_all(self) -> None:
        """Cut every connection, on both sides, without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._server_address().rpartition(":")
        try:
            onward = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, onward[1]), (onward[0], writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._writers.add(sink)
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(sink)
            sink.close()
