"""Requests that are only checked, and requests that are repeated."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.harness import Client, read_rows, running_process, running_server
from tests.tools import Refusal, Tenant, refusal_of
from tidings.v1.subscriptions_pb2 import (
    CreateSubscriptionResponse,
    SignatureScheme,
    Subscription,
    SubscriptionState,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS: Final[dict[str, Any]] = {
    "display_name": "Board",
    "url": "https://receiver.example/",
    "event_types": ["known"],
    "attribute_filters": {"a": "1", "b": "2", "c": "3"},
    "api_key": {"value": "k"},
    "filter": "event.type == 'known'",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database."""
    return tmp_path_factory.mktemp("subscription_requests")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(folder: Path) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(folder) as client:
        await Tenant(client).event_type("known")
        yield client


async def create(tenant: Tenant, fields: dict[str, Any] | None = None, **request: Any) -> CreateSubscriptionResponse:
    """Create a subscription."""
    response: CreateSubscriptionResponse = await tenant.call(
        "CreateSubscription", parent=tenant.parent, subscription={**FIELDS, **(fields or {})}, **request
    )
    return response


async def update(
    tenant: Tenant, *, validate_only: bool = False, mask: tuple[str, ...] = (), **changes: Any
) -> Subscription:
    """Change the subscription board."""
    response = await tenant.call(
        "UpdateSubscription",
        subscription={"name": f"{tenant.parent}/subscriptions/board", **changes},
        update_mask={"paths": mask},
        validate_only=validate_only,
    )
    changed: Subscription = response.subscription
    return changed


def tables(folder: Path) -> list[list[dict[str, Any]]]:
    """Return everything that a request about subscriptions could write."""
    names = ("workspaces", "subscriptions", "signing_keys", "management_requests", "announcements")
    return [read_rows(folder / "tidings.db", f"SELECT * FROM {name}") for name in names]  # noqa: S608


# --- validate_only


async def test_checked_creation_shows_the_subscription_and_writes_nothing(tenant: Tenant, folder: Path) -> None:
    """As it would be, without what only a stored one has; a request_id is not used up."""
    before = tables(folder)

    response = await create(tenant, subscription_id="board", request_id="r", validate_only=True)

    assert before == tables(folder)
    assert "" == response.signing_key
    created = (await create(tenant, subscription_id="board", request_id="r")).subscription
    for name in ("name", "uid", "signing_keys", "create_time", "update_time", "etag"):
        created.ClearField(name)
    assert created == response.subscription
    assert SubscriptionState.SUBSCRIPTION_STATE_ACTIVE == response.subscription.state


@pytest.mark.parametrize(
    ("fields", "request_fields"),
    [
        ({"display_name": "x"}, {}),
        ({"display_name": "Taken"}, {}),
        ({"url": "https://10.0.0.1/"}, {}),
        ({"event_types": ["unknown"]}, {}),
        ({"filter": "event.typo"}, {}),
        ({"api_key": {}}, {}),
        ({"headers": {"x-api-key": "1"}}, {}),
        ({"format": 99}, {}),
        ({}, {"subscription_id": "board"}),
        ({}, {"subscription_id": "No"}),
        ({}, {"signing_key": "no"}),
        ({}, {"request_id": " "}),
        ({"signature_scheme": SignatureScheme.SIGNATURE_SCHEME_UNSIGNED}, {"signing_key": "long enough"}),
    ],
)
async def test_checked_creation_has_the_errors_of_a_real_one(
    tenant: Tenant, folder: Path, fields: dict[str, Any], request_fields: dict[str, Any]
) -> None:
    """All of them: form, references, uniqueness."""
    await create(tenant, {"display_name": "Taken"}, subscription_id="board")
    before = tables(folder)

    checked = await refusal_of(create(tenant, fields, **request_fields, validate_only=True))

    assert checked == await refusal_of(create(tenant, fields, **request_fields))
    assert before == tables(folder)


async def test_checked_update_shows_the_change_and_writes_nothing(tenant: Tenant, folder: Path) -> None:
    """With the etag that the real update may be sent with."""
    created = (await create(tenant, subscription_id="board")).subscription
    before = tables(folder)
    changes: dict[str, Any] = {"enabled": False, "annotations": {"a": "b"}, "api_key": {"header": "X-Key"}}

    checked = await update(tenant, validate_only=True, etag=created.etag, **changes)

    assert before == tables(folder)
    assert (created.etag, created.update_time, created.signing_keys) == (
        checked.etag,
        checked.update_time,
        checked.signing_keys,
    )
    changed = await update(tenant, etag=checked.etag, **changes)
    for each in (changed, checked):
        each.ClearField("etag")
        each.ClearField("update_time")
    assert changed == checked


