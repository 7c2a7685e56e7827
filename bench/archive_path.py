"""The archiver's transactions against a plain COPY of the same rows into a table with the same keys, on one Postgres.

The COPY is given ready rows, one statement per poll: nothing of decoding, judging, looking ids up and moving positions.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from archiver.archive_fold import COLUMNS, judge_log
from archiver.counted_memory import CountedMemory
from archiver.place import Place
from archiver.postgres_archive import Arrival, archive, arrive
from archiver.postgres_flight import Flight
from archiver.postgres_migrate import upgrade
from archiver.postgres_places import read_places
from archiver.postgres_scores import flush
from archiver.postgres_session import PLANNER
from archiver.score_fold import BoardClock
from bench.actions import BEGIN_MS, PARTITIONS, LogWriter, People, Poll, people
from bench.paired import Comparison, measure
from contracts.counting import CountingRules
from contracts.ids import Offset, Partition, PeriodId
from contracts.periods import PeriodCalendar
from foundation.postgres_connect import Connection, connect
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer

BAR: Final = 0.4
POLL_RECORDS: Final = 20_000
FLUSH_INTERVAL_S: Final = 1.0
"""Both as the archiver's settings."""
RULES: Final = CountingRules()
CALENDAR: Final = PeriodCalendar("all_time,daily,weekly")
_WITH_SCORES_FROM: Final = PARTITIONS
"""The way with scores has the partitions after those of the raw path: one table, but no row twice."""
_FILL: Final = """INSERT INTO scores (partition, user_id, period, score, scored_at)
SELECT partition + $1, user_id, $2, 1 + hashtext(user_id) % 1000, $3 FROM people ORDER BY partition, user_id"""


class RawArchiver:
    """Archives raw rows only. Its partitions begin at `first`."""

    def __init__(self, connection: Connection, *, first: int) -> None:
        self._connection = connection
        self._clock = BoardClock(RULES, CALENDAR)
        self._flight = Flight()
        self.first = first
        self.places: dict[Partition, Place] = {}

    async def begin(self) -> None:
        """Take the partitions."""
        begins = {Partition(self.first + p): Offset(0) for p in range(PARTITIONS)}
        self.places = await read_places(self._connection, begins, rules=RULES)

    async def run(self, polls: Sequence[Poll]) -> None:
        """One transaction per poll, as in the service's loop: the next one is decoded meanwhile."""
        for poll in polls:
            polled = {Partition(self.first + p): records for p, records in poll.items()}
            arrivals = await self._flight.decode(self.places, polled)
            await self._flight.land()
            self._flight.start(self._write(arrivals), arrivals)
        await self._flight.land()

    def forget_pending(self) -> None:
        """As if somebody else had brought the scores up to date."""
        for place in self.places.values():
            place.after_flushed(place.points)

    async def _write(self, arrivals: Sequence[Arrival]) -> None:
        await archive(self._connection, arrivals, rules=RULES, clock=self._clock)


class FullArchiver(RawArchiver):
    """Archives rows, and scores as often as the service does, to the last one."""

    _flushed_s = 0.0

    async def run(self, polls: Sequence[Poll]) -> None:
        """As the service's loop, until it drains."""
        self._flushed_s = perf_counter()
        await super().run(polls)
        await self._flush()

    async def _write(self, arrivals: Sequence[Arrival]) -> None:
        await super()._write(arrivals)
        if perf_counter() - self._flushed_s >= FLUSH_INTERVAL_S:
            await self._flush()

    async def _flush(self) -> None:
        await flush(self._connection, list(self.places.values()), rules=RULES, clock=self._clock)
        self._flushed_s = perf_counter()


async def compare_archive(folder: Path, *, users: int, records: int, rounds: int, seed: int) -> list[Comparison]:
    """The raw path, and the whole archiver, each against COPY."""
    acting = people(users, zipf=None)
    raw = Comparison(f"archive · raw rows · {users:,} users", BAR, ("raw path", "COPY"))
    full = Comparison(f"archive · rows and scores on 3 boards · {users:,} users", None, ("archiver", "COPY"))
    log = LogWriter(acting, seed=seed)
    async with _database(folder, acting) as connection:
        raw_way, full_way = RawArchiver(connection, first=0), FullArchiver(connection, first=_WITH_SCORES_FROM)
        for way in (raw_way, full_way):
            await way.begin()
        for n in range(rounds + 1):
            polls = list(log.polls(records, poll_records=POLL_RECORDS))
            rows = [_rows(raw_way, poll) for poll in polls]
            raw_rate = await measure(lambda polls=polls: raw_way.run(polls), records)  # type: ignore[misc]
            raw_way.forget_pending()
            copy_rate = await measure(lambda rows=rows: _copy(connection, rows), records)  # type: ignore[misc]
            full_rate = await measure(lambda polls=polls: full_way.run(polls), records)  # type: ignore[misc]
            if n > 0:  # the first round warms up
                for compared, rate in ((raw, raw_rate), (full, full_rate)):
                    compared.per_s[0].append(rate)
                    compared.per_s[1].append(copy_rate)
        await _check(connection, records=records * (rounds + 1))
    return [raw, full]


def _rows(way: RawArchiver, poll: Poll) -> list[tuple[Any, ...]]:
    """The rows that the raw path will write."""
    rows: list[tuple[Any, ...]] = []
    for partition, records in poll.items():
        entries = arrive(way.places[partition], records).entries
        rows += judge_log(partition, entries, memory=CountedMemory(), rules=RULES, book=None).rows
    return rows


async def _copy(connection: Connection, polls: Sequence[list[tuple[Any, ...]]]) -> None:
    for rows in polls:
        await connection.copy_records_to_table("copied", records=rows, columns=COLUMNS)


async def _check(connection: Connection, *, records: int) -> None:
    """All three ways wrote everything, and the scores stand where the rows stand."""
    copied, raw, full = await connection.fetchrow(  # type: ignore[misc]
        "SELECT (SELECT count(*) FROM copied), (SELECT count(*) FROM actions WHERE partition < $1),"
        " (SELECT count(*) FROM actions WHERE partition >= $1)",
        _WITH_SCORES_FROM,
    )
    assert copied == raw == full == records, (copied, raw, full, records)
    counted = await connection.fetchval(
        "SELECT sum(counted) FROM archive_progress WHERE partition >= $1 AND scores_next = raw_next", _WITH_SCORES_FROM
    )
    assert counted == records, (counted, records)


@asynccontextmanager
async def _database(folder: Path, acting: People) -> AsyncIterator[Connection]:
    """The schema, the table to copy into, and every user's score on every board."""
    server = PostgresServer(folder / "postgres", port=free_ports(1)[0])
    await server.start()
    try:
        connection = await connect(server.address, name="shardboard bench", settings=PLANNER, command_s=600)
        await upgrade(connection)
        await connection.execute("CREATE TABLE copied (LIKE actions INCLUDING ALL)")
        await connection.execute('CREATE TEMP TABLE people (partition integer, user_id text COLLATE "C")')
        people_rows = list(zip(acting.partitions, acting.users, strict=True))
        await connection.copy_records_to_table("people", records=people_rows)
        boards: Sequence[PeriodId] = CALENDAR.span_at(BEGIN_MS).ids
        for period in boards:
            await connection.execute(_FILL, _WITH_SCORES_FROM, period, BEGIN_MS - 1)
        await connection.execute("VACUUM ANALYZE scores")
        await connection.execute("CHECKPOINT")
        yield connection
        await connection.close()
    finally:
        await server.stop()
