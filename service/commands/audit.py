"""`tidings-server audit`: who changed what, and when."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import orjson

from service.commands.failing import fail
from service.commands.options import Age, database_option, option
from service.domain.audit import AuditEntry
from service.domain.clock import SystemClock, rfc3339
from service.domain.errors import InvalidField, Unavailable
from service.domain.names import Workspace, parse_workspace
from service.storage import audit as log
from service.storage.audit import NEWEST, AuditFilter
from service.storage.database import OpenError
from service.storage.sqlite import read_beside

# Read in parts, so that no snapshot is held for long and nobody waits for the whole log.
_ENTRIES_PER_READ_MAX: Final = 200


class WorkspaceName(click.ParamType[Workspace]):
    """The resource name of a workspace."""

    name = "NAME"

    def convert(self, value: str | Workspace, param: click.Parameter | None, ctx: click.Context | None) -> Workspace:
        """Return the value of what was given, or end the command with what is allowed."""
        if isinstance(value, Workspace):
            return value
        try:
            return parse_workspace(param.opts[0] if param else "workspace", value)
        except InvalidField as error:
            self.fail(str(error), param, ctx)


@click.command()
@database_option(help="The SQLite file whose log to read.")
@option("--workspace", type=WorkspaceName(), help="Only of this workspace: organizations/{o}/workspaces/{w}.")
@option("--resource", default="", show_default=False, metavar="NAME", help="Only of this resource, by its whole name.")
@option(
    "--actor", default="", show_default=False, metavar="NAME", help="Only by this one, such as token:{id} or server."
)
@option("--since", type=Age("0s"), help="Only of the last while, such as 24h.")
@option("--limit", type=click.IntRange(1), default=100, help="At most so many changes.")
@option("--json", "is_json", is_flag=True, help="One JSON object a line, with what was before and after.")
def audit(
    database: Path,
    workspace: Workspace | None,
    resource: str,
    actor: str,
    since: timedelta | None,
    limit: int,
    is_json: bool,
) -> None:
    """Show who changed what, the last change first, while a server uses the database or not.

    A line says when it was, who it was, what they did, to what, and which fields changed. Secrets are masked.
    Publishing is not in it, for the events are its record. Changes are kept as long as `serve --retain-audit` says.
    """
    since_ms = 0 if since is None else SystemClock().now_ms() - since // timedelta(milliseconds=1)
    only = AuditFilter(workspace=workspace, resource=resource, actor=actor, since_ms=since_ms)
    show(_entries(database, only, limit=limit), json_line if is_json else line)


def show(entries: Iterable[AuditEntry], line_of: Callable[[AuditEntry], str]) -> None:
    """Print entries as they are read, or end the command with what is in the way of the next one."""
    try:
        for entry in entries:
            click.echo(line_of(entry))
    except (OpenError, Unavailable) as error:
        fail(error)


def _entries(database: Path, only: AuditFilter, *, limit: int) -> Iterator[AuditEntry]:
    position = NEWEST
    while True:
        read = partial(log.before, position=position, only=only, limit=_ENTRIES_PER_READ_MAX)
        found = read_beside(database, read)
        for logged in found:
            if only.wants(logged.entry):
                yield logged.entry
                limit -= 1
                if not limit:
                    return
        if len(found) < _ENTRIES_PER_READ_MAX:
            return
        position = found[-1].position


def line(entry: AuditEntry) -> str:
    """Return an entry for a person to read. No character in it moves the cursor, whatever a certificate is called."""
    words = (rfc3339(entry.time_ms), entry.actor.name, entry.action, entry.resource, _what(entry))
    return "  ".join(ascii(word)[1:-1] for word in words)


def _what(entry: AuditEntry) -> str:
    if entry.before is None:
        return "created"
    if entry.after is None:
        return "deleted"
    return f"changed: {', '.join(entry.changed_fields) or 'nothing'}"


def json_line(entry: AuditEntry) -> str:
    """Return all of an entry as a JSON object."""
    fields: dict[str, Any] = {
        "time": rfc3339(entry.time_ms),
        "actor": entry.actor.name,
        "action": entry.action,
        "workspace": entry.workspace.name if entry.workspace else None,
        "resource": entry.resource,
        "request_id": entry.request_id,
        "call_id": entry.actor.call_id,
        "changed_fields": entry.changed_fields,
        "before": entry.before,
        "after": entry.after,
    }
    return orjson.dumps(fields).decode()
