"""Whatever is done to it, in whatever order, the database says what a small model says.

The real works run on real SQLite, without threads: publish, claim, attempt, record, take over, retry, cancel, and all
that is done to subscriptions. Two processes share the file, and may lose their leases to one another, as on
PostgreSQL; outcomes may come late, from processes that are long gone.
"""

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.delivery.claiming import Claim, TakeOverWork, Tick
from service.delivery.courier import Courier, Delivery
from service.delivery.lanes import Room
from service.delivery.recorder import record_attempts
from service.delivery.replayer import Replayer
from service.delivery.retention import Retained, Retention
from service.delivery.slices import NOTHING_LEFT
from service.delivery.sweeper import Sweeper
from service.domain.destinations import parse_destination_policy
from service.domain.errors import RequestIdReused, StateConflict
from service.domain.ids import Uuid7Ids
from service.domain.model import Format, SignatureScheme
from service.domain.names import Workspace
from service.domain.replays import ReplayRequest
from service.domain.retry import RetryAt
from service.domain.subscriptions import Creation, SubscriptionFields
from service.matching import Matchers
from service.notifying import Interventions
from service.publishing import EventDraft, Publisher
from service.replaying.replays import Replays
from service.rotating import Rotation, SigningKeys
from service.storage import queue
from service.subscribing import Subscriptions
from service.turns import Turns
from service.validating import Definitions
from tests.direct import DirectDatabase, memory_folder
from tests.fakes import (
    HOUR_MS,
    QUOTAS,
    SECRET,
    TESTER,
    TWO_RETRIES,
    FakeClock,
    FakeTransport,
    backlog_of,
    reply_of,
    tick_work,
)
from tests.invariants import (
    OF_THE_DATABASE,
    Publication,
    Receipt,
    check,
    doubled,
    garbled,
    invented,
    lost,
    misattributed,
    misdirected,
    revived,
    undrained,
    unlogged,
    unowed,
    unreceived,
    unsound,
)
from tests.simulation.virtual_time import VirtualTimeLoop
from tests.stateful.model import DEFAULT_DELAYS_MS, DELAYS_MS, LEASE_MS, Model, Owed, Published, Subscribed

EXAMPLES_QUICK: Final = 120
# More, and then with the time to make a failing case small: give pytest `-o faulthandler_timeout=0` too.
EXAMPLES_DEEP: Final = int(os.environ.get("TIDINGS_STATEFUL_EXAMPLES", "0"))
STEPS: Final = 40

WORKSPACES: Final = ("acme/main", "umbrella/main")
EVENT_TYPES: Final = ("agent.created", "call.ended")
PATTERNS: Final = ("*", "agent.created", "call.*")
JUMPS_MS: Final = (-HOUR_MS, -1_000, 1, 1_000, 12_000, LEASE_MS + 1, 2 * LEASE_MS, 25 * HOUR_MS)
# Changes alone are pruned.
RETAINED: Final = Retained(events_ms=1 << 60, request_ids_ms=1 << 60, changes_ms=24 * HOUR_MS, audit_ms=1 << 60)
ANSWERS: Final = {204: "SUCCEEDED", 410: "GONE", 500: "FAILED"}

SELECT_ROWS: Final = """
    SELECT id, state, held, claim, lease_owner, schedule_step, attempt_count, interruptions, failure_reason, due_at
    FROM notifications
"""

T = TypeVar("T")
_any = st.integers(0, 1 << 16)


@dataclass(frozen=True)
class Sent:
    """An attempt that was made and is not yet recorded."""

    owner: str
    delivery: Delivery
    outcome: str
    decided_ms: int


