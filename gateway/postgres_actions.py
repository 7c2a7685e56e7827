"""Finds one action in the archive, for a moderator who takes it back. Asked a few times a day: connects each time."""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from contracts.identity import id16_of
from contracts.ids import ActionId, UserId
from contracts.problems import ARCHIVE_UNAVAILABLE
from foundation.postgres_connect import AWAY, connect
from foundation.postgres_mark import check_postgres_mark
from foundation.postgres_sql import statements
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused
from gateway.moderation import ArchivedAction
from gateway.problem import Problem

STATEMENT_MS_MAX: Final = 2_000
"""A row by its key takes some ms."""
_READ_ONLY: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_MS_MAX),
    "enable_seqscan": "off",
}


class ArchivedActions:
    """The archive of this deployment; `mark` tells which that is."""

    def __init__(self, url: str, *, mark: Callable[[], Awaitable[ClusterMark]]) -> None:
        self._url = url
        self._mark = mark

    async def find(self, user_id: UserId, action_id: ActionId) -> ArchivedAction | Problem | None:
        """The row about this id that matters, None when there is none, or why the archive cannot be asked."""
        if not self._url:
            return _unavailable("SHARDBOARD_POSTGRES_URL is not set for the gateway")
        try:
            connection = await connect(
                self._url, name="shardboard gateway", settings=_READ_ONLY, command_s=STATEMENT_MS_MAX / 1000
            )
            try:
                await check_postgres_mark(connection, await self._mark())
                sql = statements("gateway", "actions.sql")["action"]
                row = await connection.fetchrow(sql, id16_of(user_id, action_id), user_id)
            finally:
                connection.terminate()
        except (*AWAY, asyncpg.PostgresError) as error:
            return _unavailable(type(error).__name__)
        except Refused as error:
            return _unavailable(str(error))
        return None if row is None else ArchivedAction(**row)


def _unavailable(why: str) -> Problem:
    return Problem(
        ARCHIVE_UNAVAILABLE, f"The archive cannot be asked for the action: {why}. Nothing was done.",
        headers=((b"retry-after", b"2"),),
    )  # fmt: skip
