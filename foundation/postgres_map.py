"""The shard map in Postgres: who owns each partition, at which epoch, and what is on its way.

Every change is one short transaction that raises the map's version first: changes come one after the other, and whoever
lost a race finds another state and is refused. All methods raise PostgresError, or one of `postgres_connect.AWAY`: then
it is unknown whether the change was made.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import msgspec

from contracts.clock import now_ms
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import (
    MAP_CHANNEL,
    MapChange,
    MoveLimits,
    MovePhase,
    MoveReport,
    PlanOrder,
    PlanRecord,
    PlanState,
    StoredMap,
)
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from foundation.postgres_connect import CONNECT_TIMEOUT_S, Connection, connect, open_pool
from foundation.postgres_sql import statements
from foundation.service import Refused

COMMAND_S: Final = 5.0
"""For one statement; each takes some ms. A frozen server is noticed after this."""
CONNECTIONS_MAX: Final = 3
"""A follower's, a mover's, and one more while another is being given back."""
HISTORY_ROWS: Final = 1_000
_REPORT_FIELDS: Final = (
    *("partition", "move_epoch", "plan", "source", "target", "phase", "reason", "rows_copied", "rows_total"),
    *("attempts", "paused_ms", "begun_ms", "changed_ms"),
)


class _Change:
    """A transaction that changes the map to `version`."""

    def __init__(self, connection: Connection, version: int) -> None:
        self.connection = connection
        self.version = version
        self.told: dict[str, Any] | None = None

    def tells(self, **change: Any) -> None:
        """What goes to the history. Without it nothing is changed."""
        self.told = change

    async def join(self, shards: Sequence[ShardEntry]) -> None:
        rows = [(entry.shard, entry.url, entry.weight, now_ms()) for entry in shards]
        await self.connection.executemany(_sql("join_shard"), rows)


class MapStore:
    """One process's way to the map. Connects at the first call; methods may be called by several tasks at once."""

    def __init__(self, url: str, *, name: str) -> None:
        """`name` says who it is: in the history and in pg_stat_activity."""
        self._url = url
        self._name = name
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def close(self) -> None:
        """Give the connections back at once; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    # --- for everybody who follows the map ---

    async def version(self) -> int:
        """The newest version. Cheap."""
        async with self._connection() as connection:
            version: int = await connection.fetchval(_sql("version"))
            return version

    async def read(self) -> StoredMap:
        """Everything, as it is at one version."""
        async with self._connection() as connection:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            state = await connection.fetchrow(_sql("state"))
            partitions = await connection.fetch(_sql("partitions"))
            shards = await connection.fetch(_sql("shards"))
            await connection.execute("COMMIT")
        assert state is not None, "the migration puts this row"
        version, *limits = state
        return StoredMap(
            version=version,
            map=ShardMap(version, tuple(map(_ownership, partitions))) if partitions else None,
            shards=tuple(ShardEntry(*row) for row in shards),
            limits=MoveLimits(*limits),
        )

    async def listen(self, hint: Callable[[], None]) -> Connection:
        """A connection of its own that calls `hint` after changes, until it is lost. The caller terminates it."""
        connection = await connect(self._url, name=self._name, command_s=COMMAND_S)
        try:
            await connection.add_listener(MAP_CHANNEL, lambda *_: hint())
        except BaseException:
            connection.terminate()
            raise
        return connection

    # --- for workers ---

    async def seed(self, shard_map: ShardMap, shards: Sequence[ShardEntry]) -> bool:
        """Make the first map; False when there is one already."""
        async with self._connection() as connection:
            if await connection.fetchval(_sql("has_map")):
                return False
        async with self._change() as change:
            if await change.connection.fetchval(_sql("has_map")):
                return False
            await change.join(shards)
            rows = [(p, owner.shard, owner.epoch, owner.since) for p, owner in enumerate(shard_map.owners)]
            await change.connection.executemany(_sql("put_partition"), rows)
            change.tells(what="seeded", partitions=len(rows), shards=[entry.shard for entry in shards])
        return True

    async def join(self, entry: ShardEntry) -> None:
        """Announce a shard; it owns nothing until a plan says so. Raises Refused when the name has another address."""
        async with self._connection() as connection:
            url = await connection.fetchval(_sql("url_of"), entry.shard)
        if url is None:
            async with self._change() as change:
                await change.join([entry])
                url = await change.connection.fetchval(_sql("url_of"), entry.shard)
                change.tells(what="joined", shard=entry.shard, weight=entry.weight)
        if url != entry.url:
            raise Refused(
                f"another Redis serves shard {entry.shard} by the map: give the new shard a name of its own, or this "
                "worker the address of that Redis"
            )

    async def readdress(self, shard: ShardId, url: str) -> None:
        """The shard's Redis, with all that it holds, is reached at another address from now on."""
        async with self._change() as change:
            await change.connection.execute(_sql("readdress"), shard, url)
            change.tells(what="readdressed", shard=shard)

    async def switch(self, partition: Partition, *, move_epoch: Epoch, target: ShardId) -> bool:
        """Make the target the owner at the move's epoch; False when this move is not intended any more."""
        async with self._change() as change:
            source = await change.connection.fetchval(_sql("switch"), partition, move_epoch, target)
            if source is None:
                return False
            await change.connection.execute(_sql("moves_begin_to_forget"), partition, move_epoch, now_ms())
            change.tells(what="switched", partition=partition, epoch=move_epoch, source=source, target=target)
        return True

    async def forgotten(self, partition: Partition, *, shard: ShardId, epoch: Epoch) -> None:
        """The shard's leftovers of the partition are gone. `epoch`: the map's, as it was when they were removed; does
        nothing when it has changed. A leaving shard that nothing is left of leaves the map."""
        async with self._change() as change:
            if await change.connection.fetchval(_sql("forgotten"), partition, shard, epoch) is None:
                return
            left = await _end_forgetting(change.connection, [partition], shard=shard)
            change.tells(what="forgotten", partition=partition, shard=shard, left=left)

    async def report(self, report: MoveReport) -> None:
        """Tell how far a move is. The map stays as it is; a move that is over stays over."""
        async with self._connection() as connection:
            await connection.execute(_sql("report"), *(getattr(report, field) for field in _REPORT_FIELDS))

    # --- for operators ---

    async def apply_plan(self, order: PlanOrder) -> int:
        """Intend all moves of a plan, or nothing; return the plan's number.

        Raises Refused: the map has changed since, a partition moves already or has another owner, a target is unknown.
        """
        async with self._change() as change:
            if change.version != order.map_version + 1:
                raise Refused(
                    f"the map has changed since this was planned: it is at version {change.version - 1}, "
                    f"the plan is for {order.map_version}. Plan again"
                )
            connection = change.connection
            await change.join(order.joining)
            await _set_shards(connection, order)
            moves = await _intend(connection, order)
            content = order.content.decode()
            plan: int = await connection.fetchval(
                _sql("put_plan"), order.checksum, now_ms(), self._name, change.version, content
            )
            await connection.executemany(
                _sql("put_move"),
                [(p, epoch, plan, source, target, now_ms()) for p, source, target, epoch in moves],
            )
            if order.undoes is not None:
                await connection.execute(_sql("set_plan_state"), order.undoes, "undone")
            left = await _drop_left_shards(connection)
            await connection.execute(_sql("end_plans"))
            change.tells(what="planned", plan=plan, checksum=order.checksum, moves=len(moves), left=left,
                         weights=dict(order.weights), leaving=sorted(order.leaving))  # fmt: skip
        return plan

    async def abort(self, partitions: Sequence[Partition] | None = None) -> dict[Partition, Epoch]:
        """Take back what is intended and not switched: of these partitions, or of all. Returns whose moves ended, with
        the epoch at which the owner goes on; what the target has of them is listed as leftovers."""
        async with self._change() as change:
            rows = await change.connection.fetch(_sql("abort"), None if partitions is None else list(partitions))
            if not rows:
                return {}
            at = now_ms()
            await change.connection.executemany(_sql("moves_aborted"), [(p, epoch, at) for p, epoch, _ in rows])
            await change.connection.execute(_sql("end_plans"))
            change.tells(what="aborted", partitions=sorted(row[0] for row in rows))
        return {Partition(partition): Epoch(epoch) for partition, _, epoch in rows}

    async def set_limits(self, limits: MoveLimits) -> None:
        """Change what moves may take."""
        async with self._change() as change:
            fields = (limits.is_paused, limits.moves_at_once, limits.users_per_s_max)
            await change.connection.execute(_sql("set_limits"), *fields)
            change.tells(what="limited", is_paused=fields[0], moves_at_once=fields[1], users_per_s_max=fields[2])

    async def give_up_leftovers(self, shard: ShardId) -> list[Partition]:
        """Forget that a shard has leftovers: for one whose Redis is gone for good. Returns of which partitions."""
        async with self._change() as change:
            rows = await change.connection.fetch(_sql("give_up_leftovers"), shard)
            partitions = sorted(Partition(row[0]) for row in rows)
            left = await _end_forgetting(change.connection, partitions, shard=shard)
            change.tells(what="leftovers given up", shard=shard, partitions=partitions, left=left)
        return partitions

    async def replace_map(
        self,
        owners: Mapping[Partition, Ownership],
        shards: Sequence[ShardEntry],
        *,
        version_min: int,
        seen: int | None = None,
    ) -> int:
        """Write these partitions as they are told by the shards themselves, moves dropped; return the map's version,
        which is newer than `version_min`. Raises Refused when the version is not `seen` any more."""
        async with self._change(version_min) as change:
            if seen is not None and change.version != max(seen, version_min) + 1:
                raise Refused(f"the map was changed meanwhile, to version {change.version - 1}: look again")
            await change.join(shards)
            rows = [(p, owner.shard, owner.epoch, owner.since) for p, owner in sorted(owners.items())]
            await change.connection.executemany(_sql("replace_partition"), rows)
            change.tells(what="rebuilt", partitions=[{"partition": p, "owner": o, "epoch": e} for p, o, e, _ in rows])
        return change.version

    async def update_plan_state(self, plan: int, state: PlanState) -> None:
        """Say what became of a plan. It becomes done or aborted by itself with its last move."""
        async with self._connection() as connection:
            await connection.execute(_sql("set_plan_state"), plan, state)

    async def plans(self, plan: int | None = None) -> list[PlanRecord]:
        """All plans that were applied, oldest first; or the one of that number, if there is one."""
        async with self._connection() as connection:
            rows = await connection.fetch(_sql("plans"), plan)
        return [PlanRecord(**{**row, "content": row["content"].encode()}) for row in rows]

    async def moves(self, plan: int | None = None, *, only_open: bool = False) -> list[MoveReport]:
        """The moves of a plan, or all that there ever were, oldest first; only those that are not over, if asked."""
        async with self._connection() as connection:
            rows = await connection.fetch(_sql("moves"), plan, only_open)
        return [MoveReport(**{**row, "phase": MovePhase(row["phase"])}) for row in rows]

    async def history(self, rows_max: int = HISTORY_ROWS) -> list[MapChange]:
        """The newest changes, newest first."""
        async with self._connection() as connection:
            rows = await connection.fetch(_sql("history"), rows_max)
        return [MapChange(**{**row, "change": row["change"].encode()}) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection outside of a transaction. One whose call did not end well is never used again."""
        if self._pool is None:
            made = await open_pool(self._url, name=self._name, connections_max=CONNECTIONS_MAX, command_s=COMMAND_S)
            self._pool = self._pool or made  # another task may have made one meanwhile; ours has no connection yet
        pool = self._pool
        connection = await pool.acquire(timeout=CONNECT_TIMEOUT_S)
        try:
            yield connection  # type: ignore[misc]  # a proxy with the same methods
        except BaseException:
            connection.terminate()
            raise
        finally:
            await pool.release(connection)

    @asynccontextmanager
    async def _change(self, version_min: int = 0) -> AsyncIterator[_Change]:
        """A change of the map: kept if it tells what it is, else, and when it raises, undone."""
        async with self._connection() as connection:
            await connection.execute("BEGIN")
            change = _Change(connection, await connection.fetchval(_sql("raise_version"), version_min))
            yield change
            if change.told is None:
                await connection.execute("ROLLBACK")
                return
            told = msgspec.json.encode(change.told).decode()
            await connection.execute(_sql("put_history"), change.version, now_ms(), self._name, told)
            await connection.execute(_sql("notify"), MAP_CHANNEL, str(change.version))
            await connection.execute("COMMIT")


async def _set_shards(connection: Connection, order: PlanOrder) -> None:
    """Weights, who leaves and who stays. Raises Refused for a shard that does not take part."""
    known = {row["shard"] for row in await connection.fetch(_sql("shards"))}
    unknown = sorted({*order.weights, *order.leaving, *order.staying} - known)
    if unknown:
        raise Refused(f"{', '.join(unknown)}: no such shard takes part in this deployment")
    await connection.executemany(_sql("set_weight"), list(order.weights.items()))
    leaving = [(shard, True) for shard in order.leaving] + [(shard, False) for shard in order.staying]
    await connection.executemany(_sql("set_leaving"), leaving)
    staying = {row["shard"] for row in await connection.fetch(_sql("shards")) if not row["is_leaving"]}
    bad = sorted({move.target for move in order.moves} - staying)
    if bad:
        raise Refused(f"{', '.join(bad)} cannot receive partitions: its worker has not joined, or it is leaving")


async def _intend(connection: Connection, order: PlanOrder) -> list[tuple[int, str, str, int]]:
    """Draw the moves' epochs. Raises Refused when one of them cannot be intended."""
    columns = zip(*((move.partition, move.source, move.target) for move in order.moves), strict=True)
    rows = await connection.fetch(_sql("intend"), *map(list, columns)) if order.moves else []
    lacking = sorted({move.partition for move in order.moves} - {row["partition"] for row in rows})
    if lacking or len(rows) != len(order.moves):
        shown = ", ".join(map(str, lacking))
        raise Refused(f"partitions {shown} are moving already, or belong to another shard than the plan says")
    return [tuple(row) for row in rows]


async def _end_forgetting(connection: Connection, partitions: Sequence[Partition], *, shard: ShardId) -> list[str]:
    await connection.execute(_sql("moves_done"), list(partitions), shard, now_ms())
    await connection.execute(_sql("end_plans"))
    return await _drop_left_shards(connection)


async def _drop_left_shards(connection: Connection) -> list[str]:
    return [row["shard"] for row in await connection.fetch(_sql("drop_left_shards"))]


def _ownership(row: asyncpg.Record) -> Ownership:
    _, owner, epoch, since, move_epoch, target, forget = row
    move = None if move_epoch is None else Move(Epoch(move_epoch), ShardId(target))
    return Ownership(ShardId(owner), Epoch(epoch), Epoch(since), move, tuple(map(ShardId, forget)))


def _sql(name: str) -> str:
    return statements("foundation", "map.sql")[name]
