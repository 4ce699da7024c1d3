"""Every method of the contract with every kind of caller: who is let in is what the contract declares, and no more."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pool, json_format
from google.protobuf.message import Message

from service.api.access import rule_of
from service.domain.access import Actor, Scope
from service.domain.credentials import parse_token
from service.granting import revoke_token
from service.storage.sqlite import run_beside
from tests.harness import LOOPBACK, Client, bearer, eventually, grant, running_server
from tests.tools import CONTRACT, Method, Refusal, Tenant, new_id, refusal_of
from tidings.v1 import access_pb2
from tidings.v1.notifications_pb2 import Replay, ReplayState

# Said once more, so that nobody changes by mistake what a granted scope allows.
DECLARED: Final[Mapping[Scope, frozenset[str]]] = {
    Scope.PUBLISH: frozenset({"Publish", "BatchPublish", "StreamPublish"}),
    Scope.SUBSCRIPTIONS_READ: frozenset({"GetSubscription", "ListSubscriptions", "ExplainPublish"}),
    Scope.SUBSCRIPTIONS_WRITE: frozenset(
        {
            "CreateSubscription",
            "UpdateSubscription",
            "DeleteSubscription",
            "ResumeSubscription",
            "RotateSigningKey",
            "TestSubscription",
        }
    ),
    Scope.EVENT_TYPES_READ: frozenset({"GetEventType", "ListEventTypes", "ValidatePayload"}),
    Scope.EVENT_TYPES_WRITE: frozenset({"CreateEventType", "UpdateEventType", "DeleteEventType"}),
    Scope.NOTIFICATIONS_READ: frozenset(
        {
            "GetEvent",
            "ListEvents",
            "GetNotification",
            "ListNotifications",
            "ListAttempts",
            "GetReplay",
            "ListReplays",
            "WatchNotifications",
        }
    ),
    Scope.NOTIFICATIONS_WRITE: frozenset({"RetryNotification", "CancelNotification", "CreateReplay", "CancelReplay"}),
}
SHARED: Final = frozenset({Scope.EVENT_TYPES_READ, Scope.EVENT_TYPES_WRITE})
# What the examples in the comments of the contract are about.
EXAMPLE_PARENT: Final = "organizations/acme/workspaces/main"
EXAMPLE_EVENT: Final = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"
EXAMPLE_NOTIFICATION: Final = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d11"
EXAMPLE_REPLAY: Final = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d12"
EXAMPLE_SUBSCRIPTION: Final = "wallboard"
EXAMPLE_EVENT_TYPE: Final = "agent.status.changed"
MISSING: Final = {
    EXAMPLE_SUBSCRIPTION: "missing",
    **{each: each[:-2] + "ff" for each in (EXAMPLE_EVENT, EXAMPLE_NOTIFICATION, EXAMPLE_REPLAY)},
}
# What comes of an example, by its method, in a workspace that has one of everything; where nothing stands here, it is
# carried out. No NOT_FOUND: so is answered who is not let in.
EXPECTED: Final = {
    "CancelReplay": "FAILED_PRECONDITION",
    "CreateEventType": "ALREADY_EXISTS",
    "CreateSubscription": "ALREADY_EXISTS",
    "Publish": "ALREADY_EXISTS",
}
# Nothing listens there.
URL: Final = "http://127.0.0.1:1024/hooks"
HOUR: Final = timedelta(hours=1)

METHODS: Final = pytest.mark.parametrize("method", [pytest.param(each, id=name) for name, each in CONTRACT.items()])
OF_WORKSPACES: Final = pytest.mark.parametrize(
    "method",
    [
        pytest.param(CONTRACT[name], id=name)
        for scope, names in DECLARED.items()
        if scope not in SHARED
        for name in sorted(names & CONTRACT.keys())
    ],
)
shared = pytest.mark.asyncio(loop_scope="module")


def scope_of(method: Method) -> str:
    """Return what the contract declares beside a method."""
    found = descriptor_pool.Default().FindMethodByName(f"{method.service}.{method.name}")
    declared: str = found.GetOptions().Extensions[access_pb2.scope]
    return declared


def request_of(method: Method, *places: Mapping[str, str]) -> bytes:
    """Return the example in the comment of a method, about other places than those that it names."""
    text = method.example
    for each in places:
        for place, place_here in each.items():
            text = text.replace(place, place_here)
    value, _ = json.JSONDecoder().raw_decode(text)
    message: Message = json_format.ParseDict(value, method.request())
    return message.SerializeToString()


@dataclass(frozen=True)
class World:
    """A server without --dev, and two workspaces that have one of everything."""

    client: Client
    database: Path
    main: Mapping[str, str]
    mine: Mapping[str, str]
    expired: str
    revoked: str

    def grant(self, *scopes: Scope, **where: Any) -> str:
        """Make a token."""
        return grant(self.database, *scopes, **where)

    async def fresh(self) -> Mapping[str, str]:
        """Make one of everything once more, with an event type, for a test that changes it; see `populated`."""
        event_type_id = new_id("matrix")
        tenant = Tenant(self.client, new_id("w"))
        await tenant.call("CreateEventType", event_type_id=event_type_id, event_type={"display_name": event_type_id})
        places = await populated(tenant, event_type_id)
        await eventually(lambda: is_settled(tenant, places))
        return {**places, EXAMPLE_EVENT_TYPE: event_type_id}

    async def call(self, method: Method, request: bytes, token: str) -> bytes:
        """Send one message to a method, whatever it streams, and return the first that it answers."""
        async with grpc.aio.insecure_channel(self.client.address) as channel:
            # Sent with the call: writing to one that has been refused meanwhile fails in grpc.aio, without the reason.
            begin: Any = channel.unary_stream(method.path)
            stream = begin(request, metadata=bearer(token), timeout=30)
            answer: bytes = await stream.read()
            stream.cancel()
            return answer

    async def refusal(self, method: Method, request: bytes, token: str) -> Refusal:
        """Return the error that such a call ends with."""
        return await refusal_of(self.call(method, request, token))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The one server of all these tests."""
    folder = tmp_path_factory.mktemp("matrix")
    database = folder / "tidings.db"
    async with running_server(folder, dev=False, allow_unknown_event_types=True, **LOOPBACK) as client:
        main, mine = [await populated(Tenant(client, workspace)) for workspace in ("main", "mine")]
        revoked = grant(database)
        run_beside(database, lambda tx: revoke_token(tx, parse_token(revoked).id, actor=Actor("test"), now_ms=0))
        yield World(
            client=client,
            database=database,
            main=main,
            mine=mine,
            expired=grant(database, lifetime=-HOUR),
            revoked=revoked,
        )


