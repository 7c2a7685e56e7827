"""`shardboard export`: what the archive has of one user, for the user."""

from typing import TYPE_CHECKING, Annotated

import typer

from shardboard.cli.options import DataDirOption

if TYPE_CHECKING:
    from foundation.postgres_connect import Connection

app = typer.Typer()


@app.command()
def export(
    user: Annotated[str, typer.Option("--user", metavar="U", help="Whose data.")],
    data_dir: DataDirOption = None,
) -> None:
    """Print everything that the archive has of one user as JSON: name, scores, ranks on closed boards, every action,
    and what moderators did. It is as new as the archive, which follows the log within seconds.

    Example:  shardboard export --user ada > ada.json
    """
    from contracts.clock import now_ms
    from contracts.ids import UserId, user_id_fault
    from shardboard.cli.postgres import with_postgres
    from shardboard.moderation.export import export_user

    fault = user_id_fault(user)
    if fault is not None:
        raise typer.BadParameter(fault, param_hint="--user")
    write = typer.get_binary_stream("stdout").write

    async def run(connection: "Connection") -> None:
        async for piece in export_user(connection, UserId(user), now_ms=now_ms()):
            write(piece)

    with_postgres(data_dir, run)
