"""Which subscriptions want an event: the index, kept up to date, agrees with the rule."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, groupby
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.access import SERVER
from service.domain.errors import StorageUnavailable
from service.domain.model import Event, Format
from service.domain.names import Workspace
from service.matching import Matchers, WorkspaceMatcher, rematch
from service.storage import audit, subscriptions, workspaces
from service.storage.audit import NEWEST, AuditFilter
from service.storage.database import T, Transaction
from service.storage.migrations import MIGRATIONS, upgrade
from service.storage.sqlite import SqliteDatabase
from service.storage.sqlite_connections import SqliteWriter
from service.storage.sqlite_file import connect
from service.storage.subscriptions import Rule
from service.turns import Turns
from tests.fakes import WORKSPACE, FakeClock, change, event_of, subscribe, subscription_of, wants
from tests.keys import prepare, sealer


def rule_of(
    uid: str,
    patterns: tuple[str, ...],
    filters: dict[str, str] | None = None,
    *,
    filter: str = "",
    is_shut: bool = False,
    active: bool = True,
) -> Rule:
    """Return a rule."""
    return Rule(uid, uid, patterns, filters or {}, filter, is_shut, Format.RAW, active, 0)


def said(event_type: str, attributes: dict[str, str] | None = None, payload: bytes = b"{}") -> Event:
    """Return an event of this type."""
    return event_of(event_type=event_type, attributes=attributes or {}, payload=payload)


async def nothing_is_slow(rule: Rule) -> None:
    """Stand for what shuts a filter, where none is to be shut."""
    raise AssertionError(f"{rule.filter} was shut")


def new_matcher(rules: list[Rule] | None = None) -> WorkspaceMatcher:
    """Return a matcher with these rules, on a CPU clock that stands still."""
    matcher = WorkspaceMatcher(nothing_is_slow, turns=Turns(lambda: 0.0))
    matcher.apply(rules or [], revision=len(rules or []))
    return matcher


SEGMENTS = st.sampled_from(["a", "b", "tidings"])
EVENT_TYPES = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(SEGMENTS | st.just("*"), min_size=1, max_size=4).map(".".join)
ATTRIBUTES = st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"))
PAYLOADS = st.sampled_from([b'{"n": 1}', b'{"n": 2}', b'{"n": "text"}', b"[]"])
FILTERS = st.sampled_from(
    ["", "", "event.data.n == 1", "event.data.n > 1", "event.data[0] == 1 || event.attributes.x == '1'", "event.data.n"]
)
EVENTS = st.builds(said, EVENT_TYPES, ATTRIBUTES, PAYLOADS)
RULES = st.builds(
    lambda uid, patterns, filters, filter, is_shut, active: rule_of(
        uid, tuple(patterns), filters, filter=filter, is_shut=is_shut and bool(filter), active=active
    ),
    st.sampled_from("pqrst"),
    st.lists(PATTERNS, min_size=1, max_size=3),
    ATTRIBUTES,
    FILTERS,
    st.integers(0, 5).map(lambda number: number == 0),
    st.booleans(),
)
CHANGES = st.lists(RULES, max_size=12)

_numbers = count(1)


def naive(changes: list[Rule], event: Event) -> list[str]:
    """Return who wants an event once these changes were made, by looking at every rule."""
    latest = {rule.uid: rule for rule in changes}
    return sorted(rule.uid for rule in latest.values() if wants(rule, event))


def uids(rules: list[Rule]) -> list[str]:
    """Return whose rules these are, in order."""
    return sorted(rule.uid for rule in rules)


@given(changes=CHANGES, events=st.lists(EVENTS, min_size=1, max_size=8))
@example(
    changes=[
        rule_of("p", ("a", "a")),
        rule_of("p", ("b",)),
    ],
    events=[said("a")],
)
def test_matcher_agrees_with_the_rule_after_any_changes(changes: list[Rule], events: list[Event]) -> None:
    """Applied one by one, or all at once: every subscription once, and none left over from an earlier pattern."""
    one_by_one, at_once = new_matcher(), new_matcher()
    for revision, rule in enumerate(changes, start=1):
        one_by_one.apply([rule], revision=revision)
    at_once.apply(changes, revision=len(changes))

    expected = [naive(changes, event) for event in events]
    for matcher in (one_by_one, at_once):
        assert expected == [uids(rules) for rules in asyncio.run(matcher.match(events))]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteWriter]:
    """A database that works are run on without a thread."""
    path: Path = tmp_path_factory.mktemp("matching") / "tidings.db"
    connection = connect(path)
    upgrade(connection, path, migrations=MIGRATIONS)
    opened = SqliteWriter(connection, path, log_bytes_max=1 << 22, sealer=sealer())
    prepare(opened)
    yield opened
    opened.close()


def store(tx: Transaction, workspace: Workspace, rule: Rule) -> None:
    """Make a rule the newest change of a workspace: create it, change it or delete it."""
    uid = f"{workspace.workspace}-{rule.uid}"
    revision = workspaces.bump_revision(tx, workspace.key)
    known = subscriptions.find(tx, workspace, rule.uid)
    wanted = subscription_of(
        uid,
        id=rule.uid,
        workspace=workspace,
        event_types=rule.event_types,
        attribute_filters=rule.attribute_filters,
        filter=rule.filter,
        filter_is_shut=rule.filter_is_shut,
        enabled=rule.active,
        revision=revision,
    )
    if known is None:
        subscriptions.insert(tx, wanted)
    else:
        subscriptions.update(tx, wanted)


@given(before=CHANGES, since=CHANGES, events=st.lists(EVENTS, min_size=1, max_size=4))
def test_rematch_equals_matching_from_scratch_at_the_newer_revision(
    writer: SqliteWriter, before: list[Rule], since: list[Rule], events: list[Event]
) -> None:
    """Whatever was created, changed or disabled since; unless a filter is to be evaluated."""
    workspace = Workspace("acme", f"w{next(_numbers)}")
    matcher = new_matcher()

    def load(tx: Transaction) -> None:
        for rule in before:
            store(tx, workspace, rule)
        revision = workspaces.revision(tx, workspace.key)
        matcher.apply(subscriptions.rules_since(tx, workspace, 0, limit=100), revision=revision)

    def correct(tx: Transaction) -> list[list[Rule]] | None:
        for rule in since:
            store(tx, workspace, rule)
        return rematch(tx, workspace, events, matched, matcher.revision)

    _run(writer, load)
    matched = asyncio.run(matcher.match(events))
    corrected = _run(writer, correct)

    if corrected is None:
        assert any(rule.filter for rule in since)
        return
    expected = [naive([*before, *since], event) for event in events]
    assert expected == [sorted(rule.id for rule in rules) for rules in corrected]


def _run(writer: SqliteWriter, work: Callable[[Transaction], T]) -> T:
    [outcome] = writer.run_batch([work])
    assert outcome.error is None, outcome.error
    result: T = outcome.value
    return result


def corrected_by(writer: SqliteWriter, before: Rule, since: Rule, event: Event) -> list[str] | None:
    """Return who wants an event by a rematch, after one rule was changed; None if it cannot say."""
    workspace = Workspace("acme", f"w{next(_numbers)}")
    matched = asyncio.run(new_matcher([before]).match([event]))

    def work(tx: Transaction) -> list[list[Rule]] | None:
        store(tx, workspace, before)
        named = [[replace(rule, uid=f"{workspace.workspace}-{rule.uid}") for rule in rules] for rules in matched]
        revision = workspaces.revision(tx, workspace.key)
        store(tx, workspace, since)
        return rematch(tx, workspace, [event], named, revision)

    corrected = _run(writer, work)
    return None if corrected is None else [rule.id for rule in corrected[0]]


@pytest.mark.parametrize(
    ("before", "since", "expected"),
    [
        pytest.param(rule_of("p", ("a",)), rule_of("p", ("a",), filter="true"), None, id="has one now"),
        pytest.param(rule_of("p", ("a",), filter="true"), rule_of("p", ("a",), filter="1 == 1"), None, id="another"),
        pytest.param(rule_of("p", ("a",), filter="true"), rule_of("p", ("*",), filter="true"), ["p"], id="known true"),
        pytest.param(rule_of("p", ("a",), filter="false"), rule_of("p", ("*",), filter="false"), None, id="not known"),
        pytest.param(rule_of("p", ("a",), filter="true"), rule_of("p", ("b",), filter="1 == 1"), [], id="other type"),
        pytest.param(rule_of("p", ("a",)), rule_of("p", ("a",), filter="true", is_shut=True), [], id="shut"),
        pytest.param(rule_of("p", ("a",)), rule_of("p", ("a",), filter="true", active=False), [], id="disabled"),
        pytest.param(rule_of("p", ("a",), filter="true"), rule_of("p", ("a",)), ["p"], id="has none any more"),
    ],
)
def test_rematch_leaves_a_filter_that_it_would_have_to_evaluate(
    writer: SqliteWriter, before: Rule, since: Rule, expected: list[str] | None
) -> None:
    """CEL never runs in the transaction; what is known of this event already is used."""
    assert expected == corrected_by(writer, before, since, said("a"))


# --- the matchers of many workspaces


async def who_wants(matchers: Matchers, event: Event) -> list[Rule]:
    """Return the rules that want an event by all that is committed."""
    [rules] = await (await matchers.refresh(WORKSPACE)).match([event])
    return rules


async def test_deleted_subscription_is_forgotten_by_a_refresh(database: SqliteDatabase) -> None:
    """Its tombstone says so."""
    matchers = Matchers(database, clock=FakeClock(), workspaces_max=2)
    anything = said("a")
    await subscribe(database, subscription_of("one"), subscription_of("two"))
    first = uids(await who_wants(matchers, anything))
    await database.write(
        lambda tx: subscriptions.delete(tx, "one", revision=workspaces.bump_revision(tx, WORKSPACE.key), now_ms=0)
    )

    assert (["one", "two"], ["two"]) == (first, uids(await who_wants(matchers, anything)))


async def test_more_changes_than_one_read_returns_are_all_taken_in(database: SqliteDatabase) -> None:
    """1,000 rules are read at a time."""

    def work(tx: Transaction) -> None:
        for number in range(2_001):
            revision = workspaces.bump_revision(tx, WORKSPACE.key)
            subscriptions.insert(tx, subscription_of(f"s{number:04}", revision=revision))

    await database.write(work)

    matcher = await Matchers(database, clock=FakeClock(), workspaces_max=1).refresh(WORKSPACE)

    assert (2_001, 2_001) == (matcher.revision, len((await matcher.match([said("a")]))[0]))


async def test_matchers_of_the_workspaces_used_last_are_kept(database: SqliteDatabase) -> None:
    """The others are loaded again when they are needed, and match as before."""
    spaces = [Workspace("acme", name) for name in ("w1", "w2", "w3")]
    for number, workspace in enumerate(spaces):
        await subscribe(database, subscription_of(f"s{number}", workspace=workspace))
    matchers = Matchers(database, clock=FakeClock(), workspaces_max=2)
    first, second = [await matchers.loaded(each) for each in spaces[:2]]
    assert first is await matchers.loaded(spaces[0])

    await matchers.loaded(spaces[2])
    again = [await matchers.loaded(each) for each in spaces[:2]]

    assert (True, False) == (again[0] is first, again[1] is second)
    assert [[["s0"]], [["s1"]]] == [[uids(rules) for rules in await each.match([said("a")])] for each in again]


async def test_workspace_without_subscriptions_is_loaded_once(database: SqliteDatabase) -> None:
    """Revision 0 is what was found, not what was not looked for."""
    matcher = await Matchers(database, clock=FakeClock(), workspaces_max=2).loaded(WORKSPACE)

    assert (0, [[]]) == (matcher.revision, await matcher.match([said("a")]))


# --- filters: how many are evaluated, in slices, and those that are too slow


class SteppingCpu:
    """A CPU clock that goes on by the same step each time it is read."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += self.step_s
        return self._now_s


