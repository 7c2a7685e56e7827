"""A stream's own user: whose place is looked at next, and what a change of it is told as. Pure.

However many watch, a tick looks at a bounded number of users, in turn; who is new comes first."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from contracts.ids import PeriodId, UserId
from gateway.rank_counts import Place
from gateway.stream_state import event_bytes

USERS_PER_TICK_MAX: Final = 500
"""Looked at in one tick, over all boards: some 10 ms of each shard's time. Ten thousand watchers are told within 20
ticks."""


@dataclass(eq=False, slots=True)
class Watch:
    """One stream that follows a user."""

    user_id: UserId
    board: Callable[[], PeriodId]
    """The board that the stream shows now."""
    is_self: bool
    """The user watches himself, with a token: he sees his place also while hidden."""
    tell: Callable[[bytes], None]
    seen: "Seen | None" = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stream was told last."""

    period: PeriodId
    rank: int | None
    score: int | None


@dataclass(slots=True)
class Watches:
    """All streams that follow a user. One owner."""

    _turns: deque[Watch] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, watch: Watch) -> None:
        """From the next tick on."""
        self._turns.appendleft(watch)

    def remove(self, watch: Watch) -> None:
        """No more; may be called twice."""
        if watch in self._turns:
            self._turns.remove(watch)

    def next_turn(self) -> dict[PeriodId, list[Watch]]:
        """Who is looked at now, by board; they go to the end of the line."""
        count = min(len(self._turns), USERS_PER_TICK_MAX)
        by_board: dict[PeriodId, list[Watch]] = {}
        for _ in range(count):
            watch = self._turns.popleft()
            self._turns.append(watch)
            by_board.setdefault(watch.board(), []).append(watch)
        return by_board


def look(watch: Watch, period: PeriodId, *, place: Place | None, as_of_ms: int | None) -> None:
    """Tell a stream what changed of its user's place, if anything did."""
    shown = None if place is None or (place.is_hidden and not watch.is_self) else place
    now = Seen(period, None, None) if shown is None else Seen(period, shown.rank, shown.score)
    before, watch.seen = watch.seen, now
    if now == before:
        return
    told = event_bytes(
        "you",
        {
            "period": period,
            "user_id": watch.user_id,
            "rank": now.rank,
            "score": now.score,
            "total": None if shown is None else shown.total,
            "to_next": None if shown is None else shown.to_next,
            "as_of": as_of_ms,
        },
    )
    watch.tell(_overtaken(before, now) + told)


def _overtaken(before: Seen | None, now: Seen) -> bytes:
    """Others passed a user who lost no points."""
    if before is None or before.period != now.period or None in (before.rank, before.score, now.rank, now.score):
        return b""
    assert before.rank is not None
    assert before.score is not None
    assert now.rank is not None
    assert now.score is not None
    if now.rank <= before.rank or now.score < before.score:
        return b""
    data = {"period": now.period, "rank": now.rank, "previous_rank": before.rank, "score": now.score}
    return event_bytes("overtaken", data)
