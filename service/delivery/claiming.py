"""What one tick of the dispatcher does to the database, as one transaction: take over, promote, claim."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from random import Random

from service.delivery.lanes import Rates, Room
from service.delivery.sharing import TIERS, Sharing
from service.domain.announcements import Announcement, notification_failed
from service.domain.ids import Ids
from service.domain.model import (
    DEFAULT_RETRY_POLICY,
    Attempt,
    Event,
    FailureReason,
    Subscription,
    SubscriptionState,
)
from service.domain.outcomes import Interrupted
from service.domain.retry import Decision, Fail, RetryAt, Succeed, attempt_outcome, decide
from service.storage import announcements, attempts, events, queue, subscriptions
from service.storage.database import Transaction
from service.storage.queue import Abandoned, Claimed, Due, Ended, Finished, Postponed

_DUE_MAX = 1_000
_TAKEN_OVER_MAX = 1_000
_LANES_MAX = 256
_SCANNED_MAX = 1_000
_HELD_MAX = 500
_HOLD_MS = 14 * 24 * 3_600_000
_INTERRUPTIONS_FREE_MAX = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed notification with all that an attempt needs: the event, and the subscription as it is now."""

    claimed: Claimed
    event: Event
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick found.

    `has_more` says that more was due than one transaction moves. `again` are lanes to look at at once: something was
    made ready in them, or has yet to be held, that this tick did not get at. `cursor` is where a round goes on among
    the lanes; it is empty when this tick came to the last one.
    `short` are the lanes that would have started more if more slots or bytes were free, `rated` those that would but
    for their `max_rate_per_second`. `next_due_ms` is when the next waiting notification is due, None if none waits.
    """

    claims: list[Claim]
    has_more: bool
    again: frozenset[str]
    cursor: str
    short: frozenset[str]
    rated: frozenset[str]
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class TickWork:
    """One tick as a work.

    `room` is what this process may start, `in_flight` counts its requests by lane, `rates` what its lanes have used up
    by `monotonic_s`. `lanes` are those to look at beside those in which something was due; None for all, `cursor` on.
    """

    owner: str
    now_ms: int
    monotonic_s: float
    lease_ms: int
    room: Room
    in_flight: Mapping[str, int]
    rates: Rates
    rng: Random
    ids: Ids
    lanes: Collection[str] | None = None
    cursor: str = ""

    def __call__(self, tx: Transaction) -> Tick:
        """Take over what other processes left, promote what is due, claim as much as may be started."""
        made_ready = self._make_ready(tx)
        lanes, cursor = self._lanes(tx, made_ready)
        found = subscriptions.find_by_uid(tx, lanes)
        living = [found[uid] for uid in lanes if uid in found]
        held_in_part = self._hold(tx, [each for each in living if each.state is not SubscriptionState.ACTIVE])
        sharing = self._share(tx, [each for each in living if each.state is SubscriptionState.ACTIVE])
        lease_end_ms = self.now_ms + self.lease_ms
        queue.claim(tx, sharing.chosen, owner=self.owner, now_ms=self.now_ms, lease_end_ms=lease_end_ms)
        return Tick(
            claims=_with_events(tx, sharing.chosen, found),
            has_more=made_ready.has_more,
            again=made_ready.lanes.union(self.lanes or ()).difference(lanes).union(held_in_part),
            # The lanes that got nothing this time come first next time.
            cursor=sharing.last if self.lanes is None and sharing.unreached else cursor,
            # Those of a round are met again as it goes on.
            short=frozenset(sharing.short if self.lanes is None else sharing.short.union(sharing.unreached)),
            rated=frozenset(sharing.rated),
            next_due_ms=queue.next_due_ms(tx, owner=self.owner),
        )

    def _make_ready(self, tx: Transaction) -> "_MadeReady":
        """Make ready what others left and what is due, and end holds that have lasted too long."""
        takeover = TakeOverWork(
            owner=self.owner, due_until_ms=self.now_ms, now_ms=self.now_ms, rng=self.rng, ids=self.ids
        )
        taken_over = takeover(tx)
        due = queue.due(tx, now_ms=self.now_ms, limit=_DUE_MAX)
        queue.promote(tx, [each.notification_id for each in due if not each.held])
        self._expire(tx, [each for each in due if each.held])
        lanes = frozenset(each.subscription_uid for each in due).union(taken_over)
        return _MadeReady(lanes, len(taken_over) == _TAKEN_OVER_MAX or len(due) == _DUE_MAX)

    def _expire(self, tx: Transaction, held: Sequence[Due]) -> None:
        """Fail what was held for too long; what is served again by now, and was not released yet, is ready instead."""
        found = subscriptions.find_by_uid(tx, list(dict.fromkeys(each.subscription_uid for each in held)))
        served = {uid for uid, each in found.items() if each.state is SubscriptionState.ACTIVE}
        queue.promote(tx, [each.notification_id for each in held if each.subscription_uid in served])
        expired = [each for each in held if each.subscription_uid not in served]
        was_held = queue.expire_held(tx, [each.notification_id for each in expired], now_ms=self.now_ms)
        failed = [(each, FailureReason.HOLD_EXPIRED) for each in compress(expired, was_held)]
        announcements.insert(tx, list(_failures(failed, now_ms=self.now_ms, ids=self.ids)))

    def _lanes(self, tx: Transaction, made_ready: "_MadeReady") -> tuple[list[str], str]:
        """Return the lanes to look at, no more than one transaction should, and where a round goes on after them."""
        if self.lanes is not None:
            lanes = sorted(made_ready.lanes.union(self.lanes))
            # Whichever comes first gets the larger share, so nobody comes first always.
            self.rng.shuffle(lanes)
            return lanes[:_LANES_MAX], self.cursor
        scanned = queue.lanes_after(tx, self.cursor, now_ms=self.now_ms, limit=_SCANNED_MAX)
        served = [uid for uid, is_open in scanned if not is_open]
        if len(served) > _LANES_MAX:
            return served[:_LANES_MAX], served[_LANES_MAX - 1]
        return served, scanned[-1][0] if len(scanned) == _SCANNED_MAX else ""

    def _hold(self, tx: Transaction, unserved: Sequence[Subscription]) -> list[str]:
        """Park what is ready for subscriptions that are disabled or suspended; return those that may have more."""
        hold_end_ms = self.now_ms + _HOLD_MS
        room = _HELD_MAX
        in_part: list[str] = []
        for subscription in unserved:
            if room and subscriptions.lock_unserved(tx, subscription.uid):
                room -= queue.hold(tx, subscription.uid, hold_end_ms=hold_end_ms, limit=room)
            if not room:
                in_part.append(subscription.uid)
        return in_part

    def _share(self, tx: Transaction, candidates: Sequence[Subscription]) -> Sharing:
        """Share out what may be started among the lanes, by what each of them really has."""
        # A work may run again, so the room that it is given stays as it is.
        sharing = Sharing(
            replace(self.room),
            in_flight=self.in_flight,
            rates=self.rates,
            now_ms=self.now_ms,
            monotonic_s=self.monotonic_s,
            rng=self.rng,
        )
        sharing.run(candidates, lambda demands: [queue.ready(tx, demands, tier=tier) for tier in TIERS])
        return sharing


@dataclass(frozen=True, slots=True)
class _MadeReady:
    """The lanes in which something became ready, and whether there may be more of it."""

    lanes: frozenset[str]
    has_more: bool


@dataclass(frozen=True, slots=True)
class TakeOverWork:
    """Takes over the claims of other processes whose leases end by `due_until_ms`, as a work; returns their lanes.

    Each is recorded as INTERRUPTED and made due again, unless it was cancelled: then it stays so. The first
    interruptions in a row are free. From the third on each one moves the notification on in its retry schedule, so that
    a request which brings the server down does not do so for ever.
    """

    owner: str
    due_until_ms: int
    now_ms: int
    rng: Random
    ids: Ids

    def __call__(self, tx: Transaction) -> list[str]:
        """Take over some, and return the subscription of each; none are left when it returns an empty list."""
        left = queue.abandoned(tx, owner=self.owner, due_until_ms=self.due_until_ms, limit=_TAKEN_OVER_MAX)
        repeated = dict.fromkeys(each.subscription_uid for each in left if _is_repeated(each))
        served = subscriptions.find_by_uid(tx, list(repeated))
        ends = [self._end(each, served.get(each.subscription_uid)) for each in left]
        ended = queue.end_claims(tx, ends, now_ms=self.now_ms)
        attempts.insert(
            tx, [(each.notification_id, _interrupted(each, end)) for each, end in zip(left, ended, strict=True)]
        )
        failed = [
            (each, end.failure_reason)
            for each, end in compress(zip(left, ends, strict=True), [each.was_current for each in ended])
            if isinstance(end, Finished) and end.failure_reason is not None
        ]
        announcements.insert(tx, list(_failures(failed, now_ms=self.now_ms, ids=self.ids)))
        return [each.subscription_uid for each in left]

    def _end(self, left: Abandoned, subscription: Subscription | None) -> Finished | Postponed:
        interruptions = left.interruptions + 1
        if not _is_repeated(left):
            return Postponed(
                left.notification_id, left.claim, self.now_ms, left.schedule_step, interruptions, attempted=True
            )
        decision = decide(
            Interrupted(),
            schedule_step=left.schedule_step,
            policy=subscription.retry_policy_in_force if subscription else DEFAULT_RETRY_POLICY,
            create_time_ms=left.schedule_time_ms,
            now_ms=self.now_ms,
            rng=self.rng,
        )
        return end_of_claim(left.notification_id, left.claim, decision, interruptions=interruptions, attempted=True)


def _failures(
    failed: Sequence[tuple[Abandoned | Due, FailureReason]], *, now_ms: int, ids: Ids
) -> Iterator[Announcement]:
    for each, reason in failed:
        announcement = notification_failed(
            each.workspace,
            id=ids.new(),
            now_ms=now_ms,
            notification_id=each.notification_id,
            event_id=each.event_id,
            event_type=each.event_type,
            subscription_id=each.subscription_id,
            reason=reason,
        )
        if announcement is not None:
            yield announcement


def _is_repeated(left: Abandoned) -> bool:
    return left.interruptions >= _INTERRUPTIONS_FREE_MAX


def end_of_claim(
    notification_id: str,
    claim: int,
    decision: Decision,
    *,
    interruptions: int = 0,
    attempted: bool,
) -> Finished | Postponed:
    """Return what a decision makes of a claim. `attempted` says that it came of an attempt."""
    match decision:
        case Succeed():
            return Finished(notification_id, claim, succeeded=True, attempted=attempted)
        case Fail(reason):
            return Finished(notification_id, claim, succeeded=False, failure_reason=reason, attempted=attempted)
        case RetryAt(due_at_ms, schedule_step):
            return Postponed(notification_id, claim, due_at_ms, schedule_step, interruptions, attempted)


def _with_events(tx: Transaction, claimed: Sequence[Claimed], served: Mapping[str, Subscription]) -> list[Claim]:
    # One event is often owed to many subscriptions: its payload is read and kept once.
    keys = list(dict.fromkeys((each.workspace, each.event_id) for each in claimed))
    found = dict(zip(keys, events.find(tx, keys), strict=True))
    claims: list[Claim] = []
    for each in claimed:
        event = found[each.workspace, each.event_id]
        assert event is not None, "a notification refers to its event by a foreign key"
        claims.append(Claim(each, event, served[each.subscription_uid]))
    return claims


def _interrupted(left: Abandoned, ended: Ended) -> Attempt:
    assert ended.attempt_number is not None, "its end said that an attempt was made"
    return Attempt(
        attempt_number=ended.attempt_number,
        outcome=attempt_outcome(Interrupted()),
        start_time_ms=left.claim_time_ms,
        duration_ms=0,
        error="the server process ended before the outcome was known",
    )
