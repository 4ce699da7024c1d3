"""Signing keys that take over from one another: the use case behind RotateSigningKey."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from service.domain.announcements import signing_key_rotated
from service.domain.clock import Clock
from service.domain.errors import ResourceNotFound, StateConflict
from service.domain.ids import Ids, check_request_id
from service.domain.model import SignatureScheme, SigningKey, Subscription
from service.domain.names import Workspace
from service.domain.requests import keys_in_force
from service.domain.rotation import check_overlap, create_time_ms, rotate
from service.domain.signing import check_key, new_key, shown_key
from service.storage import announcements, management_requests, signing_keys, subscriptions, workspaces
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


@dataclass(frozen=True, slots=True)
class Rotated:
    """A subscription after a rotation, and what its receiver needs to verify by the new key: empty for UNSIGNED.

    For a repeated request, the subscription as it is now, and that rotation's key while it still signs.
    """

    subscription: Subscription
    shown_key: str = field(repr=False)


class SigningKeys:
    """Rotates the signing keys of subscriptions.

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

    async def rotate(self, workspace: Workspace, subscription_id: str, rotation: Rotation) -> Rotated:
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

        name = workspace.subscription(subscription_id)

        def work(tx: Transaction) -> Rotated:
            # A repeated request changes nothing, so it is looked for before the revision is bumped; and once more under
            # that lock, which makes rotations take turns, also those with the same request_id.
            if (earlier := _earlier(tx, workspace, name, rotation, now_ms=now_ms)) is not None:
                return earlier
            revision = workspaces.bump_revision(tx, workspace.key)
            if (earlier := _earlier(tx, workspace, name, rotation, now_ms=now_ms)) is not None:
                return earlier
            current = subscriptions.get(tx, workspace, subscription_id)
            return self._rotate(tx, current, rotation, revision=revision, now_ms=now_ms)

        try:
            return await self._database.write(work)
        finally:
            # Also for a caller that gave up waiting: the change may well be committed.
            self._on_announced()

    def _rotate(
        self, tx: Transaction, current: Subscription, rotation: Rotation, *, revision: int, now_ms: int
    ) -> Rotated:
        scheme = rotation.signature_scheme or current.signature_scheme
        key = self._key(current, scheme, rotation.signing_key, now_ms=now_ms)
        keys = rotate(current.signing_keys, key, overlap_ms=round(rotation.overlap_s * 1000), now_ms=now_ms)
        changed = replace(current, signature_scheme=scheme, signing_keys=keys, update_time_ms=now_ms, revision=revision)
        subscriptions.update(tx, changed)
        signing_keys.change(tx, changed.uid, before=current.signing_keys, after=keys)
        told = signing_key_rotated(changed, id=self._ids.new(), now_ms=now_ms, new_key=key)
        announcements.insert(tx, [told])
        if rotation.request_id:
            result = {"uid": changed.uid, "key_id": key.key_id if key else ""}
            request = ManagementRequest(_METHOD, rotation.request_id, rotation.fingerprint, result)
            management_requests.insert(tx, changed.workspace, request, now_ms=now_ms)
        return Rotated(changed, shown_key(key) if key else "")

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


def _earlier(tx: Transaction, workspace: Workspace, name: str, rotation: Rotation, *, now_ms: int) -> Rotated | None:
    """Return what came of the first of several equal requests, as it is now; None if this is the first."""
    if not rotation.request_id:
        return None
    first = management_requests.find(tx, workspace, _METHOD, rotation.request_id)
    if first is None:
        return None
    first.check_same(rotation.fingerprint)
    subscription = subscriptions.find_by_uid(tx, [first.result["uid"]]).get(first.result["uid"])
    if subscription is None:
        note = "what the first request with this request_id rotated was deleted since"
        raise ResourceNotFound("subscription", name, note=note)
    in_force = keys_in_force(subscription.signing_keys, now_ms)
    return Rotated(subscription, next((shown_key(key) for key in in_force if key.key_id == first.result["key_id"]), ""))
