"""The merger's loop: wait for publications, merge, write what is due, beat. One task owns all state.

Several mergers may run: each write names the version it builds on, and whoever is overtaken reads and merges again.
"""

from typing import Final

from redis.exceptions import RedisError

from contracts.clock import monotonic_s, now_ms
from contracts.ids import ShardId
from foundation.http_internal import Readiness, internal_port
from foundation.logs import get_log
from foundation.metrics import Metrics
from foundation.service import Refused, StopSignal
from merger.boards import BoardBook, Draft, ShardNews, newcomers, stamp
from merger.http_metrics import DAMAGED, OLDER, MergerMetrics
from merger.merging import MergeState
from merger.redis_cache import BadTop, BoardWrite, MergerCache, TopsRead
from merger.settings import (
    BEAT_EVERY_S,
    READY_WITHIN_S,
    RECONNECT_MAX_S,
    RECONNECT_MIN_S,
    STANDBY_S,
    TICK_MS,
    WRITE_TRIES_MAX,
    Settings,
)
from merger.silence import ShardSilence

DEAF_AFTER_S: Final = 1.0
"""Rounds come every TICK_MS; a longer gap means that we could not hear, not that the shards were silent."""


async def serve(settings: Settings, stop: StopSignal) -> None:
    """Run until `stop` is set. Raises Refused, OSError when the internal port is taken."""
    merger = Merger(settings, MergerCache(settings.common.cache_url), metrics=MergerMetrics(Metrics()))
    listen, registry = settings.common.admin_listen, merger.metrics.registry
    async with internal_port(listen, registry, readiness=merger.readiness, shards=len(settings.common.shards)):
        await merger.run(stop)


