"""What the audit log shows: never a secret, always that one changed, and never much."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final
from urllib.parse import quote

import pytest

from service.domain.access import SERVER
from service.domain.audit import entry_of
from service.domain.masking import MASKED, MASKED_AND_CHANGED, shown
from service.domain.model import (
    ApiKey,
    EventType,
    ExponentialBackoff,
    FixedSchedule,
    Notification,
    NotificationState,
    RetryPolicy,
    SchemaEnforcement,
    SignatureScheme,
    SigningKey,
    Subscription,
)
from service.domain.replays import Replay, ReplayState
from service.domain.signing import new_key
from tests.fakes import NOW_MS, WORKSPACE, subscription_of

ROW_BYTES_MAX: Final = 64 * 1024
EVENT_TYPE: Final = EventType(
    id="agent.created",
    display_name="Agent created",
    description="An agent was made.",
    service="agents",
    category=1,
    code=2,
    json_schema='{"type": "object"}',
    schema_enforcement=SchemaEnforcement.WARN,
    examples=("{}",),
    attribute_keys=("team",),
    deprecated=False,
    create_time_ms=NOW_MS,
    update_time_ms=NOW_MS,
    revision=1,
)


def row_bytes(before: Any, after: Any) -> int:
    """Return how much an entry takes in the log, by its JSON."""
    entry = entry_of(SERVER, "UpdateSubscription", before, after, time_ms=NOW_MS)
    return len(json.dumps([entry.before, entry.after], ensure_ascii=False).encode())


def forms_of(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret could be written down."""
    data = secret.encode()
    yield from (secret, data.hex(), data.hex().upper(), quote(secret, safe=""))
    # Base64 depends on what stands before it, so without the ends, by each of the three places it can begin at.
    for padding in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * padding + data)[4:-4].decode()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://receiver.example", "https://receiver.example"),
        ("https://receiver.example/", "https://receiver.example/"),
        ("https://receiver.example:8443/hooks/T0/s3cret", "https://receiver.example:8443/***"),
        ("https://receiver.example/?token=s3cret", "https://receiver.example/***"),
        ("https://receiver.example?token=s3cret", "https://receiver.example/***"),
        ("http://[2001:4860::1]:8080/s3cret", "http://[2001:4860::1]:8080/***"),
    ],
)
def test_url_is_shown_up_to_its_path(url: str, expected: str) -> None:
    """What stands in path and query is often what the receiver knows its callers by."""
    assert expected == shown(subscription_of("a", url=url))["url"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("https://a.example/one", "https://a.example/one", "https://a.example/***"),
        ("https://a.example/one", "https://a.example/two", "https://a.example/*** (changed)"),
        ("https://a.example/one", "https://a.example/one?two", "https://a.example/*** (changed)"),
        ("https://a.example/one", "https://b.example/one", "https://b.example/***"),
        ("https://a.example/", "https://a.example/two", "https://a.example/*** (changed)"),
        ("https://a.example/one", "https://a.example/", "https://a.example/"),
    ],
)
def test_another_path_is_seen_to_be_another(before: str, after: str, expected: str) -> None:
    """Not what it is; and whatever changes, the two texts differ."""
    entry = entry_of(SERVER, "x", subscription_of("a", url=before), subscription_of("a", url=after), time_ms=NOW_MS)

    assert entry.after is not None
    assert expected == entry.after["url"]
    assert (["url"] if before != after else []) == entry.changed_fields


