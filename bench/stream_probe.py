"""When an action is on the live stream: `python -m bench.stream_probe`, plan on stdin, findings on stdout. A user acts
at a constant rate and is watched: the nth action is seen when the score has reached n times its points."""

import asyncio
from time import perf_counter
from typing import Final

import aiohttp
import msgspec

from bench.apart import apart, as_process
from bench.open_loop import DRAIN_S, Latencies, Tally, paced

USER: Final = "probe"


class ProbePlan(msgspec.Struct, frozen=True):
    """What is done."""

    url: str
    token: str
    points: int
    rate_per_s: float
    seconds: float


class Seen(msgspec.Struct, frozen=True):
    """From when an action was due, and from its acknowledgement, to its being on the stream."""

    due: Latencies
    acknowledged: Latencies


class _Entry(msgspec.Struct):
    user_id: str
    score: int


class _Board(msgspec.Struct):
    entries: list[_Entry] = []
    """None in what is no board."""


_decode: Final = msgspec.json.Decoder(_Board).decode


class Probe:
    """Of a user who has no score when it begins."""

    def __init__(self, plan: ProbePlan) -> None:
        self._plan = plan
        self._due: dict[int, float] = {}
        self._acknowledged: dict[int, float] = {}
        self._seen_s: list[float] = []
        self._tally = Tally()
        self._posting = set[asyncio.Task[None]]()
        self._changed = asyncio.Event()

    async def run(self) -> Seen:
        """Raises aiohttp.ClientError, TimeoutError when an action was not seen."""
        headers = {"Authorization": f"Bearer {self._plan.token}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DRAIN_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, read_bufsize=2**20) as http:
            watching = asyncio.create_task(self._watch(http), name="watch")
            try:
                await asyncio.wait_for(self._until_changed(watching), DRAIN_S)  # the state comes first
                begun = await paced(
                    self._plan.rate_per_s,
                    self._plan.seconds,
                    begin=lambda number, due: self._act(http, number, due=due),
                )
                await asyncio.wait_for(self._until_seen(begun, watching), DRAIN_S)
                await asyncio.gather(*self._posting)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        return self._found(begun)

    def _act(self, http: aiohttp.ClientSession, number: int, *, due: float) -> None:
        self._due[number] = due
        self._tally.late_s.append(perf_counter() - due)
        task = asyncio.create_task(self._post(http, number), name="action")
        self._posting.add(task)

    async def _post(self, http: aiohttp.ClientSession, number: int) -> None:
        body = {"user_id": USER, "action": "commit"}
        async with http.post(f"{self._plan.url}/actions", json=body) as answer:
            answer.raise_for_status()
            self._acknowledged[number] = perf_counter()

    async def _watch(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self._plan.url}/leaderboard/stream?period=all_time") as stream:
            async for line in stream.content:
                if not line.startswith(b"data:"):
                    continue
                now_s = perf_counter()
                for entry in _decode(line[5:]).entries:
                    if entry.user_id == USER:
                        self._seen_s += [now_s] * (entry.score // self._plan.points - len(self._seen_s))
                self._changed.set()

    async def _until_seen(self, begun: int, watching: asyncio.Task[None]) -> None:
        while len(self._seen_s) < begun:
            await self._until_changed(watching)

    async def _until_changed(self, watching: asyncio.Task[None]) -> None:
        self._changed.clear()
        waiting = asyncio.create_task(self._changed.wait(), name="change")
        await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if watching.done():
            watching.result()
            raise ConnectionError("the stream ended")

    def _found(self, begun: int) -> Seen:
        from_due, from_answer = self._tally, Tally()
        from_due.latencies_s = [self._seen_s[n] - self._due[n] for n in range(begun)]
        from_answer.latencies_s = [max(0.0, self._seen_s[n] - self._acknowledged[n]) for n in range(begun)]
        return Seen(from_due.found(begun), from_answer.found(begun))


async def seen_apart(plan: ProbePlan) -> Seen:
    """In a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.stream_probe", plan, found=Seen)


if __name__ == "__main__":
    as_process(ProbePlan, lambda plan: Probe(plan).run())
