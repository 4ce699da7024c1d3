"""Replays in SQL: what was asked for, how far each one came, and the past events that it looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, LiteralString

from service.domain.model import NotificationState
from service.domain.names import ReplayName, Workspace
from service.domain.replays import Replay, ReplayState
from service.storage import changes
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import from_text, to_text

_COLUMNS: Final[LiteralString] = """
    id, workspace, subscription_uid, subscription_id, start_time, end_time, states, include_unmatched,
    max_rate_per_second, state, examined_count, created_count, create_time, complete_time
"""

INSERT_REPLAY: Final[LiteralString] = f"""
    INSERT INTO replays ({_COLUMNS}, position_time, position_id, next_time) VALUES (
        :id, :workspace, :subscription_uid, :subscription_id, :start_time, :end_time, :states, :include_unmatched,
        :max_rate_per_second, 'RUNNING', 0, 0, :create_time, NULL, :start_time, '', :create_time
    )
"""

SELECT_REPLAY: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM replays
    WHERE id = :id AND workspace = :workspace AND subscription_id = :subscription_id
"""

SELECT_OF_SUBSCRIPTION_BEFORE: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM replays
    WHERE subscription_uid = :subscription_uid AND id < :before
    ORDER BY id DESC LIMIT :limit
"""

COUNT_RUNNING: Final[LiteralString] = """
    SELECT count(*) AS running FROM replays WHERE subscription_uid = :subscription_uid AND state = 'RUNNING'
"""

# The one that has waited longest for its turn comes first.
SELECT_NEXT_RUNNING: Final[LiteralString] = f"""
    SELECT {_COLUMNS}, position_time, position_id, next_time FROM replays
    WHERE state = 'RUNNING' ORDER BY next_time LIMIT 1
"""

SELECT_TOO_FAR_AHEAD: Final[LiteralString] = f"""
    SELECT {_COLUMNS}, position_time, position_id, next_time FROM replays
    WHERE state = 'RUNNING' AND next_time > :latest ORDER BY next_time LIMIT 1
"""

ADVANCE: Final[LiteralString] = """
    UPDATE replays SET
        position_time = :position_time, position_id = :position_id, next_time = :next_time,
        examined_count = examined_count + :examined, created_count = created_count + :created,
        state = :state, complete_time = :complete_time
    WHERE id = :id AND state = 'RUNNING' AND position_time = :from_time AND position_id = :from_id
    RETURNING id
"""

PUT_OFF: Final[LiteralString] = """
    UPDATE replays SET next_time = :next_time
    WHERE id = :id AND state = 'RUNNING' AND position_time = :from_time AND position_id = :from_id
"""

CANCEL: Final[LiteralString] = """
    UPDATE replays SET state = 'CANCELLED', complete_time = :now WHERE id = :id AND state = 'RUNNING'
"""

CANCEL_OF_SUBSCRIPTION: Final[LiteralString] = """
    UPDATE replays SET state = 'CANCELLED', complete_time = :now
    WHERE subscription_uid = :subscription_uid AND state = 'RUNNING'
"""

# Whoever deletes the subscription waits, or has been waited for: no notification is made behind a deletion's back.
LOCK_LIVING: Final[LiteralString] = """
    SELECT uid FROM subscriptions WHERE uid = :uid AND delete_time IS NULL {for_share}
"""

SELECT_PAST_EVENTS: Final[LiteralString] = """
    SELECT id, event_type, create_time, matched_count, payload_size + length(context_json) AS payload_size FROM events
    WHERE workspace = :workspace AND (create_time, id) > (:after_time, :after_id) AND create_time < :end_time
    ORDER BY create_time, id LIMIT :limit
