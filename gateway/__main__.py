"""Starts the gateway: `python -m gateway`, `shardboard gateway`."""

import os
import sys

from contracts.exit_codes import ExitCode
from foundation.env import BadSettings
from foundation.service import StopSignal, run_service
from gateway.service import Gateway
from gateway.settings import read_settings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.REFUSED

    async def serve(stop: StopSignal) -> None:
        await Gateway(settings).serve(stop)

    return run_service("gateway", settings.common, serve)


if __name__ == "__main__":
    sys.exit(main())
