"""What every embedded server offers, and the one way they are started and stopped."""

import asyncio
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

from shardboard.embedded.child import Child, is_root, log_tail, spawn
from shardboard.embedded.ports import is_port_free

# A start is slow on a busy machine, or after a crash with a long log to read back.
START_S_MAX = 120.0
# How often a starting server is asked whether it answers.
_ASK_AGAIN_S = 0.05
# One question to a starting server.
_ANSWER_S_MAX = 10.0


class StartFailed(Exception):
    """A server did not start. The message says what to do and ends with the tail of the server's log."""


class EmbeddedServer(Protocol):
    """A server that this process started, on loopback, with its data in one folder."""

    name: str
    log_file: Path

    @property
    def address(self) -> str:
        """How clients reach it; known before it runs."""

    @property
    def pid(self) -> int | None:
        """None unless it runs."""

    async def start(self) -> None:
        """Return when it answers. Continues with the data that the folder holds; does nothing when it runs already.

        Raises StartFailed. Call it from the main thread: the server lives as long as the calling thread.
        """

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Let it end by itself, kill it after `grace_s`. May be called again."""

    def is_running(self) -> bool:
        """Whether the process is there; a zombie is not running."""


class ChildServer(ABC):
    """An embedded server that is one child process. A kind of server adds what to prepare, run and ask."""

    # What makes it end in an orderly way without waiting for its clients.
    stop_signal = signal.SIGTERM
    # Whether the program refuses to run as root.
    refuses_root = False

    def __init__(self, data_dir: Path, *, port: int, name: str) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.name = name
        self.log_file = self.data_dir / f"{name}.log"
        self._child: Child | None = None

    @property
    @abstractmethod
    def address(self) -> str: ...

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.is_running() else None

    def is_running(self) -> bool:
        return self.pid is not None

    async def start(self) -> None:
        if self.is_running():
            return
        if not is_port_free(self.port):
            raise StartFailed(f"{self.name} did not start: port {self.port} is taken. Free it or choose another one.")
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            argv = await self._prepare()
            self._child = spawn(argv, log_file=self.log_file, cwd=self.data_dir, as_nobody=self._as_nobody())
        except OSError as error:
            raise self._failed(f"{error}. Check the folder {self.data_dir} and the space on its disk") from error
        try:
            async with asyncio.timeout(START_S_MAX):
                await self._until_it_answers(self._child)
        except TimeoutError as error:
            await self.stop(grace_s=0)
            raise self._failed(f"no answer within {START_S_MAX:.0f} s. Look into its log") from error
        except BaseException:
            await self.stop(grace_s=0)
            raise

    async def stop(self, *, grace_s: float = 5.0) -> None:
        if self._child is not None:
            await self._child.stop(grace_s=grace_s, number=self.stop_signal)

    @abstractmethod
    async def _prepare(self) -> list[str]:
        """Make the data folder ready and return the command to run. Raises OSError or StartFailed."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Ask once whether clients are served. OSError and TimeoutError mean not yet."""

    async def _until_it_answers(self, child: Child) -> None:
        while True:
            if not child.is_running():
                raise self._failed(f"it ended with exit code {child.exit_code}. Its log says why")
            try:
                async with asyncio.timeout(_ANSWER_S_MAX):
                    if await self._answers():
                        return
            except (OSError, EOFError):  # TimeoutError is one
                pass
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _run_once(self, argv: list[str], *, purpose: str) -> None:
        """Run a short program of this server to its end, its output in the log. Raises StartFailed."""
        child = spawn(argv, log_file=self.log_file, cwd=self.data_dir, as_nobody=self._as_nobody())
        try:
            exit_code = await child.wait()
        finally:
            await child.stop(grace_s=0)
        if exit_code != 0:
            raise self._failed(f"{purpose} ended with exit code {exit_code}. Its log says why")

    def _as_nobody(self) -> bool:
        return self.refuses_root and is_root()

    def _failed(self, reason: str) -> StartFailed:
        tail = log_tail(self.log_file)
        where = f"\nLast lines of {self.log_file}:\n{tail}" if tail else ""
        return StartFailed(f"{self.name} did not start: {reason}.{where}")
