"""The gRPC server: where it listens, what it serves, how it starts and how it ends."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from service.api.addresses import ListenAddress, ListenError, UnixAddress, check_free, parse_address
from service.api.calls import Calls
from service.api.health import Health
from service.api.reflection import reflection_handlers
from service.api.tls import Tls
from tidings.v1 import event_types_pb2, notifications_pb2, publishing_pb2, subscriptions_pb2
from tidings.v1.event_types_pb2_grpc import EventTypeServiceServicer, add_EventTypeServiceServicer_to_server
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer, add_NotificationServiceServicer_to_server
from tidings.v1.publishing_pb2_grpc import PublishServiceServicer, add_PublishServiceServicer_to_server
from tidings.v1.subscriptions_pb2_grpc import SubscriptionServiceServicer, add_SubscriptionServiceServicer_to_server

RECEIVE_BYTES_MAX = 8 * 1024 * 1024
CONNECTION_AGE_S = 60.0 * 60
# For streams: time to notice, and to go on over another connection.
CONNECTION_AGE_GRACE_S = 5.0 * 60
# Of each address.
CONNECTIONS_MAX = 10_000
HANDSHAKE_S = 10.0
# Some times as long as it takes to every corner of the world and back.
SETTINGS_S = 2.0
# Of each connection: as many as the server takes of any one method. Clients keep the rest until others have ended.
_STREAMS_MAX = 1_000
_METADATA_BYTES_MAX = 16 * 1024
# A bit for each of grpc's algorithms; the first is that of none.
_UNCOMPRESSED = 0b1
# For its owner and the group: who may connect is who may write to it.
_SOCKET_UMASK = 0o117

# What is left after the running calls have ended: watches that were told to end, reflection, refusals.
_LAST_ANSWERS_S = 0.5

SERVICES: tuple[str, ...] = tuple(
    service.full_name
    for file in (subscriptions_pb2, event_types_pb2, publishing_pb2, notifications_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)


@dataclass(frozen=True, slots=True)
class Servicers:
    """The services of the contract. A method that a servicer does not override answers UNIMPLEMENTED."""

    subscriptions: SubscriptionServiceServicer
    event_types: EventTypeServiceServicer
    publishing: PublishServiceServicer
    notifications: NotificationServiceServicer

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register all of them."""
        add_SubscriptionServiceServicer_to_server(self.subscriptions, server)
        add_EventTypeServiceServicer_to_server(self.event_types, server)
        add_PublishServiceServicer_to_server(self.publishing, server)
        add_NotificationServiceServicer_to_server(self.notifications, server)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What grpc allows before anything here sees a call.

    `receive_bytes_max` is where it cuts a request off, with RESOURCE_EXHAUSTED: more than the API takes. Whoever has
    not got through TLS and HTTP/2's preface after `handshake_s` is cut off too, and so is who has not acknowledged
    these limits after `settings_s`. A connection of `age_s` takes no more calls, and its client makes another; those
    that run have `age_grace_s` to end, and then get UNAVAILABLE.
    """

    receive_bytes_max: int = RECEIVE_BYTES_MAX
    connections_max: int = CONNECTIONS_MAX
    handshake_s: float = HANDSHAKE_S
    settings_s: float = SETTINGS_S
    age_s: float = CONNECTION_AGE_S
    age_grace_s: float = CONNECTION_AGE_GRACE_S


class ApiServer:
    """The services of the contract, with health and reflection. Make it inside the running event loop.

    Args:
        listen: addresses `host:port`, `[ipv6]:port` or `unix:path`; port 0 means any free one.
        tls: what encrypts connections to hosts and ports. Without it they are in plaintext, as unix sockets always
            are; whether that is acceptable is the caller's decision: see `service.api.addresses.is_loopback`.
        calls: what every call goes through; endless streams wait for its `draining`.
        servicers: the services of the contract.
        limits: what grpc itself allows.
        reflection: whether clients may ask what the server can do.
    """

    def __init__(
        self,
        *,
        listen: Sequence[str],
        calls: Calls,
        servicers: Servicers,
        tls: Tls | None = None,
        limits: ConnectionLimits = ConnectionLimits(),
        reflection: bool = True,
    ) -> None:
        self._listen = tuple(listen)
        self._tls = tls
        self._calls = calls
        self._health = Health(SERVICES)
        self._server = grpc.aio.server(interceptors=(calls,), options=_options(limits))
        servicers.add_to(self._server)
        add_HealthServicer_to_server(self._health, self._server)
        if reflection:
            health_service = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
            self._server.add_generic_rpc_handlers(reflection_handlers((*SERVICES, health_service)))

    async def start(self) -> tuple[str, ...]:
        """Begin to answer, with health at NOT_SERVING, and return the addresses with the ports they really have.

        Raises:
            ListenError: one of the addresses cannot be had. The server is of no more use.
        """
        bound = [await self._bind(address) for address in self._listen]
        await self._server.start()
        return tuple(bound)

    def set_serving(self) -> None:
        """Let health say SERVING. For when everything behind the server is up."""
        self._health.set_serving(True)

    def drain(self) -> None:
        """Let health say NOT_SERVING and refuse new calls. Those that run go on."""
        self._health.set_serving(False)
        self._calls.drain()

    async def stop(self, grace_s: float) -> None:
        """Drain, wait until the running calls have been answered but no longer than `grace_s`, and stop.

        Returns after the last handler has ended, at most a second later than that. Streams that end only at `draining`
        use up the grace if they do not heed it; watches of health never do.
        """
        self.drain()
        await self._drained(grace_s)
        self._health.end_watches()
        await self._server.stop(_LAST_ANSWERS_S)
        # grpc has cancelled what still ran, but does not wait for the handlers to clean up.
        await self._drained(_LAST_ANSWERS_S)

    async def _drained(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._calls.drained()

    async def _bind(self, text: str) -> str:
        address = parse_address(text)
        await check_free(address)
        try:
            port = self._open(address)
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {address}") from error
        return str(address.with_port(port))

    def _open(self, address: ListenAddress) -> int:
        if isinstance(address, UnixAddress):
            with _umask(_SOCKET_UMASK):
                return self._server.add_insecure_port(str(address))
        if self._tls is None:
            return self._server.add_insecure_port(str(address))
        return self._server.add_secure_port(str(address), self._tls.credentials())


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    """Let the files that are made have these permissions from the start, so that nobody gets in between."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _options(limits: ConnectionLimits) -> tuple[tuple[str, int], ...]:
    return (
        # Otherwise a second server gets the same port, and half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", limits.receive_bytes_max),
        # What is not read yet of a call would take 4 MiB, up to 128 on a fast network; so it takes 64 KiB. More of a
        # large message is asked for with the message, so that costs the way there and back once; and one stream of
        # small ones brings 64 KiB in that time, which is 64 MB a second where it takes 1 ms.
        ("grpc.http2.bdp_probe", 0),
        # Some KiB of gzip become MiB of memory, for whoever asks, before it is known who that is.
        ("grpc.compression_enabled_algorithms_bitset", _UNCOMPRESSED),
        # Between a lower soft limit and this one grpc would refuse calls by chance.
        ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
        # By default one connection may have any number of calls under way.
        ("grpc.max_concurrent_streams", _STREAMS_MAX),
        ("grpc.max_allowed_incoming_connections", limits.connections_max),
        # Whoever connects and then says nothing would be waited for two minutes.
        ("grpc.server_handshake_timeout_ms", round(limits.handshake_s * 1000)),
        # grpc holds a client to the limits of streams and metadata only once it has acknowledged them: 77 MiB of
        # headers took 1.1 GiB of memory before. By default it would wait for that for 20 seconds.
        ("grpc.http2.settings_timeout", round(limits.settings_s * 1000)),
        # By default a client that asks more than every 5 minutes whether the server is alive is thrown out, ...
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # ... and so is one that asks too often for the third time.
        ("grpc.http2.max_ping_strikes", 2),
        # Notices watchers that vanished without a goodbye.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Connections that nobody uses leave their place to others.
        ("grpc.max_connection_idle_ms", 10 * 60_000),
        # Clients find new servers behind a name, and prove anew who they are. grpc adds up to 10 % either way.
        ("grpc.max_connection_age_ms", round(limits.age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round(limits.age_grace_s * 1000)),
    )
