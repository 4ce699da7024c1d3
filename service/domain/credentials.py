"""Credentials: the text of a token, what is kept of it, when one counts, and what may be granted to one.

Pure. Knows nothing of how credentials are stored, nor of how a call carries them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from service.domain.access import Binding, Grant, Scope
from service.domain.clock import rfc3339
from service.domain.errors import CredentialInvalid, InvalidField, quoted

TOKEN_FORM: Final = "tdg_<id>_<secret>"
IDENTITY_CHARACTERS_MAX: Final = 512

_ID_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_CHARACTERS: Final = 12
_SECRET_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# 43 of 62 possible characters: 256 bits.
_SECRET_CHARACTERS: Final = 43
_TOKEN: Final = re.compile(rf"tdg_(?P<id>[a-z0-9]{{{_ID_CHARACTERS}}})_(?P<secret>[A-Za-z0-9]{{{_SECRET_CHARACTERS}}})")
_IDENTITY: Final = re.compile(r"(?:uri|cn):(?P<name>.+)")

_UNKNOWN_TOKEN: Final = "the token is not known here, or is not whole"


class CredentialKind(StrEnum):
    """How a caller says who it is."""

    TOKEN = "TOKEN"
    CERTIFICATE = "CERTIFICATE"


class CredentialState(StrEnum):
    """Whether a credential counts."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart. Only its holder has the secret: it is shown when it is made, and stored nowhere."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The token as its holder sends it."""
        return f"tdg_{self.id}_{self.secret}"

    @property
    def secret_sha256(self) -> bytes:
        """What is kept of the secret. It has 256 bits of chance, so a slow hash would protect nothing."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Credential:
    """Who may call, and what they may do: a token, or an identity in client certificates.

    `identity` is that of certificates, `uri:<URI>` or `cn:<common name>`; `secret_sha256` belongs to tokens. A
    credential without an `expire_time_ms` is good until it is revoked.
    """

    id: str
    kind: CredentialKind
    grant: Grant
    description: str
    create_time_ms: int
    expire_time_ms: int | None = None
    revoke_time_ms: int | None = None
    last_used_time_ms: int | None = None
    identity: str | None = None
    secret_sha256: bytes | None = field(default=None, repr=False)

    @property
    def actor_name(self) -> str:
        """The name by which the logs know it."""
        return f"token:{self.id}" if self.kind is CredentialKind.TOKEN else f"certificate:{self.identity}"

    def state(self, now_ms: int) -> CredentialState:
        """Say whether it counts at a time."""
        if self.revoke_time_ms is not None:
            return CredentialState.REVOKED
        if self.expire_time_ms is not None and self.expire_time_ms <= now_ms:
            return CredentialState.EXPIRED
        return CredentialState.ACTIVE

    def check_active(self, now_ms: int) -> None:
        """Refuse a credential that was revoked or has expired. For those only who have proved that it is theirs.

        Raises:
            CredentialInvalid: it was, or has.
        """
        noun = "token" if self.kind is CredentialKind.TOKEN else "client certificate's grant"
        if self.revoke_time_ms is not None:
            raise CredentialInvalid(f"the {noun} was revoked at {rfc3339(self.revoke_time_ms)}", holder=self.actor_name)
        if self.expire_time_ms is not None and self.expire_time_ms <= now_ms:
            raise CredentialInvalid(f"the {noun} expired at {rfc3339(self.expire_time_ms)}", holder=self.actor_name)


def make_token(rng: Random) -> Token:
    """Return a new token. Nobody must be able to guess what the dice say."""
    return Token(credential_id(rng), "".join(rng.choices(_SECRET_ALPHABET, k=_SECRET_CHARACTERS)))


def credential_id(rng: Random) -> str:
    """Return a new id of a credential."""
    return "".join(rng.choices(_ID_ALPHABET, k=_ID_CHARACTERS))


def parse_token(text: str) -> Token:
    """Take a token apart.

    Raises:
        CredentialInvalid: it is none. The message does not show it.
    """
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise CredentialInvalid(_UNKNOWN_TOKEN)
    return Token(found["id"], found["secret"])


def check_secret(token: Token, credential: Credential | None) -> Credential:
    """Return the credential that a token is for, whose secret must be the token's.

    Args:
        credential: what is stored under the token's id, if anything is.

    Raises:
        CredentialInvalid: there is none, or it has another secret: in the same words, and after the same comparison.
            How long it took to look the credential up is another matter.
    """
    stored = credential.secret_sha256 if credential is not None else None
    is_right = hmac.compare_digest(token.secret_sha256, stored or bytes(hashlib.sha256().digest_size))
    if credential is None or stored is None or not is_right:
        raise CredentialInvalid(_UNKNOWN_TOKEN)
    return credential


def check_identity(field: str, value: str) -> None:
    """Refuse what is no identity in a certificate: `uri:` and a URI, or `cn:` and a common name."""
    found = _IDENTITY.fullmatch(value)
    if found is None or not value.isprintable() or found["name"] != found["name"].strip():
        raise InvalidField(
            field,
            'must be "uri:" and a URI among the alternative names of a certificate, such as '
            f'"uri:spiffe://acme/orders", or "cn:" and its common name; got {quoted(value)}',
        )
    if len(value) > IDENTITY_CHARACTERS_MAX:
        raise InvalidField(field, f"must be at most {IDENTITY_CHARACTERS_MAX} characters; got {len(value)}")


def grantable(binding: Binding) -> frozenset[Scope]:
    """Return all the scopes that may be granted for a binding."""
    return frozenset(Scope) if binding.is_everything else frozenset(Scope) - {Scope.EVENT_TYPES_WRITE}


def check_grantable(field: str, grant: Grant) -> None:
    """Refuse a grant that would let its holder change what belongs to everybody.

    Raises:
        InvalidField: `event_types.write` for less than everything.
    """
    if not grant.scopes <= grantable(grant.binding):
        raise InvalidField(
            field,
            f'"{Scope.EVENT_TYPES_WRITE}" can be granted only for everything, with --all, for all organizations share '
            f"the event types; got it for {grant.binding}",
        )
