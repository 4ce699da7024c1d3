"""Resource names: put together, taken apart, and refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.names import (
    ReplayName,
    Workspace,
    WorkspaceChild,
    check_event_type_id,
    check_event_type_not_reserved,
    parse_child,
    parse_event_type,
    parse_replay,
    parse_workspace,
)

RESOURCE_IDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
WORKSPACES = st.builds(Workspace, RESOURCE_IDS, RESOURCE_IDS)
ACME = Workspace("acme", "main")


@given(WORKSPACES)
def test_workspace_reads_back_from_its_name_and_from_its_key(workspace: Workspace) -> None:
    """The name is for callers, the key is what is stored."""
    assert workspace == parse_workspace("parent", workspace.name)
    assert workspace == Workspace.from_key(workspace.key)


@given(workspace=WORKSPACES, child_id=RESOURCE_IDS)
def test_child_reads_back_from_its_name(workspace: Workspace, child_id: str) -> None:
    """Each kind under its own collection."""
    expected = WorkspaceChild(workspace, child_id)

    assert expected == parse_child("name", "subscriptions", workspace.subscription(child_id))
    assert expected == parse_child("name", "events", workspace.event(child_id))
    assert expected == parse_child("name", "notifications", workspace.notification(child_id))


def test_names_have_the_form_of_the_contract() -> None:
    """Spelled out once, because the other tests would not notice a change on both sides."""
    assert "organizations/acme/workspaces/main" == ACME.name
    assert "organizations/acme/workspaces/main/subscriptions/s1" == ACME.subscription("s1")
    assert "organizations/acme/workspaces/main/events/e1" == ACME.event("e1")
    assert "organizations/acme/workspaces/main/notifications/n1" == ACME.notification("n1")


@pytest.mark.parametrize(
    "name",
    [
        "acme/main",
        "organizations/acme",
        "organizations/acme/workspaces",
        "organizations/acme/workspaces/main/",
        "/organizations/acme/workspaces/main",
        "organisations/acme/workspaces/main",
        "workspaces/main/organizations/acme",
        "organizations/acme/workspaces/main/subscriptions/s1",
    ],
)
def test_name_of_another_shape_is_not_a_workspace(name: str) -> None:
    """The message shows the shape."""
    with pytest.raises(InvalidField, match=r'^parent: must have the form "organizations/{organization}/workspaces/{wo'):
        parse_workspace("parent", name)


@pytest.mark.parametrize(
    "name",
    ["organizations//workspaces/main", "organizations/acme/workspaces/Main", "organizations/a b/workspaces/main"],
)
def test_name_with_an_impossible_id_is_not_a_workspace(name: str) -> None:
    """No such workspace can exist, so the caller is told that rather than NOT_FOUND."""
    with pytest.raises(InvalidField, match=r"^parent: each id in a resource name must be 1 to 63 lower-case"):
        parse_workspace("parent", name)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (ACME.name, "must have the form"),
        (ACME.event("s1"), "must have the form"),
        (ACME.subscription("s1") + "/replays/r1", "must have the form"),
        (ACME.subscription(""), "each id in a resource name"),
        (ACME.subscription("-"), "each id in a resource name"),
    ],
)
def test_name_of_something_else_is_not_a_subscription(name: str, problem: str) -> None:
    """Neither its owner, nor its sibling, nor its child."""
    with pytest.raises(InvalidField, match=f"^name: {problem}"):
        parse_child("name", "subscriptions", name)


def test_form_in_the_message_names_the_collection() -> None:
    """A caller sees what would have been right."""
    with pytest.raises(InvalidField) as caught:
        parse_child("name", "subscriptions", "subscriptions/s1")

    expected = "organizations/{organization}/workspaces/{workspace}/subscriptions/{subscription}"
    assert f'name: must have the form "{expected}"; got "subscriptions/s1"' == caught.value.message


@pytest.mark.parametrize("event_type_id", ["agent", "agent.status.changed", "A_1.b-2", "a" * 128, "tidings.x"])
def test_event_type_reads_back_from_its_name(event_type_id: str) -> None:
    """Segments of letters, digits, underscores and hyphens."""
    assert event_type_id == parse_event_type("name", f"eventTypes/{event_type_id}")


@pytest.mark.parametrize(
    "event_type_id", ["", ".", "a.", ".a", "a..b", "*", "a.*", "a b", "é", "a/b", "a\n", "a" * 129]
)
def test_event_type_id_of_another_form_is_refused(event_type_id: str) -> None:
    """No wildcard: a type is one type."""
    with pytest.raises(InvalidField, match=r"^event_type: must be an event type id"):
        check_event_type_id("event_type", event_type_id)


def test_empty_name_is_said_to_be_required() -> None:
    """Who left it out need not be told what was got."""
    with pytest.raises(InvalidField) as caught:
        parse_event_type("name", "")

    assert 'name: is required, in the form "eventTypes/{event_type}"' == caught.value.message


@pytest.mark.parametrize("name", ["agent.created", "eventtypes/agent", "/agent"])
def test_name_of_another_shape_is_not_an_event_type(name: str) -> None:
    """The collection is part of the name."""
    with pytest.raises(InvalidField, match=r'^name: must have the form "eventTypes/{event_type}"'):
        parse_event_type("name", name)


def test_event_types_below_tidings_are_reserved() -> None:
    """Only the server publishes them; the word alone is free."""
    check_event_type_not_reserved("event_type_id", "tidings")
    check_event_type_not_reserved("event_type_id", "tidingsx.y")
    with pytest.raises(InvalidField, match=r'begin with "tidings\." are reserved'):
        check_event_type_not_reserved("event_type_id", "tidings.x")


def test_replay_reads_back_from_its_name() -> None:
    """Its workspace, its subscription and its own id."""
    name = ReplayName(ACME, "s1", "r1")

    assert f"{ACME.subscription('s1')}/replays/r1" == name.name
    assert name == parse_replay("name", name.name)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is required, in the form"),
        (ACME.subscription("s1"), "must have the form"),
        (f"{ACME.subscription('s1')}/replays", "must have the form"),
        (f"{ACME.subscription('s1')}/replays/r1/x", "must have the form"),
        (f"{ACME.subscription('s1')}/attempts/1", "must have the form"),
        (f"{ACME.subscription('s1')}/replays/", "each id in a resource name"),
        (f"{ACME.subscription('S1')}/replays/r1", "each id in a resource name"),
    ],
)
def test_name_of_something_else_is_not_a_replay(name: str, problem: str) -> None:
    """Each part is checked."""
    with pytest.raises(InvalidField, match=f"^name: {problem}"):
        parse_replay("name", name)
