"""`make faults`: python -m tests.faults [--faults N] [--actions N] [--state DIR] …; 0 when everything was equal.

With --state a run that was ended goes on where it stood: same deployment, same data, same schedule.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.faults.report import render
from tests.faults.run import Plan, Run

FAULTS: int = 60
ACTIONS: int = 30_000
ZOMBIES: int = 10
RATE: float = 300.0


def main() -> int:
    """Run, report, and say by the exit code whether it was clean."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=FAULTS, help="how many; they may overlap from 100 on")
    parser.add_argument("--actions", type=int, default=ACTIONS, help="acknowledged actions, at least")
    parser.add_argument("--zombies", type=int, default=ZOMBIES, help="rounds of freeze, take-over, thaw")
    parser.add_argument("--rate", type=float, default=RATE, help="actions per second, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=0, help="faults under way at the same time; default 1, long 3")
    parser.add_argument("--state", type=Path, help="folder to keep and to go on in; default: a new one, deleted")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shardboard-faults-") as temporary:
        folder: Path = chosen.state or Path(temporary)
        plan = Plan(
            folder=folder.absolute(),
            seed=chosen.seed,
            faults=chosen.faults,
            actions=chosen.actions,
            zombies=chosen.zombies,
            rate_per_s=chosen.rate,
            at_once=chosen.at_once or (3 if chosen.faults >= 100 else 1),
        )
        ended = asyncio.run(Run(plan, say=_say).run())
        text = render(ended.document, ended.coverage)
        (folder / "report.json").write_text(json.dumps(ended.document, indent=2) + "\n")
        (folder / "report.txt").write_text(text)
        sys.stdout.write(text)
    return 0 if ended.document["is_clean"] else 1


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
