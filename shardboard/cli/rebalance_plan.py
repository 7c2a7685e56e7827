"""`shardboard rebalance plan add|remove|drain|weight|replace|even`: what would move and why. Nothing is changed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.cli.rebalance_session import complete_shard, run_operator, shard_id, show_json_or
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from contracts.moves import StoredMap
    from shardboard.rebalance.change import Change
    from shardboard.rebalance.plan_file import PlanFile

app = typer.Typer(no_args_is_help=True, add_completion=False)

OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Write the plan here, for `rebalance apply`.", dir_okay=False, show_default=False),
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Show every move, and how the plan came about.")]
ShardsArgument = Annotated[
    list[str], typer.Argument(help="Shards, such as s3.", autocompletion=complete_shard, show_default=False)
]
RedisOption = Annotated[
    list[str] | None,
    typer.Option("--redis", help="Its Redis, unless its worker has joined; one for each shard.", show_default=False),
]


@app.callback()
def plan() -> None:
    """Make a plan: each move with its reason, users, bytes and pause, and the load before and after. A plan changes
    nothing; `rebalance apply` does.

    As little moves as the change asks for: what is below its shard's cap stays.

    Exits with 0, 2 on usage, 3 when refused, 5 when a server does not answer, 6 when there is nothing to do.

    Example:  shardboard rebalance plan add s4 --out add-s4.plan && shardboard rebalance apply add-s4.plan
    """


@app.command()
def add(
    shards: ShardsArgument,
    redis: RedisOption = None,
    weight: Annotated[int | None, typer.Option(help="Of each; 100 is usual.", show_default=False)] = None,
    out: OutOption = None,
    explain: ExplainOption = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Plan for new shards: they take their shares. Its Redis must answer, be noeviction, and be empty or this
    deployment's.

    A shard whose worker runs has joined already and needs no --redis.

    Examples:  shardboard rebalance plan add s4 --redis redis://10.0.0.4:6379/0 --out add.plan  ·
    shardboard rebalance plan add s5 s6 --weight 200
    """
    from shardboard.rebalance import change

    urls: list[str | None] = list(redis or [])
    if len(urls) not in (0, len(shards)):
        raise CommandError(ExitCode.USAGE, f"{len(shards)} shards and {len(urls)} --redis: one for each, in order")
    names = [shard_id(shard) for shard in shards]
    addresses = urls or [None] * len(names)
    new = [change.NewShard(name, url, weight) for name, url in zip(names, addresses, strict=True)]
    _plan(lambda stored: change.add(stored, new), out=out, explain=explain, output=output, data_dir=data_dir)


@app.command()
def remove(
    shards: ShardsArgument,
    out: OutOption = None,
    explain: ExplainOption = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Plan for shards to leave for good: their partitions go to the others, and then they are no longer part of it.

    Examples:  shardboard rebalance plan remove s3 --out remove.plan  ·  shardboard rebalance plan remove s5 s6
    """
    from shardboard.rebalance import change

    names = [shard_id(shard) for shard in shards]
    _plan(lambda stored: change.remove(stored, names), out=out, explain=explain, output=output, data_dir=data_dir)


@app.command()
def drain(
    shards: ShardsArgument,
    out: OutOption = None,
    explain: ExplainOption = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Plan to empty shards that stay: for work on their machine. `plan add` gives them their shares again.

    Example:  shardboard rebalance plan drain s2 --out drain.plan
    """
    from shardboard.rebalance import change

    names = [shard_id(shard) for shard in shards]
    _plan(
        lambda stored: change.remove(stored, names, is_for_good=False),
        out=out, explain=explain, output=output, data_dir=data_dir,
    )  # fmt: skip


@app.command()
def weight(
    weights: Annotated[
        list[str], typer.Argument(help="Shard and weight, such as s1=200; 100 is usual.", show_default=False)
    ],
    out: OutOption = None,
    explain: ExplainOption = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Plan for larger or smaller machines: a shard of weight 200 holds twice as much as one of 100.

    Example:  shardboard rebalance plan weight s1=200 s2=50 --explain
    """
    from contracts.ids import ShardId
    from shardboard.rebalance import change

    wanted: dict[ShardId, int] = {}
    for word in weights:
        name, equals, number = word.partition("=")
        if not equals or not number.lstrip("-").isdecimal():
            raise CommandError(ExitCode.USAGE, f"{word!r} is not a shard and its weight, such as s1=200")
        if wanted.setdefault(shard_id(name), int(number)) != int(number):
            raise CommandError(ExitCode.USAGE, f"{name} is named twice")
    for name, number_ in wanted.items():
        change.check_weight(name, number_)
    _plan(lambda stored: change.weigh(stored, wanted), out=out, explain=explain, output=output, data_dir=data_dir)


@app.command()
def replace(
    old: Annotated[str, typer.Argument(help="The shard that goes.", autocompletion=complete_shard)],
    new: Annotated[str, typer.Argument(help="The shard that takes its place.", autocompletion=complete_shard)],
    redis: Annotated[
        str | None, typer.Option(help="The new one's Redis, unless its worker has joined.", show_default=False)
    ] = None,
    weight: Annotated[int | None, typer.Option(help="[default: that of the old one]", show_default=False)] = None,
    out: OutOption = None,
    explain: ExplainOption = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Plan for a new shard to take all partitions of an old one, which leaves; also of one whose Redis is lost: then
    each partition is restored from Postgres and the log.

    Example:  shardboard rebalance plan replace s2 s5 --redis redis://10.0.0.5:6379/0 --out replace.plan
    """
    from shardboard.rebalance import change

    new_shard = change.NewShard(shard_id(new), redis, weight)
    old_shard = shard_id(old)
    _plan(
        lambda stored: change.replace(stored, old_shard, new=new_shard),
        out=out, explain=explain, output=output, data_dir=data_dir,
    )  # fmt: skip


@app.command()
def even(
    out: OutOption = None,
    explain: ExplainOption = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Plan for every shard to hold its share exactly, with the fewest moves.

    Example:  shardboard rebalance plan even --output json | jq '.moves | length'
    """
    from shardboard.rebalance import change

    _plan(change.even, out=out, explain=explain, output=output, data_dir=data_dir)


def show_plan(
    plan: "PlanFile", *, out: Path | None, is_explained: bool, output: Output, is_quiet: bool = False
) -> None:
    """Show a plan, unless quiet, and write it if asked to. Raises CommandError."""
    from shardboard.rebalance.plan_file import write_plan
    from shardboard.rebalance.render import render_plan

    if out is not None:
        _write(out, write_plan(plan))
    if is_quiet:
        return
    show_json_or(plan, output, render=lambda shown: render_plan(shown, is_explained=is_explained))
    if output is Output.TABLE:
        typer.echo(
            f"\nwritten to {out}; nothing has changed yet: shardboard rebalance apply {out}"
            if out is not None
            else "\nnothing has changed; --out PLAN writes the plan, `rebalance apply PLAN` carries it out"
        )


def _plan(
    ask: "Callable[[StoredMap], Change]", *, out: Path | None, explain: bool, output: Output, data_dir: Path | None
) -> None:
    made = run_operator(data_dir, lambda operator: operator.plan(ask))
    show_plan(made, out=out, is_explained=explain, output=output)


def _write(path: Path, data: bytes) -> None:
    """The plan may hold the address of a Redis with its password: for its owner alone."""
    from shardboard.data_dir import write_whole

    try:
        write_whole(path, data, mode=0o600)
    except OSError as error:
        raise CommandError(ExitCode.FAILED, f"{path} cannot be written: {error}") from error
