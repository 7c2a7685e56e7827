"""Looks up what records of a batch depend on: what counted before, and the whole state of some users.

Always for many partitions in one statement, by arrays of equal length."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from archiver.counted_memory import CapUse, UserAction
from archiver.score_fold import Counted, is_moderation, user16
from archiver.score_state import UserState
from contracts.counting import CountingRules, window_of
from contracts.identity import id16_of
from contracts.ids import ActionId, Id16, LogMs, Partition, PeriodId, UserId, Window
from contracts.record import VoidRecord
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

_decode_parked: Final = msgspec.json.Decoder(dict[PeriodId, tuple[int, int]]).decode
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of ids, by partition."""

    seen: dict[Partition, dict[Id16, Window]]
    kept: dict[Partition, dict[Id16, int]]


def limit_digest(user_action: UserAction) -> Id16:
    """The key of used limits, as in Redis: a digest, since it outlives an erase of the user."""
    user, action = user_action
    return id16_of(UserId(user), ActionId(action))


async def past_of(
    connection: Connection, ids: Mapping[Partition, AbstractSet[Id16]], *, since_ms: int, rules: CountingRules
) -> Past:
    """Which of the ids counted since `since_ms`, and which of them are kept."""
    partitions, flat = _flatten(ids)
    past = Past({partition: {} for partition in ids}, {partition: {} for partition in ids})
    for partition, id16, log_ms in await connection.fetch(_archive("seen"), partitions, flat, since_ms):
        seen, window = past.seen[partition], window_of(LogMs(log_ms), rules)
        seen[id16] = max(window, seen.get(id16, window))
    if await connection.fetchval(_archive("has_kept"), list(ids)):
        for partition, id16, keep_until in await connection.fetch(_archive("kept"), partitions, flat):
            past.kept[partition][id16] = keep_until
    return past


async def caps_of(
    connection: Connection, wanted: Mapping[Partition, AbstractSet[UserAction]]
) -> dict[Partition, dict[UserAction, CapUse]]:
    """How far these limits are used."""
    partitions, keys = _flatten(wanted)
    caps: dict[Partition, dict[UserAction, CapUse]] = {partition: {} for partition in wanted}
    if keys:
        for n, *use in await connection.fetch(_archive("caps"), partitions, [limit_digest(key) for key in keys]):
            caps[Partition(partitions[n - 1])][keys[n - 1]] = CapUse(*use)
    return caps


async def states_to_fold(
    connection: Connection, pending: Mapping[Partition, Sequence[Counted]]
) -> dict[Partition, dict[UserId, UserState]]:
    """The states that a fold of `pending` needs: of hidden users, and of those who are moderated in it."""
    users = {p: {item.record.user_id for item in items} for p, items in pending.items()}
    moderated = {p: {i.record.user_id for i in items if is_moderation(i.record)} for p, items in pending.items()}
    hidden = {user for user, _ in await connection.fetch(_scores("hidden_of"), *_flatten(users))}
    return await states_of(connection, {p: moderated[p] | (users[p] & hidden) for p in pending}, records=pending)


async def states_of(
    connection: Connection,
    users: Mapping[Partition, AbstractSet[UserId]],
    *,
    records: Mapping[Partition, Sequence[Counted]],
) -> dict[Partition, dict[UserId, UserState]]:
    """The whole states of users, as far as `records` can ask for them."""
    states = {partition: {user: UserState() for user in members} for partition, members in users.items()}
    partitions, flat = _flatten(users)
    if not flat:
        return states
    by_user = {user: state for members in states.values() for user, state in members.items()}
    for user, period, score, scored_at in await connection.fetch(_scores("scores_of"), partitions, flat):
        by_user[user].boards[period] = (score, scored_at)
    for user, parked in await connection.fetch(_scores("hidden_of"), partitions, flat):
        by_user[user].parked = _decode_parked(parked)
    digests = [user16(user) for user in flat]
    for n, offset in await connection.fetch(_scores("erased_of"), partitions, digests):
        by_user[flat[n - 1]].erased_at = offset
    await _mark_voided(connection, by_user, records=records)
    return states


async def _mark_voided(
    connection: Connection, by_user: Mapping[UserId, UserState], *, records: Mapping[Partition, Sequence[Counted]]
) -> None:
    voids = [
        (partition, item.record.user_id, id16_of(item.record.user_id, item.record.void_id))
        for partition, items in records.items()
        for item in items
        if isinstance(item.record, VoidRecord)
    ]
    if voids:
        arguments = ([void[0] for void in voids], [void[2] for void in voids])
        for (n,) in await connection.fetch(_scores("voided_of"), *arguments):
            _, user, void16 = voids[n - 1]
            by_user[user].voided.add(void16)


def _flatten(members: Mapping[Partition, AbstractSet[_T]]) -> tuple[list[int], list[_T]]:
    """Two arrays of equal length, each partition's members in order: the index is walked once, not jumped about in."""
    flat: list[Any] = [(p, member) for p, some in sorted(members.items()) for member in sorted(some)]  # type: ignore[type-var]
    return [p for p, _ in flat], [member for _, member in flat]


def _archive(name: str) -> str:
    return statements("archiver", "archive.sql")[name]


def _scores(name: str) -> str:
    return statements("archiver", "scores.sql")[name]
