"""Silent shards become stale, and are back when they publish."""

from contracts.ids import ShardId
from merger.silence import FORGET_AFTER_S, ShardSilence

S1, S2, S9 = ShardId("s1"), ShardId("s2"), ShardId("s9")


def silence() -> ShardSilence:
    return ShardSilence([S1, S2], now_s=100.0, stale_after_s=3.0)


def test_shard_is_silent_after_its_time_and_back_when_heard() -> None:
    shards = silence()
    shards.heard(S1, 100.0)
    shards.heard(S2, 102.0)
    assert shards.silent(103.0) == set()
    assert shards.silent(103.5) == {S1}
    shards.heard(S1, 103.6)
    assert shards.silent(103.7) == set()


def test_configured_shard_that_never_published_becomes_silent_too() -> None:
    shards = silence()
    shards.heard(S1, 103.0)
    assert shards.silent(103.5) == {S2}
    assert shards.never_heard() == {S2}


def test_warming_up_ends_when_all_are_heard_or_time_is_over() -> None:
    shards = silence()
    assert shards.is_warming_up(103.0)
    assert not shards.is_warming_up(103.1)
    shards.heard(S1, 101.0)
    shards.heard(S2, 101.0)
    assert not shards.is_warming_up(101.0)


def test_shard_found_stale_stays_stale_until_it_publishes() -> None:
    shards = silence()
    shards.on_written([S1])
    shards.found(S1, 100.0)
    shards.found(S2, 100.0)
    assert shards.silent(100.1) == {S1}
    shards.heard(S1, 100.2)
    assert shards.silent(100.3) == set()


def test_time_when_we_could_not_hear_is_not_their_silence() -> None:
    shards = silence()
    shards.heard(S1, 100.0)
    shards.heard(S2, 100.0)
    shards.was_deaf(50.0)
    assert shards.silent(152.9) == set()
    assert shards.silent(153.1) == {S1, S2}


def test_only_shards_that_nobody_configured_are_forgotten() -> None:
    shards = silence()
    for shard in (S1, S2, S9):
        shards.heard(shard, 100.0)
    assert shards.forgettable(100.0 + FORGET_AFTER_S) == []
    assert shards.forgettable(100.1 + FORGET_AFTER_S) == [S9]
    shards.forget(S9)
    assert S9 not in shards.silence_s(101.0)
