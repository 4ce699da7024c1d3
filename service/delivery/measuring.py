"""What the metrics are told of deliveries that were recorded."""

from collections.abc import Sequence

from service.delivery.courier import Delivery
from service.telemetry.metrics import Metrics


def count_attempts(deliveries: Sequence[Delivery], metrics: Metrics) -> None:
    """Count the attempts among these deliveries.

    The latency is from when the schedule began, so a replayed or retried notification does not count from its event.
    """
    for delivery in deliveries:
        attempt = delivery.attempt
        if attempt is None:
            continue
        end_time_ms = attempt.start_time_ms + attempt.duration_ms
        metrics.attempt_recorded(
            attempt.outcome,
            duration_s=attempt.duration_ms / 1000,
            latency_s=(end_time_ms - delivery.claimed.schedule_time_ms) / 1000,
        )
