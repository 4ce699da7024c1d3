"""One attempt: what goes on the wire, and what is said of what came back."""

import json
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest
from standardwebhooks.webhooks import Webhook

from service.delivery.claiming import Claim
from service.delivery.courier import Courier, Delivery
from service.domain.clock import SystemClock
from service.domain.model import ApiKey, Attempt, AttemptOutcome, FailureReason, Format, SignatureScheme, SigningKey
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
    claimed = Claimed("n-1", WORKSPACE, "event-1", "a", 1, attempt_count, schedule_step, NOW_MS, len(payload))
    return Claim(claimed, event_of(payload=payload), subscription_of("a", **{"retry_policy": TWO_RETRIES} | changes))


async def attempt(claim: Claim, answer: Reply | Unreachable, clock: FakeClock, *, takes_ms: int = 0) -> Delivery:
    """Make one attempt that is answered so."""

    def answer_later(_: Request) -> Reply | Unreachable:
        clock.advance(takes_ms)
        return answer

    return await Courier(FakeTransport(answer_later), clock=clock, rng=Random(1)).attempt(claim)


def made(delivery: Delivery) -> Attempt:
    """Return the attempt of a delivery that made one."""
    assert delivery.attempt is not None
    return delivery.attempt


async def test_attempt_is_one_more_than_were_recorded(clock: FakeClock) -> None:
    """The receiver is told, and the record says so."""
    transport = FakeTransport()

    delivery = await Courier(transport, clock=clock, rng=Random(1)).attempt(claim_of(attempt_count=2))

    headers = dict(transport.requests[0].headers)
    assert ("3", 3) == (headers["tidings-attempt"], made(delivery).attempt_number)
    assert ("1795167000", False) == (headers["webhook-timestamp"], "tidings-test" in headers)


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
    assert (expected, len(expected)) == (list(made(delivery).signing_key_ids), len(signatures))


async def test_attempt_names_the_keys_that_signed(clock: FakeClock) -> None:
    """Where one signature fits into a header, those are fewer than the keys in force."""
    github = SignatureScheme.GITHUB
    keys = (SigningKey("new", "new secret", NOW_MS, None, github), SigningKey("old", "old secret", 0, None, github))

    delivery = await attempt(claim_of(signing_keys=keys, signature_scheme=github), reply_of(204), clock)

    assert ("new",) == made(delivery).signing_key_ids


async def test_event_that_does_not_fit_fails_without_an_attempt(clock: FakeClock) -> None:
    """The subscription's format may have changed since the notification was made."""
    transport = FakeTransport()

    delivery = await Courier(transport, clock=clock, rng=Random(1)).attempt(claim_of(format=Format.EVENT_CODE))

    assert (None, Fail(FailureReason.FORMAT_NOT_APPLICABLE)) == (delivery.attempt, delivery.decision)
    assert "the event's type has no category and code, which EVENT_CODE needs" == delivery.misfit
    assert [] == transport.requests


@pytest.mark.parametrize("is_test", [False, True])
async def test_receiver_that_repeats_the_request_reveals_nothing_of_it(clock: FakeClock, is_test: bool) -> None:
    """To whoever may read attempts, or send a test: not the API key, nor headers, signature and URL."""
    subscription = subscription_of(
        "a",
        url="https://hooks.example.com/services/hush-hush-hush-hush?token=hush",
        api_key=ApiKey("X-API-Key", "hush-api-key"),
        headers={"x-tenant": "hush-tenant"},
    )

    def repeat(request: Request) -> Reply:
        said = json.dumps([request.url, *request.headers]).encode()
        return Reply(400, request.headers, said, body_truncated=False, remote_address="203.0.113.9:443")

    transport = FakeTransport(repeat)
    courier = Courier(transport, clock=clock, rng=Random(1))
    if is_test:
        repeated = await courier.rehearse(subscription, event_of())
    else:
        repeated = made(await courier.attempt(replace(claim_of(), subscription=subscription)))

    everything = repr((repeated.response_headers, repeated.response_body))
    assert "hush" not in everything
    assert dict(transport.requests[0].headers)["webhook-signature"] not in everything
    assert b"webhook-id" in repeated.response_body


async def test_rehearsal_is_one_signed_request_that_says_it_is_a_test(clock: FakeClock) -> None:
    """With the first attempt's number, and what came of it as its result."""
    transport = FakeTransport(lambda _: reply_of(500, body=b"broken"))

    rehearsed = await Courier(transport, clock=clock, rng=Random(1)).rehearse(subscription_of("a"), event_of())

    [request] = transport.requests
    headers = dict(request.headers)
    assert ("true", "1") == (headers["tidings-test"], headers["tidings-attempt"])
    assert headers["webhook-signature"].startswith("v1,")
    assert (AttemptOutcome.REJECTED, 500, b"broken", ("key-a",)) == (
        rehearsed.outcome,
        rehearsed.http_status,
        rehearsed.response_body,
        rehearsed.signing_key_ids,
    )


async def test_response_is_kept_with_the_attempt(clock: FakeClock) -> None:
    """As far as the transport kept it."""
    answer = reply_of(202, ("Server", "x"), ("x", "y"), body=b"ok\xff", truncated=True)

    delivery = await attempt(claim_of(attempt_count=4), answer, clock, takes_ms=123)

    kept = made(delivery)
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

    assert (outcome, error) == (made(delivery).outcome, made(delivery).error)
    assert "203.0.113.9:443" == made(delivery).remote_address


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
        made(first).attempt_number,
        made(first).outcome,
        made(first).http_status,
    )
    assert "a fault of the server" in made(first).error
    assert isinstance(first.decision, RetryAt)
    assert Fail(FailureReason.ATTEMPTS_EXHAUSTED) == last.decision
