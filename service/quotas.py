"""How fast a workspace may publish, and how much it may have: its quotas.

Rates are kept in memory, by each process for itself. What a workspace has is counted in the database, in the
transaction that adds to it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Final, TypeAlias

from service.domain.clock import Clock
from service.domain.errors import Quota, QuotaExceeded
from service.domain.model import Subscription
from service.domain.names import Workspace
from service.storage import subscriptions
from service.storage.database import Transaction

OnRefused: TypeAlias = Callable[[Quota], None]
"""Told of each request that is refused, and for which quota."""

BURST_S: Final = 2.0
# Calls are refused where streams only wait, so streams leave the other half of the burst to calls.
STREAM_BURST_S: Final = BURST_S / 2
_WORKSPACES_MAX: Final = 10_000

_NOUNS: Final = {Quota.EVENTS_PER_SECOND: "events", Quota.BYTES_PER_SECOND: "bytes of requests"}
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
# In whole nanoseconds: seconds in floats differ by more or less than they are apart.
_Account: TypeAlias = dict[Quota, int]


@contextmanager
def refusals_told(on_refused: OnRefused) -> Iterator[None]:
    """Tell of a refusal on its way through."""
    try:
        yield
    except QuotaExceeded as error:
        on_refused(error.quota)
        raise


class PublishRates:
    """Counts what each workspace publishes, in events and in bytes, and refuses or delays what comes too fast.

    What a workspace publishes sets it ahead by as long as its rate takes for as much. Who is 2 s ahead waits. Before
    that a request may have any size, and what follows pays for it: so the largest batch passes at the smallest rate,
    and in t seconds a workspace publishes at most rate · (t + 2 s), and one request more.

    Args:
        workspaces_max: how many are remembered. One that is forgotten while it is ahead, because so many others have
            published since, starts anew.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        events_per_second: float,
        bytes_per_second: float,
        on_refused: OnRefused = lambda _: None,
        workspaces_max: int = _WORKSPACES_MAX,
    ) -> None:
        self._clock = clock
        self._rates = {Quota.EVENTS_PER_SECOND: events_per_second, Quota.BYTES_PER_SECOND: bytes_per_second}
        self._on_refused = on_refused
        self._workspaces_max = workspaces_max
        # By workspace, until when what it published would have taken at its rates; the one that published last is last.
        self._accounts: OrderedDict[Workspace, _Account] = OrderedDict()

    def take(self, workspace: Workspace, *, events: int, size: int) -> None:
        """Count a request of so many events, `size` bytes together. What is refused counts nothing.

        Raises:
            QuotaExceeded: the workspace is too far ahead of one of its rates; it says for how long.
        """
        quota, wait_s = self._wait(workspace, BURST_S)
        if wait_s > 0:
            self._on_refused(quota)
            raise QuotaExceeded(
                f"{workspace.name} may publish {self._rates[quota]:,.0f} {_NOUNS[quota]} per second, and is ahead of "
                f"that; publish again in {wait_s:.3f} s",
                quota=quota,
                subject=workspace.name,
                retry_after_s=wait_s,
            )
        self._count(workspace, {Quota.EVENTS_PER_SECOND: events, Quota.BYTES_PER_SECOND: size})

    async def wait(self, workspace: Workspace, *, size: int) -> None:
        """Wait until one more event of `size` bytes comes in time, and count it.

        Streams wait sooner than calls are refused; but a workspace whose calls use up all of its rate does not keep
        its streams waiting for ever.
        """
        _, wait_s = self._wait(workspace, STREAM_BURST_S)
        while wait_s > 0:
            await asyncio.sleep(wait_s)
            _, wait_s = self._wait(workspace, BURST_S)
        self._count(workspace, {Quota.EVENTS_PER_SECOND: 1, Quota.BYTES_PER_SECOND: size})

    def _wait(self, workspace: Workspace, burst_s: float) -> tuple[Quota, float]:
        """Return for how long a workspace has to wait, 0 if it need not, and for the sake of which quota."""
        account = self._accounts.get(workspace)
        if account is None:
            return Quota.EVENTS_PER_SECOND, 0.0
        quota, even_at_ns = max(account.items(), key=lambda item: item[1])
        over_ns = even_at_ns - self._now_ns() - round(burst_s * _NS_PER_S)
        # Up to the next whole millisecond: nobody is told to come back a moment too soon.
        return quota, (over_ns // _NS_PER_MS + 1) / 1_000 if over_ns >= 0 else 0.0

    def _count(self, workspace: Workspace, amounts: dict[Quota, int]) -> None:
        now_ns = self._now_ns()
        account = self._accounts.setdefault(workspace, {})
        for quota, amount in amounts.items():
            account[quota] = max(now_ns, account.get(quota, now_ns)) + ceil(amount * _NS_PER_S / self._rates[quota])
        self._accounts.move_to_end(workspace)
        self._forget(now_ns)

    def _now_ns(self) -> int:
        return round(self._clock.monotonic_s() * _NS_PER_S)

    def _forget(self, now_ns: int) -> None:
        """Forget the workspaces that were silent for longest, if they are not ahead any more or there are too many."""
        while len(self._accounts) > 1:
            silent, account = next(iter(self._accounts.items()))
            if max(account.values()) > now_ns and len(self._accounts) <= self._workspaces_max:
                return
            del self._accounts[silent]


class SubscriptionQuotas:
    """Refuses subscriptions beyond what a workspace may have. Deleted ones do not count, disabled ones do.

    Args:
        filters_max: how many may have a CEL filter, for each costs time with every event.
    """

    def __init__(self, *, subscriptions_max: int, filters_max: int, on_refused: OnRefused = lambda _: None) -> None:
        self.on_refused = on_refused
        self._subscriptions_max = subscriptions_max
        self._filters_max = filters_max

    def check_new(self, tx: Transaction, new: Subscription) -> None:
        """Refuse a subscription that is to be inserted, if there are enough. Exact after `bump_revision` only.

        Raises:
            QuotaExceeded: as many are there as may be.
        """
        there = subscriptions.count(tx, new.workspace, at_most=self._subscriptions_max)
        if there >= self._subscriptions_max:
            raise _full(
                Quota.SUBSCRIPTIONS, new.workspace, self._subscriptions_max, "subscriptions", "delete one first"
            )
        if new.filter:
            self._check_filters(tx, new.workspace)

    def check_change(self, tx: Transaction, current: Subscription, after: Subscription) -> None:
        """Refuse a first filter for a subscription, if there are enough. Exact after `bump_revision` only.

        Raises:
            QuotaExceeded: as many have a filter as may.
        """
        if after.filter and not current.filter:
            self._check_filters(tx, after.workspace)

    def _check_filters(self, tx: Transaction, workspace: Workspace) -> None:
        if subscriptions.count_filters(tx, workspace, at_most=self._filters_max) >= self._filters_max:
            raise _full(Quota.FILTERS, workspace, self._filters_max, "subscriptions with a filter", "clear one first")


def _full(quota: Quota, workspace: Workspace, most: int, nouns: str, remedy: str) -> QuotaExceeded:
    return QuotaExceeded(
        f"{workspace.name} may have at most {most:,} {nouns}, and has as many: {remedy}",
        quota=quota,
        subject=workspace.name,
        # Nothing of it goes by itself.
        retry_after_s=None,
    )
