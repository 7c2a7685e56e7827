"""Runs the command `shardboard` as a user does, and judges its JSON by the committed schemas."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
COMMAND_S_MAX = 150.0


def shardboard(
    *words: str, cwd: Path, environ: Mapping[str, str] | None = None, timeout_s: float = COMMAND_S_MAX
) -> subprocess.CompletedProcess[str]:
    """The finished command, with what it wrote. The shell's SHARDBOARD_ variables stay out, `environ` comes in."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    return subprocess.run(
        [sys.executable, "-m", "shardboard", *words],
        cwd=cwd,
        env={**plain, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )


def valid(text: str, schema: str) -> Any:
    """The JSON, after the schema of that name has accepted it."""
    value = json.loads(text)
    jsonschema_rs.validate(json.loads((SCHEMAS / f"{schema}.json").read_text()), value)
    return value
