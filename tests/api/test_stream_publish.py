"""StreamPublish as a publisher sees it: one result per item, and a stream that only ends for a reason."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import grpc
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from service.api.drafts import Drafts
from service.api.stream_limits import StreamLimits
from service.api.streaming import WINDOW_BYTES_MAX, WINDOW_ITEMS_MAX, PublishStream
from service.domain.names import Workspace
from service.matching import Matchers
from service.publishing import Publisher
from service.quotas import PublishRates
from service.storage.sqlite import SqliteDatabase
from service.validating import Definitions
from tests.fakes import WORKSPACE, CountingIds, FakeClock, HookedDatabase, backlog_of
from tests.harness import Client, eventually, running_server
from tests.tools import Refusal, Tenant, refusal_of
from tidings.v1.publishing_pb2 import StreamPublishRequest, StreamPublishResponse, StreamPublishResult

PARENT = "organizations/acme/workspaces/main"
PATIENCE_S = 20
PAYLOAD_BYTES_MAX = 1024 * 1024
MEBIBYTE = f'"{"x" * (PAYLOAD_BYTES_MAX - 2)}"'
COUNT_EVENTS = "SELECT count(*) AS count FROM events"

shared = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(tmp_path_factory.mktemp("streaming"), delivery_slots=1) as client:
        await Tenant(client).event_type("a")
        yield client


def item(sequence: int, request_id: str = "", **event: Any) -> dict[str, Any]:
    """Return an item with the type `a` and the payload `{}`, unless it says otherwise."""
    payload = {} if "data" in event or "json_object" in event else {"json": "{}"}
    return {"sequence": sequence, "request_id": request_id, "event": {"event_type": "a", **payload, **event}}


BAD_ITEMS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "empty event": {"event": {}},
    "JSON": item(0, json="{"),
    "unknown type": item(0, event_type="unknown"),
    "reserved type": item(0, event_type="tidings.subscription.suspended"),
    "too large": item(0, json=MEBIBYTE),
    "number": item(0, json_object={"n": 2.0**53}),
    "request_id": item(0, request_id="a b"),
    "used request_id": item(0, request_id="used", subject="another"),
    "attributes": item(0, attributes={"ключ": "x" * 2000}),
    "source": item(0, source="\n"),
    "time": item(0, occur_time={"seconds": 2**62}),
    "long type": item(0, event_type="x" * 4096),
}


def message(*items: dict[str, Any], parent: str = "") -> StreamPublishRequest:
    """Return one message of a stream."""
    return StreamPublishRequest(parent=parent, items=items)  # type: ignore[arg-type]


async def responses_to(tenant: Tenant, *messages: StreamPublishRequest) -> list[StreamPublishResponse]:
    """Send messages, then half-close; return all responses."""
    stream: Any = tenant.client.publishing.StreamPublish(iter(messages), timeout=PATIENCE_S)
    return [response async for response in stream]


async def results_of(tenant: Tenant, *messages: StreamPublishRequest) -> dict[int, StreamPublishResult]:
    """Send messages, then half-close; return the results by sequence, having checked that there is one for each."""
    results = [each for response in await responses_to(tenant, *messages) for each in response.results]
    by_sequence = {each.sequence: each for each in results}
    assert len(results) == len(by_sequence) == sum(len(each.items) for each in messages)
    return by_sequence


async def refused_after(tenant: Tenant, *messages: StreamPublishRequest) -> tuple[list[StreamPublishResult], Refusal]:
    """Send messages; return the results before the stream's error, and the error."""
    results: list[StreamPublishResult] = []

    async def read() -> None:
        stream: Any = tenant.client.publishing.StreamPublish(iter(messages), timeout=PATIENCE_S)
        async for response in stream:
            results.extend(response.results)

    return results, await refusal_of(read())


@shared
async def test_every_item_gets_the_result_that_publish_would_give(tenant: Tenant) -> None:
    """With its own sequence, whatever number that is."""
    await tenant.subscribe(attribute_filters={"team": "support"})

    results = await results_of(
        tenant,
        message(item(7, json='{"n":1}', attributes={"team": "support"}), parent=tenant.parent),
        message(item(-(2**63), json='{"n":2}'), item(2**63 - 1, json_object={"n": 3.0}), parent=tenant.parent),
        message(),
        message(item(0, data=b"\xff", content_type="image/png")),
    )

    found = {sequence: (await tenant.call("GetEvent", name=result.event)).event for sequence, result in results.items()}
    assert {7: '{"n":1}', -(2**63): '{"n":2}', 2**63 - 1: '{"n":3}', 0: ""} == {k: v.json for k, v in found.items()}
    assert b"\xff" == found[0].data
    assert {7: 1, -(2**63): 0, 2**63 - 1: 0, 0: 0} == {k: v.matched_count for k, v in results.items()}
    assert 4 == len(await tenant.events())
    assert not any(result.HasField("error") or result.deduplicated for result in results.values())


