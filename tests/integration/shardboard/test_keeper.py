"""Real processes under a keeper: small Python modules that serve, crash or refuse as the services do."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from shardboard.embedded.ports import free_ports
from shardboard.supervisor.keeper import Keeper
from shardboard.supervisor.life import State
from shardboard.supervisor.plan import ServicePlan
from shardboard.supervisor.units import ServiceUnit, UnitEnded
from tests.support.wait import wait_until

SERVES = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = pathlib.Path(os.environ["SHARDBOARD_READY"]).exists()
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"{}")
host, port = os.environ["SHARDBOARD_ADMIN_LISTEN"].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
REFUSES = """
import sys
print("[error] refused    reason='the wrong topic' service=x", file=sys.stderr)
sys.exit(3)
"""

Keep = Callable[[str], Awaitable[Keeper]]


@pytest.fixture
def ready_file(tmp_path: Path) -> Path:
    """Where the program is told to say that it is ready."""
    return tmp_path / "ready"


def make_ready(ready_file: Path) -> None:
    ready_file.touch()


def unit_of(program: str, tmp_path: Path, *, ready_file: Path) -> ServiceUnit:
    (tmp_path / "the_service.py").write_text(program)
    (port,) = free_ports(1)
    environment = {"SHARDBOARD_ADMIN_LISTEN": f"127.0.0.1:{port}", "SHARDBOARD_READY": str(ready_file)}
    plan = ServicePlan("x", "the_service", environment, "", port)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "SHARDBOARD_STRAY": "1"}
    return ServiceUnit(plan, log_file=tmp_path / "x.log", cwd=tmp_path, environ=environ)


@pytest.fixture
async def keep(tmp_path: Path, ready_file: Path) -> AsyncIterator[Keep]:
    """Start a keeper of a program; everything is ended afterwards."""
    kept: list[tuple[Keeper, asyncio.Task[None]]] = []

    async def start(program: str) -> Keeper:
        keeper = Keeper(unit_of(program, tmp_path, ready_file=ready_file), lambda _: None)
        kept.append((keeper, asyncio.create_task(keeper.run(), name="keeper")))
        return keeper

    yield start
    for keeper, task in kept:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await keeper.stop(grace_s=5)
        assert keeper.unit.pid is None


async def test_a_service_is_up_once_it_says_ready(keep: Keep, ready_file: Path) -> None:
    keeper = await keep(SERVES)
    await wait_until(lambda: keeper.unit.pid is not None, what="a process")
    assert keeper.life.state is State.STARTING
    make_ready(ready_file)
    await wait_until(lambda: keeper.life.state is State.UP, what="up")


async def test_a_killed_service_is_started_again_and_the_end_is_told(keep: Keep, ready_file: Path) -> None:
    make_ready(ready_file)
    keeper = await keep(SERVES)
    await wait_until(lambda: keeper.life.state is State.UP, what="up")
    first = keeper.unit.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: keeper.life.state is State.WAITING, what="its end to be noticed")
    assert "signal 9" in keeper.life.reason
    await wait_until(lambda: keeper.life.state is State.UP, what="up again")
    assert keeper.life.restarts == 1
    assert keeper.unit.pid not in (None, first)


async def test_a_refusal_is_told_with_its_reason_and_final(keep: Keep) -> None:
    keeper = await keep(REFUSES)
    await wait_until(lambda: keeper.life.state is State.REFUSED, what="the refusal")
    assert keeper.life.reason == "exit code 3: the wrong topic"
    assert keeper.unit.pid is None


async def test_a_crash_at_the_start_is_tried_again(keep: Keep) -> None:
    keeper = await keep("raise SystemExit('no such luck')")
    await wait_until(lambda: keeper.life.restarts == 1, what="another try")
    assert keeper.life.reason == "exit code 1: no such luck"


async def test_a_service_sees_its_plan_and_nothing_stray(tmp_path: Path, ready_file: Path) -> None:
    unit = unit_of(
        "import os; print(sorted(n for n in os.environ if n.startswith('SHARDBOARD_')))",
        tmp_path,
        ready_file=ready_file,
    )
    with pytest.raises(UnitEnded, match=r"\['SHARDBOARD_ADMIN_LISTEN', 'SHARDBOARD_READY'\]"):
        await unit.start()


async def test_a_folder_named_like_a_service_is_not_run(tmp_path: Path, ready_file: Path) -> None:
    """`python -m` would look where it stands first; a unit does not."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "the_service.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "the_service.py").write_text("raise SystemExit('the right one')")
    plan = ServicePlan("x", "the_service", {}, "", free_ports(1)[0])
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    unit = ServiceUnit(plan, log_file=tmp_path / "x.log", cwd=tmp_path / "here", environ=environ)
    with pytest.raises(UnitEnded, match="the right one"):
        await unit.start()
