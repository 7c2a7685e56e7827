"""The history of plans and of the map, for a person."""

from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardboard.rebalance.answers import History

SHOWN_MAX: Final = 12
_ORDER: Final = ("plan", "partition", "partitions", "shard", "epoch", "source", "target", "moves")
_UNTOLD: Final = ("what", "checksum")
_EMPTY: Final[tuple[object, ...]] = ([], {}, None)


def render_history(history: History) -> RenderableType:
    """Plans, then changes, newest first."""
    plans = _table("plan", "state", "applied", "by", "change", "moves")
    for plan in history.plans:
        plans.add_row(
            str(plan.plan), plan.state, _time(plan.applied_ms), plan.applied_by, Text(plan.change), str(plan.moves)
        )
    changes = _table("version", "at", "by", "change")
    for change in history.changes:
        changes.add_row(
            str(change.version), _time(change.changed_ms), change.changed_by, Text(change_text(change.change))
        )
    return Group(*([plans, Text()] if history.plans else [Text("no plan was applied yet"), Text()]), changes)


def change_text(change: dict[str, Any]) -> str:
    """`switched: partition 7, epoch 3, source s1, target s4`."""
    names = sorted(change, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    told = [f"{name} {_value(change[name])}" for name in names if name not in _UNTOLD and change[name] not in _EMPTY]
    return f"{change.get('what', '?')}: {', '.join(told)}" if told else str(change.get("what", "?"))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        shown = " ".join(map(str, value[:SHOWN_MAX]))
        return shown if len(value) <= SHOWN_MAX else f"{shown} and {len(value) - SHOWN_MAX} more"
    return str(value)


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in ("plan", "version", "moves") else "left", overflow="fold")
    return table
