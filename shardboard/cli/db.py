"""`shardboard db upgrade|status|rebuild-map`: the schema of the archive in Postgres, and the shard map in it."""

from typing import Annotated

import typer

from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.cli.postgres import with_map_store, with_postgres

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def db() -> None:
    """The archive's schema, for a Postgres of your own: `shardboard up` keeps its own up to date.

    Example:  shardboard db status
    """


@app.command()
def upgrade(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Bring the schema to this version. May be run again, and while everything runs.

    Each migration is one transaction; a run that was cut short is continued by the next one. Exits with 6 when there
    was nothing to do, 3 when the database has a newer schema than this program.

    Example:  SHARDBOARD_POSTGRES_URL=postgresql://board@db/board shardboard db upgrade
    """
    import json

    from archiver.postgres_migrate import upgrade as run
    from contracts.exit_codes import ExitCode

    applied = with_postgres(data_dir, run)
    if output is Output.JSON:
        typer.echo(json.dumps({"applied": applied}))
    elif applied:
        typer.echo("\n".join(f"applied {name}" for name in applied))
    else:
        typer.echo("nothing to do: the schema is up to date")
    raise typer.Exit(ExitCode.OK if applied else ExitCode.NOTHING_TO_DO)


@app.command()
def status(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Tell which migrations are applied and which are missing. Exits with 1 when some are.

    Example:  shardboard db status --output json | jq .missing
    """
    import json

    from archiver.postgres_migrate import schema_status
    from contracts.exit_codes import ExitCode

    found = with_postgres(data_dir, schema_status)
    if output is Output.JSON:
        typer.echo(json.dumps({"applied": found.applied, "missing": found.missing}))
    else:
        lines = [f"applied  {name}" for name in found.applied] + [f"missing  {name}" for name in found.missing]
        typer.echo("\n".join(lines))
    raise typer.Exit(ExitCode.OK if found.is_current else ExitCode.DIFFERENT)


@app.command("rebuild-map")
def rebuild_map(
    apply: Annotated[bool, typer.Option("--apply", help="Write the map; without it only show it.")] = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Rebuild the shard map after a loss of Postgres, or after a restore from an old backup, from what every shard's
    Redis holds: the newest epoch wins. Workers follow the new map at once.

    All shards must answer. Nothing is written when two shards hold a partition at the same epoch, when none holds it,
    or when Postgres has a newer epoch: those are told. Run it while no partition is being moved.

    Exits with 0 when the map was written, 1 when it would be (see --apply), 3 when somebody must look first, 5 when a
    shard or Postgres does not answer, 6 when the map is right already.

    Example:  shardboard db rebuild-map --apply
    """
    import os

    import msgspec
    from rich.console import Console

    from contracts.exit_codes import ExitCode
    from foundation.settings import load_common
    from shardboard.command_error import CommandError
    from shardboard.deployment import find_deployment
    from shardboard.rebuild.render import render
    from shardboard.rebuild.run import rebuild_map as run
    from shardboard.shard_reads import ShardUnreachable

    common = load_common(find_deployment(data_dir, os.environ).environ)
    try:
        report = with_map_store(
            data_dir, lambda store: run(store, common.shards, is_applied=apply), name="db rebuild-map"
        )
    except ShardUnreachable as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    else:
        Console(highlight=False).print(render(report))
    raise typer.Exit(report.exit_code)
