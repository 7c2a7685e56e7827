"""The scores' path: one transaction adds all that is pending to the tables that stand at scores_next.

1. If a user is erased, wait until no board is being copied. 2. Read the users who need more than sums. 3. Fold.
4. Move scores_next by compare-and-set. 5. Write. 6. Commit: scores and positions are there together, or neither is;
after a crash the rows between scores_next and raw_next are folded again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from archiver.archive_fold import storable
from archiver.place import Place
from archiver.postgres_boards import BOARDS_LOCK
from archiver.postgres_lookups import limit_digest, states_to_fold
from archiver.postgres_migrate import LOCK_CLASS
from archiver.postgres_places import PositionMoved
from archiver.score_fold import BoardClock, ScoreChanges, ScoreFold, user16
from contracts.counting import CountingRules, window_of
from contracts.ids import Partition, PeriodId, UserId
from contracts.record import EraseRecord
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

_encode: Final = msgspec.json.Encoder().encode
Changes = Mapping[Partition, ScoreChanges]


async def flush(connection: Connection, places: Sequence[Place], *, rules: CountingRules, clock: BoardClock) -> None:
    """Bring the scores to where the rows are; the places move with it.

    Raises PositionMoved, or one of `postgres_connect.AWAY`: then the places must be read again.
    """
    behind = sorted((place for place in places if place.is_behind), key=lambda place: place.partition)
    if not behind:
        return
    async with connection.transaction():
        if any(isinstance(item.record, EraseRecord) for place in behind for item in place.pending):
            await connection.execute(_sql("lock_boards"), LOCK_CLASS, BOARDS_LOCK)
        pending = {place.partition: place.pending for place in behind}
        states = await states_to_fold(connection, pending)
        changes = {p: ScoreFold(clock, states[p]).add(items) for p, items in pending.items()}
        points = await _move(connection, behind, changes=changes)
        await _write_scores(connection, changes)
        await _write_memory(connection, behind)
        await _write_users(connection, changes)
        for place in behind:
            for user, offset in changes[place.partition].erased.items():
                window = window_of(place.raw.log_ms, rules)
                await _erase(connection, place, user=user, offset=offset, least_ms=(window - 1) * rules.window_ms)
    for place in behind:
        place.after_flushed(points[place.partition])


async def _move(connection: Connection, behind: Sequence[Place], *, changes: Changes) -> dict[Partition, int]:
    moved = await connection.fetch(
        _sql("move_scores"),
        [place.partition for place in behind],
        [place.scores_next for place in behind],
        [place.raw.next_offset for place in behind],
        [place.raw.log_ms for place in behind],
        [place.raw.last.encode() if place.raw.last else "" for place in behind],
        [min(changes[place.partition].points, 2**62) for place in behind],
        [changes[place.partition].counted for place in behind],
    )
    if len(moved) != len(behind):
        raise PositionMoved(f"{len(moved)} partitions moved, {len(behind)} expected")
    return {Partition(partition): points for partition, points in moved}


async def _write_scores(connection: Connection, changes: Changes) -> None:
    periods = sorted({period for change in changes.values() for period in change.periods})
    if periods:
        await connection.execute(_sql("put_boards"), periods)
    sums = sorted(
        (p, user, period, points, at)
        for p, change in changes.items()
        for (user, period), (points, at) in change.increments.items()
    )
    await _write(connection, "add_scores", rows=sums)
    users = [(p, user) for p, change in changes.items() for user in change.states]
    if not users:
        return
    await _write(connection, "drop_scores", rows=users)
    await _write(connection, "drop_hidden", rows=users)
    states = [(p, user, state) for p, change in changes.items() for user, state in change.states.items()]
    cells = [(p, user, period, *cell) for p, user, state in states for period, cell in state.boards.items()]
    await _write(connection, "put_scores", rows=cells)
    hidden = [(p, user, _json(state.parked)) for p, user, state in states if state.parked is not None]
    await _write(connection, "put_hidden", rows=hidden)
    voided = [(p, id16, offset) for p, change in changes.items() for id16, offset in change.voided.items()]
    await _write(connection, "put_voided", rows=voided)


async def _write_memory(connection: Connection, behind: Sequence[Place]) -> None:
    kept = [(place.partition, id16, until) for place in behind for id16, until in place.kept.items()]
    await _write(connection, "put_kept", rows=kept)
    caps = [(place.partition, limit_digest(key), *use) for place in behind for key, use in place.caps.items()]
    await _write(connection, "put_caps", rows=caps)


async def _write_users(connection: Connection, changes: Changes) -> None:
    for change in changes.values():
        for user in change.erased:
            await connection.execute(_sql("erase_user"), user)
    profiles = [
        (p, user, storable(profile.name), _metadata(profile.metadata))
        for p, change in sorted(changes.items())
        for user, profile in sorted(change.profiles.items())
    ]
    await _write(connection, "put_users", rows=profiles)
    moderation = [
        (p, row.offset, row.log_ms, row.kind, row.user_id, user16(row.user_id), storable(row.moderator),
         storable(row.reason), row.points, row.void_offset)
        for p, change in changes.items()
        for row in change.moderation
    ]  # fmt: skip
    await _write(connection, "put_moderation", rows=moderation)


async def _erase(connection: Connection, place: Place, *, user: UserId, offset: int, least_ms: int) -> None:
    """Scores, parked scores and the name are gone already; now the rest, but what must still be recognised."""
    p = place.partition
    await connection.execute(_sql("put_erased"), p, user16(user), offset)
    await connection.execute(_sql("bury"), p, user, offset, least_ms)
    await connection.execute(_sql("erase_actions"), p, user, offset)
    await connection.execute(_sql("erase_leaderboards"), user)
    await connection.execute(_sql("erase_snapshots"), user)
    await connection.execute(_sql("erase_moderation"), p, user16(user), offset)


async def _write(connection: Connection, name: str, *, rows: Iterable[tuple[Any, ...]]) -> None:
    """One statement whose arguments are the rows' columns as arrays; none for no rows."""
    columns = list(zip(*rows, strict=True))
    if columns:
        await connection.execute(_sql(name), *columns)


def _json(parked: dict[PeriodId, tuple[int, int]]) -> str:
    return _encode(parked).decode()


def _metadata(metadata: dict[str, str] | None) -> str | None:
    if metadata is None:
        return None
    return _encode({storable(key): storable(value) for key, value in metadata.items()}).decode()


def _sql(name: str) -> str:
    return statements("archiver", "scores.sql")[name]
