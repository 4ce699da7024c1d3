"""Use cases of the command line: make, list and revoke credentials, each change with its row in the audit log.

They are works for one transaction, which commands run beside a server. Knows nothing of terminals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final

from service.domain.access import Actor, Grant
from service.domain.attributes import check_text
from service.domain.audit import AuditEntry
from service.domain.clock import rfc3339
from service.domain.credentials import (
    Credential,
    CredentialKind,
    Token,
    check_grantable,
    check_identity,
    credential_id,
)
from service.domain.errors import Quota, QuotaExceeded, ResourceExists, ResourceNotFound, quoted
from service.domain.names import Workspace
from service.storage import audit, credentials, workspaces
from service.storage.database import Transaction

DESCRIPTION_CHARACTERS_MAX: Final = 256
_PAGE_MAX: Final = 500
_COMMAND: Final = {CredentialKind.TOKEN: "token", CredentialKind.CERTIFICATE: "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a credential is for: what it may do, until when, and what people call it. Without a lifetime, for good."""

    grant: Grant
    lifetime: timedelta | None = None
    description: str = ""

    def check(self) -> None:
        """Refuse terms that cannot be granted.

        Raises:
            InvalidField: named like the option of the command line.
        """
        check_grantable("--scope", self.grant)
        check_text("--description", self.description, DESCRIPTION_CHARACTERS_MAX)

    def expire_time_ms(self, now_ms: int) -> int | None:
        """Return when what is made now will expire."""
        return None if self.lifetime is None else now_ms + self.lifetime // timedelta(milliseconds=1)


def token_credential(token: Token, terms: Terms, *, now_ms: int) -> Credential:
    """Return what is kept of a new token.

    Raises:
        InvalidField: the terms cannot be granted.
    """
    terms.check()
    return Credential(
        id=token.id,
        kind=CredentialKind.TOKEN,
        grant=terms.grant,
        description=terms.description,
        create_time_ms=now_ms,
        expire_time_ms=terms.expire_time_ms(now_ms),
        secret_sha256=token.secret_sha256,
    )


def identity_credential(identity: str, terms: Terms, *, rng: Random, now_ms: int) -> Credential:
    """Return what is kept of a new grant to certificates of an identity.

    Raises:
        InvalidField: it is no identity, or the terms cannot be granted.
    """
    check_identity("identity", identity)
    terms.check()
    return Credential(
        id=credential_id(rng),
        kind=CredentialKind.CERTIFICATE,
        grant=terms.grant,
        description=terms.description,
        create_time_ms=now_ms,
        expire_time_ms=terms.expire_time_ms(now_ms),
        identity=identity,
    )


def create(tx: Transaction, credential: Credential, *, actor: Actor, workspace_tokens_max: int | None = None) -> None:
    """Add a credential.

    Args:
        workspace_tokens_max: how many tokens a workspace may have that count; None for any number.

    Raises:
        QuotaExceeded: its workspace has as many tokens as it may.
        ResourceExists: its identity was granted something already.
    """
    if workspace_tokens_max is not None:
        _check_quota(tx, credential, workspace_tokens_max)
    if not credentials.insert(tx, credential):
        identity = credential.identity or ""
        raise ResourceExists(
            f"the identity {quoted(identity)} was granted something already; revoke that first",
            resource_type="identity",
            resource_name=identity,
        )
    _audit(tx, credential, "create", actor=actor, now_ms=credential.create_time_ms, after=_shown(credential))


def revoke_token(tx: Transaction, id: str, *, actor: Actor, now_ms: int) -> Credential:
    """Let a token count no more, and return it as it was. To do so twice is no error, and one change.

    Raises:
        ResourceNotFound: there is no token of this id.
    """
    # Whoever has the whole token at hand may give it: nothing of its secret is shown.
    id = id.removeprefix("tdg_").partition("_")[0]
    found = credentials.find_token(tx, id)
    if found is None:
        raise ResourceNotFound("token", id, note="the id of tdg_<id>_<secret> is meant, as `token list` shows it")
    _revoke(tx, found, actor=actor, now_ms=now_ms)
    return found


def revoke_identity(tx: Transaction, identity: str, *, actor: Actor, now_ms: int) -> Credential:
    """Let certificates of an identity count no more, and return what they were granted.

    Raises:
        ResourceNotFound: they were granted nothing, or it was revoked.
    """
    found = credentials.find_identity(tx, identity)
    if found is None or not _revoke(tx, found, actor=actor, now_ms=now_ms):
        raise ResourceNotFound("identity", identity, note="it was granted nothing, or that was revoked before")
    return found


def all_of(tx: Transaction, kind: CredentialKind) -> list[Credential]:
    """Return all credentials of a kind, whatever their state."""
    found: list[Credential] = []
    while page := credentials.after(tx, kind, found[-1].id if found else "", limit=_PAGE_MAX):
        found += page
    return found


def _check_quota(tx: Transaction, credential: Credential, workspace_tokens_max: int) -> None:
    workspace = _workspace(credential)
    if workspace is None:
        return
    # Or two that count at once would both find room for one more.
    workspaces.lock(tx, workspace.key)
    if credentials.count_tokens(tx, workspace, now_ms=credential.create_time_ms) >= workspace_tokens_max:
        raise QuotaExceeded(
            f"{workspace.name} may have at most {workspace_tokens_max:,} tokens, and has as many: revoke one first",
            quota=Quota.TOKENS,
            subject=workspace.name,
            retry_after_s=None,
        )


def _revoke(tx: Transaction, credential: Credential, *, actor: Actor, now_ms: int) -> bool:
    """Revoke a credential and say so in the log; False when somebody has revoked it before, for that is in the log."""
    if not credentials.revoke(tx, credential.id, now_ms=now_ms):
        return False
    _audit(tx, credential, "revoke", actor=actor, now_ms=now_ms, before=_shown(credential))
    return True


def _audit(
    tx: Transaction,
    credential: Credential,
    verb: str,
    *,
    actor: Actor,
    now_ms: int,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    entry = AuditEntry(
        actor=actor,
        action=f"{_COMMAND[credential.kind]} {verb}",
        workspace=_workspace(credential),
        resource=credential.actor_name,
        time_ms=now_ms,
        before=before,
        after=after,
    )
    audit.insert(tx, entry)


def _shown(credential: Credential) -> dict[str, Any]:
    return {
        "binding": str(credential.grant.binding),
        "scopes": sorted(credential.grant.scopes),
        "description": credential.description,
        "expire_time": None if credential.expire_time_ms is None else rfc3339(credential.expire_time_ms),
    }


def _workspace(credential: Credential) -> Workspace | None:
    binding = credential.grant.binding
    if binding.organization is None or binding.workspace is None:
        return None
    return Workspace(binding.organization, binding.workspace)
