"""Watching notifications: every change as it is committed, from a place in the log of changes on.

A watch reads the log page by page, and between the pages waits for the ChangeFeed to say that there is more. So what
it tells depends on the log alone: a wake-up that gets lost costs time, and never a change.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from service.domain.errors import Draining, ResumeTokenExpired, Unavailable
from service.domain.model import Attempt, Notification, NotificationState
from service.domain.names import Workspace
from service.storage import attempts, changes, notifications, subscriptions
from service.storage.changes import Change, ChangedWorkspaces
from service.storage.database import Database, Transaction

_PAGE_MAX = 200
_LOOK_MAX = 1_000


@dataclass(frozen=True, slots=True)
class WatchPosition:
    """How far a watch has come: up to the change of this number. `subscription_uid` is empty for all subscriptions."""

    number: int
    subscription_uid: str = ""


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """Which changes a watch tells of. An empty field means any."""

    subscription_id: str = ""
    states: frozenset[NotificationState] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """A notification as it was after one change, or a checkpoint, which says only how far the watch has come.

    `attempt` is there if its outcome was the change.
    """

    position: WatchPosition
    notification: Notification | None = None
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class _Page:
    told: list[Told]
    position: WatchPosition
    has_more: bool


class ChangeFeed:
    """Tells watches that there is something to read. One look at the log serves all of them.

    Args:
        draining: set when the server shuts down: watches end then. Call `wake` after setting it.
        poll_s: after how long it looks although nothing woke it, for other processes write to the log too.
    """

    def __init__(self, database: Database, *, draining: asyncio.Event, poll_s: float = 1.0) -> None:
        self._database = database
        self._draining = draining
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._number: int | None = None

    def wake(self) -> None:
        """Look now: changes were committed, or the server shuts down."""
        self._wake.set()

    async def run(self) -> None:
        """Look for changes until the server shuts down, and then wake every watch a last time."""
        while not self._draining.is_set():
            self._wake.clear()
            # The watches meet the same outage when they read, and tell their callers. Here the next look makes up.
            with suppress(Unavailable):
                await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
        self._tell(list(self._followers))

    @contextmanager
    def followed(self, workspace: Workspace) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the workspace may have changes. Clear it, then read, then wait for it."""
        changed = asyncio.Event()
        self._followers[workspace.key].add(changed)
        try:
            yield changed
        finally:
            self._followers[workspace.key].discard(changed)
            if not self._followers[workspace.key]:
                del self._followers[workspace.key]

    def check_not_draining(self) -> None:
        """Raise Draining once the server shuts down."""
        if self._draining.is_set():
            raise Draining("the server is shutting down; connect again and go on with the last resume_token")

    async def _look(self) -> None:
        if not self._followers:
            # Nobody is told, so from here on nobody knows what was missed meanwhile.
            self._number = None
        elif self._number is None:
            self._number = await self._database.read(changes.last_number)
            self._tell(list(self._followers))
        else:
            while (found := await self._changed_after(self._number)).keys:
                self._number = found.number
                self._tell(found.keys)

    async def _changed_after(self, number: int) -> ChangedWorkspaces:
        return await self._database.read(lambda tx: changes.workspaces_after(tx, number, limit=_LOOK_MAX))

    def _tell(self, keys: Iterable[str]) -> None:
        for key in keys:
            for changed in self._followers.get(key, ()):
                changed.set()


