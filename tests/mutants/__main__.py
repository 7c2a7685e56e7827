"""`python -m tests.mutants` (make mutants): plant each mutant in a copy of the project, and print what kills it.

Exit code 0: all were killed. 1: one survived, hung or broke. 7: the tests fail without a mutant, nothing is proved."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter

from contracts.exit_codes import ExitCode
from tests.mutants.garden import RUN_S_MAX, Garden, needs_servers, open_garden
from tests.mutants.mutant import Mutant, all_mutants
from tests.mutants.verdict import PYTEST_PASSED, Fate, Verdict


def main(argv: Sequence[str] | None = None) -> ExitCode:
    """Run the mutants that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Plant mutants and see them killed.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this one (may be given again)")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once, each with servers of its own (default 1)")
    parser.add_argument("--list", action="store_true", help="print them and the rules that they break, and end")
    options = parser.parse_args(argv)
    mutants = all_mutants()
    unknown = set(options.only) - {mutant.name for mutant in mutants}
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    if options.only:
        mutants = [mutant for mutant in mutants if mutant.name in options.only]
    if options.list:
        _say("\n".join(f"{mutant.name:<42} {mutant.breaks}" for mutant in mutants))
        return ExitCode.OK
    return asyncio.run(_run(mutants, jobs=max(1, min(options.jobs, len(mutants)))))


async def _run(mutants: Sequence[Mutant], *, jobs: int) -> ExitCode:
    began_s = perf_counter()
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    async with AsyncExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
        gardens = [
            await ending.enter_async_context(open_garden(folder / str(n), with_servers=needs_servers(tests)))
            for n in range(jobs)
        ]
        exit_code, output = await gardens[0].run_tests(tests, s_max=RUN_S_MAX * len(mutants))
        if exit_code != PYTEST_PASSED:
            told = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))] or [output]
            _say("\n".join([*told, "The tests do not pass without a mutant: nothing can be told of the mutants."]))
            return ExitCode.UNKNOWN
        _say(f"{len(tests)} tests pass without a mutant ({perf_counter() - began_s:.0f} s, with the servers' start)")
        waiting, fates = deque(mutants), Counter[Fate]()
        async with asyncio.TaskGroup() as tasks:
            for n, garden in enumerate(gardens):
                tasks.create_task(_work(garden, waiting, fates=fates), name=f"garden {n}")
    counts = ", ".join(f"{count} {fate.value}" for fate, count in fates.items())
    _say(f"{len(mutants)} mutants: {counts} ({perf_counter() - began_s:.0f} s)")
    return ExitCode.OK if fates[Fate.KILLED] == len(mutants) else ExitCode.DIFFERENT


async def _work(garden: Garden, waiting: deque[Mutant], *, fates: Counter[Fate]) -> None:
    while waiting:
        mutant = waiting.popleft()
        began_s = perf_counter()
        verdict = await garden.try_out(mutant)
        fates[verdict.fate] += 1
        _say(_line(mutant, verdict, took_s=perf_counter() - began_s))


def _line(mutant: Mutant, verdict: Verdict, *, took_s: float) -> str:
    head = f"{verdict.fate.value.upper() if verdict.fate is not Fate.KILLED else 'killed'}  {mutant.name:<42}"
    if verdict.fate is Fate.KILLED:
        return f"{head} by {verdict.by}  ({took_s:.1f} s)\n        {verdict.reason}"
    return f"{head} {took_s:.1f} s: {mutant.breaks}\n{verdict.reason}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  this is a command


if __name__ == "__main__":
    sys.exit(main())
