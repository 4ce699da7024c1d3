"""Subscriptions: the use cases behind SubscriptionService."""

from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random
from typing import Final

from service.domain.access import Actor
from service.domain.announcements import subscription_resumed
from service.domain.audit import entry_of
from service.domain.clock import Clock
from service.domain.destinations import DestinationPolicy
from service.domain.errors import EventTypeUnknown, ResourceExists, ResourceNotFound, quoted
from service.domain.etags import check_etag
from service.domain.ids import Ids
from service.domain.model import Health, Subscription, SubscriptionState
from service.domain.names import OPERATIONAL_EVENT_TYPES, Workspace
from service.domain.patterns import is_exact, matches
from service.domain.subscriptions import (
    Creation,
    Keyed,
    SubscriptionFields,
    changed,
    check_fields,
    check_readable,
    new_subscription,
    unsaved_subscription,
)
from service.paging import Page, take
from service.quotas import SubscriptionQuotas, refusals_told
from service.storage import (
    announcements,
    audit,
    event_types,
    lanes,
    management_requests,
    replays,
    signing_keys,
    subscriptions,
    sweeps,
    workspaces,
)
from service.storage.database import Database, Long, T, Transaction
from service.storage.management_requests import ManagementRequest

_CREATE: Final = "CreateSubscription"


