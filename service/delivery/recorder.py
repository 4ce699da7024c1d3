"""Records attempts: what piles up while one commit is under way goes into the next."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_fixed

from service.delivery.claiming import end_claims, end_of_claim
from service.delivery.courier import Delivery
from service.domain.clock import Clock, rfc3339
from service.domain.errors import Unavailable
from service.domain.model import Attempt
from service.domain.retry import Fail, RetryAt, Succeed
from service.storage import attempts, queue
from service.storage.database import Database, Transaction

_BATCH_MAX = 256
_RETRY_DELAY_S = 0.5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A delivery, its attempt as it was stored, and whether the notification followed the delivery's decision."""

    delivery: Delivery
    attempt: Attempt
    was_current: bool


def record_attempts(tx: Transaction, deliveries: Sequence[Delivery], *, now_ms: int) -> list[Recorded]:
    """Store attempts, numbered in the order in which they are recorded, and end their claims.

    An attempt is always recorded. Only the change of state is fenced: a stale claim changes nothing.
    """
    ids = [each.claimed.notification_id for each in deliveries]
    numbers = queue.count_attempts(tx, ids)
    numbered = [replace(each.attempt, attempt_number=number) for each, number in zip(deliveries, numbers, strict=True)]
    attempts.insert(tx, list(zip(ids, numbered, strict=True)))
    ends = [end_of_claim(each.claimed.notification_id, each.claimed.claim, each.decision) for each in deliveries]
    current = end_claims(tx, ends, now_ms=now_ms)
    return [Recorded(*each) for each in zip(deliveries, numbered, current, strict=True)]


class Recorder:
    """Takes deliveries and stores them, many in one transaction."""

    def __init__(self, database: Database, *, clock: Clock, on_recorded: Callable[[Sequence[Delivery]], None]) -> None:
        self._database = database
        self._clock = clock
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
            _log_attempt(each)
        self._on_recorded(batch)

    async def _write(self, batch: Sequence[Delivery]) -> list[Recorded]:
        now_ms = self._clock.now_ms()
        return await self._database.write(lambda tx: record_attempts(tx, batch, now_ms=now_ms))


def _log_not_recorded(state: RetryCallState) -> None:
    if state.attempt_number > 1:
        return
    error = state.outcome.exception() if state.outcome else None
    _log.warning("attempts.not_recorded", error=str(error))


def _log_attempt(recorded: Recorded) -> None:
    """Write the one canonical line of an attempt. A receiver that fails is its owner's affair, so this is INFO."""
    claim, attempt = recorded.delivery.claim, recorded.attempt
    _log.info(
        "notification.attempted",
        workspace=claim.event.workspace.name,
        notification=claim.claimed.notification_id,
        event_id=claim.event.id,
        event_type=claim.event.event_type,
        subscription=claim.subscription.id,
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
