"""Which fields an Update request changes."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from service.api.masks import paths
from service.domain.errors import InvalidField
from tidings.v1.subscriptions_pb2 import RetryPolicy, Subscription

UPDATABLE = frozenset({"display_name", "url", "event_types", "headers", "enabled", "retry_policy"})
IN_ORDER = ("display_name", "url", "event_types", "enabled", "headers", "retry_policy")


def chosen(mask: list[str], message: Subscription | None = None) -> tuple[str, ...]:
    """Return what a mask chooses of a subscription."""
    return paths(FieldMask(paths=mask), message or Subscription(), updatable=UPDATABLE, field="update_mask")


def test_empty_mask_means_the_fields_that_are_set_and_may_be_changed() -> None:
    """A resource that was read, changed and sent back whole has its output fields still in it."""
    subscription = Subscription(
        name="organizations/a/workspaces/b/subscriptions/c",
        etag="7",
        url="https://example.com/",
        enabled=False,
        headers={"X-Team": "support"},
        retry_policy=RetryPolicy(),
    )

    assert ("url", "enabled", "headers", "retry_policy") == chosen([], subscription)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (["display_name"], ("display_name",)),
        (["displayName", "retryPolicy"], ("display_name", "retry_policy")),
        (["url", "display_name", "url", "displayName"], ("display_name", "url")),
        (["*"], IN_ORDER),
        (["url", "*"], IN_ORDER),
    ],
)
def test_mask_chooses_fields_by_either_name_once_and_in_order(mask: list[str], expected: tuple[str, ...]) -> None:
    """Tools write masks in snake_case or in lowerCamelCase."""
    assert expected == chosen(mask)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("colour", '"colour" is no field of Subscription'),
        ("", '"" is no field of Subscription'),
        ("Url", '"Url" is no field of Subscription'),
        ("create_time", '"create_time" cannot be changed'),
        ("createTime", '"createTime" cannot be changed'),
        ("create_time.seconds", '"create_time.seconds" cannot be changed'),
        (
            "retry_policy.max_age",
            '"retry_policy.max_age" is a part of a field, and a field is replaced as a whole: use "retry_policy"',
        ),
        ("headers.X-Team", '"headers.X-Team" is a part of a field, and a field is replaced as a whole: use "headers"'),
    ],
)
def test_path_that_cannot_be_followed_is_refused_with_what_can_be(path: str, problem: str) -> None:
    """The error names the place in the mask, what was given, and what is allowed."""
    with pytest.raises(InvalidField) as caught:
        chosen(["url", path])

    assert "update_mask.paths[1]" == caught.value.field
    assert f"update_mask.paths[1]: {problem}; allowed are * and {', '.join(IN_ORDER)}" == caught.value.message
