"""The request for an event: its headers, their order, and the keys that sign it."""

import base64
import hashlib
import hmac
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.model import ApiKey, Format, RetryPolicy, SignatureScheme, SigningKey
from service.domain.outcomes import Request
from service.domain.requests import keys_in_force, request_of
from tests.fakes import NOW_MS, SECRET, TWO_RETRIES, event_of, subscription_of

NAMES: Final = st.sampled_from(["X-API-Key", "x-api-key", "content-type", "CE-Id", "Webhook-Id", "X-Other", "x-hub-a"])

# Those that every event fits.
FORMATS: Final = st.sampled_from([format for format in Format if format is not Format.EVENT_CODE])


def request_for(*, is_test: bool = False, payload: bytes = b"{}", **changes: Any) -> Request:
    """Return the third request for an event to a subscription with these changes."""
    subscription = subscription_of("a", **changes)
    keys = keys_in_force(subscription.signing_keys, NOW_MS)
    return request_of(
        event_of(payload=payload), subscription, keys, attempt_number=3, timestamp_s=1_795_167_000, is_test=is_test
    )


def test_request_is_the_formatted_event_with_our_headers_last() -> None:
    """The payload's bytes are those that were published."""
    request = request_for(
        payload=b'{ "x":1.0 }', headers={"x-b": "2", "x-a": "1"}, api_key=ApiKey("X-API-Key", "open sesame")
    )

    assert b'{"type":"agent.created","timestamp":"2026-11-20T09:30:00.000Z","data":{ "x":1.0 }}' == request.body
    assert "https://a.example/hooks" == request.url
    assert (
        ("x-b", "2"),
        ("x-a", "1"),
        ("X-API-Key", "open sesame"),
        ("content-type", "application/json"),
        ("tidings-attempt", "3"),
        ("webhook-id", "event-1"),
        ("webhook-timestamp", "1795167000"),
    ) == request.headers[:-1]
    assert "webhook-signature" == request.headers[-1][0]


def test_test_says_that_it_is_one() -> None:
    """And no other request does."""
    assert ("tidings-test", "true") in request_for(is_test=True).headers
    assert "tidings-test" not in dict(request_for().headers)


def test_binary_cloud_event_has_its_attributes_in_headers() -> None:
    """Beside the content type that was published."""
    headers = dict(request_for(format=Format.CLOUDEVENTS_BINARY).headers)

    assert ("1.0", "event-1", "agents/a-17", "agent.created", "2026-11-20T09:30:00.000Z", "application/json") == tuple(
        headers[name] for name in ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "content-type")
    )


def test_unsigned_request_still_has_id_time_and_number() -> None:
    """A receiver drops duplicates by them."""
    request = request_for(signature_scheme=SignatureScheme.UNSIGNED, signing_keys=())

    assert ["content-type", "tidings-attempt", "webhook-id", "webhook-timestamp"] == [
        name for name, _ in request.headers
    ]


@given(st.dictionaries(NAMES, st.just("theirs")), NAMES, FORMATS, st.booleans())
def test_no_name_comes_twice_and_ours_count(
    headers: dict[str, str], api_key_header: str, format: Format, is_test: bool
) -> None:
    """Whatever their case: two values would leave it to the receiver which one it believes."""
    plain = request_for(format=format, is_test=is_test)

    request = request_for(format=format, is_test=is_test, headers=headers, api_key=ApiKey(api_key_header, "key"))

    names = [name.lower() for name, _ in request.headers]
    assert sorted(set(names)) == sorted(names)
    assert plain.headers == request.headers[-len(plain.headers) :]


@pytest.mark.parametrize(("policy", "expected"), [(None, 15.0), (RetryPolicy(TWO_RETRIES.backoff, 3.0), 3.0)])
def test_request_has_the_time_that_the_policy_gives_it(policy: RetryPolicy | None, expected: float) -> None:
    """The default's, where the subscription says nothing."""
    assert expected == request_for(retry_policy=policy).timeout_s


@pytest.mark.parametrize(
    ("expires_in_ms", "expected"), [(1, ["new", "old"]), (0, ["new"]), (-1, ["new"]), (None, ["new", "old"])]
)
def test_key_signs_until_the_moment_at_which_it_expires(expires_in_ms: int | None, expected: list[str]) -> None:
    """The newest comes first, however they are kept."""
    expire_time_ms = None if expires_in_ms is None else NOW_MS + expires_in_ms
    keys = (SigningKey("old", SECRET, NOW_MS - 1, expire_time_ms), SigningKey("new", SECRET, NOW_MS))

    assert expected == [key.key_id for key in keys_in_force(keys, NOW_MS)]


@pytest.mark.parametrize(
    ("url", "requested"),
    [
        ("https://h.example", "https://h.example/"),
        ("http://h.example:8080", "http://h.example:8080/"),
        ("https://[2600::1]?a=1", "https://[2600::1]/?a=1"),
        ("https://h.example??", "https://h.example/??"),
        ("https://h.example/?", "https://h.example/?"),
        ("https://h.example//a%2Fb?c", "https://h.example//a%2Fb?c"),
    ],
)
def test_url_that_is_signed_is_the_one_that_is_requested(url: str, requested: str) -> None:
    """HTTP requests an empty path as `/`, so that is what a receiver puts together."""
    key = SigningKey("key", "secureSigningKey", NOW_MS, scheme=SignatureScheme.MESSAGEBIRD)
    subscription = subscription_of("s", url=url, signature_scheme=key.scheme, signing_keys=(key,))

    request = request_of(event_of(), subscription, [key], attempt_number=1, timestamp_s=1)

    signed = f"1\n{requested}\n".encode() + hashlib.sha256(request.body).digest()
    signature = base64.b64encode(hmac.digest(b"secureSigningKey", signed, "sha256")).decode()
    assert requested == request.url
    assert signature == dict(request.headers)["messagebird-signature"]


def test_repr_of_a_request_shows_no_secret() -> None:
    """Neither the owner's headers, nor the API key, nor the URL with its query."""
    request = request_for(
        url="https://a.example/?token=hunter2", headers={"x-token": "hunter2"}, api_key=ApiKey("X-Key", "hunter2")
    )

    assert "hunter2" not in repr(request)
