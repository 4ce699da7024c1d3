"""What is always true of Tidings (DESIGN 5), asked of a database and of what publishers and receivers wrote down.

Each function returns its violations, one sentence with the ids per violation, and an empty list where all is well.
So a test asserts `[] == lost(...)`, a report counts, and `check` raises with the sentences. They take a plain
connection to the database file, beside a server or after it, and read only.
"""

import base64
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from standardwebhooks import Webhook

from service.domain.model import Format

Violations = list[str]

_SHOWN_MAX: Final = 20
_OPERATIONAL: Final = "tidings."


@dataclass(frozen=True, slots=True)
class Publication:
    """One event as its publisher keeps it: what it sent under which request_id, and what it was told.

    `workspace` is the stored form, "acme/main". `event_id` is empty until a call was answered OK. `matched` are the
    uids of the subscriptions that wanted it when it was accepted, None where the test does not know them.
    """

    workspace: str
    request_id: str
    payload: bytes = field(repr=False)
    content_type: str = "application/json"
    event_id: str = ""
    matched: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request as a receiver keeps it. Header names are lower-case; `at_s` is by the receiver's own clock."""

    subscription_uid: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at_s: float = 0.0

    @property
    def event_id(self) -> str:
        """What the request says it is about: its webhook-id."""
        return self.headers["webhook-id"]


@dataclass(frozen=True, slots=True)
class InFlight:
    """How many requests were under way at one moment, by subscription uid."""

    at_s: float
    by_lane: Mapping[str, int]


def check(*violations: Violations) -> None:
    """Raise an AssertionError that names the violations, if there are any."""
    found = [sentence for each in violations for sentence in each]
    if found:
        more = [f"… and {len(found) - _SHOWN_MAX} more"] if len(found) > _SHOWN_MAX else []
        raise AssertionError("\n".join([f"{len(found)} violations:", *found[:_SHOWN_MAX], *more]))


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database file for the functions below, beside a server or after it."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


# Of the database alone.


def database_violations(connection: sqlite3.Connection) -> Violations:
    """Return every violation that the database shows by itself: all of the functions of this section."""
    return [sentence for each in OF_THE_DATABASE for sentence in each(connection)]


def unsound(connection: sqlite3.Connection) -> Violations:
    """The file is whole and no row refers to one that is not there: integrity_check and foreign_key_check are ok."""
    damaged = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    dangling = [f"row {row[1]} of {row[0]} refers to nothing" for row in connection.execute("PRAGMA foreign_key_check")]
    return [*damaged, *dangling]


def stuck(connection: sqlite3.Connection) -> Violations:
    """Every pending notification is ready, waits for a time, is held by its subscription's state, or is leased.

    One of a deleted subscription still has its sweep before it, and so has one that is held although its subscription
    is served again: nothing else would ever look at them.
    """
    return _sentences(
        connection,
        """
        SELECT n.id || ' is pending, and nothing will ever take it up: ' || n.state || ', held ' || n.held ||
            ', lease ' || coalesce(n.lease_owner, 'none') || ', sweep ' || coalesce(s.sweep, 'none')
        FROM notifications AS n JOIN subscriptions AS s ON s.uid = n.subscription_uid
        WHERE n.complete_time IS NULL AND NOT CASE
            WHEN n.lease_owner IS NOT NULL THEN n.state = 'WAITING' AND n.held = 0 AND n.claim_time IS NOT NULL
            WHEN s.delete_time IS NOT NULL THEN coalesce(s.sweep = 'CANCEL', 0) AND n.id > s.sweep_after
            WHEN n.held = 1 THEN n.state = 'WAITING' AND (
                s.enabled = 0 OR s.suspend_time IS NOT NULL
                OR (coalesce(s.sweep = 'RELEASE', 0) AND n.id > s.sweep_after)
            )
            ELSE n.state IN ('READY', 'WAITING')
        END
        """,
    )


