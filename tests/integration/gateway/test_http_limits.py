"""Rate limits over HTTP: who is refused, what the refusal says, and that nobody chooses another address."""

from contracts.tokens import SCOPE_WRITE_ANY
from tests.support.running_gateway import running_gateway, token_for
from tests.support.wait import wait_until

GOOD = {"user_id": "alice", "action": "commit"}
ALICE, BOB = token_for("alice"), token_for("bob")
SERVICE = token_for("games", scopes=(SCOPE_WRITE_ANY,))


async def test_a_user_who_asks_too_often_is_told_when_to_ask_again(gateway_env: dict[str, str]) -> None:
    async with running_gateway({**gateway_env, "SHARDBOARD_USER_RATE": "1/s burst 3"}) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20)
        answers = [await gateway.post(GOOD, token=ALICE) for _ in range(3)]
        assert {answer.status for answer in answers} == {201}
        answers = [await gateway.post_to("/tickets", {"action": "quest"}, token=ALICE) for _ in range(8)]
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.code == "rate-limited"
        assert 1 <= int(refused.headers["Retry-After"]) <= 3
        assert refused.headers["RateLimit-Policy"] == '"user";q=3;w=3'
        assert refused.headers["RateLimit"].startswith('"user";r=0;t=')
        assert (await gateway.post({**GOOD, "user_id": "bob"}, token=BOB)).status == 201
        for _ in range(10):
            assert (await gateway.post(GOOD, token=SERVICE)).status == 201
        assert (await gateway.get("/leaderboard")).status == 200


async def test_bad_tokens_use_up_the_address(gateway_env: dict[str, str]) -> None:
    async with running_gateway({**gateway_env, "SHARDBOARD_ADDRESS_RATE": "1/s burst 3"}) as gateway:
        codes = [(await gateway.post(GOOD, token="a.b.c")).code for _ in range(10)]
        assert codes[0] == "unauthenticated"
        assert "rate-limited" in codes


async def test_the_header_counts_only_when_a_balancer_of_ours_wrote_it(gateway_env: dict[str, str]) -> None:
    """Each request claims another address. Believed, each has a limit of its own; otherwise all are one client."""
    environ = {**gateway_env, "SHARDBOARD_ADDRESS_RATE": "1/s burst 2"}
    for trusted, statuses in (("", {401, 429}), ("127.0.0.1", {401})):
        async with running_gateway({**environ, "SHARDBOARD_TRUSTED_PROXIES": trusted}) as gateway:
            answers = [await gateway.post(GOOD, **{"X-Forwarded-For": f"6.6.6.6, 192.0.2.{n}"}) for n in range(12)]
            assert {answer.status for answer in answers} == statuses
