"""The merger as a process: `python -m merger`. Settings come from the environment."""

import sys

from foundation.service import run_main
from merger.service import serve
from merger.settings import read_settings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    return run_main(lambda _: "merger", read_settings, serve=serve)


if __name__ == "__main__":
    sys.exit(main())
