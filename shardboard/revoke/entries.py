"""Writes revocations to Postgres, from where every gateway takes them within a second, and reads them back."""

from typing import Final

import msgspec

from contracts.tokens import REVOKED_CHANNEL
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

LISTED_MAX: Final = 10_000
"""More than anybody reads; --output json of it is 2 MB."""


class Entry(msgspec.Struct, frozen=True):
    """One revocation as it is shown."""

    kind: str
    """jti: one token; sub: a user's tokens."""
    value: str
    issued_until_s: float | None
    """Of a user's tokens, those issued up to then."""
    expires_ms: int
    """Until when it has an effect; 0: lifted."""
    revoked_ms: int
    revoked_by: str


class Order(msgspec.Struct, frozen=True):
    """What is to be written."""

    kind: str
    value: str
    at_ms: int
    by: str
    issued_until_s: float | None = None
    expires_ms: int = 0


async def revoke(connection: Connection, order: Order) -> Entry:
    """Write it, and tell the gateways. May be repeated: the stricter one of the two counts."""
    async with connection.transaction():
        version = await connection.fetchval(_sql("raise_version"))
        row = await connection.fetchrow(
            _sql("revoke"),
            *(order.kind, order.value, order.issued_until_s, order.expires_ms, order.at_ms, order.by, version),
        )
        await connection.execute(_sql("notify"), REVOKED_CHANNEL, str(version))
    assert row is not None, "an upsert has a row"
    return Entry(**row)


async def lift(connection: Connection, order: Order) -> Entry | None:
    """End a revocation, and tell the gateways. None when there is none in force."""
    async with connection.transaction():
        version = await connection.fetchval(_sql("raise_version"))
        row = await connection.fetchrow(_sql("lift"), order.kind, order.value, order.at_ms, order.by, version)
        await connection.execute(_sql("notify"), REVOKED_CHANNEL, str(version))
    return None if row is None else Entry(**row)


async def entries(connection: Connection, now_ms: int) -> list[Entry]:
    """What is in force, newest first."""
    return [Entry(**row) for row in await connection.fetch(_sql("list"), now_ms, LISTED_MAX)]


def _sql(name: str) -> str:
    return statements("shardboard", "revoke.sql")[name]
