"""One tick of the dispatcher: take over, promote, hold, and claim lane by lane."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest

from service.delivery.claiming import TakeOverWork, Tick
from service.delivery.lanes import Rates, Room
from service.domain.model import Health, SuspendReason, Suspension
from service.storage import announcements, events, interventions, queue, sweeps
from service.storage.database import Row, Transaction, Value
from service.storage.sqlite import SqliteDatabase
from service.storage.sweeps import SweepKind
from tests.fakes import (
    HOUR_MS,
    LEASE_MS,
    NOW_MS,
    TWO_RETRIES,
    WORKSPACE,
    CountingIds,
    change,
    claim_lane,
    event_of,
    listen,
    outcomes,
    owe,
    promote_due,
    prove,
    set_health,
    states,
    stored,
    subscribe,
    subscription_of,
    tick_work,
    unsubscribe,
)

DAYS_14_MS: Final = 14 * 24 * 3_600_000
GONE: Final = Suspension(NOW_MS, SuspendReason.GONE)


async def tick(database: SqliteDatabase, **given: Any) -> Tick:
    """Run one tick of this process."""
    return await database.write(tick_work(**given))


async def take_over(database: SqliteDatabase, *, due_until_ms: int, now_ms: int = NOW_MS) -> int:
    """Take over what another process left; return how much."""
    work = TakeOverWork("me", due_until_ms=due_until_ms, now_ms=now_ms, rng=Random(1), ids=CountingIds())
    return len(await database.write(work))


def by_lane(found: Tick) -> dict[str, int]:
    """Count the claims of a tick."""
    return dict(Counter(each.subscription.uid for each in found.claims))


# --- caps and rotation


@pytest.mark.parametrize(
    ("slots", "in_flight", "expected"),
    [
        (1024, {}, {"a": 8, "b": 2, "c": 8}),
        (1024, {"a": 8, "c": 5}, {"b": 2, "c": 3}),
        (96, {}, {"a": 3, "b": 2, "c": 2}),
        (20, {}, {"a": 1, "b": 1, "c": 1}),
        (3, {}, {"a": 1, "b": 1, "c": 1}),
        (3, {"a": 1, "b": 1}, {"c": 1}),
    ],
)
async def test_tick_claims_no_more_than_slots_and_lanes_allow(
    database: SqliteDatabase, slots: int, in_flight: Mapping[str, int], expected: dict[str, int]
) -> None:
    """b allows two at once. None of them has been seen to work yet."""
    await subscribe(database, subscription_of("a"), subscription_of("b", max_concurrency=2), subscription_of("c"))
    await owe(database, event_of(), list("abc") * 10)

    found = await tick(database, room=Room(slots, slots, 1 << 30), in_flight=in_flight)

    assert expected == by_lane(found)


async def test_slots_are_shared_out_by_what_the_lanes_really_have(database: SqliteDatabase) -> None:
    """a has one and takes one: b is not cut short for what a might have had."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    await prove(database, "a", "b")
    await owe(database, event_of(), ["a"] + ["b"] * 20)

    found = await tick(database, room=Room(256, 0, 1 << 30))

    assert {"a": 1, "b": 15} == by_lane(found)


@pytest.mark.parametrize(("slots", "expected"), [(1024, []), (64, ["b"]), (1, ["a", "b"])])
async def test_tick_says_which_lanes_would_have_started_more(
    database: SqliteDatabase, slots: int, expected: list[str]
) -> None:
    """They are looked at again when a slot comes free; a lane that is full only when its own request ends."""
    await subscribe(database, subscription_of("a", max_concurrency=1), subscription_of("b"))
    await owe(database, event_of(), ["a"] * 3 + ["b"] * 20)

    found = await tick(database, room=Room(slots, slots, 1 << 30), lanes=("a", "b"))

    full = {"a"} if "a" in by_lane(found) and slots == 1 else set()
    assert expected == sorted(found.short | full)


async def test_lanes_not_known_to_work_leave_slots_to_those_that_do(database: SqliteDatabase) -> None:
    """Where their part is used up, they wait, although other slots are free."""
    await subscribe(database, *map(subscription_of, "abc"))
    await prove(database, "c")
    await owe(database, event_of(), list("abc") * 20)

    found = await tick(database, room=Room(512, 0, 1 << 30))

    assert ({"c": 20}, ["a", "b"]) == (by_lane(found), sorted(found.short))


