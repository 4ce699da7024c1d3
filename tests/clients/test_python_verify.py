"""The receiver's check, against signatures made by others."""

import base64
import hmac
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from tidings_client import VerificationError, Verified, verify

NOW_S = 1_795_167_000
ID = "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10"
BODY = b'{"type":"agent.status.changed","data":{}}'
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = "whpk_" + base64.b64encode(PRIVATE_KEY.public_key().public_bytes_raw()).decode()
KEYS = [SECRET, PUBLIC_KEY]


def signature(key: str = SECRET, *, id: str = ID, at_s: int = NOW_S, body: bytes = BODY) -> str:
    """Return what another library makes of it."""
    if key == PUBLIC_KEY:
        return "v1a," + base64.b64encode(PRIVATE_KEY.sign(f"{id}.{at_s}.".encode() + body)).decode()
    return Webhook(key).sign(id, datetime.fromtimestamp(at_s, UTC), body.decode())


def headers_of(signatures: str, *, id: str = ID, at_s: int | str = NOW_S) -> dict[str, str]:
    """Return the headers of a webhook."""
    return {"webhook-id": id, "webhook-timestamp": f"{at_s}", "webhook-signature": signatures}


def why_refused(headers: Mapping[str, str], body: bytes = BODY, key: str = SECRET) -> str:
    """Return the reason why a webhook is not trusted."""
    with pytest.raises(VerificationError) as caught:
        verify(headers, body, key, now=NOW_S)
    return str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_signed_webhook_is_verified(key: str) -> None:
    """Whatever the headers' case."""
    headers = headers_of(signature(key))

    assert Verified(ID, NOW_S) == verify(headers, BODY, key, now=NOW_S)
    assert Verified(ID, NOW_S) == verify({k.title(): v for k, v in headers.items()}, BODY, key, now=NOW_S)
    assert Verified(ID, NOW_S) == verify({k.upper(): v for k, v in headers.items()}, BODY, key, now=NOW_S)


@pytest.mark.parametrize("key", KEYS)
def test_one_good_signature_among_several_is_enough(key: str) -> None:
    """While a key is rotated, both sign; what is not understood is passed over."""
    others = ["v1,bm8=", signature(OTHER_SECRET), "v2,x", "v1a,!!", "v1a,", ",", "v1", "é", "v1a,bm8="]

    assert Verified(ID, NOW_S) == verify(headers_of(" ".join([*others, signature(key)])), BODY, key, now=NOW_S)
    assert "no signature" in why_refused(headers_of(" ".join(others)), key=key)


@pytest.mark.parametrize("key", KEYS)
@given(data=st.data())
def test_every_change_is_noticed(key: str, data: st.DataObject) -> None:
    """Of a byte of the body, the id, the time or the signature."""
    signed = signature(key)
    at = data.draw(st.integers(0, len(BODY) - 1))
    changed = BODY[:at] + bytes([BODY[at] ^ data.draw(st.integers(1, 255))]) + BODY[at + 1 :]
    at = data.draw(st.integers(0, 40))
    forged = signed[:at] + chr(ord(signed[at]) ^ 1) + signed[at + 1 :]

    for headers, body in [
        (headers_of(signed), changed),
        (headers_of(signed), BODY + b" "),
        (headers_of(signed, id=ID[:-1]), BODY),
        (headers_of(signed, id=f"{ID}.{NOW_S}"), BODY),
        (headers_of(signed, at_s=NOW_S + 1), BODY),
        (headers_of(signed, at_s=f"0{NOW_S}"), BODY),
        (headers_of(forged), BODY),
    ]:
        assert "no signature" in why_refused(headers, body, key)


def test_signature_of_the_other_scheme_does_not_count() -> None:
    """A version is part of a signature: `v1` bytes under `v1a`, and the other way round."""
    assert "no signature" in why_refused(headers_of(signature(PUBLIC_KEY)))
    assert "no signature" in why_refused(headers_of(signature()), key=PUBLIC_KEY)
    assert "no signature" in why_refused(headers_of(signature().replace("v1,", "v1a,")))
    assert "no signature" in why_refused(headers_of(signature(PUBLIC_KEY).replace("v1a,", "v1,")), key=PUBLIC_KEY)


