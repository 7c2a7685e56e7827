"""`shardboard bench`: measures the engine beside strong baselines, on servers of its own, and compares two results."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from shardboard.cli.options import Output, OutputOption

ALL: Final = "all"
SEED: Final = 20261124
SUMMARIES: Final = {
    "merge": "Merge shard tops, against heapq and numpy.",
    "apply": "Apply actions to a shard's Redis, against ZINCRBY alone.",
    "post": "POST /actions as fast as it goes, against the server's least and a textbook route.",
    "tokens": "POST /actions with a remembered EdDSA token, against HS256.",
    "get": "GET the top 10 as fast as it goes, against constant bytes.",
    "latency": "POST /actions at a constant rate, against Kafka's client alone.",
    "stream": "From an action to the live stream at a constant rate, against passing through Kafka alone.",
    "fanout": "One board on thousands of live streams, against a bare loop of writes.",
    "move": "Move partitions to another server, against copies that promise nothing.",
    "archive": "Archive into Postgres, against COPY.",
    ALL: "All of them, one after the other.",
}
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed."""

    name: str
    form: str
    output: Output
    folder: Path | None
    actions: Path | None
    seed: int


def _command_of(name: str) -> Callable[..., None]:
    def command(
        quick: QuickOption = False,
        *,
        full: FullOption = False,
        output: OutputOption = Output.TABLE,
        report: ReportOption = None,
        actions: ActionsOption = None,
        seed: SeedOption = SEED,
    ) -> None:
        if quick and full:
            raise typer.BadParameter("--quick and --full exclude each other")
        form = "quick" if quick else "full" if full else "middle"
        _run(Wanted(name, form, output, report, actions, seed))

    command.__doc__ = f"""{SUMMARIES[name]}

    Each way and its counterparts run in turn, round by round; ratios are taken between neighbours, and a bar is held
    against their median. What is finished is kept when it is interrupted.

    Exits with 0 when every bar is met, 1 when one is missed, 3 when something that it needs is missing, which is said
    before anything starts, 5 when a benchmark did not come to its end.

    Example:  shardboard bench {name} --report bench-report
    """
    return command


for _name in SUMMARIES:
    app.command(_name)(_command_of(_name))


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
    from bench.harness import read_report
    from bench.tables import comparison_table
    from contracts.exit_codes import ExitCode
    from shardboard.command_error import CommandError

    try:
        compared = compare_reports(read_report(first), read_report(second))
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandError(ExitCode.USAGE, f"not a result: {error}") from error
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(compared))
    else:
        Console().print(comparison_table(compared))


def _run(wanted: Wanted) -> None:
    import msgspec
    from rich.console import Console

    from bench.harness import BENCHES, Harness, missing
    from bench.html_report import page
    from bench.needs import this_machine
    from bench.sizes import FORMS
    from bench.tables import part_table
    from contracts.exit_codes import ExitCode
    from shardboard.command_error import CommandError

    benches = list(BENCHES.values()) if wanted.name == ALL else [BENCHES[wanted.name]]
    sizes = FORMS[wanted.form]
    lacking = missing(benches, sizes, found=this_machine())
    if lacking:
        raise CommandError(ExitCode.REFUSED, "not started, since this is missing:\n  " + "\n  ".join(lacking))
    console = Console(stderr=wanted.output is Output.JSON)
    harness = Harness(benches, sizes, seed=wanted.seed, sample=wanted.actions, folder=wanted.folder)
    try:
        harness.run(lambda part: console.print(part_table(part)))
    except KeyboardInterrupt:
        console.print("interrupted: what is finished is kept")
    report = harness.report
    if wanted.folder is not None:
        (wanted.folder / "index.html").write_text(page(report))
    if wanted.output is Output.JSON:
        typer.echo(msgspec.json.encode(report))
    if not report.complete:
        why = "\n".join(f"{bench}: {reason}" for bench, reason in report.failed.items())
        raise CommandError(ExitCode.FAILED, why or f"{len(report.parts)} parts were finished")
    raise typer.Exit(ExitCode.OK if report.are_all_met else ExitCode.DIFFERENT)
