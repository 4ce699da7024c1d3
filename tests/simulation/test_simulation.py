"""Many storms, each made up from a seed, and the invariants after each of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import run

SEEDS = 200
AT_ONCE = 100


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_nothing_is_lost_doubled_or_stuck_whatever_goes_wrong(first: int) -> None:
    """G1, G2, G3, G6, G8, G9, by the command that says how to see a failing seed again."""
    simulated = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--first", str(first), "--seeds", str(AT_ONCE)],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{AT_ONCE} seeds from {first} on, 0 failed\n" == simulated.stdout, simulated.stdout + simulated.stderr


def test_a_seed_happens_the_same_way_each_time(tmp_path: Path) -> None:
    """Ledgers, requests and rows are the same to the byte and the microsecond; those of another seed are not."""
    for folder in ("first", "second", "other"):
        (tmp_path / folder).mkdir()

    first, second, other = (
        run(seed, tmp_path / folder) for seed, folder in ((7, "first"), (7, "second"), (8, "other"))
    )

    assert first == second
    assert first.log != other.log
    assert first.digest != other.digest
