"""Workspace revisions in SQL."""

from typing import Final, LiteralString

from service.storage.database import Transaction

READ_REVISION: Final[LiteralString] = "SELECT revision FROM workspaces WHERE workspace = :workspace"

READ_FORGOTTEN: Final[LiteralString] = "SELECT forgotten_revision FROM workspaces WHERE workspace = :workspace"

LOCK_REVISION: Final[LiteralString] = """
    SELECT revision FROM workspaces WHERE workspace = :workspace {for_share}
"""

INSERT_UNCHANGED: Final[LiteralString] = """
    INSERT INTO workspaces (workspace, revision) VALUES (:workspace, 0) ON CONFLICT (workspace) DO NOTHING
"""

LOCK_WORKSPACE: Final[LiteralString] = """
    INSERT INTO workspaces (workspace, revision) VALUES (:workspace, 0)
    ON CONFLICT (workspace) DO UPDATE SET revision = workspaces.revision
"""

BUMP_REVISION: Final[LiteralString] = """
    INSERT INTO workspaces (workspace, revision) VALUES (:workspace, 1)
    ON CONFLICT (workspace) DO UPDATE SET revision = workspaces.revision + 1
    RETURNING revision
"""


def revision(tx: Transaction, workspace: str) -> int:
    """Return the revision of a workspace's subscriptions; 0 before the first change."""
    found = tx.rows(READ_REVISION, workspace=workspace)
    return int(found[0]["revision"]) if found else 0


def forgotten_revision(tx: Transaction, workspace: str) -> int:
    """Return the revision up to which tombstones may be gone: what changed since an earlier one cannot be told."""
    found = tx.rows(READ_FORGOTTEN, workspace=workspace)
    return int(found[0]["forgotten_revision"]) if found else 0


def locked_revision(tx: Transaction, workspace: str) -> int:
    """Return the revision as it stays until this transaction ends. For a write."""
    found = tx.rows(LOCK_REVISION, workspace=workspace)
    if not found:
        # What is not there cannot be locked, and the first subscription may be under way: this waits for it to be
        # committed, or makes it wait.
        tx.execute(INSERT_UNCHANGED, workspace=workspace)
        found = tx.rows(LOCK_REVISION, workspace=workspace)
    return int(found[0]["revision"])


def lock(tx: Transaction, workspace: str) -> None:
    """Let works that lock the same workspace take turns, without a change to its subscriptions."""
    tx.execute(LOCK_WORKSPACE, workspace=workspace)


def bump_revision(tx: Transaction, workspace: str) -> int:
    """Count a change to the workspace's subscriptions and return the new revision.

    Call it before reading what the change depends on: it is also the lock that makes these changes take turns. Whoever
    may find that there is nothing to change reads before it, not to have matches made anew, and once more after it.
    """
    return int(tx.rows(BUMP_REVISION, workspace=workspace)[0]["revision"])
