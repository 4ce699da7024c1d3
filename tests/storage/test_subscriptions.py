"""Subscriptions in the database: suspensions, what a deletion erases, and the request_ids of their creations."""

from dataclasses import replace
from typing import Any, Final

import pytest

from service.domain.errors import RequestIdReused
from service.domain.model import (
    ApiKey,
    Format,
    SignatureScheme,
    SigningKey,
    Subscription,
    SuspendReason,
    Suspension,
)
from service.domain.names import Workspace
from service.storage import management_requests, signing_keys, subscriptions, workspaces
from service.storage.database import Database
from service.storage.management_requests import ManagementRequest
from tests.fakes import NOW_MS, SECRET, WORKSPACE, change, subscribe, subscription_of, unsubscribe

GONE: Final = Suspension(NOW_MS + 5, SuspendReason.GONE)
API_KEY: Final = ApiKey("Authorization", "Bearer of-the-receiver")

SELECT_RECEIVER: Final = """
    SELECT url, url_rest, headers, api_key_header, api_key_value, sealed_with FROM subscriptions WHERE uid = :uid
"""


async def found(database: Database, uid: str) -> Subscription | None:
    """Return the living subscription of this uid."""
    return (await database.read(lambda tx: subscriptions.find_by_uid(tx, [uid]))).get(uid)


async def suspend(database: Database, uid: str, *, url: str | None = None) -> Subscription | None:
    """Suspend a subscription."""
    return await database.write(lambda tx: subscriptions.suspend(tx, uid, GONE, url=url))


async def revision(database: Database) -> int:
    """Return the revision of the workspace."""
    return await database.read(lambda tx: workspaces.revision(tx, WORKSPACE.key))


@pytest.mark.parametrize(
    "changes",
    [
        {"filter": "event.type == 'é⚙'", "filter_is_shut": True},
        {"format": Format.EVENT_CODE, "signature_scheme": SignatureScheme.UNSIGNED, "signing_keys": ()},
        {"api_key": API_KEY},
        {"suspension": GONE, "enabled": False},
    ],
)
async def test_every_field_comes_back(database: Database, changes: dict[str, Any]) -> None:
    """At insert, and at update."""
    inserted, updated = subscription_of("a", **changes), subscription_of("b", **changes)
    await subscribe(database, inserted, replace(subscription_of("b"), signing_keys=updated.signing_keys))
    await change(database, updated)

    assert replace(inserted, revision=1) == await found(database, "a")
    assert replace(updated, revision=3) == await found(database, "b")


async def test_suspension_is_a_change_of_the_workspace(database: Database) -> None:
    """Its etag and its time change with it, and matchers learn of it."""
    await subscribe(database, subscription_of("a"))

    suspended = await suspend(database, "a")

    assert subscription_of("a", suspension=GONE, update_time_ms=GONE.time_ms, revision=2) == suspended
    assert suspended == await found(database, "a")
    [rule] = await database.read(lambda tx: subscriptions.rules_since(tx, WORKSPACE, 1, limit=9))
    assert (2, True) == (rule.revision, rule.active)


@pytest.mark.parametrize("uid", ["suspended", "deleted", "nobody"])
async def test_what_is_suspended_or_gone_is_not_suspended_again(database: Database, uid: str) -> None:
    """Of many receivers' answers that arrive together the first one counts, so there is one announcement."""
    first = Suspension(NOW_MS, SuspendReason.GONE)
    await subscribe(database, subscription_of("suspended", suspension=first), subscription_of("deleted"))
    await unsubscribe(database, "deleted")
    before = await found(database, uid), await revision(database)

    assert await suspend(database, uid) is None
    assert before == (await found(database, uid), await revision(database))


async def test_answer_of_an_earlier_url_suspends_nothing(database: Database) -> None:
    """The attempt was under way while the url was changed: the new one is not to blame."""
    await subscribe(database, subscription_of("a", url="https://new.example/"))

    assert await suspend(database, "a", url="https://old.example/") is None
    assert await suspend(database, "a", url="https://new.example/") is not None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"enabled": False}, True),
        ({"suspension": GONE}, True),
        ({"enabled": False, "suspension": GONE}, True),
    ],
)
async def test_only_what_is_disabled_or_suspended_is_unserved(
    database: Database, changes: dict[str, Any], *, expected: bool
) -> None:
    """What is not there is nobody's to hold."""
    await subscribe(database, subscription_of("a", **changes))

    assert expected == await database.write(lambda tx: subscriptions.lock_unserved(tx, "a"))
    await unsubscribe(database, "a")
    assert not await database.write(lambda tx: subscriptions.lock_unserved(tx, "a"))


async def test_deletion_erases_what_is_known_of_the_receiver_and_every_signing_key(database: Database) -> None:
    """A tombstone needs no secrets, and nobody needs to know where it was sent."""
    headers = {"X-Team": "a"}
    kept = [subscription_of(uid, api_key=API_KEY, headers=headers) for uid in ("a", "b")]
    await subscribe(database, *kept)

    await unsubscribe(database, "a")

    [row] = await database.read(lambda tx: tx.rows(SELECT_RECEIVER, uid="a"))
    keys = await database.read(lambda tx: tx.rows("SELECT subscription_uid FROM signing_keys LIMIT 9"))
    assert ("", None, "{}", None, None, None) == tuple(dict(row).values())
    assert ["b"] == [row["subscription_uid"] for row in keys]
    other = await found(database, "b")
    assert other is not None
    assert (API_KEY, headers, kept[1].url) == (other.api_key, other.headers, other.url)


async def test_only_the_current_key_takes_the_new_scheme(database: Database) -> None:
    """Receivers know a key that runs out by the scheme of then."""
    old = SigningKey("old", SECRET, NOW_MS, NOW_MS + 9, SignatureScheme.GITHUB)
    new = SigningKey("new", SECRET, NOW_MS + 1, None, SignatureScheme.GITHUB)
    await subscribe(database, subscription_of("a", signing_keys=(new, old)))

    await database.write(lambda tx: signing_keys.rescheme(tx, "a", SignatureScheme.STRIPE))

    subscription = await found(database, "a")
    assert subscription is not None
    assert (replace(new, scheme=SignatureScheme.STRIPE), old) == subscription.signing_keys


# --- request_ids

REQUEST: Final = ManagementRequest("Create", "r-1", b"\0fingerprint\xff", {"uid": "a", "key_id": ""})


@pytest.mark.parametrize(
    ("workspace", "method", "request_id", "expected"),
    [
        (WORKSPACE, "Create", "r-1", REQUEST),
        (WORKSPACE, "Create", "r-2", None),
        (WORKSPACE, "Rotate", "r-1", None),
        (Workspace("acme", "other"), "Create", "r-1", None),
    ],
)
async def test_request_id_counts_in_its_workspace_and_for_its_method(
    database: Database, workspace: Workspace, method: str, request_id: str, expected: ManagementRequest | None
) -> None:
    """Others may use the same one."""
    await database.write(lambda tx: management_requests.insert(tx, WORKSPACE, REQUEST, now_ms=NOW_MS))

    assert expected == await database.read(lambda tx: management_requests.find(tx, workspace, method, request_id))


def test_request_that_says_something_else_is_told_so() -> None:
    """The same one is not."""
    REQUEST.check_same(b"\0fingerprint\xff")

    with pytest.raises(RequestIdReused, match='request_id: "r-1" was used before'):
        REQUEST.check_same(b"another")
