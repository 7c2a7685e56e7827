"""Each rule of the apply call once, by hand: repeats, limits, controls and bounds, on real Valkey and real Redis 7."""

from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.counting import DAY_MS, CountingRules
from contracts.ids import ActionId, Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.periods import PeriodCalendar, SpanCache
from contracts.record import (
    ActionRecord,
    AdjustRecord,
    EraseRecord,
    HideRecord,
    Limits,
    ProfileRecord,
    Record,
    UnhideRecord,
    VoidRecord,
    encode,
)
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import DeadRecord, Folder, Position
from shard_worker.local_top import LocalTop
from shard_worker.redis_applier import Applier, RoundResult
from shard_worker.redis_shard import ApplyCall, ShardRedis
from shard_worker.replies import Absent, Ahead, Applied, Claimed, Damaged, Fenced, InState, Leftover, Paused, Seek
from tests.support.apply_model import LogRecord

P = Partition(7)
ALL = PeriodId("all_time")
RULES = CountingRules()
W = RULES.window_ms
T0 = 1_769_860_800_000
"""2026-01-31 12:00 UTC: the first moment of a window."""
BY: dict[str, Any] = {"v": 1, "received_at": 0, "by": "m", "reason": "r"}


class Rig:
    """A claimed partition of a server; every `send` is one record in a batch of its own, unless sent together."""

    def __init__(self, redis: Redis) -> None:
        self.redis: Any = redis
        self.shard = ShardRedis(redis, shard=ShardId("s1"), writer="w")
        self.folder = Folder(RULES, SpanCache(PeriodCalendar()))
        self.top = LocalTop(shown=2)
        self.dead: list[DeadRecord] = []
        self.applier = Applier(self.shard, self.folder, top=self.top, divert=self._divert, breaker=DeadBreaker())
        self.position = Position(Offset(0), LogMs(0))
        self.ids = 0

    async def _divert(self, dead: Sequence[DeadRecord]) -> None:
        self.dead += dead

    async def send(self, *records: Record, at: int = T0) -> RoundResult:
        first = self.position.next_offset
        log = [LogRecord(first + n, at, b"k", encode(record)) for n, record in enumerate(records)]
        result = await self.applier.run(self.folder.fold_all(P, log, before=self.position), {P: Epoch(1)})
        assert not result.refused
        self.position = result.applied[-1].after
        assert self.position.next_offset == first + len(records)
        return result

    async def score(self, user: str = "a", period: PeriodId = ALL) -> int | None:
        found = await self.redis.zscore(redis_keys.scores(P, period), user)
        return None if found is None else int(found)

    def act(
        self,
        points: int = 1,
        *,
        id: str | None = None,  # noqa: A002
        user: str = "a",
        at: int = T0,
        **more: Any,
    ) -> ActionRecord:
        self.ids += 1
        return ActionRecord(
            v=1, id=ActionId(id or f"own-{self.ids}"), user_id=UserId(user), received_at=more.pop("received_at", at),
            action="commit", points=points, at=at, **more,
        )  # fmt: skip


@pytest.fixture
async def rig(any_redis: Redis) -> Rig:
    rig = Rig(any_redis)
    assert await rig.shard.claim(P, Epoch(1), begin=Offset(0)) == Claimed(Offset(0), LogMs(0), None)
    return rig


async def test_id_is_a_repeat_in_its_own_window_and_the_next_and_new_after_that(rig: Rig) -> None:
    await rig.send(rig.act(5, id="x"))
    assert (await rig.send(rig.act(5, id="x"), at=T0 + W - 1)).repeats == 1
    assert (await rig.send(rig.act(5, id="x"), at=T0 + 2 * W - 1)).repeats == 1
    assert await rig.score() == 5
    assert (await rig.send(rig.act(5, id="x"), at=T0 + 2 * W)).repeats == 0
    assert await rig.score() == 10


async def test_id_belongs_to_its_user(rig: Rig) -> None:
    assert (await rig.send(rig.act(5, id="x"), rig.act(7, id="x", user="b"))).repeats == 0
    assert (await rig.score("a"), await rig.score("b")) == (5, 7)