class Machine(RuleBasedStateMachine):
    """The real units on one file, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = memory_folder()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.model = Model()
        self.clock = FakeClock()
        self.database = DirectDatabase(Path(self.folder.name) / "tidings.db", clock=self.clock)
        self.rng = Random(1)
        self.ids = Uuid7Ids(self.clock, self.rng)
        self.transport = FakeTransport()
        self.keys: dict[str, list[str]] = {}
        self.receipts: list[Receipt] = []
        # Claims of processes that live, and of those that do not but may be heard of once more.
        self.under_way: list[tuple[str, Claim]] = []
        self.sent: list[Sent] = []
        self.owners = ["a-1", "b-1"]
        self.restarts = 1
        self.build()

    def build(self) -> None:
        """Make the units of a process that has just begun: it knows nothing but the file."""
        rng, database, clock, ids = self.rng, self.database, self.clock, self.ids
        self.courier = Courier(self.transport, clock=clock, rng=rng)
        self.sweeper = Sweeper(database, clock=clock, on_released=_nothing)
        self.replayer = Replayer(
            database,
            backlog=backlog_of(database, clock),
            clock=clock,
            ids=ids,
            on_made=_nothing,
            turns=Turns(lambda: 0.0),
        )
        self.retention = Retention(database, clock=clock, retained=RETAINED)
        self.interventions = Interventions(database, clock=clock, on_changed=_nothing)
        self.replays = Replays(database, clock=clock, ids=ids, on_created=_nothing)
        self.signing_keys = SigningKeys(database, clock=clock, ids=ids, rng=rng, on_announced=_nothing)
        self.subscriptions = Subscriptions(
            database,
            destinations=parse_destination_policy((), (), https_only=False, dev=False),
            clock=clock,
            ids=ids,
            rng=rng,
            quotas=QUOTAS,
            on_sweep=_nothing,
            allow_unknown_event_types=True,
        )
        self.publisher = Publisher(
            database,
            Matchers(database, clock=self.clock, workspaces_max=10, turns=Turns(lambda: 0.0)),
            Definitions(database),
            backlog=backlog_of(database, clock),
            clock=clock,
            ids=ids,
            on_accepted=lambda _: None,
            allow_unknown_event_types=True,
        )

    def ask(self, call: Awaitable[T]) -> T:
        """Run what never waits for anything."""

        async def asked() -> T:
            return await call

        return self.runner.run(asked())

    # Publishing and matching.

    @initialize()
    def begin_at_work(self) -> None:
        """Begin with attempts under way: that is where things go wrong, and rules take long to get there."""
        for workspace in range(len(WORKSPACES)):
            self.subscribe(workspace, "*", True)
            self.publish(workspace, EVENT_TYPES[0])
            self.publish(workspace, EVENT_TYPES[1])
        self.claim(0, 3)

    @rule(workspace=_any, pattern=st.sampled_from(PATTERNS), enabled=st.booleans())
    @precondition(lambda self: len(self.model.subscriptions) < 8)
    def subscribe(self, workspace: int, pattern: str, enabled: bool) -> None:
        key, id = _one(WORKSPACES, workspace), f"s{len(self.model.subscriptions)}"
        fields: SubscriptionFields = {
            "display_name": f"Subscription {id}",
            "url": _url(id, 0),
            "event_types": (pattern,),
            "attribute_filters": {},
            "filter": "",
            "enabled": enabled,
            "format": Format.STANDARD_WEBHOOKS,
            "signature_scheme": SignatureScheme.STANDARD_WEBHOOKS,
            "api_key": None,
            "headers": {},
            "retry_policy": TWO_RETRIES,
            "max_concurrency": None,
            "annotations": {},
        }
        created = self.ask(
            self.subscriptions.create(Creation(Workspace.from_key(key), id, fields, signing_key=SECRET), by=TESTER)
        )
        uid = created.subscription.uid
        self.keys[uid] = [SECRET]
        self.model.subscriptions[uid] = Subscribed(uid, id, key, pattern, enabled)

    @rule(workspace=_any, event_type=st.sampled_from(EVENT_TYPES))
    def publish(self, workspace: int, event_type: str) -> None:
        key = _one(WORKSPACES, workspace)
        request_id = f"r-{len(self.model.events)}"
        payload = b'{"request": "%s"}' % request_id.encode()
        matched = self.model.matching(key, event_type)
        [published] = self.ask(self._publish(key, request_id, event_type, payload))
        event = published.event
        assert (len(matched), False) == (event.matched_count, published.deduplicated)
        self.model.events.append(
            Published(key, request_id, event.id, event_type, payload, event.create_time_ms, matched)
        )
        self.take_in_new(event.id, matched)

    @rule(event=_any)
    @precondition(lambda self: self.model.events)
    def publish_again(self, event: int) -> None:
        first = _one(self.model.events, event)
        [again] = self.ask(self._publish(first.workspace, first.request_id, first.event_type, first.payload))
        assert (first.event_id, True) == (again.event.id, again.deduplicated)
        assert len(first.matched) == again.event.matched_count

    @rule(event=_any)
    @precondition(lambda self: self.model.events)
    def publish_something_else_under_the_same_request_id(self, event: int) -> None:
        first = _one(self.model.events, event)
        with pytest.raises(RequestIdReused):
            self.ask(self._publish(first.workspace, first.request_id, first.event_type, b"{}"))

    # Delivering.

    @rule(who=_any, slots=st.sampled_from((1, 3, 100)))
    def claim(self, who: int, slots: int) -> None:
        owner, now_ms = _one(self.owners, who), self.clock.now_ms()
        leased = [id for id, each in self.model.leased().items() if each.owner != owner and each.due_ms <= now_ms]
        tick = self._tick(owner, slots)
        self._taken_over(leased)
        for each in self.model.owed.values():
            each.become_due(now_ms, is_served=self.model.subscriptions[each.uid].is_served)
        for claim in tick.claims:
            self._claimed(owner, claim)
        rows = self._rows()
        for id, owed in self.model.owed.items():
            # Whatever was not claimed may have been left for the next tick, or held.
            if rows[id]["held"] and owed.state == "READY" and not self.model.subscriptions[owed.uid].is_served:
                owed.hold()
                owed.due_ms = rows[id]["due_at"]
        assert len(tick.claims) <= slots
        if slots == 100 and not (tick.has_more or tick.again):
            self._check_nothing_is_left(owner)

    @rule(lease=_any)
    @precondition(lambda self: self.model.leased())
    def lose_leases(self, lease: int) -> None:
        """Let leases end before their outcomes are recorded, and the other process go on with what they were for."""
        loser = _one(list(self.model.leased().values()), lease).owner
        self.clock.advance(LEASE_MS + 1)
        self.claim(self.owners[0] == loser, 100)

    @rule(claim=_any, answer=st.sampled_from((204, 204, 410, 500, 500)))
    @precondition(lambda self: self.under_way)
    def attempt(self, claim: int, answer: int) -> None:
        owner, claimed = self.under_way.pop(claim % len(self.under_way))
        self.transport.answer = lambda _: reply_of(answer)
        delivery = self.ask(self.courier.attempt(claimed))
        request = self.transport.requests[-1]
        headers = {name.lower(): value for name, value in request.headers}
        self.receipts.append(Receipt(claimed.subscription.uid, headers, request.body))
        self.sent.append(Sent(owner, delivery, ANSWERS[answer], self.clock.now_ms()))

    @rule(start=_any, count=st.integers(1, 4))
    @precondition(lambda self: self.sent)
    def record(self, start: int, count: int) -> None:
        """Record some outcomes of one process in one commit: current ones, and stale ones that come late."""
        owner = _one(self.sent, start).owner
        batch = [each for each in self.sent if each.owner == owner][:count]
        self.sent = [each for each in self.sent if each not in batch]
        now_ms = self.clock.now_ms()
        deliveries = [each.delivery for each in batch]
        self.database.actor = owner
        recorded = self.ask(
            self.database.write(lambda tx: record_attempts(tx, deliveries, now_ms=now_ms, ids=self.ids))
        )
        current = [self._attempted(each, now_ms) for each in batch]
        assert current == [each.was_current for each in recorded]
        self._take_in_suspensions()

    @rule(claim=_any)
    @precondition(lambda self: self.under_way)
    def give_back(self, claim: int) -> None:
        owner, claimed = self.under_way.pop(claim % len(self.under_way))
        now_ms = self.clock.now_ms()
        self.database.actor = owner
        self.ask(self.database.write(lambda tx: queue.release_leases(tx, [claimed.claimed], now_ms=now_ms)))
        self.model.owed[claimed.claimed.notification_id].give_back(claimed.claimed.claim, now_ms)

    @rule(who=_any)
    def crash(self, who: int) -> None:
        """Let a process die and another begin, to which all leases are void. What was under way may still come in."""
        self.restarts += 1
        self.owners[who % len(self.owners)] = owner = f"c-{self.restarts}"
        self.build()
        leased = list(self.model.leased())
        self.database.actor = owner
        work = TakeOverWork(owner=owner, due_until_ms=1 << 62, now_ms=self.clock.now_ms(), rng=self.rng, ids=self.ids)
        assert len(leased) == len(self.ask(self.database.write(work)))
        self._taken_over(leased)

    @rule(milliseconds=st.sampled_from(JUMPS_MS))
    def jump(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    # Intervening.

    @rule(notification=_any)
    @precondition(lambda self: self.model.owed)
    def retry(self, notification: int) -> None:
        id, owed = _one(list(self.model.owed.items()), notification)
        subscription = self.model.subscriptions[owed.uid]
        retrying = self.interventions.retry(Workspace.from_key(subscription.workspace), id, by=TESTER)
        if subscription.deleted or owed.owner is not None:
            with pytest.raises(StateConflict):
                self.ask(retrying)
            return
        self.ask(retrying)
        self.model.retried.add(id)
        owed.retry(self.clock.now_ms())

    @rule(notification=_any)
    @precondition(lambda self: self.model.owed)
    def cancel(self, notification: int) -> None:
        id, owed = _one(list(self.model.owed.items()), notification)
        cancelling = self.interventions.cancel(
            Workspace.from_key(self.model.subscriptions[owed.uid].workspace), id, by=TESTER
        )
        if owed.state in ("SUCCEEDED", "FAILED"):
            with pytest.raises(StateConflict):
                self.ask(cancelling)
            return
        self.ask(cancelling)
        owed.cancel()

    @rule(subscription=_any, include_unmatched=st.booleans())
    @precondition(lambda self: self._living())
    def replay(self, subscription: int, include_unmatched: bool) -> None:
        found = _one(self._living(), subscription)
        sent = self.model.replayed(found.uid, before_ms=self.clock.now_ms(), include_unmatched=include_unmatched)
        request = ReplayRequest(0, None, frozenset(), include_unmatched, None)
        replay = self.ask(self.replays.create(Workspace.from_key(found.workspace), found.id, request, by=TESTER))
        while self.ask(self.replayer.take_turn()) != NOTHING_LEFT:
            pass
        rows = self.database.look().execute(
            "SELECT id, event_id, create_time FROM notifications WHERE replay_id = ?", (replay.id,)
        )
        made = {row["id"]: (row["event_id"], row["create_time"]) for row in rows}
        assert sorted(sent) == sorted(event_id for event_id, _ in made.values())
        for id, (event_id, due_ms) in made.items():
            self.model.owed[id] = Owed(found.uid, event_id, due_ms, replayed=True)

    # Changing subscriptions.

    @rule(subscription=_any)
    @precondition(lambda self: len(self._living()) > 1)
    def delete(self, subscription: int) -> None:
        found = _one(self._living(), subscription)
        self.ask(
            self.subscriptions.delete(
                Workspace.from_key(found.workspace), found.id, etag="", allow_missing=False, by=TESTER
            )
        )
        found.deleted, found.sweep = True, "CANCEL"

    @rule(subscription=_any, enabled=st.booleans())
    @precondition(lambda self: self._living())
    def enable_or_disable(self, subscription: int, enabled: bool) -> None:
        found = _one(self._living(), subscription)
        self._update(found, {"enabled": enabled})
        found.change(enabled=enabled)

    @rule(subscription=_any)
    @precondition(lambda self: self._living())
    def change_url(self, subscription: int) -> None:
        found = _one(self._living(), subscription)
        found.url_number += 1
        self._update(found, {"url": _url(found.id, found.url_number)})
        found.change(suspended=False)

    @rule(subscription=_any)
    @precondition(lambda self: self._living())
    def resume(self, subscription: int) -> None:
        found = _one(self._living(), subscription)
        self.ask(self.subscriptions.resume(Workspace.from_key(found.workspace), found.id, by=TESTER))
        found.change(suspended=False)

    @rule(subscription=_any, overlap_s=st.sampled_from((0, 100)))
    @precondition(lambda self: self._living())
    def rotate(self, subscription: int, overlap_s: int) -> None:
        found = _one(self._living(), subscription)
        rotation = Rotation("", SignatureScheme.STANDARD_WEBHOOKS, overlap_s, "", b"")
        try:
            keyed = self.ask(
                self.signing_keys.rotate(Workspace.from_key(found.workspace), found.id, rotation, by=TESTER)
            )
        except StateConflict:
            return  # Ten keys sign already.
        self.keys[found.uid].append(keyed.shown_key)

    @rule()
    def sweep(self) -> None:
        """Carry out what deletions and resumptions have left to be done."""
        while self.ask(self.sweeper.sweep_slice()) is not None:
            pass
        self.model.sweep(self.clock.now_ms())

    @rule()
    def prune(self) -> None:
        while self.ask(self.retention.take_turn()) != NOTHING_LEFT:
            pass

    # What is always so.

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        rows = self._rows()
        stored = {id: tuple(row)[1:-1] for id, row in rows.items()}
        assert {id: each.row() for id, each in self.model.owed.items()} == stored
        due = {id: row["due_at"] for id, row in rows.items() if row["state"] == "WAITING"}
        assert {id: each.due_ms for id, each in self.model.owed.items() if each.state == "WAITING"} == due

    @invariant()
    def the_invariants_hold(self) -> None:
        connection = self.database.look()
        of_the_rows = [find(connection) for find in OF_THE_DATABASE if find is not unsound]
        check(*of_the_rows, self.database.moves(), revived(connection, retried=self.model.retried))

    def teardown(self) -> None:
        """Let everything end well, and look at the ledgers."""
        try:
            self._finish()
            self._check_ledgers()
        finally:
            self.ask(self.database.close())
            self.runner.close()
            self.folder.cleanup()

    def _finish(self) -> None:
        """Whatever was done, what is owed can be delivered: only what is held stays."""
        self.under_way, self.sent = [], []
        self.crash(0)
        # After the clock was set back, what waits does so until the time that was meant then.
        waiting = [each.due_ms for each in self.model.owed.values() if each.state == "WAITING" and not each.held]
        self.clock.advance(max(0, max(waiting, default=0) - self.clock.now_ms()))
        for _ in range(len(self.model.owed) + 3):
            self.sweep()
            self.clock.advance(2 * max(DELAYS_MS))
            self.claim(0, 100)
            while self.under_way:
                self.attempt(0, 204)
            while self.sent:
                self.record(0, 4)
        check(undrained(self.database.look()), unsound(self.database.look()), unlogged(self.database.look()))
        self.the_database_says_what_the_model_says()
        self.the_invariants_hold()

    def _check_ledgers(self) -> None:
        publications = [
            Publication(each.workspace, each.request_id, each.payload, event_id=each.event_id, matched=each.matched)
            for each in self.model.events
        ]
        connection = self.database.look()
        check(
            lost(connection, publications),
            misdirected(connection, publications),
            doubled(connection, publications),
            invented(connection, publications),
            unowed(connection, self.receipts),
            unreceived(connection, self.receipts),
            garbled(self.receipts, publications),
            misattributed(self.receipts, self.keys),
        )

    # How the units are called. What the engine decides for itself (which lanes, how many) is not predicted.

    def _tick(self, owner: str, slots: int) -> Tick:
        in_flight: dict[str, int] = {}
        for who, claim in self.under_way:
            if who == owner:
                in_flight[claim.subscription.uid] = in_flight.get(claim.subscription.uid, 0) + 1
        self.database.actor = owner
        work = tick_work(
            owner=owner,
            now_ms=self.clock.now_ms(),
            monotonic_s=self.clock.monotonic_s(),
            lease_ms=LEASE_MS,
            room=Room(slots, slots, 1 << 20),
            in_flight=in_flight,
            rng=self.rng,
            ids=self.ids,
        )
        return self.ask(self.database.write(work))

    def _claimed(self, owner: str, claim: Claim) -> None:
        owed = self.model.owed[claim.claimed.notification_id]
        subscription = self.model.subscriptions[owed.uid]
        assert owed.state == "READY"
        assert subscription.is_served
        owed.claimed(owner, self.clock.now_ms())
        assert (owed.claim, owed.attempts, owed.step) == (
            claim.claimed.claim,
            claim.claimed.attempt_count,
            claim.claimed.schedule_step,
        )
        self.under_way.append((owner, claim))

    def _check_nothing_is_left(self, owner: str) -> None:
        """A lane of which nothing is under way is never passed over while slots are free."""
        busy = {claim.subscription.uid for who, claim in self.under_way if who == owner}
        left = [
            id
            for id, each in self.model.owed.items()
            if each.state == "READY" and not self.model.subscriptions[each.uid].deleted and each.uid not in busy
        ]
        assert [] == left

    def _attempted(self, sent: Sent, now_ms: int) -> bool:
        claimed, decision = sent.delivery.claimed, sent.delivery.decision
        owed = self.model.owed[claimed.notification_id]
        due_ms = decision.due_at_ms if isinstance(decision, RetryAt) else 0
        is_current = owed.attempted(
            claimed.claim, sent.outcome, due_ms=due_ms, decided_ms=sent.decided_ms, now_ms=now_ms
        )
        subscription = self.model.subscriptions[owed.uid]
        has_same_url = sent.delivery.claim.subscription.url == _url(subscription.id, subscription.url_number)
        if is_current and sent.outcome == "GONE" and has_same_url and not subscription.deleted:
            subscription.change(suspended=True)
        return is_current

    def _take_in_suspensions(self) -> None:
        """Believe the server where it gives up a receiver that has failed for days: `domain.health` has its tests."""
        failing = "SELECT uid FROM subscriptions WHERE suspend_reason = 'FAILING' AND delete_time IS NULL"
        for row in self.database.look().execute(failing):
            self.model.subscriptions[row["uid"]].change(suspended=True)

    def _taken_over(self, ids: list[str]) -> None:
        rows, now_ms = self._rows(), self.clock.now_ms()
        for id in ids:
            owed = self.model.owed[id]
            # The policy of a deleted subscription is not asked any more: its notifications are about to be cancelled.
            delays_ms = DEFAULT_DELAYS_MS if self.model.subscriptions[owed.uid].deleted else DELAYS_MS
            owed.take_over(due_ms=rows[id]["due_at"], now_ms=now_ms, delays_ms=delays_ms)

    def take_in_new(self, event_id: str, matched: frozenset[str]) -> None:
        rows = (
            self.database.look()
            .execute("SELECT id, subscription_uid, create_time FROM notifications WHERE event_id = ?", (event_id,))
            .fetchall()
        )
        assert sorted(matched) == sorted(row["subscription_uid"] for row in rows)
        for row in rows:
            self.model.owed[row["id"]] = Owed(row["subscription_uid"], event_id, row["create_time"])

    def _publish(self, workspace: str, request_id: str, event_type: str, payload: bytes) -> Awaitable[Any]:
        draft = EventDraft(
            event_type=event_type,
            source="",
            subject="",
            attributes={},
            payload=payload,
            payload_is_json=True,
            content_type="application/json",
            context_json="",
            occur_time_ns=None,
            event_id=None,
            request_id=request_id,
        )
        return self.publisher.publish(Workspace.from_key(workspace), [draft])

    def _update(self, found: Subscribed, fields: SubscriptionFields) -> None:
        self.ask(self.subscriptions.update(Workspace.from_key(found.workspace), found.id, fields, etag="", by=TESTER))

    def _living(self) -> list[Subscribed]:
        return [each for each in self.model.subscriptions.values() if not each.deleted]

    def _rows(self) -> dict[str, Any]:
        return {row["id"]: row for row in self.database.look().execute(SELECT_ROWS)}


def _one(among: Any, number: int) -> Any:
    return among[number % len(among)]


def _url(id: str, number: int) -> str:
    return f"https://{id}.example/hooks/{number}"


def _nothing(_: frozenset[str] | None = None) -> None:
    """Nobody is to be woken: the rules say what runs."""


TestStateful = Machine.TestCase
TestStateful.settings = settings(
    max_examples=EXAMPLES_DEEP or EXAMPLES_QUICK,
    stateful_step_count=STEPS,
    phases=[each for each in Phase if EXAMPLES_DEEP or each not in (Phase.shrink, Phase.explain)],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
