"""Kafka, Redis and Postgres behind TLS and passwords: every client is let in by the settings, and nobody by less."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from archiver.postgres_migrate import upgrade
from contracts.record import ActionRecord
from foundation.kafka_topics import create_topics, describe_topic
from foundation.postgres_connect import AWAY
from foundation.postgres_connect import connect as connect_postgres
from foundation.redis_connect import connect
from foundation.settings import load_common
from gateway.settings import read_settings
from shard_worker.kafka_reader import KafkaReader
from shardboard.embedded.ports import LOOPBACK
from tests.support.certificates import Certificates, make_certificates
from tests.support.guarded_servers import PASSWORD, USER, GuardedKafka, GuardedPostgres, GuardedRedis
from tests.support.running_gateway import CATALOGUE, read_log, running_gateway, token_for
from tests.support.wait import wait_until

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Fortress:
    """All three, and the settings that let a client in."""

    environ: dict[str, str]
    stranger: Path
    """Another authority, which signed none of their certificates."""
    kafka_plain: str

    def but(self, **changes: str) -> dict[str, str]:
        return {**self.environ, **{f"SHARDBOARD_{name}": value for name, value in changes.items()}}


@pytest.fixture(scope="module")
async def fortress(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> AsyncIterator[Fortress]:
    folder = tmp_path_factory.mktemp("fortress")
    folder.chmod(0o755)
    its: Certificates = make_certificates(folder / "certificates")
    stranger = make_certificates(folder / "strangers").authority
    kafka = GuardedKafka(folder / "kafka", its)
    redis_server = GuardedRedis(folder / "redis", its)
    postgres = GuardedPostgres(postgres_url, its)
    async with AsyncExitStack() as ending:
        for server in (kafka, redis_server, postgres):
            ending.push_async_callback(server.stop)
            await server.start()
        yield await _fortress(folder, its, stranger=stranger, kafka=kafka, redis_server=redis_server, postgres=postgres)


async def _fortress(
    folder: Path, its: Certificates, *, stranger: Path, kafka: GuardedKafka, redis_server: GuardedRedis,
    postgres: GuardedPostgres,
) -> Fortress:  # fmt: skip
    secret = folder / "password"
    secret.write_text(f"{PASSWORD}\n")
    async with connect(redis_server.address) as client:
        await client.config_set("requirepass", PASSWORD)
    catalogue = folder / "actions.toml"
    catalogue.write_text(CATALOGUE)
    redis = f"rediss://{LOOPBACK}:{redis_server.tls_port}/0?ssl_ca_certs={its.authority}&password_file={secret}"
    return Fortress(
        {
            "SHARDBOARD_ENV": "production",
            "SHARDBOARD_ALLOW_UNSAFE_REPLICATION": "1",
            "SHARDBOARD_KAFKA": f"{LOOPBACK}:{kafka.guarded_port}",
            "SHARDBOARD_KAFKA_SECURITY": "sasl_ssl",
            "SHARDBOARD_KAFKA_CA_FILE": str(its.authority),
            "SHARDBOARD_KAFKA_USERNAME": USER,
            "SHARDBOARD_KAFKA_PASSWORD_FILE": str(secret),
            "SHARDBOARD_CACHE_URL": redis,
            "SHARDBOARD_SHARDS": f"s1={redis}",
            "SHARDBOARD_POSTGRES_URL": f"{postgres.address}?sslmode=verify-full&sslrootcert={its.authority}",
            "SHARDBOARD_JWT_SECRET": PASSWORD * 2,
            "SHARDBOARD_JWT_ISSUER": "tests",
            "SHARDBOARD_JWT_AUDIENCE": "board",
            "SHARDBOARD_ACTIONS_FILE": str(catalogue),
        },
        stranger,
        kafka.address,
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_kafka_lets_in_who_shows_the_password(fortress: Fortress, unique_name: str, mechanism: str) -> None:
    environ = fortress.but(KAFKA_SASL_MECHANISM=mechanism, ACTIONS_TOPIC=unique_name, DEAD_TOPIC=f"{unique_name}.dead")
    common = load_common(environ)
    assert await create_topics(common, partitions=2, replication=1)
    assert await describe_topic(common.kafka, unique_name) is not None


@pytest.mark.parametrize(
    "changes", [{"KAFKA_PASSWORD": "a wrong one", "KAFKA_PASSWORD_FILE": ""}, {"KAFKA_USERNAME": "nobody"}]
)
async def test_kafka_refuses_others(fortress: Fortress, changes: dict[str, str]) -> None:
    with pytest.raises(KafkaError):
        await describe_topic(load_common(fortress.but(**changes)).kafka, "actions")


async def test_a_kafka_with_a_strangers_certificate_is_not_believed(fortress: Fortress) -> None:
    with pytest.raises(KafkaError):
        await describe_topic(load_common(fortress.but(KAFKA_CA_FILE=str(fortress.stranger))).kafka, "actions")


async def test_redis_lets_in_by_tls_and_password_alone(fortress: Fortress, tmp_path: Path) -> None:
    url = load_common(fortress.environ).cache_url
    async with connect(url) as client:
        assert await client.ping()
    without, _, _ = url.partition("&password_file=")
    wrong = tmp_path / "wrong"
    wrong.write_text("a wrong one")
    stranger = url.replace(url[url.index("=") + 1 : url.index("&")], str(fortress.stranger))
    for bad in (without, f"{without}&password_file={wrong}", f"{without}&password_file={tmp_path}/none", stranger):
        async with connect(bad) as client:
            with pytest.raises(RedisError):
                await client.ping()


async def test_postgres_is_believed_by_its_certificate(fortress: Fortress) -> None:
    url = load_common(fortress.environ).postgres_url
    connection = await connect_postgres(url, name="test")
    assert await connection.fetchval("SELECT 1") == 1
    connection.terminate()
    for bad in (url.replace("certificates/ca.pem", "strangers/ca.pem"), url.replace("verify-full", "disable")):
        with pytest.raises((*AWAY, asyncpg.PostgresError)):
            await connect_postgres(bad, name="test")


async def test_a_whole_gateway_and_a_reader_behind_tls(fortress: Fortress, unique_name: str) -> None:
    """In production mode: an action goes in by the guarded ports, and what reads the log reads it there."""
    environ = fortress.but(ACTIONS_TOPIC=unique_name, DEAD_TOPIC=f"{unique_name}.dead")
    common = load_common(environ)
    await create_topics(common, partitions=1, replication=1)
    connection = await connect_postgres(common.postgres_url, name="test")
    await upgrade(connection)
    connection.terminate()
    token = token_for("ada", secret=PASSWORD * 2, iss="tests", aud="board")
    async with running_gateway(environ) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        assert (await gateway.post({"user_id": "ada", "action": "commit"}, token=token)).status == 201
        async with gateway.http.get(f"{gateway.internal_url}/health/ready") as answer:
            assert (await answer.json())["revocations"] == "read"
    ((_, _, _, record),) = await read_log(fortress.kafka_plain, unique_name)
    assert isinstance(record, ActionRecord)
    reader = KafkaReader(common.kafka, topic=unique_name, group=None, partitions=())
    await reader.start()
    await reader.close()


def test_settings_of_this_fortress_are_those_of_production(fortress: Fortress) -> None:
    assert read_settings(fortress.environ).common.is_production


def test_every_client_of_kafka_is_made_in_one_way() -> None:
    """A client with servers of its own would come without TLS."""
    folders = ("archiver", "audit", "foundation", "gateway", "merger", "partitioning", "shard_worker", "shardboard")
    files = [file for folder in folders for file in (PROJECT / folder).rglob("*.py")]
    assert [file.name for file in files if "bootstrap_servers" in file.read_text()] == ["kafka_access.py"]
    direct = [file.name for file in files if "Redis.from_url(" in file.read_text()]
    assert direct == ["redis_connect.py"]
