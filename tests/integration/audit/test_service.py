"""The auditor as a process on real Kafka, Valkey and workers: equal under load, an alarm for a planted difference."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from contracts import redis_keys
from contracts.ids import Partition
from shardboard.embedded.ports import free_ports
from tests.support.live_shards import PARTITIONS, Deployment, end, start_service
from tests.support.wait import wait_until


class RunningAuditor:
    """What its internal port and its log tell."""

    def __init__(self, port: int, log: Path, *, http: aiohttp.ClientSession) -> None:
        self.url, self._log, self._http = f"http://127.0.0.1:{port}", log, http

    async def metric(self, name: str) -> list[float]:
        """A metric's samples; none before it serves."""
        try:
            async with self._http.get(f"{self.url}/metrics") as answer:
                lines = (await answer.text()).splitlines()
        except aiohttp.ClientError:
            return []
        return [float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]

    async def is_ready(self) -> bool:
        async with self._http.get(f"{self.url}/health/ready") as answer:
            return answer.status == 200

    def lines(self, event: str) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if event in line]


@pytest.fixture
async def auditor(deployment: Deployment, tmp_path: Path) -> AsyncIterator[RunningAuditor]:
    port = free_ports(1)[0]
    own = {"SHARDBOARD_ADMIN_LISTEN": f"127.0.0.1:{port}", "SHARDBOARD_AUDIT_INTERVAL_MS": "100"}
    process = await start_service(tmp_path, "audit", environ={**deployment.environ, **own})
    async with aiohttp.ClientSession() as http:
        yield RunningAuditor(port, tmp_path / "audit.log", http=http)
    await end(process)


async def test_it_follows_load_and_tells_a_difference_once(deployment: Deployment, auditor: RunningAuditor) -> None:
    for seed in range(3):
        await deployment.act(200, seed=seed)

    async def has_audited_all() -> bool:
        return sum(await auditor.metric("shardboard_audited_offset")) == sum(deployment.sent.values())

    await wait_until(has_audited_all, timeout_s=60, what="everything to be audited")
    assert await auditor.metric("shardboard_audit_differences") == [0]
    assert await auditor.metric("shardboard_audit_untold") == [0]
    assert await auditor.is_ready()
    assert (await auditor.metric("shardboard_audit_age_seconds"))[0] < 60
    partition = Partition(PARTITIONS - 1)
    redis, key = await deployment.owner(partition), redis_keys.progress(partition)

    async def differences() -> float:
        return (await auditor.metric("shardboard_audit_differences"))[0]

    await redis.hincrby(key, "points", 5)
    await wait_until(lambda: is_number(differences, 1), timeout_s=30, what="the alarm")
    await deployment.act(100, seed=9)
    await wait_until(has_audited_all, timeout_s=60, what="more to be audited")
    await redis.hincrby(key, "points", -5)
    await wait_until(lambda: is_number(differences, 0), timeout_s=30, what="the alarm to end")
    assert auditor.lines("audit_different")
    assert len(auditor.lines("audit_equal")) == 1
    assert auditor.lines("Traceback") == []


async def is_number(ask: Callable[[], Awaitable[float]], wanted: float) -> bool:
    return bool(await ask() == wanted)
