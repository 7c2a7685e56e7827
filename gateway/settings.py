"""The gateway's settings and bounds, each with its unit and reason. Read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.tokens import SECRET_BYTES_MIN
from foundation.env import Env
from foundation.insecure import ANY_ORIGIN, is_accepted
from foundation.settings import Address, CommonSettings, TokenSettings, parse_address, read_common, read_tokens
from gateway.client_address import Network, parse_networks
from gateway.rate_limit import Rate, parse_rate

BODY_BYTES_MAX: Final = 16 * 1024
"""Some eighty times a real action; more is a mistake or an attack."""
BODY_SWEEP_S: Final = 0.1
"""How often bodies that take too long are looked for: that much later than their deadline they are refused."""
BATCH_BYTES_MAX: Final = 256 * 1024
"""A quarter of the topic's max.message.bytes: some 1,300 actions, more than one partition gets in a tick."""
REQUEST_TIMEOUT_MS: Final = 3_000
"""One request to a broker. Below the produce deadline, so that a dead connection is replaced within it."""
RECONNECT_MIN_S: Final = 0.25
RECONNECT_MAX_S: Final = 2.0
"""Kafka is tried again at least this often while it is away, so that `201` returns soon after it does."""
REBUILD_EVERY_S: Final = 5.0
"""Least distance between two replacements of a producer whose partitions are stuck; some deadlines fit in between."""
PROBE_EVERY_S: Final = 2.0
"""While no action comes, Kafka is asked this often whether it is there; load balancers look every few seconds."""
STALE_AFTER_S: Final = 3.0
"""The merger beats every second: three beats missed and the board is shown as stale."""
SSE_BEAT_S: Final = 10.0
"""Proxies close silent connections after 30 to 60 s, and the page gives a line up after 25 s of silence."""
STREAM_LIMIT: Final = 10
"""Rows on a live stream; the page shows as many."""
BOARDS_MAX: Final = 500
"""Boards held in memory, newest first: a year of days with its weeks and months; some 30 KB each."""
PERIODIC_CHECK_S: Final = 0.25
"""How soon a stale board or the change of a day shows."""
CONNECTIONS_WAITING_MAX: Final = 2_048
"""Connections that wait to be accepted, as uvicorn's default: a burst of reconnecting pages."""
FLUSH_RESERVE_S: Final = 1.0
"""Of the drain time, what is left for the log and the streams once the requests are answered."""


@dataclass(frozen=True, slots=True)
class AuthoritySettings:
    """What must be earned, and how often somebody may ask."""

    ticket_secret: str
    user_rate: Rate
    address_rate: Rate
    trusted_proxies: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the gateway takes from its environment."""

    common: CommonSettings
    tokens: TokenSettings
    listen: Address
    cors_origins: frozenset[str]
    actions_file: Path
    is_demo: bool
    pending_actions_max: int
    token_cache_max: int
    body_deadline_ms: int
    headers_deadline_ms: int
    produce_deadline_ms: int
    tick_ms: int
    sse_clients_max: int
    backfill_kept_ms: int
    authority: AuthoritySettings


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check. Raises BadSettings, which names every fault."""
    env = Env(environ)
    settings = read_from(env)
    env.check()
    return settings


