"""The bars of a live move are held against what each round found before and during it."""

from pathlib import Path

from bench.ground import Ground
from bench.live_move import BEFORE, DURING, Round, part_of
from bench.sizes import QUICK


def round_of(during: tuple[float, float], *, longest_ms: float) -> Round:
    found = Round(longest_ms=longest_ms, took_s=3.0, pauses_ms=[200, 400])
    found.accepted |= {BEFORE: 1_000.0, DURING: during[0]}
    found.p99_ms |= {BEFORE: 5.0, DURING: during[1]}
    return found


def test_each_bar_is_met_or_missed_by_the_median_of_the_rounds(tmp_path: Path) -> None:
    ground = Ground(tmp_path, QUICK, seed=1)
    good, bad = round_of((980.0, 8.0), longest_ms=7.0), round_of((900.0, 20.0), longest_ms=30.0)
    for rounds, is_met in (([good, good, bad], True), ([bad, good, bad], False)):
        part = part_of(ground, rounds, most_per_s=2_000.0)
        assert [verdict.met for verdict in part.verdicts] == [is_met] * 3
        assert part.settings["actions_per_s"] == 1_000
        assert "paused for 400 ms, median, at most 400 ms" in part.notes[1]
