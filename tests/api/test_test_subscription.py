"""TestSubscription: one example, sent now, as the real ones will be, and recorded nowhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks import Webhook

from service.domain.names import OPERATIONAL_EVENT_TYPES
from service.rehearsing import AT_ONCE_MAX
from tests.harness import Client, Received, Receiver, eventually, payload_in, running_receiver, running_server
from tests.tools import DEAD_URL, Tenant, new_id, refusal_of
from tidings.v1 import subscriptions_pb2 as pb
from tidings.v1.notifications_pb2 import Attempt, AttemptOutcome

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLE: Final = '{"agent": "a-17", "n": 9007199254740993}'
ATTEMPT_TIMEOUT: Final = {"schedule": [{"seconds": 1}], "attempt_timeout": {"seconds": 30}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(tmp_path_factory.mktemp("rehearsals")) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of the test's own."""
    async with running_receiver() as receiver:
        yield receiver


async def rehearse(tenant: Tenant, name: str, event_type: str = "") -> Attempt:
    """Send an example and return what came of it."""
    attempt: Attempt = (await tenant.call("TestSubscription", name=name, event_type=event_type)).attempt
    return attempt


async def test_first_example_is_sent_and_what_came_of_it_returned(tenant: Tenant, receiver: Receiver) -> None:
    """The example's bytes as they are, in the subscription's format, marked as a test."""
    event_type = await tenant.event_type(examples=[EXAMPLE, "{}"])
    created = await tenant.subscribe(url=receiver.url, event_types=["*", event_type], headers={"x-team": "support"})

    attempt = await rehearse(tenant, created.name)

    [received] = receiver.received
    assert EXAMPLE.encode() == payload_in(received.body)
    assert event_type == json.loads(received.body)["type"]
    headers = received.headers
    assert ("true", "1", "support") == (headers["tidings-test"], headers["tidings-attempt"], headers["x-team"])
    assert (1, AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED, 204) == (
        attempt.attempt_number,
        attempt.outcome,
        attempt.http_status,
    )
    assert [key.key_id for key in created.signing_keys] == attempt.signing_key_ids
    assert "" == attempt.name


async def test_example_is_signed_as_ever(tenant: Tenant, receiver: Receiver) -> None:
    """So that a receiver can try its verification with it."""
    response = await tenant.call(
        "CreateSubscription",
        parent=tenant.parent,
        subscription={"display_name": "Signed", "url": receiver.url, "event_types": [await tenant.event_type()]},
    )

    await rehearse(tenant, response.subscription.name)

    [received] = receiver.received
    Webhook(response.signing_key).verify(received.body, received.headers)


async def test_nothing_is_recorded(tenant: Tenant, receiver: Receiver) -> None:
    """Neither an event, nor a notification, nor anything of the subscription changes."""
    created = await tenant.subscribe(url=receiver.url, event_types=[await tenant.event_type()])

    await rehearse(tenant, created.name)

    assert ([], []) == (await tenant.events(), await tenant.notifications())
    assert created == (await tenant.call("GetSubscription", name=created.name)).subscription


async def test_each_test_is_an_event_of_its_own(tenant: Tenant, receiver: Receiver) -> None:
    """A receiver that drops what it has seen would not show the second one."""
    created = await tenant.subscribe(url=receiver.url, event_types=[await tenant.event_type()])

    await rehearse(tenant, created.name)
    await rehearse(tenant, created.name)

    assert 2 == len({received.headers["webhook-id"] for received in receiver.received})


async def test_event_type_can_be_any_that_is_known(tenant: Tenant, receiver: Receiver) -> None:
    """Also one that the subscription does not match; without examples it is an empty object."""
    created = await tenant.subscribe(url=receiver.url, attribute_filters={"team": "support"}, filter="false")

    await rehearse(tenant, created.name, await tenant.event_type())

    assert b"{}" == payload_in(receiver.received[0].body)


