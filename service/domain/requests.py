"""What is sent for an event to a subscription: URL, headers, body. Pure: the same arguments give the same bytes."""

import re
from collections.abc import Sequence

from service.domain.formats import body_of
from service.domain.model import ApiKey, Event, SigningKey, Subscription
from service.domain.outcomes import Request
from service.domain.signatures import Header, Signable, keys_that_sign, signature_headers

_EMPTY_PATH = re.compile(r"^(https?://[^/?]+)(\?.*)?$")


def keys_in_force(keys: Sequence[SigningKey], now_ms: int) -> tuple[SigningKey, ...]:
    """Return the keys that sign a request at a time, newest first: a key signs until the moment at which it expires."""
    return keys_that_sign([key for key in keys if key.expire_time_ms is None or key.expire_time_ms > now_ms])


def request_of(
    event: Event,
    subscription: Subscription,
    keys: Sequence[SigningKey],
    *,
    attempt_number: int,
    timestamp_s: int,
    is_test: bool = False,
) -> Request:
    """Return the request that brings an event, which must fit the subscription's format, to a subscription.

    Its headers are the owner's, then the API key, then ours: `content-type`, `ce-*` in the format that has them,
    `tidings-attempt`, `tidings-test: true` for a test, and the signatures. No name comes twice; the last one counts.

    Args:
        keys: those that sign now, see `keys_in_force`.
        timestamp_s: when this attempt is made, in seconds since the Unix epoch.
    """
    body = body_of(event, subscription.format)
    url = requested_url(subscription.url)
    signable = Signable(event.id, event.event_type, url, timestamp_s, body.data)
    return Request(
        url=url,
        headers=_without_repetition(
            (
                *subscription.headers.items(),
                *_api_key_header(subscription.api_key),
                ("content-type", body.content_type),
                *body.headers,
                ("tidings-attempt", str(attempt_number)),
                *((("tidings-test", "true"),) if is_test else ()),
                *signature_headers(subscription.signature_scheme, keys, signable),
            )
        ),
        body=body.data,
        timeout_s=subscription.retry_policy_in_force.attempt_timeout_s,
    )


def requested_url(url: str) -> str:
    """Return a URL with the path that is requested: an empty one is requested as `/` (RFC 9112, section 3.2.1).

    A receiver that puts the URL together from what it got has the slash too, and some signatures are over the URL.
    """
    # Nearly every URL has a path, and the pattern would take a sixth of the time that a request takes to make.
    has_path = url.partition("?")[0].count("/") > 2
    return url if has_path else _EMPTY_PATH.sub(r"\1/\2", url)


def _api_key_header(api_key: ApiKey | None) -> tuple[Header, ...]:
    return ((api_key.header, api_key.value),) if api_key else ()


def _without_repetition(headers: Sequence[Header]) -> tuple[Header, ...]:
    """Keep the last header of each name, whatever its case."""
    by_name: dict[str, Header] = {}
    for name, value in headers:
        by_name.pop(name.lower(), None)
        by_name[name.lower()] = (name, value)
    return tuple(by_name.values())
