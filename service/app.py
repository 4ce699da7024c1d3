"""The composition root: builds every object, and says in which order a server starts and stops."""

import asyncio
import contextlib
import resource
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from random import Random, SystemRandom

import structlog

from service.api.addresses import ListenError, TcpAddress, check_free, is_loopback, parse_address
from service.api.authentication import Authentication
from service.api.calls import Calls
from service.api.event_types import EventTypeService
from service.api.explaining import Explanations
from service.api.limits import CallLimits
from service.api.notifications import NotificationService
from service.api.publishing import PublishService
from service.api.server import CONNECTIONS_MAX, ApiServer, ConnectionLimits, Servicers
from service.api.subscriptions import SubscriptionService
from service.api.tls import Tls, TlsFiles
from service.authenticating import Credentials
from service.backlog import Backlog
from service.cataloguing import EventTypes
from service.crashing import crash_at
from service.delivery.announcer import Announcer
from service.delivery.courier import Courier, Delivery
from service.delivery.dispatcher import Dispatcher
from service.delivery.eraser import Eraser
from service.delivery.measuring import count_attempts
from service.delivery.replayer import Replayer
from service.delivery.resealer import Resealer
from service.delivery.retention import Retained, Retention
from service.delivery.sweeper import Sweeper
from service.delivery.transport import HttpTransport, Transport
from service.delivery.trust import TrustError, trusting
from service.domain.clock import Clock, SystemClock
from service.domain.destinations import DestinationPolicy, parse_destination_policy
from service.domain.errors import quoted
from service.domain.ids import Uuid7Ids
from service.domain.model import Event
from service.domain.names import Workspace
from service.domain.points import AtPoint, pass_by
from service.explaining import Explainer
from service.matching import Matchers
from service.notifying import History, Interventions
from service.publishing import Publisher
from service.quotas import PublishRates, SubscriptionQuotas
from service.rehearsing import Rehearsals
from service.replaying.replays import Replays
from service.rotating import SigningKeys
from service.settings import Settings, SettingsError
from service.storage.database import Database, FatalStorageError
from service.storage.keyring_file import KeyringFile, KeyringText, keyring_source
from service.storage.sqlite import SqliteDatabase
from service.storage.subscriptions import Rule
from service.subscribing import Subscriptions
from service.telemetry.exposition import MetricsServer
from service.telemetry.metrics import Metrics
from service.turns import Turns
from service.validating import Definitions
from service.watching import ChangeFeed, Watches

_LAST_CALLS_S = 5.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Server:
    """The parts that a server starts and stops, wired together."""

    backlog: Backlog
    dispatcher: Dispatcher
    replayer: Replayer
    # These go on until every delivery has ended.
    others: tuple[Sweeper | Announcer | Eraser | Resealer | Retention | Backlog | Credentials, ...]
    feed: ChangeFeed
    api: ApiServer


