"""The seam between Tidings and its database, below the SQL: run a function in a transaction, on either engine.

Every other module of this package is written against these protocols, so one SQL text serves SQLite and PostgreSQL.
This module knows no driver.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, Protocol, TypeAlias, TypeVar

from service.storage.sealer import Sealer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Value: TypeAlias = str | bytes | int | float | None
"""What a parameter may be. Booleans are stored as 0 and 1: pass `int(flag)`, for PostgreSQL does not convert."""


class Row(Protocol):
    """One row of a result, read by column name: `row["id"]`, `dict(row)`, `Thing(**row)`.

    Both sqlite3.Row and a dict are one. The values are what the column holds: str, bytes, int, float or None.
    """

    def __getitem__(self, column: str, /) -> Any:
        """Return the value of a column."""
        ...

    def keys(self) -> Iterable[str]:
        """Return the column names, in the order of the query."""
        ...


class Transaction(Protocol):
    """The open transaction that a work is handed. It is valid until the work returns.

    SQL is a module-level constant with `:name` parameters; see `service.storage.dialect` for what may stand in it. A
    statement that fails ends the work: let its exception go through, for PostgreSQL runs nothing more in this
    transaction, and SQLite may have rolled it back.
    """

    @property
    def sealer(self) -> Sealer:
        """The keys at hand. `service.storage.sealing` knows which of them seals."""
        ...

    def rows(self, sql: LiteralString, **params: Value) -> list[Row]:
        """Run one statement and return all its rows, those of a RETURNING too. Put a LIMIT on what can be many."""
        ...

    def execute(self, sql: LiteralString, **params: Value) -> int:
        """Run one INSERT, UPDATE or DELETE and return how many rows it changed."""
        ...

    def each(self, sql: LiteralString, params_list: Sequence[Mapping[str, Value]]) -> list[list[Row]]:
        """Run one statement once per entry, in order, and return the rows of each run. One round trip if remote."""
        ...


@dataclass(frozen=True, slots=True)
class Essential(Generic[T_co]):
    """A work that says what has happened already, gives back what was taken, or deletes: it may use a disk's last room.

    Without it, what was done would be done again: the outcome of a request that a receiver has had, a lease of a
    process that ends. New work is not essential, for it can wait or be refused.
    """

    work: Callable[[Transaction], T_co]

    def __call__(self, tx: Transaction) -> T_co:
        """Run the work."""
        return self.work(tx)


@dataclass(frozen=True, slots=True)
class Long(Generic[T_co]):
    """A read of up to a page of rows: at most half of the readers are for these, so the others wait for none of them.

    A publish, and who calls at all, is looked up in short ones.
    """

    work: Callable[[Transaction], T_co]

    def __call__(self, tx: Transaction) -> T_co:
        """Run the work."""
        return self.work(tx)


class Database(Protocol):
    """A database that runs works: plain functions of a transaction.

    A work runs SQL and pure code only: no I/O, no awaiting, no effect outside the transaction, for it runs in another
    thread and may run again. What it returns must not refer to the transaction.
    """

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a work and return its result once it is committed to stable storage.

        Works run one after the other on SQLite, and at READ COMMITTED on PostgreSQL: what a work decides by, it must
        lock first, or name in the WHERE of its change.

        An exception from the work undoes that work alone and is raised here. Any other failure means *unknown*: the
        work may have been committed. Cancelling the caller does not stop the work.

        Raises:
            DiskFull: the disk has no room, or only what is kept for an `Essential` work. Later writes may succeed.
            StorageUnavailable: too many works wait, or the database does not answer, or it is closed.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a work that only reads, on one snapshot of the database, and return its result.

        Raises:
            StorageUnavailable: too many works wait, or the database does not answer, or it is closed.
        """
        ...

    async def close(self) -> None:
        """Finish the works that were accepted, refuse new ones, and let go of the database. May be called again."""
        ...


class OpenError(Exception):
    """A database that cannot be opened. The message is one sentence for the operator; no traceback is needed."""


class FatalStorageError(Exception):
    """The database's storage is broken: the process must stop, for nothing it reads or writes can be trusted."""
