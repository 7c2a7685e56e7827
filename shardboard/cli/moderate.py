"""`shardboard moderate hide|unhide|adjust|void|erase|log`: what moderators do, through the gateway and thus the log."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from shardboard.cli.options import DataDirOption, Output, OutputOption

if TYPE_CHECKING:
    from pathlib import Path

    from foundation.postgres_connect import Connection
    from shardboard.moderation.audit import AuditRow

app = typer.Typer(no_args_is_help=True, add_completion=False)
User = Annotated[str, typer.Argument(help="The user's id.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Stands in the audit.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Who moderates, for the audit. [default: your login]; SHARDBOARD_TOKEN, where set, says who",
        show_default=False,
    ),
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id", help="UUID: an order with the same id is carried out once. [default: new]", show_default=False
    ),
]
Timeout = Annotated[str, typer.Option(help="Give up after this time: 10s, 1m.")]


@app.callback()
def moderate() -> None:
    """Take cheats off the board, put wrong things right, erase users. Each order is one record in the log: it is in
    force a moment later, survives everything that the log survives, and stands in the audit with who, when and why.

    Exits with 0 when the order is in the log, 3 when it was refused, 4 when there was no answer in time.

    Example:  shardboard moderate hide mallory --reason "scripted submissions"
    """


@app.command()
def hide(
    user: User,
    reason: Reason,
    by: By = None,
    order_id: Id = None,
    timeout: Timeout = "10s",
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Take a user off every open board. Their actions are answered as before and go on counting, unseen.

    Example:  shardboard moderate hide mallory --reason "scripted submissions"
    """
    _order("hide", {"user_id": user, "reason": reason, "id": order_id}, by=by, timeout=timeout, output=output,
           data_dir=data_dir)  # fmt: skip


