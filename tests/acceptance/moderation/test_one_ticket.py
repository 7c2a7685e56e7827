"""One ticket is one award, whoever replays it how often, over all gateways and their restarts."""

import asyncio
import itertools
import json
from contextlib import AsyncExitStack

from contracts.exit_codes import ExitCode
from shardboard.replay.http_gateway import Endpoint, GatewayConnection, parse_endpoint, request_head
from shardboard.replay.plan import Answer
from tests.acceptance.moderation.conftest import WAIT_S, Moderated
from tests.support.running_gateway import running_gateway, token_for
from tests.support.wait import wait_until

REPLAYS = 10_000
AT_ONCE = 100
RESTART_AFTER = REPLAYS // 2
ALICE = token_for("alice")


async def test_ten_thousand_replays_over_two_gateways_and_a_restart_are_one_award(moderated: Moderated) -> None:
    """The second gateway ends in the middle and another takes its place; what it refuses is sent again."""
    given = await moderated.gateway.post_to("/tickets", {"action": "quest"}, token=ALICE)
    body = json.dumps({"user_id": "alice", "action": "quest", "ticket": given.json["ticket"]}).encode()
    async with AsyncExitStack() as ending:
        second = await ending.enter_async_context(running_gateway(moderated.deployment.environ))
        await wait_until(second.is_ready, timeout_s=WAIT_S)
        endpoints = [parse_endpoint(gateway.url) for gateway in (moderated.gateway, second)]
        numbers = iter(range(REPLAYS))
        done = itertools.count(1)
        is_half = asyncio.Event()

        async def replay() -> None:
            connections: dict[Endpoint, GatewayConnection] = {}
            for number in numbers:
                await _until_taken(connections, endpoints, number=number, body=body, action_id=given.json["action_id"])
                if next(done) == RESTART_AFTER:
                    is_half.set()
            for connection in connections.values():
                connection.close()

        async def restart() -> None:
            await is_half.wait()
            second.stop.set()
            await second.serving
            third = await ending.enter_async_context(running_gateway(moderated.deployment.environ))
            await wait_until(third.is_ready, timeout_s=WAIT_S)
            endpoints[1] = parse_endpoint(third.url)

        await asyncio.gather(restart(), *(replay() for _ in range(AT_ONCE)))
    assert next(done) == REPLAYS + 1
    await moderated.until_applied()
    assert await moderated.shown() == {"alice": 100}
    counted = await moderated.postgres.fetch("SELECT outcome, count(*) FROM actions GROUP BY 1 ORDER BY 1")
    outcomes = {row["outcome"]: row["count"] for row in counted}
    assert outcomes["counted"] == 1
    assert outcomes["repeat"] >= REPLAYS - 1
    verified = await moderated.deployment.run("verify", "--deep")
    assert verified.code == ExitCode.OK, verified.out


async def _until_taken(
    connections: dict[Endpoint, GatewayConnection],
    endpoints: list[Endpoint],
    *,
    number: int,
    body: bytes,
    action_id: str,
) -> None:
    """Send it until a gateway says 201: one that is going down refuses, or is not there."""

    async def is_taken() -> bool:
        endpoint = endpoints[number % 2]
        connection = connections.setdefault(endpoint, GatewayConnection(endpoint))
        answer = await connection.post(request_head(endpoint, ALICE), body)
        if not isinstance(answer, Answer) or answer.status != 201:
            return False
        assert json.loads(answer.body)["action_id"] == action_id
        return True

    await wait_until(is_taken, timeout_s=WAIT_S, what="a gateway to take the action")
