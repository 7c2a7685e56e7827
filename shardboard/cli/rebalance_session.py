"""What the commands of `rebalance` share: who is at work, the way to the map, errors as exit codes, completion."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import Output
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from foundation.settings import CommonSettings
    from shardboard.rebalance.operator import Operator

_T = TypeVar("_T")


def run_operator(data_dir: Path | None, work: Callable[["Operator"], Awaitable[_T]]) -> _T:
    """Run it against the deployment that is meant. Raises CommandError."""
    from shardboard.rebalance.operator import Operator

    common = _common(data_dir)

    async def run() -> _T:
        async with Operator(common, name=who_is_at_work()) as operator:
            return await work(operator)

    return _run(run())


def read_topic_ends(data_dir: Path | None) -> "Callable[[], Awaitable[dict[Any, int] | None]]":
    """Asks Kafka where its partitions end; None when it does not answer."""
    from aiokafka.errors import KafkaError

    from shardboard.status.gather import ANSWER_S_MAX, read_end_offsets

    common = _common(data_dir)

    async def ends() -> dict[Any, int] | None:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return dict(await read_end_offsets(common)) or None
        except (KafkaError, OSError, TimeoutError):
            return None

    return ends


def follow_plan(data_dir: Path | None, number: int, *, timeout: str | None, output: Output) -> NoReturn:
    """Show a plan until it is over. Ends the command: the work goes on whether we look or not."""
    import msgspec
    from rich.console import Console

    from contracts.clock import monotonic_s
    from shardboard.rebalance.watching import Watching

    timeout_s = None if timeout is None else duration_s(timeout)
    with Watching(Console(stderr=True, highlight=False), monotonic_s) as watching:
        try:
            progress = run_operator(
                data_dir, lambda operator: operator.follow(number, timeout_s=timeout_s, show=watching.show)
            )
        except KeyboardInterrupt:
            message = f"plan {number} goes on without this command: `shardboard rebalance wait` shows it again"
            raise CommandError(ExitCode.STALLED, message) from None
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(progress))
    else:
        typer.echo(watching.text(progress))
    if progress.state == "running" and not progress.left:
        typer.echo("all is served from its new place, but leftovers stay: `shardboard rebalance why-stalled`", err=True)
    raise typer.Exit(progress.exit_code)


def show_json_or(value: object, output: Output, *, render: Callable[[Any], Any]) -> None:
    """The value as JSON, or as `render` makes it for a person."""
    import msgspec
    from rich.console import Console

    if output is Output.JSON:
        typer.echo(msgspec.json.encode(value))
    else:
        Console(highlight=False).print(render(value))


def duration_s(text: str) -> int:
    """Raises typer.BadParameter."""
    from shardboard.cli.durations import parse_duration_s

    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error


def shard_id(text: str) -> Any:
    """Raises typer.BadParameter with the rule."""
    from contracts.ids import parse_shard_id

    try:
        return parse_shard_id(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def complete_shard(incomplete: str) -> list[str]:
    """Shards of the deployment in the usual folder or the environment, for the shell; asks no server."""
    from shardboard.data_dir import DATA_DIR_DEFAULT
    from shardboard.deployment import load_environment

    try:
        environ = {**load_environment(DATA_DIR_DEFAULT), **os.environ}
    except CommandError:
        return []
    named = [part.partition("=")[0].strip() for part in environ.get("SHARDBOARD_SHARDS", "").split(",")]
    return [shard for shard in named if shard and shard.startswith(incomplete)]


def who_is_at_work() -> str:
    """As it stands in the map's history: user@host."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _common(data_dir: Path | None) -> "CommonSettings":
    from foundation.settings import load_common
    from shardboard.deployment import find_deployment

    common = load_common(find_deployment(data_dir, os.environ).environ)
    if not common.postgres_url:
        raise CommandError(
            ExitCode.REFUSED,
            "SHARDBOARD_POSTGRES_URL is not set: the shard map is kept in Postgres, without it no partition moves",
        )
    return common


def _run(work: Awaitable[_T]) -> _T:
    import asyncpg

    from foundation.postgres_connect import AWAY
    from foundation.service import Refused

    async def awaited() -> _T:
        return await work

    try:
        return asyncio.run(awaited())
    except Refused as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        message = f"the database lacks the shard map ({error}): `shardboard db upgrade`"
        raise CommandError(ExitCode.REFUSED, message) from error
    except (asyncpg.PostgresError, ValueError, *AWAY) as error:
        raise CommandError(ExitCode.FAILED, f"Postgres does not serve: {error or type(error).__name__}") from error
