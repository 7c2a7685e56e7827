"""Archived rows as writes into the keys of a partition, in chunks of one key each."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from contracts import redis_keys
from contracts.ids import Id16, LogMs, Offset, Partition, PeriodId, UserId, Window

Kind = Literal["zset", "hash", "set"]
Word = str | bytes | int
MEMBERS_MAX: Final = 5_000
"""Of one chunk: at most some 5 ms of the server's time, and what the archive yields at a time."""
_pack: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Chunk:
    """One write: `words` are what ZADD, HSET or SADD take after the key."""

    kind: Kind
    key: str
    """Without the partition's prefix."""
    words: list[Word]


class RestoreRows:
    """Writes for one partition. It remembers who is near the top: only their names are kept."""

    def __init__(self, partition: Partition, *, named_rows: int) -> None:
        """`named_rows`: of each board so many users are named."""
        self._partition = partition
        self._prefix = redis_keys.partition_prefix(partition)
        self._named_rows = named_rows
        self._best: dict[PeriodId, list[tuple[int, int, UserId]]] = {}

    def scores(self, rows: Iterable[tuple[PeriodId, UserId, int, LogMs]]) -> Iterator[Chunk]:
        """Scores and, of users who scored, when. Users of a board's best rows are remembered."""
        scores: dict[PeriodId, list[Word]] = {}
        times: dict[PeriodId, list[Word]] = {}
        for period, user, score, scored_at in rows:
            scores.setdefault(period, []).extend((score, user))
            if scored_at:
                times.setdefault(period, []).extend((user, scored_at))
            self._note(period, (score, -scored_at, user))
        for period, words in scores.items():
            yield self._chunk("zset", redis_keys.scores(self._partition, period), words=words)
        for period, words in times.items():
            yield self._chunk("hash", redis_keys.scored_at(self._partition, period), words=words)

    def hidden(self, rows: Iterable[tuple[UserId, Mapping[PeriodId, tuple[int, int]]]]) -> Iterator[Chunk]:
        """Hidden users with what is parked."""
        yield from self._one(
            "hash", redis_keys.hidden(self._partition), pairs=[(user, _pack(cells)) for user, cells in rows]
        )

    def erased(self, rows: Iterable[tuple[Id16, Offset]]) -> Iterator[Chunk]:
        """Digests of erased users."""
        yield from self._one(
            "hash", redis_keys.erased(self._partition), pairs=[(key.hex(), offset) for key, offset in rows]
        )

    def voided(self, rows: Iterable[tuple[Id16, Offset]]) -> Iterator[Chunk]:
        """Ids of voided actions."""
        yield from self._one(
            "hash", redis_keys.voided(self._partition), pairs=[(key.hex(), offset) for key, offset in rows]
        )

    def kept(self, rows: Iterable[tuple[Id16, int]]) -> Iterator[Chunk]:
        """Ids that are remembered longer than a window."""
        yield from self._one("zset", redis_keys.kept(self._partition), pairs=[(until, id16) for id16, until in rows])

    def caps(self, rows: Iterable[tuple[Id16, int, int, int]]) -> Iterator[Chunk]:
        """Limits used, by day."""
        by_day: dict[int, list[tuple[Word, Word]]] = {}
        for used_by, day, used, last_received_ms in rows:
            by_day.setdefault(day, []).append((used_by.hex(), f"{used}:{last_received_ms}"))
        for day, pairs in by_day.items():
            yield from self._one("hash", redis_keys.caps(self._partition, day), pairs=pairs)

    def seen(self, rows: Iterable[tuple[Window, Id16]]) -> Iterator[Chunk]:
        """Ids that counted, by window."""
        by_window: dict[Window, list[Word]] = {}
        for window, id16 in rows:
            by_window.setdefault(window, []).append(id16)
        for window, ids in by_window.items():
            yield self._chunk("set", redis_keys.seen(self._partition, window), words=ids)

    def names(self, rows: Iterable[tuple[UserId, str]]) -> Iterator[Chunk]:
        """Names of users near the top, once all scores were seen."""
        near = {user for best in self._best.values() for _, _, user in best}
        named = [(user, name) for user, name in rows if user in near]
        yield from self._one("hash", redis_keys.names(self._partition), pairs=named)

    def _note(self, period: PeriodId, place: tuple[int, int, UserId]) -> None:
        best = self._best.setdefault(period, [])
        if len(best) < self._named_rows:
            heapq.heappush(best, place)
        elif place > best[0]:
            heapq.heapreplace(best, place)

    def _one(self, kind: Kind, key: str, *, pairs: Iterable[tuple[Word, Word]]) -> Iterator[Chunk]:
        words = [word for pair in pairs for word in pair]
        if words:
            yield self._chunk(kind, key, words=words)

    def _chunk(self, kind: Kind, key: str, *, words: list[Word]) -> Chunk:
        assert len(words) <= 2 * MEMBERS_MAX, f"{len(words)} words for {key}"
        return Chunk(kind, key.removeprefix(self._prefix), words)
