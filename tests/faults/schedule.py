"""Which faults a run makes, in which order: a function of the seed alone. Pure.

The first faults aim at every step of every victim once, in random order; the rest is random. A run that is resumed
computes the same list again.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.faults.steps import Target, all_steps, steps_of


class Kind(StrEnum):
    """What happens to the victim."""

    KILL = "kill"
    """SIGKILL, and a new start."""
    FREEZE = "freeze"
    """SIGSTOP for longer than the lease, then SIGCONT."""
    RESTART = "restart"
    """An orderly end, and a new start."""
    RESET = "reset"
    """Its connections end with a reset."""
    BLACK_HOLE = "black hole"
    """Nothing passes in either direction, then a reset."""
    HALF_OPEN = "half-open"
    """Requests arrive and their answers are lost, then a reset."""
    ROLLBACK = "rollback"
    """The server is killed and starts with an older copy of its files."""
    TAIL_CUT = "tail cut"
    """The server is killed and has lost the end of its append-only file."""


class Edge(StrEnum):
    """On which side of the server's work a fault hits."""

    BEFORE = "before"
    """The request has left the client and has not reached the server."""
    AFTER = "after"
    """The server has done it, and its answer has not reached the client."""


PROCESS_KINDS: Final = (Kind.KILL, Kind.FREEZE, Kind.RESTART)
CUT_KINDS: Final = (Kind.RESET, Kind.BLACK_HOLE, Kind.HALF_OPEN)
CAN_BE_CUT: Final = frozenset({Target.GATEWAY, Target.SHARD_REDIS, Target.CACHE, Target.KAFKA, Target.POSTGRES})
"""A proxy stands before each of them."""
KAFKA_SHARE_MAX: Final = 0.1
"""The log itself is Kafka's to keep; and each of its failures stops everything for seconds."""
_WEIGHTS: Final = {
    Target.GATEWAY: 4,
    Target.WORKER: 6,
    Target.SHARD_REDIS: 6,
    Target.CACHE: 4,
    Target.MERGER: 4,
    Target.ARCHIVER: 4,
    Target.KAFKA: 2,
    Target.POSTGRES: 3,
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things last, in s."""

    pause_s: tuple[float, float] = (0.2, 1.5)
    """Between two faults."""
    frozen_s: tuple[float, float] = (1.5, 3.0)
    """Longer than the lease of the deployment."""
    cut_s: tuple[float, float] = (0.5, 2.5)
    down_s: tuple[float, float] = (0.0, 1.5)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as planned. `pick` chooses among the processes of the target, and whatever else is to be chosen."""

    number: int
    target: Target
    kind: Kind
    step: str
    edge: Edge
    pick: int
    pause_s: float
    lasts_s: float


def kinds_of(target: Target) -> tuple[Kind, ...]:
    """The faults that a kind of victim can have."""
    cuts = CUT_KINDS if target in CAN_BE_CUT else ()
    copies = (Kind.ROLLBACK, Kind.TAIL_CUT) if target is Target.SHARD_REDIS else ()
    return (*PROCESS_KINDS, *cuts, *copies)


def schedule(seed: int, count: int, *, targets: Sequence[Target] = tuple(Target), pace: Pace = Pace()) -> list[Fault]:
    """`count` faults. The first ones of a longer list are those of the shorter one."""
    rng = random.Random(seed)
    aims = all_steps(targets)
    rng.shuffle(aims)
    kinds = {target: _shuffled(rng, kinds_of(target)) for target in targets}
    faults: list[Fault] = []
    of_kafka = sum(target is Target.KAFKA for target, _ in aims)
    for number in range(count):
        if number < len(aims):
            target, step = aims[number]
        else:
            allowed = [t for t in targets if t is not Target.KAFKA or of_kafka < KAFKA_SHARE_MAX * number]
            target = rng.choices(allowed, [_WEIGHTS[t] for t in allowed])[0]
            of_kafka += target is Target.KAFKA
            step = rng.choice(steps_of(target))
        kind = kinds[target].pop()
        kinds[target] = kinds[target] or _shuffled(rng, kinds_of(target))
        faults.append(_fault(rng, number, target=target, kind=kind, step=step, pace=pace))
    return faults


def _fault(rng: random.Random, number: int, *, target: Target, kind: Kind, step: str, pace: Pace) -> Fault:
    lasts = {
        Kind.FREEZE: pace.frozen_s,
        Kind.RESET: (0.0, 0.0),
        Kind.BLACK_HOLE: pace.cut_s,
        Kind.HALF_OPEN: pace.cut_s,
    }.get(kind, pace.down_s)
    return Fault(
        number=number,
        target=target,
        kind=kind,
        step=step,
        edge=rng.choice(tuple(Edge)),
        pick=rng.randrange(2**16),
        pause_s=rng.uniform(*pace.pause_s),
        lasts_s=rng.uniform(*lasts),
    )


def _shuffled(rng: random.Random, kinds: Sequence[Kind]) -> list[Kind]:
    mixed = list(kinds)
    rng.shuffle(mixed)
    return mixed
