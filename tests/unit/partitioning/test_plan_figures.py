"""The planner's figures, counted anew, stay within their bounds, and are those that docs/rebalancing.md shows."""

from pathlib import Path

import pytest

from tests.support.plan_figures import HEAD, Figures, all_figures

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rebalancing.md"


@pytest.fixture(scope="module")
def figures() -> list[Figures]:
    return list(all_figures())


def test_no_plan_leaves_a_shard_above_its_cap(figures: list[Figures]) -> None:
    assert sum(each.plans for each in figures) > 900
    assert {each.above_cap for each in figures} == {0}


def test_plans_move_hardly_more_than_they_must(figures: list[Figures]) -> None:
    assert max(each.worst for each in figures) <= 1.15


def test_bystanders_move_only_what_a_cap_forces(figures: list[Figures]) -> None:
    assert all(each.bystanders == each.forced for each in figures)


def test_the_page_shows_these_figures(figures: list[Figures]) -> None:
    assert "\n".join([HEAD, *(each.row for each in figures)]) in PAGE.read_text()
