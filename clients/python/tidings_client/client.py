"""A connection to a Tidings server, with the stubs of its services. Knows nothing of webhooks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, Unpack

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from tidings.v1 import event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2
from tidings.v1.event_types_pb2_grpc import EventTypeServiceStub
from tidings.v1.notifications_pb2_grpc import NotificationServiceStub
from tidings.v1.publishing_pb2_grpc import PublishServiceStub
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceStub
from tidings_client.outgoing import AsyncOutgoing, Outgoing

if TYPE_CHECKING:
    from tidings.v1.event_types_pb2_grpc import EventTypeServiceAsyncStub
    from tidings.v1.notifications_pb2_grpc import NotificationServiceAsyncStub
    from tidings.v1.publishing_pb2_grpc import PublishServiceAsyncStub
    from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceAsyncStub

TIMEOUT_S: Final = 30.0

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_FILES: Final = (event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2)
# UNAVAILABLE means "unknown". A repetition sends the same bytes, so a request_id in them makes it harmless.
_RETRIES: Final = {
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# A request over this is not repeated. The server takes at most 4 MiB; gRPC's own limit is 256 KiB.
_RETRY_BUFFER_BYTES: Final = 8 * 1024 * 1024
# Notices a server that vanished without a goodbye. The server allows a ping every 10 seconds.
_KEEPALIVE_MS: Final = 30_000
_KEEPALIVE_TIMEOUT_MS: Final = 10_000


class Client:
    """The services of a Tidings server, one attribute each. Threads may share it. Close it, or use it with `with`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.publishing = PublishServiceStub(channel)
        self.subscriptions = SubscriptionServiceStub(channel)
        self.event_types = EventTypeServiceStub(channel)
        self.notifications = NotificationServiceStub(channel)

    def close(self) -> None:
        """Close the connection. Calls that run end with CANCELLED."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: every call is awaited or iterated over. Close it, or use it with `async with`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.publishing: PublishServiceAsyncStub = PublishServiceStub(channel)
        self.subscriptions: SubscriptionServiceAsyncStub = SubscriptionServiceStub(channel)
        self.event_types: EventTypeServiceAsyncStub = EventTypeServiceStub(channel)
        self.notifications: NotificationServiceAsyncStub = NotificationServiceStub(channel)

    async def close(self) -> None:
        """Close the connection. Calls that run end with CANCELLED."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


class ConnectOptions(TypedDict, total=False):
    """How to connect.

    Args:
        token: `tdg_<id>_<secret>`, sent with every call. A server without `--dev` needs it, or a certificate.
        tls: whether to encrypt. By default everywhere but on loopback and unix sockets.
        root_certificates: in PEM, which certificate authorities to trust. By default those that gRPC ships.
        certificate_chain: in PEM, the certificate that says who this client is, before those that vouch for it. For a
            server that grants something to the identity in it (mTLS).
        private_key: in PEM, that of the certificate.
        allow_plaintext_token: send the token also where everybody on the way can read it. Only for networks that
            encrypt by themselves, with `tls=False`.
        timeout_s: the deadline of a call with one response that has none of its own; a stream has none.
    """

    token: str | None
    tls: bool | None
    root_certificates: bytes | None
    certificate_chain: bytes | None
    private_key: bytes | None
    allow_plaintext_token: bool
    timeout_s: float


def connect(target: str, **options: Unpack[ConnectOptions]) -> Client:
    """Return a client of the server at `target`. Connects with the first call, and again whenever it must.

    A request without a request_id gets one, so that it can be repeated: what ends with UNAVAILABLE, and reads or has a
    request_id, is sent up to four times more, within its deadline. A call that you repeat yourself, and the items of a
    StreamPublish, need request_ids of your own: only you know what is the same.

    Args:
        target: `host:port`, `[ipv6]:port` or `unix:path`.
        options: see `ConnectOptions`.

    Raises:
        ValueError: the token would be sent unencrypted over a network, or cannot be one; a certificate without its key,
            or the other way round, or without TLS.
    """
    connection = _Connection(target, **options)
    credentials = connection.credentials()
    if credentials is None:
        channel = grpc.insecure_channel(target, _channel_options())
    else:
        channel = grpc.secure_channel(target, credentials, _channel_options())
    return Client(grpc.intercept_channel(channel, Outgoing(connection.token, connection.timeout_s)))


def connect_async(target: str, **options: Unpack[ConnectOptions]) -> AsyncClient:
    """Return a client for asyncio; see `connect`. Call it inside the event loop that is to use it."""
    connection = _Connection(target, **options)
    credentials = connection.credentials()
    interceptors = AsyncOutgoing.of_every_kind(connection.token, connection.timeout_s)
    if credentials is None:
        return AsyncClient(grpc.aio.insecure_channel(target, _channel_options(), interceptors=interceptors))
    return AsyncClient(grpc.aio.secure_channel(target, credentials, _channel_options(), interceptors=interceptors))


@dataclass(frozen=True, slots=True, repr=False)
class _Connection:
    """Where to connect to, and how; see `ConnectOptions`. Not shown, for there are secrets in it."""

    target: str
    token: str | None = None
    tls: bool | None = None
    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = None
    allow_plaintext_token: bool = False
    timeout_s: float = TIMEOUT_S

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what to encrypt with; None where nothing is encrypted."""
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            # gRPC would fail at the first call, and speak of metadata. A line end comes from reading a file.
            raise ValueError("the token must be of visible ASCII characters, without spaces and line ends")
        if (self.certificate_chain is None) != (self.private_key is None):
            raise ValueError("certificate_chain and private_key need each other")
        is_local = _is_local(self.target)
        if not is_local if self.tls is None else self.tls:
            return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)
        if self.certificate_chain is not None:
            raise ValueError("a certificate is shown over TLS only; on this machine that is used with tls=True")
        if self.token is not None and not is_local and not self.allow_plaintext_token:
            raise ValueError(f"without TLS, everybody on the way to {self.target} could read the token")
        return None


def _is_local(target: str) -> bool:
    """Say whether a target cannot be listened to from outside of this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = target.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _channel_options() -> Sequence[tuple[str, Any]]:
    methods = [{"service": method.containing_service.full_name, "method": method.name} for method in _repeatable()]
    return (
        ("grpc.service_config", json.dumps({"methodConfig": [{"name": methods, "retryPolicy": _RETRIES}]})),
        ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER_BYTES),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    )


def _repeatable() -> Iterator[MethodDescriptor]:
    """Yield the methods that do no harm when they are carried out twice: those that read, or have a request_id."""
    services = [service for file in _FILES for service in file.DESCRIPTOR.services_by_name.values()]
    for method in (method for service in services for method in service.methods):
        reads = method.name.startswith(("Get", "List", "Explain", "Validate"))
        if reads or _has_request_id(method.input_type):
            yield method


def _has_request_id(request: Descriptor | None) -> bool:
    fields = {} if request is None else request.fields_by_name
    return "request_id" in fields or ("requests" in fields and _has_request_id(fields["requests"].message_type))
