"""`shardboard replay`: sends a file of actions through the gateway, and says what became of every line."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from contracts.exit_codes import ExitCode
from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.command_error import CommandError
from shardboard.replay.plan import RetryRules, Timestamps

if TYPE_CHECKING:
    from shardboard.replay.bearer import Bearer
    from shardboard.replay.journal import Journal
    from shardboard.replay.run import Ended, Job, Show
    from shardboard.replay.tally import Summary, Tally

CONCURRENCY_DEFAULT: Final = 64
"""At a tick of 2 ms and some ms to Kafka and back, 64 requests under way keep a gateway process busy."""
CONCURRENCY_MAX: Final = 1024
GIVE_UP_AFTER_MAX_S: Final = 300
"""All tries of a line, also those of two runs, must lie within the 15 minutes in which a repeat is recognised."""
SUBJECT: Final = "replay"

app = typer.Typer()


@app.command()
def replay(
    file: Annotated[
        Path, typer.Argument(help="NDJSON of actions, plain or gzip.", exists=True, dir_okay=False, readable=True)
    ],
    url: Annotated[
        str | None, typer.Option(help="The gateway. [default: the deployment's]", show_default=False)
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="SHARDBOARD_TOKEN", help="Default: made with the deployment's secret.")
    ] = None,
    rate: Annotated[str, typer.Option(help="Actions per second, such as 500/s, or max.")] = "max",
    concurrency: Annotated[
        int, typer.Option(min=1, max=CONCURRENCY_MAX, help="Connections; 1 keeps the file's order.")
    ] = CONCURRENCY_DEFAULT,
    timestamps: Annotated[
        Timestamps, typer.Option(help="now: actions happen as they arrive; keep: when the file says.")
    ] = Timestamps.NOW,
    journal: Annotated[
        Path | None, typer.Option(help="Notes which lines are acknowledged: the same command goes on from there.")
    ] = None,
    resend_unknown: Annotated[
        bool, typer.Option("--resend-unknown", help="Go on although some lines could count twice by now.")
    ] = False,
    give_up_after: Annotated[
        int, typer.Option(min=1, max=GIVE_UP_AFTER_MAX_S, help="Seconds without a definite answer.")
    ] = int(RetryRules().give_up_after_s),
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Send a file of actions through the gateway, line by line, each counted once.

    Exit codes: 0 all accepted, 1 some refused, 2 usage, 3 token or journal refused, 4 gave up or interrupted, 5 failed.

    Example:  shardboard replay actions.ndjson.gz --journal actions.journal
    """
    import os

    from shardboard.cli.durations import parse_rate_per_s
    from shardboard.cli.target import find_gateway_url
    from shardboard.replay.http_gateway import parse_endpoint
    from shardboard.replay.lines import UnreadableFile, survey
    from shardboard.replay.run import Job

    try:
        rate_per_s = parse_rate_per_s(rate)
        endpoint = parse_endpoint(url or find_gateway_url(data_dir, os.environ))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    bearer = _bearer(token, timestamps, data_dir=data_dir, environ=os.environ)
    try:
        source = survey(file)
    except UnreadableFile as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error
    rules = RetryRules(give_up_after_s=float(give_up_after))
    job = Job(file, source, endpoint, concurrency, rate_per_s, timestamps, rules)
    opened = None if journal is None else _open_journal(journal, job, resend_unknown=resend_unknown)
    try:
        raise typer.Exit(_run(job, bearer, journal=opened, as_json=output is Output.JSON))
    finally:
        if opened is not None:
            opened.close()


def _bearer(
    token: str | None, timestamps: Timestamps, *, data_dir: Path | None, environ: Mapping[str, str]
) -> "Bearer":
    from contracts.clock import now_ms
    from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY
    from shardboard.cli.target import find_token_settings
    from shardboard.minting import Claims
    from shardboard.replay.bearer import GivenBearer, MintedBearer
    from shardboard.replay.http_gateway import token_fault

    if token:
        fault = token_fault(token)
        if fault is not None:
            raise typer.BadParameter(fault, param_hint="--token")
        return GivenBearer(token)
    scopes = [SCOPE_WRITE_ANY] + ([SCOPE_BACKFILL] if timestamps is Timestamps.KEEP else [])
    settings = find_token_settings(data_dir, environ)
    return MintedBearer(settings, Claims(SUBJECT, scopes), now_s=lambda: now_ms() / 1000)


def _open_journal(path: Path, job: "Job", *, resend_unknown: bool) -> "Journal":
    """Refuse to go on when a line could be sent again after its id was forgotten, unless that is wanted."""
    from contracts.clock import now_ms
    from contracts.counting import CountingRules
    from shardboard.replay import ranges
    from shardboard.replay.journal import BadJournal, Journal, may_count_twice

    try:
        opened = Journal.open(path, job.source)
    except BadJournal as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    window_ms = CountingRules().window_ms
    tried_ms = round(job.rules.give_up_after_s * 1000)
    if not resend_unknown and may_count_twice(opened.earlier, now_ms=now_ms(), window_ms=window_ms, tried_ms=tried_ms):
        opened.close()
        raise CommandError(
            ExitCode.REFUSED,
            f"{path}: an earlier run left lines sent and not answered, too long ago: repeats are recognised for "
            f"{window_ms // 60_000} min, so they could count twice now. --resend-unknown goes on all the same",
        )
    if opened.earlier.accepted:
        typer.echo(f"{path}: {ranges.count(opened.earlier.accepted):,} lines were acknowledged before", err=True)
    return opened


def _run(job: "Job", bearer: "Bearer", *, journal: "Journal | None", as_json: bool) -> ExitCode:
    import asyncio
    import json

    import uvloop
    from rich.console import Console

    from contracts.clock import monotonic_s
    from shardboard.replay.display import Display, print_summary
    from shardboard.replay.tally import Summary

    start_s = monotonic_s()
    try:
        with (
            Display(Console(stderr=True), monotonic_s) as display,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            tally, ended = runner.run(_replay(job, bearer, journal=journal, show=display.show))
    except* OSError as errors:  # the file or the journal, not the network
        raise CommandError(ExitCode.FAILED, str(errors.exceptions[0])) from errors
    stopped = ended.stalled or ended.token_refused
    summary = Summary(tally, monotonic_s() - start_s, stopped, None if journal is None else str(journal.path))
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False))
    else:
        print_summary(Console(), summary)
    return _exit_code(summary, ended)


async def _replay(job: "Job", bearer: "Bearer", *, journal: "Journal | None", show: "Show") -> "tuple[Tally, Ended]":
    """Run it; the first SIGINT or SIGTERM lets it end in order."""
    import asyncio
    import signal

    from foundation.service import StopSignal
    from shardboard.replay.run import Replay

    stop = StopSignal()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = Replay(job, bearer, journal=journal, stop=stop, show=show)
    ended = await running.run()
    return running.tally, ended


def _exit_code(summary: "Summary", ended: "Ended") -> ExitCode:
    if ended.token_refused is not None:
        raise CommandError(ExitCode.REFUSED, f"the gateway does not accept the token: {ended.token_refused}")
    if ended.stalled is not None:
        again = "the same command goes on from here" if summary.journal else "with --journal it could be resumed"
        raise CommandError(ExitCode.STALLED, f"stopped: {ended.stalled}; {again}")
    return ExitCode.DIFFERENT if summary.tally.refused_count else ExitCode.OK
