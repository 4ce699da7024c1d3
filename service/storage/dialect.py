"""What differs between the two SQL dialects, as pure functions of a statement's text.

A statement is written once: `:name` parameters, and a placeholder where PostgreSQL must lock the rows that it selects.
`{skip_locked}` takes them for itself and passes over those that another process has locked; `{for_share}` waits for
whoever changes them, and keeps them as they are until the transaction ends. SQLite has one writer, so it needs neither.
The first is not FOR UPDATE, which would pass over every subscription that somebody just now publishes to: rows that
refer to one, like those of its notifications, lock its key.
`{ids}` is a list of texts for IN, from the parameter `:ids`, a JSON array; `{claims}` one of pairs, from `:claims`, an
array of arrays of a text and an integer. So one statement takes many rows of `{events_by_key}`, or of
`{notifications_by_key}`: after an ANALYZE of few rows, SQLite might rather read all that there are by then.
In a table, `{commit_number}` is a primary key that counts up and is never given out twice.
"""

import re
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

# Whatever could hide a colon comes first: quoted text, quoted names, comments and `::` casts are passed over whole.
_TOKEN: Final = re.compile(
    r"""
    '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | ::
    | :(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    """,
    re.VERBOSE | re.DOTALL,
)


class Dialect(StrEnum):
    """The engines that Tidings runs on."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


_PLACEHOLDERS: Final = {
    "{skip_locked}": {Dialect.SQLITE: "", Dialect.POSTGRES: "FOR NO KEY UPDATE SKIP LOCKED"},
    "{for_share}": {Dialect.SQLITE: "", Dialect.POSTGRES: "FOR SHARE"},
    "{ids}": {
        Dialect.SQLITE: "(SELECT value FROM json_each(:ids))",
        Dialect.POSTGRES: "(SELECT jsonb_array_elements_text(CAST(:ids AS JSONB)))",
    },
    "{claims}": {
        Dialect.SQLITE: "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:claims))",
        Dialect.POSTGRES: "(SELECT value ->> 0, CAST(value ->> 1 AS BIGINT) FROM jsonb_array_elements("
        "CAST(:claims AS JSONB)))",
    },
    "{events_by_key}": {
        Dialect.SQLITE: "events INDEXED BY sqlite_autoindex_events_1",
        Dialect.POSTGRES: "events",
    },
    "{notifications_by_key}": {
        Dialect.SQLITE: "notifications INDEXED BY sqlite_autoindex_notifications_1",
        Dialect.POSTGRES: "notifications",
    },
    "{commit_number}": {
        Dialect.SQLITE: "INTEGER PRIMARY KEY AUTOINCREMENT",
        Dialect.POSTGRES: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    },
}


class PostgresStatement(NamedTuple):
    """A statement in PostgreSQL's own form: `$1` … `$n`, and the names of the parameters in that order."""

    text: str
    parameters: tuple[str, ...]


@cache  # One entry per statement constant of this package, so it cannot grow without limit.
def render(sql: str, dialect: Dialect) -> str:
    """Return a statement with its placeholders filled in for a dialect."""
    for placeholder, texts in _PLACEHOLDERS.items():
        sql = sql.replace(placeholder, texts[dialect])
    return sql


@cache
def for_postgres(sql: str) -> PostgresStatement:
    """Return a statement as PostgreSQL takes it, each `:name` numbered by its first appearance."""
    numbers: dict[str, int] = {}

    def numbered(token: re.Match[str]) -> str:
        name = token["name"]
        return token[0] if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    text = _TOKEN.sub(numbered, render(sql, Dialect.POSTGRES))
    return PostgresStatement(text, tuple(numbers))
