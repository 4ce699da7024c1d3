"""Accepting events: one transaction, exact matches, and repeated requests recognised."""

import asyncio
import json
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import (
    EventTypeUnknown,
    InvalidField,
    PayloadSchemaMismatch,
    RequestIdReused,
    ResourceExists,
    StorageUnavailable,
)
from service.domain.model import Format, SchemaEnforcement
from service.domain.names import Workspace
from service.matching import Matchers
from service.publishing import EventDraft, Published, Publisher
from service.storage import announcements, event_types, events
from service.storage.database import Database, Row
from service.storage.sqlite import SqliteDatabase
from service.validating import Definitions
from tests.fakes import (
    WORKSPACE,
    CountingIds,
    FakeClock,
    HookedDatabase,
    backlog_of,
    change,
    define,
    listen,
    subscribe,
    subscription_of,
    unsubscribe,
)

EVENT_ID: Final = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"
SELECT_OWED: Final = "SELECT subscription_id FROM notifications WHERE event_id = :event_id ORDER BY subscription_id"
SELECT_NOTIFIED: Final = "SELECT * FROM notifications WHERE event_id = :event_id ORDER BY subscription_id"
NUMBERS: Final = '{"type": "object", "additionalProperties": {"type": "number"}}'
OBJECTS_ONLY: Final = '{"type": "object"}'
COUNT_EVENTS: Final = "SELECT count(*) AS count FROM events"


def draft_of(**changes: Any) -> EventDraft:
    """Return a draft, with a field or two of its own."""
    plain = EventDraft(
        event_type="agent.created",
        source="agents/a-17",
        subject="",
        attributes={},
        payload=b"{}",
        payload_is_json=True,
        content_type="application/json",
        context_json="",
        occur_time_ns=None,
        event_id=None,
        request_id=None,
    )
    return replace(plain, **changes)


class Wakes:
    """Counts how often the dispatcher was woken."""

    def __init__(self) -> None:
        self.count = 0
        self.lanes: list[frozenset[str] | None] = []

    def __call__(self, lanes: frozenset[str] | None) -> None:
        self.count += 1
        self.lanes.append(lanes)


def publisher_of(
    database: Database, *, workspaces_max: int = 10, wakes: Wakes | None = None, **given: Any
) -> Publisher:
    """Return a publisher that knows every event type, unless told otherwise."""
    plain: dict[str, Any] = {
        "backlog": backlog_of(database, FakeClock()),
        "clock": FakeClock(),
        "ids": CountingIds(),
        "on_accepted": wakes or Wakes(),
        "allow_unknown_event_types": True,
    }
    return Publisher(
        database,
        Matchers(database, clock=FakeClock(), workspaces_max=workspaces_max),
        Definitions(database),
        **plain | given,
    )


async def owed(database: SqliteDatabase, published: Published) -> list[str]:
    """Return to which subscriptions an event is owed, once for each notification."""
    rows = await database.read(lambda tx: tx.rows(SELECT_OWED, event_id=published.event.id))
    return [row["subscription_id"] for row in rows]


async def notified(database: SqliteDatabase, published: Published) -> list[Row]:
    """Return the rows of an event's notifications, in the order of the subscriptions' ids."""
    return await database.read(lambda tx: tx.rows(SELECT_NOTIFIED, event_id=published.event.id))


async def events_stored(database: SqliteDatabase) -> int:
    """Return how many events there are."""
    return int((await database.read(lambda tx: tx.rows(COUNT_EVENTS)))[0]["count"])


# --- matching at the moment of the commit


async def test_event_is_owed_to_the_subscriptions_that_match(database: SqliteDatabase) -> None:
    """And the dispatcher is woken once for the whole batch."""
    await subscribe(
        database,
        subscription_of("all"),
        subscription_of("channels", event_types=("channel.*",)),
        subscription_of("support", attribute_filters={"team": "support"}),
        subscription_of("off", enabled=False),
    )
    wakes = Wakes()

    published = await publisher_of(database, wakes=wakes).publish(
        WORKSPACE,
        [draft_of(), draft_of(event_type="channel.lost"), draft_of(attributes={"team": "support"})],
    )

    assert [["all"], ["all", "channels"], ["all", "support"]] == [await owed(database, each) for each in published]
    assert [1, 2, 2] == [each.event.matched_count for each in published]
    assert 1 == wakes.count


