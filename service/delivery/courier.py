"""Performs one attempt: format, sign, send, judge. What a receiver does is a value here, never an exception."""

import math
from dataclasses import dataclass, replace
from random import Random

from service.delivery.claiming import Claim
from service.delivery.transport import Transport
from service.domain.clock import Clock
from service.domain.formats import body_of
from service.domain.model import Attempt, SigningKey
from service.domain.outcomes import Gone, Interrupted, Outcome, Rejected, Reply, Request, Unreachable
from service.domain.retry import Decision, attempt_outcome, classify, decide
from service.domain.signing import signature_headers
from service.storage.queue import Claimed


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt that was made, and what is to happen to its notification."""

    claim: Claim
    attempt: Attempt
    decision: Decision

    @property
    def claimed(self) -> Claimed:
        """The claim under which it was made."""
        return self.claim.claimed


class Courier:
    """Makes attempts."""

    def __init__(self, transport: Transport, *, clock: Clock, rng: Random) -> None:
        self._transport = transport
        self._clock = clock
        self._rng = rng

    async def attempt(self, claim: Claim) -> Delivery:
        """Make one attempt for a claimed notification and decide what follows from it."""
        start_time_ms = self._clock.now_ms()
        started_s = self._clock.monotonic_s()
        keys = _keys_in_force(claim.subscription.signing_keys, start_time_ms)
        reply = await self._transport.post(request_of(claim, keys, timestamp_s=start_time_ms // 1000))
        duration_ms = math.ceil((self._clock.monotonic_s() - started_s) * 1000)
        outcome = classify(reply, self._clock.now_ms())
        attempt = Attempt(
            attempt_number=claim.claimed.attempt_count + 1,
            outcome=attempt_outcome(outcome),
            start_time_ms=start_time_ms,
            duration_ms=duration_ms,
            error=_error(outcome, reply),
            remote_address=reply.remote_address,
            signing_key_ids=tuple(key.key_id for key in keys),
        )
        return Delivery(claim, _with_response(attempt, reply), self._decide(claim, outcome))

    def crashed(self, claim: Claim) -> Delivery:
        """Return what to record for an attempt that a fault of this server ended: it is retried like a failed one."""
        outcome = Interrupted()
        attempt = Attempt(
            attempt_number=claim.claimed.attempt_count + 1,
            outcome=attempt_outcome(outcome),
            start_time_ms=self._clock.now_ms(),
            duration_ms=0,
            error="a fault of the server ended this attempt; its log says more",
        )
        return Delivery(claim, attempt, self._decide(claim, outcome))

    def _decide(self, claim: Claim, outcome: Outcome) -> Decision:
        return decide(
            outcome,
            schedule_step=claim.claimed.schedule_step,
            policy=claim.subscription.retry_policy_in_force,
            create_time_ms=claim.claimed.create_time_ms,
            now_ms=self._clock.now_ms(),
            rng=self._rng,
        )


def request_of(claim: Claim, keys: tuple[SigningKey, ...], *, timestamp_s: int) -> Request:
    """Return the request for a claimed notification. Pure: the same claim, keys and time give the same bytes."""
    body = body_of(claim.event, claim.subscription.format)
    signature = signature_headers(
        claim.subscription.signature_scheme,
        keys,
        webhook_id=claim.event.id,
        timestamp_s=timestamp_s,
        body=body.data,
    )
    return Request(
        url=claim.subscription.url,
        headers=(
            *claim.subscription.headers.items(),
            ("content-type", body.content_type),
            ("tidings-attempt", str(claim.claimed.attempt_count + 1)),
            *signature,
        ),
        body=body.data,
        timeout_s=claim.subscription.retry_policy_in_force.attempt_timeout_s,
    )


def _keys_in_force(keys: tuple[SigningKey, ...], now_ms: int) -> tuple[SigningKey, ...]:
    return tuple(key for key in keys if key.expire_time_ms is None or key.expire_time_ms > now_ms)


def _with_response(attempt: Attempt, reply: Reply | Unreachable) -> Attempt:
    if isinstance(reply, Unreachable):
        return attempt
    return replace(
        attempt,
        http_status=reply.http_status,
        response_headers=reply.headers,
        response_body=reply.body,
        response_truncated=reply.body_truncated,
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
