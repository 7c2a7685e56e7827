"""`shardboard token`: prints a token of this deployment, alone on stdout, for curl and for game servers."""

from typing import Annotated

import typer

from contracts.ids import NAME_BYTES_MAX, user_id_fault
from contracts.tokens import SCOPE_WRITE_ANY, SCOPES
from shardboard.cli.options import DataDirOption

app = typer.Typer()


@app.command()
def token(
    user: Annotated[str | None, typer.Option("--user", metavar="U", help="A token for this user.")] = None,
    is_service: Annotated[
        bool, typer.Option("--service", help="A token for a server that writes for any user.")
    ] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="S", help=f"One of {', '.join(SCOPES)}; may be given several times."),
    ] = None,
    ttl: Annotated[str, typer.Option("--ttl", help="How long it is valid: 90s, 15m, 1h, 7d.")] = "1h",
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="The user's display name.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a token with the deployment's secret and print it alone on stdout.

    A service's token permits actions:write:any unless --scope says otherwise.

    Example:  curl -H "Authorization: Bearer $(shardboard token --user ada)" …
    """
    import os

    from contracts.clock import now_ms
    from contracts.exit_codes import ExitCode
    from shardboard.cli.durations import parse_duration_s
    from shardboard.cli.target import find_token_settings
    from shardboard.command_error import CommandError
    from shardboard.minting import SERVICE_SUBJECT, Claims, mint

    if (user is None) == (not is_service):
        raise typer.BadParameter("give either --user U or --service")
    scopes = tuple(dict.fromkeys(scope or ([SCOPE_WRITE_ANY] if is_service else [])))
    fault = _fault(user, scopes, name=name)
    if fault is not None:
        raise typer.BadParameter(fault)
    settings = find_token_settings(data_dir, os.environ)
    if not settings.secret:
        raise CommandError(
            ExitCode.REFUSED, "tokens of this deployment are made by its issuer: SHARDBOARD_JWT_SECRET is not set"
        )
    claims = Claims(SERVICE_SUBJECT if user is None else user, scopes, name)
    try:
        text = mint(settings, claims, ttl_s=parse_duration_s(ttl), now_s=now_ms() // 1000)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ttl") from error
    typer.echo(text)


def _fault(user: str | None, scopes: tuple[str, ...], *, name: str | None) -> str | None:
    """Say what the gateway would not accept in such a token, or None."""
    if user is not None and (fault := user_id_fault(user)) is not None:
        return f"--user {fault}"
    unknown = [each for each in scopes if each not in SCOPES]
    if unknown:
        return f"--scope {unknown[0]!r} is unknown; known: {', '.join(SCOPES)}"
    if name is not None and not 1 <= len(name.encode(errors="surrogateescape")) <= NAME_BYTES_MAX:
        return f"--name must be 1 to {NAME_BYTES_MAX} bytes of UTF-8"
    return None
