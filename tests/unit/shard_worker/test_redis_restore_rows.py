"""Archived rows become the words of Redis commands, each key apart, nothing lost, names of the best only."""

import msgspec

from contracts.ids import Id16, LogMs, Offset, Partition, PeriodId, UserId, Window
from shard_worker.redis_restore_rows import Chunk, RestoreRows

ID = Id16(bytes(range(16)))
A, B, C = UserId("a"), UserId("b"), UserId("c")
ALL_TIME, DAY = PeriodId("all_time"), PeriodId("daily:2026-11-24")


def rows(named_rows: int = 2) -> RestoreRows:
    return RestoreRows(Partition(5), named_rows=named_rows)


def test_scores_go_to_their_boards_and_only_scorers_have_times() -> None:
    found = list(rows().scores([(ALL_TIME, A, 7, LogMs(100)), (DAY, A, 3, LogMs(100)), (ALL_TIME, B, -4, LogMs(0))]))
    assert found == [
        Chunk("zset", "scores:all_time", [7, A, -4, B]),
        Chunk("zset", f"scores:{DAY}", [3, A]),
        Chunk("hash", "scored_at:all_time", [A, 100]),
        Chunk("hash", f"scored_at:{DAY}", [A, 100]),
    ]


def test_names_are_kept_of_each_boards_best_rows() -> None:
    """With two rows per board: who has more points, and of equals who had them first."""
    made = rows(named_rows=2)
    scores = [(ALL_TIME, A, 5, LogMs(2)), (ALL_TIME, B, 5, LogMs(1)), (ALL_TIME, C, 9, LogMs(3)), (DAY, A, 1, LogMs(1))]
    assert len(list(made.scores(scores[:3]))) == 2
    assert list(made.names([(A, "Ann"), (B, "Bö"), (C, "Cy")])) == [Chunk("hash", "names", [B, "Bö", C, "Cy"])]
    assert list(made.scores(scores[3:]))
    assert list(made.names([(A, "Ann")])) == [Chunk("hash", "names", [A, "Ann"])]
    assert list(made.names([(UserId("d"), "Dee")])) == []


def test_hidden_user_without_scores_is_still_hidden() -> None:
    (chunk,) = rows().hidden([(A, {}), (B, {ALL_TIME: (3, 100)})])
    assert (chunk.kind, chunk.key, chunk.words[0], chunk.words[2]) == ("hash", "hidden", A, B)
    assert [msgspec.msgpack.decode(packed) for packed in chunk.words[1::2]] == [{}, {"all_time": [3, 100]}]  # type: ignore[arg-type]


def test_ids_limits_and_digests_have_the_form_of_the_library() -> None:
    made = rows()
    assert list(made.seen([(Window(4), ID), (Window(5), ID)])) == [
        Chunk("set", "seen:4", [ID]),
        Chunk("set", "seen:5", [ID]),
    ]
    assert list(made.kept([(ID, 77)])) == [Chunk("zset", "kept", [77, ID])]
    assert list(made.caps([(ID, 3, 2, 1234)])) == [Chunk("hash", "caps:3", [ID.hex(), "2:1234"])]
    assert list(made.erased([(ID, Offset(9))])) == [Chunk("hash", "erased", [ID.hex(), 9])]
    assert list(made.voided([(ID, Offset(8))])) == [Chunk("hash", "voided", [ID.hex(), 8])]


def test_nothing_writes_nothing() -> None:
    made = rows()
    assert [*made.scores([]), *made.hidden([]), *made.erased([]), *made.seen([]), *made.names([])] == []