async def test_first_publish_of_a_workspace_writes_once(database: SqliteDatabase) -> None:
    """A matcher that was never loaded is loaded first, for a stale try costs a turn of the writer."""
    await subscribe(database, subscription_of("a"))
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked)

    for _ in range(2):
        await publisher.publish(WORKSPACE, [draft_of()])
    await publisher.publish(Workspace("acme", "empty"), [draft_of()])

    assert 3 == hooked.writes


async def test_publishes_that_find_nothing_loaded_share_one_read_of_each_kind(database: SqliteDatabase) -> None:
    """After a restart many come at once, and each load reads every rule of the workspace, or an event type."""
    await subscribe(database, subscription_of("a"))
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked)

    published = await asyncio.gather(*(publisher.publish(WORKSPACE, [draft_of()]) for _ in range(50)))

    assert (2, 50) == (hooked.reads, sum(each.event.matched_count for [each] in published))


async def test_batch_that_matches_too_much_for_one_transaction_is_refused(database: SqliteDatabase) -> None:
    """It would hold up every other publish. One event alone cannot be sent in parts, so it is accepted."""
    await subscribe(database, *map(subscription_of, "abc"))
    publisher = publisher_of(database, batch_notifications_max=8)

    with pytest.raises(InvalidField, match=r"^requests: may match 8 subscriptions together; these match 9"):
        await publisher.publish(WORKSPACE, [draft_of()] * 3)
    await publisher.publish(WORKSPACE, [draft_of()] * 2)

    assert 2 == await events_stored(database)


async def test_subscription_created_between_match_and_commit_is_matched(database: SqliteDatabase) -> None:
    """The accepting transaction sees that the revision is another."""
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked)
    await publisher.publish(WORKSPACE, [draft_of()])

    async def create_once() -> None:
        hooked.before_write = None
        await subscribe(database, subscription_of("late"))

    hooked.before_write = create_once
    [published] = await publisher.publish(WORKSPACE, [draft_of()])

    assert (["late"], 1, 3) == (await owed(database, published), published.event.matched_count, hooked.writes)


async def test_match_is_corrected_inside_the_transaction_after_three_stale_tries(database: SqliteDatabase) -> None:
    """However often the subscriptions change, a publish ends, and is exact."""
    await subscribe(database, subscription_of("gone"), subscription_of("moved"), subscription_of("kept"))
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked)

    async def change_again() -> None:
        await subscribe(database, subscription_of(f"new-{hooked.writes}"))
        if hooked.writes == 4:
            await unsubscribe(database, "gone")
            await change(database, subscription_of("moved", event_types=("channel.*",)))

    hooked.before_write = change_again
    [published] = await publisher.publish(WORKSPACE, [draft_of()])

    assert 4 == hooked.writes
    assert ["kept", "new-1", "new-2", "new-3", "new-4"] == await owed(database, published)
    assert (5, 1) == (published.event.matched_count, await events_stored(database))


async def test_publisher_serves_more_workspaces_than_it_keeps_matchers_for(database: SqliteDatabase) -> None:
    """And nothing of one workspace is owed to another."""
    spaces = [Workspace("acme", f"w{number}") for number in range(5)]
    for number, workspace in enumerate(spaces):
        await subscribe(database, subscription_of(f"s{number}", workspace=workspace))
    publisher = publisher_of(database, workspaces_max=2)

    found = [
        await owed(database, (await publisher.publish(workspace, [draft_of()]))[0]) for workspace in [*spaces, *spaces]
    ]

    assert [[f"s{number}"] for number in range(5)] * 2 == found


