"""What one tick of the dispatcher does to the database, as one transaction: take over, promote, claim."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from random import Random

from service.delivery.lanes import LANE_LIMIT, lane_limit, lane_room
from service.domain.announcements import Announcement, notification_failed
from service.domain.ids import Ids
from service.domain.model import DEFAULT_RETRY_POLICY, Attempt, Event, Subscription, SubscriptionState
from service.domain.outcomes import Interrupted
from service.domain.retry import Decision, Fail, RetryAt, Succeed, attempt_outcome, decide
from service.storage import announcements, attempts, events, queue, subscriptions
from service.storage.database import Transaction
from service.storage.queue import Abandoned, Claimed, Finished, LaneClaim, Postponed

_PROMOTED_MAX = 1_000
_TAKEN_OVER_MAX = 1_000
_LANES_MAX = 256
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

    `has_more` says that there may be more to do in the lanes that it looked at, as soon as slots are free.
    `cursor` is where the next tick begins among the lanes; it is empty when this one came to the last lane.
    `next_due_ms` is when the next waiting notification is due, None if none waits.
    """

    claims: list[Claim]
    has_more: bool
    cursor: str
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class TickWork:
    """One tick as a work.

    `in_flight` counts this process's requests by lane. `lanes` are those to look at, None for all from `cursor` on.
    """

    owner: str
    now_ms: int
    lease_ms: int
    free_slots: int
    in_flight: Mapping[str, int]
    rng: Random
    ids: Ids
    lanes: Sequence[str] | None = None
    cursor: str = ""

    def __call__(self, tx: Transaction) -> Tick:
        """Take over what other processes left, promote what is due, claim as much as may be started.

        With `lanes` it only claims: what it made ready in other lanes, nobody would look at.
        """
        has_more = self.lanes is None and self._make_ready(tx)
        lanes = queue.lanes_after(tx, self.cursor, limit=_LANES_MAX) if self.lanes is None else self.lanes
        served = subscriptions.find_by_uid(tx, [uid for uid in lanes if self._room(uid, LANE_LIMIT, self.free_slots)])
        found = [served[uid] for uid in lanes if uid in served]
        held = self._hold(tx, [each for each in found if each.state is not SubscriptionState.ACTIVE])
        plan = self._plan([each for each in found if each.state is SubscriptionState.ACTIVE])
        claimed = queue.claim(tx, plan, owner=self.owner, now_ms=self.now_ms, lease_end_ms=self.now_ms + self.lease_ms)
        return Tick(
            claims=_with_events(tx, [each for lane in claimed for each in lane], served),
            has_more=has_more or held == _HELD_MAX or self._was_cut_short(plan, claimed, served),
            cursor=self._next_cursor(lanes, plan) if self.lanes is None else self.cursor,
            next_due_ms=queue.next_due_ms(tx, owner=self.owner),
        )

    def _make_ready(self, tx: Transaction) -> bool:
        """Make ready what others left and what is due; say whether there may be more of it."""
        takeover = TakeOverWork(
            owner=self.owner, due_until_ms=self.now_ms, now_ms=self.now_ms, rng=self.rng, ids=self.ids
        )
        taken_over = takeover(tx)
        promoted = queue.promote_due(tx, now_ms=self.now_ms, limit=_PROMOTED_MAX)
        return taken_over == _TAKEN_OVER_MAX or promoted == _PROMOTED_MAX

    def _hold(self, tx: Transaction, unserved: Sequence[Subscription]) -> int:
        """Park what is ready for subscriptions that are disabled or suspended; return how much."""
        hold_end_ms = self.now_ms + _HOLD_MS
        held = 0
        for subscription in unserved:
            # What is too much for one transaction is met again in the next round, for this one has more.
            if held < _HELD_MAX and subscriptions.lock_unserved(tx, subscription.uid):
                held += queue.hold(tx, subscription.uid, hold_end_ms=hold_end_ms, limit=_HELD_MAX - held)
        return held

    def _plan(self, candidates: Sequence[Subscription]) -> list[LaneClaim]:
        """Share the free slots out, lane by lane, as if every lane had as much to send as it may."""
        free_slots = self.free_slots
        plan: list[LaneClaim] = []
        for subscription in candidates:
            if free_slots == 0:
                break
            room = self._room(subscription.uid, lane_limit(subscription.max_concurrency), free_slots)
            if room:
                plan.append(LaneClaim(subscription.uid, room))
                free_slots -= room
        return plan

    def _was_cut_short(
        self, plan: Sequence[LaneClaim], claimed: Sequence[Sequence[Claimed]], served: Mapping[str, Subscription]
    ) -> bool:
        """Say whether a lane gave all that it was asked for although its own limit allows more.

        The plan shares the slots out as if every lane took all of its part. What others left over is for another round.
        """
        return any(
            len(found) == lane.limit
            and self.in_flight.get(lane.subscription_uid, 0) + lane.limit
            < lane_limit(served[lane.subscription_uid].max_concurrency)
            for lane, found in zip(plan, claimed, strict=True)
        )

    def _room(self, uid: str, limit: int, free_slots: int) -> int:
        return lane_room(limit=limit, free_slots=free_slots, in_flight=self.in_flight.get(uid, 0))

    def _next_cursor(self, lanes: Sequence[str], plan: Sequence[LaneClaim]) -> str:
        planned_all_slots = sum(lane.limit for lane in plan) >= self.free_slots > 0
        if planned_all_slots and plan[-1].subscription_uid != lanes[-1]:
            # The lanes behind this one got nothing this time, so they come first next time.
            return plan[-1].subscription_uid
        return lanes[-1] if len(lanes) == _LANES_MAX else ""


