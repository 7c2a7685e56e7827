"""Runs `shardboard …` as a process beside the test's event loop, with no setting of the shell's but a known secret."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRET = "a-secret-of-more-than-thirty-two-bytes"
ENVIRON = {
    **{name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")},
    "SHARDBOARD_JWT_SECRET": SECRET,
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process of the command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What `--output json` printed."""
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded


async def spawn(*words: str | Path, cwd: Path | None = None, **environ: str) -> asyncio.subprocess.Process:
    """Start it as a terminal would; `environ` is added to the environment."""
    pipe = asyncio.subprocess.PIPE
    argv = [sys.executable, "-m", "shardboard", *map(str, words)]
    return await asyncio.create_subprocess_exec(
        *argv, stdout=pipe, stderr=pipe, env={**ENVIRON, **environ}, cwd=cwd, preexec_fn=_listen_to_ctrl_c
    )


def _listen_to_ctrl_c() -> None:
    """A shell starts what runs in the background deaf to SIGINT, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for its end."""
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def command(*words: str | Path, cwd: Path | None = None, **environ: str) -> Ended:
    """Run it to its end."""
    return await ended(await spawn(*words, cwd=cwd, **environ))
