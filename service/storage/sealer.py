"""The keys that a process has at hand for its database. Knows no tables: which key seals is for those to say."""

from random import Random
from typing import Final, Protocol

from service.domain.keyring import Keyring, KeyringInvalid, Label, SealBroken, SealingKey

_PROOF: Final = Label("proof")
_PROOF_TEXT: Final = "tidings"


class KeyUnusable(Exception):
    """A key that the database needs, and that is not held or is another one. One sentence for the operator."""


class KeyringSource(Protocol):
    """Where the keyring is kept: a file, or the environment."""

    def read(self) -> Keyring:
        """Return the keyring as it is now.

        Raises:
            KeyringInvalid: it is not there, or makes no sense.
        """
        ...

    def begin(self) -> Keyring:
        """Return the keyring for a database that has sealed nothing yet, which may have to be made.

        Raises:
            KeyringInvalid: as `read`; or it could not be made.
        """
        ...


class NoKeyring:
    """For works that neither seal nor open anything."""

    def read(self) -> Keyring:
        """Return no keyring."""
        raise KeyringInvalid("no keyring was given")

    def begin(self) -> Keyring:
        """Return no keyring."""
        return self.read()


class Sealer:
    """Holds the keys that were found to be those of the database. Its threads share it.

    Args:
        rng: where nonces come from.
    """

    def __init__(self, source: KeyringSource, *, rng: Random) -> None:
        self.rng = rng
        self._source = source
        self._proven: dict[str, SealingKey] = {}

    def held(self, key_id: str) -> SealingKey | None:
        """Return a key that was proven before, or None."""
        return self._proven.get(key_id)

    def begin(self) -> Keyring:
        """Return the keyring for a database that has sealed nothing yet; see `KeyringSource.begin`."""
        return self._source.begin()

    def adopt(self, key_id: str, proof: str) -> SealingKey:
        """Return a key as the keyring has it now, once it has opened its proof.

        Raises:
            KeyUnusable: it is not in the keyring, or does not open the proof.
        """
        try:
            keyring = self._source.read()
        except KeyringInvalid as error:
            raise KeyUnusable(f"the database needs the key {key_id}, and no keyring can be read: {error}") from error
        key = keyring.find(key_id)
        if key is None:
            raise KeyUnusable(
                f"the database needs the key {key_id}, and {keyring.source} does not hold it: put it back, or name "
                "the keyring that does"
            )
        try:
            key.open(proof, _PROOF)
        except SealBroken as error:
            raise KeyUnusable(
                f"the key {key_id} of {keyring.source} is not the one of that id that has sealed this database: put "
                "that one back, or name the keyring that has it"
            ) from error
        self._proven[key_id] = key
        return key

    def prove(self, key: SealingKey) -> str:
        """Return what tells this key from any other of the same id."""
        return key.seal(_PROOF_TEXT, _PROOF, rng=self.rng)
