"""Subscriptions as their owners see them, and what they match."""

import asyncio
import base64
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import pytest
from aiohttp import web
from google.protobuf.duration_pb2 import Duration

from tests.harness import Client, Received, eventually, running_receiver, running_server
from tests.tools import DEAD_URL, Refusal, Tenant, new_id, refusal_of, without_names
from tidings.v1.notifications_pb2 import NotificationState
from tidings.v1.subscriptions_pb2 import Format, NotificationType, SignatureScheme, Subscription, SubscriptionState

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
FULL: dict[str, Any] = {
    "display_name": "Wallboard, ground floor",
    "url": "https://receiver.example/hooks?team=support",
    "event_types": ["*.created", "agent.*"],
    "attribute_filters": {"team": "support", "site": ""},
    "enabled": False,
    "headers": {"X-Team": "support", "x-empty": ""},
    "retry_policy": {"schedule": [{"seconds": 1}, {"nanos": 500_000_000}], "attempt_timeout": {"seconds": 30}},
    "max_concurrency": 8,
    "max_rate_per_second": 12.5,
    "annotations": {"owner": "a\nb ⚙"},
}
DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "notification_type": NotificationType.NOTIFICATION_TYPE_REST,
    "format": Format.FORMAT_STANDARD_WEBHOOKS,
    "signature_scheme": SignatureScheme.SIGNATURE_SCHEME_STANDARD_WEBHOOKS,
}
REQUIRED = {name: FULL[name] for name in ("display_name", "url", "event_types")}
OUTPUT = ("name", "uid", "state", "signing_keys", "create_time", "update_time", "etag")
ACTIVE, DISABLED = SubscriptionState.SUBSCRIPTION_STATE_ACTIVE, SubscriptionState.SUBSCRIPTION_STATE_DISABLED


async def get(tenant: Tenant, name: str) -> Subscription:
    """Return a subscription."""
    found: Subscription = (await tenant.call("GetSubscription", name=name)).subscription
    return found


async def update(tenant: Tenant, name: str, mask: list[str] | None = None, **changes: Any) -> Subscription:
    """Change a subscription."""
    response = await tenant.call(
        "UpdateSubscription", subscription={"name": name, **changes}, update_mask={"paths": mask or []}
    )
    changed: Subscription = response.subscription
    return changed


def given(found: Subscription) -> Subscription:
    """Return what of a subscription its owner has set, or could have."""
    without_output = Subscription()
    without_output.CopyFrom(found)
    for name in OUTPUT:
        without_output.ClearField(name)  # type: ignore[arg-type]  # a name is a name
    return without_output


async def test_created_subscription_is_returned_by_get_with_every_field(tenant: Tenant) -> None:
    """Disabled, with filters, headers and a policy of its own."""
    subscription = {**FULL, "name": "ignored", "uid": "ignored", "etag": "ignored", "state": ACTIVE}
    response = await tenant.call(
        "CreateSubscription", parent=tenant.parent, subscription_id="full", subscription=subscription, signing_key=KEY
    )

    found = await get(tenant, f"{tenant.parent}/subscriptions/full")

    assert Subscription(**{**DEFAULTS, **FULL}) == given(found)
    assert found == response.subscription
    assert KEY == response.signing_key
    assert f"{tenant.parent}/subscriptions/full" == found.name
    assert DISABLED == found.state
    assert found.create_time == found.update_time


async def test_minimal_subscription_has_the_defaults_and_a_new_key(tenant: Tenant) -> None:
    """The key is shown once; afterwards only its last four characters."""
    response = await tenant.call("CreateSubscription", parent=tenant.parent, subscription=REQUIRED)
    found = await get(tenant, response.subscription.name)

    assert Subscription(**DEFAULTS, **REQUIRED) == given(found)
    assert ACTIVE == found.state
    assert 36 == len(found.name.rpartition("/")[2])
    assert found.uid not in found.name
    assert 32 == len(base64.b64decode(response.signing_key.removeprefix("whsec_"), validate=True))
    assert [response.signing_key[-4:]] == [key.hint for key in found.signing_keys]
    assert response.signing_key not in str(found)


