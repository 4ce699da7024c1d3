"""What a caller did wrong, as the client sees it."""

from collections.abc import Callable
from functools import partial

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RequestInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from hypothesis import given
from hypothesis import strategies as st

from service.api.errors import CODES, DETAILS_KEY, Status, internal_status, status_of
from service.api.reflection import described_files
from service.domain.errors import (
    BacklogFull,
    CallerError,
    DiskFull,
    Draining,
    ErrorReason,
    EtagMismatch,
    EventTypeUnknown,
    InvalidField,
    LimitReached,
    PayloadTooLarge,
    Quota,
    QuotaExceeded,
    ResourceNotFound,
    Unimplemented,
)
from tidings.v1 import errors_pb2

_PREFIX = "ERROR_REASON_"
_KINDS: dict[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (ErrorInfo, BadRequest, RetryInfo, ResourceInfo, RequestInfo, QuotaFailure)
}


def rpc_status(status: Status) -> RpcStatus:
    """Return the google.rpc.Status that a status carries in its trailer."""
    [(key, value)] = status.trailing_metadata
    assert key == DETAILS_KEY
    return RpcStatus.FromString(value)


def details(status: Status) -> list[Message]:
    """Return the unpacked details of a status, in order."""
    return [_KINDS[packed.TypeName()].FromString(packed.value) for packed in rpc_status(status).details]


def test_every_reason_has_a_code() -> None:
    """A reason without a code would turn a caller's mistake into an INTERNAL error."""
    assert set(ErrorReason) == set(CODES)


def test_reasons_are_those_of_the_contract() -> None:
    """Clients switch on the names in errors.proto, so ours must not differ."""
    promised = {name.removeprefix(_PREFIX) for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }

    assert promised == {reason.value for reason in ErrorReason} == {reason.name for reason in ErrorReason}


def test_codes_are_those_that_the_contract_documents() -> None:
    """Each comment in errors.proto begins with the code, in the words of gRPC."""
    [file] = [file for file in described_files() if file.name == "tidings/v1/errors.proto"]
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    documented = {
        value.name.removeprefix(_PREFIX): comments[5, 0, 2, index].split(":")[0].strip()
        for index, value in enumerate(file.enum_type[0].value)
        if value.number != 0
    }

    assert documented == {reason.value: code.name for reason, code in CODES.items()}


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (
            InvalidField("event.json", "must be JSON"),
            grpc.StatusCode.INVALID_ARGUMENT,
            [
                ErrorInfo(reason="INVALID_FIELD", domain="tidings.v1"),
                BadRequest(
                    field_violations=[BadRequest.FieldViolation(field="event.json", description="must be JSON")]
                ),
            ],
        ),
        (
            ResourceNotFound("subscription", "organizations/a/workspaces/b/subscriptions/c"),
            grpc.StatusCode.NOT_FOUND,
            [
                ErrorInfo(reason="RESOURCE_NOT_FOUND", domain="tidings.v1"),
                ResourceInfo(
                    resource_type="subscription", resource_name="organizations/a/workspaces/b/subscriptions/c"
                ),
            ],
        ),
        (
            EtagMismatch("the subscription was changed"),
            grpc.StatusCode.ABORTED,
            [ErrorInfo(reason="ETAG_MISMATCH", domain="tidings.v1")],
        ),
        (
            Unimplemented("filter is not implemented by this version"),
            grpc.StatusCode.UNIMPLEMENTED,
            [ErrorInfo(reason="UNIMPLEMENTED", domain="tidings.v1")],
        ),
    ],
)
def test_error_becomes_code_message_and_details(
    error: CallerError, code: grpc.StatusCode, expected: list[Message]
) -> None:
    """The code is for retries, the reason for programs, the message for people, the rest for tools."""
    status = status_of(error)

    assert (code, error.message) == (status.code, status.message)
    assert expected == details(status)
    assert (code.value[0], error.message) == (rpc_status(status).code, rpc_status(status).message)


def test_unknown_event_type_names_both_the_field_and_the_resource() -> None:
    """It is wrong in the request, and it is missing on the server."""
    status = status_of(EventTypeUnknown("event.event_type", "agent.gone"))

    kinds = [type(detail) for detail in details(status)]
    assert [ErrorInfo, BadRequest, ResourceInfo] == kinds


@pytest.mark.parametrize("error", [Draining("later", retry_after_s=1.5), DiskFull("no room", retry_after_s=1.5)])
def test_error_that_passes_says_when_to_try_again(error: CallerError) -> None:
    """Clients wait for as long as RetryInfo says, not for as long as they like."""
    [_, retry] = details(status_of(error))

    assert isinstance(retry, RetryInfo)
    assert 1500 == retry.retry_delay.ToMilliseconds()


@pytest.mark.parametrize("kind", [BacklogFull, partial(QuotaExceeded, quota=Quota.CALLS)], ids=["backlog", "quota"])
def test_limit_that_is_reached_says_whose_it_is(kind: Callable[..., LimitReached]) -> None:
    """And when to try again."""
    [_, retry, failure] = details(status_of(kind("there is no room", subject="server", retry_after_s=2)))

    assert isinstance(retry, RetryInfo)
    assert 2 == retry.retry_delay.seconds
    assert (
        QuotaFailure(violations=[QuotaFailure.Violation(subject="server", description="there is no room")]) == failure
    )


@given(text=st.text(st.characters(), min_size=1).map(lambda text: text * 2000))
def test_status_stays_below_what_grpc_transports(text: str) -> None:
    """Above 8 KiB of metadata a client randomly sees RESOURCE_EXHAUSTED instead of the error."""
    errors: list[CallerError] = [
        EventTypeUnknown(text, text),
        ResourceNotFound(text, text),
        PayloadTooLarge(text, text),
        Draining(text),
        BacklogFull(text, subject=text),
    ]
    for error in errors:
        status = status_of(error)
        [(_, trailer)] = status.trailing_metadata

        assert 1024 >= len(status.message.encode())
        assert 4096 >= len(trailer)
        # As it travels: base64, and each byte outside of ASCII as %XX.
        assert 8192 >= len(trailer) * 4 / 3 + 3 * len(status.message.encode())


def test_internal_error_tells_nothing_but_the_call() -> None:
    """What went wrong is for the log; the call id finds it there."""
    status = internal_status("0199-1")

    assert (grpc.StatusCode.INTERNAL, None) == (status.code, status.reason)
    assert "internal error; the server's log has it under call_id 0199-1" == status.message
    assert [RequestInfo(request_id="0199-1")] == details(status)
