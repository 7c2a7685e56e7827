"""What `rebalance` shows to people: the cluster, plans, moves on their way, findings."""

from collections.abc import Sequence
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardboard.rebalance.advise import Advice
from shardboard.rebalance.estimate import natural
from shardboard.rebalance.follow import PlanProgress
from shardboard.rebalance.map_check import MapCheck
from shardboard.rebalance.overview import MoveRow, Overview, ShardRow
from shardboard.rebalance.plan_file import PlanFile, PlanMove, ShardLoad
from shardboard.rebalance.stalled import StalledReport

MOVES_SHOWN_MAX: Final = 24
"""A screen; --explain shows all."""
_RIGHT: Final = frozenset(
    {"partition", "weight", "partitions", "held/cap", "cap", "users", "memory", "lag", "records/s", "size", "pause"}
)
_WHOLE: Final = _RIGHT | {"shard", "state", "from", "to", "phase"}
"""Never broken over two lines."""
_STATE_STYLES: Final = {"serving": "green", "idle": "cyan", "leaving": "yellow"}


def render_overview(told: Overview) -> RenderableType:
    """Shards, moves, limits, problems."""
    table = _table("shard", "state", "weight", "held/cap", "users", "memory", "lag", "records/s", "moves")
    for row in told.shards:
        table.add_row(*_shard_cells(row))
    parts: list[RenderableType] = [table, Text(), Text(_cluster_line(told))]
    if told.plan is not None:
        by = f"plan {told.plan.plan} ({told.plan.change}) runs for {told.plan.seconds:.0f} s, by {told.plan.applied_by}"
        parts.append(Text(by, "bold"))
    if told.moves:
        parts += [Text(), _move_table(told.moves)]
    parts += [Text(f"! {problem}", "red") for problem in told.problems]
    return Group(*parts)


def render_plan(plan: PlanFile, *, is_explained: bool) -> RenderableType:
    """The load before and after, the moves, what they take."""
    parts: list[RenderableType] = [Text(f"plan: {plan.change}", "bold"), Text(), _load_table(plan.shards), Text()]
    moves = sorted(plan.moves, key=lambda move: (natural(move.source), natural(move.target), move.partition))
    shown = moves if is_explained else moves[:MOVES_SHOWN_MAX]
    if moves:
        table = _table("partition", "from", "to", "users", "size", "pause", "reason")
        for move in shown:
            table.add_row(*_plan_move_cells(move))
        parts.append(table)
    if len(shown) < len(moves):
        parts.append(Text(f"… and {len(moves) - len(shown)} more: --explain shows them", "dim"))
    if is_explained:
        parts += [Text(), *(Text(line) for line in explanation(plan))]
    parts += [Text(), Text(_estimate_line(plan), "bold")]
    return Group(*parts)


def explanation(plan: PlanFile) -> list[str]:
    """How the plan came about, in a few lines."""
    weights = {load.shard: load.weight for load in plan.shards if load.cap}
    total = sum(weights.values())
    lines = ["No shard may hold more than 1.1 times its share, rounded up; what is below that stays where it is."]
    for load in plan.shards:
        if load.shard in weights:
            share = plan.partitions * load.weight / total
            lines.append(
                f"{load.shard}: weight {load.weight} of {total}, share {share:.1f} of {plan.partitions}, cap {load.cap}"
            )
    lines.append(
        f"While a partition is copied its actions are recorded and not yet counted: the pause. "
        f"{plan.estimate.moves_at_once} move at once (`rebalance throttle`)."
    )
    measured = plan.estimate.measured_moves
    source = f"the median of the last {measured} moves" if measured else "assumed, nothing was measured yet"
    lines.append(f"Rate: {plan.estimate.rows_per_s:,.0f} rows/s, {source}.")
    return lines


def render_progress(progress: PlanProgress, line: str) -> RenderableType:
    """The moves that are on their way, and the line that sums up."""
    table = _table("partition", "from", "to", "phase", "rows", "tries", "reason")
    under_way = [move for move in progress.moves if move.phase not in ("done", "aborted", "intended")]
    for move in under_way[:MOVES_SHOWN_MAX]:
        rows = f"{move.rows_copied:,} / {move.rows_total:,}" if move.rows_total else f"{move.rows_copied:,}"
        table.add_row(str(move.partition), move.source, move.target, move.phase, rows, str(move.attempts), move.reason)
    parts: list[RenderableType] = [table, Text()] if under_way else []
    return Group(*parts, Text(line))


def render_stalled(report: StalledReport) -> RenderableType:
    """A line for each move, those first that somebody must do something about."""
    if not report.moves:
        return Text("nothing is on its way")
    table = _table("partition", "from", "to", "phase", "why", "what to do")
    for move in sorted(report.moves, key=lambda move: (not move.is_stalled, move.partition)):
        style = "red" if move.is_stalled else ""
        table.add_row(
            str(move.partition), move.source, move.target, move.phase, Text(move.reason, style), Text(move.remedy)
        )
    return table