@pytest.mark.parametrize(
    ("changes", "mask", "expected"),
    [
        ({"display_name": "New"}, [], {**FULL, "display_name": "New"}),
        ({}, [], FULL),
        ({"enabled": True, "url": DEAD_URL}, [], {**FULL, "enabled": True, "url": DEAD_URL}),
        ({"event_types": ["b"], "url": DEAD_URL}, ["event_types"], {**FULL, "event_types": ["b"]}),
        ({"headers": {"X-New": "1"}}, [], {**FULL, "headers": {"X-New": "1"}}),
        ({"headers": {"X-New": "1"}}, ["headers"], {**FULL, "headers": {"X-New": "1"}}),
        ({"attribute_filters": {"b": "1"}}, ["attributeFilters"], {**FULL, "attribute_filters": {"b": "1"}}),
        ({}, ["attribute_filters", "annotations"], {**FULL, "attribute_filters": {}, "annotations": {}}),
        ({}, ["enabled"], {**FULL, "enabled": True}),
        ({}, ["retryPolicy"], {name: FULL[name] for name in FULL if name != "retry_policy"}),
        ({}, ["max_concurrency"], {name: FULL[name] for name in FULL if name != "max_concurrency"}),
        (REQUIRED, ["*"], REQUIRED),
        ({**REQUIRED, "headers": {"b": "c"}}, ["*"], {**REQUIRED, "headers": {"b": "c"}}),
        (DEFAULTS, ["format", "filter", "signature_scheme", "notification_type", "api_key"], FULL),
        (
            {"display_name": "New", "retry_policy": {"max_attempts": 9, "schedule": [{}]}, "url": "no"},
            ["display_name"],
            {**FULL, "display_name": "New"},
        ),
    ],
)
async def test_update_changes_what_the_mask_names_or_else_what_is_set(
    tenant: Tenant, changes: dict[str, Any], mask: list[str], expected: dict[str, Any]
) -> None:
    """A named field that is not set gets its default; lists, maps and messages are replaced; others are not judged."""
    created = await tenant.subscribe(**FULL)

    changed = await update(tenant, created.name, mask, **changes)

    found = await get(tenant, created.name)
    assert Subscription(**{**DEFAULTS, **expected}) == given(found)
    assert found == changed
    assert (created.uid, created.create_time) == (found.uid, found.create_time)
    assert list(created.signing_keys) == list(found.signing_keys)
    assert created.etag != found.etag


async def test_what_get_returns_can_be_sent_back_as_an_update(tenant: Tenant) -> None:
    """Read, change, write: output fields do not stand in the way."""
    found = await get(tenant, (await tenant.subscribe(**FULL)).name)
    found.display_name = "Changed"

    changed = (await tenant.call("UpdateSubscription", subscription=found)).subscription

    assert Subscription(**{**DEFAULTS, **FULL, "display_name": "Changed"}) == given(changed)


async def test_exponential_policy_is_kept_with_its_defaults(tenant: Tenant) -> None:
    """The policy that is read is the one that is in force."""
    policy = {"max_attempts": 5, "max_age": {"seconds": 60}}

    created = await tenant.subscribe(**{**FULL, "retry_policy": policy})

    assert (5, 2.0) == (created.retry_policy.max_attempts, created.retry_policy.multiplier)
    assert Duration(seconds=5) == created.retry_policy.initial_delay
    assert Duration(seconds=24 * 3600) == created.retry_policy.max_delay
    assert Duration(seconds=15) == created.retry_policy.attempt_timeout


async def test_etag_lets_only_the_first_of_two_changes_through(tenant: Tenant) -> None:
    """The second caller has not seen what it would overwrite."""
    created = await tenant.subscribe()
    changed = await update(tenant, created.name, annotations={"by": "a"}, etag=created.etag)

    second = await refusal_of(update(tenant, created.name, annotations={"by": "b"}, etag=created.etag))
    delete = await refusal_of(tenant.call("DeleteSubscription", name=created.name, etag=created.etag))

    assert ("ABORTED", "ETAG_MISMATCH") == (second.code, second.reason)
    assert second == delete
    assert changed.etag in second.message
    assert {"by": "a"} == dict((await get(tenant, created.name)).annotations)
    await tenant.call("DeleteSubscription", name=created.name, etag=changed.etag)


async def test_of_many_changes_with_one_etag_one_is_made(tenant: Tenant) -> None:
    """Read and compare are one step."""
    created = await tenant.subscribe()
    changes = (update(tenant, created.name, annotations={"by": str(n)}, etag=created.etag) for n in range(10))

    results = await asyncio.gather(*changes, return_exceptions=True)

    assert 1 == sum(isinstance(result, Subscription) for result in results)


