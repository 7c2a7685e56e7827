"""A process that is told what to do line by line, in JSON, and answers each line with one: it keeps its sockets from
one round of a benchmark to the next."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import msgspec

from bench.ground import ROOT

_T = TypeVar("_T")
LINE_BYTES_MAX: Final = 2**24
"""Of an answer: times of thousands of changes fit in."""
LAST_WORDS: Final = 2_000


class DrivenFailed(Exception):
    """The process ended instead of answering; the message is what it said last."""


class Driven:
    """One running process. One task asks it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def ask(self, told: msgspec.Struct, answer: type[_T]) -> _T:
        """Tell it something, and return what it answers. Raises DrivenFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(told) + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise DrivenFailed((await self._process.stderr.read()).decode()[-LAST_WORDS:])
        return msgspec.json.decode(line, type=answer)


@asynccontextmanager
async def driven(module: str) -> AsyncIterator[Driven]:
    """`python -m module`, until the block ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES_MAX
    )
    try:
        yield Driven(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def answer_line(answer: msgspec.Struct) -> None:
    """In the process: one answer."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
