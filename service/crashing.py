"""Ending the process at a named point, for tests of what a crash leaves behind: nothing runs after it."""

import os
import signal
from itertools import count
from threading import Lock

from service.domain.points import AtPoint


def crash_at(place: str) -> AtPoint:
    """Return what kills this process at a place, having named it on stderr.

    Args:
        place: `n`, the n-th passage of any point, counted from 1; or `n:point`, the n-th of that one.
    """
    number, _, only_point = place.partition(":")
    passage, passages = int(number), count(1)
    # Points are passed on several threads, and the one that dies must be the n-th.
    lock = Lock()

    def at_point(point: str) -> None:
        if only_point not in ("", point):
            return
        with lock:
            if next(passages) == passage:
                os.write(2, f"crash at {place}: {point}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    return at_point
