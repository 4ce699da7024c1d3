"""What tests put in place of the world: a clock that they move, ids that count, receivers that say what they are told.

And short ways to make the nouns, and to put them into a database.
"""

import asyncio
import base64
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from service.backlog import Backlog
from service.delivery.claiming import TickWork
from service.delivery.lanes import Rates, Room
from service.domain.access import Actor
from service.domain.clock import Clock
from service.domain.errors import StorageUnavailable
from service.domain.filters import FilterInput, VerdictKind, evaluate
from service.domain.model import (
    Event,
    EventType,
    FixedSchedule,
    Format,
    Health,
    RetryPolicy,
    SchemaEnforcement,
    SignatureScheme,
    SigningKey,
    Subscription,
)
from service.domain.names import Workspace
from service.domain.outcomes import Reply, Request, Unreachable
from service.domain.patterns import matches
from service.quotas import SubscriptionQuotas
from service.storage import changes, event_types, events, lanes, notifications, queue, subscriptions, workspaces
from service.storage.changes import NewChange
from service.storage.database import Database, T, Transaction
from service.storage.notifications import NewNotification
from service.storage.queue import Claimed, Demand
from service.storage.subscriptions import Rule

LEASE_MS: Final = 60_000
NOW_MS: Final = 1_795_167_000_000
SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600_000
WAIT_S: Final = 10
WORKSPACE: Final = Workspace("acme", "main")
QUOTAS: Final = SubscriptionQuotas(subscriptions_max=20_000, filters_max=1_000)
SECRET: Final = "whsec_" + base64.b64encode(b"k" * 32).decode()
TESTER: Final = Actor("test", "call-1")
TWO_RETRIES: Final = RetryPolicy(FixedSchedule((10.0, 100.0)))

SELECT_NOTIFICATION: Final = "SELECT * FROM notifications WHERE id = :id"
SELECT_ATTEMPTS: Final = "SELECT * FROM attempts WHERE notification_id = :id ORDER BY attempt_number"


class FakeClock:
    """A clock that stands still until it is moved. `now_ms` of the constructor is where it starts."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._monotonic_ms / 1000

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self._now_ms += milliseconds
        self._monotonic_ms += milliseconds


class CountingIds:
    """Ids in the form of a UUIDv7 that count up from 1."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"01900000-0000-7000-8000-{self._count:012x}"


def backlog_of(
    database: Database,
    clock: Clock,
    *,
    notifications_max: int = 10_000_000,
    workspace_notifications_max: int = 1_000_000,
) -> Backlog:
    """Return a backlog that has not counted yet, with the limits that a server has."""
    return Backlog(
        database,
        clock=clock,
        notifications_max=notifications_max,
        workspace_notifications_max=workspace_notifications_max,
    )


def wants(rule: Rule, event: Event) -> bool:
    """Say whether one rule wants one event, in the plainest way: what the matcher's index must agree with."""
    return (
        rule.active
        and any(matches(pattern, event.event_type) for pattern in rule.event_types)
        and rule.attribute_filters.items() <= event.attributes.items()
        and not rule.filter_is_shut
        and (not rule.filter or evaluate(rule.filter, FilterInput(event)).kind is VerdictKind.TRUE)
    )


def subscription_of(uid: str, **changes: Any) -> Subscription:
    """Return a subscription to every event, with a field or two of its own."""
    plain = Subscription(
        workspace=WORKSPACE,
        id=uid,
        uid=uid,
        display_name=f"Subscription {uid}",
        url=f"https://{uid}.example/hooks",
        event_types=("*",),
        attribute_filters={},
        filter="",
        enabled=True,
        format=Format.STANDARD_WEBHOOKS,
        signature_scheme=SignatureScheme.STANDARD_WEBHOOKS,
        api_key=None,
        headers={},
        retry_policy=None,
        max_concurrency=None,
        annotations={},
        signing_keys=(SigningKey(f"key-{uid}", SECRET, NOW_MS),),
        create_time_ms=NOW_MS,
        update_time_ms=NOW_MS,
        revision=0,
    )
    return replace(plain, **changes)


def event_of(event_id: str = "event-1", **changes: Any) -> Event:
    """Return an event with a small JSON payload, with a field or two of its own."""
    plain = Event(
        workspace=WORKSPACE,
        id=event_id,
        event_type="agent.created",
        source="agents/a-17",
        subject="",
        attributes={},
        payload=b'{"agent": "a-17"}',
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ms=None,
        create_time_ms=NOW_MS,
        payload_sha256=b"",
        payload_size=17,
        matched_count=0,
    )
    return replace(plain, **changes)


