"""`tidings-server identity`: grant something to client certificates, list it and revoke it."""

from pathlib import Path
from random import SystemRandom
from typing import Any

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
from service.domain.clock import SystemClock
from service.domain.credentials import CredentialKind
from service.granting import identity_credential, revoke_identity


@click.group("identity")
def identities() -> None:
    """Say what client certificates may do, by the identity in them."""


@identities.command("create")
@click.argument("identity")
@grant_options
def create_identity(identity: str, database: Path, **options: Any) -> None:
    """Grant something to certificates with IDENTITY in them.

    IDENTITY is uri:<URI> for one of their URI alternative names, such as uri:spiffe://acme/orders, or cn:<common name>.
    Of several identities in a certificate, the first that was granted something counts; URIs come before the name.
    A running server takes it within 2 seconds.
    """
    rng, now_ms = SystemRandom(), SystemClock().now_ms()
    credential = grant(database, options, lambda terms: identity_credential(identity, terms, rng=rng, now_ms=now_ms))
    click.echo(f"{identity}: {summary(credential.grant)}", err=True)


@identities.command("list")
@existing_database
@json_option
def list_identities(database: Path, as_json: bool) -> None:
    """List all identities, also those whose grant has expired or was revoked."""
    show_all(database, CredentialKind.CERTIFICATE, now_ms=SystemClock().now_ms(), as_json=as_json)


@identities.command("revoke")
@click.argument("identity")
@existing_database
def revoke(identity: str, database: Path) -> None:
    """Let certificates with IDENTITY in them count no more: a running server refuses them within 5 seconds."""
    actor, now_ms = operator(), SystemClock().now_ms()
    change_existing(database, lambda tx: revoke_identity(tx, identity, actor=actor, now_ms=now_ms))
    click.echo(f"{identity}: revoked", err=True)
