"""POST /actions with a remembered token: one signed with EdDSA costs the gateway what one of HS256 does, since neither
is verified again."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.gateway_process import TOKEN_S, GatewayGround, bodies
from bench.ground import Ground
from bench.http_paths import in_turn
from bench.results import CPU_US, PER_S, Ask, Part, make_part
from bench.wrk import Requests
from contracts.clock import now_ms
from contracts.tokens import AUDIENCE_DEFAULT, ISSUER_DEFAULT, SCOPE_WRITE_ANY

EDDSA, HS256 = "EdDSA", "HS256"
BAR: Final = 0.9


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Two gateways that differ in their keys alone, measured in turn."""
    by_secret, by_key = await GatewayGround.made(ground, "hs256"), await GatewayGround.made(ground, "eddsa")
    key = Ed25519PrivateKey.generate()
    folder = ground.new_folder("key")
    folder.mkdir(parents=True, exist_ok=True)
    pem = folder / "public.pem"
    pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    # Tickets are made with the secret where no key of their own is set.
    by_key.environ["SHARDBOARD_TICKET_SECRET"] = by_key.environ.pop("SHARDBOARD_JWT_SECRET")
    by_key.environ["SHARDBOARD_JWT_PUBLIC_KEY_FILE"] = str(pem)
    tokens = {EDDSA: _signed(key), HS256: by_secret.token()}
    async with AsyncExitStack() as running:
        served = {
            EDDSA: await running.enter_async_context(by_key.gateway()),
            HS256: await running.enter_async_context(by_secret.gateway()),
        }
        requests = {name: Requests("/actions", tuple(bodies()), tokens[name]) for name in served}
        ways = await in_turn(ground, served, requests=requests)
    settings = {"connections": ground.sizes.connections, "seconds": ground.sizes.load_s}
    asks = [
        Ask(measure=PER_S, first=EDDSA, second=HS256, at_least=BAR),
        Ask(measure=CPU_US, first=EDDSA, second=HS256),
    ]
    yield make_part("tokens", "POST /actions by token", settings=settings, ways=ways, asks=asks)


def _signed(key: Ed25519PrivateKey) -> str:
    now_s = now_ms() // 1000
    claims = {"iss": ISSUER_DEFAULT, "aud": AUDIENCE_DEFAULT, "sub": "bench", "scope": SCOPE_WRITE_ANY, "iat": now_s}
    return jwt.encode({**claims, "exp": now_s + TOKEN_S}, key, "EdDSA")
