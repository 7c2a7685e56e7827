"""The archiver's settings and bounds, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.topics import RETENTION_MS_MIN
from foundation.env import Env
from foundation.settings import CommonSettings, read_common

GROUP = "shardboard-archiver"
DAY_MS = 86_400_000
_RETENTION_DAYS_MIN = RETENTION_MS_MIN // DAY_MS


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the archiver takes from its environment."""

    common: CommonSettings
    upgrades_schema: bool
    poll_records_max: int
    scores_interval_ms: int
    pending_max: int
    jobs_interval_ms: int
    snapshot_interval_ms: int
    raw_kept_days: int
    snapshots_kept_days: int

    @property
    def group(self) -> str:
        """The consumer group; topics of other deployments on the same Kafka have groups of their own."""
        return f"{GROUP}-{self.common.actions_topic}"


def read_from(env: Env) -> Settings:
    """As `read_settings`, faults kept in `env`."""
    common = read_common(env)
    return Settings(
        common=common,
        upgrades_schema=env.flag(
            "DB_UPGRADE", False, meaning="the archiver brings the schema up to date when it starts"
        ),
        poll_records_max=env.whole(
            "ARCHIVE_POLL_MAX", 20_000, low=1, high=100_000, meaning="records in one transaction; bounds memory"
        ),
        scores_interval_ms=env.whole(
            "SCORES_INTERVAL_MS", 1_000, low=0, high=60_000, meaning="Postgres's scores may lag by this; 0: never"
        ),
        pending_max=env.whole(
            "SCORES_PENDING_MAX", 100_000, low=1, high=1_000_000, meaning="actions not in the scores yet; 1 KB each"
        ),
        jobs_interval_ms=env.whole(
            "ARCHIVE_JOBS_INTERVAL_MS", 10_000, low=50, high=600_000, meaning="how often boards are closed, old rows go"
        ),
        snapshot_interval_ms=env.whole(
            "SNAPSHOT_INTERVAL_MS", 600_000, low=1_000, high=DAY_MS, meaning="ms between snapshots of running boards"
        ),
        raw_kept_days=env.whole(
            "RAW_KEPT_DAYS",
            90,
            low=_RETENTION_DAYS_MIN,
            high=36_500,
            meaning="days that single actions stay in Postgres; at least as long as in the log",
        ),
        snapshots_kept_days=env.whole(
            "SNAPSHOTS_KEPT_DAYS", 30, low=1, high=36_500, meaning="days that snapshots of running boards stay"
        ),
    )


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check. Raises BadSettings, which names every fault."""
    env = Env(environ)
    settings = read_from(env)
    env.require(
        bool(settings.common.postgres_url),
        "SHARDBOARD_POSTGRES_URL is not set: the archiver needs postgresql://user@host:port/database",
    )
    env.check()
    return settings
