"""What waits costs nothing: the work of a tick, and of a publish, does not grow with what it has no business with.

Work is counted in instructions of SQLite's virtual machine and of Python's, never in time, so the figures are exact.
"""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest

from service.delivery.claiming import Tick, TickWork
from service.delivery.lanes import Rates, Room
from service.domain.clock import SystemClock
from service.domain.ids import Uuid7Ids
from service.domain.model import Event, Format, Health, SignatureScheme, Subscription
from service.domain.names import Workspace
from service.matching import Matchers
from service.publishing import EventDraft, Publisher
from service.storage import events, lanes, notifications, subscriptions, workspaces
from service.storage.database import T, Transaction
from service.storage.migrations import migrate
from service.storage.notifications import NewNotification
from service.storage.sqlite_connections import SqliteReader, SqliteWriter
from service.storage.sqlite_file import connect
from service.validating import Definitions
from tests.fakes import backlog_of
from tests.keys import prepare, sealer

NOW_MS = 1_800_000_000_000
FREE_SLOTS = 1_024
MANY = 10_000
WORKSPACE = Workspace("acme", "main")
EVENT_TYPE = "agent.status.changed"


class CountedDatabase:
    """A Database whose works run in the calling thread, and that counts what they cost the writer's connection."""

    def __init__(self, path: Path) -> None:
        migrate(path)
        self.connection = connect(path)
        keys = sealer()
        self._writer = SqliteWriter(self.connection, path, log_bytes_max=1 << 30, sealer=keys)
        self._reader = SqliteReader(self.connection, path, sealer=keys)
        prepare(self._writer)
        self.instructions = 0

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a work in a transaction of its own."""
        return self.run(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work on a snapshot."""
        outcome = self._reader.run(work)
        assert outcome.error is None, outcome.error
        result: T = outcome.value
        return result

    async def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run a work as the writer thread does."""
        [outcome] = self._writer.run_batch([work])
        assert outcome.error is None, outcome.error
        result: T = outcome.value
        return result

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the instructions of the block."""

        def count() -> int:
            self.instructions += 1
            return 0

        self.instructions = 0
        self.connection.set_progress_handler(count, 1)
        try:
            yield
        finally:
            self.connection.set_progress_handler(None, 1)


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Callable[[], CountedDatabase]]:
    """Makes databases with today's schema."""
    made: list[CountedDatabase] = []

    def make() -> CountedDatabase:
        made.append(CountedDatabase(tmp_path / f"{len(made)}.db"))
        return made[-1]

    yield make
    for database in made:
        database.connection.close()


def test_tick_touches_none_of_10_000_lanes_that_only_wait(databases: Callable[[], CountedDatabase]) -> None:
    """A notification that waits for its time is met only by the one probe that asks when the next is due."""
    empty, waiting = databases(), databases()
    _fill(waiting, lanes=MANY, per_lane=1, waiting=True)

    nothing, found = _tick(empty), _tick(waiting)

    print(f"VM instructions of a tick: {empty.instructions} empty, {waiting.instructions} beside {MANY} waiting lanes")
    assert (nothing.claims, nothing.next_due_ms) == ([], None)
    assert (found.claims, found.next_due_ms) == ([], NOW_MS + 60_000)
    assert waiting.instructions <= empty.instructions + 100


def test_tick_costs_the_same_whatever_the_backlog_of_a_lane(databases: Callable[[], CountedDatabase]) -> None:
    """What a tick does not claim it does not read, however much of it there is."""
    short, long = databases(), databases()
    _fill(short, lanes=1, per_lane=100)
    _fill(long, lanes=1, per_lane=MANY)

    few, many = _tick(short), _tick(long)

    print(f"VM instructions of a tick over one lane: {short.instructions} of 100, {long.instructions} of {MANY}")
    assert len(few.claims) == len(many.claims) > 0
    assert long.instructions <= short.instructions + 100


