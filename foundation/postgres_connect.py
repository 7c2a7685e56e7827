"""Connections to Postgres with the bounds that every user needs: a frozen server or client holds nobody up for ever.

All timeouts are the driver's and the server's own: a connection whose caller was cancelled is never used again."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg

CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 30.0
"""For one statement, as the client sees it: a frozen server is noticed after this."""
STATEMENT_TIMEOUT_MS: Final = 60_000
"""As the server sees it: COPY from a frozen client ends after this, and its locks with it."""
IDLE_IN_TRANSACTION_MS: Final = 10_000
"""A frozen client's transaction ends after this."""
POOL_CONNECTIONS_MAX: Final = 4

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:  # generic only in its stubs
    Connection = asyncpg.Connection

AWAY: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised when a connection is cut in the middle of a message
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
)
"""The server, or the way to it, does not serve at the moment: nothing is known of what was not answered, and a new
connection may try again. Anything else that asyncpg raises is a defect of ours or a refusal."""


async def connect(
    url: str, *, name: str, settings: Mapping[str, str] | None = None, command_s: float | None = None
) -> Connection:
    """One connection; `name` shows in pg_stat_activity. Raises one of AWAY, or PostgresError when it is refused."""
    return await asyncpg.connect(url, **_options(name, settings or {}, command_s=command_s or COMMAND_TIMEOUT_S))


async def open_pool(
    url: str, *, name: str, connections_max: int = POOL_CONNECTIONS_MAX, command_s: float = COMMAND_TIMEOUT_S
) -> asyncpg.Pool:
    """A pool for short statements. It connects at the first one, so that a server that is away can be lived with."""
    return await asyncpg.create_pool(
        url, min_size=0, max_size=connections_max, **_options(name, {}, command_s=command_s)
    )


def _options(name: str, settings: Mapping[str, str], *, command_s: float) -> dict[str, Any]:
    return {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": command_s,
        "server_settings": {
            "application_name": name,
            "statement_timeout": str(max(STATEMENT_TIMEOUT_MS, int(command_s * 1000))),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            **settings,
        },
    }
