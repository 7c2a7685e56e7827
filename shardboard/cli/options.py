"""The options that many commands have, with the same names and meanings everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """Who reads the output: a person or a program."""

    TABLE = "table"
    JSON = "json"


class RowOutput(StrEnum):
    """As Output, for many rows."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"


DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the deployment that `shardboard up` started. "
        "[default: what the environment names, else .shardboard]",
        show_default=False,
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For a person or for a program.")]
