"""A change of the map in one line, and the history whole."""

from io import StringIO

from rich.console import Console

from shardboard.rebalance.answers import ChangeRow, History, PlanRow
from shardboard.rebalance.render_history import change_text, render_history


def test_a_change_is_one_line() -> None:
    switched = {"what": "switched", "partition": 7, "epoch": 3, "source": "s1", "target": "s4"}
    assert change_text(switched) == "switched: partition 7, epoch 3, source s1, target s4"
    planned = {"what": "planned", "plan": 2, "weights": {"s4": 200}, "leaving": [], "undoes": None}
    assert change_text(planned) == "planned: plan 2, weights s4=200"
    assert change_text({"what": "aborted", "partitions": list(range(20))}).endswith("10 11 and 8 more")
    assert change_text({}) == "?"


def test_plans_and_changes_are_listed() -> None:
    plan = PlanRow(
        plan=2, change="add s4", state="done", moves=16, applied_ms=0, applied_by="ann@host", map_version=9,
        checksum="c", undoes=None,
    )  # fmt: skip
    change = ChangeRow(version=9, changed_ms=0, changed_by="ann@host", change={"what": "planned", "plan": 2})
    out = StringIO()
    console = Console(file=out, width=160)
    console.print(render_history(History(plans=(plan,), changes=(change,))))
    console.print(render_history(History(plans=(), changes=())))
    text = out.getvalue()
    for part in ("add s4", "1970-01-01 00:00:00", "ann@host", "planned: plan 2", "no plan was applied yet"):
        assert part in text