async def test_fresh_events_and_retries_take_turns(database: SqliteDatabase) -> None:
    """An old backlog of retries does not keep what is new waiting, nor the other way round."""
    await subscribe(database, subscription_of("a"))
    old = await owe(database, event_of("old", create_time_ms=NOW_MS - 1_000_000), ["a"] * 20)
    await database.write(lambda tx: tx.execute("UPDATE notifications SET tier = 1"))
    new = await owe(database, event_of("new"), ["a"] * 20)

    claimed = {each.claimed.notification_id for each in (await tick(database)).claims}

    assert (4, 4) == (len(claimed.intersection(old)), len(claimed.intersection(new)))


@pytest.mark.parametrize("seed", range(5))
async def test_one_request_at_a_time_serves_both_tiers(database: SqliteDatabase, seed: int) -> None:
    """It is not always the same one that waits."""
    await subscribe(database, subscription_of("a", max_concurrency=1))
    await owe(database, event_of("old"), ["a"] * 20)
    await database.write(lambda tx: tx.execute("UPDATE notifications SET tier = 1"))
    await owe(database, event_of("new"), ["a"] * 20)
    rng = Random(seed)

    served = Counter([each.event.id for _ in range(20) for each in (await tick(database, rng=rng)).claims])

    assert 5 <= served["new"] <= 15


async def test_bytes_under_way_are_bounded_and_shared(database: SqliteDatabase) -> None:
    """A lane of large payloads leaves room for one of small ones; one payload goes even if it is more than a share."""
    await subscribe(database, *map(subscription_of, "ab"))
    await prove(database, "a", "b")
    await owe(database, event_of("large", payload_size=1_000), ["a"] * 40)
    await owe(database, event_of("small", payload_size=1), ["b"] * 40)

    plenty = await tick(database, room=Room(1024, 0, 32_000))
    scarce = await tick(database, room=Room(1024, 0, 1_500))
    none = await tick(database, room=Room(1024, 0, 0))

    assert [{"a": 2, "b": 40}, {"a": 1}, {}] == [by_lane(each) for each in (plenty, scarce, none)]
    assert [{"a"}, {"a"}, {"a"}] == [each.short for each in (plenty, scarce, none)]


async def test_rate_of_a_subscription_is_kept(database: SqliteDatabase) -> None:
    """20 per second: three at once, for 0.1 s may be made up for; then as time passes."""
    await subscribe(database, subscription_of("a", max_rate_per_second=20.0))
    await owe(database, event_of(), ["a"] * 20)
    rates = Rates()
    started = []
    for at_s in (0.0, 0.0, 0.04, 0.05, 0.3):
        found = await tick(database, rates=rates, monotonic_s=at_s)
        started.append((len(found.claims), set(found.rated)))
        for _ in found.claims:
            rates.count("a", 20.0, now_s=at_s)

    assert [(3, {"a"}), (0, {"a"}), (0, {"a"}), (1, {"a"}), (3, {"a"})] == started


# --- lanes whose receivers fail


async def test_open_lane_is_passed_over_until_its_probe_is_due(database: SqliteDatabase) -> None:
    """Then one is sent, and no second one beside it."""
    await subscribe(database, *map(subscription_of, "ab"))
    await set_health(database, "a", Health(concurrency=0, open_until_ms=NOW_MS + 10))
    await owe(database, event_of(), ["a"] * 5 + ["b"])

    ticks = [
        await tick(database, now_ms=NOW_MS + 9),
        await tick(database, now_ms=NOW_MS + 10),
        await tick(database, now_ms=NOW_MS + 11, in_flight={"a": 1}),
        await tick(database, now_ms=NOW_MS + 11, lanes=("a",), in_flight={"a": 1}),
    ]

    assert [{"b": 1}, {"a": 1}, {}, {}] == [by_lane(each) for each in ticks]


async def test_clock_that_is_set_back_does_not_keep_a_lane_open(database: SqliteDatabase) -> None:
    """No probe is ever more than ten minutes away."""
    await subscribe(database, subscription_of("a"))
    await set_health(database, "a", Health(concurrency=0, open_until_ms=NOW_MS + HOUR_MS))
    await owe(database, event_of(), ["a"] * 5)

    found = await tick(database)

    assert {"a": 1} == by_lane(found)


# --- rounds


async def test_tick_looks_only_at_the_lanes_that_it_is_given(database: SqliteDatabase) -> None:
    """A request that ends makes room in its own lane, and the round over all lanes goes on where it was."""
    await subscribe(database, *map(subscription_of, "abc"))
    await owe(database, event_of(), list("abc"))

    found = await tick(database, lanes=("b", "gone"), cursor="a")

    assert ({"b": 1}, "a", False) == (by_lane(found), found.cursor, found.has_more)