class CountedFilters:
    """Attribute filters of a rule that count how often they are looked at."""

    def __init__(self, looks: Counter[str], uid: str) -> None:
        self._looks = looks
        self._uid = uid

    def items(self) -> list[tuple[str, str]]:
        """Return no filters at all."""
        self._looks[self._uid] += 1
        return []


async def test_rules_whose_pattern_or_attributes_cannot_match_cost_nothing() -> None:
    """1,000 others beside one: only that one is looked at, and only its filter reads the CPU clock."""
    looks: Counter[str] = Counter()
    reads = [0]

    def cpu_s() -> float:
        reads[0] += 1
        return 0.0

    rules = [rule_of("wanted", ("a.b",), filter="event.data.n == 1")]
    rules += [rule_of(f"s{number}", (f"a.x{number}", "c.*"), filter="event.data.n == 1") for number in range(1_000)]
    matcher = WorkspaceMatcher(nothing_is_slow, turns=Turns(cpu_s))
    matcher.apply(
        [replace(rule, attribute_filters=CountedFilters(looks, rule.uid)) for rule in rules],  # type: ignore[arg-type]
        revision=1,
    )
    alone = WorkspaceMatcher(nothing_is_slow, turns=Turns(cpu_s))
    alone.apply(rules[:1], revision=1)
    event = said("a.b", payload=b'{"n": 1}')

    assert [["wanted"]] == [uids(rules) for rules in await alone.match([event])]
    reads_alone, reads[0] = reads[0], 0
    assert [["wanted"]] == [uids(rules) for rules in await matcher.match([event])]
    assert {"wanted": 1} == looks
    assert reads_alone == reads[0]


