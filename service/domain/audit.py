"""What the audit log says of a change. Knows nothing of how it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.access import Actor
from service.domain.names import Workspace


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who made it, what it was, and the resource before and after.

    `action` is the method of the contract, such as `CreateSubscription`, or the command, such as `token create`.
    `before` and `after` are plain values for JSON, with every secret masked; None where there was or is nothing.
    `workspace` is None for what belongs to the whole deployment. `request_id` is the caller's, or empty.
    """

    actor: Actor
    action: str
    workspace: Workspace | None
    resource: str
    time_ms: int
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    request_id: str = ""
