"""Resume tokens of WatchNotifications: how far a watch has come, bound to its workspace and its filters.

Made like page tokens. They carry the uid of the subscription that a watch is about, so that it goes on to the end of
its history also when the subscription has been deleted since.
"""

from service.api import paging
from service.domain.errors import InvalidField, InvalidPageToken
from service.domain.names import Workspace
from service.watching import WatchFilter, WatchPosition


def resume_token(position: WatchPosition, workspace: Workspace, only: WatchFilter) -> str:
    """Return the resume_token for what comes after a position."""
    return paging.encode((position.number, position.subscription_uid), scope=_scope(workspace, only))


def parse_resume_token(token: str, workspace: Workspace, only: WatchFilter) -> WatchPosition | None:
    """Return the position in a request's resume_token, or None if it is empty.

    Raises:
        InvalidField: it was not made for this workspace and these filters.
    """
    try:
        position = paging.decode(token, scope=_scope(workspace, only), shape=(int, str))
    except InvalidPageToken as error:
        raise InvalidField(
            "resume_token",
            "must be a resume_token of WatchNotifications with the same parent, subscription and states, unchanged",
        ) from error
    return None if position is None else WatchPosition(*position)


def _scope(workspace: Workspace, only: WatchFilter) -> paging.Scope:
    return ("WatchNotifications", workspace.name, only.subscription_id, *sorted(only.states))
