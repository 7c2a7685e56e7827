"""The function library against a model that knows no batches, on real Valkey and real Redis 7.

Hypothesis grows a log (repeats, limits, kept ids, controls, bad bytes, changes of window, day, period), applies it in
batches, lets the server go back, lose functions, be claimed by another writer or fenced; after every step the server
holds exactly what the model holds, and the local top is what a plain sort gives."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from contracts import redis_keys
from contracts.counting import DAY_MS, CountingRules
from contracts.ids import ActionId, Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.periods import PeriodCalendar, SpanCache
from contracts.ranking import TopRow, top_rows
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
from foundation.redis_connect import connect
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import DeadRecord, Folder, Position
from shard_worker.local_top import LocalTop
from shard_worker.redis_applier import Applier
from shard_worker.redis_shard import ShardRedis
from shard_worker.redis_top_reader import TopReader
from shard_worker.replies import Claimed, Fenced, Seek
from tests.support.apply_model import ApplyModel, LogRecord

P = Partition(7)
SHOWN = 2
USERS = [UserId(user) for user in ("a", "b", "c", "ü", "z" * 128)]
RULES = CountingRules(
    window_ms=900_000, lateness_ms=660_000, back_ms=600_000, delivery_timeout_ms=30_000, clock_skew_ms=60_000
)
CALENDAR = PeriodCalendar("all_time,daily,weekly,monthly,every6h")
START_MS = 1_769_903_000_000
"""2026-01-31 23:43 UTC: a day, a week and a month end soon."""
BIG = 2**53 - 1

SOMETHING = ActionRecord(
    v=1, id=ActionId("s"), user_id=USERS[0], received_at=START_MS, action="commit", points=1, at=START_MS
)

users = st.sampled_from(USERS)
ids = st.integers(0, 12).map(lambda n: ActionId(f"id{n}"))
steps_ms = st.sampled_from([-5_000, 0, 0, 1, 1, 1_000, 300_000, 900_000, 2_000_000, DAY_MS, 9 * DAY_MS])


class ApplyMachine(RuleBasedStateMachine):
    """One partition, its log, its Redis and the model."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        client: Any = connect(url)
        self.redis = client
        self._empty()
        self.log: list[LogRecord] = []
        self.now_ms = START_MS
        self.epoch = Epoch(1)
        self.writers = 0
        self.dead: list[int] = []
        self.snapshots: list[tuple[dict[bytes, bytes], int]] = []
        self.applied = 0
        self.is_touched = True
        self.position = Position(Offset(0), LogMs(0))
        self._new_writer()
        assert isinstance(self._claim(), Claimed)

    def teardown(self) -> None:
        self.runner.run(self.redis.aclose())
        self.runner.close()

    # the log

    def _append(self, record: Record, step_ms: int) -> None:
        self._append_bytes(encode(record), step_ms)

    def _append_bytes(self, value: bytes | None, step_ms: int) -> None:
        self.now_ms = max(START_MS, self.now_ms + step_ms)
        self.log.append(LogRecord(len(self.log), self.now_ms, b"key", value))

    @rule(
        user=users,
        id=ids,
        points=st.sampled_from([1, 1, 2, 10]),
        ago_ms=st.sampled_from([0, 0, 600_000, -60_000, 3 * DAY_MS]),
        step_ms=steps_ms,
        limits=st.sampled_from([None, None, Limits(cap_per_day=2), Limits(cooldown_ms=60_000), Limits(1, DAY_MS)]),
        more=st.tuples(st.sampled_from([None, None, 0, 1, 4_000_000]), st.sampled_from([None, "Ann", "Bö"])),
    )
    def act(
        self,
        *,
        user: UserId,
        id: ActionId,  # noqa: A002
        points: int,
        ago_ms: int,
        step_ms: int,
        limits: Limits | None,
        more: tuple[int | None, str | None],
    ) -> None:
        keep_ms, name = more
        now = self.now_ms + step_ms
        self._append(
            ActionRecord(
                v=1, id=id, user_id=user, received_at=now, action="commit", points=points, at=now - ago_ms,
                limits=limits, name=name, keep_until=None if keep_ms is None else now + keep_ms,
            ),
            step_ms,
        )  # fmt: skip

    @rule(user=users, id=ids, points=st.sampled_from([-3, 5, 0, BIG, -BIG, BIG // 2]), step_ms=steps_ms)
    def adjust(self, user: UserId, id: ActionId, *, points: int, step_ms: int) -> None:  # noqa: A002
        self._append(
            AdjustRecord(v=1, id=id, user_id=user, received_at=0, points=points, at=self.now_ms, by="m", reason="r"),
            step_ms,
        )

    @precondition(lambda self: self.log)
    @rule(data=st.data(), id=ids, step_ms=steps_ms)
    def void(self, data: st.DataObject, id: ActionId, *, step_ms: int) -> None:  # noqa: A002
        target = data.draw(st.sampled_from(self.log))
        try:
            acted = msgspec.json.decode(target.value or b"", type=Record)
        except msgspec.MsgspecError:
            return
        if isinstance(acted, ActionRecord):
            self._append(
                VoidRecord(
                    v=1, id=id, user_id=acted.user_id, received_at=0, void_id=acted.id, void_offset=target.offset,
                    void_at=acted.at, void_log_ms=target.timestamp, points=acted.points, by="m", reason="r",
                ),
                step_ms,
            )  # fmt: skip

    @rule(
        kind=st.sampled_from([HideRecord, UnhideRecord, EraseRecord]),
        user=users,
        id=st.integers(0, 2**62),
        step=steps_ms,
    )
    def moderate(self, kind: Any, user: UserId, *, id: int, step: int) -> None:  # noqa: A002
        self._append(kind(v=1, id=ActionId(f"m{id}"), user_id=user, received_at=0, by="m", reason="r"), step)

    @rule(user=users, id=st.integers(0, 2**62), name=st.sampled_from(["Ann", "Cy"]))
    def rename(self, user: UserId, id: int, *, name: str) -> None:  # noqa: A002
        self._append(ProfileRecord(v=1, id=ActionId(f"p{id}"), user_id=user, received_at=0, name=name), 0)

    @rule(value=st.sampled_from([None, b"", b"{", b"\xff\xfe", b'{"kind":"action","v":2}']), step_ms=steps_ms)
    def append_nonsense(self, value: bytes | None, step_ms: int) -> None:
        self._append_bytes(value, step_ms)

    # the worker

    @rule(count=st.integers(1, 12))
    def apply(self, count: int) -> None:
        """The next records in one round. It must succeed: nobody disturbs."""
        records = self.log[self.applied : self.applied + count]
        if not records:
            return
        batches = self.folder.fold_all(P, records, before=self.position)
        result = self._run(batches)
        assert not result.refused, result.refused
        assert [batch.after for batch in result.applied][-1].next_offset == records[-1].offset + 1
        self.position, self.applied = result.applied[-1].after, records[-1].offset + 1

    @rule()
    def apply_from_elsewhere(self) -> None:
        """A call for another offset than the stored one is answered with the stored one, either way."""
        for wrong in (self.applied + 1, self.applied - 1):
            record = LogRecord(max(wrong, 0), self.now_ms, b"key", encode(SOMETHING))
            batch = self.folder.fold(P, [record], before=Position(Offset(wrong), self.position.log_ms))
            assert self._run([batch]).refused == {P: Seek(Offset(self.applied))}

    @rule(kind=st.sampled_from(["other writer", "older epoch", "newer epoch", "fenced", "copying", "gone"]))
    def apply_without_right(self, kind: str) -> None:
        """A zombie, a worker with an old map, a partition in a move: nothing is written."""
        key = redis_keys.progress(P)
        before = self._hash(key)
        change = {
            "other writer": {"writer": "somebody"},
            "older epoch": {"epoch": str(self.epoch - 1)},
            "newer epoch": {"epoch": str(self.epoch + 1)},
            "fenced": {"fenced": "1"},
            "copying": {"state": "copying"},
            "gone": {},
        }[kind]
        encoded = {field.encode(): value.encode() for field, value in change.items()}
        self.runner.run(self.redis.delete(key))
        if change:
            self.runner.run(self.redis.hset(key, mapping={**before, **encoded}))
        digest = self._digest()
        batch = self.folder.fold(P, [self._something()], before=self.position)
        refused = self._run([batch]).refused[P]
        assert isinstance(refused, Fenced)
        assert self._digest() == digest
        self.runner.run(self.redis.delete(key))
        self.runner.run(self.redis.hset(key, mapping=before))

    @rule()
    def save(self) -> None:
        self.snapshots.append((self._dump(), self.applied))

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        """The server restarts from an earlier moment: the next call says where it stands, the worker claims again."""
        dump, _ = data.draw(st.sampled_from(self.snapshots[-3:]))
        self._empty()
        for key, value in dump.items():
            self.runner.run(self.redis.restore(key, 0, value))
        assert isinstance(self._claim(), Claimed)

    @rule()
    def lose_functions(self) -> None:
        self.runner.run(self.redis.function_flush())

    @rule()
    def take_over(self) -> None:
        """Another process claims: the one before it can write nothing from then on."""
        zombie, position = self.applier, self.position
        self._new_writer()
        assert isinstance(self._claim(), Claimed)
        batch = self.folder.fold(P, [self._something()], before=position)
        refused = self.runner.run(zombie.run([batch], {P: self.epoch})).refused[P]
        assert isinstance(refused, Fenced)
        assert refused.writer == self.shard.writer

    # what must hold

    @invariant()
    def server_holds_what_the_model_holds(self) -> None:
        if not self.is_touched:
            return
        self.is_touched = False
        model = ApplyModel(CALENDAR, RULES)
        model.apply(self.log[: self.applied])
        boards, hidden = self._stored()
        assert boards == {period: cells for period, cells in model.boards.items() if cells}
        assert hidden == model.hidden
        progress = self.runner.run(self.shard.progress(P))
        assert progress is not None
        assert (progress.next_offset, progress.log_ms, progress.counted) == (
            self.applied,
            model.log_ms,
            model.counted,
        )
        assert progress.points == min(model.points, BIG)
        assert {offset for offset in self.dead if offset < self.applied} == set(model.dead)
        self._check_bounded(model.log_ms)
        self._check_top(boards)

    def _check_bounded(self, log_ms: LogMs) -> None:
        keys = {key.decode() for key in self._dump()}
        windows = {int(key.rsplit(":", 1)[1]) for key in keys if ":seen:" in key}
        days = {int(key.rsplit(":", 1)[1]) for key in keys if ":caps:" in key}
        window, day = log_ms // RULES.window_ms, log_ms // DAY_MS
        assert windows <= {window, window - 1}
        assert days <= {day, day - 1, day - 2}

    def _check_top(self, boards: dict[str, dict[str, tuple[int, int]]]) -> None:
        for period, cells in boards.items():
            if PeriodId(period) not in self.top.periods:
                continue
            rows = [TopRow(UserId(u), score, LogMs(at), P) for u, (score, at) in cells.items()]
            view = self.top.view(PeriodId(period))
            assert [TopRow(r.user_id, r.score, r.scored_at, P) for r in view.rows] == top_rows(rows, self.top.tracked)
            assert view.is_cut or len(view.rows) == len(rows)

    # plumbing

    def _empty(self) -> None:
        self.runner.run(self.redis.flushall())

    def _something(self) -> LogRecord:
        return LogRecord(self.applied, self.now_ms, b"key", encode(SOMETHING))

    def _new_writer(self) -> None:
        self.writers += 1
        self.shard = ShardRedis(self.redis, shard=ShardId("s1"), writer=f"writer-{self.writers}")
        self.folder = Folder(RULES, SpanCache(CALENDAR))
        self.top = LocalTop(shown=SHOWN)
        self.applier = Applier(self.shard, self.folder, top=self.top, divert=self._divert, breaker=DeadBreaker())

    def _claim(self) -> Any:
        self.is_touched = True
        claimed = self.runner.run(self.shard.claim(P, self.epoch, begin=Offset(0)))
        if isinstance(claimed, Claimed):
            self.position = Position(claimed.next_offset, claimed.log_ms)
            self.applied = claimed.next_offset
            self.top.clear()
            self.top.mark_stale(self.runner.run(TopReader(self.redis).boards([P])))
            self._read_stale()
        return claimed

    def _run(self, batches: Sequence[Any]) -> Any:
        self.is_touched = True
        result = self.runner.run(self.applier.run(batches, {P: self.epoch}))
        self._read_stale()
        return result

    def _read_stale(self) -> None:
        reader = TopReader(self.redis)
        for period in sorted(self.top.stale):
            rows, is_cut = self.runner.run(reader.top(period, [P], count=self.top.tracked))
            self.top.replace(period, rows, is_cut=is_cut)
        self.top.settle()

    async def _divert(self, dead: Sequence[DeadRecord]) -> None:
        self.dead += [letter.record.offset for letter in dead]

    def _hash(self, key: str) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = self.runner.run(self.redis.hgetall(key))
        return found

    def _dump(self) -> dict[bytes, bytes]:
        async def dump() -> dict[bytes, bytes]:
            return {key: await self.redis.dump(key) async for key in self.redis.scan_iter(count=1000)}

        return self.runner.run(dump())

    def _digest(self) -> Any:
        return self._stored(), self._hash(redis_keys.progress(P)), sorted(self._dump())

    def _stored(self) -> tuple[dict[str, dict[str, tuple[int, int]]], dict[str, dict[str, tuple[int, int]]]]:
        async def read() -> Any:
            boards: dict[str, Any] = {}
            for period in await TopReader(self.redis).boards([P]):
                pairs = await self.redis.zrange(redis_keys.scores(P, period), 0, -1, withscores=True)
                at = await self.redis.hgetall(redis_keys.scored_at(P, period))
                assert set(at) <= {user for user, _ in pairs}
                boards[period] = {user.decode(): (int(score), int(at.get(user, 0))) for user, score in pairs}
            raw = await self.redis.hgetall(redis_keys.hidden(P))
            hidden = {user.decode(): dict(msgspec.msgpack.decode(value) or {}) for user, value in raw.items()}
            parked = {user: {period: tuple(cell) for period, cell in cells.items()} for user, cells in hidden.items()}
            return boards, parked

        stored: tuple[Any, Any] = self.runner.run(read())
        return stored


def test_server_and_model_agree_after_any_history(any_redis_url: str) -> None:
    def machine() -> ApplyMachine:
        return ApplyMachine(any_redis_url)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