async def populated(tenant: Tenant, event_type: str = EXAMPLE_EVENT_TYPE) -> Mapping[str, str]:
    """Make one of everything in a workspace, and return by what to replace the names in the examples."""
    await tenant.subscribe(EXAMPLE_SUBSCRIPTION, url=URL)
    await tenant.publish(event_type, event_id=EXAMPLE_EVENT)
    [notification] = await tenant.notifications()
    created = await tenant.call(
        "CreateReplay",
        parent=f"{tenant.parent}/subscriptions/{EXAMPLE_SUBSCRIPTION}",
        replay={"start_time": {"seconds": 1}},
    )
    return {
        EXAMPLE_PARENT: tenant.parent,
        EXAMPLE_NOTIFICATION: notification.name.rpartition("/")[2],
        EXAMPLE_REPLAY: created.replay.name.rpartition("/")[2],
    }


async def is_settled(tenant: Tenant, places: Mapping[str, str]) -> bool:
    """Say whether the first attempt was made and the replay has ended: before that, calls may go either way."""
    notification = f"{tenant.parent}/notifications/{places[EXAMPLE_NOTIFICATION]}"
    replay = f"{tenant.parent}/subscriptions/{EXAMPLE_SUBSCRIPTION}/replays/{places[EXAMPLE_REPLAY]}"
    attempts = await tenant.everything("ListAttempts", "attempts", parent=notification)
    found: Replay = (await tenant.call("GetReplay", name=replay)).replay
    return bool(attempts) and found.state == ReplayState.REPLAY_STATE_SUCCEEDED


