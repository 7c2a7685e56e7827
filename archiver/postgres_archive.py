"""The raw path: one transaction takes a poll's records of all partitions into `actions`, and moves their positions.

1. Move raw_next by compare-and-set: an archiver that another one has overtaken ends here. 2. Look up what the records
depend on. 3. Judge, and COPY the rows: Postgres takes the first ones while the next are judged. 4. Commit: rows and
positions are there together, or neither is."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from archiver.archive_fold import COLUMNS, Entry, Judged, decode_log, ids_of, judge_log, limits_of, points_bound
from archiver.archive_fold import seen_since_ms as since_ms_of
from archiver.counted_memory import CountedMemory
from archiver.place import Place, RawMark
from archiver.postgres_lookups import caps_of, past_of, states_of
from archiver.postgres_places import PositionMoved
from archiver.score_fold import BoardClock, Counted, ScoreFold
from contracts.counting import CountingRules
from contracts.ids import SCORE_LIMIT, LogMs, Offset, Partition
from contracts.progress import LastRecord
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements


@dataclass(slots=True)
class Arrival:
    """Records of one partition that follow its place, decoded."""

    place: Place
    entries: list[Entry]
    mark: RawMark
    points_bound: int
    """No score moves by more than this in all of the entries."""

    @property
    def is_near_bounds(self) -> bool:
        """Whether a score might leave its bounds: then every record is tried on the scores before it counts."""
        return self.place.points_bound + self.points_bound >= SCORE_LIMIT


@dataclass(slots=True)
class Archived:
    """What one transaction archived."""

    outcomes: Counter[str] = field(default_factory=Counter)


def arrive(place: Place, records: Sequence[Any], *, after: RawMark | None = None) -> Arrival:
    """Decode what follows `after`, which is where the place will be when this is archived, or already is."""
    entries = decode_log(records, (after or place.raw).log_ms)
    last = records[-1]
    mark = LastRecord.of(last)
    raw = RawMark(Offset(last.offset + 1), LogMs(entries[-1].log_ms), mark)
    return Arrival(place, entries, raw, points_bound(entries))


async def archive(
    connection: Connection, arrivals: Sequence[Arrival], *, rules: CountingRules, clock: BoardClock
) -> Archived:
    """Archive; the places move with it. Near the bounds, the places' scores must have been flushed before.

    Raises PositionMoved, or one of `postgres_connect.AWAY`: then the places must be read again.
    """
    judging = _Judging(arrivals, rules)
    try:
        async with connection.transaction():
            await _move(connection, arrivals)
            await judging.look_up(connection, clock=clock)
            await connection.copy_records_to_table("actions", records=judging.rows(), columns=COLUMNS)
    except asyncpg.UniqueViolationError as error:
        raise PositionMoved(str(error)) from error
    archived = Archived()
    for arrival, result, memory in judging.results:
        arrival.place.after_archived(arrival.mark, counted=result.counted, memory=memory)
        archived.outcomes += result.outcomes
    return archived


async def _move(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    marks = [(arrival.place, arrival.mark) for arrival in sorted(arrivals, key=lambda a: a.place.partition)]
    answer = await connection.execute(
        statements("archiver", "archive.sql")["move_raw"],
        [place.partition for place, _ in marks],
        [place.raw.next_offset for place, _ in marks],
        [mark.next_offset for _, mark in marks],
        [mark.log_ms for _, mark in marks],
        [mark.last.encode() if mark.last else "" for _, mark in marks],
    )
    if answer != f"UPDATE {len(marks)}":
        raise PositionMoved(f"{answer}, {len(marks)} partitions expected")


class _Judging:
    """Judges the arrivals of one transaction, one after the other, as their rows are asked for."""

    def __init__(self, arrivals: Sequence[Arrival], rules: CountingRules) -> None:
        self._arrivals = arrivals
        self._rules = rules
        self._memories: list[CountedMemory] = []
        self._books: Mapping[Partition, ScoreFold] = {}
        self.results: list[tuple[Arrival, Judged, CountedMemory]] = []
        """What was judged, once `rows` has come to its end."""

    async def look_up(self, connection: Connection, *, clock: BoardClock) -> None:
        """Ask for all that the arrivals depend on, in the transaction that archives them."""
        arrivals = self._arrivals
        past = await past_of(
            connection,
            {arrival.place.partition: ids_of(arrival.entries) for arrival in arrivals},
            since_ms=min(since_ms_of(arrival.entries, self._rules) for arrival in arrivals),
            rules=self._rules,
        )
        caps = await caps_of(connection, {a.place.partition: limits_of(a.entries) for a in arrivals})
        self._books = await _books(connection, [a for a in arrivals if a.is_near_bounds], clock=clock)
        for place in (arrival.place for arrival in arrivals):
            p = place.partition
            self._memories.append(place.memory(seen=past.seen[p], kept=past.kept[p], caps=caps[p]))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All rows, in the order of the arrivals."""
        for arrival, memory in zip(self._arrivals, self._memories, strict=True):
            p = arrival.place.partition
            result = judge_log(p, arrival.entries, memory=memory, rules=self._rules, book=self._books.get(p))
            self.results.append((arrival, result, memory))
            yield from result.rows


async def _books(
    connection: Connection, arrivals: Sequence[Arrival], *, clock: BoardClock
) -> Mapping[Partition, ScoreFold]:
    """For partitions near the bounds, every user's state."""
    assert not any(arrival.place.is_behind for arrival in arrivals), "flush before judging near the bounds"
    records = {
        arrival.place.partition: [
            Counted(entry.offset, entry.log_ms, entry.id16, entry.record)
            for entry in arrival.entries
            if entry.record is not None and entry.id16 is not None
        ]
        for arrival in arrivals
    }
    users = {partition: {item.record.user_id for item in items} for partition, items in records.items()}
    states = await states_of(connection, users, records=records)
    return {partition: ScoreFold(clock, members) for partition, members in states.items()}
