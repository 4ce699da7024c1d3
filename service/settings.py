"""Every setting and every limit of a server, in one place.

Limits that belong to a rule of the contract (the length of a name, the number of patterns) stand beside that rule.
"""

from dataclasses import dataclass
from pathlib import Path

PAYLOAD_BYTES_DEFAULT = 256 * 1024
PAYLOAD_BYTES_HARD_MAX = 1024 * 1024
DELIVERY_SLOTS_HARD_MAX = 1_024


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
    drain_timeout_s: float = 25.0
    log_level: str = "info"
    crash_at: str | None = None
    """For tests: at which point the process ends; see CONTRIBUTING.md."""

    request_bytes_max: int = 4 * 1024 * 1024
    lease_s: float = 60.0
    """Longer than the longest attempt_timeout, 30 s, with time to record the outcome."""
    connect_timeout_s: float = 5.0
    matchers_max: int = 1_000
    """Workspaces whose subscriptions are kept ready for matching."""
