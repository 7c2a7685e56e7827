"""Which boards exist and when each is due."""

from datetime import UTC, datetime

from contracts.counting import CountingRules
from contracts.ids import LogMs, Partition, PeriodId, ShardId, UserId
from contracts.periods import PeriodCalendar
from contracts.ranking import TopRow
from contracts.tops import GlobalTop
from merger.boards import HOLD_MS, POSITIONS_EVERY_MS, SETTLED_MS, BoardBook, ShardNews, newcomers, stamp
from merger.merging import MergeState
from tests.support.shard_tops import shard_top

NOON = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)
MIDNIGHT = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
ALL_TIME, TODAY, WEEK = PeriodId("all_time"), PeriodId("daily:2026-11-24"), PeriodId("weekly:2026-W48")
TOMORROW = PeriodId("daily:2026-11-25")
RULES = CountingRules()


class Desk:
    """A book with a merger state, and what was written so far."""

    def __init__(self) -> None:
        self.book = BoardBook(PeriodCalendar(), RULES)
        self.state = MergeState(3)
        self.version = 0
        self.sequence = 0

    def publish(self, offset: int, *, floor: int | None = None, shard: str = "s1", **boards: dict[str, int]) -> None:
        names = {"all_time": ALL_TIME, "today": TODAY, "week": WEEK}
        self.sequence += 1
        named: dict[str, dict[str, int]] = {names[name]: scores for name, scores in boards.items()}
        partition = int(shard[1:])
        self.state.on_shard_top(
            shard_top(shard, {partition: (1, offset)}, boards=named, sequence=self.sequence, floor=floor, log_ms=NOON),
            0,
        )

    def write(self, now_ms: int, news: ShardNews | None = None) -> dict[PeriodId, GlobalTop]:
        """Write all that is due."""
        drafts = self.book.plan(self.state, news or ShardNews(), now_ms=now_ms)
        boards = stamp(drafts, previous=self.version, now_ms=now_ms)
        self.book.on_written(boards)
        self.version = boards[-1].version if boards else self.version
        return {board.period: board for board in boards}


def test_current_periods_have_boards_before_any_action() -> None:
    written = Desk().write(NOON)
    assert set(written) == {ALL_TIME, TODAY, WEEK}
    assert all((board.rows, board.complete, board.as_of_ms) == ((), True, None) for board in written.values())


def test_new_period_gets_its_empty_board_when_it_begins() -> None:
    desk = Desk()
    desk.write(MIDNIGHT - 1)
    assert set(desk.write(MIDNIGHT)) == {TOMORROW}


def test_visible_change_is_due_at_once_and_only_on_its_board() -> None:
    desk = Desk()
    desk.publish(1, all_time={"ada": 1}, today={"ada": 1})
    desk.write(NOON)
    desk.publish(2, all_time={"ada": 2}, today={"ada": 1})
    assert set(desk.write(NOON + 1)) == {ALL_TIME}


def test_positions_alone_are_due_once_per_second() -> None:
    desk = Desk()
    desk.publish(1, all_time={"ada": 1})
    desk.write(NOON)
    desk.publish(2, all_time={"ada": 1})
    assert desk.write(NOON + POSITIONS_EVERY_MS - 1) == {}
    assert set(desk.write(NOON + POSITIONS_EVERY_MS)) == {ALL_TIME, TODAY, WEEK}
    assert desk.write(NOON + 10 * POSITIONS_EVERY_MS) == {}


def test_stale_shards_are_due_at_once() -> None:
    desk = Desk()
    desk.write(NOON)
    written = desk.write(NOON + 1, ShardNews(stale=(ShardId("s1"),)))
    assert {board.stale_shards for board in written.values()} == {("s1",)}
    assert len(written) == 3


def test_board_that_misses_a_shard_is_incomplete() -> None:
    written = Desk().write(NOON, ShardNews(is_any_missing=True))
    assert not any(board.complete for board in written.values())


def test_board_that_floors_cut_is_held_and_then_shown_short() -> None:
    """A move: the new owner of a partition publishes few rows, the former owner's floor hides what it has not sent."""
    desk = Desk()
    desk.publish(1, shard="s1", all_time={"ada": 9, "bob": 8})
    desk.publish(1, shard="s2", all_time={"eve": 7})
    before = desk.write(NOON)[ALL_TIME]
    desk.publish(2, shard="s1", floor=9, all_time={"ada": 9})
    held = desk.write(NOON + 1)[ALL_TIME]
    assert (held.rows, held.positions, held.complete) == (before.rows, before.positions, False)
    assert ALL_TIME not in desk.write(NOON + HOLD_MS)
    shown = desk.write(NOON + 1 + HOLD_MS)[ALL_TIME]
    assert ([row.user_id for row in shown.rows], shown.complete) == (["ada"], False)
    assert shown.positions == desk.state.positions(ALL_TIME)


