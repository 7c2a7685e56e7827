"""How fast boards are merged, against a full `heapq.merge` of the same tops.

    python -m pytest bench/micro/test_merge.py -o addopts="-p no:valkey --import-mode=importlib" --benchmark-only

Groups: `one of 1024` (bar: one changed shard in ≤ 0.04 × heapq) and `all of 4096` (bar: everything in ≤ 0.5 × heapq).
"""

import heapq
import random
from collections.abc import Iterator
from itertools import islice

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow, order_key
from contracts.tops import Floor, Position, ShardBoard, ShardTop
from merger.board_merge import BoardMerge
from merger.merging import MergeState

PERIOD = PeriodId("all_time")
ROWS = 10
SEED = 20261124


def shard_rows(rng: random.Random, shard: int) -> tuple[TopRow, ...]:
    scores = sorted((rng.randrange(1_000_000) for _ in range(ROWS)), reverse=True)
    return tuple(
        TopRow(UserId(f"user-{shard}-{i}"), score, LogMs(1_000 + i), Partition(shard)) for i, score in enumerate(scores)
    )


def shard_top(shard: int, rows: tuple[TopRow, ...], *, sequence: int) -> ShardTop:
    last = rows[-1]
    return ShardTop(
        shard=ShardId(f"s{shard}"), incarnation=1, sequence=sequence, map_version=1, published_at_ms=0,
        positions=(Position(Partition(shard), Epoch(1), Offset(sequence), LogMs(sequence)),),
        boards=(ShardBoard(PERIOD, rows, Floor(last.score, last.scored_at, last.user_id)),),
    )  # fmt: skip


def improved(rng: random.Random, rows: tuple[TopRow, ...], *, sequence: int) -> tuple[TopRow, ...]:
    """One of the shard's users scores: what a publication usually brings."""
    i = rng.randrange(len(rows))
    better = msgspec.structs.replace(rows[i], score=rows[i].score + rng.randrange(1, 1_000), scored_at=LogMs(sequence))
    return tuple(sorted((*rows[:i], better, *rows[i + 1 :]), key=order_key))


def changing_tops(rng: random.Random, state: MergeState, *, shards: int, changes: int) -> list[ShardTop]:
    """Feed every shard's first top, and make the tops that follow."""
    rows = [shard_rows(rng, shard) for shard in range(shards)]
    for shard in range(shards):
        state.on_shard_top(shard_top(shard, rows[shard], sequence=1), 0.0)
    tops: list[ShardTop] = []
    for sequence in range(2, changes + 2):
        shard = rng.randrange(shards)
        rows[shard] = improved(rng, rows[shard], sequence=sequence)
        tops.append(shard_top(shard, rows[shard], sequence=sequence))
    return tops


def full_heapq(lists: list[list[tuple[int, int, bytes, TopRow]]], count: int) -> list[tuple[int, int, bytes, TopRow]]:
    """The baseline at its best: the keys are made beforehand."""
    return list(islice(heapq.merge(*lists), count))


def keyed(shards: int) -> list[list[tuple[int, int, bytes, TopRow]]]:
    rng = random.Random(SEED)
    return [[(*order_key(row), row) for row in shard_rows(rng, shard)] for shard in range(shards)]


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
    lists = keyed(1024)
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
    lists = keyed(4096)
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
    assert list(board.top().rows) == [entry[3] for entry in full_heapq(keyed(1024), 100)]
