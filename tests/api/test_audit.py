"""The audit log of a server: one row for each change and none for anything else, whatever method the contract has."""

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import grpc
import pytest
import pytest_asyncio
from aiohttp import web

from tests.domain.test_masking import forms_of
from tests.harness import Received, Receiver, eventually, read_rows, running_receiver, running_server
from tests.tools import DEAD_URL, Tenant, new_id, refusal_of
from tidings.v1 import access_pb2, event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES: Final = (event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2)
MAY_WRITE: Final = frozenset(
    method.name
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.GetOptions().Extensions[access_pb2.scope].endswith(".write")
)
# Those that need the scope and have no row.
CHANGES_NOTHING: Final = {"TestSubscription": "it sends an example, and nothing of it is stored"}
WRITING: Final = sorted(MAY_WRITE - CHANGES_NOTHING.keys())

SELECT_LOG: Final = "SELECT * FROM audit_log WHERE number > :number ORDER BY number"
SELECT_LAST: Final = "SELECT coalesce(max(number), 0) AS number FROM audit_log"
TABLES: Final = (
    "subscriptions",
    "signing_keys",
    "event_types",
    "notifications",
    "replays",
    "management_requests",
    "announcements",
    "changes",
    "workspaces",
    "audit_log",
)
REFUSE_ENTRIES: Final = """
    CREATE TRIGGER refuse_entries BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'no entries today'); END
"""
IN_AN_HOUR: Final = {"schedule": [{"seconds": 3600}]}
SLOWLY: Final = {"start_time": {"seconds": 1}, "max_rate_per_second": 0.01}


@dataclass(frozen=True, slots=True)
class Server:
    """A server, its database file, and a receiver that answers 410 to whatever comes to `/gone`."""

    tenant: Tenant
    database: Path
    receiver: Receiver

    @property
    def gone_url(self) -> str:
        """Where a subscription is suspended at its first attempt."""
        return f"{self.receiver.url}/gone"

    def last_number(self) -> int:
        """Return the number of the last entry."""
        return int(read_rows(self.database, SELECT_LAST)[0]["number"])

    def logged_since(self, number: int) -> list[dict[str, Any]]:
        """Return the entries behind a number."""
        return read_rows(self.database, SELECT_LOG, number=number)

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Return all rows that a change could have changed."""
        return {table: read_rows(self.database, f"SELECT * FROM {table}") for table in TABLES}  # noqa: S608

    @contextmanager
    def refusing_entries(self) -> Iterator[None]:
        """Let no entry be written."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(REFUSE_ENTRIES)
            connection.commit()
            try:
                yield
            finally:
                connection.execute("DROP TRIGGER refuse_entries")
                connection.commit()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that the tests of this module share."""
    folder = tmp_path_factory.mktemp("server")

    def answer(request: Received) -> web.Response:
        return web.Response(status=410 if request.path.endswith("/gone") else 204)

    async with (
        running_receiver(answer) as receiver,
        running_server(folder, allow_unknown_event_types=True) as client,
    ):
        yield Server(Tenant(client), folder / "tidings.db", receiver)


@pytest.fixture
def server(shared: Server) -> Server:
    """The server, for a workspace of the test's own."""
    return Server(Tenant(shared.tenant.client), shared.database, shared.receiver)


# --- what each method needs to succeed, and to fail


async def _subscription(server: Server) -> str:
    return (await server.tenant.subscribe()).name


async def _suspended(server: Server) -> str:
    name = (await server.tenant.subscribe(url=server.gone_url)).name
    await server.tenant.publish("a")

    async def is_suspended() -> bool:
        found = (await server.tenant.call("GetSubscription", name=name)).subscription
        return bool(found.state == subscriptions_pb2.SUBSCRIPTION_STATE_SUSPENDED)

    await eventually(is_suspended)
    return name


