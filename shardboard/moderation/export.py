"""All that the archive has of one user, as one JSON document, written piece by piece: a user may have many actions."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from contracts.ids import UserId
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements
from shardboard.moderation.audit import ROWS_MAX, read_audit

CHUNK_ROWS: Final = 1_000
"""Actions held at a time."""
_encode: Final = msgspec.json.Encoder().encode


async def export_user(connection: Connection, user_id: UserId, *, now_ms: int) -> AsyncIterator[bytes]:
    """The document in pieces, from one moment of the archive: as `docs/schemas/export.json` describes."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        profile = await connection.fetchrow(_sql("profile"), user_id)
        parked = await connection.fetchval(_sql("parked"), user_id)
        head: dict[str, Any] = {
            "user_id": user_id,
            "exported_ms": now_ms,
            "name": profile["name"] if profile else None,
            "metadata": msgspec.json.decode(profile["metadata"]) if profile and profile["metadata"] else None,
            "scores": await _rows(connection, "scores", user_id=user_id),
            "hidden": None if parked is None else _parked(parked),
            "closed_boards": await _rows(connection, "closed_boards", user_id=user_id),
            "snapshots": await _rows(connection, "snapshots", user_id=user_id),
            "moderation": await read_audit(connection, user_id=user_id, kind=None, rows_max=ROWS_MAX),
        }
        yield _encode(head)[:-1] + b',"actions":['
        between = b"\n"
        cursor = await connection.cursor(_sql("actions"), user_id)
        while rows := await cursor.fetch(CHUNK_ROWS):
            for row in rows:
                yield between + _encode(dict(row))
                between = b",\n"
        yield b"\n]}\n"


async def _rows(connection: Connection, name: str, *, user_id: UserId) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(_sql(name), user_id)]


def _parked(text: str) -> list[dict[str, Any]]:
    """The scores that a hidden user has, as rows."""
    parked = msgspec.json.decode(text, type=dict[str, tuple[int, int]])
    return [{"period": period, "score": score, "scored_at": at} for period, (score, at) in sorted(parked.items())]


def _sql(name: str) -> str:
    return statements("shardboard", "moderation.sql")[name]
