"""`python -m tests.simulation`: simulates many seeds and says which fail, or one and says what happened in it.

Output is by seed, so two runs of the same seeds print the same.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.direct import memory_folder
from tests.simulation.run import Outcome, run

_SHOWN_MAX = 10


def main() -> int:
    """Return 0 if nothing was violated."""
    arguments = _arguments()
    _fix_hashes()
    if arguments.seed is not None:
        return _explain(arguments.seed)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    failed = 0
    with ProcessPoolExecutor(arguments.jobs) as workers:
        for outcome in workers.map(_run, seeds, chunksize=max(1, min(50, len(seeds) // 20))):
            failed += bool(outcome.violations)
            _report(outcome)
    print(f"{len(seeds)} seeds from {seeds.start} on, {failed} failed")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to simulate")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many processes to use")
    parser.add_argument("--seed", type=int, help="simulate this seed alone and print what happened")
    return parser.parse_args()


def _fix_hashes() -> None:
    """Start over with fixed hashes: the order of a set of strings would not follow from the seed."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606


def _run(seed: int) -> Outcome:
    with memory_folder() as folder:
        return run(seed, Path(folder))


def _explain(seed: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="tidings-simulation-"))
    outcome = run(seed, folder)
    print("\n".join(outcome.log))
    print(f"seed {seed}: {outcome.facts}\ndigest {outcome.digest}\ndatabase {folder / f'{seed}.db'}")
    _report(outcome)
    return 1 if outcome.violations else 0


def _report(outcome: Outcome) -> None:
    if not outcome.violations:
        return
    print(f"seed {outcome.seed} violates {len(outcome.violations)} times; {outcome.facts}")
    for violation in outcome.violations[:_SHOWN_MAX]:
        print(f"  {violation}")
    print(f"  again: python -m tests.simulation --seed {outcome.seed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
