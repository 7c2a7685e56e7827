"""Shards come to a deployment that has data, and go from it: `up --shards N`, `worker --shard --redis`."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import ShardId
from contracts.moves import PlanOrder, StoredMap
from foundation.postgres_map import MapStore
from shardboard.deployment import load_environment
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.integration.shardboard.conftest import ACTIONS, Here
from tests.support.processes import ended, spawn
from tests.support.wait import wait_until_sync

S3 = ShardId("s3")


@pytest.fixture
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A deployment of its own: 2 shards, 8 partitions, a few scores."""
    deployment = Here(tmp_path_factory.mktemp("growing"), free_ports(1)[0])
    (deployment.folder / "actions.toml").write_text(ACTIONS)
    deployment.up_ok()
    for user in ("ann", "bob", "cyd"):
        deployment.act(user)
    wait_until_sync(lambda: len(deployment.scores()) == 3, timeout_s=30, what="three scores")
    yield deployment
    deployment.run("down")
    assert deployment.survivors() == []


def with_store(here: Here, call: Callable[[MapStore], Any]) -> Any:
    """Ask the deployment's map."""

    async def run() -> Any:
        store = MapStore(load_environment(here.data_dir)["SHARDBOARD_POSTGRES_URL"], name="test")
        try:
            return await call(store)
        finally:
            await store.close()

    return asyncio.run(run())


def stored_map(here: Here) -> StoredMap:
    found = with_store(here, lambda store: store.read())
    assert isinstance(found, StoredMap)
    return found


def partitions(here: Here) -> dict[str, int]:
    """How many each shard has, by `status`."""
    _, status = here.status()
    return {shard["shard"]: len(shard["partitions"]) for shard in status["shards"]}


def test_shards_join_a_deployment_with_data_and_leave_it_again(grown: Here) -> None:
    before, scores = partitions(grown), grown.scores()
    assert sum(before.values()) == 8
    assert grown.run("down").returncode == 0
    # More shards than before: the new one joins and owns nothing.
    answer = grown.up("--shards", "3")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert grown.process("worker-s3").state == "up"
    wait_until_sync(lambda: stored_map(grown).url_of(S3), timeout_s=20, what="s3 to join")
    assert partitions(grown) == {**before, "s3": 0}
    assert grown.scores() == scores
    grown.act("ann")
    order = PlanOrder(map_version=stored_map(grown).version, checksum="", content=b"{}", moves=(),
                      leaving=frozenset([S3]))  # fmt: skip
    with_store(grown, lambda store: store.apply_plan(order))
    assert grown.run("down").returncode == 0
    # A plan has taken it out: without it again.
    assert grown.up("--shards", "2").returncode == 0
    assert [p.name for p in grown.run_file().processes if p.name.startswith("worker-")] == ["worker-s1", "worker-s2"]
    assert partitions(grown) == before
    wait_until_sync(lambda: grown.scores() == {**scores, "ann": scores["ann"] + 10}, timeout_s=30, what="all scores")


async def test_a_worker_with_options_joins_a_running_deployment(grown: Here) -> None:
    server = ValkeyServer(grown.folder / "redis-s9", port=free_ports(1)[0], name="redis-s9")
    await server.start()
    words = ("worker", "--shard", "s9", "--redis", server.address, "--data-dir", str(grown.data_dir))
    worker = await spawn(*words, cwd=grown.folder)
    try:

        def has_joined() -> bool:
            return stored_map(grown).url_of(ShardId("s9")) == server.address

        await asyncio.to_thread(wait_until_sync, has_joined, timeout_s=40, what="s9 to join")
        assert (await asyncio.to_thread(partitions, grown))["s9"] == 0
    finally:
        worker.terminate()
        left = await ended(worker)
        await server.stop()
    assert left.code == ExitCode.OK, left.err
