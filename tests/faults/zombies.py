"""Zombies: a worker freezes in the middle of a write, a standby takes over, and then the old write arrives.

Every round sends at least one such write, from the zombie's own connection, to the real Redis, and reads its answers.
"""

import asyncio
import re
import signal
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Partition
from foundation.redis_connect import connect
from shardboard.data_dir import redis_name
from tests.faults.deployment import PARTITIONS, WORKERS, Deployment
from tests.faults.processes import ServiceProcess
from tests.faults.proxy import Link, Verdict
from tests.faults.schedule import Edge
from tests.support.wait import wait_until

SHARD: Final = "s1"
TURN_S: Final = 30.0
_ACCEPTED: Final = re.compile(rb"\*3\r\n\$2\r\nOK\r\n")
_FENCED: Final = re.compile(rb"\$6\r\nFENCED\r\n")
_APPLY: Final = frozenset({"shard:sb1_apply"})


@dataclass(slots=True)
class Zombies:
    """What came of the writes of zombies."""

    rounds: int = 0
    fenced: int = 0
    accepted: int = 0
    notes: list[str] = field(default_factory=list)


async def haunt(deployment: Deployment, zombies: Zombies) -> None:
    """One round; load must be running.

    1. Freeze the active worker as its apply calls leave, and keep them. 2. Wait until the standby has applied to every
    partition that they were for. 3. Let them arrive, and read the answers. 4. Thaw; it must stand by.
    """
    found: list[ServiceProcess] = []
    await wait_until(lambda: _one_of_each(deployment, found), timeout_s=TURN_S, what="an active worker and a standby")
    active = found[0]
    # 1.
    redis = connect(deployment.direct(redis_name(SHARD)))
    try:
        link = await _freeze(deployment, active)
        before = await _writers(redis)
        try:
            # 2.
            await wait_until(lambda: _is_taken_over(redis, before), timeout_s=TURN_S, what="the standby to take over")
            # 3.
            await _deliver(deployment, link, zombies=zombies)
        finally:
            link.release()
            active.signal_now(signal.SIGCONT)
        # 4.
        await wait_until(lambda: _stands_by(active), timeout_s=TURN_S, what=f"{active.name} to stand by")
    finally:
        await redis.aclose()
    zombies.rounds += 1


async def _freeze(deployment: Deployment, active: ServiceProcess) -> Link:
    def strike(_: Link | None) -> Verdict:
        active.signal_now(signal.SIGSTOP)
        return Verdict.HOLD

    aim = deployment.wiretap.aim(_APPLY, Edge.BEFORE, act=strike, client=active.name)
    try:
        async with asyncio.timeout(TURN_S):
            return await aim.hit
    finally:
        deployment.wiretap.give_up(aim)


async def _deliver(deployment: Deployment, link: Link, *, zombies: Zombies) -> None:
    asked = sum(data.count(b"sb1_apply") for data in link.held)
    answers = bytearray()
    deployment.wiretap.on_reply_of[link] = answers.extend
    link.release()
    try:

        def is_answered() -> bool:
            return len(_ACCEPTED.findall(answers)) + len(_FENCED.findall(answers)) >= asked

        await wait_until(is_answered, timeout_s=TURN_S, what="the answers to the zombie's writes")
    finally:
        del deployment.wiretap.on_reply_of[link]
        zombies.accepted += len(_ACCEPTED.findall(answers))
        zombies.fenced += len(_FENCED.findall(answers))


async def _one_of_each(deployment: Deployment, found: list[ServiceProcess]) -> bool:
    workers = [deployment.services[name] for name, shard in WORKERS.items() if shard == SHARD]
    healths = await asyncio.gather(*(worker.health() for worker in workers))
    roles = [health.detail.get("role") if health is not None and health.is_ready else None for health in healths]
    if sorted(map(str, roles)) != ["active", "standby"]:
        return False
    found[:] = [worker for worker, role in zip(workers, roles, strict=True) if role == "active"]
    return True


async def _stands_by(worker: ServiceProcess) -> bool:
    health = await worker.health()
    return health is not None and health.is_ready and health.detail.get("role") == "standby"


async def _writers(redis: Redis) -> dict[int, tuple[bytes, int]]:
    """Writer and position of every partition of the shard."""
    found: dict[int, tuple[bytes, int]] = {}
    for partition in range(PARTITIONS):
        writer, offset = await _progress(redis, partition)
        if writer:
            found[partition] = (writer, offset)
    return found


async def _is_taken_over(redis: Redis, before: dict[int, tuple[bytes, int]]) -> bool:
    """Whether every partition has another writer, and one of them has applied something."""
    now = await _writers(redis)
    return all(now[p][0] != writer for p, (writer, _) in before.items()) and any(
        now[p][1] > offset for p, (_, offset) in before.items()
    )


async def _progress(redis: Redis, partition: int) -> tuple[bytes, int]:
    raw: Any = await redis.hmget(redis_keys.progress(Partition(partition)), ["writer", "next_offset"])
    return raw[0] or b"", int(raw[1] or 0)
