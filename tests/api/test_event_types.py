"""The catalogue of event types, as its callers see it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import Client, running_server
from tests.tools import Refusal, Tenant, in_turn, new_id, refusal_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FULL: dict[str, Any] = {
    "display_name": "Agent status changed",
    "description": "An agent went to\nanother status. ⚙",
    "service": "agents",
    "category": 0,
    "code": -7,
    "examples": ['{"status":"READY"}', "[]"],
    "attribute_keys": ["team", "site"],
    "deprecated": True,
}
OUTPUT = ("name", "create_time", "update_time", "etag")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each makes event types of its own."""
    async with running_server(tmp_path_factory.mktemp("event_types"), delivery_slots=1) as client:
        yield client


async def get(tenant: Tenant, id: str) -> Any:
    """Return an event type."""
    return (await tenant.call("GetEventType", name=f"eventTypes/{id}")).event_type


def given(message: Any) -> dict[str, Any]:
    """Return the fields of an event type that its owner has set, in the form of FULL."""
    fields = {descriptor.name: value for descriptor, value in message.ListFields() if descriptor.name not in OUTPUT}
    return {name: list(value) if name in ("examples", "attribute_keys") else value for name, value in fields.items()}


async def test_created_event_type_is_returned_by_get_with_every_field(tenant: Tenant) -> None:
    """Also a category of 0, which is not the same as none."""
    id = new_id("full.")
    response = await tenant.call("CreateEventType", event_type_id=id, event_type={**FULL, "name": "eventTypes/other"})

    found = await get(tenant, id)

    assert FULL == given(found)
    assert f"eventTypes/{id}" == found.name
    assert found.create_time == found.update_time
    assert found == response.event_type


async def test_event_type_without_options_has_only_its_display_name(tenant: Tenant) -> None:
    """Nothing is made up."""
    found = await get(tenant, await tenant.event_type(display_name="Plain"))

    assert {"display_name": "Plain"} == given(found)


@pytest.mark.parametrize(
    ("changes", "mask", "expected"),
    [
        ({"description": "New."}, [], {**FULL, "description": "New."}),
        ({}, [], FULL),
        ({"category": 0, "examples": ["{}"]}, [], {**FULL, "category": 0, "examples": ["{}"]}),
        ({"examples": ["{}"], "service": "ignored"}, ["examples"], {**FULL, "examples": ["{}"]}),
        ({"attribute_keys": ["site"]}, ["attributeKeys"], {**FULL, "attribute_keys": ["site"]}),
        ({"display_name": "Both"}, ["displayName", "display_name"], {**FULL, "display_name": "Both"}),
        ({}, ["examples"], {name: value for name, value in FULL.items() if name != "examples"}),
        ({}, ["code", "deprecated"], {name: FULL[name] for name in FULL if name not in ("code", "deprecated")}),
        ({"display_name": "Alone"}, ["*"], {"display_name": "Alone"}),
    ],
)
async def test_update_changes_what_the_mask_names_or_else_what_is_set(
    tenant: Tenant, changes: dict[str, Any], mask: list[str], expected: dict[str, Any]
) -> None:
    """A named field that is not set is emptied; lists are replaced."""
    id = await tenant.event_type(**FULL)
    created = await get(tenant, id)

    response = await tenant.call(
        "UpdateEventType", event_type={"name": f"eventTypes/{id}", **changes}, update_mask={"paths": mask}
    )

    found = await get(tenant, id)
    assert expected == given(found)
    assert found == response.event_type
    assert created.create_time == found.create_time
    assert created.etag != found.etag


async def test_what_get_returns_can_be_sent_back_as_an_update(tenant: Tenant) -> None:
    """Read, change, write: output fields do not stand in the way."""
    id = await tenant.event_type(**FULL)
    found = await get(tenant, id)
    found.description = "Changed."

    response = await tenant.call("UpdateEventType", event_type=found)

    assert {**FULL, "description": "Changed."} == given(response.event_type)


async def test_etag_lets_only_the_first_of_two_changes_through(tenant: Tenant) -> None:
    """The second caller has not seen what it would overwrite."""
    id = await tenant.event_type()
    name = f"eventTypes/{id}"
    first_etag = (await get(tenant, id)).etag
    changed = await tenant.call("UpdateEventType", event_type={"name": name, "service": "a", "etag": first_etag})
    current_etag = changed.event_type.etag

    update = await refusal_of(
        tenant.call("UpdateEventType", event_type={"name": name, "service": "b", "etag": first_etag})
    )
    delete = await refusal_of(tenant.call("DeleteEventType", name=name, etag=first_etag))

    assert ("ABORTED", "ETAG_MISMATCH") == (update.code, update.reason)
    assert update == delete
    assert name in update.message
    assert current_etag in update.message
    assert "a" == (await get(tenant, id)).service
    await tenant.call("DeleteEventType", name=name, etag=current_etag)


async def test_etag_of_a_deleted_event_type_is_not_that_of_its_successor(tenant: Tenant) -> None:
    """Somebody deleted it and made another in between: that is a change too."""
    id = await tenant.event_type()
    old_etag = (await get(tenant, id)).etag
    await tenant.call("DeleteEventType", name=f"eventTypes/{id}")
    await tenant.event_type(id)

    refusal = await refusal_of(
        tenant.call("UpdateEventType", event_type={"name": f"eventTypes/{id}", "service": "a", "etag": old_etag})
    )

    assert "ETAG_MISMATCH" == refusal.reason


