"""The archiver as a process: `python -m archiver`. Settings come from the environment."""

import os
import sys
from functools import partial

from archiver.service import serve
from archiver.settings import read_settings
from contracts.exit_codes import ExitCode
from foundation.env import BadSettings
from foundation.service import run_service


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.REFUSED
    return run_service("archiver", settings.common, serve=partial(serve, settings))


if __name__ == "__main__":
    sys.exit(main())
