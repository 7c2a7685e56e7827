"""Merging shard tops, K = 10: as the merger does, against merging everything anew by `heapq` and by `numpy`."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter
from typing import Final

import numpy as np

from bench.ground import Ground
from bench.results import US, Ask, Part, Way, make_part
from bench.shard_tops import PERIOD, ROWS, changing_tops, full_heapq, keyed, shard_rows
from contracts.ids import ShardId
from contracts.ranking import TopRow
from contracts.tops import ShardTop
from merger.board_merge import BoardMerge
from merger.merging import MergeState

OURS, HEAPQ, NUMPY = "shardboard", "heapq.merge", "numpy"
ONE_OF, ALL_OF = 1024, 4096
ONE_BAR, ALL_BAR = 0.04, 0.5
_CHANGES_PER_USER: Final = 0.02
"""Of the form's users: 4,000 changes in a round of the middle form."""
Call = Callable[[], object]


async def run(ground: Ground) -> AsyncIterator[Part]:
    """One changed shard of 1,024; all of 4,096."""
    yield await _one_changed(ground)
    yield await _all(ground)


async def _one_changed(ground: Ground) -> Part:
    sizes, state = ground.sizes, MergeState(ROWS)
    changes = max(20, int(sizes.users * _CHANGES_PER_USER))
    tops: Iterator[ShardTop] = iter(
        changing_tops(random.Random(ground.seed), state, shards=ONE_OF, changes=changes * (sizes.rounds + 1))
    )

    def change() -> None:
        state.on_shard_top(next(tops), 0.0)
        state.merged(PERIOD)

    ways = await _measured(ground, {OURS: (change, changes), **_anew(ground, ONE_OF, calls=max(3, changes // 100))})
    asks = [Ask(measure=US, first=OURS, second=HEAPQ, at_most=ONE_BAR), Ask(measure=US, first=OURS, second=NUMPY)]
    return make_part(
        "merge", f"one changed shard of {ONE_OF}", settings={"shards": ONE_OF, "rows": ROWS, "changes": changes},
        ways=ways, asks=asks,
    )  # fmt: skip


async def _all(ground: Ground) -> Part:
    rng, board = random.Random(ground.seed), BoardMerge(ROWS)
    for shard in range(ALL_OF):
        board.put(ShardId(f"s{shard}"), shard_rows(rng, shard), floor=None)

    def merge() -> None:
        board.merge_all()
        board.top()

    calls = max(3, int(ground.sizes.users * _CHANGES_PER_USER) // 200)
    ways = await _measured(ground, {OURS: (merge, calls), **_anew(ground, ALL_OF, calls=calls)})
    asks = [Ask(measure=US, first=OURS, second=HEAPQ, at_most=ALL_BAR), Ask(measure=US, first=OURS, second=NUMPY)]
    return make_part(
        "merge", f"all of {ALL_OF} shards", settings={"shards": ALL_OF, "rows": ROWS}, ways=ways, asks=asks
    )


def _anew(ground: Ground, shards: int, *, calls: int) -> dict[str, tuple[Call, int]]:
    """Both merge ready keys, which flatters them: a merger would have to make those of what changed."""
    lists = keyed(random.Random(ground.seed), shards)
    scores = np.array([row[0] for rows in lists for row in rows])  # negated, as in the key
    rows = [row for rows in lists for row in rows]

    def by_numpy() -> list[tuple[int, int, bytes, TopRow]]:
        cut = np.partition(scores, ROWS)[ROWS]
        return sorted(rows[at] for at in np.nonzero(scores <= cut)[0])[:ROWS]

    assert by_numpy() == full_heapq(lists, ROWS), "the ways must agree"
    return {HEAPQ: (lambda: full_heapq(lists, ROWS), calls), NUMPY: (by_numpy, calls)}


async def _measured(ground: Ground, ways: dict[str, tuple[Call, int]]) -> list[Way]:
    """In turn, round by round; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ground.sizes.rounds + 1):
        for name, (call, calls) in ways.items():
            gc.collect()
            began_s = perf_counter()
            for _ in range(calls):
                call()
            if number:
                found[name].append((perf_counter() - began_s) * 1e6 / calls)
            await asyncio.sleep(0)  # where an interrupt is noticed
    return [Way(name, {US: values}) for name, values in found.items()]
