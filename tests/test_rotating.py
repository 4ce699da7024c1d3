"""Rotation of signing keys: one transaction for the keys, the announcement and the request_id."""

import asyncio
import json
from random import Random
from typing import Any, Final

import pytest

from service.delivery.eraser import Eraser
from service.domain.errors import CallerError, InvalidField, RequestIdReused, ResourceNotFound, StateConflict
from service.domain.model import SignatureScheme, SigningKey, Subscription
from service.domain.signing import new_key
from service.domain.subscriptions import Keyed
from service.rotating import Rotation, SigningKeys
from service.storage import announcements, subscriptions, workspaces
from service.storage.database import Database
from tests.fakes import (
    HOUR_MS,
    NOW_MS,
    SECRET,
    TESTER,
    WAIT_S,
    WORKSPACE,
    CountingIds,
    FakeClock,
    HookedDatabase,
    listen,
    subscribe,
    subscription_of,
    unsubscribe,
)

NEW_SECRET: Final = new_key(SignatureScheme.STANDARD_WEBHOOKS, Random(1))
SELECT_KEYS: Final = "SELECT key_id, expire_time FROM signing_keys ORDER BY create_time DESC, key_id DESC"


def rotation_of(**changes: Any) -> Rotation:
    """Return a rotation to a key that is made, with a field or two of its own."""
    plain: dict[str, Any] = {
        "signing_key": "",
        "signature_scheme": None,
        "overlap_s": 3600.0,
        "request_id": "",
        "fingerprint": b"",
    }
    return Rotation(**plain | changes)


class Rotator:
    """The use case on a database, for the subscription `a`."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.announced = 0
        self._database = database
        self._keys = SigningKeys(
            database, clock=clock, ids=CountingIds(), rng=Random(4711), on_announced=self._count_announced
        )

    def _count_announced(self) -> None:
        self.announced += 1

    async def rotate(self, subscription_id: str = "a", **changes: Any) -> Keyed:
        """Rotate."""
        return await self._keys.rotate(WORKSPACE, subscription_id, rotation_of(**changes), by=TESTER)

    async def stored(self) -> Subscription:
        """Return the subscription as it is."""
        found = await self._database.read(lambda tx: subscriptions.find(tx, WORKSPACE, "a"))
        assert found is not None
        return found

    async def told(self) -> list[dict[str, str]]:
        """Return the payloads that are announced."""
        found = await self._database.read(lambda tx: announcements.after(tx, "", limit=100))
        return [json.loads(each.payload) for each in found]


@pytest.fixture
async def rotator(database: Database, clock: FakeClock) -> Rotator:
    """A subscription with a key, what rotates it, and somebody who wants to hear of that."""
    await listen(database)
    await subscribe(database, subscription_of("a"))
    return Rotator(database, clock)


async def test_new_key_is_stored_and_shown_and_the_old_one_runs_out(rotator: Rotator) -> None:
    """What is returned is what is stored."""
    rotated = await rotator.rotate()

    stored = await rotator.stored()
    new, old = stored.signing_keys
    assert stored == rotated.subscription
    assert (new.secret, None) == (rotated.shown_key, new.expire_time_ms)
    assert (SECRET, NOW_MS + HOUR_MS) == (old.secret, old.expire_time_ms)


async def test_given_key_is_the_new_one(rotator: Rotator) -> None:
    """It is shown all the same, for it is what the receiver needs."""
    rotated = await rotator.rotate(signing_key=NEW_SECRET)

    assert NEW_SECRET == rotated.shown_key == (await rotator.stored()).signing_keys[0].secret


async def test_rotation_is_a_change_of_the_subscription(rotator: Rotator, database: Database, clock: FakeClock) -> None:
    """Its etag and its update_time change, and so does the workspace's revision."""
    before = await rotator.stored()
    clock.advance(5)

    await rotator.rotate()

    after = await rotator.stored()
    assert before.etag != after.etag
    assert NOW_MS + 5 == after.update_time_ms
    assert after.revision == await database.read(lambda tx: workspaces.revision(tx, WORKSPACE.key))


async def test_rotation_is_announced_with_the_id_of_the_new_key(rotator: Rotator) -> None:
    """In the same transaction, and whoever publishes announcements is woken."""
    rotated = await rotator.rotate()

    [told] = await rotator.told()
    assert rotated.subscription.signing_keys[0].key_id == told["key_id"]
    assert 1 == rotator.announced


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"overlap_s": -1.0}, InvalidField, "overlap: must be from 0s to 604800s"),
        ({"request_id": "a b"}, InvalidField, "request_id: must be 1 to 128 visible ASCII"),
        ({"signing_key": "whsec_short"}, InvalidField, 'signing_key: must be "whsec_" followed'),
        ({"signing_key": NEW_SECRET, "signature_scheme": SignatureScheme.VONAGE_JWT}, InvalidField, "signing_key: "),
        ({"signing_key": NEW_SECRET, "signature_scheme": SignatureScheme.UNSIGNED}, InvalidField, "signing_key: "),
        ({"signing_key": SECRET}, InvalidField, "signing_key: is the current key already"),
        ({"subscription_id": "b"}, ResourceNotFound, "no subscription named"),
    ],
)
async def test_refused_rotation_changes_nothing(
    rotator: Rotator, changes: dict[str, Any], error: type[CallerError], message: str
) -> None:
    """Neither keys nor revision; and no message shows a key."""
    before = await rotator.stored()

    with pytest.raises(error, match=message) as refused:
        await rotator.rotate(**changes)

    assert before == await rotator.stored()
    assert [] == await rotator.told()
    assert not any(secret in refused.value.message for secret in (SECRET, NEW_SECRET))