@pytest.mark.parametrize(
    "changes",
    [
        {"display_name": "Taken"},
        {"display_name": "x"},
        {"url": "https://10.0.0.1/"},
        {"event_types": ["unknown"]},
        {"filter": "event.typo"},
        {"headers": {"x-api-key": "1"}},
        {"signature_scheme": SignatureScheme.SIGNATURE_SCHEME_GITHUB},
        {"etag": "other"},
        {"mask": ("uid",)},
        {"name": "organizations/acme/workspaces/main/subscriptions/nobody"},
    ],
)
async def test_checked_update_has_the_errors_of_a_real_one(
    tenant: Tenant, folder: Path, changes: dict[str, Any]
) -> None:
    """All of them: form, references, uniqueness, state."""
    await create(tenant, {"display_name": "Taken"})
    await create(tenant, subscription_id="board")
    before = tables(folder)

    checked = await refusal_of(update(tenant, validate_only=True, **changes))

    assert checked == await refusal_of(update(tenant, **changes))
    assert before == tables(folder)


# --- request_id


async def test_repeated_creation_returns_the_first_one_with_its_key(tenant: Tenant) -> None:
    """As it is now: it may have been changed since. Whatever the order of a map's entries."""
    first = await create(tenant, subscription_id="board", request_id="r")
    changed = await update(tenant, display_name="Renamed")
    turned = {"attribute_filters": dict(reversed(FIELDS["attribute_filters"].items()))}

    again = await create(tenant, turned, subscription_id="board", request_id="r")

    assert (changed, first.signing_key) == (again.subscription, again.signing_key)
    assert 1 == len(await tenant.subscriptions())


async def test_of_many_equal_creations_at_once_one_is_made(tenant: Tenant) -> None:
    """Without an id of its own, too, where nothing else would stop a second one but its name."""
    results = await asyncio.gather(*(create(tenant, request_id="r") for _ in range(10)))

    assert 1 == len({(each.subscription.uid, each.signing_key) for each in results})
    assert 1 == len(await tenant.subscriptions())


@pytest.mark.parametrize(
    ("fields", "request_fields"),
    [
        ({"url": "https://other.example/"}, {}),
        ({"attribute_filters": {"a": "1"}}, {}),
        ({"api_key": {"value": "other"}}, {}),
        ({}, {"subscription_id": "other"}),
        ({}, {"signing_key": f"whsec_{'A' * 43}="}),
    ],
)
async def test_request_id_of_another_request_is_refused(
    tenant: Tenant, fields: dict[str, Any], request_fields: dict[str, Any]
) -> None:
    """And nothing is made; with an id of its own the request is a new one."""
    await create(tenant, request_id="r")

    refusal = await refusal_of(create(tenant, fields, request_id="r", **request_fields))

    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED", "request_id") == (refusal.code, refusal.reason, refusal.field)
    assert 1 == len(await tenant.subscriptions())
    await create(tenant, {**fields, "display_name": "Other"}, request_id="r2", **request_fields)


async def test_request_that_failed_may_be_repeated_when_it_can_succeed(tenant: Tenant) -> None:
    """A request_id is remembered with what came of it, so not when nothing did."""
    holder = (await create(tenant)).subscription
    refusal = await refusal_of(create(tenant, request_id="r"))
    await tenant.call("DeleteSubscription", name=holder.name)

    assert "RESOURCE_EXISTS" == refusal.reason
    assert holder.uid != (await create(tenant, request_id="r")).subscription.uid


async def test_repeated_creation_of_what_was_deleted_says_so(tenant: Tenant) -> None:
    """It is not made again behind the back of whoever deleted it, and its successor is not it."""
    first = await create(tenant, subscription_id="board", request_id="r")
    await tenant.call("DeleteSubscription", name=first.subscription.name)
    await create(tenant, subscription_id="board")

    refusal = await refusal_of(create(tenant, subscription_id="board", request_id="r"))

    message = (
        f'no subscription named "{first.subscription.name}": what the first request with this request_id created was '
        "deleted since"
    )
    assert Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", message) == refusal


async def test_request_ids_of_other_workspaces_do_not_count(tenant: Tenant, client: Client) -> None:
    """Nobody learns what others use."""
    first = await create(tenant, request_id="r")
    other = await create(Tenant(client), {"url": "https://other.example/"}, request_id="r")

    assert first.subscription.uid != other.subscription.uid


async def test_key_of_an_unsigned_subscription_stays_empty(tenant: Tenant) -> None:
    """At the first request and at the second."""
    unsigned = {"signature_scheme": SignatureScheme.SIGNATURE_SCHEME_UNSIGNED}

    responses = [await create(tenant, unsigned, request_id="r") for _ in range(2)]

    assert ["", ""] == [each.signing_key for each in responses]
    assert responses[0] == responses[1]


async def test_key_that_was_erased_is_not_shown_again(tenant: Tenant) -> None:
    """The repeated request still returns the subscription."""
    first = await create(tenant, subscription_id="board", request_id="r")
    await tenant.call("RotateSigningKey", name=first.subscription.name, overlap={})

    again = await create(tenant, subscription_id="board", request_id="r")

    assert (first.subscription.uid, "") == (again.subscription.uid, again.signing_key)


async def test_request_id_is_remembered_after_a_kill(tmp_path: Path) -> None:
    """It is committed together with what it stands for."""
    async with running_process(tmp_path / "tidings.db") as server:
        await Tenant(server.client).event_type("known")
        first = await create(Tenant(server.client, "main"), request_id="r")
        await server.kill()
        await server.start()

        assert first == await create(Tenant(server.client, "main"), request_id="r")
