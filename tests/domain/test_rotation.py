"""Rotation: the new key signs first, the old one until its overlap ends, and no more than ten at a time."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField, StateConflict
from service.domain.model import SignatureScheme, SigningKey
from service.domain.rotation import check_overlap, create_time_ms, rotate
from service.domain.signing import new_key
from tests.fakes import HOUR_MS, NOW_MS

S: Final = SignatureScheme
SIGNED: Final = [scheme for scheme in S if scheme is not S.UNSIGNED]
ONE_SIGNATURE: Final = {S.VONAGE_JWT, S.MESSAGEBIRD, S.GITHUB}


def key_of(number: int, scheme: SignatureScheme = S.STANDARD_WEBHOOKS, *, ends: int | None = None) -> SigningKey:
    """Return a key that is younger and different the higher its number."""
    return SigningKey(f"key-{number:02}", new_key(scheme, Random(number)), NOW_MS - 1000 + number, ends, scheme)


def ids(keys: Sequence[SigningKey]) -> list[str]:
    """Return the ids of keys."""
    return [key.key_id for key in keys]


def test_new_key_signs_first_and_the_old_one_until_the_overlap_ends() -> None:
    """The end is exact to the millisecond."""
    old, new = key_of(1), key_of(2)

    after = rotate([old], new, overlap_ms=HOUR_MS, now_ms=NOW_MS)

    assert (new, replace(old, expire_time_ms=NOW_MS + HOUR_MS)) == after


def test_without_overlap_the_old_key_is_erased() -> None:
    """Not merely expired: it is not among the keys any more."""
    assert ["key-02"] == ids(rotate([key_of(1)], key_of(2), overlap_ms=0, now_ms=NOW_MS))


def test_keys_that_run_out_already_keep_their_own_time() -> None:
    """A second rotation lengthens nothing and shortens nothing."""
    older = key_of(1, ends=NOW_MS + 5)

    after = rotate([key_of(2), older], key_of(3), overlap_ms=HOUR_MS, now_ms=NOW_MS)

    assert [None, NOW_MS + HOUR_MS, NOW_MS + 5] == [key.expire_time_ms for key in after]


@pytest.mark.parametrize("ends", [NOW_MS - 1, NOW_MS])
def test_key_that_has_run_out_is_erased_by_a_rotation(ends: int) -> None:
    """Whether or not the eraser has been there."""
    after = rotate([key_of(2), key_of(1, ends=ends)], key_of(3), overlap_ms=HOUR_MS, now_ms=NOW_MS)

    assert ["key-03", "key-02"] == ids(after)


@pytest.mark.parametrize("scheme", SIGNED)
@pytest.mark.parametrize("old_scheme", SIGNED)
def test_old_key_goes_on_unless_the_header_holds_one_signature(
    old_scheme: SignatureScheme, scheme: SignatureScheme
) -> None:
    """A key of another scheme has a header of its own, so both can sign."""
    after = rotate([key_of(1, old_scheme)], key_of(2, scheme), overlap_ms=HOUR_MS, now_ms=NOW_MS)

    takes_over_at_once = scheme is old_scheme and scheme in ONE_SIGNATURE
    assert (["key-02"] if takes_over_at_once else ["key-02", "key-01"]) == ids(after)


def test_way_to_unsigned_lets_the_old_key_run_out() -> None:
    """There is no new key then, and a receiver that still verifies goes on doing so."""
    assert (replace(key_of(1), expire_time_ms=NOW_MS + 5),) == rotate([key_of(1)], None, overlap_ms=5, now_ms=NOW_MS)


def test_first_key_of_an_unsigned_subscription_is_alone() -> None:
    """There was none to go on."""
    assert ["key-01"] == ids(rotate([], key_of(1), overlap_ms=HOUR_MS, now_ms=NOW_MS))


@pytest.mark.parametrize("scheme", SIGNED)
def test_current_key_is_refused_as_the_new_one(scheme: SignatureScheme) -> None:
    """A rotation that changes nothing is a mistake of the caller, who is not shown the key."""
    current = key_of(1, scheme)

    with pytest.raises(InvalidField, match="signing_key: is the current key already") as refused:
        rotate([current], replace(key_of(2, scheme), secret=current.secret), overlap_ms=HOUR_MS, now_ms=NOW_MS)

    assert current.secret not in refused.value.message


def test_ed25519_key_is_the_same_in_both_of_its_forms() -> None:
    """Seed alone, and seed with public key."""
    seed = bytes(range(32))
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    short, long = ("whsk_" + base64.b64encode(each).decode() for each in (seed, seed + public))
    current = replace(key_of(1, S.STANDARD_WEBHOOKS_ED25519), secret=short)

    with pytest.raises(InvalidField):
        rotate([current], replace(current, key_id="new", secret=long), overlap_ms=HOUR_MS, now_ms=NOW_MS)


def test_key_that_comes_back_while_it_runs_out_signs_once() -> None:
    """A rotation can be taken back with the key that the receiver still has."""
    first, second = key_of(1, ends=NOW_MS + HOUR_MS), key_of(2)

    after = rotate([second, first], replace(key_of(3), secret=first.secret), overlap_ms=HOUR_MS, now_ms=NOW_MS)

    assert ["key-03", "key-02"] == ids(after)


def test_secret_may_be_kept_for_another_scheme() -> None:
    """The two keys sign differently, each by its own scheme."""
    github = replace(key_of(2, S.GITHUB), secret="a shared secret")
    stripe = replace(key_of(1, S.STRIPE), secret="a shared secret")

    assert ["key-02", "key-01"] == ids(rotate([stripe], github, overlap_ms=HOUR_MS, now_ms=NOW_MS))


def test_eleventh_key_is_refused_unless_the_current_one_ends_at_once() -> None:
    """Each signature makes every request longer, so they are bounded."""
    keys = [key_of(10), *(key_of(number, ends=NOW_MS + number) for number in range(1, 10))]

    with pytest.raises(StateConflict, match="10 keys of the subscription sign already"):
        rotate(keys, key_of(11), overlap_ms=HOUR_MS, now_ms=NOW_MS)

    assert 10 == len(rotate(keys, key_of(11), overlap_ms=0, now_ms=NOW_MS))


@pytest.mark.parametrize("overlap_s", [-0.001, 604_800.001, 1e12])
def test_overlap_outside_of_its_bounds_is_refused(overlap_s: float) -> None:
    """With the field and the bounds."""
    with pytest.raises(InvalidField, match=r"^overlap: must be from 0s to 604800s, 7 days; got "):
        check_overlap("overlap", overlap_s)


@pytest.mark.parametrize("overlap_s", [0.0, 604_800.0])
def test_bounds_of_the_overlap_are_allowed(overlap_s: float) -> None:
    """Both of them."""
    check_overlap("overlap", overlap_s)


def test_new_key_is_younger_than_every_key_even_if_the_clock_went_back() -> None:
    """The newest signs first, and it is the age that says which that is."""
    assert NOW_MS == create_time_ms([key_of(1)], NOW_MS)
    assert NOW_MS + 8 == create_time_ms([replace(key_of(1), create_time_ms=NOW_MS + 7)], NOW_MS)


@given(
    st.lists(st.tuples(st.sampled_from(S), st.integers(0, 7 * 24 * HOUR_MS), st.integers(0, 24 * HOUR_MS)), max_size=20)
)
def test_any_rotations_leave_one_current_key_and_at_most_ten(steps: list[tuple[SignatureScheme, int, int]]) -> None:
    """Whatever the schemes, the overlaps and the time in between; and the newest is the current one."""
    keys: tuple[SigningKey, ...] = (key_of(0),)
    now_ms = NOW_MS
    for number, (scheme, overlap_ms, pause_ms) in enumerate(steps, start=1):
        now_ms += pause_ms
        made = replace(key_of(number, scheme), create_time_ms=create_time_ms(keys, now_ms))
        new = None if scheme is S.UNSIGNED else made
        try:
            keys = rotate(keys, new, overlap_ms=overlap_ms, now_ms=now_ms)
        except StateConflict:
            continue
        current = [key for key in keys if key.expire_time_ms is None]
        assert current == ([] if new is None else [keys[0]])
        assert new is None or keys[0] == new
        assert len(keys) <= 10
        assert all(key.expire_time_ms is None or now_ms < key.expire_time_ms for key in keys)
        assert len(keys) == len({(key.scheme, key.secret) for key in keys})
