"""`shardboard gateway|worker|merger|auditor|archiver`: one service in the foreground."""

from typing import Annotated

import typer

from shardboard.cli.options import DataDirOption

gateway = typer.Typer()
worker = typer.Typer()
merger = typer.Typer()
auditor = typer.Typer()
archiver = typer.Typer()


@gateway.command("gateway")
def run_gateway() -> None:
    """Run the gateway: POST /actions, the boards and the page.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_LISTEN=:8080 SHARDBOARD_KAFKA=kafka-1:9092 shardboard gateway
    """
    from gateway.__main__ import main

    raise typer.Exit(main())


@worker.command("worker")
def run_worker(
    shard: Annotated[
        str | None, typer.Option("--shard", "-s", help="The shard, such as s4. [default: SHARDBOARD_SHARD]")
    ] = None,
    redis: Annotated[
        str | None, typer.Option("--redis", help="Its Redis: redis://host:port/0. [default: as SHARDBOARD_SHARDS says]")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run one shard's worker: counts its partitions' actions in its Redis.

    A shard that is new joins: it serves, owns nothing, and waits for a plan (`shardboard rebalance plan add`). With
    options it joins the deployment that --data-dir or the environment names. All other settings come from the
    environment (`shardboard config show`); it ends in an orderly way on SIGTERM.

    Examples:  shardboard worker --shard s4 --redis redis://redis-4:6379/0
      ·  SHARDBOARD_SHARD=s1 SHARDBOARD_SHARDS=s1=redis://redis-1:6379/0 shardboard worker
    """
    import os

    from shard_worker.__main__ import main
    from shardboard.deployment import find_deployment

    if shard is None and redis is None and data_dir is None:
        raise typer.Exit(main())
    given = {"SHARDBOARD_SHARD": shard, "SHARDBOARD_SHARD_URL": redis}
    environ = {**find_deployment(data_dir, os.environ).environ, **{k: v for k, v in given.items() if v is not None}}
    raise typer.Exit(main(environ))


@merger.command("merger")
def run_merger() -> None:
    """Run the merger: combines the shards' tops into the boards.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_CACHE_URL=redis://cache:6379/0 shardboard merger
    """
    from merger.__main__ import main

    raise typer.Exit(main())


@auditor.command("auditor")
def run_auditor() -> None:
    """Run the auditor: counts the log by itself and compares its totals with every shard's, all the time.

    It only reads; a difference is logged once and shown in the metric shardboard_audit_differences. Its settings come
    from the environment (`shardboard config show`); it ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_KAFKA=kafka-1:9092 SHARDBOARD_SHARDS=s1=redis://redis-1:6379/0 shardboard auditor
    """
    from audit.__main__ import main

    raise typer.Exit(main())


@archiver.command("archiver")
def run_archiver() -> None:
    """Run the archiver: actions, scores and closed boards in Postgres.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_POSTGRES_URL=postgresql://board@db/board shardboard archiver
    """
    from archiver.__main__ import main

    raise typer.Exit(main())
