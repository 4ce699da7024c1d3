"""The rules for what an owner may say of a subscription, and what a change makes of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypedDict

from service.domain.attributes import check_annotations, check_attributes, check_display_name
from service.domain.destinations import DestinationPolicy
from service.domain.errors import InvalidField, StateConflict, quoted
from service.domain.filters import compile_filter
from service.domain.headers import check_apart, check_api_key, check_headers
from service.domain.ids import Ids, check_request_id, check_resource_id
from service.domain.model import ApiKey, Format, Health, RetryPolicy, SignatureScheme, SigningKey, Subscription
from service.domain.names import OPERATIONAL_EVENT_TYPES, RESERVED_EVENT_TYPE_PREFIX, Workspace
from service.domain.patterns import check_pattern, is_exact
from service.domain.retry import check_policy
from service.domain.signing import check_key, new_key, shown_key

_PATTERNS_MAX = 100
_CONCURRENCY_MAX = 256
_RATE_MIN = 0.01
_RATE_MAX = 10_000
# These take any text as their key; each of the others has a form of its own.
_LITERAL_KEYS = frozenset({SignatureScheme.MESSAGEBIRD, SignatureScheme.GITHUB, SignatureScheme.STRIPE})


class SubscriptionFields(TypedDict, total=False):
    """The fields of a subscription that a caller sets and may change.

    An `api_key` without a value stands for the value that is stored, which is never shown.
    """

    display_name: str
    url: str
    event_types: tuple[str, ...]
    attribute_filters: Mapping[str, str]
    filter: str
    enabled: bool
    format: Format
    signature_scheme: SignatureScheme
    api_key: ApiKey | None
    headers: Mapping[str, str]
    retry_policy: RetryPolicy | None
    max_concurrency: int | None
    max_rate_per_second: float | None
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Creation:
    """A request to create a subscription: a complete set of fields, and what else was asked for.

    An empty id or signing key means: make one. `fingerprint` is a digest of the whole request, which tells whether
    another one with the same `request_id` says the same; an empty request_id means that it will not be repeated.
    """

    workspace: Workspace
    subscription_id: str
    fields: SubscriptionFields = field(repr=False)
    signing_key: str = field(default="", repr=False)
    request_id: str = ""
    fingerprint: bytes = b""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A subscription as it is now, and the key that a request gave it while that signs; UNSIGNED gives none."""

    subscription: Subscription
    key: SigningKey | None

    @property
    def shown_key(self) -> str:
        """What the receiver needs to verify by that key; empty when there is none."""
        return shown_key(self.key) if self.key else ""


def check_readable(subscription: Subscription) -> None:
    """Refuse what needs the secrets of a subscription where they do not open any more.

    Raises:
        StateConflict: its secrets cannot be read.
    """
    if subscription.is_damaged:
        raise StateConflict(
            f"{subscription.name}: what the database keeps of it is damaged, or was moved there from elsewhere; "
            "delete the subscription and create it anew"
        )


def check_fields(fields: SubscriptionFields, destinations: DestinationPolicy) -> None:
    """Refuse fields that are wrong by themselves, whatever is stored.

    Raises:
        InvalidField: a field is not allowed to be what it is.
        InvalidFilter: the filter does not compile.
        DestinationForbidden: the URL must not be called.
    """
    if "display_name" in fields:
        check_display_name("subscription.display_name", fields["display_name"])
    if "url" in fields:
        destinations.check_url("subscription.url", fields["url"])
    if "event_types" in fields:
        _check_patterns(fields["event_types"])
    if "attribute_filters" in fields:
        check_attributes("subscription.attribute_filters", fields["attribute_filters"])
    if "headers" in fields:
        check_headers("subscription.headers", fields["headers"])
    if "annotations" in fields:
        check_annotations("subscription.annotations", fields["annotations"])
    _check_optional(fields)
    # Last, for it is what costs most.
    if filter := fields.get("filter"):
        compile_filter("subscription.filter", filter)


def new_subscription(creation: Creation, *, ids: Ids, rng: Random, now_ms: int) -> Subscription:
    """Return the subscription that a creation asks for, whose fields were checked one by one. Its revision is still 0.

    Raises:
        InvalidField: the id, the request_id or the signing key is not in its form, or the fields do not go together.
    """
    if creation.subscription_id:
        check_resource_id("subscription_id", creation.subscription_id)
    if creation.request_id:
        check_request_id("request_id", creation.request_id)
    scheme = creation.fields["signature_scheme"]
    if creation.signing_key:
        check_key("signing_key", scheme, creation.signing_key)
    secret = creation.signing_key or new_key(scheme, rng)
    new = Subscription(
        workspace=creation.workspace,
        id=creation.subscription_id or ids.new(),
        uid=ids.new(),
        # Only a scheme without keys has no secret here.
        signing_keys=(SigningKey(ids.new(), secret, now_ms, scheme=scheme),) if secret else (),
        create_time_ms=now_ms,
        update_time_ms=now_ms,
        revision=0,
        **creation.fields,
    )
    _check_together(new)
    return new


