"""Which key seals, what is needed to open a database, and what opens where."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import StorageUnavailable
from service.domain.keyring import parse_keyring
from service.domain.model import ApiKey, Subscription
from service.storage import management_requests, receivers, resealing, sealing, subscriptions
from service.storage.database import FatalStorageError, OpenError, Transaction
from service.storage.keyring_file import KeyringFile, KeyringText, default_path
from service.storage.sqlite import SqliteDatabase, run_beside
from tests.fakes import NOW_MS, subscribe, subscription_of
from tests.keys import KEYS
from tests.storage.works import Open

SECOND: Final = "second:BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
OTHER_FIRST: Final = SECOND.replace("second", "first")
FIRST_KEYS: Final = KeyringText(KEYS)
BOTH: Final = KeyringText(KEYS + SECOND)
CREDENTIALED: Final = {
    "url": "https://a.example:8443/hooks/secret-path?token=t-4711",
    "api_key": ApiKey("X-API-Key", "api-key-4711"),
    "headers": {"X-Team": "team-4711"},
}


def activate(tx: Transaction) -> None:
    """Let the second key seal."""
    sealing.prepare(tx, now_ms=NOW_MS)
    resealing.activate(tx, parse_keyring(SECOND, source="test").last, now_ms=NOW_MS)


async def found(database: SqliteDatabase, uid: str) -> Subscription:
    """Return a subscription."""
    return (await database.read(lambda tx: subscriptions.find_by_uid(tx, [uid])))[uid]


def change(path: Path, sql: str) -> None:
    """Change a database behind the server's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def sealed_with(path: Path) -> set[str]:
    """Return the ids of the keys that anything in a database is sealed with."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT sealed_with FROM subscriptions UNION SELECT sealed_with FROM signing_keys "
            "UNION SELECT sealed_with FROM database_secrets"
        )
        return {row[0] for row in rows}


# --- opening


async def test_first_start_makes_a_keyring_and_the_next_one_needs_it(open_database: Open, path: Path) -> None:
    """What is lost without it is said in one sentence that names the key and where it was looked for."""
    await open_database().close()
    keyring = default_path(path)
    [key_id] = parse_keyring(keyring.read_text(), source="test")
    await open_database().close()
    keyring.unlink()

    with pytest.raises(OpenError) as caught:
        open_database()

    assert f"needs the key {key_id}, and no keyring can be read: the keyring {keyring} cannot be read: No such" in str(
        caught.value
    )
    assert not keyring.exists()


async def test_keyring_that_was_prepared_is_used_with_its_last_key(open_database: Open, path: Path) -> None:
    """Beside the database, or named."""
    default_path(path).write_text(KEYS + SECOND)
    await open_database().close()
    named = path.with_name("named")
    named.write_text(SECOND + KEYS)
    other = path.with_name("other.db")
    await open_database(other, keyring=KeyringFile(named, rng=Random(1))).close()

    assert ({"second"}, {"first"}) == (sealed_with(path), sealed_with(other))
    assert not default_path(other).exists()


NO_KEYRING: Final = "the database needs the key first, and no keyring can be read: TIDINGS_KEYRING_KEYS"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (SECOND, "the database needs the key first, and TIDINGS_KEYRING_KEYS does not hold it"),
        (OTHER_FIRST, "the key first of TIDINGS_KEYRING_KEYS is not the one of that id that has sealed this database"),
        ("", f"{NO_KEYRING} holds no key"),
        (
            KEYS[:-6],
            f"{NO_KEYRING}, line 1: the key first is not base64",
        ),
        (
            "nonsense",
            f"{NO_KEYRING}, line 1: must be <key id>:",
        ),
    ],
    ids=["missing", "another", "empty", "truncated", "nonsense"],
)
async def test_database_does_not_open_without_its_keys(open_database: Open, keys: str, words: str) -> None:
    """The sentence names the key and where it was looked for. Then, with the right ones, it does."""
    await open_database(keyring=FIRST_KEYS).close()

    with pytest.raises(OpenError) as caught:
        open_database(keyring=KeyringText(keys))

    assert str(caught.value).startswith(words)
    await open_database(keyring=BOTH).close()


async def test_key_that_retires_is_needed_too(open_database: Open, path: Path) -> None:
    """Until nothing is sealed with it any more."""
    await open_database(keyring=FIRST_KEYS).close()
    run_beside(path, activate, keyring=BOTH)

    with pytest.raises(OpenError, match="the database needs the key first"):
        open_database(keyring=KeyringText(SECOND))


async def test_damaged_secret_of_the_database_is_found_at_the_start(open_database: Open, path: Path) -> None:
    """Not at the first request that needs it."""
    await open_database(keyring=FIRST_KEYS).close()
    change(path, "UPDATE database_secrets SET secret = 'AAAA'")

    with pytest.raises(OpenError, match="a secret of the database is damaged"):
        open_database(keyring=FIRST_KEYS)


# --- what is kept


async def test_nothing_secret_of_a_subscription_stands_in_the_file(open_database: Open, path: Path) -> None:
    """It is read back as it was; only where the receiver's host is can be seen."""
    database = open_database(keyring=FIRST_KEYS)
    await subscribe(database, subscription_of("a", **CREDENTIALED))
    subscription = await found(database, "a")
    await database.close()

    kept = path.read_bytes()
    assert CREDENTIALED == {name: getattr(subscription, name) for name in CREDENTIALED}
    secrets = [b"secret-path", b"t-4711", b"api-key-4711", b"team-4711", subscription.signing_keys[0].secret.encode()]
    assert [] == [secret for secret in secrets if secret in kept]
    assert b"https://a.example:8443" in kept


