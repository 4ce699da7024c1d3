"""What is added to every call on its way out: the token, a deadline, and a request_id."""

import secrets
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message


class _Additions:
    def __init__(self, token: str | None, timeout_s: float) -> None:
        self._authorization = () if token is None else (("authorization", f"Bearer {token}"),)
        self._timeout_s = timeout_s

    def unary(self, continuation: Any, details: Any, request: Any) -> Any:
        timeout_s = self._timeout_s if details.timeout is None else details.timeout
        return continuation(self._authorized(details)._replace(timeout=timeout_s), identified(request))

    def stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._authorized(details), requests)

    def _authorized(self, details: Any) -> Any:
        # Both of gRPC's kinds of details are named tuples; grpc.aio wants its own kind of metadata.
        metadata = grpc.aio.Metadata(*(details.metadata or ()), *self._authorization)
        return details._replace(metadata=metadata)


class Outgoing(
    _Additions,
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """The interceptor of a channel."""

    intercept_unary_unary: Any = _Additions.unary
    intercept_unary_stream: Any = _Additions.stream
    intercept_stream_unary: Any = _Additions.stream
    intercept_stream_stream: Any = _Additions.stream


class AsyncOutgoing(_Additions):
    """The same for asyncio, where an interceptor is of one kind only."""

    @classmethod
    def of_every_kind(cls, token: str | None, timeout_s: float) -> list[Any]:
        """Return the interceptors of a channel."""
        return [kind(token, timeout_s) for kind in (_AsyncUnary, _AsyncResponses, _AsyncRequests, _AsyncBoth)]


class _AsyncUnary(AsyncOutgoing, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary: Any = _Additions.unary


class _AsyncResponses(AsyncOutgoing, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream: Any = _Additions.stream


class _AsyncRequests(AsyncOutgoing, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary: Any = _Additions.stream


class _AsyncBoth(AsyncOutgoing, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream: Any = _Additions.stream


def identified(request: Message) -> Message:
    """Return a request with a request_id wherever one is missing, in a copy: sent again it is another request.

    An event_id without a request_id is left alone, for it serves as one.
    """
    if not any(map(_lacks_id, _identifiable(request))):
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    for each in filter(_lacks_id, _identifiable(copy)):
        each.request_id = secrets.token_hex(16)
    return copy


def _identifiable(request: Any) -> list[Any]:
    fields = request.DESCRIPTOR.fields_by_name
    if "request_id" in fields:
        return [request]
    return list(request.requests) if "requests" in fields else []


def _lacks_id(request: Any) -> bool:
    return not request.request_id and not getattr(request, "event_id", "")
