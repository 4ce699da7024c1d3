"""tidings.v1.SubscriptionService over the use cases in `service.subscribing`, `rotating` and `rehearsing`."""

from collections.abc import Collection
from typing import cast

from service.api import masks, paging
from service.api.callers import current_actor
from service.api.convert import (
    check_choice,
    enum_member,
    enum_members,
    fingerprint,
    required,
    seconds,
    timestamp,
)
from service.api.methods import Context
from service.api.notifications import attempt_message
from service.api.retry_policies import policy_message, policy_of
from service.domain import signing
from service.domain.model import ApiKey, Format, SignatureScheme, SigningKey, Subscription, SubscriptionState
from service.domain.names import Workspace, check_event_type_id, parse_child, parse_workspace
from service.domain.rotation import DEFAULT_OVERLAP_S
from service.domain.subscriptions import Creation, SubscriptionFields
from service.rehearsing import Rehearsals
from service.rotating import Rotation, SigningKeys
from service.subscribing import Subscriptions
from tidings.v1 import subscriptions_pb2 as pb
from tidings.v1 import subscriptions_pb2_grpc as pb_grpc

_UPDATABLE = frozenset(SubscriptionFields.__annotations__)
# A mask may name it too, for it has one value only.
_FIXED = frozenset(("notification_type",))
_DEFAULT_API_KEY_HEADER = "X-API-Key"
_ABSENT_FROM_PREVIEW = ("name", "uid", "signing_keys", "create_time", "update_time", "etag")


class SubscriptionService(pb_grpc.SubscriptionServiceServicer):
    """The subscriptions of a workspace."""

    def __init__(self, subscriptions: Subscriptions, signing_keys: SigningKeys, rehearsals: Rehearsals) -> None:
        self._subscriptions = subscriptions
        self._signing_keys = signing_keys
        self._rehearsals = rehearsals

    async def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: Context
    ) -> pb.CreateSubscriptionResponse:
        """Create a subscription and show its signing key."""
        workspace = parse_workspace("parent", request.parent)
        required(request, "subscription")
        _check_notification_type(request.subscription)
        creation = _creation(workspace, request)
        if request.validate_only:
            preview = _message(await self._subscriptions.preview_create(creation))
            for field in _ABSENT_FROM_PREVIEW:
                preview.ClearField(field)  # type: ignore[arg-type]  # a name is a name
            return pb.CreateSubscriptionResponse(subscription=preview)
        created = await self._subscriptions.create(creation, by=current_actor())
        return pb.CreateSubscriptionResponse(subscription=_message(created.subscription), signing_key=created.shown_key)

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
        states = enum_members("states", pb.SubscriptionState, request.states, SubscriptionState)
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
        _check_notification_type(request.subscription)
        paths = masks.paths(
            request.update_mask, request.subscription, updatable=_UPDATABLE | _FIXED, field="update_mask"
        )
        fields = _fields(request.subscription, _UPDATABLE.intersection(paths))
        etag = request.subscription.etag
        if request.validate_only:
            changed = await self._subscriptions.preview_update(name.workspace, name.id, fields, etag=etag)
        else:
            by = current_actor()
            changed = await self._subscriptions.update(name.workspace, name.id, fields, etag=etag, by=by)
        return pb.UpdateSubscriptionResponse(subscription=_message(changed))

    async def DeleteSubscription(
        self, request: pb.DeleteSubscriptionRequest, context: Context
    ) -> pb.DeleteSubscriptionResponse:
        """Delete a subscription."""
        name = parse_child("name", "subscriptions", request.name)
        await self._subscriptions.delete(
            name.workspace,
            name.id,
            etag=request.etag,
            allow_missing=request.allow_missing,
            by=current_actor(),
        )
        return pb.DeleteSubscriptionResponse()

    async def ResumeSubscription(
        self, request: pb.ResumeSubscriptionRequest, context: Context
    ) -> pb.ResumeSubscriptionResponse:
        """End a suspension."""
        name = parse_child("name", "subscriptions", request.name)
        resumed = await self._subscriptions.resume(name.workspace, name.id, by=current_actor())
        return pb.ResumeSubscriptionResponse(subscription=_message(resumed))

    async def RotateSigningKey(
        self, request: pb.RotateSigningKeyRequest, context: Context
    ) -> pb.RotateSigningKeyResponse:
        """Put a new signing key in the place of the current one, and show it."""
        name = parse_child("name", "subscriptions", request.name)
        rotated = await self._signing_keys.rotate(name.workspace, name.id, _rotation(request), by=current_actor())
        return pb.RotateSigningKeyResponse(subscription=_message(rotated.subscription), signing_key=rotated.shown_key)

    async def TestSubscription(
        self, request: pb.TestSubscriptionRequest, context: Context
    ) -> pb.TestSubscriptionResponse:
        """Send an example now."""
        name = parse_child("name", "subscriptions", request.name)
        attempt = await self._rehearsals.rehearse(name.workspace, name.id, request.event_type)
        return pb.TestSubscriptionResponse(attempt=attempt_message("", attempt))