def unsaved_subscription(workspace: Workspace, fields: SubscriptionFields, *, now_ms: int) -> Subscription:
    """Return a subscription that is stored nowhere: without an id, without keys, perhaps without a display name.

    Raises:
        InvalidField: the header of the API key stands among the others.
    """
    complete: SubscriptionFields = {"display_name": "", **fields}
    candidate = Subscription(
        workspace=workspace,
        id="",
        uid="",
        signing_keys=(),
        create_time_ms=now_ms,
        update_time_ms=now_ms,
        revision=0,
        **complete,
    )
    check_apart("subscription.headers", candidate.headers, candidate.api_key)
    return candidate


def changed(current: Subscription, fields: SubscriptionFields, *, now_ms: int, revision: int) -> Subscription:
    """Return a subscription with some of its fields changed.

    Any change gives a shut filter another chance. Another URL ends a suspension, and nothing is known of its receiver.

    Raises:
        InvalidField: the new fields do not go together with those that stay.
        StateConflict: the new signature scheme needs another key, or the current secrets cannot be read.
    """
    check_readable(current)
    after = replace(current, **fields, filter_is_shut=False, update_time_ms=now_ms, revision=revision)
    after = replace(
        after,
        api_key=_with_stored_value(after.api_key, current.api_key),
        signing_keys=_signing_by(after.signature_scheme, current),
        suspension=current.suspension if after.url == current.url else None,
        health=current.health if after.url == current.url else Health(),
    )
    _check_together(after)
    return after


def _check_together(subscription: Subscription) -> None:
    if subscription.api_key is not None and not subscription.api_key.value:
        raise InvalidField(
            "subscription.api_key.value", "is required while none is stored: 1 to 4096 visible ASCII characters"
        )
    check_apart("subscription.headers", subscription.headers, subscription.api_key)


def _with_stored_value(given: ApiKey | None, stored: ApiKey | None) -> ApiKey | None:
    if given is None or given.value or stored is None:
        return given
    return replace(given, value=stored.value)


def _signing_by(scheme: SignatureScheme, current: Subscription) -> tuple[SigningKey, ...]:
    if scheme is current.signature_scheme:
        return current.signing_keys
    if not {scheme, current.signature_scheme} <= _LITERAL_KEYS:
        raise StateConflict(
            f"subscription.signature_scheme: {scheme} needs another signing key than {current.signature_scheme} has; "
            "change both with RotateSigningKey",
            field="subscription.signature_scheme",
        )
    # Keys that run out go on as they are: their receivers know them by the scheme of then.
    return tuple(key if key.expire_time_ms is not None else replace(key, scheme=scheme) for key in current.signing_keys)


def _check_optional(fields: SubscriptionFields) -> None:
    if (policy := fields.get("retry_policy")) is not None:
        check_policy("subscription.retry_policy", policy)
    if (concurrency := fields.get("max_concurrency")) is not None:
        _check_concurrency(concurrency)
    if (rate := fields.get("max_rate_per_second")) is not None:
        _check_rate(rate)
    if (api_key := fields.get("api_key")) is not None:
        check_api_key("subscription.api_key", api_key)


def _check_concurrency(concurrency: int) -> None:
    if not 1 <= concurrency <= _CONCURRENCY_MAX:
        raise InvalidField("subscription.max_concurrency", f"must be from 1 to {_CONCURRENCY_MAX}; got {concurrency}")


def _check_rate(rate: float) -> None:
    # Written so that NaN, which compares with nothing, is refused.
    if not _RATE_MIN <= rate <= _RATE_MAX:
        raise InvalidField("subscription.max_rate_per_second", f"must be {_RATE_MIN} to {_RATE_MAX:,}; got {rate}")


def _check_patterns(patterns: Sequence[str]) -> None:
    if not 1 <= len(patterns) <= _PATTERNS_MAX:
        raise InvalidField(
            "subscription.event_types",
            f'must be 1 to {_PATTERNS_MAX} patterns, such as "agent.status.changed", "agent.*" or "*" for every '
            f"type; got {len(patterns)}",
        )
    for index, pattern in enumerate(patterns):
        field = f"subscription.event_types[{index}]"
        check_pattern(field, pattern)
        if (
            is_exact(pattern)
            and pattern.startswith(RESERVED_EVENT_TYPE_PREFIX)
            and pattern not in OPERATIONAL_EVENT_TYPES
        ):
            allowed = ", ".join(sorted(OPERATIONAL_EVENT_TYPES))
            raise InvalidField(field, f"of Tidings' own event types there are {allowed}; got {quoted(pattern)}")
