"""`shardboard merger`: the service in the foreground."""

import typer

app = typer.Typer()


@app.command()
def merger() -> None:
    """Run the merger: combines the shards' tops into the boards.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_CACHE_URL=redis://cache:6379/0 shardboard merger
    """
    from merger.__main__ import main

    raise typer.Exit(main())
