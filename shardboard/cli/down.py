"""`shardboard down`."""

from pathlib import Path
from typing import Annotated

import typer

from shardboard.data_dir import DATA_DIR_DEFAULT

app = typer.Typer()


@app.command()
def down(
    data_dir: Annotated[Path, typer.Option(help="Folder of the deployment to end.")] = DATA_DIR_DEFAULT,
) -> None:
    """End the deployment that `shardboard up` runs, in an orderly way, and wait until it is down. Its data stays.

    Exits with 6 when none runs.

    Example:  shardboard down --data-dir .shardboard
    """
    from contracts.exit_codes import ExitCode
    from shardboard.command_error import CommandError
    from shardboard.supervisor.ending import Ending, end_supervisor

    ending = end_supervisor(data_dir)
    if ending is Ending.NOTHING_RUNS:
        typer.echo(f"nothing to do: no deployment runs in {data_dir}")
        raise typer.Exit(ExitCode.NOTHING_TO_DO)
    if ending is Ending.NOT_PERMITTED:
        raise CommandError(ExitCode.REFUSED, f"the deployment in {data_dir} belongs to another user")
    typer.echo("down" if ending is Ending.ORDERLY else "down, killed: it did not end in time")
    raise typer.Exit(ExitCode.OK if ending is Ending.ORDERLY else ExitCode.STALLED)
