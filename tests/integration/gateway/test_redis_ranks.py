"""Ranks, pages and searches over real shards against plain sorting: ties of every size, during moves too."""

import random
from collections.abc import AsyncIterator

import pytest

from contracts.ids import PeriodId, UserId
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow, competition_ranks
from gateway import board_walk
from gateway.board_walk import Mark, above_all_of
from gateway.ranked import RankedPage
from gateway.redis_ranks import ShardRanks
from tests.support.ranked_boards import LOG_MS, Ground, random_scores, ranked_boards

PARTITIONS, SHARDS = 12, 4


@pytest.fixture
async def ground(any_redis_url: str) -> AsyncIterator[Ground]:
    async with ranked_boards(any_redis_url, shards=SHARDS, partitions=PARTITIONS) as ground:
        yield ground


def truth(ground: Ground) -> list[tuple[int, UserId, int]]:
    """(rank, user, score) of the whole board."""
    rows = ground.ordered()
    ranks = competition_ranks([row.score for row in rows])
    return [(rank, row.user_id, row.score) for rank, row in zip(ranks, rows, strict=True)]


def shown(page: RankedPage) -> list[tuple[int, UserId, int]]:
    return [(each.rank, each.row.user_id, each.row.score) for each in page.rows]


def mark_of(row: TopRow) -> Mark:
    return Mark(row.score, row.scored_at, row.user_id)


async def walk(reads: ShardRanks, *, limit: int) -> list[tuple[int, UserId, int]]:
    """The whole board by pages."""
    found: list[tuple[int, UserId, int]] = []
    start: Mark | None = None
    while True:
        page = await reads.page(ALL_TIME, start, limit=limit)
        found += shown(page)
        if page.is_end or not page.rows:
            return found
        last = page.rows[-1].row
        start = Mark(last.score, last.scored_at, last.user_id)


