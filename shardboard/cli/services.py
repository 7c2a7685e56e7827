"""`shardboard gateway|worker|merger|auditor|archiver`: one service in the foreground."""

import typer

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
def run_worker() -> None:
    """Run one shard's worker: counts its partitions' actions in its Redis.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_SHARD=s1 SHARDBOARD_SHARDS=s1=redis://redis-1:6379/0 shardboard worker
    """
    from shard_worker.__main__ import main

    raise typer.Exit(main())


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
