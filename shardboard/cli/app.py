"""The command `shardboard`. COMMANDS is the one place where commands are registered.

A command's module is imported when its name is typed, or for `--help`, and imports its own heavy parts in its body:
so every answer that needs no server comes at once.
"""

import sys
from importlib import import_module
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError

COMMANDS: Final = {
    "up": "shardboard.cli.up",
    "down": "shardboard.cli.down",
    "status": "shardboard.cli.status",
    "scores": "shardboard.cli.scores",
    "verify": "shardboard.cli.verify",
    "rebalance": "shardboard.cli.rebalance",
    "restore": "shardboard.cli.restore",
    "dead": "shardboard.cli.dead",
    "moderate": "shardboard.cli.moderate",
    "export": "shardboard.cli.export",
    "replay": "shardboard.cli.replay",
    "bench": "bench.cli",
    "token": "shardboard.cli.token",
    "revoke": "shardboard.cli.revoke",
    "demo": "shardboard.cli.demo",
    "gateway": "shardboard.cli.services:gateway",
    "worker": "shardboard.cli.services:worker",
    "merger": "shardboard.cli.services:merger",
    "auditor": "shardboard.cli.services:auditor",
    "archiver": "shardboard.cli.services:archiver",
    "topics": "shardboard.cli.topics",
    "db": "shardboard.cli.db",
    "config": "shardboard.cli.config",
    "docs": "shardboard.cli.docs",
    "version": "shardboard.cli.version",
}
"""What is typed → the module; its `app`, or what stands after the colon, is a typer.Typer with one command, or with
several for a group."""


class _LazyGroup(TyperGroup):
    """Finds commands in COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  the signature is typer's
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = get_command(getattr(import_module(module), attribute or "app"))
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A live board in one command:  shardboard up",
)


@app.callback()
def shardboard() -> None:
    """A live leaderboard that is exact, durable, fair and fast, and that grows by adding shards."""


def main() -> NoReturn:
    """Run the command that was typed; never returns."""
    from foundation.env import BadSettings
    from shardboard.embedded.server import StartFailed

    try:
        app(prog_name="shardboard")
    except CommandError as error:
        _end(error.code, str(error))
    except BadSettings as error:
        _end(ExitCode.REFUSED, "\n".join(error.faults))
    except StartFailed as error:
        _end(ExitCode.FAILED, str(error))
    sys.exit(ExitCode.OK)


def _end(code: ExitCode, message: str) -> NoReturn:
    sys.stderr.write(f"shardboard: {message}\n")
    sys.exit(code)
