"""A gateway that a test scripts: it answers POST /actions with what the script says for each request, and remembers
what it was sent and what it acknowledged. The default answer is the real one's: 201 with the action's id."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from contracts.problems import MEDIA_TYPE, ProblemKind, problem_body


@dataclass(frozen=True, slots=True)
class Accept:
    """201; the action counts."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document, maybe after the action was recorded all the same."""

    kind: ProblemKind
    detail: str = "scripted"
    retry_after_s: int | None = None
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks before the answer, maybe after the action was recorded."""

    is_recorded: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """No answer until the gateway closes or `release` is called; then 201."""


Step = Accept | Problem | Cut | Hold
Script = Callable[[dict[str, Any], int], Step]
"""(action, how often its id was sent before) → what happens."""


def accept_all(action: dict[str, Any], before: int) -> Step:
    """The script of a healthy gateway."""
    return Accept()


@dataclass(eq=False, slots=True)
class ScriptedGateway:
    """One server on an ephemeral port."""

    script: Script = accept_all
    sent: Counter[str] = field(default_factory=Counter)
    """How often each action id arrived."""
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)
    """Action ids that are in the imagined log."""
    acknowledged: set[str] = field(default_factory=set)
    """Action ids that were answered with 201."""
    tokens: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What no client may do; `close` fails for it."""
    url: str = ""
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen; on a free port unless one is named."""
        app = web.Application()
        app.router.add_post("/actions", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop; connections break. Raises AssertionError if a client did what none may do."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        assert not self.faults, self.faults

    def release(self) -> None:
        """Answer what is held."""
        self._released.set()

    async def _post(self, request: web.Request) -> web.StreamResponse:
        action = json.loads(await request.read())
        action_id = action["action_id"]
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        if self.bodies.setdefault(action_id, action) != action:
            self.faults.append(f"one id, two different actions: {self.bodies[action_id]} and {action}")
            return web.Response(status=400)
        step = self.script(action, self.sent[action_id])
        self.sent[action_id] += 1
        match step:
            case Hold():
                await self._released.wait()
            case Cut(is_recorded):
                if is_recorded:
                    self.recorded.add(action_id)
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Problem(kind, detail, retry_after_s, is_recorded):
                if is_recorded:
                    self.recorded.add(action_id)
                headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
                return web.Response(
                    body=problem_body(kind, detail), status=kind.status, content_type=MEDIA_TYPE, headers=headers
                )
            case Accept():
                pass
        self.recorded.add(action_id)
        self.acknowledged.add(action_id)
        return web.json_response({"action_id": action_id, "points": 10, "partition": 0, "offset": 0}, status=201)
