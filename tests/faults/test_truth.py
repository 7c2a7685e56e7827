"""The audit's own counting: what it says of ledgers and scores that are right, and of each way to be wrong."""

import json

import pytest

from tests.faults.truth import LogRecord, Sent, Truth, compare_ledger, compare_scores

AT = 1_795_507_200_000
DAY = "daily:2026-11-24"
KINDS = ("all_time", "daily")


def record(offset: int, user: str, *, action_id: str, points: int = 10, append_ms: int = AT) -> LogRecord:
    value = {"v": 1, "kind": "action", "id": action_id, "user_id": user, "points": points, "at": AT}
    return LogRecord(0, offset, append_ms, json.dumps(value).encode())


@pytest.fixture
def truth() -> Truth:
    """`a` acted twice, once repeated; `b` once with the same id as `a`."""
    truth = Truth()
    for each in (
        record(0, "a", action_id="1", append_ms=AT + 5),
        record(1, "b", action_id="1", append_ms=AT + 3),
        record(2, "a", action_id="1", append_ms=AT + 9),
        record(3, "a", action_id="2", points=5, append_ms=AT + 7),
    ):
        truth.read(each, kinds=KINDS)
    return truth


CELLS = {
    ("all_time", "a"): (15, AT + 9),
    ("all_time", "b"): (10, AT + 5),
    (DAY, "a"): (15, AT + 9),
    (DAY, "b"): (10, AT + 5),
}
SENT = (Sent("a", "1", 10, (0, 0), False), Sent("b", "1", 10, (0, 1), False), Sent("a", "2", 5, None, True))


def test_each_id_of_a_user_counts_once_and_is_dated_by_log_time(truth: Truth) -> None:
    assert truth.scores == {"all_time": {"a": 15, "b": 10}, DAY: {"a": 15, "b": 10}}
    assert (truth.records, truth.repeats, truth.counted[0], truth.points[0]) == (4, 1, 3, 25)
    faults = compare_scores("Redis", CELLS, truth=truth)
    assert (faults.lost, faults.doubled, faults.dated) == ([], [], [])


@pytest.mark.parametrize(
    ("cell", "kind"),
    [((5, AT + 9), "lost"), ((16, AT + 9), "doubled"), ((15, AT + 8), "dated")],
)
def test_every_wrong_score_is_seen(truth: Truth, cell: tuple[int, int], kind: str) -> None:
    faults = compare_scores("Redis", {**CELLS, (DAY, "a"): cell}, truth=truth)
    assert {name: len(getattr(faults, name)) for name in ("lost", "doubled", "dated")} == {
        **dict.fromkeys(("lost", "doubled", "dated"), 0),
        kind: 1,
    }


def test_missing_and_unknown_users_are_seen(truth: Truth) -> None:
    cells = {key: cell for key, cell in CELLS.items() if key != (DAY, "b")} | {(DAY, "ghost"): (1, AT)}
    faults = compare_scores("Redis", cells, truth=truth)
    assert (len(faults.lost), len(faults.doubled)) == (1, 1)


def test_a_right_ledger_has_no_faults(truth: Truth) -> None:
    faults = compare_ledger(SENT, truth)
    assert (faults.lost, faults.phantom, faults.misplaced, faults.unknown_recorded) == ([], [], [], 1)
    repeated = (Sent("a", "1", 10, (0, 2), False), *SENT[1:])
    assert compare_ledger(repeated, truth).misplaced == []


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ((*SENT, Sent("c", "1", 10, (0, 9), False)), "lost"),
        (SENT[:2], "phantom"),
        ((*SENT[:2], Sent("a", "2", 5, None, False)), "phantom"),
        ((*SENT[:2], Sent("a", "2", 6, None, True)), "phantom"),
        ((Sent("a", "1", 10, (0, 1), False), *SENT[1:]), "misplaced"),
    ],
)
def test_every_wrong_ledger_is_seen(truth: Truth, sent: tuple[Sent, ...], kind: str) -> None:
    faults = compare_ledger(sent, truth)
    assert len(getattr(faults, kind)) == 1