async def test_preview_counts_matches_and_stores_nothing(database: SqliteDatabase) -> None:
    """It reads only."""
    await subscribe(database, subscription_of("a"))
    hooked = HookedDatabase(database)

    published = await publisher_of(hooked).preview(WORKSPACE, draft_of())

    assert (1, 0, 0) == (published.event.matched_count, hooked.writes, await events_stored(database))


# --- repeated requests


@pytest.mark.parametrize(
    "key", [{"request_id": "r-1"}, {"event_id": EVENT_ID}, {"request_id": "r-1", "event_id": EVENT_ID}]
)
async def test_repeated_request_gets_the_first_result(database: SqliteDatabase, key: dict[str, str]) -> None:
    """In a later batch and within one, without its payload, and with the matches of the first time."""
    await subscribe(database, subscription_of("a"))
    publisher = publisher_of(database)
    draft = draft_of(**key)

    first, second = await publisher.publish(WORKSPACE, [draft, draft])
    await subscribe(database, subscription_of("b"))
    [third] = await publisher.publish(WORKSPACE, [draft])

    assert [False, True, True] == [each.deduplicated for each in (first, second, third)]
    assert 1 == len({each.event.id for each in (first, second, third)})
    assert [1, 1] == [each.event.matched_count for each in (second, third)]
    assert ([b"", b""], ["a"]) == ([second.event.payload, third.event.payload], await owed(database, first))
    assert 1 == await events_stored(database)


async def test_batch_may_mix_new_and_repeated_requests(database: SqliteDatabase) -> None:
    """The results stand in the order of the drafts."""
    publisher = publisher_of(database)
    [old] = await publisher.publish(WORKSPACE, [draft_of(request_id="old")])

    published = await publisher.publish(
        WORKSPACE, [draft_of(request_id="new"), draft_of(request_id="old"), draft_of(), draft_of(request_id="new")]
    )

    assert [False, True, False, True] == [each.deduplicated for each in published]
    assert (old.event.id, published[0].event.id) == (published[1].event.id, published[3].event.id)
    assert 3 == await events_stored(database)


async def test_same_request_id_in_another_workspace_is_another_request(database: SqliteDatabase) -> None:
    """Ids are scoped to their workspace."""
    publisher = publisher_of(database)

    published = [
        (await publisher.publish(Workspace("acme", name), [draft_of(request_id="r", event_id=EVENT_ID)]))[0]
        for name in ("one", "two")
    ]

    assert [False, False] == [each.deduplicated for each in published]


@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize(("key", "field"), [({"request_id": "r"}, "request_id"), ({"event_id": EVENT_ID}, "event_id")])
async def test_request_id_of_a_request_that_said_something_else_is_refused(
    database: SqliteDatabase, is_one_batch: bool, key: dict[str, str], field: str
) -> None:
    """With the path of the request in its batch; nothing of the batch is stored."""
    publisher = publisher_of(database)
    first, other = draft_of(**key), draft_of(**key, payload=b"[]", path="requests[1].")
    before = [] if is_one_batch else [first]
    await publisher.publish(WORKSPACE, before)

    with pytest.raises(RequestIdReused, match=r"^requests\[1\]\.") as caught:
        await publisher.publish(WORKSPACE, [draft_of(), *([first] if is_one_batch else []), other])

    assert (f"requests[1].{field}", len(before)) == (caught.value.field, await events_stored(database))


@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_event_id_that_another_request_has_used_is_refused(database: SqliteDatabase, is_one_batch: bool) -> None:
    """Two request_ids are two requests, and an event has one id."""
    publisher = publisher_of(database)
    drafts = [draft_of(event_id=EVENT_ID, request_id=request_id) for request_id in ("r-1", "r-2")]
    if not is_one_batch:
        await publisher.publish(WORKSPACE, drafts[:1])

    with pytest.raises(ResourceExists) as caught:
        await publisher.publish(WORKSPACE, drafts if is_one_batch else drafts[1:])

    assert "event_id" == caught.value.field


async def test_unknown_event_type_is_refused_with_the_whole_batch(database: SqliteDatabase) -> None:
    """Unless unknown types are allowed."""
    publisher = publisher_of(database, allow_unknown_event_types=False)

    with pytest.raises(EventTypeUnknown):
        await publisher.publish(WORKSPACE, [draft_of()])

    assert 0 == await events_stored(database)