@pytest.mark.parametrize(
    ("off_s", "tolerance_s", "why"),
    [
        (300, 300, ""),
        (-300, 300, ""),
        (301, 300, "the timestamp is 301 s old"),
        (-301, 300, "the timestamp is 301 s ahead"),
        (1, 0, "the timestamp is 1 s old"),
        (10_000, 20_000, ""),
    ],
)
def test_timestamp_may_be_off_by_the_tolerance_both_ways(off_s: int, tolerance_s: int, why: str) -> None:
    """An old webhook is a replay, and clocks differ."""
    headers = headers_of(signature())
    if not why:
        assert Verified(ID, NOW_S) == verify(headers, BODY, SECRET, now=NOW_S + off_s, tolerance_s=tolerance_s)
        return
    with pytest.raises(VerificationError, match=why):
        verify(headers, BODY, SECRET, now=NOW_S + off_s, tolerance_s=tolerance_s)


def test_machine_clock_counts_when_no_time_is_given() -> None:
    """A webhook signed long ago is refused."""
    with pytest.raises(VerificationError, match="s old"):
        verify(headers_of(signature(at_s=1_000_000_000), at_s=1_000_000_000), BODY, SECRET)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_missing_or_empty_header_is_named(missing: str) -> None:
    """In the words that a receiver's log should have."""
    headers = headers_of(signature())

    assert f"the header {missing} is missing" == why_refused(headers | {missing: ""})
    del headers[missing]
    assert f"the header {missing} is missing" == why_refused(headers)


@pytest.mark.parametrize("timestamp", ["x", "-1", "1.5", "1e9", " 1", "١٢", "1" * 13, "nan"])
def test_timestamp_is_whole_seconds_in_ascii(timestamp: str) -> None:
    """What `int` would take besides is no timestamp."""
    assert "the header webhook-timestamp is not a number of seconds" == why_refused(
        headers_of(signature(), at_s=timestamp)
    )


@given(st.text(), st.text(), st.text(), st.binary())
def test_nothing_but_verification_error_comes_of_what_strangers_send(
    id: str, at: str, signed: str, body: bytes
) -> None:
    """Any text in any header."""
    for key in KEYS:
        with pytest.raises(VerificationError):
            verify(headers_of(signed, id=id, at_s=at), body, key, now=NOW_S)
        with pytest.raises(VerificationError):
            verify(headers_of(signed, id=id), body, key, now=NOW_S)


def test_body_is_hashed_once_however_many_signatures_a_stranger_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one small header would buy much of the receiver's time."""
    hashed: list[bytes] = []
    new = hmac.new

    def counted(key: bytes, message: bytes, digest: Any) -> hmac.HMAC:
        hashed.append(message)
        return new(key, message, digest)

    monkeypatch.setattr(hmac, "new", counted)
    why_refused(headers_of("v1,a " * 1_000))

    assert [f"{ID}.{NOW_S}.".encode() + BODY] == hashed


def test_time_that_is_no_number_is_out_of_tolerance() -> None:
    """Not within it, which `>` would say."""
    with pytest.raises(VerificationError, match="timestamp"):
        verify(headers_of(signature()), BODY, SECRET, now=math.nan)


@pytest.mark.parametrize(
    "key", ["", "secret", "whsec_", "whpk_", "whsec_!", "whpk_bm8=", "whsk_" + SECRET[6:], SECRET[6:], "whsec_é"]
)
def test_what_is_no_key_is_a_mistake_of_the_receiver(key: str) -> None:
    """And is never quoted."""
    with pytest.raises(ValueError, match=r"key") as caught:
        verify(headers_of(signature()), BODY, key, now=NOW_S)

    assert not isinstance(caught.value, VerificationError)
    assert len(key) < 7 or key not in str(caught.value)