async def serve(settings: Settings, *, stopping: asyncio.Event, on_started: Callable[[tuple[str, ...]], None]) -> None:
    """Run a server until `stopping` is set, then let what is under way finish.

    Args:
        on_started: called with the addresses, ports filled in, once the server answers and delivers.

    Raises:
        OpenError: the database cannot be opened.
        ListenError: an address cannot be had, or must not be used without encryption.
        KeyringInvalid: two keyrings are named.
        TlsError: the server's certificate cannot be used.
        SettingsError: an allowed destination or port makes no sense, or options do not go together.
        FatalStorageError: the database's storage broke while the server ran.
    """
    _check_plaintext_allowed(settings)
    tls = _build_tls(settings)
    destinations = _destination_policy(settings)
    at_point = pass_by if settings.crash_at is None else crash_at(settings.crash_at)
    broken: list[FatalStorageError] = []

    def on_fatal(error: FatalStorageError) -> None:
        broken.append(error)
        stopping.set()

    async with contextlib.AsyncExitStack() as stack:
        metrics = Metrics(version=version("tidings-server"))
        secret_rng = SystemRandom()
        keyring = keyring_source(settings.database, path=settings.keyring, keys=settings.keyring_keys, rng=secret_rng)
        database = SqliteDatabase.open(
            settings.database,
            on_fatal=on_fatal,
            keyring=keyring,
            rng=secret_rng,
            measure_commit=metrics.committing,
            at_point=at_point,
        )
        stack.push_async_callback(database.close)
        _log_keyring(keyring)
        metrics.watch_log(database.log_bytes)
        if not database.has_ballast:
            _log.warning("disk.without_ballast", database=str(settings.database.absolute()))
        transport = _build_transport(settings, destinations)
        stack.push_async_callback(transport.close)
        server = _build_server(settings, database, transport, destinations, metrics, tls, at_point)
        # Nothing is accepted before it is known how much waits already.
        await server.backlog.count()
        metrics_address = await _start_metrics(settings.metrics_listen, metrics, stack)
        addresses = await server.api.start()
        stack.push_async_callback(server.api.stop, 0)

        async with asyncio.TaskGroup() as tasks:
            delivering = tasks.create_task(server.dispatcher.run(), name="dispatcher")
            replaying = tasks.create_task(server.replayer.run(), name="replayer")
            others = [tasks.create_task(each.run(), name=type(each).__name__.lower()) for each in server.others]
            tasks.create_task(server.feed.run(), name="change feed")
            server.api.set_serving()
            _log.info(
                "server.started",
                version=version("tidings-server"),
                listen=list(addresses),
                metrics_listen=metrics_address,
                database=str(settings.database.absolute()),
                dev=settings.dev,
            )
            on_started(addresses)

            await stopping.wait()
            if broken:
                raise broken[0]
            _log.info("server.stopping", drain_timeout_s=settings.drain_timeout_s)
            server.api.drain()
            at_point("drain.begun")
            server.feed.wake()
            # What it has not made yet, the next process makes.
            replaying.cancel()
            server.dispatcher.stop(drain_timeout_s=settings.drain_timeout_s)
            # Until then the port stays open: health says NOT_SERVING, and new calls are told to go elsewhere.
            await delivering
            at_point("drain.delivered")
            await server.api.stop(_LAST_CALLS_S)
            for other in others:
                other.cancel()
            if broken:
                raise broken[0]
    _log.info("server.stopped")


def _check_plaintext_allowed(settings: Settings) -> None:
    if settings.dev or settings.allow_plaintext:
        return
    for address in settings.listen if settings.tls_cert is None else ():
        if not is_loopback(address):
            raise ListenError(
                f"will not listen on {address} without encryption: give --tls-cert and --tls-key, or --allow-plaintext "
                "where a proxy or mesh encrypts; loopback addresses and unix sockets need neither"
            )
    if settings.metrics_listen is not None and not is_loopback(str(_metrics_address(settings.metrics_listen))):
        raise ListenError(
            f"will not serve metrics on {settings.metrics_listen}, where others can read them: they are never "
            "encrypted and need no password, so give a loopback address, or --allow-plaintext"
        )


def _build_tls(settings: Settings) -> Tls | None:
    match settings.tls_cert, settings.tls_key, settings.tls_client_ca:
        case None, None, None:
            return None
        case None, None, _:
            raise SettingsError("--tls-client-ca needs --tls-cert and --tls-key beside it")
        case None, _, _:
            raise SettingsError("--tls-key needs --tls-cert beside it")
        case _, None, _:
            raise SettingsError("--tls-cert needs --tls-key beside it")
        case certificate, key, client_authorities:
            return Tls(TlsFiles(certificate, key, client_authorities), clock=SystemClock())


async def _start_metrics(listen: str | None, metrics: Metrics, stack: contextlib.AsyncExitStack) -> str | None:
    """Serve metrics until the stack unwinds, so also while the server drains; return the address."""
    if listen is None:
        return None
    address = _metrics_address(listen)
    await check_free(address)
    server = MetricsServer(metrics, address.host, address.port)
    stack.push_async_callback(server.stop)
    try:
        return str(address.with_port(await server.start()))
    except OSError as error:
        raise ListenError(f"cannot serve metrics on {address}: {error.strerror}") from error