# --- what event types say


async def test_publish_reads_nothing_before_its_transaction(database: SqliteDatabase) -> None:
    """Once the subscriptions and the event type are known."""
    await define(database, json_schema=NUMBERS)
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked, allow_unknown_event_types=False)
    await publisher.publish(WORKSPACE, [draft_of()])
    reads = hooked.reads

    await publisher.publish(WORKSPACE, [draft_of()])

    assert (reads, 2) == (hooked.reads, hooked.writes)


async def test_payload_that_does_not_match_refuses_the_whole_batch(database: SqliteDatabase) -> None:
    """With the field that the payload came in, the first place in it, and how many more there are."""
    await define(database, json_schema=NUMBERS)
    bad = draft_of(payload=b'{"a":"5ec4e7","b":true}', path="requests[1].", payload_field="data")

    with pytest.raises(PayloadSchemaMismatch) as caught:
        await publisher_of(database).publish(WORKSPACE, [draft_of(), bad])

    assert (
        'requests[1].event.data: must match the schema of event type "agent.created": at "/a", the value is not of '
        'type "number" (and at least 1 more)'
    ) == caught.value.message
    assert ("requests[1].event.data", 0) == (caught.value.field, await events_stored(database))


@pytest.mark.parametrize("payload_is_json", [True, False])
@pytest.mark.parametrize(
    ("enforcement", "violations"), [(SchemaEnforcement.WARN, 1), (SchemaEnforcement.OFF, 0), (None, None)]
)
async def test_enforcement_says_what_becomes_of_a_payload_that_does_not_match(
    database: SqliteDatabase, enforcement: SchemaEnforcement | None, violations: int | None, payload_is_json: bool
) -> None:
    """Publish and preview say the same. Bytes that are not JSON match no schema."""
    await define(database, json_schema=NUMBERS, schema_enforcement=enforcement or SchemaEnforcement.REJECT)
    draft = draft_of(payload=b'"5ec4e7"', payload_is_json=payload_is_json)
    publisher = publisher_of(database)

    if violations is None:
        for refused in (publisher.publish(WORKSPACE, [draft]), publisher.preview(WORKSPACE, draft)):
            with pytest.raises(PayloadSchemaMismatch):
                await refused
    else:
        [published] = await publisher.publish(WORKSPACE, [draft])
        preview = await publisher.preview(WORKSPACE, draft)
        assert violations == len(published.schema_violations)
        assert published.schema_violations == preview.schema_violations


async def test_event_keeps_category_and_code_of_its_type(database: SqliteDatabase) -> None:
    """As they are when it is accepted."""
    await define(database, category=7, code=-1)
    publisher = publisher_of(database)

    [before] = await publisher.publish(WORKSPACE, [draft_of()])
    await define(database, category=None, code=0)
    [after] = await publisher.publish(WORKSPACE, [draft_of()])

    stored = await database.read(lambda tx: events.find(tx, [(WORKSPACE, each.event.id) for each in (before, after)]))
    assert [(7, -1), (None, 0)] == [(each.category, each.code) for each in stored if each]


@pytest.mark.parametrize(("before", "after"), [("", NUMBERS), (NUMBERS, ""), (NUMBERS, OBJECTS_ONLY)])
async def test_schema_that_changes_between_validation_and_commit_counts(
    database: SqliteDatabase, before: str, after: str
) -> None:
    """The accepting transaction sees that the event type has another revision."""
    await define(database, json_schema=before)
    hooked = HookedDatabase(database)
    publisher = publisher_of(hooked)
    await publisher.publish(WORKSPACE, [draft_of()])

    async def change_once() -> None:
        hooked.before_write = None
        await define(database, json_schema=after)

    hooked.before_write = change_once
    if after == NUMBERS:
        with pytest.raises(PayloadSchemaMismatch):
            await publisher.publish(WORKSPACE, [draft_of(payload=b'{"a":"x"}')])
    else:
        await publisher.publish(WORKSPACE, [draft_of(payload=b'{"a":"x"}')])

    assert (3, 1 if after == NUMBERS else 2) == (hooked.writes, await events_stored(database))


