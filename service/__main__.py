"""The command line: `tidings-server serve`, `migrate` and `backup`, and the commands of `service.commands`."""

import asyncio
import gc
import os
import signal
from pathlib import Path

import click
import uvloop

from service.commands.audit import audit
from service.commands.failing import MaskingGroup, fail
from service.commands.identities import identities
from service.commands.keys import key
from service.commands.options import Age, Seconds, database_option, keyring_option, option
from service.commands.tokens import tokens
from service.domain.clock import SystemClock
from service.settings import (
    BACKLOG_DEFAULT,
    DELIVERY_SLOTS_HARD_MAX,
    PAYLOAD_BYTES_DEFAULT,
    PAYLOAD_BYTES_HARD_MAX,
    WORKSPACE_BACKLOG_DEFAULT,
    WORKSPACE_BYTES_PER_SECOND_DEFAULT,
    WORKSPACE_EVENTS_PER_SECOND_DEFAULT,
    WORKSPACE_FILTERS_DEFAULT,
    WORKSPACE_SUBSCRIPTIONS_DEFAULT,
    Settings,
)
from service.storage.backup import BackupError, back_up
from service.storage.database import OpenError
from service.storage.keyring_file import KEYS_VARIABLE
from service.storage.migrations import migrate as migrate_database
from service.telemetry.logs import configure_logging

# Whoever signals a process and then its group means it once.
_SECOND_SIGNAL_AFTER_S = 0.2
# Nothing needs SIGHUP to be read again, and whoever closes a terminal means an end.
_STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_LOG_LEVELS = ("debug", "info", "warning", "error")

# Whether it can be used is found out by who reads it.
_PEM = click.Path(path_type=Path)

_database = database_option(help="The SQLite file that holds everything. It is created when it does not exist.")


@click.group(cls=MaskingGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tidings-server", prog_name="tidings-server")
def main() -> None:
    """Tidings sends webhooks: services publish events over gRPC, subscribers get signed HTTP requests."""


@main.command()
@_database
@option(
    "--listen",
    envvar="TIDINGS_LISTEN",
    multiple=True,
    default=("127.0.0.1:50051",),
    metavar="ADDRESS",
    help="Where to answer gRPC: host:port, [ipv6]:port or unix:path. May be repeated.",
)
@option(
    "--tls-cert",
    envvar="TIDINGS_TLS_CERT",
    type=_PEM,
    metavar="FILE",
    help="Encrypt every connection but those of unix sockets: the PEM file of the server's certificate and what leads "
    "to its authority. Read again when it changes.",
)
@option(
    "--tls-key",
    envvar="TIDINGS_TLS_KEY",
    type=_PEM,
    metavar="FILE",
    help="The PEM file of the certificate's private key.",
)
@option(
    "--tls-client-ca",
    envvar="TIDINGS_TLS_CLIENT_CA",
    type=_PEM,
    metavar="FILE",
    help="Take no client without a certificate of these authorities: a PEM file.",
)
@option(
    "--allow-plaintext",
    envvar="TIDINGS_ALLOW_PLAINTEXT",
    is_flag=True,
    help="Listen without encryption also where others can connect: for a server behind a proxy or mesh that ends TLS.",
)
@option(
    "--reflection/--no-reflection",
    envvar="TIDINGS_REFLECTION",
    default=True,
    help="Whether clients such as grpcurl may ask what the server can do.",
)
@option(
    "--dev",
    envvar="TIDINGS_DEV",
    is_flag=True,
    help="For development: no credentials, loopback destinations, any port, plaintext on any address; on a terminal, "
    "logs for people.",
)
@option("--https-only", envvar="TIDINGS_HTTPS_ONLY", is_flag=True, help="Refuse http:// subscription URLs.")
@option(
    "--allow-destination",
    "allow_destinations",
    envvar="TIDINGS_ALLOW_DESTINATION",
    multiple=True,
    metavar="DESTINATION",
    help="A network (10.1.0.0/16), address or host (receiver, *.svc.cluster.local) that may be called although it is "
    "not public. May be repeated.",
)
@option(
    "--allow-port",
    "allow_ports",
    envvar="TIDINGS_ALLOW_PORT",
    multiple=True,
    type=click.IntRange(1, 65535),
    help="A port that may be called, beside 80, 443, 8080 and 8443. May be repeated.",
)
@option(
    "--egress-ca",
    envvar="TIDINGS_EGRESS_CA",
    type=_PEM,
    metavar="FILE",
    help="A PEM file of authorities that receivers' certificates may be signed by, beside the system's.",
)
@option(
    "--allow-unknown-event-types",
    envvar="TIDINGS_ALLOW_UNKNOWN_EVENT_TYPES",
    is_flag=True,
    help="Accept events whose type was never created.",
)
@option(
    "--payload-bytes-max",
    envvar="TIDINGS_PAYLOAD_BYTES_MAX",
    type=click.IntRange(1, PAYLOAD_BYTES_HARD_MAX),
    default=PAYLOAD_BYTES_DEFAULT,
    help="The largest payload of an event, in bytes, together with its context.",
)
@option(
    "--delivery-slots",
    envvar="TIDINGS_DELIVERY_SLOTS",
    type=click.IntRange(1, DELIVERY_SLOTS_HARD_MAX),
    default=DELIVERY_SLOTS_HARD_MAX,
    help="The most requests under way at once. Never more than a quarter of the files the process may open.",
)
@option(
    "--backlog-max",
    envvar="TIDINGS_BACKLOG_MAX",
    type=click.IntRange(1),
    default=BACKLOG_DEFAULT,
    help="How many notifications may be pending; beyond, publishes are refused with BACKLOG_FULL.",
)
@option(
    "--workspace-backlog-max",
    envvar="TIDINGS_WORKSPACE_BACKLOG_MAX",
    type=click.IntRange(1),
    default=WORKSPACE_BACKLOG_DEFAULT,
    help="How many notifications of one workspace may be pending.",
)
@keyring_option(
    help="The file with the keys that seal the database's secrets; TIDINGS_KEYRING_KEYS may hold its contents "
    "instead. Without either, the file beside the database, <database>.keyring, which the first start writes.",
)
@option(
    "--workspace-events-per-second",
    envvar="TIDINGS_WORKSPACE_EVENTS_PER_SECOND",
    type=click.IntRange(1),
    default=WORKSPACE_EVENTS_PER_SECOND_DEFAULT,
    help="How many events of one workspace this process takes per second. Beyond, publishes are refused with "
    "QUOTA_EXCEEDED, and streams are read more slowly.",
)
@option(
    "--workspace-bytes-per-second",
    envvar="TIDINGS_WORKSPACE_BYTES_PER_SECOND",
    type=click.IntRange(4_096),
    default=WORKSPACE_BYTES_PER_SECOND_DEFAULT,
    help="How many bytes the requests that bring them may have together.",
)
@option(
    "--workspace-subscriptions-max",
    envvar="TIDINGS_WORKSPACE_SUBSCRIPTIONS_MAX",
    type=click.IntRange(1),
    default=WORKSPACE_SUBSCRIPTIONS_DEFAULT,
    help="How many subscriptions a workspace may have.",
)
@option(
    "--workspace-filters-max",
    envvar="TIDINGS_WORKSPACE_FILTERS_MAX",
    type=click.IntRange(0),
    default=WORKSPACE_FILTERS_DEFAULT,
    help="How many of these may have a CEL filter.",
)
@option(
    "--metrics-listen",
    envvar="TIDINGS_METRICS_LISTEN",
    metavar="ADDRESS",
    help="Where to answer GET /metrics, without encryption: host:port or [ipv6]:port. Without it, nowhere. Others "
    "than loopback need --allow-plaintext.",
)
@option(
    "--drain-timeout",
    "drain_timeout_s",
    envvar="TIDINGS_DRAIN_TIMEOUT",
    type=Seconds(0, 600),
    default=25,
    help="How many seconds a stopping server gives to what is under way.",
)
@option(
    "--retain-events",
    envvar="TIDINGS_RETAIN_EVENTS",
    type=Age("1d"),
    default="30d",
    help="How long events are kept, with what came of them; at least 1d. Longer while they are needed: until every "
    "notification has ended, and as long as their request_ids.",
)
@option(
    "--retain-request-ids",
    envvar="TIDINGS_RETAIN_REQUEST_IDS",
    type=Age("72h"),
    default="72h",
    help="How long a repeated request is recognised by its request_id; at least 72h.",
)
@option(
    "--retain-audit",
    envvar="TIDINGS_RETAIN_AUDIT",
    type=Age("1d"),
    default="365d",
    help="How long the audit log says who changed what; at least 1d.",
)
@option(
    "--log-level",
    envvar="TIDINGS_LOG_LEVEL",
    type=click.Choice(_LOG_LEVELS, case_sensitive=False),
    default="info",
    help="The least severe log lines to write.",
)
@option("--crash-at", envvar="TIDINGS_CRASH_AT", hidden=True)
def serve(**options: object) -> None:
    """Run the server until SIGTERM, SIGINT or SIGHUP."""
    settings = Settings(**options, keyring_keys=os.environ.get(KEYS_VARIABLE))  # type: ignore[arg-type]
    configure_logging(settings.log_level, settings.dev)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_signalled(settings))
    except Exception as error:
        fail(error)


