"""The tests' servers as containers, where SHARDBOARD_TEST_SERVERS=docker asks for them. Never pulls an image."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shardboard.embedded.ports import LOOPBACK, free_ports

# An engine that does not answer at once is treated as none: the tests have servers of their own.
_ENGINE_S_MAX = 5
_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Image:
    """What to run, and how clients reach it when the container's port is published at `port`."""

    name: str
    port: int
    address: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


_DURABLE = ("--protected-mode", "no", "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
VALKEY = Image("valkey/valkey:9.1", 6379, "redis://{host}:{port}/0", command=("valkey-server", *_DURABLE))
REDIS7 = Image("redis:7", 6379, "redis://{host}:{port}/0", command=("redis-server", *_DURABLE))
POSTGRES = Image(
    "postgres:18",
    5432,
    "postgresql://shardboard:shardboard@{host}:{port}/shardboard",
    env={"POSTGRES_USER": "shardboard", "POSTGRES_PASSWORD": "shardboard", "POSTGRES_DB": "shardboard"},
)
KAFKA = Image(
    "apache/kafka:4.3.1",
    9092,
    "{host}:{port}",
    env={
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://{host}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    },
)


@dataclass(frozen=True, slots=True)
class Container:
    """A started container. It may not answer yet; `remove` ends it with its data."""

    address: str
    remove: Callable[[], None]


def is_wanted() -> bool:
    """Whether this run shall use containers. Never by itself: whoever ends the engine would end the run."""
    return os.environ.get("SHARDBOARD_TEST_SERVERS", "embedded") == "docker"


def start_container(image: Image) -> Container:
    """Start it. The engine must have the image: see `has_image`."""
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    # Its reaper would be pulled; the fixtures remove their containers themselves.
    testcontainers_config.ryuk_disabled = True
    host, port = LOOPBACK, free_ports(1)[0]
    container = DockerContainer(image.name, command=shlex.join(image.command) or None)
    for name, value in image.env.items():
        container.with_env(name, value.format(host=host, port=port))
    # A port alone would be published on every interface of the machine.
    ports: dict[str, Any] = container.ports
    ports[f"{image.port}/tcp"] = (host, port)
    try:
        container.start()
    except BaseException:
        container.stop()
        raise
    return Container(image.address.format(host=host, port=port), container.stop)


def has_image(name: str) -> bool:
    """Whether an engine answers and has this image already."""
    if "DOCKER_HOST" not in os.environ and not _SOCKET.exists():
        return False
    import docker  # type: ignore[import-untyped]
    from docker.errors import DockerException  # type: ignore[import-untyped]

    try:
        client: Any = docker.from_env(timeout=_ENGINE_S_MAX)
    except DockerException:
        return False
    try:
        client.images.get(name)
    except (DockerException, OSError):
        return False
    finally:
        client.close()
    return True