async def _waiting(server: Server) -> str:
    await server.tenant.subscribe(retry_policy=IN_AN_HOUR)
    await server.tenant.publish("a")

    async def is_attempted() -> bool:
        return [1] == [each.attempt_count for each in await server.tenant.notifications()]

    await eventually(is_attempted)
    [notification] = await server.tenant.notifications()
    return notification.name


async def _slow_replay(server: Server) -> str:
    name = (await server.tenant.subscribe(url=server.receiver.url)).name
    for _ in range(3):
        await server.tenant.publish("a")
    replay = (await server.tenant.call("CreateReplay", parent=name, replay=SLOWLY)).replay

    async def has_sent_one_again() -> bool:
        succeeded = notifications_pb2.NOTIFICATION_STATE_SUCCEEDED
        return 4 == len(await server.tenant.notifications(states=[succeeded]))

    # From here on it waits for longer than any test.
    await eventually(has_sent_one_again)
    return str(replay.name)


async def _create_subscription(server: Server) -> dict[str, Any]:
    fields = {"display_name": new_id("A name "), "url": DEAD_URL, "event_types": ["*"]}
    return {"parent": server.tenant.parent, "subscription": fields, "request_id": new_id("r")}


async def _update_subscription(server: Server) -> dict[str, Any]:
    return {"subscription": {"name": await _subscription(server), "annotations": {"owner": "me"}}}


async def _delete_subscription(server: Server) -> dict[str, Any]:
    return {"name": await _subscription(server)}


async def _resume_subscription(server: Server) -> dict[str, Any]:
    return {"name": await _suspended(server)}


async def _rotate_signing_key(server: Server) -> dict[str, Any]:
    return {"name": await _subscription(server), "request_id": new_id("r")}


async def _create_event_type(_server: Server) -> dict[str, Any]:
    return {"event_type_id": new_id("t"), "event_type": {"display_name": "A type"}}


async def _update_event_type(server: Server) -> dict[str, Any]:
    return {"event_type": {"name": f"eventTypes/{await server.tenant.event_type()}", "json_schema": "{}"}}


async def _delete_event_type(server: Server) -> dict[str, Any]:
    return {"name": f"eventTypes/{await server.tenant.event_type()}"}


async def _retry_notification(server: Server) -> dict[str, Any]:
    return {"name": await _waiting(server)}


async def _create_replay(server: Server) -> dict[str, Any]:
    return {"parent": await _subscription(server), "replay": SLOWLY}


async def _cancel_replay(server: Server) -> dict[str, Any]:
    return {"name": await _slow_replay(server)}


Prepare = Callable[[Server], Awaitable[dict[str, Any]]]

# A request for each method that succeeds, once what it needs is there.
SUCCEEDING: Final[Mapping[str, Prepare]] = {
    "CreateSubscription": _create_subscription,
    "UpdateSubscription": _update_subscription,
    "DeleteSubscription": _delete_subscription,
    "ResumeSubscription": _resume_subscription,
    "RotateSigningKey": _rotate_signing_key,
    "CreateEventType": _create_event_type,
    "UpdateEventType": _update_event_type,
    "DeleteEventType": _delete_event_type,
    "RetryNotification": _retry_notification,
    "CancelNotification": _retry_notification,
    "CreateReplay": _create_replay,
    "CancelReplay": _cancel_replay,
}
# What is there before and after: nothing before it is created, nothing after it is deleted.
SIDES: Final = {"Create": (False, True), "Delete": (True, False)}


async def _not_found(server: Server) -> dict[str, Any]:
    return {"name": f"{server.tenant.parent}/subscriptions/none"}


async def _taken(server: Server) -> dict[str, Any]:
    request = await _create_subscription(server)
    await server.tenant.call("CreateSubscription", **request)
    return {**request, "request_id": ""}


async def _wrong_etag(server: Server) -> dict[str, Any]:
    request = await _update_subscription(server)
    return {"subscription": {**request["subscription"], "etag": "1000000"}}


