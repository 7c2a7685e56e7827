"""`shardboard status`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption, Output, OutputOption

if TYPE_CHECKING:
    from shardboard.deployment import Deployment
    from shardboard.status.report import Status

app = typer.Typer()

WATCH_S: Final = 2.0
"""Between two looks: each opens connections anew, which a second one per second would make felt."""


@app.command()
def status(
    output: OutputOption = Output.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every 2 s until Ctrl-C.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show every process, the lag of each partition, the age of the board and its top 10.

    Exits with 0 when all is well, 4 when something is not ready or the board is stale, 5 when a process is down, 7 when
    something could not be told.

    Example:  shardboard status --output json | jq '.shards[] | {shard, lag}'
    """
    import os

    from shardboard.deployment import find_deployment

    if watch:
        _watch(data_dir, output)
    raise typer.Exit(_show(_look(find_deployment(data_dir, os.environ)), output))


def _look(deployment: "Deployment") -> "Status":
    import asyncio

    from shardboard.cluster_map import load_cluster
    from shardboard.status.gather import gather_status

    return asyncio.run(gather_status(deployment, load_cluster(deployment.environ)))


def _show(status: "Status", output: Output) -> int:
    import msgspec
    from rich.console import Console

    from shardboard.status.render import render
    from shardboard.status.report import exit_code

    if output is Output.JSON:
        typer.echo(msgspec.json.encode(status))
    else:
        Console(highlight=False).print(render(status))
    return exit_code(status)


def _watch(data_dir: Path | None, output: Output) -> NoReturn:
    """Until Ctrl-C: a screen that is redrawn, or a JSON line each time."""
    import os
    import time

    from rich.live import Live

    from shardboard.deployment import find_deployment
    from shardboard.status.render import render

    try:
        if output is Output.JSON:
            while True:
                _show(_look(find_deployment(data_dir, os.environ)), output)
                time.sleep(WATCH_S)
        with Live(auto_refresh=False, screen=True) as live:
            while True:
                live.update(render(_look(find_deployment(data_dir, os.environ))), refresh=True)
                time.sleep(WATCH_S)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None
