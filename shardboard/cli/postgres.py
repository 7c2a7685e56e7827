"""The deployment's Postgres, for the commands that need nothing else of it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.postgres_connect import Connection

_T = TypeVar("_T")


def with_postgres(data_dir: "Path | None", run: "Callable[[Connection], Awaitable[_T]]") -> _T:
    """Connect to the deployment's Postgres, run, disconnect. Raises CommandError."""
    import asyncio

    import asyncpg

    from contracts.exit_codes import ExitCode
    from foundation.postgres_connect import AWAY, connect
    from foundation.service import Refused
    from shardboard.command_error import CommandError

    async def connected(url: str) -> _T:
        connection = await connect(url, name="shardboard command")
        try:
            return await run(connection)
        finally:
            connection.terminate()

    url = _postgres_url(data_dir)
    try:
        return asyncio.run(connected(url))
    except Refused as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    except (asyncpg.PostgresError, ValueError, *AWAY) as error:
        raise CommandError(ExitCode.FAILED, f"Postgres does not serve: {error or type(error).__name__}") from error


def _postgres_url(data_dir: "Path | None") -> str:
    import os

    from contracts.exit_codes import ExitCode
    from foundation.settings import load_common
    from shardboard.command_error import CommandError
    from shardboard.deployment import find_deployment

    names_one = data_dir is None and bool(os.environ.get("SHARDBOARD_POSTGRES_URL"))
    url = load_common(os.environ if names_one else find_deployment(data_dir, os.environ).environ).postgres_url
    if not url:
        raise CommandError(ExitCode.REFUSED, "SHARDBOARD_POSTGRES_URL is not set: postgresql://user@host:port/database")
    return url
