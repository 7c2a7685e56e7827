"""The page tells every bar and every part, and the committed one is made from the committed result."""

from pathlib import Path

from bench.bars import all_bars
from bench.harness import read_report
from bench.markdown_page import markdown_page
from bench.results import Ask, Part, Report, Way, make_part
from tests.support.command import valid

DOCS = Path(__file__).resolve().parents[3] / "docs"


def part(case: str, *, worker: float) -> Part:
    ways = [Way("worker", {"per_s": [worker, worker]}), Way("ZINCRBY, 128 pipelined", {"per_s": [100.0, 100.0]})]
    asks = [Ask(measure="per_s", first="worker", second="ZINCRBY, 128 pipelined", at_least=1.2)]
    return make_part("apply", case, settings={"users": 2_000}, ways=ways, asks=asks, notes=["a | note"])


def page(*parts: Part, **more: object) -> str:
    given = {"form": "full", "seed": 7, "machine": {"cpu": "A CPU", "cpus": 2, "system": "Linux"}, **more}
    return markdown_page(Report(began="now", wanted=("apply",), parts=parts, **given))  # type: ignore[arg-type]


def row(text: str, what: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {what}")]
    return found


def test_a_missed_bar_says_what_holds_it_back_and_a_met_one_does_not() -> None:
    text = page(part("zipf 1.2, 1 board", worker=90.0), part("zipf 1.2, 3 boards", worker=130.0))
    (bar,) = [bar for bar in all_bars() if bar.bench == "apply" and bar.case == "zipf 1.2, 1 board"]
    assert row(text, "… Zipf 1.2 |") == f"| … Zipf 1.2 | ≥ 1.2 | 0.9 (0.9–0.9) | **missed** | {bar.holds_back} |"
    assert row(text, "… Zipf 1.2, three boards") == "| … Zipf 1.2, three boards | ≥ 1.2 | 1.3 (1.3–1.3) | met | |"


def test_every_bar_has_a_row_even_if_nothing_was_measured() -> None:
    text = page()
    assert text.count("not measured") == len(all_bars())


def test_parts_are_told_with_their_notes_settings_and_failures() -> None:
    text = page(part("uniform, 1 board", worker=90.0), failed={"get": "it ended"})
    assert "a \\| note; users 2,000." in text
    assert "**get did not come to its end**: it ended" in text
    assert "A CPU, 2 processors, Linux" in text


def test_the_committed_page_is_made_from_the_committed_result() -> None:
    result = DOCS / "benchmarks.json"
    valid(result.read_text(encoding="utf-8"), "bench")
    page_now = markdown_page(read_report(result))
    assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == page_now, (
        "run: shardboard bench page docs/benchmarks.json > docs/benchmarks.md"
    )
