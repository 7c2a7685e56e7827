"""What people see holds the figures that matter, and shards' and users' text cannot steer the terminal."""

from io import StringIO

import pytest
from rich.console import Console, RenderableType

from contracts.moves import MoveLimits, MovePhase, PlanRecord
from shardboard.rebalance import change, render
from shardboard.rebalance.advise import Advice
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.follow import progress_of
from shardboard.rebalance.map_check import check_map
from shardboard.rebalance.overview import overview
from shardboard.rebalance.plan_file import order_of
from shardboard.rebalance.stalled import why_stalled
from tests.support.clusters import DEPLOYMENT, S1, S2, S3, S4, cluster, figures, moving, paused, report

STORED = cluster(S1, S2, S3, joined=(S4,))
PLAN = draft_plan(
    change.add(STORED, [NewShard(S4)]), STORED, figures=figures(STORED), reports=[],
    occasion=Occasion("a", 1, DEPLOYMENT),
)  # fmt: skip


def shown(what: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=200, highlight=False).print(what)
    return out.getvalue()


def test_a_plan_shows_load_moves_and_what_it_takes() -> None:
    text = shown(render.render_plan(PLAN, is_explained=False))
    assert "plan: add s4" in text
    assert "0 → 16" in text
    assert "s4 takes its share of 16; s3 has 18, above its own; s4 is its 2nd choice" in text
    assert "16 partitions with 16,345 users (1.6 MB) move in about 4 s" in text
    assert "each pauses for at most 530 ms" in text
    assert "share 16.0" not in text


def test_an_explained_plan_says_how_it_came_about() -> None:
    text = shown(render.render_plan(PLAN, is_explained=True))
    assert "s4: weight 100 of 400, share 16.0 of 64, cap 18" in text
    assert "Rate: 100,000 rows/s, assumed, nothing was measured yet." in text


def test_many_moves_are_cut_and_said_to_be() -> None:
    many = draft_plan(
        change.remove(STORED, [S2, S3]), STORED, figures=figures(STORED), reports=[],
        occasion=Occasion("a", 1, DEPLOYMENT),
    )  # fmt: skip
    assert "… and 22 more: --explain shows them" in shown(render.render_plan(many, is_explained=False))
    assert "more: --explain" not in shown(render.render_plan(many, is_explained=True))


def test_unknown_figures_are_shown_as_such() -> None:
    plan = draft_plan(
        change.add(STORED, [NewShard(S4)]), STORED, figures=figures(STORED, s2="away"), reports=[],
        occasion=Occasion("a", 1, DEPLOYMENT),
    )  # fmt: skip
    assert "a source does not answer, so what it takes is not known" in shown(
        render.render_plan(plan, is_explained=False)
    )


def test_the_overview_shows_shards_moves_and_trouble() -> None:
    stored = paused(moving(STORED, 5, target=S4), users_per_s_max=20_000)
    reports = [report(5, MovePhase.COPYING, reason="[b]x")]
    told = overview(stored, figures(stored, s2="connection refused"), ends={}, reports=reports, plans=[], now_ms=9_000)
    text = shown(render.render_overview(told))
    for part in ("s4", "idle", "unreachable", "18/18", "1 in", "copying", "[b]x", "PAUSED", "20,000 users/s"):
        assert part in text, part
    assert "! shard s2: connection refused" in text


def test_progress_shows_what_is_on_its_way() -> None:
    record = PlanRecord(7, PLAN.checksum, 1, "a", 4, "running", order_of(PLAN, STORED).content)
    reports = [
        report(move.partition, phase, rows_copied=10, rows_total=40)
        for move, phase in zip(PLAN.moves, [MovePhase.COPYING] + [MovePhase.INTENDED] * 15, strict=True)
    ]
    told = progress_of(record, reports, limits=MoveLimits(), now_ms=2)
    text = shown(render.render_progress(told, "the line"))
    assert "10 / 40" in text
    assert text.count("copying") == 1
    assert "intended" not in text
    assert text.rstrip().endswith("the line")


def test_findings_and_advice_say_what_to_do() -> None:
    stalled = why_stalled(paused(moving(STORED, 5, target=S4)), [], figures=figures(STORED), now_ms=1)
    assert "rebalance resume" in shown(render.render_stalled(stalled))
    good = check_map(STORED, figures(STORED), topic_partitions=64)
    assert "64 partitions at map version 3, 0 on their way: each has its one owner" in shown(render.render_check(good))
    bad = check_map(STORED, figures(STORED), topic_partitions=32)
    assert "other_partition_count" in shown(render.render_check(bad))
    assert "nothing to advise" in shown(render.render_advice([]))
    assert "hot: text" in shown(render.render_advice([Advice("hot", "s1", "text", "do it")]))


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (123_456_789, "123 MB"), (5 * 10**12, "5,000 GB")],
)
def test_sizes_are_short(size: int | None, text: str) -> None:
    assert render.size_text(size) == text
