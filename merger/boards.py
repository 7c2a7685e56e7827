"""Which boards exist, and when each is written: at once when something visible changed, else once per second.

Pure. A `Draft` is a board without its version; the service stamps and writes it, then says so by `on_written`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.counting import CountingRules
from contracts.ids import PeriodId, ShardId
from contracts.periods import FOREVER_MS, BadPeriod, Period, PeriodCalendar, SpanCache
from contracts.ranking import TopRow, competition_ranks
from contracts.tops import GlobalTop, Position
from merger.board_merge import MergedTop
from merger.merging import MergeState

POSITIONS_EVERY_MS: Final = 1_000
"""Positions alone change what nobody sees; once per second keeps a board's age honest."""
HOLD_MS: Final = 10_000
"""How long a board that lost rows to floors waits for the shards to publish more; a move takes less."""
CLOSED_KEPT: Final = 2
"""Closed boards of a kind that stay in the cache: yesterday's, and the one before."""
FUTURE_MS: Final = 300_000
"""A client's clock may be ahead into the next period by less; boards further ahead are somebody's mistake."""
SETTLED_MS: Final = 60_000
"""After end + lateness, the time in which the last actions reach the board; then its positions no longer matter."""
PERIODS_REMEMBERED_MAX: Final = 256
TOP_USERS: Final = 10
"""The users whose coming and going is counted: what the page shows."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A board as it shall be written."""

    period: Period
    rows: tuple[TopRow, ...]
    complete: bool
    positions: tuple[Position, ...]
    stale_shards: tuple[ShardId, ...]
    expire_at_ms: int | None
    is_visible_change: bool

    def stamp(self, version: int, now_ms: int) -> GlobalTop:
        """The board, with its version."""
        newest_ms = max((position.log_ms for position in self.positions), default=0)
        return GlobalTop(
            period=self.period.id,
            version=version,
            positions=self.positions,
            rows=self.rows,
            ranks=tuple(competition_ranks([row.score for row in self.rows])),
            complete=self.complete,
            as_of_ms=newest_ms or None,
            published_at_ms=now_ms,
            stale_shards=self.stale_shards,
        )


@dataclass(frozen=True, slots=True)
class ShardNews:
    """What besides rows a board tells of its shards."""

    stale: tuple[ShardId, ...] = ()
    is_any_missing: bool = False
    """A configured shard never published: its rows are missing."""


