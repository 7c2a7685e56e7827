"""The partitions of one session: which are the shard's by the map, and of these which are followed, wait, or are lost.

Owned by the session's loop, which calls everything here between two rounds; the watch beside it only reads. A change of
one partition touches no other: what is gained is claimed beside the loop, what is lost or fenced is let go alone.
"""

from collections.abc import Iterable, Mapping

from contracts.clock import monotonic_s
from contracts.ids import Epoch, Offset, Partition
from contracts.moves import StoredMap
from contracts.restore import RestoreRequest
from foundation.health import ProgressHealth
from foundation.logs import get_log
from foundation.redis_cluster_mark import ClusterMark
from shard_worker.fold import Position
from shard_worker.kafka_reader import KafkaReader
from shard_worker.local_top import LocalTop
from shard_worker.ownership import change_of, rights_of
from shard_worker.redis_claims import Taken
from shard_worker.redis_restorer import Restorer, RestoreTools
from shard_worker.redis_session_tools import Tools
from shard_worker.redis_taker import Outcome, Taker, take_from
from shard_worker.redis_top_reader import TopReader
from shard_worker.restore_steps import Cause, Loss

Asked = Mapping[Partition, tuple[str, RestoreRequest]]
"""What operators want restored, each with the request's id."""


class Served:
    """Call `open` first and `close` in any case."""

    def __init__(self, tools: Tools, stored: StoredMap, *, mark: ClusterMark) -> None:
        assert stored.map is not None
        settings, common = tools.settings, tools.settings.common
        self._tools = tools
        self.map_version = stored.version
        self.rights = rights_of(stored.map, settings.shard)
        """What the map gives the shard."""
        self.epochs: dict[Partition, Epoch] = {}
        """Of the followed partitions, as they were claimed."""
        self.applied: dict[Partition, Position] = {}
        """Where each followed partition stands in Redis."""
        self.folded: dict[Partition, Position] = {}
        """Where each followed partition stands with the batches that are made already."""
        self.ends: dict[Partition, Offset] = {}
        self.health: dict[Partition, ProgressHealth] = {}
        self.touched: set[Partition] = set()
        """Partitions that were let go since the session cleared this: batches of them are not applied."""
        self.waiting: dict[Partition, str] = {}
        """Partitions that are being moved, with what Redis said."""
        self.top = LocalTop(shown=settings.top_rows)
        self._tops = TopReader(tools.redis)
        self.reader = KafkaReader(
            common.kafka,
            topic=common.actions_topic,
            group=f"{common.actions_topic}-shard-{settings.shard}",
            partitions=map(Partition, range(mark.partitions)),
        )
        self.taker = Taker(settings, tools.shard, partitions=mark.partitions)
        self.restorer = Restorer(RestoreTools(settings, mark, tools.redis, tools.shard, tools.lease, tools.metrics))

    @property
    def halted(self) -> dict[Partition, str]:
        """Partitions that are served but not read on, because too much of their log is dead; with the reason."""
        return {p: reason for p, reason in self._tools.breaker.tripped.items() if p in self.rights}

    async def open(self) -> None:
        """Claim all that is the shard's. Raises Refused when keys are damaged, KafkaError, RedisError."""
        await self.reader.start()
        rights = dict(self.rights)
        await self._adopt(await take_from(self.reader, self._tools.shard, rights=rights, settings=self._tools.settings))
        await self.read_stale()
        self.observe()

    async def close(self) -> None:
        """Give the connections back; may be called twice."""
        await self.restorer.close()
        await self.taker.close()
        await self.reader.close()

    def follow_map(self, stored: StoredMap) -> None:
        """Go on by a newer map: what it takes away is let go at once, what it gives is claimed from here on."""
        assert stored.map is not None
        self.map_version = stored.version
        rights = rights_of(stored.map, self._tools.settings.shard)
        change = change_of(self.rights, rights)
        self.rights = rights
        for partition in change.let_go:
            self.let_go(partition)
            self.waiting.pop(partition, None)
            self.restorer.drop(partition)
        self.taker.want({partition: rights[partition] for partition in change.take})
        if change.let_go or change.take:
            get_log().info("map_followed", version=stored.version, let_go=sorted(change.let_go),
                           take=sorted(change.take))  # fmt: skip
        for partition in set(self.waiting):
            self.try_again(partition)

    def has_changes(self) -> bool:
        """Whether `change` has something to do."""
        return self.taker.has_outcomes or bool(self._to_take())

    async def change(self, asked: Asked) -> None:
        """Between two rounds: let go of what an operator wants restored, follow what was claimed meanwhile."""
        for partition, (request_id, request) in asked.items():
            if partition in self.restorer.lost:
                self.restorer.ask(partition, wanted=request.source, request=request_id)
            elif partition in self.applied:
                loss = Loss(Cause.ASKED, given_up=self.let_go(partition), wanted=request.source, request=request_id)
                self.restorer.want(partition, loss, epoch=self.rights[partition].epoch)
        self.taker.want({partition: self.rights[partition] for partition in self._to_take()})
        for outcome in self.taker.pick_up():
            await self._adopt(outcome)
        await self.read_stale()

    def let_go(self, partition: Partition) -> Offset | None:
        """Follow this partition no more; where it stood if it was followed."""
        if partition not in self.applied:
            return None
        self.touched.add(partition)
        self.reader.leave(partition)
        self.health.pop(partition, None)
        self.ends.pop(partition, None)
        self._tools.metrics.leave(partition)
        del self.folded[partition], self.epochs[partition]
        self.top.mark_stale(self.top.periods)
        return self.applied.pop(partition).next_offset

    def wait_for(self, partition: Partition, answer: str) -> None:
        """The partition is fenced, or given away at an epoch that our map does not know yet: it waits alone."""
        self.let_go(partition)
        if partition not in self.waiting:
            get_log().warning("partition_waits", partition=partition, answer=answer)
        self.waiting[partition] = answer

    def try_again(self, partition: Partition) -> None:
        """Claim a partition anew: one that waits, or that Redis has lost."""
        right = self.rights.get(partition)
        if right is not None:
            self.taker.want({partition: right})

    async def read_stale(self) -> None:
        """Bring the top up to date where replies do not tell what changed."""
        for period in sorted(self.top.stale):
            rows, is_cut = await self._tops.top(period, list(self.applied), count=self.top.tracked)
            self.top.replace(period, rows, is_cut=is_cut)
            self._tools.metrics.recomputations.inc()

    def observe(self) -> None:
        """Compare positions with the log's ends as they were seen last."""
        now_s = monotonic_s()
        for partition, position in self.applied.items():
            end = self.ends.get(partition, position.next_offset)
            self.health[partition] = self.health.get(partition, ProgressHealth()).observe(
                position=position.next_offset, lag=self.lag(partition, end), now_s=now_s
            )

    def lag(self, partition: Partition, end: Offset | None = None) -> int:
        """Records between a followed partition's position and the log's end."""
        position = self.applied[partition].next_offset
        return max(0, (self.ends.get(partition, position) if end is None else end) - position)

    def _to_take(self) -> list[Partition]:
        """What the restorer has done with and nobody claims yet."""
        return [p for p in self.restorer.to_take if p in self.rights and not self.taker.is_pending(p)]

    async def _adopt(self, outcome: Outcome) -> None:
        """Follow what was claimed, from the next poll on. What the map has taken back meanwhile is claimed anew, or
        left: the claim of an older right wrote nothing that the newer one's owner does not fence."""
        valid = {p for p, right in outcome.rights.items() if self.rights.get(p) == right}
        for partition in outcome.rights.keys() - valid:
            self.try_again(partition)
        taken = _only(outcome.taken, valid)
        for partition in valid:
            self.let_go(partition)
            self.restorer.to_take.discard(partition)
        for partition in valid - taken.waiting.keys():
            self.waiting.pop(partition, None)
        for partition, answer in taken.waiting.items():
            self.restorer.drop(partition)
            self.wait_for(partition, answer)
        for partition, loss in taken.lost.items():
            self.restorer.want(partition, loss, epoch=outcome.rights[partition].epoch)
        for partition, claim in taken.claims.items():
            self.applied[partition] = self.folded[partition] = Position(claim.next_offset, claim.log_ms)
            self.epochs[partition] = outcome.rights[partition].epoch
            self.ends[partition] = outcome.bounds[partition].end
            if partition in self.halted:
                get_log().error("partition_halted", partition=partition, reason=self.halted[partition])
            else:
                self.reader.follow(partition, claim.next_offset)
        await self._show(taken.claims)
        await self.restorer.follow(taken.claims)
        if taken.claims:
            get_log().info("following", partitions=len(self.applied), lost=len(self.restorer.lost))

    async def _show(self, claimed: Iterable[Partition]) -> None:
        """Boards and names that these partitions bring. Others may have published them: nothing older follows that."""
        claimed = list(claimed)
        if not claimed:
            return
        self._tools.publisher.begin()
        self.top.mark_stale(await self._tops.boards(claimed))
        for partition in claimed:
            for user, name in (await self._tops.names(partition)).items():
                self.top.rename(user, partition, name=name)


def _only(taken: Taken, partitions: set[Partition]) -> Taken:
    return Taken(
        claims={p: claim for p, claim in taken.claims.items() if p in partitions},
        waiting={p: answer for p, answer in taken.waiting.items() if p in partitions},
        lost={p: loss for p, loss in taken.lost.items() if p in partitions},
    )
