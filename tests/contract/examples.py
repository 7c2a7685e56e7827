"""One example of everything whose bytes are fixed; its golden file bears its name. New examples get new files."""

from typing import Final

from contracts.ids import ActionId, Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow
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
)
from contracts.tops import Floor, GlobalTop, Position, ShardBoard, ShardTop

ID: Final = ActionId("96a2f1a1-1272-51f4-9721-ca813e7b3198")
USER: Final = UserId("u_a9fd4263e211")
RECEIVED: Final = 1_795_507_200_123
BY: Final = "moderator-7"

RECORDS: Final[dict[str, Record]] = {
    "action": ActionRecord(
        v=1, id=ID, user_id=USER, received_at=RECEIVED, action="commit", points=10, at=1_795_507_199_000
    ),
    "action-full": ActionRecord(
        v=1,
        id=ID,
        user_id=UserId("Zoë \u2603 \U0001f3c6"),
        received_at=RECEIVED,
        action="docs",
        points=5,
        at=1_795_507_199_000,
        name='Zoë "the snow" \u2603',
        limits=Limits(cap_per_day=20, cooldown_ms=60_000),
        keep_until=1_795_600_000_000,
    ),
    "profile": ProfileRecord(
        v=1, id=ID, user_id=USER, received_at=RECEIVED, name="Ada", metadata={"country": "GB", "team": "analytical"}
    ),
    "adjust": AdjustRecord(
        v=1, id=ID, user_id=USER, received_at=RECEIVED, points=-250, at=RECEIVED, by=BY, reason="counted by a script"
    ),
    "void": VoidRecord(
        v=1,
        id=ID,
        user_id=USER,
        received_at=RECEIVED,
        void_id=ActionId("bdd25513-5719-5725-936c-ea73446a2f4f"),
        void_offset=4711,
        void_at=1_795_507_000_000,
        void_log_ms=1_795_507_000_050,
        points=15,
        by=BY,
        reason="reverted",
    ),
    "hide": HideRecord(v=1, id=ID, user_id=USER, received_at=RECEIVED, by=BY, reason="under review"),
    "unhide": UnhideRecord(v=1, id=ID, user_id=USER, received_at=RECEIVED, by=BY, reason="review found nothing"),
    "erase": EraseRecord(v=1, id=ID, user_id=USER, received_at=RECEIVED, by=BY, reason="asked by the user"),
}

_ROWS: Final = (
    TopRow(UserId("ada"), 9_007_199_254_740_991, LogMs(1_795_507_200_456), Partition(63), "Ada"),
    TopRow(UserId("Zoë"), -3, LogMs(0), Partition(0)),
)
_POSITIONS: Final = (
    Position(Partition(0), Epoch(1), Offset(4712), LogMs(1_795_507_200_456)),
    Position(Partition(63), Epoch(17), Offset(0), LogMs(0), True),
)

SHARD_TOP: Final = ShardTop(
    shard=ShardId("s1"),
    incarnation=1_795_507_000_000,
    sequence=42,
    map_version=3,
    published_at_ms=1_795_507_200_500,
    positions=_POSITIONS,
    boards=(
        ShardBoard(PeriodId("all_time"), _ROWS),
        ShardBoard(PeriodId("daily:2026-11-24"), _ROWS, Floor(-3, LogMs(0), "Zoë")),
        ShardBoard(PeriodId("weekly:2026-W48"), ()),
    ),
)
GLOBAL_TOP: Final = GlobalTop(
    period=PeriodId("daily:2026-11-24"),
    version=1_795_507_200_501,
    positions=_POSITIONS,
    rows=_ROWS,
    ranks=(1, 2),
    complete=False,
    as_of_ms=1_795_507_200_456,
    published_at_ms=1_795_507_200_502,
    stale_shards=(ShardId("s2"),),
)
GLOBAL_TOP_EMPTY: Final = GlobalTop(
    period=PeriodId("all_time"),
    version=1,
    positions=(),
    rows=(),
    ranks=(),
    complete=True,
    as_of_ms=None,
    published_at_ms=1,
)
