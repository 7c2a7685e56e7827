"""Plain commands in transactions, on real Valkey and real Redis 7: nothing is written into what changed since it was
looked at, and a connection that was lost is never taken for one that still watches."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.exceptions import RedisError, ResponseError

from contracts import redis_keys
from contracts.ids import Epoch, PeriodId
from shard_worker.move_pages import Digest, Page
from shard_worker.redis_move_sides import MoveRefused
from shard_worker.redis_move_wire import PROTOCOL, PageWriter, Wire, packed
from tests.support.move_pair import ABSENT, ORDER, MovePair, P, move_pair

BOARD = redis_keys.scores(P, PeriodId("all_time"))
FIRST, SECOND = Page("zset", "scores:all_time", [b"ann", b"1"]), Page("zset", "scores:all_time", [b"bob", b"2"])


@pytest.fixture
async def pair(any_redis_url: str) -> AsyncIterator[MovePair]:
    async with move_pair(any_redis_url, any_redis_url) as pair:
        yield pair


@pytest.fixture
async def writer(pair: MovePair) -> PageWriter:
    """It has written the first page, and looked at what it found for the second."""
    maker = pair.maker()
    await maker.wipe(ABSENT)
    writer = PageWriter(pair.target.wire, P, token=maker.token)
    assert await writer.write(FIRST, chunks=0) is None
    return writer


async def members(pair: MovePair) -> list[bytes]:
    found: list[bytes] = await pair.target_redis.zrange(BOARD, 0, -1)
    return found


@pytest.mark.parametrize("length", [0, 1, 1_023, 1_024, 70_000])
async def test_words_of_any_length_and_bytes_arrive(pair: MovePair, length: int) -> None:
    word = bytes(n % 256 for n in range(length))
    wire = Wire(pair.target_redis)
    assert await wire.ask([(b"SET", b"key", word), (b"GET", b"key")]) == [b"OK", word]
    await wire.close()


def test_command_is_packed_as_the_protocol_says() -> None:
    assert packed((b"SADD", b"k", b"", b"a\r\nb")) == b"*4\r\n$4\r\nSADD\r\n$1\r\nk\r\n$0\r\n\r\n$4\r\na\r\nb\r\n"


async def test_page_after_page_is_written(pair: MovePair, writer: PageWriter) -> None:
    assert await writer.write(SECOND, chunks=1) is None
    assert await members(pair) == [b"ann", b"bob"]
    progress = await pair.target.progress()
    assert progress is not None
    assert progress.chunks == 2


async def wiped(pair: MovePair) -> None:
    await pair.maker().wipe(ABSENT)


async def claimed(pair: MovePair) -> None:
    await pair.target_shard.claim(P, Epoch(3), begin=None)
    await pair.target_redis.hset(redis_keys.progress(P), "state", "owned")


async def flushed(pair: MovePair) -> None:
    await pair.target_redis.flushdb()


async def counted(pair: MovePair) -> None:
    await pair.target_redis.hincrby(redis_keys.progress(P), "chunks", 1)


@pytest.mark.parametrize("change", [wiped, claimed, flushed, counted])
async def test_nothing_is_written_into_what_changed_since_the_last_look(
    pair: MovePair, writer: PageWriter, change: Callable[[MovePair], Awaitable[None]]
) -> None:
    """The writer looked when it wrote the page before, and does not look again."""
    await change(pair)
    refusal = await writer.write(SECOND, chunks=1)
    assert refusal is not None
    assert refusal.startswith("REFUSED")
    assert b"bob" not in await members(pair)


async def test_lost_connection_watches_no_more(pair: MovePair, writer: PageWriter) -> None:
    """Another mover wipes while the connection is gone: whatever the client does about it, nothing is written."""
    await pair.target_redis.client_kill_filter(skipme=True, _type="normal")
    await wiped(pair)
    with pytest.raises(RedisError):
        await writer.write(SECOND, chunks=1)
    refusal = await writer.write(SECOND, chunks=1)
    assert refusal is not None
    assert await members(pair) == []


async def test_errors_inside_of_a_transaction_are_raised(pair: MovePair, writer: PageWriter) -> None:
    await pair.target_redis.delete(BOARD)
    await pair.target_redis.set(BOARD, "text")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await writer.write(SECOND, chunks=1)


async def test_key_of_another_type_ends_the_reading(pair: MovePair) -> None:
    await pair.fill(3)
    maker = pair.maker()
    _, inventory = await pair.source.fence(ORDER, maker.token)
    assert inventory is not None
    await pair.source_redis.delete(BOARD)
    await pair.source_redis.set(BOARD, "text")
    with pytest.raises(MoveRefused, match="source: WRONGTYPE"):
        [page async for page in pair.source.pages(maker.token, inventory, digest=Digest())]


async def test_wire_opens_again_after_it_was_closed(pair: MovePair) -> None:
    wire, are_open = Wire(pair.target_redis), list[bool]()
    for _ in range(2):
        assert await wire.ask([(b"PING",)]) == [b"PONG"]
        are_open.append(wire.is_open)
        await wire.close()
        await wire.close()
        are_open.append(wire.is_open)
    assert are_open == [True, False, True, False]


def test_protocol_is_the_one_of_flat_lists() -> None:
    assert PROTOCOL == 2