@shared
async def test_stream_without_items_ends_well(tenant: Tenant) -> None:
    """Also one without a message, which never says whose it is."""
    assert [] == await responses_to(tenant)
    assert [] == await responses_to(tenant, message(parent=tenant.parent), message())


@shared
@pytest.mark.parametrize("bad", BAD_ITEMS.values(), ids=list(BAD_ITEMS))
async def test_bad_item_gets_the_error_of_publish_and_the_stream_goes_on(tenant: Tenant, bad: dict[str, Any]) -> None:
    """Code, reason and message are those of the single call."""
    await tenant.publish("a", request_id="used")
    bad = {**bad, "sequence": 2}
    as_publish = {key: value for key, value in bad.items() if key != "sequence"}

    results = await results_of(tenant, message(item(1), bad, item(3), parent=tenant.parent), message(item(4)))
    refusal = await refusal_of(tenant.call("Publish", parent=tenant.parent, **as_publish))

    assert {1: False, 2: True, 3: False, 4: False} == {k: v.HasField("error") for k, v in results.items()}
    error = results[2].error
    codes = {code.value[0]: code.name for code in grpc.StatusCode}
    assert (refusal.code, refusal.reason, refusal.message) == (codes[error.code], error.reason, error.message)
    assert ("", 0, False) == (results[2].event, results[2].matched_count, results[2].deduplicated)
    assert 4 == len(await tenant.events())


@shared
async def test_result_has_the_violations_of_a_schema_that_only_warns(tenant: Tenant) -> None:
    """The event is accepted; where the schema is enforced, the same payload is an error of its item."""
    schema = {"json_schema": '{"required": ["n"]}'}
    warned = await tenant.event_type(**schema, schema_enforcement="SCHEMA_ENFORCEMENT_WARN")
    refused = await tenant.event_type(**schema)

    results = await results_of(
        tenant, message(item(1, event_type=warned), item(2, event_type=refused), parent=tenant.parent)
    )

    assert [[""], []] == [[each.instance_path for each in results[n].schema_violations] for n in (1, 2)]
    assert '"n" is a required property' == results[1].schema_violations[0].message
    assert ("", "PAYLOAD_SCHEMA_MISMATCH") == (results[1].error.reason, results[2].error.reason)
    assert [results[1].event] == [event.name for event in await tenant.events()]


@shared
async def test_same_request_id_is_accepted_once(tenant: Tenant) -> None:
    """Within a message, a stream, and after a Publish; the results name the first event."""
    first = await tenant.publish("a", request_id="r-1")

    twice = [item(1, "r-1"), item(2, "r-2"), item(3, "r-2")]
    results = await results_of(tenant, message(*twice, parent=tenant.parent), message(item(4, "r-2")))
    again = await results_of(tenant, message(item(5, "r-2"), parent=tenant.parent))

    assert (first.event.name, True) == (results[1].event, results[1].deduplicated)
    assert [False, True, True] == sorted(results[each].deduplicated for each in (2, 3, 4))
    assert 1 == len({results[2].event, results[3].event, results[4].event, again[5].event})
    assert again[5].deduplicated
    assert 2 == len(await tenant.events())


@shared
@pytest.mark.parametrize(
    ("messages", "field", "words", "answered"),
    [
        ([message(item(1))], "parent", "is required", 0),
        ([message(), message(item(1), parent=PARENT)], "parent", "is required", 0),
        ([message(item(1), parent="organizations/a")], "parent", 'got "organizations/a"', 0),
        ([message(item(1), parent=PARENT), message(parent=f"{PARENT}x")], "parent", "empty or equal", 1),
        (
            [message(item(1), parent=PARENT), message(*[item(2)] * 1001)],
            "items",
            "at most 1000 in one message; got 1001",
            1,
        ),
        ([message(item(1), parent=PARENT), message(*[item(2, data=bytes(2**20))] * 4)], "request", "4,194,304", 1),
    ],
    ids=["no parent", "late parent", "bad parent", "other parent", "items", "bytes"],
)
async def test_bad_message_ends_the_stream_after_the_results_so_far(
    client: Client, messages: Sequence[StreamPublishRequest], field: str, words: str, answered: int
) -> None:
    """The items before it are answered; nothing of the message itself is accepted."""
    tenant = Tenant(client, "main")
    before = len(await tenant.events())

    results, refusal = await refused_after(tenant, *messages)

    assert ("INVALID_ARGUMENT", field) == (refusal.code, refusal.field)
    assert words in refusal.message
    assert [1] * answered == [each.sequence for each in results if each.event]
    assert before + answered == len(await tenant.events())


