"""`shardboard bench`: measures the engine beside strong baselines, on servers of its own, and compares two results."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bench.asked import Asked
from contracts.exit_codes import ExitCode
from shardboard.cli.options import Output, OutputOption
from shardboard.command_error import CommandError

if TYPE_CHECKING:
    from bench.harness import Bench
    from bench.results import Report

ALL: Final = "all"
SEED: Final = 20261124
SUMMARIES: Final = {
    "merge": "Merge shard tops, against heapq and numpy.",
    "apply": "Apply actions to a shard's Redis, against ZINCRBY alone.",
    "post": "POST /actions as fast as it goes, against the server's least and a textbook route.",
    "tokens": "POST /actions with a remembered EdDSA token, against HS256.",
    "batch": "POST batches of 100 actions, against one by one.",
    "get": "GET the top 10 as fast as it goes, against constant bytes.",
    "rank": "Ask the exact rank of anybody over 8 shards, against ZREVRANK in each partition.",
    "latency": "POST /actions at a constant rate, against Kafka's client alone.",
    "stream": "From an action to the live stream at a constant rate, against passing through Kafka alone.",
    "fanout": "One board on thousands of live streams, against a bare loop of writes.",
    "move": "Move partitions to another server, against copies that promise nothing.",
    "archive": "Archive into Postgres, against COPY.",
    "memory": "Memory of a user and of an id in a shard, against a plain ZSET.",
    "growth": "What an action costs among few and many users, against ZINCRBY.",
    "rebuild": "Rebuild shards from the log, against reading it alone.",
    "messages": "What shards tell the merger, against what the board needed.",
    "shards": "From an action to the live stream with 1 to 8 shards.",
    "chain": "POST with everything behind it running, against a plain ZSET board.",
    ALL: "All of them, one after the other.",
}
_ENDING: Final = """
Each way and its counterparts run in turn, round by round; ratios are taken between neighbours, and a bar is held
against their median. What is finished is kept when it is interrupted.

Exits with 0 when every bar is met, 1 when one is missed, 3 when something that it needs is missing, which is said
before anything starts, 5 when a benchmark did not come to its end.

Example:  shardboard bench {name} --report bench-report
"""
app = typer.Typer(
    no_args_is_help=True,
    help="""Measure the engine beside strong baselines, on servers of its own, and compare two results.

    Example:  shardboard bench all --report bench-report
    """,
)

QuickOption = Annotated[
    bool, typer.Option("--quick", help="A run of seconds that shows that everything works; its figures mean nothing.")
]
FullOption = Annotated[
    bool, typer.Option("--full", help="The sizes that the bars are meant for; needs a machine that does nothing else.")
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", help="Write results.json, part by part, and index.html here.", show_default=False),
]
ActionsOption = Annotated[
    Path | None,
    typer.Option(
        "--actions",
        exists=True,
        dir_okay=False,
        help="A file of actions, a JSON object in each line: users also act as often as in it.",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option(help="Users, points and ids follow from it.")]
OnlyOption = Annotated[str, typer.Option("--only", help="Only the parts whose names hold these words.")]
AddOption = Annotated[
    bool,
    typer.Option(
        "--add",
        help="Go on with the result that the --report folder holds: its other parts stay. "
        "Refused when it is of another machine or seed.",
    ),
]
PodiumOption = Annotated[
    str, typer.Option("--podium", help="The address of a Podium whose writes are measured beside ours (post).")
]
NakamaOption = Annotated[
    str,
    typer.Option(
        "--nakama",
        help="The same of a Nakama, as http://SERVER_KEY@HOST:PORT; it has a leaderboard `shardboard`, operator incr.",
    ),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed."""

    name: str
    form: str
    output: Output
    folder: Path | None
    seed: int
    asked: Asked
    is_added: bool


