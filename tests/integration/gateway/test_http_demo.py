"""The demo: only where it is switched on, only demo users, through the same way into the log."""

from contracts.demo_users import DEMO_USERS
from tests.support.running_gateway import Answer, RunningGateway, read_log, running_gateway


async def perform(gateway: RunningGateway, body: object) -> Answer:
    async with gateway.http.post(f"{gateway.url}/demo/actions", json=body) as response:
        return Answer(response.status, response.headers, await response.read(), await response.json(content_type=None))


async def test_the_demo_lists_users_and_actions(gateway: RunningGateway) -> None:
    demo = (await gateway.get("/demo")).json
    assert [user["user_id"] for user in demo["users"]] == [user.user_id for user in DEMO_USERS]
    assert demo["actions"][0] == {"name": "commit", "description": "A commit", "points": 10}


async def test_a_demo_user_acts_without_a_token(gateway: RunningGateway, gateway_env: dict[str, str]) -> None:
    answer = await perform(gateway, {"user_id": "demo-ada", "action": "commit"})
    assert answer.status == 201
    ((_, _, _, record),) = await read_log(gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"])
    assert (record.id, record.user_id, record.name) == (answer.json["action_id"], "demo-ada", "Ada Okafor")


async def test_nobody_else_acts_through_the_demo(gateway: RunningGateway) -> None:
    answer = await perform(gateway, {"user_id": "alice", "action": "commit"})
    assert (answer.status, answer.code) == (403, "foreign-user")
    unknown = await perform(gateway, {"user_id": "demo-ada", "action": "dance"})
    assert (unknown.status, unknown.code) == (422, "unknown-action")
    extra = await perform(gateway, {"user_id": "demo-ada", "action": "commit", "timestamp": "2026-11-24T00:00:00Z"})
    assert (extra.status, extra.code) == (422, "invalid-field")
    assert extra.json["errors"][0]["pointer"] == "#/timestamp"


async def test_without_the_demo_there_is_no_such_path(gateway_env: dict[str, str]) -> None:
    async with running_gateway(gateway_env) as gateway:
        for path in ("/demo", "/demo/actions"):
            answer = await gateway.get(path)
            assert (answer.status, answer.code) == (404, "not-found")
