"""Performs one attempt: format, sign, send, judge, redact. What a receiver does is a value here, never an exception."""

import math
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog

from service.delivery.claiming import Claim
from service.delivery.transport import Transport
from service.domain.clock import Clock
from service.domain.formats import misfit
from service.domain.model import Attempt, Event, FailureReason, Subscription
from service.domain.outcomes import Gone, Interrupted, Outcome, Rejected, Reply, Unreachable
from service.domain.points import AtPoint, pass_by
from service.domain.redaction import redact
from service.domain.requests import keys_in_force, request_of
from service.domain.retry import Decision, Fail, attempt_outcome, classify, decide
from service.storage.queue import Claimed

_CRASHED: Final = "a fault of the server ended this attempt; its log says more"
_UNREADABLE: Final = "the subscription's secrets cannot be read; delete it and create it anew"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a claim, and what is to happen to its notification.

    There is no attempt where the event does not fit the subscription's format. `misfit` then says why in a sentence,
    and is empty otherwise.
    """

    claim: Claim
    attempt: Attempt | None
    decision: Decision
    misfit: str = ""

    @property
    def claimed(self) -> Claimed:
        """The claim under which it was made."""
        return self.claim.claimed


class Courier:
    """Makes attempts."""

    def __init__(self, transport: Transport, *, clock: Clock, rng: Random, at_point: AtPoint = pass_by) -> None:
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._at_point = at_point

    async def attempt(self, claim: Claim) -> Delivery:
        """Make one attempt for a claimed notification and decide what follows from it."""
        # Asked again, although it was when the notification was made: the subscription's format may have changed since.
        problem = misfit(claim.event, claim.subscription.format)
        if problem is not None:
            return Delivery(claim, None, Fail(FailureReason.FORMAT_NOT_APPLICABLE), problem)
        if claim.subscription.is_damaged:
            name = claim.subscription.name
            _log.error("subscription.unreadable", subscription=name, notification=claim.claimed.notification_id)
            return self._interrupted(claim, _UNREADABLE)
        self._at_point("attempt.before_request")
        attempt, outcome = await self._send(claim.event, claim.subscription, claim.claimed.attempt_count + 1)
        self._at_point("attempt.after_response")
        return Delivery(claim, attempt, self._decide(claim, outcome))

    async def rehearse(self, subscription: Subscription, event: Event) -> Attempt:
        """Send an event that fits the subscription's format once, marked as a test. Nothing is recorded."""
        attempt, _ = await self._send(event, subscription, 1, is_test=True)
        return attempt

    async def _send(
        self, event: Event, subscription: Subscription, attempt_number: int, *, is_test: bool = False
    ) -> tuple[Attempt, Outcome]:
        start_time_ms = self._clock.now_ms()
        started_s = self._clock.monotonic_s()
        keys = keys_in_force(subscription.signing_keys, start_time_ms)
        request = request_of(
            event,
            subscription,
            keys,
            attempt_number=attempt_number,
            timestamp_s=start_time_ms // 1000,
            is_test=is_test,
        )
        reply = await self._transport.post(request)
        duration_ms = math.ceil((self._clock.monotonic_s() - started_s) * 1000)
        outcome = classify(reply, self._clock.now_ms())
        response = reply if isinstance(reply, Reply) else None
        attempt = Attempt(
            attempt_number=attempt_number,
            outcome=attempt_outcome(outcome),
            start_time_ms=start_time_ms,
            duration_ms=duration_ms,
            http_status=response.http_status if response else None,
            response_headers=response.headers if response else (),
            response_body=response.body if response else b"",
            response_truncated=response.body_truncated if response else False,
            error=_error(outcome, reply),
            remote_address=reply.remote_address,
            signing_key_ids=tuple(key.key_id for key in keys),
        )
        return redact(attempt, request=request, keys=subscription.signing_keys), outcome

    def crashed(self, claim: Claim) -> Delivery:
        """Return what to record for an attempt that a fault of this server ended: it is retried like a failed one."""
        return self._interrupted(claim, _CRASHED)

    def _interrupted(self, claim: Claim, error: str) -> Delivery:
        outcome = Interrupted()
        attempt = Attempt(
            attempt_number=claim.claimed.attempt_count + 1,
            outcome=attempt_outcome(outcome),
            start_time_ms=self._clock.now_ms(),
            duration_ms=0,
            error=error,
        )
        return Delivery(claim, attempt, self._decide(claim, outcome))

    def _decide(self, claim: Claim, outcome: Outcome) -> Decision:
        return decide(
            outcome,
            schedule_step=claim.claimed.schedule_step,
            policy=claim.subscription.retry_policy_in_force,
            create_time_ms=claim.claimed.schedule_time_ms,
            now_ms=self._clock.now_ms(),
            rng=self._rng,
        )


def _error(outcome: Outcome, reply: Reply | Unreachable) -> str:
    if isinstance(reply, Unreachable):
        return reply.error
    match outcome:
        case Gone():
            return "the receiver answered 410: it wants nothing more"
        case Rejected() if 300 <= reply.http_status < 400:
            return f"the receiver answered {reply.http_status}; redirects are not followed"
        case Rejected():
            return f"the receiver answered {reply.http_status}"
        case _:
            return ""
