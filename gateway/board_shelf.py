"""Every board that this gateway knows, newest version only, with its ready bytes. Pure: told what the cache says."""

from contracts.ids import PeriodId
from contracts.tops import GlobalTop
from gateway.board_bytes import ReadyBoard, empty_board, ready_board


class BoardShelf:
    """Boards by period. One owner: the event loop of the gateway; nothing here waits."""

    def __init__(self, *, stale_after_s: float, boards_max: int) -> None:
        self._stale_after_s = stale_after_s
        self._boards_max = boards_max
        self._boards: dict[PeriodId, GlobalTop] = {}
        self._ready: dict[PeriodId, dict[int, ReadyBoard]] = {}
        self._heard_at_s: float | None = None
        self.is_loaded = False
        """Whether the cache was read at all; before that nothing can be said of any board."""
        self.is_merger_silent = True

    def put(self, top: GlobalTop) -> bool:
        """Keep a board if it is newer than the one at hand; return whether it was. The oldest gives way when full."""
        known = self._boards.get(top.period)
        if known is not None and top.version <= known.version:
            return False
        self._boards[top.period] = top
        self._ready.pop(top.period, None)
        if len(self._boards) > self._boards_max:
            oldest = min(self._boards.values(), key=lambda board: board.version).period
            del self._boards[oldest]
            self._ready.pop(oldest, None)
        return True

    def heard(self, now_s: float) -> None:
        """The merger gave a sign of life then."""
        if self._heard_at_s is None or now_s > self._heard_at_s:
            self._heard_at_s = now_s

    def silence_s(self, now_s: float) -> float:
        """How long the merger has been silent."""
        return float("inf") if self._heard_at_s is None else max(0.0, now_s - self._heard_at_s)

    def judge_silence(self, now_s: float) -> bool:
        """Mark all boards stale once the merger is silent for too long, or fresh again; return whether that changed."""
        is_silent = self.silence_s(now_s) > self._stale_after_s
        if is_silent == self.is_merger_silent:
            return False
        self.is_merger_silent = is_silent
        self._ready.clear()
        return True

    def board(self, period: PeriodId, *, is_current: bool) -> GlobalTop | None:
        """The board, an empty one if the period goes on and has none yet, or None."""
        return self._boards.get(period) or (empty_board(period) if is_current else None)

    def ready(self, period: PeriodId, limit: int, *, is_current: bool) -> ReadyBoard | None:
        """The bytes of a board, made at most once per change and limit."""
        by_limit = self._ready.get(period)
        if by_limit is not None and limit in by_limit:
            return by_limit[limit]
        top = self.board(period, is_current=is_current)
        if top is None:
            return None
        made = ready_board(top, limit, is_merger_silent=self.is_merger_silent)
        self._ready.setdefault(period, {})[limit] = made
        return made
