"""`shardboard version`."""

import typer

from shardboard.cli.options import Output, OutputOption

app = typer.Typer()


@app.command()
def version(output: OutputOption = Output.TABLE) -> None:
    """Print the version of Shardboard, and of the Python that runs it.

    Example:  shardboard version --output json
    """
    import json
    import platform
    from importlib.metadata import version as version_of

    found = {"shardboard": version_of("shardboard"), "python": platform.python_version()}
    if output is Output.JSON:
        typer.echo(json.dumps(found))
    else:
        typer.echo("\n".join(f"{name} {number}" for name, number in found.items()))
