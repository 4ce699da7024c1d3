"""Deletes changes that no watch can ask for any more: those older than 24 h."""

import asyncio

import structlog

from service.domain.clock import Clock
from service.domain.errors import Unavailable
from service.storage import changes
from service.storage.database import Database

KEPT_MS = 24 * 3_600_000
_SLICE_MAX = 1_000
_POLL_S = 10.0

_log = structlog.get_logger()


class Pruner:
    """Prunes the log of changes, one slice per transaction, so that publishes go on between."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            try:
                while await self.prune_slice():
                    pass
            except Unavailable as error:
                _log.warning("prune.paused", reason=error.reason.value, error=error.message)
            await asyncio.sleep(_POLL_S)

    async def prune_slice(self) -> bool:
        """Delete some of the oldest changes; say whether there were any. With none there is nothing to commit."""
        before_ms = self._clock.now_ms() - KEPT_MS
        return await self._database.write(lambda tx: changes.prune(tx, before_ms=before_ms, limit=_SLICE_MAX))
