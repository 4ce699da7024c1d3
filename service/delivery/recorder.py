"""Records attempts: what piles up while one commit is under way goes into the next."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_fixed

from service.delivery.claiming import end_of_claim
from service.delivery.courier import Delivery
from service.domain.access import SERVER
from service.domain.announcements import Announcement, notification_failed, subscription_suspended
from service.domain.audit import entry_of
from service.domain.clock import Clock, rfc3339
from service.domain.errors import Unavailable
from service.domain.health import after_attempt, is_beyond_hope
from service.domain.ids import Ids
from service.domain.model import Attempt, FailureReason, Health, Subscription, SuspendReason, Suspension
from service.domain.retry import Fail, RetryAt, Succeed
from service.storage import announcements, attempts, audit, lanes, queue, subscriptions
from service.storage.database import Database, Essential, Transaction
from service.storage.queue import Ended

_BATCH_MAX = 256
_RETRY_DELAY_S = 0.5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A delivery, its attempt as it was stored, and whether the notification followed the delivery's decision."""

    delivery: Delivery
    attempt: Attempt | None
    was_current: bool


def record_attempts(tx: Transaction, deliveries: Sequence[Delivery], *, now_ms: int, ids: Ids) -> list[Recorded]:
    """Store attempts, numbered in the order in which they are recorded, and end their claims.

    An attempt is always recorded, and says how its receiver does. Only what follows for the notification is fenced: a
    stale claim changes no state and is not announced.

    Args:
        ids: names the announcements of what failed and of what was suspended.
    """
    ends = [
        end_of_claim(
            each.claimed.notification_id, each.claimed.claim, each.decision, attempted=each.attempt is not None
        )
        for each in deliveries
    ]
    ended = queue.end_claims(tx, ends, now_ms=now_ms)
    recorded = [_recorded(*each) for each in zip(deliveries, ended, strict=True)]
    attempts.insert(tx, [(each.delivery.claimed.notification_id, each.attempt) for each in recorded if each.attempt])
    healths, hopeless = _judged(tx, deliveries, now_ms=now_ms)
    current = [each.delivery for each in recorded if each.was_current]
    failed = [(each, each.decision.reason) for each in current if isinstance(each.decision, Fail)]
    suspensions = dict.fromkeys(hopeless, SuspendReason.FAILING) | _gone(failed)
    announcements.insert(tx, [*_failures(failed, now_ms, ids), *_suspend(tx, suspensions, now_ms, ids)])
    # After the suspensions, which lock workspaces: whoever resumes a subscription locks them in that order too.
    lanes.store(tx, healths)
    return recorded


def _recorded(delivery: Delivery, ended: Ended) -> Recorded:
    attempt, number = delivery.attempt, ended.attempt_number
    if attempt is not None and number is not None and attempt.attempt_number != number:
        attempt = replace(attempt, attempt_number=number)
    return Recorded(delivery, attempt, ended.was_current)


def _failures(failed: Sequence[tuple[Delivery, FailureReason]], now_ms: int, ids: Ids) -> Iterator[Announcement]:
    for delivery, reason in failed:
        announcement = notification_failed(
            delivery.claimed.workspace,
            id=ids.new(),
            now_ms=now_ms,
            notification_id=delivery.claimed.notification_id,
            event_id=delivery.claimed.event_id,
            event_type=delivery.claim.event.event_type,
            subscription_id=delivery.claim.subscription.id,
            reason=reason,
        )
        if announcement is not None:
            yield announcement


class _Receiver(NamedTuple):
    """Who was sent to. In the order of the workspaces, which are locked first, so that no two processes deadlock."""

    workspace: str
    uid: str
    url: str

    @classmethod
    def of(cls, subscription: Subscription) -> "_Receiver":
        return cls(subscription.workspace.key, subscription.uid, subscription.url)


def _judged(
    tx: Transaction, deliveries: Sequence[Delivery], *, now_ms: int
) -> tuple[dict[str, Health], list[_Receiver]]:
    """Return how receivers do by these attempts, by uid where that has changed, and those that are beyond hope.

    Every attempt counts, also one whose claim was stale: it was made. One to another URL than today's says nothing.
    """
    made = [(_Receiver.of(each.claim.subscription), each.attempt) for each in deliveries if each.attempt is not None]
    found = lanes.find(tx, sorted({receiver.uid for receiver, _ in made}))
    healths = {uid: lane.health for uid, lane in found.items()}
    current = [(receiver, attempt) for receiver, attempt in made if _is_current(receiver, found)]
    for receiver, attempt in current:
        most = found[receiver.uid].max_concurrency
        healths[receiver.uid] = after_attempt(healths[receiver.uid], attempt, max_concurrency=most, now_ms=now_ms)
    changed = {uid: health for uid, health in healths.items() if health != found[uid].health}
    receivers = {receiver for receiver, _ in current}
    return changed, [each for each in receivers if is_beyond_hope(healths[each.uid], now_ms=now_ms)]


