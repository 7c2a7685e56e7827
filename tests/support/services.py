"""Real servers for tests: from the environment if it names one, from Docker with SHARDBOARD_TEST_SERVERS=docker, else
embedded; one of each serves the whole run. Tests share them and keep to their own things: `unique_name` for
topics, `valkey`, `redis7`, `any_redis` emptied before each, `postgres_database` new for each. Who kills or freezes
a server starts one: `await start_valkey("s1")`, `start_redis7`, `start_kafka`, `start_postgres`."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shardboard.embedded.kafka import KafkaServer, broker_answers
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.server import EmbeddedServer
from shardboard.embedded.valkey import ValkeyServer
from tests.support import docker_services
from tests.support.wait import wait_until

# A container's first start makes its data folder on a disk that may be slow.
_CONTAINER_S_MAX = 60.0

StartValkey = Callable[[str], Awaitable[ValkeyServer]]
StartKafka = Callable[[str], Awaitable[KafkaServer]]
StartPostgres = Callable[[str], Awaitable[PostgresServer]]
Server = TypeVar("Server", bound=EmbeddedServer)


@pytest.fixture(scope="session")
async def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with _server(
        "SHARDBOARD_TEST_KAFKA", docker_services.KAFKA, make=_kafka, folders=tmp_path_factory
    ) as address:
        yield address


@pytest.fixture(scope="session")
async def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with _server(
        "SHARDBOARD_TEST_VALKEY", docker_services.VALKEY, make=_valkey, folders=tmp_path_factory
    ) as address:
        yield address


@pytest.fixture(scope="session")
async def redis7_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with _server(
        "SHARDBOARD_TEST_REDIS", docker_services.REDIS7, make=_redis7, folders=tmp_path_factory
    ) as address:
        yield address


@pytest.fixture(scope="session")
async def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with _server(
        "SHARDBOARD_TEST_POSTGRES", docker_services.POSTGRES, make=_postgres, folders=tmp_path_factory
    ) as address:
        yield address


@pytest.fixture(scope="session", params=["valkey_url", "redis7_url"], ids=["valkey", "redis7"])
def any_redis_url(request: pytest.FixtureRequest) -> str:
    url = request.getfixturevalue(request.param)
    assert isinstance(url, str)
    return url


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    async with _emptied(valkey_url) as client:
        yield client


@pytest.fixture
async def redis7(redis7_url: str) -> AsyncIterator[Redis]:
    async with _emptied(redis7_url) as client:
        yield client


@pytest.fixture
async def any_redis(any_redis_url: str) -> AsyncIterator[Redis]:
    async with _emptied(any_redis_url) as client:
        yield client


@pytest.fixture
async def postgres_database(postgres_url: str, unique_name: str) -> AsyncIterator[str]:
    """The address of a new, empty database."""
    admin = await asyncpg.connect(postgres_url)
    try:
        await admin.execute(f"CREATE DATABASE {unique_name}")
        yield postgres_url.rpartition("/")[0] + "/" + unique_name
        await admin.execute(f"DROP DATABASE {unique_name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
def unique_name() -> str:
    """Lower case letters and digits: good for a topic, a group, a user and an SQL name."""
    return f"t{uuid.uuid4().hex[:16]}"


@pytest.fixture
async def start_valkey(tmp_path: Path) -> AsyncIterator[StartValkey]:
    async with _starting(_valkey, tmp_path) as start:
        yield start


@pytest.fixture
async def start_redis7(tmp_path: Path) -> AsyncIterator[StartValkey]:
    async with _starting(_redis7, tmp_path) as start:
        yield start


@pytest.fixture
async def start_kafka(tmp_path: Path) -> AsyncIterator[StartKafka]:
    async with _starting(_kafka, tmp_path) as start:
        yield start


@pytest.fixture
async def start_postgres(tmp_path: Path) -> AsyncIterator[StartPostgres]:
    async with _starting(_postgres, tmp_path) as start:
        yield start


def missing(what: str, how: str) -> NoReturn:
    """End the test: skipped on a person's machine, failed in CI, where a skip would hide that nothing was tested."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _kafka(folder: Path) -> KafkaServer:
    return KafkaServer(folder, port=free_ports(1)[0], name=folder.name)


def _valkey(folder: Path) -> ValkeyServer:
    return ValkeyServer(folder, port=free_ports(1)[0], name=folder.name)


def _redis7(folder: Path) -> ValkeyServer:
    binary = shutil.which("redis-server")
    if binary is None:
        missing("redis-server", "`make test-deps` installs it")
    return ValkeyServer(folder, port=free_ports(1)[0], name=folder.name, binary=Path(binary))


def _postgres(folder: Path) -> PostgresServer:
    return PostgresServer(folder, port=free_ports(1)[0], name=folder.name)


@asynccontextmanager
async def _server(
    variable: str,
    image: docker_services.Image,
    *,
    make: Callable[[Path], EmbeddedServer],
    folders: pytest.TempPathFactory,
) -> AsyncIterator[str]:
    """The address of a server that answers: from the environment, from Docker, or embedded."""
    if address := os.environ.get(variable):
        yield address
    elif docker_services.is_wanted():
        if not docker_services.has_image(image.name):
            missing(image.name, "no Docker engine answers that has it")
        container = docker_services.start_container(image)
        try:
            await wait_until(lambda: _answers(container.address), timeout_s=_CONTAINER_S_MAX, what=image.name)
            yield container.address
        finally:
            container.remove()
    else:
        server = make(folders.mktemp(make.__name__.strip("_")))
        await server.start()
        try:
            yield server.address
        finally:
            await server.stop()


@asynccontextmanager
async def _starting(make: Callable[[Path], Server], folder: Path) -> AsyncIterator[Callable[[str], Awaitable[Server]]]:
    """Yields what starts a new server by name; all of them end afterwards, however many the test has ended itself."""
    async with AsyncExitStack() as ending:

        async def start(name: str) -> Server:
            server = make(folder / name)
            ending.push_async_callback(server.stop)
            await server.start()
            return server

        yield start


@asynccontextmanager
async def _emptied(url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(url) as client:
        await client.flushall()
        yield client


async def _answers(address: str) -> bool:
    """Whether clients are served there: a published port accepts connections before the server behind it does."""
    try:
        if address.startswith("redis:"):
            async with Redis.from_url(address) as client:
                return bool(await client.ping())
        if address.startswith("postgresql:"):
            await (await asyncpg.connect(address)).close()
            return True
        return await broker_answers(address)
    except (OSError, EOFError, RedisError, asyncpg.PostgresError):
        return False
