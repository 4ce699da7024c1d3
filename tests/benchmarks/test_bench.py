"""The benchmark runs, and counts right. How fast it is on a machine that runs tests says nothing."""

from pathlib import Path

from tests.benchmarks.bench import Size, measure, report


async def test_benchmark_delivers_and_counts_every_notification(tmp_path: Path) -> None:
    """Each is received once and recorded as a success; the bare client is measured at each number in flight."""
    size = Size(notifications=300, lanes=4, baseline=100, one_by_one=5)

    figures = await measure(size, tmp_path)

    report(figures)
    assert (300, 300, 300) == (figures.notifications, figures.received, figures.succeeded)
    assert ["16", "64", "256"] == list(figures.baseline_rates)
    assert 0 < figures.ratio < 10
    assert all(
        rate > 0 for rate in (figures.published_rate, figures.published_alone_rate, *figures.baseline_rates.values())
    )
    assert {"server", "receiver", "publisher"} == set(figures.cpu_s)