async def test_tick_of_some_lanes_looks_at_those_too_in_which_something_was_due(database: SqliteDatabase) -> None:
    """Made ready in a lane that nobody looks at, it would be forgotten; so a round says of which lanes it was."""
    await subscribe(database, *map(subscription_of, "abc"))
    await owe(database, event_of(), ["a", "b", "c"])
    await claim_lane(database, "a")
    later_ms = NOW_MS + LEASE_MS + 1

    before = await tick(database, lanes=("b",), now_ms=later_ms - 2)
    some = await tick(database, lanes=(), now_ms=later_ms)
    await claim_lane(database, "a")
    await owe(database, event_of("2"), ["a"])
    await claim_lane(database, "a")
    round_ = await tick(database, cursor="b", now_ms=later_ms)

    assert [{"b": 1}, {"a": 1}, {"c": 1}] == [by_lane(each) for each in (before, some, round_)]
    assert [NOW_MS + LEASE_MS, None] == [before.next_due_ms, some.next_due_ms]
    assert [frozenset(), {"a"}] == [some.again, round_.again]


async def test_scarce_slots_go_round_the_lanes(database: SqliteDatabase) -> None:
    """The lanes that got nothing come first next time."""
    await subscribe(database, *map(subscription_of, "abcde"))
    await owe(database, event_of(), list("abcde") * 4)

    cursor, served = "", []
    for _ in range(10):
        found = await tick(database, room=Room(2, 2, 1 << 30), cursor=cursor)
        served.append("".join(sorted(each.subscription.uid for each in found.claims)))
        cursor = found.cursor

    assert ["ab", "cd", "e"] * 3 + ["ab"] == served


class ReadCounter:
    """A transaction that counts the runs of one statement."""

    def __init__(self, tx: Transaction, statement: str) -> None:
        self.runs = 0
        self.sealer = tx.sealer
        self._tx = tx
        self._statement = statement

    def rows(self, sql: Any, **params: Value) -> list[Row]:
        self.runs += sql == self._statement
        return self._tx.rows(sql, **params)

    def execute(self, sql: Any, **params: Value) -> int:
        return self._tx.execute(sql, **params)

    def each(self, sql: Any, params_list: Any) -> list[list[Row]]:
        self.runs += len(params_list) if sql == self._statement else 0
        return self._tx.each(sql, params_list)


async def test_event_owed_to_many_subscriptions_is_read_and_kept_once(database: SqliteDatabase) -> None:
    """A payload in memory for each request would be what bounds the slots."""
    uids = [f"s{number:02}" for number in range(40)]
    await subscribe(database, *map(subscription_of, uids))
    await owe(database, event_of(payload=b'"long"'), uids)
    work = tick_work()

    def counted(tx: Transaction) -> tuple[Tick, int]:
        counter = ReadCounter(tx, events.SELECT_EVENTS)
        return work(counter), counter.runs

    found, reads = await database.write(counted)

    assert (40, 1, 1) == (len(found.claims), reads, len({id(each.event) for each in found.claims}))
    assert {b'"long"'} == {each.event.payload for each in found.claims}


# --- subscriptions that are not served


@pytest.mark.parametrize(
    "changes", [{"enabled": False}, {"suspension": GONE}, {"enabled": False, "suspension": GONE}], ids=str
)
async def test_notifications_of_a_subscription_that_is_not_served_are_held(
    database: SqliteDatabase, changes: dict[str, Any]
) -> None:
    """Disabled or suspended: they keep waiting, and the others go on."""
    await subscribe(database, subscription_of("a", **changes), subscription_of("b"))
    ids = await owe(database, event_of(), ["a", "a", "b"])

    found = await tick(database)

    assert ({"b": 1}, False, NOW_MS + DAYS_14_MS) == (by_lane(found), found.has_more, found.next_due_ms)
    assert [1, 1, 0] == [(await stored(database, each))["held"] for each in ids]
    assert {} == by_lane(await tick(database))


async def test_what_was_held_is_claimed_once_the_subscription_is_served_again(database: SqliteDatabase) -> None:
    """All of it, also what a tick met only just before."""
    await subscribe(database, subscription_of("a", suspension=GONE))
    ids = await owe(database, event_of(), ["a"] * 3)
    await tick(database)
    await change(database, subscription_of("a"))
    before = await tick(database)
    await database.write(lambda tx: sweeps.start_release(tx, "a"))
    await database.write(lambda tx: interventions.sweep(tx, SweepKind.RELEASE, "a", "", now_ms=NOW_MS, limit=9))

    found = await tick(database)

    assert ({}, {"a": 3}) == (by_lane(before), by_lane(found))
    assert [0, 0, 0] == [(await stored(database, each))["held"] for each in ids]