def test_tick_pays_by_the_lane_and_not_by_the_backlog(databases: Callable[[], CountedDatabase]) -> None:
    """With every slot taken, finding that 200 lanes may start nothing costs the same for 200 rows as for 10,000."""
    short, long = databases(), databases()
    _fill(short, lanes=200, per_lane=1)
    _fill(long, lanes=200, per_lane=MANY // 200)

    assert [] == _tick(short, free_slots=0).claims
    assert [] == _tick(long, free_slots=0).claims

    print(f"VM instructions of a tick over 200 lanes without a free slot: {short.instructions}, {long.instructions}")
    assert long.instructions <= short.instructions + 100


def test_look_at_one_lane_costs_the_same_beside_10_000_others(databases: Callable[[], CountedDatabase]) -> None:
    """A publish, and a request that ends, have the dispatcher look at their own lanes only."""
    few, many = databases(), databases()
    _fill(few, lanes=2, per_lane=1)
    _fill(many, lanes=MANY, per_lane=1)

    found = [_tick(each, lanes=("uid-00001",)) for each in (few, many)]

    print(f"VM instructions of a tick over one lane: {few.instructions} beside 1, {many.instructions} beside {MANY}")
    assert [1, 1] == [len(each.claims) for each in found]
    assert many.instructions <= few.instructions + 100


def test_round_passes_over_10_000_open_lanes_without_looking_into_them(
    databases: Callable[[], CountedDatabase],
) -> None:
    """A few instructions each, in slices, and then the lane that comes after all of them is served."""
    database = databases()
    _fill(database, lanes=MANY + 1, per_lane=2)
    opened = Health(concurrency=0, open_until_ms=NOW_MS + 1)
    database.run(lambda tx: lanes.store(tx, {f"uid-{lane:05}": opened for lane in range(MANY)}))

    found, cost = [_tick(database)], [database.instructions]
    while found[-1].cursor:
        found.append(_tick(database, cursor=found[-1].cursor))
        cost.append(database.instructions)

    print(f"VM instructions of a round beside {MANY} open lanes: {sum(cost) / MANY:.0f} each")
    assert [f"uid-{MANY:05}"] * 2 == [claim.subscription.uid for each in found for claim in each.claims]
    assert sum(cost) <= 60 * MANY
    # No transaction of it is long.
    assert max(cost) <= 60 * 1_000 + 1_000


async def test_publish_costs_the_same_beside_10_000_subscriptions_that_cannot_match(
    databases: Callable[[], CountedDatabase],
) -> None:
    """Matching visits only patterns on the event type's path, and the accepting transaction only reads the revision."""
    few, many = databases(), databases()
    few_opcodes = await _publish(few, others=10)
    many_opcodes = await _publish(many, others=MANY)

    print(
        f"a publish beside 10 and beside {MANY} other subscriptions: {few.instructions} and {many.instructions} VM "
        f"instructions, {few_opcodes} and {many_opcodes} Python instructions"
    )
    assert few.instructions == many.instructions
    # The same path; a hash table's collisions may differ, a loop over subscriptions would be 10,000 turns.
    assert abs(many_opcodes - few_opcodes) <= 100


def _tick(
    database: CountedDatabase,
    *,
    free_slots: int = FREE_SLOTS,
    lanes: Collection[str] | None = None,
    cursor: str = "",
) -> Tick:
    work = TickWork(
        owner="this-process",
        now_ms=NOW_MS,
        lease_ms=60_000,
        monotonic_s=0.0,
        room=Room(free_slots, free_slots, 1 << 30),
        in_flight={},
        rates=Rates(),
        lanes=lanes,
        cursor=cursor,
        rng=Random(1),
        ids=Uuid7Ids(SystemClock(), Random(1)),
    )
    with database.counting():
        return database.run(work)


def _fill(database: CountedDatabase, *, lanes: int, per_lane: int, waiting: bool = False) -> None:
    """Add subscriptions with notifications of one event that are due now, or not before a minute has passed."""

    def work(tx: Transaction) -> None:
        events.insert(tx, [_event()])
        for lane in range(lanes):
            subscriptions.insert(tx, _subscription(lane, (EVENT_TYPE,)))
        new = [_notification(lane, number) for lane in range(lanes) for number in range(per_lane)]
        notifications.insert(tx, new)
        if waiting:
            tx.execute("UPDATE notifications SET state = 'WAITING', due_at = :due_at", due_at=NOW_MS + 60_000)

    database.run(work)


async def _publish(database: CountedDatabase, *, others: int) -> int:
    """Publish twice beside subscriptions to other types; count the second, once the matcher knows them all."""
    patterns = ("agent.status.lost", "agent.*.created", "channel.*", "*.status", "tidings.*", "agent.status.changed.*")

    def work(tx: Transaction) -> None:
        for number in range(others):
            workspaces.bump_revision(tx, WORKSPACE.key)
            patterns_of_one = (patterns[number % len(patterns)], f"agent.status.n{number}")
            subscriptions.insert(tx, _subscription(number, patterns_of_one, revision=number + 1))
        workspaces.bump_revision(tx, WORKSPACE.key)
        subscriptions.insert(tx, _subscription(others, (EVENT_TYPE,), revision=others + 1))

    database.run(work)
    clock = SystemClock()
    publisher = Publisher(
        database,
        Matchers(database, clock=clock, workspaces_max=10),
        Definitions(database),
        backlog=backlog_of(database, clock),
        clock=clock,
        ids=Uuid7Ids(clock, Random(1)),
        on_accepted=lambda _: None,
        allow_unknown_event_types=True,
    )
    assert 1 == await _matched(publisher)
    with database.counting(), counting_opcodes() as opcodes:
        assert 1 == await _matched(publisher)
    return opcodes[0]


async def _matched(publisher: Publisher) -> int:
    draft = EventDraft(
        event_type=EVENT_TYPE,
        source="",
        subject="",
        attributes={},
        payload=b"{}",
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=None,
        event_id=None,
        request_id=None,
    )
    [published] = await publisher.publish(WORKSPACE, [draft])
    return published.event.matched_count


@contextmanager
def counting_opcodes() -> Iterator[list[int]]:
    """Count the Python instructions of the block, leaving out what SQLite's own counting takes."""
    count = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename == __file__:
            return None
        frame.f_trace_opcodes = True
        count[0] += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def _event() -> Event:
    return Event(
        workspace=WORKSPACE,
        id="event",
        event_type=EVENT_TYPE,
        source="",
        subject="",
        attributes={},
        payload=b"{}",
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ms=None,
        create_time_ms=NOW_MS,
        payload_sha256=b"",
        payload_size=2,
        matched_count=0,
    )


def _subscription(number: int, event_types: tuple[str, ...], *, revision: int = 0) -> Subscription:
    return Subscription(
        workspace=WORKSPACE,
        id=f"s-{number:05}",
        uid=f"uid-{number:05}",
        display_name=f"Subscription {number}",
        url="https://receiver.example/hooks",
        event_types=event_types,
        attribute_filters={},
        filter="",
        api_key=None,
        enabled=True,
        format=Format.STANDARD_WEBHOOKS,
        signature_scheme=SignatureScheme.UNSIGNED,
        headers={},
        retry_policy=None,
        max_concurrency=None,
        annotations={},
        signing_keys=(),
        create_time_ms=NOW_MS,
        update_time_ms=NOW_MS,
        revision=revision,
    )


def _notification(lane: int, number: int) -> NewNotification:
    return NewNotification(
        id=f"notification-{lane:05}-{number:05}",
        workspace=WORKSPACE,
        event_id="event",
        event_type=EVENT_TYPE,
        subscription_uid=f"uid-{lane:05}",
        subscription_id=f"s-{lane:05}",
        create_time_ms=NOW_MS,
    )