async def test_display_name_is_unique_in_its_workspace(tenant: Tenant, client: Client) -> None:
    """At create and at update, until its subscription is deleted; other workspaces do not count."""
    first = await tenant.subscribe(display_name="Wallboard")
    second = await tenant.subscribe(display_name="wallboard")

    create = await refusal_of(tenant.subscribe(display_name="Wallboard"))
    rename = await refusal_of(update(tenant, second.name, display_name="Wallboard"))

    assert create == rename
    assert ("ALREADY_EXISTS", "RESOURCE_EXISTS", "subscription.display_name") == (
        create.code,
        create.reason,
        create.field,
    )
    assert first.name in create.message
    await update(tenant, first.name, display_name="Wallboard", enabled=False)
    await Tenant(client).subscribe(display_name="Wallboard")
    await tenant.call("DeleteSubscription", name=first.name)
    assert "Wallboard" == (await update(tenant, second.name, display_name="Wallboard")).display_name


async def test_subscription_id_can_be_taken_once(tenant: Tenant) -> None:
    """Also when ten callers try at the same moment."""
    calls = (tenant.subscribe("once", display_name=f"Caller {n}") for n in range(10))
    results = await asyncio.gather(*calls, return_exceptions=True)

    refusal = await refusal_of(tenant.subscribe("once", display_name="Late"))

    assert 1 == sum(isinstance(result, Subscription) for result in results)
    assert ("ALREADY_EXISTS", "RESOURCE_EXISTS", "subscription_id") == (refusal.code, refusal.reason, refusal.field)
    assert 1 == len(await tenant.subscriptions())


async def test_deleted_subscription_is_gone_and_its_successor_has_none_of_its_history(tenant: Tenant) -> None:
    """What was owed to the old one is cancelled and stays readable."""
    old = await tenant.subscribe("board", display_name="Board")
    await tenant.publish("a")
    await tenant.call("DeleteSubscription", name=old.name)
    refusals = [
        await refusal_of(tenant.call("GetSubscription", name=old.name)),
        await refusal_of(tenant.call("DeleteSubscription", name=old.name)),
        await refusal_of(update(tenant, old.name, enabled=True)),
    ]
    await tenant.call("DeleteSubscription", name=old.name, allow_missing=True, etag="any")

    async def is_cancelled() -> bool:
        states = {each.state for each in await tenant.notifications()}
        return {NotificationState.NOTIFICATION_STATE_CANCELLED} == states

    await eventually(is_cancelled)
    [cancelled] = await tenant.notifications()
    new = await tenant.subscribe("board", display_name="Board")

    assert 3 * [Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", f'no subscription named "{old.name}"')] == refusals
    assert old.name == cancelled.subscription
    assert cancelled.HasField("complete_time")
    assert not cancelled.HasField("next_attempt_time")
    assert new.uid != old.uid
    assert {key.key_id for key in new.signing_keys}.isdisjoint(key.key_id for key in old.signing_keys)
    assert [] == await tenant.notifications(subscription=new.name)
    assert 1 == (await tenant.publish("a")).matched_count
    assert 1 == len(await tenant.notifications(subscription=new.name))


async def test_deleting_cancels_more_than_one_slice_and_nothing_of_others(tenant: Tenant) -> None:
    """Pending notifications are cancelled in slices of 500."""
    await tenant.subscribe("stays", display_name="Stays")
    doomed = await tenant.subscribe("doomed", display_name="Doomed")
    requests = [{"event": {"event_type": "a", "json": "{}"}} for _ in range(600)]
    await tenant.call("BatchPublish", parent=tenant.parent, requests=requests)

    await tenant.call("DeleteSubscription", name=doomed.name)

    async def all_cancelled() -> bool:
        return 600 == len(await tenant.notifications(states=[NotificationState.NOTIFICATION_STATE_CANCELLED]))

    await eventually(all_cancelled)
    pending = await tenant.notifications(states=[NotificationState.NOTIFICATION_STATE_PENDING])
    assert 600 * [f"{tenant.parent}/subscriptions/stays"] == [each.subscription for each in pending]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("agent.created", ["agent.created"], ["agent.creates", "agent.created.x", "agent", "x.agent.created"]),
        ("*", ["agent", "agent.created", "a.b.c.d"], []),
        ("agent.*", ["agent.created", "agent.status.changed"], ["agent", "agents.created", "x.agent.created"]),
        ("*.created", ["agent.created"], ["created", "agent.x.created", "agent.created.x"]),
        ("agent.*.changed", ["agent.status.changed"], ["agent.changed", "agent.a.b.changed"]),
        ("*.*", ["agent.created", "a.b.c"], ["agent"]),
        ("*.status.*", ["agent.status.changed", "a.status.b.c"], ["agent.status", "agent.x.status.y"]),
        ("Agent", ["Agent"], ["agent"]),
    ],
)
async def test_pattern_matches_these_event_types_and_not_those(
    tenant: Tenant, pattern: str, matching: list[str], others: list[str]
) -> None:
    """Told by the number of notifications that a publish makes."""
    await tenant.subscribe(event_types=[pattern, "never.this", pattern])

    counts = {each: (await tenant.publish(each)).matched_count for each in (*matching, *others)}

    assert dict.fromkeys(matching, 1) | dict.fromkeys(others, 0) == counts