@shared
async def test_results_that_are_ready_share_a_message(tenant: Tenant) -> None:
    """A thousand items share commits, and so do their results."""
    responses = await responses_to(tenant, message(*map(item, range(1000)), parent=tenant.parent))

    assert set(range(1000)) == {result.sequence for response in responses for result in response.results}
    assert len(responses) < 1000 / 2
    assert max(response.ByteSize() for response in responses) < 1024 * 1024


@shared
async def test_results_with_long_messages_still_fit(tenant: Tenant) -> None:
    """Every message is below what clients take, although each error is as long as one can be."""
    bad = [item(number, event_type="\x01" * 4_000) for number in range(1000)]

    responses = await responses_to(tenant, message(*bad, parent=tenant.parent))

    assert 1000 == sum(len(response.results) for response in responses)
    assert max(response.ByteSize() for response in responses) < 1024 * 1024


@shared
async def test_client_that_leaves_ends_its_stream_quietly(tenant: Tenant) -> None:
    """No task of it is left, nothing is logged as a failure, and what was being committed is committed or not there."""
    with capture_logs() as log:
        stream: Any = tenant.client.publishing.StreamPublish()
        await stream.write(message(*map(item, range(500)), parent=tenant.parent))
        await stream.read()
        stream.cancel()

        await eventually(lambda: any(each["event"] == "rpc.finished" for each in log))
        await eventually(lambda: not any("PublishStream" in repr(task) for task in asyncio.all_tasks()))

    [line] = [each for each in log if each["event"] == "rpc.finished"]
    assert ("CANCELLED", "info") == (line["code"], line["log_level"])
    assert [] == [each for each in log if each["log_level"] == "error"]


# --- the stream itself, over a database that the test holds up