@METHODS
def test_every_method_declares_its_scope(method: Method) -> None:
    """The one that is meant: a new method fails here until somebody has decided who may call it."""
    assert method.name in DECLARED.get(Scope(scope_of(method)), ())


@METHODS
def test_every_method_says_which_workspace_it_is_about(method: Method) -> None:
    """But those about event types. Without a field for it nobody could call it."""
    rule = rule_of(method.path.removeprefix("/"))

    assert scope_of(method) == rule.scope
    assert bool(rule.name_path) == (rule.scope not in SHARED)


@METHODS
@shared
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no token", "a credential is needed"),
        ("garbage", "the token is not known here, or is not whole"),
        ("unknown", "the token is not known here, or is not whole"),
        ("wrong secret", "the token is not known here, or is not whole"),
        ("expired", "the token expired at "),
        ("revoked", "the token was revoked at "),
    ],
)
async def test_without_a_credential_that_counts_nobody_gets_in(
    world: World, method: Method, kind: str, words: str
) -> None:
    """Into no method, and whatever is or is not there."""
    token = {
        "no token": "",
        "garbage": "garbage",
        "unknown": f"tdg_{'x' * 12}_{'y' * 43}",
        "wrong secret": world.expired[:-43] + "y" * 43,
        "expired": world.expired,
        "revoked": world.revoked,
    }[kind]

    refusal = await world.refusal(method, request_of(method, world.main), token)

    assert ("UNAUTHENTICATED", "CREDENTIAL_INVALID") == (refusal.code, refusal.reason)
    assert refusal.message.startswith(words)
    assert token not in refusal.message or not token


@METHODS
@shared
async def test_every_other_scope_does_not_let_in(world: World, method: Method) -> None:
    """All of them together, and everywhere."""
    needed = Scope(scope_of(method))
    token = world.grant(*(frozenset(Scope) - {needed}))

    refusal = await world.refusal(method, request_of(method, world.main), token)

    assert ("PERMISSION_DENIED", "PERMISSION_MISSING") == (refusal.code, refusal.reason)
    assert refusal.message.startswith(f'this needs the scope "{needed}"; granted: ')


@OF_WORKSPACES
@shared
@pytest.mark.parametrize(
    "where",
    [
        {"organization": "acme", "workspace": "other"},
        {"organization": "umbrella"},
        {"organization": "umbrella", "workspace": "main"},
    ],
    ids=["other workspace", "other organization", "same name in another organization"],
)
async def test_what_is_and_what_is_not_in_a_foreign_workspace_look_the_same(
    world: World, method: Method, where: Mapping[str, str]
) -> None:
    """Code, reason and message: nothing is looked up there."""
    token = world.grant(**where)
    request, missing_request = request_of(method, world.main), request_of(method, MISSING)

    existing = await world.refusal(method, request, token)
    missing = await world.refusal(method, missing_request, token)

    if names_a_resource(method):
        assert ("NOT_FOUND", "RESOURCE_NOT_FOUND") == (existing.code, existing.reason)
        # In the very words for what is missing in a workspace of one's own; to delete it would be allowed there.
        if method.name != "DeleteSubscription":
            assert missing == await world.refusal(method, missing_request, world.grant(organization="acme"))
    else:
        assert ("PERMISSION_DENIED", "PERMISSION_MISSING") == (existing.code, existing.reason)
        assert f"{EXAMPLE_PARENT} is not covered: what was granted is for " in existing.message
    assert without_name(existing) == without_name(missing)


def names_a_resource(method: Method) -> bool:
    """Say whether a method is about something in a workspace, and not about the workspace."""
    name: Any = method.request.FromString(request_of(method))
    for field in rule_of(method.path.removeprefix("/")).name_path:
        name = getattr(name, field)
    return str(name) != EXAMPLE_PARENT


