"""`shardboard rebalance pause|resume|throttle`: what moves may take, changed while they run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.cli.rebalance_session import run_operator, show_json_or
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from contracts.moves import MoveLimits

app = typer.Typer()


@app.command()
def pause(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Begin no more moves; those that have begun go on to their end, which takes seconds. Exits with 6 when it is so.

    Example:  shardboard rebalance pause
    """
    _change(lambda limits: replace(limits, is_paused=True), output=output, data_dir=data_dir)


@app.command()
def resume(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Let moves begin again. Exits with 6 when they were not paused.

    Example:  shardboard rebalance resume
    """
    _change(lambda limits: replace(limits, is_paused=False), output=output, data_dir=data_dir)


@app.command()
def throttle(
    moves_at_once: Annotated[
        int | None, typer.Option(min=1, max=64, help="Moves under way at a time, over all shards.", show_default=False)
    ] = None,
    users_per_s: Annotated[
        str | None, typer.Option(help="Of each move, such as 20000; max: as fast as it goes.", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Change how fast partitions move; at once, also for a plan that runs. Without options it tells what holds.

    Exits with 0, or 6 when it was so already.

    Examples:  shardboard rebalance throttle --moves-at-once 4  ·  shardboard rebalance throttle --users-per-s max
    """
    speed = None if users_per_s is None else _users_per_s(users_per_s)

    def changed(limits: "MoveLimits") -> "MoveLimits":
        if users_per_s is not None:
            limits = replace(limits, users_per_s_max=speed)
        return limits if moves_at_once is None else replace(limits, moves_at_once=moves_at_once)

    asks = moves_at_once is not None or users_per_s is not None
    _change(changed, output=output, data_dir=data_dir, asks=asks)


def _change(
    change: "Callable[[MoveLimits], MoveLimits]", *, output: Output, data_dir: Path | None, asks: bool = True
) -> NoReturn:
    from shardboard.rebalance.answers import LimitsAnswer
    from shardboard.rebalance.overview import limits_of

    stored, is_changed = run_operator(data_dir, lambda operator: operator.change_limits(change))
    answer = LimitsAnswer(changed=is_changed, map_version=stored.version, limits=limits_of(stored))
    show_json_or(answer, output, render=lambda told: told.text)
    raise typer.Exit(ExitCode.OK if is_changed or not asks else ExitCode.NOTHING_TO_DO)


def _users_per_s(text: str) -> int | None:
    if text == "max":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise CommandError(ExitCode.USAGE, f"--users-per-s {text}: must be a whole number ≥ 1, or max")
    return int(text)
