"""A service of a few lines, run as a process of its own by the tests of the service and of its logs."""

import asyncio
import gc
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from foundation.env import BadSettings
from foundation.logs import get_log
from foundation.service import Refused, StopSignal, run_main
from foundation.settings import CommonSettings, load_common

FOREVER_S = 3600.0


@dataclass(frozen=True)
class Settings:
    common: CommonSettings


def read_settings(environ: Mapping[str, str]) -> Settings:
    return Settings(load_common(environ))


async def drains(stop: StopSignal) -> None:
    _say_ready()
    await stop.wait()
    get_log().info("drained")


async def looks_between_steps(stop: StopSignal) -> None:
    assert not await stop.sleep(0.001)
    _say_ready()
    assert await stop.sleep(FOREVER_S)


async def ignores_the_signal(_: StopSignal) -> None:
    _say_ready()
    await asyncio.Event().wait()


async def ignores_cancelling(_: StopSignal) -> None:
    _say_ready()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def is_refused(_: StopSignal) -> None:
    raise Refused("another deployment's Redis")


async def is_refused_in_a_group(_: StopSignal) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(is_refused(_), name="check")
        tasks.create_task(asyncio.Event().wait(), name="serve")


async def has_bad_settings(_: StopSignal) -> None:
    raise BadSettings(("SHARDBOARD_X = 'y' must be a whole number",))


async def fails(_: StopSignal) -> None:
    raise ZeroDivisionError("broken assumption")


async def finishes(_: StopSignal) -> None:
    get_log().info("applied", partition=3, offset=4712)
    logging.getLogger("library").warning("from a library: %s", "späte Zeile\nmit Umbruch")


async def collects_only_what_is_new(_: StopSignal) -> None:
    modules = gc.get_freeze_count()
    before = gc.get_stats()[0]["collections"]
    under_way = [[n] for n in range(10_000)]
    assert modules > len(under_way), modules
    assert gc.get_stats()[0]["collections"] == before


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_main(lambda _: "tiny", read_settings, serve=lambda _, stop: globals()[sys.argv[1]](stop)))
