"""Signing keys in SQL.

SQLite overwrites what is deleted here with zeros (`secure_delete`). The log keeps an erased key's bytes until they are
written over, or the server stops. A copy may outlive both in the unused part of a page from which SQLite once moved the
row: 6 of 20,000 keys in a trial that added and erased them at random. Only encryption would end that.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from service.domain.model import SignatureScheme, SigningKey
from service.storage.database import Row, Transaction, Value

INSERT_SIGNING_KEY: Final[LiteralString] = """
    INSERT INTO signing_keys (subscription_uid, key_id, secret, create_time, expire_time, scheme)
    VALUES (:subscription_uid, :key_id, :secret, :create_time, :expire_time, :scheme)
"""

SELECT_SIGNING_KEYS: Final[LiteralString] = """
    SELECT key_id, secret, create_time, expire_time, scheme FROM signing_keys
    WHERE subscription_uid = :subscription_uid ORDER BY create_time DESC, key_id DESC LIMIT 100
"""

EXPIRE_SIGNING_KEY: Final[LiteralString] = """
    UPDATE signing_keys SET expire_time = :expire_time WHERE subscription_uid = :subscription_uid AND key_id = :key_id
"""

RESCHEME_CURRENT_KEY: Final[LiteralString] = """
    UPDATE signing_keys SET scheme = :scheme WHERE subscription_uid = :subscription_uid AND expire_time IS NULL
"""

DELETE_SIGNING_KEY: Final[LiteralString] = """
    DELETE FROM signing_keys WHERE subscription_uid = :subscription_uid AND key_id = :key_id
"""

DELETE_SIGNING_KEYS: Final[LiteralString] = "DELETE FROM signing_keys WHERE subscription_uid = :subscription_uid"

DELETE_EXPIRED: Final[LiteralString] = """
    DELETE FROM signing_keys
    WHERE (subscription_uid, key_id) IN (
        SELECT subscription_uid, key_id FROM signing_keys
        WHERE expire_time <= :now ORDER BY expire_time LIMIT :limit {skip_locked}
    )
"""


def insert(tx: Transaction, subscription_uid: str, keys: Sequence[SigningKey]) -> None:
    """Add keys to a subscription."""
    tx.each(INSERT_SIGNING_KEY, [_columns(subscription_uid, key) for key in keys])


def of(tx: Transaction, subscription_uids: Sequence[str]) -> list[tuple[SigningKey, ...]]:
    """Return the keys of each subscription, newest first; also those that have run out and are still to be erased."""
    found = tx.each(SELECT_SIGNING_KEYS, [{"subscription_uid": uid} for uid in subscription_uids])
    return [tuple(_signing_key(row) for row in rows) for rows in found]


def change(
    tx: Transaction, subscription_uid: str, *, before: Sequence[SigningKey], after: Sequence[SigningKey]
) -> None:
    """Make the keys `before` of a subscription those `after`: erase, let run out, and add. Secrets do not change.

    In a transaction that has called `workspaces.bump_revision` before it read them.
    """
    known = {key.key_id: key for key in before}
    staying = {key.key_id for key in after}
    gone = [key_id for key_id in known if key_id not in staying]
    ending = [key for key in after if key.key_id in known and known[key.key_id] != key]
    tx.each(DELETE_SIGNING_KEY, [{"subscription_uid": subscription_uid, "key_id": key_id} for key_id in gone])
    tx.each(
        EXPIRE_SIGNING_KEY,
        [
            {"subscription_uid": subscription_uid, "key_id": key.key_id, "expire_time": key.expire_time_ms}
            for key in ending
        ],
    )
    insert(tx, subscription_uid, [key for key in after if key.key_id not in known])


def rescheme(tx: Transaction, subscription_uid: str, scheme: SignatureScheme) -> None:
    """Have the current key sign by another scheme, which needs the same form of key. Keys that run out stay."""
    tx.execute(RESCHEME_CURRENT_KEY, subscription_uid=subscription_uid, scheme=scheme.value)


def delete(tx: Transaction, subscription_uid: str) -> None:
    """Erase all keys of a subscription."""
    tx.execute(DELETE_SIGNING_KEYS, subscription_uid=subscription_uid)


def delete_expired(tx: Transaction, *, now_ms: int, limit: int) -> int:
    """Erase keys that have run out; return how many."""
    return tx.execute(DELETE_EXPIRED, now=now_ms, limit=limit)


def _columns(subscription_uid: str, key: SigningKey) -> dict[str, Value]:
    return {
        "subscription_uid": subscription_uid,
        "key_id": key.key_id,
        "secret": key.secret,
        "create_time": key.create_time_ms,
        "expire_time": key.expire_time_ms,
        "scheme": key.scheme.value,
    }


def _signing_key(row: Row) -> SigningKey:
    return SigningKey(
        key_id=row["key_id"],
        secret=row["secret"],
        create_time_ms=row["create_time"],
        expire_time_ms=row["expire_time"],
        scheme=SignatureScheme(row["scheme"]),
    )
