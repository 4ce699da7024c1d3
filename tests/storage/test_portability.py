"""One SQL text for both engines: what the storage modules say, and whether PostgreSQL understands it."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from service.storage import schema
from service.storage.dialect import Dialect, for_postgres, render
from service.storage.workspaces import LOCK_WORKSPACE
from tests.storage.conftest import Postgres

_STORAGE = Path(schema.__file__).parent
# These speak to one engine, or are checked by being run.
_ENGINES = {"__init__", "migrations", "postgres", "schema", "sqlite", "sqlite_file"}
_MODULES = sorted(path.stem for path in _STORAGE.glob("*.py") if path.stem not in _ENGINES)
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")  # One with a leading underscore is a part that statements share.
_STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES)\b")
_RUN = {"rows", "execute", "each"}


def statements_of(module: ModuleType) -> dict[str, str]:
    """Return the statements that a module defines, by qualified name, each as it is once it is put together."""
    tree = ast.parse(Path(module.__file__ or "").read_text())
    return {
        f"{module.__name__}.{name}": value
        for node in tree.body
        for name in _assigned(node)
        if _CONSTANT.fullmatch(name) and isinstance(value := getattr(module, name), str) and _STATEMENT.match(value)
    }


def all_statements() -> dict[str, str]:
    """Return every SQL constant of the storage modules, by qualified name."""
    modules = [importlib.import_module(f"service.storage.{name}") for name in _MODULES]
    return {name: sql for module in modules for name, sql in statements_of(module).items()}


def calls_without_a_constant(source: str) -> list[int]:
    """Return the lines on which `tx` is given anything but a statement constant by name."""
    return [call.lineno for call in _calls(ast.parse(source)) if not (call.args and _is_constant(call.args[0]))]


def calls_with_other_parameters(module: ModuleType) -> list[str]:
    """Return the calls whose keywords are not the statement's parameters. SQLite would take one too many in silence."""
    return [
        f"{module.__name__}:{call.lineno}: {given} for {wanted}"
        for call in _calls(ast.parse(Path(module.__file__ or "").read_text()))
        if isinstance(call.args[0], ast.Name) and isinstance(call.func, ast.Attribute) and call.func.attr != "each"
        if (given := {keyword.arg for keyword in call.keywords})
        != (wanted := set(for_postgres(getattr(module, call.args[0].id)).parameters))
        if None not in given
    ]


def refused(postgres: Postgres, statements: dict[str, str], script: Path) -> dict[str, str]:
    """Return what PostgreSQL says of each statement that it does not accept, by the statement's name."""
    names_by_line: dict[int, str] = {}
    text = ""
    for name, sql in statements.items():
        text += f"PREPARE {name.replace('.', '_')} AS {for_postgres(sql).text.strip()}\n;\n"
        names_by_line[text.count("\n")] = name
    script.write_text(text)
    errors = [re.match(r"psql:.*:(\d+): ERROR: +(.*)", line) for line in postgres.run(script)]
    return {names_by_line[int(error[1])]: error[2] for error in errors if error}


def _is_constant(sql: ast.expr) -> bool:
    match sql:
        case ast.Name(id=name):
            return _CONSTANT.fullmatch(name) is not None
        case ast.IfExp(body=one, orelse=other):
            return _is_constant(one) and _is_constant(other)
        case _:
            return False


def _assigned(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]):
            yield name


def _calls(tree: ast.Module) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _RUN
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "tx"
    ]


def test_postgres_accepts_every_statement(prepared_schema: Postgres, script: Path) -> None:
    """The schema and each statement constant are valid PostgreSQL, types included."""
    statements = all_statements()

    assert statements
    assert {} == refused(prepared_schema, statements, script)


def test_a_statement_that_postgres_refuses_is_reported_by_name(prepared_schema: Postgres, script: Path) -> None:
    """The check above can fail, and says which constant is at fault."""
    statements = {"good": "SELECT 1", "bad": "SELECT\n  nothing FROM nowhere", "also_good": "SELECT :a::TEXT"}

    assert {"bad": 'relation "nowhere" does not exist'} == refused(prepared_schema, statements, script)


