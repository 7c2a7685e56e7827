"""`python -m merger` as the supervisor starts it: serves its internal port, drains on SIGTERM, refuses bad settings."""

import asyncio
import os
import re
import signal
import sys

import aiohttp
from redis.asyncio import Redis

from contracts.exit_codes import ExitCode
from contracts.periods import ALL_TIME
from contracts.redis_keys import CLUSTER, top
from tests.support.shard_tops import FakeShard
from tests.support.wait import wait_until


async def start(**environ: str) -> asyncio.subprocess.Process:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "merger", env=ours | environ, stderr=asyncio.subprocess.PIPE
    )


async def test_process_is_ready_shows_metrics_and_drains(valkey: Redis, valkey_url: str) -> None:
    process = await start(
        SHARDBOARD_CACHE_URL=valkey_url,
        SHARDBOARD_SHARDS="s1=redis://127.0.0.1:1/0",
        SHARDBOARD_ENV="production",
    )
    assert process.stderr is not None
    try:
        port = None
        while port is None:
            line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
            port = re.search(r'"admin_port": (\d+)', line)
        url = f"http://127.0.0.1:{port[1]}"
        async with aiohttp.ClientSession() as session:

            async def is_ready() -> bool:
                async with session.get(f"{url}/health/ready") as response:
                    return response.status == 200

            await wait_until(is_ready, what="readiness")
            await FakeShard(valkey, "s1", partition=0).publish(ada=1)

            async def is_written() -> bool:
                return bool(await valkey.exists(top(ALL_TIME)))

            await wait_until(is_written, what="the board")
            async with session.get(f"{url}/metrics") as response:
                assert 'shardboard_boards_written_total{kind="all_time"} 1.0' in await response.text()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == ExitCode.OK
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_cache_of_a_deployment_with_other_periods_is_refused(valkey: Redis, valkey_url: str) -> None:
    await valkey.hset(CLUSTER, "periods", "all_time,monthly")
    process = await start(SHARDBOARD_CACHE_URL=valkey_url)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == ExitCode.REFUSED
    assert b"SHARDBOARD_PERIODS" in errors


async def test_bad_settings_are_refused_with_their_names() -> None:
    process = await start(SHARDBOARD_SHARD_STALE_AFTER_MS="soon")
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == ExitCode.REFUSED
    assert b"SHARDBOARD_SHARD_STALE_AFTER_MS = 'soon'" in errors
