"""The gateway's life: builds its parts, serves until told to drain, and drains in an order that loses no answer."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Final

import uvicorn

from contracts.catalogue import BadCatalogue, CatalogueEntry, parse_catalogue
from contracts.clock import now_ms
from foundation.http_internal import InternalPort, Readiness
from foundation.logs import get_log
from foundation.metrics import Metrics
from foundation.service import Refused, StopSignal
from foundation.settings import Address
from gateway.access import ANYBODY, NOTHING, TOKEN
from gateway.app import GatewayApp, Route, build_rest
from gateway.board_shelf import BoardShelf
from gateway.http_actions import ActionDesk, ActionsEndpoint
from gateway.http_boards import BoardEndpoint, BoardReader
from gateway.http_bodies import BodyReader
from gateway.http_demo import DemoActions, DemoAnswer, DemoBody, DemoList
from gateway.http_idempotency import KeyedRequests
from gateway.http_identity import Identity
from gateway.http_moderation import ModerationDesk
from gateway.http_protocol import GuardedProtocol, end_slow_headers
from gateway.http_stream import StreamHub
from gateway.kafka_log import ActionLog
from gateway.postgres_actions import ArchivedActions
from gateway.postgres_boards import ArchiveReader
from gateway.postgres_movements import MovementReader
from gateway.redis_boards import CacheFollower, check_cache_belongs
from gateway.redis_idempotency import IdempotencyStore
from gateway.routes_authority import authority_routes, request_limits, ticket_key_of
from gateway.routes_page import read_files
from gateway.routes_reads import ReadSide
from gateway.routes_writes import writing_routes
from gateway.settings import BOARDS_MAX, CONNECTIONS_WAITING_MAX, FLUSH_RESERVE_S, STALE_AFTER_S, Settings
from gateway.submission import SubmissionRules

KEEP_ALIVE_S: Final = 75
"""Longer than the 60 s for which balancers keep idle connections, so that they never send into a closing one."""


class Gateway:
    """One gateway. `serve` may be called once."""

    def __init__(self, settings: Settings) -> None:
        """Read the catalogue and the page's files. Raises Refused when the catalogue cannot be used."""
        self._settings = settings
        metrics = Metrics()
        common = settings.common
        catalogue = read_catalogue(settings)
        self._log = ActionLog(settings, metrics)
        self._shelf = BoardShelf(stale_after_s=STALE_AFTER_S, boards_max=BOARDS_MAX)
        reader = BoardReader(self._shelf, common.calendar)
        self._bodies = bodies = BodyReader(deadline_s=settings.body_deadline_ms / 1000)
        self._reads = ReadSide(settings, bodies)
        self._hub = StreamHub(
            self._shelf,
            reader,
            metrics=metrics,
            clients_max=settings.sse_clients_max,
            own_places=self._reads.own_places,
        )
        self._follower = CacheFollower(common.cache_url, self._shelf, on_change=self._hub.boards_changed)
        self._archive = ArchiveReader(
            common.postgres_url,
            self._shelf,
            periods=lambda: [reader.periods.current(kind, now_ms()).id for kind in common.calendar.kinds],
            on_change=self._hub.boards_changed,
        )
        self._movements = MovementReader(
            self._shelf,
            self._reads.archive,
            movements=self._reads.movements,
            calendar=common.calendar,
            current=lambda: {reader.periods.current(kind, now_ms()).id for kind in common.calendar.kinds},
            on_change=self._hub.boards_changed,
        )
        key = ticket_key_of(settings, catalogue)
        rules = SubmissionRules(catalogue, common.rules, settings.backfill_kept_ms, key)
        desk = ActionDesk(self._log, rules, metrics=metrics)
        self._identity = Identity(settings, metrics)
        board = BoardEndpoint(reader, metrics, beyond=self._reads.walk)
        self._store = IdempotencyStore(common.cache_url, window_ms=common.rules.window_ms)
        keyed = KeyedRequests(self._store)
        archive = ArchivedActions(common.postgres_url, mark=self._log.mark)
        moderation = ModerationDesk(desk, archive, bodies=bodies, keyed=keyed, ahead_ms=common.rules.ahead_ms)
        actions = ActionsEndpoint(desk, bodies, keyed=keyed)
        routes = [
            Route("POST", "/actions", actions, needs=TOKEN, refuse=desk.refuse, untasked=True),
            *authority_routes(catalogue, bodies, key=key, moderation=moderation),
            *(Route(method, "/leaderboard", board, needs=NOTHING, untasked=True) for method in ("GET", "HEAD")),
            *(Route(method, "/leaderboard/stream", self._hub, needs=ANYBODY) for method in ("GET", "HEAD")),
            *self._reads.routes,
            *writing_routes(desk, bodies),
        ]
        if settings.is_demo:
            offered = DemoList(catalogue)
            routes += [Route(method, "/demo", offered, needs=NOTHING) for method in ("GET", "HEAD")]
            routes += [Route("POST", "/demo/actions", DemoActions(desk, bodies), needs=NOTHING)]
        rest = build_rest(read_files(), demo=(DemoBody, DemoAnswer) if settings.is_demo else None, actions=catalogue)
        self._app = GatewayApp(
            tuple(routes),
            rest,
            cors_origins=settings.cors_origins,
            tokens=self._identity.tokens,
            limits=request_limits(settings),
        )
        self._internal = InternalPort(metrics.registry, self._readiness)
        self._server: _Server | None = None
        self.port = 0
        """The bound public port, once serving."""

    async def serve(self, stop: StopSignal) -> None:
        """Serve until `stop`, then drain. Raises Refused when a port is taken or Kafka's topic breaks a guarantee.

        Draining: 1. say farewell to the streams, 2. accept nothing more and answer what is pending, with Kafka still at
        hand, 3. end the log and the rest. Stopped after any of them, what was answered 201 is in the log.
        """
        common = self._settings.common
        listener = bind(self._settings.listen)
        self.port = listener.getsockname()[1]
        server = self._server = _Server(self._server_config())
        try:
            await self._internal.start(common.admin_listen)
        except OSError as error:
            listener.close()
            raise Refused(f"SHARDBOARD_ADMIN_LISTEN = {common.admin_listen}: {error.strerror or error}") from error
        get_log().info(
            "listening",
            address=f"{self._settings.listen.host}:{self.port}",
            internal=f"{common.admin_listen.host}:{self._internal.port}",
        )
        parts = asyncio.create_task(self._run_parts(), name="parts")
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
        stopping = asyncio.create_task(stop.wait(), name="stop signal")
        try:
            await asyncio.wait({parts, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._hub.drain()
            server.should_exit = True
            await serving
        finally:
            for task in (parts, serving, stopping):
                task.cancel()
            await asyncio.wait({parts, serving, stopping})
            listener.close()
            await self._internal.close()
            await self._store.close()
            await self._reads.close()
        if not parts.cancelled():
            parts.result()  # raises why it ended by itself

    async def _run_parts(self) -> None:
        """Everything behind the public port. Ends only by failing or being cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._log.run(), name="action log")
            tasks.create_task(self._follower.run(), name="board reader")
            tasks.create_task(self._hub.run(), name="stream hub")
            tasks.create_task(self._bodies.run(), name="late bodies")
            assert self._server is not None, "it listens before its parts run"
            slow = end_slow_headers(self._server.server_state.connections, self._settings.headers_deadline_ms / 1000)
            tasks.create_task(slow, name="late headers")
            self._identity.start(tasks)
            self._reads.start(tasks)
            if self._settings.common.postgres_url:
                tasks.create_task(self._archive.run(), name="archive reader")
                tasks.create_task(self._movements.run(), name="movement reader")
            tasks.create_task(self._check_deployment(), name="check deployment")

    async def _check_deployment(self) -> None:
        """Raises Refused when Kafka and the cache belong to different deployments, or P, periods or window differ."""
        self._archive.mark = await self._log.mark()
        self._reads.learn(self._archive.mark)
        await check_cache_belongs(self._settings.common.cache_url, self._archive.mark)

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """Method and path of everything on the public port."""
        return self._app.all_routes

    @property
    def is_serving(self) -> bool:
        """Whether requests are accepted."""
        return self._server is not None and self._server.started and not self._server.should_exit

    @property
    def internal_port(self) -> int:
        """The bound internal port, once serving."""
        return self._internal.port

    def _readiness(self) -> Readiness:
        has_boards = self._follower.is_connected or self._shelf.is_loaded or self._shelf.has_archived
        detail: dict[str, object] = {
            "log": "ready" if self._log.is_ready else "away",
            "cache": "ready" if self._follower.is_connected else "away",
            "boards": "archive" if self._shelf.has_archived else "cache" if self._shelf.is_loaded else "none",
            "pending_actions": self._log.pending,
            **self._identity.state,
        }
        return Readiness(self._log.is_ready and has_boards and self._identity.tokens.has_keys, detail)

    def _server_config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            loop="uvloop",
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=CONNECTIONS_WAITING_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(self._settings.common.drain_s - FLUSH_RESERVE_S)),
        )


class _Server(uvicorn.Server):
    """Signals belong to foundation.service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def bind(listen: Address) -> socket.socket:
    """A socket that is bound, not yet listening. Raises Refused that names the option."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((listen.host, listen.port))
    except OSError as error:
        listener.close()
        raise Refused(f"SHARDBOARD_LISTEN = {listen} cannot be bound: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener


def read_catalogue(settings: Settings) -> Mapping[str, CatalogueEntry]:
    """The action catalogue. Raises Refused."""
    path = settings.actions_file
    try:
        return parse_catalogue(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadCatalogue) as error:
        raise Refused(f"SHARDBOARD_ACTIONS_FILE = {str(path)!r} cannot be used: {error}") from error
