"""Filters that are made to hold up the server: each is refused, stopped or bounded, and others publish meanwhile."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import Client, running_server
from tests.tools import Tenant, new_id, refusal_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a hostile filter may cost the whole process, at most: generous, for machines are slow and tests run side by side.
# Without the bounds the worst of these take minutes and gigabytes.
CPU_MAX_S = 4.0
MEMORY_GROWTH_MAX_MIB = 200
PAYLOAD_BYTES_MAX = 64 * 1024

NUMBERS = json.dumps([1] * 21_000)
LETTERS = json.dumps(("ab" * 7 + "a") * 4_300)
OBJECTS = json.dumps([{"a": number} for number in range(4_000)])
MAP = json.dumps({f"k{number}": number for number in range(4_000)})
DEEP = "[" * 90 + NUMBERS + "]" * 90


def repeated(text: str, separator: str, bytes_max: int) -> str:
    """Return a text repeated as often as a filter may be long."""
    return separator.join([text] * ((bytes_max + len(separator)) // (len(text) + len(separator))))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that the tests of this module share."""
    async with running_server(tmp_path_factory.mktemp("hostile"), delivery_slots=1) as client:
        await Tenant(client).event_type("a")
        yield client


@pytest.mark.parametrize(
    ("filter", "payload"),
    [
        pytest.param("event.data.all(x, !(2 in event.data))", NUMBERS, id="a search in each turn"),
        pytest.param("event.data.all(x, event.data == event.data)", NUMBERS, id="a comparison in each turn"),
        pytest.param(
            "event.data.all(x, event.data.all(y, event.data.all(z, event.data.all(w, x == w))))", OBJECTS, id="nested"
        ),
        pytest.param(
            "event.data.exists(x, event.data.exists(y, event.data.exists(z, !(event.data == event.data))))",
            MAP,
            id="nested over a map",
        ),
        pytest.param(repeated("event.data==event.data", "&&", 2_048), DEEP, id="many comparisons without a loop"),
        pytest.param(
            f"event.data.all(x, {repeated('event.data==event.data', '&&', 2_020)})", OBJECTS, id="many in each turn"
        ),
        pytest.param(
            r"event.data.matches(r'(a|b)*a(a|b){30}c') || event.data == 1", LETTERS, id="an exponential pattern"
        ),
        pytest.param(r"event.data.matches(r'^(a+)+(ab?)+$') || event.data == 1", LETTERS, id="a backtracking pattern"),
        pytest.param(repeated("event.data.size()>=0", "&&", 2_048), LETTERS, id="many lengths"),
        pytest.param(
            f"event.data.all(x, {repeated('[1,2,3,4,5,6,7,8,9]!=[]', '&&', 2_020)})", NUMBERS, id="lists in each turn"
        ),
        pytest.param(
            "event.data.all(x, " * 12 + "event.data == event.data" + ")" * 12, OBJECTS, id="twelve loops deep"
        ),
    ],
)
async def test_hostile_filter_is_bounded_in_time_and_memory(client: Client, filter: str, payload: str) -> None:
    """The event is accepted, the filter matches or is shut, and publishes of another workspace go on."""
    assert len(payload) <= PAYLOAD_BYTES_MAX
    hostile, other = Tenant(client), Tenant(client)
    created = await hostile.subscribe(event_types=["a"], filter=filter)
    await other.subscribe(event_types=["a"])
    memory_mib, cpu_s = resident_mib(), time.process_time()

    published, *others = await asyncio.gather(
        hostile.publish("a", json=payload), *(other.publish("a") for _ in range(20))
    )

    assert [1] * 20 == [each.matched_count for each in others]
    assert time.process_time() - cpu_s < CPU_MAX_S
    assert peak_mib_since(memory_mib) < MEMORY_GROWTH_MAX_MIB
    [seen] = await hostile.subscriptions()
    assert (seen.state_reason == "FILTER_TOO_SLOW") <= (published.matched_count == 0)
    assert created.name == seen.name