async def test_held_in_one_tick_is_bounded_over_all_lanes(database: SqliteDatabase) -> None:
    """One transaction never moves more than a slice; the next round meets the rest."""
    await subscribe(database, *(subscription_of(uid, enabled=False) for uid in "ab"))
    ids = await owe(database, event_of(), ["a"] * 400 + ["b"] * 400)

    ticks = [await tick(database) for _ in range(2)]

    assert [{"b"}, frozenset()] == [found.again for found in ticks]
    assert [] == (await tick(database)).claims
    assert 800 == sum([(await stored(database, each))["held"] for each in ids])


async def test_deleted_subscription_is_not_delivered_to(database: SqliteDatabase) -> None:
    """What the sweep has not cancelled yet stands still, and holds nobody up."""
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    await owe(database, event_of(), ["a", "a", "b"])
    await unsubscribe(database, "a")

    found = await tick(database)

    assert ({"b": 1}, False, "") == (by_lane(found), found.has_more, found.cursor)


async def test_claim_carries_the_subscription_as_it_is_now(database: SqliteDatabase) -> None:
    """A changed url applies to what is pending."""
    await subscribe(database, subscription_of("a"))
    await owe(database, event_of(), ["a"])
    await change(database, subscription_of("a", url="https://new.example/"))

    [claim] = (await tick(database)).claims

    assert "https://new.example/" == claim.subscription.url


async def test_tick_promotes_what_is_due_and_says_what_comes_next(database: SqliteDatabase) -> None:
    """A retry whose time has come is claimed in the same tick."""
    await subscribe(database, subscription_of("a"))
    await owe(database, event_of(), ["a", "a"])
    await database.write(lambda tx: queue.hold(tx, "a", hold_end_ms=NOW_MS + 10, limit=1))
    await database.write(lambda tx: queue.hold(tx, "a", hold_end_ms=NOW_MS + 20, limit=1))

    found = await tick(database, now_ms=NOW_MS + 10)

    assert (1, NOW_MS + 20) == (len(found.claims), found.next_due_ms)


# --- interruptions


async def test_two_interruptions_in_a_row_are_free_and_the_third_moves_the_schedule(database: SqliteDatabase) -> None:
    """A request that brings the server down must not do so for ever."""
    await listen(database)
    await subscribe(database, subscription_of("a", retry_policy=TWO_RETRIES))
    [one] = await owe(database, event_of(), ["a"])
    seen = []
    now_ms = NOW_MS
    for _ in range(5):
        await claim_lane(database, "a", now_ms=now_ms)
        now_ms += LEASE_MS
        assert 1 == await take_over(database, due_until_ms=now_ms, now_ms=now_ms)
        row = await stored(database, one)
        seen.append((row["state"], row["schedule_step"], row["interruptions"], row["failure_reason"]))
        delay_s = (row["due_at"] - now_ms) / 1000
        assert delay_s == 0 or 8 <= delay_s <= 12 or 80 <= delay_s <= 120 or row["state"] == "FAILED"
        now_ms = max(now_ms, row["due_at"])
        await promote_due(database, now_ms=now_ms)

    assert [
        ("READY", 0, 1, None),
        ("READY", 0, 2, None),
        ("WAITING", 1, 3, None),
        ("WAITING", 2, 4, None),
        ("FAILED", 2, 0, "ATTEMPTS_EXHAUSTED"),
    ] == seen
    assert [(number, "INTERRUPTED") for number in range(1, 6)] == await outcomes(database, one)
    [failure] = await database.read(lambda tx: announcements.after(tx, "", limit=9))
    assert "tidings.notification.failed" == failure.event_type
    assert f"{WORKSPACE.name}/notifications/{one}" == json.loads(failure.payload)["notification"]


async def test_interrupted_attempt_says_when_its_claim_began(database: SqliteDatabase) -> None:
    """And that no response came."""
    await subscribe(database, subscription_of("a"))
    [one] = await owe(database, event_of(), ["a"])
    await claim_lane(database, "a", now_ms=NOW_MS - 5)

    await take_over(database, due_until_ms=NOW_MS + LEASE_MS)

    [attempt] = await database.read(lambda tx: tx.rows("SELECT * FROM attempts WHERE notification_id = :id", id=one))
    assert (NOW_MS - 5, None, b"", "[]") == tuple(
        attempt[key] for key in ("start_time", "http_status", "response_body", "signing_key_ids")
    )
    assert "ended before the outcome was known" in attempt["error"]