"""

# The empty text keeps both engines from walking back through the subscription's whole history in search of the event.
SELECT_NEWEST_STATE: Final[LiteralString] = """
    SELECT state FROM notifications
    WHERE workspace = :workspace AND event_id = :event_id AND subscription_uid || '' = :subscription_uid
    ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a replay stands: behind the event of this creation time and id, in the order of the two."""

    time_ms: int
    event_id: str


@dataclass(frozen=True, slots=True)
class RunningReplay:
    """A replay under way: where it goes on, and not before `next_time_ms`."""

    replay: Replay
    position: Position
    next_time_ms: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What one slice adds to a replay, and where it leads."""

    position: Position
    examined: int
    created: int
    next_time_ms: int
    is_last: bool
    now_ms: int


@dataclass(frozen=True, slots=True)
class PastEvent:
    """As much of an event as most replays look at.

    `newest_state` is that of the newest notification of the replay's subscription; None when it never had one.
    """

    id: str
    event_type: str
    create_time_ms: int
    payload_size: int
    newest_state: NotificationState | None

    @property
    def position(self) -> Position:
        """The place in the order in which events are replayed."""
        return Position(self.create_time_ms, self.id)


@dataclass(frozen=True, slots=True)
class PastEvents:
    """The next events of a replay's time range. `is_end` says that there are none behind them."""

    events: Sequence[PastEvent]
    is_end: bool


@dataclass(frozen=True, slots=True)
class SliceLimits:
    """How many events one transaction looks at.

    Finding the notification of one subscription takes reading all those that the event was matched to, so these are
    bounded too: at most `matches`, unless the first event has more.
    """

    events: int
    matches: int


def insert(tx: Transaction, replay: Replay) -> None:
    """Add a replay that is RUNNING from now on."""
    tx.execute(
        INSERT_REPLAY,
        id=replay.id,
        workspace=replay.workspace.key,
        subscription_uid=replay.subscription_uid,
        subscription_id=replay.subscription_id,
        start_time=replay.start_time_ms,
        end_time=replay.end_time_ms,
        states=to_text(sorted(replay.states)),
        include_unmatched=int(replay.include_unmatched),
        max_rate_per_second=replay.max_rate_per_second,
        create_time=replay.create_time_ms,
    )


def beginning(replay: Replay) -> Position:
    """Return the position before the first event of a replay's time range."""
    return Position(replay.start_time_ms, "")


def find(tx: Transaction, name: ReplayName) -> Replay | None:
    """Return a replay by its name, also one of a deleted subscription, or None."""
    found = tx.rows(SELECT_REPLAY, id=name.id, workspace=name.workspace.key, subscription_id=name.subscription_id)
    return _replay(found[0]) if found else None


def of_subscription(tx: Transaction, subscription_uid: str, before: str, *, limit: int) -> list[Replay]:
    """Return a subscription's replays, newest first, from the one before the id `before` on."""
    rows = tx.rows(SELECT_OF_SUBSCRIPTION_BEFORE, subscription_uid=subscription_uid, before=before, limit=limit)
    return [_replay(row) for row in rows]


def running_count(tx: Transaction, subscription_uid: str) -> int:
    """Return how many replays of a subscription are RUNNING."""
    return int(tx.rows(COUNT_RUNNING, subscription_uid=subscription_uid)[0]["running"])


def next_running(tx: Transaction, *, now_ms: int, wait_ms_max: int) -> RunningReplay | None:
    """Return the replay whose turn comes next, which may be later; None when none is RUNNING.

    Args:
        wait_ms_max: what none waits longer than. One that seems to had its time from a clock that was ahead, so its
            turn has come: before the others, or they might keep it waiting until that time comes.
    """
    found = tx.rows(SELECT_TOO_FAR_AHEAD, latest=now_ms + wait_ms_max)
    if found:
        return replace(_running(found[0]), next_time_ms=now_ms)
    found = tx.rows(SELECT_NEXT_RUNNING)
    return _running(found[0]) if found else None