def half_ended(connection: sqlite3.Connection) -> Violations:
    """A notification has a complete_time exactly if it is in an end state, and a failure_reason exactly if FAILED.

    Of the ended ones only a CANCELLED one may still be leased: its attempt is under way.
    """
    return _sentences(
        connection,
        """
        SELECT id || ' is ' || state || ', completed ' || coalesce(complete_time, 'never') || ', reason ' ||
            coalesce(failure_reason, 'none') || ', lease ' || coalesce(lease_owner, 'none')
        FROM notifications
        WHERE (complete_time IS NULL) <> (state IN ('READY', 'WAITING'))
            OR (failure_reason IS NOT NULL) <> (state = 'FAILED')
            OR (lease_owner IS NOT NULL AND state NOT IN ('WAITING', 'CANCELLED'))
            OR (held = 1 AND complete_time IS NOT NULL)
        """,
    )


def unproven(connection: sqlite3.Connection) -> Violations:
    """A SUCCEEDED notification has an attempt that a receiver answered with 2xx."""
    return _sentences(
        connection,
        """
        SELECT id || ' is SUCCEEDED without an attempt that was answered 2xx' FROM notifications
        WHERE state = 'SUCCEEDED' AND NOT EXISTS (
            SELECT 1 FROM attempts
            WHERE notification_id = notifications.id AND outcome = 'SUCCEEDED' AND http_status BETWEEN 200 AND 299
        )
        """,
    )


def miscounted(connection: sqlite3.Connection) -> Violations:
    """attempt_count is the number of a notification's attempts and the highest of their numbers."""
    return _sentences(
        connection,
        """
        SELECT n.id || ' counts ' || n.attempt_count || ' attempts and has ' || count(a.attempt_number) ||
            ', up to number ' || coalesce(max(a.attempt_number), 0)
        FROM notifications AS n LEFT JOIN attempts AS a ON a.notification_id = n.id
        GROUP BY n.id
        HAVING n.attempt_count <> count(a.attempt_number) OR n.attempt_count <> coalesce(max(a.attempt_number), 0)
        """,
    )


def mismatched(connection: sqlite3.Connection) -> Violations:
    """An event has as many notifications as matched it when it was accepted, of different subscriptions.

    Those that a replay made do not count; of a replay there are as many as it says.
    """
    return _sentences(
        connection,
        """
        SELECT e.id || ' matched ' || e.matched_count || ' subscriptions and has ' || count(n.id) ||
            ' notifications for ' || count(DISTINCT n.subscription_uid)
        FROM events AS e LEFT JOIN notifications AS n
            ON n.workspace = e.workspace AND n.event_id = e.id AND n.replay_id IS NULL
        GROUP BY e.workspace, e.id
        HAVING e.matched_count <> count(n.id) OR e.matched_count <> count(DISTINCT n.subscription_uid)
        """,
    ) + _sentences(
        connection,
        """
        SELECT 'replay ' || r.id || ' says ' || r.created_count || ' and made ' || count(n.id)
        FROM replays AS r LEFT JOIN notifications AS n ON n.replay_id = r.id
        GROUP BY r.id HAVING r.created_count <> count(n.id)
        """,
    )


def strayed(connection: sqlite3.Connection) -> Violations:
    """Whatever refers to one another is of one workspace: an event, its notifications, and their subscriptions."""
    return _sentences(
        connection,
        """
        SELECT n.id || ' of ' || n.workspace || ' is for ' || s.uid || ' of ' || s.workspace
        FROM notifications AS n JOIN subscriptions AS s ON s.uid = n.subscription_uid
        WHERE n.workspace <> s.workspace
        """,
    )


def forgotten(connection: sqlite3.Connection) -> Violations:
    """A request_id is kept no longer than its event, and of an event there is at most one."""
    return _sentences(
        connection,
        """
        SELECT 'request ' || p.request_id || ' of ' || p.workspace || ' has no event ' || p.event_id
        FROM publish_requests AS p LEFT JOIN events AS e ON e.workspace = p.workspace AND e.id = p.event_id
        WHERE e.id IS NULL
        """,
    ) + _sentences(
        connection,
        """
        SELECT 'event ' || event_id || ' of ' || workspace || ' came of ' || count(*) || ' requests'
        FROM publish_requests GROUP BY workspace, event_id HAVING count(*) > 1
        """,
    )


