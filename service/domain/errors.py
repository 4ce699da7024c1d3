"""What a caller can do wrong, each with its reason.

Raised by the rules and the use cases; `service.api.errors` is the one place that turns them into a gRPC status. This
module knows nothing of gRPC.
"""

from enum import StrEnum
from typing import ClassVar

from service.domain.masking import masked

_QUOTED_CHARACTERS_MAX = 120


class ErrorReason(StrEnum):
    """The `reason` of a google.rpc.ErrorInfo; names equal `tidings.v1.ErrorReason` without its prefix."""

    INVALID_FIELD = "INVALID_FIELD"
    INVALID_FILTER = "INVALID_FILTER"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    PAYLOAD_SCHEMA_MISMATCH = "PAYLOAD_SCHEMA_MISMATCH"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    DESTINATION_FORBIDDEN = "DESTINATION_FORBIDDEN"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    EVENT_TYPE_UNKNOWN = "EVENT_TYPE_UNKNOWN"
    RESOURCE_EXISTS = "RESOURCE_EXISTS"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    STATE_CONFLICT = "STATE_CONFLICT"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    BACKLOG_FULL = "BACKLOG_FULL"
    DISK_FULL = "DISK_FULL"
    DRAINING = "DRAINING"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    RESUME_TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED"
    CREDENTIAL_INVALID = "CREDENTIAL_INVALID"
    PERMISSION_MISSING = "PERMISSION_MISSING"
    UNIMPLEMENTED = "UNIMPLEMENTED"


class Quota(StrEnum):
    """What there can be too much of; names for people and for metrics."""

    EVENTS_PER_SECOND = "events_per_second"
    BYTES_PER_SECOND = "bytes_per_second"
    SUBSCRIPTIONS = "subscriptions"
    FILTERS = "filters"
    TOKENS = "tokens"
    CALLS = "calls"
    CALLS_OF_CALLER = "calls_of_caller"
    REQUEST_BYTES = "request_bytes"
    REQUEST_BYTES_OF_CALLER = "request_bytes_of_caller"


def quoted(value: object) -> str:
    """Return a value as it may stand in a message: in quotes, escaped to printable ASCII, cut at 120 characters."""
    text = str(value)
    escaped = ascii(text[:_QUOTED_CHARACTERS_MAX])[1:-1].replace('"', '\\"')
    shown = escaped[:_QUOTED_CHARACTERS_MAX]
    is_cut = len(text) > _QUOTED_CHARACTERS_MAX or len(escaped) > _QUOTED_CHARACTERS_MAX
    return f'"{shown}{"..." if is_cut else ""}"'


class CallerError(Exception):
    """A request that cannot be carried out as sent. Its message is written for the caller.

    It must not quote a secret, for callers log what they are answered. What looks like one, because somebody has put it
    into another field, is masked.
    """

    reason: ClassVar[ErrorReason]

    def __init__(self, message: str, *, field: str | None = None) -> None:
        self.message = masked(message)
        self.field = None if field is None else masked(field)
        super().__init__(self.message)


class InvalidField(CallerError):
    """A field whose value is not allowed. The message reads: path, what is allowed, what was given."""

    reason = ErrorReason.INVALID_FIELD

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", field=field)


class InvalidFilter(InvalidField):
    """A CEL filter that does not compile, or that could take too long."""

    reason = ErrorReason.INVALID_FILTER


class PayloadTooLarge(InvalidField):
    """A payload, or a whole request, over its limit."""

    reason = ErrorReason.PAYLOAD_TOO_LARGE


class PayloadSchemaMismatch(InvalidField):
    """A payload that does not match the JSON Schema of its event type."""

    reason = ErrorReason.PAYLOAD_SCHEMA_MISMATCH


class DestinationForbidden(InvalidField):
    """A URL that the egress rules do not let Tidings call."""

    reason = ErrorReason.DESTINATION_FORBIDDEN


class InvalidPageToken(InvalidField):
    """A page token that was not made by this list with these filters."""

    reason = ErrorReason.INVALID_PAGE_TOKEN


class CredentialInvalid(CallerError):
    """No credential, or none that counts: unknown, expired or revoked.

    `holder` is whose it is, for the log, where it was proven to be theirs.
    """

    reason = ErrorReason.CREDENTIAL_INVALID

    def __init__(self, message: str, *, holder: str | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class PermissionMissing(CallerError):
    """Who calls is known, and may not do this."""

    reason = ErrorReason.PERMISSION_MISSING


class Unimplemented(CallerError):
    """A part of the contract that this version does not carry out yet."""

    reason = ErrorReason.UNIMPLEMENTED


class ResourceError(CallerError):
    """An error about one named resource."""

    def __init__(self, message: str, *, resource_type: str, resource_name: str, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.resource_type = resource_type
        self.resource_name = masked(resource_name)


class ResourceNotFound(ResourceError):
    """No such resource in a workspace that the caller may see."""

    reason = ErrorReason.RESOURCE_NOT_FOUND

    def __init__(self, resource_type: str, resource_name: str, *, note: str = "") -> None:
        super().__init__(
            f"no {resource_type} named {quoted(resource_name)}{note and ': '}{note}",
            resource_type=resource_type,
            resource_name=resource_name,
        )


class EventTypeUnknown(ResourceError):
    """An event type that was never created."""

    reason = ErrorReason.EVENT_TYPE_UNKNOWN

    def __init__(self, field: str, event_type: str) -> None:
        super().__init__(
            f"{field}: there is no event type {quoted(event_type)}; create it with CreateEventType first",
            resource_type="event type",
            resource_name=f"eventTypes/{event_type}",
            field=field,
        )


class ResourceExists(ResourceError):
    """Something with this identifier, or this unique value, is there already."""

    reason = ErrorReason.RESOURCE_EXISTS


class RequestIdReused(CallerError):
    """A request_id (or event_id) that was used for another request."""

    reason = ErrorReason.REQUEST_ID_REUSED


class StateConflict(CallerError):
    """The resource is in a state that does not allow this; the message says which, and what would."""

    reason = ErrorReason.STATE_CONFLICT


class ResumeTokenExpired(CallerError):
    """A watch that wants to go on after a change so old that those behind it are no longer kept."""

    reason = ErrorReason.RESUME_TOKEN_EXPIRED


class EtagMismatch(CallerError):
    """The resource was changed since the caller read it."""

    reason = ErrorReason.ETAG_MISMATCH


class Unavailable(CallerError):
    """The server cannot do this now; the same request may succeed after `retry_after_s`.

    None where time alone changes nothing: somebody has to make room first.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DiskFull(Unavailable):
    """The database's disk has no room for another event."""

    reason = ErrorReason.DISK_FULL


class LimitReached(Unavailable):
    """A limit is reached; `subject` says whose: a workspace, a method, a caller, or "server"."""

    def __init__(self, message: str, *, subject: str, retry_after_s: float | None = 1.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.subject = subject


class QuotaExceeded(LimitReached):
    """As much goes on at once, comes in a second, or is there, as may."""

    reason = ErrorReason.QUOTA_EXCEEDED

    def __init__(self, message: str, *, quota: Quota, subject: str, retry_after_s: float | None) -> None:
        super().__init__(message, subject=subject, retry_after_s=retry_after_s)
        self.quota = quota


class BacklogFull(LimitReached):
    """As many notifications wait as may."""

    reason = ErrorReason.BACKLOG_FULL


class Draining(Unavailable):
    """The server is shutting down."""

    reason = ErrorReason.DRAINING


class StorageUnavailable(Unavailable):
    """The database does not answer."""

    reason = ErrorReason.STORAGE_UNAVAILABLE
