"""Two gateways as processes behind Debian's HAProxy with deploy/haproxy/haproxy.cfg, on ephemeral ports."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from shardboard.embedded.ports import LOOPBACK, free_ports
from tests.support.services import missing
from tests.support.wait import wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIG: Final = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
READING: Final = ("boards", "streams")
"""The backends that have nothing to do with Kafka."""
STARTED_S_MAX: Final = 60.0
"""Two Python processes at once on a busy machine."""


@dataclass(slots=True)
class Gateway:
    """One gateway process."""

    name: str
    port: int
    health_port: int
    process: asyncio.subprocess.Process

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        text = await _get(f"http://{LOOPBACK}:{self.health_port}/metrics")
        lines = (text or "").splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    async def answers(self) -> bool:
        """Whether its internal port says anything of its health."""
        return await _get(f"http://{LOOPBACK}:{self.health_port}/health/ready") is not None

    async def end(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        await self.process.wait()


@dataclass(slots=True)
class Balanced:
    """What a client sees, and HAProxy's own view of its gateways."""

    port: int
    gateways: tuple[Gateway, ...]
    socket: Path
    admin_port: int

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://{LOOPBACK}:{self.port}"

    def state(self, backend: str, gateway: str) -> str:
        """UP, DOWN, … as HAProxy sees a gateway in a backend."""
        rows = [line.split(",") for line in self.command("show stat").splitlines() if line]
        head = rows[0]
        for row in rows[1:]:
            if row[0] == backend and row[1] == gateway:
                return row[head.index("status")].split(" ")[0]
        raise AssertionError(f"no {gateway} in {backend}")

    def command(self, text: str) -> str:
        """One command of HAProxy's runtime interface."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            connection.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@asynccontextmanager
async def balanced_gateways(
    environ: Mapping[str, str], folder: Path, *, haproxy: Mapping[str, str]
) -> AsyncIterator[Balanced]:
    """Start two gateways, `environ` each, and HAProxy with the variables `haproxy`; end them afterwards."""
    async with AsyncExitStack() as ending:
        gateways = tuple([await _start_gateway(f"gateway{n}", environ, ending=ending) for n in (1, 2)])
        for gateway in gateways:
            await wait_until(gateway.answers, timeout_s=STARTED_S_MAX, what=gateway.name)
        balanced = await start_haproxy(gateways, folder, variables=haproxy, ending=ending)
        yield balanced


async def start_haproxy(
    gateways: tuple[Gateway, ...], folder: Path, *, variables: Mapping[str, str], ending: AsyncExitStack
) -> Balanced:
    """Start HAProxy before these gateways, and wait until it has judged each of them for reads."""
    binary = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if binary is None:
        missing("haproxy", "`make test-deps` installs it")
    port, admin_port = free_ports(2)
    stats = folder / "haproxy.sock"
    environ = {
        "PATH": os.environ["PATH"],
        "BIND": f"{LOOPBACK}:{port}",
        "ADMIN_BIND": f"{LOOPBACK}:{admin_port}",
        "STATS_SOCKET": str(stats),
        "CONNECTIONS_PER_ADDRESS": "2000",
        **variables,
    }
    for number, gateway in enumerate(gateways, start=1):
        environ[f"GATEWAY_{number}"] = f"{LOOPBACK}:{gateway.port}"
        environ[f"GATEWAY_{number}_HEALTH"] = str(gateway.health_port)
    log = folder / "haproxy.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            binary, "-W", "-db", "-f", str(CONFIG), env=environ, stdout=output, stderr=output
        )
    ending.push_async_callback(_terminate, process)
    balanced = Balanced(port, gateways, stats, admin_port)
    await wait_until(lambda: process.returncode is not None or stats.exists(), what="HAProxy's socket")
    assert process.returncode is None, log.read_text()
    await wait_until(
        lambda: {balanced.state(backend, each.name) for backend in READING for each in gateways} == {"UP"},
        timeout_s=STARTED_S_MAX,
        what="HAProxy to find the gateways",
    )
    return balanced


async def _start_gateway(name: str, environ: Mapping[str, str], *, ending: AsyncExitStack) -> Gateway:
    port, health_port = free_ports(2)
    own = {key: value for key, value in os.environ.items() if not key.startswith("SHARDBOARD_")}
    addresses = {
        "SHARDBOARD_LISTEN": f"{LOOPBACK}:{port}",
        "SHARDBOARD_ADMIN_LISTEN": f"{LOOPBACK}:{health_port}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env={**own, **environ, **addresses}, cwd=ROOT
    )
    gateway = Gateway(name, port, health_port, process)
    ending.push_async_callback(gateway.end)
    return gateway


async def _terminate(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def _get(url: str) -> str | None:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http,
            http.get(url) as answer,
        ):
            return await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return None
