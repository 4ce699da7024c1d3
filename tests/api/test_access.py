"""How a call shows who makes it, what is asked of it before its handler runs, and what the log says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any, Final

import grpc
import pytest
import trustme
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub, add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from structlog.testing import capture_logs

from service.api.access import Rule, rule_of
from service.api.authentication import Authentication
from service.api.callers import current_actor
from service.api.calls import Calls
from service.api.health import Health
from service.api.limits import CallLimits
from service.api.reflection import reflection_handlers
from service.authenticating import Credentials
from service.domain.access import EVERYTHING, Actor, Binding, Grant, Scope
from service.domain.clock import SystemClock
from service.domain.credentials import make_token
from service.domain.ids import Uuid7Ids
from service.granting import Terms, create, identity_credential, revoke_identity, revoke_token, token_credential
from service.settings import CALLS_MAX
from service.storage.database import Database
from tests.fakes import HookedDatabase
from tests.harness import bearer, eventually
from tests.servicers import EndlessWatch
from tests.tools import Refusal, refusal_of
from tidings.v1 import access_pb2
from tidings.v1.notifications_pb2_grpc import add_NotificationServiceServicer_to_server
from tidings.v1.publishing_pb2 import PublishRequest, PublishResponse, StreamPublishRequest, StreamPublishResponse
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer, add_PublishServiceServicer_to_server

PUBLISH: Final = "/tidings.v1.PublishService/Publish"
STREAM: Final = "/tidings.v1.PublishService/StreamPublish"
WATCH: Final = "/tidings.v1.NotificationService/WatchNotifications"
SHOUT: Final = "/tidings.v1.PublishService/Shout"
MAIN, OTHER = (f"organizations/acme/workspaces/{each}" for each in ("main", "other"))
IN_MAIN: Final = Terms(grant=Grant(frozenset({Scope.PUBLISH}), Binding("acme", "main")))
ORDERS: Final = "uri:spiffe://acme/orders"
OPERATOR: Final = Actor("command-line:alice")
PATIENCE_S: Final = 10


@dataclass
class Publishing(PublishServiceServicer):
    """Keeps whose calls it gets."""

    actors: list[Actor] = field(default_factory=list)

    async def Publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        self.actors.append(current_actor())
        return PublishResponse()

    async def StreamPublish(
        self, request_iterator: AsyncIterator[StreamPublishRequest], context: Any
    ) -> AsyncIterator[StreamPublishResponse]:
        self.actors.append(current_actor())
        async for _ in request_iterator:
            yield StreamPublishResponse()


@dataclass(frozen=True)
class Served:
    """A running server with real credentials, as a client and its tests see it."""

    port: int
    calls: Calls
    database: HookedDatabase
    publishing: Publishing
    watching: EndlessWatch
    log: list[MutableMapping[str, Any]]
    channel: grpc.aio.Channel

    async def token(self, terms: Terms = IN_MAIN) -> str:
        """Make a token."""
        token = make_token(Random())
        credential = token_credential(token, terms, now_ms=SystemClock().now_ms())
        await self.database.write(lambda tx: create(tx, credential, actor=OPERATOR))
        return token.text

    async def let_in(self, identity: str) -> None:
        """Grant something to certificates of an identity."""
        credential = identity_credential(identity, IN_MAIN, rng=Random(), now_ms=SystemClock().now_ms())
        await self.database.write(lambda tx: create(tx, credential, actor=OPERATOR))

    async def send(self, method: str, *metadata: tuple[str, str | bytes], parent: str = MAIN) -> bytes:
        """Call a method with one message, and return the first that it answers."""
        # Sent with the call: writing to one that has been refused meanwhile fails in grpc.aio, without the reason.
        begin: Any = self.channel.unary_stream(method)
        stream = begin(PublishRequest(parent=parent).SerializeToString(), metadata=metadata, timeout=PATIENCE_S)
        answer: bytes = await stream.read()
        return answer

    async def finished(self) -> list[MutableMapping[str, Any]]:
        """Wait until all calls have ended, and return their lines."""
        await asyncio.wait_for(self.calls.drained(), PATIENCE_S)
        return [line for line in self.log if line["event"] == "rpc.finished"]


@asynccontextmanager
async def serving(
    database: Database,
    *,
    dev: bool = False,
    credentials: grpc.ServerCredentials | None = None,
    channel_credentials: grpc.ChannelCredentials | None = None,
    handlers: Sequence[grpc.GenericRpcHandler] = (),
) -> AsyncIterator[Served]:
    """Run a server with the interceptor, PublishService, health and reflection."""
    clock, hooked = SystemClock(), HookedDatabase(database)
    calls = Calls(
        clock=clock,
        ids=Uuid7Ids(clock, Random(0)),
        authentication=Authentication(None if dev else Credentials(hooked, clock=clock)),
        limits=CallLimits(replace(CALLS_MAX, publishes=1_000)),
        request_bytes_max=4 * 1024 * 1024,
    )
    server = grpc.aio.server(interceptors=(calls,), options=(("grpc.so_reuseport", 0),))
    publishing, watching, health = Publishing(), EndlessWatch(), Health(())
    add_PublishServiceServicer_to_server(publishing, server)
    add_NotificationServiceServicer_to_server(watching, server)
    add_HealthServicer_to_server(health, server)
    server.add_generic_rpc_handlers((*reflection_handlers(()), *handlers))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
        assert channel_credentials is not None
        channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", channel_credentials)
    await server.start()
    with capture_logs() as log:
        async with channel:
            yield Served(port, calls, hooked, publishing, watching, log, channel)
        await server.stop(None)


# --- what a call shows


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
async def test_token_is_taken_from_the_metadata(database: Database, scheme: str) -> None:
    """The scheme in any case, as RFC 9110 has it."""
    async with serving(database) as served:
        token = await served.token()
        await served.send(PUBLISH, ("authorization", scheme + token))

    assert [f"token:{token.split('_')[1]}"] == [actor.name for actor in served.publishing.actors]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ((), "a credential is needed: the metadata"),
        (("",), 'must be "Bearer tdg_<id>_<secret>"; got something else'),
        (("{token}",), 'must be "Bearer tdg_<id>_<secret>"'),
        (("Basic {token}",), 'must be "Bearer tdg_<id>_<secret>"'),
        (("Bearer{token}",), 'must be "Bearer tdg_<id>_<secret>"'),
        (("Bearer {token} {token}",), 'must be "Bearer tdg_<id>_<secret>"'),
        (("Bearer {token}, Bearer {token}",), 'must be "Bearer tdg_<id>_<secret>"'),
        (("Bearer {token}", "Bearer {token}"), "must be sent once; got it 2 times"),
        (("Bearer {token}", ""), "must be sent once; got it 2 times"),
        (("Bearer {token}x",), "the token is not known here, or is not whole"),
        (("Bearer " + "x" * 4_000,), "the token is not known here, or is not whole"),
    ],
)
async def test_metadata_without_a_whole_token_is_refused(
    database: Database, entries: Sequence[str], words: str
) -> None:
    """Although the token in it is right. The answer says what is needed, and shows nothing of what was sent."""
    async with serving(database) as served:
        token = await served.token()
        refusal = await refusal_of(
            served.send(PUBLISH, *(("authorization", each.replace("{token}", token)) for each in entries))
        )

    assert ("UNAUTHENTICATED", "CREDENTIAL_INVALID") == (refusal.code, refusal.reason)
    assert words in refusal.message
    assert token[4:] not in refusal.message
    assert "xxx" not in refusal.message
    assert [] == served.publishing.actors


async def test_no_handler_runs_and_no_message_is_parsed_for_who_may_not_call(database: Database) -> None:
    """What a request says is nobody's business before that: garbage gets the same answer."""
    async with serving(database) as served:
        token = await served.token(Terms(grant=Grant(frozenset({Scope.SUBSCRIPTIONS_READ}), EVERYTHING)))
        call: Any = served.channel.unary_unary(PUBLISH)
        anonymous = await refusal_of(call(b"\xff\xff\xff", timeout=PATIENCE_S))
        unscoped = await refusal_of(call(b"\xff\xff\xff", metadata=bearer(token), timeout=PATIENCE_S))

    assert ("UNAUTHENTICATED", "PERMISSION_DENIED") == (anonymous.code, unscoped.code)
    assert 'this needs the scope "publish"; granted: subscriptions.read' == unscoped.message
    assert [] == served.publishing.actors


