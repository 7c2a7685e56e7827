"""The demo's loop against a gateway that breaks: the same id for each try, and it goes on after whatever comes."""

import asyncio
import random
from typing import Any

from contracts import problems
from contracts.catalogue import CatalogueEntry
from contracts.demo_users import DEMO_USERS
from foundation.service import StopSignal
from foundation.settings import TokenSettings
from shardboard.demo.crowd import Crowd
from shardboard.demo.service import Demo, DemoSettings
from shardboard.replay.http_gateway import parse_endpoint
from tests.support.processes import SECRET
from tests.support.scripted_gateway import Accept, Cut, Problem, ScriptedGateway, Step
from tests.support.wait import wait_until


async def test_it_tries_again_with_the_same_id_and_goes_on_after_refusals() -> None:
    def script(action: dict[str, Any], before: int) -> Step:
        if action["user_id"] == DEMO_USERS[0].user_id:
            return Problem(problems.UNKNOWN_ACTION)
        return Accept() if before else Cut(is_recorded=True)

    gateway = ScriptedGateway(script)
    await gateway.start()
    tokens = TokenSettings(SECRET, "shardboard", "shardboard")
    catalogue = {"commit": CatalogueEntry("commit", 10)}
    crowd = Crowd(DEMO_USERS[:4], catalogue, rate_per_s=1000.0, rng=random.Random(1))
    stop = StopSignal()
    running = asyncio.create_task(Demo(DemoSettings(parse_endpoint(gateway.url), tokens), crowd, stop=stop).run())
    try:
        await wait_until(lambda: len(gateway.acknowledged) >= 5, timeout_s=30, what="five actions")
        refused = [body for body in gateway.bodies.values() if body["user_id"] == DEMO_USERS[0].user_id]
        assert all(gateway.sent[body["action_id"]] == 1 for body in refused)
        assert all(gateway.sent[action_id] == 2 for action_id in gateway.acknowledged)
    finally:
        stop.set()
        await running
        await gateway.close()
