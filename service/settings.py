"""Every setting and every limit of a server, in one place.

Limits that belong to a rule of the contract (the length of a name, the number of patterns) stand beside that rule.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from service.api.limits import CallsMax
from service.api.server import CONNECTION_AGE_GRACE_S, CONNECTION_AGE_S

PAYLOAD_BYTES_DEFAULT = 256 * 1024
PAYLOAD_BYTES_HARD_MAX = 1024 * 1024
DELIVERY_SLOTS_HARD_MAX = 1_024
BACKLOG_DEFAULT = 10_000_000
WORKSPACE_BACKLOG_DEFAULT = 1_000_000
WORKSPACE_EVENTS_PER_SECOND_DEFAULT = 10_000
WORKSPACE_BYTES_PER_SECOND_DEFAULT = 64 * 1024 * 1024
WORKSPACE_SUBSCRIPTIONS_DEFAULT = 20_000
WORKSPACE_FILTERS_DEFAULT = 1_000

CALLS_MAX: Final = CallsMax(
    publishes=1_000,
    # Each may bring 1,000 events, and hold the writer for some 30 ms.
    batches=64,
    # One that is not read from can hold some 15 MB of messages that came in already.
    publish_streams=100,
    watches=1_000,
    # Each may take as long as an attempt, and holds a connection to a receiver meanwhile.
    test_sends=32,
    # A list reads and answers up to about 2 MiB.
    reads=64,
    changes=256,
    request_bytes=64 * 1024 * 1024,
)


class SettingsError(Exception):
    """A setting that makes no sense. The message is one sentence for the operator; no traceback is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `tidings-server serve` was told, and the limits that nobody needs to change."""

    database: Path
    listen: tuple[str, ...]
    dev: bool = False
    https_only: bool = False
    allow_destinations: tuple[str, ...] = ()
    allow_ports: tuple[int, ...] = ()
    allow_unknown_event_types: bool = False
    payload_bytes_max: int = PAYLOAD_BYTES_DEFAULT
    delivery_slots: int = DELIVERY_SLOTS_HARD_MAX
    backlog_max: int = BACKLOG_DEFAULT
    workspace_backlog_max: int = WORKSPACE_BACKLOG_DEFAULT
    workspace_events_per_second: int = WORKSPACE_EVENTS_PER_SECOND_DEFAULT
    workspace_bytes_per_second: int = WORKSPACE_BYTES_PER_SECOND_DEFAULT
    workspace_subscriptions_max: int = WORKSPACE_SUBSCRIPTIONS_DEFAULT
    workspace_filters_max: int = WORKSPACE_FILTERS_DEFAULT
    metrics_listen: str | None = None
    keyring: Path | None = None
    """The file with the keys that seal secrets; without it and `keyring_keys`, `<database>.keyring`."""
    keyring_keys: str | None = field(default=None, repr=False)
    """The keys themselves, from the environment: no option, for everybody may read a process's arguments."""

    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    allow_plaintext: bool = False
    reflection: bool = True
    egress_ca: Path | None = None
    drain_timeout_s: float = 25.0
    retain_events: timedelta = timedelta(days=30)
    retain_request_ids: timedelta = timedelta(hours=72)
    retain_audit: timedelta = timedelta(days=365)
    log_level: str = "info"
    crash_at: str | None = None
    """For tests: at which point the process ends; see CONTRIBUTING.md."""

    retain_changes: timedelta = timedelta(hours=24)
    """How far back a watch can go on from its resume_token."""
    request_bytes_max: int = 4 * 1024 * 1024
    lease_s: float = 60.0
    """Longer than the longest attempt_timeout, 30 s, with time to record the outcome."""
    connection_age_s: float = CONNECTION_AGE_S
    connection_age_grace_s: float = CONNECTION_AGE_GRACE_S
    """For the calls of a connection that is too old. Those that do not end can go on over another one."""
    connect_timeout_s: float = 5.0
    matchers_max: int = 1_000
    """Workspaces whose subscriptions are kept ready for matching."""

    calls_max: CallsMax = CALLS_MAX
