"""Subscriptions: the use cases behind SubscriptionService."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TypedDict

from service.domain.attributes import check_annotations, check_attributes, check_display_name
from service.domain.clock import Clock
from service.domain.destinations import DestinationPolicy
from service.domain.errors import EventTypeUnknown, InvalidField, ResourceExists, ResourceNotFound, quoted
from service.domain.etags import check_etag
from service.domain.headers import check_headers
from service.domain.ids import Ids, check_resource_id
from service.domain.model import (
    ApiKey,
    Format,
    RetryPolicy,
    SignatureScheme,
    SigningKey,
    Subscription,
    SubscriptionState,
)
from service.domain.names import OPERATIONAL_EVENT_TYPES, RESERVED_EVENT_TYPE_PREFIX, Workspace
from service.domain.patterns import check_pattern, is_exact, matches
from service.domain.retry import check_policy
from service.domain.signing import check_key, new_key
from service.paging import Page, take
from service.storage import event_types, subscriptions, workspaces
from service.storage.database import Database, Transaction

_PATTERNS_MAX = 100
_CONCURRENCY_MAX = 256


class SubscriptionFields(TypedDict, total=False):
    """The fields of a subscription that a caller sets and may change."""

    display_name: str
    url: str
    event_types: tuple[str, ...]
    attribute_filters: Mapping[str, str]
    filter: str
    enabled: bool
    api_key: ApiKey | None
    headers: Mapping[str, str]
    retry_policy: RetryPolicy | None
    max_concurrency: int | None
    annotations: Mapping[str, str]


class Subscriptions:
    """Creates, reads, changes and deletes subscriptions.

    Args:
        on_sweep: called after a change that may leave pending notifications to be cancelled or released.
    """

    def __init__(
        self,
        database: Database,
        *,
        destinations: DestinationPolicy,
        clock: Clock,
        ids: Ids,
        rng: Random,
        on_sweep: Callable[[], None],
        allow_unknown_event_types: bool,
    ) -> None:
        self._database = database
        self._destinations = destinations
        self._clock = clock
        self._ids = ids
        self._rng = rng
        self._on_sweep = on_sweep
        self._allow_unknown_event_types = allow_unknown_event_types

    async def create(
        self,
        workspace: Workspace,
        subscription_id: str,
        fields: SubscriptionFields,
        *,
        format: Format,
        signature_scheme: SignatureScheme,
        signing_key: str,
    ) -> Subscription:
        """Create a subscription from a complete set of fields; an empty id or signing key means: make one.

        Raises:
            InvalidField, DestinationForbidden: a field is not allowed.
            EventTypeUnknown: an exact pattern names no event type.
            ResourceExists: the id or the display name is taken.
        """
        if subscription_id:
            check_resource_id("subscription_id", subscription_id)
        self._check(fields)
        if signing_key:
            check_key("signing_key", signature_scheme, signing_key)
        now_ms = self._clock.now_ms()
        key = SigningKey(
            self._ids.new(), signing_key or new_key(signature_scheme, self._rng), now_ms, scheme=signature_scheme
        )
        new = Subscription(
            workspace=workspace,
            id=subscription_id or self._ids.new(),
            uid=self._ids.new(),
            format=format,
            signature_scheme=signature_scheme,
            signing_keys=(key,),
            create_time_ms=now_ms,
            update_time_ms=now_ms,
            revision=0,
            **fields,
        )

        def work(tx: Transaction) -> Subscription:
            stored = replace(new, revision=workspaces.bump_revision(tx, workspace.key))
            self._check_event_types(tx, stored.event_types)
            _check_id_free(tx, stored)
            _check_display_name_free(tx, stored)
            subscriptions.insert(tx, stored)
            return stored

        return await self._database.write(work)

    async def get(self, workspace: Workspace, subscription_id: str) -> Subscription:
        """Return a subscription.

        Raises:
            ResourceNotFound: there is none of this name.
        """
        return await self._database.read(lambda tx: _existing(tx, workspace, subscription_id))

    async def list(
        self,
        workspace: Workspace,
        *,
        after: str,
        page_size: int,
        event_type: str,
        states: Collection[SubscriptionState],
    ) -> Page[Subscription, str]:
        """Return subscriptions in the order of their ids: those that match an event type and are in one of the states.

        An empty event type or no states mean any.
        """

        def wanted(subscription: Subscription) -> bool:
            return (not states or subscription.state in states) and (
                not event_type or any(matches(pattern, event_type) for pattern in subscription.event_types)
            )

        def page(tx: Transaction) -> Page[Subscription, str]:
            return take(
                lambda position, limit: subscriptions.after(tx, workspace, position, limit=limit),
                start=after,
                position_of=lambda subscription: subscription.id,
                wanted=wanted,
                page_size=page_size,
            )

        return await self._database.read(page)

    async def update(
        self, workspace: Workspace, subscription_id: str, fields: SubscriptionFields, *, etag: str
    ) -> Subscription:
        """Change some fields. What is pending is delivered by the new ones.

        Raises:
            InvalidField, DestinationForbidden: a field is not allowed.
            EventTypeUnknown: a new exact pattern names no event type.
            ResourceNotFound: there is none of this name.
            ResourceExists: the display name is taken.
            EtagMismatch: an etag is given and not the current one.
        """
        self._check(fields)
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> Subscription:
            revision = workspaces.bump_revision(tx, workspace.key)
            current = _existing(tx, workspace, subscription_id)
            check_etag(current.name, current.etag, given=etag)
            # Patterns that stay are not judged again: their event type may have been deleted since.
            self._check_event_types(tx, set(fields.get("event_types", ())).difference(current.event_types))
            changed = replace(current, **fields, update_time_ms=now_ms, revision=revision)
            _check_display_name_free(tx, changed)
            subscriptions.update(tx, changed)
            if changed.enabled and not current.enabled:
                subscriptions.start_release(tx, changed.uid)
            return changed

        try:
            return await self._database.write(work)
        finally:
            # Also for a caller that gave up waiting: the change may well be committed.
            self._on_sweep()

    async def delete(self, workspace: Workspace, subscription_id: str, *, etag: str, allow_missing: bool) -> None:
        """Delete a subscription: it matches nothing from now on, and what is pending is cancelled in slices.

        Raises:
            ResourceNotFound: there is none of this name, unless that is allowed.
            EtagMismatch: an etag is given and not the current one.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> None:
            revision = workspaces.bump_revision(tx, workspace.key)
            current = _existing(tx, workspace, subscription_id)
            check_etag(current.name, current.etag, given=etag)
            subscriptions.delete(tx, current.uid, revision=revision, now_ms=now_ms)

        try:
            await self._database.write(work)
        except ResourceNotFound:
            if not allow_missing:
                raise
        finally:
            self._on_sweep()

    def _check(self, fields: SubscriptionFields) -> None:
        if "display_name" in fields:
            check_display_name("subscription.display_name", fields["display_name"])
        if "url" in fields:
            self._destinations.check_url("subscription.url", fields["url"])
        if "event_types" in fields:
            _check_patterns(fields["event_types"])
        if "attribute_filters" in fields:
            check_attributes("subscription.attribute_filters", fields["attribute_filters"])
        if "headers" in fields:
            check_headers("subscription.headers", fields["headers"])
        policy = fields.get("retry_policy")
        if policy is not None:
            check_policy("subscription.retry_policy", policy)
        concurrency = fields.get("max_concurrency")
        if concurrency is not None and not 1 <= concurrency <= _CONCURRENCY_MAX:
            raise InvalidField(
                "subscription.max_concurrency", f"must be from 1 to {_CONCURRENCY_MAX}; got {concurrency}"
            )
        if "annotations" in fields:
            check_annotations("subscription.annotations", fields["annotations"])

    def _check_event_types(self, tx: Transaction, patterns: Collection[str]) -> None:
        if self._allow_unknown_event_types:
            return
        exact = [pattern for pattern in patterns if is_exact(pattern) and pattern not in OPERATIONAL_EVENT_TYPES]
        for pattern in sorted(event_types.missing(tx, exact)):
            raise EventTypeUnknown("subscription.event_types", pattern)


def _existing(tx: Transaction, workspace: Workspace, subscription_id: str) -> Subscription:
    subscription = subscriptions.find(tx, workspace, subscription_id)
    if subscription is None:
        raise ResourceNotFound("subscription", workspace.subscription(subscription_id))
    return subscription


def _check_id_free(tx: Transaction, new: Subscription) -> None:
    if subscriptions.find(tx, new.workspace, new.id) is not None:
        raise ResourceExists(
            f"subscription_id: there is a subscription {quoted(new.name)} already",
            resource_type="subscription",
            resource_name=new.name,
            field="subscription_id",
        )


def _check_display_name_free(tx: Transaction, subscription: Subscription) -> None:
    holder = subscriptions.id_of_display_name(tx, subscription.workspace, subscription.display_name)
    if holder not in (None, subscription.id):
        name = subscription.workspace.subscription(str(holder))
        raise ResourceExists(
            "subscription.display_name: must be unique in the workspace; "
            f"{quoted(subscription.display_name)} is that of {quoted(name)}",
            resource_type="subscription",
            resource_name=name,
            field="subscription.display_name",
        )


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
