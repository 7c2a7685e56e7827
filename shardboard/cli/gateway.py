"""`shardboard gateway`: the service in the foreground."""

import typer

app = typer.Typer()


@app.command()
def gateway() -> None:
    """Run the gateway: POST /actions, the boards and the page.

    It reads its settings from the environment (`shardboard config show`) and ends in an orderly way on SIGTERM.

    Example:  SHARDBOARD_LISTEN=:8080 SHARDBOARD_KAFKA=kafka-1:9092 shardboard gateway
    """
    from gateway.__main__ import main

    raise typer.Exit(main())
