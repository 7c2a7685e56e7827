"""Each rule of the calls of a move, once, by hand: on real Valkey and real Redis 7."""

from collections.abc import AsyncIterator

import pytest

from contracts import redis_keys
from contracts.ids import Epoch, Partition, PeriodId, ShardId
from shard_worker.move_pages import Digest
from shard_worker.move_steps import Event, Order
from shard_worker.redis_move_sides import MoveRefused
from shard_worker.redis_move_wire import PageWriter
from shard_worker.redis_restore import PartitionMaker
from shard_worker.replies import Ahead, Paused
from shard_worker.restore_steps import Event as Written
from tests.support.move_pair import ABSENT, ORDER, S1, S2, MovePair, P, move_pair


@pytest.fixture
async def pair(any_redis_url: str) -> AsyncIterator[MovePair]:
    async with move_pair(any_redis_url, any_redis_url) as pair:
        yield pair


async def fenced(pair: MovePair, token: str = "t") -> Event:  # noqa: S107  a token of a move
    event, _ = await pair.source.fence(ORDER, token)
    return event


async def test_fence_stops_the_writer_and_no_later_claim_of_its_epoch_lifts_it(pair: MovePair) -> None:
    await pair.fill(3)
    assert await fenced(pair) is Event.DONE
    progress = await pair.source.progress()
    assert progress is not None
    assert (progress.epoch, progress.fenced, progress.token, progress.next_offset) == (2, True, "t", 900)
    claim = await pair.source_shard.claim(P, Epoch(1), since=Epoch(1), begin=None)
    assert claim == Ahead(Epoch(2))
    assert await pair.source_shard.claim(P, Epoch(2), since=Epoch(1), begin=None) == Paused()
    await pair.source_shard.claim(P, Epoch(3), since=Epoch(1), begin=None)
    progress = await pair.source.progress()
    assert progress is not None
    assert not progress.fenced


async def test_fence_again_takes_the_place_of_the_first(pair: MovePair) -> None:
    await pair.fill(3)
    await fenced(pair, "first")
    assert await fenced(pair, "second") is Event.DONE
    with pytest.raises(MoveRefused):
        await pair.source.inventory("first")
    await pair.source.inventory("second")


async def test_fence_is_refused_by_a_newer_epoch_and_finds_no_leftover(pair: MovePair) -> None:
    await pair.fill(3)
    late = Order(P, S1, S2, Epoch(9), Epoch(2))
    assert (await pair.source.fence(late, "t"))[0] is Event.FOUND_NOTHING
    await pair.source_shard.claim(P, Epoch(3), since=Epoch(1), begin=None)
    assert await fenced(pair) is Event.NEWER
    progress = await pair.source.progress()
    assert progress is not None
    assert (progress.epoch, progress.fenced) == (3, False)


async def test_source_is_read_only_while_it_is_fenced_by_us(pair: MovePair) -> None:
    await pair.fill(3)
    for token in ("", "t"):
        with pytest.raises(MoveRefused):
            await pair.source.inventory(token)
    await fenced(pair)
    inventory = await pair.source.inventory("t")
    await pair.source_redis.hset(redis_keys.progress(P), "fenced", "0")
    with pytest.raises(MoveRefused):
        await pair.source.inventory("t")
    with pytest.raises(MoveRefused):
        await anext(pair.source.pages("t", inventory, digest=Digest()))


async def test_target_is_compared_only_while_it_is_copied_by_us(pair: MovePair) -> None:
    await pair.fill(3)
    maker = await pair.copy()
    await pair.target.inventory(maker.token)
    for token in ("", "other"):
        with pytest.raises(MoveRefused):
            await pair.target.inventory(token)
    _, position = await pair.compare(maker)
    await maker.own(position.start)
    with pytest.raises(MoveRefused):
        await pair.target.inventory(maker.token)


async def test_pages_are_written_once_each_in_order_by_the_last_wipe(pair: MovePair) -> None:
    await pair.fill(3)
    first, second = pair.maker(), pair.maker()
    event, inventory = await pair.source.fence(ORDER, first.token)
    assert (event, inventory is None) == (Event.DONE, False)
    assert inventory is not None
    pages = [page async for some in pair.source.pages(first.token, inventory, digest=Digest()) for page in some]
    wire = pair.target.wire
    assert await second.write_pages(pages[:1], wire=wire) is Written.REFUSED
    await first.wipe(ABSENT)
    assert await first.write_pages(pages[:2], wire=wire) is Written.DONE
    for chunks in (1, 3):
        refusal = await PageWriter(wire, P, token=first.token).write(pages[1], chunks=chunks)
        assert refusal == f"REFUSED ['copying', '{first.token}', '2', '2']"
    await second.wipe(ABSENT)
    assert await first.write_pages(pages[2:3], wire=wire) is Written.REFUSED
    progress = await pair.target.progress()
    assert progress is not None
    assert (progress.chunks, await pair.target_redis.zcard(redis_keys.scores(P, PeriodId("all_time")))) == (0, 0)


async def test_damaged_keys_are_told_and_nothing_is_fenced(pair: MovePair) -> None:
    await pair.fill(3)
    await pair.source_redis.set(redis_keys.partition_prefix(P) + "stray", "text")
    with pytest.raises(MoveRefused, match="stray string"):
        await fenced(pair)
    progress = await pair.source.progress()
    assert progress is not None
    assert not progress.fenced


async def test_full_server_can_be_moved_away_from(pair: MovePair) -> None:
    """Fencing and forgetting go on where memory is used up, and so does reading."""
    await pair.fill(3)
    await pair.source_redis.config_set("maxmemory", "1mb")
    try:
        assert await fenced(pair) is Event.DONE
        await pair.source.inventory("t")
    finally:
        await pair.source_redis.config_set("maxmemory", "0")


async def test_another_partition_is_not_touched(pair: MovePair) -> None:
    await pair.fill(3)
    other = PartitionMaker(pair.target_shard, Partition(30), epoch=Epoch(1), shard_id=ShardId("s2"))
    await other.wipe(ABSENT)
    await pair.copy()
    progress = await pair.target_shard.progress(Partition(30))
    assert progress is not None
    assert progress.token == other.token
