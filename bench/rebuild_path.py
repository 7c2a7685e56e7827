"""A shard that lost its Redis, rebuilt from the log by its worker: beside a loop that reads and decodes the same log
and keeps nothing. From the first claim to the last record applied; what a process takes to start counts on no side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from bench.actions import PARTITIONS, SAMPLE, ZIPF, LogWriter, People, Poll, people, people_of
from bench.apply_path import POLL_RECORDS
from bench.baselines.consume_loop import ConsumePlan, consume_apart
from bench.ground import Ground
from bench.log_maker import fill_log
from bench.results import PER_S, Ask, Part, Way, make_part
from bench.whole import Progress, Whole, progress_of, start_workers, whole
from contracts.clock import monotonic_s, now_ms
from contracts.ids import UserId
from contracts.partition_key import partition_of

WORKER, LOOP = "shard rebuilt", "read and decoded only"
BAR: Final = 0.3
RECORDS: Final = 4
"""Times those of the form: a rebuild shall last longer than what surrounds it."""
BOARDS: Final = ("all_time", "all_time,daily,weekly")
_LOOK_AGAIN_S: Final = 0.002


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Each distribution on one board, where the bar is; evenly distributed users on three, too."""
    for kind in (*ground.sizes.distributions, *([SAMPLE] if ground.asked.sample else [])):
        if ground.asked.wants(_case(kind, 1)):
            yield await _rebuilt(ground, kind, boards=BOARDS[0])
    kind = ground.sizes.distributions[0]
    if ground.asked.wants(_case(kind, 3)):
        yield await _rebuilt(ground, kind, boards=BOARDS[1])


def _case(kind: str, boards: int) -> str:
    return f"{kind}, {boards} board{'s' * (boards > 1)}"


async def _rebuilt(ground: Ground, kind: str, *, boards: str) -> Part:
    sizes, acting, count = ground.sizes, acting_as(ground, kind), boards.count(",") + 1
    records = RECORDS * sizes.records
    found = {name: Way(name, {PER_S: []}) for name in (WORKER, LOOP)}
    topic = ""
    for number in range(sizes.rounds + 1):
        async with whole(ground, "rebuild", partitions=PARTITIONS, environ={"SHARDBOARD_PERIODS": boards}) as (
            deployment,
            running,
        ):
            topic = topic or await filled(ground, deployment, acting=acting, records=records)
            deployment.grounded.environ["SHARDBOARD_ACTIONS_TOPIC"] = topic
            rebuilt_s = await rebuild_s(deployment, running, records=records)
            read = await consume_apart(ConsumePlan(deployment.grounded.kafka, topic, PARTITIONS, records))
        if number:
            found[WORKER].measures[PER_S].append(records / rebuilt_s)
            found[LOOP].measures[PER_S].append(records / read.seconds)
    bar = BAR if count == 1 else None
    return make_part(
        "rebuild", _case(kind, count),
        settings={"users": len(acting.users), "records": records, "boards": count, "users_are": kind},
        ways=list(found.values()),
        asks=[Ask(measure=PER_S, first=WORKER, second=LOOP, at_least=bar)],
    )  # fmt: skip


def acting_as(ground: Ground, kind: str) -> People:
    """The form's users by a distribution, or those of the sample."""
    if kind == SAMPLE and ground.asked.sample is not None:
        return people_of(ground.asked.sample)
    return people(ground.sizes.users, zipf=ZIPF[kind])


async def filled(ground: Ground, deployment: Whole, *, acting: People, records: int) -> str:
    """The deployment's topic, which holds so many actions now."""
    log = LogWriter(acting, seed=ground.seed, begin_ms=now_ms())
    polls = (spread(poll, deployment.partitions) for poll in log.polls(records, poll_records=POLL_RECORDS))
    await fill_log(deployment.grounded.kafka, deployment.grounded.topic, polls=polls)
    return deployment.grounded.topic


def spread(poll: Poll, partitions: int) -> Poll:
    """The same records, over as many partitions."""
    if partitions == PARTITIONS:
        return poll
    found: Poll = {}
    for record in (record for records in poll.values() for record in records):
        found.setdefault(partition_of(UserId(record.key.decode()), partitions), []).append(record)
    return found


async def rebuild_s(deployment: Whole, running: AsyncExitStack, *, records: int) -> float:
    """From the first partition that a worker claims to the last record applied."""
    async with progress_of(deployment) as progress:
        starting = asyncio.create_task(start_workers(deployment, running), name="workers")
        began_s = await _claimed(progress, starting)
        ended_s = await progress.until(records)
        await starting
    return ended_s - began_s


async def _claimed(progress: Progress, starting: "asyncio.Task[None]") -> float:
    while await progress.applied() is None:
        if starting.done():
            starting.result()
        await asyncio.sleep(_LOOK_AGAIN_S)
    return monotonic_s()
