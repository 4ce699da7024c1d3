"""The composition root: builds every object, and says in which order a server starts and stops."""

import asyncio
import contextlib
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from random import SystemRandom

import structlog

from service.api.addresses import ListenError, is_loopback
from service.api.calls import Calls
from service.api.event_types import EventTypeService
from service.api.notifications import NotificationService
from service.api.publishing import PublishService
from service.api.server import ApiServer, Servicers
from service.api.subscriptions import SubscriptionService
from service.cataloguing import EventTypes
from service.delivery.courier import Courier
from service.delivery.dispatcher import Dispatcher
from service.delivery.sweeper import Sweeper
from service.delivery.transport import AiohttpTransport
from service.domain.clock import SystemClock
from service.domain.destinations import parse_destination_policy
from service.domain.ids import Uuid7Ids
from service.matching import Matchers
from service.notifying import History
from service.publishing import Publisher
from service.settings import Settings
from service.storage.database import FatalStorageError
from service.storage.sqlite import SqliteDatabase
from service.subscribing import Subscriptions

_LOOKUPS_MAX = 64

_log = structlog.get_logger()


async def serve(settings: Settings, *, stopping: asyncio.Event, on_started: Callable[[tuple[str, ...]], None]) -> None:
    """Run a server until `stopping` is set, then let what is under way finish.

    Args:
        on_started: called with the addresses, ports filled in, once the server answers and delivers.

    Raises:
        OpenError: the database cannot be opened.
        ListenError: an address cannot be had, or must not be used without encryption.
        ValueError: an allowed destination or port makes no sense.
        FatalStorageError: the database's storage broke while the server ran.
    """
    _check_plaintext_allowed(settings)
    destinations = parse_destination_policy(
        settings.allow_destinations,
        settings.allow_ports,
        https_only=settings.https_only,
        dev=settings.dev,
    )
    clock, rng = SystemClock(), SystemRandom()
    ids = Uuid7Ids(clock, rng)
    broken: list[FatalStorageError] = []

    def on_fatal(error: FatalStorageError) -> None:
        broken.append(error)
        stopping.set()

    # Names are looked up in threads; with the default handful of them a slow DNS server would hold up every receiver.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKUPS_MAX, "tidings-lookup"))

    async with contextlib.AsyncExitStack() as stack:
        database = SqliteDatabase.open(settings.database, on_fatal=on_fatal)
        stack.push_async_callback(database.close)
        transport = AiohttpTransport(
            destinations,
            user_agent=f"Tidings/{version('tidings-server')}",
            connect_timeout_s=settings.connect_timeout_s,
        )
        stack.push_async_callback(transport.close)
        dispatcher = Dispatcher(
            database,
            Courier(transport, clock=clock, rng=rng),
            clock=clock,
            rng=rng,
            owner=ids.new(),
            lease_s=settings.lease_s,
            slots=_slots(settings.delivery_slots),
        )
        sweeper = Sweeper(database, clock=clock, on_released=dispatcher.wake)
        servicers = Servicers(
            subscriptions=SubscriptionService(
                Subscriptions(
                    database,
                    destinations=destinations,
                    clock=clock,
                    ids=ids,
                    rng=rng,
                    on_sweep=sweeper.wake,
                    allow_unknown_event_types=settings.allow_unknown_event_types,
                )
            ),
            event_types=EventTypeService(EventTypes(database, clock=clock)),
            publishing=PublishService(
                Publisher(
                    database,
                    Matchers(database, workspaces_max=settings.matchers_max),
                    clock=clock,
                    ids=ids,
                    on_accepted=dispatcher.wake,
                    allow_unknown_event_types=settings.allow_unknown_event_types,
                ),
                payload_bytes_max=settings.payload_bytes_max,
            ),
            notifications=NotificationService(History(database)),
        )
        calls = Calls(clock=clock, ids=ids, request_bytes_max=settings.request_bytes_max)
        api = ApiServer(listen=settings.listen, calls=calls, servicers=servicers)
        addresses = await api.start()
        stack.push_async_callback(api.stop, 0)

        async with asyncio.TaskGroup() as tasks:
            delivering = tasks.create_task(dispatcher.run(), name="dispatcher")
            sweeping = tasks.create_task(sweeper.run(), name="sweeper")
            api.set_serving()
            _log.info(
                "server.started",
                version=version("tidings-server"),
                listen=list(addresses),
                database=str(settings.database.absolute()),
                dev=settings.dev,
            )
            on_started(addresses)

            await stopping.wait()
            if broken:
                raise broken[0]
            _log.info("server.stopping", drain_timeout_s=settings.drain_timeout_s)
            api.drain()
            dispatcher.stop(drain_timeout_s=settings.drain_timeout_s)
            await api.stop(settings.drain_timeout_s)
            await delivering
            sweeping.cancel()
    _log.info("server.stopped")


def _check_plaintext_allowed(settings: Settings) -> None:
    for address in settings.listen:
        if not settings.dev and not is_loopback(address):
            raise ListenError(
                f"will not listen on {address} without encryption: only loopback addresses and unix sockets are "
                "allowed, or any address with --dev"
            )


def _slots(most: int) -> int:
    """Return how many requests may be under way: each takes a file, and the other three quarters are for the rest."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    return most if hard_limit == resource.RLIM_INFINITY else max(1, min(most, hard_limit // 4))