def candidate_of(message: pb.Subscription) -> SubscriptionFields:
    """Return the fields of a subscription that is not to be saved. One without a display name has none to check.

    Raises:
        InvalidField: an enum has no such value, or the retry policy makes no sense. The rest is checked later.
    """
    _check_notification_type(message)
    return _fields(message, _UPDATABLE if message.display_name else _UPDATABLE - {"display_name"})


def _check_notification_type(message: pb.Subscription) -> None:
    check_choice("subscription.notification_type", pb.NotificationType, message.notification_type)


def _creation(workspace: Workspace, request: pb.CreateSubscriptionRequest) -> Creation:
    return Creation(
        workspace,
        request.subscription_id,
        _fields(request.subscription, _UPDATABLE),
        signing_key=request.signing_key,
        request_id=request.request_id,
        fingerprint=fingerprint(request) if request.request_id else b"",
    )


def _rotation(request: pb.RotateSigningKeyRequest) -> Rotation:
    return Rotation(
        signing_key=request.signing_key,
        signature_scheme=_scheme("signature_scheme", request.signature_scheme) if request.signature_scheme else None,
        overlap_s=seconds("overlap", request.overlap) if request.HasField("overlap") else DEFAULT_OVERLAP_S,
        request_id=request.request_id,
        fingerprint=fingerprint(request) if request.request_id else b"",
    )


def _fields(message: pb.Subscription, paths: Collection[str]) -> SubscriptionFields:
    # What is not meant to change is not judged either.
    meant = pb.Subscription()
    meant.CopyFrom(message)
    for field in _UPDATABLE.difference(paths):
        meant.ClearField(field)  # type: ignore[arg-type]  # a name is a name
    values = SubscriptionFields(
        display_name=meant.display_name,
        url=meant.url,
        event_types=tuple(meant.event_types),
        attribute_filters=dict(meant.attribute_filters),
        filter=meant.filter,
        enabled=meant.enabled if meant.HasField("enabled") else True,
        format=enum_member("subscription.format", pb.Format, meant.format, Format, default=Format.STANDARD_WEBHOOKS),
        signature_scheme=_scheme("subscription.signature_scheme", meant.signature_scheme),
        api_key=_api_key(meant.api_key) if meant.HasField("api_key") else None,
        headers=dict(meant.headers),
        retry_policy=policy_of(meant.retry_policy) if meant.HasField("retry_policy") else None,
        max_concurrency=meant.max_concurrency if meant.HasField("max_concurrency") else None,
        max_rate_per_second=meant.max_rate_per_second if meant.HasField("max_rate_per_second") else None,
        annotations=dict(meant.annotations),
    )
    return cast(SubscriptionFields, {path: value for path, value in values.items() if path in paths})


def _scheme(field: str, number: int) -> SignatureScheme:
    return enum_member(field, pb.SignatureScheme, number, SignatureScheme, default=SignatureScheme.STANDARD_WEBHOOKS)


def _api_key(message: pb.ApiKey) -> ApiKey:
    return ApiKey(message.header or _DEFAULT_API_KEY_HEADER, message.value)


def _message(subscription: Subscription) -> pb.Subscription:
    return pb.Subscription(
        name=subscription.name,
        uid=subscription.uid,
        display_name=subscription.display_name,
        url=subscription.url,
        event_types=subscription.event_types,
        attribute_filters=subscription.attribute_filters,
        filter=subscription.filter,
        enabled=subscription.enabled,
        notification_type=pb.NOTIFICATION_TYPE_REST,
        format=pb.Format.Value(f"FORMAT_{subscription.format}"),
        signature_scheme=pb.SignatureScheme.Value(f"SIGNATURE_SCHEME_{subscription.signature_scheme}"),
        # Without its value, which is never returned.
        api_key=pb.ApiKey(header=subscription.api_key.header) if subscription.api_key else None,
        headers=subscription.headers,
        retry_policy=policy_message(subscription.retry_policy),
        max_concurrency=subscription.max_concurrency,
        max_rate_per_second=subscription.max_rate_per_second,
        annotations=subscription.annotations,
        state=pb.SubscriptionState.Value(f"SUBSCRIPTION_STATE_{subscription.state}"),
        state_reason=subscription.state_reason,
        signing_keys=map(_signing_key_message, subscription.signing_keys),
        failing_since=timestamp(subscription.health.failing_since_ms),
        last_success_time=timestamp(subscription.health.last_success_time_ms),
        create_time=timestamp(subscription.create_time_ms),
        update_time=timestamp(subscription.update_time_ms),
        etag=subscription.etag,
    )


def _signing_key_message(key: SigningKey) -> pb.SigningKey:
    return pb.SigningKey(
        key_id=key.key_id,
        public_key=signing.public_key(key),
        hint=signing.hint(key),
        create_time=timestamp(key.create_time_ms),
        expire_time=timestamp(key.expire_time_ms),
    )