async def test_filter_that_was_shut_costs_nothing_until_it_is_changed(client: Client) -> None:
    """It is told of in the subscription and by ExplainPublish; an update gives it another chance."""
    tenant = Tenant(client)
    created = await tenant.subscribe(event_types=["a"], filter="event.data.all(x, event.data == event.data)")
    await tenant.publish("a", json=NUMBERS)

    [shut] = await tenant.subscriptions()
    harmless = await tenant.publish("a", json="[]")
    explained = await tenant.call("ExplainPublish", parent=tenant.parent, event={"event_type": "a", "json": "[]"})
    await tenant.call(
        "UpdateSubscription",
        subscription={"name": created.name, "filter": "event.data == []"},
        update_mask={"paths": ["filter"]},
    )
    [updated] = await tenant.subscriptions()
    again = await tenant.publish("a", json="[]")

    assert ("FILTER_TOO_SLOW", "") == (shut.state_reason, updated.state_reason)
    assert shut.etag != created.etag
    assert (0, 1) == (harmless.matched_count, again.matched_count)
    assert ["FILTER_TOO_SLOW"] == [each.reason for each in explained.decisions]


async def test_batch_meets_a_slow_filter_once(client: Client) -> None:
    """Not once for each of its 60 events."""
    tenant = Tenant(client)
    await tenant.subscribe(event_types=["a"], filter="event.data.all(x, event.data == event.data)")
    cpu_s = time.process_time()

    response = await tenant.call(
        "BatchPublish",
        parent=tenant.parent,
        requests=[{"event": {"event_type": "a", "json": NUMBERS}}] * 60,
    )

    assert [0] * 60 == [each.matched_count for each in response.responses]
    # One evaluation with its repetition takes well under 0.1 s; 60 of them would take over 2.4 s by their limits alone.
    assert time.process_time() - cpu_s < 2.4


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param(f"event.data.x + '{'a' * 1_000}' == ''", id="concatenation"),
        pytest.param("event.data.map(x, event.data.map(y, event.data)) == []", id="map"),
        pytest.param("event.data.filter(x, true) == event.data", id="a copy by filter()"),
        pytest.param("[[event.data, event.data]].all(x, [[x, x]].all(y, [[y, y]].all(z, z == z)))", id="doubling"),
        pytest.param("event.data.all(x, {'a': {'b': x}} == {'a': {'b': x}})", id="maps of the event"),
        pytest.param("event.data.pattern.matches(event.data.pattern)", id="a pattern from the event"),
        pytest.param(r"event.id.matches(r'((((a{9}){9}){9}){9})')", id="nested repetitions"),
        pytest.param("event.id.matches(r'" + r"\pL" * 600 + "')", id="many large character classes"),
        pytest.param("event.time.getHours(event.data.zone) == 1", id="time zones from the event"),
        pytest.param(repeated("event.data.contains(event.context)", "||", 2_048), id="searches for texts of the event"),
        pytest.param("{1.5: true}", id="a map that CEL cannot have"),
        pytest.param("(" * 1_000 + "true" + ")" * 1_000, id="deep"),
        pytest.param("[" * 1_000 + "]" * 1_000 + " == []", id="deep lists"),
        pytest.param("event.data" + ".a" * 1_000 + " == 1", id="a long path"),
        pytest.param("true ? " * 300, id="unfinished"),
        pytest.param("'" + "a" * 3_000 + "' == ''", id="a long literal"),
        pytest.param("9" * 400 + " == 1", id="a large number"),
        pytest.param("'a'.format([1]) == '1'", id="an extension"),
        pytest.param("cel.bind(x, 1, x == 1)", id="a binding"),
    ],
)
async def test_filter_that_could_not_be_bounded_is_refused(client: Client, filter: str) -> None:
    """At create, in a second, with its place in the text where it has one."""
    cpu_s = time.process_time()
    refusal = await refusal_of(Tenant(client).subscribe(new_id("h"), event_types=["a"], filter=filter))

    assert ("INVALID_ARGUMENT", "INVALID_FILTER", "subscription.filter") == (
        refusal.code,
        refusal.reason,
        refusal.field,
    )
    assert time.process_time() - cpu_s < 1.0


def resident_mib() -> int:
    """Return the peak of this process's resident memory, which begins anew from now on."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mib()


def peak_mib_since(before: int) -> int:
    """Return by how much the peak has grown."""
    return _peak_mib() - before


def _peak_mib() -> int:
    status: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return int(status["VmHWM"].split()[0]) // 1024