async def _event_type_taken(server: Server) -> dict[str, Any]:
    return {"event_type_id": await server.tenant.event_type(), "event_type": {"display_name": "A type"}}


async def _example_that_does_not_match(server: Server) -> dict[str, Any]:
    request = await _update_event_type(server)
    return {"event_type": {**request["event_type"], "json_schema": '{"type": "object"}', "examples": ["1"]}}


async def _event_type_not_found(_server: Server) -> dict[str, Any]:
    return {"name": "eventTypes/none"}


async def _succeeded_notification(server: Server) -> dict[str, Any]:
    await server.tenant.subscribe(url=server.receiver.url)
    await server.tenant.publish("a")

    async def has_succeeded() -> bool:
        return [notifications_pb2.NOTIFICATION_STATE_SUCCEEDED] == [
            each.state for each in await server.tenant.notifications()
        ]

    await eventually(has_succeeded)
    [notification] = await server.tenant.notifications()
    return {"name": notification.name}


async def _notification_of_deleted_subscription(server: Server) -> dict[str, Any]:
    name = await _waiting(server)
    [subscription] = await server.tenant.subscriptions()
    await server.tenant.call("DeleteSubscription", name=subscription.name)
    return {"name": name}


async def _replay_of_the_future(server: Server) -> dict[str, Any]:
    return {"parent": await _subscription(server), "replay": {"start_time": {"seconds": 253_402_300_000}}}


async def _ended_replay(server: Server) -> dict[str, Any]:
    # There is nothing to send again, so it ends at once.
    replay = (await server.tenant.call("CreateReplay", **await _create_replay(server))).replay

    async def has_ended() -> bool:
        found = (await server.tenant.call("GetReplay", name=replay.name)).replay
        return bool(found.state == notifications_pb2.REPLAY_STATE_SUCCEEDED)

    await eventually(has_ended)
    return {"name": replay.name}


# A request for each method that is refused, as late as it can be.
FAILING: Final[Mapping[str, Prepare]] = {
    "CreateSubscription": _taken,
    "UpdateSubscription": _wrong_etag,
    "DeleteSubscription": _not_found,
    "ResumeSubscription": _not_found,
    "RotateSigningKey": _not_found,
    "CreateEventType": _event_type_taken,
    "UpdateEventType": _example_that_does_not_match,
    "DeleteEventType": _event_type_not_found,
    "RetryNotification": _notification_of_deleted_subscription,
    "CancelNotification": _succeeded_notification,
    "CreateReplay": _replay_of_the_future,
    "CancelReplay": _ended_replay,
}


async def test_every_method_that_may_write_is_accounted_for() -> None:
    """Whoever adds one says here how it succeeds and fails, or why it changes nothing."""
    assert MAY_WRITE == SUCCEEDING.keys() | CHANGES_NOTHING.keys()
    assert SUCCEEDING.keys() == FAILING.keys()


@pytest.mark.parametrize("method", WRITING)
async def test_change_has_one_entry(server: Server, method: str) -> None:
    """That says who, what, in which call; with the request_id, and what was before and after."""
    request = await SUCCEEDING[method](server)
    last = server.last_number()

    response = await server.tenant.call(method, **request)

    [entry] = server.logged_since(last)
    is_global = "EventType" in method
    assert (method, "development") == (entry["action"], entry["actor"])
    assert 7 == UUID(entry["call_id"]).version
    assert request.get("request_id", "") == entry["request_id"]
    assert ("" if is_global else server.tenant.parent.split("/")[3]) == entry["workspace"].rpartition("/")[2]
    assert SIDES.get(method[:6], (True, True)) == (entry["before"] is not None, entry["after"] is not None)
    assert _name_in(request, response) == entry["resource"]
    assert {entry["resource"]} == {json.loads(each)["name"] for each in (entry["before"], entry["after"]) if each}


