"""`shardboard verify` is exact while records are written and applied."""

import asyncio

import pytest

from contracts.exit_codes import ExitCode
from tests.integration.shardboard.verify.test_redis_store import verify
from tests.support.live_shards import Deployment


@pytest.mark.timeout(240)
async def test_it_is_exact_while_load_runs(deployment: Deployment) -> None:
    """Records are written and applied throughout; every look is equal, and rows were read while the partition moved."""
    await deployment.act(500, seed=2, users=300)
    await deployment.until_shown()
    loading = asyncio.create_task(load(deployment))
    try:
        for _ in range(2):
            before = sum(deployment.sent.values())
            code, report = await verify(deployment, "--deep")
            assert code == ExitCode.OK, report
            assert report["records"] > 0
            assert sum(deployment.sent.values()) > before
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    await deployment.producer.flush()
    await deployment.until_shown()
    assert (await verify(deployment, "--deep"))[0] == ExitCode.OK


async def load(deployment: Deployment) -> None:
    for seed in range(10_000):
        await deployment.act(50, seed=seed, users=300)
