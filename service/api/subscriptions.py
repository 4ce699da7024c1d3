"""tidings.v1.SubscriptionService over the use cases in `service.subscribing`."""

from typing import cast

from service.api import masks, paging
from service.api.calls import Context
from service.api.convert import check_choice, duration, enum_members, required, seconds, timestamp, unbuilt
from service.domain.errors import InvalidField
from service.domain.model import (
    DEFAULT_RETRY_POLICY,
    ExponentialBackoff,
    FixedSchedule,
    Format,
    RetryPolicy,
    SignatureScheme,
    SigningKey,
    Subscription,
    SubscriptionState,
)
from service.domain.names import check_event_type_id, parse_child, parse_workspace
from service.subscribing import SubscriptionFields, Subscriptions
from tidings.v1 import subscriptions_pb2 as pb
from tidings.v1 import subscriptions_pb2_grpc as pb_grpc

_UPDATABLE = frozenset(SubscriptionFields.__annotations__)
# A mask may name them too, for a message without a value that this version refuses leaves them as they are.
_FIXED = frozenset(("notification_type", "format", "signature_scheme", "max_rate_per_second"))
_CHOICES = (
    ("notification_type", pb.NotificationType),
    ("format", pb.Format),
    ("signature_scheme", pb.SignatureScheme),
)
_DEFAULT_INITIAL_DELAY_S = 5.0
_DEFAULT_MAX_DELAY_S = 24 * 3600.0
_DEFAULT_MULTIPLIER = 2.0


