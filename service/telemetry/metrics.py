"""What a running server counts and measures, in the words of Prometheus. docs/metrics.md lists all of it.

Labels are words of the contract and of this code, never what a caller chose: neither workspaces nor subscriptions,
addresses or names of methods that do not exist. So the number of series is bounded, and a scrape tells nothing of
anybody's data. Gauges are read from memory when they are scraped: no scrape waits for the database.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from service.backlog import Backlog
from service.domain.clock import Clock
from service.domain.errors import ErrorReason, Quota
from service.domain.model import AttemptOutcome

_INTERNAL: Final = "INTERNAL"
_PUBLISHING: Final = frozenset({"tidings.v1.PublishService/Publish", "tidings.v1.PublishService/BatchPublish"})

_RPC_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)
_COMMIT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_COMMIT_BUCKETS_WORKS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ATTEMPT_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
# Up to what the default retry policy takes: a delivery that had to wait for its receiver is late by hours, not lost.
_LATENCY_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400, 345_600)

# A second series for each counter and histogram, saying when it was made, which is when the process started.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
        version: of the server.
    """

    def __init__(self, *, version: str) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self._registry)
        Info("tidings_build", "The version that runs.", registry=self._registry).info({"version": version})
        self._rpcs = Counter("tidings_rpcs", "Calls that have ended.", ("method", "code"), registry=self._registry)
        self._rpc_durations = self._histogram(
            "tidings_rpc_duration_seconds", "How long calls took, streams too.", _RPC_BUCKETS_S, "method"
        )
        self._refused_publishes = Counter(
            "tidings_publishes_refused",
            "Publishes, batches and items of streams that were refused.",
            ("reason",),
            registry=self._registry,
        )
        self._refusals = Counter(
            "tidings_quota_refusals",
            "Requests that were refused with QUOTA_EXCEEDED.",
            ("quota",),
            registry=self._registry,
        )
        self._schema_mismatches = Counter(
            "tidings_schema_mismatches",
            "Events accepted although their payload does not match a schema that is enforced with WARN.",
            registry=self._registry,
        )
        self._attempts = Counter(
            "tidings_attempts", "Attempts that this process made and recorded.", ("outcome",), registry=self._registry
        )
        self._attempt_durations = self._histogram(
            "tidings_attempt_duration_seconds", "How long attempts took.", _ATTEMPT_BUCKETS_S
        )
        self._latencies = self._histogram(
            "tidings_delivery_latency_seconds", "From a notification's beginning to its success.", _LATENCY_BUCKETS_S
        )
        self._commit_works = self._histogram(
            "tidings_commit_works", "How many works shared one commit.", _COMMIT_BUCKETS_WORKS
        )
        self._commit_durations = self._histogram(
            "tidings_commit_duration_seconds", "How long commits took, with their works.", _COMMIT_BUCKETS_S
        )
        # From the first scrape on, so that an alert on an increase does not miss the first.
        for reason in (*ErrorReason, _INTERNAL):
            self._refused_publishes.labels(reason)
        # Tokens are made by a command, which refuses them itself.
        for quota in set(Quota) - {Quota.TOKENS}:
            self._refusals.labels(quota)
        for outcome in AttemptOutcome:
            self._attempts.labels(outcome)

    def exposition(self) -> bytes:
        """Return everything as it is now, in Prometheus' text format."""
        return generate_latest(self._registry)

    def rpc_finished(self, method: str, code: str, reason: str | None, duration_s: float) -> None:
        """Count a call. The method must be one that the server has, or a word for all others."""
        self._rpcs.labels(method, code).inc()
        self._rpc_durations.labels(method).observe(duration_s)
        if method in _PUBLISHING and (reason is not None or code == _INTERNAL):
            self.publish_refused(reason)

    def publish_refused(self, reason: str | None) -> None:
        """Count a publish, a batch or an item of a stream that was refused; without a reason it was a fault of ours."""
        self._refused_publishes.labels(reason or _INTERNAL).inc()

    def quota_refused(self, quota: Quota) -> None:
        """Count a request that was refused for the sake of a quota."""
        self._refusals.labels(quota).inc()

    def schema_mismatched(self) -> None:
        """Count an event that was accepted although its payload does not match its type's schema."""
        self._schema_mismatches.inc()

    def attempt_recorded(self, outcome: AttemptOutcome, *, duration_s: float, latency_s: float) -> None:
        """Count an attempt. The latency is from when the notification began to when the attempt ended."""
        self._attempts.labels(outcome).inc()
        self._attempt_durations.observe(duration_s)
        if outcome is AttemptOutcome.SUCCEEDED:
            self._latencies.observe(max(0.0, latency_s))

    @contextmanager
    def committing(self, works: int) -> Iterator[None]:
        """Measure a commit of so many works, from any thread."""
        with self._commit_durations.time():
            yield
        self._commit_works.observe(works)

    def watch_backlog(self, backlog: Backlog, clock: Clock) -> None:
        """Show the backlog as it was counted last."""
        states = self._gauge("tidings_backlog_notifications", "Notifications that are PENDING.", "state")
        states.labels("ready").set_function(lambda: backlog.counts.ready)
        states.labels("under_way").set_function(lambda: backlog.counts.leased)
        states.labels("waiting").set_function(lambda: backlog.counts.waiting)
        self._gauge(
            "tidings_backlog_oldest_due_age_seconds",
            "For how long the notification was due that had waited longest.",
        ).set_function(lambda: _oldest_due_age_s(backlog))
        self._gauge("tidings_backlog_count_age_seconds", "How long ago the backlog was counted.").set_function(
            lambda: (clock.now_ms() - backlog.counted_at_ms) / 1000
        )
        self._gauge("tidings_lanes_open", "Subscriptions that get nothing but probes.").set_function(
            lambda: backlog.counts.open_lanes
        )

    def watch_deliveries(
        self, *, in_flight: Callable[[], int], slots: Callable[[], int], bytes_in_flight: Callable[[], int]
    ) -> None:
        """Show how much is being delivered."""
        self._gauge("tidings_deliveries_in_flight", "Requests under way to receivers.").set_function(in_flight)
        self._gauge("tidings_delivery_slots", "How many may be under way at once.").set_function(slots)
        self._gauge("tidings_deliveries_in_flight_bytes", "Payloads of these requests.").set_function(bytes_in_flight)

    def watch_log(self, log_bytes: Callable[[], int]) -> None:
        """Show how long the database's write-ahead log is."""
        self._gauge("tidings_wal_bytes", "Length of the database's write-ahead log.").set_function(log_bytes)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self._registry)


def _oldest_due_age_s(backlog: Backlog) -> float:
    # As of the count: what was due then may have been delivered since.
    oldest_due_ms = backlog.counts.oldest_due_ms
    return 0.0 if oldest_due_ms is None else max(0, backlog.counted_at_ms - oldest_due_ms) / 1000
