"""A partition's way to this shard as steps, carried out by the receiving worker: what follows each outcome. Pure.

Every refusal and every silence leads back to LOOKING, which asks both servers where things stand and goes on from
there: each step may be done twice. Epoch, token and count of chunks, which the servers check, make it safe beside
zombies of either worker, roll-backs of either server and aborts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import MovePhase, MoveReport, StoredMap
from contracts.progress import Progress, State

MOVES_KEPT: Final = 12
"""Of a handover's history, for the message of a move that cannot be."""
SILENT_S: Final = 30.0
"""A move of which nothing is heard for so long does not count as one under way. A worker's restart, with the lease of
the one before, takes less."""
SOURCE_PATIENCE_MS: Final = 15_000
"""A source that is silent for longer is given up, and the partition made from the archive and the log: a restart of a
server takes seconds, and a frozen one is noticed only after the client's own 5 s."""


class Step(Enum):
    """What is to be done next. What is true if the process stops right after it is said beside it."""

    LOOKING = "looking"
    """0. Ask both servers. Nothing changes."""
    FENCING = "fencing"
    """1. The source stands still at the move's epoch, with our token. An abort lifts it by the owner's next claim."""
    WIPING = "wiping"
    """2. The target holds nothing but our token."""
    COPYING = "copying"
    """3. Chunk by chunk. The target holds a part, which nobody serves; the next handover wipes it."""
    VERIFYING = "verifying"
    """4. Both sides compared, and the source's position read. Nothing changes."""
    PLANNING = "planning"
    """1'. The source has nothing to give: find out what the partition can be restored from. Nothing changes."""
    CLEARING = "clearing"
    """2'. As 2, for a restore."""
    WRITING = "writing"
    """3'. As 3, from the archive. The chunks' count makes it whole; there is nothing to compare with."""
    OWNING = "owning"
    """5. The target's state is a true prefix of the log, and final: only the map is missing."""
    SWITCHING = "switching"
    """6. The map names the target, which claims it as any partition."""
    ASKING = "asking"
    """6'. It is unknown whether the map was switched: read it."""
    SWITCHED = "switched"
    """The map lists the source's leftovers; whoever serves the target removes them (step 7)."""
    OVER = "over"
    """The map wants something else by now, or a server knows a newer epoch than we do."""


class Event(Enum):
    """What came of a step."""

    DONE = "done"
    EXHAUSTED = "exhausted"
    """There are no more chunks."""
    FOUND_OWN = "found own"
    """The target's state is final already."""
    FOUND_SOURCE = "found source"
    """The source has a state of its ownership."""
    FOUND_NOTHING = "found nothing"
    """The source has none, or is silent for too long."""
    HELD = "held"
    """Moves are paused, or a server is silent: look again."""
    NEWER = "newer"
    """A server stands at a newer epoch: our map is old."""
    REFUSED = "refused"
    """The token or the count of chunks is not ours any more; or keys are damaged."""
    DIFFERS = "differs"
    """What was copied is not what is in the source."""
    MISSING = "missing"
    """There is nothing to restore from."""
    FAILED = "failed"
    """No answer: done or not."""
    DROPPED = "dropped"
    """The map does not want this move any more."""
    INTENDED = "intended"
    """The map was not switched."""


