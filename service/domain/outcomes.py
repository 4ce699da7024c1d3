"""What a receiver did with one request, as values: a failing endpoint is never an exception."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

KEPT_BODY_BYTES_MAX: Final = 4 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP POST as it goes on the wire. `timeout_s` covers everything from name resolution to the body."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response. Header values are text decoded as ISO-8859-1; the body is cut at what is kept."""

    http_status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    body_truncated: bool
    remote_address: str


class UnreachableKind(StrEnum):
    """Why there was no response; the names are those of AttemptOutcome."""

    TIMED_OUT = "TIMED_OUT"
    CONNECT_FAILED = "CONNECT_FAILED"
    TLS_FAILED = "TLS_FAILED"
    DESTINATION_FORBIDDEN = "DESTINATION_FORBIDDEN"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No usable response. `error` says why in one sentence, without the URL's path or query.

    `remote_address` is `ip:port` where a connection was made or tried, and empty where none may be (forbidden).
    """

    kind: UnreachableKind
    error: str
    remote_address: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The receiver accepted: any 2xx."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The receiver said 410: it wants nothing more."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Any other status. `retry_after_s` is what the receiver asked for with 429 or 503, else None."""

    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The process that made the attempt ended before it knew the outcome."""


Outcome = Succeeded | Gone | Rejected | Unreachable | Interrupted
