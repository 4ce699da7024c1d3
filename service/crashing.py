"""Ending the process at a named point, for tests of what a crash leaves behind: nothing runs after it."""

import os
import signal
from itertools import count
from threading import Lock

from service.domain.points import AtPoint


def crash_at(passage: int) -> AtPoint:
    """Return what kills this process at the n-th passage of any point, counted from 1, having named it on stderr."""
    passages = count(1)
    # Points are passed on several threads, and the one that dies must be the n-th.
    lock = Lock()

    def at_point(point: str) -> None:
        with lock:
            if next(passages) == passage:
                os.write(2, f"crash point {passage}: {point}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    return at_point