async def _serve_until_signalled(settings: Settings) -> None:
    # Only here: the other commands need nothing of it, and it takes most of a second to load.
    from service.app import serve as run_server

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            loop.call_later(_SECOND_SIGNAL_AFTER_S, end_at_the_next)

    def end_at_the_next() -> None:
        # A second signal, whichever, ends the process at once: nothing that was acknowledged is lost by it.
        for number in _STOPPING_SIGNALS:
            if not loop.remove_signal_handler(number):
                continue
            # Python's own handler of SIGINT would only raise an exception, and wait for what that unwinds.
            signal.signal(number, signal.SIG_DFL)

    for number in _STOPPING_SIGNALS:
        # `nohup` has SIGHUP ignored, and means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop)
    await run_server(settings, stopping=stopping, on_started=lambda _: _spare_the_collector())


def _spare_the_collector() -> None:
    """Let the garbage collector pass over what a server keeps for good."""
    gc.collect()
    gc.freeze()


@main.command()
@_database
def migrate(database: Path) -> None:
    """Bring the database's schema up to date, creating it when it does not exist. `serve` does so too."""
    try:
        applied = migrate_database(database)
    except OpenError as error:
        fail(error)
    click.echo(f"{database}: {'applied ' + ', '.join(applied) if applied else 'up to date'}")


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@database_option(help="The SQLite file to copy.")
def backup(path: Path, database: Path) -> None:
    """Copy the database to the new file PATH, while a server uses it or not.

    The copy is checked and safely on disk when this ends. Signing keys, API keys, headers and the paths of URLs are
    sealed in it: to use it, the keys of the keyring are needed too, so keep a copy of that file elsewhere. Events are
    plain: protect the copy like the database.
    """
    clock = SystemClock()
    began_s = clock.monotonic_s()
    try:
        size_bytes = back_up(database, path)
    except BackupError as error:
        fail(error)
    click.echo(f"{path}: {size_bytes} bytes, copied and checked in {clock.monotonic_s() - began_s:.1f} s")


for command in (tokens, identities, key, audit):
    main.add_command(command)


if __name__ == "__main__":
    main()
