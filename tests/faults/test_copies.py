"""A server that starts with an older copy, or without its file's tail, has an earlier state and nothing else."""

import signal

from redis.asyncio import Redis

from tests.faults.copies import Copies
from tests.support.services import StartValkey


async def test_a_rollback_brings_an_earlier_state_back(start_valkey: StartValkey) -> None:
    server = await start_valkey("s")
    copies = Copies(server.data_dir)
    async with Redis.from_url(server.address) as redis:
        for number in range(3):
            await redis.set("n", number)
            await redis.bgrewriteaof() if number == 1 else None
            assert copies.take() or copies.take()
        await redis.set("n", 9)
    await server.stop(grace_s=0)
    copies.roll_back(1)
    await server.start()
    async with Redis.from_url(server.address) as redis:
        assert await redis.get("n") == b"1"
    assert len(copies.kept) == 2


async def test_a_cut_tail_loses_the_last_writes_only(start_valkey: StartValkey) -> None:
    server = await start_valkey("s")
    copies = Copies(server.data_dir)
    async with Redis.from_url(server.address) as redis:
        for number in range(100):
            await redis.set("n", number)
    await server.stop(grace_s=2)
    assert server.stop_signal is signal.SIGTERM
    assert copies.cut_tail(1_000) == 1_000
    await server.start()
    async with Redis.from_url(server.address) as redis:
        assert 50 < int(await redis.get("n") or 0) < 99
