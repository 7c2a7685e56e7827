"""`shardboard demo`: invented people act through the gateway, so that the board moves."""

from typing import Annotated

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption

app = typer.Typer()


@app.command()
def demo(
    rate: Annotated[float, typer.Option(min=0.1, max=50, help="Actions per second, on average.")] = 4.0,
    seed: Annotated[int | None, typer.Option(help="Makes the same people do the same again.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Let invented people act until SIGTERM: uneven, in bursts, a few actions a second. `up --demo` does it by itself.

    Example:  shardboard demo --rate 10
    """
    import os
    import random
    from pathlib import Path

    from contracts.catalogue import BadCatalogue, parse_catalogue
    from contracts.demo_users import DEMO_USERS
    from foundation.service import StopSignal, run_service
    from foundation.settings import load_common
    from shardboard.cli.target import find_token_settings
    from shardboard.command_error import CommandError
    from shardboard.demo.crowd import Crowd
    from shardboard.demo.service import Demo, DemoSettings
    from shardboard.deployment import find_deployment
    from shardboard.replay.http_gateway import parse_endpoint

    deployment = find_deployment(data_dir, os.environ)
    common = load_common(deployment.environ)
    if common.is_production:
        raise CommandError(ExitCode.REFUSED, "invented people do not belong on a production board (SHARDBOARD_ENV)")
    path = Path(deployment.environ.get("SHARDBOARD_ACTIONS_FILE") or "actions.toml")
    try:
        catalogue = parse_catalogue(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadCatalogue) as error:
        raise CommandError(ExitCode.REFUSED, f"{path}: {error}") from error
    try:
        endpoint = parse_endpoint(deployment.url)
    except ValueError as error:
        raise CommandError(ExitCode.REFUSED, f"the gateway's address {error}") from error
    settings = DemoSettings(endpoint, find_token_settings(data_dir, os.environ))
    crowd = Crowd(DEMO_USERS, catalogue, rate_per_s=rate, rng=random.Random(seed))

    async def serve(stop: StopSignal) -> None:
        await Demo(settings, crowd, stop=stop).run()

    raise typer.Exit(run_service("demo", common, serve=serve))
