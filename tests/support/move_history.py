"""Random histories of one partition that moves between three shards: workers of every shard, live and frozen ones, step
by step in any order, with roll-backs, lost replies, aborts, undone moves, pauses, and sources that are gone.

Untrue are: an owned state that is no prefix of the log, two shards that apply at one epoch, a live partition wiped or
forgotten, and, once the faults stop, a move that does not end or a partition that is not whole."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.ids import Epoch, Offset, ShardId
from contracts.moves import StoredMap
from contracts.progress import State
from shard_worker.move_steps import (
    Away,
    Event,
    Handover,
    Order,
    Step,
    due,
    is_switched,
    is_wanted,
    leftovers_of,
    look,
    strays_of,
)
from shard_worker.partition_state import Instruction, after_claim
from shard_worker.replies import Applied, Claimed, Seek
from tests.support.move_world import SHARDS, FakeMap, P, World, count

STEPS: Final = 250
SETTLING_STEPS: Final = 80
WORKERS_MAX: Final = 6
START: Final = Offset(0)
GONE: Final = Away(60_000)
SILENT: Final = Away(1_000)


FAULTS: Final = {"abort": 4, "pause": 3, "go back": 3, "lose": 1, "alter": 5, "freeze": 4}
"""How often each happens beside the others. Freeze: another worker of a shard begins, and the old one goes on late."""


class Untrue(Exception):
    """What must never be, is."""


@dataclass(slots=True)
class Task:
    """What one worker knows of a handover, or of a restore, that it carries out."""

    order: Order
    handover: Handover = field(default_factory=Handover)
    token: str = ""
    chunks: int = 0
    rows: list[tuple[str, int]] = field(default_factory=list)
    offset: Offset = START


@dataclass(slots=True)
class Worker:
    """One worker process; `known` is the map as it knows it."""

    name: str
    shard: ShardId
    known: StoredMap
    position: Offset | None = None
    task: Task | None = None
    restore: Task | None = None


class History:
    """One partition's life, from one seed."""

    def __init__(
        self, world: World, shard_map: FakeMap, *, seed: int, faults: Sequence[str] = tuple(FAULTS), erases: bool = True
    ) -> None:
        """`faults`: which of FAULTS there are."""
        self.rng = random.Random(seed)
        self.world = world
        self.map = shard_map
        self.log: list[str] = []
        self.archived = 0
        self._faults = faults
        self._users = "abcabcabcABC" if erases else "abc"
        self._tokens = 0
        self._is_faulty = True
        self.hits: Counter[str] = Counter()
        self.trace: list[str] = []
        self.workers = [self._worker(shard) for shard in SHARDS]

    async def run(self, steps: int = STEPS) -> None:
        """Raises Untrue."""
        for _ in range(steps):
            await self._something()
            await self._check()
        await self._settle()

    async def _something(self) -> None:
        chance, worker = self.rng.random(), self.rng.choice(self.workers)
        if chance < 0.08:
            self.log.append(self.rng.choice(self._users))
            self.archived = max(self.archived, len(self.log) - self.rng.randint(0, 3))
        elif chance < 0.24:
            await self._serve(worker)
        elif chance < 0.76:
            await self._move(worker)
        elif chance < 0.84:
            self._read_map(worker)
        elif chance < 0.90:
            self.map.intend(self.rng.choice(SHARDS))
        else:
            await self._fault()

    async def _fault(self) -> None:
        shard, names = self.rng.choice(SHARDS), list(self._faults)
        match self.rng.choices(names, [FAULTS[name] for name in names])[0]:
            case "abort":
                self.map.abort()
            case "pause":
                self.map.pause(self.rng.random() < 0.4)
            case "go back":
                await self.world.go_back(shard, self.rng.randint(1, 5))
                self._note("went back", shard)
            case "lose":
                await self.world.lose(shard)
                self._note("lost", shard)
            case "alter":
                for shard in SHARDS:
                    await self._alter(shard)
            case _ if len(self.workers) < WORKERS_MAX:
                self.workers.append(self._worker(shard))

    async def _alter(self, shard: ShardId) -> None:
        """A row of what is being copied there and is still to be compared."""
        progress = await self.world.progress(shard)
        tasks = [worker.task for worker in self.workers if worker.task is not None]
        copied = {task.token for task in tasks if task.handover.step in (Step.COPYING, Step.VERIFYING)}
        if progress is not None and progress.state is State.COPYING and progress.token in copied:
            await self.world.alter(shard)

    async def _settle(self) -> None:
        """The faults stop: the newest worker of each shard goes on."""
        self._is_faulty = False
        self.workers = list({worker.shard: worker for worker in self.workers}.values())
        self.map.pause(False)
        for _ in range(SETTLING_STEPS):
            for worker in self.workers:
                self._read_map(worker)
                await self._move(worker)
                await self._serve(worker)
                await self._check()
            if await self._is_settled():
                return
        owner, progress = self.map.owner, await self.world.progress(self.map.owner.shard)
        if owner.move is not None:
            raise Untrue(f"the move never ends: {owner}")
        strays = [shard for shard in SHARDS if shard != owner.shard and await self.world.progress(shard)]
        if owner.forget or strays:
            raise Untrue(f"leftovers stay: {owner} {strays}")
        raise Untrue(f"stuck at {progress}, the log ends at {len(self.log)}")

    async def _is_settled(self) -> bool:
        owner, progress = self.map.owner, await self.world.progress(self.map.owner.shard)
        if owner.move is not None or owner.forget or progress is None:
            return False
        if any([await self.world.progress(shard) for shard in SHARDS if shard != owner.shard]):
            return False
        return (progress.state, progress.next_offset, progress.epoch, progress.fenced) == (
            State.OWNED,
            len(self.log),
            owner.epoch,
            False,
        )

    async def _check(self) -> None:
        writing: dict[Epoch, ShardId] = {}
        for shard in SHARDS:
            progress = await self.world.progress(shard)
            if progress is None or progress.state is not State.OWNED:
                continue
            rows = await self.world.rows(shard)
            if rows != self._truth(progress.next_offset):
                raise Untrue(f"{shard} at {progress.next_offset}: {rows}, not {self._truth(progress.next_offset)}")
            if not progress.fenced and writing.setdefault(progress.epoch, shard) != shard:
                raise Untrue(f"two owners at epoch {progress.epoch}: {shard} and {writing[progress.epoch]}")

    def _truth(self, offset: int) -> Counter[str]:
        rows: Counter[str] = Counter()
        count(self.log[:offset], rows)
        return rows

    def _worker(self, shard: ShardId) -> Worker:
        self._tokens += 1
        return Worker(f"{shard}.{self._tokens}", shard, self.map.stored)

    def _token(self) -> str:
        self._tokens += 1
        return f"t{self._tokens}"

    def _note(self, *words: object) -> None:
        self.hits[str(words[0])] += 1
        self.trace.append(" ".join(map(str, words)))

    def _read_map(self, worker: Worker) -> None:
        assert worker.known.map is not None
        assert self.map.stored.map is not None
        before, after = worker.known.map.owners[P], self.map.stored.map.owners[P]
        worker.known = self.map.stored
        if (before.shard, before.epoch) != (after.shard, after.epoch):
            worker.position = worker.restore = None

    def _is_reply_lost(self) -> bool:
        return self._is_faulty and self.rng.random() < 0.06

    # --- the owner ---

    async def _serve(self, worker: Worker) -> None:
        assert worker.known.map is not None
        owner = worker.known.map.owners[P]
        if worker.restore is not None:
            await self._restore(worker, worker.restore)
        elif owner.shard != worker.shard:
            worker.position = None
        elif worker.position is None:
            reply = await self.world.claim(worker.shard, owner, writer=worker.name)
            if isinstance(reply, Claimed):
                worker.position = reply.next_offset
                self._note("claimed", worker.name, owner.epoch)
            elif after_claim(reply) is Instruction.RESTORE:  # type: ignore[arg-type]
                order = Order(P, worker.shard, worker.shard, owner.epoch, owner.since)
                worker.restore = Task(order, token=self._token())
        else:
            users = self.log[worker.position : worker.position + self.rng.randint(1, 2)]
            reply = await self.world.apply(
                worker.shard, owner.epoch, writer=worker.name, offset=worker.position, users=users
            )
            if isinstance(reply, Applied) and not self._is_reply_lost():
                worker.position = Offset(worker.position + len(users))
                self._note("applied", worker.name, worker.position)
            elif isinstance(reply, Seek):
                worker.position = reply.next_offset
            else:
                worker.position = None  # whatever refused it, a claim tells where it stands

    async def _restore(self, worker: Worker, task: Task) -> None:
        """The owner makes its partition anew, row by row."""
        handover = task.handover
        if handover.step is Step.LOOKING:
            self._plan(task)
            task.handover = handover.after(Event.FOUND_NOTHING).after(Event.DONE)
            return
        event = await self._make(worker, task, state=State.RESTORING)
        task.handover = task.handover.after(event)
        if task.handover.step in (Step.LOOKING, Step.SWITCHING):
            worker.restore = None
            self._note("restored" if task.handover.step is Step.SWITCHING else "restore refused", worker.name)

    def _plan(self, task: Task) -> None:
        task.offset = Offset(self.archived)
        task.rows = list(self._truth(task.offset).items())
        task.chunks = 0

    async def _make(self, worker: Worker, task: Task, *, state: State) -> Event:
        """Clear, write and own from the archive."""
        match task.handover.step:
            case Step.CLEARING:
                return await self._wipe(worker, task, state=state)
            case Step.WRITING:
                if task.chunks == len(task.rows):
                    return Event.EXHAUSTED
                event = await self.world.write(
                    worker.shard, task.rows[task.chunks], token=task.token, chunks=task.chunks, state=state
                )
                task.chunks += 1
                return event
            case _:
                return await self._own(worker, task, state=state)

    # --- the receiver ---

    async def _move(self, worker: Worker) -> None:
        if worker.task is None:
            await self._forget(worker)
            orders = due(worker.known, worker.shard)
            worker.task = Task(orders[0]) if orders else None
            return
        task = worker.task
        if not is_wanted(task.order, worker.known):
            task.handover = task.handover.after(Event.DROPPED)
        else:
            step, event = task.handover.step, await self._carry_out(worker, task)
            if self._is_reply_lost():
                event = Event.FAILED
            task.handover = task.handover.after(event)
            self._note(f"{step.value}: {event.value}", worker.name, task.order.epoch)
        if task.handover.is_over:
            self._note(task.handover.step.value, worker.name)
            worker.task = None

    async def _carry_out(self, worker: Worker, task: Task) -> Event:
        match task.handover.step:
            case Step.LOOKING:
                return await self._look(worker, task.order)
            case Step.FENCING:
                task.token, task.chunks, task.rows = self._token(), 0, []
                return await self.world.fence(task.order, task.token)
            case Step.WIPING:
                return await self._wipe(worker, task, state=State.COPYING)
            case Step.COPYING:
                return await self._copy(task)
            case Step.VERIFYING:
                event, task.offset = await self.world.compare(task.order, task.token, read=task.rows)
                return event
            case Step.PLANNING:
                task.token = self._token()
                self._plan(task)
                return Event.DONE
            case Step.SWITCHING:
                return self._switch(task.order)
            case Step.ASKING:
                if is_switched(task.order, self.map.stored):
                    return Event.DONE
                return Event.INTENDED if is_wanted(task.order, self.map.stored) else Event.DROPPED
            case _:
                return await self._make(worker, task, state=State.COPYING)

    async def _look(self, worker: Worker, order: Order) -> Event:
        source = await self.world.progress(order.source)
        chance = self.rng.random() if self._is_faulty else 1
        away = GONE if chance < 0.07 else SILENT if chance < 0.12 else None
        target = await self.world.progress(worker.shard)
        return look(order, target=target, source=away or source, is_paused=worker.known.limits.is_paused)

    async def _copy(self, task: Task) -> Event:
        row = await self.world.read(task.order.source, task.token, rank=task.chunks)
        if isinstance(row, Event):
            return row
        event = await self.world.write(
            task.order.target, row, token=task.token, chunks=task.chunks, state=State.COPYING
        )
        task.chunks += 1
        task.rows.append(row)
        return event

    async def _wipe(self, worker: Worker, task: Task, *, state: State) -> Event:
        is_live = await self._is_live(worker.shard)
        event = await self.world.wipe(worker.shard, task.order.epoch, token=task.token, state=state)
        if event is Event.DONE and is_live and state is State.COPYING:
            raise Untrue(f"live partition wiped in its owner {worker.shard}")
        return event

    async def _own(self, worker: Worker, task: Task, *, state: State) -> Event:
        return await self.world.own(
            worker.shard, task.order.epoch, token=task.token, chunks=task.chunks, state=state, offset=task.offset
        )

    def _switch(self, order: Order) -> Event:
        if self._is_faulty and self.rng.random() < 0.2:
            return Event.FAILED  # the request was lost
        return Event.DONE if self.map.switch(order) else Event.DROPPED

    async def _forget(self, worker: Worker) -> None:
        listed = leftovers_of(worker.known, worker.shard)
        for leftover in [*listed, *strays_of(worker.known, worker.shard)]:
            if leftover not in listed and await self.world.progress(worker.shard) is None:
                continue
            is_live = await self._is_live(leftover.shard)
            is_gone = await self.world.forget(leftover.shard, leftover.epoch)
            if is_gone and is_live:
                raise Untrue(f"live partition forgotten in its owner {leftover.shard}")
            if is_gone and leftover in listed:
                self.map.forgotten(leftover.shard, leftover.epoch)
            self._note("forgotten" if is_gone else "not forgotten", leftover.shard)

    async def _is_live(self, shard: ShardId) -> bool:
        progress, owner = await self.world.progress(shard), self.map.owner
        if progress is None or progress.state is not State.OWNED or owner.shard != shard:
            return False
        return progress.epoch >= owner.since