def test_values_of_headers_and_api_key_are_masked_one_by_one() -> None:
    """Each says for itself whether it is another one now; one that is new is seen by its name."""
    before = subscription_of("a", headers={"X-Team": "red", "X-Same": "1"}, api_key=ApiKey("X-Key", "old"))
    after = replace(before, headers={"X-Team": "blue", "X-Same": "1", "X-New": "2"}, api_key=ApiKey("X-Key", "new"))

    seen = shown(after, before)

    assert {"X-Team": MASKED_AND_CHANGED, "X-Same": MASKED, "X-New": MASKED} == seen["headers"]
    assert {"header": "X-Key", "value": MASKED_AND_CHANGED} == seen["api_key"]
    assert {"header": "X-Key", "value": MASKED} == shown(before)["api_key"]
    assert shown(replace(after, api_key=None), before)["api_key"] is None
    assert {"header": "X-Key", "value": MASKED} == shown(before, replace(before, api_key=None))["api_key"]


@pytest.mark.parametrize("scheme", [each for each in SignatureScheme if each is not SignatureScheme.UNSIGNED])
def test_signing_keys_are_known_by_id_and_hint(scheme: SignatureScheme) -> None:
    """As the API shows them: the last four characters of what the receiver has."""
    key = SigningKey("key-1", new_key(scheme, Random(1)), NOW_MS, NOW_MS + 1_000, scheme)

    [seen] = shown(subscription_of("a", signing_keys=(key,)))["signing_keys"]

    assert ("key-1", scheme, 4) == (seen["key_id"], seen["scheme"], len(seen["hint"]))
    assert {"key_id", "scheme", "hint", "create_time", "expire_time"} == seen.keys()


@pytest.mark.parametrize("is_creation", [True, False])
def test_no_form_of_a_secret_is_in_an_entry(is_creation: bool) -> None:
    """Every field of a subscription that bears one, before and after."""
    old, new = _full_of_secrets("old"), _full_of_secrets("new")
    entry = entry_of(SERVER, "x", None if is_creation else old, new, time_ms=NOW_MS)
    text = json.dumps([entry.before, entry.after])

    secrets = [f"{age}-{place}-{'s3cret' * 4}" for age in ("old", "new") for place in _PLACES]

    assert "a.example" in text
    assert [] == [form for secret in secrets for form in forms_of(secret) if form in text]


_PLACES: Final = ("path", "query", "header", "api-key", "signing-key")


def _full_of_secrets(age: str) -> Subscription:
    path, query, header, api_key, signing_key = (f"{age}-{place}-{'s3cret' * 4}" for place in _PLACES)
    return subscription_of(
        "a",
        url=f"https://a.example/{path}?{query}",
        headers={"X-Team": header},
        api_key=ApiKey("X-Key", api_key),
        signing_keys=(SigningKey("k", signing_key, NOW_MS, None, SignatureScheme.GITHUB),),
    )


def test_what_is_no_secret_is_readable() -> None:
    """Patterns, filters, annotations, the retry policy."""
    plain: dict[str, Any] = {
        "event_types": ("agent.*",),
        "attribute_filters": {"team": "red"},
        "filter": "event.data.n == 1",
        "annotations": {"owner": "a@example.com"},
    }
    policies = (
        RetryPolicy(FixedSchedule((1.0, 2.0)), max_age_s=60.0),
        RetryPolicy(ExponentialBackoff(3, 1.0, 9.0, 2.0), attempt_timeout_s=5.0),
        None,
    )

    seen = [shown(subscription_of("a", **plain, retry_policy=policy)) for policy in policies]

    assert [plain] * 3 == [{name: each[name] for name in plain} for each in seen]
    assert [
        {"schedule_s": (1.0, 2.0), "attempt_timeout_s": 15.0, "max_age_s": 60.0},
        {
            "max_attempts": 3,
            "initial_delay_s": 1.0,
            "max_delay_s": 9.0,
            "multiplier": 2.0,
            "attempt_timeout_s": 5.0,
            "max_age_s": None,
        },
        None,
    ] == [each["retry_policy"] for each in seen]