async def test_tick_takes_over_leases_that_ended_and_claims_them(database: SqliteDatabase) -> None:
    """Not those that run, and never its own."""
    await subscribe(database, *map(subscription_of, "abc"))
    await owe(database, event_of(), ["a", "b", "c"])
    await tick(database, room=Room(1, 1, 1 << 30))
    await claim_lane(database, "b", now_ms=NOW_MS - LEASE_MS)
    await claim_lane(database, "c")

    found = await tick(database, in_flight={"a": 1})
    much_later = await tick(database, now_ms=NOW_MS + 1000 * LEASE_MS, in_flight={"a": 1, "b": 1})

    assert [{"b": 1}, {"c": 1}] == [by_lane(found), by_lane(much_later)]
    assert [2] == [each.claimed.claim for each in found.claims]


async def test_abandoned_claim_of_a_deleted_subscription_ends_cancelled(database: SqliteDatabase) -> None:
    """Its attempt is recorded and it is not sent again, in whichever order the sweep and the taking over come."""
    await subscribe(database, subscription_of("a"))
    before, after = await owe(database, event_of(), ["a", "a"])
    await claim_lane(database, "a")
    await unsubscribe(database, "a")
    await database.write(lambda tx: interventions.sweep(tx, SweepKind.CANCEL, "a", "", now_ms=NOW_MS, limit=1))

    found = await tick(database, now_ms=NOW_MS + LEASE_MS)
    await database.write(lambda tx: interventions.sweep(tx, SweepKind.CANCEL, "a", before, now_ms=NOW_MS, limit=9))

    assert [] == found.claims
    assert ["CANCELLED", "CANCELLED"] == await states(database, [before, after])
    assert [[(1, "INTERRUPTED")]] * 2 == [await outcomes(database, each) for each in (before, after)]
    assert 0 == await take_over(database, due_until_ms=NOW_MS + 9 * LEASE_MS)


@pytest.mark.parametrize("interruptions", [0, 2, 4])
async def test_taking_over_a_cancelled_notification_leaves_it_cancelled(
    database: SqliteDatabase, interruptions: int
) -> None:
    """Also when it would be the end of its schedule, and then nothing is announced. It can be retried afterwards."""
    await listen(database)
    await subscribe(database, subscription_of("a", retry_policy=TWO_RETRIES))
    [one] = await owe(database, event_of(), ["a"])
    for _ in range(interruptions):
        await claim_lane(database, "a")
        await take_over(database, due_until_ms=NOW_MS + LEASE_MS)
        await promote_due(database, now_ms=NOW_MS + DAYS_14_MS)
    await claim_lane(database, "a")
    await database.write(lambda tx: interventions.cancel(tx, [one], now_ms=NOW_MS + 5))
    cancelled = await stored(database, one)
    assert not await database.write(lambda tx: interventions.retry_now(tx, one, now_ms=NOW_MS))

    assert 1 == await take_over(database, due_until_ms=NOW_MS + LEASE_MS)

    expected = {**cancelled, "lease_owner": None, "attempt_count": interruptions + 1}
    assert ("CANCELLED", expected) == (cancelled["state"], await stored(database, one))
    assert (interruptions + 1, "INTERRUPTED") == (await outcomes(database, one))[-1]
    assert [] == await database.read(lambda tx: announcements.after(tx, "", limit=9))
    assert 0 == await take_over(database, due_until_ms=NOW_MS + LEASE_MS)
    assert await database.write(lambda tx: interventions.retry_now(tx, one, now_ms=NOW_MS))


async def test_repeated_interruption_of_a_deleted_subscription_is_decided_by_the_default_policy(
    database: SqliteDatabase,
) -> None:
    """There is no other left, and nothing may stop the taking over."""
    await subscribe(database, subscription_of("a", retry_policy=replace(TWO_RETRIES, max_age_s=60.0)))
    [one] = await owe(database, event_of(), ["a"])
    for _ in range(3):
        await claim_lane(database, "a")
        assert 1 == await take_over(database, due_until_ms=NOW_MS + LEASE_MS)
        if (await stored(database, one))["interruptions"] == 2:
            await unsubscribe(database, "a")

    row = await stored(database, one)
    assert ("WAITING", 1, True) == (row["state"], row["schedule_step"], 4_000 <= row["due_at"] - NOW_MS <= 6_000)
