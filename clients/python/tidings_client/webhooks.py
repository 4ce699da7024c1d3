"""The receiver's side: whether a webhook is from Tidings, and fresh. Knows nothing of gRPC."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TOLERANCE_S = 300

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SECRET, _PUBLIC_KEY = "whsec_", "whpk_"
_WHOLE_SECONDS = re.compile("[0-9]{1,12}")


class VerificationError(Exception):
    """A webhook that is not to be trusted. The message says why, for the receiver's log: not for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the headers of a trustworthy webhook say.

    `webhook_id` is the same whenever an event is sent again, so a receiver that keeps it for a while can skip what it
    has seen. `timestamp_s` is when this attempt was signed, in seconds since the Unix epoch.
    """

    webhook_id: str
    timestamp_s: int


def verify(
    headers: Mapping[str, str], body: bytes, key: str, *, now: float | None = None, tolerance_s: float = TOLERANCE_S
) -> Verified:
    """Check a webhook by the Standard Webhooks specification: signed with `key`, and signed lately.

    For the signature schemes STANDARD_WEBHOOKS and STANDARD_WEBHOOKS_ED25519 (which needs `tidings-client[ed25519]`).
    Libraries for the others: `pyjwt` or `vonage-jwt` for VONAGE_JWT, `messagebird` for MESSAGEBIRD, `stripe` (its
    `WebhookSignature.verify_header`) for STRIPE; GITHUB is one line of `hmac`, which GitHub's documentation shows.

    Args:
        headers: the request's headers, names in any case.
        body: the request's body as received. Parsed and written anew it would be other bytes.
        key: the signing_key that CreateSubscription or RotateSigningKey returned: `whsec_…` or `whpk_…`.
        now: seconds since the Unix epoch; by default what this machine's clock says.
        tolerance_s: how far the timestamp may be off, in the past or the future.

    Raises:
        VerificationError: it must not be trusted.
        ValueError: `key` is none.
    """
    verifier = _verifier(key)
    named = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (_ID, _TIMESTAMP, _SIGNATURE) if not named.get(name)]
    if missing:
        raise VerificationError(f"the header {missing[0]} is missing")
    webhook_id, timestamp = named[_ID], named[_TIMESTAMP]
    if not _WHOLE_SECONDS.fullmatch(timestamp):
        raise VerificationError(f"the header {_TIMESTAMP} is not a number of seconds")
    if not webhook_id.isascii():
        raise VerificationError(f"the header {_ID} is not one of Tidings")
    is_signature = verifier(f"{webhook_id}.{timestamp}.".encode() + body)
    if not any(map(is_signature, named[_SIGNATURE].split())):
        raise VerificationError(f"no signature in the header {_SIGNATURE} is of this key, body, id and timestamp")
    age_s = (time.time() if now is None else now) - int(timestamp)  # noqa: TID251  # the receiver's own clock
    # Said so that what is not a number is out of tolerance.
    if not abs(age_s) <= tolerance_s:
        raise VerificationError(f"the timestamp is {abs(age_s):.0f} s {'old' if age_s > 0 else 'ahead'}")
    return Verified(webhook_id, int(timestamp))


def _verifier(key: str) -> Callable[[bytes], Callable[[str], bool]]:
    """Return what, given the bytes that were signed, says whether a signature of the header is the key's for them."""
    for prefix, verifier in ((_SECRET, _symmetric), (_PUBLIC_KEY, _ed25519)):
        if key.startswith(prefix):
            # Its own error would be about base64, and could quote the key.
            try:
                decoded = base64.b64decode(key.removeprefix(prefix), validate=True)
            except ValueError:
                break
            # With an empty secret everybody could sign.
            if not decoded:
                break
            return verifier(decoded)
    raise ValueError(f"a key is {_SECRET} or {_PUBLIC_KEY}, followed by base64")


def _symmetric(secret: bytes) -> Callable[[bytes], Callable[[str], bool]]:
    def of(signed: bytes) -> Callable[[str], bool]:
        # Once, however many signatures a stranger puts into the header.
        expected = b"v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
        return lambda signature: hmac.compare_digest(expected, signature.encode("utf-8", "replace"))

    return of


def _ed25519(public_key: bytes) -> Callable[[bytes], Callable[[str], bool]]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"keys that begin with {_PUBLIC_KEY} need tidings-client[ed25519]") from error

    verifying = Ed25519PublicKey.from_public_bytes(public_key)

    def is_signature(signature: str, signed: bytes) -> bool:
        version, _, encoded = signature.partition(",")
        if version != "v1a":
            return False
        try:
            verifying.verify(base64.b64decode(encoded, validate=True), signed)
        except (InvalidSignature, ValueError):
            return False
        return True

    return lambda signed: lambda signature: is_signature(signature, signed)