def render_check(check: MapCheck) -> RenderableType:
    """The findings and a verdict."""
    table = _table("partition", "shard", "finding", "detail")
    for finding in check.findings:
        partition = "" if finding.partition is None else str(finding.partition)
        table.add_row(partition, finding.shard or "", Text(finding.what, "red"), Text(finding.detail))
    head = f"{check.partitions} partitions at map version {check.map_version}, {check.moving} on their way"
    head += f", {check.leftovers} leftovers to remove" if check.leftovers else ""
    if not check.findings:
        return Text(f"{head}: each has its one owner, at the map's epoch", "green")
    count = len(check.findings)
    return Group(table, Text(), Text(f"{head}: {count} finding{'s' if count > 1 else ''}", "bold red"))


def render_advice(advice: Sequence[Advice]) -> RenderableType:
    """What to look at."""
    if not advice:
        return Text("nothing to advise: no shard is hot, uneven, idle or away", "green")
    table = _table("shard", "finding", "what would help")
    for each in advice:
        table.add_row(each.shard, Text(f"{each.kind}: {each.text}"), Text(each.command))
    return table


def size_text(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return "?"
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "B" or size >= 100 else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit takes everything")


def _shard_cells(row: ShardRow) -> list[str | Text]:
    moves = [f"{row.arriving} in"] if row.arriving else []
    moves += [f"{row.departing} out"] if row.departing else []
    partitions = f"{row.partitions}/{row.cap}" if row.cap else str(row.partitions)
    state = Text(row.state, _STATE_STYLES.get(row.state, "red"))
    figures = [_count(row.users), size_text(row.memory_bytes), _count(row.lag), _count(row.records_per_s)]
    return [row.shard, state, str(row.weight), partitions, *figures, ", ".join(moves)]


def _cluster_line(told: Overview) -> str:
    parts = [f"{told.partitions} partitions, map version {told.map_version}"]
    if told.balance is not None:
        parts.append(f"fullest shard at {told.balance:.2f} of its share")
    limits = told.limits
    speed = "as fast as it goes" if limits.users_per_s_max is None else f"{limits.users_per_s_max:,} users/s each"
    parts.append(f"{limits.moves_at_once} moves at once, {speed}")
    return " · ".join(parts) + ("   PAUSED: `rebalance resume`" if limits.is_paused else "")


def _move_table(moves: Sequence[MoveRow]) -> Table:
    table = _table("partition", "from", "to", "phase", "rows", "for", "reason")
    for move in moves[:MOVES_SHOWN_MAX]:
        rows = f"{move.rows_copied:,} / {move.rows_total:,}" if move.rows_total else ""
        table.add_row(
            str(move.partition), move.source, move.target, move.phase, rows, f"{move.seconds:.0f} s", Text(move.reason)
        )
    if len(moves) > MOVES_SHOWN_MAX:
        table.add_row("…", "", "", f"{len(moves) - MOVES_SHOWN_MAX} more", "", "", "")
    return table


def _load_table(loads: Sequence[ShardLoad]) -> Table:
    table = _table("shard", "weight", "partitions", "cap", "users", "memory", "records/s")
    for load in loads:
        weight = str(load.weight) if load.weight_before in (None, load.weight) else (
            f"{load.weight_before} → {load.weight}"
        )  # fmt: skip
        table.add_row(
            load.shard,
            weight,
            _change(str(load.partitions_before), str(load.partitions_after)),
            str(load.cap) if load.cap else "leaves",
            _change(_count(load.users_before), _count(load.users_after)),
            _change(size_text(load.bytes_before), size_text(load.bytes_after)),
            _change(_count(load.records_per_s_before), _count(load.records_per_s_after)),
        )
    return table


def _plan_move_cells(move: PlanMove) -> list[str | Text]:
    pause = "?" if move.pause_ms is None else f"{move.pause_ms:,} ms"
    figures = [_count(move.users), size_text(move.bytes), pause]
    return [str(move.partition), move.source, move.target, *figures, Text(move.reason)]


def _estimate_line(plan: PlanFile) -> str:
    told, count = plan.estimate, len(plan.moves)
    if not count:
        return "no partition moves"
    if told.seconds is None:
        return f"{count} partitions move; a source does not answer, so what it takes is not known"
    return (
        f"{count} partitions with {told.users:,} users ({size_text(told.bytes)}) move in about {told.seconds:,.0f} s; "
        f"each pauses for at most {told.pause_ms_longest:,} ms"
    )


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in _RIGHT else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in _WHOLE)
    return table
