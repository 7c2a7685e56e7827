"""What one watcher of boards may never see: a version going down, a user twice, a score or a user going back. Pure.

Gateways may be a moment apart, so a lower version from another one is dropped, as every page does; from the same
process it is a fault. No controls run meanwhile, so that scores can only grow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Seen:
    """The newest board of a period."""

    version: int = 0
    rows: tuple[tuple[str, int], ...] = ()
    highest: dict[str, int] = field(default_factory=dict)


class BoardWatch:
    """One for all sources. A source is one life of one gateway process, or one of its streams."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int], _Seen] = {}
        self._versions: dict[tuple[str, str], int] = {}
        self.boards_seen = 0

    def see(self, source: str, board: dict[str, Any], *, limit: int) -> list[str]:
        """Look at one board that was cut to `limit` rows; the faults in it."""
        period, version = board["period"], board["version"]
        rows = tuple((entry["user_id"], entry["score"]) for entry in board["entries"])
        where = f"{period} version {version} from {source}"
        self.boards_seen += 1
        faults = [f"{where}: {fault}" for fault in _row_faults(rows, [e["rank"] for e in board["entries"]])]
        last = self._versions.get((source, period), 0)
        if version < last:
            faults.append(f"{where}: the same process showed version {last} before")
        self._versions[(source, period)] = max(last, version)
        seen = self._newest.setdefault((period, limit), _Seen())
        if version == seen.version and rows != seen.rows:
            faults.append(f"{where}: other rows than the same version had before")
        if version > seen.version:
            faults += [f"{where}: {fault}" for fault in _steps_back(seen, rows, is_full=len(rows) >= len(seen.rows))]
            seen.version, seen.rows = version, rows
            for user, score in rows:
                seen.highest[user] = max(score, seen.highest.get(user, 0))
        return faults

    def highest(self, period: str) -> dict[str, int]:
        """The highest score that was ever shown of each user."""
        shown: dict[str, int] = {}
        for (name, _), seen in self._newest.items():
            if name == period:
                shown |= {user: max(score, shown.get(user, 0)) for user, score in seen.highest.items()}
        return shown

    @property
    def periods(self) -> tuple[str, ...]:
        """Every period that was seen."""
        return tuple({period for period, _ in self._newest})


def _row_faults(rows: Sequence[tuple[str, int]], ranks: Sequence[int]) -> list[str]:
    faults = []
    users = [user for user, _ in rows]
    if len(set(users)) != len(users):
        faults.append("a user is shown twice")
    scores = [score for _, score in rows]
    if scores != sorted(scores, reverse=True):
        faults.append("scores are out of order")
    place = {score: number for number, score in reversed(list(enumerate(scores, start=1)))}
    if list(ranks) != [place[score] for score in scores]:
        faults.append("ranks are wrong")
    return faults


def _steps_back(seen: _Seen, rows: Sequence[tuple[str, int]], *, is_full: bool) -> list[str]:
    now = dict(rows)
    faults = [
        f"{user!r} went from {seen.highest[user]} back to {score}"
        for user, score in rows
        if score < seen.highest.get(user, 0)
    ]
    lowest = rows[-1][1] if rows else 0
    for user, score in seen.rows:
        if user not in now and (not is_full or score > lowest):
            faults.append(f"{user!r} with {score} vanished from {len(rows)} rows down to {lowest}")
    return faults
