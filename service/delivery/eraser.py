"""Erases signing keys that have run out. They sign nothing from their expire_time on, erased or not."""

import asyncio

import structlog

from service.domain.clock import Clock
from service.domain.errors import Unavailable
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
        while True:
            try:
                while await self.erase_slice():
                    pass
            except Unavailable as error:
                _log.warning("erasing.paused", reason=error.reason.value, error=error.message)
            await asyncio.sleep(_POLL_S)

    async def erase_slice(self) -> int:
        """Erase some keys that have run out; return how many. With none there is nothing to commit."""
        now_ms = self._clock.now_ms()
        erased = await self._database.write(lambda tx: signing_keys.delete_expired(tx, now_ms=now_ms, limit=_SLICE_MAX))
        if erased:
            _log.info("signing_keys.erased", count=erased)
        return erased
