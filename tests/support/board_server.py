"""A gateway that a browser test scripts: the real page files under the page's Content-Security-Policy, and boards that
the test pushes, cuts or holds back. Used by tests/acceptance/page, where each state of the page must be exact."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.routes_page import SECURITY_HEADERS, STATIC_FOLDER

STREAM_WAIT_S = 20
CONTENT_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}

Board = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the next demo action is answered with."""

    status: int
    body: object
    content_type: str = "application/json"


@dataclass(eq=False, slots=True)
class _Stream:
    period: str
    request: web.Request
    frames: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)


class BoardServer:
    """One server on an ephemeral port. Every method acts at once on all pages that are connected."""

    def __init__(self) -> None:
        self.url = ""
        self.boards: dict[str, Board] = {}
        self.demo: Mapping[str, object] | None = None
        self.demo_answer = Answer(500, {})
        self.periods: list[dict[str, Any]] = []
        """What GET /periods lists."""
        self.reads: dict[str, Answer] = {}
        """What paths of ranks, neighbours and pages answer, by path and query; others are 404."""
        self.demo_actions: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.refuses = False
        self.is_mute = False
        self.streams_opened = 0
        self._stream_opened = asyncio.Condition()
        self._streams: set[_Stream] = set()
        self._demo_gate = asyncio.Event()
        self._demo_gate.set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(middlewares=[self._watch])
        app.router.add_get("/", self._index)
        app.router.add_get("/static/{name}", self._static)
        app.router.add_get("/leaderboard", self._read)
        app.router.add_get("/leaderboard/stream", self._stream)
        app.router.add_get("/periods", self._periods)
        app.router.add_get("/users/{id}/{what}", self._scripted)
        app.router.add_get("/demo", self._demo)
        app.router.add_post("/demo/actions", self._demo_action)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        self.cut()
        self.release_demo()
        assert self._runner is not None
        await self._runner.cleanup()

    def push(self, period: str, board: Board) -> None:
        """Make this the board of the period and send it to every page that follows the period."""
        self.boards[period] = board
        for stream in self._streams:
            if stream.period == period:
                stream.frames.put_nowait(_board_frame(board))

    def push_raw(self, frame: str) -> None:
        """Send these bytes of an event stream to every page."""
        for stream in self._streams:
            stream.frames.put_nowait(frame)

    def cut(self, *, and_refuse: bool = False) -> None:
        """Tear every stream down as a dying gateway does; with and_refuse answer 503 until allow()."""
        self.refuses = and_refuse
        for stream in self._streams:
            stream.frames.put_nowait(None)
            if stream.request.transport is not None:
                stream.request.transport.abort()

    def allow(self) -> None:
        self.refuses = False

    async def wait_for_streams(self, count: int) -> None:
        """Return once this many streams were accepted since the start."""
        async with asyncio.timeout(STREAM_WAIT_S), self._stream_opened:
            await self._stream_opened.wait_for(lambda: self.streams_opened >= count)

    def hold_demo(self) -> None:
        """Let demo actions wait for release_demo()."""
        self._demo_gate.clear()

    def release_demo(self) -> None:
        self._demo_gate.set()

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        if self.refuses and request.path.startswith("/leaderboard"):
            return _problem(503, "overloaded", detail="The gateway is going down.")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return _file("index.html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not (STATIC_FOLDER / name).is_file():
            return _problem(404, "not-found", detail=f"There is no file {name}.")
        return _file(name)

    async def _periods(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"now": time.time_ns() // 1_000_000, "kinds": self.periods})

    async def _scripted(self, request: web.Request) -> web.StreamResponse:
        answer = self.reads.get(request.path_qs)
        if answer is None:
            return _problem(404, "not-found", detail="There is no such user on the board.")
        return web.json_response(answer.body, status=answer.status, content_type=answer.content_type)

    async def _read(self, request: web.Request) -> web.StreamResponse:
        if request.path_qs in self.reads:
            return await self._scripted(request)
        board = self.boards.get(request.query.get("period", "daily"))
        if board is None:
            return _problem(404, "unknown-period", detail="This deployment does not keep that period.")
        return web.json_response(board)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        period = request.query.get("period", "daily")
        if period not in self.boards:
            return _problem(404, "unknown-period", detail="This deployment does not keep that period.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        stream = _Stream(period, request)
        if not self.is_mute:
            stream.frames.put_nowait(_board_frame(self.boards[period]))
        self._streams.add(stream)
        async with self._stream_opened:
            self.streams_opened += 1
            self._stream_opened.notify_all()
        try:
            while (frame := await stream.frames.get()) is not None:
                await response.write(frame.encode())
        except ConnectionError:
            pass
        finally:
            self._streams.discard(stream)
        return response

    async def _demo(self, _request: web.Request) -> web.StreamResponse:
        if self.demo is None:
            return _problem(404, "not-found", detail="There is no demo here.")
        return web.json_response(self.demo)

    async def _demo_action(self, request: web.Request) -> web.StreamResponse:
        self.demo_actions.append(await request.json())
        await self._demo_gate.wait()
        answer = self.demo_answer
        return web.json_response(answer.body, status=answer.status, content_type=answer.content_type)


def board(
    version: int,
    rows: Sequence[tuple[int, str, str, int]],
    *,
    as_of: int | None,
    period: str = "daily",
    stale_shards: Sequence[str] | None = None,
) -> Board:
    """A board as GET /leaderboard answers it; a row is (rank, user_id, name, score). stale_shards given means stale."""
    return {
        "period": period,
        "version": version,
        "as_of": as_of,
        "complete": True,
        "stale": stale_shards is not None,
        "stale_shards": list(stale_shards or ()),
        "entries": [{"rank": rank, "user_id": user, "name": name, "score": score} for rank, user, name, score in rows],
    }


def _board_frame(of: Board) -> str:
    return f"event: board\nid: {of['version']}\ndata: {json.dumps(of)}\n\n"


def _file(name: str) -> web.Response:
    path = STATIC_FOLDER / name
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache"}
    return web.Response(
        body=path.read_bytes(), content_type=CONTENT_TYPES[path.suffix], charset="utf-8", headers=headers
    )


def _problem(status: int, code: str, *, detail: str) -> web.Response:
    body = {"type": f"urn:shardboard:problem:{code}", "title": code, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
