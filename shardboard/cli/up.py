"""`shardboard up`: a whole deployment on this machine, in the foreground or, with --detach, behind."""

from pathlib import Path
from typing import Annotated

import typer

from shardboard.data_dir import DATA_DIR_DEFAULT

app = typer.Typer()


@app.command()
def up(
    shards: Annotated[
        int | None, typer.Option(help="Shards, each a worker and its Redis; more than before: they join. [default: 3]")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Kafka partitions, fixed for the deployment's life. [default: 64]")
    ] = None,
    host: Annotated[str, typer.Option(help="Where the page listens; 0.0.0.0 is every interface.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page and of POST /actions.")] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Folder for everything that it stores.")] = DATA_DIR_DEFAULT,
    actions: Annotated[
        Path | None,
        typer.Option(
            help="Catalogue of actions and their points. [default: ./actions.toml, else the one of Shardboard]"
        ),
    ] = None,
    demo: Annotated[bool, typer.Option(help="Let invented users act, so that the board moves.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the data folder's deployment first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --fresh deletes.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once everything is up.")] = False,
) -> None:
    """Start Kafka, Redis, Postgres and every service, and keep them running until Ctrl-C.

    A second `up` goes on with the same data. What dies is started again. Nothing but Python is needed.

    Examples:  shardboard up  ·  shardboard up --shards 2 --port 9000 --no-demo --detach
    """
    from shardboard.supervisor.begin import Options, run_detached, run_here

    options = Options(
        shards=shards,
        partitions=partitions,
        host=host,
        port=port,
        data_dir=data_dir,
        actions=actions,
        demo=demo,
        fresh=fresh,
        yes=yes,
    )
    if detach:
        run_detached(options)
    else:
        run_here(options)