async def test_payload_is_not_parsed_when_no_candidate_has_a_filter() -> None:
    """What is no JSON at all would make it raise."""
    broken = said("a", payload=b"\xff")

    assert [["p"]] == [uids(rules) for rules in await new_matcher([rule_of("p", ("a",))]).match([broken])]


async def test_other_tasks_have_their_turns_between_evaluations() -> None:
    """After 5 ms of CPU; and the matches stay those of the revision that the matcher had."""
    matcher = WorkspaceMatcher(nothing_is_slow, turns=Turns(SteppingCpu(0.001)))
    matcher.apply([rule_of(f"s{number:02}", ("*",), filter="event.data.n == 1") for number in range(20)], revision=1)
    turns = 0
    done = asyncio.Event()

    async def other() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            matcher.apply([rule_of("late", ("*",)), rule_of("s19", ("b",))], revision=2)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(other())
        [matched_rules] = await matcher.match([said("a", payload=b'{"n": 1}')])
        done.set()

    assert [f"s{number:02}" for number in range(20)] == uids(matched_rules)
    assert turns >= 5


async def test_workspaces_evaluate_in_turns() -> None:
    """One with many slow filters has one of them evaluated, and then it is another's turn."""
    stepping, order = SteppingCpu(0.006), []

    def cpu_s() -> float:
        order.append(str(asyncio.current_task()))
        return stepping()

    def matcher_of(name: str, filters: int) -> WorkspaceMatcher:
        matcher = WorkspaceMatcher(nothing_is_slow, turns=turns)
        rules = [rule_of(f"{name}{number}", ("*",), filter="event.data.n == 1") for number in range(filters)]
        matcher.apply(rules, revision=1)
        return matcher

    turns = Turns(cpu_s)
    event = said("a", payload=b'{"n": 1}')
    matched = await asyncio.gather(matcher_of("many", 8).match([event]), matcher_of("few", 3).match([event]))

    assert [[8], [3]] == [[len(rules) for rules in each] for each in matched]
    had = [task for task, _ in groupby(order)]
    assert (7, 2) == (len(had), len(set(had)))


