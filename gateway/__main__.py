"""Starts the gateway: `python -m gateway`, `shardboard gateway`."""

import logging
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
        # Kafka's client reports every attempt while Kafka is away; the gateway reports that it is, once.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        # A line for each malformed request would let anybody fill the disk.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        await Gateway(settings).serve(stop)

    return run_service("gateway", settings.common, serve=serve)


if __name__ == "__main__":
    sys.exit(main())
