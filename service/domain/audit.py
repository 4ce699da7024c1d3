"""What the audit log says of a change. Knows nothing of how it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.access import Actor
from service.domain.masking import Resource, shown
from service.domain.model import EventType
from service.domain.names import Workspace


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who made it, what it was, and the resource before and after.

    `action` is the method of the contract, such as `CreateSubscription`; the command, such as `token create`; or what
    Tidings does by itself: `SuspendSubscription`, `ShutFilter`. `before` and `after` are plain values for JSON, with
    every secret masked; None where there was or is nothing. `workspace` is None for what belongs to the whole
    deployment. `request_id` is the caller's, or empty.
    """

    actor: Actor
    action: str
    workspace: Workspace | None
    resource: str
    time_ms: int
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    request_id: str = ""

    @property
    def changed_fields(self) -> list[str]:
        """The names of the fields that are not what they were; none of what was created or deleted."""
        if self.before is None or self.after is None:
            return []
        names = dict.fromkeys((*self.before, *self.after))
        return [name for name in names if self.before.get(name) != self.after.get(name)]


def entry_of(
    by: Actor, action: str, before: Resource | None, after: Resource | None, *, time_ms: int, request_id: str = ""
) -> AuditEntry:
    """Return the entry for a change of a resource: made of nothing without `before`, deleted without `after`."""
    resource = before if after is None else after
    assert resource is not None, "there was something, or there is"
    return AuditEntry(
        actor=by,
        action=action,
        workspace=None if isinstance(resource, EventType) else resource.workspace,
        resource=resource.name,
        time_ms=time_ms,
        before=None if before is None else shown(before),
        after=None if after is None else shown(after, before),
        request_id=request_id,
    )
