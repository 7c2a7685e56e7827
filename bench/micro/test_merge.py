"""How fast boards are merged, against a full `heapq.merge` of the same tops.

    python -m pytest bench/micro/test_merge.py -o addopts="-p no:valkey --import-mode=importlib" --benchmark-only

Groups: `one of 1024` (bar: one changed shard in ≤ 0.04 × heapq) and `all of 4096` (bar: everything in ≤ 0.5 × heapq).
"""

import random
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.shard_tops import PERIOD, ROWS, changing_tops, full_heapq, keyed, shard_rows, shard_top
from contracts.ids import ShardId
from contracts.tops import ShardTop
from merger.board_merge import BoardMerge
from merger.merging import MergeState

SEED = 20261124


@pytest.mark.benchmark(group="one of 1024")
def test_one_changed_shard_of_1024(benchmark: BenchmarkFixture) -> None:
    state = MergeState(ROWS)
    tops: Iterator[ShardTop] = iter(changing_tops(random.Random(SEED), state, shards=1024, changes=40_000))

    def one_change() -> None:
        state.on_shard_top(next(tops), 0.0)
        state.merged(PERIOD)

    benchmark.pedantic(one_change, rounds=3_000, iterations=10, warmup_rounds=100)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="one of 1024")
def test_heapq_merge_of_1024(benchmark: BenchmarkFixture) -> None:
    lists = keyed(random.Random(SEED), 1024)
    benchmark(full_heapq, lists, ROWS)


@pytest.mark.benchmark(group="all of 4096")
def test_all_of_4096(benchmark: BenchmarkFixture) -> None:
    rng = random.Random(SEED)
    board = BoardMerge(ROWS)
    for shard in range(4096):
        board.put(ShardId(f"s{shard}"), shard_rows(rng, shard), floor=None)

    def merge() -> None:
        board.merge_all()
        board.top()

    benchmark(merge)


@pytest.mark.benchmark(group="all of 4096")
def test_heapq_merge_of_4096(benchmark: BenchmarkFixture) -> None:
    lists = keyed(random.Random(SEED), 4096)
    benchmark(full_heapq, lists, ROWS)


@pytest.mark.benchmark(group="all of 4096")
def test_all_of_4096_as_first_read(benchmark: BenchmarkFixture) -> None:
    """With the indexing of 4,096 new tops: what a restarted merger does once."""
    rng = random.Random(SEED)
    tops = [shard_top(shard, shard_rows(rng, shard), sequence=1) for shard in range(4096)]

    def first_read() -> None:
        state = MergeState(ROWS)
        for top in tops:
            state.on_shard_top(top, 0.0)
        state.merged(PERIOD)

    benchmark(first_read)


def test_merged_rows_equal_the_baseline() -> None:
    """Both sides of the comparison give the same rows, here with the shown rows at 100."""
    rng = random.Random(SEED)
    board = BoardMerge(100)
    for shard in range(1024):
        board.put(ShardId(f"s{shard}"), shard_rows(rng, shard), floor=None)
    assert list(board.top().rows) == [entry[3] for entry in full_heapq(keyed(random.Random(SEED), 1024), 100)]
