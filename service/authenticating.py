"""Use case: which credential a caller has. Looked up in the database, and kept for no longer than two seconds.

So a revocation is effective on every process within these two seconds and the time of a read, and a call costs no read
while its credential is known. For as long it is known which identities were granted nothing: a new grant to one of them
counts within the same time. A new token counts at once. When the database does not answer, nobody is let in. Knows
nothing of how calls carry credentials.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Final, NamedTuple

from service.domain.clock import Clock
from service.domain.credentials import Credential, CredentialKind, check_secret, parse_token
from service.domain.errors import CredentialInvalid, Unavailable
from service.storage import credentials
from service.storage.database import Database, Transaction

KEPT_S: Final = 2.0
_KEPT_MAX: Final = 10_000
# Of the few threads that read (see SqliteDatabase.open), so that others are left for whoever is known.
_STRANGERS_MAX: Final = 1
_STORE_EVERY_S: Final = 60.0
_STORED_AT_ONCE: Final = 500


class _Key(NamedTuple):
    """What a credential is looked up by: the id of a token, or the identity in a certificate."""

    kind: CredentialKind
    name: str


class _Look(NamedTuple):
    """What a look has found, None if nothing."""

    credential: Credential | None
    # When it began: what was revoked later may not be seen in it.
    began_s: float


class _Looks:
    """The last looks by key, at most so many: the one that was used the longest ago goes first."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._looks: OrderedDict[_Key, _Look] = OrderedDict()

    def find(self, key: _Key) -> _Look | None:
        look = self._looks.get(key)
        if look is not None:
            self._looks.move_to_end(key)
        return look

    def keep(self, key: _Key, look: _Look) -> None:
        self._looks[key] = look
        self._looks.move_to_end(key)
        if len(self._looks) > self._kept_max:
            self._looks.popitem(last=False)

    def forget(self, key: _Key) -> None:
        self._looks.pop(key, None)


class Credentials:
    """The credentials of callers, as one process knows them.

    Args:
        kept_max: how many are kept, and of how many identities it is kept that they were granted nothing; the one that
            was used the longest ago goes first.
    """

    def __init__(self, database: Database, *, clock: Clock, kept_max: int = _KEPT_MAX) -> None:
        self._database = database
        self._clock = clock
        self._known = _Looks(kept_max)
        # Apart, so that no certificate with many identities in it pushes out who is known.
        self._granted_nothing = _Looks(kept_max)
        self._looking: dict[_Key, asyncio.Task[Credential | None]] = {}
        # Whoever guesses ids keeps one of the readers busy, and nobody from being heard whose credential is known.
        self._stranger = asyncio.Semaphore(_STRANGERS_MAX)
        self._last_used_ms: dict[str, int] = {}

    async def of_token(self, text: str) -> Credential:
        """Return the credential that a token is for.

        Raises:
            CredentialInvalid: there is none, or it has another secret, or does not count any more.
            StorageUnavailable: the database does not answer.
        """
        token = parse_token(text)
        credential = check_secret(token, await self._find(_Key(CredentialKind.TOKEN, token.id)))
        return self._used(credential)

    async def of_identities(self, identities: Sequence[str]) -> Credential | None:
        """Return the credential of the first identity that was granted something; None if none was.

        Raises:
            CredentialInvalid: what it was granted has expired.
            StorageUnavailable: the database does not answer.
        """
        for identity in identities:
            credential = await self._find(_Key(CredentialKind.CERTIFICATE, identity))
            if credential is not None:
                return self._used(credential)
        return None

    async def check_again(self, credential: Credential) -> None:
        """Refuse a credential that does not count any more, for a call that goes on for long.

        Raises:
            CredentialInvalid: it was revoked, or has expired.
            StorageUnavailable: the database does not answer.
        """
        current = await self._find(_key(credential))
        if current is None or current.id != credential.id:
            # A grant to an identity that was revoked is not found any more, or another one is.
            raise CredentialInvalid("the client certificate's grant was revoked")
        current.check_active(self._clock.now_ms())

    async def run(self) -> None:
        """Record when credentials were used last, once a minute until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(_STORE_EVERY_S)
                await self._store_uses_if_possible()
        finally:
            await self._store_uses_if_possible()

    async def store_uses(self) -> None:
        """Record when credentials were used last, as far as that is not recorded.

        Raises:
            DiskFull, StorageUnavailable: see Database.write. What was not recorded is tried again the next time.
        """
        uses = list(self._last_used_ms.items())
        for start in range(0, len(uses), _STORED_AT_ONCE):
            some = dict(uses[start : start + _STORED_AT_ONCE])
            await self._database.write(_recording(some))
            for id, time_ms in some.items():
                # What was used again meanwhile is recorded the next time, or this would never end.
                if self._last_used_ms[id] == time_ms:
                    del self._last_used_ms[id]

    async def _store_uses_if_possible(self) -> None:
        # Whoever else needs the database tells of an outage.
        with suppress(Unavailable):
            await self.store_uses()

    def _used(self, credential: Credential) -> Credential:
        now_ms = self._clock.now_ms()
        credential.check_active(now_ms)
        self._last_used_ms[credential.id] = now_ms
        return credential

    async def _find(self, key: _Key) -> Credential | None:
        last = self._last(key)
        if last is not None and self._clock.monotonic_s() - last.began_s < KEPT_S:
            return last.credential
        look = self._looking.get(key)
        if look is None:
            look = self._looking[key] = asyncio.create_task(self._look(key, is_stranger=last is None))
            look.add_done_callback(lambda done: self._end(key, done))
        # Several calls may wait for it, so none of them may take it along when it is cancelled.
        return await asyncio.shield(look)

    async def _look(self, key: _Key, *, is_stranger: bool) -> Credential | None:
        async with self._stranger if is_stranger else nullcontext():
            began_s = self._clock.monotonic_s()
            credential = await self._database.read(_finding(key))
        self._keep(key, _Look(credential, began_s))
        return credential

    def _last(self, key: _Key) -> _Look | None:
        return self._known.find(key) or self._granted_nothing.find(key)

    def _keep(self, key: _Key, look: _Look) -> None:
        if look.credential is not None:
            self._known.keep(key, look)
            self._granted_nothing.forget(key)
            return
        self._known.forget(key)
        # A token that is not there is not remembered: a new one counts at once, and guesses take no room.
        if key.kind is CredentialKind.CERTIFICATE:
            self._granted_nothing.keep(key, look)

    def _end(self, key: _Key, look: asyncio.Task[Credential | None]) -> None:
        del self._looking[key]
        if not look.cancelled():
            # Looked at, so that asyncio does not complain of it when everybody who waited is gone.
            look.exception()


def _key(credential: Credential) -> _Key:
    return _Key(credential.kind, credential.id if credential.identity is None else credential.identity)


def _finding(key: _Key) -> Callable[[Transaction], Credential | None]:
    find = credentials.find_token if key.kind is CredentialKind.TOKEN else credentials.find_identity
    return lambda tx: find(tx, key.name)


def _recording(last_used_ms: dict[str, int]) -> Callable[[Transaction], None]:
    return lambda tx: credentials.record_uses(tx, last_used_ms)
