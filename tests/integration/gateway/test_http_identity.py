"""A gateway believes a real OpenID provider: its users, its game servers, its new keys; and nobody who is revoked."""

import asyncio
from collections.abc import AsyncIterator
from statistics import median

import pytest

from archiver.postgres_migrate import upgrade
from contracts.clock import monotonic_s, now_ms
from foundation.postgres_connect import connect
from foundation.service import Refused
from gateway.service import Gateway
from gateway.settings import read_settings
from shardboard.embedded.ports import free_ports
from shardboard.revoke.entries import Order, revoke
from tests.support.authorization_server import AUDIENCE, Provider, authorization_server
from tests.support.running_gateway import RunningGateway, running_gateway, token_for
from tests.support.token_kit import pem, rsa_key
from tests.support.wait import wait_until

PROMISED_S = 1.0
TICKETS = {"SHARDBOARD_TICKET_SECRET": "a-key-of-tickets-where-tokens-have-none"}
GOOD = {"user_id": "ada", "action": "commit"}


def settings_for(provider: Provider) -> dict[str, str]:
    """What docs/security.md says to set."""
    return {
        "SHARDBOARD_JWT_ISSUER": provider.url,
        "SHARDBOARD_JWT_AUDIENCE": AUDIENCE,
        "SHARDBOARD_JWT_JWKS": f"{provider.url}/keys",
        **TICKETS,
    }


@pytest.fixture(params=["RS256", "ES256"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    async with authorization_server(request.param) as made:
        yield made


async def ready(gateway: RunningGateway) -> None:
    await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")


async def test_tokens_of_an_openid_provider(provider: Provider, gateway_env: dict[str, str]) -> None:
    """Users and game servers are let in, an id token and tokens of anybody else are not; a new key is noticed."""
    assert (await provider.metadata())["jwks_uri"] == f"{provider.url}/keys"
    async with running_gateway({**gateway_env, **settings_for(provider)}) as gateway:
        await ready(gateway)
        tokens = await provider.user_tokens("ada")
        assert (await gateway.post(GOOD, token=tokens["access_token"])).status == 201
        assert (await gateway.post({**GOOD, "user_id": "bob"}, token=tokens["access_token"])).status == 403
        refused = await gateway.post(GOOD, token=tokens["id_token"])
        assert (refused.status, "another audience" in refused.json["detail"]) == (401, True)
        service = await provider.service_token("actions:write:any")
        assert (await gateway.post(GOOD, token=service)).status == 201
        assert (await gateway.post(GOOD, token=await provider.service_token("moderate"))).status == 403
        assert (await gateway.post(GOOD, token=token_for("ada"))).status == 401
        provider.rotate()
        rotated = await provider.user_tokens("ada")
        assert (await gateway.post(GOOD, token=rotated["access_token"])).status == 201
        assert (await gateway.post(GOOD, token=tokens["access_token"])).status == 201
        assert provider.asked_for_keys == 2


async def test_before_the_keys_are_there_nobody_is_refused_for_good(gateway_env: dict[str, str]) -> None:
    """503 and not ready, instead of 401: the caller's token may well be good."""
    (port,) = free_ports(1)
    environ = {**gateway_env, **TICKETS, "SHARDBOARD_JWT_JWKS": f"http://127.0.0.1:{port}/keys"}
    async with running_gateway(environ) as gateway:
        answer = await gateway.post(GOOD, token=token_for("ada"))
        assert (answer.status, answer.code) == (503, "keys-unavailable")
        assert answer.headers["Retry-After"]
        assert not await gateway.is_ready()


async def test_a_revoked_token_is_refused_by_every_gateway_within_a_second(
    gateway_env: dict[str, str], postgres_database: str
) -> None:
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    environ = {**gateway_env, "SHARDBOARD_POSTGRES_URL": postgres_database}
    tokens = [token_for(f"user-{number}", jti=f"token-{number}") for number in range(3)]
    async with running_gateway(environ) as first, running_gateway(environ) as second:
        for gateway in (first, second):
            await ready(gateway)
            for number, token in enumerate(tokens):
                assert (await gateway.post({**GOOD, "user_id": f"user-{number}"}, token=token)).status == 201
        took_s = []
        for number, token in enumerate(tokens):
            kind, value = ("jti", f"token-{number}") if number else ("sub", "user-0")
            issued = None if number else now_ms() / 1000
            await revoke(connection, Order(kind, value, now_ms(), "test", issued, now_ms() + 60_000))
            began_s = monotonic_s()
            body = {**GOOD, "user_id": f"user-{number}"}
            await asyncio.gather(*(_refuses(gateway, body, token=token) for gateway in (first, second)))
            took_s.append(monotonic_s() - began_s)
        assert median(took_s) < PROMISED_S
        assert await first.metric("shardboard_tokens_revoked_total") == len(tokens)
        again = token_for("user-0", iat=now_ms() // 1000 + 1)
        assert (await first.post({**GOOD, "user_id": "user-0"}, token=again)).status == 201
    connection.terminate()


async def test_keys_that_verify_nothing_are_refused_at_the_start(gateway_env: dict[str, str]) -> None:
    with pytest.raises(Refused, match="that is no secret"):
        Gateway(read_settings({**gateway_env, "SHARDBOARD_JWT_SECRET": pem(rsa_key("ours"))}))


async def _refuses(gateway: RunningGateway, body: dict[str, str], *, token: str) -> None:
    async def is_refused() -> bool:
        return (await gateway.post(body, token=token)).status == 401

    await wait_until(is_refused, timeout_s=20, what="401")
