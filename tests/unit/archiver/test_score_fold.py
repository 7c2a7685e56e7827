"""The archiver's pure parts against the model of the Redis side: whatever the log, both count the same.

The tables are plain dicts here. Hypothesis chooses the batches, when scores are written, and when the archiver loses
its memory and reads it again from its rows."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.archive_fold import COLUMNS, DEAD, decode_log, judge_log, points_bound, record_of_row
from archiver.counted_memory import CapUse, CountedMemory, UserAction
from archiver.place import Place, RawMark
from archiver.score_fold import BoardClock, Counted, ScoreFold, is_moderation
from archiver.score_state import UserState
from contracts.counting import window_of
from contracts.ids import SCORE_LIMIT, ActionId, Id16, LogMs, Offset, Partition, PeriodId, UserId, Window
from contracts.record import ActionRecord, AdjustRecord, EraseRecord, Record
from tests.support.apply_model import ApplyModel, LogRecord
from tests.support.histories import CALENDAR, RULES, START_MS, histories

P = Partition(3)


class Tables:
    """What Postgres would hold."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.users: dict[UserId, UserState] = {}
        self.kept: dict[Id16, int] = {}
        self.caps: dict[UserAction, CapUse] = {}
        self.place = _place(0, LogMs(0), scores_next=0)
        self.points = self.counted = 0
        self.clock = BoardClock(RULES, CALENDAR)

    def archive(self, records: list[LogRecord]) -> None:
        entries = decode_log(records, self.place.raw.log_ms)
        if self.place.points_bound + points_bound(entries) >= SCORE_LIMIT:
            self.flush()
        is_near = self.place.points_bound + points_bound(entries) >= SCORE_LIMIT
        book = None
        if is_near:
            users = {entry.record.user_id for entry in entries if entry.record is not None}
            book = ScoreFold(self.clock, {user: _copy(self.state(user)) for user in users})
        memory = self.memory()
        judged = judge_log(P, entries, memory=memory, rules=RULES, book=book)
        self.rows |= {row[1]: dict(zip(COLUMNS, row, strict=True)) for row in judged.rows}
        mark = RawMark(Offset(records[-1].offset + 1), entries[-1].log_ms, None)
        self.place.after_archived(mark, counted=judged.counted, memory=memory)

    def memory(self) -> CountedMemory:
        seen: dict[Id16, Window] = {}
        for _, row in sorted(self.rows.items()):
            if row["outcome"] == "counted":
                seen[row["id16"]] = window_of(row["log_ms"], RULES)
        return self.place.memory(seen=seen, kept=self.kept, caps=self.caps)

    def flush(self) -> None:
        pending = self.place.pending
        users = {item.record.user_id for item in pending if is_moderation(item.record)}
        users |= {user for user, state in self.users.items() if state.parked is not None}
        changes = ScoreFold(self.clock, {user: _copy(self.state(user)) for user in users}).add(pending)
        self.users |= changes.states
        for (user, period), (points, scored_at) in changes.increments.items():
            cells = self.state(user).boards
            cells[period] = (cells.get(period, (0, 0))[0] + points, scored_at)
        self.kept |= self.place.kept
        self.caps |= self.place.caps
        self.points, self.counted = self.points + changes.points, self.counted + changes.counted
        self.place.after_flushed(min(self.points, SCORE_LIMIT - 1))

    def restart(self) -> None:
        """All that was in memory is gone."""
        old = self.place
        self.place = _place(old.raw.next_offset, old.raw.log_ms, scores_next=old.scores_next)
        self.place.points = min(self.points, SCORE_LIMIT - 1)
        counted = [
            Counted(offset, row["log_ms"], row["id16"], record_of_row(row))
            for offset, row in sorted(self.rows.items())
            if offset >= old.scores_next and row["outcome"] == "counted"
        ]
        memory = self.place.memory(seen={}, kept={}, caps=self.caps)
        for item in counted:
            memory.move_to(item.log_ms)
            memory.remember(item.record, item.id16, log_ms=item.log_ms, rules=RULES)
        self.place.after_archived(old.raw, counted=counted, memory=memory)

    def state(self, user: UserId) -> UserState:
        return self.users.setdefault(user, UserState())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), log=histories())