def revived(connection: sqlite3.Connection, *, retried: Collection[str] | None = None) -> Violations:
    """An end state changes only to PENDING, and not by an attempt, which leaves RetryNotification. By the log.

    Args:
        retried: the notifications that somebody asked to be retried, None where the test does not know them.
    """
    found = connection.execute(
        """
        SELECT notification_id, state = 'PENDING' AND attempt_number IS NULL,
            notification_id || ' went from ' || before || ' to ' || state || ' at change ' || number
        FROM (
            SELECT notification_id, number, state, attempt_number,
                lag(state) OVER (PARTITION BY notification_id ORDER BY number) AS before
            FROM changes
        )
        WHERE before <> 'PENDING' AND state <> before
        """
    )
    return [
        sentence
        for notification_id, may_be_a_retry, sentence in found
        if not may_be_a_retry or (retried is not None and notification_id not in retried)
    ]


def mistold(connection: sqlite3.Connection) -> Violations:
    """The last that the log of changes says of a notification is what its row says."""
    return _sentences(
        connection,
        """
        SELECT n.id || ' is ' || n.state || ' after ' || n.attempt_count || ' attempts, but its change ' || c.number ||
            ' says ' || c.state
        FROM changes AS c JOIN notifications AS n ON n.id = c.notification_id
        WHERE c.number = (SELECT max(number) FROM changes WHERE notification_id = n.id) AND (
            c.state <> CASE WHEN n.complete_time IS NULL THEN 'PENDING' ELSE n.state END
            OR c.complete_time IS NOT n.complete_time OR c.failure_reason IS NOT n.failure_reason
        )
        """,
    )


OF_THE_DATABASE: Final[Sequence[Callable[[sqlite3.Connection], Violations]]] = (
    unsound,
    stuck,
    half_ended,
    unproven,
    miscounted,
    mismatched,
    strayed,
    forgotten,
    revived,
    mistold,
)


def unlogged(connection: sqlite3.Connection) -> Violations:
    """Each change of a workspace's subscriptions has one audit entry, and so has each replay.

    A workspace's revision counts those changes. For databases that were changed by use cases alone, and whose log
    retention has left whole.
    """
    return _sentences(
        connection,
        """
        SELECT w.workspace || ' is at revision ' || w.revision || ' and has ' || count(a.number) || ' entries'
        FROM workspaces AS w LEFT JOIN audit_log AS a
            ON a.workspace = w.workspace AND a.resource LIKE '%/subscriptions/%' AND a.resource NOT LIKE '%/replays/%'
        GROUP BY w.workspace HAVING w.revision <> count(a.number)
        """,
    ) + _sentences(
        connection,
        """
        SELECT 'replay ' || r.id || ' has ' || count(a.number) || ' entries of its creation'
        FROM replays AS r LEFT JOIN audit_log AS a
            ON a.action = 'CreateReplay' AND a.resource LIKE '%/replays/' || r.id
        GROUP BY r.id HAVING count(a.number) <> 1
        """,
    )


def undrained(connection: sqlite3.Connection) -> Violations:
    """Nothing is owed any more but what is held: asked some time after all faults have stopped."""
    return _sentences(
        connection,
        """
        SELECT id || ' is still ' || state || ', lease ' || coalesce(lease_owner, 'none') FROM notifications
        WHERE (complete_time IS NULL AND held = 0) OR lease_owner IS NOT NULL
        """,
    )


# Of every single change of a notification, where the test has the connection that writes.