async def test_event_type_id_can_be_taken_once(tenant: Tenant) -> None:
    """Also when ten callers try at the same moment."""
    id = new_id("once.")
    calls = (tenant.event_type(id, display_name=f"Type of caller {n}") for n in range(10))
    results = await asyncio.gather(*calls, return_exceptions=True)

    refusal = await refusal_of(tenant.event_type(id))

    assert 1 == results.count(id)
    assert (
        Refusal(
            "ALREADY_EXISTS",
            "RESOURCE_EXISTS",
            "event_type_id",
            f'event_type_id: there is an event type "{id}" already',
        )
        == refusal
    )


async def test_deleted_event_type_is_gone_and_its_id_is_free(tenant: Tenant) -> None:
    """The new one has nothing of the old one."""
    id = await tenant.event_type(**FULL)
    name = f"eventTypes/{id}"
    await tenant.call("DeleteEventType", name=name)

    refusals = [
        await refusal_of(tenant.call("GetEventType", name=name)),
        await refusal_of(tenant.call("UpdateEventType", event_type={"name": name, "service": "a"})),
        await refusal_of(tenant.call("DeleteEventType", name=name)),
    ]
    await tenant.call("DeleteEventType", name=name, allow_missing=True, etag="any")

    assert 3 * [Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", f'no event type named "{name}"')] == refusals
    await tenant.event_type(id, display_name="Successor")
    assert {"display_name": "Successor"} == given(await get(tenant, id))


async def test_deleted_event_type_can_no_longer_be_published(tenant: Tenant) -> None:
    """What names it stays as it is, and can still be changed."""
    id = await tenant.event_type()
    subscription = await tenant.subscribe(event_types=[id])
    event = (await tenant.publish(id, request_id="before")).event
    await tenant.call("DeleteEventType", name=f"eventTypes/{id}")

    refusal = await refusal_of(tenant.publish(id))
    repeated = await tenant.publish(id, request_id="before")
    updated = await tenant.call(
        "UpdateSubscription",
        subscription={"name": subscription.name, "event_types": [id, "x.*"], "display_name": "Still here"},
    )

    assert ("NOT_FOUND", "EVENT_TYPE_UNKNOWN", "event.event_type") == (refusal.code, refusal.reason, refusal.field)
    assert (True, event.name) == (repeated.deduplicated, repeated.event.name)
    assert [event] == await tenant.events(event_type=id)
    assert [id, "x.*"] == updated.subscription.event_types


@pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7, 8, 1000, 2**31 - 1])
async def test_pages_hold_every_event_type_once_in_the_order_of_ids(tenant: Tenant, page_size: int) -> None:
    """Whatever their size, and also with those of another service between them."""
    service = new_id("service")
    ids = [new_id(f"{service}.{letter}-") for letter in "gabfcde"]
    for id in ids:
        await tenant.event_type(id, service=service)
        await tenant.event_type(f"{id}.other", service="other")

    pages = await tenant.pages("ListEventTypes", "event_types", page_size=page_size, service=service)

    assert [f"eventTypes/{id}" for id in sorted(ids)] == [each.name for page in pages for each in page]
    assert all(len(page) <= page_size for page in pages)


async def test_page_size_of_0_means_50_and_there_are_never_more_than_1000(tenant: Tenant) -> None:
    """The largest page is the server's choice, not the caller's."""
    service = new_id("zz-many")
    await in_turn(tenant.event_type(f"{service}.{n:04}", service=service) for n in range(1002))

    pages = [await tenant.call("ListEventTypes", page_size=size) for size in (0, 49, 1000, 1001)]

    assert [50, 49, 1000, 1000] == [len(page.event_types) for page in pages]
    assert 1002 == len(await tenant.event_types(service=service))


async def test_page_of_large_event_types_is_small_enough_for_every_client(tenant: Tenant) -> None:
    """A client takes 4 MiB by default, and ten of these have 10 MiB."""
    service = new_id("large")
    examples = 16 * [f'"{"x" * (64 * 1024 - 2)}"']
    ids = [await tenant.event_type(f"{service}.{n}", service=service, examples=examples) for n in range(10)]

    pages = await tenant.pages("ListEventTypes", "event_types", service=service)

    assert [f"eventTypes/{id}" for id in ids] == [each.name for page in pages for each in page]


async def test_list_goes_on_where_it_was_while_event_types_come_and_go(tenant: Tenant) -> None:
    """A token is a position among ids, so nothing is shown twice and nothing that stays is left out."""
    service = new_id("moving")
    for letter in "bdfh":
        await tenant.event_type(f"{service}.{letter}", service=service)
    first = await tenant.call("ListEventTypes", page_size=2, service=service)
    await tenant.event_type(f"{service}.a", service=service)
    await tenant.event_type(f"{service}.g", service=service)
    await tenant.call("DeleteEventType", name=f"eventTypes/{service}.d")

    second = await tenant.call("ListEventTypes", page_size=10, service=service, page_token=first.next_page_token)

    assert [f"eventTypes/{service}.{letter}" for letter in "fgh"] == [each.name for each in second.event_types]
