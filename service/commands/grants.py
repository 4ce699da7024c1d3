"""What the commands for tokens and for identities share: the options of a grant, and how credentials are shown."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from service.commands.acting import operator
from service.commands.failing import refuse
from service.commands.options import Age, database_option
from service.domain.access import Binding, Grant, Scope
from service.domain.clock import rfc3339
from service.domain.credentials import Credential, CredentialKind, grantable
from service.domain.errors import CallerError
from service.domain.ids import check_resource_id
from service.granting import Terms, all_of, create
from service.storage.database import FatalStorageError, OpenError, Transaction
from service.storage.sqlite import run_beside

_ALL_SCOPES: Final = "*"
_HEADINGS: Final = ("ID", "STATE", "GRANTED FOR", "SCOPES", "EXPIRES", "LAST USED", "DESCRIPTION")

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

existing_database = database_option(help="The SQLite file that holds everything.")
json_option = click.option("--json", "as_json", is_flag=True, help="Show one JSON object per line.")

_GRANT_OPTIONS: Final = (
    database_option(help="The SQLite file that holds everything. It is created when it does not exist."),
    click.option(
        "--scope",
        "scopes",
        required=True,
        multiple=True,
        type=click.Choice([*(scope.value for scope in Scope), _ALL_SCOPES]),
        help="What may be done; '*' is all that can be granted there. May be repeated.",
    ),
    click.option("--organization", metavar="ID", help="Grant it in this organization, in all of its workspaces."),
    click.option("--workspace", metavar="ID", help="Grant it in this workspace of the organization only."),
    click.option("--all", "is_for_everything", is_flag=True, help="Grant it everywhere."),
    click.option(
        "--expires",
        "lifetime",
        type=Age("1m"),
        help="After which time it ends by itself, such as 90d; at least 1m. Without it, never.",
    ),
    click.option("--description", default="", metavar="TEXT", help="What it is for; shown in the list."),
)


def grant_options(command: F) -> F:
    """Give a command the options that say what is granted; `grant` takes their values."""
    return reduce(lambda decorated, decorate: decorate(decorated), reversed(_GRANT_OPTIONS), command)


def grant(
    database: Path,
    options: Mapping[str, Any],
    credential_of: Callable[[Terms], Credential],
    *,
    workspace_tokens_max: int | None = None,
) -> Credential:
    """Make a credential on the terms that the options say and store it, or end the command with what is wrong."""
    try:
        credential = credential_of(_terms(**options))
    except CallerError as error:
        refuse(error)
    actor = operator()
    change(database, lambda tx: create(tx, credential, actor=actor, workspace_tokens_max=workspace_tokens_max))
    return credential


def summary(grant: Grant) -> str:
    """Return what was granted, for whoever has granted it."""
    return f"{', '.join(sorted(grant.scopes))} for {grant.binding}"


def _terms(
    *,
    scopes: Sequence[str],
    organization: str | None,
    workspace: str | None,
    is_for_everything: bool,
    lifetime: timedelta | None,
    description: str,
) -> Terms:
    """Return what the options of a grant say.

    Raises:
        click.UsageError: they contradict each other.
        InvalidField: an id is none.
    """
    binding = _binding(organization, workspace, is_for_everything=is_for_everything)
    granted = grantable(binding) if _ALL_SCOPES in scopes else frozenset(map(Scope, scopes))
    return Terms(grant=Grant(granted, binding), lifetime=lifetime, description=description)


def change(database: Path, work: Callable[[Transaction], T]) -> T:
    """Run a work and return its result, or end the command with what is wrong."""
    try:
        return run_beside(database, work)
    except (CallerError, OpenError, FatalStorageError) as error:
        refuse(error)


def change_existing(database: Path, work: Callable[[Transaction], T]) -> T:
    """Do the same, but never to a database that is not there: its name is misspelt."""
    if not database.exists():
        refuse(OpenError(f"there is no database {database}"))
    return change(database, work)


def show_all(database: Path, kind: CredentialKind, *, now_ms: int, as_json: bool) -> None:
    """Print all credentials of a kind, without any secret."""
    found = change_existing(database, lambda tx: all_of(tx, kind))
    lines = (json.dumps(_as_json(each, now_ms)) for each in found) if as_json else _table(found, now_ms)
    for line in lines:
        click.echo(line)


def _binding(organization: str | None, workspace: str | None, *, is_for_everything: bool) -> Binding:
    if is_for_everything == (organization is not None):
        raise click.UsageError("say where it is granted: --organization, with or without --workspace, or --all")
    if workspace is not None and organization is None:
        raise click.UsageError("--workspace needs its --organization")
    for option, id in (("--organization", organization), ("--workspace", workspace)):
        if id is not None:
            check_resource_id(option, id)
    return Binding(organization, workspace)


def _as_json(credential: Credential, now_ms: int) -> dict[str, Any]:
    binding = credential.grant.binding
    return {
        "id": credential.id,
        **({} if credential.identity is None else {"identity": credential.identity}),
        "state": credential.state(now_ms),
        "organization": binding.organization,
        "workspace": binding.workspace,
        "scopes": sorted(credential.grant.scopes),
        "description": credential.description,
        "create_time": rfc3339(credential.create_time_ms),
        "expire_time": _time(credential.expire_time_ms),
        "revoke_time": _time(credential.revoke_time_ms),
        "last_used_time": _time(credential.last_used_time_ms),
    }


def _table(found: Iterable[Credential], now_ms: int) -> Iterable[str]:
    rows = [_HEADINGS, *(_row(credential, now_ms) for credential in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(credential: Credential, now_ms: int) -> tuple[str, ...]:
    return (
        credential.id if credential.identity is None else credential.identity,
        credential.state(now_ms),
        str(credential.grant.binding),
        ",".join(sorted(credential.grant.scopes)),
        _time(credential.expire_time_ms) or "never",
        _time(credential.last_used_time_ms) or "never",
        credential.description,
    )


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)
