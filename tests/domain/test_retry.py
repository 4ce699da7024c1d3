"""Retry: what an answer means, when the next attempt comes, and when there is none."""

import math
import time
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.model import (
    DEFAULT_RETRY_POLICY,
    AttemptOutcome,
    ExponentialBackoff,
    FailureReason,
    FixedSchedule,
    RetryPolicy,
)
from service.domain.outcomes import (
    Gone,
    Interrupted,
    Outcome,
    Rejected,
    Reply,
    Succeeded,
    Unreachable,
    UnreachableKind,
)
from service.domain.retry import (
    RETRY_AFTER_S_MAX,
    Decision,
    Fail,
    RetryAt,
    Succeed,
    attempt_outcome,
    check_policy,
    classify,
    decide,
)

# Wed, 21 Oct 2015 07:28:00 GMT, the date that RFC 9110 likes.
NOW_MS = 1_445_412_480_000
DAY_S = 86_400
TIMED_OUT = Unreachable(UnreachableKind.TIMED_OUT, "no answer within 15 s")
FAILURES: list[Outcome] = [Rejected(), Rejected(retry_after_s=0.0), TIMED_OUT, Interrupted()]

DELAYS_S = st.floats(0.1, 7 * DAY_S)
SCHEDULES = st.lists(DELAYS_S, min_size=1, max_size=32).map(lambda delays_s: FixedSchedule(tuple(delays_s)))
EXPONENTIALS = st.builds(
    lambda max_attempts, one_s, other_s, multiplier: ExponentialBackoff(
        max_attempts, initial_delay_s=min(one_s, other_s), max_delay_s=max(one_s, other_s), multiplier=multiplier
    ),
    st.integers(1, 50),
    DELAYS_S,
    DELAYS_S,
    st.floats(1, 10),
)
POLICIES = st.builds(RetryPolicy, SCHEDULES | EXPONENTIALS)


@pytest.mark.parametrize(
    ("http_status", "expected"),
    [
        (200, Succeeded()),
        (204, Succeeded()),
        (299, Succeeded()),
        (300, Rejected()),
        (301, Rejected()),
        (304, Rejected()),
        (400, Rejected()),
        (404, Rejected()),
        (410, Gone()),
        (429, Rejected()),
        (500, Rejected()),
        (503, Rejected()),
        (999, Rejected()),
    ],
)
def test_status_alone_says_what_a_reply_means(http_status: int, expected: Outcome) -> None:
    """Redirects are never followed, so they are rejections too."""
    assert expected == classify(reply(http_status), NOW_MS)


