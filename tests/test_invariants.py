"""The invariants notice what they are there for: each is broken by hand once."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from service.domain.audit import entry_of
from service.domain.model import Attempt, AttemptOutcome
from service.domain.names import Workspace
from service.storage import attempts, audit, events, queue
from service.storage.database import Transaction
from service.storage.events import PublishRequest
from service.storage.queue import Finished
from tests import invariants
from tests.direct import DirectDatabase
from tests.fakes import (
    NOW_MS,
    SECRET,
    TESTER,
    WORKSPACE,
    FakeClock,
    claim_ready,
    event_of,
    owe,
    subscribe,
    subscription_of,
)
from tests.invariants import InFlight, Publication, Receipt

OWNER = "this-process"
SUCCEEDED = "event-1-0000-a"
EVENT = event_of("event-1", matched_count=1)
PUBLICATION = Publication(WORKSPACE.key, "r-1", EVENT.payload, event_id="event-1", matched=frozenset({"a"}))
# Signed by `standardwebhooks` 1.0 itself.
RECEIPT = Receipt(
    "a",
    {
        "webhook-id": "event-1",
        "webhook-timestamp": "1795167000",
        "webhook-signature": "v1,EK1fl2+pMvsLv3x1THnyII1Tzwh6HCkhfacc+4008nc=",
        "content-type": "application/json",
    },
    b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z","data":{"agent": "a-17"}}',
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[DirectDatabase]:
    """A small healthy one: one event delivered, and one that is still owed."""
    opened = DirectDatabase(tmp_path / "tidings.db", clock=FakeClock())
    for each in (subscription_of("a"), subscription_of("b", workspace=Workspace("umbrella", "main"))):
        await subscribe(opened, each)
        entry = entry_of(TESTER, "CreateSubscription", None, each, time_ms=NOW_MS)
        await opened.write(partial(audit.insert, entry=entry))
    await owe(opened, EVENT, ["a"])
    await opened.write(
        lambda tx: events.insert_requests(tx, WORKSPACE, [PublishRequest("r-1", b"", "event-1")], now_ms=NOW_MS)
    )
    await opened.write(_deliver)
    await owe(opened, replace(EVENT, id="event-2"), ["a"])
    yield opened
    await opened.close()


def _deliver(tx: Transaction) -> None:
    claim_ready(tx, "a", owner=OWNER)
    queue.end_claims(tx, [Finished(SUCCEEDED, 1, succeeded=True, attempted=True)], now_ms=NOW_MS)
    attempts.insert(tx, [(SUCCEEDED, Attempt(1, AttemptOutcome.SUCCEEDED, NOW_MS, 1, http_status=204))])


def test_what_is_well_violates_nothing(database: DirectDatabase) -> None:
    database.actor = OWNER
    connection = database.connection
    assert [] == invariants.database_violations(connection)
    assert [] == invariants.unlogged(connection)
    assert [] == invariants.lost(connection, [PUBLICATION])
    assert [] == invariants.misdirected(connection, [PUBLICATION])
    assert [] == invariants.doubled(connection, [PUBLICATION, PUBLICATION])
    assert [] == invariants.unowed(connection, [RECEIPT])
    assert [] == invariants.unreceived(connection, [RECEIPT])
    assert [] == invariants.garbled([RECEIPT], [PUBLICATION])
    assert [] == invariants.misattributed([RECEIPT], {"a": [SECRET]})
    assert [] == invariants.hurried([1, 1.1, 1.3], rate=5, tolerance_s=0.1)
    assert [] == invariants.overfull([InFlight(0, {"a": 2})], slots=2, lane_max=lambda _: 2)


BROKEN = {
    "refers to nothing": (invariants.unsound, "UPDATE notifications SET event_id = 'x' WHERE id = 'event-1-0000-a'"),
    "nothing will ever take it up": (
        invariants.stuck,
        "UPDATE notifications SET state = 'WAITING', held = 1 WHERE id = 'event-2-0000-a'",
    ),
    "READY, held 0, lease none, sweep none": (invariants.stuck, "UPDATE subscriptions SET delete_time = 1"),
    "completed never": (invariants.half_ended, "UPDATE notifications SET complete_time = NULL"),
    "reason GONE": (invariants.half_ended, "UPDATE notifications SET failure_reason = 'GONE'"),
    "without an attempt that was answered 2xx": (invariants.unproven, "UPDATE attempts SET http_status = 500"),
    "counts 1 attempts and has 0": (invariants.miscounted, "DELETE FROM attempts"),
    "counts 1 attempts and has 1, up to number 3": (invariants.miscounted, "UPDATE attempts SET attempt_number = 3"),
    "matched 1 subscriptions and has 0": (invariants.mismatched, "UPDATE notifications SET replay_id = id"),
    "of acme/main is for b of umbrella/main": (invariants.strayed, "UPDATE notifications SET subscription_uid = 'b'"),
    "request r-1 of acme/main has no event": (invariants.forgotten, "UPDATE publish_requests SET event_id = 'x'"),
    "came of 2 requests": (
        invariants.forgotten,
        "INSERT INTO publish_requests SELECT workspace, 'r-2', fingerprint, event_id, 1 FROM publish_requests",
    ),
    "from SUCCEEDED to FAILED": (
        invariants.revived,
        "INSERT INTO changes SELECT 9, workspace, notification_id, subscription_uid, 'FAILED', 1, NULL, NULL, NULL, "
        "NULL, 1 FROM changes WHERE number = 2",
    ),
    "says PENDING": (invariants.mistold, "UPDATE changes SET state = 'PENDING'"),
    "acme/main is at revision 1 and has 0 entries": (invariants.unlogged, "DELETE FROM audit_log"),
    "replay r has 0 entries of its creation": (
        invariants.unlogged,
        "INSERT INTO replays SELECT 'r', workspace, uid, id, 1, 2, '[]', 0, NULL, 'RUNNING', 0, 0, 1, '', 1, 1, NULL "
        "FROM subscriptions WHERE uid = 'a'",
    ),
    "is still READY": (invariants.undrained, "SELECT 1"),
    "by another, lease this-process to none": (
        invariants.illegal,
        "UPDATE notifications SET state = 'WAITING', lease_owner = NULL WHERE lease_owner IS NOT NULL",
    ),
    "claim 1 to 0": (invariants.illegal, "UPDATE notifications SET claim = claim - 1 WHERE claim = 1"),
    "from SUCCEEDED to READY": (
        invariants.illegal,
        "UPDATE notifications SET state = 'READY' WHERE id = 'event-1-0000-a'",
    ),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_what_is_broken_in_a_database_is_named(database: DirectDatabase, sentence: str) -> None:
    find, breakage = BROKEN[sentence]
    connection = database.connection
    connection.execute("PRAGMA foreign_keys = OFF")
    database.actor = OWNER
    if "lease_owner" in breakage:
        connection.execute(
            "UPDATE notifications SET state = 'WAITING', lease_owner = 'this-process', claim = claim + 1"
        )
        connection.execute("DELETE FROM temp.moves")
    database.actor = "another"

    connection.execute(breakage)

    assert any(sentence in each for each in find(connection)), find(connection)


Ask = Callable[[sqlite3.Connection], list[str]]
CONTRADICTED: dict[str, Ask] = {
    "event-9 of request r-1 was acknowledged and is not there": lambda database: invariants.lost(
        database, [replace(PUBLICATION, event_id="event-9")]
    ),
    "stored with another payload": lambda database: invariants.lost(database, [replace(PUBLICATION, payload=b"{}")]),
    "matched ['b'] and is owed to ['a']": lambda database: invariants.misdirected(
        database, [replace(PUBLICATION, matched=frozenset({"b"}))]
    ),
    "became ['event-1', 'event-2']": lambda database: invariants.doubled(
        database, [replace(PUBLICATION, event_id="event-2")]
    ),
    "event-2 of acme/main was published by nobody": lambda database: invariants.invented(database, [PUBLICATION]),
    "b received event-1, which is not owed to it": lambda database: invariants.unowed(
        database, [replace(RECEIPT, subscription_uid="b")]
    ),
    "event-1 is SUCCEEDED for a, which never got it": lambda database: invariants.unreceived(database, []),
    "a received event-1 as": lambda _: invariants.garbled([replace(RECEIPT, body=b"{}")], [PUBLICATION]),
    "a cannot verify event-1": lambda _: invariants.misattributed(
        [replace(RECEIPT, body=RECEIPT.body + b" ")], {"a": [SECRET]}
    ),
    "3 requests at 1.000 s, with 2 slots": lambda _: invariants.overfull(
        [InFlight(1, {"a": 2, "b": 1})], slots=2, lane_max=lambda _: 2
    ),
    "3 requests from 1.000 s to 1.100 s, at 5 per second": lambda _: invariants.hurried(
        [1, 1.05, 1.1], rate=5, tolerance_s=0.1
    ),
    "2 requests of a at 1.000 s, which may have 1": lambda _: invariants.overfull(
        [InFlight(1, {"a": 2})], slots=2, lane_max=lambda _: 1
    ),
}


@pytest.mark.parametrize("sentence", CONTRADICTED)
def test_what_contradicts_a_ledger_is_named(database: DirectDatabase, sentence: str) -> None:
    assert any(sentence in each for each in CONTRADICTED[sentence](database.connection))


def test_a_check_raises_with_what_was_found() -> None:
    with pytest.raises(AssertionError, match="2 violations:\none\ntwo"):
        invariants.check([], ["one"], ["two"])


def test_duplicates_are_what_came_more_than_once() -> None:
    again = replace(RECEIPT, subscription_uid="b")
    assert {("a", "event-1"): 2} == invariants.duplicates([RECEIPT, again, RECEIPT, RECEIPT])
