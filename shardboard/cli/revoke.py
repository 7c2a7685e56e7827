"""`shardboard revoke`: genuine tokens that shall no longer count, on every gateway within a second."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from shardboard.cli.options import DataDirOption, Output, OutputOption
from shardboard.cli.postgres import with_postgres

if TYPE_CHECKING:
    from shardboard.revoke.entries import Entry, Order

app = typer.Typer(add_completion=False)
JtiOption = Annotated[str | None, typer.Option("--jti", metavar="J", help="One token, by its `jti`.")]
UserOption = Annotated[str | None, typer.Option("--user", metavar="U", help="A user's tokens, by their `sub`.")]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="T", help="Refuse them until then: 15m, 7d, or 2026-11-30T12:00:00Z."),
]


@app.callback(invoke_without_command=True)
def revoke(
    ctx: typer.Context,
    jti: JtiOption = None,
    user: UserOption = None,
    until: UntilOption = None,
    output: OutputOption = Output.TABLE,
    data_dir: DataDirOption = None,
) -> None:
    """Refuse a token, or a user's tokens, on every gateway within a second.

    --user refuses the tokens that were issued up to now: the user logs in again. With --until it refuses all of the
    user's tokens, new ones too, until then. --jti refuses one token, for the longest life of a token or until then.

    Example:  shardboard revoke --user ada --until 7d
    """
    if ctx.invoked_subcommand is not None:
        return
    from shardboard.revoke.entries import revoke as write

    order = _order(jti, user, until=until)
    _show([with_postgres(data_dir, lambda connection: write(connection, order))], output)


@app.command()
def lift(
    jti: JtiOption = None, user: UserOption = None, output: OutputOption = Output.TABLE, data_dir: DataDirOption = None
) -> None:
    """End a revocation before its time. Exits with 6 when there is none.

    Example:  shardboard revoke lift --user ada
    """
    from contracts.exit_codes import ExitCode
    from shardboard.revoke.entries import lift as write

    order = _order(jti, user, until=None)
    entry = with_postgres(data_dir, lambda connection: write(connection, order))
    _show([] if entry is None else [entry], output)
    raise typer.Exit(ExitCode.OK if entry is not None else ExitCode.NOTHING_TO_DO)


@app.command("list")
def list_entries(output: OutputOption = Output.TABLE, data_dir: DataDirOption = None) -> None:
    """Tell which revocations are in force, newest first.

    Example:  shardboard revoke list --output json | jq '.revoked[].value'
    """
    from contracts.clock import now_ms
    from shardboard.revoke.entries import entries

    _show(with_postgres(data_dir, lambda connection: entries(connection, now_ms())), output)


def _order(jti: str | None, user: str | None, *, until: str | None) -> "Order":
    """What is to be written. Raises typer.BadParameter."""
    from contracts.clock import now_ms
    from contracts.ids import user_id_fault
    from contracts.tokens import REVOKED_TOKEN, REVOKED_USER, TOKEN_ID_BYTES_MAX, TTL_MAX_S
    from shardboard.cli.rebalance_session import who_is_at_work
    from shardboard.revoke.entries import Order

    at_ms = now_ms()
    until_ms = None if until is None else _until_ms(until, at_ms)
    expires_ms = at_ms + TTL_MAX_S * 1000 if until_ms is None else until_ms
    if jti is not None and user is None:
        if not 1 <= len(jti.encode(errors="surrogateescape")) <= TOKEN_ID_BYTES_MAX or "\0" in jti:
            raise typer.BadParameter(f"must be 1 to {TOKEN_ID_BYTES_MAX} bytes", param_hint="--jti")
        return Order(REVOKED_TOKEN, jti, at_ms, who_is_at_work(), expires_ms=expires_ms)
    if user is not None and jti is None:
        fault = user_id_fault(user)
        if fault is not None:
            raise typer.BadParameter(fault, param_hint="--user")
        issued_until_s = (at_ms if until_ms is None else until_ms) / 1000
        return Order(REVOKED_USER, user, at_ms, who_is_at_work(), issued_until_s, expires_ms)
    raise typer.BadParameter("give either --jti J or --user U")


def _until_ms(text: str, at_ms: int) -> int:
    from datetime import datetime

    from shardboard.cli.durations import parse_duration_s

    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        try:
            return at_ms + parse_duration_s(text) * 1000
        except ValueError as error:
            raise typer.BadParameter(
                f"{error}, nor a time such as 2026-11-30T12:00:00Z", param_hint="--until"
            ) from error
    if until.tzinfo is None:
        raise typer.BadParameter("a time needs its offset: 2026-11-30T12:00:00Z", param_hint="--until")
    if until.timestamp() * 1000 <= at_ms:
        raise typer.BadParameter("lies in the past", param_hint="--until")
    return int(until.timestamp() * 1000)


def _show(found: "Iterable[Entry]", output: Output) -> None:
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if output is Output.JSON:
        return typer.echo(msgspec.json.encode({"revoked": list(found)}))
    table = Table("what", "value", "issued until", "until", "by", box=None)
    for entry in found:
        issued = "" if entry.issued_until_s is None else _time(entry.issued_until_s)
        ends = "lifted" if entry.expires_ms == 0 else _time(entry.expires_ms / 1000)
        table.add_row(entry.kind, Text(entry.value), issued, ends, Text(entry.revoked_by))
    Console(highlight=False).print(table if table.rows else "nothing is revoked")
    return None


def _time(at_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%SZ}"