class Watches:
    """Runs the watches of one process. Each keeps at most one page in memory, however slow its reader is.

    Args:
        checkpoint_s: after how long without a message a checkpoint is sent; well below the 15 s that are promised.
    """

    def __init__(self, database: Database, feed: ChangeFeed, *, checkpoint_s: float = 10.0) -> None:
        self._database = database
        self._feed = feed
        self._checkpoint_s = checkpoint_s

    async def watch(
        self, workspace: Workspace, only: WatchFilter, *, after: WatchPosition | None
    ) -> AsyncGenerator[Told]:
        """Yield every change after a position, or from now on, as it is committed; first of all a checkpoint.

        It reads no further than what it yields is taken, and ends only by an error, or when it is closed.

        Raises:
            ResourceNotFound: there is no subscription of this name, and no position to take its uid from.
            ResumeTokenExpired: changes after the position are no longer kept.
            Draining: the server shuts down.
        """
        with self._feed.followed(workspace) as changed:
            position = await self._database.read(lambda tx: _start(tx, workspace, only, after))
            yield Told(position)
            now_s = asyncio.get_running_loop().time
            checkpoint_due_s = now_s() + self._checkpoint_s
            while True:
                changed.clear()
                page = await self._page(workspace, only, position)
                position = page.position
                is_silent = not page.told and (page.has_more or now_s() >= checkpoint_due_s)
                for told in [Told(position)] if is_silent else page.told:
                    self._feed.check_not_draining()
                    yield told
                    checkpoint_due_s = now_s() + self._checkpoint_s
                self._feed.check_not_draining()
                if not page.has_more:
                    await _wait(changed, until_s=checkpoint_due_s)

    async def _page(self, workspace: Workspace, only: WatchFilter, position: WatchPosition) -> _Page:
        return await self._database.read(lambda tx: _page(tx, workspace, only, position))


async def _wait(changed: asyncio.Event, *, until_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until_s):
            await changed.wait()


def _start(tx: Transaction, workspace: Workspace, only: WatchFilter, after: WatchPosition | None) -> WatchPosition:
    number = changes.last_number(tx)
    if after is not None:
        _check_kept(tx, after.number, last_number=number)
        return after
    if not only.subscription_id:
        return WatchPosition(number)
    return WatchPosition(number, subscriptions.get(tx, workspace, only.subscription_id).uid)


def _check_kept(tx: Transaction, number: int, *, last_number: int) -> None:
    if number < changes.horizon(tx):
        raise ResumeTokenExpired(
            "resume_token: is older than the changes that are kept, those of 24 h; list the notifications, then watch "
            "from now on",
            field="resume_token",
        )
    if number > last_number:
        # The database was restored from a backup: later changes are gone, and their numbers are used again.
        raise ResumeTokenExpired(
            "resume_token: is newer than the last change in the database; list the notifications, then watch from now",
            field="resume_token",
        )


def _page(tx: Transaction, workspace: Workspace, only: WatchFilter, position: WatchPosition) -> _Page:
    last_number = changes.last_number(tx)
    _check_kept(tx, position.number, last_number=last_number)
    found = changes.after(tx, workspace, position.number, until=last_number, limit=_PAGE_MAX)
    has_more = len(found) == _PAGE_MAX
    wanted = [
        change
        for change in found
        if position.subscription_uid in ("", change.subscription_uid)
        and (not only.states or change.state in only.states)
    ]
    end = replace(position, number=found[-1].number if has_more else last_number)
    return _Page(_told(tx, workspace, wanted, position), end, has_more)


def _told(tx: Transaction, workspace: Workspace, found: Sequence[Change], position: WatchPosition) -> list[Told]:
    rows = notifications.find_each(tx, workspace, [change.notification_id for change in found])
    last_attempts = attempts.find(tx, [(change.notification_id, change.attempt_count) for change in found])
    return [
        _as_it_was(change, row, last, replace(position, number=change.number))
        for change, row, last in zip(found, rows, last_attempts, strict=True)
    ]


def _as_it_was(
    change: Change, notification: Notification | None, last_attempt: Attempt | None, position: WatchPosition
) -> Told:
    assert notification is not None, "a notification outlives the log of its changes"
    was = replace(
        notification,
        state=change.state,
        attempt_count=change.attempt_count,
        next_attempt_time_ms=change.next_attempt_time_ms,
        complete_time_ms=change.complete_time_ms,
        failure_reason=change.failure_reason,
        last_attempt=last_attempt,
    )
    return Told(position, was, None if change.attempt_number is None else last_attempt)
