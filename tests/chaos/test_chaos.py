"""The short form of `make chaos`: a few faults of each class, and nothing is lost, invented or mismatched.

Without the receivers' faults: a lane whose receiver was away is tried again after half a minute.
"""

from pathlib import Path

import pytest

from tests.chaos.chaos import CLASSES, FaultClass, strike, table
from tests.chaos.faults import CannotRun
from tests.harness import read_rows

SEED = "make test"
DURATION_S = 2.0
FAULTS_MIN = 1

CREATED = "SELECT max(create_time) - min(create_time) AS spread_ms FROM events"


@pytest.mark.parametrize(
    "fault_class", [each for each in CLASSES if each.name != "receivers"], ids=lambda each: each.name
)
async def test_no_fault_loses_invents_or_garbles_what_was_acknowledged(tmp_path: Path, fault_class: FaultClass) -> None:
    """G1, G3, G4 and G6, under load; and the server goes on by itself, without an error in its log."""
    try:
        toll = await strike(fault_class, tmp_path, seed=SEED, duration_s=DURATION_S)
    except CannotRun as reason:
        pytest.skip(str(reason))

    print(table([toll]), toll.refusals)
    assert [] == toll.violations
    assert toll.faults >= FAULTS_MIN
    assert toll.acknowledged > 0
    if fault_class.moves_clock:
        [created] = read_rows(tmp_path / "tidings.db", CREATED)
        assert created["spread_ms"] > 60_000
