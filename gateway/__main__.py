"""The gateway as a process: `python -m gateway`. Settings come from the environment."""

import logging
import sys

from foundation.service import StopSignal, run_main
from gateway.service import Gateway
from gateway.settings import Settings, read_settings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    return run_main(lambda _: "gateway", read_settings, serve=_serve)


async def _serve(settings: Settings, stop: StopSignal) -> None:
    # Kafka's client reports every attempt while Kafka is away; the gateway reports that it is, once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # A line for each malformed request would let anybody fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    await Gateway(settings).serve(stop)


if __name__ == "__main__":
    sys.exit(main())
