"""What an entry of the audit log says of a change."""

from dataclasses import replace

from service.domain.access import SERVER
from service.domain.audit import AuditEntry, entry_of
from tests.domain.test_masking import EVENT_TYPE
from tests.fakes import NOW_MS, TESTER, WORKSPACE, subscription_of


def test_entry_says_who_did_what_to_what() -> None:
    """An event type belongs to no workspace."""
    before = subscription_of("a")
    of_subscription = entry_of(
        TESTER, "UpdateSubscription", before, replace(before, enabled=False), time_ms=NOW_MS, request_id="r-1"
    )
    of_event_type = entry_of(SERVER, "CreateEventType", None, EVENT_TYPE, time_ms=NOW_MS)

    assert (TESTER, "UpdateSubscription", WORKSPACE, before.name, NOW_MS, "r-1") == (
        of_subscription.actor,
        of_subscription.action,
        of_subscription.workspace,
        of_subscription.resource,
        of_subscription.time_ms,
        of_subscription.request_id,
    )
    assert (None, "eventTypes/agent.created", "") == (
        of_event_type.workspace,
        of_event_type.resource,
        of_event_type.request_id,
    )


def test_changed_fields_are_those_that_differ() -> None:
    """With what follows: a subscription that is disabled has another state. None where there is but one side."""
    before = subscription_of("a")
    update = entry_of(TESTER, "x", before, replace(before, enabled=False), time_ms=NOW_MS)

    assert ["enabled", "state"] == update.changed_fields
    assert [] == entry_of(TESTER, "x", before, before, time_ms=NOW_MS).changed_fields
    assert [] == entry_of(TESTER, "x", None, before, time_ms=NOW_MS).changed_fields
    assert [] == entry_of(TESTER, "x", before, None, time_ms=NOW_MS).changed_fields


def test_field_that_only_one_side_has_is_changed() -> None:
    """Whoever writes an entry by hand may leave out what is not there."""
    entry = AuditEntry(TESTER, "token revoke", None, "tokens/t", NOW_MS, before={"a": 1}, after={"a": 1, "b": 2})

    assert ["b"] == entry.changed_fields