@dataclass(frozen=True, slots=True)
class TakeOverWork:
    """Takes over the claims of other processes whose leases end by `due_until_ms`, as a work; returns how many.

    Each is recorded as INTERRUPTED and made due again, unless it was cancelled: then it stays so. The first
    interruptions in a row are free. From the third on each one moves the notification on in its retry schedule, so that
    a request which brings the server down does not do so for ever.
    """

    owner: str
    due_until_ms: int
    now_ms: int
    rng: Random
    ids: Ids

    def __call__(self, tx: Transaction) -> int:
        """Take over some; none are left when it returns 0."""
        left = queue.abandoned(tx, owner=self.owner, due_until_ms=self.due_until_ms, limit=_TAKEN_OVER_MAX)
        numbers = queue.count_attempts(tx, [each.notification_id for each in left])
        attempts.insert(
            tx,
            [(each.notification_id, _interrupted(each, number)) for each, number in zip(left, numbers, strict=True)],
        )
        repeated = dict.fromkeys(each.subscription_uid for each in left if _is_repeated(each))
        served = subscriptions.find_by_uid(tx, list(repeated))
        ends = [
            self._end(each, served.get(each.subscription_uid), number)
            for each, number in zip(left, numbers, strict=True)
        ]
        current = queue.end_claims(tx, ends, now_ms=self.now_ms)
        announcements.insert(tx, list(self._failures(compress(zip(left, ends, strict=True), current))))
        return len(left)

    def _failures(self, ended: Iterable[tuple[Abandoned, Finished | Postponed]]) -> Iterator[Announcement]:
        for left, end in ended:
            if not isinstance(end, Finished) or end.failure_reason is None:
                continue
            announcement = notification_failed(
                left.workspace,
                id=self.ids.new(),
                now_ms=self.now_ms,
                notification_id=left.notification_id,
                event_id=left.event_id,
                event_type=left.event_type,
                subscription_id=left.subscription_id,
                reason=end.failure_reason,
            )
            if announcement is not None:
                yield announcement

    def _end(self, left: Abandoned, subscription: Subscription | None, attempt_number: int) -> Finished | Postponed:
        interruptions = left.interruptions + 1
        if not _is_repeated(left):
            return Postponed(
                left.notification_id, left.claim, self.now_ms, left.schedule_step, interruptions, attempt_number
            )
        decision = decide(
            Interrupted(),
            schedule_step=left.schedule_step,
            policy=subscription.retry_policy_in_force if subscription else DEFAULT_RETRY_POLICY,
            create_time_ms=left.schedule_time_ms,
            now_ms=self.now_ms,
            rng=self.rng,
        )
        return end_of_claim(
            left.notification_id, left.claim, decision, interruptions=interruptions, attempt_number=attempt_number
        )


def _is_repeated(left: Abandoned) -> bool:
    return left.interruptions >= _INTERRUPTIONS_FREE_MAX


def end_of_claim(
    notification_id: str,
    claim: int,
    decision: Decision,
    *,
    interruptions: int = 0,
    attempt_number: int | None = None,
) -> Finished | Postponed:
    """Return what a decision makes of a claim. `attempt_number` is that of the attempt it came of, None without one."""
    match decision:
        case Succeed():
            return Finished(notification_id, claim, succeeded=True, attempt_number=attempt_number)
        case Fail(reason):
            return Finished(
                notification_id, claim, succeeded=False, failure_reason=reason, attempt_number=attempt_number
            )
        case RetryAt(due_at_ms, schedule_step):
            return Postponed(notification_id, claim, due_at_ms, schedule_step, interruptions, attempt_number)


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


def _interrupted(left: Abandoned, attempt_number: int) -> Attempt:
    return Attempt(
        attempt_number=attempt_number,
        outcome=attempt_outcome(Interrupted()),
        start_time_ms=left.claim_time_ms,
        duration_ms=0,
        error="the server process ended before the outcome was known",
    )