@given(st.from_regex(r"https?://[a-z.:0-9\[\]]{1,20}([/?][!-~]{0,30})?", fullmatch=True))
def test_url_is_divided_before_its_path_or_query(url: str) -> None:
    """The two parts are the URL again, and no slash or question mark is in the first one's host."""
    origin, rest = receivers.divided(url)

    assert url == origin + rest
    assert rest[:1] in ("", "/", "?")
    assert not {"/", "?"} & set(origin.partition("//")[2])


@pytest.mark.parametrize(
    "move",
    [
        "UPDATE subscriptions SET {column} = (SELECT {column} FROM subscriptions WHERE uid = 'b') WHERE uid = 'a'",
        "UPDATE subscriptions SET {column} = substr({column}, 1, 20) || 'AAAA' || substr({column}, 25) WHERE uid = 'a'",
        "UPDATE subscriptions SET {column} = '' WHERE uid = 'a'",
    ],
    ids=["moved", "changed", "emptied"],
)
@pytest.mark.parametrize("column", ["url_rest", "headers", "api_key_value", "url"])
async def test_what_does_not_open_damages_its_subscription_alone(
    open_database: Open, path: Path, column: str, move: str
) -> None:
    """It is read without any secret, and the one beside it as ever. The host, which is plain, is under the seal too."""
    database = open_database(keyring=FIRST_KEYS)
    other = {**CREDENTIALED, "url": "https://b.example/hooks/other?token=t-4712"}
    await subscribe(database, subscription_of("a", **CREDENTIALED), subscription_of("b", **other))
    change(path, move.format(column=column))

    damaged, sound = await found(database, "a"), await found(database, "b")

    assert (True, "SECRETS_UNREADABLE") == (damaged.is_damaged, damaged.state_reason)
    assert (None, {}, ()) == (damaged.api_key, damaged.headers, damaged.signing_keys)
    assert "secret-path" not in damaged.url
    assert (False, other["url"]) == (sound.is_damaged, sound.url)


