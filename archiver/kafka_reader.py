"""Reads the partitions that the consumer group gives this archiver, from positions that Postgres holds.

The group only shares partitions out; its committed offsets are for Kafka's lag tools and are never read back. Callbacks
of a rebalance only note what happened: one task, the session's, reads positions, seeks and polls."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, RebalanceInProgressError

from contracts.ids import Offset, Partition
from contracts.progress import LastRecord
from foundation.kafka_consumer import log_consumer, read_begins, read_ends, start_consumer, stop_consumer
from foundation.logs import get_log
from foundation.service import Refused

FETCH_WAIT_MS: Final = 250
SESSION_TIMEOUT_MS: Final = 10_000
"""A killed archiver's partitions are given to others after this; Kafka's own least is 6 s."""
HEARTBEAT_MS: Final = 1_000
POLL_GAP_MS_MAX: Final = 120_000
"""Longest time between two polls: above Postgres's timeouts, so that a slow transaction costs no partition."""


class KafkaReader:
    """One member of the group. A reader that does not progress is thrown away, and another one made."""

    def __init__(self, bootstrap: str, *, topic: str, group: str, partitions: int) -> None:
        self._topics = {Partition(p): TopicPartition(topic, p) for p in range(partitions)}
        self._consumer = log_consumer(
            bootstrap,
            fetch_wait_ms=FETCH_WAIT_MS,
            group_id=group,
            # Between an assignment and our seek the client looks for a position by itself; nothing that it then reads
            # is used, and "none" would make an error of it.
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=POLL_GAP_MS_MAX,
        )
        self._topic = topic
        self._listener = _Listener()
        self._expected: dict[Partition, Offset] = {}
        """Followed partitions → the next offset to come."""
        self._marks: dict[Partition, LastRecord] = {}
        """The record that must come first, because it was the last one archived."""

    async def start(self) -> None:
        """Connect and join the group. Raises KafkaError."""
        await start_consumer(self._consumer)
        self._consumer.subscribe([self._topic], listener=self._listener)

    async def close(self) -> None:
        """Leave the group; may be called twice."""
        await stop_consumer(self._consumer)

    def take_assignment(self) -> set[Partition] | None:
        """The partitions that are ours from now on, after a rebalance; None when there was none. Follow them all."""
        assigned = self._listener.take()
        if assigned is None:
            return None
        self._expected.clear()
        self._marks.clear()
        return {Partition(topic.partition) for topic in assigned}

    @property
    def has_changed(self) -> bool:
        """Whether partitions were taken away or given since `take_assignment`."""
        return self._listener.has_changed

    async def begin_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, Offset]:
        """Where the log begins. Raises KafkaError."""
        return await read_begins(self._consumer, [self._topics[p] for p in partitions])

    async def end_offsets(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, Offset]:
        """Where the log ends at the moment, of these or of all partitions. Raises KafkaError."""
        wanted = list(self._topics.values()) if partitions is None else [self._topics[p] for p in partitions]
        return await read_ends(self._consumer, wanted)

    def follow(self, partition: Partition, offset: Offset, *, last: LastRecord | None) -> None:
        """Read from `offset`. `last`: the record before it, if the log still has it; it is compared."""
        topic = self._topics[partition]
        try:
            self._consumer.seek(topic, offset if last is None else last.offset)
        except IllegalStateError:  # taken away meanwhile: the next rebalance tells
            return
        self._consumer.resume(topic)
        self._expected[partition] = offset
        if last is not None:
            self._marks[partition] = last

    async def poll(self, *, wait_s: float, records_max: int) -> dict[Partition, list[Any]]:
        """What comes next, by partition, in log order. Raises KafkaError, Refused when it is another log."""
        polled = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=records_max)
        if self.has_changed:
            return {}
        arrived: dict[Partition, list[Any]] = {}
        for topic, records in polled.items():
            partition = Partition(topic.partition)
            following = self._following(partition, records) if partition in self._expected else []
            if following:
                self._expected[partition] = Offset(following[-1].offset + 1)
                arrived[partition] = following
        return arrived

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Show Kafka's tools how far the partitions are archived."""
        if not offsets:
            return
        try:
            await self._consumer.commit({self._topics[partition]: offset for partition, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError):
            return  # partitions are on their way to others
        except KafkaError as error:
            get_log().warning("lag_not_shown", error=f"{type(error).__name__}: {error}")

    def _following(self, partition: Partition, records: list[Any]) -> list[Any]:
        if records[0].timestamp_type != 1:
            raise Refused(f"topic {self._topic} has no LogAppendTime: log time decides what counts")
        mark = self._marks.pop(partition, None)
        if mark is not None:
            found = LastRecord.of(records[0])
            if found != mark:
                raise Refused(
                    f"partition {partition}: the record archived last was {mark.encode()} "
                    f"(offset:append time:crc32), the log has {found.encode()}: it is another log"
                )
        expected = self._expected[partition]
        return [record for record in records if record.offset >= expected]


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group decided."""

    def __init__(self) -> None:
        self._assigned: set[TopicPartition] | None = None
        self.has_changed = False

    def take(self) -> set[TopicPartition] | None:
        """The newest assignment, once."""
        assigned, self._assigned = self._assigned, None
        if assigned is not None:
            self.has_changed = False
        return assigned

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002  all are shared out anew
        """Nothing that still comes may be used."""
        self.has_changed = True
        self._assigned = None

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """What comes is used once positions were read."""
        self.has_changed = True
        self._assigned = set(assigned)
