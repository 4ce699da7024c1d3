"""`tidings-server token`: make, list and revoke tokens, beside a running server or not."""

from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import click

from service.commands.acting import operator
from service.commands.grants import (
    change_existing,
    existing_database,
    grant,
    grant_options,
    json_option,
    show_all,
    summary,
)
from service.commands.options import option
from service.domain.clock import SystemClock
from service.domain.credentials import CredentialKind, make_token
from service.granting import revoke_token, token_credential

_WORKSPACE_TOKENS_MAX: Final = 1_000


@click.group("token")
def tokens() -> None:
    """Make, list and revoke the tokens that callers show."""


@tokens.command("create")
@grant_options
@option(
    "--workspace-tokens-max",
    envvar="TIDINGS_WORKSPACE_TOKENS_MAX",
    type=click.IntRange(1),
    default=_WORKSPACE_TOKENS_MAX,
    help="How many tokens one workspace may have that are neither expired nor revoked.",
)
def create_token(database: Path, workspace_tokens_max: int, **options: Any) -> None:
    """Make a token and print it, alone, on standard output.

    It is shown this once: only a digest of it is kept. A running server takes it at once.
    """
    token, now_ms = make_token(SystemRandom()), SystemClock().now_ms()
    credential = grant(
        database,
        options,
        lambda terms: token_credential(token, terms, now_ms=now_ms),
        workspace_tokens_max=workspace_tokens_max,
    )
    click.echo(token.text)
    click.echo(f"{token.id}: {summary(credential.grant)}; shown only here", err=True)


@tokens.command("list")
@existing_database
@json_option
def list_tokens(database: Path, as_json: bool) -> None:
    """List all tokens, also those that have expired or were revoked. Their secrets are not known."""
    show_all(database, CredentialKind.TOKEN, now_ms=SystemClock().now_ms(), as_json=as_json)


@tokens.command("revoke")
@click.argument("id")
@existing_database
def revoke(id: str, database: Path) -> None:
    """Let the token ID count no more: a running server refuses it within 5 seconds.

    ID is that of tdg_<id>_<secret>. Calls that it has begun and that go on for long are ended.
    """
    actor, now_ms = operator(), SystemClock().now_ms()
    was = change_existing(database, lambda tx: revoke_token(tx, id, actor=actor, now_ms=now_ms))
    click.echo(f"{was.id}: {'revoked' if was.revoke_time_ms is None else 'was revoked before'}", err=True)
