"""What a victim may be doing when a fault hits it, read from the bytes on its connections. Pure.

A label is one request as `wire.py` names it, such as `redis:sb1_apply`. Steps of a victim stand in order: of several
requests under way the first one names the step; `idle` is the absence of all others.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Target(StrEnum):
    """The kinds of processes that faults hit."""

    GATEWAY = "gateway"
    WORKER = "worker"
    SHARD_REDIS = "shard redis"
    CACHE = "cache"
    MERGER = "merger"
    ARCHIVER = "archiver"
    KAFKA = "kafka"
    POSTGRES = "postgres"


IDLE: Final = "idle"

_SHARD_STEPS: Final = {
    "claiming": ("shard:sb1_claim",),
    "recomputing": ("shard:ZCARD", "shard:ZRANGE", "shard:ZCOUNT", "shard:HMGET", "shard:SCAN"),
    "applying": ("shard:sb1_apply",),
}
_LABELS: Final[dict[Target, dict[str, tuple[str, ...]]]] = {
    Target.GATEWAY: {"producing": ("kafka:produce",), "reading boards": ("cache:MGET", "cache:SCAN"), IDLE: ()},
    Target.WORKER: {
        **_SHARD_STEPS,
        "comparing with the log": ("kafka:list offsets",),
        "publishing": ("cache:HSET", "cache:HGETALL"),
        IDLE: (),
    },
    Target.SHARD_REDIS: {**_SHARD_STEPS, "leasing": ("shard:sb1_take_lease",), IDLE: ()},
    Target.CACHE: {
        "board written": ("cache:shardboard_write_boards_1",),
        "shard top written": ("cache:HSET",),
        "boards read": ("cache:MGET",),
        IDLE: (),
    },
    Target.MERGER: {
        "writing boards": ("cache:shardboard_write_boards_1",),
        "reading tops": ("cache:HMGET", "cache:HGETALL"),
        IDLE: (),
    },
    Target.ARCHIVER: {
        "raw transaction": ("postgres:raw",),
        "score transaction": ("postgres:scores",),
        "committing": ("postgres:commit",),
        IDLE: (),
    },
    Target.KAFKA: {"appending": ("kafka:produce",), "fetching": ("kafka:fetch",)},
    Target.POSTGRES: {
        "raw transaction": ("postgres:raw",),
        "score transaction": ("postgres:scores",),
        "committing": ("postgres:commit",),
        IDLE: (),
    },
}

AT_OPENING: Final = frozenset({"claiming", "recomputing"})
"""Steps of a session's first moments: somebody must lose the ground under it before they can be hit."""


def steps_of(target: Target) -> tuple[str, ...]:
    """All steps of a kind of victim, the ones that name a moment first."""
    return tuple(_LABELS[target])


def labels_of(target: Target, step: str) -> frozenset[str]:
    """The requests that make up a step; none for idle."""
    return frozenset(_LABELS[target][step])


def step_of(target: Target, labels: Iterable[str]) -> str:
    """The step of a victim with these requests under way."""
    under_way = set(labels)
    for step, wanted in _LABELS[target].items():
        if under_way.intersection(wanted):
            return step
    return IDLE


def all_steps(targets: Iterable[Target]) -> list[tuple[Target, str]]:
    """Every step that a run over these targets must have hit."""
    return [(target, step) for target in targets for step in steps_of(target)]
