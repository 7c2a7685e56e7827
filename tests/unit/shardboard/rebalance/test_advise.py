"""Advice finds what is hot, uneven, idle or away, and proposes moves that make the hottest shard cooler."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from contracts.ids import Partition, ShardId
from contracts.moves import StoredMap
from partitioning.ring import caps_of
from shardboard.command_error import CommandError
from shardboard.rebalance.advise import HOT_FACTOR, MOVES_MAX, RECORDS_PER_S_MIN, advise
from shardboard.rebalance.change import Change
from tests.support.clusters import (
    S1,
    S2,
    S3,
    S4,
    cluster,
    entry,
    figures,
    moving,
    owner_of,
    with_entries,
    with_owner,
    with_rates,  # fmt: skip
)

STORED = cluster(S1, S2, S3)
ON_S1 = [Partition(p) for p in range(64) if owner_of(STORED, p).shard == S1]


def load(rates: dict[Partition, float], stored: StoredMap, *, change: Change | None = None) -> dict[ShardId, float]:
    at = {Partition(p): owner_of(stored, p).shard for p in range(64)}
    at |= {move.partition: move.target for move in change.moves} if change else {}
    total: dict[ShardId, float] = defaultdict(float)
    for partition, shard in at.items():
        total[shard] += rates.get(partition, 10.0)
    return total


def counts(stored: StoredMap, change: Change) -> Counter[ShardId]:
    at = {Partition(p): owner_of(stored, p).shard for p in range(64)}
    return Counter((at | {move.partition: move.target for move in change.moves}).values())


def test_a_cluster_in_order_needs_no_advice() -> None:
    told = advise(STORED, figures(STORED))
    assert (told.advice, told.change) == ((), None)


def test_a_hot_shards_load_is_spread() -> None:
    rates = dict.fromkeys(ON_S1[:8], 100.0)
    told = advise(STORED, with_rates(figures(STORED), rates))
    assert told.change is not None
    assert (told.advice[0].kind, told.advice[0].shard) == ("hot", S1)
    before, after = load(rates, STORED), load(rates, STORED, change=told.change)
    assert max(after.values()) < max(before.values())
    assert max(after.values()) <= HOT_FACTOR * sum(after.values()) / 3
    assert all("times its share" in move.reason for move in told.change.moves)
    caps = caps_of(64, told.change.members)
    assert all(held <= caps[shard] for shard, held in counts(STORED, told.change).items())
    assert any("in exchange for" in move.reason for move in told.change.moves), "others are at their caps"


def test_one_partition_that_makes_all_the_load_is_not_moved_about() -> None:
    told = advise(STORED, with_rates(figures(STORED), {ON_S1[0]: 100_000.0}))
    assert (told.change, told.advice[0].kind) == (None, "hot")
    assert "no single partition is small enough" in told.advice[0].text


def test_an_advice_is_bounded() -> None:
    hot = dict.fromkeys(ON_S1, 1_000.0)
    told = advise(STORED, with_rates(figures(STORED), hot))
    assert told.change is not None
    assert 0 < len(told.change.moves) <= MOVES_MAX


def test_a_heavy_shard_may_do_more() -> None:
    heavy = with_entries(STORED, entry(S1, 400))
    rates = {Partition(p): 50.0 if p in ON_S1 else 10.0 for p in range(64)}
    assert "hot" not in {each.kind for each in advise(heavy, with_rates(figures(heavy), rates)).advice}


def test_rates_that_say_nothing_are_ignored() -> None:
    quiet = {Partition(p): 0.0 for p in range(64)}
    quiet[ON_S1[0]] = RECORDS_PER_S_MIN - 1
    assert advise(STORED, with_rates(figures(STORED), quiet)).change is None


def test_a_shard_above_its_cap_is_evened_out() -> None:
    stored = STORED
    for partition in range(40):
        stored = with_owner(stored, partition, shard=S1)
    quiet = dict.fromkeys(map(Partition, range(64)), 0.0)
    told = advise(stored, with_rates(figures(stored), quiet))
    assert told.change is not None
    assert (told.advice[0].kind, told.change.kind) == ("uneven", "even")
    assert "its share is 21, its cap 24" in told.advice[0].text


def test_idle_unserved_and_unreachable_shards_are_named() -> None:
    stored = cluster(S1, S2, S3, joined=(S4,))
    told = figures(stored, s2="refused")
    told[S3] = replace(told[S3], has_worker=False)
    advice = advise(stored, told).advice
    assert {(each.shard, each.kind) for each in advice} == {(S4, "idle"), (S2, "unreachable"), (S3, "no_worker")}
    assert all(each.command for each in advice)


def test_no_advice_while_partitions_are_on_their_way() -> None:
    with pytest.raises(CommandError, match="on their way"):
        advise(moving(STORED, 0, target=S2), figures(STORED))
