"""The one total order of a board, stated once: score descending, who reached it first, then user id (UTF-8 bytes)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from contracts.ids import LogMs, Partition, UserId


class TopRow(msgspec.Struct, frozen=True, array_like=True):
    """One user's place on one board."""

    user_id: UserId
    score: int
    scored_at: LogMs
    """Log time of the user's last counted action with points > 0 on this board."""
    partition: Partition
    name: str | None = None


class OrderKey(NamedTuple):
    """Sorts ascending into board order."""

    minus_score: int
    scored_at: int
    user: bytes


def order_key(row: TopRow) -> OrderKey:
    """The row's place in the total order: smaller is better."""
    return OrderKey(-row.score, row.scored_at, row.user_id.encode())


def top_rows(rows: Iterable[TopRow], count: int) -> list[TopRow]:
    """The best `count` rows in board order."""
    return sorted(rows, key=order_key)[:count]


def competition_ranks(scores: Sequence[int]) -> list[int]:
    """Shown ranks for scores in board order: equal scores share the better rank (1, 2, 2, 4)."""
    ranks: list[int] = []
    for place, score in enumerate(scores, start=1):
        ranks.append(ranks[-1] if ranks and scores[place - 2] == score else place)
    return ranks
