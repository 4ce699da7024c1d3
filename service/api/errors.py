"""The one place that turns what went wrong into a gRPC status with google.rpc details."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RequestInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus

from service.api.convert import duration
from service.domain.errors import CallerError, ErrorReason, LimitReached, ResourceError, Unavailable

DOMAIN = "tidings.v1"
DETAILS_KEY = "grpc-status-details-bin"

# gRPC begins to drop statuses at 8 KiB of metadata, at random, and the client sees RESOURCE_EXHAUSTED instead. The
# message travels twice more inside the details, and base64 and percent-encoding come on top of all.
_MESSAGE_BYTES_MAX = 1024
_NAME_BYTES_MAX = 256

CODES: Mapping[ErrorReason, grpc.StatusCode] = MappingProxyType(
    {
        ErrorReason.INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorReason.INVALID_FILTER: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorReason.INVALID_PAGE_TOKEN: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorReason.PAYLOAD_SCHEMA_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorReason.PAYLOAD_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorReason.DESTINATION_FORBIDDEN: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorReason.RESOURCE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
        ErrorReason.EVENT_TYPE_UNKNOWN: grpc.StatusCode.NOT_FOUND,
        ErrorReason.RESOURCE_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
        ErrorReason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
        ErrorReason.STATE_CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
        ErrorReason.ETAG_MISMATCH: grpc.StatusCode.ABORTED,
        ErrorReason.QUOTA_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        ErrorReason.BACKLOG_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
        ErrorReason.DISK_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
        ErrorReason.DRAINING: grpc.StatusCode.UNAVAILABLE,
        ErrorReason.STORAGE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        ErrorReason.RESUME_TOKEN_EXPIRED: grpc.StatusCode.OUT_OF_RANGE,
        ErrorReason.CREDENTIAL_INVALID: grpc.StatusCode.UNAUTHENTICATED,
        ErrorReason.PERMISSION_MISSING: grpc.StatusCode.PERMISSION_DENIED,
        ErrorReason.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    }
)


@dataclass(frozen=True, slots=True)
class Status:
    """What a failed call answers. `reason` is None for a failure that is ours, not the caller's."""

    code: grpc.StatusCode
    message: str
    reason: ErrorReason | None
    trailing_metadata: tuple[tuple[str, bytes], ...]


def status_of(error: CallerError) -> Status:
    """Return the status for what a caller did wrong: a message of at most 1 KiB, details of at most 4 KiB."""
    message = _cut(error.message, _MESSAGE_BYTES_MAX)
    return _status(CODES[error.reason], message, error.reason, _details(error, message))


def internal_status(call_id: str) -> Status:
    """Return the status for a bug or an outage. It says nothing but where in the log to look."""
    message = f"internal error; the server's log has it under call_id {call_id}"
    return _status(grpc.StatusCode.INTERNAL, message, None, [RequestInfo(request_id=call_id)])


def _details(error: CallerError, message: str) -> Iterator[Message]:
    yield ErrorInfo(reason=error.reason, domain=DOMAIN)
    if error.field is not None:
        violation = BadRequest.FieldViolation(
            field=_cut(error.field, _NAME_BYTES_MAX), description=message.removeprefix(f"{error.field}: ")
        )
        yield BadRequest(field_violations=[violation])
    if isinstance(error, Unavailable) and error.retry_after_s is not None:
        yield RetryInfo(retry_delay=duration(error.retry_after_s))
    if isinstance(error, LimitReached):
        violation_of_quota = QuotaFailure.Violation(subject=_cut(error.subject, _NAME_BYTES_MAX), description=message)
        yield QuotaFailure(violations=[violation_of_quota])
    if isinstance(error, ResourceError):
        yield ResourceInfo(
            resource_type=_cut(error.resource_type, _NAME_BYTES_MAX),
            resource_name=_cut(error.resource_name, _NAME_BYTES_MAX),
        )


def _status(code: grpc.StatusCode, message: str, reason: ErrorReason | None, details: Iterable[Message]) -> Status:
    number, _ = code.value
    rpc_status = RpcStatus(code=number, message=message)
    for detail in details:
        rpc_status.details.add().Pack(detail)
    return Status(code, message, reason, ((DETAILS_KEY, rpc_status.SerializeToString()),))


def _cut(text: str, bytes_max: int) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= bytes_max:
        return encoded.decode()
    return encoded[: bytes_max - len("...")].decode("utf-8", "ignore") + "..."
