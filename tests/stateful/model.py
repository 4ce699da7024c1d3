"""What notifications, subscriptions and events should be, as plainly as it can be said.

The rules of DESIGN 4.2 and 4.3 once more, without SQL, and one notification at a time. Whoever drives the real units
asks after each step whether the database says the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from service.domain.patterns import matches

LEASE_MS = 60_000
DELAYS_MS = (10_000, 100_000)
DEFAULT_DELAYS_MS = tuple(delay_s * 1000 for delay_s in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400))
INTERRUPTIONS_FREE_MAX = 2


@dataclass
class Owed:
    """A notification. `owner` is set while an attempt is under way; `due_ms` is when it, or its lease, is due."""

    uid: str
    event_id: str
    due_ms: int
    replayed: bool = False
    state: str = "READY"
    held: bool = False
    claim: int = 0
    owner: str | None = None
    step: int = 0
    attempts: int = 0
    interruptions: int = 0
    reason: str | None = None

    @property
    def is_ended(self) -> bool:
        return self.state not in ("READY", "WAITING")

    def row(self) -> tuple[object, ...]:
        """Return what its row should have, without the time."""
        return (
            self.state,
            int(self.held),
            self.claim,
            self.owner,
            self.step,
            self.attempts,
            self.interruptions,
            self.reason,
        )

    def claimed(self, owner: str, now_ms: int) -> None:
        self.state, self.owner, self.claim, self.due_ms = "WAITING", owner, self.claim + 1, now_ms + LEASE_MS

    def hold(self) -> None:
        self.state, self.held = "WAITING", True

    def release(self, now_ms: int) -> None:
        """End a hold."""
        if self.held:
            self.state, self.held, self.due_ms = "READY", False, now_ms

    def become_due(self, now_ms: int, *, is_served: bool) -> None:
        """Be ready when the time has come, but fail if it was held so long that the hold ended first."""
        if self.state != "WAITING" or self.owner is not None or self.due_ms > now_ms:
            return
        if self.held and not is_served:
            self.state, self.reason, self.claim = "FAILED", "HOLD_EXPIRED", self.claim + 1
        else:
            self.state = "READY"
        self.held = False

    def give_back(self, claim: int, now_ms: int) -> None:
        """Come free unattempted, as at a shutdown."""
        if self.owner is not None and self.claim == claim:
            self.state, self.owner, self.due_ms, self.claim = "READY", None, now_ms, self.claim + 1

    def retry(self, now_ms: int) -> None:
        """Begin anew, as a person asked for."""
        self.state, self.held, self.owner, self.reason = "READY", False, None, None
        self.claim, self.step, self.interruptions, self.due_ms = self.claim + 1, 0, 0, now_ms

    def cancel(self) -> None:
        """End, if it has not ended. An attempt under way keeps the lease until it is recorded."""
        if not self.is_ended:
            self.state, self.held, self.claim = "CANCELLED", False, self.claim + 1

    def attempted(self, claim: int, outcome: str, *, due_ms: int, decided_ms: int, now_ms: int) -> bool:
        """Take in what came of an attempt; say whether it was of the current claim, and so changed the state.

        Args:
            outcome: SUCCEEDED, GONE or FAILED, which is retried as long as the schedule says.
            due_ms: when it would be retried, as was decided at `decided_ms`.
        """
        self.attempts += 1
        if self.owner is None or self.claim != claim or self.is_ended:
            self._end_cancelled(claim)
            return False
        self.owner, self.interruptions = None, 0
        if outcome == "SUCCEEDED":
            self.state = "SUCCEEDED"
        elif outcome == "GONE":
            self.state, self.reason = "FAILED", "GONE"
        else:
            self._fail_or_wait(due_ms, decided_ms, now_ms, DELAYS_MS)
        return True

    def take_over(self, *, due_ms: int, now_ms: int, delays_ms: Sequence[int]) -> None:
        """Lose the lease to another process: interruptions are free twice in a row."""
        self.attempts += 1
        if self.is_ended:
            self.owner = None
            return
        self.owner = None
        self.interruptions += 1
        if self.interruptions <= INTERRUPTIONS_FREE_MAX:
            self.state, self.due_ms = "READY", now_ms
        else:
            self._fail_or_wait(due_ms, now_ms, now_ms, delays_ms)

    def _fail_or_wait(self, due_ms: int, decided_ms: int, now_ms: int, delays_ms: Sequence[int]) -> None:
        if self.step >= len(delays_ms):
            self.state, self.reason, self.interruptions = "FAILED", "ATTEMPTS_EXHAUSTED", 0
            return
        delay_ms = delays_ms[self.step]
        assert decided_ms + 0.8 * delay_ms <= due_ms <= decided_ms + 1.2 * delay_ms + 1
        self.state, self.due_ms, self.step = "READY" if due_ms <= now_ms else "WAITING", due_ms, self.step + 1

    def _end_cancelled(self, claim: int) -> None:
        # The cancel counted the claim up: an older outcome is that of another attempt.
        if self.is_ended and self.owner is not None and self.claim - 1 <= claim:
            self.owner = None


@dataclass
class Subscribed:
    """A subscription. `sweep` is what is still to be done to its pending notifications."""

    uid: str
    id: str
    workspace: str
    pattern: str
    enabled: bool
    url_number: int = 0
    suspended: bool = False
    deleted: bool = False
    sweep: str | None = None

    @property
    def is_served(self) -> bool:
        return self.enabled and not self.suspended and not self.deleted

    def wants(self, event_type: str) -> bool:
        """Say whether it matches: suspended ones do, disabled and deleted ones do not."""
        return self.enabled and not self.deleted and matches(self.pattern, event_type)

    def change(self, *, enabled: bool | None = None, suspended: bool | None = None) -> None:
        """Change its state; one that is served again has what was held brought back."""
        was_served = self.is_served
        self.enabled = self.enabled if enabled is None else enabled
        self.suspended = self.suspended if suspended is None else suspended
        if self.is_served and not was_served:
            self.sweep = "RELEASE"


@dataclass(frozen=True)
class Published:
    """An event that was acknowledged."""

    workspace: str
    request_id: str
    event_id: str
    event_type: str
    payload: bytes
    create_time_ms: int
    matched: frozenset[str]


@dataclass
class Model:
    """Everything that should be in the database."""

    owed: dict[str, Owed] = field(default_factory=dict)
    subscriptions: dict[str, Subscribed] = field(default_factory=dict)
    events: list[Published] = field(default_factory=list)
    retried: set[str] = field(default_factory=set)

    def matching(self, workspace: str, event_type: str) -> frozenset[str]:
        """Return the uids of the subscriptions that want an event now."""
        return frozenset(
            each.uid for each in self.subscriptions.values() if each.workspace == workspace and each.wants(event_type)
        )

    def sweep(self, now_ms: int) -> None:
        """Do what sweeps are to do, all of it."""
        for subscription in self.subscriptions.values():
            for each in self.of(subscription.uid):
                if subscription.sweep == "CANCEL":
                    each.cancel()
                elif subscription.sweep == "RELEASE":
                    each.release(now_ms)
            subscription.sweep = None

    def replayed(self, uid: str, *, before_ms: int, include_unmatched: bool) -> list[str]:
        """Return the events that a replay sends to a subscription once more, or for the first time."""
        subscription = self.subscriptions[uid]
        had = {each.event_id for each in self.of(uid)}
        return [
            each.event_id
            for each in self.events
            if each.workspace == subscription.workspace
            and each.create_time_ms < before_ms
            and (each.event_id in had or (include_unmatched and matches(subscription.pattern, each.event_type)))
        ]

    def of(self, uid: str) -> Iterable[Owed]:
        """Return a subscription's notifications."""
        return [each for each in self.owed.values() if each.uid == uid]

    def leased(self) -> dict[str, Owed]:
        """Return what is under way, by id."""
        return {id: each for id, each in self.owed.items() if each.owner is not None}

    def copy(self, id: str) -> Owed:
        """Return a notification as it is now, to compare with later."""
        return replace(self.owed[id])
