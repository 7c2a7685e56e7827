"""`python -m bench.baselines.server APP PORT`: one ASGI app on the server of the gateway, with its options."""

import sys
from collections.abc import Sequence
from importlib import import_module

import uvicorn

APPS = {
    "constant": "bench.baselines.constant:app",
    "textbook": "bench.baselines.textbook:app",
    "plain-zset": "bench.baselines.plain_zset:app",
}
"""Those with a lifespan connect in it."""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM."""
    name, port = arguments
    module, attribute = APPS[name].split(":")
    config = uvicorn.Config(
        getattr(import_module(module), attribute),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
