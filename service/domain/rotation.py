"""Rotation: which keys of a subscription go on signing when another one takes over. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from service.domain.errors import InvalidField, StateConflict
from service.domain.model import SigningKey
from service.domain.requests import keys_in_force
from service.domain.signing import shown_key

DEFAULT_OVERLAP_S: Final = 24 * 3600.0
_OVERLAP_S_MAX: Final = 7 * 24 * 3600.0
_KEYS_MAX: Final = 10


def check_overlap(field: str, overlap_s: float) -> None:
    """Refuse an overlap that is not 0 to 7 days."""
    if not 0 <= overlap_s <= _OVERLAP_S_MAX:
        raise InvalidField(field, f"must be from 0s to {_OVERLAP_S_MAX:.0f}s, 7 days; got {overlap_s:g}s")


def rotate(
    keys: Sequence[SigningKey], new_key: SigningKey | None, *, overlap_ms: int, now_ms: int
) -> tuple[SigningKey, ...]:
    """Return the keys that sign after a rotation, newest first. Any other is to be erased.

    The current key signs until the overlap ends, and those that run out already until their own time. Of a scheme
    whose header holds one signature the new key takes over at once.

    Args:
        keys: the keys so far; those that have run out count no more.
        new_key: what signs from now on, made later than all of `keys`; None for UNSIGNED.
        overlap_ms: 0 ends the current key at once.

    Raises:
        InvalidField: the new key is the current one.
        StateConflict: more than 10 keys would sign at the same time.
    """
    before = keys_in_force(keys, now_ms)
    if new_key is None:
        return keys_in_force(_running_out(before, now_ms + overlap_ms), now_ms)
    if any(key.expire_time_ms is None and _is_same(key, new_key) for key in before):
        raise InvalidField("signing_key", "is the current key already; give another one, or none to have one made")
    # One that comes back while it runs out would otherwise sign twice.
    others = [key for key in before if not _is_same(key, new_key)]
    after = keys_in_force([new_key, *_running_out(others, now_ms + overlap_ms)], now_ms)
    if len(after) > _KEYS_MAX:
        raise StateConflict(
            f"{len(after) - 1} keys of the subscription sign already, and at most {_KEYS_MAX} may at a time: wait "
            "until one runs out, or rotate with an overlap of 0s"
        )
    return after


def create_time_ms(keys: Sequence[SigningKey], now_ms: int) -> int:
    """Return when a new key begins to sign: now, but later than every key so far, for the newest one signs first."""
    return max([now_ms, *(key.create_time_ms + 1 for key in keys)])


def _running_out(keys: Sequence[SigningKey], end_ms: int) -> list[SigningKey]:
    return [replace(key, expire_time_ms=end_ms) if key.expire_time_ms is None else key for key in keys]


def _is_same(key: SigningKey, other: SigningKey) -> bool:
    # By what receivers verify with, for an Ed25519 key may be written in two ways.
    return key.scheme is other.scheme and shown_key(key) == shown_key(other)