async def subscribe(database: Database, *new: Subscription) -> None:
    """Store subscriptions, each as a change of its workspace."""

    def work(tx: Transaction) -> None:
        for each in new:
            revision = workspaces.bump_revision(tx, each.workspace.key)
            subscriptions.insert(tx, replace(each, revision=revision))

    await database.write(work)


async def listen(database: Database, *, workspace: Workspace = WORKSPACE) -> None:
    """Subscribe to all operational events of a workspace: without a listener, none is announced."""
    uid = f"listener-{workspace.workspace}"
    await subscribe(database, subscription_of(uid, workspace=workspace, event_types=("tidings.*",)))


async def change(database: Database, changed: Subscription) -> None:
    """Store a changed subscription."""

    def work(tx: Transaction) -> None:
        subscriptions.update(tx, replace(changed, revision=workspaces.bump_revision(tx, changed.workspace.key)))

    await database.write(work)


async def unsubscribe(database: Database, uid: str) -> None:
    """Delete a subscription."""
    await database.write(
        lambda tx: subscriptions.delete(tx, uid, revision=workspaces.bump_revision(tx, WORKSPACE.key), now_ms=NOW_MS)
    )


async def define(database: Database, event_type_id: str = "agent.created", **changes: Any) -> None:
    """Create an event type, or change some of its fields."""
    plain = EventType(
        id=event_type_id,
        display_name=event_type_id,
        description="",
        service="",
        category=None,
        code=None,
        json_schema="",
        schema_enforcement=SchemaEnforcement.REJECT,
        examples=(),
        attribute_keys=(),
        deprecated=False,
        create_time_ms=NOW_MS,
        update_time_ms=NOW_MS,
        revision=1,
    )

    def work(tx: Transaction) -> None:
        current = event_types.find(tx, event_type_id)
        if current is None:
            assert event_types.insert(tx, replace(plain, **changes))
            return
        changed = replace(current, **changes, revision=current.revision + 1)
        assert event_types.update(tx, changed, old_revision=current.revision)

    await database.write(work)


async def owe(database: Database, event: Event, uids: Sequence[str], *, is_new: bool = True) -> list[str]:
    """Store an event and one notification of it for each subscription named; return their ids, in that order.

    A subscription named twice is owed the event twice.
    """
    ids = [f"{event.id}-{number:04}-{uid}" for number, uid in enumerate(uids)]

    def work(tx: Transaction) -> None:
        if is_new:
            events.insert(tx, [event])
        notifications.insert(
            tx,
            [
                NewNotification(
                    id_,
                    WORKSPACE,
                    event.id,
                    event.event_type,
                    uid,
                    uid,
                    event.create_time_ms,
                    payload_size=event.payload_size,
                )
                for id_, uid in zip(ids, uids, strict=True)
            ],
        )

    await database.write(work)
    return ids


def log_again(tx: Transaction, notification_id: str, *, now_ms: int, times: int = 1) -> None:
    """Log a notification as it is, as if it had changed."""
    [row] = tx.rows(SELECT_NOTIFICATION, id=notification_id)
    changes.append(tx, [NewChange(row, now_ms)] * times)


async def set_health(database: Database, uid: str, health: Health) -> None:
    """Store how a receiver does."""
    await database.write(lambda tx: lanes.store(tx, {uid: health}))


async def prove(database: Database, *uids: str) -> None:
    """Let receivers be known to work, with 64 requests at once."""
    for uid in uids:
        await set_health(database, uid, Health(concurrency=64, last_success_time_ms=NOW_MS))


def tick_work(**given: Any) -> TickWork:
    """Return a tick of the process `me`, with more room than any test needs."""
    plain: dict[str, Any] = {
        "owner": "me",
        "now_ms": NOW_MS,
        "monotonic_s": 0.0,
        "lease_ms": LEASE_MS,
        "room": Room(8192, 8192, 1 << 30),
        "in_flight": {},
        "rates": Rates(),
        "rng": Random(1),
        "ids": CountingIds(),
    }
    return TickWork(**plain | given)


