"""Ranks from what partitions tell: a user's own partition told score and count in one moment, all others their counts.

Each rank is exact at a vector of offsets: the own partition's first answer, the others' second one. Counting the own
partition anew would not be: the score might have changed in between. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.board_reads import Better, Part, Standing
from contracts.ids import LogMs, Offset, Partition, UserId

Own = Mapping[Partition, Part[tuple[Standing | bool, ...]]]
Others = Mapping[Partition, Part[Better]]


@dataclass(frozen=True, slots=True)
class Place:
    """One user's place on a board. Of a hidden user: the place that the parked score would have."""

    user_id: UserId
    score: int
    scored_at: LogMs
    rank: int
    total: int
    """Users on the board, this one included."""
    above: int | None
    """The next higher score; None for who has none above."""
    is_hidden: bool
    positions: tuple[tuple[Partition, Offset], ...]
    """The offsets at which the rank is exact."""

    @property
    def percentile(self) -> float:
        """Of all users on the board, how many per cent have no higher score: 100 for the first, never 0."""
        return round(100 * (self.total - self.rank + 1) / self.total, 2)

    @property
    def to_next(self) -> int | None:
        """Points missing to the next better place; None for the first."""
        return None if self.above is None else self.above - self.score


def scores_to_count(own: Own) -> list[int]:
    """The distinct scores of which other partitions must tell how many users have more."""
    return sorted({standing.score for standing in _standings(own)})


def partitions_to_count(own: Own, partitions: int) -> list[Partition]:
    """The partitions that somebody found in `own` is not in."""
    homes = {partition for partition, part in own.items() if any(not isinstance(s, bool) for s in part.told)}
    if not homes:
        return []
    return [Partition(p) for p in range(partitions) if homes != {p}]


def places(own: Own, others: Others, *, users: Mapping[Partition, Sequence[UserId]]) -> dict[UserId, Place]:
    """The places of all users that are on the board. `users`: whom each partition was asked for, in that order."""
    index = {score: n for n, score in enumerate(scores_to_count(own))}
    found: dict[UserId, Place] = {}
    for partition, part in own.items():
        rest = [(p, other) for p, other in others.items() if p != partition]
        positions = ((partition, part.next_offset), *((p, other.next_offset) for p, other in rest))
        for user, standing in zip(users[partition], part.told, strict=True):
            if isinstance(standing, bool):
                continue
            n = index[standing.score]
            above = [standing.above, *(other.told.above[n] for _, other in rest)]
            found[user] = Place(
                user_id=user,
                score=standing.score,
                scored_at=standing.scored_at,
                rank=1 + standing.better + sum(other.told.counts[n] for _, other in rest),
                total=standing.is_hidden + part.users + sum(other.users for _, other in rest),
                above=min((score for score in above if not isinstance(score, bool)), default=None),
                is_hidden=standing.is_hidden,
                positions=positions,
            )
    return found


def as_of_ms(*answers: Iterable[Part[Any]]) -> int | None:
    """The smallest log time among these, partitions without any record left out; None if all are."""
    return min((part.log_ms for parts in answers for part in parts if part.log_ms), default=None)


def _standings(own: Own) -> list[Standing]:
    return [standing for part in own.values() for standing in part.told if not isinstance(standing, bool)]
