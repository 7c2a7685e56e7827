"""What a replay shows while it runs."""

import io

from rich.console import Console

from shardboard.replay.display import PLAIN_EVERY_S, Display, RateMeter, print_summary, progress_text
from shardboard.replay.tally import Summary, Tally


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    assert meter.observe(0.0, 0) == 0.0
    assert meter.observe(1.0, 100) == 100.0
    for second in range(2, 20):
        rate_per_s = meter.observe(float(second), 100 + (second - 1) * 1000)
    assert rate_per_s == 1000.0


def test_the_line_says_how_far_how_fast_and_how_long() -> None:
    tally = Tally(lines=20_000, accepted=1_200)
    assert progress_text(tally, 3_104.2) == "1,200/20,000 lines · 3,104/s · 0:00:06 left"
    tally.refuse(1, "bad-line", detail="")
    assert progress_text(tally, 1.0) == "1,201/20,000 lines · 1/s · 5:13:19 left · 1 refused"
    assert progress_text(Tally(lines=5), 0.0) == "0/5 lines · 0/s"


def test_without_a_terminal_there_is_a_plain_line_now_and_then_and_one_at_the_end() -> None:
    now_s = 0.0
    out = io.StringIO()
    tally = Tally(lines=100)
    with Display(Console(file=out, force_terminal=False, width=200), lambda: now_s) as display:
        for _ in range(45):
            tally.accepted += 1
            now_s += PLAIN_EVERY_S / 20
            display.show(tally, None)
        display.show(tally, "connection refused")
        tally.accepted = 100
        display.show(tally, None)
        display.show(tally, None)
    lines = out.getvalue().splitlines()
    assert [line.split("/")[0] for line in lines] == ["20", "40", "100"]
    assert "\x1b" not in out.getvalue()


def test_the_summary_names_reasons_with_line_numbers() -> None:
    tally = Tally(lines=10, accepted=7, retried=2)
    tally.refuse(3, "unknown-action", detail="the catalogue has no [bold]'hack'[/bold]")
    out = io.StringIO()
    print_summary(Console(file=out, width=200), Summary(tally, elapsed_s=2.0))
    text = out.getvalue()
    assert "1 refused: unknown-action" in text
    assert "line 3: the catalogue has no [bold]'hack'[/bold]" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("not sent or unknown")] == ["2"]