def watch(connection: sqlite3.Connection, *, actor: Callable[[], str]) -> None:
    """Have every change of a notification noted, for `illegal`, by a trigger that only this connection has.

    Args:
        actor: says which process is writing, by the name that its leases carry.
    """
    connection.create_function("actor", 0, actor)
    connection.execute(
        """
        CREATE TEMP TABLE moves (
            id TEXT, actor TEXT, old_state TEXT, new_state TEXT, old_claim INT, new_claim INT, old_owner TEXT,
            new_owner TEXT, old_held INT, new_held INT, attempt_count INT, schedule_step INT
        )
        """
    )
    connection.execute(
        """
        CREATE TEMP TRIGGER note_moves AFTER UPDATE ON main.notifications BEGIN
            INSERT INTO moves VALUES (
                NEW.id, actor(), OLD.state, NEW.state, OLD.claim, NEW.claim, OLD.lease_owner, NEW.lease_owner,
                OLD.held, NEW.held, NEW.attempt_count, NEW.schedule_step
            );
        END
        """
    )


def illegal(connection: sqlite3.Connection) -> Violations:
    """A notification moves only as the state diagram says, and the claim never goes back.

    A lease begins from READY and with a new claim. Only who has it says what came of its attempt; anybody else's
    outcome is stale and changes nothing. Another process may take the lease over, and records it as INTERRUPTED; the
    one that has it never does. What is held may fail, for it was held too long. What has ended moves on by a retry
    alone: to READY, with a new claim and the schedule from its beginning.
    """
    return _sentences(
        connection,
        """
        SELECT moves.id || ' went from ' || old_state || ' to ' || new_state || ' by ' || actor || ', lease ' ||
            coalesce(old_owner, 'none') || ' to ' || coalesce(new_owner, 'none') || ', claim ' || old_claim || ' to ' ||
            new_claim || ', held ' || old_held || ' to ' || new_held
        FROM temp.moves LEFT JOIN attempts ON notification_id = moves.id AND attempt_number = moves.attempt_count
        WHERE new_claim < old_claim OR new_claim > old_claim + 1
            OR (new_owner IS NOT NULL AND new_owner IS NOT old_owner AND NOT (
                old_owner IS NULL AND new_owner = actor AND new_claim > old_claim AND old_state = 'READY'
                AND new_state = 'WAITING'
            ))
            OR (old_owner IS NOT NULL AND new_owner IS NULL AND old_owner <> actor AND NOT (
                new_state <> 'SUCCEEDED' AND outcome = 'INTERRUPTED'
            ))
            OR (old_owner = actor AND new_owner IS NULL AND new_claim = old_claim AND outcome = 'INTERRUPTED')
            OR (new_state IN ('SUCCEEDED', 'FAILED') AND new_state <> old_state AND NOT (
                old_state = 'WAITING' AND old_owner IS NOT NULL AND new_owner IS NULL AND new_claim = old_claim
            ) AND NOT (new_state = 'FAILED' AND old_held = 1 AND old_owner IS NULL AND new_claim > old_claim))
            OR (new_state = 'CANCELLED' AND new_state <> old_state AND NOT (
                old_state IN ('READY', 'WAITING') AND new_owner IS old_owner AND new_claim > old_claim
            ))
            OR (old_state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND new_state <> old_state AND NOT (
                new_state = 'READY' AND new_claim > old_claim AND schedule_step = 0 AND old_owner IS NULL
                AND new_owner IS NULL
            ))
            OR (new_state = 'READY' AND new_owner IS NOT NULL)
            OR (new_held = 1 AND (new_state <> 'WAITING' OR new_owner IS NOT NULL))
        """,
    )


# Of what publishers keep.


def lost(connection: sqlite3.Connection, publications: Iterable[Publication]) -> Violations:
    """What a publisher was told OK is stored: acknowledged ⊆ stored, byte for byte."""
    return [
        f"{each.event_id} of request {each.request_id} was acknowledged and is {_state_of_event(connection, each)}"
        for each in publications
        if each.event_id and _state_of_event(connection, each) != "stored"
    ]


