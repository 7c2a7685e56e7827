"""The deployment's Postgres, for the commands that need nothing else of it."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.postgres_connect import Connection
    from foundation.postgres_map import MapStore

_T = TypeVar("_T")


def with_postgres(data_dir: "Path | None", run: "Callable[[Connection], Awaitable[_T]]") -> _T:
    """Connect to the deployment's Postgres, run, disconnect. Raises CommandError."""
    from foundation.postgres_connect import connect

    async def connected(url: str) -> _T:
        connection = await connect(url, name="shardboard command")
        try:
            return await run(connection)
        finally:
            connection.terminate()

    return _answered(data_dir, connected)


def with_map_store(data_dir: "Path | None", run: "Callable[[MapStore], Awaitable[_T]]", *, name: str) -> _T:
    """The same with the store of the shard map; `name` goes to its history. Raises CommandError."""
    from foundation.postgres_map import MapStore

    async def connected(url: str) -> _T:
        store = MapStore(url, name=name)
        try:
            return await run(store)
        finally:
            await store.close()

    return _answered(data_dir, connected)


def _answered(data_dir: "Path | None", run: "Callable[[str], Coroutine[Any, Any, _T]]") -> _T:
    import asyncio

    import asyncpg

    from contracts.exit_codes import ExitCode
    from foundation.postgres_connect import AWAY
    from foundation.service import Refused
    from shardboard.command_error import CommandError

    url = _postgres_url(data_dir)
    try:
        return asyncio.run(run(url))
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
