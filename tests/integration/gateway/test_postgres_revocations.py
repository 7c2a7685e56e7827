"""What is revoked in Postgres is refused by every reader within a second, and stays so while Postgres is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import pytest

from archiver.postgres_migrate import upgrade
from contracts.clock import monotonic_s, now_ms
from contracts.ids import UserId
from contracts.metric_names import REVOCATIONS, REVOCATIONS_AGE_SECONDS
from foundation.metrics import Metrics
from foundation.postgres_connect import Connection, connect
from gateway.postgres_revocations import POLL_S, RevocationReader
from gateway.revocations import Revocations
from gateway.token_rules import Caller
from shardboard.revoke.entries import Order, lift, revoke
from tests.support.services import StartPostgres
from tests.support.wait import wait_until

PROMISED_S = 1.0
HOUR_MS = 3_600_000


class Reader:
    """One gateway's share of it."""

    def __init__(self, url: str) -> None:
        self.revoked = Revocations()
        self.metrics = Metrics()
        self.reader = RevocationReader(url, self.revoked, metrics=self.metrics)

    def metric(self, name: str) -> float:
        value = self.metrics.registry.get_sample_value(name)
        assert value is not None
        return value

    def refuses(self, token_id: str) -> bool:
        return self.revoked.covers(Caller(UserId("ada"), None, now_ms() + HOUR_MS, frozenset(), token_id), now_ms())

    async def sees(self, token_id: str, *, refused: bool = True, timeout_s: float = 10) -> None:
        await wait_until(
            lambda: self.refuses(token_id) is refused, timeout_s=timeout_s, what=f"{token_id}: refused is {refused}"
        )


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Reader]:
    made = Reader(url)
    task = asyncio.create_task(made.reader.run(), name="reader under test")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def postgres(postgres_database: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    yield connection
    connection.terminate()


def order(token_id: str) -> Order:
    return Order("jti", token_id, now_ms(), "test", expires_ms=now_ms() + HOUR_MS)


async def test_two_readers_know_within_a_second(postgres: Connection, postgres_database: str) -> None:
    async with reading(postgres_database) as first, reading(postgres_database) as second:
        await wait_until(lambda: first.reader.is_read and second.reader.is_read, what="both to have read")
        took_s = []
        for number in range(5):
            await revoke(postgres, order(f"t{number}"))
            began_s = monotonic_s()
            await asyncio.gather(first.sees(f"t{number}"), second.sees(f"t{number}"))
            took_s.append(monotonic_s() - began_s)
        assert median(took_s) < PROMISED_S
        assert not first.refuses("another")
        assert first.metric(REVOCATIONS.name) == 5


async def test_without_a_word_from_postgres_it_is_looked_for(postgres: Connection, postgres_database: str) -> None:
    async with reading(postgres_database) as reader:
        await wait_until(lambda: reader.reader.is_read, what="the first reading")
        await postgres.execute("UPDATE revoked_version SET version = version + 1")
        await postgres.execute(
            "INSERT INTO revoked SELECT 'jti', 'quiet', NULL, $1, 0, '', version FROM revoked_version",
            now_ms() + HOUR_MS,
        )
        await reader.sees("quiet")
    assert POLL_S < PROMISED_S / 2


async def test_what_is_lifted_counts_again(postgres: Connection, postgres_database: str) -> None:
    async with reading(postgres_database) as reader:
        await revoke(postgres, order("t"))
        await reader.sees("t")
        assert await lift(postgres, order("t")) is not None
        await reader.sees("t", refused=False)
        assert await lift(postgres, order("t")) is None


async def test_a_database_without_the_table_is_waited_for(postgres_database: str) -> None:
    async with reading(postgres_database) as reader:
        assert reader.metric(REVOCATIONS_AGE_SECONDS.name) == float("inf")
        connection = await connect(postgres_database, name="test")
        await upgrade(connection)
        await revoke(connection, order("t"))
        connection.terminate()
        await reader.sees("t", timeout_s=20)


async def test_while_postgres_is_away_what_is_known_holds(start_postgres: StartPostgres) -> None:
    """Stop, look, start again: nothing is forgotten, the metric tells, and what comes later is seen."""
    server = await start_postgres("revoking")
    connection = await connect(server.address, name="test")
    await upgrade(connection)
    await revoke(connection, order("before"))
    async with reading(server.address) as reader:
        await reader.sees("before")
        connection.terminate()
        await server.stop()
        await wait_until(
            lambda: reader.metric(REVOCATIONS_AGE_SECONDS.name) > 2 * POLL_S, timeout_s=20, what="the metric to tell"
        )
        assert reader.refuses("before")
        await server.start()
        connection = await connect(server.address, name="test")
        await revoke(connection, order("after"))
        await reader.sees("after", timeout_s=20)
        assert reader.refuses("before")
        connection.terminate()


async def test_a_postgres_that_went_back_makes_nobody_forget(postgres: Connection, postgres_database: str) -> None:
    """As after a restore from a backup: the row is gone, and the version is an older one."""
    async with reading(postgres_database) as reader:
        await revoke(postgres, order("first"))
        await revoke(postgres, order("second"))
        await reader.sees("second")
        await postgres.execute("DELETE FROM revoked WHERE value = 'second'; UPDATE revoked_version SET version = 1")
        await postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%revocations' "
            "AND datname = current_database()"
        )
        await revoke(postgres, order("third"))
        await reader.sees("third")
        assert reader.refuses("second")
