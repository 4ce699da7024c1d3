"""What all StreamPublish calls of one process may hold together, so that many streams do not starve everybody else."""

import asyncio

from service.domain.names import Workspace

# Below the number of works that may wait for the writer, so that no item of a stream is refused for the others' sake.
ITEMS_MAX = 2_048
BYTES_MAX = 64 * 1024 * 1024
# Of these, one workspace may have so many: its filters may be slow, and others publish meanwhile.
WORKSPACE_ITEMS_MAX = 512
WORKSPACE_BYTES_MAX = 16 * 1024 * 1024


class _Window:
    """How much is under way of one kind. Whoever finds no room waits, the first one first.

    Args:
        bytes_max: together. An item that is larger than that goes alone.
    """

    def __init__(self, items_max: int, bytes_max: int) -> None:
        self.users = 0
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._items = 0
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        async with self._turn:
            while self._is_full(size):
                self._freed.clear()
                await self._freed.wait()
            self._items += 1
            self._bytes += size

    def give_back(self, size: int) -> None:
        self._items -= 1
        self._bytes -= size
        self._freed.set()

    def _is_full(self, size: int) -> bool:
        is_over = self._bytes > 0 and self._bytes + size > self._bytes_max
        return is_over or self._items >= self._items_max


class StreamLimits:
    """Counts the items of streams that are being published: of each workspace, and of all."""

    def __init__(
        self,
        *,
        items_max: int = ITEMS_MAX,
        workspace_items_max: int = WORKSPACE_ITEMS_MAX,
    ) -> None:
        self._all = _Window(items_max, BYTES_MAX)
        self._workspace_items_max = workspace_items_max
        self._workspaces: dict[Workspace, _Window] = {}

    async def take(self, workspace: Workspace, size: int) -> None:
        """Wait until there is room for an item of so many bytes, and count it."""
        window = self._workspaces.setdefault(workspace, _Window(self._workspace_items_max, WORKSPACE_BYTES_MAX))
        window.users += 1
        try:
            # In this order: a workspace that is full waits by itself, and not at the head of everybody's line.
            await window.take(size)
            try:
                await self._all.take(size)
            except BaseException:
                window.give_back(size)
                raise
        except BaseException:
            self._leave(workspace, window)
            raise

    def give_back(self, workspace: Workspace, size: int) -> None:
        """Count an item no more."""
        self._all.give_back(size)
        window = self._workspaces[workspace]
        window.give_back(size)
        self._leave(workspace, window)

    def _leave(self, workspace: Workspace, window: _Window) -> None:
        window.users -= 1
        if not window.users:
            del self._workspaces[workspace]