@pytest.mark.parametrize("seed", range(4))
async def test_every_rank_and_page_is_as_by_plain_sorting(
    ground: Ground, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of equal scores go beyond what one call looks through, so that chunks are read as well."""
    monkeypatch.setattr("gateway.redis_ranks.SCAN_MAX", rng_size := random.Random(seed).choice([2, 10, 1_000]))
    monkeypatch.setattr("gateway.redis_ranks.CHUNK", max(3, rng_size // 2))
    rng = random.Random(seed)
    scores = rng.choice([[5], [1, 2, 3], [-7, 0, 7, 2**53 - 1, -(2**53) + 1], range(1_000)])
    await ground.put(random_scores(rng, 400, scores=scores, times=rng.choice([1, 3, 1_000])))
    reads, expected = ShardRanks(ground.reads), truth(ground)
    ranked = await reads.ranks(ALL_TIME, [UserId(f"user-{n}") for n in range(401)])
    assert {user: (place.rank, place.score) for user, place in ranked.places.items()} == {
        user: (rank, score) for rank, user, score in expected
    }
    above = sorted({score for _, _, score in expected})
    for place in ranked.places.values():
        assert place.total == 400
        assert place.above == next((score for score in above if score > place.score), None)
    for limit in (7, 100):
        assert await walk(reads, limit=limit) == expected
    rows = ground.ordered()
    for _ in range(10):
        n, limit = rng.randrange(len(rows)), rng.randint(1, 30)
        back = await reads.page(ALL_TIME, mark_of(rows[n]), limit=limit, is_back=True)
        assert shown(back) == expected[max(0, n - limit) : n]
        assert back.is_end == (n <= limit)
        after = await reads.page(ALL_TIME, mark_of(rows[n]), limit=limit)
        assert shown(after) == expected[n + 1 : n + 1 + limit]
    for rank in (1, 2, 17, 399, 400, 401):
        found = await reads.score_at(ALL_TIME, rank)
        assert found == (rows[rank - 1].score if rank <= 400 else None)
        if found is not None:
            page = await reads.page(ALL_TIME, above_all_of(found), limit=3)
            first = next(n for n, row in enumerate(rows) if row.score == found)
            assert shown(page) == expected[first : first + 3]


async def test_an_empty_board_has_no_places(ground: Ground) -> None:
    reads = ShardRanks(ground.reads)
    assert (await reads.ranks(ALL_TIME, [UserId("nobody")])).places == {}
    page = await reads.page(ALL_TIME, None, limit=10)
    assert (page.rows, page.is_end, page.total, page.as_of_ms) == ((), True, 0, LOG_MS)
    assert await reads.score_at(ALL_TIME, 1) is None


async def test_a_hidden_user_has_the_place_of_the_parked_score_and_is_on_no_page(ground: Ground) -> None:
    await ground.put({"ada": (30, 1), "bob": (20, 2), "cy": (20, 1), "dan": (10, 1)})
    await ground.hide("bob")
    reads = ShardRanks(ground.reads)
    place = (await reads.ranks(ALL_TIME, [UserId("bob")])).places[UserId("bob")]
    assert (place.rank, place.score, place.total, place.to_next, place.is_hidden) == (2, 20, 4, 10, True)
    assert [row.row.user_id for row in (await reads.page(ALL_TIME, None, limit=10)).rows] == ["ada", "cy", "dan"]
    assert (await reads.ranks(PeriodId("daily:2026-11-24"), [UserId("bob")])).places == {}


async def test_percentile_and_points_to_the_next_place(ground: Ground) -> None:
    await ground.put({"a": (30, 1), "b": (20, 1), "c": (20, 2), "d": (5, 1)})
    places = (await ShardRanks(ground.reads).ranks(ALL_TIME, [UserId(user) for user in "abcd"])).places
    assert [(places[UserId(u)].percentile, places[UserId(u)].to_next) for u in "abcd"] == [
        (100.0, None), (75.0, 10), (75.0, 10), (25.0, 15),
    ]  # fmt: skip


async def test_users_whose_score_stays_are_met_once_while_others_move_among_them(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk in small pages through large groups of equals; between any two reads somebody else's score changes."""
    monkeypatch.setattr("gateway.redis_ranks.SCAN_MAX", 5)
    monkeypatch.setattr("gateway.redis_ranks.CHUNK", 4)
    rng = random.Random(8)
    await ground.put(random_scores(rng, 200, scores=[1, 2], times=50))
    movers = [UserId(f"user-{n}") for n in range(0, 200, 2)]
    staying = [row.user_id for row in ground.ordered() if row.user_id not in movers]
    reads = ShardRanks(ground.reads)
    ask = ground.reads.ask

    async def ask_and_disturb(*args: object, **more: object) -> object:
        answer: object = await ask(*args, **more)  # type: ignore[arg-type]
        await ground.put({rng.choice(movers): (rng.choice([0, 1, 2, 3]), rng.randrange(50)) for _ in range(5)})
        return answer

    monkeypatch.setattr(ground.reads, "ask", ask_and_disturb)
    met = [user for _, user, _ in await walk(reads, limit=9)]
    assert [user for user in met if user not in movers] == staying


async def test_reads_stay_exact_at_every_step_of_a_move(ground: Ground) -> None:
    """At each step all ranks and the whole walk are asked for; the reader learns of the switch last."""
    await ground.put(random_scores(random.Random(3), 300, scores=range(40), times=10))
    reads, expected = ShardRanks(ground.reads), truth(ground)
    users = [user for _, user, _ in expected]
    partition = ground.of(users[0])
    source = ground.owner(partition)
    target = next(shard for shard in ground.shards if shard != source)

    async def check() -> None:
        places = (await reads.ranks(ALL_TIME, users)).places
        assert [(places[user].rank, user, places[user].score) for user in users] == expected
        assert await walk(reads, limit=50) == expected

    await ground.fence(partition)
    await check()
    await ground.copy(partition, target)
    await check()
    await ground.own(partition, target)
    await check()
    switched = ground.switch(partition, target)
    await ground.put({users[0]: (1_000, 1)})  # the old owner is behind now: still a true moment of the past
    ground.maps.take(switched)
    await ground.forget(partition, source)
    await check()


def test_bounds_of_calls_are_those_of_the_functions() -> None:
    """The functions unpack one chunk into one command, whose arguments end at 7,999."""
    assert board_walk.SCAN_MAX <= 7_000
    assert board_walk.CHUNK <= 7_000
