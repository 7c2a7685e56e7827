"""The deployments that these tests look at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.live_shards import Deployment, live_shards
from tests.support.services import StartValkey


@pytest.fixture
async def deployment(
    kafka_address: str, start_valkey: StartValkey, unique_name: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with live_shards(kafka_address, start_valkey, name=unique_name, folder=tmp_path) as found:
        yield found


@pytest.fixture
async def archived_deployment(
    kafka_address: str, start_valkey: StartValkey, postgres_database: str, unique_name: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """One with an archiver."""
    async with live_shards(
        kafka_address, start_valkey, name=unique_name, folder=tmp_path, postgres=postgres_database
    ) as found:
        yield found
