"""`tidings-server identity`: grant something to client certificates, list it and revoke it."""

from pathlib import Path
from random import SystemRandom
from typing import Any

import click

from service.commands.failing import refuse
from service.commands.grants import (
    change,
    change_existing,
    command_line_actor,
    existing_database,
    grant_options,
    json_option,
    show_all,
    terms_of,
)
from service.domain.clock import SystemClock
from service.domain.credentials import CredentialKind
from service.domain.errors import CallerError
from service.granting import create, identity_credential, revoke_identity


@click.group("identity")
def identities() -> None:
    """Say what client certificates may do, by the identity in them."""


@identities.command("create")
@click.argument("identity")
@grant_options
def create_identity(identity: str, database: Path, **granted: Any) -> None:
    """Grant something to certificates with IDENTITY in them.

    IDENTITY is uri:<URI> for one of their URI alternative names, such as uri:spiffe://acme/orders, or cn:<common name>.
    Of several identities in a certificate, the first that was granted something counts; URIs come before the name.
    """
    try:
        credential = identity_credential(
            identity, terms_of(**granted), rng=SystemRandom(), now_ms=SystemClock().now_ms()
        )
    except CallerError as error:
        refuse(error)
    actor = command_line_actor()
    change(database, lambda tx: create(tx, credential, actor=actor))
    grant = credential.grant
    click.echo(f"{identity}: {', '.join(sorted(grant.scopes))} for {grant.binding}", err=True)


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
    actor, now_ms = command_line_actor(), SystemClock().now_ms()
    change_existing(database, lambda tx: revoke_identity(tx, identity, actor=actor, now_ms=now_ms))
    click.echo(f"{identity}: revoked", err=True)