@pytest.mark.parametrize("event_type", sorted(OPERATIONAL_EVENT_TYPES))
async def test_operational_event_is_sent_with_a_sample(tenant: Tenant, receiver: Receiver, event_type: str) -> None:
    """It tells of the subscription itself, so a receiver sees the real names."""
    created = await tenant.subscribe(url=receiver.url, event_types=["tidings.*"])

    await rehearse(tenant, created.name, event_type)

    body = json.loads(receiver.received[0].body)
    assert (event_type, created.name) == (body["type"], body["data"]["subscription"])


async def test_disabled_subscription_can_be_tested(tenant: Tenant, receiver: Receiver) -> None:
    """One creates it disabled, tests it, and then enables it."""
    created = await tenant.subscribe(url=receiver.url, enabled=False, event_types=[await tenant.event_type()])

    await rehearse(tenant, created.name)

    assert 1 == len(receiver.received)


async def test_suspended_subscription_can_be_tested(tenant: Tenant) -> None:
    """To see whether resuming it makes sense; a test that goes wrong suspends nothing, and one that goes well not."""
    async with running_receiver(lambda _: web.Response(status=410)) as receiver:
        event_type = await tenant.event_type()
        created = await tenant.subscribe(url=receiver.url, event_types=[event_type])
        assert AttemptOutcome.ATTEMPT_OUTCOME_GONE == (await rehearse(tenant, created.name)).outcome
        assert created == (await tenant.call("GetSubscription", name=created.name)).subscription

        await tenant.publish(event_type)

        async def is_suspended() -> bool:
            return "GONE" == str((await tenant.call("GetSubscription", name=created.name)).subscription.state_reason)

        await eventually(is_suspended)
        receiver.answer = lambda _: web.Response(status=200)
        assert AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED == (await rehearse(tenant, created.name)).outcome
        assert await is_suspended()


async def test_receiver_that_fails_is_an_answer_and_no_error(tenant: Tenant) -> None:
    """With its status and body, or why there was none; and it is not tried again."""
    event_type = await tenant.event_type()
    async with running_receiver(lambda _: web.Response(status=500, text="no")) as receiver:
        failing = await tenant.subscribe(url=receiver.url, event_types=[event_type])
        attempt = await rehearse(tenant, failing.name)
        assert 1 == len(receiver.received)
    dead = await tenant.subscribe(url=DEAD_URL, event_types=[event_type])

    assert (AttemptOutcome.ATTEMPT_OUTCOME_REJECTED, 500, b"no") == (
        attempt.outcome,
        attempt.http_status,
        attempt.response_body,
    )
    assert AttemptOutcome.ATTEMPT_OUTCOME_CONNECT_FAILED == (await rehearse(tenant, dead.name)).outcome


async def test_forbidden_destination_is_not_called(tmp_path: Path) -> None:
    """The URL was allowed when the subscription was made; the guard judges the address at every connect."""
    async with running_receiver() as receiver:
        async with running_server(tmp_path) as client:
            tenant = Tenant(client, "guarded")
            created = await tenant.subscribe(url=receiver.url, event_types=[await tenant.event_type()])
        async with running_server(tmp_path, dev=False) as client:
            attempt = await rehearse(Tenant(client, "guarded"), created.name)

    assert AttemptOutcome.ATTEMPT_OUTCOME_DESTINATION_FORBIDDEN == attempt.outcome
    assert ([], "") == (receiver.received, attempt.remote_address)


