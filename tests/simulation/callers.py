"""Who asks something of a simulated server: publishers that keep ledgers, and an operator who meddles."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol, TypeVar

from service.domain.errors import CallerError
from service.domain.model import ExponentialBackoff, FixedSchedule, Format, RetryPolicy, SignatureScheme
from service.domain.names import ReplayName, Workspace
from service.domain.replays import ReplayRequest
from service.domain.subscriptions import Creation, SubscriptionFields
from service.publishing import EventDraft, Published
from service.rotating import Rotation
from tests.fakes import TESTER
from tests.invariants import Publication
from tests.simulation.receivers import Behaviour, Receivers
from tests.simulation.world import ProcessGone, UseCases

WORKSPACES = (Workspace("acme", "main"), Workspace("umbrella", "main"))
EVENT_TYPES = ("agent.created", "agent.status.changed", "call.ended")
PATTERNS = ("*", "agent.*", "agent.created", "call.ended", "agent.status.changed", "tidings.*")
FORMATS = (Format.STANDARD_WEBHOOKS, Format.STANDARD_WEBHOOKS, Format.RAW, Format.CLOUDEVENTS_STRUCTURED)
POLICIES = (
    RetryPolicy(FixedSchedule((0.5, 1.0, 2.0)), attempt_timeout_s=3),
    RetryPolicy(FixedSchedule((1.0,) * 8), attempt_timeout_s=2),
    RetryPolicy(FixedSchedule((5.0, 5.0)), attempt_timeout_s=1, max_age_s=60),
    RetryPolicy(ExponentialBackoff(6, 0.5, 8.0, 2.0), attempt_timeout_s=5),
)
CONCURRENCIES = (None, None, 1, 2, 5)

_RETRY_S = 0.4

T = TypeVar("T")


class Server(Protocol):
    """Whatever process serves at the moment."""

    async def call(self, ask: Callable[[UseCases], Awaitable[T]]) -> T:
        """Ask something of it."""
        ...


@dataclass
class Ledger:
    """What callers know: what was published, which receivers there are, and what somebody asked to be retried."""

    publications: list[Publication] = field(default_factory=list)
    keys: dict[str, list[str]] = field(default_factory=dict)
    formats: dict[str, set[Format]] = field(default_factory=dict)
    lane_max: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    retried: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)


@dataclass
class Publisher:
    """Publishes events one after the other, each until it is told OK, under the same request_id."""

    name: str
    server: Server
    ledger: Ledger
    rng: Random
    events: int
    pause_s: float

    async def run(self) -> None:
        """Publish everything."""
        for number in range(self.events):
            await asyncio.sleep(self.rng.uniform(0, 2 * self.pause_s))
            workspace = self.rng.choice(WORKSPACES)
            drafts = [self._draft(f"{self.name}-{number}-{each}") for each in range(self.rng.choice((1, 1, 1, 3)))]
            await self._publish_until_acknowledged(workspace, drafts)
            if self.rng.random() < 0.1:
                # A publisher that did not hear the answer asks again.
                await self._publish_until_acknowledged(workspace, drafts)

    async def _publish_until_acknowledged(self, workspace: Workspace, drafts: list[EventDraft]) -> None:
        asked = [Publication(workspace.key, str(each.request_id), each.payload, each.content_type) for each in drafts]
        self.ledger.publications += asked
        published = await self._publish(workspace, drafts)
        while published is None:
            await asyncio.sleep(_RETRY_S)
            published = await self._publish(workspace, drafts)
        self.ledger.publications += [
            replace(publication, event_id=each.event.id) for publication, each in zip(asked, published, strict=True)
        ]
        self.ledger.log.append(f"acknowledged {[each.event.id for each in published]}")

    async def _publish(self, workspace: Workspace, drafts: list[EventDraft]) -> list[Published] | None:
        try:
            return await self.server.call(lambda to: to.publisher.publish(workspace, drafts))
        except (CallerError, ProcessGone):
            return None

    def _draft(self, request_id: str) -> EventDraft:
        payload = {"request": request_id, "text": "é" * self.rng.randrange(60), "number": self.rng.random()}
        return EventDraft(
            event_type=self.rng.choice(EVENT_TYPES),
            source="simulation",
            subject="",
            attributes={"shard": self.rng.choice("ab")},
            payload=json.dumps(payload).encode(),
            payload_is_json=True,
            content_type="application/json",
            context_json="",
            occur_time_ns=None,
            event_id=None,
            request_id=request_id,
        )


@dataclass
class Operator:
    """Does whatever can be done to subscriptions, notifications and replays, without caring whether it worked."""

    server: Server
    ledger: Ledger
    receivers: Receivers
    rng: Random
    find: Callable[[str], list[tuple[Any, ...]]]
    behaviours: tuple[Behaviour, ...]
    _subscriptions: int = 0
    _urls: int = 0

    async def subscribe(self) -> None:
        """Create a subscription with a receiver of its own."""
        self._subscriptions += 1
        id = f"s{self._subscriptions}"
        host, key = f"{id}.example", self._key()
        fields = self._fields(host)
        self.ledger.keys[host] = [key]
        self.ledger.formats[host] = {fields["format"]}
        self.ledger.lane_max[host] = fields["max_concurrency"] or 0
        if (rate := fields["max_rate_per_second"]) is not None:
            self.ledger.rates[host] = rate
        self.receivers.behaviours[host] = self.rng.choice(self.behaviours)
        creation = Creation(self.rng.choice(WORKSPACES), id, fields, signing_key=key)
        await self._ask(f"subscribe {id}", lambda to: to.subscriptions.create(creation, by=TESTER))

    async def act(self) -> None:
        """Do one thing, chosen by the dice."""
        actions = (
            self.subscribe,
            self._change_subscription,
            self._change_subscription,
            self._delete,
            self._resume,
            self._rotate,
            self._retry,
            self._retry,
            self._cancel,
            self._replay,
            self._cancel_replay,
            self._change_receiver,
            self._change_receiver,
        )
        await self.rng.choice(actions)()

    async def _change_subscription(self) -> None:
        if (found := self._any_subscription()) is None:
            return
        workspace, id, host = found
        self._urls += 1
        changes: list[SubscriptionFields] = [
            {"enabled": True},
            {"enabled": False},
            {"url": f"https://{host}/hooks/{self._urls}"},
            {"format": self.rng.choice(FORMATS)},
            {"retry_policy": self.rng.choice(POLICIES)},
            {"event_types": (self.rng.choice(PATTERNS),)},
        ]
        change = self.rng.choice(changes)
        if "format" in change:
            self.ledger.formats[host].add(change["format"])
        await self._ask(
            f"change {id} {sorted(change)}",
            lambda to: to.subscriptions.update(workspace, id, change, etag="", by=TESTER),
        )

    async def _delete(self) -> None:
        if (found := self._any_subscription()) is None or self.rng.random() < 0.5:
            return
        workspace, id, _ = found
        await self._ask(
            f"delete {id}", lambda to: to.subscriptions.delete(workspace, id, etag="", allow_missing=True, by=TESTER)
        )

    async def _resume(self) -> None:
        if found := self._any_subscription():
            workspace, id, _ = found
            await self._ask(f"resume {id}", lambda to: to.subscriptions.resume(workspace, id, by=TESTER))

    async def _rotate(self) -> None:
        if (found := self._any_subscription()) is None:
            return
        workspace, id, host = found
        key = self._key()
        self.ledger.keys[host].append(key)
        rotation = Rotation(key, SignatureScheme.STANDARD_WEBHOOKS, self.rng.choice((0, 1, 30)), "", b"")
        await self._ask(f"rotate {id}", lambda to: to.signing_keys.rotate(workspace, id, rotation, by=TESTER))

    async def _retry(self) -> None:
        if (found := self._any_notification()) is not None:
            workspace, id = Workspace.from_key(found[0]), str(found[1])
            self.ledger.retried[id] += 1
            await self._ask(f"retry {id}", lambda to: to.interventions.retry(workspace, id, by=TESTER))

    async def _cancel(self) -> None:
        if (found := self._any_notification()) is not None:
            workspace, id = Workspace.from_key(found[0]), str(found[1])
            await self._ask(f"cancel {id}", lambda to: to.interventions.cancel(workspace, id, by=TESTER))

    async def _replay(self) -> None:
        if (found := self._any_subscription()) is None:
            return
        workspace, id, _ = found
        request = ReplayRequest(0, None, frozenset(), self.rng.random() < 0.5, self.rng.choice((None, 2.0, 20.0)))
        await self._ask(f"replay {id}", lambda to: to.replays.create(workspace, id, request, by=TESTER))

    async def _cancel_replay(self) -> None:
        found = self._any("SELECT workspace, subscription_id, id FROM replays WHERE state = 'RUNNING'")
        if found is not None:
            name = ReplayName(Workspace.from_key(found[0]), found[1], found[2])
            await self._ask(f"cancel replay {name.id}", lambda to: to.replays.cancel(name, by=TESTER))

    async def _change_receiver(self) -> None:
        host = self.rng.choice(list(self.receivers.behaviours))
        self.receivers.behaviours[host] = self.rng.choice(self.behaviours)

    async def _ask(self, what: str, ask: Callable[[UseCases], Awaitable[object]]) -> None:
        try:
            await self.server.call(ask)
        except (CallerError, ProcessGone) as error:
            # What he asks for may not make sense, and the server may not be there.
            self.ledger.log.append(f"{what}: {type(error).__name__}")
        else:
            self.ledger.log.append(what)

    def _fields(self, host: str) -> SubscriptionFields:
        return {
            "display_name": f"Subscription of {host}",
            "url": f"https://{host}/hooks",
            "event_types": (self.rng.choice(PATTERNS), self.rng.choice(PATTERNS)),
            "attribute_filters": self.rng.choice(({}, {}, {"shard": "a"})),
            "filter": self.rng.choice(("", "", "", "data.number < 0.5")),
            "enabled": self.rng.random() < 0.9,
            "format": self.rng.choice(FORMATS),
            "signature_scheme": SignatureScheme.STANDARD_WEBHOOKS,
            "api_key": None,
            "headers": {},
            "retry_policy": self.rng.choice(POLICIES),
            "max_concurrency": self.rng.choice(CONCURRENCIES),
            "max_rate_per_second": self.rng.choice((None, None, 2.0, 20.0)),
            "annotations": {},
        }

    def _key(self) -> str:
        return "whsec_" + base64.b64encode(self.rng.randbytes(32)).decode()

    def _any_subscription(self) -> tuple[Workspace, str, str] | None:
        found = self._any("SELECT workspace, id FROM subscriptions WHERE delete_time IS NULL")
        return None if found is None else (Workspace.from_key(found[0]), found[1], f"{found[1]}.example")

    def _any_notification(self) -> tuple[Any, ...] | None:
        """Return one that is under way, if the dice say so: there are few of them, and much can go wrong with them."""
        leased = "SELECT workspace, id FROM notifications WHERE lease_owner IS NOT NULL"
        found = self._any(leased) if self.rng.random() < 0.5 else None
        return found or self._any("SELECT workspace, id FROM notifications")

    def _any(self, sql: str) -> tuple[Any, ...] | None:
        found = self.find(sql)
        return self.rng.choice(found) if found else None
