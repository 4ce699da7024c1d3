"""Signing keys that take over from one another: the use case behind RotateSigningKey."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from service.domain.access import Actor
from service.domain.announcements import signing_key_rotated
from service.domain.audit import entry_of
from service.domain.clock import Clock
from service.domain.errors import StateConflict
from service.domain.ids import Ids, check_request_id
from service.domain.model import SignatureScheme, SigningKey, Subscription
from service.domain.names import Workspace
from service.domain.rotation import check_overlap, create_time_ms, rotate
from service.domain.signing import check_key, new_key
from service.domain.subscriptions import Keyed
from service.storage import announcements, audit, management_requests, signing_keys, subscriptions, workspaces
from service.storage.database import Database, Transaction
from service.storage.management_requests import ManagementRequest

_METHOD: Final = "RotateSigningKey"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a caller asks for.

    An empty signing key means: make one; no scheme: the current one; an empty request_id: none. `fingerprint` is a
    digest of all that the request says.
    """

    signing_key: str = field(repr=False)
    signature_scheme: SignatureScheme | None
    overlap_s: float
    request_id: str
    fingerprint: bytes


class SigningKeys:
    """Rotates the signing keys of subscriptions. Each rotation is written to the audit log, with who asked for it.

    Args:
        rng: where new keys come from; production passes `random.SystemRandom()`.
        on_announced: called after a rotation, which is announced.
    """

    def __init__(
        self, database: Database, *, clock: Clock, ids: Ids, rng: Random, on_announced: Callable[[], None]
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._rng = rng
        self._on_announced = on_announced

    async def rotate(self, workspace: Workspace, subscription_id: str, rotation: Rotation, *, by: Actor) -> Keyed:
        """Put a new key in the place of the current one, which goes on signing until the overlap ends.

        Raises:
            InvalidField: the key is not in the form of its scheme, or is the current one; the overlap is not allowed.
            ResourceNotFound: there is no subscription of this name.
            RequestIdReused: the request_id was used before, for a rotation that said something else.
            StateConflict: too many keys sign already, or the subscription is unsigned and is to stay so.
        """
        check_overlap("overlap", rotation.overlap_s)
        if rotation.request_id:
            check_request_id("request_id", rotation.request_id)
        if rotation.signing_key and rotation.signature_scheme is not None:
            check_key("signing_key", rotation.signature_scheme, rotation.signing_key)
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> Keyed:
            # A repeated request changes nothing, so it is looked for before the revision is bumped; and once more under
            # that lock, which makes rotations take turns, also those with the same request_id.
            if (earlier := _earlier(tx, workspace, rotation, now_ms=now_ms)) is not None:
                return earlier
            revision = workspaces.bump_revision(tx, workspace.key)
            if (earlier := _earlier(tx, workspace, rotation, now_ms=now_ms)) is not None:
                return earlier
            current = subscriptions.get(tx, workspace, subscription_id)
            rotated = self._rotate(tx, current, rotation, revision=revision, now_ms=now_ms)
            after, request_id = rotated.subscription, rotation.request_id
            audit.insert(tx, entry_of(by, _METHOD, current, after, time_ms=now_ms, request_id=request_id))
            return rotated

        try:
            return await self._database.write(work)
        finally:
            # Also for a caller that gave up waiting: the change may well be committed.
            self._on_announced()

    def _rotate(
        self, tx: Transaction, current: Subscription, rotation: Rotation, *, revision: int, now_ms: int
    ) -> Keyed:
        scheme = rotation.signature_scheme or current.signature_scheme
        key = self._key(current, scheme, rotation.signing_key, now_ms=now_ms)
        keys = rotate(current.signing_keys, key, overlap_ms=round(rotation.overlap_s * 1000), now_ms=now_ms)
        changed = replace(current, signature_scheme=scheme, signing_keys=keys, update_time_ms=now_ms, revision=revision)
        subscriptions.update(tx, changed)
        signing_keys.change(tx, changed.uid, before=current.signing_keys, after=keys)
        told = signing_key_rotated(changed, id=self._ids.new(), now_ms=now_ms, new_key=key)
        announcements.insert(tx, [told])
        if rotation.request_id:
            result = management_requests.given_key(changed, key)
            request = ManagementRequest(_METHOD, rotation.request_id, rotation.fingerprint, result)
            management_requests.insert(tx, changed.workspace, request, now_ms=now_ms)
        return Keyed(changed, key)

    def _key(self, current: Subscription, scheme: SignatureScheme, given: str, *, now_ms: int) -> SigningKey | None:
        """Return the key that signs from now on; None for UNSIGNED."""
        if given:
            check_key("signing_key", scheme, given)
        if scheme is SignatureScheme.UNSIGNED:
            _check_becomes_unsigned(current)
            return None
        return SigningKey(
            self._ids.new(),
            given or new_key(scheme, self._rng),
            create_time_ms(current.signing_keys, now_ms),
            scheme=scheme,
        )


def _check_becomes_unsigned(current: Subscription) -> None:
    if current.signature_scheme is SignatureScheme.UNSIGNED:
        raise StateConflict(
            f"{current.name} is UNSIGNED and has no key to rotate: give signature_scheme the scheme to sign by"
        )


def _earlier(tx: Transaction, workspace: Workspace, rotation: Rotation, *, now_ms: int) -> Keyed | None:
    """Return what came of the first of several equal requests, as it is now; None if this is the first."""
    return management_requests.find_given_key(
        tx,
        workspace,
        method=_METHOD,
        request_id=rotation.request_id,
        fingerprint=rotation.fingerprint,
        did="rotated",
        now_ms=now_ms,
    )
