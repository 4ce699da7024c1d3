"""Which subscriptions want an event: the index, kept up to date, agrees with the rule."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.model import Format
from service.domain.names import Workspace
from service.matching import Matchers, Occurrence, WorkspaceMatcher, rematch, wants
from service.storage import subscriptions, workspaces
from service.storage.database import Transaction
from service.storage.migrations import MIGRATIONS, upgrade
from service.storage.sqlite import SqliteDatabase
from service.storage.sqlite_connections import SqliteWriter
from service.storage.sqlite_file import connect
from service.storage.subscriptions import Rule
from tests.fakes import WORKSPACE, subscribe, subscription_of


def rule_of(uid: str, patterns: tuple[str, ...], filters: dict[str, str] | None = None, *, active: bool = True) -> Rule:
    """Return a rule without a CEL filter."""
    return Rule(uid, uid, patterns, filters or {}, "", False, Format.RAW, active, 0)


SEGMENTS = st.sampled_from(["a", "b", "tidings"])
EVENT_TYPES = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.lists(SEGMENTS | st.just("*"), min_size=1, max_size=4).map(".".join)
ATTRIBUTES = st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"))
OCCURRENCES = st.builds(Occurrence, EVENT_TYPES, ATTRIBUTES)
RULES = st.builds(
    lambda uid, patterns, filters, active: rule_of(uid, tuple(patterns), filters, active=active),
    st.sampled_from("pqrst"),
    st.lists(PATTERNS, min_size=1, max_size=3),
    ATTRIBUTES,
    st.booleans(),
)
CHANGES = st.lists(RULES, max_size=12)

_numbers = count(1)


def naive(changes: list[Rule], occurrence: Occurrence) -> list[str]:
    """Return who wants an occurrence once these changes were made, by looking at every rule."""
    latest = {rule.uid: rule for rule in changes}
    return sorted(rule.uid for rule in latest.values() if wants(rule, occurrence))


def uids(rules: list[Rule]) -> list[str]:
    """Return whose rules these are, in order."""
    return sorted(rule.uid for rule in rules)


@given(changes=CHANGES, occurrences=st.lists(OCCURRENCES, min_size=1, max_size=8))
@example(
    changes=[
        rule_of("p", ("a", "a")),
        rule_of("p", ("b",)),
    ],
    occurrences=[Occurrence("a", {})],
)
def test_matcher_agrees_with_the_rule_after_any_changes(changes: list[Rule], occurrences: list[Occurrence]) -> None:
    """Applied one by one, or all at once: every subscription once, and none left over from an earlier pattern."""
    one_by_one, at_once = WorkspaceMatcher(), WorkspaceMatcher()
    for revision, rule in enumerate(changes, start=1):
        one_by_one.apply([rule], revision=revision)
    at_once.apply(changes, revision=len(changes))

    for occurrence in occurrences:
        expected = naive(changes, occurrence)
        assert [expected, expected] == [uids(each.match(occurrence)) for each in (one_by_one, at_once)]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteWriter]:
    """A database that works are run on without a thread."""
    path: Path = tmp_path_factory.mktemp("matching") / "tidings.db"
    connection = connect(path)
    upgrade(connection, path, migrations=MIGRATIONS)
    opened = SqliteWriter(connection, path, log_bytes_max=1 << 22)
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
        enabled=rule.active,
        revision=revision,
    )
    if known is None:
        subscriptions.insert(tx, wanted)
    else:
        subscriptions.update(tx, wanted)


@given(before=CHANGES, since=CHANGES, occurrences=st.lists(OCCURRENCES, min_size=1, max_size=4))
def test_rematch_equals_matching_from_scratch_at_the_newer_revision(
    writer: SqliteWriter, before: list[Rule], since: list[Rule], occurrences: list[Occurrence]
) -> None:
    """Whatever was created, changed or disabled since the match was made outside."""
    workspace = Workspace("acme", f"w{next(_numbers)}")
    matcher = WorkspaceMatcher()

    def work(tx: Transaction) -> list[list[Rule]]:
        for rule in before:
            store(tx, workspace, rule)
        revision = workspaces.revision(tx, workspace.key)
        matcher.apply(subscriptions.rules_since(tx, workspace, 0, limit=100), revision=revision)
        matched = [matcher.match(occurrence) for occurrence in occurrences]
        for rule in since:
            store(tx, workspace, rule)
        return rematch(tx, workspace, occurrences, matched, revision)

    corrected = _run(writer, work)

    expected = [naive([*before, *since], occurrence) for occurrence in occurrences]
    assert expected == [sorted(rule.id for rule in rules) for rules in corrected]


def _run(writer: SqliteWriter, work: Callable[[Transaction], list[list[Rule]]]) -> list[list[Rule]]:
    [outcome] = writer.run_batch([work])
    assert outcome.error is None, outcome.error
    result: list[list[Rule]] = outcome.value
    return result


# --- the matchers of many workspaces


async def test_deleted_subscription_is_forgotten_by_a_refresh(database: SqliteDatabase) -> None:
    """Its tombstone says so."""
    matchers = Matchers(database, workspaces_max=2)
    anything = Occurrence("a", {})
    await subscribe(database, subscription_of("one"), subscription_of("two"))
    first = uids((await matchers.refresh(WORKSPACE)).match(anything))
    await database.write(
        lambda tx: subscriptions.delete(tx, "one", revision=workspaces.bump_revision(tx, WORKSPACE.key), now_ms=0)
    )

    assert (["one", "two"], ["two"]) == (first, uids((await matchers.refresh(WORKSPACE)).match(anything)))


async def test_more_changes_than_one_read_returns_are_all_taken_in(database: SqliteDatabase) -> None:
    """1,000 rules are read at a time."""

    def work(tx: Transaction) -> None:
        for number in range(2_001):
            revision = workspaces.bump_revision(tx, WORKSPACE.key)
            subscriptions.insert(tx, subscription_of(f"s{number:04}", revision=revision))

    await database.write(work)

    matcher = await Matchers(database, workspaces_max=1).refresh(WORKSPACE)

    assert (2_001, 2_001) == (matcher.revision, len(matcher.match(Occurrence("a", {}))))


async def test_matchers_of_the_workspaces_used_last_are_kept(database: SqliteDatabase) -> None:
    """The others are loaded again when they are needed, and match as before."""
    spaces = [Workspace("acme", name) for name in ("w1", "w2", "w3")]
    for number, workspace in enumerate(spaces):
        await subscribe(database, subscription_of(f"s{number}", workspace=workspace))
    matchers = Matchers(database, workspaces_max=2)
    first, second = [await matchers.loaded(each) for each in spaces[:2]]
    assert first is await matchers.loaded(spaces[0])

    await matchers.loaded(spaces[2])
    again = [await matchers.loaded(each) for each in spaces[:2]]

    assert (True, False) == (again[0] is first, again[1] is second)
    assert [["s0"], ["s1"]] == [uids(each.match(Occurrence("a", {}))) for each in again]


async def test_workspace_without_subscriptions_is_loaded_once(database: SqliteDatabase) -> None:
    """Revision 0 is what was found, not what was not looked for."""
    matcher = await Matchers(database, workspaces_max=2).loaded(WORKSPACE)

    assert (0, []) == (matcher.revision, matcher.match(Occurrence("a", {})))
