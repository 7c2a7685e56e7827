"""Which deployment a Postgres database belongs to, stored by the first archiver that uses it; others are refused."""

from dataclasses import asdict

from foundation.postgres_connect import Connection
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused

_STORE = """INSERT INTO deployment (deployment, topic, partitions, periods, window_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING"""
_READ = "SELECT deployment, topic, partitions, periods, window_ms FROM deployment"


async def store_postgres_mark(connection: Connection, mark: ClusterMark) -> None:
    """Store the mark in a database that has none, and return if the one stored is equal.

    Raises Refused with both values. The database must have the schema.
    """
    await connection.execute(_STORE, mark.deployment, mark.topic, mark.partitions, mark.periods, mark.window_ms)
    await check_postgres_mark(connection, mark)


async def check_postgres_mark(connection: Connection, mark: ClusterMark) -> None:
    """Return if the database has no mark yet, or an equal one. Raises Refused with both values."""
    stored = await connection.fetchrow(_READ)
    if stored is None:
        return
    faults = [f"{name} is {stored[name]!r} there, {value!r} here" for name, value in asdict(mark).items()
              if stored[name] != value]  # fmt: skip
    if faults:
        raise Refused(
            f"the Postgres database belongs to another deployment: {'; '.join(faults)}. "
            "Use an empty database, or that deployment"
        )