def test_held_board_goes_on_when_the_shards_publish_more() -> None:
    desk = Desk()
    desk.publish(1, all_time={"ada": 9, "bob": 8})
    desk.write(NOON)
    desk.publish(2, floor=9, all_time={"ada": 9})
    desk.write(NOON + 1)
    desk.publish(3, all_time={"ada": 9, "eve": 1})
    shown = desk.write(NOON + 2)[ALL_TIME]
    assert ([row.user_id for row in shown.rows], shown.complete) == (["ada", "eve"], True)


def test_late_action_still_reaches_an_ended_board() -> None:
    desk = Desk()
    desk.publish(1, today={"ada": 1})
    desk.write(NOON)
    desk.publish(2, today={"ada": 2})
    assert TODAY in desk.write(MIDNIGHT + 1)


def test_ended_board_stays_as_it_is_when_its_shards_drop_it() -> None:
    desk = Desk()
    desk.publish(1, today={"ada": 1})
    desk.publish(1, shard="s2", today={"bob": 2})
    before = desk.write(NOON)[TODAY]
    desk.publish(2, all_time={"ada": 1})
    desk.write(MIDNIGHT + RULES.lateness_ms)
    assert desk.book.written[TODAY].rows == before.rows


def test_settled_board_is_not_written_for_positions_or_stale_shards() -> None:
    desk = Desk()
    desk.publish(1, today={"ada": 1})
    desk.write(NOON)
    settled = MIDNIGHT + RULES.lateness_ms + SETTLED_MS
    desk.write(settled)
    desk.publish(2, today={"ada": 1})
    written = desk.write(settled + POSITIONS_EVERY_MS, ShardNews(stale=(ShardId("s1"),)))
    assert TODAY not in written
    assert TOMORROW in written


def test_last_two_closed_boards_are_kept_and_expire_by_themselves() -> None:
    desk = Desk()
    drafts = {d.period.id: d for d in desk.book.plan(desk.state, ShardNews(), now_ms=NOON)}
    assert drafts[TODAY].expire_at_ms == MIDNIGHT + 2 * DAY_MS
    assert drafts[ALL_TIME].expire_at_ms is None
    desk.write(NOON)
    desk.write(MIDNIGHT + 2 * DAY_MS - 1)
    assert TODAY in desk.book.written
    desk.write(MIDNIGHT + 2 * DAY_MS)
    assert TODAY not in desk.book.written


def test_boards_that_nobody_configured_or_far_ahead_or_too_old_are_not_written() -> None:
    desk = Desk()
    odd = {"hourly:1": {"ada": 1}, "daily:2026-11-27": {"ada": 1}, "daily:2026-11-20": {"ada": 1}}
    desk.state.on_shard_top(shard_top("s1", {1: (1, 1)}, boards=odd, sequence=1), 0)
    assert set(desk.write(NOON)) == {ALL_TIME, TODAY, WEEK}


def test_boards_that_the_cache_lost_are_written_again_with_newer_versions() -> None:
    desk = Desk()
    desk.publish(1, all_time={"ada": 1})
    before = desk.write(NOON)
    desk.book.on_cache({TODAY: before[TODAY]})
    again = desk.write(NOON + 1)
    assert set(again) == {ALL_TIME, WEEK}
    assert all(board.version > max(b.version for b in before.values()) for board in again.values())
    assert again[ALL_TIME].rows == before[ALL_TIME].rows


def test_newer_board_of_another_merger_is_what_is_shown() -> None:
    desk, other = Desk(), Desk()
    for one in (desk, other):
        one.publish(1, all_time={"ada": 1})
    desk.write(NOON)
    desk.book.on_cache(other.write(NOON + 5))
    assert desk.write(NOON + 6) == {}


def test_every_board_that_may_be_in_the_cache_is_asked_for() -> None:
    ids = BoardBook(PeriodCalendar(), RULES).kept_ids(NOON)
    assert ids == [
        "all_time", "daily:2026-11-24", "daily:2026-11-25", "daily:2026-11-23", "daily:2026-11-22",
        "weekly:2026-W48", "weekly:2026-W49", "weekly:2026-W47", "weekly:2026-W46",
    ]  # fmt: skip


def test_versions_grow_over_all_boards_and_start_from_the_clock() -> None:
    desk = Desk()
    drafts = desk.book.plan(desk.state, ShardNews(), now_ms=NOON)
    assert [board.version for board in stamp(drafts, previous=5, now_ms=NOON)] == [NOON, NOON + 1, NOON + 2]
    assert stamp(drafts, previous=NOON + 9, now_ms=NOON)[0].version == NOON + 10


def test_newcomers_are_users_who_enter_the_top_ten() -> None:
    rows = [TopRow(UserId(f"u{i:02}"), 100 - i, LogMs(1), Partition(0)) for i in range(12)]
    desk = Desk()
    desk.publish(1, all_time={row.user_id: row.score for row in rows[:3]})
    before = desk.write(NOON)[ALL_TIME]
    assert newcomers(None, rows) == 10
    assert newcomers(before, rows[:3]) == 0
    assert newcomers(before, rows[1:4]) == 1
