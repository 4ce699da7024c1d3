"""One attempt: what goes on the wire, and what is said of what came back."""

import json
from random import Random
from typing import Any, Final

import pytest
from standardwebhooks.webhooks import Webhook

from service.delivery.claiming import Claim
from service.delivery.courier import Courier, Delivery, request_of
from service.domain.clock import SystemClock
from service.domain.model import AttemptOutcome, FailureReason, SigningKey
from service.domain.outcomes import Reply, Request, Unreachable, UnreachableKind
from service.domain.retry import Fail, RetryAt, Succeed
from service.storage.queue import Claimed
from tests.fakes import (
    NOW_MS,
    SECRET,
    TWO_RETRIES,
    WORKSPACE,
    FakeClock,
    FakeTransport,
    event_of,
    reply_of,
    subscription_of,
)

OLD_SECRET: Final = SECRET.replace("a2", "a3")
TIMED_OUT: Final = Unreachable(UnreachableKind.TIMED_OUT, "no response within 15 s", "203.0.113.9:443")


def claim_of(*, attempt_count: int = 0, schedule_step: int = 0, payload: bytes = b"{}", **changes: Any) -> Claim:
    """Return a claimed notification of a subscription with these changes."""
    claimed = Claimed("n-1", WORKSPACE, "event-1", "a", 1, attempt_count, schedule_step, NOW_MS)
    return Claim(claimed, event_of(payload=payload), subscription_of("a", **{"retry_policy": TWO_RETRIES} | changes))


async def attempt(claim: Claim, answer: Reply | Unreachable, clock: FakeClock, *, takes_ms: int = 0) -> Delivery:
    """Make one attempt that is answered so."""

    def answer_later(_: Request) -> Reply | Unreachable:
        clock.advance(takes_ms)
        return answer

    return await Courier(FakeTransport(answer_later), clock=clock, rng=Random(1)).attempt(claim)


def test_request_is_the_formatted_event_with_our_headers_last() -> None:
    """The payload's bytes are those that were published."""
    claim = claim_of(attempt_count=2, payload=b'{ "x":1.0 }', headers={"x-b": "2", "x-a": "1"})

    request = request_of(claim, claim.subscription.signing_keys, timestamp_s=1_795_167_000)

    assert b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z","data":{ "x":1.0 }}' == request.body
    assert ("https://a.example/hooks", 15.0) == (request.url, request.timeout_s)
    assert [
        "x-b",
        "x-a",
        "content-type",
        "tidings-attempt",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ] == [name for name, _ in request.headers]
    assert [("content-type", "application/json"), ("tidings-attempt", "3"), ("webhook-id", "event-1")] == list(
        request.headers[2:5]
    )


async def test_signature_is_verified_by_another_implementation(rng: Random) -> None:
    """That of the Standard Webhooks project, which looks at the machine's clock."""
    transport = FakeTransport()
    await Courier(transport, clock=SystemClock(), rng=rng).attempt(claim_of(payload=b'{"a":"\xc3\xa9"}'))

    [request] = transport.requests
    verified = Webhook(SECRET).verify(request.body, dict(request.headers))

    assert json.loads(request.body) == verified


@pytest.mark.parametrize(
    ("expires_in_ms", "expected"), [(1, ["new", "old"]), (0, ["new"]), (-1, ["new"]), (None, ["new", "old"])]
)
async def test_only_keys_in_force_sign(clock: FakeClock, expires_in_ms: int | None, expected: list[str]) -> None:
    """A rotated key signs until the moment at which it expires."""
    expire_time_ms = None if expires_in_ms is None else NOW_MS + expires_in_ms
    keys = (SigningKey("new", SECRET, NOW_MS), SigningKey("old", OLD_SECRET, NOW_MS - 1, expire_time_ms))
    transport = FakeTransport()

    delivery = await Courier(transport, clock=clock, rng=Random(1)).attempt(claim_of(signing_keys=keys))

    signatures = dict(transport.requests[0].headers)["webhook-signature"].split()
    assert (expected, len(expected)) == (list(delivery.attempt.signing_key_ids), len(signatures))


