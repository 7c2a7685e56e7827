"""A status for a person."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardboard.status.report import BoardStatus, ShardStatus, Status

_LAGGING_SHOWN_MAX = 8
_STYLES = {"up": "green", "starting": "yellow", "not-ready": "yellow"}


def render(status: Status) -> RenderableType:
    """Processes, lag, board, problems."""
    parts: list[RenderableType] = [Text(f"{status.url}   {status.state}")]
    if status.processes:
        parts += [Text(), _processes(status)]
    if status.shards:
        parts += [Text(), _shards(status.shards)]
    parts += [Text(), *_board(status.board)]
    parts += [Text(f"! {problem}", style="red") for problem in status.problems]
    return Group(*parts)


def printable(text: str) -> str:
    """What a user called themselves, without the codes that would steer the operator's terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _processes(status: Status) -> Table:
    table = _table("process", "pid", "state", "restarts", "address")
    for process in status.processes:
        state = Text(process.state, style=_STYLES.get(process.state, "red"))
        table.add_row(process.name, str(process.pid or "-"), state, str(process.restarts), Text(process.address))
    return table


def _shards(shards: tuple[ShardStatus, ...]) -> Table:
    table = _table("shard", "partitions", "lag", "furthest behind")
    for shard in shards:
        lagging = sorted((p for p in shard.partitions if p.lag), key=lambda p: -(p.lag or 0))
        shown = "  ".join(f"{p.partition}: {p.lag}" for p in lagging[:_LAGGING_SHOWN_MAX])
        lag = "unknown" if shard.lag is None else f"{shard.lag:,}"
        table.add_row(shard.shard, str(len(shard.partitions)), lag, shown)
    return table


def _board(board: BoardStatus | None) -> list[RenderableType]:
    if board is None:
        return [Text("board  none", style="red")]
    stale = f"   without news of {', '.join(board.stale_shards)}" if board.stale_shards else ""
    table = _table("rank", "score", "user", "name")
    for row in board.top:
        table.add_row(str(row.rank), f"{row.score:,}", Text(printable(row.user_id)), Text(printable(row.name or "")))
    return [Text(f"board  {board.period}   {board.age_ms / 1000:.1f} s old{stale}"), Text(), table]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in ("pid", "restarts", "lag", "rank", "score") else "left")
    return table
