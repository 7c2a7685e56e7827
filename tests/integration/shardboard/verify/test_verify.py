"""How `shardboard verify` ends when it cannot tell, is out of time, or is asked for nonsense."""

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import Partition
from tests.integration.shardboard.verify.test_redis_store import verify
from tests.support.live_shards import Deployment
from tests.support.processes import command
from tests.support.wait import wait_until


async def test_what_cannot_be_told_or_asked_has_its_exit_code(deployment: Deployment) -> None:
    await deployment.act(50, seed=3)
    await deployment.until_shown()
    assert (await deployment.run("verify", "--partition", "99")).code == ExitCode.USAGE
    assert (await deployment.run("verify", "--timeout", "soon")).code == ExitCode.USAGE
    timed_out = await deployment.run("verify", "--timeout", "0s")
    assert timed_out.code == ExitCode.STALLED, timed_out.err
    redis = await deployment.owner(0)
    epoch = await redis.hget(redis_keys.progress(Partition(0)), "epoch")
    assert epoch
    await redis.hset(redis_keys.progress(Partition(0)), "state", "copying")
    code, report = await verify(deployment)
    assert (code, report["verdict"]) == (ExitCode.UNKNOWN, "unknown")
    assert "no shard owns it" in report["partitions"][0]["reason"]
    await redis.hset(redis_keys.progress(Partition(0)), "state", "owned")
    await wait_until(lambda: verify_ok(deployment), timeout_s=30, what="an equal verdict")
    away = {**deployment.environ, "SHARDBOARD_KAFKA": "127.0.0.1:9"}
    assert (await command("verify", cwd=None, **away)).code == ExitCode.FAILED


async def verify_ok(deployment: Deployment) -> bool:
    return (await deployment.run("verify")).code == ExitCode.OK
