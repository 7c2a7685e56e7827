"""The merger as a process: `python -m merger`. Settings from the environment, exit code as `contracts.exit_codes`."""

import os
import sys
from functools import partial

from contracts.exit_codes import ExitCode
from foundation.env import BadSettings
from foundation.service import run_service
from merger.service import serve
from merger.settings import read_settings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.REFUSED
    return run_service("merger", settings.common, serve=partial(serve, settings))


if __name__ == "__main__":
    sys.exit(main())