async def test_database_that_does_not_answer_lets_nobody_in(database: Database) -> None:
    """The answer says that it is worth another try."""
    async with serving(database) as served:
        token = await served.token()
        served.database.refused_reads = 1
        refusal = await refusal_of(served.send(PUBLISH, *bearer(token)))
        await served.send(PUBLISH, *bearer(token))

    assert ("UNAVAILABLE", "STORAGE_UNAVAILABLE") == (refusal.code, refusal.reason)
    assert 1 == len(served.publishing.actors)


async def test_with_dev_everybody_may_do_everything_and_what_is_sent_is_ignored(database: Database) -> None:
    """Also what would be refused elsewhere."""
    async with serving(database, dev=True) as served:
        for metadata in ((), bearer("garbage"), (*bearer("a"), *bearer("b"))):
            await served.send(PUBLISH, *metadata)
        reads = served.database.reads

    assert ["development"] * 3 == [actor.name for actor in served.publishing.actors]
    assert 0 == reads


# --- the log


async def test_log_says_who_made_a_call_and_shows_no_secret(database: Database) -> None:
    """By the name that the audit log has; with nobody known there is nobody to name."""
    async with serving(database) as served:
        token = await served.token()
        await served.send(PUBLISH, *bearer(token))
        await refusal_of(served.send(PUBLISH, *bearer(token), parent=OTHER))
        await refusal_of(served.send(PUBLISH, *bearer(token[:-1] + "-")))
        lines = await served.finished()

    _, id, secret = token.split("_")
    assert [("OK", f"token:{id}"), ("PERMISSION_DENIED", f"token:{id}"), ("UNAUTHENTICATED", None)] == [
        (line["code"], line["caller"]) for line in lines
    ]
    assert lines[0]["call_id"] == served.publishing.actors[0].call_id
    assert secret[:-1] not in repr(served.log)


