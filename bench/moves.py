"""What a live move costs: `python -m bench.moves [rate|pause|all] [--output json]`.

Each way and its counterpart run in turn on the same keys, on real servers that it starts, with median and spread.
Exits with 1 when a bar is missed. Needs 1 GB of memory and a machine that does nothing else meanwhile.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.move_path import compare_pauses, compare_rates
from bench.paired import Comparison, run_and_tell, say

CASES: Final = {"rate": compare_rates, "pause": compare_pauses}


async def run(folder: Path, options: argparse.Namespace) -> list[Comparison]:
    """The cases that are wanted, told as they end."""
    found: list[Comparison] = []
    for name, case in CASES.items():
        if options.what in (name, "all"):
            found.append(await case(folder / name, users=options.users, rounds=options.rounds))
            say(found[-1], options)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.moves", description=__doc__)
    parser.add_argument("what", choices=(*CASES, "all"), nargs="?", default="all")
    parser.add_argument("--output", "-o", choices=("table", "json"), default="table")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, after one that warms up [5]")
    parser.add_argument("--users", type=int, default=1_000_000, help="users of the shard [1000000]")
    options = parser.parse_args(arguments)
    return run_and_tell(run, options)


if __name__ == "__main__":
    sys.exit(main())
