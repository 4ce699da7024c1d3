"""How a command ends when it cannot do what it was asked."""

import io
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import click
import structlog

from service.api.addresses import ListenError
from service.api.tls import TlsError
from service.domain.errors import CallerError, Unavailable
from service.domain.keyring import KeyringInvalid
from service.domain.masking import masked
from service.settings import SettingsError
from service.storage.backup import BackupError
from service.storage.database import FatalStorageError, OpenError

_log = structlog.get_logger()

# What an operator can mend: one sentence says it all.
_FOR_OPERATORS = (
    OpenError,
    BackupError,
    KeyringInvalid,
    ListenError,
    SettingsError,
    TlsError,
    Unavailable,
    FatalStorageError,
)


class MaskingGroup(click.Group):
    """Commands whose errors show no secret that somebody gave by mistake, as an option or in the environment."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            said = io.StringIO()
            error.show(said)
            click.echo(masked(said.getvalue()), err=True, nl=False)
            ctx.exit(error.exit_code)


def fail(error: Exception) -> NoReturn:
    """Exit with 1 and say why: what an operator can mend in one sentence, a bug with its traceback in the log."""
    causes = list(_causes(error))
    foreseen = [cause for cause in causes if isinstance(cause, _FOR_OPERATORS)]
    if len(foreseen) < len(causes):
        _log.exception("server.failed", exc_info=error)
    # A server that ran is watched by its log; one that does not start, by whoever starts it.
    if any(isinstance(cause, FatalStorageError) for cause in foreseen):
        _log.error("server.failed", error=str(foreseen[0]))
    if foreseen:
        click.echo(masked(f"tidings-server: {foreseen[0]}"), err=True)
    sys.exit(1)


def refuse(error: CallerError | OpenError | FatalStorageError) -> NoReturn:
    """Exit with 1 and say in one sentence why a command was not carried out."""
    click.echo(masked(f"tidings-server: {error}"), err=True)
    sys.exit(1)


def _causes(error: Exception) -> Iterator[Exception]:
    """Yield the exceptions that task groups have put together."""
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    for each in error.exceptions:
        yield from _causes(each)
