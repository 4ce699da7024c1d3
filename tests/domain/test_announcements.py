"""Operational events: what each says, that docs/operational-events.md shows exactly that, and what none may say."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

import service
from service.domain.announcements import (
    Announcement,
    notification_failed,
    sample,
    signing_key_rotated,
    subscription_resumed,
    subscription_suspended,
)
from service.domain.formats import body_of
from service.domain.model import FailureReason, Format, SigningKey, SuspendReason
from service.domain.names import OPERATIONAL_EVENT_TYPES
from tests.fakes import SECRET, WORKSPACE, event_of, subscription_of

# 2026-11-20T09:30:00Z
TIME_MS: Final = 1_795_167_000_000
ID: Final = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"
WALLBOARD: Final = subscription_of(
    "wallboard", url="https://receiver.example/hooks?token=hush", headers={"x-secret": "hush"}
)
NEW_KEY: Final = SigningKey(ID, SECRET, TIME_MS)
PAGE: Final = (Path(service.__file__).parents[1] / "docs" / "operational-events.md").read_text()


def failed(event_type: str = "agent.status.changed") -> Announcement | None:
    """Return the announcement of a failed notification."""
    return notification_failed(
        WORKSPACE,
        id=ID,
        now_ms=TIME_MS,
        notification_id=ID,
        event_id="0199c3e2-8f31-7a02-9c44-51d0a9c1e7f3",
        event_type=event_type,
        subscription_id="wallboard",
        reason=FailureReason.ATTEMPTS_EXHAUSTED,
    )


def announced() -> dict[str, Announcement]:
    """Return one announcement of each kind, by its event type."""
    about_wallboard = [
        subscription_suspended(WALLBOARD, id=ID, now_ms=TIME_MS, reason=SuspendReason.GONE),
        subscription_resumed(WALLBOARD, id=ID, now_ms=TIME_MS),
        signing_key_rotated(WALLBOARD, id=ID, now_ms=TIME_MS, new_key=NEW_KEY),
    ]
    return {each.event_type: each for each in [failed(), *about_wallboard] if each is not None}


def body(announcement: Announcement) -> list[tuple[str, Any]]:
    """Return what a receiver gets, with the order of the keys."""
    event = event_of(
        announcement.id,
        event_type=announcement.event_type,
        payload=announcement.payload.encode(),
        occur_time_ms=announcement.create_time_ms,
    )
    return in_order(body_of(event, Format.STANDARD_WEBHOOKS).data.decode())


def in_order(text: str) -> list[tuple[str, Any]]:
    """Return a JSON object with the order of its keys."""
    pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return pairs


def test_there_is_one_for_each_operational_event_type() -> None:
    """An event type that can be subscribed to is one that is published."""
    assert OPERATIONAL_EVENT_TYPES == set(announced())


@pytest.mark.parametrize("event_type", sorted(OPERATIONAL_EVENT_TYPES))
def test_page_shows_the_body_that_is_sent(event_type: str) -> None:
    """Key for key, in the same order."""
    shown = re.search(rf"^## {re.escape(event_type)}\n\n```json\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)

    assert shown is not None
    assert in_order(shown[1]) == body(announced()[event_type])


@pytest.mark.parametrize("event_type", sorted(OPERATIONAL_EVENT_TYPES))
def test_page_lists_the_fields_of_the_payload(event_type: str) -> None:
    """In the table, in the order in which they are sent."""
    row = re.search(rf"^\| `{re.escape(event_type)}` \| .* \| (.*) \|$", PAGE, re.MULTILINE)

    assert row is not None
    assert [f"`{name}`" for name in json.loads(announced()[event_type].payload)] == row[1].split(", ")


@pytest.mark.parametrize("event_type", sorted(OPERATIONAL_EVENT_TYPES))
def test_subject_is_the_subscription_and_nothing_secret_is_told(event_type: str) -> None:
    """No key, no URL, no header: whoever may read events may not read those."""
    announcement = announced()[event_type]

    assert WALLBOARD.name == announcement.subject == json.loads(announcement.payload)["subscription"]
    assert not any(secret in announcement.payload for secret in (SECRET, "hush", "receiver.example"))


@pytest.mark.parametrize("event_type", [*sorted(OPERATIONAL_EVENT_TYPES), "tidings.something.later"])
def test_failed_notification_of_an_operational_event_is_not_announced(event_type: str) -> None:
    """Or each failure would cause the next."""
    assert failed(event_type) is None


def test_event_type_that_only_looks_operational_is_announced() -> None:
    """The reserved prefix ends with its dot."""
    assert failed("tidingsx.created") is not None


def test_rotation_to_no_key_says_so() -> None:
    """The fields stay the same for every rotation; the key's is empty."""
    announcement = signing_key_rotated(WALLBOARD, id=ID, now_ms=TIME_MS, new_key=None)

    assert "" == json.loads(announcement.payload)["key_id"]


@pytest.mark.parametrize("event_type", sorted(OPERATIONAL_EVENT_TYPES))
def test_sample_has_the_shape_of_the_real_one(event_type: str) -> None:
    """It is what TestSubscription sends."""
    example = sample(event_type, WALLBOARD, id=ID, now_ms=TIME_MS)

    assert example is not None
    assert list(json.loads(announced()[event_type].payload)) == list(json.loads(example.payload))
    assert (event_type, WALLBOARD.name) == (example.event_type, example.subject)


def test_there_is_no_sample_of_other_event_types() -> None:
    """Their examples are their owners'."""
    assert sample("agent.status.changed", WALLBOARD, id=ID, now_ms=TIME_MS) is None
