"""Clients that look at boards throughout: a live stream and regular GETs at each gateway, judged by one BoardWatch."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp

from foundation.service import StopSignal
from tests.faults.board_watch import BoardWatch
from tests.faults.deployment import GATEWAYS, Deployment

PERIODS: Final = ("all_time", "daily", "weekly")
ROWS: Final = 100
STREAM_ROWS: Final = 10
LOOK_EVERY_S: Final = 0.25
SILENCE_S: Final = 4.0
"""A stream sends heartbeats; a silent one is opened anew, as the page does."""
AGAIN_S: Final = 0.2
FAULTS_MAX: Final = 200
_BODY_MAX: Final = 2**20


class Watcher:
    """Run `run` beside the load; `faults` says what must never be seen."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.watch = BoardWatch()
        self.faults: list[str] = []
        self.faults_count = 0

    async def run(self, stop: StopSignal) -> None:
        """Until `stop` is set."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=SILENCE_S)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=_BODY_MAX) as http, asyncio.TaskGroup() as tasks:
            looking = [
                tasks.create_task(self._again(look, http, gateway=gateway), name=f"watch {gateway}")
                for gateway in GATEWAYS
                for look in (self._follow, self._look)
            ]
            await stop.wait()
            for task in looking:
                task.cancel()

    async def _again(
        self, look: "Callable[[aiohttp.ClientSession, str], Any]", http: aiohttp.ClientSession, *, gateway: str
    ) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await look(http, gateway)
            await StopSignal().sleep(AGAIN_S)

    async def _follow(self, http: aiohttp.ClientSession, gateway: str) -> None:
        source = f"{gateway} stream of life {self._deployment.services[gateway].lives}"
        url = f"{self._deployment.proxy_url(gateway)}/leaderboard/stream?period=all_time"
        async with http.get(url) as answer:
            answer.raise_for_status()
            is_board = False
            async for line in answer.content:
                if line.startswith(b"event:"):
                    is_board = line == b"event: board\n"
                elif is_board and line.startswith(b"data: "):
                    self._see(source, json.loads(line[6:]), limit=STREAM_ROWS)

    async def _look(self, http: aiohttp.ClientSession, gateway: str) -> None:
        service = self._deployment.services[gateway]
        while True:
            for period in PERIODS:
                source = f"{gateway} life {service.lives}"
                url = f"{self._deployment.proxy_url(gateway)}/leaderboard?period={period}&limit={ROWS}"
                async with http.get(url) as answer:
                    if answer.status == 200:
                        board = await answer.json()
                        if source == f"{gateway} life {service.lives}":
                            self._see(source, board, limit=ROWS)
            await StopSignal().sleep(LOOK_EVERY_S)

    def _see(self, source: str, board: dict[str, Any], *, limit: int) -> None:
        faults = self.watch.see(source, board, limit=limit)
        self.faults_count += len(faults)
        self.faults += faults[: max(0, FAULTS_MAX - len(self.faults))]
