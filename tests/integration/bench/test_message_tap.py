"""Publications are read off a real server's wire byte by byte, whatever stands in them, and in order."""

from redis.asyncio import Redis

from bench.message_tap import read_line, tapped
from tests.support.shard_tops import FakeShard, shard_top
from tests.support.wait import wait_until

HOSTILE = 'a"b\\c\r\nd\x00é\U0001f600'


async def test_every_publication_is_heard_as_it_was_written(valkey: Redis, valkey_url: str) -> None:
    shard = FakeShard(valkey, "s1", partition=3)
    written = [
        shard_top("s1", {3: (1, n)}, boards={"all_time": {HOSTILE: n, "x" * n: 2}}, sequence=n) for n in range(1, 200)
    ]
    async with tapped(valkey_url) as tap:
        for top in written:
            await shard.publish_top(top)
        await valkey.set("something", "else")
        await wait_until(lambda: len(tap.publications()) == len(written))
    assert tap.publications() == written


async def test_nothing_is_heard_of_before_or_after(valkey: Redis, valkey_url: str) -> None:
    shard = FakeShard(valkey, "s1", partition=3)
    await shard.publish(ada=1)
    async with tapped(valkey_url) as tap:
        await shard.publish(ada=2)
        await wait_until(lambda: bool(tap.publications()))
    await shard.publish(ada=3)
    assert [row.score for top in tap.publications() for row in top.boards[0].rows] == [2]


def test_other_lines_are_none_of_ours() -> None:
    for line in (
        b"+OK",
        b'+1.2 [0 127.0.0.1:1] "HSET" "lb:other" "s1" "x"',
        b'+1.2 [0 127.0.0.1:1] "HGETALL" "lb:shard_tops"',
    ):
        assert read_line(line) is None
