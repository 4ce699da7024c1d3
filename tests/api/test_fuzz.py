"""Requests at their worst, on the wire: what no constructor of a message would make, for every RPC and every field.

How many for each RPC is FUZZ_EXAMPLES; when that is set, they are others each time. Requests that are wrong in one way
only are in test_bad_input.py.
"""

import asyncio
import os
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import FieldDescriptor
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.errors import ErrorReason
from tests.harness import ServerProcess, error_detail, running_process
from tests.tools import CONTRACT, DEAD_URL, Method, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "8"))
PATIENCE_S = 30
# It was 26 MiB when this was written.
GROWTH_MIB_MAX = 150
DEPTH_MAX = 4
P = "organizations/acme/workspaces/fuzz"

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)
WIRE_TYPE_OF = {
    **dict.fromkeys((FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE), LENGTH),
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
}
NUMBERS = (0, 1, 2, 1000, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2**31)
DOUBLES = (0.0, -0.0, 1.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 2.0**53, -1.0)
TEXTS = (
    *(b"", P.encode(), f"{P}/subscriptions/known".encode(), f"{P}/subscriptions/new".encode(), b"eventTypes/known"),
    *(b"known", b"new", b"*", b"known.*", b"{}", b"[" * 5_000, b'{"a":' * 5_000, b'{"a":1e999,"a":NaN}', b"1" * 5_000),
    *(b"http://127.0.0.1:9/", b"http://[::1", b"javascript:1", b"application/json", b"true", b"event.data.a.b == 1"),
    *(b"size(event.data) > " * 50, b"../../etc/passwd", b"%00", b"' OR 1=1 --", b"\x00", b"a\x00b", b"\r\nX-Evil: 1"),
    *(b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", "\u202e\u0000\ufeff😀".encode(), b"\x1b[2J"),
    *(b"a" * 64, b"a" * 1_025, "é".encode() * 2_000, b"x" * 300_000),
    *(b"display_name", b"*,url", b"url.url", b"name", b"whsec_" + b"A" * 43, b"0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"),
)


def varint(number: int) -> bytes:
    """Encode a number of 64 bits; more wrap around, as in a client with a bug."""
    number %= 2**64
    digits = []
    while number >= 128:
        digits.append(number % 128 + 128)
        number //= 128
    return bytes([*digits, number])


def record(number: int, wire_type: int, value: bytes) -> bytes:
    """Encode one field."""
    return varint(number << 3 | wire_type) + (varint(len(value)) + value if wire_type == LENGTH else value)


def deep_struct(depth: int) -> bytes:
    """Encode a google.protobuf.Struct in a Struct in a Struct."""
    inner = b""
    for _ in range(depth):
        # fields[""] = Value{struct_value}
        inner = record(1, LENGTH, record(2, LENGTH, record(5, LENGTH, inner)))
    return inner


scalars = {
    VARINT: st.sampled_from(NUMBERS).map(varint) | st.integers(-(2**63), 2**64).map(varint),
    FIXED64: st.sampled_from(DOUBLES).map(lambda each: struct.pack("<d", each)) | st.binary(min_size=8, max_size=8),
    FIXED32: st.binary(min_size=4, max_size=4),
    LENGTH: st.sampled_from(TEXTS) | st.binary(max_size=40),
    GROUP: st.just(b""),
    GROUP_END: st.just(b""),
}
strangers = st.builds(
    lambda number, pair: record(number, *pair),
    st.sampled_from([19_999, 536_870_911, 100, 0]),
    st.sampled_from(sorted(scalars)).flatmap(lambda kind: st.tuples(st.just(kind), scalars[kind])),
)


def value_of(each: FieldDescriptor, depth: int) -> st.SearchStrategy[bytes]:
    """Return what a field may hold, encoded, without its number."""
    if each.message_type is None:
        return scalars[WIRE_TYPE_OF.get(each.type, VARINT)]
    if each.message_type.name == "Struct":
        return st.sampled_from([1, 20, 90, 1_000]).map(deep_struct)
    return message(each.message_type, depth + 1) if depth < DEPTH_MAX else st.just(b"")


def records(each: FieldDescriptor, depth: int) -> st.SearchStrategy[bytes]:
    """Return a field: mostly as it should be, once or more, else with another type on the wire."""
    right = value_of(each, depth).map(lambda value: record(each.number, WIRE_TYPE_OF.get(each.type, VARINT), value))
    wrong = st.sampled_from(sorted(scalars)).flatmap(
        lambda kind: scalars[kind].map(lambda value: record(each.number, kind, value))
    )
    twice = st.tuples(right, right).map(b"".join)
    return st.one_of(right, right, right, right, twice, right.map(lambda one: one * 8), wrong)


def message(kind: Any, depth: int = 0) -> st.SearchStrategy[bytes]:
    """Return a message whose fields may each be there, in any order, with strangers between them."""
    fields = [records(each, depth) for each in kind.fields]
    one = st.one_of(*fields, *fields, strangers) if fields else strangers
    return st.lists(one, max_size=8).map(b"".join)


def addressed(method: Method) -> st.SearchStrategy[bytes]:
    """Return requests, most with a right name where the first field is one, so that more than its check is reached."""
    first = method.request.DESCRIPTOR.fields[0]
    names = [P, f"{P}/subscriptions/known", "eventTypes/known"]
    prefix = st.just(b"")
    if first.type == FieldDescriptor.TYPE_STRING:
        prefix = st.sampled_from(names).map(lambda name: record(first.number, LENGTH, name.encode())) | prefix
    whole = st.tuples(message(method.request.DESCRIPTOR), prefix).map(b"".join)
    cut = st.tuples(whole, st.integers(0, 100)).map(lambda pair: pair[0][: len(pair[0]) * pair[1] // 100])
    return st.one_of(whole, whole, whole, cut)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server that knows an event type and a subscription; after all of this it is well and has no bug to report."""
    path = tmp_path_factory.mktemp("server") / "tidings.db"
    async with running_process(path) as process:
        tenant = Tenant(process.client, "fuzz")
        await tenant.event_type("known")
        await tenant.subscribe("known", url=DEAD_URL)
        before_mib = memory_mib(process)
        yield process
        health: Any = HealthStub(process.client.channel)
        status = (await health.Check(HealthCheckRequest(), timeout=PATIENCE_S)).status
        grown_mib = memory_mib(process) - before_mib
        assert HealthCheckResponse.SERVING == status
        assert grown_mib <= GROWTH_MIB_MAX
        assert 0 == await process.stop()
        assert [] == process.other_output
        assert [] == [line for line in process.log if line["level"] == "error"]


def memory_mib(process: ServerProcess) -> int:
    """Return how much memory a server takes."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process.process.pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) // 1024


async def outcome(channel: grpc.aio.Channel, method: Method, request: bytes) -> grpc.aio.AioRpcError | None:
    """Call a method with bytes, whatever kind it is, and return the error that it ends with."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            if method.is_unary:
                unary: Any = channel.unary_unary(method.path)
                await unary(request)
            elif method.name == "WatchNotifications":
                watch: Any = channel.unary_stream(method.path)
                watching = watch(request)
                await watching.read()
                watching.cancel()
            else:
                stream: Any = channel.stream_stream(method.path)
                async for _ in stream(iter((request,))):
                    pass
    except grpc.aio.AioRpcError as error:
        return error
    return None


@pytest.mark.parametrize("method", CONTRACT.values(), ids=lambda each: each.name)
@settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(data=st.data())
async def test_hostile_request_is_answered_with_a_reason(
    server: ServerProcess, method: Method, data: st.DataObject
) -> None:
    """Or carried out: an unknown field is no fault. Never INTERNAL, never UNKNOWN."""
    request = data.draw(addressed(method))

    error = await outcome(server.client.channel, method, request)

    if error is not None:
        assert error.code() not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), (request, error.details())
        assert error_detail(error, ErrorInfo).reason in list(ErrorReason), (request, error.details())


async def test_every_kind_of_field_of_the_contract_is_made() -> None:
    """A new kind, such as a float, needs hostile values of its own."""
    known = {
        *(FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE),
        *(FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM),
        *(FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64),
    }
    seen: set[str] = set()
    kinds: set[int] = set()
    waiting = [method.request.DESCRIPTOR for method in CONTRACT.values()]
    while waiting:
        kind = waiting.pop()
        if kind.full_name not in seen:
            seen.add(kind.full_name)
            kinds |= {each.type for each in kind.fields}
            waiting += [each.message_type for each in kind.fields if each.message_type is not None]

    assert kinds <= known
