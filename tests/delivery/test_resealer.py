"""The loop that seals what is plain, and what a key that retires has sealed."""

from collections.abc import AsyncIterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from service.delivery.resealer import Resealer
from service.domain.keyring import parse_keyring
from service.domain.model import ApiKey, Subscription
from service.storage import management_requests, resealing, sealing, subscriptions
from service.storage.database import FatalStorageError, Transaction
from service.storage.keyring_file import KeyringText
from service.storage.management_requests import ManagementRequest
from service.storage.sqlite import SqliteDatabase
from tests.fakes import NOW_MS, SECRET, WORKSPACE, subscribe, subscription_of, unsubscribe
from tests.keys import KEYS

SECOND: Final = "second:BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
URL: Final = "https://a.example/hooks?token=t-4711"
API_KEY: Final = ApiKey("X-API-Key", "api-key-4711")
HEADERS: Final = {"X-Team": "team-4711"}

# As earlier versions have kept it.
MAKE_PLAIN: Final = """
    UPDATE subscriptions SET
        url = :url, url_rest = NULL, headers = :headers, api_key_value = :api_key, sealed_with = NULL
    WHERE uid = :uid
"""
MAKE_KEY_PLAIN: Final = "UPDATE signing_keys SET secret = :secret, sealed_with = NULL WHERE subscription_uid = :uid"
MAKE_FINGERPRINTS_PLAIN: Final = "UPDATE management_requests SET fingerprint = :digest, fingerprint_is_keyed = 0"
SEALED_WITH: Final = """
    SELECT sealed_with FROM subscriptions WHERE delete_time IS NULL UNION SELECT sealed_with FROM signing_keys
    UNION SELECT sealed_with FROM database_secrets
"""
DAMAGE: Final = "UPDATE subscriptions SET headers = 'AAAA' WHERE uid = :uid"
DAMAGE_SEALED_BY_FIRST: Final = """
    UPDATE subscriptions SET headers = 'AAAA', sealed_with = 'first' WHERE uid = :uid
"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A database of which the first of two keys seals."""

    def fail(error: FatalStorageError) -> None:
        raise error

    opened = SqliteDatabase.open(tmp_path / "tidings.db", on_fatal=fail, keyring=KeyringText(SECOND + KEYS))
    yield opened
    await opened.close()


async def seal_all(database: SqliteDatabase, resealer: Resealer | None = None) -> int:
    """Seal until there is nothing left; return in how many slices."""
    resealer, slices = resealer or Resealer(database), 1
    while await resealer.seal_slice():
        slices += 1
    return slices


async def sealed_with(database: SqliteDatabase) -> set[str | None]:
    """Return the ids of the keys that anything is sealed with, None if something is plain."""
    rows = await database.read(lambda tx: tx.rows(SEALED_WITH))
    return {row["sealed_with"] for row in rows}


async def make_plain(database: SqliteDatabase, uid: str) -> None:
    """Make of a subscription what an earlier version has kept of it."""

    def work(tx: Transaction) -> None:
        headers = '{"X-Team": "team-4711"}'
        tx.execute(MAKE_PLAIN, uid=uid, url=URL, headers=headers, api_key=API_KEY.value)
        tx.execute(MAKE_KEY_PLAIN, uid=uid, secret=SECRET)

    await database.write(work)


async def rotate(database: SqliteDatabase) -> None:
    """Let the other key seal."""
    second = parse_keyring(SECOND, source="test").last
    await database.write(lambda tx: resealing.activate(tx, second, now_ms=NOW_MS))


async def found(database: SqliteDatabase, *uids: str) -> list[Subscription]:
    """Return subscriptions, in the order of their uids."""
    by_uid = await database.read(lambda tx: subscriptions.find_by_uid(tx, uids))
    return [by_uid[uid] for uid in uids]


async def states(database: SqliteDatabase) -> dict[str, str]:
    """Return the keys that the database needs."""
    return await database.read(sealing.states)


async def test_plain_subscription_is_sealed_and_stays_what_it_was(database: SqliteDatabase) -> None:
    """Before and after it can be read; its revision, which is its etag, stays."""
    await subscribe(database, subscription_of("a", api_key=API_KEY), subscription_of("b"))
    await make_plain(database, "a")
    before = await found(database, "a", "b")
    assert {None, "first"} == await sealed_with(database)

    await seal_all(database)

    assert {"first"} == await sealed_with(database)
    assert before == await found(database, "a", "b")
    assert (URL, HEADERS, API_KEY) == (before[0].url, before[0].headers, before[0].api_key)


async def test_what_a_retiring_key_has_sealed_is_sealed_anew_in_slices(database: SqliteDatabase) -> None:
    """Then the key is needed no more, also for the secret that fingerprints are made with."""
    uids = [f"s{number:03}" for number in range(450)]
    await subscribe(database, *map(subscription_of, uids))
    before = await found(database, *uids)
    keyed = await database.write(lambda tx: management_requests.keyed(tx, b"digest"))
    await rotate(database)
    assert {"first": "RETIRING", "second": "ACTIVE"} == await states(database)

    with structlog.testing.capture_logs() as logs:
        slices = await seal_all(database)

    assert slices >= 6
    assert {"second": "ACTIVE"} == await states(database)
    assert {"second"} == await sealed_with(database)
    assert before == await found(database, *uids)
    assert keyed == await database.write(lambda tx: management_requests.keyed(tx, b"digest"))
    assert [{"event": "secrets.sealed", "count": 900, "keys_given_up": ["first"], "log_level": "info"}] == logs


