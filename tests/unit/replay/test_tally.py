"""The counts of a replay and its summary."""

from shardboard.replay.tally import EXAMPLES_MAX, OTHER_REASONS, REASONS_MAX, Example, Summary, Tally


def test_the_first_examples_of_each_reason_are_kept() -> None:
    tally = Tally(lines=100)
    for line in range(1, 8):
        tally.refuse(line, "unknown-action", detail=f"detail {line}")
    tally.refuse(50, "bad-line", detail="not JSON")
    assert tally.refused["unknown-action"].examples == [Example(line, f"detail {line}") for line in (1, 2, 3)]
    assert len(tally.refused["unknown-action"].examples) == EXAMPLES_MAX
    assert tally.refused_count == 8


def test_reasons_are_bounded_and_none_is_lost() -> None:
    tally = Tally(lines=1000)
    for line in range(REASONS_MAX + 20):
        tally.refuse(line, f"reason-{line}", detail="")
    assert len(tally.refused) == REASONS_MAX + 1
    assert tally.refused[OTHER_REASONS].count == 20
    assert tally.refused_count == REASONS_MAX + 20


def test_every_line_is_in_one_count() -> None:
    tally = Tally(lines=10, acknowledged_before=3, accepted=2, blank=1)
    tally.refuse(7, "bad-line", detail="not JSON")
    assert tally.settled == 7
    summary = Summary(tally, elapsed_s=2.0, stopped="interrupted").as_json()
    assert summary["remaining"] == 3
    assert summary["rate_per_s"] == 1.0
    assert summary["stopped"] == "interrupted"
    assert summary["refusals"] == [{"reason": "bad-line", "count": 1, "examples": [{"line": 7, "detail": "not JSON"}]}]


def test_the_commonest_reason_comes_first() -> None:
    tally = Tally(lines=10)
    for line, reason in enumerate(["rare", "common", "common", "also"]):
        tally.refuse(line, reason, detail="")
    reasons = [each["reason"] for each in Summary(tally, elapsed_s=0.0).as_json()["refusals"]]
    assert reasons == ["common", "also", "rare"]