async def test_unsigned_subscription_gets_a_scheme_and_loses_it_again(rotator: Rotator) -> None:
    """The old key runs out in both directions; without a key there is none to show, and nothing to rotate."""
    await rotator.rotate(signature_scheme=SignatureScheme.UNSIGNED, overlap_s=0.0)
    assert () == (await rotator.stored()).signing_keys

    with pytest.raises(StateConflict, match="is UNSIGNED and has no key to rotate"):
        await rotator.rotate()
    await rotator.rotate(signature_scheme=SignatureScheme.GITHUB)
    assert [SignatureScheme.GITHUB] == [key.scheme for key in (await rotator.stored()).signing_keys]

    rotated = await rotator.rotate(signature_scheme=SignatureScheme.UNSIGNED)
    assert "" == rotated.shown_key
    assert SignatureScheme.UNSIGNED == rotated.subscription.signature_scheme
    assert [NOW_MS + HOUR_MS] == [key.expire_time_ms for key in rotated.subscription.signing_keys]


async def test_private_key_is_never_shown(rotator: Rotator) -> None:
    """What a receiver needs of an Ed25519 key is its public half."""
    rotated = await rotator.rotate(signature_scheme=SignatureScheme.STANDARD_WEBHOOKS_ED25519)

    private = rotated.subscription.signing_keys[0].secret
    assert rotated.shown_key.startswith("whpk_")
    assert private not in repr(rotated)


async def test_repeated_request_returns_the_key_of_the_first(
    rotator: Rotator, database: Database, clock: FakeClock
) -> None:
    """And rotates nothing, so a caller may repeat it when no answer came; nor is any match made anew."""
    first = await rotator.rotate(request_id="r-1", fingerprint=b"same")
    clock.advance(5)

    again = await rotator.rotate(request_id="r-1", fingerprint=b"same")

    assert first == again
    assert first.subscription.revision == await database.read(lambda tx: workspaces.revision(tx, WORKSPACE.key))
    assert 1 == len(await rotator.told())


async def test_repeated_request_shows_the_subscription_as_it_is_now(rotator: Rotator, clock: FakeClock) -> None:
    """And its key for as long as that signs, for it can be erased at any time from then on."""
    first = await rotator.rotate(request_id="r-1")
    await rotator.rotate(overlap_s=1.0)

    again = await rotator.rotate(request_id="r-1")
    assert (first.shown_key, await rotator.stored()) == (again.shown_key, again.subscription)

    clock.advance(1000)
    assert "" == (await rotator.rotate(request_id="r-1")).shown_key


async def test_request_id_with_another_request_is_refused(rotator: Rotator) -> None:
    """It is more likely a mistake than a repetition."""
    await rotator.rotate(request_id="r-1", fingerprint=b"one")

    with pytest.raises(RequestIdReused, match=r'request_id: "r-1" was used before'):
        await rotator.rotate(request_id="r-1", fingerprint=b"other")


async def test_repeated_request_finds_nothing_where_the_subscription_was_deleted(
    rotator: Rotator, database: Database
) -> None:
    """Also when there is a new one of the same name: its keys are none of the old owner's business."""
    await rotator.rotate(request_id="r-1")
    await unsubscribe(database, "a")
    await subscribe(database, subscription_of("another", id="a"))

    with pytest.raises(ResourceNotFound, match="was deleted since"):
        await rotator.rotate(request_id="r-1")


async def test_rotations_at_the_same_time_leave_one_current_key(rotator: Rotator) -> None:
    """They take turns, and each lets the key of the one before run out."""
    await asyncio.gather(*(rotator.rotate() for _ in range(5)))

    ends = [key.expire_time_ms for key in (await rotator.stored()).signing_keys]
    assert [None, *[NOW_MS + HOUR_MS] * 5] == ends


async def test_rotation_whose_caller_gave_up_is_announced_all_the_same(database: Database, clock: FakeClock) -> None:
    """A deadline that ends the wait does not end the change."""
    await listen(database)
    await subscribe(database, subscription_of("a"))
    hooked = HookedDatabase(database)
    committed = asyncio.Event()

    async def wait_for_ever() -> None:
        committed.set()
        await asyncio.Event().wait()

    hooked.after_write = wait_for_ever
    rotator = Rotator(hooked, clock)
    rotating = asyncio.create_task(rotator.rotate())
    async with asyncio.timeout(WAIT_S):
        await committed.wait()
    rotating.cancel()
    await asyncio.wait([rotating])

    assert (1, 1) == (rotator.announced, len(await rotator.told()))


async def test_eraser_erases_what_has_run_out_and_nothing_else(database: Database, clock: FakeClock) -> None:
    """In slices; a key runs out at its expire_time, not a millisecond later."""
    keys = [SigningKey(f"key-{ends:03}", SECRET, NOW_MS, NOW_MS + ends) for ends in range(600)]
    current = SigningKey("current", SECRET, NOW_MS)
    await subscribe(database, subscription_of("a", signing_keys=(current, *keys)))
    eraser = Eraser(database, clock=clock)
    clock.advance(598)

    assert [500, 99, 0] == [await eraser.erase_slice() for _ in range(3)]
    left = await database.read(lambda tx: tx.rows(SELECT_KEYS))
    assert [("key-599", NOW_MS + 599), ("current", None)] == [(row["key_id"], row["expire_time"]) for row in left]
