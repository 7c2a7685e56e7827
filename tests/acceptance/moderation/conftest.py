"""A whole deployment for moderators: two shards, merger, archiver, and a gateway that the command line talks to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import redis_keys
from contracts.ids import Partition, PeriodId, UserId
from contracts.partition_key import partition_of
from contracts.periods import ALL_TIME
from contracts.tokens import DEVELOPMENT_SECRET, SCOPE_WRITE_ANY
from contracts.tops import GlobalTop, decode_global_top
from foundation.postgres_connect import Connection
from tests.support.live_shards import PARTITIONS, Deployment, live_shards
from tests.support.processes import Ended
from tests.support.running_gateway import RunningGateway, running_gateway, token_for
from tests.support.services import StartValkey
from tests.support.wait import wait_until

CATALOGUE = """
[actions.commit]
points = 10
[actions.rare]
points = 7
limits = { cap_per_day = 3 }
[actions.slow]
points = 5
limits = { cooldown_s = 3600 }
[actions.quest]
points = 100
ticket = { valid_s = 600 }
"""
WAIT_S = 60
SERVICE = token_for("games", scopes=(SCOPE_WRITE_ANY,))


@dataclass(slots=True)
class Moderated:
    """The deployment, its gateway, and what a test asks of them."""

    deployment: Deployment
    gateway: RunningGateway
    postgres: Connection
    folder: Path
    """Where logs are."""

    async def act(self, user: str, action: str = "commit", *, token: str = SERVICE, **more: Any) -> dict[str, Any]:
        """One action, to its receipt."""
        answer = await self.gateway.post({"user_id": user, "action": action, **more}, token=token)
        assert answer.status == 201, answer.body
        receipt: dict[str, Any] = answer.json
        return receipt

    async def moderate(self, *words: str) -> Ended:
        """`shardboard moderate …`."""
        return await self.deployment.run("moderate", *words, "--output", "json")

    async def until_applied(self) -> None:
        """Wait until every board and the archive contain the whole log."""
        self.deployment.sent.update(await self._ends())
        await self.deployment.until_shown()
        await wait_until(self._is_archived, timeout_s=WAIT_S, what="the archive to have everything")

    async def board(self, period: PeriodId = ALL_TIME) -> GlobalTop:
        """As the cache has it."""
        data = await self.deployment.cache.get(redis_keys.top(period))
        assert isinstance(data, bytes)
        return decode_global_top(data)

    async def shown(self, period: PeriodId = ALL_TIME) -> dict[str, int]:
        """Who is on the global board, with the score."""
        return {row.user_id: row.score for row in (await self.board(period)).rows}

    async def score(self, user: str) -> int | None:
        """The score in the user's shard."""
        partition = Partition(partition_of(UserId(user), PARTITIONS))
        redis = await self.deployment.owner(partition)
        score = await redis.zscore(redis_keys.scores(partition, ALL_TIME), user)
        return None if score is None else int(score)

    async def _is_archived(self) -> bool:
        rows = await self.postgres.fetch("SELECT partition, scores_next FROM archive_progress")
        archived = {row["partition"]: row["scores_next"] for row in rows}
        return all(archived.get(partition) == end for partition, end in self.deployment.sent.items())

    async def _ends(self) -> dict[int, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.deployment.settings["KAFKA"])
        await consumer.start()
        try:
            topic = self.deployment.settings["ACTIONS_TOPIC"]
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
            return {each.partition: end for each, end in ends.items()}
        finally:
            await consumer.stop()


@pytest.fixture
async def moderated(
    kafka_address: str, start_valkey: StartValkey, postgres_database: str, unique_name: str, tmp_path: Path
) -> AsyncIterator[Moderated]:
    """Everything runs, and the gateway is ready."""
    (tmp_path / "actions.toml").write_text(CATALOGUE)
    async with live_shards(
        kafka_address, start_valkey, name=unique_name, folder=tmp_path, postgres=postgres_database
    ) as deployment:
        deployment.settings |= {
            "ACTIONS_FILE": str(tmp_path / "actions.toml"),
            "JWT_SECRET": DEVELOPMENT_SECRET,
            "USER_RATE": "0",
            "ADDRESS_RATE": "0",
        }
        async with running_gateway(deployment.environ) as gateway:
            deployment.settings["URL"] = gateway.url
            await wait_until(gateway.is_ready, timeout_s=WAIT_S, what="the gateway to be ready")
            connection = await asyncpg.connect(postgres_database)
            try:
                yield Moderated(deployment, gateway, connection, tmp_path)
            finally:
                await connection.close()
