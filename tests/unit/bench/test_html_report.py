"""The page is whole, escapes what it shows, and says what was missed or not finished."""

import re
from html.parser import HTMLParser

from bench.html_report import bars, page
from bench.results import Ask, Report, Way, make_part

WAYS = [Way("ours <b>", {"per_s": [50.0, 100.0]}), Way("theirs", {"per_s": [200.0, 100.0]})]


def report(**more: object) -> Report:
    asks = [Ask(measure="per_s", first="ours <b>", second="theirs", at_least=0.9)]
    part = make_part("post", "POST & wait", settings={"users": 5}, ways=WAYS, asks=asks, notes=["a note"])
    given = {"form": "full", "seed": 1, "machine": {"commit": "abc"}, "began": "now", "wanted": ("post",), **more}
    return Report(parts=(part,), **given)  # type: ignore[arg-type]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  the signature is the parser's
        self.found.append(tag)


def test_everything_is_shown_and_nothing_is_taken_for_markup() -> None:
    text = page(report(complete=True))
    tags = Tags()
    tags.feed(text)
    assert "b" not in tags.found
    assert {"svg", "h2", "h3", "details"} <= set(tags.found)
    for words in ("POST &amp; wait", "ours &lt;b&gt;", "a note", "users 5", "≥ 0.9", "missed", "abc"):
        assert words in text
    assert "did not come to its end" not in text
    assert not re.findall(r"(?:src|href)=", text), "it needs nothing else"


def test_an_interrupted_run_says_so() -> None:
    text = page(report(failed={"get": "it ended <here>"}))
    assert "did not come to its end" in text
    assert "it ended &lt;here&gt;" in text


def test_a_bar_ends_at_the_median_and_every_round_has_its_mark() -> None:
    svg = bars(WAYS, "per_s")
    widths = [float(width) for width in re.findall(r"<rect[^>]* width=([\d.]+)", svg)]
    assert widths[0] / widths[1] == 0.5
    assert svg.count("<line") == 4
