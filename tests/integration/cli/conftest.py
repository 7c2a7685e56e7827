"""The ground of the tests of `shardboard rebalance`."""

from collections.abc import AsyncIterator

import pytest

from tests.support.rebalance_ground import RebalanceGround, rebalance_ground
from tests.support.services import StartValkey


@pytest.fixture
async def ground(start_valkey: StartValkey, postgres_database: str) -> AsyncIterator[RebalanceGround]:
    async with rebalance_ground(start_valkey, postgres_database) as made:
        yield made
