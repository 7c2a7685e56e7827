"""Runs one service: logs, SIGTERM and SIGINT as a request to drain, a deadline for draining, an honest exit code."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Protocol, TypeVar

import uvloop

from contracts.exit_codes import ExitCode
from foundation.env import BadSettings
from foundation.kafka_lost import tell_lost_connections
from foundation.logs import configure_logs, get_log
from foundation.settings import CommonSettings

OVERTIME_S: Final = 1.0
"""After the drain deadline, the time that cancelled tasks get to close their connections."""
UNCOLLECTED_MAX: Final = 50_000
"""Objects in cycles that may gather before they are looked for. What is under way, hundreds of requests of 30 objects
each, is looked through every time, and Python's own 700 made that a fifth of the gateway's work; these are 5 MB."""


class Refused(Exception):
    """The service must not start or go on; the message says what is wrong and what to do. Restarting will not help."""


class StopSignal:
    """Set once, when the service shall drain. Tasks wait for it or look at it between two steps."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """Whether draining was asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for draining; may be called twice."""
        self._event.set()

    async def wait(self) -> None:
        """Return when draining is asked for."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Wait so long, or less if draining is asked for; True means drain."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


class HasCommon(Protocol):
    """The settings of a service."""

    @property
    def common(self) -> CommonSettings:
        """Those that every service has."""


S = TypeVar("S", bound=HasCommon)


def run_main(
    name: Callable[[S], str],
    read_settings: Callable[[Mapping[str, str]], S],
    *,
    serve: Callable[[S, StopSignal], Awaitable[None]],
    environ: Mapping[str, str] = os.environ,
) -> int:
    """A service as a process, until SIGTERM: settings from the environment, the exit code of `contracts.exit_codes`."""
    try:
        settings = read_settings(environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.REFUSED
    return run_service(name(settings), settings.common, serve=partial(serve, settings))


def run_service(name: str, common: CommonSettings, *, serve: Callable[[StopSignal], Awaitable[None]]) -> int:
    """Run `serve` until it returns, and return the exit code. It must return soon after its StopSignal is set."""
    configure_logs(service=name, level=common.log_level, as_json=common.is_production)
    tell_lost_connections()
    _collect_less()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_supervise(name, serve, drain_s=common.drain_s))


def _collect_less() -> None:
    """Search for garbage less often, and never among what was made so far: code and settings live to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(UNCOLLECTED_MAX, *gc.get_threshold()[1:])


async def _supervise(name: str, serve: Callable[[StopSignal], Awaitable[None]], *, drain_s: float) -> int:
    log = get_log()
    stop = StopSignal()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    task = asyncio.ensure_future(serve(stop))
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        log.info("draining", deadline_s=drain_s)
        await asyncio.wait({task}, timeout=drain_s)
    stopping.cancel()
    if not task.done():
        log.error("drain_deadline_passed", service_name=name)
        task.cancel()
        _, ignoring = await asyncio.wait({task}, timeout=OVERTIME_S)
        if ignoring:  # the event loop would wait for it for ever before it closes
            os._exit(ExitCode.STALLED)
        return ExitCode.STALLED
    return _exit_code(task)


def _on_signal(stop: StopSignal) -> None:
    if stop.is_set:  # asked twice: somebody wants it now
        os._exit(ExitCode.STALLED)
    stop.set()


def _exit_code(task: "asyncio.Future[None]") -> int:
    log = get_log()
    if task.cancelled():
        return ExitCode.FAILED
    error = task.exception()
    if error is None:
        log.info("stopped")
        return ExitCode.OK
    refused = _find(error, Refused) or _find(error, BadSettings)
    if refused is not None:
        log.error("refused", reason=str(refused))
        return ExitCode.REFUSED
    log.error("failed", exc_info=error)
    return ExitCode.FAILED


def _find(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    if isinstance(error, kind):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = _find(inner, kind)
            if found is not None:
                return found
    return None