def test_what_is_long_is_cut_and_known_by_its_digest() -> None:
    """A text by the digest of its own bytes, so that whoever has the file can compare."""
    schema = json.dumps({"description": "ä" * 3_000}, ensure_ascii=False)

    seen = shown(replace(EVENT_TYPE, json_schema=schema))["json_schema"]

    assert {"begins_with", "bytes", "sha256"} == seen.keys()
    assert len(schema.encode()) == seen["bytes"]
    assert schema.startswith(seen["begins_with"])
    assert 255 == len(seen["begins_with"].encode()), "no half of a character"
    assert hashlib.sha256(schema.encode()).hexdigest() == seen["sha256"]
    assert seen["sha256"] != shown(replace(EVENT_TYPE, json_schema=schema + " "))["json_schema"]["sha256"]
    assert '{"type": "object"}' == shown(EVENT_TYPE)["json_schema"]


def test_entry_of_the_largest_subscription_is_bounded() -> None:
    """Every field as long as the contract lets it be, of characters that take most room."""
    widest = "\N{GRINNING FACE}"
    large = subscription_of(
        "a" * 63,
        display_name=widest * 128,
        url=f"https://{'a.' * 100}example/{'x' * 1_800}",
        event_types=tuple(f"{number:03}.{'x' * 124}" for number in range(100)),
        attribute_filters={f"{number:064}": widest * 1_024 for number in range(64)},
        filter="x" * 2_048,
        annotations={f"{number:064}": widest * 1_024 for number in range(64)},
        headers={f"X-{number}-{'x' * 4_000}": "y" for number in range(32)},
        api_key=ApiKey("X" * 256, "y" * 4_096),
        retry_policy=RetryPolicy(FixedSchedule((0.123456789,) * 32)),
        signing_keys=tuple(SigningKey(f"key-{number:032}", "s" * 256, NOW_MS, NOW_MS) for number in range(10)),
    )

    assert row_bytes(large, replace(large, filter="y" * 2_048)) <= ROW_BYTES_MAX


def test_entry_of_the_largest_event_type_is_bounded() -> None:
    """A megabyte of examples among it."""
    large = replace(
        EVENT_TYPE,
        display_name="\N{GRINNING FACE}" * 128,
        description="\x01" * 4_096,
        service="\N{GRINNING FACE}" * 64,
        json_schema="x" * 1_000_000,
        examples=("x" * 65_536,) * 16,
        attribute_keys=tuple(f"{number:064}" for number in range(64)),
    )

    assert row_bytes(large, replace(large, description="\x02" * 4_096)) <= ROW_BYTES_MAX


def test_notifications_and_replays_are_shown_by_the_names_of_the_contract() -> None:
    """With the names of what they belong to."""
    notification = Notification(
        workspace=WORKSPACE,
        id="n",
        event_id="e",
        subscription_uid="uid",
        subscription_id="a",
        event_type="agent.created",
        state=NotificationState.PENDING,
        attempt_count=3,
        next_attempt_time_ms=0,
        last_attempt=None,
        create_time_ms=0,
        complete_time_ms=None,
        failure_reason=None,
        replay_id="r",
    )
    replay = Replay(
        workspace=WORKSPACE,
        id="r",
        subscription_uid="uid",
        subscription_id="a",
        start_time_ms=0,
        end_time_ms=1,
        states=frozenset({NotificationState.FAILED, NotificationState.CANCELLED}),
        include_unmatched=True,
        max_rate_per_second=2.0,
        state=ReplayState.RUNNING,
        examined_count=0,
        created_count=0,
        create_time_ms=2,
        complete_time_ms=None,
    )

    seen = shown(notification)

    assert f"{WORKSPACE.name}/subscriptions/a/replays/r" == seen["replay"] == shown(replay)["name"]
    assert (f"{WORKSPACE.name}/events/e", "PENDING") == (seen["event"], seen["state"])
    assert "1970-01-01T00:00:00.000Z" == seen["next_attempt_time"] == shown(replay)["start_time"]
    assert None is shown(replace(notification, replay_id=None))["replay"] is seen["complete_time"]
    assert ["CANCELLED", "FAILED"] == shown(replay)["states"]
