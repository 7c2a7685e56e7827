"""`shardboard docs metrics|commands|api`: the pages that are made from the code."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def docs() -> None:
    """Pages of the documentation that are made from the code.

    Example:  shardboard docs metrics > docs/metrics.md
    """


@app.command()
def metrics() -> None:
    """Print the page of every metric.

    Example:  shardboard docs metrics > docs/metrics.md
    """
    from shardboard.metrics_page import metrics_page

    typer.echo(metrics_page(), nl=False)


@app.command()
def commands() -> None:
    """Print the page of every command.

    Example:  shardboard docs commands > docs/cli.md
    """
    from shardboard.command_page import command_page

    typer.echo(command_page(), nl=False)


@app.command()
def api() -> None:
    """Print the page of every route.

    Example:  shardboard docs api > docs/api.md
    """
    from shardboard.api_page import api_page

    typer.echo(api_page(), nl=False)
