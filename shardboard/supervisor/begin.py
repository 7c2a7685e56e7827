"""From the options of `up` to a run: checks, --fresh, stored values, ports, signals; here or in the background."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec
import typer

from contracts.clock import monotonic_s
from contracts.exit_codes import ExitCode
from contracts.periods import PERIODS_DEFAULT, PeriodCalendar
from contracts.topics import PARTITIONS_DEFAULT
from foundation.service import StopSignal
from shardboard.command_error import CommandError
from shardboard.data_dir import DataDir, HeldByAnother, Stored
from shardboard.deployment import read_run
from shardboard.embedded.ports import free_ports, is_port_free
from shardboard.supervisor import checks, facts
from shardboard.supervisor.plan import Wanted, grown, internal_port_names, server_names
from shardboard.supervisor.ready import ready_text, typed_command
from shardboard.supervisor.run import Up
from shardboard.supervisor.screen import make_screen
from shardboard.supervisor.shards_of_map import ShardsOfMap

LOOK_AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """What was typed; None where a default, or what the deployment was made with, is meant."""

    shards: int | None
    partitions: int | None
    host: str
    port: int
    data_dir: Path
    actions: Path | None
    demo: bool
    fresh: bool
    yes: bool


def run_here(options: Options) -> None:
    """Run a deployment in this process until a signal ends it.

    1. Nothing is touched before the folder is known to be ours and free. 2. Checks. 3. --fresh deletes. 4. What is
    fixed is stored. 5. Run.
    """
    began_s = monotonic_s()
    folder = DataDir(options.data_dir)
    # 1.
    _refuse_foreign(folder)
    try:
        with folder.held():
            _run_held(options, folder, began_s=began_s)
    except HeldByAnother as error:
        raise CommandError(ExitCode.REFUSED, checks.held_fault(folder.path, error.pid)) from error
    except PermissionError as error:
        raise CommandError(ExitCode.REFUSED, f"{folder.path} cannot be used: {error}") from error


def _run_held(options: Options, folder: DataDir, *, began_s: float) -> None:
    # 2.
    actions_file = facts.catalogue_file(options.actions)
    found = facts.collect(folder, host=options.host, port=options.port, actions_file=actions_file)
    periods = os.environ.get("SHARDBOARD_PERIODS") or None
    asked = checks.Asked(shards=options.shards, partitions=options.partitions, periods=periods, fresh=options.fresh)
    faults = [*checks.data_dir_faults(found, asked), *checks.machine_faults(found)]
    if faults:
        raise CommandError(ExitCode.REFUSED, "\n".join(faults))
    # 3.
    if options.fresh and found.stored is not None:
        _confirm_fresh(options, folder)
        folder.delete_deployment()
    # 4.
    stored = _stored(None if options.fresh else found.stored, asked)
    folder.store(stored)
    names = grown(stored.names, asked.shards or 0)
    wanted = Wanted(
        shards=len(names),
        names=names,
        partitions=stored.partitions,
        periods=stored.periods,
        host=options.host,
        port=options.port,
        actions_file=actions_file,
        demo=options.demo,
    )
    # 5.
    asyncio.run(_run(folder, wanted, stored=stored, asked_shards=asked.shards, began_s=began_s))


def run_detached(options: Options) -> None:
    """Start `up` in a session of its own, show what it shows, and return once everything is up.

    Its log stays in the data folder. When it ends instead, this ends with its exit code.
    """
    folder = DataDir(options.data_dir)
    _refuse_foreign(folder)
    if options.fresh and folder.stored() is not None:
        _confirm_fresh(options, folder)
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.up_log.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "shardboard", "up", *_arguments(options)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with folder.up_log.open(encoding="utf-8", errors="replace") as shown:
        shown.seek(log_start)
        _follow(process, folder, shown=shown)


def _follow(process: "subprocess.Popen[bytes]", folder: DataDir, *, shown: IO[str]) -> None:
    try:
        while process.poll() is None:
            run = read_run(folder.run_file)
            is_up = run is not None and run.state == "up" and run.supervisor.pid == process.pid
            _copy(shown)
            if is_up:
                _copy(shown)
                typer.echo(f"It runs in the background: `{typed_command()} down --data-dir {folder.path}` ends it.")
                return
            time.sleep(LOOK_AGAIN_S)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
    _copy(shown)
    raise typer.Exit(process.returncode or ExitCode.FAILED)


def _copy(shown: IO[str]) -> None:
    sys.stdout.write(shown.read())
    sys.stdout.flush()


async def _run(folder: DataDir, wanted: Wanted, *, stored: Stored, asked_shards: int | None, began_s: float) -> None:
    screen = make_screen()
    stop = StopSignal()
    _on_signals(stop, folder)
    ports = _ports(wanted, stored.ports)
    if ports != stored.ports:
        stored = msgspec.structs.replace(stored, ports=ports)
        folder.store(stored)

    def on_ready(up: Wanted, environ: Mapping[str, str]) -> None:
        # Only now: what could not start must not stand in the way of the next one.
        folder.store(msgspec.structs.replace(stored, shards=len(up.shard_ids), shard_names=up.shard_ids))
        screen.say(ready_text(folder, up, environ=environ, took_s=monotonic_s() - began_s))

    shards = ShardsOfMap(known=stored.names, asked=asked_shards)
    await Up(folder, wanted, ports=ports, screen=screen, environ=os.environ, shards=shards).run(stop, on_ready=on_ready)


def _on_signals(stop: StopSignal, folder: DataDir) -> None:
    def asked() -> None:
        if stop.is_set:  # asked twice: at once. The kernel kills every child of ours with us.
            folder.run_file.unlink(missing_ok=True)
            os._exit(ExitCode.STALLED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked)


def _refuse_foreign(folder: DataDir) -> None:
    try:
        is_foreign = folder.is_foreign()
    except ValueError as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    if is_foreign:
        raise CommandError(
            ExitCode.REFUSED,
            f"{folder.path} holds something that is no deployment of Shardboard: choose another --data-dir",
        )


def _confirm_fresh(options: Options, folder: DataDir) -> None:
    if not options.yes and sys.stdin.isatty():
        typer.confirm(f"Delete the deployment in {folder.path} with all its scores?", abort=True)


def _stored(made: Stored | None, asked: checks.Asked) -> Stored:
    if made is not None:
        return made
    return Stored(
        partitions=asked.partitions or PARTITIONS_DEFAULT,
        shards=asked.shards or checks.SHARDS_DEFAULT,
        periods=PeriodCalendar(asked.periods or PERIODS_DEFAULT).spec,
    )


def _ports(wanted: Wanted, stored: dict[str, int]) -> dict[str, int]:
    """The stored ports where they are still free, new ones elsewhere: clients learn them from run.json alone."""
    names = (*server_names(wanted.shard_ids), *internal_port_names(wanted.shard_ids))
    kept = {name: stored[name] for name in names if name in stored and is_port_free(stored[name])}
    lacking = [name for name in names if name not in kept]
    fresh = free_ports(len(lacking) + 1)
    return {**kept, **dict(zip(lacking, (port for port in fresh if port != wanted.port), strict=False))}


def _arguments(options: Options) -> list[str]:
    given = {
        "--shards": options.shards,
        "--partitions": options.partitions,
        "--host": options.host,
        "--port": options.port,
        "--data-dir": options.data_dir,
        "--actions": options.actions,
    }
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    words.append("--demo" if options.demo else "--no-demo")
    return [*words, *(["--fresh", "--yes"] if options.fresh else [])]
