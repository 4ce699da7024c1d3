"""Moves all pending notifications of one subscription, slice by slice.

A deleted subscription's are cancelled; those of one that is served again are released from their hold.
"""

import asyncio
from collections.abc import Callable

from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.clock import Clock
from service.storage import interventions, sweeps
from service.storage.database import Database, Transaction
from service.storage.sweeps import Sweep, SweepKind

_SLICE_MAX = 500
_POLL_S = 5.0


class Sweeper:
    """Carries out the sweeps that subscriptions ask for, one slice per transaction, so that publishes go on between.

    Args:
        on_released: called with the subscription whose notifications may be due again.
    """

    def __init__(self, database: Database, *, clock: Clock, on_released: Callable[[frozenset[str]], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_released = on_released
        self._wake = asyncio.Event()
        self._last_uid = ""

    def wake(self) -> None:
        """Look for sweeps now."""
        self._wake.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        await work_in_slices(self._work, name="sweep", poll_s=_POLL_S, wake=self._wake)

    async def sweep_slice(self) -> SweepKind | None:
        """Move one slice of one sweep and say what kind it was; None when there is no sweep."""
        # Asked of the writer, for a change that woke us may still be on its way. Without a sweep nothing is
        # written, so it costs no disk.
        now_ms, last_uid = self._clock.now_ms(), self._last_uid
        sweep = await self._database.write(lambda tx: _sweep_slice(tx, last_uid, now_ms=now_ms))
        if sweep is None:
            return None
        # The others take their turns first: a long sweep does not hold up a short one.
        self._last_uid = sweep.subscription_uid
        return sweep.kind

    async def _work(self) -> float:
        kind = await self.sweep_slice()
        if kind is SweepKind.RELEASE:
            self._on_released(frozenset((self._last_uid,)))
        return NOTHING_LEFT if kind is None else AT_ONCE


def _sweep_slice(tx: Transaction, last_uid: str, *, now_ms: int) -> Sweep | None:
    sweep = sweeps.next_sweep(tx, last_uid)
    if sweep is None:
        return None
    last = interventions.sweep(tx, sweep.kind, sweep.subscription_uid, sweep.after, now_ms=now_ms, limit=_SLICE_MAX)
    sweeps.advance_sweep(tx, sweep.subscription_uid, after=last)
    return sweep