async def test_event_type_that_is_created_or_deleted_meanwhile_counts(database: SqliteDatabase) -> None:
    """A publisher that knew there was none learns of it, and the other way round."""
    publisher = publisher_of(database, allow_unknown_event_types=False)
    with pytest.raises(EventTypeUnknown):
        await publisher.publish(WORKSPACE, [draft_of()])
    await define(database, code=5)

    [published] = await publisher.publish(WORKSPACE, [draft_of()])
    await database.write(lambda tx: event_types.delete(tx, "agent.created", old_revision=1))

    assert 5 == published.event.code
    with pytest.raises(EventTypeUnknown):
        await publisher.publish(WORKSPACE, [draft_of()])


async def test_publish_gives_up_when_event_types_change_all_the_time(database: SqliteDatabase) -> None:
    """After so many tries, with an error that says to try again; nothing is stored."""
    await define(database)
    hooked = HookedDatabase(database)

    async def change_again() -> None:
        await define(database, json_schema=NUMBERS)

    hooked.before_write = change_again
    with pytest.raises(StorageUnavailable, match="changing faster"):
        await publisher_of(hooked).publish(WORKSPACE, [draft_of()])

    assert (20, 0) == (hooked.writes, await events_stored(database))


async def test_repeated_request_gets_the_first_result_whatever_its_type_says_now(database: SqliteDatabase) -> None:
    """It was accepted; a publisher that asks again must hear so."""
    await define(database)
    publisher = publisher_of(database, allow_unknown_event_types=False)
    draft = draft_of(request_id="r", payload=b'"5ec4e7"')
    [first] = await publisher.publish(WORKSPACE, [draft])
    await define(database, json_schema=NUMBERS)

    [second] = await publisher.publish(WORKSPACE, [draft])

    assert (first.event.id, True, ()) == (second.event.id, second.deduplicated, second.schema_violations)


# --- what formats say


async def test_match_whose_format_cannot_carry_the_event_fails_from_the_start(database: SqliteDatabase) -> None:
    """The publish is accepted, the match counts, the others are sent, and the failure is announced."""
    await define(database, category=1, code=2)
    await listen(database)
    await subscribe(database, subscription_of("a"), subscription_of("b", format=Format.EVENT_CODE))
    publisher = publisher_of(database)

    published = await publisher.publish(WORKSPACE, [draft_of(), draft_of(payload=b"[]"), draft_of(event_type="other")])

    assert [2, 2, 2] == [each.event.matched_count for each in published]
    assert [[None, None], [None, "FORMAT_NOT_APPLICABLE"], [None, "FORMAT_NOT_APPLICABLE"]] == [
        [row["failure_reason"] for row in await notified(database, each)] for each in published
    ]
    announced = await database.read(lambda tx: announcements.after(tx, "", limit=9))
    assert [("tidings.notification.failed", "FORMAT_NOT_APPLICABLE")] * 2 == [
        (each.event_type, json.loads(each.payload)["failure_reason"]) for each in announced
    ]


async def test_subscription_with_a_choosy_format_that_comes_late_is_asked_too(database: SqliteDatabase) -> None:
    """Never in the transaction: the payload would be parsed there."""
    await define(database)
    hooked = HookedDatabase(database)

    async def change_again() -> None:
        if hooked.writes <= 4:
            patterns = ("*",) if hooked.writes == 4 else ("channel.*",)
            late = subscription_of(f"s{hooked.writes}", event_types=patterns, format=Format.EVENT_CODE)
            await subscribe(database, late)

    hooked.before_write = change_again
    [published] = await publisher_of(hooked).publish(WORKSPACE, [draft_of()])

    [row] = await notified(database, published)
    assert ("s4", "FORMAT_NOT_APPLICABLE", 5) == (row["subscription_id"], row["failure_reason"], hooked.writes)


