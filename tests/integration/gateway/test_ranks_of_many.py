"""Two hundred thousand users with many ties over eight shards: random ranks, windows and walks against plain sorting,
before, during and after a change of the map that gives a quarter of the partitions to other shards."""

import random
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from contracts.ids import Partition, UserId
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow
from gateway import redis_shards
from gateway.board_walk import Mark, above_all_of
from gateway.ranked import RankedPage
from gateway.redis_ranks import ShardRanks
from tests.support.ranked_boards import Ground, random_scores, ranked_boards

USERS, SHARDS, PARTITIONS = 200_000, 8, 32
RANKS, WINDOWS = 2_500, 20
MOVED = PARTITIONS // 4
SEED = 2026


@dataclass(frozen=True, slots=True)
class Truth:
    """The board by plain sorting."""

    rows: Sequence[TopRow]
    scores: Sequence[int]
    """Ascending, with their minus: where a score would stand is how many are better."""

    def rank(self, score: int) -> int:
        """1 + how many have more."""
        return 1 + bisect_left(self.scores, -score)

    def shown(self, rows: Sequence[TopRow]) -> list[tuple[int, UserId, int]]:
        """Rows as pages show them."""
        return [(self.rank(row.score), row.user_id, row.score) for row in rows]


@pytest.fixture
async def ground(valkey_url: str) -> AsyncIterator[Ground]:
    async with ranked_boards(valkey_url, shards=SHARDS, partitions=PARTITIONS) as ground:
        rng = random.Random(SEED)
        # Half share one of a few hundred scores, so that groups are larger than one call looks through.
        ties = random_scores(rng, USERS // 2, scores=range(0, 3_000, 10), times=1_000)
        spread = random_scores(rng, USERS, scores=range(1_000_000), times=10**6)
        one = {f"same-{n}": (70, rng.randrange(50)) for n in range(40_000)}
        await ground.put({**spread, **ties, **one})
        yield ground


async def test_ranks_windows_and_walks_of_a_large_board(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_shards, "DEADLINE_S", 30)  # a thousand questions at once, on whatever machine
    rows = ground.ordered()
    truth = Truth(rows, [-row.score for row in rows])
    rng = random.Random(SEED)
    reads = ShardRanks(ground.reads)
    await check(reads, truth, rng=rng)
    moved = [Partition(p) for p in rng.sample(range(PARTITIONS), MOVED)]
    for n, partition in enumerate(moved):
        source = ground.owner(partition)
        target = ground.shards[(ground.shards.index(source) + 1 + n) % SHARDS]
        if target == source:
            target = ground.shards[(ground.shards.index(source) + 1) % SHARDS]
        await ground.fence(partition)
        await ground.copy(partition, target)
        if n == 0:
            await check(reads, truth, rng=rng)
        await ground.own(partition, target)
        ground.maps.take(ground.switch(partition, target))
        if n == MOVED // 2:
            await check(reads, truth, rng=rng)
        await ground.forget(partition, source)
    await check(reads, truth, rng=rng)
    await walk_down(reads, truth)


async def check(reads: ShardRanks, truth: Truth, *, rng: random.Random) -> None:
    """Random ranks of single users and of many at once, windows both ways, jumps."""
    asked = rng.sample(range(len(truth.rows)), RANKS)
    places = (await reads.ranks(ALL_TIME, [truth.rows[n].user_id for n in asked])).places
    for n in asked:
        row = truth.rows[n]
        place = places[row.user_id]
        assert (place.rank, place.score, place.total) == (truth.rank(row.score), row.score, len(truth.rows)), (
            f"seed {SEED}"
        )
    for n in asked[:WINDOWS]:
        row = truth.rows[n]
        (place,) = (await reads.ranks(ALL_TIME, [row.user_id])).places.values()
        better = [each.score for each in truth.rows[max(0, truth.rank(row.score) - 2) : truth.rank(row.score) - 1]]
        assert (place.rank, place.above) == (truth.rank(row.score), better[0] if better else None)
        mark = Mark(row.score, row.scored_at, row.user_id)
        below = await reads.page(ALL_TIME, mark, limit=5)
        above = await reads.page(ALL_TIME, mark, limit=5, is_back=True)
        assert shown(below) == truth.shown(truth.rows[n + 1 : n + 6])
        assert shown(above) == truth.shown(truth.rows[max(0, n - 5) : n])
        rank = n + 1
        score = await reads.score_at(ALL_TIME, rank)
        assert score == row.score
        page = await reads.page(ALL_TIME, above_all_of(score), limit=2)
        first = truth.rank(score) - 1
        assert shown(page) == truth.shown(truth.rows[first : first + 2])


async def walk_down(reads: ShardRanks, truth: Truth) -> None:
    """The first and the last pages, and those around the largest group of equals."""
    largest = truth.rank(70) - 1
    for first in (0, largest - 150, largest + 39_900, len(truth.rows) - 350):
        found: list[tuple[int, UserId, int]] = []
        row = truth.rows[first]
        start = Mark(row.score, row.scored_at, row.user_id)
        for _ in range(3):
            page = await reads.page(ALL_TIME, start, limit=100)
            found += shown(page)
            last = page.rows[-1].row
            start = Mark(last.score, last.scored_at, last.user_id)
        assert found == truth.shown(truth.rows[first + 1 : first + 1 + len(found)])


def shown(page: RankedPage) -> list[tuple[int, UserId, int]]:
    return [(each.rank, each.row.user_id, each.row.score) for each in page.rows]
