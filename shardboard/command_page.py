"""The page docs/cli.md: made from the commands themselves, so that it cannot describe another option."""

import re
from typing import Any, Final

from typer.main import get_command

from shardboard.cli.app import app

_HEAD: Final = """# Commands

<!-- Made by `shardboard docs commands > docs/cli.md`. Change the commands' own texts, then make it anew. -->

`shardboard --help` and `shardboard COMMAND --help` say the same as this page. Results go to stdout, everything else to
stderr; `--output json` prints one document that [a schema](schemas/) describes.

Exit codes are the same everywhere: 0 well · 1 something differs or was refused · 2 usage · 3 refused · 4 stalled or
timed out · 5 failed · 6 nothing to do · 7 could not be told.
"""
_EXAMPLES: Final = re.compile(r"^Examples?:", re.MULTILINE)
_EVERYWHERE: Final = ("help", "install_completion", "show_completion")


def command_page() -> str:
    """The whole page: every command that is shown, groups with their commands."""
    parts = [_HEAD]
    root: Any = get_command(app)
    context = root.make_context("shardboard", [], resilient_parsing=True)
    for name in root.list_commands(context):
        parts += _described(root.get_command(context, name), f"shardboard {name}", depth=2)
    return "\n".join(parts)


def _described(command: Any, path: str, *, depth: int) -> list[str]:
    """One command, and under it those of a group."""
    if command.hidden:
        return []
    text = "\n".join(line.strip() for line in (command.help or "").splitlines()).strip()
    parts = [f"{'#' * depth} `{path}`", "", _prose(text), ""]
    commands = getattr(command, "commands", None)
    if commands is not None:
        for name, inner in commands.items():
            parts += _described(inner, f"{path} {name}", depth=depth + 1)
        return parts
    rows = [row for parameter in command.params if (row := _row(parameter)) is not None]
    return [*parts, *(["| Option | Default | Meaning |", "|---|---|---|", *rows, ""] if rows else [])]


def _prose(text: str) -> str:
    """The examples as code; everything else as it stands."""
    before, *examples = _EXAMPLES.split(text)
    lines = [" ".join(line.split()) for line in "".join(examples).split("  ·")]
    return before.strip() + ("\n\n```sh\n" + "\n".join(lines) + "\n```" if examples else "")


def _row(parameter: Any) -> str | None:
    if parameter.name in _EVERYWHERE or getattr(parameter, "hidden", False):
        return None
    if parameter.param_type_name == "argument":
        shown = f"`{(parameter.metavar or parameter.name).upper()}`"
    else:
        shown = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    variable = f" (`{parameter.envvar}`)" if isinstance(parameter.envvar, str) else ""
    return f"| {shown} | {_default(parameter)} | {_cell(parameter.help or '')}{variable} |"


def _default(parameter: Any) -> str:
    value = getattr(parameter.default, "value", parameter.default)
    if parameter.required:
        return "required"
    if value is True:
        return "yes"
    return "" if value in (None, False, (), []) or callable(value) else f"`{_cell(str(value))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
