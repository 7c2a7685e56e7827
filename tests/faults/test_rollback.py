"""A shard's Redis goes back under load, in every way in which one can: afterwards all is equal to the log again."""

import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest
from redis.asyncio import Redis

from contracts.clock import now_ms
from contracts.counting import CountingRules
from foundation.redis_connect import connect
from foundation.service import StopSignal
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.faults.audit import audit
from tests.faults.board_watch import BoardWatch
from tests.faults.copies import Copies
from tests.faults.deployment import Deployment, Durations
from tests.faults.ledger import Ledger
from tests.faults.load import Acts, Load, loading
from tests.faults.processes import ServerProcess
from tests.faults.watcher import Watcher
from tests.support.wait import wait_until

NAME: Final = "redis-s1"
WINDOW_MS: Final = 5_000
RATE_PER_S: Final = 100.0
SOME: Final = 300
"""Actions between two events."""
WITHIN_S: Final = 60.0
DURATIONS: Final = Durations(
    rules=CountingRules(
        window_ms=WINDOW_MS, lateness_ms=30_000, back_ms=2_000, ahead_ms=500, delivery_timeout_ms=2_000,
        clock_skew_ms=200,
    ),
    produce_deadline_ms=1_000,
)  # fmt: skip


class Ground:
    """A deployment, and clients that act when they are asked to."""

    def __init__(self, deployment: Deployment, ledger: Ledger) -> None:
        self.deployment = deployment
        self.ledger = ledger
        self.acts = Acts(1, distinct=20_000)
        self.watcher = Watcher(deployment)

    @property
    def server(self) -> ServerProcess:
        """The Redis that goes back."""
        return self.deployment.servers[NAME]

    @property
    def files(self) -> Copies:
        """Its files."""
        return Copies(self.server.server.data_dir)

    async def more(self) -> None:
        """Wait for some more acknowledged actions."""
        goal = len(self.ledger.outcomes.places) + SOME
        await wait_until(
            lambda: len(self.ledger.outcomes.places) >= goal, timeout_s=WITHIN_S, what=f"{SOME} more actions"
        )

    async def die(self) -> None:
        """SIGKILL."""
        self.server.signal_now(signal.SIGKILL)
        await self.server.gone()

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """A connection past the proxy."""
        async with connect(self.deployment.direct(NAME)) as redis:
            yield redis


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    folder = tmp_path_factory.mktemp("rollback")
    deployment, ledger = Deployment(folder / "deployment", DURATIONS), Ledger(folder / "ledger")
    try:
        await deployment.begin()
        yield Ground(deployment, ledger)
    finally:
        await deployment.end()
        ledger.close()


async def older_file(ground: Ground) -> None:
    """The append-only file of some time ago."""
    files = ground.files
    await wait_until(files.take, what="a copy")
    await ground.more()
    await ground.die()
    files.roll_back(0)
    await ground.server.start()


async def older_snapshot(ground: Ground) -> None:
    """An RDB file of some time ago."""
    async with ground.redis() as redis:
        await redis.save()
    snapshot = (ground.server.server.data_dir / "dump.rdb").read_bytes()
    await ground.more()
    await ground.die()
    ground.files.start_from(snapshot)
    await ground.server.start()


async def tail_cut(ground: Ground) -> None:
    """The end of the append-only file is lost, in the middle of a write."""
    await ground.die()
    assert ground.files.cut_tail(30_011)
    await ground.server.start()


async def lagging_replica_promoted(ground: Ground) -> None:
    """A replica that has not heard of the last writes takes the place of the primary."""
    deployment, port = ground.deployment, free_ports(1)[0]
    replica = ServerProcess(
        ground.server.target, ValkeyServer(deployment.folder / f"replica-{port}", port=port, name=NAME)
    )
    await replica.start()
    async with connect(replica.server.address) as redis:
        await redis.replicaof("127.0.0.1", str(ground.server.server.port))

        async def is_synced() -> bool:
            info = await redis.info("replication")
            return bool(info["master_link_status"] == "up")

        await wait_until(is_synced, timeout_s=WITHIN_S, what="the replica")
        await ground.more()
        replica.signal_now(signal.SIGSTOP)
        await ground.more()
        await ground.die()
        replica.signal_now(signal.SIGCONT)
        await redis.replicaof("NO", "ONE")
    deployment.servers[NAME] = replica
    deployment.proxies[NAME].upstream_port = port
    deployment.proxies[NAME].reset()


async def down_for_longer_than_two_windows(ground: Ground) -> None:
    """Windows pass in the log while nobody reads it."""
    await ground.die()
    until_ms = (now_ms() // WINDOW_MS + 4) * WINDOW_MS
    await wait_until(lambda: now_ms() > until_ms, timeout_s=WITHIN_S, what="more than two windows to pass")
    await ground.server.start()


async def folder_deleted(ground: Ground) -> None:
    """Everything is gone, the function library too: restored from Postgres and the log."""
    await ground.die()
    shutil.rmtree(ground.server.server.data_dir)
    await ground.server.start()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "goes_back",
    [
        older_file,
        older_snapshot,
        tail_cut,
        lagging_replica_promoted,
        down_for_longer_than_two_windows,
        folder_deleted,
    ],
)
async def test_state_equals_the_log_again(ground: Ground, goes_back: Callable[[Ground], Awaitable[None]]) -> None:
    """Load before, meanwhile and after; boards are watched throughout; then everything is compared, user by user."""
    load = Load.of(ground.deployment, ground.acts, ledger=ground.ledger, rate_per_s=RATE_PER_S)
    async with loading(load, ground.watcher, stop=StopSignal()):
        await ground.more()
        await goes_back(ground)
        await ground.more()
    found = await audit(ground.deployment, ground.acts, outcomes=ground.ledger.outcomes, watch=BoardWatch())
    assert found.is_clean, found.document()
    assert ground.watcher.faults == []