async def test_slow_filter_is_shut_once_and_matches_nothing(database: SqliteDatabase) -> None:
    """The first event finds it too slow; the matcher of the next revision does not evaluate it again."""
    shut: list[tuple[Workspace, str]] = []
    cpu_s = SteppingCpu(1.0)
    matchers = Matchers(
        database,
        clock=FakeClock(),
        workspaces_max=1,
        on_filter_shut=lambda workspace, rule: shut.append((workspace, rule.id)),
        turns=Turns(cpu_s),
    )
    await subscribe(database, subscription_of("slow", filter="event.data.n == 1"), subscription_of("plain"))
    event = said("a", payload=b'{"n": 1}')
    matcher = await matchers.loaded(WORKSPACE)

    first = await asyncio.gather(matcher.match([event] * 3), matcher.match([event]))
    newer = await matchers.newer(WORKSPACE, 2)

    assert [[["plain"]] * 3, [["plain"]]] == [[uids(rules) for rules in each] for each in first]
    assert [(WORKSPACE, "slow")] == shut
    assert 3 == newer.revision
    cpu_s.step_s = 0.0
    assert ["plain"] == uids(await who_wants(matchers, event))
    stored = await database.read(lambda tx: subscriptions.find(tx, WORKSPACE, "slow"))
    assert stored is not None
    assert ("FILTER_TOO_SLOW", "3") == (stored.state_reason, stored.etag)
    [logged] = await database.read(lambda tx: audit.before(tx, NEWEST, only=AuditFilter(), limit=9))
    assert (SERVER, "ShutFilter", stored.name, ["state_reason"]) == (
        logged.entry.actor,
        logged.entry.action,
        logged.entry.resource,
        logged.entry.changed_fields,
    )


