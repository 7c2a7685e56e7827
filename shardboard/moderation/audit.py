"""Reads the audit: who moderated whom, when and why. The archiver wrote it from the log; nobody else writes it."""

from typing import Final

import msgspec

from contracts.identity import id16_of
from contracts.ids import ActionId, UserId
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

ROWS_MAX: Final = 10_000
"""As many as a person or a program reads at once."""


class AuditRow(msgspec.Struct, frozen=True):
    """One act. Times are unix ms of log time."""

    log_ms: int
    kind: str
    user_id: str | None
    """null: erased since."""
    moderator: str
    reason: str | None
    points: int
    """By how much the scores changed."""
    void_offset: int | None
    partition: int
    offset: int


async def read_audit(
    connection: Connection, *, user_id: UserId | None, kind: str | None, rows_max: int
) -> list[AuditRow]:
    """The newest acts, of one user and one kind if given."""
    digest = None if user_id is None else id16_of(user_id, ActionId(""))
    rows = await connection.fetch(statements("shardboard", "moderation.sql")["audit"], digest, kind, rows_max)
    return [AuditRow(*row) for row in rows]
