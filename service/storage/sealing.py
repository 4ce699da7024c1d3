"""Which key seals, and texts that are sealed and opened in a transaction.

The database says which key is the ACTIVE one, and a work that seals reads that in its own transaction: so a rotation is
exact in every process at the moment of its commit. RETIRING keys still open what they have sealed.
"""

import base64
from typing import Final, LiteralString

from service.domain.keyring import KeyringInvalid, Label, SealBroken, SealingKey
from service.storage.database import FatalStorageError, OpenError, Transaction
from service.storage.sealer import KeyUnusable

FINGERPRINTS: Final = "fingerprints"
"""The database secret that fingerprints of requests are made with."""

_SECRET_BYTES: Final = 32

SELECT_SEALING_KEYS: Final[LiteralString] = """
    SELECT key_id, state, proof FROM sealing_keys ORDER BY create_time, key_id LIMIT 1000
"""

SELECT_ACTIVE_KEY: Final[LiteralString] = """
    SELECT key_id, proof FROM sealing_keys WHERE state = 'ACTIVE' {for_share}
"""

SELECT_SEALING_KEY: Final[LiteralString] = "SELECT proof FROM sealing_keys WHERE key_id = :key_id"

INSERT_ACTIVE_KEY: Final[LiteralString] = """
    INSERT INTO sealing_keys (key_id, state, proof, create_time) VALUES (:key_id, 'ACTIVE', :proof, :now)
"""

INSERT_DATABASE_SECRET: Final[LiteralString] = """
    INSERT INTO database_secrets (name, secret, sealed_with) VALUES (:name, :secret, :sealed_with)
"""

SELECT_DATABASE_SECRET: Final[LiteralString] = "SELECT secret, sealed_with FROM database_secrets WHERE name = :name"


def prepare(tx: Transaction, *, now_ms: int) -> None:
    """Have the keys at hand that the database needs, each proven; the first time, let the keyring's last one seal.

    Raises:
        OpenError: a key is missing or another one; or there is no keyring to begin with.
    """
    try:
        for row in tx.rows(SELECT_SEALING_KEYS) or _begin(tx, now_ms=now_ms):
            tx.sealer.adopt(row["key_id"], row["proof"])
        database_secret(tx, FINGERPRINTS)
    except (KeyUnusable, KeyringInvalid) as error:
        raise OpenError(str(error)) from error
    except SealBroken as error:
        raise OpenError(f"a secret of the database is damaged: {error}; restore it from a backup") from error


def states(tx: Transaction) -> dict[str, str]:
    """Return the ids of the keys that the database needs, the oldest first, each ACTIVE or RETIRING."""
    return {str(row["key_id"]): str(row["state"]) for row in tx.rows(SELECT_SEALING_KEYS)}


def unusable(tx: Transaction) -> set[str]:
    """Return the ids of the keys that the database needs and that the keyring does not have, or has others of."""
    found = set()
    for row in tx.rows(SELECT_SEALING_KEYS):
        try:
            tx.sealer.adopt(row["key_id"], row["proof"])
        except KeyUnusable:
            found.add(str(row["key_id"]))
    return found


def insert_active(tx: Transaction, key: SealingKey, *, now_ms: int) -> str:
    """Let a key seal that the database has not needed so far, while no other one does; return its proof."""
    proof = tx.sealer.prove(key)
    tx.execute(INSERT_ACTIVE_KEY, key_id=key.id, proof=proof, now=now_ms)
    return proof


def active_key(tx: Transaction) -> SealingKey:
    """Return the key that seals, until this transaction ends at least.

    Raises:
        FatalStorageError: there is none, or it is not to be had.
    """
    # PostgreSQL waits for a rotation under way, and then finds neither the row that sealed until then, nor the one that
    # this statement began too early to see. Nothing that begins now is too early.
    found = tx.rows(SELECT_ACTIVE_KEY) or tx.rows(SELECT_ACTIVE_KEY)
    if not found:
        raise FatalStorageError("the database has no key that seals: it was not prepared")
    return _at_hand(tx, found[0]["key_id"], found[0]["proof"])


def key_of(tx: Transaction, key_id: str) -> SealingKey:
    """Return the key of what was sealed before.

    Raises:
        SealBroken: the database knows of no such key, so what names it is damaged.
        FatalStorageError: the key is not to be had.
    """
    held = tx.sealer.held(key_id)
    if held is not None:
        return held
    found = tx.rows(SELECT_SEALING_KEY, key_id=key_id)
    if not found:
        raise SealBroken(f"the database has no key {key_id}")
    return _at_hand(tx, key_id, found[0]["proof"])


def check_plain(tx: Transaction, text: str, label: Label) -> None:
    """Refuse a text that is said to be plain, and is a sealed one: what says so was changed.

    Raises:
        SealBroken: it opens under this label with one of the keys that the database needs.
    """
    for key_id in states(tx):
        try:
            key_of(tx, key_id).open(text, label)
        except SealBroken:
            continue
        raise SealBroken(f"what is kept as {label.kind} is said to be plain, and is sealed with the key {key_id}")


def database_secret(tx: Transaction, name: str) -> bytes:
    """Return a secret of the database as a whole. In a write it is made if there is none.

    Raises:
        SealBroken: it is damaged.
    """
    found = tx.rows(SELECT_DATABASE_SECRET, name=name)
    if not found:
        return _new_secret(tx, name)
    return base64.b64decode(key_of(tx, found[0]["sealed_with"]).open(found[0]["secret"], secret_label(name)))


def secret_label(name: str) -> Label:
    """Return the label of a secret of the database."""
    return Label("secret", part=name)


def _new_secret(tx: Transaction, name: str) -> bytes:
    secret, key = tx.sealer.rng.randbytes(_SECRET_BYTES), active_key(tx)
    sealed = key.seal(base64.b64encode(secret).decode("ascii"), secret_label(name), rng=tx.sealer.rng)
    tx.execute(INSERT_DATABASE_SECRET, name=name, secret=sealed, sealed_with=key.id)
    return secret


def _begin(tx: Transaction, *, now_ms: int) -> list[dict[str, str]]:
    """Let the last key of the keyring seal what this database will keep; return the row that says so."""
    key = tx.sealer.begin().last
    return [{"key_id": key.id, "proof": insert_active(tx, key, now_ms=now_ms)}]


def _at_hand(tx: Transaction, key_id: str, proof: str) -> SealingKey:
    held = tx.sealer.held(key_id)
    if held is not None:
        return held
    try:
        # Once more from where it is kept: somebody has rotated since.
        return tx.sealer.adopt(key_id, proof)
    except KeyUnusable as error:
        raise FatalStorageError(str(error)) from error
