"""Workers as real processes for tests, each with its settings and its internal port."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[2]


class WorkerProcess:
    """One `python -m shard_worker`."""

    def __init__(self, process: asyncio.subprocess.Process, *, port: int, log: Path) -> None:
        self._process = process
        self._port = port
        self._log = log

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def ready(self) -> dict[str, Any] | None:
        """The ready answer's detail, None when it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http,
                http.get(f"http://127.0.0.1:{self._port}/health/ready") as answer,
            ):
                detail: dict[str, Any] = await answer.json()
                return detail
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def metrics(self) -> str:
        """The metrics as Prometheus reads them."""
        url = f"http://127.0.0.1:{self._port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return await answer.text()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self, *, within_s: float = 15) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.is_running:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            await self._process.wait()


async def start_worker(
    folder: Path, name: str, *, port: int, settings: Mapping[str, str], module: str = "shard_worker"
) -> WorkerProcess:
    """Start a worker; `settings` without the prefix. `module` is what Python runs."""
    log = folder / f"{name}.log"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SHARDBOARD_")}
    environ |= {f"SHARDBOARD_{key}": value for key, value in settings.items()}
    environ["SHARDBOARD_ADMIN_LISTEN"] = f"127.0.0.1:{port}"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, cwd=ROOT, env=environ, stderr=output, stdout=output
        )
    return WorkerProcess(process, port=port, log=log)
