"""Workspace revisions in SQL."""

from typing import Final, LiteralString

from service.storage.database import Transaction

READ_REVISION: Final[LiteralString] = "SELECT revision FROM workspaces WHERE workspace = :workspace"

BUMP_REVISION: Final[LiteralString] = """
    INSERT INTO workspaces (workspace, revision) VALUES (:workspace, 1)
    ON CONFLICT (workspace) DO UPDATE SET revision = workspaces.revision + 1
    RETURNING revision
"""


def revision(tx: Transaction, workspace: str) -> int:
    """Return the revision of a workspace's subscriptions; 0 before the first change."""
    found = tx.rows(READ_REVISION, workspace=workspace)
    return int(found[0]["revision"]) if found else 0


def bump_revision(tx: Transaction, workspace: str) -> int:
    """Count a change to the workspace's subscriptions and return the new revision."""
    return int(tx.rows(BUMP_REVISION, workspace=workspace)[0]["revision"])