async def test_log_says_whose_token_does_not_count_any_more(database: Database) -> None:
    """Somebody still uses it, and should be told; of one with a wrong secret nobody knows whose it is."""
    async with serving(database) as served:
        expired = await served.token(replace(IN_MAIN, lifetime=timedelta(milliseconds=-1)))
        await refusal_of(served.send(PUBLISH, *bearer(expired)))
        await refusal_of(served.send(PUBLISH, *bearer(expired[:-1] + "-")))
        lines = await served.finished()

    assert [("UNAUTHENTICATED", f"token:{expired.split('_')[1]}"), ("UNAUTHENTICATED", None)] == [
        (line["code"], line["caller"]) for line in lines
    ]


# --- methods that are not the contract's


async def test_health_is_open(database: Database) -> None:
    """Whatever watches over servers has no token; and a wrong one does it no harm."""
    async with serving(database) as served:
        health: Any = HealthStub(served.channel)
        for metadata in ((), bearer("garbage")):
            await health.Check(HealthCheckRequest(), metadata=metadata, timeout=PATIENCE_S)
        watch = health.Watch(HealthCheckRequest(), timeout=PATIENCE_S)
        await watch.read()
        watch.cancel()
        reads = served.database.reads

    assert 0 == reads


async def reflect(served: Served, *metadata: tuple[str, str]) -> Any:
    """Ask which services there are."""
    channel: Any = served.channel
    stub: Any = ServerReflectionStub(channel)
    stream = stub.ServerReflectionInfo(metadata=metadata, timeout=PATIENCE_S)
    await stream.write(ServerReflectionRequest(list_services=""))
    answer = await stream.read()
    await stream.done_writing()
    return answer


