"""One run: load, watchers, faults and zombies on one deployment, then the audit. Goes on where its folder stands."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.clock import monotonic_s
from foundation.service import StopSignal
from shardboard.data_dir import write_whole
from tests.faults.audit import Findings, audit
from tests.faults.breaker import Breaker
from tests.faults.coverage import Coverage
from tests.faults.deployment import SHARDS, Deployment
from tests.faults.ledger import Ledger
from tests.faults.load import Acts, Load, loading
from tests.faults.schedule import Edge, Fault, Kind, schedule
from tests.faults.watcher import Watcher
from tests.faults.zombies import Zombies, haunt

COPY_EVERY_S: Final = 4.0
SETTLE_S: Final = 60.0
CALM_EVERY: Final = 10
"""After so many faults the run waits until an action was acknowledged since: faults on a heap that stands still hit
nothing."""
CALM_S: Final = 30.0
MORE_TRIES: Final = 4
"""Rounds of extra faults for steps that the planned ones missed."""
SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run shall do."""

    folder: Path
    seed: int
    faults: int
    actions: int
    zombies: int
    rate_per_s: float
    at_once: int = 1
    """Faults that may be under way at the same time."""


class Stored(msgspec.Struct, kw_only=True):
    """What a later run goes on with."""

    seed: int
    faults_made: int = 0
    hits: list[tuple[str, str, str, str, int]] = []
    zombies: tuple[int, int, int] = (0, 0, 0)
    seconds: float = 0.0
    retries: int = 0
    repeats: int = 0
    boards_seen: int = 0
    backwards: list[str] = []
    backwards_count: int = 0
    ended: list[str] = []


@dataclass(slots=True)
class Ended:
    """A run's outcome."""

    document: dict[str, Any]
    coverage: Coverage
    findings: Findings


@dataclass(slots=True)
class _Parts:
    load: Load
    watcher: Watcher
    breaker: Breaker
    stored: Stored
    zombies: Zombies
    began_s: float = field(default_factory=monotonic_s)


