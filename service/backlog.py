"""How much may be owed: limits on what is PENDING, of one workspace and of all together.

Counting reads an index from end to end, so it is done beside the publishes and not by them: every now and then on a
reader, and in between what was accepted since is added. So what is known may be too much for a while, for nothing is
taken off before the next count. It is too little only by what comes back to life otherwise (RetryNotification), and by
commits whose callers gave up waiting.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from service.domain.clock import Clock
from service.domain.errors import BacklogFull, CallerError, DiskFull, Unavailable
from service.domain.names import Workspace
from service.storage import backlog
from service.storage.backlog import BacklogCounts
from service.storage.database import Database, Transaction

_PAUSE_S_MIN: Final = 1.0
# A count is followed by a pause of 20 times its length: it costs a reader 5 % at most, however long the backlog is.
_PAUSE_PER_COUNT: Final = 20
_ALL: Final = ""
_NOTHING: Final = BacklogCounts(pending={}, ready=0, leased=0, oldest_due_ms=None, open_lanes=0)


@dataclass(slots=True)
class Adding:
    """What a commit that is under way adds to the backlog: at first the most that it may, then what it did add."""

    notifications: int


class Backlog:
    """Knows about how many notifications are PENDING, and refuses more where that is too many.

    Args:
        notifications_max: how many may be PENDING in all.
        workspace_notifications_max: how many of these in one workspace.
    """

    def __init__(
        self, database: Database, *, clock: Clock, notifications_max: int, workspace_notifications_max: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._notifications_max = notifications_max
        self._workspace_notifications_max = workspace_notifications_max
        self._counts = _NOTHING
        self._counted_at_ms = clock.now_ms()
        self._pause_s = _PAUSE_S_MIN
        # By workspace, and of all together.
        self._counted: Counter[str] = Counter()
        self._added_since: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()

    @property
    def counts(self) -> BacklogCounts:
        """What was counted last."""
        return self._counts

    @property
    def counted_at_ms(self) -> int:
        """When that was."""
        return self._counted_at_ms

    def pending(self, workspace: Workspace | None = None) -> int:
        """Return about how many notifications are PENDING, in one workspace or in all."""
        key = _ALL if workspace is None else workspace.key
        return self._counted[key] + self._added_since[key] + self._under_way[key]

    def is_full(self, workspace: Workspace) -> bool:
        """Say whether nothing may be added to what a workspace is owed."""
        return self.pending(workspace) >= self._workspace_notifications_max or self.pending() >= self._notifications_max

    def check(self, workspace: Workspace) -> None:
        """Refuse to add anything where the backlog is full.

        Raises:
            BacklogFull: it is; worth another try after the next count.
        """
        pending = self.pending(workspace)
        if pending >= self._workspace_notifications_max:
            raise BacklogFull(
                f"{workspace.name} has about {pending:,} notifications PENDING, and may have "
                f"{self._workspace_notifications_max:,}; publish again once some of them have been delivered",
                subject=workspace.name,
                retry_after_s=self._pause_s,
            )
        if self.is_full(workspace):
            raise BacklogFull(
                f"this server may have {self._notifications_max:,} notifications PENDING, and has about as many; "
                "publish again once some of them have been delivered",
                subject="server",
                retry_after_s=self._pause_s,
            )

    @contextmanager
    def adding(self, workspace: Workspace, notifications_max: int) -> Iterator[Adding]:
        """Count what a commit adds, from before it begins. Say in what is yielded how much it was in the end.

        A commit that fails with Unavailable may have been carried out, so it counts in full; one that the disk had no
        room for was not.
        """
        adding = Adding(notifications_max)
        self._count(self._under_way, workspace, notifications_max)
        try:
            yield adding
        except CallerError as error:
            if not isinstance(error, Unavailable) or isinstance(error, DiskFull):
                adding.notifications = 0
            raise
        finally:
            self._count(self._under_way, workspace, -notifications_max)
            self._count(self._added_since, workspace, adding.notifications)

    async def run(self) -> None:
        """Count again and again until cancelled, at most once a second. Before the first publish, `count` by hand."""
        while True:
            await asyncio.sleep(self._pause_s)
            # Whoever else needs the database tells of an outage. Until it is over the last count stands.
            with suppress(Unavailable):
                await self.count()

    async def count(self) -> None:
        """Count now.

        Raises:
            StorageUnavailable: see Database.read.
        """
        # A commit that is reported after this line may be in the snapshot already, and then counts twice for a while;
        # one that was reported before is in it for certain.
        added_before = Counter(self._added_since)
        now_ms = self._clock.now_ms()
        counts, count_s = await self._database.read(lambda tx: self._timed_count(tx, now_ms))
        self._counts, self._counted_at_ms = counts, now_ms
        self._counted = Counter(counts.pending)
        self._counted[_ALL] = sum(counts.pending.values())
        # Without what becomes nothing, so that workspaces that fell silent take no memory.
        self._added_since -= added_before
        self._under_way += Counter()
        self._pause_s = max(_PAUSE_S_MIN, _PAUSE_PER_COUNT * count_s)

    def _timed_count(self, tx: Transaction, now_ms: int) -> tuple[BacklogCounts, float]:
        # Timed in the reader's thread: to wait for a reader costs none.
        started_s = self._clock.monotonic_s()
        counts = backlog.count(tx, now_ms=now_ms)
        return counts, self._clock.monotonic_s() - started_s

    def _count(self, counter: Counter[str], workspace: Workspace, notifications: int) -> None:
        counter[workspace.key] += notifications
        counter[_ALL] += notifications
