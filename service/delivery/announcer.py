"""Publishes operational events: turns announcements into events like any other, if somebody subscribed to them.

An announcement is deleted after its event is committed. A crash in between publishes it again, under the same event_id,
which the Publisher recognises as the same request; so do two processes that publish the same one.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog

from service.domain.announcements import Announcement
from service.domain.errors import Unavailable
from service.publishing import EventDraft, Publisher
from service.storage import announcements
from service.storage.database import Database

_SLICE_MAX: Final = 100
_POLL_S: Final = 1.0
_TRIES_MAX: Final = 10

_log = structlog.get_logger()


class Announcer:
    """Publishes what is announced, in slices, so that memory does not grow with what waits."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._wake = asyncio.Event()
        self._failures: Counter[str] = Counter()
        self._is_paused = False

    def wake(self) -> None:
        """Look for announcements now."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled. What could not be published is tried again after a second."""
        while True:
            self._wake.clear()
            if await self._publish_what_can_be():
                await self._woken_or_polled()
            else:
                await asyncio.sleep(_POLL_S)

    async def publish_all(self) -> bool:
        """Publish every announcement once; return whether none is left to be tried again.

        Raises:
            DiskFull, StorageUnavailable: see Database.write.
        """
        none_left, last_id = True, ""
        while found := await self._after(last_id):
            last_id = found[-1].id
            none_left &= await self._publish_slice(found)
        return none_left

    async def _publish_what_can_be(self) -> bool:
        try:
            none_left = await self.publish_all()
        except Unavailable as error:
            # Once for an outage, however long it takes.
            if not self._is_paused:
                _log.warning("announcements.paused", reason=error.reason.value, error=error.message)
            self._is_paused = True
            return False
        self._is_paused = False
        return none_left

    async def _woken_or_polled(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _after(self, last_id: str) -> list[Announcement]:
        return await self._database.read(lambda tx: announcements.after(tx, last_id, limit=_SLICE_MAX))

    async def _publish_slice(self, found: list[Announcement]) -> bool:
        results = await asyncio.gather(*map(self._publish, found), return_exceptions=True)
        over = [each.id for each, result in zip(found, results, strict=True) if self._is_over(each, result)]
        if over:
            await self._database.write(lambda tx: announcements.delete(tx, over))
        return len(over) == len(found)

    async def _publish(self, announcement: Announcement) -> None:
        await self._publisher.publish(announcement.workspace, [_draft(announcement)], only_if_matched=True)

    def _is_over(self, announcement: Announcement, error: BaseException | None) -> bool:
        """Say whether an announcement needs no further try."""
        if error is None:
            self._failures.pop(announcement.id, None)
            return True
        if isinstance(error, Unavailable):
            return False
        return self._is_given_up(announcement, error)

    def _is_given_up(self, announcement: Announcement, error: BaseException) -> bool:
        # A fault of ours, or somebody else's event with this id. The others must not wait behind it for ever, and what
        # it says is kept in the log.
        self._failures[announcement.id] += 1
        is_given_up = self._failures[announcement.id] >= _TRIES_MAX
        _log.error(
            "announcement.dropped" if is_given_up else "announcement.failed",
            workspace=announcement.workspace.name,
            event_id=announcement.id,
            event_type=announcement.event_type,
            subscription=announcement.subject,
            announcement=announcement.payload if is_given_up else None,
            exc_info=error,
        )
        if is_given_up:
            del self._failures[announcement.id]
        return is_given_up


def _draft(announcement: Announcement) -> EventDraft:
    return EventDraft(
        event_type=announcement.event_type,
        source="tidings",
        subject=announcement.subject,
        attributes={},
        payload=announcement.payload.encode(),
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=announcement.create_time_ms * 1_000_000,
        event_id=announcement.id,
        request_id=None,
    )
