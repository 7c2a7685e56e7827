"""Sends dead letters again. Each letter takes four steps, and what is true if we stop after any of them is known:

1. Refused, unless it is open, decodes now and has not counted; nothing written. 2. Marked `sending`: a later replay
first looks for it in the log. 3. Sent, its own bytes. 4. Marked `replayed` with its place: a second one is refused."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from audit.kafka_replay import LogReplay
from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from contracts.identity import id16_of
from contracts.ids import Id16, Offset, Partition, UserId
from contracts.partition_key import partition_of
from foundation.kafka_topics import check_topic
from foundation.settings import CommonSettings
from shardboard.dead.box import DeadBox
from shardboard.dead.counted import find_counted
from shardboard.dead.letters import Letter, Mark


class Sent(msgspec.Struct, frozen=True):
    """A letter that was sent again, and where it is now."""

    number: int
    partition: int
    offset: int


class RefusedLetter(msgspec.Struct, frozen=True):
    """A letter that was not sent, and why."""

    number: int
    reason: str


class ReplayReport(msgspec.Struct, frozen=True):
    """What became of every letter that was meant."""

    sent: tuple[Sent, ...]
    refused: tuple[RefusedLetter, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Refused items are told; nothing sent and nothing refused is nothing to do."""
        if self.refused:
            return ExitCode.DIFFERENT
        return ExitCode.OK if self.sent else ExitCode.NOTHING_TO_DO


@dataclass(frozen=True, slots=True)
class _Candidate:
    letter: Letter
    user_id: UserId
    id16: Id16


async def replay(common: CommonSettings, box: DeadBox, *, letters: Sequence[Letter]) -> ReplayReport:
    """Send all that may be sent. Raises KafkaError, RedisError, ShardUnreachable, Refused."""
    partitions = (await check_topic(common, common.actions_topic)).partitions
    sent: list[Sent] = []
    refused: list[RefusedLetter] = []
    by_partition: dict[Partition, list[_Candidate]] = defaultdict(list)
    for letter in letters:
        judged = _judge(common, letter)
        if isinstance(judged, str):
            refused.append(RefusedLetter(letter.number, judged))
        else:
            by_partition[partition_of(judged.user_id, partitions)].append(judged)
    for partition, candidates in sorted(by_partition.items()):
        counted = dict(
            await find_counted(
                common,
                partition,
                ids=[one.id16 for one in candidates],
                ignored={one.letter.offset for one in candidates if one.letter.partition == partition},
                partitions=partitions,
            )
        )
        for candidate in candidates:
            letter = candidate.letter
            earlier = await _find_sent(common, letter, partition=partition) if letter.state == "sending" else None
            if earlier is not None:
                await box.mark(letter, Mark(state="replayed", at_ms=now_ms(), partition=partition, offset=earlier))
                refused.append(RefusedLetter(letter.number, f"it was sent before, to {partition}/{earlier}"))
            elif candidate.id16 in counted:
                refused.append(RefusedLetter(letter.number, f"its id counted already: {counted[candidate.id16]}"))
            else:
                sent.append(await _send(box, letter))
                counted[candidate.id16] = f"letter {letter.number} has the same id and was sent just now"
    return ReplayReport(tuple(sent), tuple(refused))


async def _send(box: DeadBox, letter: Letter) -> Sent:
    # 2.
    await box.mark(letter, Mark(state="sending", at_ms=now_ms()))
    # 3.
    partition, offset = await box.send(letter)
    # 4.
    await box.mark(letter, Mark(state="replayed", at_ms=now_ms(), partition=partition, offset=offset))
    return Sent(letter.number, partition, offset)


def _judge(common: CommonSettings, letter: Letter) -> _Candidate | str:
    """1. The letter with its user and id, or why it must not be sent."""
    mark = letter.mark
    if mark is not None and mark.state != "sending":
        where = f" to {mark.partition}/{mark.offset}" if mark.partition is not None else ""
        return f"it was {mark.state} before{where}"
    if letter.topic != common.actions_topic:
        return f"it came from topic {letter.topic!r}, this deployment's is {common.actions_topic!r}"
    record = letter.decoded()
    if isinstance(record, str):
        return f"it still does not decode: {record}"
    if letter.key != record.user_id.encode():
        return f"its key {letter.key!r} is not its user {record.user_id!r}: it would count in another's partition"
    return _Candidate(letter, record.user_id, id16_of(record.user_id, record.id))


async def _find_sent(common: CommonSettings, letter: Letter, *, partition: Partition) -> Offset | None:
    """Where the letter's bytes were appended since it was marked `sending`; None when they were not."""
    assert letter.mark is not None
    log = LogReplay(common.kafka, topic=common.actions_topic)
    try:
        await log.start()
        since = letter.mark.at_ms - common.rules.clock_skew_ms
        begin, end = await log.find(partition, since), (await log.bounds([partition]))[partition].end
        if begin is None:
            return None
        log.open(partition, begin)
        async for records in log.until(end):
            for record in records:
                if (record.key, record.value) == (letter.key, letter.value) and record.offset != letter.offset:
                    return Offset(record.offset)
    finally:
        await log.close()
    return None
