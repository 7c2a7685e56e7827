"""Reads partitions from the archive for restores, each in one snapshot. The archive being away is an answer, not an
error: the partition then waits for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from contracts.ids import Partition
from foundation.postgres_connect import AWAY, Connection, connect
from foundation.postgres_mark import check_postgres_mark
from foundation.postgres_snapshot import PartitionSnapshot, read_partition_snapshot
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused
from shard_worker.redis_restore_rows import Chunk, RestoreRows
from shard_worker.restore_steps import Archive, NoArchive, Start

IDLE_MS: Final = 60_000
"""A snapshot is idle while its rows are written and the log is asked; each of these waits has a bound below this."""


class ArchiveReader:
    """One connection, made when it is first needed. One partition at a time."""

    def __init__(self, url: str, mark: ClusterMark) -> None:
        """`url` may be empty: then there is no archive."""
        self._url = url
        self._mark = mark
        self._connection: Connection | None = None
        self._unusable: NoArchive | None = None

    def look_again(self) -> None:
        """A server that could not be used is asked again; until then the answer stands for all partitions."""
        self._unusable = None

    @asynccontextmanager
    async def partition(self, partition: Partition) -> AsyncIterator["ArchivedPartition | NoArchive"]:
        """The partition as it is archived. Raises one of AWAY from within when the server goes away meanwhile."""
        connection = await self._open()
        if isinstance(connection, NoArchive):
            yield connection
            return
        try:
            async with read_partition_snapshot(connection, partition, window_ms=self._mark.window_ms) as snapshot:
                yield ArchivedPartition(snapshot, partition)
        except BaseException:  # its transaction may be broken, or a statement under way
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _open(self) -> Connection | NoArchive:
        if not self._url:
            return NoArchive("there is no archive: SHARDBOARD_POSTGRES_URL is not set")
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._unusable is not None:
            return self._unusable
        try:
            self._connection = await connect(
                self._url,
                name=f"shardboard restore {self._mark.topic}",
                settings={"idle_in_transaction_session_timeout": str(IDLE_MS)},
            )
            await check_postgres_mark(self._connection, self._mark)
        except asyncpg.UndefinedTableError:
            reason = "Postgres holds no archive yet"
        except AWAY as error:
            reason = f"Postgres does not answer ({type(error).__name__}: {error})"
        except (Refused, asyncpg.PostgresError) as error:
            reason = f"Postgres cannot be used ({error})"
        else:
            return self._connection
        self.close()
        self._unusable = NoArchive(reason)
        return self._unusable


class ArchivedPartition:
    """Valid inside `ArchiveReader.partition`."""

    def __init__(self, snapshot: PartitionSnapshot, partition: Partition) -> None:
        self._snapshot = snapshot
        self._partition = partition

    @property
    def head(self) -> Archive | NoArchive:
        """Where the archive stands."""
        head = self._snapshot.head
        if head is None:
            return NoArchive("Postgres holds nothing of this partition")
        return Archive(head.begin_offset, Start(head.next_offset, head.log_ms, head.last, head.points, head.counted))

    async def count_scores(self) -> int:
        """How many rows of scores there are: most of the work."""
        return await self._snapshot.count_scores()

    async def chunks(self, *, named_rows: int) -> AsyncIterator[list[Chunk]]:
        """All writes that make the partition's keys, scores first. Raises one of AWAY."""
        rows = RestoreRows(self._partition, named_rows=named_rows)
        snapshot = self._snapshot
        async for scores in snapshot.scores():
            yield list(rows.scores(scores))
        async for hidden in snapshot.hidden():
            yield list(rows.hidden(hidden))
        async for erased in snapshot.erased():
            yield list(rows.erased(erased))
        async for voided in snapshot.voided():
            yield list(rows.voided(voided))
        async for kept in snapshot.kept():
            yield list(rows.kept(kept))
        async for caps in snapshot.caps():
            yield list(rows.caps(caps))
        async for seen in snapshot.seen():
            yield list(rows.seen(seen))
        async for names in snapshot.names():
            yield list(rows.names(names))
