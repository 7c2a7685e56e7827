"""A gateway as a process of its own for benchmarks, with its topics and a cache that holds one board; and beside it the
servers of bench/baselines, which get the same requests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from redis.asyncio import Redis

from bench.ground import ROOT, Ground, listening, until_ready
from contracts import redis_keys
from contracts.clock import now_ms
from contracts.ids import LogMs, Partition, UserId
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow
from contracts.tokens import AUDIENCE_DEFAULT, ISSUER_DEFAULT, SCOPE_WRITE_ANY
from contracts.tops import GlobalTop, encode_top
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from foundation.token_settings import TokenSettings
from shardboard.embedded.ports import LOOPBACK, free_ports
from shardboard.minting import Claims, mint

PARTITIONS: Final = 8
TOKEN_S: Final = 24 * 3600
USERS: Final = 512
"""Who act in turn: each request's token and body must be read, none is answered from a memory of the same request."""


ELSEWHERE: Final = 0
"""The pid of a server that is not ours: its CPU time is not known."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is measured."""

    url: str
    pid: int


class GatewayGround:
    """What a gateway needs, on a run's ground."""

    def __init__(self, ground: Ground, *, kafka: str, cache: str, shards: Sequence[str], name: str) -> None:
        """`cache` and `shards`: addresses of servers; the shards are named s1, s2 and so on."""
        self._ground = ground
        self.kafka = kafka
        self.cache = cache
        self.shards = {f"s{number}": address for number, address in enumerate(shards, start=1)}
        self.topic = f"bench-{name}"
        self._secret = token_hex(32)
        self.environ = {
            "SHARDBOARD_KAFKA": kafka,
            "SHARDBOARD_CACHE_URL": cache,
            "SHARDBOARD_SHARDS": ",".join(f"{shard}={address}" for shard, address in self.shards.items()),
            "SHARDBOARD_ACTIONS_TOPIC": self.topic,
            "SHARDBOARD_DEAD_TOPIC": f"{self.topic}.dead",
            "SHARDBOARD_ACTIONS_FILE": str(ROOT / "actions.toml"),
            "SHARDBOARD_JWT_SECRET": self._secret,
        }

    @classmethod
    async def made(cls, ground: Ground, name: str) -> "GatewayGround":
        """With its topics, on a cache of its own that holds a board of ten."""
        cache, shard = (await ground.valkey()).address, (await ground.valkey()).address
        found = cls(ground, kafka=await ground.kafka(), cache=cache, shards=[shard], name=f"{name}-{now_ms()}")
        await found.create_topics()
        async with Redis.from_url(cache) as redis:
            await redis.set(redis_keys.top(ALL_TIME), encode_top(board()))
        return found

    async def create_topics(self, partitions: int = PARTITIONS) -> None:
        """Those of the deployment that `environ` describes."""
        await create_topics(load_common(self.environ), partitions=partitions, replication=1)

    @asynccontextmanager
    async def service(self, module: str, **environ: str) -> AsyncIterator[Served]:
        """A worker, a merger: from when it is ready. `url` is that of its internal port."""
        port = free_ports(1)[0]
        given = {**self.environ, **environ, "SHARDBOARD_ADMIN_LISTEN": f"{LOOPBACK}:{port}"}
        async with listening(module, port=port, environ=given, log=self._log(module)) as process:
            await until_ready(f"http://{LOOPBACK}:{port}/health/ready")
            yield Served(f"http://{LOOPBACK}:{port}", process.pid)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        """One gateway."""
        port, admin_port = free_ports(2)
        listen = {"LISTEN": f"{LOOPBACK}:{port}", "ADMIN_LISTEN": f"{LOOPBACK}:{admin_port}"}
        environ = {**self.environ, **{f"SHARDBOARD_{name}": address for name, address in listen.items()}}
        async with listening("gateway", port=port, environ=environ, log=self._log("gateway")) as process:
            await until_ready(f"http://{LOOPBACK}:{admin_port}/health/ready")
            yield Served(f"http://{LOOPBACK}:{port}", process.pid)

    @asynccontextmanager
    async def baseline(self, app: str, **environ: str) -> AsyncIterator[Served]:
        """One of bench/baselines, with what it needs."""
        port = free_ports(1)[0]
        given = {
            "BENCH_KAFKA": self.kafka,
            "BENCH_REDIS": self.cache,
            "BENCH_TOPIC": self.topic,
            "BENCH_SECRET": self._secret,
            **environ,
        }
        words = (app, str(port))
        async with listening("bench.baselines.server", *words, port=port, environ=given, log=self._log(app)) as process:
            yield Served(f"http://{LOOPBACK}:{port}", process.pid)

    def token(self) -> str:
        """A service's, which may write for all users."""
        tokens = TokenSettings(self._secret, ISSUER_DEFAULT, AUDIENCE_DEFAULT)
        claims = Claims("bench", scopes=(SCOPE_WRITE_ANY,))
        return mint(tokens, claims, ttl_s=TOKEN_S, now_s=now_ms() // 1000)

    def _log(self, name: str) -> Path:
        return self._ground.new_folder(name) / "log"


def bodies(users: int = USERS) -> Sequence[bytes]:
    """POST bodies without ids: the server makes one for each."""
    return tuple(b'{"user_id":"user-%07d","action":"commit"}' % user for user in range(users))


def board() -> GlobalTop:
    """Ten users of a board that was published now."""
    rows = tuple(TopRow(UserId(f"user-{n}"), 1_000 - n, LogMs(n), Partition(0), f"User {n}") for n in range(10))
    now = now_ms()
    return GlobalTop(
        period=ALL_TIME, version=now, positions=(), rows=rows, ranks=tuple(range(1, 11)), complete=True,
        as_of_ms=now, published_at_ms=now,
    )  # fmt: skip
