"""What a shard told of a partition, or did not."""

from contracts.ids import Partition
from shardboard.rebalance.figures import PartitionFigures, ShardFigures, partition_figures
from tests.support.clusters import S1, S2

P0, P1 = Partition(0), Partition(1)


def test_only_a_shard_that_answered_tells_of_its_partitions() -> None:
    told = {S1: ShardFigures(S1, partitions={P0: PartitionFigures(7)}), S2: ShardFigures(S2, fault="away")}
    assert partition_figures(told, S1, partition=P0) == PartitionFigures(7)
    assert partition_figures(told, S1, partition=P1) is None
    assert partition_figures(told, S2, partition=P0) is None
    assert partition_figures({}, S1, partition=P0) is None
