"""Transactions on a real PostgreSQL, told to its own client: enough to see what a work does beside another one."""

import csv
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Self

from service.storage.database import Row, Value
from service.storage.dialect import for_postgres
from service.storage.sealer import Sealer

_END: Final = "that was all"


class PsqlTransaction:
    """A `Transaction` in a psql of its own. What is not committed when it is left is undone.

    Args:
        command: begins a psql for one database.
        user: whom to run it as, None for whoever runs the tests.
    """

    def __init__(self, command: Sequence[str], *, user: str | None, sealer: Sealer) -> None:
        self.sealer = sealer
        self._psql = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=user,
            cwd="/",
        )

    def __enter__(self) -> Self:
        self.tell("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._psql.communicate()

    def commit(self) -> None:
        """Commit."""
        assert ["COMMIT"] == self.tell("COMMIT")

    def rows(self, sql: str, **params: Value) -> list[Row]:
        """Run one statement and return all its rows."""
        return list(csv.DictReader(self._run(sql, params)))

    def execute(self, sql: str, **params: Value) -> int:
        """Run one INSERT, UPDATE or DELETE and return how many rows it changed."""
        [tag] = self._run(sql, params)
        return int(tag.rpartition(" ")[2])

    def each(self, sql: str, params_list: Sequence[Mapping[str, Value]]) -> list[list[Row]]:
        """Run one statement once per entry, in order, and return the rows of each run."""
        return [self.rows(sql, **params) for params in params_list]

    def tell(self, statement: str) -> list[str]:
        """Have a statement run as it is, and return what psql prints."""
        assert self._psql.stdin is not None
        assert self._psql.stdout is not None
        self._psql.stdin.write(f"{statement};\n\\echo {_END}\n")
        self._psql.stdin.flush()
        lines: list[str] = []
        while (line := self._psql.stdout.readline().rstrip("\n")) != _END:
            assert line, "psql has ended"
            assert "ERROR: " not in line, line
            lines.append(line)
        return lines

    def _run(self, sql: str, params: Mapping[str, Value]) -> list[str]:
        text, names = for_postgres(sql)
        values = ", ".join(_literal(params[name]) for name in names)
        prepared, *printed, deallocated = self.tell(
            f"PREPARE asked AS {text.strip()}\n; EXECUTE asked{f' ({values})' if values else ''}; DEALLOCATE asked"
        )
        assert ("PREPARE", "DEALLOCATE") == (prepared, deallocated)
        return printed


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    text = str(value).replace("'", "''")
    return f"'{text}'"