def _is_current(receiver: _Receiver, found: Mapping[str, lanes.Lane]) -> bool:
    lane = found.get(receiver.uid)
    return lane is not None and lane.url == receiver.url


def _gone(failed: Sequence[tuple[Delivery, FailureReason]]) -> dict[_Receiver, SuspendReason]:
    return {
        _Receiver.of(delivery.claim.subscription): SuspendReason.GONE
        for delivery, reason in failed
        if reason is FailureReason.GONE
    }


def _suspend(
    tx: Transaction, reasons: Mapping[_Receiver, SuspendReason], now_ms: int, ids: Ids
) -> Iterator[Announcement]:
    """Suspend the subscriptions of these receivers, unless they have another URL by now."""
    for receiver, reason in sorted(reasons.items()):
        suspended = subscriptions.suspend(tx, receiver.uid, Suspension(now_ms, reason), url=receiver.url)
        if suspended is not None:
            before = replace(suspended, suspension=None)
            audit.insert(tx, entry_of(SERVER, "SuspendSubscription", before, suspended, time_ms=now_ms))
            yield subscription_suspended(suspended, id=ids.new(), now_ms=now_ms, reason=reason)


class Recorder:
    """Takes deliveries and stores them, many in one transaction."""

    def __init__(
        self, database: Database, *, clock: Clock, ids: Ids, on_recorded: Callable[[Sequence[Delivery]], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._on_recorded = on_recorded
        self._waiting: list[Delivery] = []
        self._wake = asyncio.Event()

    def add(self, delivery: Delivery) -> None:
        """Have a delivery recorded soon. The slots bound how many wait."""
        self._waiting.append(delivery)
        self._wake.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH_MAX], self._waiting[_BATCH_MAX:]
                await self._record(batch)

    async def _record(self, batch: Sequence[Delivery]) -> None:
        # The receivers have these requests: the outcomes are kept, however long the database takes to come back.
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_fixed(_RETRY_DELAY_S),
            before_sleep=_log_not_recorded,
        )
        recorded: list[Recorded] = await retrying(self._write, batch)
        for each in recorded:
            _log_recorded(each)
        self._on_recorded(batch)

    async def _write(self, batch: Sequence[Delivery]) -> list[Recorded]:
        now_ms = self._clock.now_ms()
        work = Essential(lambda tx: record_attempts(tx, batch, now_ms=now_ms, ids=self._ids))
        return await self._database.write(work)


def _log_not_recorded(state: RetryCallState) -> None:
    if state.attempt_number > 1:
        return
    error = state.outcome.exception() if state.outcome else None
    _log.warning("attempts.not_recorded", error=str(error))


def _log_recorded(recorded: Recorded) -> None:
    """Write the one canonical line of an attempt. A receiver that fails is its owner's affair, so this is INFO.

    Where none was made, because the event does not fit, the line is another one.
    """
    claim, attempt = recorded.delivery.claim, recorded.attempt
    about = {
        "workspace": claim.event.workspace.name,
        "notification": claim.claimed.notification_id,
        "event_id": claim.event.id,
        "event_type": claim.event.event_type,
        "subscription": claim.subscription.id,
    }
    if attempt is None:
        _log.info("notification.not_attempted", **about, error=recorded.delivery.misfit, **_what_follows(recorded))
        return
    _log.info(
        "notification.attempted",
        **about,
        attempt=attempt.attempt_number,
        outcome=attempt.outcome.value,
        http_status=attempt.http_status,
        duration_ms=attempt.duration_ms,
        error=attempt.error or None,
        **_what_follows(recorded),
    )


def _what_follows(recorded: Recorded) -> dict[str, str | bool]:
    if not recorded.was_current:
        return {"stale": True}
    match recorded.delivery.decision:
        case Succeed():
            return {"state": "SUCCEEDED"}
        case Fail(reason):
            return {"state": "FAILED", "failure_reason": reason.value}
        case RetryAt(due_at_ms):
            return {"state": "PENDING", "next_attempt_time": rfc3339(due_at_ms)}
