"""The nouns of Tidings as immutable values. Times are milliseconds since the Unix epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from service.domain.names import Workspace


class NotificationState(StrEnum):
    """Where a notification stands. PENDING is stored as READY or WAITING."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class SubscriptionState(StrEnum):
    """Whether a subscription is served."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    SUSPENDED = "SUSPENDED"


class Format(StrEnum):
    """How an event becomes a request body."""

    STANDARD_WEBHOOKS = "STANDARD_WEBHOOKS"
    CLOUDEVENTS_STRUCTURED = "CLOUDEVENTS_STRUCTURED"
    CLOUDEVENTS_BINARY = "CLOUDEVENTS_BINARY"
    EVENT_CONTEXT = "EVENT_CONTEXT"
    EVENT_CODE = "EVENT_CODE"
    RAW = "RAW"


class SignatureScheme(StrEnum):
    """How a request is signed."""

    STANDARD_WEBHOOKS = "STANDARD_WEBHOOKS"
    STANDARD_WEBHOOKS_ED25519 = "STANDARD_WEBHOOKS_ED25519"
    VONAGE_JWT = "VONAGE_JWT"
    MESSAGEBIRD = "MESSAGEBIRD"
    GITHUB = "GITHUB"
    STRIPE = "STRIPE"
    UNSIGNED = "UNSIGNED"


class SchemaEnforcement(StrEnum):
    """What happens to a payload that does not match the schema of its event type."""

    REJECT = "REJECT"
    WARN = "WARN"
    OFF = "OFF"


class SuspendReason(StrEnum):
    """Why the server suspended a subscription: its receiver said 410, or did nothing but fail for days."""

    GONE = "GONE"
    FAILING = "FAILING"


class AttemptOutcome(StrEnum):
    """What came of one attempt."""

    SUCCEEDED = "SUCCEEDED"
    REJECTED = "REJECTED"
    GONE = "GONE"
    TIMED_OUT = "TIMED_OUT"
    CONNECT_FAILED = "CONNECT_FAILED"
    TLS_FAILED = "TLS_FAILED"
    DESTINATION_FORBIDDEN = "DESTINATION_FORBIDDEN"
    INTERRUPTED = "INTERRUPTED"


class FailureReason(StrEnum):
    """Why a notification is FAILED."""

    GONE = "GONE"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    MAX_AGE_REACHED = "MAX_AGE_REACHED"
    FORMAT_NOT_APPLICABLE = "FORMAT_NOT_APPLICABLE"
    HOLD_EXPIRED = "HOLD_EXPIRED"


@dataclass(frozen=True, slots=True)
class FixedSchedule:
    """Retry after each of these delays in turn; the attempt after the last delay is the last one."""

    delays_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """Retry after initial_delay_s · multiplierⁿ, at most max_delay_s, until max_attempts were made."""

    max_attempts: int
    initial_delay_s: float
    max_delay_s: float
    multiplier: float


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When an attempt is given up, when the next one is made, and when there is none."""

    backoff: FixedSchedule | ExponentialBackoff
    attempt_timeout_s: float = 15.0
    max_age_s: float | None = None


_MINUTE_S = 60.0
_HOUR_S = 3600.0

