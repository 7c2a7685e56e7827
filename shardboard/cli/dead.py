"""`shardboard dead list|show|replay|drop`: records that could not count, and what to do about them."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from foundation.settings import CommonSettings
    from shardboard.dead.box import DeadBox
    from shardboard.dead.letters import Letter, LetterRow

app = typer.Typer(no_args_is_help=True, add_completion=False)
_T = TypeVar("_T")
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers of letters, from `dead list`.", show_default=False)]


class WantedState(StrEnum):
    """Which letters a list shows."""

    OPEN = "open"
    SENDING = "sending"
    REPLAYED = "replayed"
    DROPPED = "dropped"
    ALL = "all"


@app.callback()
def dead() -> None:
    """Dead letters: records of the log that could not count, each with its reason and its own bytes.

    The worker goes on without them. Look at one with `show`; once it decodes (after an update), or its score has room,
    `replay` sends it again; what nobody needs, `drop`.

    Example:  shardboard dead list --output json | jq length
    """


@app.command("list")
def list_letters(
    state: Annotated[WantedState, typer.Option(help="What was done about them.")] = WantedState.OPEN,
    reason: Annotated[str, typer.Option(help="Only reasons that contain this text.")] = "",
    partition: Annotated[
        int | None, typer.Option("--partition", "-P", min=0, help="Only of this partition.", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """List dead letters: number, state, time, where they came from, size and reason.

    Example:  shardboard dead list --reason points --output json | jq '.letters[].number'
    """
    import msgspec

    from shardboard.dead.letters import row

    async def collect(box: "DeadBox") -> list["LetterRow"]:
        return [
            row(letter)
            async for letter in box.letters()
            if state in (WantedState.ALL, letter.state)
            and reason in letter.reason
            and partition in (None, letter.partition)
        ]

    rows = _run(data_dir, lambda _, box: collect(box))
    if output is Output.JSON:
        typer.echo(msgspec.json.encode({"letters": rows}))
        return
    typer.echo(f"{'number':>8}  {'state':<8}  {'time':<23}  {'from':<24}  {'bytes':>6}  reason")
    for letter in rows:
        place = f"{letter.topic}/{letter.partition}/{letter.offset}"
        typer.echo(
            f"{letter.number:>8}  {letter.state:<8}  {_time(letter.at_ms):<23}  {place:<24}  {letter.bytes:>6}  "
            f"{letter.reason}"
        )


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="From `dead list`.", min=0)],
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Show one dead letter: its bytes, and what they decode to by now or why they do not.

    Example:  shardboard dead show 17
    """
    import msgspec

    from shardboard.dead.letters import shown

    letter = shown(_run(data_dir, lambda _, box: box.letter(number)))
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(letter))
        return
    head = letter.letter
    typer.echo(f"letter {head.number}, {head.state}, from {head.topic}/{head.partition}/{head.offset}")
    typer.echo(f"died    {_time(head.at_ms)}: {head.reason}")
    if head.sent_to is not None:
        typer.echo(f"sent    to partition {head.sent_to[0]}, offset {head.sent_to[1]}")
    typer.echo(f"key     {letter.key}")
    typer.echo(f"value   {letter.value}")
    if letter.record is None:
        typer.echo(f"decodes no: {letter.fault}")
    else:
        typer.echo(f"decodes yes: {msgspec.json.encode(letter.record).decode()}")


@app.command()
def replay(
    numbers: Numbers = None,
    every: Annotated[bool, typer.Option("--all", help="All letters that are open.")] = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Send dead letters again, byte for byte, so that they count now.

    Refused are letters that were replayed or dropped before, that still do not decode, and whose id has counted (which
    is asked of the shard, the archive and the log): nothing can count twice. What was sent is noted in the topic
    actions.dead.handled; killed in the middle, the same command first looks whether the record was sent.

    Exits with 0 when all were sent, 1 when some were refused, 5 when a server does not answer, 6 when none was open.

    Example:  shardboard dead replay 17 18
    """
    import msgspec

    from shardboard.dead.replay import replay as run

    async def send(common: "CommonSettings", box: "DeadBox") -> Any:
        return await run(common, box, letters=await _chosen(box, numbers, every=every))

    report = _run(data_dir, send)
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    else:
        for sent in report.sent:
            typer.echo(f"letter {sent.number} sent to partition {sent.partition}, offset {sent.offset}")
        for refused in report.refused:
            typer.echo(f"letter {refused.number} refused: {refused.reason}")
        if report.exit_code is ExitCode.NOTHING_TO_DO:
            typer.echo("nothing to do: no letter is open")
    raise typer.Exit(report.exit_code)


@app.command()
def drop(
    numbers: Numbers = None,
    every: Annotated[bool, typer.Option("--all", help="All letters that are open.")] = False,
    before: Annotated[
        int | None,
        typer.Option(min=0, help="Delete all letters below this number from Kafka, for good.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --before: also letters that are open.")] = False,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Mark dead letters as dropped: they are not listed as open any more, and never replayed.

    A log deletes from its beginning only, so their bytes stay until retention removes them. --before N deletes the
    letters below N at once, and refuses when some of them are open, unless --yes.

    Exits with 0, 1 when some were handled before, 3 when refused, 6 when there was nothing to do.

    Example:  shardboard dead drop 17 && shardboard dead drop --before 18
    """
    import msgspec

    from shardboard.dead.drop import delete_before, mark_dropped

    if before is not None and (numbers or every):
        raise CommandError(ExitCode.USAGE, "--before deletes letters, numbers and --all mark them: one at a time")

    async def work(_: "CommonSettings", box: "DeadBox") -> Any:
        if before is not None:
            return await delete_before(box, before, even_open=yes)
        return await mark_dropped(box, await _chosen(box, numbers, every=every))

    report = _run(data_dir, work)
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    else:
        typer.echo(report.text)
    raise typer.Exit(report.exit_code)


async def _chosen(box: "DeadBox", numbers: list[int] | None, *, every: bool) -> list["Letter"]:
    if bool(numbers) is every:
        raise CommandError(ExitCode.USAGE, "name letters by their numbers, or all open ones with --all")
    if every:
        return [letter async for letter in box.letters() if letter.state in ("open", "sending")]
    return [await box.letter(number) for number in dict.fromkeys(numbers or ())]


def _run(data_dir: Path | None, work: Callable[["CommonSettings", "DeadBox"], Awaitable[_T]]) -> _T:
    import asyncio
    import os

    from aiokafka.errors import KafkaError
    from redis.exceptions import RedisError

    from foundation.service import Refused
    from shardboard.cluster_map import load_cluster
    from shardboard.dead.box import DeadBox
    from shardboard.deployment import find_deployment
    from shardboard.shard_reads import ShardUnreachable

    common = load_cluster(find_deployment(data_dir, os.environ).environ)

    async def run() -> _T:
        async with DeadBox(common) as box:
            return await work(common, box)

    try:
        return asyncio.run(run())
    except Refused as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    except (KafkaError, RedisError, ShardUnreachable, OSError) as error:
        raise CommandError(ExitCode.FAILED, f"{error or type(error).__name__}") from error


def _time(at_ms: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
