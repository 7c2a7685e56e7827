"""How `shardboard verify` ends when a board shows what the log does not say, when it cannot tell, is out of time, or is
asked for nonsense."""

import msgspec
import pytest

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import Partition
from contracts.periods import ALL_TIME
from contracts.tops import decode_global_top, encode_top
from tests.integration.shardboard.verify.test_redis_store import verify
from tests.support.live_shards import Deployment, end
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


@pytest.mark.timeout(240)
async def test_a_published_board_that_differs_is_found_and_named(deployment: Deployment) -> None:
    """The merger is gone, so that what is planted in the cache stays: another score; a user who is missing."""
    await deployment.act(60, seed=4, users=8)
    await deployment.until_shown()
    await end(deployment.processes["merger"])
    data = await deployment.cache.get(redis_keys.top(ALL_TIME))
    assert isinstance(data, bytes)
    board = decode_global_top(data)
    assert (await verify(deployment))[0] == ExitCode.OK
    first, *others = board.rows
    right = {"score": first.score, "scored_at": first.scored_at}
    higher = msgspec.structs.replace(first, score=first.score + 1)
    for rows, shown in (((higher, *others), {**right, "score": first.score + 1}), (tuple(others), None)):
        planted = msgspec.structs.replace(board, rows=rows, ranks=board.ranks[: len(rows)])
        await deployment.cache.set(redis_keys.top(ALL_TIME), encode_top(planted))
        code, report = await verify(deployment)
        found = report["first"]
        assert (code, found["store"], found["user_id"], found["period"]) == (
            ExitCode.DIFFERENT, "board", first.user_id, ALL_TIME,
        )  # fmt: skip
        assert (found["partition"], found["log"], found["found"]) == (first.partition, right, shown)