class Run:
    """`run` once."""

    def __init__(self, plan: Plan, *, say: Any = print) -> None:
        self._plan = plan
        self._say = say
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._state_file = plan.folder / "state.json"
        self._stored = self._read()
        self.deployment = Deployment(plan.folder / "deployment")
        self.coverage = Coverage.from_rows(self._stored.hits)
        self._acts = Acts(plan.seed)
        self._ledger = Ledger(plan.folder / "ledger")

    async def run(self) -> Ended:
        """1. Start. 2. Load and watchers; faults; zombies; steps that were missed; the rest of the actions. 3. Quiet.
        4. Audit."""
        try:
            # 1.
            await self.deployment.begin()
            parts = self._parts()
            # 2.
            await self._under_load(parts)
            # 3., 4.
            await self._heal()
            findings = await audit(
                self.deployment, self._acts, outcomes=self._ledger.outcomes, watch=parts.watcher.watch
            )
            return self._ended(parts, findings)
        finally:
            self._ledger.close()
            await self.deployment.end()

    def _parts(self) -> _Parts:
        load = Load.of(self.deployment, self._acts, ledger=self._ledger, rate_per_s=self._plan.rate_per_s)
        breaker = Breaker(self.deployment, self.coverage)
        return _Parts(load, Watcher(self.deployment), breaker, self._stored, Zombies(*self._stored.zombies))

    async def _under_load(self, parts: _Parts) -> None:
        stop, stop_copies = StopSignal(), StopSignal()
        async with asyncio.TaskGroup() as tasks, loading(parts.load, parts.watcher, stop=stop):
            tasks.create_task(self._copy(parts.breaker, stop_copies), name="copies")
            try:
                await self._break(parts)
                await self._haunt(parts)
                await self._hit_missing(parts)
                while parts.load.acknowledged < self._plan.actions:
                    await StopSignal().sleep(0.5)
            finally:
                stop_copies.set()
                self._store(parts)
        self._store(parts)

    async def _break(self, parts: _Parts) -> None:
        faults = schedule(self._plan.seed, self._plan.faults)[parts.stored.faults_made :]
        running: set[asyncio.Task[None]] = set()
        for fault in faults:
            await StopSignal().sleep(fault.pause_s)
            while len(running) >= self._plan.at_once:
                _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running.add(asyncio.create_task(self._make(parts, fault), name=f"fault {fault.number}"))
            if fault.number % CALM_EVERY == CALM_EVERY - 1:
                await asyncio.gather(*running)
                running.clear()
                await self._calm(parts)
        await asyncio.gather(*running)

    async def _make(self, parts: _Parts, fault: Fault) -> None:
        made = await parts.breaker.make(fault)
        parts.stored.faults_made += 1
        self._say(f"[{monotonic_s() - parts.began_s:6.1f}] {made}")

    async def _calm(self, parts: _Parts) -> None:
        """Until the whole path works again."""
        since_s = monotonic_s()
        with suppress(TimeoutError):
            async with asyncio.timeout(CALM_S):
                while parts.load.answered_s < since_s or len(await self.deployment.active_workers()) < len(SHARDS):
                    await StopSignal().sleep(0.05)
        self._store(parts)

    async def _haunt(self, parts: _Parts) -> None:
        while parts.zombies.rounds < self._plan.zombies:
            await haunt(self.deployment, parts.zombies)
            self._say(
                f"[{monotonic_s() - parts.began_s:6.1f}] zombie {parts.zombies.rounds}:"
                f" {parts.zombies.fenced} writes refused, {parts.zombies.accepted} accepted"
            )
            self._store(parts)

    async def _hit_missing(self, parts: _Parts) -> None:
        """Faults for the steps that were never hit: when an aim comes too late, another step is what is hit."""
        for _ in range(MORE_TRIES):
            missing = self.coverage.missing(self.deployment.targets)
            for target, step in missing:
                number = parts.stored.faults_made
                fault = Fault(number, target, Kind.FREEZE, step, Edge.BEFORE, pick=number, pause_s=0, lasts_s=1.5)
                await self._calm(parts)
                await self._make(parts, fault)

    async def _copy(self, breaker: Breaker, stop: StopSignal) -> None:
        while not await stop.sleep(COPY_EVERY_S):
            for copies in breaker.copies.values():
                await asyncio.to_thread(copies.take)

    async def _heal(self) -> None:
        for proxy in self.deployment.proxies.values():
            proxy.heal()
        with suppress(TimeoutError):
            await self.deployment.until_ready(within_s=SETTLE_S)

    def _read(self) -> Stored:
        if not self._state_file.exists():
            return Stored(seed=self._plan.seed)
        stored = msgspec.json.decode(self._state_file.read_bytes(), type=Stored)
        if stored.seed != self._plan.seed:
            raise ValueError(f"{self._state_file} was made with seed {stored.seed}, not {self._plan.seed}")
        return stored

    def _store(self, parts: _Parts) -> None:
        """Everything of earlier runs and of this one."""
        before, now = self._stored, parts
        ended = [f"{name} with {code}: {tail.splitlines()[-1:]}" for name, code, tail in self.deployment.ends]
        stored = msgspec.structs.replace(
            before,
            hits=self.coverage.as_rows(),
            zombies=(now.zombies.rounds, now.zombies.fenced, now.zombies.accepted),
            seconds=before.seconds + monotonic_s() - now.began_s,
            retries=before.retries + now.load.retries,
            repeats=before.repeats + now.load.repeats,
            boards_seen=before.boards_seen + now.watcher.watch.boards_seen,
            backwards=(before.backwards + now.watcher.faults)[:SHOWN_MAX],
            backwards_count=before.backwards_count + now.watcher.faults_count,
            ended=before.ended + ended,
        )
        write_whole(self._state_file, msgspec.json.encode(stored))

    def _ended(self, parts: _Parts, findings: Findings) -> Ended:
        stored = msgspec.json.decode(self._state_file.read_bytes(), type=Stored)
        missing = [f"{target} {step}" for target, step in self.coverage.missing(self.deployment.targets)]
        refused = [line for line in stored.ended if " with 3:" in line]
        acknowledged = parts.load.acknowledged
        document = {
            "is_clean": findings.is_clean
            and not (missing or refused or stored.backwards_count or parts.zombies.accepted),
            "seed": self._plan.seed,
            "faults_made": stored.faults_made,
            "seconds": round(stored.seconds, 1),
            "actions_per_s": acknowledged / max(stored.seconds, 1),
            "retries": stored.retries,
            "repeats": stored.repeats,
            "boards_seen": stored.boards_seen,
            "backwards": {"count": stored.backwards_count, "first": stored.backwards},
            "zombies": {
                "rounds": parts.zombies.rounds,
                "fenced": parts.zombies.fenced,
                "accepted": parts.zombies.accepted,
            },
            "hits": [list(row) for row in self.coverage.as_rows()],
            "steps_missing": missing,
            "ended_by_themselves": stored.ended[:SHOWN_MAX],
            "findings": findings.document(),
        }
        return Ended(document, self.coverage, findings)