# --- operational events


async def test_operational_event_needs_no_type_and_is_stored_only_if_matched(database: SqliteDatabase) -> None:
    """And its own failure is not announced, or each would cause the next."""
    publisher = publisher_of(database, allow_unknown_event_types=False)
    draft = draft_of(event_type="tidings.notification.failed", event_id=EVENT_ID)
    [unmatched] = await publisher.publish(WORKSPACE, [draft], only_if_matched=True)
    assert (0, 0) == (unmatched.event.matched_count, await events_stored(database))
    await subscribe(database, subscription_of("a", event_types=("tidings.*",), format=Format.EVENT_CODE))

    [matched] = await publisher.publish(WORKSPACE, [draft], only_if_matched=True)
    [repeated] = await publisher.publish(WORKSPACE, [draft], only_if_matched=True)

    assert (1, 1) == (matched.event.matched_count, await events_stored(database))
    assert (False, True) == (matched.deduplicated, repeated.deduplicated)
    assert ["FORMAT_NOT_APPLICABLE"] == [row["failure_reason"] for row in await notified(database, matched)]
    assert [] == await database.read(lambda tx: announcements.after(tx, "", limit=9))


async def test_event_of_a_draft_is_what_a_publish_stores(database: SqliteDatabase) -> None:
    """But for what its type and its matches add."""
    publisher = publisher_of(database)
    draft = draft_of(event_id=EVENT_ID, attributes={"a": "1"}, context_json="[]")

    [published] = await publisher.publish(WORKSPACE, [draft])

    assert published.event == publisher.event_of(WORKSPACE, draft)


# --- the fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"event_type": "agent.deleted"},
        {"source": "agents/a-18"},
        {"subject": "s"},
        {"attributes": {"a": "1"}},
        {"payload": b"{ }"},
        {"payload_is_json": False},
        {"content_type": "text/plain"},
        {"context_json": "{}"},
        {"occur_time_ns": 0},
        {"occur_time_ns": 1},
    ],
)
def test_every_field_that_a_request_says_is_in_its_fingerprint(changed: dict[str, Any]) -> None:
    """Also the nanoseconds that are not stored."""
    assert draft_of().fingerprint() != draft_of(**changed).fingerprint()


@pytest.mark.parametrize("changed", [{"event_id": EVENT_ID}, {"request_id": "r"}, {"path": "requests[1]."}])
def test_ids_and_place_of_a_request_are_not_in_its_fingerprint(changed: dict[str, Any]) -> None:
    """They say which request it is, not what it says."""
    assert draft_of().fingerprint() == draft_of(**changed).fingerprint()


def test_order_of_attributes_does_not_matter() -> None:
    """A map has none."""
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})

    assert draft_of(attributes=one).fingerprint() == draft_of(attributes=other).fingerprint()


TEXT_FIELDS: Final = ("event_type", "source", "subject", "content_type", "context_json")


@given(
    one=st.lists(st.text("ab", max_size=3), min_size=5, max_size=5),
    other=st.lists(st.text("ab", max_size=3), min_size=5, max_size=5),
    attributes=st.lists(st.dictionaries(st.text("ab", max_size=2), st.text("ab", max_size=2)), min_size=2, max_size=2),
)
def test_fingerprints_are_equal_only_if_the_requests_say_the_same(
    one: list[str], other: list[str], attributes: list[dict[str, str]]
) -> None:
    """Where one field ends and the next begins is part of what is said."""
    drafts = [
        draft_of(attributes=each_attributes, **dict(zip(TEXT_FIELDS, fields, strict=True)))
        for fields, each_attributes in zip((one, other), attributes, strict=True)
    ]

    assert (drafts[0] == drafts[1]) == (drafts[0].fingerprint() == drafts[1].fingerprint())


def test_field_borders_are_in_the_fingerprint() -> None:
    """What is `ab` and `c` is not `a` and `bc`."""
    one, other = draft_of(source="ab", subject="c"), draft_of(source="a", subject="bc")

    assert one.fingerprint() != other.fingerprint()