def _add_command(name: str) -> None:
    @app.command(name, help=f"{SUMMARIES[name]}\n{_ENDING.format(name=name)}")
    def command(
        quick: QuickOption = False,
        *,
        full: FullOption = False,
        output: OutputOption = Output.TABLE,
        report: ReportOption = None,
        add: AddOption = False,
        only: OnlyOption = "",
        actions: ActionsOption = None,
        podium: PodiumOption = "",
        nakama: NakamaOption = "",
        seed: SeedOption = SEED,
    ) -> None:
        if quick and full:
            raise typer.BadParameter("--quick and --full exclude each other")
        if add and report is None:
            raise typer.BadParameter("--add goes on with the result of a --report folder")
        form = "quick" if quick else "full" if full else "middle"
        asked = Asked(actions, only, podium, nakama)
        _run(Wanted(name, form, output, report, seed, asked, is_added=add))


for _name in SUMMARIES:
    _add_command(_name)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A results.json.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare two results: each measure's median, second over first, of every way that both have.

    Absolute figures compare only if both were made on the same machine; ratios within a run also otherwise.

    Exits with 0 whatever the figures are, 2 when a file is no result.

    Example:  shardboard bench compare before/results.json after/results.json
    """
    import msgspec
    from rich.console import Console

    from bench.comparing import compare_reports
    from bench.tables import comparison_table

    compared = compare_reports(_read(first), _read(second))
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(compared))
    else:
        Console().print(comparison_table(compared))


@app.command()
def page(
    result: Annotated[Path, typer.Argument(help="A results.json.", show_default=False)],
) -> None:
    """Print a result as a page in Markdown: every bar, met or not and why, then every part.

    Exits with 0 whatever the figures are, 2 when the file is no result.

    Example:  shardboard bench page docs/benchmarks.json > docs/benchmarks.md
    """
    from bench.markdown_page import markdown_page

    typer.echo(markdown_page(_read(result)), nl=False)


def _read(path: Path) -> "Report":
    import msgspec

    from bench.harness import read_report

    try:
        return read_report(path)
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandError(ExitCode.USAGE, f"not a result: {error}") from error


def _run(wanted: Wanted) -> None:
    import msgspec
    from rich.console import Console

    from bench.harness import Harness
    from bench.html_report import page as html_page
    from bench.sizes import FORMS
    from bench.tables import part_table

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says each retry; what fails in the end is told
    benches, earlier = _ready(wanted)
    console = Console(stderr=wanted.output is Output.JSON)
    harness = Harness(
        benches, FORMS[wanted.form], seed=wanted.seed, asked=wanted.asked, folder=wanted.folder, earlier=earlier
    )
    try:
        harness.run(lambda part: console.print(part_table(part)))
    except KeyboardInterrupt:
        console.print("interrupted: what is finished is kept")
    report = harness.report
    if wanted.folder is not None:
        (wanted.folder / "index.html").write_text(html_page(report))
    if wanted.output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    if not report.complete:
        why = "\n".join(f"{bench}: {reason}" for bench, reason in report.failed.items())
        raise CommandError(ExitCode.FAILED, why or f"{len(report.parts)} parts were finished")
    raise typer.Exit(ExitCode.OK if report.are_all_met else ExitCode.DIFFERENT)


def _ready(wanted: Wanted) -> "tuple[list[Bench], Report | None]":
    """What is to be run, and what it is added to. Raises CommandError with all that is missing."""
    from bench.harness import BENCHES, OtherReport, missing, to_go_on_with
    from bench.needs import this_machine
    from bench.rivals import unreachable
    from bench.sizes import FORMS

    benches = list(BENCHES.values()) if wanted.name == ALL else [BENCHES[wanted.name]]
    lacking = [*missing(benches, FORMS[wanted.form], found=this_machine()), *unreachable(wanted.asked)]
    if lacking:
        raise CommandError(ExitCode.REFUSED, "not started, since this is missing:\n  " + "\n  ".join(lacking))
    if not wanted.is_added:
        return benches, None
    try:
        return benches, to_go_on_with(wanted.folder, seed=wanted.seed)
    except OtherReport as other:
        raise CommandError(ExitCode.REFUSED, f"not started: {other}") from other
