"""What changes make of a subscription: suspensions that end or stay, filters that open, drafts that are not stored."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any, Final, cast

import pytest

from service.domain.destinations import parse_destination_policy
from service.domain.errors import CallerError, EventTypeUnknown, InvalidField, RequestIdReused
from service.domain.model import (
    ApiKey,
    Format,
    SignatureScheme,
    SigningKey,
    Subscription,
    SubscriptionState,
    SuspendReason,
    Suspension,
)
from service.domain.signing import new_key
from service.domain.subscriptions import Creation, SubscriptionFields
from service.storage import announcements, subscriptions, sweeps, workspaces
from service.storage.sqlite import SqliteDatabase
from service.subscribing import Subscriptions
from tests.fakes import (
    NOW_MS,
    QUOTAS,
    TESTER,
    WORKSPACE,
    CountingIds,
    FakeClock,
    HookedDatabase,
    listen,
    subscribe,
    subscription_of,
)

GONE: Final = Suspension(NOW_MS - 5, SuspendReason.GONE)
ACTIVE, DISABLED, SUSPENDED = SubscriptionState.ACTIVE, SubscriptionState.DISABLED, SubscriptionState.SUSPENDED
FIELDS: Final = SubscriptionFields(
    url="https://receiver.example/hooks",
    event_types=("agent.*",),
    attribute_filters={},
    filter="",
    enabled=True,
    format=Format.RAW,
    signature_scheme=SignatureScheme.GITHUB,
    api_key=None,
    headers={},
    retry_policy=None,
    max_concurrency=None,
    annotations={},
)


@pytest.fixture
def hooked(database: SqliteDatabase) -> HookedDatabase:
    """The database, with room for what happens before and after a write."""
    return HookedDatabase(database)


@pytest.fixture
def use_cases(hooked: HookedDatabase, clock: FakeClock, ids: CountingIds, rng: Random) -> Subscriptions:
    """The use cases on a database of their own, some time later."""
    clock.advance(1_000)
    return Subscriptions(
        hooked,
        destinations=parse_destination_policy((), (), https_only=False, dev=False),
        clock=clock,
        ids=ids,
        rng=rng,
        quotas=QUOTAS,
        on_sweep=lambda: None,
        allow_unknown_event_types=False,
    )


Operation = Callable[[Subscriptions], Awaitable[Subscription]]


def update(**fields: Any) -> Operation:
    """Return an update of the subscription a."""
    return lambda use_cases: use_cases.update(WORKSPACE, "a", cast(SubscriptionFields, fields), etag="", by=TESTER)


def resume(use_cases: Subscriptions) -> Awaitable[Subscription]:
    """Resume the subscription a."""
    return use_cases.resume(WORKSPACE, "a", by=TESTER)


async def release_is_asked_for(database: SqliteDatabase) -> bool:
    """Say whether what is held is to be released."""
    return await database.write(sweeps.next_sweep) is not None


async def told(database: SqliteDatabase) -> list[tuple[str, str]]:
    """Return what is to be announced, and about what."""
    found = await database.read(lambda tx: announcements.after(tx, "", limit=9))
    return [(each.event_type, each.subject) for each in found]


RESUMED: Final = [("tidings.subscription.resumed", subscription_of("a").name)]


@pytest.mark.parametrize(
    ("before", "operation", "state", "is_released", "expected"),
    [
        ({"suspension": GONE}, resume, ACTIVE, True, RESUMED),
        ({"suspension": GONE}, update(url="https://new.example/"), ACTIVE, True, RESUMED),
        ({"suspension": GONE}, update(url="https://a.example/hooks"), SUSPENDED, False, []),
        ({"suspension": GONE}, update(headers={"x": "y"}), SUSPENDED, False, []),
        ({"suspension": GONE}, update(enabled=False), DISABLED, False, []),
        ({"suspension": GONE}, update(enabled=False, url="https://new.example/"), DISABLED, False, RESUMED),
        ({"suspension": GONE, "enabled": False}, update(enabled=True), SUSPENDED, False, []),
        ({"suspension": GONE, "enabled": False}, update(url="https://new.example/"), DISABLED, False, RESUMED),
        (
            {"suspension": GONE, "enabled": False},
            update(url="https://new.example/", enabled=True),
            ACTIVE,
            True,
            RESUMED,
        ),
        ({"suspension": GONE, "enabled": False}, resume, DISABLED, False, RESUMED),
        ({"enabled": False}, update(enabled=True), ACTIVE, True, []),
        ({"enabled": False}, update(url="https://new.example/"), DISABLED, False, []),
        ({"enabled": False}, resume, DISABLED, False, []),
        ({}, update(url="https://new.example/"), ACTIVE, False, []),
        ({}, resume, ACTIVE, False, []),
    ],
)
async def test_suspension_ends_by_resuming_or_by_another_url(
    database: SqliteDatabase,
    use_cases: Subscriptions,
    before: dict[str, Any],
    operation: Operation,
    state: SubscriptionState,
    *,
    is_released: bool,
    expected: list[tuple[str, str]],
) -> None:
    """What is held is released when the subscription is served again, and the end of a suspension is announced."""
    await listen(database)
    await subscribe(database, subscription_of("a", **before))

    changed = await operation(use_cases)

    assert state == changed.state
    assert changed == await use_cases.get(WORKSPACE, "a")
    assert is_released == await release_is_asked_for(database)
    assert expected == await told(database)


async def test_resuming_what_is_not_suspended_is_no_change(database: SqliteDatabase, use_cases: Subscriptions) -> None:
    """Its etag stays, for a client may resume twice; and so does the revision, or matches would be made anew."""
    await listen(database)
    await subscribe(database, subscription_of("a", suspension=GONE))
    resumed = await use_cases.resume(WORKSPACE, "a", by=TESTER)

    assert resumed == await use_cases.resume(WORKSPACE, "a", by=TESTER)
    assert ("3", NOW_MS + 1_000) == (resumed.etag, resumed.update_time_ms)
    assert 3 == await database.read(lambda tx: workspaces.revision(tx, WORKSPACE.key))
    assert RESUMED == await told(database)


@pytest.mark.parametrize("fields", [{}, {"annotations": {"a": "b"}}, {"filter": "event.type == 'a'"}])
async def test_any_update_opens_a_filter_that_was_shut(
    database: SqliteDatabase, use_cases: Subscriptions, fields: dict[str, Any]
) -> None:
    """Whatever it changes, and if it changes nothing."""
    await subscribe(database, subscription_of("a", filter="true", filter_is_shut=True))
    shut = await use_cases.get(WORKSPACE, "a")

    opened = await update(**fields)(use_cases)

    assert ("FILTER_TOO_SLOW", "") == (shut.state_reason, opened.state_reason)
    assert opened == await use_cases.get(WORKSPACE, "a")


LITERAL: Final = (SignatureScheme.MESSAGEBIRD, SignatureScheme.GITHUB, SignatureScheme.STRIPE)


@pytest.mark.parametrize("old", SignatureScheme)
@pytest.mark.parametrize("new", SignatureScheme)
async def test_scheme_changes_only_where_the_key_serves_the_new_one(
    database: SqliteDatabase, use_cases: Subscriptions, old: SignatureScheme, new: SignatureScheme
) -> None:
    """The current key then signs by it; one that runs out goes on as it did."""
    keys = (
        SigningKey("new", new_key(old, Random(1)), NOW_MS + 1, None, old),
        SigningKey("old", new_key(old, Random(0)), NOW_MS, NOW_MS * 2, old),
    )
    await subscribe(database, subscription_of("a", signature_scheme=old, signing_keys=keys))
    before = await use_cases.get(WORKSPACE, "a")

    if new is old or {old, new} <= set(LITERAL):
        await update(signature_scheme=new)(use_cases)
        after = await use_cases.get(WORKSPACE, "a")
        assert (new, replace(keys[0], scheme=new), keys[1]) == (after.signature_scheme, *after.signing_keys)
    else:
        with pytest.raises(CallerError, match="RotateSigningKey") as refused:
            await update(signature_scheme=new)(use_cases)
        assert "STATE_CONFLICT" == refused.value.reason
        assert before == await use_cases.get(WORKSPACE, "a")


@pytest.mark.parametrize(
    ("stored", "given", "expected"),
    [
        (None, ApiKey("X-Key", "new"), ApiKey("X-Key", "new")),
        (ApiKey("X-Key", "old"), ApiKey("X-Key", "new"), ApiKey("X-Key", "new")),
        (ApiKey("X-Key", "old"), ApiKey("X-Other", ""), ApiKey("X-Other", "old")),
        (ApiKey("X-Key", "old"), ApiKey("Authorization", "Bearer new"), ApiKey("Authorization", "Bearer new")),
        (ApiKey("X-Key", "old"), None, None),
        (None, None, None),
    ],
)
async def test_api_key_without_a_value_keeps_the_stored_one(
    database: SqliteDatabase,
    use_cases: Subscriptions,
    stored: ApiKey | None,
    given: ApiKey | None,
    expected: ApiKey | None,
) -> None:
    """For it is never returned, so that what was read can be sent back."""
    await subscribe(database, subscription_of("a", api_key=stored))

    await update(api_key=given)(use_cases)

    assert expected == (await use_cases.get(WORKSPACE, "a")).api_key


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"x-key": "1"}},
        {"api_key": ApiKey("X-Other", "k")},
        {"headers": {"AUTHORIZATIO": "1"}, "api_key": ApiKey("authorizatio", "k")},
    ],
)
async def test_api_key_and_headers_may_not_collide_after_an_update(
    database: SqliteDatabase, use_cases: Subscriptions, fields: dict[str, Any]
) -> None:
    """Whichever of the two is changed, and whatever the case."""
    await subscribe(database, subscription_of("a", api_key=ApiKey("X-Key", "k"), headers={"x-OTHER": "1"}))

    with pytest.raises(InvalidField, match="must not be the header of the api_key"):
        await update(**fields)(use_cases)


# --- requests that are repeated


async def test_creation_whose_caller_gave_up_is_found_again(
    hooked: HookedDatabase, use_cases: Subscriptions, database: SqliteDatabase
) -> None:
    """A deadline passes after the commit and before the answer: the same request then gets what that one made."""
    creation = Creation(WORKSPACE, "", {**FIELDS, "display_name": "Board"}, request_id="r", fingerprint=b"f")
    is_committed = asyncio.Event()

    async def never_answer() -> None:
        is_committed.set()
        await asyncio.Event().wait()

    hooked.after_write = never_answer
    given_up = asyncio.create_task(use_cases.create(creation, by=TESTER))
    await is_committed.wait()
    given_up.cancel()
    await asyncio.wait([given_up])
    hooked.after_write = None

    created = await use_cases.create(creation, by=TESTER)

    [stored] = await database.read(lambda tx: subscriptions.after(tx, WORKSPACE, "", limit=9))
    assert stored == created.subscription
    assert [stored.signing_keys[0].secret] == [created.shown_key]


async def test_repeated_creation_is_no_change(database: SqliteDatabase, use_cases: Subscriptions) -> None:
    """Neither one that returns what there is nor one that is refused has any match made anew."""
    creation = Creation(WORKSPACE, "", {**FIELDS, "display_name": "Board"}, request_id="r", fingerprint=b"f")
    created = await use_cases.create(creation, by=TESTER)

    assert created == await use_cases.create(creation, by=TESTER)
    with pytest.raises(RequestIdReused):
        await use_cases.create(replace(creation, fingerprint=b"other"), by=TESTER)
    assert 1 == await database.read(lambda tx: workspaces.revision(tx, WORKSPACE.key))


# --- drafts


async def test_draft_is_checked_and_stored_nowhere(database: SqliteDatabase, use_cases: Subscriptions) -> None:
    """It needs no display name and no value of an API key, so that what was read can be sent back in it."""
    await subscribe(database, subscription_of("a"))

    drafted = await use_cases.draft(WORKSPACE, {**FIELDS, "api_key": ApiKey("X-Key", "")})
    same_name = await use_cases.draft(WORKSPACE, {**FIELDS, "display_name": "Subscription a"})

    assert ("", "", (), ACTIVE, FIELDS["url"]) == (
        drafted.id,
        drafted.display_name,
        drafted.signing_keys,
        drafted.state,
        drafted.url,
    )
    assert "Subscription a" == same_name.display_name
    assert 1 == await database.read(lambda tx: workspaces.revision(tx, WORKSPACE.key))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"event_types": ()}, InvalidField),
        ({"event_types": ("unknown",)}, EventTypeUnknown),
        ({"url": "https://10.0.0.1/"}, InvalidField),
        ({"filter": "event.nothing"}, InvalidField),
        ({"display_name": "x"}, InvalidField),
        ({"api_key": ApiKey("x", ""), "headers": {"X": ""}}, InvalidField),
    ],
)
async def test_draft_is_refused_like_a_subscription(
    use_cases: Subscriptions, fields: dict[str, Any], error: type[CallerError]
) -> None:
    """With the errors that creating it would have."""
    with pytest.raises(error):
        await use_cases.draft(WORKSPACE, cast(SubscriptionFields, {**FIELDS, **fields}))