async def test_reflection_needs_any_credential(database: Database) -> None:
    """Whatever it was granted; and none with --dev."""
    async with serving(database) as served:
        refusal = await refusal_of(reflect(served))
        token = await served.token(Terms(grant=Grant(frozenset({Scope.PUBLISH}), Binding("umbrella", "x"))))
        answer = await reflect(served, *bearer(token))
    async with serving(database, dev=True) as served:
        open_answer = await reflect(served)

    assert ("UNAUTHENTICATED", "CREDENTIAL_INVALID") == (refusal.code, refusal.reason)
    assert len(answer.list_services_response.service) > 0
    assert answer == open_answer


@pytest.mark.parametrize("method", [SHOUT, "/nobody.Service/Method", "/tidings.v1.PublishService/ExplainPublish"])
async def test_method_that_is_not_there_is_refused_to_strangers_like_any_other(database: Database, method: str) -> None:
    """Who is known learns that it is not there."""
    async with serving(database) as served:
        stranger = await refusal_of(served.send(method))
        known = await refusal_of(served.send(method, *bearer(await served.token())))

    assert ("UNAUTHENTICATED", "UNIMPLEMENTED") == (stranger.code, known.code)


def declare_extra_methods() -> None:
    """Put a service into the pool whose methods declare what nobody meant to."""
    publish_request = ".tidings.v1.PublishRequest"
    file = FileDescriptorProto(
        name="tests/extra.proto",
        package="tests.extra",
        syntax="proto3",
        dependency=["tidings/v1/publishing.proto", "tidings/v1/event_types.proto", "tidings/v1/access.proto"],
    )
    service = file.service.add(name="Extra")
    for name, scope, request in (
        ("Undeclared", None, publish_request),
        ("Misspelt", "publishing", publish_request),
        ("Placeless", "publish", ".tidings.v1.ListEventTypesRequest"),
        ("Declared", "publish", publish_request),
    ):
        options = MethodOptions()
        if scope is not None:
            options.Extensions[access_pb2.scope] = scope
        service.method.add(name=name, input_type=request, output_type=".tidings.v1.PublishResponse", options=options)
    pool: Any = descriptor_pool.Default()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())


declare_extra_methods()


async def answer(request: Any, context: Any) -> PublishResponse:
    """Answer whatever comes."""
    return PublishResponse(matched_count=7)


EXTRA: Final = grpc.method_handlers_generic_handler(
    "tests.extra.Extra",
    {
        name: grpc.unary_unary_rpc_method_handler(answer, PublishRequest.FromString, PublishResponse.SerializeToString)
        for name in ("Undeclared", "Misspelt", "Placeless", "Declared", "Unknown")
    },
)


