"""One partition as the archive holds it, for the worker's restore, `verify` and moves: everything at one offset.

async with read_partition_snapshot(connection, partition, window_ms=rules.window_ms) as snapshot:
    snapshot.head                      # None: never archived; head.begin_offset > 0: not from the log's beginning
    async for rows in snapshot.scores(): …        # lists of at most CHUNK_ROWS; each may be read once or again"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

import asyncpg
import msgspec

from contracts.counting import CAP_DAYS_BEFORE, DAY_MS
from contracts.ids import Id16, LogMs, Offset, Partition, PeriodId, UserId, Window
from contracts.progress import LastRecord
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

CHUNK_ROWS: Final = 5_000
"""Rows held at a time: some MB, and one call's worth for Redis."""
_COUNTED: Final = "counted"
_decode_parked: Final = msgspec.json.Decoder(dict[PeriodId, tuple[int, int]]).decode
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """Where the snapshot stands: the fields that Redis's progress will have."""

    begin_offset: Offset
    """Above 0: the log had lost its beginning before it was archived; the snapshot is no complete state."""
    next_offset: Offset
    log_ms: LogMs
    last: LastRecord | None
    points: int
    counted: int


class ScoreRow(NamedTuple):
    """`scored_at` 0: the user was only adjusted; Redis then has no scored_at."""

    period: PeriodId
    user_id: UserId
    score: int
    scored_at: LogMs


class HiddenUser(NamedTuple):
    """Parked scores by board: (score, scored_at)."""

    user_id: UserId
    parked: dict[PeriodId, tuple[int, int]]


class ErasedUser(NamedTuple):
    """The digest of an erased user (`id16_of(user_id, "")`) and the offset of the erase."""

    user16: Id16
    offset: Offset


class VoidedAction(NamedTuple):
    """A voided action and the offset that its void named."""

    id16: Id16
    offset: Offset


class KeptId(NamedTuple):
    """An id that is remembered longer than a window."""

    id16: Id16
    keep_until: int


class CapUse(NamedTuple):
    """One limit in use. `used_by` = `id16_of(user_id, action)`; `used` counts the newest day on which it was used."""

    used_by: Id16
    day: int
    used: int
    last_received_ms: int


class SeenId(NamedTuple):
    """An id that counted in a window that repeats are still looked up in."""

    window: Window
    id16: Id16


class UserName(NamedTuple):
    """A user's newest display name."""

    user_id: UserId
    name: str


class PartitionSnapshot:
    """Valid inside `read_partition_snapshot`. One iteration at a time, as the connection is one."""

    def __init__(
        self, connection: Connection, partition: Partition, *, head: SnapshotHead | None, window_ms: int
    ) -> None:
        self.head = head
        self._connection = connection
        self._partition = partition
        self._window_ms = window_ms

    def scores(self) -> AsyncIterator[list[ScoreRow]]:
        """Every score, in the order of users."""
        return self._chunks("scores", lambda row: ScoreRow(*row))

    async def count_scores(self) -> int:
        """How many rows `scores` will yield."""
        count: int = await self._connection.fetchval(_sql("count_scores"), self._partition)
        return count

    def hidden(self) -> AsyncIterator[list[HiddenUser]]:
        """Hidden users, also those who have nothing parked."""
        return self._chunks("hidden", lambda row: HiddenUser(row[0], _decode_parked(row[1])))

    def erased(self) -> AsyncIterator[list[ErasedUser]]:
        """Erased users."""
        return self._chunks("erased", lambda row: ErasedUser(*row))

    def voided(self) -> AsyncIterator[list[VoidedAction]]:
        """Voided actions."""
        return self._chunks("voided", lambda row: VoidedAction(*row))

    def kept(self) -> AsyncIterator[list[KeptId]]:
        """Kept ids that have not expired by log time."""
        return self._chunks("kept", lambda row: KeptId(*row), self._log_ms)

    def caps(self) -> AsyncIterator[list[CapUse]]:
        """Limits in use that may still decide something."""
        return self._chunks("caps", lambda row: CapUse(*row), self._log_ms // DAY_MS - CAP_DAYS_BEFORE)

    def names(self) -> AsyncIterator[list[UserName]]:
        """Display names of all users of the partition."""
        return self._chunks("names", lambda row: UserName(*row))

    async def seen(self) -> AsyncIterator[list[SeenId]]:
        """Ids that counted before `head.next_offset` in the newest two windows, erased users' included."""
        if self.head is None:
            return
        least_ms = (self.head.log_ms // self._window_ms - 1) * self._window_ms
        cursor = await self._connection.cursor(_sql("recent_actions"), self._partition, self.head.next_offset)
        while rows := await cursor.fetch(CHUNK_ROWS):
            yield [self._seen(row) for row in rows if row[1] >= least_ms and row[2] == _COUNTED]
            if rows[-1][1] < least_ms:
                break
        async for chunk in self._chunks("tombstones", self._seen, self.head.next_offset, least_ms):
            yield chunk

    @property
    def _log_ms(self) -> int:
        return self.head.log_ms if self.head is not None else 0

    def _seen(self, row: asyncpg.Record) -> SeenId:
        return SeenId(Window(row[1] // self._window_ms), Id16(row[0]))

    async def _chunks(
        self, statement: str, make: Callable[[asyncpg.Record], _T], *more: int
    ) -> AsyncIterator[list[_T]]:
        cursor = await self._connection.cursor(_sql(statement), self._partition, *more)
        while rows := await cursor.fetch(CHUNK_ROWS):
            yield [make(row) for row in rows]


@asynccontextmanager
async def read_partition_snapshot(
    connection: Connection, partition: Partition, *, window_ms: int
) -> AsyncIterator[PartitionSnapshot]:
    """The partition at the archive's scores_next, whatever the archiver does meanwhile.

    Raises one of `postgres_connect.AWAY`, the iterations too. `connection` must not be in a transaction.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(_sql("progress"), partition)
        head = None
        if row is not None:
            begin, next_offset, log_ms, last, points, counted = row
            head = SnapshotHead(begin, next_offset, log_ms, LastRecord.decode(last) if last else None, points, counted)
        yield PartitionSnapshot(connection, partition, head=head, window_ms=window_ms)


def _sql(name: str) -> str:
    return statements("foundation", "snapshot.sql")[name]