@pytest.mark.parametrize("event_types", [["*"], ["agent.*", "*.created"]])
async def test_patterns_alone_do_not_say_what_to_send(tenant: Tenant, event_types: list[str]) -> None:
    """Then the caller must."""
    created = await tenant.subscribe(event_types=event_types)

    refusal = await refusal_of(rehearse(tenant, created.name))

    assert ("INVALID_ARGUMENT", "INVALID_FIELD", "event_type") == (refusal.code, refusal.reason, refusal.field)
    assert refusal.message.startswith("event_type: required: ")


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("agent.*", ("INVALID_ARGUMENT", "INVALID_FIELD")),
        ("é", ("INVALID_ARGUMENT", "INVALID_FIELD")),
        ("x" * 10_000, ("INVALID_ARGUMENT", "INVALID_FIELD")),
        ("no.such.type", ("NOT_FOUND", "EVENT_TYPE_UNKNOWN")),
        ("tidings.no.such", ("NOT_FOUND", "EVENT_TYPE_UNKNOWN")),
    ],
)
async def test_unknown_event_type_is_refused(tenant: Tenant, event_type: str, kind: tuple[str, str]) -> None:
    """Nothing is sent."""
    created = await tenant.subscribe()

    refusal = await refusal_of(rehearse(tenant, created.name, event_type))

    assert (*kind, "event_type") == (refusal.code, refusal.reason, refusal.field)


async def test_subscription_that_is_not_there_is_not_found(tenant: Tenant) -> None:
    """Whatever the event type."""
    refusal = await refusal_of(rehearse(tenant, f"{tenant.parent}/subscriptions/none"))

    assert ("NOT_FOUND", "RESOURCE_NOT_FOUND") == (refusal.code, refusal.reason)


async def test_example_that_does_not_fit_the_format_is_refused(tenant: Tenant, receiver: Receiver) -> None:
    """It would be FAILED with FORMAT_NOT_APPLICABLE in earnest; category and code of the event type make it fit."""
    unfit, fit = await tenant.event_type(), await tenant.event_type(category=7, code=42, examples=['{"agent": 1}'])
    created = await tenant.subscribe(
        url=receiver.url,
        format=pb.Format.FORMAT_EVENT_CODE,
        signature_scheme=pb.SignatureScheme.SIGNATURE_SCHEME_UNSIGNED,
    )

    refusal = await refusal_of(rehearse(tenant, created.name, unfit))
    await rehearse(tenant, created.name, fit)

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == (refusal.code, refusal.reason)
    [received] = receiver.received
    body: dict[str, Any] = json.loads(received.body)
    assert (7, 42, 1) == (body["Category"], body["Code"], body["agent"])


async def test_tests_take_turns_and_a_deadline_ends_the_wait(client: Client, tenant: Tenant) -> None:
    """At most 16 at once, so that tests of slow receivers do not take what deliveries need."""
    may_answer = asyncio.Event()

    async def answer(_: Received) -> web.Response:
        await may_answer.wait()
        return web.Response(status=204)

    async with running_receiver(answer) as receiver:
        event_type = await tenant.event_type()
        created = await tenant.subscribe(url=receiver.url, event_types=[event_type], retry_policy=ATTEMPT_TIMEOUT)
        sending = [asyncio.create_task(rehearse(tenant, created.name)) for _ in range(AT_ONCE_MAX)]
        await receiver.wait_for(AT_ONCE_MAX)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.subscriptions.TestSubscription(pb.TestSubscriptionRequest(name=created.name), timeout=0.3)
        waiting = asyncio.create_task(rehearse(tenant, created.name))
        assert (grpc.StatusCode.DEADLINE_EXCEEDED, AT_ONCE_MAX) == (caught.value.code(), len(receiver.received))

        may_answer.set()
        attempts = await asyncio.gather(*sending, waiting)

    assert {AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED} == {attempt.outcome for attempt in attempts}
    assert AT_ONCE_MAX + 1 == len(receiver.received)


async def test_event_type_that_was_deleted_since_is_still_the_default(tenant: Tenant, receiver: Receiver) -> None:
    """Its pattern still stands in the subscription; there is no example of it any more."""
    event_type = await tenant.event_type(new_id("gone"), examples=[EXAMPLE])
    created = await tenant.subscribe(url=receiver.url, event_types=[event_type])
    await tenant.call("DeleteEventType", name=f"eventTypes/{event_type}")

    await rehearse(tenant, created.name)

    assert b"{}" == payload_in(receiver.received[0].body)