def misdirected(connection: sqlite3.Connection, publications: Iterable[Publication]) -> Violations:
    """The notifications of an acknowledged event are those subscriptions' that matched it when it was accepted."""
    found = []
    for each in publications:
        if not each.event_id or each.matched is None:
            continue
        rows = connection.execute(
            "SELECT subscription_uid FROM notifications WHERE workspace = ? AND event_id = ? AND replay_id IS NULL",
            (each.workspace, each.event_id),
        )
        owed = {row[0] for row in rows}
        if owed != each.matched:
            found.append(f"{each.event_id} matched {sorted(each.matched)} and is owed to {sorted(owed)}")
    return found


def doubled(connection: sqlite3.Connection, publications: Iterable[Publication]) -> Violations:
    """One (workspace, request_id) is one event: in every answer, and in the database."""
    events: dict[tuple[str, str], set[str]] = {}
    for each in publications:
        if each.event_id:
            events.setdefault((each.workspace, each.request_id), set()).add(each.event_id)
    for (workspace, request_id), found in events.items():
        rows = connection.execute(
            "SELECT event_id FROM publish_requests WHERE workspace = ? AND request_id = ?", (workspace, request_id)
        )
        found.update(row[0] for row in rows)
    return [f"request {key[1]} of {key[0]} became {sorted(found)}" for key, found in events.items() if len(found) > 1]


def invented(connection: sqlite3.Connection, publications: Iterable[Publication]) -> Violations:
    """Every stored event is one that somebody published; Tidings' own operational events are left out."""
    asked = {(each.workspace, each.request_id) for each in publications}
    rows = connection.execute(
        """
        SELECT e.workspace, coalesce(p.request_id, ''), e.id
        FROM events AS e LEFT JOIN publish_requests AS p ON p.workspace = e.workspace AND p.event_id = e.id
        WHERE e.event_type NOT LIKE ? || '%'
        """,
        (_OPERATIONAL,),
    )
    return [
        f"{event_id} of {workspace} was published by nobody"
        for workspace, request_id, event_id in rows
        if (workspace, request_id) not in asked
    ]


# Of what receivers keep.


def unowed(connection: sqlite3.Connection, receipts: Iterable[Receipt]) -> Violations:
    """A receiver gets only what is owed to its subscription, so nothing of another workspace."""
    owed = {(row[0], row[1]) for row in connection.execute("SELECT subscription_uid, event_id FROM notifications")}
    pairs = dict.fromkeys((each.subscription_uid, each.event_id) for each in receipts)
    return [
        f"{uid} received {event_id}, which is not owed to it" for uid, event_id in pairs if (uid, event_id) not in owed
    ]


def unreceived(connection: sqlite3.Connection, receipts: Iterable[Receipt]) -> Violations:
    """What is SUCCEEDED was received."""
    received = {(each.subscription_uid, each.event_id) for each in receipts}
    rows = connection.execute("SELECT subscription_uid, event_id FROM notifications WHERE state = 'SUCCEEDED'")
    return [
        f"{event_id} is SUCCEEDED for {uid}, which never got it"
        for uid, event_id in rows
        if (uid, event_id) not in received
    ]


def garbled(
    receipts: Iterable[Receipt],
    publications: Iterable[Publication],
    *,
    formats: Mapping[str, Collection[Format]] | None = None,
) -> Violations:
    """The bytes and the content type that a receiver gets are those published, in one of its formats.

    Args:
        publications: those of which the event is known; receipts of other events are not judged.
        formats: those that a subscription had, by uid; STANDARD_WEBHOOKS where it is not named.
    """
    published = {each.event_id: each for each in publications if each.event_id}
    return [
        f"{receipt.subscription_uid} received {receipt.event_id} as {receipt.body[:200]!r}"
        for receipt in receipts
        if receipt.event_id in published
        and not any(
            _carries(receipt, published[receipt.event_id], each)
            for each in (formats or {}).get(receipt.subscription_uid, (Format.STANDARD_WEBHOOKS,))
        )
    ]