@pytest.mark.parametrize(
    "move",
    [
        "UPDATE signing_keys SET secret = (SELECT secret FROM signing_keys WHERE key_id = 'key-b') "
        "WHERE key_id = 'key-a'",
        "UPDATE signing_keys SET sealed_with = 'unheard-of' WHERE key_id = 'key-a'",
        "UPDATE signing_keys SET key_id = 'key-c' WHERE key_id = 'key-a'",
        "UPDATE subscriptions SET sealed_with = 'unheard-of' WHERE uid = 'a'",
    ],
)
async def test_signing_key_that_does_not_open_damages_its_subscription_alone(
    open_database: Open, path: Path, move: str
) -> None:
    """Moved, under another id, or with a key that the database has never had."""
    database = open_database(keyring=FIRST_KEYS)
    await subscribe(database, subscription_of("a"), subscription_of("b"))
    change(path, move)

    assert (True, False) == ((await found(database, "a")).is_damaged, (await found(database, "b")).is_damaged)


async def test_fingerprint_of_a_request_is_keyed(open_database: Open, path: Path) -> None:
    """With a secret that another database does not have."""
    first, other = open_database(keyring=FIRST_KEYS), open_database(path.with_name("other.db"), keyring=BOTH)
    digest = b"digest"

    keyed = await first.write(lambda tx: management_requests.keyed(tx, digest))

    assert digest not in keyed
    assert keyed == await first.write(lambda tx: management_requests.keyed(tx, digest))
    assert keyed != await other.write(lambda tx: management_requests.keyed(tx, digest))


# --- another key, while the database is open


async def test_rotation_beside_an_open_database_counts_from_its_next_work(open_database: Open, path: Path) -> None:
    """Nobody tells it: the new key is in the file that it looks into again."""
    keyring = default_path(path)
    keyring.write_text(KEYS)
    database = open_database()
    await subscribe(database, subscription_of("a"))
    keyring.write_text(KEYS + SECOND)
    run_beside(path, activate, keyring=BOTH)

    await subscribe(database, subscription_of("b"))

    assert ["a", "b"] == [(await found(database, uid)).uid for uid in ("a", "b")]
    assert {"first", "second"} == sealed_with(path)


@pytest.mark.parametrize("keys", [KEYS, KEYS + SECOND.replace("BBEC", "CCEC")], ids=["missing", "another"])
async def test_key_that_is_not_to_be_had_stops_the_process(
    open_database: Open, path: Path, fatal_errors: list[FatalStorageError], keys: str
) -> None:
    """It could not read what others write from now on, and must not seal with a key that nobody else has."""
    keyring = default_path(path)
    keyring.write_text(KEYS)
    database = open_database()
    await subscribe(database, subscription_of("a"))
    keyring.write_text(keys)
    run_beside(path, activate, keyring=BOTH)

    with pytest.raises(StorageUnavailable):
        await subscribe(database, subscription_of("b"))

    [fatal] = fatal_errors
    assert "key second" in str(fatal)
    assert str(keyring) in str(fatal)


async def test_reader_that_lacks_a_key_stops_the_process_too(
    open_database: Open, path: Path, fatal_errors: list[FatalStorageError]
) -> None:
    """What another process has sealed is not damaged: this one lacks the key for it."""
    database = open_database(keyring=FIRST_KEYS)
    await subscribe(database, subscription_of("a"))

    def rotate_and_seal(tx: Transaction) -> None:
        activate(tx)
        subscriptions.insert(tx, subscription_of("b"))

    run_beside(path, rotate_and_seal, keyring=BOTH)

    assert not (await found(database, "a")).is_damaged
    with pytest.raises(StorageUnavailable):
        await found(database, "b")
    assert ["the database needs the key second, and TIDINGS_KEYRING_KEYS does not hold it"] == [
        str(each).partition(":")[0] for each in fatal_errors
    ]


async def test_command_without_a_keyring_reads_nothing_sealed(open_database: Open, path: Path) -> None:
    """And says so, rather than what is sealed."""
    await subscribe(open_database(keyring=FIRST_KEYS), subscription_of("a"))

    with pytest.raises(
        FatalStorageError, match="the database needs the key first, and no keyring can be read: no keyring was given"
    ):
        run_beside(path, lambda tx: subscriptions.find_by_uid(tx, ["a"]))
