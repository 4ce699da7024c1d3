"""Why subscriptions match or do not: in the same words for each of them, and in agreement with what a publish does."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.errors import EventTypeUnknown, ResourceNotFound
from service.domain.model import ApiKey, Event, Format, SignatureScheme, Subscription, SuspendReason, Suspension
from service.domain.names import OPERATIONAL_EVENT_TYPES
from service.domain.requests import request_of
from service.explaining import DECISIONS_MAX, PREVIEW_BODY_BYTES_MAX, Decision, Explainer, Explanation, Reason
from service.matching import Matchers
from service.publishing import EventDraft, Publisher
from service.storage import subscriptions, workspaces
from service.storage.database import Database, FatalStorageError, Transaction
from service.storage.sqlite import SqliteDatabase
from service.storage.subscriptions import Rule
from service.turns import Turns
from service.validating import Definitions
from tests.fakes import (
    NOW_MS,
    WORKSPACE,
    CountingIds,
    FakeClock,
    backlog_of,
    event_of,
    subscribe,
    subscription_of,
    unsubscribe,
    wants,
)

SELECT_OWED: Final = "SELECT subscription_id FROM notifications ORDER BY subscription_id LIMIT 100"
EVENT: Final = event_of(event_type="agent.created", attributes={"team": "support"}, payload=b'{"n": 1}')


def explainer_of(database: Database, *, allow_unknown: bool = True, cpu_step_s: float = 0.0) -> Explainer:
    """Return an explainer on a clock that stands still, and a CPU clock that goes on by this step at each look."""
    cpu = [0.0]

    def cpu_s() -> float:
        cpu[0] += cpu_step_s
        return cpu[0]

    return Explainer(
        database,
        Definitions(database),
        clock=FakeClock(),
        rng=Random(4711),
        allow_unknown_event_types=allow_unknown,
        turns=Turns(cpu_s),
    )


async def explain(
    database: Database, event: Event = EVENT, *, candidate: Subscription | None = None, preview: str = ""
) -> Explanation:
    """Explain an event in a deployment where every event type is known."""
    return await explainer_of(database).explain(WORKSPACE, event, candidate=candidate, preview_subscription=preview)


def candidate_of(**changes: Any) -> Subscription:
    """Return a subscription that is not saved."""
    return subscription_of("", signing_keys=(), **changes)


SUSPENDED: Final = Suspension(NOW_MS, SuspendReason.GONE)


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({}, Reason.MATCHED, 'its pattern "*" matches "agent.created"'),
        (
            {"event_types": ("b", "agent.*"), "attribute_filters": {"team": "support"}, "filter": "event.data.n == 1"},
            Reason.MATCHED,
            'its pattern "agent.*" matches "agent.created"; its 1 attribute filters hold; its filter is true',
        ),
        (
            {"suspension": SUSPENDED},
            Reason.MATCHED,
            'its pattern "*" matches "agent.created"; it is SUSPENDED, so the notification is held until it is resumed',
        ),
        ({"enabled": False, "event_types": ("b",)}, Reason.DISABLED, "enabled is false"),
        ({"enabled": False, "suspension": SUSPENDED}, Reason.DISABLED, "enabled is false"),
        (
            {"event_types": ("b", "agent"), "attribute_filters": {"team": "x"}},
            Reason.EVENT_TYPE,
            'none of its patterns matches "agent.created": "b", "agent"',
        ),
        (
            {"attribute_filters": {"team": "sales"}, "filter": "false"},
            Reason.ATTRIBUTE,
            'the event\'s attribute "team" is "support", and must be "sales"',
        ),
        (
            {"attribute_filters": {"team": "support", "region": "eu"}},
            Reason.ATTRIBUTE,
            'the event has no attribute "region", which must be "eu"',
        ),
        (
            {"filter": "event.data.n > 1"},
            Reason.FILTER_FALSE,
            'its filter is false for this event: "event.data.n > 1"',
        ),
        (
            {"filter": "event.data.m > 1"},
            Reason.FILTER_ERROR,
            'its filter failed: there is no key "m"; has(), or "m" in, asks whether there is one',
        ),
        (
            {"filter": "event.context.n == 1"},
            Reason.FILTER_ERROR,
            "its filter failed: a field is asked of what is no object",
        ),
        (
            {"filter": "event.data.n"},
            Reason.FILTER_ERROR,
            "its filter failed: its value is neither true nor false, but of type INT",
        ),
        (
            {"filter": "true", "filter_is_shut": True},
            Reason.FILTER_TOO_SLOW,
            "its filter took over 20 ms and is shut until the subscription is updated",
        ),
    ],
)
async def test_decision_has_the_first_reason_that_applies_and_the_values_compared(
    database: SqliteDatabase, changes: Mapping[str, Any], reason: Reason, detail: str
) -> None:
    """The same for a saved subscription and for one that is not saved."""
    await subscribe(database, subscription_of("s", **changes))

    decisions = (await explain(database, candidate=candidate_of(**changes))).decisions

    assert (Decision("", reason, detail), Decision(WORKSPACE.subscription("s"), reason, detail)) == decisions
    assert [reason is Reason.MATCHED] * 2 == [each.matched for each in decisions]


async def test_slow_filter_is_told_and_not_shut(database: SqliteDatabase) -> None:
    await subscribe(database, subscription_of("s", filter="event.data.n == 1"))
    slow = explainer_of(database, cpu_step_s=1.0)

    [decision] = (await slow.explain(WORKSPACE, EVENT, candidate=None, preview_subscription="")).decisions

    assert Reason.FILTER_TOO_SLOW is decision.reason
    found = await database.read(lambda tx: subscriptions.find(tx, WORKSPACE, "s"))
    assert found is not None
    assert (False, 1) == (found.filter_is_shut, found.revision)


async def test_detail_is_short_and_printable_whatever_is_compared(database: SqliteDatabase) -> None:
    hostile = "\u202e\x07" * 300
    patterns = tuple(f"b{number}" * 20 for number in range(50))
    await subscribe(
        database,
        subscription_of("a", attribute_filters={"team": hostile}),
        subscription_of("b", event_types=patterns),
        subscription_of("c", filter="event.data == " + "'\u202e" + "x" * 900 + "'"),
    )

    decisions = (await explain(database, replace(EVENT, attributes={"team": hostile[1:]}))).decisions

    assert [Reason.ATTRIBUTE, Reason.EVENT_TYPE, Reason.FILTER_FALSE] == [each.reason for each in decisions]
    for each in decisions:
        assert len(each.detail) <= 300
        assert each.detail.isascii()
        assert each.detail.isprintable()


async def test_deleted_subscription_and_those_of_other_workspaces_are_not_told_of(database: SqliteDatabase) -> None:
    other = replace(WORKSPACE, workspace="other")
    await subscribe(database, subscription_of("a"), subscription_of("b"), subscription_of("c", workspace=other))
    await unsubscribe(database, "a")

    assert [WORKSPACE.subscription("b")] == [each.subscription for each in (await explain(database)).decisions]
    with pytest.raises(ResourceNotFound):
        await explain(database, preview="a")
    with pytest.raises(ResourceNotFound):
        await explain(database, preview="c")


async def test_more_subscriptions_than_are_shown_are_told_of(database: SqliteDatabase) -> None:
    """And the one that is previewed is shown wherever it stands."""

    def work(tx: Transaction) -> None:
        for number in range(DECISIONS_MAX + 2):
            revision = workspaces.bump_revision(tx, WORKSPACE.key)
            subscriptions.insert(tx, subscription_of(f"s{number:04}", revision=revision))

    await database.write(work)

    shown = await explain(database, preview="s0000")
    beyond = await explain(database, preview=f"s{DECISIONS_MAX + 1}")

    ids = [each.subscription.rpartition("/")[2] for each in beyond.decisions]
    assert [f"s{number:04}" for number in (*range(DECISIONS_MAX), DECISIONS_MAX + 1)] == ids
    assert (DECISIONS_MAX, True, True) == (len(shown.decisions), shown.decisions_truncated, beyond.decisions_truncated)


async def test_event_type_must_be_known_unless_tidings_itself_publishes_it(database: SqliteDatabase) -> None:
    strict = explainer_of(database, allow_unknown=False)

    with pytest.raises(EventTypeUnknown) as caught:
        await strict.explain(WORKSPACE, EVENT, candidate=None, preview_subscription="")
    assert "event.event_type" == caught.value.field
    for event_type in sorted(OPERATIONAL_EVENT_TYPES):
        explained = await strict.explain(
            WORKSPACE,
            replace(EVENT, event_type=event_type),
            candidate=candidate_of(event_types=("tidings.*",)),
            preview_subscription="",
        )
        assert [True] == [each.matched for each in explained.decisions]


async def test_preview_is_the_request_without_its_secrets(database: SqliteDatabase) -> None:
    """Whether it matches or not: signed by a key of the scheme's form that is not the subscription's."""
    saved = subscription_of("s", enabled=False, headers={"x-tenant": "t"}, api_key=ApiKey("X-API-Key", "hunter22"))
    await subscribe(database, saved)
    sent = request_of(EVENT, saved, saved.signing_keys, attempt_number=1, timestamp_s=NOW_MS // 1000)

    preview = (await explain(database, preview="s")).preview

    assert preview is not None
    assert (sent.url, sent.body, False) == (preview.url, preview.body, preview.body_truncated)
    shown, real = dict(preview.headers), dict(sent.headers)
    assert {"x-tenant", "X-API-Key", "webhook-signature"} == {name for name in real if real[name] != shown[name]}
    assert ["[redacted]"] * 2 == [shown["X-API-Key"], shown["x-tenant"]]
    assert shown["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize("scheme", SignatureScheme)
async def test_every_scheme_can_be_previewed(database: SqliteDatabase, scheme: SignatureScheme) -> None:
    explained = await explain(database, candidate=candidate_of(signature_scheme=scheme))

    assert explained.candidate_preview is not None
    assert "webhook-id" in dict(explained.candidate_preview.headers)


async def test_body_of_a_preview_is_cut_at_64_kib(database: SqliteDatabase) -> None:
    largest = replace(EVENT, payload=b'"' + b"x" * (PREVIEW_BODY_BYTES_MAX - 2) + b'"')
    larger = replace(EVENT, payload=largest.payload + b" ")

    previews = [
        (await explain(database, each, candidate=candidate_of(format=Format.RAW))).candidate_preview
        for each in (largest, larger)
    ]

    assert [(largest.payload, False), (largest.payload, True)] == [
        (each.body, each.body_truncated) for each in previews if each is not None
    ]


async def test_event_that_does_not_fit_the_format_has_no_preview_and_says_so(database: SqliteDatabase) -> None:
    """It matches all the same, as in a publish, where the notification fails at once."""
    explained = await explain(database, candidate=candidate_of(format=Format.EVENT_CODE))

    [decision] = explained.decisions
    assert (True, None) == (decision.matched, explained.candidate_preview)
    assert "FORMAT_NOT_APPLICABLE" in decision.detail


# --- all say the same: the naive rule, the matcher, ExplainPublish, and what a publish makes

SEGMENTS = st.sampled_from(["a", "b"])
EVENT_TYPES = st.lists(SEGMENTS, min_size=1, max_size=3).map(".".join)
PATTERNS = st.lists(SEGMENTS | st.just("*"), min_size=1, max_size=3).map(".".join)
ATTRIBUTES = st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"))
FILTERS = st.sampled_from(
    [
        "",
        "event.data.n > 1",
        "event.data.n",
        "event.attributes.x == '1'",
        "event.data.l.exists(i, i == event.data.n)",
        "!has(event.data.l) || event.type.startsWith('a')",
        "event.data.l.all(i, i > 0) && event.data.n != 0",
    ]
)
SUBSCRIPTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "event_types": st.lists(PATTERNS, min_size=1, max_size=3).map(tuple),
            "attribute_filters": ATTRIBUTES,
            "filter": FILTERS,
            "enabled": st.sampled_from([True, True, True, False]),
            "suspension": st.sampled_from([None, None, SUSPENDED]),
        }
    ),
    max_size=8,
)
EVENTS = st.builds(
    lambda event_type, attributes, payload: {
        "event_type": event_type,
        "attributes": attributes,
        "payload": payload,
    },
    EVENT_TYPES,
    ATTRIBUTES,
    st.sampled_from([b'{"n": 1}', b'{"n": 2, "l": [1, 2]}', b'{"n": true, "l": []}', b"[1]", b'{"n": 0, "l": ["z"]}']),
)


@settings(max_examples=40, deadline=None)
@given(wanted=SUBSCRIPTIONS, said=EVENTS)
def test_explain_matcher_rule_and_publish_agree(wanted: Sequence[Mapping[str, Any]], said: Mapping[str, Any]) -> None:
    """Over patterns, attribute filters, CEL filters, disabled and suspended subscriptions, on a real database."""
    asyncio.run(_check_agreement([subscription_of(f"s{index}", **each) for index, each in enumerate(wanted)], said))


async def _check_agreement(wanted: Sequence[Subscription], said: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        database = SqliteDatabase.open(Path(directory) / "tidings.db", on_fatal=_fail)
        try:
            await subscribe(database, *wanted)
            event = event_of(**said)
            naive = [each.id for each in wanted if wants(Rule.of(each), event)]
            matcher = await Matchers(database, clock=FakeClock(), workspaces_max=1).loaded(WORKSPACE)
            [matched] = await matcher.match([event])
            explained = (await explain(database, event)).decisions
            owed = await _published(database, said)
        finally:
            await database.close()

    assert naive == sorted(rule.id for rule in matched)
    assert naive == [each.subscription.rpartition("/")[2] for each in explained if each.matched]
    assert naive == owed
    assert [each.name for each in wanted] == [each.subscription for each in explained]


def _fail(error: FatalStorageError) -> None:
    raise error


async def _published(database: Database, said: Mapping[str, Any]) -> list[str]:
    """Publish an event and return which subscriptions have a notification of it."""
    publisher = Publisher(
        database,
        Matchers(database, clock=FakeClock(), workspaces_max=1),
        Definitions(database),
        backlog=backlog_of(database, FakeClock()),
        clock=FakeClock(),
        ids=CountingIds(),
        on_accepted=lambda _: None,
        allow_unknown_event_types=True,
    )
    draft = EventDraft(
        source="",
        subject="",
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=None,
        event_id=None,
        request_id=None,
        **said,
    )
    [published] = await publisher.publish(WORKSPACE, [draft])
    rows = await database.read(lambda tx: tx.rows(SELECT_OWED))
    assert len(rows) == published.event.matched_count
    return [row["subscription_id"] for row in rows]
