"""The archive on a real Postgres against the model of the Redis side: whatever the log, the batches, the flushes and
the restarts, a snapshot for a restore holds at scores_next what Redis would hold there."""

import asyncio
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.place import Place
from archiver.postgres_archive import archive, arrive
from archiver.postgres_migrate import upgrade
from archiver.postgres_places import PositionMoved, read_places
from archiver.postgres_scores import flush
from archiver.postgres_session import PLANNER
from archiver.score_fold import BoardClock, user16
from contracts.counting import CAP_DAYS_BEFORE, day_of, window_of
from contracts.identity import id16_of
from contracts.ids import SCORE_LIMIT, ActionId, Offset, Partition, UserId, Window
from contracts.progress import LastRecord
from contracts.record import ActionRecord, BadRecord, EraseRecord, ProfileRecord, VoidRecord, decode, encode
from foundation.postgres_connect import Connection, connect
from foundation.postgres_snapshot import read_partition_snapshot
from tests.support.apply_model import ApplyModel, LogRecord
from tests.support.histories import CALENDAR, RULES, START_MS, histories


class Archive:
    """One archiver's hands, without Kafka. Each test and example has a partition of its own."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.connection: Connection = self.run(connect(url, name="test", settings=PLANNER))
        self.run(upgrade(self.connection))
        self.partition = Partition(0)
        self.clock = BoardClock(RULES, CALENDAR)

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    def begin(self) -> Place:
        """A place in a partition that is new."""
        self.partition = Partition(self.partition + 1)
        self.run(self.connection.execute("DELETE FROM users"))
        return self.restart()

    def restart(self) -> Place:
        places = self.run(read_places(self.connection, {self.partition: Offset(0)}, RULES))
        place: Place = places[self.partition]
        return place

    def archive(self, place: Place, records: list[LogRecord]) -> None:
        arrival = arrive(place, records)
        if arrival.is_near_bounds:
            self.flush(place)
        self.run(archive(self.connection, [arrival], rules=RULES, clock=self.clock))

    def flush(self, place: Place) -> None:
        self.run(flush(self.connection, [place], rules=RULES, clock=self.clock))

    def fetch(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.run(self.connection.fetch(sql, self.partition, *arguments))]

    def snapshot(self) -> dict[str, Any]:
        return self.run(_read(self.connection, self.partition))  # type: ignore[no-any-return]

    def close(self) -> None:
        self.run(self.connection.close())
        self.runner.close()


@pytest.fixture
def archives(postgres_database: str) -> Iterator[Archive]:
    tables = Archive(postgres_database)
    yield tables
    tables.close()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), log=histories())
def test_snapshot_holds_what_redis_would_hold(archives: Archive, data: st.DataObject, log: list[LogRecord]) -> None:
    place, done, flushed = archives.begin(), 0, 0
    while done < len(log):
        size = data.draw(st.integers(1, 15), label="batch")
        archives.archive(place, log[done : done + size])
        done += len(log[done : done + size])
        step = data.draw(st.sampled_from(["go on", "flush", "restart"]), label="then")
        if step == "flush":
            archives.flush(place)
        elif step == "restart":
            place = archives.restart()
        assert place.raw.next_offset == done
        if place.scores_next != flushed:
            flushed = place.scores_next
            assert archives.snapshot() == _modelled(log[:flushed])
    archives.flush(place)
    model = _model(log)
    assert archives.snapshot() == _modelled(log)
    outcomes = dict(archives.fetch("SELECT log_offset, outcome FROM actions WHERE partition = $1"))
    expected = {offset: outcome.value for offset, outcome in model.outcomes.items()} | dict.fromkeys(model.dead, "dead")
    erased = {record.offset for record in log if record.offset <= model._erased.get(_user_of(record) or "", -1)}
    assert outcomes == {offset: outcome for offset, outcome in expected.items() if offset not in erased}


def _user_of(record: LogRecord) -> str | None:
    try:
        return decode(record.value).user_id
    except BadRecord:
        return None


def _model(log: list[LogRecord]) -> ApplyModel:
    model = ApplyModel(CALENDAR, RULES)
    model.apply(log)
    return model


def _modelled(log: list[LogRecord]) -> dict[str, Any]:
    model = _model(log)
    window, day = window_of(model.log_ms, RULES), day_of(model.log_ms)
    caps: dict[tuple[str, str], tuple[int, int]] = {}
    for used_on, key in sorted(model._used):
        caps[key] = (used_on, model._used[used_on, key])
    last = log[-1]
    return {
        "head": (len(log), model.log_ms, min(model.points, SCORE_LIMIT - 1), model.counted),
        "last": LastRecord(last.offset, last.timestamp, zlib.crc32((last.key or b"") + (last.value or b""))),
        "scores": {(p, user): cell for p, cells in model.boards.items() for user, cell in cells.items()},
        "hidden": model.hidden,
        "erased": {user16(UserId(user)): offset for user, offset in model._erased.items()},
        "voided": {id16_of(*_split(key)) for key in model._voided},
        "kept": {id16: until for id16, until in model._kept.items() if until >= model.log_ms},
        "caps": {
            id16_of(UserId(user), ActionId(action)): (*use, model._received[user, action])
            for (user, action), use in caps.items()
            if use[0] >= day - CAP_DAYS_BEFORE
        },
        "seen": {(w, id16) for w in (window - 1, window) for id16 in model._seen.get(Window(w), set())},
    }


def _split(key: str) -> tuple[UserId, ActionId]:
    user, _, action_id = key.partition("/")
    return UserId(user), ActionId(action_id)


async def _read(connection: Connection, partition: Partition) -> dict[str, Any]:
    async with read_partition_snapshot(connection, partition, window_ms=RULES.window_ms) as snapshot:
        head = snapshot.head
        assert head is not None
        assert head.begin_offset == 0
        return {
            "head": (head.next_offset, head.log_ms, head.points, head.counted),
            "last": head.last,
            "scores": {(r.period, r.user_id): (r.score, r.scored_at) async for rows in snapshot.scores() for r in rows},
            "hidden": {r.user_id: r.parked async for rows in snapshot.hidden() for r in rows},
            "erased": {r.user16: r.offset async for rows in snapshot.erased() for r in rows},
            "voided": {r.id16 async for rows in snapshot.voided() for r in rows},
            "kept": {r.id16: r.keep_until async for rows in snapshot.kept() for r in rows},
            "caps": {r.used_by: tuple(r[1:]) async for rows in snapshot.caps() for r in rows},
            "seen": {tuple(r) async for rows in snapshot.seen() for r in rows},
        }


ANN, BOB = UserId("ann"), UserId("bob")


def act(offset: int, *, user: UserId = ANN, points: int = 1, **more: Any) -> LogRecord:
    action = ActionRecord(
        v=1, id=ActionId(f"a{offset}"), user_id=user, received_at=0, action="commit", points=points, at=START_MS, **more
    )
    return LogRecord(offset, START_MS + offset, b"key", encode(action))


def test_zombie_with_an_old_position_writes_nothing(archives: Archive) -> None:
    zombie, other = archives.begin(), archives.restart()
    archives.archive(other, [act(0), act(1)])
    with pytest.raises(PositionMoved):
        archives.archive(zombie, [act(0), act(1)])
    archives.flush(other)
    zombie.after_archived(other.raw, counted=[], memory=zombie.memory(seen={}, kept={}, caps={}))
    with pytest.raises(PositionMoved):
        archives.flush(zombie)
    assert archives.fetch("SELECT count(*) FROM actions WHERE partition = $1") == [(2,)]
    assert archives.snapshot()["scores"]["all_time", ANN] == (2, START_MS + 1)


def test_one_stale_partition_holds_back_all_of_a_transaction(archives: Archive) -> None:
    first, second = archives.begin(), archives.begin()
    archives.archive(archives.restart(), [act(0)])
    arrivals = [arrive(first, [act(0)]), arrive(second, [act(0)])]
    with pytest.raises(PositionMoved):
        archives.run(archive(archives.connection, arrivals, rules=RULES, clock=archives.clock))
    archives.partition = first.partition
    assert archives.fetch("SELECT raw_next FROM archive_progress WHERE partition = $1") == [(0,)]
    assert archives.fetch("SELECT * FROM actions WHERE partition = $1") == []


def test_newest_name_wins_and_an_erase_takes_it(archives: Archive) -> None:
    place = archives.begin()
    profile = ProfileRecord(v=1, id=ActionId("p"), user_id=ANN, received_at=0, metadata={"team": "x\0"})
    named = [act(0, name="Old"), act(1, name="New"), LogRecord(2, START_MS, None, encode(profile)), act(3, user=BOB)]
    archives.archive(place, named)
    archives.flush(place)
    users = "SELECT user_id, name, metadata ->> 'team' FROM users WHERE partition = $1"
    assert archives.fetch(users) == [(ANN, "New", "x\ufffd")]
    erase = EraseRecord(v=1, id=ActionId("e"), user_id=ANN, received_at=0, by="mod", reason="asked for it")
    archives.archive(place, [LogRecord(4, START_MS, None, encode(erase)), act(5)])
    archives.flush(place)
    assert archives.fetch(users) == []
    assert archives.fetch("SELECT log_offset FROM actions WHERE partition = $1 ORDER BY 1") == [(3,), (5,)]
    assert archives.fetch("SELECT kind, user_id, moderator, reason FROM moderation_log WHERE partition = $1") == [
        ("erase", None, "mod", "asked for it")
    ]
    assert archives.snapshot()["scores"]["all_time", ANN] == (1, START_MS + 5)


def test_repeat_of_an_erased_users_action_is_still_a_repeat(archives: Archive) -> None:
    place = archives.begin()
    erase = EraseRecord(v=1, id=ActionId("e"), user_id=ANN, received_at=0, by="mod", reason="r")
    archives.archive(place, [act(0), LogRecord(1, START_MS, None, encode(erase))])
    archives.flush(place)
    again = LogRecord(2, START_MS + 1, None, act(0).value)
    archives.archive(archives.restart(), [again])
    assert archives.fetch("SELECT log_offset, outcome FROM actions WHERE partition = $1") == [(2, "repeat")]


def test_moderation_is_logged_with_its_effect(archives: Archive) -> None:
    place = archives.begin()
    void = VoidRecord(
        v=1, id=ActionId("v"), user_id=ANN, received_at=0, void_id=ActionId("a0"), void_offset=0, void_at=START_MS,
        void_log_ms=START_MS, points=7, by="mod", reason="cheat",
    )  # fmt: skip
    again = VoidRecord(
        v=1, id=ActionId("w"), user_id=ANN, received_at=0, void_id=ActionId("a0"), void_offset=0, void_at=START_MS,
        void_log_ms=START_MS, points=7, by="mod", reason="again",
    )  # fmt: skip
    records = [
        act(0, points=7),
        LogRecord(1, START_MS, None, encode(void)),
        LogRecord(2, START_MS, None, encode(again)),
    ]
    archives.archive(place, records)
    archives.flush(place)
    log = "SELECT log_offset, kind, user_id, points, void_offset FROM moderation_log WHERE partition = $1 ORDER BY 1"
    assert archives.fetch(log) == [(1, "void", ANN, -7, 0), (2, "void", ANN, 0, 0)]