def _name_in(request: Mapping[str, Any], response: Any) -> str:
    """Return the resource's name as the response says it, or the request where the response has none any more."""
    for field, message in response.ListFields():
        if field.message_type is not None:
            return str(message.name)
    return str(request["name"])


@pytest.mark.parametrize("method", WRITING)
async def test_refused_change_has_no_entry(server: Server, method: str) -> None:
    """Nothing happened."""
    request = await FAILING[method](server)
    last = server.last_number()

    await refusal_of(server.tenant.call(method, **request))

    assert [] == server.logged_since(last)


@pytest.mark.parametrize("method", WRITING)
async def test_change_that_cannot_be_logged_is_not_made(server: Server, method: str) -> None:
    """The entry belongs to the transaction: with it goes all that the call would have written."""
    request = await SUCCEEDING[method](server)
    with server.refusing_entries():
        before = server.everything()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.tenant.call(method, **request)
        after = server.everything()

    assert grpc.StatusCode.INTERNAL is refused.value.code()
    assert before == after


# --- calls that succeed and change nothing


async def _repeated(server: Server, method: str) -> dict[str, Any]:
    request = await SUCCEEDING[method](server)
    await server.tenant.call(method, **request)
    return request


async def _repeated_creation(server: Server) -> dict[str, Any]:
    return await _repeated(server, "CreateSubscription")


async def _repeated_rotation(server: Server) -> dict[str, Any]:
    return await _repeated(server, "RotateSigningKey")


async def _cancelled_notification(server: Server) -> dict[str, Any]:
    return await _repeated(server, "CancelNotification")


async def _cancelled_replay(server: Server) -> dict[str, Any]:
    return await _repeated(server, "CancelReplay")


async def _validated_creation(server: Server) -> dict[str, Any]:
    return {**await _create_subscription(server), "validate_only": True}


async def _validated_update(server: Server) -> dict[str, Any]:
    return {**await _update_subscription(server), "validate_only": True}


async def _validated_replay(server: Server) -> dict[str, Any]:
    return {**await _create_replay(server), "validate_only": True}


async def _missing_subscription(server: Server) -> dict[str, Any]:
    return {**await _not_found(server), "allow_missing": True}


async def _missing_event_type(server: Server) -> dict[str, Any]:
    return {**await _event_type_not_found(server), "allow_missing": True}


async def _event(server: Server) -> dict[str, Any]:
    return {"parent": server.tenant.parent, "event": {"event_type": "a", "json": "{}"}}


async def _tested(server: Server) -> dict[str, Any]:
    return {"name": await _subscription(server), "event_type": "a"}


@pytest.mark.parametrize(
    ("method", "prepare"),
    [
        pytest.param("CreateSubscription", _repeated_creation, id="repeated creation"),
        pytest.param("RotateSigningKey", _repeated_rotation, id="repeated rotation"),
        pytest.param("CreateSubscription", _validated_creation, id="validated creation"),
        pytest.param("UpdateSubscription", _validated_update, id="validated update"),
        pytest.param("CreateReplay", _validated_replay, id="counted replay"),
        pytest.param("ResumeSubscription", _delete_subscription, id="resumption of an active one"),
        pytest.param("CancelNotification", _cancelled_notification, id="cancelled before"),
        pytest.param("CancelReplay", _cancelled_replay, id="replay cancelled before"),
        pytest.param("DeleteSubscription", _missing_subscription, id="missing subscription"),
        pytest.param("DeleteEventType", _missing_event_type, id="missing event type"),
        pytest.param("TestSubscription", _tested, id="test"),
        pytest.param("Publish", _event, id="publish"),
    ],
)
async def test_call_that_changes_nothing_has_no_entry(server: Server, method: str, prepare: Prepare) -> None:
    """It succeeds, for what it asks for is so already, or is only looked at. An event is its own record."""
    request = await prepare(server)
    last = server.last_number()

    await server.tenant.call(method, **request)

    assert [] == server.logged_since(last)


