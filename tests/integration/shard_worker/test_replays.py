"""Thousands of replays of one id cost a reply or two, not one each: nobody slows a partition down by repeating."""

import pytest
from redis.asyncio import Redis

from contracts.record import encode
from shard_worker.redis_shard import ApplyCall
from tests.integration.shard_worker.test_redis_applier import T0, P, Rig, W, rig
from tests.support.apply_model import LogRecord

__all__ = ["rig"]
REPLAYS = 3_000


@pytest.fixture
def calls(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Records of each apply call."""
    made: list[int] = []
    apply = rig.shard.apply

    async def counted(calls: list[ApplyCall]) -> object:
        made.extend(len(call.batch.records) for call in calls)
        return await apply(calls)

    monkeypatch.setattr(rig.shard, "apply", counted)
    return made


async def test_replays_of_an_id_that_counted_are_told_at_once(rig: Rig, calls: list[int]) -> None:
    await rig.send(rig.act(5, id="x"))
    calls.clear()
    result = await rig.send(rig.act(1, user="b"), *[rig.act(5, id="x")] * REPLAYS, rig.act(1, user="b"), at=T0 + W)
    assert result.repeats == REPLAYS
    assert (await rig.score("a"), await rig.score("b")) == (5, 2)
    assert calls == [REPLAYS + 2] * 2


async def test_replays_of_a_new_id_count_once(rig: Rig, calls: list[int]) -> None:
    result = await rig.send(*[rig.act(5, id="x")] * REPLAYS)
    assert (result.repeats, await rig.score("a"), calls) == (REPLAYS - 1, 5, [REPLAYS])


async def test_a_kept_id_that_expires_amid_its_replays_counts_once_more(rig: Rig, any_redis: Redis) -> None:
    """Each record is judged at its own log time: those after the end are one new action."""
    kept = T0 + 5 * W
    await rig.send(rig.act(5, id="x", keep_until=kept))
    first = rig.position.next_offset
    data = encode(rig.act(5, id="x"))
    log = [LogRecord(first + n, kept - 50 + n, b"k", data) for n in range(100)]
    for batch in rig.folder.fold_all(P, log, before=rig.position):
        await rig.applier.run([batch], {P: 1})  # type: ignore[dict-item]
    assert await rig.score("a") == 10