def _metrics_address(listen: str) -> TcpAddress:
    with contextlib.suppress(ListenError):
        address = parse_address(listen)
        if isinstance(address, TcpAddress):
            return address
    raise ListenError(
        f"--metrics-listen: cannot serve metrics on {quoted(listen)}: an address is host:port or [ipv6]:port there, "
        "such as 127.0.0.1:9464"
    )


def _destination_policy(settings: Settings) -> DestinationPolicy:
    try:
        return parse_destination_policy(
            settings.allow_destinations,
            settings.allow_ports,
            https_only=settings.https_only,
            dev=settings.dev,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _build_transport(settings: Settings, destinations: DestinationPolicy) -> HttpTransport:
    return HttpTransport(
        destinations,
        user_agent=f"Tidings/{version('tidings-server')}",
        connect_timeout_s=settings.connect_timeout_s,
        tls=_receivers_tls(settings.egress_ca),
    )


def _receivers_tls(authorities: Path | None) -> ssl.SSLContext:
    try:
        return trusting(authorities)
    except TrustError as error:
        raise SettingsError(f"--egress-ca: {error}") from error


def _build_server(
    settings: Settings,
    database: Database,
    transport: Transport,
    destinations: DestinationPolicy,
    metrics: Metrics,
    tls: Tls | None,
    at_point: AtPoint,
) -> _Server:
    clock, secret_rng = SystemClock(), SystemRandom()
    # Nobody must guess a key. Ids and jitter need only differ, and each look at the system's dice is a system call.
    rng = Random(secret_rng.getrandbits(256))  # noqa: S311
    ids = Uuid7Ids(clock, rng)
    credentials = None if settings.dev else Credentials(database, clock=clock)
    calls = Calls(
        clock=clock,
        ids=ids,
        authentication=Authentication(credentials),
        limits=CallLimits(settings.calls_max, on_refused=metrics.quota_refused),
        request_bytes_max=settings.request_bytes_max,
        on_finished=metrics.rpc_finished,
    )
    backlog = Backlog(
        database,
        clock=clock,
        notifications_max=settings.backlog_max,
        workspace_notifications_max=settings.workspace_backlog_max,
    )
    metrics.watch_backlog(backlog, clock)
    feed = ChangeFeed(database, draining=calls.draining)
    courier = Courier(transport, clock=clock, rng=rng, at_point=at_point)

    def on_recorded(deliveries: Sequence[Delivery]) -> None:
        feed.wake()
        count_attempts(deliveries, metrics)

    dispatcher = Dispatcher(
        database,
        courier,
        clock=clock,
        rng=rng,
        ids=ids,
        owner=ids.new(),
        lease_s=settings.lease_s,
        slots=_share_of_files(settings.delivery_slots),
        on_recorded=on_recorded,
    )
    metrics.watch_deliveries(
        in_flight=lambda: dispatcher.in_flight,
        slots=lambda: dispatcher.slots,
        bytes_in_flight=lambda: dispatcher.bytes_in_flight,
    )

    def on_owed(lanes: frozenset[str] | None = None) -> None:
        dispatcher.wake(lanes)
        feed.wake()

    turns = Turns()
    sweeper = Sweeper(database, clock=clock, on_released=dispatcher.wake)
    replayer = Replayer(database, backlog=backlog, clock=clock, ids=ids, on_made=on_owed, turns=turns)
    subscriptions = Subscriptions(
        database,
        destinations=destinations,
        clock=clock,
        ids=ids,
        rng=secret_rng,
        quotas=_subscription_quotas(settings, metrics),
        on_sweep=sweeper.wake,
        allow_unknown_event_types=settings.allow_unknown_event_types,
    )
    definitions = Definitions(database)

    def on_mismatch(event: Event, violations: int) -> None:
        _log_mismatch(event, violations)
        metrics.schema_mismatched()

    publisher = Publisher(
        database,
        Matchers(
            database,
            clock=clock,
            workspaces_max=settings.matchers_max,
            on_filter_shut=_log_filter_shut,
            turns=turns,
        ),
        definitions,
        backlog=backlog,
        clock=clock,
        ids=ids,
        on_accepted=on_owed,
        on_mismatch=on_mismatch,
        allow_unknown_event_types=settings.allow_unknown_event_types,
    )
    announcer = Announcer(database, publisher)
    api = ApiServer(
        listen=settings.listen,
        calls=calls,
        tls=tls,
        limits=_connection_limits(settings),
        reflection=settings.reflection,
        servicers=Servicers(
            subscriptions=SubscriptionService(
                subscriptions,
                SigningKeys(database, clock=clock, ids=ids, rng=secret_rng, on_announced=announcer.wake),
                Rehearsals(
                    database,
                    clock=clock,
                    ids=ids,
                    send=courier.rehearse,
                    allow_unknown_event_types=settings.allow_unknown_event_types,
                ),
            ),
            event_types=EventTypeService(
                EventTypes(database, definitions, clock=clock), payload_bytes_max=settings.payload_bytes_max
            ),
            publishing=PublishService(
                publisher,
                Explanations(
                    Explainer(
                        database,
                        definitions,
                        clock=clock,
                        rng=secret_rng,
                        allow_unknown_event_types=settings.allow_unknown_event_types,
                        turns=turns,
                    ),
                    publisher,
                    subscriptions,
                ),
                rates=_publish_rates(settings, clock, metrics),
                payload_bytes_max=settings.payload_bytes_max,
                draining=calls.draining,
                ids=ids,
                on_item_refused=metrics.publish_refused,
            ),
            notifications=NotificationService(
                History(database),
                Replays(database, clock=clock, ids=ids, on_created=replayer.wake, turns=turns),
                interventions=Interventions(database, clock=clock, on_changed=on_owed),
                watches=Watches(database, feed),
            ),
        ),
    )
    return _Server(
        backlog,
        dispatcher,
        replayer,
        (
            sweeper,
            announcer,
            Eraser(database, clock=clock),
            Resealer(database),
            Retention(database, clock=clock, retained=_retained(settings)),
            backlog,
            *([] if credentials is None else [credentials]),
        ),
        feed,
        api,
    )


def _subscription_quotas(settings: Settings, metrics: Metrics) -> SubscriptionQuotas:
    return SubscriptionQuotas(
        subscriptions_max=settings.workspace_subscriptions_max,
        filters_max=settings.workspace_filters_max,
        on_refused=metrics.quota_refused,
    )


def _publish_rates(settings: Settings, clock: Clock, metrics: Metrics) -> PublishRates:
    return PublishRates(
        clock=clock,
        events_per_second=settings.workspace_events_per_second,
        bytes_per_second=settings.workspace_bytes_per_second,
        on_refused=metrics.quota_refused,
    )


def _connection_limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        connections_max=_share_of_files(CONNECTIONS_MAX),
        age_s=settings.connection_age_s,
        age_grace_s=settings.connection_age_grace_s,
    )