@pytest.mark.parametrize(
    ("filters", "attributes", "expected"),
    [
        ({}, {}, 1),
        ({}, {"team": "support"}, 1),
        ({"team": "support"}, {"team": "support", "site": "b"}, 1),
        ({"team": "support"}, {"team": "sales"}, 0),
        ({"team": "support"}, {"Team": "support"}, 0),
        ({"team": "support"}, {"team": "support "}, 0),
        ({"team": "support"}, {}, 0),
        ({"team": "support", "site": "b"}, {"team": "support"}, 0),
        ({"team": "support", "site": "b"}, {"site": "b", "team": "support"}, 1),
        ({"team": ""}, {"team": ""}, 1),
        ({"team": ""}, {}, 0),
        ({"team": "é⚙\0"}, {"team": "é⚙\0"}, 1),
        # A receiver compares bytes, so does this: an "e" with a combining accent is another text.
        ({"team": "é"}, {"team": "e\u0301"}, 0),
    ],
)
async def test_every_attribute_filter_must_equal_the_events_attribute(
    tenant: Tenant, filters: dict[str, str], attributes: dict[str, str], expected: int
) -> None:
    """An empty value is a value."""
    await tenant.subscribe(attribute_filters=filters)

    assert expected == (await tenant.publish("a", attributes=attributes)).matched_count


async def test_every_matching_subscription_counts_once(tenant: Tenant, client: Client) -> None:
    """However many of its patterns match; those of other workspaces do not count."""
    await tenant.subscribe(event_types=["a.b", "a.*", "*"])
    await tenant.subscribe(event_types=["a.b"])
    await tenant.subscribe(event_types=["b.*"])
    await Tenant(client).subscribe(event_types=["*"])

    published = await tenant.publish("a.b")

    assert (2, 2) == (published.matched_count, published.event.matched_count)
    assert 2 == len(await tenant.notifications(event=published.event.name))


async def test_changed_subscription_matches_by_its_new_fields_at_once(tenant: Tenant) -> None:
    """The first publish after the answer to an update is already matched with it."""
    name = (await tenant.subscribe(event_types=["a"])).name
    steps: list[tuple[dict[str, Any], int]] = [
        ({"event_types": ["b"]}, 0),
        ({"event_types": ["a"]}, 1),
        ({"attribute_filters": {"x": "1"}}, 0),
        ({"attribute_filters": {"x": "2"}}, 1),
        ({"enabled": False}, 0),
        ({"enabled": True}, 1),
    ]

    counts = []
    for changes, _ in steps:
        await update(tenant, name, **changes)
        counts.append((await tenant.publish("a", attributes={"x": "2"})).matched_count)

    assert [expected for _, expected in steps] == counts


async def test_disabled_subscription_matches_nothing_and_its_pending_notifications_wait(tenant: Tenant) -> None:
    """They go on when it is enabled again, by its new url."""
    refuse = asyncio.Event()
    refuse.set()

    def answer(_: Received) -> web.Response:
        return web.Response(status=500 if refuse.is_set() else 204)

    async with running_receiver(answer) as receiver:
        schedule = [{"nanos": 100_000_000}] * 32
        name = (await tenant.subscribe(url=receiver.url, retry_policy={"schedule": schedule})).name
        await tenant.publish("a")
        await receiver.wait_for(1)
        await update(tenant, name, enabled=False)

        looks: list[bool] = []

        async def is_held() -> bool:
            [pending] = await tenant.notifications(subscription=name)
            # An attempt under way has no next one either, but only for a moment.
            looks.append(not pending.HasField("next_attempt_time"))
            return len(looks) >= 10 and all(looks[-10:])

        await eventually(is_held)
        sent = len(receiver.received)
        [held] = await tenant.notifications()
        matched_count = (await tenant.publish("a")).matched_count
        refuse.clear()
        await update(tenant, name, enabled=True, url=f"{receiver.url}/new")
        received = await receiver.wait_for(sent + 1)

        async def is_delivered() -> bool:
            [notification] = await tenant.notifications()
            return NotificationState.NOTIFICATION_STATE_SUCCEEDED == notification.state

        await eventually(is_delivered)

    assert NotificationState.NOTIFICATION_STATE_PENDING == held.state
    assert 0 == matched_count
    assert sent + 1 == len(received)
    assert "/hooks/new" == received[-1].path


@pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7, 8, 2**31 - 1])
async def test_pages_hold_every_subscription_once_in_the_order_of_ids(tenant: Tenant, page_size: int) -> None:
    """Whatever their size, and whatever is left out between them."""
    for letter in "gabfcde":
        await tenant.subscribe(letter, display_name=f"Wanted {letter}")
        await tenant.subscribe(f"{letter}-off", display_name=f"Off {letter}", enabled=False)

    pages = await tenant.pages(
        "ListSubscriptions", "subscriptions", parent=tenant.parent, page_size=page_size, states=[ACTIVE]
    )

    assert list("abcdefg") == [each.name.rpartition("/")[2] for page in pages for each in page]
    assert all(len(page) <= page_size for page in pages)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "all,created,off,other"),
        ({"states": [ACTIVE]}, "all,created,other"),
        ({"states": [DISABLED]}, "off"),
        ({"states": [SubscriptionState.SUBSCRIPTION_STATE_SUSPENDED]}, ""),
        ({"states": [ACTIVE, DISABLED, ACTIVE]}, "all,created,off,other"),
        ({"event_type": "agent.created"}, "all,created,off"),
        ({"event_type": "agent.created", "states": [ACTIVE]}, "all,created"),
        ({"event_type": "other"}, "all,other"),
        ({"event_type": "tidings.subscription.suspended"}, ""),
    ],
)
async def test_list_shows_those_whose_patterns_match_and_whose_state_is_asked_for(
    tenant: Tenant, filters: dict[str, Any], expected: str
) -> None:
    """An empty filter means any."""
    await tenant.subscribe("all", event_types=["*"])
    await tenant.subscribe("created", event_types=["x", "*.created"])
    await tenant.subscribe("off", event_types=["agent.*"], enabled=False)
    await tenant.subscribe("other", event_types=["other"])
    await tenant.call("DeleteSubscription", name=(await tenant.subscribe("deleted")).name)

    found = await tenant.subscriptions(**filters)

    assert expected == ",".join(each.name.rpartition("/")[2] for each in found)


async def test_page_of_large_subscriptions_is_small_enough_for_every_client(tenant: Tenant) -> None:
    """A client takes 4 MiB by default, and these have 6 MiB."""
    headers = {f"x-{n}": "v" * 4000 for n in range(32)}
    for n in range(50):
        await tenant.subscribe(f"s{n:02}", headers=headers)

    found = await tenant.subscriptions()

    assert [f"s{n:02}" for n in range(50)] == [each.name.rpartition("/")[2] for each in found]


async def test_foreign_subscription_is_missing_like_one_that_never_was(tenant: Tenant, client: Client) -> None:
    """The error must not tell whether somebody else has it."""
    own = await tenant.subscribe("board")
    other = Tenant(client)
    foreign, missing = f"{other.parent}/subscriptions/board", f"{other.parent}/subscriptions/nobody"

    calls: list[tuple[str, Callable[[str], dict[str, Any]]]] = [
        ("GetSubscription", lambda name: {"name": name}),
        ("UpdateSubscription", lambda name: {"subscription": {"name": name, "enabled": False}}),
        ("UpdateSubscription", lambda name: {"subscription": {"name": name, "enabled": False, "etag": own.etag}}),
        ("DeleteSubscription", lambda name: {"name": name}),
        ("DeleteSubscription", lambda name: {"name": name, "etag": own.etag}),
    ]
    for method, request in calls:
        refusals = [await refusal_of(other.call(method, **request(name))) for name in (foreign, missing)]

        assert ("NOT_FOUND", "RESOURCE_NOT_FOUND") == (refusals[0].code, refusals[0].reason)
        assert 1 == len({without_names(str(refusal), foreign, missing) for refusal in refusals})
    await other.call("DeleteSubscription", name=foreign, allow_missing=True)
    assert own == await get(tenant, own.name)
    assert [] == await other.subscriptions()