def misattributed(receipts: Iterable[Receipt], keys: Mapping[str, Collection[str]]) -> Violations:
    """A request is signed by a key that its receiver was shown, as `standardwebhooks` computes it.

    Args:
        keys: every signing key that a subscription ever had, by uid.
    """
    return [
        f"{each.subscription_uid} cannot verify {each.event_id} of {each.headers.get('webhook-timestamp')}"
        for each in receipts
        if not any(_verifies(each, key) for key in keys[each.subscription_uid])
    ]


def duplicates(receipts: Iterable[Receipt]) -> Counter[tuple[str, str]]:
    """Return how many times more than once each (subscription uid, event id) was received. G4 bounds their sum."""
    received = Counter((each.subscription_uid, each.event_id) for each in receipts)
    return Counter({pair: count - 1 for pair, count in received.items() if count > 1})


# Of what was under way.


def overfull(samples: Iterable[InFlight], *, slots: int, lane_max: Callable[[str], int]) -> Violations:
    """What is under way is within every cap at every instant: all slots, and what one subscription may have."""
    found = []
    for sample in samples:
        if sum(sample.by_lane.values()) > slots:
            found.append(f"{sum(sample.by_lane.values())} requests at {sample.at_s:.3f} s, with {slots} slots")
        found += [
            f"{count} requests of {uid} at {sample.at_s:.3f} s, which may have {lane_max(uid)}"
            for uid, count in sample.by_lane.items()
            if count > lane_max(uid)
        ]
    return found


def hurried(starts: Sequence[float], *, rate: float, tolerance_s: float) -> Violations:
    """In any span of t seconds one process starts at most rate · (t + tolerance) + 1 requests of a subscription.

    Args:
        starts: when requests were started, in seconds, in their order.
        rate: its max_rate_per_second.
        tolerance_s: how early a request may come, and how unevenly what the process started together may go out.
    """
    return [
        f"{last - first + 1} requests from {starts[first]:.3f} s to {starts[last]:.3f} s, at {rate:g} per second"
        for first in range(len(starts))
        for last in range(first + 1, len(starts))
        if last - first > rate * (starts[last] - starts[first] + tolerance_s)
    ]


def _sentences(connection: sqlite3.Connection, sql: str) -> Violations:
    return [row[0] for row in connection.execute(sql)]


def _state_of_event(connection: sqlite3.Connection, publication: Publication) -> str:
    row = connection.execute(
        "SELECT payload FROM events WHERE workspace = ? AND id = ?", (publication.workspace, publication.event_id)
    ).fetchone()
    if row is None:
        return "not there"
    return "stored" if bytes(row[0]) == publication.payload else "stored with another payload"


def _carries(receipt: Receipt, publication: Publication, format: Format) -> bool:
    payload, content_type = publication.payload, receipt.headers.get("content-type")
    is_json = publication.content_type == "application/json"
    data = b'"data":' + payload if is_json else b'"data_base64":"' + base64.b64encode(payload) + b'"'
    match format:
        case Format.RAW | Format.CLOUDEVENTS_BINARY:
            return (receipt.body, content_type) == (payload, publication.content_type)
        case Format.STANDARD_WEBHOOKS | Format.EVENT_CONTEXT:
            return content_type == "application/json" and receipt.body.endswith(b"," + data + b"}")
        case Format.CLOUDEVENTS_STRUCTURED:
            return content_type == "application/cloudevents+json" and receipt.body.endswith(b"," + data + b"}")
        case Format.EVENT_CODE:
            return content_type == "application/json" and receipt.body.endswith(payload.strip()[1:])


def _verifies(receipt: Receipt, key: str) -> bool:
    # By `sign` and not by `verify`, which compares the timestamp with the machine's clock: not the one of a simulation.
    moment = datetime.fromtimestamp(int(receipt.headers["webhook-timestamp"]), UTC)
    signature = Webhook(key).sign(receipt.event_id, moment, receipt.body.decode())
    return signature in receipt.headers["webhook-signature"].split(" ")