@pytest.mark.parametrize("dev", [False, True])
async def test_method_without_a_rule_is_denied_to_everybody(database: Database, dev: bool) -> None:
    """No scope, one that does not exist, no field that names a workspace, no descriptor at all: nobody is let in."""
    codes = {}
    async with serving(database, dev=dev, handlers=[EXTRA]) as served:
        token = await served.token(Terms(grant=Grant(frozenset(Scope), EVERYTHING)))
        for name in ("Undeclared", "Misspelt", "Placeless", "Unknown"):
            refusal = await refusal_of(served.send(f"/tests.extra.Extra/{name}", *bearer(token)))
            codes[name] = (refusal.code, refusal.reason)
            assert f"tests.extra.Extra/{name} declares no scope" in refusal.message
        allowed = await served.send("/tests.extra.Extra/Declared", *bearer(token))

    assert {("PERMISSION_DENIED", "PERMISSION_MISSING")} == set(codes.values())
    assert PublishResponse(matched_count=7) == PublishResponse.FromString(allowed)


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        ("tidings.v1.PublishService/Publish", (Scope.PUBLISH, ("parent",))),
        ("tidings.v1.PublishService/ExplainPublish", (Scope.SUBSCRIPTIONS_READ, ("parent",))),
        ("tidings.v1.SubscriptionService/CreateSubscription", (Scope.SUBSCRIPTIONS_WRITE, ("parent",))),
        ("tidings.v1.SubscriptionService/UpdateSubscription", (Scope.SUBSCRIPTIONS_WRITE, ("subscription", "name"))),
        ("tidings.v1.NotificationService/GetEvent", (Scope.NOTIFICATIONS_READ, ("name",))),
        ("tidings.v1.EventTypeService/GetEventType", (Scope.EVENT_TYPES_READ, ())),
        ("tidings.v1.EventTypeService/Shout", (None, ())),
        ("nonsense", (None, ())),
        ("", (None, ())),
    ],
)
def test_rule_is_read_from_the_descriptor(method: str, rule: tuple[Scope | None, tuple[str, ...]]) -> None:
    """The scope, and where the name is that says whose workspace it is."""
    assert Rule(method, *rule) == rule_of(method)


# --- streams


async def test_every_message_of_a_stream_is_about_a_workspace_that_is_covered(database: Database) -> None:
    """Whatever the handler makes of a later parent, it does not get it; answers before it stay."""
    async with serving(database) as served:
        token = await served.token()
        stream: Any = served.channel.stream_stream(STREAM)(metadata=bearer(token), timeout=PATIENCE_S)
        for parent in (MAIN, "", OTHER):
            await stream.write(StreamPublishRequest(parent=parent).SerializeToString())
        answers = [await stream.read(), await stream.read()]
        refusal = await refusal_of(stream.read())

    assert [b"", b""] == answers
    assert ("PERMISSION_DENIED", f"{OTHER} is not covered: what was granted is for {MAIN}") == (
        refusal.code,
        refusal.message,
    )


async def test_stream_that_is_refused_ends_at_once(database: Database) -> None:
    """Its client need not send anything."""
    async with serving(database) as served:
        stream: Any = served.channel.stream_stream(STREAM)(timeout=PATIENCE_S)
        refusal = await refusal_of(stream.read())

    assert "UNAUTHENTICATED" == refusal.code


async def revoke(served: Served, token: str) -> None:
    """Revoke a token."""
    await served.database.write(lambda tx: revoke_token(tx, token, actor=OPERATOR, now_ms=SystemClock().now_ms()))


async def test_stream_whose_client_does_not_read_ends_with_its_credential_and_holds_up_no_shutdown(
    database: Database,
) -> None:
    """It hangs in a write, and its client would have to read before it could be told."""
    async with serving(database) as served:
        token = await served.token(Terms(grant=Grant(frozenset({Scope.NOTIFICATIONS_READ}), EVERYTHING)))
        call: Any = served.channel.unary_stream(WATCH)
        stream = call(b"", metadata=bearer(token))
        await stream.read()
        await revoke(served, token)
        began_s = SystemClock().monotonic_s()
        await asyncio.wait_for(served.watching.closed.wait(), PATIENCE_S)
        took_s = SystemClock().monotonic_s() - began_s
        await asyncio.wait_for(served.calls.drained(), PATIENCE_S)
        stream.cancel()

    assert took_s < 5


async def test_stream_ends_when_nobody_can_say_whether_its_credential_counts(database: Database) -> None:
    """For it may have been revoked meanwhile."""
    async with serving(database) as served:
        token = await served.token()
        stream: Any = served.channel.stream_stream(STREAM)(metadata=bearer(token), timeout=PATIENCE_S)
        await stream.write(StreamPublishRequest(parent=MAIN).SerializeToString())
        await stream.read()
        served.database.refused_reads = 1
        refusal = await refusal_of(stream.read())

    assert ("UNAVAILABLE", "STORAGE_UNAVAILABLE") == (refusal.code, refusal.reason)