def advance(tx: Transaction, running: RunningReplay, progress: Progress) -> bool:
    """Note what a slice did; False, and no change, if the replay was cancelled or moved on since it was read."""
    return bool(
        tx.rows(
            ADVANCE,
            id=running.replay.id,
            from_time=running.position.time_ms,
            from_id=running.position.event_id,
            position_time=progress.position.time_ms,
            position_id=progress.position.event_id,
            next_time=progress.next_time_ms,
            examined=progress.examined,
            created=progress.created,
            state=(ReplayState.SUCCEEDED if progress.is_last else ReplayState.RUNNING).value,
            complete_time=progress.now_ms if progress.is_last else None,
        )
    )


def put_off(tx: Transaction, running: RunningReplay, *, next_time_ms: int) -> None:
    """Let a replay wait, unless it was cancelled or moved on since it was read."""
    tx.execute(
        PUT_OFF,
        id=running.replay.id,
        from_time=running.position.time_ms,
        from_id=running.position.event_id,
        next_time=next_time_ms,
    )


def cancel(tx: Transaction, replay_id: str, *, now_ms: int) -> bool:
    """End a replay if it is RUNNING, and say whether it was."""
    return tx.execute(CANCEL, id=replay_id, now=now_ms) > 0


def cancel_of_subscription(tx: Transaction, subscription_uid: str, *, now_ms: int) -> None:
    """End the RUNNING replays of a subscription."""
    tx.execute(CANCEL_OF_SUBSCRIPTION, subscription_uid=subscription_uid, now=now_ms)


def lock_living(tx: Transaction, subscription_uid: str) -> bool:
    """Say whether a subscription is there, and keep it from being deleted until this transaction ends. For a write."""
    return bool(tx.rows(LOCK_LIVING, uid=subscription_uid))


def past_events(tx: Transaction, replay: Replay, after: Position, limits: SliceLimits) -> PastEvents:
    """Return the next events of a replay's time range, oldest first."""
    found = tx.rows(
        SELECT_PAST_EVENTS,
        workspace=replay.workspace.key,
        after_time=after.time_ms,
        after_id=after.event_id,
        end_time=replay.end_time_ms,
        limit=limits.events,
    )
    rows = _within(found, limits.matches)
    newest = tx.each(SELECT_NEWEST_STATE, [_newest_state_params(replay, row) for row in rows])
    events = [_past_event(row, states) for row, states in zip(rows, newest, strict=True)]
    return PastEvents(events, is_end=len(events) < limits.events and len(events) == len(found))


def _within(rows: list[Row], matches_max: int) -> list[Row]:
    matches = 0
    for index, row in enumerate(rows):
        matches += row["matched_count"]
        if matches > matches_max:
            return rows[: max(1, index)]
    return rows


def _past_event(row: Row, newest: Sequence[Row]) -> PastEvent:
    return PastEvent(
        id=row["id"],
        event_type=row["event_type"],
        create_time_ms=row["create_time"],
        payload_size=row["payload_size"],
        newest_state=changes.shown_state(newest[0]) if newest else None,
    )


def _newest_state_params(replay: Replay, event: Row) -> Mapping[str, Value]:
    return {
        "workspace": replay.workspace.key,
        "event_id": event["id"],
        "subscription_uid": replay.subscription_uid,
    }


def _running(row: Row) -> RunningReplay:
    return RunningReplay(_replay(row), Position(row["position_time"], row["position_id"]), row["next_time"])


def _replay(row: Row) -> Replay:
    return Replay(
        workspace=Workspace.from_key(row["workspace"]),
        id=row["id"],
        subscription_uid=row["subscription_uid"],
        subscription_id=row["subscription_id"],
        start_time_ms=row["start_time"],
        end_time_ms=row["end_time"],
        states=frozenset(NotificationState(state) for state in from_text(row["states"])),
        include_unmatched=bool(row["include_unmatched"]),
        max_rate_per_second=row["max_rate_per_second"],
        state=ReplayState(row["state"]),
        examined_count=row["examined_count"],
        created_count=row["created_count"],
        create_time_ms=row["create_time"],
        complete_time_ms=row["complete_time"],
    )
