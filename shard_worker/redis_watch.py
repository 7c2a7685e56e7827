"""Looks after a session's partitions each second, beside its rounds: the log's ends, health, roll-backs, closed boards.

What it finds out about one partition it leaves to the session's loop; what makes the ground unsure ends the session."""

import asyncio
from typing import Final

from aiokafka.errors import KafkaError

from contracts.clock import monotonic_s, now_ms
from contracts.ids import LogMs, Partition, PeriodId
from contracts.restore import RestoreRequest
from foundation.logs import get_log
from shard_worker.redis_restore_requests import read_requests
from shard_worker.redis_served import Served
from shard_worker.redis_session_tools import Tools

WATCH_S: Final = 1.0
"""How often the log's ends are asked for: lag, health, and closed boards are as fresh as this."""
COMMIT_EVERY: Final = 5
"""Group offsets are shown to Kafka's tools each so many watches."""


class SessionOver(Exception):
    """Something moved under the session; the message says what. A new session finds out where things stand."""


class Watch:
    """Of one session. `run` ends only by being cancelled, or with SessionOver."""

    def __init__(self, tools: Tools, served: Served) -> None:
        self._tools = tools
        self._served = served
        self.asked: dict[Partition, tuple[str, RestoreRequest]] = {}
        """What operators want restored; the session takes it away."""
        self.fenced: dict[Partition, str] = {}
        """Followed partitions of which somebody else took hold in Redis; the session takes them away."""

    async def run(self) -> None:
        """Look again and again. Raises SessionOver, RedisError."""
        rounds = 0
        while True:
            await asyncio.sleep(WATCH_S)
            rounds += 1
            await self._look_at_log()
            self._forget_closed()
            if rounds % COMMIT_EVERY == 0:
                await self.commit()
                await self._drop_names()
            self.asked |= await read_requests(self._tools.redis, self._served.rights)
            await self._look_at_redis()
            for partition in list(self._served.waiting):
                self._served.try_again(partition)
            self._look_for_stalls()

    async def commit(self) -> None:
        """Show Kafka's tools the lag."""
        offsets = {partition: position.next_offset for partition, position in self._served.applied.items()}
        try:
            await self._served.reader.commit(offsets)
        except KafkaError as error:
            get_log().warning("lag_not_shown", error=f"{type(error).__name__}: {error}")

    async def _look_at_log(self) -> None:
        """Kafka not answering is no fault of the session's; what then is not observed makes it unready."""
        served = self._served
        try:
            ends = await served.reader.end_offsets(list(served.applied))
        except KafkaError as error:
            get_log().warning("log_away", error=f"{type(error).__name__}: {error}")
            return
        served.ends |= {partition: end for partition, end in ends.items() if partition in served.applied}
        served.observe()
        self._show_lag()

    def _show_lag(self) -> None:
        served, now = self._served, now_ms()
        lags = {partition: served.lag(partition) for partition in served.applied}
        behind_s = {
            partition: max(0, now - position.log_ms) / 1000 if lags[partition] and position.log_ms else 0.0
            for partition, position in served.applied.items()
        }
        self._tools.metrics.lag(lags, behind_s=behind_s, halted=len(served.halted))

    async def _drop_names(self) -> None:
        for partition, users in self._served.top.drop_surplus_names().items():
            epoch = self._served.epochs.get(partition)
            if epoch is not None:
                await self._tools.shard.drop_names(partition, epoch, users=users)

    async def _look_at_redis(self) -> None:
        """A partition without new records would not notice that it was fenced, or that Redis lost its last ones."""
        applied, epochs = dict(self._served.applied), dict(self._served.epochs)
        stored = await self._tools.shard.progress_of(list(applied))
        for partition, position in applied.items():
            if self._served.epochs.get(partition) != epochs[partition]:
                continue
            there = stored[partition]
            if there is None:
                self.fenced[partition] = "its state is gone"
            elif there.epoch > epochs[partition] or there.fenced:
                self.fenced[partition] = f"epoch {there.epoch}, fenced {there.fenced}"
            elif there.next_offset < position.next_offset:
                moved = f"from {position.next_offset} to {there.next_offset}"
                raise SessionOver(f"partition {partition}: Redis went back {moved}")

    def _forget_closed(self) -> None:
        """Boards that no record can change any more are not published: by our clock, and by log time where records are
        still to come."""
        served = self._served
        rules, calendar = self._tools.settings.common.rules, self._tools.settings.common.calendar
        behind = [p.log_ms for partition, p in served.applied.items() if served.lag(partition)]
        latest = min([LogMs(now_ms() - rules.clock_skew_ms), *behind])
        for period in served.top.periods:
            if calendar.parse(period).end_ms + rules.lateness_ms <= latest:
                served.top.forget(PeriodId(period))

    def _look_for_stalls(self) -> None:
        now_s, halted = monotonic_s(), self._served.halted
        stalled = [p for p, health in self._served.health.items() if p not in halted and not health.is_ready(now_s)]
        if stalled:
            raise SessionOver(f"no progress in partitions {stalled}: the consumer is replaced")