async def test_update_to_the_same_values_has_an_entry(server: Server) -> None:
    """It gives a new etag and opens a filter that was shut, so it is a change; of no field."""
    name = await _subscription(server)
    last = server.last_number()

    await server.tenant.call("UpdateSubscription", subscription={"name": name, "event_types": ["*"]})

    [entry] = server.logged_since(last)
    assert entry["before"] == entry["after"]


@pytest.mark.parametrize(
    "fields", [{"display_name": "Another"}, {"json_schema": '{"type": "object"}'}], ids=["at once", "after a check"]
)
async def test_entry_of_an_event_type_says_what_became_another(server: Server, fields: dict[str, str]) -> None:
    """Whether or not examples had to be checked outside of the transaction."""
    name = f"eventTypes/{await server.tenant.event_type()}"
    last = server.last_number()

    await server.tenant.call("UpdateEventType", event_type={"name": name, **fields})

    [entry] = server.logged_since(last)
    assert list(fields) == _changed(entry)
    assert fields.items() <= json.loads(entry["after"]).items()


async def test_suspension_is_logged_as_the_servers_doing(server: Server) -> None:
    """With the change that an owner wonders about: state and reason."""
    last = server.last_number()
    name = await _suspended(server)

    [_, entry] = server.logged_since(last)

    before, after = json.loads(entry["before"]), json.loads(entry["after"])
    assert ("server", "SuspendSubscription", name, "") == (
        entry["actor"],
        entry["action"],
        entry["resource"],
        entry["call_id"],
    )
    assert {"state": ("ACTIVE", "SUSPENDED"), "state_reason": ("", "GONE")} == {
        field: (before[field], after[field]) for field in after if before[field] != after[field]
    }


async def test_no_form_of_a_secret_is_in_the_log(server: Server) -> None:
    """Keys given and made, API keys, headers, paths and queries of URLs, payloads: through each method that has one."""
    canary = iter(f"canary-{number}-{'c4n4ry' * 4}" for number in range(100))
    given: list[str] = []

    def secret() -> str:
        given.append(next(canary))
        return given[-1]

    def fields() -> dict[str, Any]:
        return {
            "url": f"{server.receiver.url}/{secret()}?{secret()}={secret()}",
            "headers": {"X-Team": secret()},
            "api_key": {"value": secret()},
        }

    number = server.last_number()
    created = await server.tenant.call(
        "CreateSubscription",
        parent=server.tenant.parent,
        subscription={"display_name": "Canary", "event_types": ["*"], "signature_scheme": "SIGNATURE_SCHEME_GITHUB"}
        | fields(),
        signing_key=secret(),
        request_id="r-1",
    )
    name = created.subscription.name
    await server.tenant.call("UpdateSubscription", subscription={"name": name, **fields()})
    await server.tenant.call("RotateSigningKey", name=name, signing_key=secret())
    made = await server.tenant.call(
        "RotateSigningKey", name=name, signature_scheme="SIGNATURE_SCHEME_STANDARD_WEBHOOKS", request_id="r-2"
    )
    await server.tenant.publish("a", json=json.dumps(secret()), context_json=json.dumps(secret()))
    await server.receiver.wait_for(1)
    await server.tenant.call("CreateReplay", parent=name, replay=SLOWLY)
    [notification] = await server.tenant.notifications()
    await server.tenant.call("RetryNotification", name=notification.name)
    await server.tenant.call("DeleteSubscription", name=name)

    entries = server.logged_since(number)
    text = json.dumps(entries, ensure_ascii=False)

    assert 7 == len(entries)
    assert ["url", "api_key", "headers"] == _changed(entries[1])
    assert [] == [form for each in (*given, made.signing_key) for form in forms_of(each) if form in text]


def _changed(entry: Mapping[str, Any]) -> list[str]:
    before, after = json.loads(entry["before"]), json.loads(entry["after"])
    return [name for name in before if before[name] != after[name]]