def test_unreachable_receiver_is_an_outcome_as_it_is() -> None:
    """There is nothing to interpret."""
    assert TIMED_OUT == classify(TIMED_OUT, NOW_MS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("00120", 120.0),
        ("86400", 86_400.0),
        ("86401", 86_400.0),
        ("9" * 64, 86_400.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30.0),
        ("Wed Oct 21 07:28:30 2015", 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("", None),
        ("-1", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e400", None),
        ("1_0", None),
        ("120 s", None),
        ("120, 240", None),
        ("²", None),
        ("soon", None),
        ("2015-10-21T07:28:30Z", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:30 GMT", None),
        ("9" * 65, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nothing_else(value: str, expected: float | None) -> None:
    """RFC 9110, section 10.2.3, up to 24 h; a time that is past asks for nothing, junk counts as absent."""
    assert Rejected(expected) == classify(reply(503, ("Retry-After", value)), NOW_MS)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Lima"])
def test_date_without_a_zone_is_utc_wherever_the_server_stands(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asctime form has no zone, and Python would take the machine's."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", zone)
        time.tzset()
        outcome = classify(reply(503, ("Retry-After", "Wed Oct 21 07:28:30 2015")), NOW_MS)
    time.tzset()

    assert Rejected(30.0) == outcome


@given(st.text(st.characters(max_codepoint=255), max_size=80) | st.from_regex(r"[A-Z][a-z]{2},? [\d :+.GMT-]{1,50}"))
def test_no_retry_after_can_break_the_courier(value: str) -> None:
    """The header is a stranger's: whatever it holds, the answer is absent or within 24 h."""
    outcome = classify(reply(429, ("retry-after", value)), NOW_MS)

    assert isinstance(outcome, Rejected)
    assert outcome.retry_after_s is None or 0 <= outcome.retry_after_s <= RETRY_AFTER_S_MAX


def test_first_retry_after_counts() -> None:
    """A proxy may add its own behind the receiver's."""
    assert Rejected(7.0) == classify(reply(429, ("retry-after", "7"), ("Retry-After", "9")), NOW_MS)


@pytest.mark.parametrize("http_status", [301, 400, 500, 502])
def test_retry_after_means_nothing_with_other_statuses(http_status: int) -> None:
    """Only 429 and 503 speak of load."""
    assert Rejected() == classify(reply(http_status, ("Retry-After", "60")), NOW_MS)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Succeeded(), AttemptOutcome.SUCCEEDED),
        (Gone(), AttemptOutcome.GONE),
        (Rejected(), AttemptOutcome.REJECTED),
        (Interrupted(), AttemptOutcome.INTERRUPTED),
        *((Unreachable(kind, "why"), AttemptOutcome[kind.name]) for kind in UnreachableKind),
    ],
)
def test_every_outcome_has_its_word(outcome: Outcome, expected: AttemptOutcome) -> None:
    """The words are the contract's."""
    assert expected == attempt_outcome(outcome)


def test_accepted_notification_succeeds() -> None:
    """Also at the last attempt, and past the maximal age."""
    policy = RetryPolicy(FixedSchedule((1.0,)), max_age_s=60)

    assert Succeed() == decision(Succeeded(), policy=policy, schedule_step=1, age_s=1000)


def test_gone_receiver_fails_the_notification_at_once() -> None:
    """It said that it wants nothing more."""
    assert Fail(FailureReason.GONE) == decision(Gone(), schedule_step=0)


@pytest.mark.parametrize("outcome", FAILURES)
def test_every_failure_is_retried_by_the_schedule(outcome: Outcome) -> None:
    """What went wrong does not matter, an interruption included; the step counts up."""
    for step, delay_s in enumerate((5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)):
        retry_at = decision(outcome, schedule_step=step)

        assert isinstance(retry_at, RetryAt)
        assert step + 1 == retry_at.schedule_step
        assert 0.8 * delay_s <= (retry_at.due_at_ms - NOW_MS) / 1000 <= 1.2 * delay_s + 0.001


@pytest.mark.parametrize("outcome", FAILURES)
def test_default_policy_makes_ten_attempts(outcome: Outcome) -> None:
    """The failure of the tenth is final."""
    assert isinstance(decision(outcome, schedule_step=8), RetryAt)
    assert Fail(FailureReason.ATTEMPTS_EXHAUSTED) == decision(outcome, schedule_step=9)


@given(policy=POLICIES, seed=st.integers())
def test_number_of_attempts_is_exactly_the_policys(policy: RetryPolicy, seed: int) -> None:
    """Counted by making them."""
    rng, step, attempts = Random(seed), 0, 0
    answer: Decision = RetryAt(NOW_MS, 0)
    while isinstance(answer, RetryAt):
        attempts += 1
        answer = decision(Rejected(), policy=policy, schedule_step=step, rng=rng)
        step += 1

    match policy.backoff:
        case FixedSchedule(delays_s=delays_s):
            assert len(delays_s) + 1 == attempts
        case ExponentialBackoff(max_attempts=max_attempts):
            assert max_attempts == attempts
    assert Fail(FailureReason.ATTEMPTS_EXHAUSTED) == answer


@given(policy=POLICIES, seed=st.integers(), data=st.data(), retry_after_s=st.none() | st.floats(0, RETRY_AFTER_S_MAX))
def test_delay_is_the_policys_give_or_take_a_fifth_and_never_below_retry_after(
    policy: RetryPolicy, seed: int, data: st.DataObject, retry_after_s: float | None
) -> None:
    """Retry-After may lengthen a delay; it never shortens one. Due times are rounded up to the millisecond."""
    nominal_s = nominal_delays_s(policy)
    if not nominal_s:
        return
    step = data.draw(st.integers(0, len(nominal_s) - 1))

    retry_at = decision(Rejected(retry_after_s), policy=policy, schedule_step=step, rng=Random(seed))

    assert isinstance(retry_at, RetryAt)
    delay_s = (retry_at.due_at_ms - NOW_MS) / 1000
    assert delay_s >= max(0.8 * nominal_s[step] * (1 - 1e-9), retry_after_s or 0)
    assert delay_s <= max(1.2 * nominal_s[step] * (1 + 1e-9), retry_after_s or 0) + 0.001


def test_jitter_spreads_over_the_whole_range() -> None:
    """A thousand notifications that failed together do not come back together."""
    rng, policy = Random(0), RetryPolicy(FixedSchedule((100.0,)))
    answers = [decision(Rejected(), policy=policy, schedule_step=0, rng=rng) for _ in range(1000)]
    delays_s = [(answer.due_at_ms - NOW_MS) / 1000 for answer in answers if isinstance(answer, RetryAt)]

    assert 1000 == len(delays_s)
    assert 80 <= min(delays_s) < 82
    assert 118 < max(delays_s) <= 120


def test_exponential_delays_grow_to_their_maximum() -> None:
    """initial · multiplierⁿ, and then flat."""
    policy = RetryPolicy(ExponentialBackoff(max_attempts=50, initial_delay_s=1, max_delay_s=60, multiplier=3))

    for step, delay_s in enumerate([1, 3, 9, 27, 60, 60, *([60] * 43)]):
        retry_at = decision(Rejected(), policy=policy, schedule_step=step)
        assert isinstance(retry_at, RetryAt)
        assert 0.8 * delay_s <= (retry_at.due_at_ms - NOW_MS) / 1000 <= 1.2 * delay_s + 0.001


@pytest.mark.parametrize(
    ("age_s", "retry_after_s", "expected"),
    [
        (0, None, RetryAt),
        (39, None, RetryAt),
        (49, None, Fail),
        (60, None, Fail),
        (1_000_000, None, Fail),
        (0, 59.0, RetryAt),
        (0, 60.0, Fail),
        (30, 31.0, Fail),
        (-1000, 59.0, RetryAt),
        (-1000, 60.0, Fail),
    ],
)
def test_no_attempt_is_planned_past_the_maximal_age(
    age_s: int, retry_after_s: float | None, expected: type[Decision]
) -> None:
    """It fails now rather than at an attempt that must not be made. A clock that was set back adds no time."""
    policy = RetryPolicy(FixedSchedule((15.0, 15.0)), max_age_s=60)

    answer = decision(Rejected(retry_after_s), policy=policy, schedule_step=0, age_s=age_s)

    assert isinstance(answer, expected)
    assert not isinstance(answer, Fail) or answer == Fail(FailureReason.MAX_AGE_REACHED)


def test_reason_is_exhaustion_when_both_limits_are_reached() -> None:
    """More age would not have helped."""
    policy = RetryPolicy(FixedSchedule((15.0,)), max_age_s=60)

    answer = decision(Rejected(), policy=policy, schedule_step=1, age_s=1000)

    assert Fail(FailureReason.ATTEMPTS_EXHAUSTED) == answer


@given(outcome=st.sampled_from([Succeeded(), Gone(), *FAILURES]), policy=POLICIES, seed=st.integers())
def test_same_dice_give_the_same_decision(outcome: Outcome, policy: RetryPolicy, seed: int) -> None:
    """Nothing is shared between calls and nothing else is asked: simulations can rely on it."""
    one, other = (decision(outcome, policy=policy, schedule_step=0, rng=Random(seed)) for _ in range(2))

    assert one == other


@given(POLICIES)
def test_policy_within_the_limits_is_accepted(policy: RetryPolicy) -> None:
    """What the other tests rely on."""
    check_policy("subscription.retry_policy", policy)


def test_default_policy_is_within_the_limits() -> None:
    """Nobody should have to ask for an exception."""
    check_policy("subscription.retry_policy", DEFAULT_RETRY_POLICY)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["initial_delay", "max_delay", "multiplier", "attempt_timeout", "max_age"])
def test_number_that_is_not_finite_is_refused_everywhere(field: str, number: float) -> None:
    """NaN compares with nothing, so a careless comparison would let it through."""
    backoff = ExponentialBackoff(max_attempts=5, initial_delay_s=1, max_delay_s=60, multiplier=2)
    changed = {
        "initial_delay": RetryPolicy(replace(backoff, initial_delay_s=number)),
        "max_delay": RetryPolicy(replace(backoff, max_delay_s=number)),
        "multiplier": RetryPolicy(replace(backoff, multiplier=number)),
        "attempt_timeout": RetryPolicy(backoff, attempt_timeout_s=number),
        "max_age": RetryPolicy(backoff, max_age_s=number),
    }

    with pytest.raises(InvalidField) as caught:
        check_policy("policy", changed[field])

    assert f"policy.{field}" == caught.value.field


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (RetryPolicy(FixedSchedule(())), "schedule: must have 1 to 32 delays; got 0"),
        (RetryPolicy(FixedSchedule((1.0,) * 33)), "schedule: must have 1 to 32 delays; got 33"),
        (RetryPolicy(FixedSchedule((1.0, 5.0, 0.09))), "schedule[2]: must be 0.1 s to 604800 s; got 0.09 s"),
        (RetryPolicy(FixedSchedule((604_801.0,))), "schedule[0]: must be 0.1 s to 604800 s; got 604801.0 s"),
        (RetryPolicy(FixedSchedule((math.nan,))), "schedule[0]: must be 0.1 s to 604800 s; got nan s"),
        (RetryPolicy(FixedSchedule((-1.0,))), "schedule[0]: must be 0.1 s to 604800 s; got -1.0 s"),
        (RetryPolicy(ExponentialBackoff(0, 1, 60, 2)), "max_attempts: must be 1 to 50; got 0"),
        (RetryPolicy(ExponentialBackoff(51, 1, 60, 2)), "max_attempts: must be 1 to 50; got 51"),
        (RetryPolicy(ExponentialBackoff(5, 0, 60, 2)), "initial_delay: must be 0.1 s to 604800 s; got 0 s"),
        (RetryPolicy(ExponentialBackoff(5, 1, 604_801, 2)), "max_delay: must be 0.1 s to 604800 s; got 604801 s"),
        (RetryPolicy(ExponentialBackoff(5, 10, 9, 2)), "max_delay: must be at least initial_delay, 10 s; got 9 s"),
        (RetryPolicy(ExponentialBackoff(5, 1, 60, 0.9)), "multiplier: must be 1 to 10; got 0.9"),
        (RetryPolicy(ExponentialBackoff(5, 1, 60, 10.1)), "multiplier: must be 1 to 10; got 10.1"),
        (RetryPolicy(FixedSchedule((1.0,)), 0.9), "attempt_timeout: must be 1 s to 30 s; got 0.9 s"),
        (RetryPolicy(FixedSchedule((1.0,)), 30.1), "attempt_timeout: must be 1 s to 30 s; got 30.1 s"),
        (RetryPolicy(FixedSchedule((1.0,)), 15, 59.9), "max_age: must be 60 s to 2592000 s; got 59.9 s"),
        (RetryPolicy(FixedSchedule((1.0,)), 15, 2_592_001), "max_age: must be 60 s to 2592000 s; got 2592001 s"),
    ],
)
def test_policy_outside_the_limits_is_refused(policy: RetryPolicy, message: str) -> None:
    """With the path of the one field that is wrong, and its limits."""
    with pytest.raises(InvalidField) as caught:
        check_policy("subscription.retry_policy", policy)

    assert f"subscription.retry_policy.{message}" == caught.value.message


def reply(http_status: int, *headers: tuple[str, str]) -> Reply:
    return Reply(http_status, headers, body=b"", body_truncated=False, remote_address="203.0.113.7:443")


def decision(
    outcome: Outcome,
    *,
    schedule_step: int,
    policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    age_s: int = 0,
    rng: Random | None = None,
) -> Decision:
    return decide(
        outcome,
        schedule_step=schedule_step,
        policy=policy,
        create_time_ms=NOW_MS - age_s * 1000,
        now_ms=NOW_MS,
        rng=rng or Random(0),
    )


def nominal_delays_s(policy: RetryPolicy) -> list[float]:
    """Return the delays between a policy's attempts, computed the plain way."""
    match policy.backoff:
        case FixedSchedule(delays_s=delays_s):
            return list(delays_s)
        case ExponentialBackoff() as backoff:
            return [
                min(backoff.initial_delay_s * backoff.multiplier**n, backoff.max_delay_s)
                for n in range(backoff.max_attempts - 1)
            ]