def test_archive_counts_what_the_model_of_redis_counts(data: st.DataObject, log: list[LogRecord]) -> None:
    tables, model, done = Tables(), ApplyModel(CALENDAR, RULES), 0
    while done < len(log):
        size = data.draw(st.integers(1, 9), label="batch")
        batch = log[done : done + size]
        tables.archive(batch)
        model.apply(batch)
        done += len(batch)
        step = data.draw(st.sampled_from(["go on", "go on", "flush", "restart"]), label="then")
        if step == "flush":
            tables.flush()
        elif step == "restart":
            tables.restart()
    tables.flush()
    outcomes = {offset: row["outcome"] for offset, row in tables.rows.items()}
    expected = {offset: outcome.value for offset, outcome in model.outcomes.items()}
    assert outcomes == expected | dict.fromkeys(model.dead, DEAD)
    boards: dict[str, dict[str, tuple[int, int]]] = {}
    for user, state in tables.users.items():
        for period, cell in state.boards.items():
            boards.setdefault(period, {})[user] = cell
    assert boards == {period: cells for period, cells in model.boards.items() if cells}
    hidden = {user: state.parked for user, state in tables.users.items() if state.parked is not None}
    assert hidden == model.hidden
    assert (tables.counted, tables.points) == (model.counted, model.points)


def test_erase_takes_what_came_before_it_and_leaves_what_comes_after() -> None:
    user = UserId("ann")
    base: dict[str, Any] = {"v": 1, "user_id": user, "received_at": 0}
    actions = [ActionRecord(id=ActionId(i), action="commit", points=p, at=START_MS, **base) for i, p in
               (("1", 5), ("2", 7))]  # fmt: skip
    erase = EraseRecord(id=ActionId("e"), by="m", reason="r", **base)
    records: list[Record] = [actions[0], erase, actions[1]]
    counted = [Counted(n, LogMs(START_MS + n), Id16(b"%16d" % n), record) for n, record in enumerate(records)]
    fold = ScoreFold(BoardClock(RULES, CALENDAR), {user: UserState({PeriodId("all_time"): (100, 1)})})
    changes = fold.add(counted)
    assert changes.increments == {}
    assert changes.states[user].boards[PeriodId("all_time")] == (7, START_MS + 2)
    assert (changes.erased, changes.counted) == ({user: 1}, 2)


def test_only_actions_move_scored_at() -> None:
    user, board = UserId("ann"), PeriodId("all_time")
    adjust = AdjustRecord(
        v=1, id=ActionId("j"), user_id=user, received_at=0, points=3, at=START_MS, by="m", reason="r"
    )  # fmt: skip
    fold = ScoreFold(BoardClock(RULES, CALENDAR), {user: UserState({board: (5, 1)})})
    changes = fold.add([Counted(0, LogMs(START_MS), Id16(b"x" * 16), adjust)])
    assert changes.states[user].boards[board] == (8, 1)


def test_scored_at_is_log_time_whatever_the_client_says() -> None:
    """A client that sets its clock back must not win ties."""
    user = UserId("ann")
    action = ActionRecord(
        v=1, id=ActionId("1"), user_id=user, received_at=0, action="commit", points=5, at=START_MS - 60_000
    )
    fold = ScoreFold(BoardClock(RULES, CALENDAR), {})
    changes = fold.add([Counted(0, LogMs(START_MS), Id16(b"x" * 16), action)])
    assert changes.increments[user, PeriodId("all_time")] == [5, START_MS]


def _place(next_offset: int, log_ms: LogMs, *, scores_next: int) -> Place:
    return Place(P, RawMark(Offset(next_offset), log_ms, None), Offset(scores_next), 0)


def _copy(state: UserState) -> UserState:
    return UserState(dict(state.boards), None if state.parked is None else dict(state.parked), state.erased_at,
                     set(state.voided))  # fmt: skip
