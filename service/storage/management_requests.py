"""The request_ids of everything but publishing, and what came of them, in SQL.

A request may hold a secret, such as a signing key. Its fingerprint is kept keyed with a secret of the database, so that
nobody who has the database alone can try out what the request said.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from service.domain.errors import RequestIdReused, ResourceNotFound, quoted
from service.domain.model import SigningKey, Subscription
from service.domain.names import Workspace
from service.domain.requests import keys_in_force
from service.domain.subscriptions import Keyed, check_readable
from service.storage import sealing, subscriptions
from service.storage.database import Transaction
from service.storage.encoding import from_text, to_text

SELECT_MANAGEMENT_REQUEST: Final[LiteralString] = """
    SELECT fingerprint, fingerprint_is_keyed, result FROM management_requests
    WHERE workspace = :workspace AND method = :method AND request_id = :request_id
"""

SELECT_PLAIN_FINGERPRINTS: Final[LiteralString] = """
    SELECT workspace, method, request_id, fingerprint FROM management_requests
    WHERE fingerprint_is_keyed = 0 LIMIT :limit {skip_locked}
"""

KEY_FINGERPRINT: Final[LiteralString] = """
    UPDATE management_requests SET fingerprint = :fingerprint, fingerprint_is_keyed = 1
    WHERE workspace = :workspace AND method = :method AND request_id = :request_id AND fingerprint_is_keyed = 0
"""

INSERT_MANAGEMENT_REQUEST: Final[LiteralString] = """
    INSERT INTO management_requests (
        workspace, method, request_id, fingerprint, fingerprint_is_keyed, result, create_time
    ) VALUES (:workspace, :method, :request_id, :fingerprint, 1, :result, :create_time)
"""


@dataclass(frozen=True, slots=True)
class ManagementRequest:
    """A request_id that was used: for which method, what the request said, and what came of it.

    `fingerprint` is what `keyed` makes of a digest of all that the request says. `result` holds ids and never a secret:
    it outlives the keys.
    """

    method: str
    request_id: str
    fingerprint: bytes
    result: Mapping[str, str]

    def check_same(self, fingerprint: bytes) -> None:
        """Raise RequestIdReused unless another request with this request_id, and that fingerprint, says the same."""
        if not hmac.compare_digest(self.fingerprint, fingerprint):
            raise RequestIdReused(
                f"request_id: {quoted(self.request_id)} was used before, for a request that said something else; "
                "repeat a request unchanged, or give a new request a new id",
                field="request_id",
            )


def keyed(tx: Transaction, digest: bytes) -> bytes:
    """Return the fingerprint of a request by a digest of all that it says."""
    return hmac.digest(sealing.database_secret(tx, sealing.FINGERPRINTS), digest, "sha256")


def find(tx: Transaction, workspace: Workspace, method: str, request_id: str) -> ManagementRequest | None:
    """Return what came of the first request of a method with this request_id, or None.

    In a write, call it after `workspaces.bump_revision`, which makes the changes of a workspace take turns: then no
    other process can use the same request_id until this transaction ends.
    """
    found = tx.rows(SELECT_MANAGEMENT_REQUEST, workspace=workspace.key, method=method, request_id=request_id)
    if not found:
        return None
    kept = bytes(found[0]["fingerprint"])
    # An earlier version has kept the digest itself.
    fingerprint = kept if found[0]["fingerprint_is_keyed"] else keyed(tx, kept)
    return ManagementRequest(method, request_id, fingerprint, from_text(found[0]["result"]))


def insert(tx: Transaction, workspace: Workspace, request: ManagementRequest, *, now_ms: int) -> None:
    """Remember a request_id, which `find` has not found in this transaction."""
    tx.execute(
        INSERT_MANAGEMENT_REQUEST,
        workspace=workspace.key,
        method=request.method,
        request_id=request.request_id,
        fingerprint=request.fingerprint,
        result=to_text(request.result),
        create_time=now_ms,
    )


def key_slice(tx: Transaction, *, limit: int) -> int:
    """Key fingerprints that an earlier version has kept as they are; return how many, fewer than the limit at last."""
    found = tx.rows(SELECT_PLAIN_FINGERPRINTS, limit=limit)
    tx.each(KEY_FINGERPRINT, [{**dict(row), "fingerprint": keyed(tx, bytes(row["fingerprint"]))} for row in found])
    return len(found)


def given_key(subscription: Subscription, key: SigningKey | None) -> dict[str, str]:
    """Return the result of a request that gave a subscription a key, or None for UNSIGNED."""
    return {
        "subscription_uid": subscription.uid,
        "subscription_id": subscription.id,
        "key_id": key.key_id if key else "",
    }


def find_given_key(
    tx: Transaction, workspace: Workspace, *, method: str, request_id: str, digest: bytes, did: str, now_ms: int
) -> Keyed | None:
    """Return what the first of several equal requests did; None if this is the first, or has no request_id.

    Args:
        digest: of all that this request says.
        did: what the method does to a subscription, for the error: "created".

    Raises:
        RequestIdReused: the first one said something else.
        ResourceNotFound: the subscription was deleted since.
        StateConflict: its secrets cannot be read any more.
    """
    if not request_id:
        return None
    first = find(tx, workspace, method, request_id)
    if first is None:
        return None
    first.check_same(keyed(tx, digest))
    uid = first.result["subscription_uid"]
    subscription = subscriptions.find_by_uid(tx, [uid]).get(uid)
    if subscription is None:
        name = workspace.subscription(first.result["subscription_id"])
        note = f"what the first request with this request_id {did} was deleted since"
        raise ResourceNotFound("subscription", name, note=note)
    check_readable(subscription)
    in_force = keys_in_force(subscription.signing_keys, now_ms)
    return Keyed(subscription, next((key for key in in_force if key.key_id == first.result["key_id"]), None))
