"""The auditor as a process: `python -m audit`. Settings come from the environment."""

import sys

from audit.service import serve
from audit.settings import read_settings
from foundation.service import run_main


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    return run_main(lambda _: "auditor", read_settings, serve=serve)


if __name__ == "__main__":
    sys.exit(main())
