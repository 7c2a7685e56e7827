"""The least that an ASGI app can do: read the body, answer constant bytes. Nothing on this server can be faster."""

import os
from typing import Any

_BODY = os.environ.get("BENCH_BODY", "{}").encode()
_START = {
    "type": "http.response.start",
    "status": int(os.environ.get("BENCH_STATUS", "200")),
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}
_END = {"type": "http.response.body", "body": _BODY}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Any request."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body", False):
        pass
    await send(_START)
    await send(_END)
