"""Which subscriptions want an event.

A matcher holds the rules of one workspace as of one revision, and is brought up to date with the rules that changed
since. It is used on the event loop only; what runs inside a transaction is the pure `rematch`.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from service.domain.access import SERVER
from service.domain.attributes import attributes_match
from service.domain.audit import entry_of
from service.domain.clock import Clock
from service.domain.filters import FilterInput, VerdictKind, evaluate
from service.domain.model import Event
from service.domain.names import Workspace
from service.domain.patterns import PatternIndex, matches
from service.storage import audit, subscriptions, workspaces
from service.storage.database import Database, Transaction
from service.storage.subscriptions import Rule
from service.turns import CpuSlice, Turns

_RULES_PER_READ_MAX = 1_000
_NEVER_LOADED = -1


@dataclass(frozen=True, slots=True)
class _Changes:
    """The rules that changed up to a revision; or all that there are, where deleted ones are no longer told of."""

    rules: Sequence[Rule]
    revision: int
    are_all: bool


class WorkspaceMatcher:
    """The rules of one workspace at one revision: none, and a revision before all others, until it is loaded."""

    def __init__(self, shut: Callable[[Rule], Awaitable[None]], *, turns: Turns) -> None:
        self.revision = _NEVER_LOADED
        self.loading = asyncio.Lock()
        self._evaluating = asyncio.Lock()
        # By uid, the revision of a rule whose filter was shut: whoever waits for a turn does not evaluate it too.
        self._too_slow: dict[str, int] = {}
        self._shut = shut
        self._turns = turns
        self._rules: dict[str, Rule] = {}
        self._index: PatternIndex[str] = PatternIndex()

    def apply(self, changed: Iterable[Rule], *, revision: int, are_all: bool = False) -> None:
        """Take in the rules that changed since this matcher's revision, or all rules that there are."""
        if are_all:
            for uid in list(self._rules):
                self._remove(uid)
        for rule in changed:
            self._remove(rule.uid)
            if rule.active:
                self._add(rule)
            else:
                self._too_slow.pop(rule.uid, None)
        self.revision = revision

    async def match(self, events: Sequence[Event]) -> list[list[Rule]]:
        """Return for each event the rules that want it, as of the revision that this matcher has when called.

        Rules whose patterns cannot match cost nothing. Other tasks have their turns in between, and may bring this
        matcher up to date. A filter that is too slow matches nothing and is shut, which is a change of the workspace:
        the accepting transaction meets a newer revision.

        Raises:
            DiskFull, StorageUnavailable: a filter was to be shut, see Database.write.
        """
        candidates = [self._candidates(event) for event in events]
        return [await self._wanting(rules, event) for event, rules in zip(events, candidates, strict=True)]

    def _candidates(self, event: Event) -> list[Rule]:
        rules = (self._rules[uid] for uid in self._index.candidates(event.event_type))
        return [
            rule
            for rule in rules
            if not rule.filter_is_shut and attributes_match(rule.attribute_filters, event.attributes)
        ]

    async def _wanting(self, candidates: list[Rule], event: Event) -> list[Rule]:
        """Return those of the candidates whose filter is true."""
        if not any(rule.filter for rule in candidates):
            return candidates
        # However many publishes a workspace makes at once, one of them stands in the line of all workspaces.
        async with self._evaluating:
            return await self._evaluated(candidates, event)

    async def _evaluated(self, candidates: list[Rule], event: Event) -> list[Rule]:
        shown = FilterInput(event)
        wanting = [rule for rule in candidates if not rule.filter]
        left = deque(rule for rule in candidates if rule.filter and not self._is_too_slow(rule))
        while left:
            async with self._turns.turn() as slice_:
                too_slow = self._evaluate(left, shown, wanting, slice_)
            if too_slow is not None:
                await self._shut(too_slow)
                # Not before it is shut, or it would match nothing without anybody being told.
                self._too_slow[too_slow.uid] = too_slow.revision
        return wanting

    def _evaluate(self, left: deque[Rule], shown: FilterInput, wanting: list[Rule], slice_: CpuSlice) -> Rule | None:
        """Move rules from `left` to `wanting`, or drop them, for a slice; end early with one that is too slow."""
        while left:
            rule = left.popleft()
            verdict = evaluate(rule.filter, shown, self._turns.cpu_s)
            if verdict.kind is VerdictKind.TRUE:
                wanting.append(rule)
            elif verdict.kind is VerdictKind.TOO_SLOW:
                return rule
            if slice_.is_used_up:
                break
        return None

    def _is_too_slow(self, rule: Rule) -> bool:
        return rule.revision <= self._too_slow.get(rule.uid, _NEVER_LOADED)

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

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        workspaces_max: int,
        on_filter_shut: Callable[[Workspace, Rule], None] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_filter_shut = on_filter_shut
        self._turns = turns or Turns()
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
        changed = await self._database.read(lambda tx: _changes_since(tx, workspace, since))
        matcher.apply(changed.rules, revision=changed.revision, are_all=changed.are_all)

    async def _shut(self, workspace: Workspace, rule: Rule) -> None:
        now_ms = self._clock.now_ms()
        shut = await self._database.write(lambda tx: shut_filter(tx, rule.uid, rule.filter, now_ms=now_ms))
        if shut and self._on_filter_shut is not None:
            self._on_filter_shut(workspace, rule)

    def _kept(self, workspace: Workspace) -> WorkspaceMatcher:
        matcher = self._matchers.get(workspace)
        if matcher is None:
            matcher = WorkspaceMatcher(lambda rule: self._shut(workspace, rule), turns=self._turns)
            self._matchers[workspace] = matcher
        self._matchers.move_to_end(workspace)
        if len(self._matchers) > self._workspaces_max:
            self._matchers.popitem(last=False)
        return matcher


