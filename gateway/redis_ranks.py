"""Reads running boards beyond their top from the shards: ranks of anybody, pages, the score at a rank.

Everything is asked of all partitions; a partition's part of an answer is of one moment (gateway/redis_shards.py)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.board_reads import (
    COUNT_BETTER,
    COUNTED,
    PAGE,
    STANDING,
    TIES,
    Better,
    Part,
    decode_better,
    decode_counted,
    decode_pages,
    decode_standings,
    decode_ties,
)
from contracts.identity import id16_of
from contracts.ids import ActionId, Offset, Partition, PeriodId, UserId
from contracts.partition_key import cached_partitioner
from contracts.periods import ALL_TIME
from gateway.board_walk import CHUNK, SCAN_MAX, AskPage, AskTies, Mark, Walk
from gateway.rank_counts import as_of_ms, partitions_to_count, places, scores_to_count
from gateway.ranked import Ranked, RankedPage, RankedRow
from gateway.redis_shards import PARTITIONS_PER_CALL, Question, ShardReads

COUNTS_PER_CALL: Final = 8_192
"""Some 10 ms of a shard's time; more scores go with fewer partitions to a call."""
PIVOTS: Final = 31
"""Scores that one round of a search for a rank tries: it narrows the range to a 32nd."""
ROUNDS_MAX: Final = 13
"""Scores lie within 2^54 whole numbers: 11 rounds, and two more where the board moves meanwhile."""


class ShardRanks:
    """Reads of running boards. Every method raises ShardsAway."""

    def __init__(self, shards: ShardReads) -> None:
        self._shards = shards
        self._partitioner = cached_partitioner(1)
        self._partitions = 1

    async def ranks(self, period: PeriodId, users: Sequence[UserId], *, wants_above: bool = True) -> Ranked:
        """The places of these users, hidden ones included. Their own partitions first, then all others."""
        by_partition = self._by_partition(users)
        own = await self._shards.ask(
            Question(STANDING, decode_standings, period, each={"users": by_partition}), list(by_partition)
        )
        asked = partitions_to_count(own, self._partitions)
        others = await self._count(period, scores_to_count(own), partitions=asked, wants_above=wants_above)
        return Ranked(places(own, others, users=by_partition), as_of_ms(own.values(), others.values()))

    async def page(self, period: PeriodId, start: Mark | None, *, limit: int, is_back: bool = False) -> RankedPage:
        """The rows after `start` (before it with `is_back`), with the ranks that their scores have now."""
        everywhere = self._everywhere()
        walk = Walk(everywhere, start, limit=limit, is_back=is_back)
        while asks := walk.asks():
            await self._advance(walk, period, asks=asks, is_back=is_back)
        scores = sorted({row.score for row in walk.rows})
        counted = await self._count(period, scores, partitions=everywhere)
        ranks = {score: 1 + sum(part.told.counts[n] for part in counted.values()) for n, score in enumerate(scores)}
        rows = [RankedRow(ranks[row.score], row) for row in walk.rows]
        return RankedPage(
            rows=tuple(reversed(rows) if is_back else rows),
            is_end=walk.is_end,
            total=sum(part.users for part in counted.values()),
            as_of_ms=as_of_ms(counted.values()),
        )

    async def score_at(self, period: PeriodId, rank: int) -> int | None:
        """The score of whoever stands at this place; None when so many users are not on the board.

        Searches the range of scores: the highest of which at least `rank` users have as much.
        """
        best = await self.page(period, None, limit=1)
        if best.total < rank:
            return None
        worst = await self.page(period, None, limit=1, is_back=True)
        if not best.rows or not worst.rows:
            return None
        low, high = worst.rows[0].row.score, best.rows[0].row.score
        everywhere = self._everywhere()
        for _ in range(ROUNDS_MAX):
            if low >= high:
                break
            step = max(1, -(-(high - low) // (PIVOTS + 1)))
            pivots = list(range(low + 1, high + 1, step))
            counted = await self._count(period, [pivot - 1 for pivot in pivots], partitions=everywhere)
            reached = [sum(part.told.counts[n] for part in counted.values()) >= rank for n in range(len(pivots))]
            first_missed = reached.index(False) if False in reached else len(pivots)
            low, high = (
                pivots[first_missed - 1] if first_missed else low,
                pivots[first_missed] - 1 if first_missed < len(pivots) else high,
            )
        return low

    async def counted(self, user: UserId, action_id: ActionId, *, window_ms: int) -> tuple[bool, Offset]:
        """Whether an action of the user counted lately, and where the user's partition stands. Raises ShardsAway."""
        ((partition, _),) = self._by_partition([user]).items()
        ids = {partition: [id16_of(user, action_id).hex()]}
        question = Question(COUNTED, decode_counted, ALL_TIME, same={"window_ms": window_ms}, each={"ids": ids})
        part = (await self._shards.ask(question, [partition]))[partition]
        return part.told[0], part.next_offset

    async def _advance(
        self, walk: Walk, period: PeriodId, *, asks: Mapping[Partition, AskPage | AskTies], is_back: bool
    ) -> None:
        pages = {p: ask for p, ask in asks.items() if isinstance(ask, AskPage)}
        ties = {p: ask for p, ask in asks.items() if isinstance(ask, AskTies)}
        if pages:
            cursors: dict[Partition, Any] = {p: ask.cursor for p, ask in pages.items()}
            question = Question(
                PAGE,
                decode_pages,
                period,
                same={"is_back": is_back, "scan": SCAN_MAX},
                each={"cursors": cursors, "rows": {p: ask.rows for p, ask in pages.items()}},
            )
            for partition, part in (await self._shards.ask(question, list(pages))).items():
                walk.told_page(partition, part.told)
        if ties:
            groups: dict[Partition, Any] = {p: ask.group for p, ask in ties.items()}
            same = {"is_back": is_back, "chunk": CHUNK}
            chunks = Question(TIES, decode_ties, period, same=same, each={"groups": groups}, per_call=1)
            for partition, chunk in (await self._shards.ask(chunks, list(ties))).items():
                walk.told_ties(partition, chunk.told)
        walk.settle()

    async def _count(
        self, period: PeriodId, scores: Sequence[int], *, partitions: Sequence[Partition], wants_above: bool = False
    ) -> dict[Partition, Part[Better]]:
        """How many have more than each score: all scores of one partition in the same moment."""
        same = {"scores": list(scores), "wants_above": wants_above}
        per_call = min(PARTITIONS_PER_CALL, max(1, COUNTS_PER_CALL // max(1, len(scores))))
        question = Question(COUNT_BETTER, decode_better, period, same=same, per_call=per_call)
        return await self._shards.ask(question, partitions)

    def _everywhere(self) -> list[Partition]:
        return [Partition(p) for p in range(self._shards.newest_map().partitions)]

    def _by_partition(self, users: Sequence[UserId]) -> dict[Partition, list[UserId]]:
        partitions = self._shards.newest_map().partitions
        if partitions != self._partitions:
            self._partitioner, self._partitions = cached_partitioner(partitions), partitions
        found: dict[Partition, list[UserId]] = {}
        for user in dict.fromkeys(users):
            found.setdefault(self._partitioner(user), []).append(user)
        return found
