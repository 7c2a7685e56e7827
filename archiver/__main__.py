"""The archiver as a process: `python -m archiver`. Settings come from the environment."""

import sys

from archiver.service import serve
from archiver.settings import read_settings
from foundation.service import run_main


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    return run_main(lambda _: "archiver", read_settings, serve=serve)


if __name__ == "__main__":
    sys.exit(main())
