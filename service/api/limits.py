"""How many calls of each method may be under way at once, and how large their requests may be together.

Health and reflection are not counted: they answer also where nothing else does.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from service.domain.errors import QuotaExceeded

_READS: Final = ("Get", "List", "Explain", "Validate")
_CALLS_RETRY_AFTER_S: Final = 1.0
# Streams end when their clients want it, so there is no hurry.
_STREAMS_RETRY_AFTER_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsMax:
    """How many calls of one method may be under way at once, by the kind of method.

    `request_bytes` is how large the requests may be together, of all methods that take one message.
    """

    publishes: int
    batches: int
    publish_streams: int
    watches: int
    test_sends: int
    reads: int
    changes: int
    request_bytes: int

    def of(self, method: str) -> int:
        """Return the limit of a method, `package.Service/Method`."""
        match method.rpartition("/")[2]:
            case "Publish":
                return self.publishes
            case "BatchPublish":
                return self.batches
            case "StreamPublish":
                return self.publish_streams
            case "WatchNotifications":
                return self.watches
            case "TestSubscription":
                return self.test_sends
            case name if name.startswith(_READS):
                return self.reads
            case _:
                return self.changes


class CallLimits:
    """Counts the calls that are under way."""

    def __init__(self, calls_max: CallsMax) -> None:
        self._calls_max = calls_max
        self._calls: Counter[str] = Counter()
        self._request_bytes = 0

    def admit(self, method: str, *, request_bytes: int, is_stream: bool) -> None:
        """Count a call in. Each that was admitted is released once.

        Raises:
            QuotaExceeded: as many of this method are under way as may be, or as many bytes of requests.
        """
        calls_max = self._calls_max.of(method)
        if self._calls[method] >= calls_max:
            raise QuotaExceeded(
                f"{calls_max:,} calls of {method} are under way on this server already, as many as it takes at once; "
                "try again later",
                subject=method,
                retry_after_s=_STREAMS_RETRY_AFTER_S if is_stream else _CALLS_RETRY_AFTER_S,
            )
        # One request alone is never too much: how large it may be is another limit.
        if self._request_bytes and self._request_bytes + request_bytes > self._calls_max.request_bytes:
            raise QuotaExceeded(
                f"requests of {self._request_bytes:,} bytes are under way on this server already, and it takes "
                f"{self._calls_max.request_bytes:,} at once; try again later",
                subject="server",
                retry_after_s=_CALLS_RETRY_AFTER_S,
            )
        self._calls[method] += 1
        self._request_bytes += request_bytes

    def release(self, method: str, *, request_bytes: int) -> None:
        """Count a call out."""
        self._calls[method] -= 1
        self._request_bytes -= request_bytes
