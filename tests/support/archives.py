"""One archiver's hands on a real Postgres, without Kafka; and what a snapshot for a restore must hold after a log."""

import asyncio
from typing import Any

from archiver.place import Place
from archiver.postgres_archive import archive, arrive
from archiver.postgres_migrate import upgrade
from archiver.postgres_places import read_places
from archiver.postgres_scores import flush
from archiver.postgres_session import PLANNER
from archiver.score_fold import BoardClock, user16
from contracts.counting import CAP_DAYS_BEFORE, day_of, window_of
from contracts.identity import id16_of
from contracts.ids import SCORE_LIMIT, ActionId, Offset, Partition, UserId, Window
from contracts.progress import LastRecord
from contracts.record import ActionRecord, BadRecord, decode, encode
from foundation.postgres_connect import Connection, connect
from foundation.postgres_snapshot import read_partition_snapshot
from tests.support.apply_model import ApplyModel, LogRecord
from tests.support.histories import CALENDAR, RULES, START_MS

ANN, BOB = UserId("ann"), UserId("bob")


def act(offset: int, *, user: UserId = ANN, points: int = 1, **more: Any) -> LogRecord:
    action = ActionRecord(
        v=1, id=ActionId(f"a{offset}"), user_id=user, received_at=0, action="commit", points=points, at=START_MS, **more
    )
    return LogRecord(offset, START_MS + offset, b"key", encode(action))


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
        places = self.run(read_places(self.connection, {self.partition: Offset(0)}, rules=RULES))
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


def user_of(record: LogRecord) -> str | None:
    try:
        return decode(record.value).user_id
    except BadRecord:
        return None


def model_of(log: list[LogRecord]) -> ApplyModel:
    model = ApplyModel(CALENDAR, RULES)
    model.apply(log)
    return model


def modelled(log: list[LogRecord]) -> dict[str, Any]:
    model = model_of(log)
    window, day = window_of(model.log_ms, RULES), day_of(model.log_ms)
    caps: dict[tuple[str, str], tuple[int, int]] = {}
    for used_on, key in sorted(model._used):
        caps[key] = (used_on, model._used[used_on, key])
    last = log[-1]
    return {
        "head": (len(log), model.log_ms, min(model.points, SCORE_LIMIT - 1), model.counted),
        "last": LastRecord.of(last),
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
