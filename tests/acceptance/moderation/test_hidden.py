"""Who is hidden is on no board, notices nothing, and comes back exactly as if nothing had been."""

import json
from typing import Any

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import PeriodId
from contracts.tops import decode_shard_top
from tests.acceptance.moderation.conftest import Moderated
from tests.support.command import valid
from tests.support.running_gateway import token_for
from tests.support.wait import wait_until

USERS = [f"user-{number}" for number in range(12)]


async def boards_of(moderated: Moderated) -> dict[str, Any]:
    """Every board, of the shards and of all, and every shard's own top: whatever can be seen, without its version."""
    found: dict[str, Any] = {}
    for redis in moderated.deployment.shards.values():
        async for key in redis.scan_iter("lb:{*}:score*"):
            if b":scores:" in key:
                found[key.decode()] = await redis.zrange(key, 0, -1, withscores=True)
            else:
                found[key.decode()] = sorted((await redis.hgetall(key)).items())
    cache = moderated.deployment.cache
    async for key in cache.scan_iter(redis_keys.top(PeriodId("*"))):
        board = await moderated.board(PeriodId(key.decode().removeprefix(redis_keys.top(PeriodId("")))))
        found[key.decode()] = [board.rows, board.ranks]
    for shard in moderated.deployment.shards:
        data = await cache.hget(redis_keys.SHARD_TOPS, shard)
        assert isinstance(data, bytes)
        found[shard] = sorted((board.period, board.rows) for board in decode_shard_top(data).boards)
    return found


async def test_hide_and_unhide_leave_every_board_as_it_was(moderated: Moderated) -> None:
    """Ties included: who reached a score first stays first."""
    for round_ in range(3):
        for user in USERS[round_:]:
            await moderated.act(user)
    await moderated.until_applied()
    before = await boards_of(moderated)
    assert before
    for user in USERS[::3]:
        hidden = await moderated.moderate("hide", user, "--reason", "scripted", "--by", "mod")
        assert hidden.code == ExitCode.OK, hidden.err
        assert valid(hidden.out, "moderate-order")["kind"] == "hide"
    await moderated.until_applied()
    assert not set(USERS[::3]) & set(await moderated.shown())
    between = json.dumps(str(await boards_of(moderated)))
    assert not any(f"'{user}'" in between for user in USERS[::3])
    for user in reversed(USERS[::3]):
        assert (await moderated.moderate("unhide", user, "--reason", "false alarm", "--by", "mod")).code == ExitCode.OK
    await moderated.until_applied()
    assert await boards_of(moderated) == before


async def test_a_hidden_user_notices_nothing_and_keeps_counting(moderated: Moderated) -> None:
    """The same answers; gone from the board within a tick of the worker and the merger; the points are there later."""
    token = token_for("mallory")
    await moderated.act("ada")
    first = await moderated.act("mallory", token=token)
    await moderated.until_applied()
    own = {"Authorization": f"Bearer {token}"}
    place_before = (await moderated.gateway.get("/users/mallory/rank", **own)).json
    body = {"user_id": "mallory", "reason": "scripted"}
    answer = await moderated.gateway.post_to(
        "/moderation/hide", body, token=token_for("mod", scopes=("moderate",)), **{"Idempotency-Key": "case-17"}
    )
    assert answer.status == 201, answer.body

    async def is_gone() -> bool:
        return await moderated.shown() == {"ada": 10}

    await wait_until(is_gone, timeout_s=5, what="the hidden user to be gone")
    place = (await moderated.gateway.get("/users/mallory/rank", **own)).json
    assert {**place, "as_of": None} == {**place_before, "as_of": None}
    others = await moderated.gateway.get("/users/mallory/rank", Authorization=f"Bearer {token_for('ada')}")
    assert others.status == 404
    second = await moderated.act("mallory", token=token)
    assert {**second, "action_id": first["action_id"]} == {**first, "offset": first["offset"] + 2}
    refused = await moderated.gateway.post({"user_id": "mallory", "action": "dance"}, token=token)
    assert refused.code == "unknown-action"
    await moderated.until_applied()
    assert await moderated.shown() == {"ada": 10}
    export = await moderated.deployment.run("export", "--user", "mallory")
    assert valid(export.out, "export")["hidden"][0] == {
        "period": "all_time",
        "score": 20,
        "scored_at": export.json["actions"][-1]["log_ms"],
    }
    assert (await moderated.moderate("unhide", "mallory", "--reason", "served their time")).code == ExitCode.OK
    await moderated.until_applied()
    assert await moderated.shown() == {"mallory": 20, "ada": 10}
    verified = await moderated.deployment.run("verify", "--deep")
    assert verified.code == ExitCode.OK, verified.out