DEFAULT_RETRY_POLICY = RetryPolicy(
    FixedSchedule(
        (
            5.0,
            5 * _MINUTE_S,
            30 * _MINUTE_S,
            2 * _HOUR_S,
            5 * _HOUR_S,
            10 * _HOUR_S,
            14 * _HOUR_S,
            20 * _HOUR_S,
            24 * _HOUR_S,
        )
    )
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signs a subscriber's requests. `secret` is the key in the form of its scheme: see `signing.check_key`.

    Each key signs by its own scheme: while two overlap, they may have different ones.
    """

    key_id: str
    secret: str = field(repr=False)
    create_time_ms: int
    expire_time_ms: int | None = None
    scheme: SignatureScheme = SignatureScheme.STANDARD_WEBHOOKS


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is sent as a header of every request."""

    header: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Since when the server holds a subscription's notifications, and why."""

    time_ms: int
    reason: SuspendReason


LANE_CONCURRENCY_AT_FIRST = 8


@dataclass(frozen=True, slots=True)
class Health:
    """How a subscription's receiver does, as the outcomes of its attempts tell. The rules are in `health`.

    `concurrency` is how many requests it may have under way. At 0 the lane is open: nothing is sent but one probe at a
    time, from `open_until_ms` on. `successes` counts those since the concurrency changed, `narrowed_at_ms` is when it
    was last reduced, `failed_probes` how often the lane was found to be still broken. `failures` are those in a row,
    since `failing_since_ms`. `last_success_time_ms` is exact to a second.
    """

    concurrency: int = LANE_CONCURRENCY_AT_FIRST
    successes: int = 0
    narrowed_at_ms: int = 0
    failed_probes: int = 0
    open_until_ms: int | None = None
    failing_since_ms: int | None = None
    failures: int = 0
    last_success_time_ms: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing is sent but probes."""
        return self.open_until_ms is not None

    @property
    def is_proven(self) -> bool:
        """Whether the last outcome was a success."""
        return self.last_success_time_ms is not None and self.failing_since_ms is None


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who is told, of what, and how.

    One that `is_damaged` has lost what is secret of it: its URL ends before the path, and it has no headers, no API key
    and no signing keys. Nothing can be sent to it.
    """

    workspace: Workspace
    id: str
    uid: str
    display_name: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    attribute_filters: Mapping[str, str]
    filter: str
    enabled: bool
    format: Format
    signature_scheme: SignatureScheme
    api_key: ApiKey | None
    headers: Mapping[str, str] = field(repr=False)
    retry_policy: RetryPolicy | None
    max_concurrency: int | None
    annotations: Mapping[str, str]
    signing_keys: tuple[SigningKey, ...]
    create_time_ms: int
    update_time_ms: int
    revision: int
    filter_is_shut: bool = False
    suspension: Suspension | None = None
    max_rate_per_second: float | None = None
    health: Health = Health()
    is_damaged: bool = False

    @property
    def name(self) -> str:
        """The resource name."""
        return self.workspace.subscription(self.id)

    @property
    def retry_policy_in_force(self) -> RetryPolicy:
        """Its own retry policy, or the default."""
        return self.retry_policy or DEFAULT_RETRY_POLICY

    @property
    def state(self) -> SubscriptionState:
        """Whether it is served. What its owner decided comes before what the server did."""
        if not self.enabled:
            return SubscriptionState.DISABLED
        return SubscriptionState.SUSPENDED if self.suspension else SubscriptionState.ACTIVE

    @property
    def state_reason(self) -> str:
        """Why it is in its state, in one word; empty when there is nothing to say."""
        if self.is_damaged:
            return "SECRETS_UNREADABLE"
        match self.state:
            case SubscriptionState.DISABLED:
                return ""
            case SubscriptionState.SUSPENDED:
                return self.suspension.reason if self.suspension else ""
            case SubscriptionState.ACTIVE if self.filter_is_shut:
                return "FILTER_TOO_SLOW"
            case SubscriptionState.ACTIVE:
                return "BACKING_OFF" if self.health.is_open else ""

    @property
    def etag(self) -> str:
        """Changes with every change: the workspace revision that made this version."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of occurrence."""

    id: str
    display_name: str
    description: str
    service: str
    category: int | None
    code: int | None
    json_schema: str
    schema_enforcement: SchemaEnforcement
    examples: tuple[str, ...]
    attribute_keys: tuple[str, ...]
    deprecated: bool
    create_time_ms: int
    update_time_ms: int
    revision: int

    @property
    def name(self) -> str:
        """The resource name."""
        return f"eventTypes/{self.id}"

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence. The payload's bytes never change.

    `category` and `code` are those of its event type when it was accepted.
    """

    workspace: Workspace
    id: str
    event_type: str
    source: str
    subject: str
    attributes: Mapping[str, str]
    payload: bytes = field(repr=False)
    payload_is_json: bool
    content_type: str
    context_json: str = field(repr=False)
    occur_time_ms: int | None
    create_time_ms: int
    payload_sha256: bytes
    payload_size: int
    matched_count: int
    category: int | None = None
    code: int | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return self.workspace.event(self.id)

    @property
    def time_ms(self) -> int:
        """When it happened as far as anyone said: occur_time, else create_time."""
        return self.create_time_ms if self.occur_time_ms is None else self.occur_time_ms


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request for a notification and what came of it. What has a default is empty when no response came."""

    attempt_number: int
    outcome: AttemptOutcome
    start_time_ms: int
    duration_ms: int
    http_status: int | None = None
    response_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    response_body: bytes = field(default=b"", repr=False)
    response_truncated: bool = False
    error: str = ""
    remote_address: str = ""
    signing_key_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """One event owed to one subscription."""

    workspace: Workspace
    id: str
    event_id: str
    subscription_uid: str
    subscription_id: str
    event_type: str
    state: NotificationState
    attempt_count: int
    next_attempt_time_ms: int | None
    last_attempt: Attempt | None
    create_time_ms: int
    complete_time_ms: int | None
    failure_reason: FailureReason | None
    replay_id: str | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return self.workspace.notification(self.id)