async def test_only_the_repeats_of_a_batch_are_dropped(rig: Rig) -> None:
    await rig.send(rig.act(5, id="x"))
    result = await rig.send(rig.act(1, user="b"), rig.act(5, id="x"), rig.act(1, user="b"))
    assert (result.repeats, await rig.score("a"), await rig.score("b")) == (1, 5, 2)


async def test_kept_id_is_a_repeat_until_its_time(rig: Rig) -> None:
    kept = T0 + 5 * W
    await rig.send(rig.act(5, id="x", keep_until=kept))
    assert (await rig.send(rig.act(5, id="x"), at=kept)).repeats == 1
    assert (await rig.send(rig.act(5, id="x"), at=kept + 1)).repeats == 0
    assert await rig.redis.zcard(redis_keys.kept(P)) == 0


async def test_kept_id_is_a_repeat_in_the_very_moment_that_it_ends(rig: Rig) -> None:
    kept = T0 + 5 * W
    await rig.send(rig.act(5, id="x", keep_until=kept))
    await rig.send(rig.act(1), at=kept)
    assert (await rig.send(rig.act(5, id="x"), at=kept)).repeats == 1


async def test_cap_counts_per_day_of_log_time(rig: Rig) -> None:
    def limited() -> ActionRecord:
        return rig.act(1, limits=Limits(cap_per_day=2))

    result = await rig.send(limited(), limited(), limited(), rig.act(10))
    assert (result.capped, await rig.score()) == (1, 12)
    assert (await rig.send(limited(), at=T0 + DAY_MS // 2 - 1)).capped == 1
    assert (await rig.send(limited(), at=T0 + DAY_MS // 2)).capped == 0
    assert (await rig.send(rig.act(1, user="b", limits=Limits(cap_per_day=2)), at=T0 + DAY_MS // 2)).capped == 0


async def test_capped_action_does_not_use_its_id_up(rig: Rig) -> None:
    await rig.send(rig.act(1, limits=Limits(cap_per_day=1)))
    again = rig.act(1, id="x", limits=Limits(cap_per_day=1))
    assert (await rig.send(again, at=T0 + DAY_MS // 2 - 1)).capped == 1
    result = await rig.send(again, at=T0 + DAY_MS // 2)
    assert (result.capped, result.repeats, await rig.score()) == (0, 0, 2)


async def test_cooldown_is_by_received_at_and_survives_the_change_of_day(rig: Rig) -> None:
    midnight = T0 + DAY_MS // 2

    def at(ms: int) -> ActionRecord:
        return rig.act(1, at=ms, limits=Limits(cooldown_ms=10_000))

    assert (await rig.send(at(midnight - 5_000), at=midnight - 5_000)).capped == 0
    assert (await rig.send(at(midnight + 4_999), at=midnight + 4_999)).capped == 1
    assert (await rig.send(at(midnight + 5_000), at=midnight + 5_000)).capped == 0
    assert (await rig.send(rig.act(1, at=midnight), at=midnight + 5_000)).capped == 0, "without limits it is free"


async def test_hidden_user_earns_on_and_returns_with_everything(rig: Rig) -> None:
    await rig.send(rig.act(5))
    result = await rig.send(HideRecord(id=ActionId("h"), user_id=UserId("a"), **BY), rig.act(3), at=T0 + 7)
    assert await rig.score() is None
    assert ALL in rig.top.stale, result
    await rig.send(UnhideRecord(id=ActionId("u"), user_id=UserId("a"), **BY))
    assert await rig.score() == 8
    assert int(await rig.redis.hget(redis_keys.scored_at(P, ALL), "a")) == T0 + 7
    assert await rig.redis.exists(redis_keys.hidden(P)) == 0


async def test_user_hidden_first_and_acting_later_stays_hidden(rig: Rig) -> None:
    await rig.send(HideRecord(id=ActionId("h"), user_id=UserId("a"), **BY))
    await rig.send(rig.act(3))
    assert await rig.score() is None
    await rig.send(UnhideRecord(id=ActionId("u"), user_id=UserId("a"), **BY))
    assert await rig.score() == 3


async def test_unhide_brings_nothing_back_to_a_closed_board(rig: Rig) -> None:
    day = PeriodId("daily:2026-01-31")
    await rig.send(rig.act(5), HideRecord(id=ActionId("h"), user_id=UserId("a"), **BY))
    await rig.send(UnhideRecord(id=ActionId("u"), user_id=UserId("a"), **BY), at=T0 + DAY_MS // 2 + RULES.lateness_ms)
    assert (await rig.score(), await rig.score(period=day)) == (5, None)


async def test_hide_leaves_a_closed_board_as_it_was(rig: Rig) -> None:
    await rig.send(rig.act(5))
    hide = HideRecord(id=ActionId("h"), user_id=UserId("a"), **BY)
    await rig.send(hide, at=T0 + DAY_MS // 2 + RULES.lateness_ms)
    assert (await rig.score(), await rig.score(period=PeriodId("daily:2026-01-31"))) == (None, 5)


async def test_repeated_adjust_counts_once_and_may_be_negative(rig: Rig) -> None:
    adjust = AdjustRecord(id=ActionId("j"), user_id=UserId("a"), points=-7, at=T0, **BY)
    await rig.send(rig.act(5), adjust)
    assert (await rig.send(adjust)).repeats == 1
    assert await rig.score() == -2


def void(offset: int, *, id: str, action: str = "x", points: int = 5) -> VoidRecord:  # noqa: A002
    return VoidRecord(
        id=ActionId(id), user_id=UserId("a"), void_id=ActionId(action), void_offset=offset, void_at=T0, void_log_ms=T0,
        points=points, **BY,
    )  # fmt: skip


async def test_void_takes_an_action_back_once(rig: Rig) -> None:
    await rig.send(rig.act(5, id="x"), rig.act(2))
    await rig.send(void(0, id="v1"))
    assert await rig.score() == 2
    await rig.send(void(0, id="v2"), at=T0 + 10 * W)
    assert await rig.score() == 2, "another order to void the same action"


async def test_void_of_an_action_before_an_erase_is_dropped_and_after_it_is_not(rig: Rig) -> None:
    await rig.send(rig.act(5, id="x"), EraseRecord(id=ActionId("e"), user_id=UserId("a"), **BY), rig.act(9, id="y"))
    await rig.send(void(0, id="v1"))
    assert await rig.score() == 9
    await rig.send(void(2, id="v2", action="y", points=9))
    assert await rig.score() == 0


async def test_erase_leaves_nothing_but_digests(rig: Rig) -> None:
    user = "somebody@example.org"
    await rig.send(rig.act(5, id="x", user=user, name="Some Body", limits=Limits(5, 5), keep_until=T0 + 9))
    assert await rig.redis.hget(redis_keys.names(P), user) == b"Some Body"
    await rig.send(HideRecord(id=ActionId("h"), user_id=UserId(user), **BY))
    await rig.send(EraseRecord(id=ActionId("e"), user_id=UserId(user), **BY))
    dump = b"".join([await rig.redis.dump(key) async for key in rig.redis.scan_iter()])
    assert user.encode() not in dump
    assert b"Some Body" not in dump
    assert (await rig.send(rig.act(5, id="x", user=user))).repeats == 1, "an erase does not forget ids"


async def test_names_are_kept_of_users_near_the_top_only(rig: Rig) -> None:
    for points in range(10, 20):
        await rig.send(rig.act(points, user=f"u{points}", name=f"N{points}"))
        rig.top.settle()
    await rig.send(rig.act(1, user="low", name="Low"))
    await rig.send(
        ProfileRecord(v=1, id=ActionId("p1"), user_id=UserId("low"), received_at=0, name="Lowest"),
        ProfileRecord(v=1, id=ActionId("p2"), user_id=UserId("u19"), received_at=0, name="Top"),
    )
    names = await rig.redis.hgetall(redis_keys.names(P))
    assert names[b"u19"] == b"Top"
    assert b"low" not in names
    rig.top.settle()
    assert rig.top.view(ALL).rows[0].name == "Top"
    await rig.shard.drop_names(P, Epoch(1), users=["u19", "u18"])
    assert b"u19" not in await rig.redis.hgetall(redis_keys.names(P))


async def test_record_that_would_leave_the_bounds_is_dead_and_the_rest_counts(rig: Rig) -> None:
    def adjust(points: int, name: str) -> AdjustRecord:
        return AdjustRecord(id=ActionId(name), user_id=UserId("a"), points=points, at=T0, **BY)

    big = 2**53 - 1
    await rig.send(adjust(big - 10, "1"))
    result = await rig.send(rig.act(5), adjust(6, "2"), rig.act(1, user="b"), adjust(5, "3"), rig.act(1, id="z"))
    assert await rig.score() == big
    assert await rig.score("b") == 1
    assert [(letter.record.offset, letter.reason) for letter in rig.dead] == [
        (2, "the score would reach 2^53"),
        (5, "the score would reach 2^53"),
    ]
    assert sum(result.dead.values()) == 2
    await rig.send(adjust(-big, "4"), adjust(-big, "5"), adjust(-1, "6"))
    assert await rig.score() == -big


async def test_damaged_key_is_told_and_nothing_is_written(rig: Rig) -> None:
    await rig.redis.set(redis_keys.scores(P, ALL), "no sorted set")
    log = [LogRecord(0, T0, b"k", encode(rig.act(5)))]
    result = await rig.applier.run(rig.folder.fold_all(P, log, before=rig.position), {P: Epoch(1)})
    assert result.refused == {P: Damaged("lb:{7}:scores:all_time", "string", "zset")}
    assert sorted([key async for key in rig.redis.scan_iter()]) == [b"lb:{7}:progress", b"lb:{7}:scores:all_time"]


async def test_claims_are_answered_by_what_is_stored(rig: Rig) -> None:
    key = redis_keys.progress(P)
    await rig.redis.hset(key, mapping={"epoch": "5", "fenced": "1", "token": "t"})
    assert await rig.shard.claim(P, Epoch(4), begin=Offset(0)) == Ahead(Epoch(5))
    assert await rig.shard.claim(P, Epoch(5), begin=Offset(0)) == Paused()
    assert isinstance(await rig.shard.claim(P, Epoch(6), begin=Offset(0)), Claimed)
    stored = await rig.shard.progress(P)
    assert stored is not None
    assert (stored.fenced, stored.epoch, stored.token, stored.owner) == (False, 6, "", "s1")
    assert await rig.shard.claim(P, Epoch(8), begin=Offset(0), since=Epoch(7)) == Leftover(Epoch(6))
    await rig.redis.hset(key, "state", "copying")
    assert await rig.shard.claim(P, Epoch(5), begin=Offset(0)) == Ahead(Epoch(6))
    assert await rig.shard.claim(P, Epoch(7), begin=Offset(0)) == InState("copying")
    await rig.redis.delete(key)
    assert await rig.shard.claim(P, Epoch(7), begin=None) == Absent()
    refused = await rig.applier.run(
        rig.folder.fold_all(P, [LogRecord(0, T0, b"k", encode(rig.act()))], before=rig.position), {P: Epoch(7)}
    )
    assert refused.refused == {P: Fenced("", Epoch(0), False, "")}


async def test_partition_that_begins_anew_keeps_nothing_of_before(rig: Rig) -> None:
    await rig.send(rig.act(5, id="x"))
    await rig.redis.delete(redis_keys.progress(P))
    assert await rig.shard.claim(P, Epoch(1), begin=Offset(0)) == Claimed(Offset(0), LogMs(0), None)
    rig.position = Position(Offset(0), LogMs(0))
    assert (await rig.send(rig.act(5, id="x"))).repeats == 0
    assert await rig.score() == 5


async def test_batch_larger_than_one_command_takes_is_applied_whole(rig: Rig) -> None:
    """More ids and users than Lua can unpack at once: cut by the bound on batches, and in chunks within a call."""
    users = [f"user-{n}" for n in range(9_000)]
    result = await rig.send(*(rig.act(1, user=user) for user in users))
    assert len(result.applied) == 2
    assert await rig.redis.zcard(redis_keys.scores(P, ALL)) == 9_000
    assert await rig.redis.hlen(redis_keys.scored_at(P, ALL)) == 9_000
    assert await rig.redis.scard(redis_keys.seen(P, rig.position.log_ms // W)) == 9_000  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "stored",
    [
        {"writer": "zombie"},
        {"epoch": "0"},
        {"epoch": "2"},
        {"fenced": "1"},
        {"state": "copying"},
        {"state": "restoring"},
    ],
    ids=str,
)
async def test_who_may_not_write_writes_nothing(rig: Rig, stored: dict[str, str]) -> None:
    await rig.send(rig.act(5))
    await rig.redis.hset(redis_keys.progress(P), mapping=stored)
    before = {key: await rig.redis.dump(key) async for key in rig.redis.scan_iter()}
    log = [LogRecord(1, T0, b"k", encode(rig.act(5)))]
    result = await rig.applier.run(rig.folder.fold_all(P, log, before=rig.position), {P: Epoch(1)})
    assert isinstance(result.refused[P], Fenced)
    assert {key: await rig.redis.dump(key) async for key in rig.redis.scan_iter()} == before


@pytest.mark.parametrize("stored", [0, 9])
async def test_other_offset_is_answered_with_the_stored_one_in_either_direction(rig: Rig, stored: int) -> None:
    await rig.send(rig.act(5))
    await rig.redis.hset(redis_keys.progress(P), "next_offset", stored)
    log = [LogRecord(1, T0, b"k", encode(rig.act(5)))]
    result = await rig.applier.run(rig.folder.fold_all(P, log, before=rig.position), {P: Epoch(1)})
    assert (result.refused, result.applied, await rig.score()) == ({P: Seek(Offset(stored))}, [], 5)


async def test_lost_functions_are_loaded_again_and_the_call_is_made(rig: Rig) -> None:
    await rig.redis.function_flush()
    await rig.send(rig.act(5))
    assert await rig.score() == 5


async def test_only_two_windows_and_three_days_are_remembered(rig: Rig) -> None:
    for step in range(5):
        await rig.send(rig.act(1, limits=Limits(cap_per_day=9)), at=T0 + step * DAY_MS)
        await rig.send(rig.act(1), at=T0 + step * DAY_MS + W)
    keys = {key.decode() async for key in rig.redis.scan_iter()}
    assert len([key for key in keys if ":seen:" in key]) == 2
    assert len([key for key in keys if ":caps:" in key]) == 3


async def test_reply_tells_who_reached_the_last_tracked_row_first_and_not_who_came_after(rig: Rig) -> None:
    await rig.send(*(rig.act(5, user=user) for user in "bcdef"), at=T0 + 5)
    rig.top.settle()
    assert rig.top.floors([])[ALL] == (5, T0 + 5)
    rows = await rig.shard.apply([call(rig, rig.act(5, user="a"), rig.act(5, user="z"), at=T0 + 5)])
    assert isinstance(rows[0], Applied)
    assert rows[0].rows[ALL][::3] == ["a", "z"]
    later = call(rig, rig.act(5, user="g"), rig.act(6, user="h"), at=T0 + 6, first=7)
    rows = await rig.shard.apply([later])
    assert isinstance(rows[0], Applied)
    assert rows[0].rows[ALL] == ["h", 6, T0 + 6]


def call(rig: Rig, *records: Record, at: int, first: int = 5) -> ApplyCall:
    log = [LogRecord(first + n, at, b"k", encode(record)) for n, record in enumerate(records)]
    batch = rig.folder.fold(P, log, before=Position(Offset(first), LogMs(at)))
    return ApplyCall(batch, Epoch(1), rig.top.floors(batch.periods))


async def test_stale_tops_are_told_only_when_a_row_near_the_top_changed(rig: Rig) -> None:
    for points in range(10, 20):
        await rig.send(rig.act(points, user=f"u{points}"))
        rig.top.settle()
    await rig.send(HideRecord(id=ActionId("h1"), user_id=UserId("u10"), **BY))
    assert rig.top.stale == set()
    await rig.send(UnhideRecord(id=ActionId("h2"), user_id=UserId("u10"), **BY))
    assert rig.top.stale == set()
    for record in (
        AdjustRecord(id=ActionId("h3"), user_id=UserId("u19"), points=-15, at=T0, **BY),
        HideRecord(id=ActionId("h4"), user_id=UserId("u18"), **BY),
        UnhideRecord(id=ActionId("h5"), user_id=UserId("u18"), **BY),
        AdjustRecord(id=ActionId("h6"), user_id=UserId("u10"), points=100, at=T0, **BY),
    ):
        await rig.send(record)
        assert ALL in rig.top.stale
        rig.top.stale.clear()