class BoardBook:
    """The boards as last written, by this merger or another."""

    def __init__(self, calendar: PeriodCalendar, rules: CountingRules) -> None:
        self._calendar = calendar
        self._rules = rules
        self._spans = SpanCache(calendar)
        self._periods: dict[PeriodId, Period | None] = {}
        self._written: dict[PeriodId, GlobalTop] = {}
        self._to_rewrite: set[PeriodId] = set()
        self._short_since_ms: dict[PeriodId, int] = {}

    @property
    def written(self) -> Mapping[PeriodId, GlobalTop]:
        """The newest known board of each period."""
        return self._written

    def wanted(self, now_ms: int, published: Iterable[PeriodId] = ()) -> list[Period]:
        """The boards to keep: those of the current periods, and those published or written that are not too old."""
        periods = {period.id: period for period in self._spans.span_at(now_ms).periods}
        for period_id in (*published, *self._written):
            period = self._period(period_id)
            if period is not None and period.start_ms <= now_ms + FUTURE_MS and now_ms < self._expire_at_ms(period):
                periods[period_id] = period
        return list(periods.values())

    def kept_ids(self, now_ms: int) -> list[PeriodId]:
        """Every board that may be in the cache now: current, next and the closed ones that are kept."""
        ids: list[PeriodId] = []
        for kind in self._calendar.kinds:
            period = self._calendar.current(kind, now_ms)
            ids.append(period.id)
            if period.end_ms < FOREVER_MS:
                ids.append(self._calendar.current(kind, period.end_ms).id)
                for _ in range(CLOSED_KEPT):
                    period = self._calendar.current(kind, period.start_ms - 1)
                    ids.append(period.id)
        return ids

    def on_cache(self, boards: Mapping[PeriodId, GlobalTop]) -> None:
        """After reading the cache: its newer boards are what is shown; those it lost or has older are written again."""
        for period_id, board in boards.items():
            known = self._written.get(period_id)
            if known is None or board.version > known.version:
                self._written[period_id] = board
        self._to_rewrite = {
            period_id
            for period_id, known in self._written.items()
            if period_id not in boards or boards[period_id].version < known.version
        }

    def on_written(self, boards: Iterable[GlobalTop]) -> None:
        """These are in the cache now."""
        for board in boards:
            self._written[board.period] = board
            self._to_rewrite.discard(board.period)

    def plan(self, state: MergeState, news: ShardNews, *, now_ms: int) -> list[Draft]:
        """The boards that are due, in a fixed order. Asking twice plans the same again."""
        wanted = self.wanted(now_ms, state.periods)
        ids = {period.id for period in wanted}
        for period_id in self._written.keys() - ids:
            del self._written[period_id]
            self._short_since_ms.pop(period_id, None)
            self._to_rewrite.discard(period_id)
        drafts = [self._draft(period, state, news=news, now_ms=now_ms) for period in wanted]
        return [draft for draft in drafts if draft is not None]

    def _draft(self, period: Period, state: MergeState, *, news: ShardNews, now_ms: int) -> Draft | None:
        last = self._written.get(period.id)
        is_settled = now_ms >= period.end_ms + self._rules.lateness_ms + SETTLED_MS
        stale = () if is_settled else news.stale
        merged, positions = state.merged(period.id), state.positions(period.id)
        complete = merged.complete and (is_settled or not news.is_any_missing)
        if last is not None:
            if merged.rows != last.rows and _is_closing(period, last, state=state, now_ms=now_ms):
                merged, positions, complete = MergedTop(last.rows, last.complete), last.positions, last.complete
            elif self._is_held(period.id, merged, last=last, now_ms=now_ms):
                merged, positions, complete = MergedTop(last.rows, complete=False), last.positions, False
        visible = last is None or (last.rows, last.complete, last.stale_shards) != (merged.rows, complete, stale)
        if not visible and period.id not in self._to_rewrite:
            assert last is not None
            if is_settled or positions == last.positions or now_ms - last.published_at_ms < POSITIONS_EVERY_MS:
                return None
        return Draft(
            period=period,
            rows=merged.rows,
            complete=complete,
            positions=positions,
            stale_shards=stale,
            expire_at_ms=self._expire_at_ms(period) if period.end_ms < FOREVER_MS else None,
            is_visible_change=visible,
        )

    def _is_held(self, period_id: PeriodId, merged: MergedTop, *, last: GlobalTop, now_ms: int) -> bool:
        """Whether floors hide so many rows that the last board is better, for a while."""
        if merged.complete or len(merged.rows) >= len(last.rows):
            self._short_since_ms.pop(period_id, None)
            return False
        since_ms = self._short_since_ms.setdefault(period_id, now_ms)
        return now_ms - since_ms < HOLD_MS

    def _period(self, period_id: PeriodId) -> Period | None:
        if period_id not in self._periods:
            if len(self._periods) >= PERIODS_REMEMBERED_MAX:
                self._periods.clear()
            try:
                self._periods[period_id] = self._calendar.parse(period_id)
            except BadPeriod:
                self._periods[period_id] = None
        return self._periods[period_id]

    def _expire_at_ms(self, period: Period) -> int:
        """When the board leaves the cache: as the last one of CLOSED_KEPT later periods ends."""
        end_ms = period.end_ms
        for _ in range(CLOSED_KEPT):
            if end_ms < FOREVER_MS:
                end_ms = self._calendar.current(period.kind, end_ms).end_ms
        return end_ms


def stamp(drafts: Sequence[Draft], *, previous: int, now_ms: int) -> list[GlobalTop]:
    """Give each board its version: max(previous + 1, unix ms), one after the other."""
    first = max(previous + 1, now_ms)
    return [draft.stamp(first + i, now_ms) for i, draft in enumerate(drafts)]


def newcomers(before: GlobalTop | None, after: Sequence[TopRow]) -> int:
    """How many users entered the top 10."""
    known = {row.user_id for row in before.rows[:TOP_USERS]} if before is not None else set()
    return sum(row.user_id not in known for row in after[:TOP_USERS])


def _is_closing(period: Period, last: GlobalTop, *, state: MergeState, now_ms: int) -> bool:
    """Whether shards have begun to drop an ended board: it stays as it is, else it would lose its rows one by one."""
    return now_ms >= period.end_ms and not all(state.lists(row.partition, period.id) for row in last.rows)