class Merger:
    """Merges shard tops into global boards."""

    def __init__(self, settings: Settings, cache: MergerCache, *, metrics: MergerMetrics) -> None:
        self.metrics = metrics
        self._cache = cache
        self._log = get_log()
        self._periods = settings.common.calendar.spec
        self._state = MergeState()
        self._book = BoardBook(settings.common.calendar, settings.common.rules)
        self._silence = ShardSilence(
            [address.shard for address in settings.common.shards],
            now_s=monotonic_s(),
            stale_after_s=settings.stale_after_ms / 1000,
        )
        self._version = 0
        """The newest version known, of any board; the next one is larger, whatever the cache has lost."""
        self._cache_version = 0
        """The version that stands in the cache as far as we know."""
        self._is_connected = False
        self._is_loss_known = False
        self._is_overtaken = False
        self._has_loaded = False
        self._round_s = monotonic_s()
        self._beat_s: float | None = None
        self._stale: tuple[ShardId, ...] = ()
        self._bad: dict[str, str] = {}

    def readiness(self) -> Readiness:
        """Ready: connected, and the cache took a beat lately."""
        beat_age_s = None if self._beat_s is None else monotonic_s() - self._beat_s
        is_ready = self._is_connected and beat_age_s is not None and beat_age_s < READY_WITHIN_S
        detail: dict[str, object] = {
            "connected": self._is_connected,
            "beat_age_s": None if beat_age_s is None else round(beat_age_s, 3),
            "version": self._version,
            "stale_shards": list(self._stale),
            "held_partitions": len(self._state.held),
        }
        return Readiness(is_ready, detail)

    async def run(self, stop: StopSignal) -> None:
        """Merge until `stop` is set; a cache that is away is tried again and again."""
        retry_s = RECONNECT_MIN_S
        try:
            while not stop.is_set:
                try:
                    await self._connect()
                    retry_s = RECONNECT_MIN_S
                    while not stop.is_set:
                        await self._round(stop)
                except (RedisError, OSError) as error:
                    self._on_cache_lost(error)
                    await self._cache.close()
                    await stop.sleep(retry_s)
                    retry_s = min(2 * retry_s, RECONNECT_MAX_S)
        finally:
            self._is_connected = False
            await self._cache.close()

    async def _connect(self) -> None:
        await self._cache.open()
        stored, ours = await self._cache.stored_periods(), self._periods
        if stored is not None and stored != ours:
            raise Refused(f"SHARDBOARD_PERIODS = {ours!r}, but the deployment that owns the cache has {stored!r}")
        await self._load()
        await self._beat()
        self._is_connected, self._is_loss_known = True, False
        self._log.info("cache_connected", version=self._version, shards=len(list(self._state.shards)))

    def _on_cache_lost(self, error: Exception) -> None:
        if not self._is_loss_known:
            self._log.warning("cache_lost", error=str(error) or type(error).__name__)
            self.metrics.cache_losses.inc()
        self._is_loss_known = True
        self._is_connected = False

    async def _load(self) -> None:
        """Read everything anew. The boards come before the tops: a top is then never older than a board's rows."""
        await self._cache.skip_changes()
        read = await self._cache.read_boards(self._book.kept_ids(now_ms()))
        self._note_bad(read.bad)
        tops = await self._cache.read_all_tops()
        now_s = monotonic_s()
        self._book.on_cache(read.boards)
        if not self._has_loaded:
            self._silence.on_written({shard for board in read.boards.values() for shard in board.stale_shards})
        self._take(tops, now_s, is_first=not self._has_loaded)
        self._state.on_written(list(self._book.written.values()), now_s)
        self._cache_version = read.version
        self._version = max(self._version, read.version, *(board.version for board in read.boards.values()), 0)
        self._has_loaded = True

    async def _round(self, stop: StopSignal) -> None:
        changed = await self._cache.wait_for_changes(TICK_MS)
        arrived_s = monotonic_s()
        if arrived_s - self._round_s > DEAF_AFTER_S:
            self._silence.was_deaf(arrived_s - self._round_s)
        self._round_s = arrived_s
        if changed is None:
            self._log.warning("changes_missed")
            self._take(await self._cache.read_all_tops(), arrived_s)
        elif changed:
            self._take(await self._cache.read_tops(changed), arrived_s)
        self._is_overtaken = False
        boards_written = await self._publish(arrived_s if changed != set() else None)
        self._state.advanced.clear()
        if self._beat_s is None or arrived_s - self._beat_s >= BEAT_EVERY_S:
            await self._beat()
            self._forget_shards(arrived_s)
        # One version per ms at most, so that versions do not run ahead of the clock that starts them after a loss.
        pause_s = STANDBY_S if self._is_overtaken else boards_written / 1000 - (monotonic_s() - arrived_s)
        if pause_s > 0:
            await stop.sleep(pause_s)

    def _take(self, read: TopsRead, now_s: float, *, is_first: bool = False) -> None:
        self._note_bad(read.bad)
        for top in read.tops:
            if self._bad and top.shard in self._bad:
                del self._bad[top.shard]
            if not self._state.on_shard_top(top, now_s):
                self.metrics.shard_tops_ignored.labels(OLDER).inc()
            elif is_first:
                self._silence.found(top.shard, now_s)
            else:
                self._silence.heard(top.shard, now_s)

    def _note_bad(self, bad: tuple[BadTop, ...]) -> None:
        """One log line per damaged thing, until it is whole again or damaged in another way."""
        for item in bad:
            self.metrics.shard_tops_ignored.labels(DAMAGED).inc()
            if self._bad.get(item.name) != item.reason:
                self._bad[item.name] = item.reason
                self._log.warning("top_ignored", name=item.name, reason=item.reason)

    async def _publish(self, arrived_s: float | None) -> int:
        """Write what is due; return the number of boards written."""
        for _ in range(WRITE_TRIES_MAX):
            drafts = self._plan()
            if not drafts:
                return 0
            written_ms = now_ms()
            boards = stamp(drafts, previous=self._version, now_ms=written_ms)
            writes = [BoardWrite(board, draft.expire_at_ms) for board, draft in zip(boards, drafts, strict=True)]
            answer = await self._cache.write_boards(writes, known_version=self._cache_version)
            if answer.accepted:
                self._version = self._cache_version = answer.version
                self._observe(drafts, arrived_s)
                self._book.on_written(boards)
                return len(boards)
            self.metrics.writes_refused.inc(len(boards))
            self._is_overtaken = True
            await self._load()
        self._log.warning("writes_overtaken", tries=WRITE_TRIES_MAX)
        return 0

    def _plan(self) -> list[Draft]:
        now_s = monotonic_s()
        silent = self._silence.silent(now_s)
        configured = {s for s in silent if self._silence.is_configured(s) and not self._state.is_idle(s)}
        stale = configured | {s for s in silent if self._state.speaks(s)}
        news = ShardNews(
            stale=tuple(sorted(stale | self._state.stuck_shards(now_s))),
            is_any_missing=bool(self._silence.never_heard()),
        )
        if news.stale != self._stale:
            self._log.warning("stale_shards_changed", before=self._stale, now=news.stale)
            self._stale = news.stale
            self.metrics.shards_stale.set(len(news.stale))
        if self._silence.is_warming_up(now_s):
            return []
        return self._book.plan(self._state, news, now_ms=now_ms())

    def _observe(self, drafts: list[Draft], arrived_s: float | None) -> None:
        if arrived_s is not None:
            self.metrics.merge_seconds.observe(monotonic_s() - arrived_s)
        for draft in drafts:
            self.metrics.boards_written.labels(draft.period.kind).inc()
            entered = newcomers(self._book.written.get(draft.period.id), draft.rows)
            if entered:
                self.metrics.top_membership_changes.labels(draft.period.kind).inc(entered)
        if any(draft.is_visible_change for draft in drafts):
            self.metrics.now_visible(self._state.advanced.values(), now_ms())

    async def _beat(self) -> None:
        found = await self._cache.beat(now_ms())
        self._beat_s = now_s = monotonic_s()
        self.metrics.silence(self._silence.silence_s(now_s))
        self.metrics.partitions_held.set(len(self._state.held))
        self.metrics.boards_incomplete.set(sum(not board.complete for board in self._book.written.values()))
        if found < self._cache_version:
            self._log.warning("cache_went_back", version=self._cache_version, found=found)
            self.metrics.cache_losses.inc()
            await self._load()

    def _forget_shards(self, now_s: float) -> None:
        for shard in self._silence.forgettable(now_s):
            if self._state.forget_shard(shard):
                self._silence.forget(shard)
                self._log.info("shard_forgotten", shard=shard)
