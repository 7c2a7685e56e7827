"""Limits are changed while moves run, and only when they are others than before."""

from contracts.exit_codes import ExitCode
from contracts.moves import MoveLimits
from tests.support.rebalance_ground import RebalanceGround


async def test_pause_resume_and_throttle(ground: RebalanceGround) -> None:
    told = await ground.json("pause", schema="rebalance-limits")
    assert (told["changed"], told["limits"]["is_paused"]) == (True, True)
    assert (await ground.run("pause")).code == ExitCode.NOTHING_TO_DO
    assert (await ground.map()).limits == MoveLimits(is_paused=True)
    told = await ground.json("throttle", "--moves-at-once", "4", "--users-per-s", "20000", schema="rebalance-limits")
    assert told["limits"] == {"is_paused": True, "moves_at_once": 4, "users_per_s_max": 20_000}
    assert (await ground.run("resume")).out == "moves go on; 4 at once, at most 20,000 users/s each\n"
    shown = await ground.json("throttle", schema="rebalance-limits")
    assert shown["changed"] is False
    await ground.json("throttle", "--users-per-s", "max", schema="rebalance-limits")
    assert (await ground.map()).limits == MoveLimits(moves_at_once=4)
    assert (await ground.run("throttle", "--users-per-s", "max")).code == ExitCode.NOTHING_TO_DO


async def test_limits_that_make_no_sense_are_usage_errors(ground: RebalanceGround) -> None:
    before = await ground.map()
    for words in (("--moves-at-once", "0"), ("--moves-at-once", "65"), ("--users-per-s", "0"), ("--users-per-s", "x")):
        assert (await ground.run("throttle", *words)).code == ExitCode.USAGE, words
    assert await ground.map() == before
