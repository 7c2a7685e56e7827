"""The worker of one shard as a process: `python -m shard_worker`, for the shard that SHARDBOARD_SHARD names."""

import os
import sys
from collections.abc import Mapping

from foundation.service import run_main
from shard_worker.service import serve
from shard_worker.settings import read_settings


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run until SIGTERM; return the exit code."""
    return run_main(lambda settings: f"worker-{settings.shard}", read_settings, serve=serve, environ=environ)


if __name__ == "__main__":
    sys.exit(main())
