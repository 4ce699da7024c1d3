"""The keys that seal what the database keeps secret: how they are written down, and how a text is sealed by one.

AES-256-GCM. Pure: randomness is passed in. Nothing here puts a key, or what was sealed, into a message.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FORM = f"<key id>:<base64 of {KEY_BYTES} bytes>"
_NEW_ID_BITS = 48


class KeyringInvalid(Exception):
    """A keyring that cannot be read. The message is one sentence for the operator, and has nothing of a key in it."""


class SealBroken(Exception):
    """A sealed text that its key does not open where it stands: it is damaged, or was moved there from elsewhere."""


class Label(NamedTuple):
    """What a sealed text is. It opens under the same label only, so it cannot be moved to where another belongs.

    `kind` is what it says, `resource` whose it is: the uid of a subscription, or "database". `part` tells several of
    the same kind apart.
    """

    kind: str
    resource: str = "database"
    part: str = ""


class SealingKey:
    """One key of a keyring: an id, which is no secret, and what seals and opens by it."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key_id: str, key: bytes) -> None:
        self.id = key_id
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return f"SealingKey({self.id!r})"

    def seal(self, text: str, label: Label, *, rng: Random) -> str:
        """Return a text sealed under a label, as base64 of a nonce and the ciphertext.

        Args:
            rng: where the nonce comes from, `random.SystemRandom()` in production. Some four billion texts may be
                sealed by one key before two nonces could be the same.
        """
        nonce = rng.randbytes(_NONCE_BYTES)
        return _base64(nonce + self._cipher.encrypt(nonce, text.encode(), self._associated(label)))

    def open(self, sealed: str, label: Label) -> str:
        """Return the text that was sealed by this key under this label.

        Raises:
            SealBroken: it was not.
        """
        try:
            # Every claim comes this way: base64.b64decode takes three times as long.
            data = binascii.a2b_base64(sealed, strict_mode=True)
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._associated(label)).decode()
        # ValueError: no base64, or too short for a nonce. TypeError: no text at all.
        except (InvalidTag, ValueError, TypeError) as error:
            raise SealBroken(f"what is kept as {label.kind} does not open with the key {self.id}") from error

    def _associated(self, label: Label) -> bytes:
        # As JSON, so that no two labels are the same bytes.
        return orjson.dumps((self.id, *label))


class Keyring:
    """Keys by their ids, in the order in which they are written down, with where they came from."""

    def __init__(self, source: str, keys: dict[str, SealingKey]) -> None:
        self.source = source
        self._keys = keys

    def __repr__(self) -> str:
        return f"Keyring({self.source!r}, {list(self._keys)})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def find(self, key_id: str) -> SealingKey | None:
        """Return the key of an id, or None."""
        return self._keys.get(key_id)

    @property
    def last(self) -> SealingKey:
        """The key that was added last."""
        return next(reversed(self._keys.values()))


def parse_keyring(text: str, *, source: str) -> Keyring:
    """Return the keyring that a text says: a line per key, `<key id>:<base64 of 32 bytes>`. Lines with # are comments.

    Args:
        source: where the text comes from, for messages.

    Raises:
        KeyringInvalid: a line that is no such thing, an id that comes twice, or no key at all.
    """
    keys: dict[str, SealingKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        # Without the line itself: it is a key, or what was meant to be one.
        key_id, key = _parsed(line.strip(), where=f"{source}, line {number}")
        if key_id in keys:
            raise KeyringInvalid(f"{source}, line {number}: the key id {key_id} is there already")
        keys[key_id] = SealingKey(key_id, key)
    if not keys:
        raise KeyringInvalid(f"{source} holds no key; a key is a line of the form {_FORM}")
    return Keyring(source, keys)


def new_key_line(rng: Random) -> tuple[str, str]:
    """Return the id of a new key, and the line of a keyring that says it.

    Args:
        rng: where the key comes from; production passes `random.SystemRandom()`.
    """
    key_id = f"k{rng.getrandbits(_NEW_ID_BITS):0{_NEW_ID_BITS // 4}x}"
    return key_id, f"{key_id}:{_base64(rng.randbytes(KEY_BYTES))}"


def _parsed(line: str, *, where: str) -> tuple[str, bytes]:
    key_id, colon, encoded = line.partition(":")
    if not colon or not _KEY_ID.fullmatch(key_id):
        raise KeyringInvalid(
            f"{where}: must be {_FORM}, the id 1 to 64 characters of A-Z, a-z, 0-9, dot, hyphen and underscore, "
            "beginning with a letter or digit"
        )
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyringInvalid(f"{where}: the key {key_id} is not base64; the form is {_FORM}") from error
    if len(key) != KEY_BYTES:
        raise KeyringInvalid(f"{where}: the key {key_id} must be {KEY_BYTES} bytes; it has {len(key)}")
    return key_id, key


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
