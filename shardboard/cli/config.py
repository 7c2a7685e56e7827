"""`shardboard config show|check`: every setting of every service, as it was read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shardboard.cli.options import DataDirOption, Output, OutputOption

if TYPE_CHECKING:
    from shardboard.all_settings import AllSettings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def config() -> None:
    """The settings of all services: environment variables SHARDBOARD_…, read once at each start."""


@app.command()
def show(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Print every setting: its value, whether it is the default, what it means, and which services read it.

    Secrets are not shown. Variables that nothing reads are warned of: most likely typing errors.

    Example:  SHARDBOARD_PERIODS=all_time,daily@Europe/Paris shardboard config show
    """
    import json

    found = _read(data_dir)
    if output is Output.JSON:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        _print_list(found)
    _warn(found)


@app.command()
def check(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Check every setting as the services do at their start, and the catalogue of actions.

    Exits with 3 when a service would refuse to start, 1 when only unknown variables were found.

    Example:  SHARDBOARD_ENV=production shardboard config check || echo "not like this"
    """
    import json

    from contracts.exit_codes import ExitCode

    found = _read(data_dir)
    if output is Output.JSON:
        answer = {"faults": list(found.faults), "unknown": list(found.unknown)}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for fault in found.faults:
            typer.echo(fault)
        if not found.faults:
            typer.echo(f"{len(found.settings)} settings are in order")
    _warn(found)
    if found.faults:
        raise typer.Exit(ExitCode.REFUSED)
    raise typer.Exit(ExitCode.DIFFERENT if found.unknown else ExitCode.OK)


@app.command(hidden=True)
def docs() -> None:
    """Print the page docs/configuration.md.

    Example:  shardboard config docs > docs/configuration.md
    """
    from shardboard.configuration_page import configuration_page

    typer.echo(configuration_page(), nl=False)


def _read(data_dir: Path | None) -> "AllSettings":
    import os

    from shardboard.all_settings import read_all

    return read_all(_environ(data_dir, os.environ))


def _environ(data_dir: Path | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    """As `find_deployment`, but settings may be looked at where nothing runs yet."""
    from shardboard.command_error import CommandError
    from shardboard.deployment import find_deployment

    try:
        return find_deployment(data_dir, environ).environ
    except CommandError:
        if data_dir is not None:
            raise
        return environ


def _print_list(found: "AllSettings") -> None:
    """Two lines for each, as a table of meanings fits no terminal."""
    for setting in found.settings:
        origin = "default" if setting.is_default else "set"
        typer.secho(f"{setting.name} = {setting.value}", bold=not setting.is_default)
        typer.echo(f"    {setting.meaning}  ·  {origin}  ·  {', '.join(setting.services)}")


def _warn(found: "AllSettings") -> None:
    for name in found.unknown:
        typer.echo(f"shardboard: warning: nothing reads {name}", err=True)
