"""`shardboard worker`: the service in the foreground."""

import typer

app = typer.Typer()


@app.command()
def worker() -> None:
    """Run one shard's worker: counts its partitions' actions in its Redis.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_SHARD=s1 SHARDBOARD_SHARDS=s1=redis://redis-1:6379/0 shardboard worker
    """
    from shard_worker.__main__ import main

    raise typer.Exit(main())
