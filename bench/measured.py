"""One measurement of work that is done in this process and by servers: how fast, and what it cost all of them."""

from collections.abc import Sequence
from time import process_time
from typing import NamedTuple

from bench.cpu_time import cpu_s
from bench.paired import Work, measure
from bench.results import CPU_US, PER_S


class Measured(NamedTuple):
    """Of one round."""

    per_s: float
    cpu_us: float
    """Of each item, here and in the servers together."""

    def into(self, measures: dict[str, list[float]]) -> None:
        """Add to a way's measures."""
        measures.setdefault(PER_S, []).append(self.per_s)
        measures.setdefault(CPU_US, []).append(self.cpu_us)


async def measured(work: Work, items: int, *, pids: Sequence[int]) -> Measured:
    """`pids`: the servers that work for it."""
    spent_s = 0.0

    async def watched() -> None:
        nonlocal spent_s
        before_s = cpu_s(pids) + process_time()
        await work()
        spent_s = cpu_s(pids) + process_time() - before_s

    per_s = await measure(watched, items)
    return Measured(per_s, spent_s * 1e6 / items)