@app.command()
def unhide(
    user: User,
    reason: Reason,
    by: By = None,
    order_id: Id = None,
    timeout: Timeout = "10s",
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Show a hidden user again, exactly where they stand by now: with all points, and before whom they were first.

    Example:  shardboard moderate unhide mallory --reason "was a false alarm"
    """
    _order("unhide", {"user_id": user, "reason": reason, "id": order_id}, by=by, timeout=timeout, output=output,
           data_dir=data_dir)  # fmt: skip


@app.command()
def adjust(
    user: User,
    points: Annotated[int, typer.Option("--points", help="Added to the scores; less than 0 takes away.")],
    reason: Reason,
    at: Annotated[
        str | None,
        typer.Option("--at", help="The moment whose open boards change, RFC 3339. [default: now]", show_default=False),
    ] = None,
    by: By = None,
    order_id: Id = None,
    timeout: Timeout = "10s",
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Add or take points on the boards of now, or of another moment.

    Example:  shardboard moderate adjust ada --points 50 --reason "lost in the outage of Monday"
    """
    body = {"user_id": user, "points": points, "reason": reason, "id": order_id, "timestamp": at}
    _order("adjust", body, by=by, timeout=timeout, output=output, data_dir=data_dir)


@app.command()
def void(
    user: User,
    action_id: Annotated[str, typer.Argument(help="The action's id, as its receipt said.")],
    reason: Reason,
    by: By = None,
    order_id: Id = None,
    timeout: Timeout = "10s",
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Take one action back, once: the points that it counted leave the boards that are still open.

    The archive says what it counted. An action that is not archived yet is waited for until --timeout.

    Example:  shardboard moderate void mallory 9e1fa56c-95e3-4864-9795-07aa06783ee8 --reason "exploit"
    """
    body = {"user_id": user, "action_id": action_id, "reason": reason, "id": order_id}
    _order("void", body, by=by, timeout=timeout, output=output, data_dir=data_dir)


@app.command()
def erase(
    user: User,
    reason: Reason,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask. It cannot be undone.")] = False,
    by: By = None,
    order_id: Id = None,
    timeout: Timeout = "10s",
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Erase a user for good: from the boards, Redis and Postgres; closed boards show the row as `erased`. Only the log
    keeps the id, until its retention is over. Whatever the user does afterwards begins at 0.

    Example:  shardboard moderate erase ada --reason "asked for it, case 17" --yes
    """
    if not is_sure:
        typer.confirm(f"Erase {user!r} for good?", abort=True, err=True)
    _order("erase", {"user_id": user, "reason": reason, "id": order_id}, by=by, timeout=timeout, output=output,
           data_dir=data_dir)  # fmt: skip


@app.command()
def log(
    user: Annotated[
        str | None, typer.Option("--user", metavar="U", help="Only about this user, erased or not.", show_default=False)
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only hide, unhide, adjust, void or erase.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Read the audit, newest first: who did what to whom, when and why. It is as new as the archive.

    Example:  shardboard moderate log --user mallory --output json | jq '.entries[].reason'
    """
    import msgspec

    from contracts.ids import UserId
    from shardboard.cli.postgres import with_postgres
    from shardboard.moderation.audit import read_audit

    async def run(connection: "Connection") -> "list[AuditRow]":
        user_id = None if user is None else UserId(user)
        return await read_audit(connection, user_id=user_id, kind=kind, rows_max=limit)

    rows = with_postgres(data_dir, run)
    if output is Output.JSON:
        typer.echo(msgspec.json.encode({"entries": rows}))
    else:
        _print(rows)


def _order(
    kind: str, body: dict[str, Any], *, by: str | None, timeout: str, output: Output, data_dir: "Path | None"
) -> None:
    import asyncio
    import os
    from uuid import uuid4

    import msgspec

    from shardboard.cli.durations import parse_duration_s
    from shardboard.cli.target import find_gateway_url
    from shardboard.moderation.http_orders import Order, send_order
    from shardboard.status.render import printable

    try:
        timeout_s = parse_duration_s(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error
    url = find_gateway_url(data_dir, os.environ)
    sent = {name: value for name, value in {**body, "id": body["id"] or str(uuid4())}.items() if value is not None}
    receipt = asyncio.run(send_order(url, Order(kind, sent, _token(by, data_dir)), timeout_s=timeout_s))
    if output is Output.JSON:
        typer.echo(msgspec.json.encode(receipt))
        return
    moved = f", {receipt['points']:+d} points" if receipt["points"] else ""
    place = f"partition {receipt['partition']}, offset {receipt['offset']}"
    typer.echo(f"{kind} {printable(receipt['user_id'])}{moved}: in the log ({place}, id {receipt['id']})")


def _token(by: str | None, data_dir: "Path | None") -> str:
    """The shell's token, or one of this deployment in the moderator's name."""
    import getpass
    import os

    from contracts.clock import now_ms
    from contracts.exit_codes import ExitCode
    from contracts.tokens import SCOPE_MODERATE
    from shardboard.cli.target import find_token_settings
    from shardboard.command_error import CommandError
    from shardboard.minting import Claims, mint

    given = os.environ.get("SHARDBOARD_TOKEN")
    if given:
        if by is not None:
            raise typer.BadParameter("SHARDBOARD_TOKEN is set: it says who moderates", param_hint="--by")
        return given
    try:
        claims = Claims(by or getpass.getuser(), (SCOPE_MODERATE,))
        return mint(find_token_settings(data_dir, os.environ), claims, ttl_s=300, now_s=now_ms() // 1000)
    except ValueError as error:
        raise CommandError(ExitCode.REFUSED, f"{error}; give a token in SHARDBOARD_TOKEN") from error


def _print(rows: "list[AuditRow]") -> None:
    from datetime import UTC, datetime

    from shardboard.status.render import printable

    typer.echo(f"{'time':<23}  {'kind':<6}  {'points':>9}  {'moderator':<16}  {'user':<24}  reason")
    for row in rows:
        time = f"{datetime.fromtimestamp(row.log_ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        user = "(erased)" if row.user_id is None else printable(row.user_id)
        points = f"{row.points:+d}" if row.points else "-"
        typer.echo(
            f"{time:<23}  {row.kind:<6}  {points:>9}  {printable(row.moderator):<16}  {user:<24}  "
            f"{printable(row.reason or '-')}"
        )
