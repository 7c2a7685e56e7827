"""Where mutants live: a copy of the project in a folder of its own, and real servers that all of them share.

The checkout is never touched. One garden runs one mutant at a time, for the tests empty its Valkey."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.server import EmbeddedServer
from shardboard.embedded.valkey import ValkeyServer
from tests.mutants.mutant import CannotPlant, Mutant, changed_texts
from tests.mutants.verdict import PYTEST, Fate, Verdict, verdict_of

ROOT: Final = Path(__file__).resolve().parents[2]
RUN_S_MAX: Final = 150.0
"""For one mutant's tests: the slowest wait 40 s for a condition, and a busy machine takes its time."""
WITHOUT_SERVERS: Final = ("tests/unit/", "tests/contract/")


class Garden:
    """Use `open_garden`."""

    def __init__(self, folder: Path, servers: dict[str, EmbeddedServer]) -> None:
        self._tree = folder / "tree"
        self._scratch = folder / "scratch"
        self._servers = servers

    async def try_out(self, mutant: Mutant) -> Verdict:
        """Plant the mutant, run its tests, and take it out again."""
        try:
            texts = changed_texts(mutant.edit, lambda file: (self._tree / file).read_text(encoding="utf-8"))
        except (CannotPlant, OSError) as error:
            return Verdict(Fate.BROKEN, reason=str(error))
        originals = {file: (self._tree / file).read_text(encoding="utf-8") for file in texts}
        try:
            for file, text in texts.items():
                (self._tree / file).write_text(text, encoding="utf-8")
            fault = await self._forget_functions(texts)
            if fault is not None:
                return Verdict(Fate.BROKEN, reason=fault)
            exit_code, output = await self.run_tests(mutant.tests)
            return verdict_of(exit_code, output, hangs=mutant.hangs)
        finally:
            for file, text in originals.items():
                (self._tree / file).write_text(text, encoding="utf-8")

    async def run_tests(self, tests: Sequence[str], *, s_max: float = RUN_S_MAX) -> tuple[int | None, str]:
        """Pytest's exit code and output; no exit code if it did not end in time."""
        argv = (*PYTEST, "-p", "no:cacheprovider", f"--basetemp={self._scratch}", "-k", "not redis7", *tests)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, cwd=self._tree, env=self._environ(), start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(s_max):
                output, _ = await process.communicate()
        except TimeoutError:
            return None, ""
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode, output.decode(errors="replace")

    async def _forget_functions(self, texts: dict[str, str]) -> str | None:
        """A library that is loaded already would hide the mutant. Say what is wrong with the changed one, or None."""
        valkey = self._servers.get("SHARDBOARD_TEST_VALKEY")
        if valkey is None:
            return None
        async with Redis.from_url(valkey.address) as client:
            for folder in {(self._tree / file).parent for file in texts if file.endswith(".lua")}:
                library = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.lua")))
                try:
                    await client.function_load(library, replace=True)
                except ResponseError as error:
                    return f"the changed library cannot be loaded: {error}"
            await client.function_flush()
        return None

    def _environ(self) -> dict[str, str]:
        """No byte code is kept: Python would take a file that changes twice in a second for unchanged."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
        addresses = {variable: server.address for variable, server in self._servers.items()}
        ours = {"PYTHONPATH": str(self._tree), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "240"}
        return {**others, **addresses, **ours}


@asynccontextmanager
async def open_garden(folder: Path, *, with_servers: bool) -> AsyncIterator[Garden]:
    """A garden in an empty folder; its servers end with it."""
    await asyncio.to_thread(_copy_project, folder / "tree")
    servers = _servers(folder) if with_servers else {}
    try:
        await asyncio.gather(*(server.start() for server in servers.values()))
        yield Garden(folder, servers)
    finally:
        await asyncio.gather(*(server.stop(grace_s=0) for server in servers.values()))


def needs_servers(tests: Sequence[str]) -> bool:
    """Whether any of the tests is of a ring that talks to real servers."""
    return not all(test.startswith(WITHOUT_SERVERS) for test in tests)


def _servers(folder: Path) -> dict[str, EmbeddedServer]:
    kafka, valkey, postgres = free_ports(3)
    return {
        "SHARDBOARD_TEST_KAFKA": KafkaServer(folder / "kafka", port=kafka, name="kafka"),
        "SHARDBOARD_TEST_VALKEY": ValkeyServer(folder / "valkey", port=valkey, name="valkey"),
        "SHARDBOARD_TEST_POSTGRES": PostgresServer(folder / "postgres", port=postgres, name="postgres"),
    }


def _copy_project(tree: Path) -> None:
    """All files that are, or would be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in sorted(set(listing.split("\0")) - {""}):
        source, target = ROOT / name, tree / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