def without_name(refusal: Refusal) -> Refusal:
    """Return a refusal without the name in it."""
    return replace(refusal, message=re.sub('named "[^"]*"', "named", refusal.message))


@METHODS
@shared
@pytest.mark.parametrize("where", ["workspace", "organization", "everything"])
async def test_right_token_lets_in(world: World, method: Method, where: str) -> None:
    """With the one scope that is declared: what comes of the call is what is there."""
    mine = await world.fresh()
    workspace = mine[EXAMPLE_PARENT].rpartition("/")[2]
    scope = Scope(scope_of(method))
    if scope is Scope.EVENT_TYPES_WRITE:
        where = "everything"
    binding = {
        "workspace": {"organization": "acme", "workspace": workspace},
        "organization": {"organization": "acme"},
        "everything": {},
    }[where]
    token = world.grant(scope, **binding)
    code = "OK"

    try:
        await world.call(method, request_of(method, mine), token)
    except grpc.aio.AioRpcError as error:
        code = error.code().name

    assert EXPECTED.get(method.name, "OK") == code


@shared
@pytest.mark.parametrize(
    "method", [CONTRACT[name] for name in ("CreateEventType", "UpdateEventType", "DeleteEventType")]
)
async def test_all_that_a_workspace_allows_is_not_to_change_event_types(world: World, method: Method) -> None:
    """All organizations share them."""
    for where in ({"organization": "acme"}, {"organization": "acme", "workspace": "main"}):
        refusal = await world.refusal(method, request_of(method), world.grant(**where))
        assert ("PERMISSION_DENIED", "PERMISSION_MISSING") == (refusal.code, refusal.reason)


@OF_WORKSPACES
@shared
async def test_name_that_is_none_is_refused_as_one(world: World, method: Method) -> None:
    """By the handler, before it looks for anything: that nothing is covered by it says nothing."""
    token = world.grant(organization="acme", workspace="mine")

    refusal = await world.refusal(
        method, request_of(method, {EXAMPLE_PARENT: "organizations/ACME/workspaces/main"}), token
    )

    assert ("INVALID_ARGUMENT", "INVALID_FIELD") == (refusal.code, refusal.reason)
    assert refusal.field in ("parent", "name", "subscription.name")


@shared
@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        ("ListNotifications", {"subscription": "{foreign}/subscriptions/wallboard"}, "subscription"),
        ("ListNotifications", {"event": "{foreign}/events/" + EXAMPLE_EVENT}, "event"),
        ("WatchNotifications", {"subscription": "{foreign}/subscriptions/wallboard"}, "subscription"),
        (
            "ExplainPublish",
            {
                "event": {"event_type": "agent.status.changed", "json": "{}"},
                "preview_subscription": "{foreign}/subscriptions/wallboard",
            },
            "preview_subscription",
        ),
        (
            "BatchPublish",
            {"requests": [{"parent": "{foreign}", "event": {"event_type": "agent.status.changed", "json": "{}"}}]},
            "requests[0].parent",
        ),
    ],
)
async def test_second_name_does_not_reach_another_workspace(
    world: World, method: str, fields: Mapping[str, Any], field: str
) -> None:
    """It is refused as one of another workspace, whether there is something of it or not."""
    token = world.grant(organization="acme", workspace="mine")
    refusals = []
    for foreign in (world.main[EXAMPLE_PARENT], "organizations/nobody/workspaces/none"):
        told = json.loads(json.dumps(fields).replace("{foreign}", foreign))
        request = CONTRACT[method].request(parent=world.mine[EXAMPLE_PARENT], **told)
        refusal = await world.refusal(CONTRACT[method], request.SerializeToString(), token)
        refusals.append((refusal.code, refusal.reason, refusal.field, refusal.message.replace(foreign, "")))

    assert 1 == len(set(refusals))
    assert ("INVALID_ARGUMENT", "INVALID_FIELD", field) == refusals[0][:3]