class Stream:
    """A PublishStream with real storage, whose messages are counted as they are read."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = HookedDatabase(database)
        self.draining = asyncio.Event()
        self.limits = StreamLimits()
        self.read = 0
        self.clock = clock = FakeClock()
        self.rates = PublishRates(clock=clock, events_per_second=1e9, bytes_per_second=1e12)
        ids = CountingIds()
        self._publisher = Publisher(
            self.database,
            Matchers(self.database, clock=clock, workspaces_max=10),
            Definitions(self.database),
            backlog=backlog_of(self.database, clock),
            clock=clock,
            ids=ids,
            on_accepted=lambda _: None,
            allow_unknown_event_types=True,
        )
        self._ids = ids

    def responses(self, messages: AsyncIterator[StreamPublishRequest]) -> Any:
        """Return the responses to messages, for one iteration."""
        return PublishStream(
            self._counted(messages),
            publisher=self._publisher,
            drafts=Drafts(PAYLOAD_BYTES_MAX),
            draining=self.draining,
            rates=self.rates,
            limits=self.limits,
            ids=self._ids,
            linger_s=0.01,
        ).responses()

    async def settled(self) -> int:
        """Let everything run that can, and return how many messages were read."""
        quiet = 0
        while quiet < 100:
            before = self.read
            await self.database.read(lambda tx: tx.rows(COUNT_EVENTS))
            quiet = quiet + 1 if self.read == before else 0
        return self.read

    async def _counted(self, messages: AsyncIterator[StreamPublishRequest]) -> AsyncIterator[StreamPublishRequest]:
        async for each in messages:
            self.read += 1
            yield each


@pytest.fixture
def stream(database: SqliteDatabase) -> Stream:
    """A stream over a database of its own."""
    return Stream(database)


async def endless(*, is_bad: bool = False, **event: Any) -> AsyncIterator[StreamPublishRequest]:
    """Yield messages of one item for ever."""
    sequence = 0
    while True:
        sequence += 1
        yield message(item(sequence, source="\n" if is_bad else "", **event), parent=PARENT)
        await asyncio.sleep(0)


async def then_silent(*messages: StreamPublishRequest) -> AsyncIterator[StreamPublishRequest]:
    """Yield messages, then neither more nor the end."""
    for each in messages:
        yield each
    await asyncio.Event().wait()


async def then_end(*messages: StreamPublishRequest) -> AsyncIterator[StreamPublishRequest]:
    """Yield messages, then the end."""
    for each in messages:
        yield each


@pytest.mark.parametrize("is_bad", [False, True], ids=["good items", "bad items"])
async def test_client_that_does_not_read_its_results_is_not_read(stream: Stream, is_bad: bool) -> None:
    """What a stream holds does not depend on how much its client sends."""
    async with aclosing(stream.responses(endless(is_bad=is_bad))) as responses:
        first = await anext(responses)
        stalled_at = await stream.settled()
        # One more is in the reader's hand.
        assert stalled_at == WINDOW_ITEMS_MAX + 1

        answered = len(first.results)
        while answered <= 2 * WINDOW_ITEMS_MAX:
            answered += len((await anext(responses)).results)
        assert stalled_at < await stream.settled() <= answered + WINDOW_ITEMS_MAX + 1


async def test_payloads_under_way_are_bounded_in_bytes(stream: Stream) -> None:
    """However few items they are."""
    gate = asyncio.Event()
    stream.database.before_write = lambda: _passed(gate)
    async with aclosing(stream.responses(endless(json=MEBIBYTE))) as responses:
        waiting = asyncio.ensure_future(anext(responses))
        read = await stream.settled()
        gate.set()
        response = await waiting

    assert WINDOW_BYTES_MAX // PAYLOAD_BYTES_MAX == read
    assert not response.results[0].HasField("error")


async def test_streams_share_what_may_be_under_way(stream: Stream) -> None:
    """One that holds all of it keeps the others waiting, and they go on as soon as its items are committed."""
    stream.limits = StreamLimits(items_max=10)
    gate = asyncio.Event()
    stream.database.before_write = lambda: _passed(gate)
    one, other = stream.responses(endless()), stream.responses(then_end(message(item(1), parent=PARENT)))
    async with aclosing(one), aclosing(other):
        first = asyncio.ensure_future(anext(one))
        read = await stream.settled()
        second = asyncio.ensure_future(anext(other))
        assert await stream.settled() == read + 1 == 12
        assert not first.done()

        gate.set()

        assert not (await first).results[0].HasField("error")
        assert [1] == [each.sequence for each in (await second).results]


async def test_streams_that_are_closed_give_back_what_they_held_and_no_more(stream: Stream) -> None:
    """One with its items under way, and one that waits for room; then as much is free as before, to the item."""
    stream.limits = StreamLimits(items_max=10)
    gate = asyncio.Event()
    stream.database.before_write = lambda: _passed(gate)
    one, other = stream.responses(endless()), stream.responses(then_end(message(item(1), parent=PARENT)))
    async with aclosing(one), aclosing(other):
        waiting = [asyncio.ensure_future(anext(each)) for each in (one, other)]
        await stream.settled()
        for each in reversed(waiting):
            each.cancel()
            await asyncio.wait([each])

    async with asyncio.timeout(PATIENCE_S):
        for _ in range(10):
            await stream.limits.take(WORKSPACE, 1)
    one_more = asyncio.ensure_future(stream.limits.take(WORKSPACE, 1))
    await stream.settled()
    assert not one_more.done()
    stream.limits.give_back(WORKSPACE, 1)
    await one_more


async def test_workspace_that_is_full_waits_by_itself() -> None:
    """The others go on, and one that gives up waiting leaves the room as it was."""
    other = Workspace("acme", "other")
    limits = StreamLimits(items_max=3, workspace_items_max=2)
    for _ in range(2):
        await limits.take(WORKSPACE, 1)
    impatient, patient = (asyncio.ensure_future(limits.take(WORKSPACE, 1)) for _ in range(2))

    async with asyncio.timeout(PATIENCE_S):
        await limits.take(other, 1)
        impatient.cancel()
        await asyncio.wait([impatient])
        assert not patient.done()
        limits.give_back(other, 1)
        limits.give_back(WORKSPACE, 1)
        await patient
        await limits.take(other, 1)


async def test_bug_costs_its_item_only_and_is_logged_once(stream: Stream) -> None:
    """The client gets a call id, the log gets it with the traceback."""

    async def fail_once() -> None:
        stream.database.before_write = None
        raise RuntimeError("password hunter2")

    stream.database.before_write = fail_once
    with capture_logs() as log:
        async with aclosing(stream.responses(then_end(message(item(1), parent=PARENT), message(item(2))))) as responses:
            results = {each.sequence: each async for response in responses for each in response.results}

    [failed] = [each for each in results.values() if each.HasField("error")]
    [line] = log
    assert {1, 2} == results.keys()
    assert ("rpc.item_failed", "error") == (line["event"], line["log_level"])
    assert "password hunter2" == str(line["exc_info"])
    expected = f"internal error; the server's log has it under call_id {line['call_id']}"
    assert (13, "", expected) == (failed.error.code, failed.error.reason, failed.error.message)


async def test_cancelled_inner_work_is_a_failure_of_its_item(stream: Stream) -> None:
    """An item is never left without a result while the stream lives."""

    async def cancel_once() -> None:
        stream.database.before_write = None
        raise asyncio.CancelledError

    stream.database.before_write = cancel_once
    with capture_logs() as log:
        async with aclosing(stream.responses(then_end(message(item(1), item(2), parent=PARENT)))) as responses:
            results = {each.sequence: each async for response in responses for each in response.results}

    assert [13] == [each.error.code for each in results.values() if each.HasField("error")]
    assert {1, 2} == results.keys()
    assert 1 == len(log)


async def test_database_that_does_not_answer_is_an_error_of_each_item(stream: Stream) -> None:
    """The client sends those again, with the same request_ids."""
    stream.database.refused_writes = 1
    async with aclosing(stream.responses(then_end(message(item(1), item(2), parent=PARENT)))) as responses:
        results = [each async for response in responses for each in response.results]

    assert ["", "STORAGE_UNAVAILABLE"] == sorted(each.error.reason for each in results)
    assert [0, 14] == sorted(each.error.code for each in results)


async def test_draining_is_told_at_once_and_what_was_taken_is_answered(stream: Stream) -> None:
    """Nothing more is read, and the stream ends without the client's doing."""
    gate = asyncio.Event()
    stream.database.before_write = lambda: _passed(gate)
    async with aclosing(stream.responses(then_silent(message(item(1), item(2), parent=PARENT)))) as responses:
        waiting = asyncio.ensure_future(anext(responses))
        await stream.settled()
        stream.draining.set()
        first = await waiting
        gate.set()
        rest = [response async for response in responses]

    assert first.draining
    assert [] == list(first.results)
    assert [1, 2] == sorted(each.sequence for response in rest for each in response.results)
    assert not any(response.draining for response in rest)


