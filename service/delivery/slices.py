"""The frame of the loops that work in slices: slice after slice while there is work, then a wait.

Knows nothing of what a slice does. The database being away pauses a loop and does not end it.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from service.domain.errors import Unavailable

AT_ONCE: Final = 0.0
NOTHING_LEFT: Final = math.inf

_log = structlog.get_logger()


async def work_in_slices(
    work: Callable[[], Awaitable[float]], *, name: str, poll_s: float, wake: asyncio.Event | None = None
) -> None:
    """Work until cancelled.

    Args:
        work: does one slice, and returns in how many seconds the next one may come: AT_ONCE, or NOTHING_LEFT to do.
        name: of the loop, for the log.
        poll_s: after how long the next slice comes although nothing woke the loop.
        wake: set by whoever has made work. It is cleared before each slice, so that no wake-up gets lost.
    """
    woken = wake or asyncio.Event()
    is_paused = False
    while True:
        woken.clear()
        wait_s = poll_s
        try:
            wait_s = await work()
            if is_paused:
                _log.info(f"{name}.resumed")
            is_paused = False
        except Unavailable as error:
            # Once for an outage, however long it takes.
            if not is_paused:
                _log.warning(f"{name}.paused", reason=error.reason.value, error=error.message)
            is_paused = True
        if wait_s:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, poll_s)):
                    await woken.wait()