STEPS: Final[Mapping[tuple[Step, Event], Step]] = {
    (Step.LOOKING, Event.FOUND_OWN): Step.SWITCHING,
    (Step.LOOKING, Event.FOUND_SOURCE): Step.FENCING,
    (Step.LOOKING, Event.FOUND_NOTHING): Step.PLANNING,
    (Step.LOOKING, Event.HELD): Step.LOOKING,
    (Step.LOOKING, Event.NEWER): Step.OVER,
    (Step.FENCING, Event.DONE): Step.WIPING,
    (Step.FENCING, Event.FOUND_NOTHING): Step.LOOKING,
    (Step.FENCING, Event.NEWER): Step.OVER,
    (Step.WIPING, Event.DONE): Step.COPYING,
    (Step.COPYING, Event.DONE): Step.COPYING,
    (Step.COPYING, Event.EXHAUSTED): Step.VERIFYING,
    (Step.VERIFYING, Event.DONE): Step.OWNING,
    (Step.VERIFYING, Event.DIFFERS): Step.LOOKING,
    (Step.PLANNING, Event.DONE): Step.CLEARING,
    (Step.PLANNING, Event.MISSING): Step.LOOKING,
    (Step.CLEARING, Event.DONE): Step.WRITING,
    (Step.WRITING, Event.DONE): Step.WRITING,
    (Step.WRITING, Event.EXHAUSTED): Step.OWNING,
    (Step.OWNING, Event.DONE): Step.SWITCHING,
    (Step.SWITCHING, Event.DONE): Step.SWITCHED,
    (Step.SWITCHING, Event.FAILED): Step.ASKING,
    (Step.ASKING, Event.DONE): Step.SWITCHED,
    (Step.ASKING, Event.INTENDED): Step.SWITCHING,
    (Step.ASKING, Event.FAILED): Step.ASKING,
    **{
        (step, event): Step.LOOKING
        for step in (Step.WIPING, Step.COPYING, Step.VERIFYING, Step.CLEARING, Step.WRITING, Step.OWNING)
        for event in (Event.REFUSED, Event.FAILED)
    },
    **{(step, Event.FAILED): Step.LOOKING for step in (Step.LOOKING, Step.FENCING, Step.PLANNING)},
    **{(step, Event.REFUSED): Step.LOOKING for step in (Step.LOOKING, Step.FENCING)},
    **{(step, Event.DROPPED): Step.OVER for step in Step if step not in (Step.SWITCHED, Step.OVER)},
}
FINAL: Final = frozenset({Step.SWITCHED, Step.OVER})
COPIES: Final = frozenset({Step.COPYING, Step.WRITING})
PHASES: Final[Mapping[Step, MovePhase]] = {
    Step.LOOKING: MovePhase.WAITING,
    Step.FENCING: MovePhase.FENCING,
    Step.WIPING: MovePhase.WIPING,
    Step.COPYING: MovePhase.COPYING,
    Step.VERIFYING: MovePhase.VERIFYING,
    Step.PLANNING: MovePhase.RESTORING,
    Step.CLEARING: MovePhase.RESTORING,
    Step.WRITING: MovePhase.RESTORING,
    Step.OWNING: MovePhase.OWNING,
    Step.SWITCHING: MovePhase.SWITCHING,
    Step.ASKING: MovePhase.SWITCHING,
    Step.SWITCHED: MovePhase.FORGETTING,
}
"""What is told of each step; an OVER handover tells nothing, because the map has something newer to say."""


class ImpossibleMove(Exception):
    """An event that the handover's step does not know; the message has its last moves."""


