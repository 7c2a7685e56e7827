"""The auditor: follows the log by itself, and compares its totals with every shard's at the same offset, for ever."""

from typing import Final

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from redis.exceptions import RedisError

from audit.auditing import Audit, Change, Verdict
from audit.kafka_follower import LogFollower
from audit.redis_progress import read_totals
from audit.settings import RECORDS_PER_POLL, Settings
from contracts import metric_names
from contracts.clock import monotonic_s
from contracts.ids import Offset, Partition
from foundation.health import ProgressHealth
from foundation.http_internal import Readiness, internal_port
from foundation.kafka_topics import check_topic
from foundation.logs import get_log
from foundation.mapped_shards import MappedShards
from foundation.metrics import Metrics
from foundation.service import StopSignal

RETRY_S: Final = 1.0
"""Between two tries while a server is away: what the auditor misses meanwhile it counts afterwards."""


async def serve(settings: Settings, stop: StopSignal) -> None:
    """Run until `stop` is set. Raises Refused, OSError when the internal port is taken."""
    auditor = Auditor(settings)
    listen, registry = settings.common.admin_listen, auditor.metrics.registry
    async with internal_port(listen, registry, readiness=auditor.readiness):
        await auditor.run(stop)


class Auditor:
    """One auditor process. Several may run: they only read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        common = settings.common
        self._audit = Audit(common.rules, common.calendar)
        self._shards = MappedShards(common.shards, postgres_url=common.postgres_url, name="shardboard auditor")
        self._health = ProgressHealth()
        self._since_s = monotonic_s()
        self.metrics = Metrics()
        self._differences = self.metrics.gauge(metric_names.AUDIT_DIFFERENCES)
        self._untold = self.metrics.gauge(metric_names.AUDIT_UNTOLD)
        self._offset = self.metrics.gauge(metric_names.AUDITED_OFFSET)
        age = self.metrics.gauge(metric_names.AUDIT_AGE_SECONDS)
        age.set_function(lambda: monotonic_s() - self._audit.oldest_s(self._since_s))

    def readiness(self) -> Readiness:
        """Ready while it counts, or is where the shards are. A difference is an alarm's business, not readiness's."""
        return Readiness(
            self._health.is_ready(monotonic_s()),
            {verdict.name.lower(): self._audit.number_of(verdict) for verdict in Verdict},
        )

    async def run(self, stop: StopSignal) -> None:
        """Rounds until `stop` is set. Raises Refused."""
        try:
            while not stop.is_set:
                try:
                    await self._follow(stop)
                except (KafkaError, RedisError, OSError) as error:
                    get_log().warning("audit_interrupted", error=f"{type(error).__name__}: {error}")
                    await stop.sleep(RETRY_S)
        finally:
            await self._shards.close()

    async def _follow(self, stop: StopSignal) -> None:
        """From the log's beginning until `stop` is set or Kafka's client gives up; then the count begins anew."""
        common = self._settings.common
        topic = await check_topic(common, common.actions_topic)
        log = LogFollower(
            common.kafka, topic=common.actions_topic, partitions=topic.partitions, records_max=RECORDS_PER_POLL
        )
        try:
            for partition, begin in (await log.start()).items():
                self._tell(self._audit.begin(partition, begin))
                if begin:
                    log.drop(partition)
            while not stop.is_set:
                await self._round(log, topic.partitions, stop=stop)
                await stop.sleep(self._settings.interval_ms / 1000)
        finally:
            await log.close()

    async def _round(self, log: LogFollower, partitions: int, *, stop: StopSignal) -> None:
        try:
            stored = await read_totals(await self._shards.current(), partitions)
        except RedisError as error:
            get_log().warning("shard_away", error=f"{type(error).__name__}: {error}")
            return
        ends = await log.ends()
        while not stop.is_set:
            targets = self._audit.targets(stored, ends)
            self._observe(targets)
            if not targets:
                break
            await self._count(log, targets)
        else:
            return
        self._tell(self._audit.compare(stored, now_s=monotonic_s()))
        self._show()

    async def _count(self, log: LogFollower, targets: dict[Partition, Offset]) -> None:
        try:
            for partition, records in (await log.poll(targets)).items():
                self._audit.take(partition, records)
        except OffsetOutOfRangeError:
            begins = await log.begins()
            for partition in targets:
                count = self._audit.partitions[partition].count
                if count is not None and begins[partition] > count.next_offset:
                    self._tell(self._audit.give_up(partition, f"the log begins at offset {begins[partition]}"))
                    log.drop(partition)

    def _observe(self, targets: dict[Partition, Offset]) -> None:
        counts = {p: known.count.next_offset for p, known in self._audit.partitions.items() if known.count is not None}
        self._health = self._health.observe(
            position=sum(counts.values()),
            lag=sum(target - counts[partition] for partition, target in targets.items()),
            now_s=monotonic_s(),
        )

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            log = get_log().info if change.verdict is Verdict.EQUAL else get_log().error
            log(f"audit_{change.verdict.name.lower()}", partition=change.partition, offset=change.offset,
                detail=change.detail)  # fmt: skip

    def _show(self) -> None:
        self._differences.set(self._audit.number_of(Verdict.DIFFERENT))
        self._untold.set(self._audit.number_of(Verdict.UNTOLD))
        for partition, known in self._audit.partitions.items():
            if known.count is not None:
                self._offset.labels(partition=str(partition)).set(known.count.next_offset)
