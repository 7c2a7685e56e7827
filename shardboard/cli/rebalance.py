"""`shardboard rebalance`: see the cluster, plan a change of it, carry it out, and look at what does not go on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli import rebalance_limits, rebalance_looks, rebalance_plan
from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.cli.rebalance_session import duration_s, follow_plan, read_topic_ends, run_operator, show_json_or
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from shardboard.rebalance.operator import Operator
    from shardboard.rebalance.overview import Overview

WATCH_S: Final = 1.0
"""Between two looks, which take a second themselves: rates are taken over it."""
app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(rebalance_plan.app, name="plan")
app.add_typer(rebalance_limits.app)
app.add_typer(rebalance_looks.app)

TimeoutOption = Annotated[
    str | None,
    typer.Option(help="Stop watching after this time: 90s, 15m, 1h. The work goes on.", show_default=False),
]
DetachOption = Annotated[bool, typer.Option("--detach", "-d", help="Do not watch; `rebalance wait` does.")]


@app.callback()
def rebalance() -> None:
    """Add, remove, weigh and replace shards while actions pour in. Workers do the work: a command may end at any time.

    Make a plan, look at it, apply it; then watch, pause, throttle, abort or undo it.

    Example:  shardboard rebalance plan add s4 --out add.plan && shardboard rebalance apply add.plan
    """


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Show the shards with their load, partitions per shard, the balance, and moves on their way.

    Exits with 0 when all is well, 5 when a shard that holds partitions is away or unserved, 7 when something could not
    be told.

    Example:  shardboard rebalance status --output json | jq '.shards[] | {shard, state, partitions, lag}'
    """
    from shardboard.rebalance.render import render_overview

    if watch:
        _watch(data_dir, output)
    told = _overview(data_dir)
    show_json_or(told, output, render=render_overview)
    raise typer.Exit(told.exit_code)


@app.command()
def apply(
    plan: Annotated[Path, typer.Argument(help="Made by `rebalance plan … --out`.", exists=True, dir_okay=False)],
    detach: DetachOption = False,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Carry out a plan and watch it: progress by partition and phase, rate and time left.

    Refused when the map is not what it was when the plan was made, or the file was changed. From the first moment the
    receiving workers do the work: Ctrl-C ends only this command.

    Exits with 0 when all has moved, 1 when some was aborted, 3 when refused, 4 when it is not over, 5 when a server
    does not answer.

    Examples:  shardboard rebalance apply add.plan  ·  shardboard rebalance apply add.plan --detach --output json
    """
    from shardboard.rebalance.plan_file import BadPlan, read_plan

    try:
        made = read_plan(plan.read_bytes())
    except BadPlan as error:
        raise CommandError(ExitCode.REFUSED, f"{plan} {error}") from error
    except OSError as error:
        raise CommandError(ExitCode.FAILED, f"{plan} cannot be read: {error}") from error
    if timeout is not None:
        duration_s(timeout)
    number = run_operator(data_dir, lambda operator: operator.apply(made))
    _watch_plan(number, detach=detach, timeout=timeout, output=output, data_dir=data_dir)


@app.command()
def wait(
    plan: Annotated[int | None, typer.Argument(help="Its number. [default: the one that runs]")] = None,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Watch the plan that is being carried out, until it is over.

    Exits as `apply` does, and with 6 when none is being carried out.

    Example:  shardboard rebalance wait --timeout 10m
    """
    number = plan if plan is not None else run_operator(data_dir, lambda operator: operator.running_plan())
    if number is None:
        raise CommandError(ExitCode.NOTHING_TO_DO, "nothing to do: no plan is being carried out")
    follow_plan(data_dir, number, timeout=timeout, output=output)


@app.command()
def abort(
    partitions: Annotated[
        list[int] | None, typer.Argument(help="Only these. [default: all that are on their way]", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Take back moves that have not switched yet: their owners go on. What has moved stays; `undo` brings it back.

    Exits with 0, or 6 when nothing was on its way.

    Example:  shardboard rebalance abort 7 13
    """
    from contracts.ids import Partition
    from shardboard.rebalance.answers import Aborted

    wanted = None if not partitions else [Partition(partition) for partition in partitions]
    ended = run_operator(data_dir, lambda operator: operator.store.abort(wanted))
    answer = Aborted(partitions=tuple(sorted(ended)))
    show_json_or(answer, output, render=lambda told: told.text)
    raise typer.Exit(ExitCode.OK if ended else ExitCode.NOTHING_TO_DO)


@app.command()
def undo(
    plan: Annotated[int | None, typer.Argument(help="Its number. [default: the newest]", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would move.")] = False,
    detach: DetachOption = False,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Take a plan back: what has not moved stays, what has moved returns, and weights and leavers are as before.

    May be given while the plan runs. The way back is a plan of its own, watched as by `apply`.

    Examples:  shardboard rebalance undo --dry-run  ·  shardboard rebalance undo 7
    """
    if timeout is not None:
        duration_s(timeout)
    made, number, gone_on = run_operator(data_dir, lambda operator: operator.undo(plan, is_dry=dry_run))
    if gone_on:
        told = ", ".join(map(str, gone_on))
        typer.echo(f"partitions {told} went on to other shards since, and stay there", err=True)
    if number is None:
        rebalance_plan.show_plan(made, out=None, is_explained=False, output=output)
        raise typer.Exit(ExitCode.OK)
    _watch_plan(number, detach=detach, timeout=timeout, output=output, data_dir=data_dir)


def _watch_plan(number: int, *, detach: bool, timeout: str | None, output: Output, data_dir: Path | None) -> NoReturn:
    if not detach:
        typer.echo(f"plan {number} is being carried out; Ctrl-C ends only this view of it", err=True)
        follow_plan(data_dir, number, timeout=timeout, output=output)
    progress = run_operator(data_dir, lambda operator: operator.progress(number))
    text = f"plan {number} is being carried out: `shardboard rebalance wait {number}`"
    show_json_or(progress, output, render=lambda _: text)
    raise typer.Exit(ExitCode.OK)


def _overview(data_dir: Path | None) -> "Overview":
    ends = read_topic_ends(data_dir)

    async def look(operator: "Operator") -> "Overview":
        import asyncio

        from contracts.clock import now_ms
        from shardboard.rebalance.gather import Asked
        from shardboard.rebalance.overview import overview

        stored = await operator.store.read()
        figures, topic_ends, reports, plans = await asyncio.gather(
            operator.figures(stored, Asked()), ends(), operator.store.moves(), operator.store.plans()
        )
        return overview(stored, figures, ends=topic_ends, reports=reports, plans=plans, now_ms=now_ms())

    return run_operator(data_dir, look)


def _watch(data_dir: Path | None, output: Output) -> NoReturn:
    """Until Ctrl-C: a screen that is redrawn, or a JSON line each time."""
    import time

    from rich.live import Live

    from shardboard.rebalance.render import render_overview

    nothing: Any = ""
    try:
        if output is Output.JSON:
            while True:
                show_json_or(_overview(data_dir), output, render=render_overview)
                time.sleep(WATCH_S)
        with Live(nothing, auto_refresh=False, screen=True) as live:
            while True:
                live.update(render_overview(_overview(data_dir)), refresh=True)
                time.sleep(WATCH_S)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None
