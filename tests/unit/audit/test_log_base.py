"""A count that begins in the middle goes on as one that read everything."""

import random

import pytest

from audit.compare import StoredTotals
from audit.log_base import count_from
from audit.log_count import LogCount
from audit.tables import ERASED, HIDDEN, KEPT, LIMITS, SCORES, SEEN, VOIDED, Table, table_of_log
from contracts.counting import DAY_MS
from contracts.ids import ActionId
from contracts.record import Limits
from tests.support.apply_model import LogRecord
from tests.unit.audit.test_log_count import CALENDAR, RULES, USERS, Step, log_of

KINDS = ["action"] * 6 + ["adjust", "void", "hide", "unhide", "erase", "bad"]


def random_log(rng: random.Random) -> list[LogRecord]:
    steps: list[Step] = [
        (
            rng.choice([0, 1, 1_000, 300_000, 900_000, DAY_MS]),
            rng.choice(KINDS),
            rng.choice(USERS),
            ActionId(f"id{rng.randrange(7)}"),
            rng.choice([1, 10, -3]),
            rng.choice([0, 600_000]),
            rng.choice([None, Limits(cap_per_day=1), Limits(cooldown_ms=60_000)]),
            rng.choice([None, 4_000_000]),
        )
        for _ in range(60)
    ]
    return log_of(steps)


@pytest.mark.parametrize("seed", range(30))
def test_the_second_half_of_a_log_on_a_base_gives_what_the_whole_log_gives(seed: int) -> None:
    log = random_log(random.Random(seed))
    whole = LogCount(RULES, CALENDAR)
    whole.take_all(log[:30])
    assert whole.scores is not None
    singles = [Table(kind) for kind in (HIDDEN, KEPT, VOIDED, ERASED, LIMITS)]
    boards = [Table(SCORES, period) for period in whole.scores.boards]
    windows = [Table(SEEN, str(window)) for window in whole.memory.seen]
    tables = {table: dict(table_of_log(whole, table)) for table in (*singles, *boards, *windows)}
    totals = StoredTotals(whole.next_offset, whole.log_ms, whole.points, whole.counted, whole.last)
    based = count_from(totals, tables, rules=RULES, calendar=CALENDAR)
    assert based.last == whole.last
    whole.take_all(log[30:])
    based.take_all(log[30:])
    assert based.scores == whole.scores
    assert (based.points, based.counted, based.log_ms, based.next_offset, based.last) == (
        whole.points, whole.counted, whole.log_ms, whole.next_offset, whole.last,
    )  # fmt: skip
