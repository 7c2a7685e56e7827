"""What exactly-once and the archive cost: `python -m bench.reliability apply|archive [--output json]`.

Each way and its counterpart run in turn on the same actions, on real servers that it starts, with median and spread.
Exits with 1 when a bar is missed. Needs 3 GB of memory and a machine that does nothing else meanwhile.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.apply_path import compare_apply
from bench.archive_path import compare_archive
from bench.paired import Comparison, run_and_tell, say

ONE_BOARD, THREE_BOARDS = "all_time", "all_time,daily,weekly"
ZIPF = 1.2


async def apply_cases(folder: Path, options: argparse.Namespace) -> list[Comparison]:
    """Uniform and by Zipf's law, on one board, where the bars are, and on three."""
    found: list[Comparison] = []
    for periods in (ONE_BOARD, THREE_BOARDS):
        for zipf in (None, ZIPF):
            case = await compare_apply(
                folder / f"case{len(found)}",
                users=options.users,
                records=options.records,
                rounds=options.rounds,
                seed=options.seed,
                periods=periods,
                zipf=zipf,
            )
            found.append(case)
            say(case, options)
    return found


async def archive_cases(folder: Path, options: argparse.Namespace) -> list[Comparison]:
    """Raw rows, where the bar is, and everything."""
    found = await compare_archive(
        folder, users=options.users, records=options.records, rounds=options.rounds, seed=options.seed
    )
    for case in found:
        say(case, options)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the two; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument("what", choices=("apply", "archive"))
    parser.add_argument("--output", "-o", choices=("table", "json"), default="table")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds, after one that warms up [7]")
    parser.add_argument("--records", type=int, default=200_000, help="actions of a round [200000]")
    parser.add_argument("--users", type=int, default=1_000_000, help="users on every board [1000000]")
    parser.add_argument("--seed", type=int, default=20261124)
    options = parser.parse_args(arguments)
    cases = apply_cases if options.what == "apply" else archive_cases
    return run_and_tell(cases, options, more=f", seed {options.seed}")


if __name__ == "__main__":
    sys.exit(main())