async def test_publishes_that_wait_do_not_evaluate_a_filter_that_was_shut_meanwhile() -> None:
    """However many they are, one of them finds it too slow. Saved again, it is evaluated again."""
    shut: list[int] = []

    async def shut_it(rule: Rule) -> None:
        await asyncio.sleep(0)
        shut.append(rule.revision)

    matcher = WorkspaceMatcher(shut_it, turns=Turns(SteppingCpu(1.0)))
    rule = replace(rule_of("slow", ("*",), filter="event.data.n == 1"), revision=1)
    matcher.apply([rule], revision=1)
    event = said("a", payload=b'{"n": 1}')

    assert [[[]]] * 20 == await asyncio.gather(*(matcher.match([event]) for _ in range(20)))
    assert [1] == shut

    matcher.apply([replace(rule, revision=3)], revision=3)
    assert [[]] == await matcher.match([event])
    assert [1, 3] == shut


async def test_filter_that_could_not_be_shut_is_evaluated_again() -> None:
    """Nothing is left out of a match that its owner is not told of."""
    outcomes: Iterator[Exception | None] = iter([StorageUnavailable("away"), None])

    async def shut_it(_rule: Rule) -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    matcher = WorkspaceMatcher(shut_it, turns=Turns(SteppingCpu(1.0)))
    matcher.apply([rule_of("slow", ("*",), filter="event.data.n == 1")], revision=1)
    event = said("a", payload=b'{"n": 1}')

    with pytest.raises(StorageUnavailable):
        await matcher.match([event])
    assert [[]] == await matcher.match([event])

    assert [] == list(outcomes)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param({"filter": "event.data.n == 2"}, id="another filter"),
        pytest.param({"filter": ""}, id="none any more"),
        pytest.param({"filter_is_shut": True}, id="shut already"),
    ],
)
async def test_filter_that_was_changed_meanwhile_is_not_shut(database: SqliteDatabase, now: dict[str, object]) -> None:
    """Only the text that was slow is to blame, and only one shuts it."""
    before = subscription_of("p", filter="event.data.n == 1")
    await subscribe(database, before)
    changed = replace(before, **now)  # type: ignore[arg-type]
    await change(database, changed)

    assert not await database.write(lambda tx: subscriptions.shut_filter(tx, "p", before.filter))

    stored = await database.read(lambda tx: subscriptions.find(tx, WORKSPACE, "p"))
    assert stored is not None
    assert (changed.filter_is_shut, 2) == (stored.filter_is_shut, stored.revision)


async def test_deleted_subscription_has_no_filter_to_shut(database: SqliteDatabase) -> None:
    assert not await database.write(lambda tx: subscriptions.shut_filter(tx, "p", "true"))
