"""Made-up tops of many shards, and what they are merged by elsewhere: the ground of the merge benchmarks. Pure."""

import heapq
import random
from itertools import islice

import msgspec

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow, order_key
from contracts.tops import Floor, Position, ShardBoard, ShardTop
from merger.merging import MergeState

PERIOD = PeriodId("all_time")
ROWS = 10


def shard_rows(rng: random.Random, shard: int) -> tuple[TopRow, ...]:
    """Ten rows in board order."""
    scores = sorted((rng.randrange(1_000_000) for _ in range(ROWS)), reverse=True)
    return tuple(
        TopRow(UserId(f"user-{shard}-{i}"), score, LogMs(1_000 + i), Partition(shard)) for i, score in enumerate(scores)
    )


def shard_top(shard: int, rows: tuple[TopRow, ...], *, sequence: int) -> ShardTop:
    """What the shard publishes."""
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


def keyed(rng: random.Random, shards: int) -> list[list[tuple[int, int, bytes, TopRow]]]:
    """Every shard's rows with their keys."""
    return [[(*order_key(row), row) for row in shard_rows(rng, shard)] for shard in range(shards)]
