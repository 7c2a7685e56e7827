"""The worker of one shard as a process: `python -m shard_worker`, for the shard that SHARDBOARD_SHARD names."""

import os
import sys
from collections.abc import Mapping
from functools import partial

from contracts.exit_codes import ExitCode
from foundation.env import BadSettings
from foundation.service import run_service
from shard_worker.service import serve
from shard_worker.settings import read_settings


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.REFUSED
    return run_service(f"worker-{settings.shard}", settings.common, serve=partial(serve, settings))


if __name__ == "__main__":
    sys.exit(main())
