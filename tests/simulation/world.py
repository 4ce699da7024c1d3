"""The parts of a server, wired as in `app.py`, for one process of a simulation; only the outside world is not real.

This is the one place to change when a constructor in `service` does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from service.backlog import Backlog
from service.delivery.announcer import Announcer
from service.delivery.courier import Courier
from service.delivery.dispatcher import Dispatcher
from service.delivery.eraser import Eraser
from service.delivery.replayer import Replayer
from service.delivery.retention import Retained, Retention
from service.delivery.sweeper import Sweeper
from service.delivery.transport import Transport
from service.domain.clock import Clock
from service.domain.destinations import parse_destination_policy
from service.domain.errors import Draining, Unavailable
from service.domain.health import concurrency_max
from service.domain.ids import Ids, Uuid7Ids
from service.matching import Matchers
from service.notifying import Interventions
from service.publishing import Publisher
from service.replaying.replays import Replays
from service.rotating import SigningKeys
from service.subscribing import Subscriptions
from service.turns import Turns
from service.validating import Definitions
from tests.fakes import QUOTAS
from tests.simulation.receivers import Receivers
from tests.simulation.storage import Disk, SimulatedDatabase

LEASE_S = 60.0
DRAIN_TIMEOUT_S = 5.0
BACKLOG_MAX = 1_000
WORKSPACE_BACKLOG_MAX = 100
# Longer than any run: what is deleted could not be asked about.
RETAINED = Retained(events_ms=1 << 40, request_ids_ms=1 << 40, changes_ms=1 << 40, audit_ms=1 << 40)

T = TypeVar("T")


def lane_max(max_concurrency: int | None) -> int:
    """Return how many requests of a subscription may be under way at once, at the very most."""
    return concurrency_max(max_concurrency)


class ProcessGone(Exception):
    """The process that was asked is not there any more: what it did, nobody was told."""


@dataclass(frozen=True, slots=True)
class UseCases:
    """What callers can ask of a process."""

    publisher: Publisher
    subscriptions: Subscriptions
    signing_keys: SigningKeys
    interventions: Interventions
    replays: Replays


class Process:
    """One process: it runs from `start` until it is stopped or dies.

    Args:
        slots: how many requests may be under way at once.
        backlog_max: how much may be owed, to all workspaces and to one.
    """

    def __init__(
        self,
        disk: Disk,
        receivers: Receivers,
        *,
        clock: Clock,
        rng: Random,
        slots: int,
        backlog_max: tuple[int, int] = (BACKLOG_MAX, WORKSPACE_BACKLOG_MAX),
    ) -> None:
        ids = Uuid7Ids(clock, rng)
        owner = ids.new()
        self._database = SimulatedDatabase(disk, owner=owner, rng=rng)
        self.owner = owner
        self._calls: dict[asyncio.Future[None], None] = {}
        self._is_stopping = False
        self._backlog_max = backlog_max
        self._build(receivers.reached_by(owner), owner=owner, clock=clock, rng=rng, ids=ids, slots=slots)

    def _build(self, transport: Transport, *, owner: str, clock: Clock, rng: Random, ids: Ids, slots: int) -> None:
        database = self._database
        self._dispatcher = dispatcher = Dispatcher(
            database,
            Courier(transport, clock=clock, rng=rng),
            clock=clock,
            rng=rng,
            ids=ids,
            owner=owner,
            lease_s=LEASE_S,
            slots=slots,
        )
        sweeper = Sweeper(database, clock=clock, on_released=dispatcher.wake)
        self._backlog = backlog = Backlog(
            database,
            clock=clock,
            notifications_max=self._backlog_max[0],
            workspace_notifications_max=self._backlog_max[1],
        )
        self._replayer = Replayer(
            database, backlog=backlog, clock=clock, ids=ids, on_made=dispatcher.wake, turns=Turns(_no_cpu)
        )
        publisher = Publisher(
            database,
            Matchers(database, clock=clock, workspaces_max=10, turns=Turns(_no_cpu)),
            Definitions(database),
            backlog=backlog,
            clock=clock,
            ids=ids,
            on_accepted=dispatcher.wake,
            allow_unknown_event_types=True,
        )
        announcer = Announcer(database, publisher)
        self._others = (
            sweeper,
            announcer,
            Eraser(database, clock=clock),
            Retention(database, clock=clock, retained=RETAINED),
            backlog,
        )
        self._use_cases = UseCases(
            publisher,
            Subscriptions(
                database,
                destinations=parse_destination_policy((), (), https_only=False, dev=False),
                clock=clock,
                ids=ids,
                rng=rng,
                quotas=QUOTAS,
                on_sweep=sweeper.wake,
                allow_unknown_event_types=True,
            ),
            SigningKeys(database, clock=clock, ids=ids, rng=rng, on_announced=announcer.wake),
            Interventions(database, clock=clock, on_changed=dispatcher.wake),
            Replays(database, clock=clock, ids=ids, on_created=self._replayer.wake, turns=Turns(_no_cpu)),
        )

    def start(self) -> None:
        """Begin to deliver."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; without being told to, it never should."""
        return not self._running.done()

    async def stop(self) -> None:
        """End as on SIGTERM: accept nothing more, finish what is under way, give back the rest."""
        self._is_stopping = True
        self._dispatcher.stop(drain_timeout_s=DRAIN_TIMEOUT_S)
        await self._running
        self._database.is_dead = True
        self._cut_off_calls()

    async def die(self) -> None:
        """End as on SIGKILL, between two events: nothing is committed, answered or sent any more."""
        self._database.is_dead = True
        self._cut_off_calls()
        self._running.cancel()
        # Tasks that end may not reach anything outside any more, so it makes no difference that they do.
        await asyncio.wait([self._running])

    async def call(self, ask: Callable[[UseCases], Awaitable[T]]) -> T:
        """Ask something of the process, from outside of it.

        Raises:
            ProcessGone: it died meanwhile.
            Draining: it is stopping.
        """
        if self._is_stopping:
            raise Draining("the server is stopping")
        # Cut off by a future of our own: in which order the tasks of a dead process end, is no part of the seed.
        cut_off: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls[cut_off] = None
        answer = asyncio.ensure_future(ask(self._use_cases))
        either: list[asyncio.Future[Any]] = [cut_off, answer]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        del self._calls[cut_off]
        if cut_off.done():
            answer.cancel()
            raise ProcessGone
        return await answer

    async def _run(self) -> None:
        with suppress(Unavailable):
            await self._backlog.count()
        async with asyncio.TaskGroup() as tasks:
            delivering = tasks.create_task(self._dispatcher.run())
            others = [tasks.create_task(each.run()) for each in (self._replayer, *self._others)]
            await delivering
            for other in others:
                other.cancel()

    def _cut_off_calls(self) -> None:
        for call in self._calls:
            if not call.done():
                call.set_result(None)


def _no_cpu() -> float:
    """Nothing takes time here, so no filter is too slow."""
    return 0.0