async def test_response_is_kept_with_the_attempt(clock: FakeClock) -> None:
    """As far as the transport kept it."""
    answer = reply_of(202, ("Server", "x"), ("x", "y"), body=b"ok\xff", truncated=True)

    delivery = await attempt(claim_of(attempt_count=4), answer, clock, takes_ms=123)

    kept = delivery.attempt
    assert (5, AttemptOutcome.SUCCEEDED, NOW_MS, 123, 202) == (
        kept.attempt_number,
        kept.outcome,
        kept.start_time_ms,
        kept.duration_ms,
        kept.http_status,
    )
    assert ((("Server", "x"), ("x", "y")), b"ok\xff", True, "", "203.0.113.9:443", ("key-a",)) == (
        kept.response_headers,
        kept.response_body,
        kept.response_truncated,
        kept.error,
        kept.remote_address,
        kept.signing_key_ids,
    )
    assert Succeed() == delivery.decision


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (reply_of(204), AttemptOutcome.SUCCEEDED, ""),
        (reply_of(301), AttemptOutcome.REJECTED, "the receiver answered 301; redirects are not followed"),
        (reply_of(399), AttemptOutcome.REJECTED, "the receiver answered 399; redirects are not followed"),
        (reply_of(400), AttemptOutcome.REJECTED, "the receiver answered 400"),
        (reply_of(503), AttemptOutcome.REJECTED, "the receiver answered 503"),
        (reply_of(410), AttemptOutcome.GONE, "the receiver answered 410: it wants nothing more"),
        (TIMED_OUT, AttemptOutcome.TIMED_OUT, "no response within 15 s"),
    ],
)
async def test_error_says_in_a_sentence_what_went_wrong(
    clock: FakeClock, answer: Reply | Unreachable, outcome: AttemptOutcome, error: str
) -> None:
    """Nothing went wrong with a 2xx."""
    delivery = await attempt(claim_of(), answer, clock)

    assert (outcome, error) == (delivery.attempt.outcome, delivery.attempt.error)
    assert "203.0.113.9:443" == delivery.attempt.remote_address


async def test_failed_attempt_is_retried_after_the_delay_of_its_step(clock: FakeClock) -> None:
    """Counted from the end of the attempt."""
    delivery = await attempt(claim_of(schedule_step=1), TIMED_OUT, clock, takes_ms=15_000)

    assert isinstance(delivery.decision, RetryAt)
    assert 2 == delivery.decision.schedule_step
    assert NOW_MS + 15_000 + 80_000 <= delivery.decision.due_at_ms <= NOW_MS + 15_000 + 120_000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(reply_of(410), FailureReason.GONE), (reply_of(500), FailureReason.ATTEMPTS_EXHAUSTED)],
)
async def test_last_attempt_ends_in_failure(clock: FakeClock, answer: Reply, reason: FailureReason) -> None:
    """Where the schedule ends, or the receiver says so."""
    assert Fail(reason) == (await attempt(claim_of(schedule_step=2), answer, clock)).decision


@pytest.mark.parametrize(
    ("answer", "due_in_ms"),
    [
        (reply_of(429, ("Retry-After", "1000")), 1_000_000),
        (reply_of(503, ("retry-after", "Fri, 20 Nov 2026 10:30:00 GMT")), 3_600_000),
    ],
)
async def test_retry_after_puts_the_next_attempt_off(clock: FakeClock, answer: Reply, due_in_ms: int) -> None:
    """In seconds, or as a date."""
    assert RetryAt(NOW_MS + due_in_ms, 1) == (await attempt(claim_of(), answer, clock)).decision


async def test_retry_after_never_shortens_the_delay(clock: FakeClock) -> None:
    """The policy is the least."""
    decision = (await attempt(claim_of(), reply_of(429, ("Retry-After", "1")), clock)).decision

    assert isinstance(decision, RetryAt)
    assert decision.due_at_ms >= NOW_MS + 8_000


def test_attempt_that_a_fault_ended_is_interrupted_and_retried(clock: FakeClock) -> None:
    """It counts: what crashes the courier must not do so for ever."""
    courier = Courier(FakeTransport(), clock=clock, rng=Random(1))

    first, last = (courier.crashed(claim_of(attempt_count=7, schedule_step=step)) for step in (0, 2))

    assert (8, AttemptOutcome.INTERRUPTED, None) == (
        first.attempt.attempt_number,
        first.attempt.outcome,
        first.attempt.http_status,
    )
    assert "a fault of the server" in first.attempt.error
    assert isinstance(first.decision, RetryAt)
    assert Fail(FailureReason.ATTEMPTS_EXHAUSTED) == last.decision
