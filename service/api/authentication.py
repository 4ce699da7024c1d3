"""Who makes a call: a token in its metadata, or the certificate of its client."""

import re
from typing import Final

from service.api.callers import Caller, development
from service.api.methods import Context
from service.api.peers import identities_of
from service.authenticating import Credentials
from service.domain.access import Actor
from service.domain.credentials import TOKEN_FORM, Credential
from service.domain.errors import CredentialInvalid

_AUTHORIZATION: Final = "authorization"
# RFC 9110, section 11.1: the scheme in any case.
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(?P<token>[\x21-\x7e]+)")


class Authentication:
    """Says who makes a call.

    Args:
        credentials: those that count; None with `--dev`, where everybody may do everything, and what is sent is
            ignored.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    async def caller(self, context: Context, call_id: str) -> Caller:
        """Return who makes a call.

        Raises:
            CredentialInvalid: there is no credential, or none that counts. Nothing that was sent is shown.
            StorageUnavailable: the database does not answer.
        """
        if self._credentials is None:
            return development(call_id)
        credential = await self._credential(self._credentials, context)
        return Caller(Actor(credential.actor_name, call_id), credential.grant, credential)

    async def check_again(self, caller: Caller) -> None:
        """Refuse a caller whose credential does not count any more.

        Raises:
            CredentialInvalid, StorageUnavailable: as `caller`.
        """
        if self._credentials is not None and caller.credential is not None:
            await self._credentials.check_again(caller.credential)

    async def _credential(self, credentials: Credentials, context: Context) -> Credential:
        token = _token_in(context)
        if token is not None:
            return await credentials.of_token(token)
        identities = identities_of(context)
        found = await credentials.of_identities(identities) if identities else None
        if found is None:
            raise CredentialInvalid(_needed(has_certificate=bool(identities)))
        return found


def _token_in(context: Context) -> str | None:
    entries = [value for key, value in context.invocation_metadata() or () if key == _AUTHORIZATION]
    if not entries:
        return None
    if len(entries) > 1:
        raise CredentialInvalid(f'the metadata "{_AUTHORIZATION}" must be sent once; got it {len(entries)} times')
    found = _BEARER.fullmatch(entries[0]) if isinstance(entries[0], str) else None
    if found is None:
        raise CredentialInvalid(f'the metadata "{_AUTHORIZATION}" must be "Bearer {TOKEN_FORM}"; got something else')
    return found["token"]


def _needed(*, has_certificate: bool) -> str:
    needed = f'a credential is needed: the metadata "{_AUTHORIZATION}" with "Bearer {TOKEN_FORM}", a token that '
    needed += "`tidings-server token create` has made, or a client certificate that `tidings-server identity create` "
    return f"{needed}knows{'; that of this client is not known' if has_certificate else ''}"
