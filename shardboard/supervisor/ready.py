"""What `up` says once the board is live: its address, an action to try, where logs are."""

import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.catalogue import parse_catalogue
from contracts.clock import now_ms
from foundation.env import Env
from foundation.settings import read_common, read_tokens
from shardboard.data_dir import DATA_DIR_DEFAULT, DataDir
from shardboard.minting import Claims, mint
from shardboard.supervisor.plan import Wanted

TOKEN_TTL_S: Final = 24 * 3600
"""Somebody who tries it returns the same day."""


def ready_text(folder: DataDir, wanted: Wanted, *, environ: Mapping[str, str], took_s: float) -> str:
    """A few lines for a person. `environ` is what the services were started with."""
    action = next(iter(parse_catalogue(wanted.actions_file.read_text(encoding="utf-8"))))
    body = json.dumps({"user_id": "ada", "action": action})
    option = "" if folder.path == DATA_DIR_DEFAULT.absolute() else f" --data-dir {shlex.quote(_short(folder.path))}"
    command = typed_command()
    return f"""
The board is live:  {wanted.url}/   (ready in {took_s:.1f} s; {wanted.shards} shards, {wanted.partitions} partitions)

Let Ada act:

  curl -s {wanted.url}/actions -H 'Content-Type: application/json' -d {shlex.quote(body)} \\
    -H 'Authorization: Bearer {_ada_token(environ)}'

  logs       {_short(folder.logs)}
  catalogue  {_short(wanted.actions_file)}
  status     {command} status{option}
  end it     Ctrl-C, or {command} down{option}
"""


def typed_command() -> str:
    """What to type for `shardboard` here: in a clone it lies in .venv, which most shells do not search."""
    beside = Path(sys.executable).parent / "shardboard"
    return "shardboard" if shutil.which("shardboard") or not beside.exists() else shlex.quote(_short(beside))


def _ada_token(environ: Mapping[str, str]) -> str:
    env = Env(environ)
    read_common(env)
    settings = read_tokens(env)
    env.check()
    if not settings.secret:
        return "a token of your issuer"
    return mint(settings, Claims("ada", name="Ada"), ttl_s=TOKEN_TTL_S, now_s=now_ms() // 1000)


def _short(path: Path) -> str:
    """Relative where that is shorter to read."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