async def test_nothing_is_written_when_everything_is_sealed(database: SqliteDatabase) -> None:
    """A look is all that it takes, once a minute."""
    await subscribe(database, subscription_of("a"))
    rows = "SELECT (SELECT secret FROM signing_keys) AS secret, (SELECT headers FROM subscriptions) AS headers"
    before = [dict(row) for row in await database.read(lambda tx: tx.rows(rows))]

    with structlog.testing.capture_logs() as logs:
        await seal_all(database)

    assert before == [dict(row) for row in await database.read(lambda tx: tx.rows(rows))]
    assert [] == logs


async def test_what_does_not_open_keeps_its_key_until_it_is_deleted(database: SqliteDatabase) -> None:
    """The others are sealed anew all the same, and it is said that it does not open."""
    await subscribe(database, *map(subscription_of, "abc"))
    await database.write(lambda tx: tx.execute(DAMAGE, uid="b"))
    await rotate(database)

    with structlog.testing.capture_logs() as logs:
        await seal_all(database)
    damaged = [each.is_damaged for each in await found(database, "a", "b", "c")]
    before = await states(database)
    await unsubscribe(database, "b")
    await seal_all(database)

    assert [False, True, False] == damaged
    assert {"event": "secrets.unreadable", "count": 1, "log_level": "error"} in logs
    assert {"first": "RETIRING", "second": "ACTIVE"} == before
    assert {"second": "ACTIVE"} == await states(database)


def damage_again(tx: Transaction, *, uid: str) -> None:
    """Damage what the first key has sealed, or is said to have."""
    tx.execute(DAMAGE_SEALED_BY_FIRST, uid=uid)


async def test_what_does_not_open_is_told_of_once_and_when_it_is_more(database: SqliteDatabase) -> None:
    """Not every minute, although it is looked for. Where nothing was sealed, nothing is said to be."""
    await subscribe(database, *map(subscription_of, "abc"))
    await database.write(lambda tx: tx.execute(DAMAGE, uid="b"))
    await rotate(database)
    resealer = Resealer(database)

    logs: list[list[MutableMapping[str, Any]]] = []
    for damaged in ("", "", "c", "", ""):
        await database.write(partial(damage_again, uid=damaged))
        with structlog.testing.capture_logs() as said:
            await seal_all(database, resealer)
        logs.append(said)

    def unreadable(count: int) -> dict[str, Any]:
        return {"event": "secrets.unreadable", "count": count, "log_level": "error"}

    sealed = {"event": "secrets.sealed", "count": 5, "keys_given_up": [], "log_level": "info"}
    assert [[unreadable(1), sealed], [], [unreadable(2)], [], []] == logs


async def test_damaged_secret_of_the_database_ends_nothing(database: SqliteDatabase) -> None:
    """Its key stays, all else is sealed anew, and fingerprints stay as they are."""
    await subscribe(database, subscription_of("a"))
    await database.write(lambda tx: tx.execute("UPDATE database_secrets SET secret = 'AAAA'"))
    request = ManagementRequest("Create", "r-1", b"digest", {})
    await database.write(lambda tx: management_requests.insert(tx, WORKSPACE, request, now_ms=NOW_MS))
    await database.write(lambda tx: tx.execute(MAKE_FINGERPRINTS_PLAIN, digest=b"digest"))
    await rotate(database)

    with structlog.testing.capture_logs() as logs:
        await seal_all(database)

    assert ["secrets.unreadable", "secrets.unreadable", "secrets.sealed"] == [each["event"] for each in logs]
    assert {"first": "RETIRING", "second": "ACTIVE"} == await states(database)
    assert not (await found(database, "a"))[0].is_damaged


async def test_rotation_back_to_a_key_that_still_retires_is_no_obstacle(database: SqliteDatabase) -> None:
    """Whoever changes their mind does not wait."""
    await subscribe(database, subscription_of("a"))
    first = parse_keyring(KEYS, source="test").last
    await rotate(database)
    await subscribe(database, subscription_of("b"))

    assert await database.write(lambda tx: resealing.activate(tx, first, now_ms=NOW_MS))
    assert not await database.write(lambda tx: resealing.activate(tx, first, now_ms=NOW_MS))
    await seal_all(database)

    assert {"first": "ACTIVE"} == await states(database)
    assert ["a", "b"] == [each.uid for each in await found(database, "a", "b") if not each.is_damaged]


async def test_fingerprints_of_an_earlier_version_are_keyed_and_still_count(database: SqliteDatabase) -> None:
    """A repetition is recognised before and after."""
    digest = b"d" * 32
    keyed = await database.write(lambda tx: management_requests.keyed(tx, digest))
    request = ManagementRequest("Create", "r-1", keyed, {})
    await database.write(lambda tx: management_requests.insert(tx, WORKSPACE, request, now_ms=NOW_MS))
    await database.write(lambda tx: tx.execute(MAKE_FINGERPRINTS_PLAIN, digest=digest))

    before = await database.read(lambda tx: management_requests.find(tx, WORKSPACE, "Create", "r-1"))
    await seal_all(database)
    after = await database.read(lambda tx: management_requests.find(tx, WORKSPACE, "Create", "r-1"))
    kept = await database.read(lambda tx: tx.rows("SELECT fingerprint, fingerprint_is_keyed FROM management_requests"))

    assert request == before == after
    assert [(keyed, 1)] == [tuple(dict(row).values()) for row in kept]
