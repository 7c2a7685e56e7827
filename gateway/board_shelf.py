"""Every board that this gateway knows, newest version only, with its ready bytes. Pure: told what the cache says, and
what the archive says as long as no board came from the cache."""

from collections.abc import Iterable

from contracts.ids import PeriodId
from contracts.tops import GlobalTop
from gateway.board_bytes import NO_PREVIOUS, PreviousRanks, ReadyBoard, empty_board, ready_board


class BoardShelf:
    """Boards by period. One owner: the event loop of the gateway; nothing here waits."""

    def __init__(self, *, stale_after_s: float, boards_max: int) -> None:
        self._stale_after_s = stale_after_s
        self._boards_max = boards_max
        self._boards: dict[PeriodId, GlobalTop] = {}
        self._archived: dict[PeriodId, GlobalTop] = {}
        self._ready: dict[PeriodId, dict[int, ReadyBoard]] = {}
        self._previous: dict[PeriodId, PreviousRanks] = {}
        self._has_replaced_archived = False
        self._heard_at_s: float | None = None
        self.is_loaded = False
        """Whether the cache was read at all; before that nothing can be said of any board."""
        self.is_merger_silent = True

    @property
    def has_boards(self) -> bool:
        """Whether any board came from the cache: from then on the archive's are not wanted."""
        return bool(self._boards)

    @property
    def has_archived(self) -> bool:
        """Whether boards of the archive stand in."""
        return bool(self._archived)

    def put(self, top: GlobalTop) -> bool:
        """Keep a board if it is newer than the one at hand; return whether it was. The oldest gives way when full."""
        known = self._boards.get(top.period)
        if known is not None and top.version <= known.version:
            return False
        if self._archived:
            self._archived.clear()
            self._ready.clear()
            self._has_replaced_archived = True
        self._boards[top.period] = top
        self._ready.pop(top.period, None)
        if len(self._boards) > self._boards_max:
            oldest = min(self._boards.values(), key=lambda board: board.version).period
            del self._boards[oldest]
            self._ready.pop(oldest, None)
        return True

    def put_archived(self, boards: Iterable[GlobalTop]) -> set[PeriodId]:
        """Let these boards, all of one reading, stand in; return those that changed. Ignored once the cache gave any,
        and when they are older than those at hand: a Postgres that went back shows nobody an older board."""
        found = {board.period: board for board in boards}
        if self._boards or any(
            known.version > found[period].version for period, known in self._archived.items() if period in found
        ):
            return set()
        changed = {period for period, board in found.items() if self._archived.get(period) != board}
        for period in changed | (self._archived.keys() - found.keys()):
            self._ready.pop(period, None)
        self._archived = found
        return changed

    @property
    def boards(self) -> dict[PeriodId, GlobalTop]:
        """The boards of the cache. Not to be changed."""
        return self._boards

    def put_previous(self, previous: dict[PeriodId, PreviousRanks]) -> set[PeriodId]:
        """Let entries carry these ranks of before from now on; return the boards that changed."""
        both = self._previous.keys() | previous.keys()
        changed = {period for period in both if self._previous.get(period) != previous.get(period)}
        self._previous = previous
        for period in changed:
            self._ready.pop(period, None)
        return changed

    def previous(self, period: PeriodId) -> PreviousRanks:
        """What the board's entries carry."""
        return self._previous.get(period, NO_PREVIOUS)

    def heard(self, now_s: float) -> None:
        """The merger gave a sign of life then."""
        if self._heard_at_s is None or now_s > self._heard_at_s:
            self._heard_at_s = now_s

    def silence_s(self, now_s: float) -> float:
        """How long the merger has been silent."""
        return float("inf") if self._heard_at_s is None else max(0.0, now_s - self._heard_at_s)

    def judge_silence(self, now_s: float) -> bool:
        """Mark all boards stale once the merger is silent for too long, or fresh again. Returns whether anything that
        is not a new version changed since the last call: these marks, or that the cache's boards replaced all others.
        """
        is_changed, self._has_replaced_archived = self._has_replaced_archived, False
        is_silent = self.silence_s(now_s) > self._stale_after_s
        if is_silent == self.is_merger_silent:
            return is_changed
        self.is_merger_silent = is_silent
        self._ready.clear()
        return True

    def board(self, period: PeriodId, *, is_current: bool) -> GlobalTop | None:
        """The board, an empty one if the period goes on and has none yet, or None."""
        known = self._boards.get(period) or self._archived.get(period)
        return known or (empty_board(period) if is_current else None)

    def is_stale(self, period: PeriodId) -> bool:
        """Whether the board may be behind. Those of the archive are, by nature."""
        return self.is_merger_silent or period in self._archived

    def made(self, period: PeriodId, limit: int) -> ReadyBoard | None:
        """The bytes of a board, if they were made since it changed."""
        by_limit = self._ready.get(period)
        return None if by_limit is None else by_limit.get(limit)

    def ready(self, period: PeriodId, limit: int, *, is_current: bool) -> ReadyBoard | None:
        """The bytes of a board, made at most once per change and limit."""
        made = self.made(period, limit)
        if made is not None:
            return made
        top = self.board(period, is_current=is_current)
        if top is None:
            return None
        made = ready_board(top, limit, is_behind=self.is_stale(period), previous=self.previous(period))
        self._ready.setdefault(period, {})[limit] = made
        return made
