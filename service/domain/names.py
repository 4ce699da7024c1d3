"""Resource names: `organizations/{organization}/workspaces/{workspace}/…`, taken apart and put together.

Every parser raises InvalidField with the field that held the name.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from service.domain.errors import InvalidField, quoted
from service.domain.ids import check_resource_id

_EVENT_TYPE_ID = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
EVENT_TYPE_CHARACTERS_MAX = 128
# Two collections, two ids of at most 63 characters, and three slashes.
_WORKSPACE_NAME_CHARACTERS_MAX = len("organizations") + len("workspaces") + 2 * 63 + 3
RESERVED_EVENT_TYPE_PREFIX = "tidings."
OPERATIONAL_EVENT_TYPES = frozenset(
    {
        "tidings.subscription.suspended",
        "tidings.subscription.resumed",
        "tidings.notification.failed",
        "tidings.signing_key.rotated",
    }
)
"""The event types that exist without being created, which only Tidings itself publishes: see `announcements`.

Each subscription is stored with whether it wants any of them: a type added here needs a migration that says so anew.
"""

# By the collections that lead to it from its workspace.
_RESOURCE_TYPES = {
    ("subscriptions",): "subscription",
    ("subscriptions", "replays"): "replay",
    ("events",): "event",
    ("notifications",): "notification",
}


@dataclass(frozen=True, slots=True)
class Workspace:
    """The scope that owns subscriptions, events and notifications."""

    organization: str
    workspace: str

    @property
    def name(self) -> str:
        """The resource name, `organizations/{organization}/workspaces/{workspace}`."""
        return f"organizations/{self.organization}/workspaces/{self.workspace}"

    @property
    def key(self) -> str:
        """The form in which it is stored, `{organization}/{workspace}`."""
        return f"{self.organization}/{self.workspace}"

    @staticmethod
    @lru_cache(maxsize=1_024)  # Every row that is read names one, and few are busy at a time.
    def from_key(key: str) -> "Workspace":
        """Return the workspace of a stored key."""
        organization, _, workspace = key.partition("/")
        return Workspace(organization, workspace)

    def subscription(self, subscription_id: str) -> str:
        """Return the name of a subscription."""
        return f"{self.name}/subscriptions/{subscription_id}"

    def event(self, event_id: str) -> str:
        """Return the name of an event."""
        return f"{self.name}/events/{event_id}"

    def notification(self, notification_id: str) -> str:
        """Return the name of a notification."""
        return f"{self.name}/notifications/{notification_id}"


@dataclass(frozen=True, slots=True)
class WorkspaceChild:
    """A parsed name of something that a workspace owns: its workspace and its own id."""

    workspace: Workspace
    id: str


@dataclass(frozen=True, slots=True)
class ReplayName:
    """A parsed name of a replay: its workspace, its subscription's id and its own."""

    workspace: Workspace
    subscription_id: str
    id: str

    @property
    def name(self) -> str:
        """The resource name."""
        return f"{self.workspace.subscription(self.subscription_id)}/replays/{self.id}"


def parse_workspace(field: str, name: str) -> Workspace:
    """Parse `organizations/{organization}/workspaces/{workspace}`."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "organizations" or parts[2] != "workspaces":
        raise _malformed(field, "organizations/{organization}/workspaces/{workspace}", name)
    _check_ids(field, name, parts[1], parts[3])
    return Workspace(parts[1], parts[3])


def workspace_of(name: str) -> Workspace | None:
    """Return the workspace that a name lies in, or is; None if it is no name in a workspace.

    Every name that a parser of this module accepts, and that has a workspace, has the one that this returns.
    """
    return _workspace_of_parts(tuple(name[: _WORKSPACE_NAME_CHARACTERS_MAX + 1].split("/", 4)[:4]))


@lru_cache(maxsize=1_024)  # Few are busy at a time. What is kept of a name is short, however long it is.
def _workspace_of_parts(parts: tuple[str, ...]) -> Workspace | None:
    try:
        return parse_workspace("name", "/".join(parts))
    except InvalidField:
        return None


def resource_type_of(name: str) -> str | None:
    """Return what kind of thing a name below a workspace is of, as errors call it; None if it is of none."""
    parts = name.split("/")
    return _RESOURCE_TYPES.get(tuple(parts[4::2])) if len(parts) % 2 == 0 else None


def parse_child(field: str, collection: str, name: str) -> WorkspaceChild:
    """Parse `organizations/{organization}/workspaces/{workspace}/{collection}/{id}`."""
    parts = name.split("/")
    shape = f"organizations/{{organization}}/workspaces/{{workspace}}/{collection}/{{{collection.removesuffix('s')}}}"
    if len(parts) != 6 or parts[0] != "organizations" or parts[2] != "workspaces" or parts[4] != collection:
        raise _malformed(field, shape, name)
    _check_ids(field, name, parts[1], parts[3], parts[5])
    return WorkspaceChild(Workspace(parts[1], parts[3]), parts[5])


def parse_replay(field: str, name: str) -> ReplayName:
    """Parse `organizations/{organization}/workspaces/{workspace}/subscriptions/{subscription}/replays/{replay}`."""
    parts = name.split("/")
    if len(parts) != 8 or parts[::2] != ["organizations", "workspaces", "subscriptions", "replays"]:
        shape = "organizations/{organization}/workspaces/{workspace}/subscriptions/{subscription}/replays/{replay}"
        raise _malformed(field, shape, name)
    _check_ids(field, name, *parts[1::2])
    return ReplayName(Workspace(parts[1], parts[3]), parts[5], parts[7])


def parse_event_type(field: str, name: str) -> str:
    """Parse `eventTypes/{event_type}` and return the id."""
    collection, _, event_type_id = name.partition("/")
    if collection != "eventTypes":
        raise _malformed(field, "eventTypes/{event_type}", name)
    check_event_type_id(field, event_type_id)
    return event_type_id


def check_event_type_id(field: str, value: str) -> None:
    """Refuse an event type id that is not dot-separated segments of `[A-Za-z0-9_-]`, at most 128 characters."""
    if len(value) > EVENT_TYPE_CHARACTERS_MAX or not _EVENT_TYPE_ID.fullmatch(value):
        raise InvalidField(
            field,
            'must be an event type id: segments of letters, digits, "_" and "-" joined by dots, at most '
            f'{EVENT_TYPE_CHARACTERS_MAX} characters, such as "agent.status.changed"; got {quoted(value)}',
        )


def check_event_type_not_reserved(field: str, value: str) -> None:
    """Refuse the event types that only Tidings itself may create and publish."""
    if value.startswith(RESERVED_EVENT_TYPE_PREFIX):
        raise InvalidField(
            field, f'event types that begin with "{RESERVED_EVENT_TYPE_PREFIX}" are reserved; got {quoted(value)}'
        )


def _check_ids(field: str, name: str, *ids: str) -> None:
    for part in ids:
        try:
            check_resource_id(field, part)
        except InvalidField:
            raise InvalidField(
                field,
                f"each id in a resource name must be 1 to 63 lower-case letters, digits and inner hyphens; "
                f"{quoted(part)} in {quoted(name)} is not",
            ) from None


def _malformed(field: str, shape: str, name: str) -> InvalidField:
    if not name:
        return InvalidField(field, f'is required, in the form "{shape}"')
    return InvalidField(field, f'must have the form "{shape}"; got {quoted(name)}')
