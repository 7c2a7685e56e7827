"""`shardboard restore`: the state of a shard, or of one partition, made anew from Postgres and the log."""

from typing import Annotated, Final

import typer

from contracts.restore import RestoreSource
from shardboard.cli.options import DataDirOption, Output, OutputOption

TIMEOUT_DEFAULT: Final = "1h"
app = typer.Typer()


@app.command()
def restore(
    shard: Annotated[str, typer.Option("--shard", "-s", help="The shard, such as s1.")],
    source: Annotated[
        RestoreSource | None,
        typer.Option("--from", help="From Postgres or from the log alone. [default: what is best]", show_default=False),
    ] = None,
    partition: Annotated[
        int | None, typer.Option("--partition", "-P", min=0, help="Only this partition.", show_default=False)
    ] = None,
    timeout: Annotated[str, typer.Option(help="Give up watching after this time: 90s, 15m, 1h.")] = TIMEOUT_DEFAULT,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Ask the shard's worker to make its partitions anew, and show how far it is. A partition whose state is gone is
    restored without being asked; this is for a state that is there and not trusted, or refused because of its log.

    Each partition is emptied, written from Postgres, and follows the log from there; the boards show its earlier rows
    until it is where it was. Without a source that makes a whole it is left as it is, and the reason is told.

    Exits with 0 when all are served again, 1 when some were refused, 3 when all were, 4 when the time is over, 5 when
    the shard's Redis does not answer, 6 when the shard has no partitions.

    Example:  shardboard restore --shard s1 --partition 7 --from log
    """
    import asyncio
    import os
    import sys

    import msgspec
    from redis.exceptions import RedisError
    from rich.console import Console

    from contracts.exit_codes import ExitCode
    from contracts.ids import Partition, ShardId
    from shardboard.cli.durations import parse_duration_s
    from shardboard.cluster_map import load_cluster
    from shardboard.command_error import CommandError
    from shardboard.deployment import find_deployment
    from shardboard.restore.ask import restore as run
    from shardboard.restore.report import render

    try:
        timeout_s = parse_duration_s(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error
    common = load_cluster(find_deployment(data_dir, os.environ).environ)
    known = [address.shard for address in common.shards]
    if shard not in known:
        raise typer.BadParameter(f"{shard} is not one of {', '.join(known)}", param_hint="--shard")

    def show(line: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    only = None if partition is None else Partition(partition)
    try:
        report = asyncio.run(run(common, ShardId(shard), source=source, only=only, timeout_s=timeout_s, show=show))
    except (RedisError, OSError) as error:
        raise CommandError(ExitCode.FAILED, f"shard {shard}: {error or type(error).__name__}") from error
    finally:
        show("")
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    else:
        Console(highlight=False).print(render(report))
    raise typer.Exit(report.exit_code)
