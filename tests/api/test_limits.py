"""How many calls may be under way at once: who is refused, who never is, and when there is room again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure, RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from service.api.authentication import Authentication
from service.api.calls import Calls
from service.api.limits import Admission, CallLimits, CallsMax
from service.api.server import ApiServer, Servicers
from service.domain.clock import SystemClock
from service.domain.errors import Quota, QuotaExceeded
from service.domain.ids import Uuid7Ids
from service.settings import CALLS_MAX
from tests.harness import error_detail, eventually
from tests.tools import CONTRACT
from tidings.v1 import publishing_pb2 as pb
from tidings.v1.event_types_pb2_grpc import EventTypeServiceServicer
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer, PublishServiceStub
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceServicer

PUBLISH: Final = "tidings.v1.PublishService/Publish"
BATCH: Final = "tidings.v1.PublishService/BatchPublish"
PATIENCE_S: Final = 10
TWO: Final = replace(CALLS_MAX, publishes=2, publish_streams=1)
DISTINCT: Final = CallsMax(
    publishes=1, batches=2, publish_streams=3, watches=4, test_sends=5, reads=6, changes=7, request_bytes=8
)


@dataclass
class Publishing(PublishServiceServicer):
    """A Publish, and a StreamPublish, that end when the test says so."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0

    async def Publish(self, request: pb.PublishRequest, context: Any) -> pb.PublishResponse:
        self.at_once += 1
        try:
            await self.go_on.wait()
        finally:
            self.at_once -= 1
        return pb.PublishResponse(matched_count=7)

    async def StreamPublish(
        self, request_iterator: AsyncIterator[pb.StreamPublishRequest], context: Any
    ) -> AsyncIterator[pb.StreamPublishResponse]:
        async for _ in request_iterator:
            yield pb.StreamPublishResponse()


@dataclass(frozen=True)
class Served:
    """A running server, as its client sees it, and what its handlers do."""

    channel: grpc.aio.Channel
    publishing: Publishing

    def publish(self, request: pb.PublishRequest | None = None) -> Any:
        """Begin a publish."""
        stub: Any = PublishServiceStub(self.channel)
        return stub.Publish(request or pb.PublishRequest(parent="p"), timeout=PATIENCE_S)

    def stream(self) -> Any:
        """Begin a stream."""
        stub: Any = PublishServiceStub(self.channel)
        return stub.StreamPublish(timeout=PATIENCE_S)

    async def health(self) -> int:
        """Ask for the server's health."""
        stub: Any = HealthStub(self.channel)
        response: HealthCheckResponse = await stub.Check(HealthCheckRequest(), timeout=PATIENCE_S)
        return response.status

    async def busy(self, calls: int) -> None:
        """Wait until so many publishes are under way."""
        await eventually(lambda: self.publishing.at_once == calls, within_s=PATIENCE_S)


@asynccontextmanager
async def serving(calls_max: CallsMax) -> AsyncIterator[Served]:
    """Run a server with these limits."""
    clock, publishing = SystemClock(), Publishing()
    calls = Calls(
        clock=clock,
        ids=Uuid7Ids(clock, Random(0)),
        authentication=Authentication(None),
        limits=CallLimits(calls_max),
        request_bytes_max=4 * 1024 * 1024,
    )
    servicers = Servicers(
        subscriptions=SubscriptionServiceServicer(),
        event_types=EventTypeServiceServicer(),
        publishing=publishing,
        notifications=NotificationServiceServicer(),
    )
    server = ApiServer(listen=("127.0.0.1:0",), calls=calls, servicers=servicers)
    [address] = await server.start()
    server.set_serving()
    async with grpc.aio.insecure_channel(address) as channel:
        yield Served(channel, publishing)
    await server.stop(0)