def test_works_that_lock_a_workspace_take_turns_on_postgres(prepared_schema: Postgres, script: Path) -> None:
    """Whether it has a row already or not; those of other workspaces go on."""
    prepare = f"PREPARE lock_it AS {for_postgres(LOCK_WORKSPACE).text.strip()};\n"
    other = script.with_suffix(".other.sql")
    other.write_text(
        f"{prepare}SET lock_timeout = '1s';\n"
        + "".join(f"EXECUTE lock_it('acme/{name}');\n" for name in ("old", "new", "free"))
    )
    psql = f"{prepared_schema.binaries / 'psql'} --no-psqlrc --quiet --host {prepared_schema.socket_folder}"
    script.write_text(
        f"{prepare}EXECUTE lock_it('acme/old');\nBEGIN;\nEXECUTE lock_it('acme/old');\nEXECUTE lock_it('acme/new');\n"
        f"\\! {psql} --dbname postgres --file {other}\nCOMMIT;\n"
    )

    errors = prepared_schema.run(script)
    other.unlink()

    waited = "ERROR:  canceling statement due to lock timeout"
    line = prepare.count("\n") + 2
    assert [f"psql:{other}:{line}: {waited}", f"psql:{other}:{line + 1}: {waited}"] == errors


@pytest.mark.parametrize("module", _MODULES)
def test_every_statement_is_a_constant(module: str) -> None:
    """Constants are put together on import and checked above; what is put together where it is run could not be."""
    assert [] == calls_without_a_constant((_STORAGE / f"{module}.py").read_text())


@pytest.mark.parametrize("module", _MODULES)
def test_every_call_gives_exactly_the_parameters_of_its_statement(module: str) -> None:
    """A parameter too many is a mistake that SQLite does not report."""
    assert [] == calls_with_other_parameters(importlib.import_module(f"service.storage.{module}"))


@pytest.mark.parametrize(
    "call",
    [
        'tx.rows("SELECT 1")',
        'tx.execute(f"DELETE FROM {table}")',
        "tx.each(sql, [])",
        'tx.rows(A + " LIMIT 1")',
        "tx.rows(_A)",
    ],
)
def test_inline_sql_is_found(call: str) -> None:
    """The check for constants can fail."""
    assert [1] == calls_without_a_constant(call)


@pytest.mark.parametrize(
    ("sql", "text", "parameters"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT ':a', 'it''s :b', :c", "SELECT ':a', 'it''s :b', $1", ("c",)),
        ('SELECT "x:y" FROM t', 'SELECT "x:y" FROM t', ()),
        ("SELECT :a::TEXT", "SELECT $1::TEXT", ("a",)),
        ("SELECT 1 -- :no\n, :yes", "SELECT 1 -- :no\n, $1", ("yes",)),
        ("SELECT /* :no\n :no */ :yes", "SELECT /* :no\n :no */ $1", ("yes",)),
        ("SELECT id FROM t LIMIT :n {skip_locked}", "SELECT id FROM t LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED", ("n",)),
        (
            "SELECT id FROM t WHERE id IN {ids}",
            "SELECT id FROM t WHERE id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
            ("ids",),
        ),
        ("SELECT id FROM t WHERE id = :id {for_share}", "SELECT id FROM t WHERE id = $1 FOR SHARE", ("id",)),
        ("SELECT '{}' WHERE a LIKE '%'", "SELECT '{}' WHERE a LIKE '%'", ()),
    ],
)
def test_only_parameters_are_numbered_for_postgres(sql: str, text: str, parameters: tuple[str, ...]) -> None:
    """Text, names, comments and casts keep their colons."""
    assert (text, parameters) == for_postgres(sql)


@pytest.mark.parametrize("sql", ["SELECT id FROM t {skip_locked}", "SELECT id FROM t {for_share}"])
def test_sqlite_takes_no_row_locks(sql: str) -> None:
    """SQLite has one writer, and no syntax for it."""
    assert "SELECT id FROM t " == render(sql, Dialect.SQLITE)