def _retained(settings: Settings) -> Retained:
    return Retained(
        events_ms=settings.retain_events // timedelta(milliseconds=1),
        request_ids_ms=settings.retain_request_ids // timedelta(milliseconds=1),
        changes_ms=settings.retain_changes // timedelta(milliseconds=1),
        audit_ms=settings.retain_audit // timedelta(milliseconds=1),
    )


def _log_keyring(keyring: KeyringFile | KeyringText) -> None:
    if not isinstance(keyring, KeyringFile):
        return
    if keyring.was_made:
        _log.warning(
            "keyring.created",
            keyring=str(keyring.path),
            advice="keep a copy apart from the database and its backups: without it their secrets cannot be read",
        )
    if keyring.is_open_to_others:
        _log.warning(
            "keyring.open_to_others", keyring=str(keyring.path), advice="let its owner alone read it: chmod 600"
        )


def _log_filter_shut(workspace: Workspace, rule: Rule) -> None:
    _log.warning("subscription.filter_shut", workspace=workspace.name, subscription=rule.id, reason="FILTER_TOO_SLOW")


def _log_mismatch(event: Event, violations: int) -> None:
    _log.info(
        "event.schema_mismatch",
        workspace=event.workspace.name,
        event_id=event.id,
        event_type=event.event_type,
        violations=violations,
    )


def _share_of_files(most: int) -> int:
    """Return how many connections of one kind there may be: each takes a file, so no kind may have over a quarter."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    return most if hard_limit == resource.RLIM_INFINITY else max(1, min(most, hard_limit // 4))
