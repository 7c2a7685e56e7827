"""The merger's settings and bounds, each with its unit and reason. Read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from foundation.env import Env
from foundation.settings import CommonSettings, read_common

TICK_MS: Final = 200
"""The longest wait for a publication before time alone is looked at: stale shards, new periods, ages, draining."""
BEAT_EVERY_S: Final = 1.0
"""How often the cache is told that a merger lives; gateways call a board stale after three missed beats."""
READY_WITHIN_S: Final = 3.0
"""Ready means that the cache took a beat lately."""
WRITE_TRIES_MAX: Final = 5
"""Another merger may overtake a write; after so many in a row the next round goes on, changes are not lost."""
STANDBY_S: Final = 0.05
"""An overtaken merger lets the other one go ahead for so long before it looks again: half the work for both, and soon
enough when the other one dies."""
RECONNECT_MIN_S: Final = 0.1
RECONNECT_MAX_S: Final = 1.0
"""The cache is tried again at least this often while it is away."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the merger takes from its environment."""

    common: CommonSettings
    stale_after_ms: int


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check. Raises BadSettings, which names every fault."""
    env = Env(environ)
    settings = read_from(env)
    env.check()
    return settings


def read_from(env: Env) -> Settings:
    """As `read_settings`, faults kept in `env`."""
    return Settings(
        common=read_common(env),
        stale_after_ms=env.whole(
            "SHARD_STALE_AFTER_MS", 3_000, low=500, high=600_000,
            meaning="ms without a publication until a shard is shown as stale; workers publish each second",
        ),
    )  # fmt: skip
