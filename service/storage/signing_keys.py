"""Signing keys in SQL, each secret sealed.

SQLite overwrites what is deleted here with zeros (`secure_delete`). The log keeps an erased key's bytes until they are
written over, or the server stops. A copy may outlive both in the unused part of a page from which SQLite once moved the
row: 6 of 20,000 keys in a trial that added and erased them at random. It is a sealed one, unless an earlier version
has written it.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from service.domain.errors import InvalidField
from service.domain.keyring import Label, SealBroken
from service.domain.model import SignatureScheme, SigningKey
from service.domain.signing import check_key
from service.storage import sealing
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import text, whole

INSERT_SIGNING_KEY: Final[LiteralString] = """
    INSERT INTO signing_keys (subscription_uid, key_id, secret, create_time, expire_time, scheme, sealed_with)
    VALUES (:subscription_uid, :key_id, :secret, :create_time, :expire_time, :scheme, :sealed_with)
"""

SELECT_SIGNING_KEYS: Final[LiteralString] = """
    SELECT subscription_uid, key_id, secret, create_time, expire_time, scheme, sealed_with FROM signing_keys
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
    tx.each(INSERT_SIGNING_KEY, [_columns(tx, subscription_uid, key) for key in keys])


def of(tx: Transaction, subscription_uids: Sequence[str]) -> list[tuple[SigningKey, ...] | None]:
    """Return the keys of each subscription, newest first; also those that have run out and are still to be erased.

    None where one of them makes no sense: it is damaged, or was moved there from another row.
    """
    found = tx.each(SELECT_SIGNING_KEYS, [{"subscription_uid": uid} for uid in subscription_uids])
    return [_signing_keys(tx, rows) for rows in found]


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


def seal(tx: Transaction, subscription_uid: str, key_id: str, secret: str) -> dict[str, Value]:
    """Return the columns of a key that are its secret, sealed by the active key."""
    sealing_key = sealing.active_key(tx)
    sealed = sealing_key.seal(secret, _label(subscription_uid, key_id), rng=tx.sealer.rng)
    return {"secret": sealed, "sealed_with": sealing_key.id}


def open_(tx: Transaction, row: Row) -> str:
    """Return the secret of a key, also of one that an earlier version has kept plain.

    Raises:
        SealBroken: it is damaged, or was moved there from another row.
    """
    label = _label(row["subscription_uid"], row["key_id"])
    if row["sealed_with"] is None:
        sealing.check_plain(tx, row["secret"], label)
        return str(row["secret"])
    return sealing.key_of(tx, row["sealed_with"]).open(row["secret"], label)


def _label(subscription_uid: str, key_id: str) -> Label:
    return Label("signing_key", subscription_uid, key_id)


def _columns(tx: Transaction, subscription_uid: str, key: SigningKey) -> dict[str, Value]:
    return {
        **seal(tx, subscription_uid, key.key_id, key.secret),
        "subscription_uid": subscription_uid,
        "key_id": key.key_id,
        "create_time": key.create_time_ms,
        "expire_time": key.expire_time_ms,
        "scheme": key.scheme.value,
    }


def _signing_keys(tx: Transaction, rows: Sequence[Row]) -> tuple[SigningKey, ...] | None:
    try:
        return tuple(_signing_key(tx, row) for row in rows)
    # One that was damaged may make no sense in many ways, its secret the least.
    except (SealBroken, InvalidField, ValueError, TypeError):
        return None


def _signing_key(tx: Transaction, row: Row) -> SigningKey:
    key = SigningKey(
        key_id=text(row["key_id"]),
        secret=open_(tx, row),
        create_time_ms=whole(row["create_time"]),
        expire_time_ms=None if row["expire_time"] is None else whole(row["expire_time"]),
        scheme=SignatureScheme(row["scheme"]),
    )
    check_key("signing_key", key.scheme, key.secret)
    return key
