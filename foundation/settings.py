"""The settings that several services share. Each service's own `settings.py` adds its bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from contracts.counting import CountingRules
from contracts.ids import ShardId, parse_shard_id
from contracts.periods import PERIODS_DEFAULT, PeriodCalendar
from contracts.topics import ACTIONS, DEAD
from foundation.env import Env
from foundation.insecure import read_accepted, require_guarded_passwords
from foundation.kafka_access import KafkaAddress, read_kafka
from foundation.token_settings import TokenSettings, read_tokens

__all__ = (
    "Address",
    "CommonSettings",
    "ShardAddress",
    "TokenSettings",
    "load_common",
    "parse_address",
    "parse_shards",
    "read_common",
    "read_tokens",
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a port listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ShardAddress:
    """One shard and the URL of its Redis."""

    shard: ShardId
    url: str


@dataclass(frozen=True, slots=True)
class CommonSettings:
    """What every service needs to know of its deployment."""

    kafka: KafkaAddress
    actions_topic: str
    dead_topic: str
    cache_url: str
    shards: tuple[ShardAddress, ...]
    postgres_url: str
    calendar: PeriodCalendar
    rules: CountingRules
    is_production: bool
    log_level: str
    admin_listen: Address
    drain_s: int
    allow_unsafe_replication: bool = False

    def url_of(self, shard: ShardId) -> str:
        """The Redis of a shard. Raises KeyError."""
        return {address.shard: address.url for address in self.shards}[shard]


def read_common(env: Env) -> CommonSettings:
    """Read the shared settings; faults are kept in `env`."""
    rules = _read_rules(env)
    is_production = env.choice(
        "ENV", "development", choices=("development", "production"), meaning="production refuses unsafe settings"
    )
    read_accepted(env)
    settings = CommonSettings(
        kafka=read_kafka(env),
        actions_topic=env.text("ACTIONS_TOPIC", ACTIONS, meaning="topic of actions"),
        dead_topic=env.text("DEAD_TOPIC", DEAD, meaning="topic of dead letters"),
        cache_url=env.text("CACHE_URL", "redis://127.0.0.1:6379/0", meaning="Redis of the global cache"),
        shards=env.parsed(
            "SHARDS",
            "s1=redis://127.0.0.1:6380/0",
            parse=parse_shards,
            meaning="shards and their Redis: s1=redis://…,s2=…",
        ),
        postgres_url=_read_postgres(env),
        calendar=env.parsed(
            "PERIODS", PERIODS_DEFAULT, parse=PeriodCalendar, meaning="kinds of boards, kind[@time zone]"
        ),
        rules=rules,
        is_production=is_production == "production",
        log_level=env.choice(
            "LOG", "info", choices=("debug", "info", "warning", "error"), meaning="least level logged"
        ),
        admin_listen=env.parsed(
            "ADMIN_LISTEN", "127.0.0.1:0", parse=parse_address, meaning="internal port: metrics and health, host:port"
        ),
        drain_s=env.whole(
            "DRAIN_S", 8, low=1, high=300, meaning="s after SIGTERM to finish what is in flight; below `up`'s 10 s"
        ),
        allow_unsafe_replication=env.flag(
            "ALLOW_UNSAFE_REPLICATION", False, meaning="production accepts replication < 3 and min ISR < 2"
        ),
    )
    urls = {"CACHE_URL": settings.cache_url, "POSTGRES_URL": settings.postgres_url}
    shards = {f"SHARDS, shard {address.shard}": address.url for address in settings.shards}
    require_guarded_passwords(env, urls | shards)
    return settings


def load_common(environ: Mapping[str, str]) -> CommonSettings:
    """The shared settings alone. Raises BadSettings."""
    env = Env(environ)
    settings = read_common(env)
    env.check()
    return settings


def parse_address(text: str) -> Address:
    """Read `host:port` or `[ipv6]:port`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("must be host:port with a port from 0 to 65535")
    return Address(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104  ":8080" means every interface, as everywhere


def parse_shards(text: str) -> tuple[ShardAddress, ...]:
    """Read `s1=redis://…,s2=redis://…`. Raises ValueError."""
    shards: list[ShardAddress] = []
    for part in text.split(","):
        name, equals, url = part.strip().partition("=")
        if not equals or not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(f"has {part!r} where shard=redis://host:port/0 is expected")
        shard = parse_shard_id(name)
        if any(known.shard == shard for known in shards):
            raise ValueError(f"names shard {shard!r} twice")
        shards.append(ShardAddress(shard, url))
    return tuple(shards)


def _read_postgres(env: Env) -> str:
    """The URL with the password in it, if it is given apart, as container platforms do with secrets."""
    url = env.text("POSTGRES_URL", "", meaning="Postgres: postgresql://user@host:port/database")
    password = env.secret("POSTGRES_PASSWORD", "", meaning="password for SHARDBOARD_POSTGRES_URL, which then has none")
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if not password or not url:
        return url
    if not at or ":" in user:
        env.require(False, "SHARDBOARD_POSTGRES_PASSWORD needs a SHARDBOARD_POSTGRES_URL with a user and no password")
        return url
    return f"{scheme}{separator}{user}:{quote(password, safe='')}@{place}"


def _read_rules(env: Env) -> CountingRules:
    d = CountingRules()
    day = 86_400_000
    rules = CountingRules(
        window_ms=env.whole("WINDOW_MS", d.window_ms, low=1, high=day, meaning="a repeated id is recognised this long"),
        lateness_ms=env.whole(
            "LATENESS_MS", d.lateness_ms, low=0, high=day, meaning="a period takes actions after end"
        ),
        back_ms=env.whole("BACK_MS", d.back_ms, low=0, high=day, meaning="oldest timestamp accepted, ms"),
        ahead_ms=env.whole("AHEAD_MS", d.ahead_ms, low=0, high=day, meaning="newest timestamp accepted, ms ahead"),
        delivery_timeout_ms=env.whole(
            "DELIVERY_TIMEOUT_MS", d.delivery_timeout_ms, low=100, high=600_000, meaning="longest append by Kafka"
        ),
        clock_skew_ms=env.whole("CLOCK_SKEW_MS", d.clock_skew_ms, low=0, high=day, meaning="largest clock difference"),
    )
    fault = rules.fault()
    env.require(fault is None, f"counting: {fault}")
    return rules
