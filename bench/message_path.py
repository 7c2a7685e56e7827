"""What shards tell the merger, against what the board needed of it: each publication is read off the cache's wire and
merged once more, one by one.

Needed is a publication that changes the rows of the global board (no shard could have left it out, whatever it knew
beforehand), and a beat, by which a shard that has nothing to say says that it is there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from bench.ground import Ground
from bench.log_maker import FeedPlan, feed_apart
from bench.message_tap import tapped
from bench.results import COUNT, Ask, Part, Way, make_part
from bench.whole import Whole, progress_of, start_workers, whole
from contracts import redis_keys
from contracts.clock import monotonic_s
from contracts.ids import Partition
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow, top_rows
from contracts.tops import GLOBAL_TOP_ROWS, ShardTop, decode_global_top, decode_shard_top
from merger.merging import MergeState
from shard_worker.redis_top_reader import TopReader

SENT, NEEDED, BEATS = "publications", "needed", "of these, beats"
MISSED: Final = "boards missed"
BAR: Final = 1.2
SHARE_OF_RATE: Final = 0.4
BOARD_S_MAX: Final = 20.0
_LOOK_AGAIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Needs:
    """How many publications there were, and what became of them."""

    sent: int
    changing: int
    beats: int


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Each distribution; a new deployment for each round, so that boards begin empty."""
    sizes, rate = ground.sizes, max(1.0, ground.sizes.rate_per_s * SHARE_OF_RATE)
    shards = sizes.shards[-1]
    for kind in sizes.distributions:
        case = f"{kind}, {rate:,.0f} actions/s on {shards} shards"
        if not ground.asked.wants(case):
            continue
        found = {name: Way(name, {COUNT: []}) for name in (SENT, NEEDED, BEATS, MISSED)}
        for number in range(sizes.rounds):
            needs, is_exact = await _round(ground, kind, seed=ground.seed + number)
            counted = (needs.sent, needs.changing + needs.beats, needs.beats, not is_exact)
            for way, value in zip(found.values(), counted, strict=True):
                way.measures[COUNT].append(float(value))
        yield make_part(
            "messages", case,
            settings={"rate_per_s": rate, "seconds": sizes.load_s, "shards": shards, "users": sizes.users,
                      "boards": 1, "rows": GLOBAL_TOP_ROWS},
            ways=list(found.values()),
            asks=[
                Ask(measure=COUNT, first=SENT, second=NEEDED, at_most=BAR),
                Ask(measure=COUNT, first=MISSED, at_most=0.0),
            ],
        )  # fmt: skip


def needs_of(known: Sequence[ShardTop], publications: Sequence[ShardTop]) -> Needs:
    """Merge them one after the other, after those that were `known` when it began."""
    state, rows_of = MergeState(), dict[str, object]()
    for top in known:
        state.on_shard_top(top, 0.0)
        rows_of[top.shard] = top.boards
    changing = beats = sent = 0
    for top in publications:
        before = state.merged(ALL_TIME).rows
        if not state.on_shard_top(top, 0.0):
            continue  # known already
        sent += 1
        if state.merged(ALL_TIME).rows != before:
            changing += 1
        elif rows_of.get(top.shard) == top.boards:
            beats += 1
        rows_of[top.shard] = top.boards
    return Needs(sent, changing, beats)


async def _round(ground: Ground, kind: str, *, seed: int) -> tuple[Needs, bool]:
    sizes = ground.sizes
    async with whole(ground, "messages", shards=sizes.shards[-1], environ={"SHARDBOARD_PERIODS": "all_time"}) as (
        deployment,
        running,
    ):
        await start_workers(deployment, running)
        await running.enter_async_context(deployment.grounded.service("merger"))
        grounded = deployment.grounded
        plan = FeedPlan(
            kafka=grounded.kafka, topic=grounded.topic, partitions=deployment.partitions,
            rate_per_s=max(1.0, sizes.rate_per_s * SHARE_OF_RATE), seconds=sizes.load_s, users=sizes.users,
            distribution=kind, seed=seed,
        )  # fmt: skip
        cache = await running.enter_async_context(Redis.from_url(grounded.cache))
        async with tapped(grounded.cache) as tap:
            raw: dict[bytes, bytes] = await cache.hgetall(redis_keys.SHARD_TOPS)  # type: ignore[assignment]
            fed = await feed_apart(plan)
            async with progress_of(deployment) as progress:
                await progress.until(fed.count)
            is_exact = await _is_exact(deployment, running, cache=cache)
    return needs_of([decode_shard_top(data) for data in raw.values()], tap.publications()), is_exact


async def _is_exact(deployment: Whole, running: AsyncExitStack, *, cache: Redis) -> bool:
    """Whether the board comes to be what all scores of all shards make."""
    wanted = await _top_of_all(deployment, running)
    deadline_s = monotonic_s() + BOARD_S_MAX
    while monotonic_s() < deadline_s:
        data: bytes | None = await cache.get(redis_keys.top(ALL_TIME))  # type: ignore[assignment]
        if data is not None and [_shown(row) for row in decode_global_top(data).rows] == wanted:
            return True
        await asyncio.sleep(_LOOK_AGAIN_S)
    return False


async def _top_of_all(deployment: Whole, running: AsyncExitStack) -> list[tuple[str, int]]:
    rows: list[TopRow] = []
    partitions = [Partition(p) for p in range(deployment.partitions)]
    for url in deployment.grounded.shards.values():
        redis = await running.enter_async_context(Redis.from_url(url))
        found, _ = await TopReader(redis).top(ALL_TIME, partitions, count=GLOBAL_TOP_ROWS)
        rows += found
    return [_shown(row) for row in top_rows(rows, GLOBAL_TOP_ROWS)]


def _shown(row: TopRow) -> tuple[str, int]:
    return row.user_id, row.score