def shut_filter(tx: Transaction, uid: str, text: str, *, now_ms: int) -> bool:
    """Shut a filter that took too long, unless the subscription has another one by now; say whether this did it."""
    shut = subscriptions.shut_filter(tx, uid, text)
    if shut is None:
        return False
    before = replace(shut, filter_is_shut=False)
    audit.insert(tx, entry_of(SERVER, "ShutFilter", before, shut, time_ms=now_ms))
    return True


def rematch(
    tx: Transaction,
    workspace: Workspace,
    events: Sequence[Event],
    matched: Sequence[list[Rule]],
    revision: int,
) -> list[list[Rule]] | None:
    """Correct matches made at an older revision inside the accepting transaction, where nothing can change any more.

    None means that a rule which changed has a filter that would have to be evaluated, which is not done in a
    transaction, or that the revision is too old to say what changed: match again outside.
    """
    changed = _changes_since(tx, workspace, revision)
    if changed.are_all:
        return None
    latest = {rule.uid: rule for rule in changed.rules}
    corrected = []
    for event, rules in zip(events, matched, strict=True):
        known_true = {rule.uid: rule.filter for rule in rules}
        added = [rule for rule in latest.values() if _may_want(rule, event)]
        if any(rule.filter and known_true.get(rule.uid) != rule.filter for rule in added):
            return None
        corrected.append([rule for rule in rules if rule.uid not in latest] + added)
    return corrected


def _may_want(rule: Rule, event: Event) -> bool:
    """Say whether a rule wants an event if its filter, should it have one, is true."""
    return (
        rule.active
        and not rule.filter_is_shut
        and any(matches(pattern, event.event_type) for pattern in rule.event_types)
        and attributes_match(rule.attribute_filters, event.attributes)
    )


def _changes_since(tx: Transaction, workspace: Workspace, revision: int) -> _Changes:
    latest = workspaces.revision(tx, workspace.key)
    are_all = revision < workspaces.forgotten_revision(tx, workspace.key)
    changed: list[Rule] = []
    after = _NEVER_LOADED if are_all else revision
    while after < latest:
        page = subscriptions.rules_since(tx, workspace, after, limit=_RULES_PER_READ_MAX)
        if not page:
            break
        changed += page
        after = page[-1].revision
    return _Changes(changed, latest, are_all=are_all)