@dataclass(frozen=True, slots=True)
class Handover:
    """One partition's handover. `after` returns the next state."""

    step: Step = Step.LOOKING
    chunks: int = 0
    """Written in this attempt."""
    attempts: int = 0
    """How often it began to write into the target. Each has a token of its own."""
    moves: tuple[tuple[Step, Event], ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.step in FINAL

    def after(self, event: Event, *, chunks: int = 0) -> "Handover":
        """The handover after `event`; `chunks` were written by it. Raises ImpossibleMove."""
        step = STEPS.get((self.step, event))
        if step is None:
            raise ImpossibleMove(f"{self.step} knows no {event}; last moves: {self.moves}")
        written = self.chunks + chunks if self.step in COPIES else self.chunks
        begins = step in (Step.WIPING, Step.CLEARING)
        handover = replace(
            self,
            step=step,
            chunks=0 if step is Step.LOOKING or begins else written,
            attempts=self.attempts + begins,
            moves=(*self.moves, (self.step, event))[-MOVES_KEPT:],
        )
        handover.check_invariants()
        return handover

    def check_invariants(self) -> None:
        """Raise AssertionError when this state cannot have come about."""
        assert self.chunks >= 0
        if self.step in (Step.LOOKING, Step.FENCING, Step.WIPING, Step.PLANNING, Step.CLEARING):
            assert self.chunks == 0, f"{self.chunks} chunks written before the wipe"
        if self.step in (Step.COPYING, Step.VERIFYING, Step.WRITING, Step.OWNING):
            assert self.attempts > 0, "nothing is written before a wipe"
        before = self.moves[-1] if self.moves else None
        if self.step is Step.OWNING:
            assert before in ((Step.VERIFYING, Event.DONE), (Step.WRITING, Event.EXHAUSTED)), "owned before it is whole"
        if self.step is Step.SWITCHED:
            assert before in ((Step.SWITCHING, Event.DONE), (Step.ASKING, Event.DONE))


@dataclass(frozen=True, slots=True)
class Order:
    """One move as the map wants it."""

    partition: Partition
    source: ShardId
    target: ShardId
    epoch: Epoch
    """The move's."""
    since: Epoch
    """The epoch at which the source became the owner."""


def orders_of(stored: StoredMap, shard: ShardId) -> dict[Partition, Order]:
    """All moves to this shard that the map wants."""
    if stored.map is None:
        return {}
    orders = {}
    for partition, move in stored.map.moving_to(shard).items():
        owner = stored.map.owners[partition]
        orders[partition] = Order(partition, owner.shard, shard, move.epoch, owner.since)
    return orders


def first_in_line(stored: StoredMap, *, silent: Collection[Partition] = ()) -> list[Partition]:
    """The moves that may be under way: of all that the map wants, the first so many as the limits allow for all shards.
    All workers count alike, so that nobody has to ask another. Those of which nothing is heard take nobody's place."""
    if stored.map is None:
        return []
    moving = [Partition(p) for p, owner in enumerate(stored.map.owners) if owner.move is not None]
    heard = [partition for partition in moving if partition not in silent]
    return heard[: stored.limits.moves_at_once]


def due(stored: StoredMap, shard: ShardId, *, silent: Collection[Partition] = ()) -> list[Order]:
    """The moves to this shard that may be under way. Its own are never `silent` to itself."""
    orders = orders_of(stored, shard)
    first = first_in_line(stored, silent=[partition for partition in silent if partition not in orders])
    return [orders[partition] for partition in first if partition in orders]


@dataclass(frozen=True, slots=True)
class Line:
    """The moves that are first in line, as one worker hears of them. A worker tells of its moves each second or so: one
    of which nothing is heard for a while has no worker, and its place is another's until it is heard again."""

    heard: Mapping[Partition, tuple[tuple[Epoch, int], float]] = field(default_factory=dict)
    """What was told last (epoch, time by the teller's clock), and since when that is known (by ours)."""

    def after(self, stored: StoredMap, reports: Sequence[MoveReport], *, now_s: float) -> "Line":
        """After the newest reports were read. Who comes to the front is given the whole while."""
        told = {report.partition: (report.move_epoch, report.changed_ms) for report in reports}
        heard = {}
        silent = self.silent(now_s)
        owners = () if stored.map is None else stored.map.owners
        left = [partition for partition in silent if partition < len(owners) and owners[partition].move is not None]
        for partition in sorted({*first_in_line(stored, silent=silent), *left}):
            newest = told.get(partition, (Epoch(0), 0))
            known, since_s = self.heard.get(partition, (None, now_s))
            heard[partition] = (newest, since_s if known == newest else now_s)
        return Line(heard)

    def silent(self, now_s: float) -> list[Partition]:
        """Those of which nothing was heard for too long."""
        return [partition for partition, (_, since_s) in self.heard.items() if now_s - since_s >= SILENT_S]


def is_wanted(order: Order, stored: StoredMap) -> bool:
    """Whether the map still wants this move."""
    return orders_of(stored, order.target).get(order.partition) == order


def is_switched(order: Order, stored: StoredMap) -> bool:
    """Whether this move has become the map."""
    if stored.map is None:
        return False
    owner = stored.map.owners[order.partition]
    return owner.shard == order.target and owner.since == order.epoch


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a shard still holds of a partition that this shard owns."""

    partition: Partition
    shard: ShardId
    epoch: Epoch
    """Of the ownership: what stands at a newer one is no leftover."""


def leftovers_of(stored: StoredMap, shard: ShardId) -> list[Leftover]:
    """What the owner `shard` has to have removed elsewhere."""
    if stored.map is None:
        return []
    return [
        Leftover(Partition(p), other, owner.epoch)
        for p, owner in enumerate(stored.map.owners)
        if owner.shard == shard
        for other in owner.forget
        if other != shard
    ]


def strays_of(stored: StoredMap, shard: ShardId) -> list[Leftover]:
    """What this shard's own Redis must not hold. Nobody lists it: a worker whose map is old finds a partition gone that
    was moved away and forgotten, and begins to restore it."""
    if stored.map is None:
        return []
    return [
        Leftover(Partition(p), shard, owner.epoch)
        for p, owner in enumerate(stored.map.owners)
        if owner.shard != shard and (owner.move is None or owner.move.target != shard)
    ]


@dataclass(frozen=True, slots=True)
class Away:
    """The source does not answer."""

    for_ms: int


def look(order: Order, *, target: Progress | None, source: Progress | Away | None, is_paused: bool) -> Event:
    """Judge what both servers say. Paused, nothing begins, and what is fenced is brought to its end: the partition
    stands still until then."""
    if target is not None and target.epoch > order.epoch:
        return Event.NEWER
    if target is not None and target.state is State.OWNED and target.epoch == order.epoch:
        return Event.FOUND_OWN
    if isinstance(source, Away):
        if is_paused or source.for_ms < SOURCE_PATIENCE_MS:
            return Event.HELD
        return Event.FOUND_NOTHING
    if source is not None and source.epoch > order.epoch:
        return Event.NEWER
    if source is None or source.state is not State.OWNED or source.epoch < order.since:
        return Event.HELD if is_paused else Event.FOUND_NOTHING
    is_begun = source.fenced and source.epoch == order.epoch
    return Event.HELD if is_paused and not is_begun else Event.FOUND_SOURCE
