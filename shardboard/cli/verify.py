"""`shardboard verify`: the log against Redis, Postgres and the published board, while everything runs."""

from typing import Annotated, Final

import typer

from shardboard.cli.options import DataDirOption, Output, OutputOption

TIMEOUT_DEFAULT: Final = "1h"
app = typer.Typer()


@app.command()
def verify(
    partition: Annotated[
        int | None, typer.Option("--partition", "-P", min=0, help="Only this partition.", show_default=False)
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also closed boards, hidden scores, ids, limits used, voids and erasures.")
    ] = False,
    timeout: Annotated[str, typer.Option(help="Give up after this time: 90s, 15m, 1h.")] = TIMEOUT_DEFAULT,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Count the whole log anew and compare it with every store: each user's score and time on each board, the totals,
    and the published board at the position that it names. Everything may go on meanwhile.

    Reads only. Rows are told together with the offset that they stand at, and compared with the log at exactly that
    offset. The first difference is named: user, period, both values.

    Exits with 0 when all is equal, 1 when something differs, 4 when the time is over, 5 when a server does not answer,
    7 when it could not be told, as when the log's beginning is gone.

    Example:  shardboard verify --deep --output json | jq .first
    """
    import asyncio
    import os
    import sys

    import msgspec
    from aiokafka.errors import KafkaError
    from redis.exceptions import RedisError
    from rich.console import Console

    from contracts.exit_codes import ExitCode
    from foundation.service import Refused
    from shardboard.cli.durations import parse_duration_s
    from shardboard.cluster_map import load_cluster
    from shardboard.command_error import CommandError
    from shardboard.deployment import find_deployment
    from shardboard.shard_reads import ShardUnreachable
    from shardboard.verify.progress import ReplayProgress
    from shardboard.verify.render import render
    from shardboard.verify.report import VerifyReport
    from shardboard.verify.run import Watch
    from shardboard.verify.run import verify as run

    try:
        timeout_s = parse_duration_s(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error
    common = load_cluster(find_deployment(data_dir, os.environ).environ)
    progress = ReplayProgress(sys.stderr)

    async def within_time() -> VerifyReport:
        async with asyncio.timeout(timeout_s):
            return await run(common, Watch(progress.start, progress.counted), only=partition, is_deep=deep)

    try:
        report = asyncio.run(within_time())
    except TimeoutError as error:
        raise CommandError(ExitCode.STALLED, f"not done after {timeout}; --timeout gives it longer") from error
    except Refused as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    except (KafkaError, RedisError, ShardUnreachable, OSError) as error:
        raise CommandError(ExitCode.FAILED, f"{error or type(error).__name__}") from error
    finally:
        progress.end()
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    else:
        Console(highlight=False).print(render(report))
    raise typer.Exit(report.exit_code)