class SubscriptionService(pb_grpc.SubscriptionServiceServicer):
    """The subscriptions of a workspace."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    async def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: Context
    ) -> pb.CreateSubscriptionResponse:
        """Create a subscription and show its signing key."""
        workspace = parse_workspace("parent", request.parent)
        required(request, "subscription")
        for field in ("request_id", "validate_only"):
            if getattr(request, field):
                raise unbuilt(field)
        _refuse_unbuilt(request.subscription)
        created = await self._subscriptions.create(
            workspace,
            request.subscription_id,
            _fields(request.subscription, _UPDATABLE),
            format=Format.STANDARD_WEBHOOKS,
            signature_scheme=SignatureScheme.STANDARD_WEBHOOKS,
            signing_key=request.signing_key,
        )
        return pb.CreateSubscriptionResponse(subscription=_message(created), signing_key=created.signing_keys[0].secret)

    async def GetSubscription(self, request: pb.GetSubscriptionRequest, context: Context) -> pb.GetSubscriptionResponse:
        """Return a subscription."""
        name = parse_child("name", "subscriptions", request.name)
        found = await self._subscriptions.get(name.workspace, name.id)
        return pb.GetSubscriptionResponse(subscription=_message(found))

    async def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: Context
    ) -> pb.ListSubscriptionsResponse:
        """List subscriptions by id."""
        workspace = parse_workspace("parent", request.parent)
        if request.event_type:
            check_event_type_id("event_type", request.event_type)
        states = enum_members(
            "states", pb.SubscriptionState.DESCRIPTOR, "SUBSCRIPTION_STATE_", request.states, SubscriptionState
        )
        page_size = paging.page_size(request.page_size)
        scope = ("ListSubscriptions", workspace.name, request.event_type, *sorted(states))
        after = paging.decode(request.page_token, scope=scope, shape=str)
        page = await self._subscriptions.list(
            workspace,
            after=after or "",
            page_size=page_size,
            event_type=request.event_type,
            states=states,
        )
        shown, next_page_token = paging.page_of(
            page, _message, position_of=lambda subscription: subscription.id, scope=scope
        )
        return pb.ListSubscriptionsResponse(subscriptions=shown, next_page_token=next_page_token)

    async def UpdateSubscription(
        self, request: pb.UpdateSubscriptionRequest, context: Context
    ) -> pb.UpdateSubscriptionResponse:
        """Change a subscription."""
        required(request, "subscription")
        name = parse_child("subscription.name", "subscriptions", request.subscription.name)
        if request.validate_only:
            raise unbuilt("validate_only")
        _refuse_unbuilt(request.subscription)
        paths = masks.paths(
            request.update_mask, request.subscription, updatable=_UPDATABLE | _FIXED, field="update_mask"
        )
        fields = _fields(request.subscription, _UPDATABLE.intersection(paths))
        changed = await self._subscriptions.update(name.workspace, name.id, fields, etag=request.subscription.etag)
        return pb.UpdateSubscriptionResponse(subscription=_message(changed))

    async def DeleteSubscription(
        self, request: pb.DeleteSubscriptionRequest, context: Context
    ) -> pb.DeleteSubscriptionResponse:
        """Delete a subscription."""
        name = parse_child("name", "subscriptions", request.name)
        await self._subscriptions.delete(
            name.workspace, name.id, etag=request.etag, allow_missing=request.allow_missing
        )
        return pb.DeleteSubscriptionResponse()


def _refuse_unbuilt(message: pb.Subscription) -> None:
    if message.filter:
        raise unbuilt("subscription.filter")
    for field in ("api_key", "max_rate_per_second"):
        if message.HasField(field):
            raise unbuilt(f"subscription.{field}")
    for field, enum in _CHOICES:
        # The default, and the first choice, which is the default.
        check_choice(f"subscription.{field}", enum, getattr(message, field), built=(0, 1))


def _fields(message: pb.Subscription, paths: frozenset[str]) -> SubscriptionFields:
    # What is not meant to change is not judged either.
    has_policy = message.HasField("retry_policy") and "retry_policy" in paths
    values = SubscriptionFields(
        display_name=message.display_name,
        url=message.url,
        event_types=tuple(message.event_types),
        attribute_filters=dict(message.attribute_filters),
        filter=message.filter,
        enabled=message.enabled if message.HasField("enabled") else True,
        api_key=None,
        headers=dict(message.headers),
        retry_policy=_policy(message.retry_policy) if has_policy else None,
        max_concurrency=message.max_concurrency if message.HasField("max_concurrency") else None,
        annotations=dict(message.annotations),
    )
    return cast(SubscriptionFields, {path: value for path, value in values.items() if path in paths})


def _policy(message: pb.RetryPolicy) -> RetryPolicy:
    path = "subscription.retry_policy"
    return RetryPolicy(
        _backoff(message),
        attempt_timeout_s=(
            seconds(f"{path}.attempt_timeout", message.attempt_timeout)
            if message.HasField("attempt_timeout")
            else DEFAULT_RETRY_POLICY.attempt_timeout_s
        ),
        max_age_s=seconds(f"{path}.max_age", message.max_age) if message.HasField("max_age") else None,
    )


def _backoff(message: pb.RetryPolicy) -> FixedSchedule | ExponentialBackoff:
    path = "subscription.retry_policy"
    is_exponential = (
        message.max_attempts or message.multiplier or message.HasField("initial_delay") or message.HasField("max_delay")
    )
    if message.schedule and is_exponential:
        raise InvalidField(
            path, "must have either schedule, or max_attempts with initial_delay, max_delay and multiplier; got both"
        )
    if message.schedule:
        return FixedSchedule(
            tuple(seconds(f"{path}.schedule[{index}]", delay) for index, delay in enumerate(message.schedule))
        )
    if not is_exponential:
        return DEFAULT_RETRY_POLICY.backoff
    if not message.max_attempts:
        raise InvalidField(f"{path}.max_attempts", "is required with initial_delay, max_delay or multiplier")
    return ExponentialBackoff(
        max_attempts=message.max_attempts,
        initial_delay_s=(
            seconds(f"{path}.initial_delay", message.initial_delay)
            if message.HasField("initial_delay")
            else _DEFAULT_INITIAL_DELAY_S
        ),
        max_delay_s=(
            seconds(f"{path}.max_delay", message.max_delay) if message.HasField("max_delay") else _DEFAULT_MAX_DELAY_S
        ),
        multiplier=message.multiplier or _DEFAULT_MULTIPLIER,
    )


def _message(subscription: Subscription) -> pb.Subscription:
    return pb.Subscription(
        name=subscription.name,
        uid=subscription.uid,
        display_name=subscription.display_name,
        url=subscription.url,
        event_types=subscription.event_types,
        attribute_filters=subscription.attribute_filters,
        enabled=subscription.enabled,
        notification_type=pb.NOTIFICATION_TYPE_REST,
        format=pb.Format.Value(f"FORMAT_{subscription.format}"),
        signature_scheme=pb.SignatureScheme.Value(f"SIGNATURE_SCHEME_{subscription.signature_scheme}"),
        headers=subscription.headers,
        retry_policy=_policy_message(subscription.retry_policy),
        max_concurrency=subscription.max_concurrency,
        annotations=subscription.annotations,
        state=pb.SubscriptionState.Value(f"SUBSCRIPTION_STATE_{subscription.state}"),
        signing_keys=map(_signing_key_message, subscription.signing_keys),
        create_time=timestamp(subscription.create_time_ms),
        update_time=timestamp(subscription.update_time_ms),
        etag=subscription.etag,
    )


def _policy_message(policy: RetryPolicy | None) -> pb.RetryPolicy | None:
    if policy is None:
        return None
    attempt_timeout = duration(policy.attempt_timeout_s)
    max_age = None if policy.max_age_s is None else duration(policy.max_age_s)
    match policy.backoff:
        case FixedSchedule(delays_s):
            return pb.RetryPolicy(schedule=map(duration, delays_s), attempt_timeout=attempt_timeout, max_age=max_age)
        case ExponentialBackoff(max_attempts, initial_delay_s, max_delay_s, multiplier):
            return pb.RetryPolicy(
                max_attempts=max_attempts,
                initial_delay=duration(initial_delay_s),
                max_delay=duration(max_delay_s),
                multiplier=multiplier,
                attempt_timeout=attempt_timeout,
                max_age=max_age,
            )


def _signing_key_message(key: SigningKey) -> pb.SigningKey:
    return pb.SigningKey(
        key_id=key.key_id,
        hint=key.hint,
        create_time=timestamp(key.create_time_ms),
        expire_time=timestamp(key.expire_time_ms),
    )
