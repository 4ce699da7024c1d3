"""The database as a simulated process has it: works wait, are committed together and answered later, and may fail."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from service.accepting import Accept
from service.domain.errors import StorageUnavailable
from service.storage import subscriptions
from service.storage.database import T, Transaction
from service.storage.sqlite_connections import Work
from tests.direct import DirectDatabase
from tests.fakes import wants

_BEFORE_ALL = -1
_RULES_MAX = 1_000
_COMMIT_S_MAX = 0.004
_ANSWER_S_MAX = 0.001


@dataclass
class Disk:
    """The file that outlives every process, what is wrong with it at the moment, and what was accepted into it.

    `faults` counts what has been wrong so far. `accepted` has, by event id, the subscriptions that wanted the event
    when its transaction was committed, asked in the plainest way. It is what the matchers must agree with.
    """

    database: DirectDatabase
    is_away: bool = False
    faults: int = 0
    accepted: dict[str, frozenset[str]] = field(default_factory=dict)

    def go_away(self) -> None:
        """Answer nothing until `come_back`."""
        self.faults += 1
        self.is_away = True

    def come_back(self) -> None:
        """End `go_away`."""
        self.is_away = False

    def fill(self) -> None:
        """Let no page be added any more: SQLite says FULL by itself, wherever a statement needs one."""
        self.faults += 1
        [(pages,)] = self.database.connection.execute("PRAGMA page_count")
        self.database.connection.execute(f"PRAGMA max_page_count = {int(pages)}")

    def make_room(self) -> None:
        """End `fill`."""
        self.database.connection.execute("PRAGMA max_page_count = 1073741823")

    def look(self) -> sqlite3.Connection:
        """Return a connection that reads."""
        return self.database.look()


@dataclass(frozen=True)
class _Witnessed:
    """An accepting transaction with somebody who looks at the rules in it."""

    accept: Accept

    def __call__(self, tx: Transaction) -> tuple[Any, Mapping[str, frozenset[str]]]:
        result = self.accept(tx)
        if not isinstance(result, list):
            return result, {}
        rules = subscriptions.rules_since(tx, self.accept.workspace, _BEFORE_ALL, limit=_RULES_MAX)
        events = [
            candidate.event
            for candidate, accepted in zip(self.accept.candidates, result, strict=True)
            if not accepted.deduplicated
        ]
        return result, {each.id: frozenset(rule.uid for rule in rules if wants(rule, each)) for each in events}


class SimulatedDatabase:
    """A `Database` of one process. Once the process has died, nothing is committed or answered any more."""

    def __init__(self, disk: Disk, *, owner: str, rng: Random) -> None:
        self.is_dead = False
        self._owner = owner
        self._disk = disk
        self._rng = rng
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Commit a work together with the others that wait, or refuse it while the disk is away."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._later(_COMMIT_S_MAX, self._commit)
        self._waiting.append((work, future))
        return await future

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work that reads."""
        await asyncio.sleep(self._rng.uniform(0, _ANSWER_S_MAX))
        if self._disk.is_away:
            raise StorageUnavailable("the database does not answer")
        return await self._disk.database.read(work)

    async def close(self) -> None:
        """Leave the file to the next process."""

    def _commit(self) -> None:
        if self.is_dead:
            return
        waiting, self._waiting = self._waiting, []
        if self._disk.is_away:
            answers = [(future, None, StorageUnavailable("the database does not answer")) for _, future in waiting]
        else:
            answers = self._committed(waiting)
        # A process that dies before then was never told of what is committed.
        self._later(_ANSWER_S_MAX, lambda: self._answer(answers))

    def _committed(self, waiting: list[tuple[Work, asyncio.Future[Any]]]) -> list[Any]:
        works = [_Witnessed(work) if isinstance(work, Accept) else work for work, _ in waiting]
        answers = []
        self._disk.database.actor = self._owner
        for (work, future), result in zip(waiting, self._disk.database.commit(works), strict=True):
            value = result.value
            if isinstance(work, Accept) and result.error is None:
                value, accepted = result.value
                self._disk.accepted.update(accepted)
            answers.append((future, value, result.error))
        return answers

    def _answer(self, answers: list[Any]) -> None:
        if self.is_dead:
            return
        for future, value, error in answers:
            if future.done():
                continue  # Its caller was cancelled.
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _later(self, seconds_max: float, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._rng.uniform(0, seconds_max), callback)
