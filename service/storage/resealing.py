"""Another key for what is sealed: the change itself, and sealing anew what the keys before have sealed, in slices.

What earlier versions have kept plain is sealed by the same slices. A row that does not open cannot be sealed anew; it
keeps the key that it names from being given up until the subscription is deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, LiteralString

from service.domain.keyring import SealBroken, SealingKey
from service.storage import receivers, sealing, signing_keys
from service.storage.database import Row, Transaction

_NOT_SEALED: Final = ""

RETIRE_ACTIVE_KEY: Final[LiteralString] = "UPDATE sealing_keys SET state = 'RETIRING' WHERE state = 'ACTIVE'"

ACTIVATE_KEY: Final[LiteralString] = "UPDATE sealing_keys SET state = 'ACTIVE' WHERE key_id = :key_id"

SELECT_RETIRING_KEYS: Final[LiteralString] = """
    SELECT key_id FROM sealing_keys WHERE state = 'RETIRING' ORDER BY create_time, key_id LIMIT 1000
"""

SELECT_PLAIN_SUBSCRIPTIONS: Final[LiteralString] = f"""
    SELECT {receivers.COLUMNS} FROM subscriptions
    WHERE sealed_with IS NULL AND uid > :after_uid AND delete_time IS NULL
    ORDER BY uid LIMIT :limit {{skip_locked}}
"""

SELECT_SUBSCRIPTIONS_OF: Final[LiteralString] = f"""
    SELECT {receivers.COLUMNS} FROM subscriptions
    WHERE sealed_with = :key_id AND uid > :after_uid AND delete_time IS NULL
    ORDER BY uid LIMIT :limit {{skip_locked}}
"""

RESEAL_SUBSCRIPTION: Final[LiteralString] = """
    UPDATE subscriptions SET
        url = :url, url_rest = :url_rest, headers = :headers, api_key_value = :api_key_value,
        sealed_with = :sealed_with
    WHERE uid = :uid AND delete_time IS NULL
"""

SELECT_PLAIN_SIGNING_KEYS: Final[LiteralString] = """
    SELECT subscription_uid, key_id, secret, sealed_with FROM signing_keys
    WHERE sealed_with IS NULL AND (subscription_uid, key_id) > (:after_uid, :after_key_id)
    ORDER BY subscription_uid, key_id LIMIT :limit {skip_locked}
"""

SELECT_SIGNING_KEYS_OF: Final[LiteralString] = """
    SELECT subscription_uid, key_id, secret, sealed_with FROM signing_keys
    WHERE sealed_with = :key_id AND (subscription_uid, key_id) > (:after_uid, :after_key_id)
    ORDER BY subscription_uid, key_id LIMIT :limit {skip_locked}
"""

RESEAL_SIGNING_KEY: Final[LiteralString] = """
    UPDATE signing_keys SET secret = :secret, sealed_with = :sealed_with
    WHERE subscription_uid = :subscription_uid AND key_id = :key_id
"""

SELECT_SECRETS_OF: Final[LiteralString] = """
    SELECT name, secret FROM database_secrets WHERE sealed_with = :key_id LIMIT 100
"""

RESEAL_SECRET: Final[LiteralString] = """
    UPDATE database_secrets SET secret = :secret, sealed_with = :sealed_with WHERE name = :name
