"""Metrics: what there is, as documented; what is counted; and that nobody can make series, or wait for the database."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.domain.errors import ErrorReason
from service.domain.model import AttemptOutcome
from service.storage.sqlite import SqliteDatabase
from service.telemetry.metrics import Metrics
from tests.fakes import (
    NOW_MS,
    SECOND_MS,
    FakeClock,
    HookedDatabase,
    backlog_of,
    event_of,
    owe,
    subscribe,
    subscription_of,
)
from tests.tools import metric, metrics_of

DOCUMENTED: Final = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
PUBLISH: Final = "tidings.v1.PublishService/Publish"
LOG_BYTES: Final = 4_096


@pytest.fixture
def watched(database: SqliteDatabase, clock: FakeClock) -> tuple[Metrics, HookedDatabase]:
    """Metrics that know everything that a server has, and the database behind them."""
    hooked = HookedDatabase(database)
    metrics = Metrics(version="1.2.3")
    metrics.watch_backlog(backlog_of(hooked, clock), clock)
    metrics.watch_deliveries(in_flight=lambda: 3, slots=lambda: 8, bytes_in_flight=lambda: 300)
    metrics.watch_log(lambda: LOG_BYTES)
    return metrics, hooked


def documented() -> dict[str, tuple[str, list[str]]]:
    """Return the type and the labels of each metric in the table of docs/metrics.md."""
    rows = re.findall(r"^\| `(tidings_\w+)` \| (\w+) \|([^|]*)\|", DOCUMENTED, re.M)
    return {name: (kind, sorted(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def exposed(metrics: Metrics) -> Iterator[tuple[str, tuple[str, list[str]]]]:
    """Yield the name of each metric of Tidings with its type and labels, as a scrape shows it."""
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        if family.name.startswith("tidings_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            yield name, (family.type, sorted(labels))


def count_one_of_each(metrics: Metrics) -> None:
    """Let every metric with labels have a series."""
    metrics.rpc_finished(PUBLISH, "OK", None, 0.1)


def test_every_metric_is_documented_and_no_other(watched: tuple[Metrics, HookedDatabase]) -> None:
    """Name, type and labels."""
    metrics, _ = watched
    count_one_of_each(metrics)

    assert documented() == dict(exposed(metrics))


def test_metrics_that_the_documentation_speaks_of_exist(watched: tuple[Metrics, HookedDatabase]) -> None:
    """Also in the alerts, and those of the process."""
    metrics, _ = watched
    spoken_of = set(re.findall(r"\b(?:tidings|process)_\w+", DOCUMENTED))
    there = {
        name
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for name in (family.name, f"{family.name}_total")
    }

    assert set() == spoken_of - there


async def test_scrape_waits_for_no_database(watched: tuple[Metrics, HookedDatabase]) -> None:
    metrics, hooked = watched

    for _ in range(10):
        metrics.exposition()

    assert (0, 0) == (hooked.reads, hooked.writes)


async def test_backlog_is_shown_as_it_was_counted(database: SqliteDatabase, clock: FakeClock) -> None:
    """With the age that it had then, and how long ago that was."""
    await subscribe(database, subscription_of("a"))
    await owe(database, event_of(create_time_ms=NOW_MS - 5 * SECOND_MS), ["a", "a"])
    backlog = backlog_of(database, clock)
    metrics = Metrics(version="1.2.3")
    metrics.watch_backlog(backlog, clock)
    await backlog.count()
    clock.advance(2 * SECOND_MS)

    shown = metrics_of(metrics.exposition().decode())

    assert 2 == metric(shown, "tidings_backlog_notifications", state="ready")
    assert [0, 0] == [metric(shown, "tidings_backlog_notifications", state=each) for each in ("waiting", "under_way")]
    assert 5 == metric(shown, "tidings_backlog_oldest_due_age_seconds")
    assert 2 == metric(shown, "tidings_backlog_count_age_seconds")


def test_deliveries_and_the_log_are_shown_as_they_are(watched: tuple[Metrics, HookedDatabase]) -> None:
    shown = metrics_of(watched[0].exposition().decode())

    assert [3, 8, 300, LOG_BYTES] == [
        metric(shown, name)
        for name in (
            "tidings_deliveries_in_flight",
            "tidings_delivery_slots",
            "tidings_deliveries_in_flight_bytes",
            "tidings_wal_bytes",
        )
    ]


def test_attempt_counts_by_outcome_and_a_success_by_latency() -> None:
    """A failure has no latency: nothing was delivered."""
    metrics = Metrics(version="1.2.3")
    metrics.attempt_recorded(AttemptOutcome.TIMED_OUT, duration_s=15, latency_s=15)
    metrics.attempt_recorded(AttemptOutcome.SUCCEEDED, duration_s=0.2, latency_s=20.2)
    metrics.attempt_recorded(AttemptOutcome.SUCCEEDED, duration_s=0.1, latency_s=-3)

    shown = metrics_of(metrics.exposition().decode())

    assert {"SUCCEEDED": 2, "TIMED_OUT": 1} == {
        outcome: count
        for outcome in AttemptOutcome
        if (count := metric(shown, "tidings_attempts_total", outcome=outcome))
    }
    assert 3 == metric(shown, "tidings_attempt_duration_seconds_count")
    assert pytest.approx(15.3) == metric(shown, "tidings_attempt_duration_seconds_sum")
    # A clock that was set back makes no negative time.
    assert 2 == metric(shown, "tidings_delivery_latency_seconds_count")
    assert pytest.approx(20.2) == metric(shown, "tidings_delivery_latency_seconds_sum")


@pytest.mark.parametrize(
    ("method", "code", "reason", "refused"),
    [
        (PUBLISH, "RESOURCE_EXHAUSTED", ErrorReason.BACKLOG_FULL, {"BACKLOG_FULL": 1}),
        ("tidings.v1.PublishService/BatchPublish", "INVALID_ARGUMENT", ErrorReason.INVALID_FIELD, {"INVALID_FIELD": 1}),
        (PUBLISH, "INTERNAL", None, {"INTERNAL": 1}),
        (PUBLISH, "OK", None, {}),
        (PUBLISH, "CANCELLED", None, {}),
        ("tidings.v1.NotificationService/GetEvent", "NOT_FOUND", ErrorReason.RESOURCE_NOT_FOUND, {}),
    ],
)
def test_publish_that_is_refused_counts_by_its_reason(
    method: str, code: str, reason: str | None, refused: dict[str, int]
) -> None:
    """Other methods do not, nor do callers that went away."""
    metrics = Metrics(version="1.2.3")

    metrics.rpc_finished(method, code, reason, 0.01)

    shown = metrics_of(metrics.exposition().decode())
    assert 1 == metric(shown, "tidings_rpcs_total", method=method, code=code)
    assert refused == {
        each: count
        for each in (*ErrorReason, "INTERNAL")
        if (count := metric(shown, "tidings_publishes_refused_total", reason=each))
    }


def test_series_that_alerts_look_at_are_there_from_the_beginning() -> None:
    """A counter that appears with 1 shows no increase."""
    shown = metrics_of(Metrics(version="1.2.3").exposition().decode())

    assert [0] * len(ErrorReason) == [
        metric(shown, "tidings_publishes_refused_total", reason=reason) for reason in ErrorReason
    ]
    assert [0] * len(AttemptOutcome) == [
        metric(shown, "tidings_attempts_total", outcome=outcome) for outcome in AttemptOutcome
    ]


def test_commit_counts_its_works_and_its_time() -> None:
    metrics = Metrics(version="1.2.3")
    for works in (1, 64):
        with metrics.committing(works):
            pass

    shown = metrics_of(metrics.exposition().decode())

    assert (2, 65) == (metric(shown, "tidings_commit_works_count"), metric(shown, "tidings_commit_works_sum"))
    assert 2 == metric(shown, "tidings_commit_duration_seconds_count")


def test_two_servers_in_one_process_count_apart() -> None:
    """No registry is shared."""
    one, other = Metrics(version="1"), Metrics(version="2")
    one.schema_mismatched()

    assert [1, 0] == [
        metric(metrics_of(each.exposition().decode()), "tidings_schema_mismatches_total") for each in (one, other)
    ]


def test_no_label_holds_what_a_caller_chose(watched: tuple[Metrics, HookedDatabase]) -> None:
    """What a label may be is said here, so whoever adds one decides whether it is bounded."""
    metrics, _ = watched
    count_one_of_each(metrics)

    labels = {label for _, (_, names) in exposed(metrics) for label in names}

    assert {"version", "method", "code", "reason", "outcome", "state", "quota"} == labels
