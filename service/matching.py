"""Which subscriptions want an event.

A matcher holds the rules of one workspace as of one revision, and is brought up to date with the rules that changed
since. It is used on the event loop only; what runs inside a transaction is the pure `rematch`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.attributes import attributes_match
from service.domain.names import Workspace
from service.domain.patterns import PatternIndex, matches
from service.storage import subscriptions, workspaces
from service.storage.database import Database, Transaction
from service.storage.subscriptions import Rule

_RULES_PER_READ_MAX = 1_000
_NEVER_LOADED = -1


@dataclass(frozen=True, slots=True)
class Occurrence:
    """As much of an event as matching looks at."""

    event_type: str
    attributes: Mapping[str, str]


class WorkspaceMatcher:
    """The rules of one workspace at one revision: none, and a revision before all others, until it is loaded."""

    def __init__(self) -> None:
        self.revision = _NEVER_LOADED
        self.loading = asyncio.Lock()
        self._rules: dict[str, Rule] = {}
        self._index: PatternIndex[str] = PatternIndex()

    def apply(self, changed: Iterable[Rule], *, revision: int) -> None:
        """Take in the rules that changed since this matcher's revision."""
        for rule in changed:
            self._remove(rule.uid)
            if rule.active:
                self._add(rule)
        self.revision = revision

    def match(self, occurrence: Occurrence) -> list[Rule]:
        """Return the rules that want the occurrence. Rules whose patterns cannot match cost nothing."""
        candidates = (self._rules[uid] for uid in self._index.candidates(occurrence.event_type))
        return [rule for rule in candidates if attributes_match(rule.attribute_filters, occurrence.attributes)]

    def _add(self, rule: Rule) -> None:
        self._rules[rule.uid] = rule
        # A subscription may name a pattern twice; the index has it once.
        for pattern in set(rule.event_types):
            self._index.add(pattern, rule.uid)

    def _remove(self, uid: str) -> None:
        known = self._rules.pop(uid, None)
        if known is not None:
            for pattern in set(known.event_types):
                self._index.remove(pattern, uid)


class Matchers:
    """The matchers of the workspaces that were used last."""

    def __init__(self, database: Database, *, workspaces_max: int) -> None:
        self._database = database
        self._workspaces_max = workspaces_max
        self._matchers: OrderedDict[Workspace, WorkspaceMatcher] = OrderedDict()

    async def loaded(self, workspace: Workspace) -> WorkspaceMatcher:
        """Return the workspace's matcher as it was left, which may be behind; a new one is loaded."""
        matcher = self._kept(workspace)
        return await self.newer(workspace, _NEVER_LOADED) if matcher.revision == _NEVER_LOADED else matcher

    async def newer(self, workspace: Workspace, revision: int) -> WorkspaceMatcher:
        """Return the workspace's matcher, brought up to date unless it is of another revision than this already.

        Publishes that find the same revision out of date share one read.
        """
        matcher = self._kept(workspace)
        async with matcher.loading:
            if matcher.revision in (revision, _NEVER_LOADED):
                await self._bring_up_to_date(workspace, matcher)
        return matcher

    async def refresh(self, workspace: Workspace) -> WorkspaceMatcher:
        """Return the workspace's matcher with every change that is committed by now."""
        matcher = self._kept(workspace)
        async with matcher.loading:
            await self._bring_up_to_date(workspace, matcher)
        return matcher

    async def _bring_up_to_date(self, workspace: Workspace, matcher: WorkspaceMatcher) -> None:
        since = matcher.revision
        changed, revision = await self._database.read(lambda tx: _changes_since(tx, workspace, since))
        matcher.apply(changed, revision=revision)

    def _kept(self, workspace: Workspace) -> WorkspaceMatcher:
        matcher = self._matchers.setdefault(workspace, WorkspaceMatcher())
        self._matchers.move_to_end(workspace)
        if len(self._matchers) > self._workspaces_max:
            self._matchers.popitem(last=False)
        return matcher


def rematch(
    tx: Transaction,
    workspace: Workspace,
    occurrences: Sequence[Occurrence],
    matched: Sequence[list[Rule]],
    revision: int,
) -> list[list[Rule]]:
    """Correct matches made at an older revision inside the accepting transaction, where nothing can change any more."""
    changed, _ = _changes_since(tx, workspace, revision)
    latest = {rule.uid: rule for rule in changed}
    return [
        [rule for rule in rules if rule.uid not in latest]
        + [rule for rule in latest.values() if wants(rule, occurrence)]
        for occurrence, rules in zip(occurrences, matched, strict=True)
    ]


def wants(rule: Rule, occurrence: Occurrence) -> bool:
    """Say whether one rule wants one occurrence: the definition that the index must agree with."""
    return (
        rule.active
        and any(matches(pattern, occurrence.event_type) for pattern in rule.event_types)
        and attributes_match(rule.attribute_filters, occurrence.attributes)
    )


def _changes_since(tx: Transaction, workspace: Workspace, revision: int) -> tuple[list[Rule], int]:
    changed: list[Rule] = []
    latest = workspaces.revision(tx, workspace.key)
    after = revision
    while after < latest:
        page = subscriptions.rules_since(tx, workspace, after, limit=_RULES_PER_READ_MAX)
        if not page:
            break
        changed += page
        after = page[-1].revision
    return changed, latest