"""

FORGET_RETIRED_KEY: Final[LiteralString] = """
    DELETE FROM sealing_keys
    WHERE key_id = :key_id AND state = 'RETIRING'
        AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE sealed_with = :key_id AND delete_time IS NULL)
        AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE sealed_with = :key_id)
        AND NOT EXISTS (SELECT 1 FROM database_secrets WHERE sealed_with = :key_id)
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a walk over what is to be sealed anew has come, and what it has done so far.

    It goes through the plain rows and then through those of each retiring key, each time first the subscriptions, then
    the signing keys. `key_id` is that of the rows it is at, "" for the plain ones; `after_uid` and `after_key_id` say
    which row it saw last. `unreadable` counts what did not open, `given_up` are keys that are needed no more.
    """

    key_id: str = _NOT_SEALED
    in_signing_keys: bool = False
    after_uid: str = ""
    after_key_id: str = ""
    resealed: int = 0
    unreadable: int = 0
    given_up: tuple[str, ...] = ()
    is_over: bool = False


def activate(tx: Transaction, key: SealingKey, *, now_ms: int) -> bool:
    """Let another key seal from this transaction on; the one before retires. False if it is the active one already."""
    if sealing.states(tx).get(key.id) == "ACTIVE":
        return False
    tx.execute(RETIRE_ACTIVE_KEY)
    # One that retired may have been given up since it was read.
    if not tx.execute(ACTIVATE_KEY, key_id=key.id):
        sealing.insert_active(tx, key, now_ms=now_ms)
    return True


def is_to_do(tx: Transaction) -> bool:
    """Say whether anything is plain, or sealed by a key that retires."""
    first = Progress()
    return bool(tx.rows(SELECT_RETIRING_KEYS) or _subscriptions(tx, first, 1) or _signing_keys(tx, first, 1))


def reseal_slice(tx: Transaction, progress: Progress, *, limit: int) -> Progress:
    """Seal up to so many rows by the active key, and return how far the walk has come."""
    if progress.in_signing_keys:
        rows = _signing_keys(tx, progress, limit)
        unreadable = _reseal_signing_keys(tx, rows)
    else:
        rows = _subscriptions(tx, progress, limit)
        unreadable = _reseal_subscriptions(tx, rows)
    done = replace(
        progress,
        resealed=progress.resealed + len(rows) - unreadable,
        unreadable=progress.unreadable + unreadable,
    )
    if len(rows) < limit:
        return _next_kind(tx, done)
    if progress.in_signing_keys:
        return replace(done, after_uid=rows[-1]["subscription_uid"], after_key_id=rows[-1]["key_id"])
    return replace(done, after_uid=rows[-1]["uid"])


def _subscriptions(tx: Transaction, progress: Progress, limit: int) -> list[Row]:
    if progress.key_id == _NOT_SEALED:
        return tx.rows(SELECT_PLAIN_SUBSCRIPTIONS, after_uid=progress.after_uid, limit=limit)
    return tx.rows(SELECT_SUBSCRIPTIONS_OF, key_id=progress.key_id, after_uid=progress.after_uid, limit=limit)


def _signing_keys(tx: Transaction, progress: Progress, limit: int) -> list[Row]:
    uid, key_id = progress.after_uid, progress.after_key_id
    if progress.key_id == _NOT_SEALED:
        return tx.rows(SELECT_PLAIN_SIGNING_KEYS, after_uid=uid, after_key_id=key_id, limit=limit)
    return tx.rows(SELECT_SIGNING_KEYS_OF, key_id=progress.key_id, after_uid=uid, after_key_id=key_id, limit=limit)


def _reseal_subscriptions(tx: Transaction, rows: Sequence[Row]) -> int:
    """Seal subscriptions anew; return how many do not open."""
    unreadable = 0
    for row in rows:
        try:
            receiver = receivers.open_(tx, row)
        except SealBroken:
            unreadable += 1
            continue
        tx.each(RESEAL_SUBSCRIPTION, [{**receivers.seal(tx, row["uid"], receiver), "uid": row["uid"]}])
    return unreadable


def _reseal_signing_keys(tx: Transaction, rows: Sequence[Row]) -> int:
    """Seal signing keys anew; return how many do not open."""
    unreadable = 0
    for row in rows:
        name = {"subscription_uid": row["subscription_uid"], "key_id": row["key_id"]}
        try:
            secret = signing_keys.open_(tx, row)
        except SealBroken:
            unreadable += 1
            continue
        tx.each(RESEAL_SIGNING_KEY, [{**signing_keys.seal(tx, **name, secret=secret), **name}])
    return unreadable


def _next_kind(tx: Transaction, progress: Progress) -> Progress:
    """Go on with what comes behind the last subscription, or the last signing key, of a key."""
    if not progress.in_signing_keys:
        return replace(progress, in_signing_keys=True, after_uid="", after_key_id="")
    given_up, unreadable = progress.given_up, progress.unreadable
    if progress.key_id != _NOT_SEALED:
        unreadable += _reseal_secrets(tx, progress.key_id)
        if tx.execute(FORGET_RETIRED_KEY, key_id=progress.key_id):
            given_up = (*given_up, progress.key_id)
    retiring = [str(row["key_id"]) for row in tx.rows(SELECT_RETIRING_KEYS)]
    following = next((key_id for key_id in sorted(retiring) if key_id > progress.key_id), None)
    return replace(
        progress,
        key_id=following or progress.key_id,
        in_signing_keys=False,
        after_uid="",
        after_key_id="",
        unreadable=unreadable,
        given_up=given_up,
        is_over=following is None,
    )


def _reseal_secrets(tx: Transaction, key_id: str) -> int:
    """Seal the secrets of the database anew; return how many do not open."""
    key, unreadable = sealing.active_key(tx), 0
    for row in tx.rows(SELECT_SECRETS_OF, key_id=key_id):
        label = sealing.secret_label(row["name"])
        try:
            secret = sealing.key_of(tx, key_id).open(row["secret"], label)
        except SealBroken:
            unreadable += 1
            continue
        sealed = key.seal(secret, label, rng=tx.sealer.rng)
        tx.execute(RESEAL_SECRET, name=row["name"], secret=sealed, sealed_with=key.id)
    return unreadable
