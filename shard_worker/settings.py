"""The worker's settings, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.ids import ShardId, parse_shard_id
from contracts.tops import SHARD_TOP_ROWS_DEFAULT
from foundation.env import Env
from foundation.settings import CommonSettings, read_common

REDIS_URLS: Final = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class Settings:
    """One worker of one shard."""

    common: CommonSettings
    shard: ShardId
    top_rows: int
    lease_ms: int
    poll_records_max: int
    publish_interval_ms: int
    redis_url: str
    """The shard's Redis."""


def read_from(env: Env) -> Settings:
    """As `read_settings`, faults kept in `env`."""
    common = read_common(env)
    shard = env.parsed("SHARD", "s1", parse=parse_shard_id, meaning="the shard that this worker serves")
    known = {address.shard: address.url for address in common.shards}
    url = env.parsed("SHARD_URL", "", parse=_parse_url, meaning="its Redis; needed by a shard that is not in SHARDS")
    env.require(
        bool(url) or shard in known,
        f"SHARDBOARD_SHARD = {shard} is not in SHARDBOARD_SHARDS ({', '.join(known)}), nor is SHARDBOARD_SHARD_URL set",
    )
    return Settings(
        common=common,
        shard=shard,
        top_rows=env.whole(
            "TOP_ROWS", SHARD_TOP_ROWS_DEFAULT, low=1, high=1_000, meaning="rows of a board that a shard publishes"
        ),
        lease_ms=env.whole(
            "LEASE_MS", 5_000, low=500, high=60_000, meaning="a standby worker takes over after this silence"
        ),
        poll_records_max=env.whole(
            "POLL_RECORDS_MAX",
            10_000,
            low=1,
            high=100_000,
            meaning="records decoded at a time; bounds memory and delay",
        ),
        publish_interval_ms=env.whole(
            "PUBLISH_INTERVAL_MS", 2, low=0, high=1_000, meaning="least ms between two publications of a shard's top"
        ),
        redis_url=url or known.get(shard, ""),
    )


def _parse_url(text: str) -> str:
    if text and not text.startswith(REDIS_URLS):
        raise ValueError("must be redis://host:port/0")
    return text


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check. Raises BadSettings, which names every fault."""
    env = Env(environ)
    settings = read_from(env)
    env.check()
    return settings