async def test_draining_does_not_wait_for_a_client_that_sends_on(stream: Stream) -> None:
    """Every item that was taken has its result; the others have none, nor are they accepted."""
    results: list[StreamPublishResult] = []
    async with aclosing(stream.responses(endless())) as responses:
        async for response in responses:
            results += response.results
            if len(results) > WINDOW_ITEMS_MAX:
                stream.draining.set()

    stored = await stream.database.read(lambda tx: tx.rows(COUNT_EVENTS)[0]["count"])
    assert len(results) == stored
    assert list(range(1, stored + 1)) == sorted(each.sequence for each in results)
    assert stored < stream.read


async def test_draining_does_not_wait_for_a_stream_that_is_slowed_down(stream: Stream) -> None:
    """Items whose time had not come have no result and are not accepted, however long they would have taken."""
    stream.rates = PublishRates(clock=stream.clock, events_per_second=3, bytes_per_second=1e12)
    results: list[StreamPublishResult] = []
    async with aclosing(stream.responses(then_silent(message(*map(item, range(500)), parent=PARENT)))) as responses:
        async for response in responses:
            results += response.results
            # The burst of 2 s, and then the clock stands still.
            if len(results) == 6:
                await stream.settled()
                stream.draining.set()

    stored = await stream.database.read(lambda tx: tx.rows(COUNT_EVENTS)[0]["count"])
    assert 6 == len(results) == stored


async def test_closed_stream_leaves_no_task_and_its_commits_are_whole(stream: Stream) -> None:
    """As when the client goes away between two results."""
    before = asyncio.all_tasks()
    async with aclosing(stream.responses(endless())) as responses:
        await anext(responses)

    assert before == asyncio.all_tasks()


async def _passed(gate: asyncio.Event) -> None:
    await gate.wait()
