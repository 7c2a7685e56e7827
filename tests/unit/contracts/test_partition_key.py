"""The remembered partition of a user is the computed one."""

from contracts.ids import UserId
from contracts.partition_key import cached_partitioner, partition_of


def test_the_cache_changes_nothing() -> None:
    cached = cached_partitioner(64)
    for user in [UserId(f"u{number % 300}") for number in range(900)]:
        assert cached(user) == partition_of(user, 64)


def test_users_spread_evenly() -> None:
    """10,000 ids in 64 partitions: 156 each on average; five standard deviations are 62."""
    counts = [0] * 64
    for number in range(10_000):
        counts[partition_of(UserId(f"user-{number}"), 64)] += 1
    assert 94 < min(counts) <= max(counts) < 218
