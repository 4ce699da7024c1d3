"""Deletes changes that no watch can ask for any more: those older than 24 h."""

from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.clock import Clock
from service.storage import changes
from service.storage.database import Database

KEPT_MS = 24 * 3_600_000
_SLICE_MAX = 1_000
_POLL_S = 10.0


class Pruner:
    """Prunes the log of changes, one slice per transaction, so that publishes go on between."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Prune until cancelled."""
        await work_in_slices(self._work, name="prune", poll_s=_POLL_S)

    async def prune_slice(self) -> bool:
        """Delete some of the oldest changes; say whether there were any. With none there is nothing to commit."""
        before_ms = self._clock.now_ms() - KEPT_MS
        return await self._database.write(lambda tx: changes.prune(tx, before_ms=before_ms, limit=_SLICE_MAX))

    async def _work(self) -> float:
        return AT_ONCE if await self.prune_slice() else NOTHING_LEFT
