"""Credentials in SQL: tokens, of which only a digest is here, and identities of client certificates."""

from collections.abc import Mapping
from typing import Final, LiteralString

from service.domain.access import Binding, Grant, Scope
from service.domain.credentials import Credential, CredentialKind
from service.domain.names import Workspace
from service.storage.database import Row, Transaction
from service.storage.encoding import from_text, to_text

_COLUMNS: Final[LiteralString] = """
    id, kind, identity, secret_sha256, organization, workspace, scopes, description, create_time, expire_time,
    revoke_time, last_used_time
"""

SELECT_TOKEN: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM credentials
    WHERE id = :id AND kind = 'TOKEN'
"""

SELECT_IDENTITY: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM credentials
    WHERE identity = :identity AND revoke_time IS NULL
"""

SELECT_AFTER: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM credentials
    WHERE id > :after AND kind = :kind
    ORDER BY id
    LIMIT :limit
"""

COUNT_TOKENS_OF_WORKSPACE: Final[LiteralString] = """
    SELECT count(*) AS tokens FROM credentials
    WHERE organization = :organization AND workspace = :workspace AND revoke_time IS NULL AND kind = 'TOKEN'
        AND (expire_time IS NULL OR expire_time > :now)
"""

INSERT_CREDENTIAL: Final[LiteralString] = """
    INSERT INTO credentials (
        id, kind, identity, secret_sha256, organization, workspace, scopes, description, create_time, expire_time
    )
    VALUES (
        :id, :kind, :identity, :secret_sha256, :organization, :workspace, :scopes, :description, :create_time,
        :expire_time
    )
    ON CONFLICT (identity) WHERE identity IS NOT NULL AND revoke_time IS NULL DO NOTHING
"""

REVOKE_CREDENTIAL: Final[LiteralString] = """
    UPDATE credentials SET revoke_time = :revoke_time WHERE id = :id AND revoke_time IS NULL
"""

UPDATE_LAST_USED: Final[LiteralString] = """
    UPDATE credentials SET last_used_time = :last_used_time
    WHERE id = :id AND (last_used_time IS NULL OR last_used_time < :last_used_time)
"""


def find_token(tx: Transaction, id: str) -> Credential | None:
    """Return the token of an id, whatever its state."""
    found = tx.rows(SELECT_TOKEN, id=id)
    return _credential(found[0]) if found else None


def find_identity(tx: Transaction, identity: str) -> Credential | None:
    """Return what certificates of an identity were granted, unless it was revoked."""
    found = tx.rows(SELECT_IDENTITY, identity=identity)
    return _credential(found[0]) if found else None


def after(tx: Transaction, kind: CredentialKind, after_id: str, *, limit: int) -> list[Credential]:
    """Return credentials of a kind by id, those after one, whatever their state."""
    return [_credential(row) for row in tx.rows(SELECT_AFTER, kind=kind.value, after=after_id, limit=limit)]


def count_tokens(tx: Transaction, workspace: Workspace, *, now_ms: int) -> int:
    """Return how many tokens there are that count, for this workspace and no other."""
    found = tx.rows(
        COUNT_TOKENS_OF_WORKSPACE, organization=workspace.organization, workspace=workspace.workspace, now=now_ms
    )
    return int(found[0]["tokens"])


def insert(tx: Transaction, credential: Credential) -> bool:
    """Add a credential; False when its identity was granted something that was not revoked."""
    binding = credential.grant.binding
    changed = tx.execute(
        INSERT_CREDENTIAL,
        id=credential.id,
        kind=credential.kind.value,
        identity=credential.identity,
        secret_sha256=credential.secret_sha256,
        organization=binding.organization,
        workspace=binding.workspace,
        scopes=to_text(sorted(credential.grant.scopes)),
        description=credential.description,
        create_time=credential.create_time_ms,
        expire_time=credential.expire_time_ms,
    )
    return changed == 1


def revoke(tx: Transaction, id: str, *, now_ms: int) -> bool:
    """Let a credential count no more; False when it was revoked before, for it keeps that time."""
    return tx.execute(REVOKE_CREDENTIAL, id=id, revoke_time=now_ms) == 1


def record_uses(tx: Transaction, last_used_ms: Mapping[str, int]) -> None:
    """Record when credentials were used last, by id. What is recorded already and later stays."""
    # In one order everywhere: of two processes that record the same ones, neither waits for what the other holds.
    uses = sorted(last_used_ms.items())
    tx.each(UPDATE_LAST_USED, [{"id": id, "last_used_time": time_ms} for id, time_ms in uses])


def _credential(row: Row) -> Credential:
    return Credential(
        id=row["id"],
        kind=CredentialKind(row["kind"]),
        grant=Grant(frozenset(map(Scope, from_text(row["scopes"]))), Binding(row["organization"], row["workspace"])),
        description=row["description"],
        create_time_ms=row["create_time"],
        expire_time_ms=row["expire_time"],
        revoke_time_ms=row["revoke_time"],
        last_used_time_ms=row["last_used_time"],
        identity=row["identity"],
        secret_sha256=None if row["secret_sha256"] is None else bytes(row["secret_sha256"]),
    )
