"""Child processes that never outlive their parent: spawning, watching and ending them. Used for servers and services.

A child gets a session of its own, so Ctrl-C in the terminal reaches only the supervisor, and the kernel kills it when
its parent is gone. That signal belongs to the parent's *thread*: call `spawn` from a thread that lives as long as the
process, so never through `asyncio.to_thread`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# A log is put aside at the next start once it is this long: weeks of a quiet server, and two of them fit any disk.
LOG_BYTES_MAX = 16 * 1024 * 1024
# What a person needs to see of a log to know why a child died.
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 16 * 1024

_LAUNCHER = Path(__file__).with_name("launch.py")


class Child:
    """One running or ended child process. Owned by one task; `is_running` and `pid` may be read from anywhere."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def is_running(self) -> bool:
        """A zombie is not running: asking reaps it."""
        return self._process.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        """To this process alone; does nothing when it has ended."""
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Return the exit code once it has ended. May be called again, and cancelled, without harm."""
        await self._until_ended()
        return self._process.wait()

    async def stop(self, *, grace_s: float, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask politely, wait, then kill it with everything in its session. May be called on an ended child."""
        self.send_signal(number)
        try:
            async with asyncio.timeout(grace_s):
                await self._until_ended()
        except TimeoutError:
            pass
        finally:
            self.kill()
        await self.wait()

    def kill(self) -> None:
        """SIGKILL for the child and its own children. Does not wait; does nothing once the child's end was noticed."""
        if self._process.returncode is None:  # not reaped, so the id is still ours
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _until_ended(self) -> None:
        """Watch a pidfd: no polling, no thread, and the child is not reaped, so its process group keeps its id."""
        if self._process.returncode is not None:
            return
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        fd = os.pidfd_open(self._process.pid)
        try:
            loop.add_reader(fd, lambda: None if readable.done() else readable.set_result(None))
            await readable
        finally:
            loop.remove_reader(fd)
            os.close(fd)


def spawn(
    argv: Sequence[str],
    *,
    log_file: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    as_nobody: bool = False,
) -> Child:
    """Start a program whose output is appended to `log_file`; it dies with this process, however that ends.

    `env` replaces the environment. `as_nobody` shows the program that root runs a user that is not root.
    A program that cannot be run ends with 126 and says why in its log.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    _put_aside(log_file)
    user = "as-nobody" if as_nobody else "own-user"
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), user]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [*launcher, *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    return Child(process)


def is_root() -> bool:
    return os.geteuid() == 0


def log_tail(log_file: Path, *, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log, for a message to a person; empty when there is none."""
    try:
        with log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _put_aside(log_file: Path) -> None:
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES_MAX:
        log_file.replace(log_file.with_name(log_file.name + ".1"))
