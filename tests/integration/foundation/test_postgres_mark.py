"""A database belongs to one deployment."""

from dataclasses import replace

import pytest

from archiver.postgres_migrate import upgrade
from foundation.postgres_connect import connect
from foundation.postgres_mark import check_postgres_mark, store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused

MARK = ClusterMark(deployment="kafka-1", topic="actions", partitions=8, periods="all_time,daily", window_ms=900_000)


async def test_first_one_stores_it_and_others_are_refused(postgres_database: str) -> None:
    connection = await connect(postgres_database, name="test")
    try:
        await upgrade(connection)
        await check_postgres_mark(connection, MARK)
        await store_postgres_mark(connection, MARK)
        await store_postgres_mark(connection, MARK)
        with pytest.raises(Refused, match="partitions is 8 there, 16 here"):
            await check_postgres_mark(connection, replace(MARK, partitions=16))
        with pytest.raises(Refused, match="deployment is 'kafka-1' there, 'kafka-2' here"):
            await store_postgres_mark(connection, replace(MARK, deployment="kafka-2"))
    finally:
        await connection.close()