def claim_ready(
    tx: Transaction, uid: str, *, limit: int = 100, owner: str = "me", now_ms: int = NOW_MS, lease_ms: int = LEASE_MS
) -> list[Claimed]:
    """Claim from one lane for a process: what is fresh first."""
    demands = [Demand(uid, limit)]
    ready = [each for tier in (0, 1) for [lane] in [queue.ready(tx, demands, tier=tier)] for each in lane][:limit]
    queue.claim(tx, ready, owner=owner, now_ms=now_ms, lease_end_ms=now_ms + lease_ms)
    return ready


def promote_ready(tx: Transaction, *, now_ms: int, limit: int = 1_000) -> int:
    """Make what is due ready, held or not; return how much it is."""
    due = queue.due(tx, now_ms=now_ms, limit=limit)
    queue.promote(tx, [each.notification_id for each in due])
    return len(due)


async def claim_lane(database: Database, uid: str, *, owner: str = "other", **given: Any) -> list[Claimed]:
    """Claim from one lane for a process, another one unless it is named; see `claim_ready`."""
    return await database.write(lambda tx: claim_ready(tx, uid, owner=owner, **given))


async def promote_due(database: Database, *, now_ms: int, limit: int = 100) -> int:
    """Make what is due ready, held or not; return how much it is."""
    return await database.write(lambda tx: promote_ready(tx, now_ms=now_ms, limit=limit))


async def stored(database: Database, notification_id: str) -> dict[str, Any]:
    """Return the row of a notification."""
    [row] = await database.read(lambda tx: tx.rows(SELECT_NOTIFICATION, id=notification_id))
    return dict(row)


async def states(database: Database, ids: Sequence[str]) -> list[str]:
    """Return the stored states of notifications, in the order of the ids."""
    return [(await stored(database, each))["state"] for each in ids]


async def outcomes(database: Database, notification_id: str) -> list[tuple[int, str]]:
    """Return the number and the outcome of each recorded attempt of a notification."""
    rows = await database.read(lambda tx: tx.rows(SELECT_ATTEMPTS, id=notification_id))
    return [(row["attempt_number"], row["outcome"]) for row in rows]


def reply_of(http_status: int, *headers: tuple[str, str], body: bytes = b"", truncated: bool = False) -> Reply:
    """Return a receiver's reply."""
    return Reply(http_status, headers, body, truncated, "203.0.113.9:443")


Answer = Callable[[Request], Reply | Unreachable | Awaitable[Reply | Unreachable]]


class FakeTransport:
    """A Transport that reaches `answer` in place of receivers, and keeps what was sent and how much of it at once."""

    def __init__(self, answer: Answer = lambda _: reply_of(204)) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.most_at_once: Counter[str] = Counter()
        self.most_in_all = 0
        self._at_once: Counter[str] = Counter()
        self._sent = asyncio.Event()

    async def post(self, request: Request) -> Reply | Unreachable:
        self.requests.append(request)
        self._at_once[request.url] += 1
        self.most_at_once |= self._at_once
        self.most_in_all = max(self.most_in_all, self._at_once.total())
        self._sent.set()
        try:
            answer = self.answer(request)
            return await answer if inspect.isawaitable(answer) else answer
        finally:
            self._at_once[request.url] -= 1

    async def close(self) -> None:
        return

    async def sent(self, count: int) -> list[Request]:
        """Wait until so many requests were made, and return all of them."""
        async with asyncio.timeout(WAIT_S):
            while len(self.requests) < count:
                self._sent.clear()
                await self._sent.wait()
        return list(self.requests)


Hook = Callable[[], Awaitable[None]]


class HookedDatabase:
    """A database that does something else before or after each write or read, as another process or task might."""

    def __init__(self, database: Database) -> None:
        self.before_write: Hook | None = None
        self.after_write: Hook | None = None
        self.after_read: Hook | None = None
        self.refused_writes = 0
        self.refused_reads = 0
        self.writes = 0
        self.reads = 0
        self._database = database

    async def write(self, work: Callable[[Transaction], T]) -> T:
        self.writes += 1
        if self.before_write is not None:
            await self.before_write()
        if self.refused_writes:
            self.refused_writes -= 1
            raise StorageUnavailable("the database does not answer")
        result = await self._database.write(work)
        if self.after_write is not None:
            await self.after_write()
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        self.reads += 1
        if self.refused_reads:
            self.refused_reads -= 1
            raise StorageUnavailable("the database does not answer")
        result = await self._database.read(work)
        if self.after_read is not None:
            await self.after_read()
        return result

    async def close(self) -> None:
        await self._database.close()
