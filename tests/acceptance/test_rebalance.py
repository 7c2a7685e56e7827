"""Shards come and go under load, as an operator does it: 3 → 4 → 6 → 2 by `rebalance plan` and `apply`.

Real actions are sent all the while, and a client follows the live stream. At the end every score is the oracle's, the
stores agree with the log, and the stream never showed a version, a score or a user going back.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench import oracle
from contracts.exit_codes import ExitCode
from contracts.moves import StoredMap
from foundation.postgres_map import MapStore
from shardboard.deployment import load_environment
from shardboard.embedded.ports import free_ports
from tests.faults.board_watch import BoardWatch
from tests.support.actions import sample_actions
from tests.support.command import valid
from tests.support.live_shards import end
from tests.support.processes import ENVIRON, Ended, command
from tests.support.services import StartValkey
from tests.support.wait import wait_until
from tests.support.whole_deployment import CATALOGUE, TOP, Deployment, counted_scores

PARTITIONS = 16
RATE = "300/s"
CHUNK = 600
CHUNKS_MAX = 160
"""Five minutes of load at that rate: more than the test may take."""
STREAM_ROWS = 10
UP_TIMEOUT_S = 240
WAIT_S = 60
STEPS = (
    (("add", "s4"), {"s1", "s2", "s3", "s4"}),
    (("add", "s5", "s6"), {"s1", "s2", "s3", "s4", "s5", "s6"}),
    (("remove", "s3", "s4", "s5", "s6"), {"s1", "s2"}),
)


@dataclass(slots=True)
class Load:
    """Sends chunk after chunk of the sample until it shall stop; every action must be accepted."""

    run: Callable[..., Any]
    folder: Path
    sent: list[dict[str, Any]] = field(default_factory=list)
    is_over: bool = False

    async def send(self) -> None:
        actions = sample_actions(CHUNK * CHUNKS_MAX)
        for start in range(0, len(actions), CHUNK):
            chunk = actions[start : start + CHUNK]
            file = self.folder / f"chunk-{start}.ndjson"
            file.write_text("".join(json.dumps(each) + "\n" for each in chunk))
            ended = await self.run("replay", str(file), "--rate", RATE, "--output", "json")
            assert ended.code == ExitCode.OK, ended.err
            self.sent += chunk
            if self.is_over:
                return


@dataclass(slots=True)
class Stream:
    """What a client of the live stream sees. A cut stream is opened anew, as every browser does."""

    url: str
    watch: BoardWatch = field(default_factory=BoardWatch)
    faults: list[str] = field(default_factory=list)

    async def follow(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=2**20) as http:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    await self._read(http)

    async def _read(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self.url}/leaderboard/stream?period=all_time") as answer:
            answer.raise_for_status()
            is_board = False
            async for line in answer.content:
                if line.startswith(b"event:"):
                    is_board = line == b"event: board\n"
                elif is_board and line.startswith(b"data: "):
                    self.faults += self.watch.see("the gateway", json.loads(line[6:]), limit=STREAM_ROWS)


@dataclass(slots=True)
class Cluster:
    """The deployment, and workers of further shards beside it."""

    deployment: Deployment
    start_valkey: StartValkey
    folder: Path
    ending: AsyncExitStack

    async def run(self, *words: str, schema: str = "") -> Ended:
        ended = await command(*words, "--data-dir", str(self.deployment.data_dir), cwd=None)
        if schema:
            valid(ended.out, schema)
        return ended

    async def start_shard(self, shard: str) -> None:
        """A new Redis and its worker, which joins and waits for a plan."""
        address = (await self.start_valkey(shard)).address
        words = ("worker", "--shard", shard, "--redis", address, "--data-dir", str(self.deployment.data_dir))
        with (self.folder / f"worker-{shard}.log").open("ab") as log:
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shardboard", *words, env=ENVIRON, stdout=log, stderr=log
            )
        self.ending.push_async_callback(end, worker)
        await wait_until(partial(self.has_joined, shard), timeout_s=WAIT_S, what=f"{shard} to join")

    async def has_joined(self, shard: str) -> bool:
        return shard in {entry.shard for entry in (await self.map()).shards}

    async def map(self) -> StoredMap:
        store = MapStore(load_environment(self.deployment.data_dir)["SHARDBOARD_POSTGRES_URL"], name="test")
        try:
            return await store.read()
        finally:
            await store.close()

    async def carry_out(self, *change: str) -> dict[str, Any]:
        """Plan and apply, to its end; how it went."""
        plan = self.folder / f"{'-'.join(change)}.plan"
        planned = await self.run("rebalance", "plan", *change, "--out", str(plan))
        assert planned.code == ExitCode.OK, planned.err
        applied = await self.run("rebalance", "apply", str(plan), "--timeout", "120s", "--output", "json")
        stalled = "" if applied.code == ExitCode.OK else (await self.run("rebalance", "why-stalled")).out
        assert applied.code == ExitCode.OK, applied.err + stalled
        told: dict[str, Any] = valid(applied.out, "rebalance-progress")
        return told


@pytest.fixture
async def cluster(tmp_path: Path, start_valkey: StartValkey) -> AsyncIterator[Cluster]:
    port = free_ports(1)[0]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    deployment = Deployment(tmp_path / "deployment", environ, port)
    async with AsyncExitStack() as ending:
        ending.callback(deployment.command, "down")
        up = deployment.command(
            "up", "--detach", "--no-demo", "--port", str(port), "--shards", "3", "--partitions", str(PARTITIONS),
            "--actions", str(CATALOGUE), timeout_s=UP_TIMEOUT_S,
        )  # fmt: skip
        assert up.returncode == 0, up.stdout + up.stderr
        yield Cluster(deployment, start_valkey, tmp_path, ending)


@pytest.mark.timeout(600)
async def test_shards_come_and_go_under_load(cluster: Cluster, tmp_path: Path) -> None:
    load = Load(cluster.run, tmp_path)
    stream = Stream(f"http://127.0.0.1:{cluster.deployment.port}")
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(stream.follow(), name="stream")
        sending = tasks.create_task(load.send(), name="load")
        for change, wanted in STEPS:
            for shard in change[1:] if change[0] == "add" else ():
                await cluster.start_shard(shard)
            told = await cluster.carry_out(*change)
            assert (told["state"], told["done"], told["aborted"]) == ("done", len(told["moves"]), 0)
            stored = await cluster.map()
            assert stored.map is not None
            assert {owner.shard for owner in stored.map.owners} == wanted
            assert not any(owner.move or owner.forget for owner in stored.map.owners)
        assert not sending.done(), "the load must last longer than the moves"
        load.is_over = True
        await sending
        await wait_until(
            lambda: cluster.deployment.has_counted(len(load.sent)), timeout_s=WAIT_S, what="every action counted"
        )
        scores = cluster.deployment.scores("all_time")
        await wait_until(lambda: is_right_top(cluster, scores), timeout_s=WAIT_S, what="the board to be up to date")
        following.cancel()

    assert oracle.score_faults(scores, counted_scores(load.sent)) == []
    assert stream.faults == []
    assert stream.watch.boards_seen > len(STEPS)
    checked = await cluster.run("rebalance", "verify", "--output", "json", schema="rebalance-verify")
    assert (checked.code, checked.json["findings"]) == (ExitCode.OK, [])
    verified = await cluster.run("verify", "--output", "json", schema="verify")
    assert (verified.code, verified.json["verdict"]) == (ExitCode.OK, "equal"), verified.out


def is_right_top(cluster: Cluster, scores: dict[str, int]) -> bool:
    shown = [oracle.Place(row["rank"], row["user_id"], row["score"]) for row in cluster.deployment.top("all_time")]
    return not oracle.top_faults(shown, scores, count=TOP)
