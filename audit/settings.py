"""The auditor's settings and bounds, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from foundation.env import Env
from foundation.settings import CommonSettings, read_common

RECORDS_PER_POLL: Final = 2_000
"""Some 10 ms of counting between two looks at the stop signal; at most so many are kept back of each partition, some
60 MB for 64 partitions."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the auditor takes from its environment."""

    common: CommonSettings
    interval_ms: int


def read_from(env: Env) -> Settings:
    """As `read_settings`, faults kept in `env`."""
    return Settings(
        common=read_common(env),
        interval_ms=env.whole(
            "AUDIT_INTERVAL_MS", 1_000, low=50, high=600_000, meaning="ms between two comparisons of log and shards"
        ),
    )


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check. Raises BadSettings, which names every fault."""
    env = Env(environ)
    settings = read_from(env)
    env.check()
    return settings
