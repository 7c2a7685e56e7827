"""Key names are where the data of a running deployment lies; a partition's keys share one hash tag."""

import pytest

from contracts import redis_keys
from contracts.ids import Partition, PeriodId, Window

P = Partition(7)
DAY = PeriodId("daily:2026-11-24")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (redis_keys.CLUSTER, "lb:cluster"),
        (redis_keys.LEASE, "lb:lease"),
        (redis_keys.LAST_MAP, "lb:map"),
        (redis_keys.SHARD_TOPS, "lb:shard_tops"),
        (redis_keys.SHARD_TOP_CHANGED, "lb:shard_top_changed"),
        (redis_keys.TOP_CHANGED, "lb:top_changed"),
        (redis_keys.TOP_VERSION, "lb:top_version"),
        (redis_keys.top(DAY), "lb:top:daily:2026-11-24"),
    ],
)
def test_keys_of_a_deployment(key: str, expected: str) -> None:
    assert key == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (redis_keys.progress(P), "lb:{7}:progress"),
        (redis_keys.scores(P, DAY), "lb:{7}:scores:daily:2026-11-24"),
        (redis_keys.scored_at(P, DAY), "lb:{7}:scored_at:daily:2026-11-24"),
        (redis_keys.seen(P, Window(1_995_008)), "lb:{7}:seen:1995008"),
        (redis_keys.kept(P), "lb:{7}:kept"),
        (redis_keys.caps(P, 20_781), "lb:{7}:caps:20781"),
        (redis_keys.hidden(P), "lb:{7}:hidden"),
        (redis_keys.voided(P), "lb:{7}:voided"),
        (redis_keys.erased(P), "lb:{7}:erased"),
        (redis_keys.names(P), "lb:{7}:names"),
    ],
)
def test_keys_of_a_partition_share_its_hash_tag(key: str, expected: str) -> None:
    assert key == expected
    assert key.startswith(redis_keys.partition_prefix(P))
