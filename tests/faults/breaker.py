"""Makes one fault: chooses the process, waits for the step that the fault aims at, hits, and heals.

What the fault waits for is a request or an answer on the wire; the signal or the cut happens in the same turn of the
event loop in which it passes. If it does not come in time, the fault is made anyway and counts for the step seen.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from foundation.service import StopSignal
from shardboard.data_dir import redis_name
from tests.faults.copies import Copies
from tests.faults.coverage import Coverage
from tests.faults.deployment import WORKERS, Deployment
from tests.faults.processes import Process
from tests.faults.proxy import Cut, Link, Proxy, Verdict
from tests.faults.schedule import CUT_KINDS, PROCESS_KINDS, Edge, Fault, Kind
from tests.faults.steps import AT_OPENING, IDLE, Target, labels_of, step_of

AIM_S: Final = 8.0
"""Everything that is aimed at happens at least each second under load, once its part of the deployment is up; a session
that begins anew on a busy machine takes some seconds."""
IDLE_S: Final = 1.0
AGAIN_S: Final = 0.1
TAIL_BYTES_MAX: Final = 60_000
_CUTS: Final = {Kind.BLACK_HOLE: Cut.BLACK_HOLE, Kind.HALF_OPEN: Cut.HALF_OPEN}


@dataclass(frozen=True, slots=True)
class Made:
    """A fault as it was made."""

    fault: Fault
    victim: str
    step: str
    was_aimed: bool

    def __str__(self) -> str:
        aim = f"{self.fault.edge.value} the server's work" if self.was_aimed else "seen"
        return f"{self.fault.number}: {self.fault.kind.value} of {self.victim} while {self.step} ({aim})"


class Breaker:
    """Makes faults in one deployment; two at a time never on the same process."""

    def __init__(self, deployment: Deployment, coverage: Coverage) -> None:
        self._deployment = deployment
        self._coverage = coverage
        self._busy: set[str] = set()
        self.copies = {
            process.name: Copies(process.server.data_dir)
            for process in deployment.servers.values()
            if process.target is Target.SHARD_REDIS
        }

    async def make(self, fault: Fault) -> Made:
        """Make it and heal it; first wait, if every process of its kind has a fault already."""
        while (victim := await self._choose(fault)) is None:
            await StopSignal().sleep(AGAIN_S)
        self._busy.add(victim.name)
        try:
            blow = _Blow(self._deployment, fault, victim=victim)
            was_aimed = fault.step != IDLE and await self._aimed(blow)
            step = fault.step if was_aimed else await self._seen(blow)
            self._coverage.hit(fault.target, fault.kind, step=step, edge=fault.edge if was_aimed else "")
            await self._heal(blow)
        finally:
            self._busy.discard(victim.name)
        return Made(fault, victim.name, step, was_aimed)

    async def _choose(self, fault: Fault) -> Process | None:
        free = [p for p in self._deployment.processes(fault.target) if p.name not in self._busy]
        if fault.target is Target.WORKER and fault.step != IDLE:
            active = {worker.name for worker in await self._deployment.active_workers()}
            free = [process for process in free if process.name in active] or free
        free = [process for process in free if process.name not in self._busy]
        return free[fault.pick % len(free)] if free else None

    async def _aimed(self, blow: "_Blow") -> bool:
        fault, name = blow.fault, blow.victim.name
        is_server = name in self._deployment.servers
        aim = self._deployment.wiretap.aim(
            labels_of(fault.target, fault.step),
            fault.edge,
            act=blow.strike,
            client=None if is_server else name,
            server=name if is_server else None,
        )
        if fault.step in AT_OPENING:
            self._provoke(blow)
        try:
            async with asyncio.timeout(AIM_S):
                await aim.hit
        except TimeoutError:
            return False
        finally:
            self._deployment.wiretap.give_up(aim)
        return True

    def _provoke(self, blow: "_Blow") -> None:
        """Workers that lose their connections begin a new session."""
        shard = redis_name(WORKERS[blow.victim.name]) if blow.fault.target is Target.WORKER else blow.victim.name
        self._deployment.proxies[shard].reset()

    async def _seen(self, blow: "_Blow") -> str:
        """Strike without an aim: if idleness is wanted, in a moment without requests."""
        name = blow.victim.name
        is_server = name in self._deployment.servers

        def step() -> str:
            doing = self._deployment.wiretap.doing(
                client=None if is_server else name, server=name if is_server else None
            )
            return step_of(blow.fault.target, doing)

        if blow.fault.step == IDLE:
            await _until(lambda: step() == IDLE, within_s=IDLE_S)
        seen = step()
        blow.strike(None)
        return seen

    async def _heal(self, blow: "_Blow") -> None:
        fault, victim = blow.fault, blow.victim
        await StopSignal().sleep(fault.lasts_s)
        if fault.kind is Kind.FREEZE:
            blow.release()
            victim.signal_now(signal.SIGCONT)
        elif fault.kind in CUT_KINDS:
            blow.proxy.heal()
        else:
            await victim.gone()
            if fault.kind is Kind.ROLLBACK and self.copies[victim.name].kept:
                await asyncio.to_thread(self.copies[victim.name].roll_back, fault.pick)
            elif fault.kind is Kind.TAIL_CUT:
                self.copies[victim.name].cut_tail(1 + fault.pick % TAIL_BYTES_MAX)
            await victim.start()


class _Blow:
    """The act itself: what is done at the moment of the aim, without waiting."""

    def __init__(self, deployment: Deployment, fault: Fault, *, victim: Process) -> None:
        self.fault = fault
        self.victim = victim
        self._proxies = deployment.proxies
        self._held: list[Link] = []

    @property
    def proxy(self) -> Proxy:
        """The one in front of the victim."""
        return self._proxies[self.victim.name]

    def strike(self, link: Link | None) -> Verdict:
        """Hit now; what becomes of the piece that was waited for."""
        kind = self.fault.kind
        if kind is Kind.RESET:
            self.proxy.reset()
            return Verdict.DROP
        if kind in CUT_KINDS:
            self.proxy.cut = _CUTS[kind]
            return Verdict.PASS if kind is Kind.HALF_OPEN and self.fault.edge is Edge.BEFORE else Verdict.DROP
        if kind is Kind.FREEZE:
            self.victim.signal_now(signal.SIGSTOP)
            return self._hold(link)
        if kind is Kind.RESTART:
            self.victim.signal_now(signal.SIGTERM)
            return Verdict.PASS
        assert kind in PROCESS_KINDS or kind in (Kind.ROLLBACK, Kind.TAIL_CUT)
        self.victim.signal_now(signal.SIGKILL)
        return Verdict.DROP

    def release(self) -> None:
        """The request of a frozen client arrives as late as can be: just before it wakes."""
        for link in self._held:
            link.release()

    def _hold(self, link: Link | None) -> Verdict:
        is_client = link is not None and link.owner == self.victim.name
        if link is None or not is_client or self.fault.edge is Edge.AFTER:
            return Verdict.PASS
        self._held.append(link)
        return Verdict.HOLD


async def _until(condition: Callable[[], bool], *, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await StopSignal().sleep(0.002)
    except TimeoutError:
        return False
    return True
