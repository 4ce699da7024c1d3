"""Seals what an earlier version has kept plain, and what a rotation of the sealing key has left behind."""

import structlog

from service.delivery.slices import AT_ONCE, NOTHING_LEFT, work_in_slices
from service.domain.keyring import SealBroken
from service.storage import management_requests, resealing
from service.storage.database import Database, Transaction
from service.storage.resealing import Progress

_SLICE_MAX = 200
# `key rotate` seals anew by itself. Only where it was broken off is there something to do, and no hurry.
_POLL_S = 60.0

_log = structlog.get_logger()


class Resealer:
    """Seals everything by the active key, one slice per transaction, so that publishes go on between."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._progress: Progress | None = None
        self._fingerprints_are_keyed = False
        self._unreadable = 0

    async def run(self) -> None:
        """Seal until cancelled."""
        await work_in_slices(self._work, name="sealing", poll_s=_POLL_S)

    async def seal_slice(self) -> bool:
        """Seal a slice of what there is to seal; return whether there may be more."""
        if not self._fingerprints_are_keyed:
            await self._key_fingerprints()
            return True
        progress = await self._database.write(self._next)
        if progress is None or progress.is_over:
            self._log(progress or Progress())
        self._progress = None if progress is None or progress.is_over else progress
        return self._progress is not None

    async def _key_fingerprints(self) -> None:
        # Only an earlier version leaves them plain, so they are looked for once.
        try:
            keyed = await self._database.write(lambda tx: management_requests.key_slice(tx, limit=_SLICE_MAX))
            self._fingerprints_are_keyed = keyed < _SLICE_MAX
        except SealBroken as error:
            # They stay as they are until they are forgotten. The next start is refused, for the same reason.
            _log.error("secrets.unreadable", error=str(error))
            self._fingerprints_are_keyed = True

    def _log(self, progress: Progress) -> None:
        """Tell what was sealed, and what does not open where that is not what it was the last time."""
        if progress.unreadable not in (0, self._unreadable):
            _log.error("secrets.unreadable", count=progress.unreadable)
        self._unreadable = progress.unreadable
        if progress.resealed or progress.given_up:
            _log.info("secrets.sealed", count=progress.resealed, keys_given_up=list(progress.given_up))

    def _next(self, tx: Transaction) -> Progress | None:
        if self._progress is None and not resealing.is_to_do(tx):
            return None
        return resealing.reseal_slice(tx, self._progress or Progress(), limit=_SLICE_MAX)

    async def _work(self) -> float:
        return AT_ONCE if await self.seal_slice() else NOTHING_LEFT
