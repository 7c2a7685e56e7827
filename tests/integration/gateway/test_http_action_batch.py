"""Many actions in one request: each has its own result, the good ones are in the log, the others are not."""

from typing import Any
from uuid import UUID

import pytest

from gateway.action_batch import ACTIONS_MAX
from tests.support.running_gateway import RunningGateway, read_log, token_for

SERVICE = token_for("game", scopes=["actions:write:any"])
UUID_1 = "11111111-1111-4111-8111-111111111111"


async def post(gateway: RunningGateway, body: Any, *, token: str = SERVICE, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    kind = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with gateway.http.post(f"{gateway.url}/actions/batch", headers=sent, **kind) as response:
        return response.status, await response.json(content_type=None)


async def test_each_action_has_its_result_and_only_the_good_ones_are_in_the_log(
    gateway: RunningGateway, kafka_address: str, unique_name: str
) -> None:
    body = {
        "actions": [
            {"user_id": "ada", "action": "commit", "action_id": UUID_1},
            {"user_id": "bob", "action": "nothing"},
            {"user_id": "", "action": "commit"},
            {"user_id": "cy", "action": "docs", "more": 1},
            {"user_id": "dan", "action": "docs"},
            7,
        ]
    }
    status, answer = await post(gateway, body)
    results = answer["results"]
    assert (status, answer["recorded"]) == (200, 2)
    assert [result["status"] for result in results] == [201, 422, 422, 422, 201, 422]
    assert results[0]["receipt"]["action_id"] == UUID_1
    assert results[1]["problem"]["type"] == "urn:shardboard:problem:unknown-action"
    assert results[3]["problem"]["errors"] == [{"pointer": "#/more", "detail": "is not a known field"}]
    log = {(p, offset): record for p, offset, _, record in await read_log(kafka_address, unique_name)}
    assert {record.user_id: record.points for record in log.values()} == {"ada": 10, "dan": 5}
    for result in (results[0], results[4]):
        receipt = result["receipt"]
        assert str(log[receipt["partition"], receipt["offset"]].id) == receipt["action_id"]


async def test_a_thousand_actions_are_one_request(
    gateway: RunningGateway, kafka_address: str, unique_name: str
) -> None:
    body = {"actions": [{"user_id": f"user-{n}", "action": "commit"} for n in range(ACTIONS_MAX)]}
    status, answer = await post(gateway, body)
    assert (status, answer["recorded"]) == (200, ACTIONS_MAX)
    places = {(each["receipt"]["partition"], each["receipt"]["offset"]) for each in answer["results"]}
    assert len(places) == ACTIONS_MAX == len(await read_log(kafka_address, unique_name))
    ids = {UUID(each["receipt"]["action_id"]) for each in answer["results"]}
    assert (len(ids), {each.version for each in ids}) == (ACTIONS_MAX, {4})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        ({}, 422),
        ({"actions": []}, 422),
        ({"actions": [{}] * (ACTIONS_MAX + 1)}, 422),
        ({"actions": "x"}, 422),
        ({"actions": [{}], "all_or_none": True}, 422),
        (b" " * (512 * 1024 + 1), 413),
    ],
)
async def test_a_bad_batch_is_refused_as_a_whole(gateway: RunningGateway, body: Any, status: int) -> None:
    assert (await post(gateway, body))[0] == status


async def test_only_services_write_batches_and_each_action_has_its_own_id(gateway: RunningGateway) -> None:
    body = {"actions": [{"user_id": "ada", "action": "commit"}]}
    assert (await post(gateway, body, token=token_for("ada")))[0] == 403
    assert (await post(gateway, body, token="x"))[0] == 401
    assert (await post(gateway, body, **{"Idempotency-Key": "k"}))[0] == 422
    assert (await gateway.get("/actions/batch")).headers["Allow"] == "OPTIONS, POST"
