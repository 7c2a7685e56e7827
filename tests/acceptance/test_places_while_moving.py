"""Everybody's place on a large board before, during and after real rebalances, against plain sorting.

At each stage 10,000 random ranks, windows around users, jumps, and a third of a walk along the whole board. While
partitions move some users act: then each rank is judged at the very offsets at which it was told, and whoever does not
act must be met once and in order. 200,000 users; SHARDBOARD_TEST_USERS=2000000 for more."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from contracts.ids import UserId
from contracts.periods import ALL_TIME
from gateway import redis_shards
from gateway.board_walk import Mark, above_all_of
from gateway.ranked import RankedPage
from tests.support.large_board import LargeBoard, Row, Truth, large_board, unpacked, user_of
from tests.support.services import StartValkey

USERS: Final = int(os.environ.get("SHARDBOARD_TEST_USERS", "200000"))
RANKS, AT_ONCE, WINDOWS, PAGE = 10_000, 500, 50, 100
ACTING = 25
CHANGES = (("drain", "s7", "s8"), ("add", "s7", "s8"))
SEED = 2026


@pytest.fixture
async def board(
    start_valkey: StartValkey, kafka_address: str, postgres_database: str, unique_name: str, tmp_path: Path
) -> AsyncIterator[LargeBoard]:
    async with large_board(
        start_valkey, kafka=kafka_address, database=postgres_database, topic=unique_name, folder=tmp_path,
        users=USERS, seed=SEED,
    ) as found:  # fmt: skip
        yield found


@dataclass(slots=True)
class Walk:
    """The whole board by pages, as cursors lead along it. It may rest anywhere."""

    board: LargeBoard
    met: list[Row] = field(default_factory=list)
    start: Mark | None = None
    is_over: bool = False

    async def go(self, *, until: int = USERS) -> list[Row]:
        """Walk until so many were met, or to the end; whom it met since the last rest."""
        first = len(self.met)
        while len(self.met) < until and not self.is_over:
            page = await self.board.ranks.page(ALL_TIME, self.start, limit=PAGE)
            self.met += shown(page)
            self.is_over = page.is_end
            last = page.rows[-1].row
            self.start = Mark(last.score, last.scored_at, last.user_id)
        return self.met[first:]


@pytest.mark.timeout(1_200)
async def test_every_place_is_exact_before_during_and_after_rebalances(
    board: LargeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked is asked of a busy machine: how long it takes is no part of this."""
    monkeypatch.setattr(redis_shards, "DEADLINE_S", 60)
    monkeypatch.setattr(redis_shards, "SOCKET_TIMEOUT_S", 30)
    rng, walk = random.Random(SEED), Walk(board)
    rows = await check_at_rest(board, rng=rng)
    assert await walk.go(until=USERS // 3) == rows[: len(walk.met)]
    await check_while_moving(board, rng=rng, walking=asyncio.create_task(walk.go(until=2 * USERS // 3), name="walk"))
    await board.until_applied()
    rows = await check_at_rest(board, rng=rng)
    last = await walk.go()
    assert last == rows[-len(last) :]
    assert [user for _, user, _ in walk.met if user not in board.truth.movers] == stayers(board.truth)


async def check_at_rest(board: LargeBoard, *, rng: random.Random) -> list[Row]:
    """Nothing changes: every answer is the sorted board's, which is returned."""
    rows = board.truth.rows()
    for _ in range(RANKS // AT_ONCE):
        await check_ranks(board, random_users(rng))
    for n in rng.sample(range(len(rows)), WINDOWS):
        await check_window(board, rows, n=n)
    return rows


async def check_while_moving(board: LargeBoard, *, rng: random.Random, walking: asyncio.Task[list[Row]]) -> None:
    """Partitions move away and back again until enough was asked and the walk rests."""
    asked = rebalances = 0
    while asked < RANKS or rebalances < len(CHANGES) or not walking.done():
        change = CHANGES[rebalances % len(CHANGES)]
        applying = asyncio.create_task(board.rebalance(*change), name="rebalance")
        while not applying.done():
            await check_ranks(board, random_users(rng), acting=ACTING)
            await check_window_of_stayers(board, n=rng.randrange(len(board.truth.stayers)))
            asked += AT_ONCE
        await applying
        rebalances += 1
    assert board.moved > 0
    for rank, user, score in await walking:
        assert user in board.truth.movers or 0 <= rank - 1 - board.truth.better_stayers(score) <= len(
            board.truth.movers
        ), f"rank {rank} of {user} with {score}"


async def check_ranks(board: LargeBoard, users: Sequence[UserId], *, acting: int = 0) -> None:
    """Ranks of many at once, and of two by themselves, each at the offsets that it names, while so many act."""
    ranks, truth = board.ranks.ranks, board.truth
    singles = [users[0], board.rng.choice(list(truth.movers))]
    acted = asyncio.create_task(board.act(acting), name="act")
    many, *alone = await asyncio.gather(
        ranks(ALL_TIME, users, wants_above=False), *(ranks(ALL_TIME, [user]) for user in singles)
    )
    await acted
    assert sorted(many.places) == sorted(users)
    for place in (*many.places.values(), *(ranked.places[user] for user, ranked in zip(singles, alone, strict=True))):
        positions = dict(place.positions)
        if place.user_id in truth.movers:
            assert place.score == truth.standing(place.user_id, positions).score
        rank, _ = truth.place(place.score, positions, apart=place.user_id)
        assert (place.rank, place.total) == (rank, USERS), f"{place.user_id} at {positions}"
    for user, ranked in zip(singles, alone, strict=True):
        place = ranked.places[user]
        assert place.above == truth.place(place.score, dict(place.positions), apart=user)[1]


async def check_window(board: LargeBoard, rows: Sequence[Row], *, n: int) -> None:
    """The neighbours of one, both ways; and a jump to his rank."""
    _, user, score = rows[n]
    (place,) = (await board.ranks.ranks(ALL_TIME, [user])).places.values()
    mark = Mark(score, place.scored_at, user)
    below = await board.ranks.page(ALL_TIME, mark, limit=5)
    above = await board.ranks.page(ALL_TIME, mark, limit=5, is_back=True)
    assert shown(below) == rows[n + 1 : n + 6]
    assert shown(above) == rows[max(0, n - 5) : n]
    assert await board.ranks.score_at(ALL_TIME, n + 1) == score
    page = await board.ranks.page(ALL_TIME, above_all_of(score), limit=2)
    assert shown(page) == rows[place.rank - 1 : place.rank + 1]


async def check_window_of_stayers(board: LargeBoard, *, n: int) -> None:
    """Who does not act has the neighbours who do not act either, whoever passes between them."""
    truth = board.truth
    mark = truth.mark(n)
    below = await board.ranks.page(ALL_TIME, mark, limit=10)
    above = await board.ranks.page(ALL_TIME, mark, limit=10, is_back=True)
    met = [row for row in shown(below) if row[1] not in truth.movers]
    assert [user for _, user, _ in met] == stayers(truth, n + 1, end=n + 1 + len(met))
    met_above = [row for row in shown(above) if row[1] not in truth.movers]
    assert [user for _, user, _ in met_above] == stayers(truth, n - len(met_above), end=n)
    for rank, _, score in met + met_above:
        assert 0 <= rank - 1 - truth.better_stayers(score) <= len(truth.movers)


def random_users(rng: random.Random) -> list[UserId]:
    return [user_of(n) for n in rng.sample(range(USERS), AT_ONCE)]


def stayers(truth: Truth, first: int = 0, *, end: int | None = None) -> list[UserId]:
    """Those who do not act, from one place of theirs to another."""
    return [user_of(unpacked(place)[2]) for place in truth.stayers[first:end]]


def shown(page: RankedPage) -> list[Row]:
    return [(each.rank, each.row.user_id, each.row.score) for each in page.rows]
