"""How many calls of each method may be under way at once, and how large their requests may be together.

Health and reflection are not counted: they answer also where nothing else does.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, TypeVar

from service.api.arrivals import Arrivals
from service.domain.errors import Quota, QuotaExceeded
from service.quotas import OnRefused, refusals_told

K = TypeVar("K", bound=Hashable)

_READS: Final = ("Get", "List", "Explain", "Validate")
_RETRY_AFTER_S: Final = 1.0
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


@dataclass(slots=True)
class Admission:
    """A call that was counted in. `holder` is whose share it takes of what there is, None for nobody's."""

    method: str
    holder: str | None
    bytes_held: int = 0


class CallLimits:
    """Counts the calls that are under way, and what each holder of a credential has of them.

    One holder may have half of a method's calls, and half of the bytes, so that the others find room whatever it does.

    Args:
        on_refused: told of each call that is refused.
        arrivals: others than the usual ones.
    """

    def __init__(
        self,
        calls_max: CallsMax,
        *,
        on_refused: OnRefused = lambda _: None,
        arrivals: Arrivals | None = None,
    ) -> None:
        #: Waits for the requests of those that were admitted.
        self.arrivals = arrivals or Arrivals(on_refused=on_refused)
        self._calls_max = calls_max
        self._on_refused = on_refused
        # Of all holders together, under None, and of each by its name.
        self._calls: Counter[tuple[str | None, str]] = Counter()
        self._bytes: Counter[str | None] = Counter()

    def admit(self, method: str, *, is_stream: bool, holder: str | None) -> Admission:
        """Count a call in, before its request is read. Each that was admitted is released once.

        Raises:
            QuotaExceeded: as many of this method are under way as may be: of all together, or of the holder.
        """
        with refusals_told(self._on_refused):
            self._check_calls(method, holder, retry_after_s=_STREAMS_RETRY_AFTER_S if is_stream else _RETRY_AFTER_S)
        for each in {None, holder}:
            _add(self._calls, (each, method), 1)
        return Admission(method, holder)

    def weigh(self, admission: Admission, request_bytes: int) -> None:
        """Count the bytes of an admitted call's request, until it is released. Once for each call.

        Raises:
            QuotaExceeded: as many bytes of requests are under way as may be: of all together, or of the holder.
        """
        with refusals_told(self._on_refused):
            self._check_bytes(request_bytes, admission.holder)
        self.hold(admission, request_bytes)

    def hold(self, admission: Admission, size: int) -> None:
        """Count bytes of an admitted call's answer, too: whoever does not take what there is gets no more of it."""
        admission.bytes_held += size
        for holder in {None, admission.holder}:
            _add(self._bytes, holder, size)

    def release(self, admission: Admission) -> None:
        """Count a call out, with its bytes."""
        for holder in {None, admission.holder}:
            _add(self._calls, (holder, admission.method), -1)
            _add(self._bytes, holder, -admission.bytes_held)

    def _check_calls(self, method: str, holder: str | None, *, retry_after_s: float) -> None:
        calls_max = self._calls_max.of(method)
        if self._calls[None, method] >= calls_max:
            raise QuotaExceeded(
                f"{calls_max:,} calls of {method} are under way on this server already, as many as it takes at once; "
                "try again later",
                quota=Quota.CALLS,
                subject=method,
                retry_after_s=retry_after_s,
            )
        if holder is not None and self._calls[holder, method] >= _share(calls_max):
            raise QuotaExceeded(
                f"{_share(calls_max):,} calls of {method} by {holder} are under way on this server already, as many as "
                "it takes at once from one caller; try again later",
                quota=Quota.CALLS_OF_CALLER,
                subject=holder,
                retry_after_s=retry_after_s,
            )

    def _check_bytes(self, request_bytes: int, holder: str | None) -> None:
        bytes_max = self._calls_max.request_bytes
        under_way = self._bytes[None]
        # One request alone is never too much: how large it may be is another limit.
        if under_way and under_way + request_bytes > bytes_max:
            raise QuotaExceeded(
                f"requests and answers of {under_way:,} bytes are under way on this server already, and it takes "
                f"{bytes_max:,} at once; try again later",
                quota=Quota.REQUEST_BYTES,
                subject="server",
                retry_after_s=_RETRY_AFTER_S,
            )
        own = 0 if holder is None else self._bytes[holder]
        if own and own + request_bytes > _share(bytes_max):
            raise QuotaExceeded(
                f"requests and answers of {own:,} bytes by {holder} are under way on this server already, and it takes "
                f"{_share(bytes_max):,} at once from one caller; try again later",
                quota=Quota.REQUEST_BYTES_OF_CALLER,
                subject=str(holder),
                retry_after_s=_RETRY_AFTER_S,
            )


def _add(counter: Counter[K], key: K, amount: int) -> None:
    counter[key] += amount
    # Credentials come and go.
    if not counter[key]:
        del counter[key]


def _share(most: int) -> int:
    return most - most // 2