async def test_stream_goes_on_while_its_credential_counts(database: Database) -> None:
    """It is asked again and again, and nobody notices."""
    async with serving(database) as served:
        token = await served.token()
        stream: Any = served.channel.stream_stream(STREAM)(metadata=bearer(token), timeout=PATIENCE_S)
        await stream.write(StreamPublishRequest(parent=MAIN).SerializeToString())
        await stream.read()
        await eventually(lambda: served.database.reads >= 3)
        await stream.write(StreamPublishRequest(parent=MAIN).SerializeToString())
        await stream.read()
        await stream.done_writing()
        end = await stream.read()
        [line] = await served.finished()

    assert (grpc.aio.EOF, "OK") == (end, line["code"])


# --- client certificates


def certificates(*uris: str, common_name: str = "client") -> tuple[grpc.ServerCredentials, grpc.ChannelCredentials]:
    """Return what a server and a client need, both with certificates of one authority; the client's has identities."""
    authority = trustme.CA()
    roots = authority.cert_pem.bytes()
    servers, clients = authority.issue_cert("127.0.0.1"), authority.issue_cert(*uris, common_name=common_name)
    pairs = [
        (each.private_key_pem.bytes(), b"".join(blob.bytes() for blob in each.cert_chain_pems))
        for each in (servers, clients)
    ]
    server = grpc.ssl_server_credentials(pairs[:1], roots, require_client_auth=True)
    return server, grpc.ssl_channel_credentials(roots, *pairs[1])


async def told_with_certificate(database: Database, *metadata: tuple[str, str], identity: str) -> Refusal | list[str]:
    """Call with a certificate whose name is "orders", where an identity was granted something."""
    server, client = certificates("client.example", common_name="orders")
    async with serving(database, credentials=server, channel_credentials=client) as served:
        await served.let_in(identity)
        call: Awaitable[object] = served.send(PUBLISH, *metadata)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return await refusal_of(raising(error))
        return [actor.name for actor in served.publishing.actors]


async def raising(error: Exception) -> None:
    """Raise what was caught."""
    raise error


async def test_identity_in_a_certificate_gives_what_it_was_granted(database: Database) -> None:
    """Without any metadata."""
    assert ["certificate:cn:orders"] == await told_with_certificate(database, identity="cn:orders")


async def test_certificate_that_was_granted_nothing_is_no_credential(database: Database) -> None:
    """Signed by an authority of the server's, and yet nobody here."""
    refusal = await told_with_certificate(database, identity=ORDERS)

    assert isinstance(refusal, Refusal)
    assert ("UNAUTHENTICATED", "CREDENTIAL_INVALID") == (refusal.code, refusal.reason)
    assert refusal.message.endswith("that of this client is not known")


async def test_token_that_is_sent_beside_a_certificate_is_what_counts(database: Database) -> None:
    """So a wrong one is refused, and nobody wonders whose rights a call had."""
    refusal = await told_with_certificate(database, *bearer("garbage"), identity="cn:orders")

    assert isinstance(refusal, Refusal)
    assert "the token is not known here, or is not whole" == refusal.message


async def test_revoked_identity_is_not_known_any_more(database: Database) -> None:
    """To a process that has not just used it, at once."""
    server, client = certificates("client.example", common_name="orders")
    async with serving(database, credentials=server, channel_credentials=client) as served:
        await served.let_in("cn:orders")
        await served.database.write(lambda tx: revoke_identity(tx, "cn:orders", actor=OPERATOR, now_ms=1))
        refusal = await refusal_of(served.send(PUBLISH))

    assert "UNAUTHENTICATED" == refusal.code