class Subscriptions:
    """Creates, reads, changes and deletes subscriptions. Each change is written to the audit log, with who made it.

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
        quotas: SubscriptionQuotas,
        on_sweep: Callable[[], None],
        allow_unknown_event_types: bool,
    ) -> None:
        self._database = database
        self._destinations = destinations
        self._clock = clock
        self._ids = ids
        self._rng = rng
        self._quotas = quotas
        self._on_sweep = on_sweep
        self._allow_unknown_event_types = allow_unknown_event_types

    async def create(self, creation: Creation, *, by: Actor) -> Keyed:
        """Create a subscription, or return the one that the same request created before.

        Raises:
            InvalidField, InvalidFilter, DestinationForbidden: a field is not allowed.
            EventTypeUnknown: an exact pattern names no event type.
            ResourceExists: the id or the display name is taken.
            RequestIdReused: the request_id was used before, for a request that said something else.
            ResourceNotFound: what the same request created was deleted since.
            QuotaExceeded: the workspace has as many subscriptions, or as many with a filter, as it may have.
        """
        new = self._new(creation)
        now_ms = new.create_time_ms

        def work(tx: Transaction) -> Keyed:
            # A repeated request changes nothing, so it is looked for before the revision is bumped; and once more under
            # that lock, for an equal request may have come first.
            if (earlier := _earlier(tx, creation, now_ms=now_ms)) is not None:
                return earlier
            stored = replace(new, revision=workspaces.bump_revision(tx, new.workspace.key))
            if (earlier := _earlier(tx, creation, now_ms=now_ms)) is not None:
                return earlier
            self._check_new(tx, stored)
            subscriptions.insert(tx, stored)
            audit.insert(tx, entry_of(by, _CREATE, None, stored, time_ms=now_ms, request_id=creation.request_id))
            key = next(iter(stored.signing_keys), None)
            if creation.request_id:
                result = management_requests.given_key(stored, key)
                request = ManagementRequest(
                    _CREATE, creation.request_id, management_requests.keyed(tx, creation.fingerprint), result
                )
                management_requests.insert(tx, new.workspace, request, now_ms=now_ms)
            return Keyed(stored, key)

        with refusals_told(self._quotas.on_refused):
            return await self._database.write(work)

    async def preview_create(self, creation: Creation) -> Subscription:
        """Check all that `create` checks and return what it would create. The request_id is not looked up.

        Raises:
            InvalidField, InvalidFilter, DestinationForbidden, EventTypeUnknown, ResourceExists, QuotaExceeded: as
                `create` does.
        """
        new = self._new(creation)
        with refusals_told(self._quotas.on_refused):
            await self._database.read(lambda tx: self._check_new(tx, new))
        return new

    async def draft(self, workspace: Workspace, fields: SubscriptionFields) -> Subscription:
        """Return a subscription that is stored nowhere, without an id and keys, for explaining what it would do.

        All fields are checked, but it may do without a display name and without the value of its API key, which
        neither matching nor a preview needs; so what was read of a stored subscription can be sent back in it.

        Raises:
            InvalidField, InvalidFilter, DestinationForbidden, EventTypeUnknown: as `create` does.
        """
        check_fields(fields, self._destinations)
        candidate = unsaved_subscription(workspace, fields, now_ms=self._clock.now_ms())
        await self._database.read(lambda tx: self._check_event_types(tx, candidate.event_types))
        return candidate

    async def get(self, workspace: Workspace, subscription_id: str) -> Subscription:
        """Return a subscription.

        Raises:
            ResourceNotFound: there is none of this name.
        """
        return await self._database.read(lambda tx: subscriptions.get(tx, workspace, subscription_id))

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

        return await self._database.read(Long(page))

    async def update(
        self, workspace: Workspace, subscription_id: str, fields: SubscriptionFields, *, etag: str, by: Actor
    ) -> Subscription:
        """Change some fields. What is pending is delivered by the new ones; another URL ends a suspension.

        Raises:
            InvalidField, InvalidFilter, DestinationForbidden: a field is not allowed.
            EventTypeUnknown: a new exact pattern names no event type.
            ResourceNotFound: there is none of this name.
            ResourceExists: the display name is taken.
            StateConflict: the new signature scheme needs another key, or the subscription's secrets cannot be read.
            EtagMismatch: an etag is given and not the current one.
            QuotaExceeded: a first filter, and the workspace has as many as it may have.
        """
        check_fields(fields, self._destinations)
        now_ms, announcement_id = self._clock.now_ms(), self._ids.new()

        def work(tx: Transaction) -> Subscription:
            revision = workspaces.bump_revision(tx, workspace.key)
            current = subscriptions.get(tx, workspace, subscription_id)
            check_etag(current.name, current.etag, given=etag)
            after = changed(current, fields, now_ms=now_ms, revision=revision)
            self._check_change(tx, current, after)
            _store(tx, current, after, announcement_id=announcement_id)
            audit.insert(tx, entry_of(by, "UpdateSubscription", current, after, time_ms=now_ms))
            return after

        with refusals_told(self._quotas.on_refused):
            return await self._write_and_sweep(work)

    async def preview_update(
        self, workspace: Workspace, subscription_id: str, fields: SubscriptionFields, *, etag: str
    ) -> Subscription:
        """Check all that `update` checks and return what it would make, with the time and etag of what is there.

        Raises:
            The same as `update`.
        """
        check_fields(fields, self._destinations)

        def work(tx: Transaction) -> Subscription:
            current = subscriptions.get(tx, workspace, subscription_id)
            check_etag(current.name, current.etag, given=etag)
            after = changed(current, fields, now_ms=current.update_time_ms, revision=current.revision)
            self._check_change(tx, current, after)
            return after

        with refusals_told(self._quotas.on_refused):
            return await self._database.read(work)

    async def resume(self, workspace: Workspace, subscription_id: str, *, by: Actor) -> Subscription:
        """End a suspension and have what was held delivered. A subscription that is not suspended stays as it is.

        Raises:
            ResourceNotFound: there is none of this name.
            StateConflict: its secrets cannot be read.
        """
        now_ms, announcement_id = self._clock.now_ms(), self._ids.new()

        def work(tx: Transaction) -> Subscription:
            current = subscriptions.get(tx, workspace, subscription_id)
            check_readable(current)
            if current.suspension is None:
                return current
            revision = workspaces.bump_revision(tx, workspace.key)
            # Once more: what was read before the revision was locked may have changed since.
            current = subscriptions.get(tx, workspace, subscription_id)
            check_readable(current)
            if current.suspension is None:
                return current
            # What failed before says nothing of what its owner has mended since.
            health = Health(last_success_time_ms=current.health.last_success_time_ms)
            after = replace(current, suspension=None, health=health, update_time_ms=now_ms, revision=revision)
            _store(tx, current, after, announcement_id=announcement_id)
            audit.insert(tx, entry_of(by, "ResumeSubscription", current, after, time_ms=now_ms))
            return after

        return await self._write_and_sweep(work)

    async def delete(
        self, workspace: Workspace, subscription_id: str, *, etag: str, allow_missing: bool, by: Actor
    ) -> None:
        """Delete a subscription: it matches nothing from now on, and what is pending is cancelled in slices.

        Raises:
            ResourceNotFound: there is none of this name, unless that is allowed.
            EtagMismatch: an etag is given and not the current one.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Transaction) -> None:
            revision = workspaces.bump_revision(tx, workspace.key)
            current = subscriptions.get(tx, workspace, subscription_id)
            check_etag(current.name, current.etag, given=etag)
            subscriptions.delete(tx, current.uid, revision=revision, now_ms=now_ms)
            replays.cancel_of_subscription(tx, current.uid, now_ms=now_ms)
            audit.insert(tx, entry_of(by, "DeleteSubscription", current, None, time_ms=now_ms))

        try:
            await self._write_and_sweep(work)
        except ResourceNotFound:
            if not allow_missing:
                raise

    async def _write_and_sweep(self, work: Callable[[Transaction], T]) -> T:
        try:
            return await self._database.write(work)
        finally:
            # Also for a caller that gave up waiting: the change may well be committed.
            self._on_sweep()

    def _new(self, creation: Creation) -> Subscription:
        check_fields(creation.fields, self._destinations)
        return new_subscription(creation, ids=self._ids, rng=self._rng, now_ms=self._clock.now_ms())

    def _check_new(self, tx: Transaction, new: Subscription) -> None:
        self._check_event_types(tx, new.event_types)
        _check_id_free(tx, new)
        _check_display_name_free(tx, new)
        self._quotas.check_new(tx, new)

    def _check_change(self, tx: Transaction, current: Subscription, after: Subscription) -> None:
        # Patterns that stay are not judged again: their event type may have been deleted since.
        self._check_event_types(tx, set(after.event_types).difference(current.event_types))
        _check_display_name_free(tx, after)
        self._quotas.check_change(tx, current, after)

    def _check_event_types(self, tx: Transaction, patterns: Collection[str]) -> None:
        if self._allow_unknown_event_types:
            return
        exact = [pattern for pattern in patterns if is_exact(pattern) and pattern not in OPERATIONAL_EVENT_TYPES]
        for pattern in sorted(event_types.missing(tx, exact)):
            raise EventTypeUnknown("subscription.event_types", pattern)


def _store(tx: Transaction, current: Subscription, after: Subscription, *, announcement_id: str) -> None:
    """Store a change, with what follows from it: the release of what is held, and the announcement of a resumption."""
    subscriptions.update(tx, after)
    if after.health != current.health:
        lanes.store(tx, {after.uid: after.health})
    if after.signature_scheme is not current.signature_scheme:
        signing_keys.rescheme(tx, after.uid, after.signature_scheme)
    if after.state is SubscriptionState.ACTIVE and current.state is not SubscriptionState.ACTIVE:
        sweeps.start_release(tx, after.uid)
    if current.suspension is not None and after.suspension is None:
        resumed = subscription_resumed(after, id=announcement_id, now_ms=after.update_time_ms)
        announcements.insert(tx, [resumed])


def _earlier(tx: Transaction, creation: Creation, *, now_ms: int) -> Keyed | None:
    """Return what the first of several equal requests created, as it is now; None if this is the first."""
    return management_requests.find_given_key(
        tx,
        creation.workspace,
        method=_CREATE,
        request_id=creation.request_id,
        digest=creation.fingerprint,
        did="created",
        now_ms=now_ms,
    )


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
