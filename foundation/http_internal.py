"""The internal port of a service: /metrics, /health/live, /health/ready. Never on the public port."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from foundation.logs import get_log
from foundation.settings import Address


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service can do its work, and what it says about it."""

    is_ready: bool
    detail: dict[str, object] = field(default_factory=dict)


class InternalPort:
    """Serves until `close`. `readiness` is asked at each request and must be quick."""

    def __init__(self, registry: CollectorRegistry, readiness: Callable[[], Readiness]) -> None:
        self._registry = registry
        self._readiness = readiness
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The bound port, once started."""

    async def start(self, listen: Address) -> None:
        """Bind. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, listen.host, listen.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop serving; may be called twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _ready(self, _: web.Request) -> web.Response:
        readiness = self._readiness()
        status = "ready" if readiness.is_ready else "not ready"
        return web.json_response({"status": status, **readiness.detail}, status=200 if readiness.is_ready else 503)


@asynccontextmanager
async def internal_port(
    listen: Address, registry: CollectorRegistry, *, readiness: Callable[[], Readiness], **told: object
) -> AsyncIterator[None]:
    """Serve it as long as the body runs; `told` goes into the line of the log that says so. Raises OSError
    when the port is taken: tried again, it may be free."""
    port = InternalPort(registry, readiness)
    try:
        await port.start(listen)
        get_log().info("serving", admin_port=port.port, **told)
        yield
    finally:
        await port.close()