@dataclass
class History:
    """When subscriptions began and ceased to match, on a clock that counts steps."""

    steps: Iterator[int] = field(default_factory=count)
    # By subscription: (when the change was asked for, when it was acknowledged, whether it matches afterwards).
    changes: dict[str, list[tuple[int, int, bool]]] = field(default_factory=lambda: defaultdict(list))

    def must_match(self, begin: int, end: int) -> set[str]:
        """Return those that matched the whole time from `begin` to `end`."""
        return {name for name, changes in self.changes.items() if self._possible(changes, begin, end) == {True}}

    def may_match(self, begin: int, end: int) -> set[str]:
        """Return those that may have matched at some moment from `begin` to `end`."""
        return {name for name, changes in self.changes.items() if True in self._possible(changes, begin, end)}

    @staticmethod
    def _possible(changes: list[tuple[int, int, bool]], begin: int, end: int) -> set[bool]:
        before = [matches for _, acknowledged, matches in changes if acknowledged < begin]
        meanwhile = {matches for asked, acknowledged, matches in changes if asked < end and acknowledged > begin}
        return {before[-1] if before else False} | meanwhile


async def test_matched_count_is_exact_while_subscriptions_change(tenant: Tenant) -> None:
    """What was acknowledged before a publish counts in it; what is deleted or disabled before it does not."""
    history = History()
    rng = Random(7)
    stop = asyncio.Event()
    published: list[tuple[int, int, str, int]] = []

    async def change(id: str, call: Any, *, matches: bool) -> None:
        asked = next(history.steps)
        # Known before it is acknowledged, so that a publish meanwhile sees that it may happen.
        entry = len(history.changes[id])
        history.changes[id].append((asked, 1 << 60, matches))
        await call
        history.changes[id][entry] = (asked, next(history.steps), matches)

    async def own_subscriptions(owner: int) -> None:
        for round in range(12):
            id = f"s-{owner}-{round}"
            name = f"{tenant.parent}/subscriptions/{id}"
            await change(id, tenant.subscribe(id, event_types=["a"]), matches=True)
            for _ in range(rng.randrange(3)):
                await change(id, update(tenant, name, event_types=["b"]), matches=False)
                await change(id, update(tenant, name, event_types=["*"]), matches=True)
                await change(id, update(tenant, name, enabled=False), matches=False)
                await change(id, update(tenant, name, enabled=True), matches=True)
            if rng.random() < 0.7:
                await change(id, tenant.call("DeleteSubscription", name=name), matches=False)

    async def publish_on() -> None:
        while not stop.is_set():
            begin = next(history.steps)
            response = await tenant.publish("a")
            published.append((begin, next(history.steps), response.event.name, response.matched_count))

    publishers = [asyncio.create_task(publish_on()) for _ in range(4)]
    await asyncio.gather(*(own_subscriptions(owner) for owner in range(4)))
    stop.set()
    await asyncio.gather(*publishers)

    made: dict[str, set[str]] = defaultdict(set)
    for each in await tenant.notifications():
        made[each.event].add(each.subscription.rpartition("/")[2])
    for begin, end, event, matched_count in published:
        assert matched_count == len(made[event])
        assert history.must_match(begin, end) <= made[event] <= history.may_match(begin, end)
    assert len(published) > 30
    assert len({matched_count for *_, matched_count in published}) > 3


@pytest.mark.parametrize("with_unknown", [True, False])
async def test_exact_pattern_must_name_an_event_type(tmp_path_factory: Any, with_unknown: bool) -> None:
    """Unless the operator allows unknown ones. Wildcards and Tidings' own types need none."""
    folder = tmp_path_factory.mktemp("known")
    async with running_server(folder, allow_unknown_event_types=with_unknown) as client:
        tenant = Tenant(client)
        known = await tenant.event_type(new_id("known."))
        created = await tenant.subscribe(event_types=[known, "un.*", "tidings.subscription.suspended"])
        if with_unknown:
            await tenant.subscribe(event_types=[known, "unknown"])
            await update(tenant, created.name, event_types=["unknown"])
            return
        refusals = [
            await refusal_of(tenant.subscribe(event_types=[known, "unknown"])),
            await refusal_of(update(tenant, created.name, event_types=["unknown"])),
        ]

    expected = Refusal(
        "NOT_FOUND",
        "EVENT_TYPE_UNKNOWN",
        "subscription.event_types",
        'subscription.event_types: there is no event type "unknown"; create it with CreateEventType first',
    )
    assert 2 * [expected] == refusals
