"""The shard's exact best rows of every board, ties included, over all its partitions. Pure.

Scores only grow by actions, so the new top is within the old top and the users of a batch at or above its last row:
apply calls get that row's score and time as the floor and return those users. Whatever else changes scores or
partitions makes a board *stale*: it must be replaced by what is read from Redis before it is shown again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from contracts.ids import SCORE_LIMIT, LogMs, Partition, PeriodId, UserId
from contracts.ranking import TopRow

Floor = tuple[int, int]
"""Score and scored_at of the last tracked row: who has the same score later stands behind it."""
NO_FLOOR: Final[Floor] = (-SCORE_LIMIT, 0)
"""Below every score: all users are wanted, since the board has room."""
TRACKED_PER_SHOWN: Final = 2
"""Rows tracked for each row published: names are kept of users near the top too, so that one who enters has a name."""
NAMES_SLACK: Final = 1_000
"""Names kept of users who have left the tracked rows, before they are dropped together."""


class _Row(NamedTuple):
    """Compares in board order."""

    minus_score: int
    scored_at: int
    user_bytes: bytes
    user: UserId
    partition: Partition


@dataclass(slots=True)
class _Board:
    rows: dict[UserId, _Row] = field(default_factory=dict)
    order: list[_Row] = field(default_factory=list)
    is_cut: bool = False
    """Whether there may be rows below the last tracked one."""
    is_touched: bool = False
    view: "BoardView | None" = None
    """As asked for last, while nothing of it changed."""


@dataclass(frozen=True, slots=True)
class BoardView:
    """The tracked rows of a board at one moment, in board order."""

    period: PeriodId
    rows: tuple[TopRow, ...]
    is_cut: bool


class LocalTop:
    """One owner: the worker's loop. `take` and `replace` while replies come in, `settle` before reading."""

    def __init__(self, *, shown: int) -> None:
        self._shown = shown
        self._tracked = shown * TRACKED_PER_SHOWN
        self._boards: dict[PeriodId, _Board] = {}
        self._names: dict[UserId, tuple[Partition, str]] = {}
        self._has_new_names = False
        self.stale: set[PeriodId] = set()
        """Boards that must be replaced."""

    @property
    def tracked(self) -> int:
        """How many rows of a board are tracked."""
        return self._tracked

    @property
    def periods(self) -> set[PeriodId]:
        """The boards that have been heard of."""
        return set(self._boards)

    def floors(self, periods: Iterable[PeriodId]) -> dict[PeriodId, Floor]:
        """For the known boards and `periods`: the place from which a user may be among the tracked rows."""
        floors = dict.fromkeys(periods, NO_FLOOR)
        for period, board in self._boards.items():
            if board.is_cut and board.order:
                last = board.order[-1]
                floors[period] = (-last.minus_score, last.scored_at)
            else:
                floors[period] = NO_FLOOR
        return floors

    def take(self, partition: Partition, rows: Mapping[PeriodId, Sequence[Any]], *, names: Mapping[str, str]) -> None:
        """After an apply call: users at or above the floors, flat (user, score, scored_at), and the batch's names."""
        for period, flat in rows.items():
            board = self._boards.setdefault(period, _Board())
            for i in range(0, len(flat), 3):
                user, score, scored_at = flat[i], flat[i + 1], flat[i + 2]
                board.rows[user] = _Row(-score, scored_at, user.encode(), user, partition)
                board.is_touched = True
                name = names.get(user)
                if name is not None:
                    self.rename(user, partition, name=name)

    def rename(self, user: UserId, partition: Partition, *, name: str) -> None:
        """The newest name of a user near the top."""
        if self._names.get(user) != (partition, name):
            self._names[user] = (partition, name)
            self._has_new_names = True

    def forget_names(self, users: Iterable[str]) -> None:
        """These users were erased."""
        for user in users:
            self._names.pop(UserId(user), None)

    def rename_tracked(self, partition: Partition, names: Mapping[str, str]) -> None:
        """Names that came without points: they matter for tracked users only."""
        for user, name in names.items():
            if any(UserId(user) in board.rows for board in self._boards.values()):
                self.rename(UserId(user), partition, name=name)

    def mark_stale(self, periods: Iterable[PeriodId]) -> None:
        """These boards changed in a way that replies do not tell."""
        for period in periods:
            self._boards.setdefault(period, _Board())
            self.stale.add(period)

    def replace(self, period: PeriodId, rows: Iterable[TopRow], *, is_cut: bool) -> None:
        """The tracked rows as read from Redis. `is_cut`: there are more below."""
        board = _Board(is_cut=is_cut, is_touched=True)
        for row in rows:
            board.rows[row.user_id] = _Row(-row.score, row.scored_at, row.user_id.encode(), row.user_id, row.partition)
        board.order = self._boards[period].order if period in self._boards else []
        self._boards[period] = board
        self.stale.discard(period)

    def forget(self, period: PeriodId) -> None:
        """The board is closed."""
        self._boards.pop(period, None)
        self.stale.discard(period)

    def clear(self) -> None:
        """Forget all, before another claim."""
        self._boards.clear()
        self._names.clear()
        self.stale.clear()

    def settle(self) -> bool:
        """Put touched boards in order and cut them; True if a row to be shown, or a name, changed."""
        changed, self._has_new_names = self._has_new_names, False
        if changed:
            for board in self._boards.values():
                board.view = None
        for board in self._boards.values():
            if not board.is_touched:
                continue
            order = sorted(board.rows.values())
            if len(order) > self._tracked:
                board.is_cut = True
                for row in order[self._tracked :]:
                    del board.rows[row.user]
                del order[self._tracked :]
            changed = changed or order[: self._shown] != board.order[: self._shown]
            board.order, board.is_touched, board.view = order, False, None
        return changed

    def view(self, period: PeriodId) -> BoardView:
        """The tracked rows, with names. Call `settle` first; a stale board must not be shown."""
        board = self._boards[period]
        if board.view is not None:
            return board.view
        rows = tuple(
            TopRow(row.user, -row.minus_score, LogMs(row.scored_at), row.partition, self._name(row.user))
            for row in board.order
        )
        board.view = BoardView(period, rows, board.is_cut)
        return board.view

    def drop_surplus_names(self) -> dict[Partition, list[str]]:
        """Once many are kept that no tracked user has: drop those, and return them by partition."""
        tracked = {user for board in self._boards.values() for user in board.rows}
        if len(self._names) <= len(tracked) + NAMES_SLACK:
            return {}
        dropped: dict[Partition, list[str]] = {}
        for user in [user for user in self._names if user not in tracked]:
            partition, _ = self._names.pop(user)
            dropped.setdefault(partition, []).append(user)
        return dropped

    def _name(self, user: UserId) -> str | None:
        found = self._names.get(user)
        return found[1] if found else None
