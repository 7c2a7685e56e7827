"""`shardboard rebalance why-stalled|verify|advise|history|give-up`: what is wrong, what would help, what was done."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.cli.rebalance_plan import OutOption, show_plan
from shardboard.cli.rebalance_session import (
    complete_shard,
    read_topic_ends,
    run_operator,
    shard_id,
    show_json_or,
)
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from contracts.moves import StoredMap
    from shardboard.rebalance.answers import History
    from shardboard.rebalance.map_check import MapCheck
    from shardboard.rebalance.operator import Operator
    from shardboard.rebalance.plan_file import PlanFile
    from shardboard.rebalance.stalled import StalledReport

app = typer.Typer()
CHANGES_DEFAULT: Final = 20
CHANGES_MAX: Final = 1_000


@app.command("why-stalled")
def why_stalled(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Tell of each move that is not over why it does not go on, and what to do.

    Exits with 0 when all go on, 4 when somebody must do something, 6 when nothing is on its way.

    Example:  shardboard rebalance why-stalled --output json | jq '.moves[] | select(.is_stalled)'
    """
    from shardboard.rebalance.render import render_stalled

    async def look(operator: "Operator") -> "StalledReport":
        from contracts.clock import now_ms
        from shardboard.rebalance.gather import Asked
        from shardboard.rebalance.stalled import why_stalled as diagnose

        stored = await operator.store.read()
        figures = await operator.figures(stored, Asked(rates=False))
        return diagnose(stored, await operator.store.moves(), figures=figures, now_ms=now_ms())

    report = run_operator(data_dir, look)
    show_json_or(report, output, render=render_stalled)
    raise typer.Exit(report.exit_code)


@app.command()
def verify(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Compare the map with what every shard's Redis holds: each partition has one owner, at the map's epoch, and
    nobody else has state of it that is not listed for removal. `shardboard verify` compares the scores.

    What two looks agree on is told. Exits with 0, 1 when something differs, 7 when a shard does not answer.

    Example:  shardboard rebalance verify && shardboard verify
    """
    from shardboard.rebalance.render import render_check

    ends = read_topic_ends(data_dir)

    async def look(operator: "Operator") -> "MapCheck":
        from shardboard.rebalance.map_check import both

        first = await _check(operator, topic_partitions=None)
        topic_ends = await ends()
        second = await _check(operator, topic_partitions=None if topic_ends is None else len(topic_ends))
        return both(first, second)

    check = run_operator(data_dir, look)
    show_json_or(check, output, render=render_check)
    raise typer.Exit(check.exit_code)


@app.command()
def advise(out: OutOption = None, output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Look at live figures for shards that are hot, uneven, idle or away, and propose a plan.

    Exits with 0 when a plan is proposed, 6 when there is nothing to move.

    Examples:  shardboard rebalance advise  ·  shardboard rebalance advise --out cool.plan
    """
    import msgspec
    from rich.console import Console

    from shardboard.rebalance.advise import Advice
    from shardboard.rebalance.render import render_advice

    async def look(operator: "Operator") -> tuple[tuple[Advice, ...], "PlanFile | None"]:
        from shardboard.rebalance.advise import advise as look_for
        from shardboard.rebalance.gather import Asked

        stored = await operator.store.read()
        figures = await operator.figures(stored, Asked(sizes=True))
        told = look_for(stored, figures)
        if told.change is None:
            return told.advice, None
        deployment = await operator.deployment(stored)
        return told.advice, await operator.plan_with(told.change, stored, figures=figures, deployment=deployment)

    advice, plan = run_operator(data_dir, look)
    if output is Output.JSON:
        typer.echo(msgspec.json.encode({"advice": advice, "plan": plan}))
    else:
        Console(highlight=False).print(render_advice(advice))
    if plan is None:
        raise typer.Exit(ExitCode.NOTHING_TO_DO)
    if output is Output.TABLE:
        typer.echo("")
    show_plan(plan, out=out, is_explained=False, output=output, is_quiet=output is Output.JSON)


@app.command()
def history(
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=CHANGES_MAX, help="Changes of the map.")
    ] = CHANGES_DEFAULT,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """List the plans that were applied, and the newest changes of the map: when, by whom, what.

    Example:  shardboard rebalance history --output json | jq '.plans[0]'
    """
    from shardboard.rebalance.render_history import render_history

    async def look(operator: "Operator") -> "History":
        from shardboard.rebalance.answers import history_of

        return history_of(await operator.store.plans(), await operator.store.history(limit))

    show_json_or(run_operator(data_dir, look), output, render=render_history)


@app.command("give-up")
def give_up(
    shard: Annotated[str, typer.Argument(help="A shard whose Redis is gone.", autocompletion=complete_shard)],
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Wait no longer for leftovers at a shard whose Redis is gone for good. Refused while it answers: then they are
    removed by themselves.

    Exits with 0, 3 when refused, 6 when nothing was waited for.

    Example:  shardboard rebalance give-up s2
    """
    from shardboard.rebalance.answers import GivenUp

    name = shard_id(shard)

    async def work(operator: "Operator") -> GivenUp:
        from shardboard.rebalance.change import refuse_unknown
        from shardboard.rebalance.gather import Asked

        stored = await operator.store.read()
        refuse_unknown(stored, [name])
        if not (await operator.figures(_only(stored, name), Asked(rates=False)))[name].fault:
            raise CommandError(
                ExitCode.REFUSED, f"the Redis of {name} answers: its leftovers are removed by themselves"
            )
        return GivenUp(shard=name, partitions=tuple(await operator.store.give_up_leftovers(name)))

    answer = run_operator(data_dir, work)
    count = len(answer.partitions)
    text = f"{count} partitions wait no longer for {name}" if count else f"nothing was waited for at {name}"
    show_json_or(answer, output, render=lambda _: text)
    raise typer.Exit(ExitCode.OK if count else ExitCode.NOTHING_TO_DO)


async def _check(operator: "Operator", *, topic_partitions: int | None) -> "MapCheck":
    from shardboard.rebalance.gather import Asked
    from shardboard.rebalance.map_check import check_map

    stored = await operator.store.read()
    figures = await operator.figures(stored, Asked(every_partition=True, rates=False))
    return check_map(stored, figures, topic_partitions=topic_partitions)


def _only(stored: "StoredMap", shard: str) -> "StoredMap":
    from dataclasses import replace

    return replace(stored, shards=tuple(entry for entry in stored.shards if entry.shard == shard))