def read_from(env: Env) -> Settings:
    """As `read_settings`, faults kept in `env`."""
    common = read_common(env)
    settings = Settings(
        common=common,
        tokens=read_tokens(env),
        listen=env.parsed("LISTEN", "127.0.0.1:8080", parse=parse_address, meaning="public port, host:port"),
        cors_origins=env.parsed(
            "CORS_ORIGINS", "", parse=_parse_origins, meaning="web origins let in, comma-separated; * is any"
        ),
        actions_file=Path(env.text("ACTIONS_FILE", "actions.toml", meaning="the action catalogue")),
        is_demo=env.flag("DEMO", False, meaning="demo users may act without a token; never in production"),
        pending_actions_max=env.whole(
            "PENDING_ACTIONS_MAX", 20_000, low=1, high=1_000_000,
            meaning="actions that wait for Kafka; about 1 s of one process at full speed, 2 KB each",
        ),
        token_cache_max=env.whole(
            "TOKEN_CACHE_MAX", 50_000, low=1, high=10_000_000, meaning="verified tokens remembered, 0.5 KB each"
        ),
        body_deadline_ms=env.whole(
            "BODY_DEADLINE_MS", 10_000, low=100, high=300_000,
            meaning="ms that the body of a request may take to arrive; phones on bad lines need some seconds",
        ),
        headers_deadline_ms=env.whole(
            "HEADERS_DEADLINE_MS", 10_000, low=100, high=300_000,
            meaning="ms that the headers of a request may take; connections that say nothing end as well",
        ),
        produce_deadline_ms=env.whole(
            "PRODUCE_DEADLINE_MS", 4_000, low=100, high=4_500,
            meaning="ms until an unacknowledged action is answered 503; with the sweep it stays below 5 s",
        ),
        tick_ms=env.whole(
            "TICK_MS", 2, low=0, high=100, meaning="ms that actions gather for one Kafka batch; latency for throughput"
        ),
        sse_clients_max=env.whole(
            "SSE_CLIENTS_MAX", 10_000, low=1, high=1_000_000, meaning="open live streams, 16 KiB each"
        ),
        backfill_kept_ms=env.whole(
            "BACKFILL_KEPT_MS", 86_400_000, low=0, high=31 * 86_400_000,
            meaning="ms that ids of backfilled actions are remembered beyond the window, so that a run may be repeated",
        ),
        authority=_read_authority(env),
    )  # fmt: skip
    env.require(
        not ("*" in settings.cors_origins and common.is_production) or is_accepted(env, ANY_ORIGIN),
        "SHARDBOARD_CORS_ORIGINS = * lets every web page read answers; SHARDBOARD_ENV=production needs your origins "
        f"(SHARDBOARD_ALLOW_INSECURE={ANY_ORIGIN} accepts it)",
    )
    env.require(
        not (settings.is_demo and common.is_production),
        "SHARDBOARD_DEMO = 1 lets anybody act as a demo user; SHARDBOARD_ENV=production refuses it",
    )
    env.require(
        common.rules.delivery_timeout_ms >= 2 * settings.produce_deadline_ms,
        f"SHARDBOARD_DELIVERY_TIMEOUT_MS = {common.rules.delivery_timeout_ms} must be ≥ 2 × "
        f"SHARDBOARD_PRODUCE_DEADLINE_MS = {2 * settings.produce_deadline_ms}",
    )
    return settings


def _read_authority(env: Env) -> AuthoritySettings:
    settings = AuthoritySettings(
        ticket_secret=env.secret(
            "TICKET_SECRET", "", meaning="key of tickets, at least 32 bytes; if absent one is derived from JWT_SECRET"
        ),
        user_rate=env.parsed(
            "USER_RATE", "50/s burst 250", parse=parse_rate,
            meaning="requests of one user at one gateway, services excepted: N/s burst M; 0 is unlimited",
        ),
        address_rate=env.parsed(
            "ADDRESS_RATE", "1000/s burst 5000", parse=parse_rate,
            meaning="requests from one address (IPv6: /64) at one gateway, services excepted; 0 is unlimited",
        ),
        trusted_proxies=env.parsed(
            "TRUSTED_PROXIES", "", parse=parse_networks,
            meaning="balancers whose X-Forwarded-For is believed: addresses or CIDRs, comma-separated",
        ),
    )  # fmt: skip
    env.require(
        not settings.ticket_secret or len(settings.ticket_secret.encode()) >= SECRET_BYTES_MIN,
        f"SHARDBOARD_TICKET_SECRET has {len(settings.ticket_secret.encode())} bytes, tickets need ≥ {SECRET_BYTES_MIN}",
    )
    return settings


def _parse_origins(text: str) -> frozenset[str]:
    origins = frozenset(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in origins:
        if origin != "*" and (not origin.startswith(("http://", "https://")) or origin.count("/") != 2):
            raise ValueError(f"has {origin!r} where an origin such as https://app.example is expected")
    return origins
