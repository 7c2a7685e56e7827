"""Where a benchmark runs: a folder, sizes, a seed, and real servers that are started when asked for."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from bench.asked import ALL_OF_IT, Asked
from bench.sizes import Sizes
from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.ports import LOOPBACK, free_ports
from shardboard.embedded.valkey import ValkeyServer

READY_S: Final = 60.0
ENDING_S: Final = 10.0
LOG_CHARS: Final = 2_000
"""Of a failed process's last words."""
_LOOK_AGAIN_S: Final = 0.02
ROOT: Final = Path(__file__).resolve().parents[1]


class NotReady(Exception):
    """A process that is to be measured ended, or does not listen; the message ends with what it said last."""


class Ground:
    """Of one run; `close` ends all servers."""

    def __init__(
        self, folder: Path, sizes: Sizes, *, seed: int, asked: Asked = ALL_OF_IT, kafka: str | None = None
    ) -> None:
        """`kafka`: the address of one that runs already."""
        self.folder = folder
        self.sizes = sizes
        self.seed = seed
        self.asked = asked
        self._ending = AsyncExitStack()
        self._kafka = kafka
        self._folders = 0

    async def kafka(self) -> str:
        """The address of one for the whole run."""
        if self._kafka is None:
            server = KafkaServer(self.folder / "kafka", port=free_ports(1)[0])
            self._ending.push_async_callback(server.stop)
            await server.start()
            self._kafka = server.address
        return self._kafka

    async def valkey(self, ending: AsyncExitStack | None = None) -> ValkeyServer:
        """A new, empty one, until `ending`, or else the run, ends."""
        server = ValkeyServer(self.new_folder("valkey"), port=free_ports(1)[0], name="valkey")
        (ending or self._ending).push_async_callback(server.stop, grace_s=0)
        await server.start()
        return server

    def new_folder(self, name: str) -> Path:
        """A folder of one's own."""
        self._folders += 1
        return self.folder / f"{name}-{self._folders}"

    async def close(self) -> None:
        """May be called twice."""
        await self._ending.aclose()


@asynccontextmanager
async def listening(
    module: str, *words: str, port: int, environ: Mapping[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module words…`, from when it listens on the port to its end. Raises NotReady."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *words, cwd=ROOT, env={**plain, **environ}, stdout=out, stderr=out
        )
    try:
        await _until_listening(process, port, log=log)
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), ENDING_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def until_ready(url: str) -> None:
    """Return when a service says so on its internal port. Raises NotReady."""
    deadline = asyncio.get_running_loop().time() + READY_S
    async with aiohttp.ClientSession() as http:
        while asyncio.get_running_loop().time() < deadline:
            async with http.get(url) as answer:
                if answer.status == 200:
                    return
                told = await answer.text()
            await asyncio.sleep(_LOOK_AGAIN_S)
    raise NotReady(f"not ready after {READY_S:.0f} s: {told}")


async def _until_listening(process: asyncio.subprocess.Process, port: int, *, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            raise NotReady(f"it ended with {process.returncode}: {_tail(log)}")
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        await asyncio.sleep(_LOOK_AGAIN_S)
    raise NotReady(f"port {port} does not answer after {READY_S:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text()[-LOG_CHARS:]