async def refusal(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """Return the QUOTA_EXCEEDED that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == caught.value.code(), caught.value
    assert "QUOTA_EXCEEDED" == error_detail(caught.value, ErrorInfo).reason
    return caught.value


def test_every_method_of_the_contract_has_a_limit_of_its_kind() -> None:
    """A method that is new must be looked at here."""
    kinds = {
        1: {"Publish"},
        2: {"BatchPublish"},
        3: {"StreamPublish"},
        4: {"WatchNotifications"},
        5: {"TestSubscription"},
        6: {name for name in CONTRACT if name.startswith(("Get", "List"))} | {"ExplainPublish", "ValidatePayload"},
        7: {
            *("CreateSubscription", "UpdateSubscription", "DeleteSubscription", "ResumeSubscription"),
            *("RotateSigningKey", "CreateEventType", "UpdateEventType", "DeleteEventType"),
            *("RetryNotification", "CancelNotification", "CreateReplay", "CancelReplay"),
        },
    }
    expected = {name: limit for limit, names in kinds.items() for name in names}

    assert expected == {name: DISTINCT.of(method.path.removeprefix("/")) for name, method in CONTRACT.items()}


async def test_call_over_the_limit_is_refused_with_the_limit_and_the_time_to_wait() -> None:
    async with serving(TWO) as served:
        under_way = [served.publish(), served.publish()]
        await served.busy(2)

        error = await refusal(served.publish())

        served.publishing.go_on.set()
        assert [7, 7] == [(await call).matched_count for call in under_way]
    message = f"2 calls of {PUBLISH} are under way on this server already, as many as it takes at once; try again later"
    assert message == error.details()
    assert 1 == error_detail(error, RetryInfo).retry_delay.seconds
    [violation] = error_detail(error, QuotaFailure).violations
    assert (PUBLISH, message) == (violation.subject, violation.description)


async def test_refused_call_is_not_read() -> None:
    """What costs is not begun: a call whose message never comes gets the same answer."""
    async with serving(TWO) as served:
        under_way = [served.publish(), served.publish()]
        await served.busy(2)
        raw: Any = served.channel.stream_unary(f"/{PUBLISH}")

        await refusal(raw(timeout=PATIENCE_S))

        served.publishing.go_on.set()
        await asyncio.gather(*under_way)


async def test_health_and_reflection_answer_where_nothing_else_does() -> None:
    """Or an orchestrator would kill a server for being busy."""
    async with serving(replace(TWO, reads=0, changes=0, request_bytes=1)) as served:
        under_way = [served.publish(), served.publish()]
        await served.busy(1)
        reflection: Any = ServerReflectionStub(served.channel)  # type: ignore[arg-type]

        health = [await served.health() for _ in range(20)]
        listed = [
            each async for each in reflection.ServerReflectionInfo(iter([ServerReflectionRequest(list_services="")]))
        ]

        served.publishing.go_on.set()
        await asyncio.gather(*under_way, return_exceptions=True)
    assert [HealthCheckResponse.SERVING] * 20 == health
    assert 1 == len(listed)


@pytest.mark.parametrize("ends", ["answered", "cancelled"])
async def test_call_that_ends_makes_room(ends: str) -> None:
    async with serving(TWO) as served:
        for _ in range(3):
            under_way = [served.publish(), served.publish()]
            await served.busy(2)
            await refusal(served.publish())
            if ends == "answered":
                served.publishing.go_on.set()
            else:
                for call in under_way:
                    call.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await served.busy(0)
            served.publishing.go_on.clear()


async def test_refused_call_takes_no_room() -> None:
    async with serving(TWO) as served:
        under_way = [served.publish()]
        await served.busy(1)
        raw: Any = served.channel.unary_unary(f"/{PUBLISH}")
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError):
                await raw(b"\xff\xff\xff", timeout=PATIENCE_S)

        under_way.append(served.publish())
        await served.busy(2)

        served.publishing.go_on.set()
        await asyncio.gather(*under_way)


async def test_methods_do_not_take_each_others_room() -> None:
    async with serving(TWO) as served:
        under_way = [served.publish(), served.publish()]
        await served.busy(2)
        stream = served.stream()
        await stream.write(pb.StreamPublishRequest())
        assert pb.StreamPublishResponse() == await stream.read()

        error = await refusal(served.stream().read())
        assert 10 == error_detail(error, RetryInfo).retry_delay.seconds

        await stream.done_writing()
        assert grpc.aio.EOF == await stream.read()
        served.publishing.go_on.set()
        await asyncio.gather(*under_way)


async def test_requests_that_are_too_large_together_are_refused() -> None:
    """But one alone never is."""
    large = pb.PublishRequest(parent="p" * 1_000)
    async with serving(replace(CALLS_MAX, request_bytes=1_500)) as served:
        under_way = [served.publish(large)]
        await served.busy(1)

        error = await refusal(served.publish(large))
        under_way.append(served.publish(pb.PublishRequest(parent="p" * 400)))
        await served.busy(2)

        served.publishing.go_on.set()
        await asyncio.gather(*under_way)
        await served.busy(0)
        await served.publish(pb.PublishRequest(parent="p" * 2_000))
    assert error.details() == (
        "requests and answers of 1,003 bytes are under way on this server already, and it takes 1,500 at once; try "
        "again later"
    )
    assert "server" == error_detail(error, QuotaFailure).violations[0].subject


# --- what one caller may have of it


FOUR: Final = replace(CALLS_MAX, publishes=4, batches=1, request_bytes=1_000)


def admitted(limits: CallLimits, holder: str | None, method: str = PUBLISH, *, size: int = 1) -> Admission | Quota:
    """Count a call in, or return the quota for which it is refused."""
    try:
        admission = limits.admit(method, is_stream=False, holder=holder)
    except QuotaExceeded as error:
        return error.quota
    try:
        limits.weigh(admission, size)
    except QuotaExceeded as error:
        limits.release(admission)
        return error.quota
    return admission


def test_one_caller_has_half_of_a_methods_calls_and_others_have_the_rest() -> None:
    """The refusal names the caller, its share, and when to try again."""
    told: list[Quota] = []
    limits = CallLimits(FOUR, on_refused=told.append)
    for _ in range(2):
        assert isinstance(admitted(limits, "token:greedy"), Admission)

    with pytest.raises(QuotaExceeded) as caught:
        limits.admit(PUBLISH, is_stream=False, holder="token:greedy")
    others = [admitted(limits, holder) for holder in ("token:a", "certificate:b", "token:c")]

    assert ("token:greedy", 1.0) == (caught.value.subject, caught.value.retry_after_s)
    assert caught.value.message == (
        f"2 calls of {PUBLISH} by token:greedy are under way on this server already, as many as it takes at once from "
        "one caller; try again later"
    )
    assert [Admission(PUBLISH, "token:a", 1), Admission(PUBLISH, "certificate:b", 1), Quota.CALLS] == others
    assert [Quota.CALLS_OF_CALLER, Quota.CALLS] == told


def test_one_caller_has_half_of_each_method_for_itself() -> None:
    """And of a single call all."""
    limits = CallLimits(FOUR)

    calls = [admitted(limits, "token:a", method) for method in (PUBLISH, PUBLISH, BATCH, PUBLISH, BATCH)]

    assert [Quota.CALLS_OF_CALLER, Quota.CALLS] == calls[3:]
    assert all(isinstance(call, Admission) for call in calls[:3])


def test_one_caller_has_half_of_the_bytes_and_always_one_request() -> None:
    limits = CallLimits(FOUR)

    assert isinstance(admitted(limits, "token:a", size=400), Admission)
    assert Quota.REQUEST_BYTES_OF_CALLER is admitted(limits, "token:a", size=101)
    assert isinstance(admitted(limits, "token:b", size=600), Admission)
    assert Quota.REQUEST_BYTES is admitted(limits, "token:c", size=1)
    assert isinstance(admitted(CallLimits(FOUR), "token:a", size=5_000), Admission)


def test_answer_that_is_not_taken_counts_until_it_is() -> None:
    """Among the bytes of requests: who lets answers lie gets none in the end, and the others do."""
    limits = CallLimits(FOUR)
    lying = admitted(limits, "token:a")
    assert isinstance(lying, Admission)

    limits.hold(lying, 499)

    assert Quota.REQUEST_BYTES_OF_CALLER is admitted(limits, "token:a")
    assert isinstance(admitted(limits, "token:b"), Admission)
    limits.release(lying)
    assert isinstance(admitted(limits, "token:a"), Admission)


def test_where_one_is_everybody_one_may_have_everything() -> None:
    """As with `--dev`."""
    limits = CallLimits(FOUR)

    assert [Quota.CALLS] == [each for each in (admitted(limits, None) for _ in range(5)) if isinstance(each, Quota)]


def test_caller_whose_calls_have_ended_has_its_whole_share_and_takes_no_memory() -> None:
    """Refused calls take nothing either."""
    limits = CallLimits(FOUR)
    for number in range(100):
        holder = f"token:{number}"
        taken = [admitted(limits, holder) for _ in range(3)]
        assert [Quota.CALLS_OF_CALLER] == taken[2:]
        for each in taken[:2]:
            assert isinstance(each, Admission)
            limits.release(each)

    assert [0, 0] == [len(limits._calls), len(limits._bytes)]
