"""Erases signing keys that have run out. They sign nothing from their expire_time on, erased or not."""

import structlog

from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.clock import Clock
from service.storage import signing_keys
from service.storage.database import Database

_SLICE_MAX = 500
_POLL_S = 1.0

_log = structlog.get_logger()


class Eraser:
    """Erases what has run out, one slice per transaction, so that publishes go on between."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Erase until cancelled."""
        await work_in_slices(self._work, name="erasing", poll_s=_POLL_S)

    async def erase_slice(self) -> int:
        """Erase some keys that have run out; return how many. With none there is nothing to commit."""
        now_ms = self._clock.now_ms()
        erased = await self._database.write(lambda tx: signing_keys.delete_expired(tx, now_ms=now_ms, limit=_SLICE_MAX))
        if erased:
            _log.info("signing_keys.erased", count=erased)
        return erased

    async def _work(self) -> float:
        return AT_ONCE if await self.erase_slice() else NOTHING_LEFT
