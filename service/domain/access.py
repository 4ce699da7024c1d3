"""Who may do what: scopes, what a grant covers, and who acts. Knows nothing of tokens, certificates and gRPC."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from service.domain.errors import PermissionMissing, ResourceNotFound
from service.domain.names import Workspace, resource_type_of, workspace_of


class Scope(StrEnum):
    """What may be done. The contract declares one of these beside each method."""

    PUBLISH = "publish"
    SUBSCRIPTIONS_READ = "subscriptions.read"
    SUBSCRIPTIONS_WRITE = "subscriptions.write"
    EVENT_TYPES_READ = "event_types.read"
    EVENT_TYPES_WRITE = "event_types.write"
    NOTIFICATIONS_READ = "notifications.read"
    NOTIFICATIONS_WRITE = "notifications.write"


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a grant holds: in one workspace, in all of an organization, or everywhere.

    A workspace is given with its organization.
    """

    organization: str | None = None
    workspace: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether it holds everywhere."""
        return self.organization is None

    def covers(self, workspace: Workspace) -> bool:
        """Say whether a workspace is within it."""
        return self.organization in (None, workspace.organization) and self.workspace in (None, workspace.workspace)

    def __str__(self) -> str:
        if self.organization is None:
            return "everything"
        name = f"organizations/{self.organization}"
        return name if self.workspace is None else f"{name}/workspaces/{self.workspace}"


EVERYTHING = Binding()


@dataclass(frozen=True, slots=True)
class Grant:
    """What its holder may do, and where."""

    scopes: frozenset[Scope]
    binding: Binding

    def check_scope(self, scope: Scope) -> None:
        """Refuse what needs a scope that was not granted.

        Raises:
            PermissionMissing: the scope is missing.
        """
        if scope not in self.scopes:
            raise PermissionMissing(f'this needs the scope "{scope}"; granted: {_listed(self.scopes)}')

    def check_name(self, name: str) -> None:
        """Refuse a name in a workspace that is not covered, whether or not there is anything of that name.

        A name that is in no workspace passes: whoever parses it refuses it.

        Raises:
            ResourceNotFound: it is that of a resource, for which a foreign one and a missing one are the same.
            PermissionMissing: it is that of the workspace, or of no kind of resource.
        """
        workspace = workspace_of(name)
        if workspace is None or self.binding.covers(workspace):
            return
        resource_type = resource_type_of(name)
        if resource_type is not None:
            raise ResourceNotFound(resource_type, name)
        raise PermissionMissing(f"{workspace.name} is not covered: what was granted is for {self.binding}")


def _listed(scopes: Collection[Scope]) -> str:
    return ", ".join(sorted(scopes)) or "none"


UNLIMITED = Grant(frozenset(Scope), EVERYTHING)
"""Everything, everywhere: what everybody may do with `--dev`, and who can write the database anyway."""


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf something is done, for the audit log.

    `name` is `token:<id>`, `certificate:<identity>`, `development`, `command-line:<user>` or `server`. `call_id` is
    that of the call's line in the log, if it was a call.
    """

    name: str
    call_id: str = ""


SERVER = Actor("server")
"""What Tidings does by itself."""
