"""Records attempts: what piles up while one commit is under way goes into the next."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from service.delivery.claiming import end_claims, end_of_claim
from service.delivery.courier import Delivery
from service.domain.clock import Clock, rfc3339
from service.domain.errors import Unavailable
from service.domain.retry import Fail, RetryAt, Succeed
from service.storage import attempts, queue
from service.storage.database import Database, Transaction

_BATCH_MAX = 256
_RETRY_DELAY_S = 0.5

_log = structlog.get_logger()


def record_attempts(tx: Transaction, deliveries: Sequence[Delivery], *, now_ms: int) -> int:
    """Store attempts and end their claims; return how many claims were still held.

    An attempt is always recorded. Only the change of state is fenced: a stale claim changes nothing.
    """
    numbers = queue.count_attempts(tx, [each.claimed.notification_id for each in deliveries])
    attempts.insert(
        tx,
        [
            (each.claimed.notification_id, replace(each.attempt, attempt_number=number))
            for each, number in zip(deliveries, numbers, strict=True)
        ],
    )
    ends = [end_of_claim(each.claimed.notification_id, each.claimed.claim, each.decision) for each in deliveries]
    return end_claims(tx, ends, now_ms=now_ms)


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
            before_sleep=lambda state: _log.warning("attempts.not_recorded", error=str(state.outcome)),
        )
        await retrying(self._database.write, lambda tx: record_attempts(tx, batch, now_ms=self._clock.now_ms()))
        for delivery in batch:
            _log_attempt(delivery)
        self._on_recorded(batch)


def _log_attempt(delivery: Delivery) -> None:
    """Write the one canonical line of an attempt. A receiver that fails is its owner's affair, so this is INFO."""
    claim, attempt = delivery.claim, delivery.attempt
    _log.info(
        "notification.attempted",
        workspace=claim.event.workspace.name,
        notification=delivery.claimed.notification_id,
        event_id=claim.event.id,
        event_type=claim.event.event_type,
        subscription=claim.subscription.id,
        attempt=attempt.attempt_number,
        outcome=attempt.outcome.value,
        http_status=attempt.http_status,
        duration_ms=attempt.duration_ms,
        error=attempt.error or None,
        **_what_follows(delivery),
    )


def _what_follows(delivery: Delivery) -> dict[str, str]:
    match delivery.decision:
        case Succeed():
            return {"state": "SUCCEEDED"}
        case Fail(reason):
            return {"state": "FAILED", "failure_reason": reason.value}
        case RetryAt(due_at_ms):
            return {"state": "PENDING", "next_attempt_time": rfc3339(due_at_ms)}
