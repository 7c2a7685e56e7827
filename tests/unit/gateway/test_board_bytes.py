"""The bytes of a board: what a reader gets, and how it asks whether it has them already."""

import msgspec
import pytest

from contracts.ids import LogMs, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow
from contracts.tops import GlobalTop
from gateway.board_bytes import empty_board, matches, ready_board

PERIOD = PeriodId("daily:2026-11-24")
TOP = GlobalTop(
    period=PERIOD,
    version=42,
    positions=(),
    rows=(
        TopRow(UserId("a"), 30, LogMs(1), Partition(0), "Ada"),
        TopRow(UserId("b"), 20, LogMs(2), Partition(1)),
        TopRow(UserId("c"), 20, LogMs(3), Partition(2)),
    ),
    ranks=(1, 2, 2),
    complete=True,
    as_of_ms=99,
    published_at_ms=100,
)


def test_a_board_as_json() -> None:
    ready = ready_board(TOP, 2, is_behind=False)
    assert msgspec.json.decode(ready.body) == {
        "period": "daily:2026-11-24",
        "version": 42,
        "as_of": 99,
        "complete": True,
        "stale": False,
        "stale_shards": [],
        "entries": [
            {"rank": 1, "user_id": "a", "name": "Ada", "score": 30},
            {"rank": 2, "user_id": "b", "name": None, "score": 20},
        ],
    }
    assert dict(ready.headers)[b"content-length"] == b"%d" % len(ready.body)
    assert dict(ready.headers)[b"cache-control"] == b"no-cache"


def test_a_board_is_stale_when_a_shard_or_the_merger_is() -> None:
    of_shard = msgspec.structs.replace(TOP, stale_shards=(ShardId("s2"),))
    body = msgspec.json.decode(ready_board(of_shard, 1, is_behind=False).body)
    assert (body["stale"], body["stale_shards"]) == (True, ["s2"])
    assert msgspec.json.decode(ready_board(TOP, 1, is_behind=True).body)["stale"]


def test_different_bytes_have_different_tags() -> None:
    boards = [TOP, msgspec.structs.replace(TOP, version=43), empty_board(PERIOD), empty_board(PeriodId("all_time"))]
    made = [ready_board(t, n, is_behind=s) for t in boards for n in (1, 2, 3) for s in (False, True)]
    assert len({ready.etag for ready in made}) == len(made)


@pytest.mark.parametrize(
    ("sent", "is_match"),
    [
        (b'"x.1.10"', True),
        (b'W/"x.1.10"', True),
        (b"*", True),
        (b'"a", W/"x.1.10" ,"b"', True),
        (b'"x.1.1"', False),
        (b"x.1.10", False),
        (b"", False),
    ],
)
def test_tags_are_compared_weakly(sent: bytes, is_match: bool) -> None:
    assert matches(sent, b'"x.1.10"') == is_match
